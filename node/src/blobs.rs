//! Keeps file contents, named by their hash: our own small interface over iroh-blobs' file store.
//!
//! What the store does not promise is added here: an acknowledged import is on the disk
//! ([`Writer::sync`]), what a crash tore is found and dropped when the store opens
//! ([`recovery`]), and only what our own live set lacks is ever deleted ([`sweep`]).
//!
//! Guarantees: bytes handed out matched their hash while they were read. Not here: which blobs
//! are wanted (`gc`), who may have them (`access`) and where they come from (`fetch`).

mod durable;
mod files;

mod recovery;
mod sweep;
mod writer;

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::digest::Digest;
use iroh_blobs::Hash;
use iroh_blobs::api::blobs::{BlobStatus, EncodedItem};
use iroh_blobs::api::{RequestError, Store as Api};
use iroh_blobs::protocol::{ChunkRanges, ChunkRangesExt};
use iroh_blobs::store::GcConfig;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::fs::options::{BatchOptions, Options};
use n0_future::StreamExt;
use tokio::sync::{RwLock, RwLockWriteGuard};

pub(crate) use files::VariantFiles;
pub(crate) use writer::{Imported, Writer};

use durable::Marks;
use sweep::Sweeper;

/// Blobs up to this size lie inside the store's database, larger ones in files of their own.
///
/// The database keeps up to 1 GiB of what it read or wrote in memory, which iroh-blobs leaves no
/// way to change, and gives 8 KiB to a blob of 4 KiB. So the database has to stay small.
pub(crate) const INLINE_BYTES_MAX: u64 = 1024;
/// A commit waits for at most this many blobs. A kill loses those of them that lie in the
/// database; the next start finds the others by their files.
const COMMIT_BLOBS_MAX: usize = 2048;
/// A commit waits at most this long, for the same reason.
const COMMIT_DELAY: Duration = Duration::from_millis(500);

/// How long a shutdown waits for those who are still writing.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// Why contents could not be kept or given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobsError {
    /// The folder cannot be opened as a blob store.
    #[error("cannot open the blob store in {}", dir.display())]
    Open {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no more room on the disk.
    #[error("the disk is full")]
    Full {
        /// What the system said.
        source: io::Error,
    },
    /// The store answered with an error.
    #[error("the blob store failed to {doing}")]
    Failed {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A file that was to be kept cannot be read.
    #[error("cannot read the file")]
    Source {
        /// What the system said.
        source: io::Error,
    },
    /// We do not have it, or not all of it.
    #[error("blob {digest} is not here")]
    Missing {
        /// Its hash.
        digest: Digest,
    },
    /// It is larger than the caller is willing to read.
    #[error("blob {digest} has {bytes} bytes")]
    TooLarge {
        /// Its hash.
        digest: Digest,
        /// Its size.
        bytes: u64,
    },
}

impl BlobsError {
    pub(crate) fn failed(doing: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { source },
            _ => Self::Failed { doing, source },
        }
    }

    fn request(doing: &'static str, error: RequestError) -> Self {
        match error {
            RequestError::Inner { source: iroh_blobs::api::Error::Io(source), .. } => {
                Self::failed(doing, source)
            }
            other => Self::failed(doing, io::Error::other(other)),
        }
    }
}

/// How much of a blob we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Nothing.
    Absent,
    /// Some verified part.
    Partial,
    /// All of it.
    Whole {
        /// Its size in bytes.
        size: u64,
    },
}

/// The open blob store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Blobs(Arc<Inner>);

struct Inner {
    store: FsStore,
    dir: PathBuf,
    marks: Marks,
    sweeper: Sweeper,
    /// Held for reading while blobs are written that nothing holds yet, for writing while sweeping.
    unswept: Arc<RwLock<()>>,
}

/// What was found when a store opened that had not been closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Whether it had been closed properly.
    pub clean: bool,
    /// Blobs that were listed as complete but no longer matched their hash; dropped.
    pub torn: Vec<Digest>,
    /// Blobs that were complete on disk but not yet listed; listed now.
    pub adopted: u64,
}

