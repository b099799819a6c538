//! A disk in memory that fails on command and forgets what was not synced: for tests, also those of
//! whole nodes in other crates.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::tables::{META_ID, put};
use super::{Store, StoreError, write_to};

/// What a power cut leaves whole: half a page may be old, a sector never is.
const SECTOR: usize = 512;

/// How the n-th operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation fails, and later ones work.
    Once(io::ErrorKind),
    /// It fails and so does everything after it: the power is gone.
    PowerCut,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    now: Vec<u8>,
    /// What is safe.
    durable: Vec<u8>,
    /// What was done since the last sync, oldest first.
    pending: Vec<Write>,
    operations: u64,
    fails: Option<(u64, Failure)>,
    failed: bool,
    /// Whether a sync only says that it did.
    lies: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A generator of numbers that only have to differ (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

impl Disk {
    /// A disk with these bytes on it, all of them safe.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let state = State { now: bytes.clone(), durable: bytes, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same, whose operation number `at`, counted from 0, fails.
    pub fn failing(bytes: Vec<u8>, at: u64, failure: Failure) -> Self {
        let disk = Self::holding(bytes);
        disk.fail_after(at, failure);
        disk
    }

    /// Lets the operation fail that comes after `count` more.
    pub fn fail_after(&self, count: u64, failure: Failure) {
        let mut state = self.state();
        state.fails = Some((state.operations + count, failure));
    }

    /// Takes back what [`fail_after`](Self::fail_after) asked for, if it did not happen yet.
    pub fn work_again(&self) {
        self.state().fails = None;
    }

    /// The same disk from now on says that it synced, and does not.
    pub fn lie(self) -> Self {
        self.state().lies = true;
        self
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.state().now.len() as u64
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the failure happened.
    pub fn failed(&self) -> bool {
        self.state().failed
    }

    /// What may be on the disk after a power cut: everything that was synced, and of what was
    /// written since any sectors in any order.
    pub fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        let state = self.state();
        let mut image = state.durable.clone();
        let mut pieces: Vec<Write> = Vec::new();
        for write in &state.pending {
            match write {
                Write::Length(_) => pieces.push(write.clone()),
                Write::Bytes { at, bytes } => {
                    for (index, bytes) in bytes.chunks(SECTOR).enumerate() {
                        pieces
                            .push(Write::Bytes { at: at + index * SECTOR, bytes: bytes.to_vec() });
                    }
                }
            }
        }
        // Sometimes nothing is lost, sometimes all of it, mostly a share; sometimes in order.
        let kept_of_8 = random.below(9);
        if random.below(2) == 0 {
            for last in (1..pieces.len()).rev() {
                pieces.swap(last, random.below(last as u64 + 1) as usize);
            }
        }
        for piece in pieces {
            if random.below(8) < kept_of_8 {
                piece.apply(&mut image);
            }
        }
        image
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the disk")
    }

    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        let number = state.operations;
        state.operations += 1;
        let failure = match state.fails {
            Some((at, Failure::PowerCut)) if number >= at => io::ErrorKind::NotConnected,
            Some((at, Failure::Once(kind))) if number == at => kind,
            _ => return Ok(state),
        };
        state.failed = true;
        Err(failure.into())
    }
}

impl Store {
    /// Opens the store on `disk`, without a lock.
    ///
    /// - `epoch`: which one an empty disk gets, so that a run can be repeated byte by byte.
    ///
    /// # Errors
    /// [`StoreError`], as [`Store::open`].
    #[doc(hidden)]
    pub fn on_disk(disk: &Disk, epoch: [u8; 16]) -> Result<Self, StoreError> {
        let is_new = disk.state().now.is_empty();
        let store = Self::over(disk.clone())?;
        if !is_new {
            return Ok(store);
        }
        // What was read of an empty disk is the random number that is replaced here.
        write_to(&store.0.database, |tables| put(&mut tables.meta, META_ID, &epoch))?;
        drop(store);
        Self::over(disk.clone())
    }
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Bytes { at, bytes } => {
                let end = at + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl State {
    fn write(&mut self, write: Write) {
        write.apply(&mut self.now);
        self.pending.push(write);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operate()?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.operate()?;
        let offset = offset as usize;
        let bytes = state.now.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate()?.write(Write::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // A sync that fails leaves it open what got through.
        let mut state = self.operate()?;
        if !state.lies {
            for write in std::mem::take(&mut state.pending) {
                write.apply(&mut state.durable);
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate()?.write(Write::Bytes { at: offset as usize, bytes: data.to_vec() });
        Ok(())
    }
}
