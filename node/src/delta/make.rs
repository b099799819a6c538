//! Makes patches for those who ask, within bounds, and keeps them.
//!
//! Guarantees: one is made at a time, and no pair twice at once; who would wait too long gets none;
//! making takes a quarter of a core in the long run, whoever asks for whatever.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tracing::debug;

use super::shelf::{Known, Shelf};
use super::{FILE_BYTES_MAX, Pair, patch};
use crate::blobs::Blobs;
use crate::blocking::blocking;
use crate::shaping::Bucket;
use crate::turns::Turns;

/// Each takes up to some 250 MiB of memory.
const MAKING_MAX: usize = 1;
/// Who comes when so many wait gets no patch.
const WAITING_MAX: usize = 64;
/// Patches that are sent at once; each is in memory as a whole.
const SENDING_MAX: usize = 4;
/// A patch that takes longer is given up, and not tried again.
const MAKING_TIME_MAX: Duration = Duration::from_secs(30);
/// How long making patches may take at once after a silence, in milliseconds.
const BURST_MS: u64 = 60_000;
/// How many milliseconds of a second it may take in the long run.
const SHARE_MS: u64 = 250;
/// A new file is read in pieces of this size, so that a maker can stop between two.
const PIECE_BYTES: u64 = 1 << 20;

/// The patches of this node.
pub(crate) struct Patches(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    shelf: OnceLock<Mutex<Shelf>>,
    turns: Turns<Pair>,
    waiting: Semaphore,
    making: Semaphore,
    sending: Semaphore,
    /// Milliseconds of work.
    time: Mutex<Bucket>,
    origin: Instant,
}

impl Patches {
    /// Keeps them in `dir`; nothing is read or made before somebody asks.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self(Arc::new(Shared {
            dir,
            shelf: OnceLock::new(),
            turns: Turns::default(),
            waiting: Semaphore::new(WAITING_MAX),
            making: Semaphore::new(MAKING_MAX),
            sending: Semaphore::new(SENDING_MAX),
            time: Mutex::new(Bucket::new(SHARE_MS, BURST_MS)),
            origin: Instant::now(),
        }))
    }

    /// What is known about a pair without making anything.
    pub(super) async fn look(&self, pair: Pair) -> Option<Known> {
        let shared = self.0.clone();
        blocking(move || shared.shelf().look(&pair)).await
    }

    /// A patch that was made, and a place among those that are sent: `None` when there is either
    /// none.
    pub(super) async fn take(&self, pair: Pair) -> Option<(Vec<u8>, SemaphorePermit<'_>)> {
        let place = self.0.sending.try_acquire().ok()?;
        let shared = self.0.clone();
        let patch = blocking(move || shared.shelf().take(&pair)).await?;
        Some((patch, place))
    }

    /// Makes the patch of a pair, both of which are here; answers its size.
    ///
    /// `None` when there is none worth having, or no time for it now.
    pub(super) async fn make(&self, blobs: &Blobs, pair: Pair, bytes: u64) -> Option<u64> {
        let _waiting = self.0.waiting.try_acquire().ok()?;
        let _turn = self.0.turns.take(pair).await;
        match self.look(pair).await {
            Some(Known::Patch(bytes)) => return Some(bytes),
            Some(Known::None) => return None,
            None => {}
        }
        let _place = self.0.making.acquire().await.ok()?;
        if !self.0.has_time() {
            return None;
        }
        let began = Instant::now();
        let made = make(blobs, pair, bytes).await;
        self.0.spent(began.elapsed());
        let patch = match made {
            Ok(patch) => patch,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => None,
            Err(error) => {
                debug!("no patch was made: {error}");
                return None;
            }
        };
        let shared = self.0.clone();
        blocking(move || match shared.shelf().put(pair, patch.as_deref()) {
            Ok(()) => patch.map(|patch| patch.len() as u64),
            Err(error) => {
                debug!("a patch cannot be kept: {error}");
                None
            }
        })
        .await
    }
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        let shelf = self.shelf.get_or_init(|| Mutex::new(Shelf::open(self.dir.clone())));
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_time(&self) -> bool {
        let now = self.origin.elapsed();
        self.time.lock().unwrap_or_else(PoisonError::into_inner).ready_at(now, 1) <= now
    }

    fn spent(&self, time: Duration) {
        let mut left = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        left.take(self.origin.elapsed(), time.as_millis() as u64);
    }
}

/// Reads both files, checked against their hashes, and makes the patch on a thread of its own. When
/// nobody waits for it any more, the thread ends with the piece that it has.
async fn make(blobs: &Blobs, pair: Pair, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let old = blobs.bytes(&pair.old, FILE_BYTES_MAX).await.map_err(io::Error::other)?;
    let (give, mut taken) = mpsc::channel::<Bytes>(1);
    let making =
        tokio::task::spawn_blocking(move || patch::make(&old, bytes, || taken.blocking_recv()));
    let feeding = async {
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + PIECE_BYTES);
            let piece = blobs.range(&pair.new, at..end).await.map_err(io::Error::other)?;
            if give.send(piece).await.is_err() {
                // The maker has ended, and says why.
                break;
            }
            at = end;
        }
        drop(give);
        making.await.map_err(io::Error::other)?
    };
    match tokio::time::timeout(MAKING_TIME_MAX, feeding).await {
        Ok(made) => made,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