impl Blobs {
    /// Opens the store in `dir`, creating it if need be, and repairs what a crash left.
    ///
    /// The caller guarantees that no other process has it open (the statement store's lock).
    pub(crate) async fn open(dir: &Path) -> Result<(Self, Recovered), BlobsError> {
        let failed = |source| BlobsError::Open { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        durable::clear_folder(&dir.join("temp")).map_err(failed)?;
        let marks = Marks::new(dir);
        let closed = marks.begin().map_err(failed)?;

        let (sweeper, protect) = Sweeper::new();
        let mut options = Options::new(dir);
        options.inline.max_data_inlined = INLINE_BYTES_MAX;
        options.batch = BatchOptions {
            max_write_batch: COMMIT_BLOBS_MAX,
            max_write_duration: COMMIT_DELAY,
            ..BatchOptions::default()
        };
        options.gc = Some(GcConfig { interval: sweep::PAUSE, add_protected: Some(protect) });
        let store = FsStore::load_with_opts(dir.join("blobs.db"), options)
            .await
            .map_err(|error| failed(io::Error::other(format!("{error:#}"))))?;
        let blobs = Self(Arc::new(Inner {
            store,
            dir: dir.to_owned(),
            marks,
            sweeper,
            unswept: Arc::default(),
        }));
        let recovered = match closed {
            durable::Closed::Properly => Recovered { clean: true, ..Recovered::default() },
            durable::Closed::NotSince(mark) => recovery::run(&blobs, mark).await?,
        };
        Ok((blobs, recovered))
    }

    /// The store that serves requests of peers.
    pub(crate) fn api(&self) -> &Api {
        &self.0.store
    }

    /// How much of `digest` is here, as far as the database knows; nothing is re-hashed.
    pub(crate) async fn holding(&self, digest: &Digest) -> Result<Holding, BlobsError> {
        let status = self.api().blobs().status(hash(digest)).await;
        match status
            .map_err(|error| BlobsError::failed("look a blob up", io::Error::other(error)))?
        {
            BlobStatus::NotFound => Ok(Holding::Absent),
            BlobStatus::Partial { .. } => Ok(Holding::Partial),
            BlobStatus::Complete { size } => Ok(Holding::Whole { size }),
        }
    }

    /// The hashes of all blobs, complete and partial.
    pub(crate) async fn list(&self) -> Result<HashSet<Digest>, BlobsError> {
        let hashes = self.api().blobs().list().hashes().await;
        let hashes = hashes.map_err(|error| BlobsError::request("list the blobs", error))?;
        Ok(hashes.iter().map(digest).collect())
    }

    /// The bytes of a blob of at most `bytes_max`, checked against its hash while reading.
    pub(crate) async fn bytes(&self, digest: &Digest, bytes_max: u64) -> Result<Bytes, BlobsError> {
        match self.holding(digest).await? {
            Holding::Whole { size } if size > bytes_max => {
                return Err(BlobsError::TooLarge { digest: *digest, bytes: size });
            }
            Holding::Whole { .. } => {}
            Holding::Absent | Holding::Partial => {
                return Err(BlobsError::Missing { digest: *digest });
            }
        }
        let bytes = self.api().blobs().get_bytes(hash(digest)).await;
        bytes.map_err(|error| BlobsError::failed("read a blob", io::Error::other(error)))
    }

    /// Where the bytes of a blob lie that is complete and larger than [`INLINE_BYTES_MAX`].
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.0.dir.join("data").join(format!("{digest}.data"))
    }

    /// The folder of the store, for measuring free space.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Begins writing blobs that nothing holds yet; no sweep runs until it is dropped.
    pub(crate) async fn writer(&self) -> Writer {
        let unswept = self.0.unswept.clone().read_owned().await;
        Writer::new(self.clone(), self.0.marks.begin_writing(), unswept)
    }

    /// Makes the database remember everything written so far.
    pub(crate) async fn commit(&self) -> Result<(), BlobsError> {
        let done = self.api().sync_db().await;
        done.map_err(|error| BlobsError::request("commit", error))
    }

    /// Waits until no [`Writer`] is open and keeps new ones out.
    pub(crate) async fn alone(&self) -> Alone<'_> {
        Alone { blobs: self, _lock: self.0.unswept.write().await }
    }

    /// The byte ranges of a blob of `size` bytes that are not here, ascending.
    pub(crate) async fn missing(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<Vec<Range<u64>>, BlobsError> {
        let have = self.api().blobs().observe(hash(digest)).await;
        let have = have.map_err(|error| BlobsError::request("look a blob up", error))?;
        let missing = ChunkRanges::bytes(0..size) - have.ranges;
        let edges: Vec<u64> = missing.boundaries().iter().map(|chunk| chunk.to_bytes()).collect();
        // An open end, as of a blob of which nothing is known, is the end of the blob.
        Ok(edges
            .chunks(2)
            .map(|edge| edge[0].min(size)..edge.get(1).map_or(size, |end| (*end).min(size)))
            .filter(|range| !range.is_empty())
            .collect())
    }

    /// Reads `range` of a complete blob, checked against its hash.
    ///
    /// - `range`: begins and ends at multiples of 1024, or ends where the blob does.
    pub(crate) async fn range(
        &self,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<Bytes, BlobsError> {
        let exported = self.api().blobs().export_bao(hash(digest), ChunkRanges::bytes(range));
        let bytes = exported.data_to_bytes().await;
        bytes.map_err(|error| BlobsError::failed("read a blob", io::Error::other(error)))
    }

    /// Reads all of a blob and its proofs; answers whether they are what its hash says.
    pub(crate) async fn is_sound(&self, digest: &Digest, size: u64) -> bool {
        let exported = self.api().blobs().export_bao(hash(digest), ChunkRanges::all());
        let mut items = std::pin::pin!(exported.stream());
        let mut read = 0;
        while let Some(item) = items.next().await {
            match item {
                EncodedItem::Leaf(leaf) => read += leaf.data.len() as u64,
                EncodedItem::Error(_) => return false,
                EncodedItem::Size(claimed) if claimed != size => return false,
                _ => {}
            }
        }
        read == size
    }

    /// Writes everything to disk and closes the store; later calls fail.
    ///
    /// Who is still writing is waited for, but not for long: what it has not synced, the next
    /// start checks.
    pub(crate) async fn shutdown(&self) -> Result<(), BlobsError> {
        let alone = tokio::time::timeout(SHUTDOWN_WAIT, self.0.unswept.write()).await;
        self.commit().await?;
        let inner = self.0.clone();
        let closed = self.api().shutdown().await;
        closed.map_err(|error| BlobsError::failed("close", io::Error::other(error)))?;
        inner.sweeper.close();
        if alone.is_err() {
            return Ok(());
        }
        tokio::task::spawn_blocking(move || inner.marks.end())
            .await
            .map_err(|error| BlobsError::failed("close", io::Error::other(error)))?
            .map_err(|error| BlobsError::failed("close", error))
    }
}

/// Nobody writes while this is held.
pub(crate) struct Alone<'a> {
    blobs: &'a Blobs,
    _lock: RwLockWriteGuard<'a, ()>,
}

impl Alone<'_> {
    /// Deletes every blob that is not in `live` and answers which went.
    pub(crate) async fn sweep(
        &self,
        live: &HashSet<Digest>,
    ) -> Result<HashSet<Digest>, BlobsError> {
        let before = self.blobs.list().await?;
        if before.is_subset(live) {
            return Ok(HashSet::new());
        }
        self.blobs.0.sweeper.run(live.iter().map(hash).collect()).await?;
        let after = self.blobs.list().await?;
        Ok(before.difference(&after).copied().collect())
    }

    /// Deletes these blobs, whoever wants them: their bytes are wrong.
    pub(crate) async fn drop_torn(&self, torn: &HashSet<Digest>) -> Result<(), BlobsError> {
        let live = self.blobs.list().await?.difference(torn).copied().collect();
        self.sweep(&live).await?;
        Ok(())
    }
}

pub(crate) fn hash(digest: &Digest) -> Hash {
    Hash::from_bytes(*digest.as_bytes())
}

pub(crate) fn digest(hash: &Hash) -> Digest {
    Digest::from_bytes(*hash.as_bytes())
}
