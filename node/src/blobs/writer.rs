//! Writes new blobs and, at the end, makes sure that they are on the disk.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use catalog::digest::{Digest, FileHasher, Sha256Digest};
use iroh_blobs::BlobFormat;
use iroh_blobs::api::blobs::{AddProgress, AddProgressItem};
use n0_future::{BufferedStreamExt, StreamExt};
use tokio::sync::{OwnedRwLockReadGuard, mpsc};

use super::durable::{self, WriteId};
use super::{Blobs, BlobsError, INLINE_BYTES_MAX, digest};

/// Read at once from a file that is imported.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks between the thread that reads and hashes and the store that writes.
const BLOCKS_AHEAD: usize = 4;
/// Small blobs handed to the store before the first is acknowledged.
const IMPORTS_AT_ONCE: usize = 64;

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub digest: Digest,
    pub sha256: Sha256Digest,
    pub size: u64,
}

/// Blobs being written. Until it is dropped nothing is swept; what was not
/// [synced](Self::sync) may be torn by a power cut and is re-hashed by the next start.
pub(crate) struct Writer {
    blobs: Blobs,
    write: WriteId,
    /// Large blobs, which lie in files of their own.
    files: Mutex<HashSet<Digest>>,
    _unswept: OwnedRwLockReadGuard<()>,
}

impl Writer {
    pub(super) fn new(blobs: Blobs, write: WriteId, unswept: OwnedRwLockReadGuard<()>) -> Self {
        Self { blobs, write, files: Mutex::default(), _unswept: unswept }
    }

    /// Counts a blob as written that came some other way (from a peer, in ranges).
    pub(crate) fn wrote(&self, digest: Digest, size: u64) {
        if size > INLINE_BYTES_MAX {
            self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        }
    }

    /// Adds many blobs from memory at once.
    pub(crate) async fn import_many(&self, many: Vec<Bytes>) -> Result<(), BlobsError> {
        let blobs = &self.blobs;
        let added = many.into_iter().map(|bytes| async move {
            let size = bytes.len() as u64;
            Ok::<_, BlobsError>((add_bytes(blobs, bytes).await?, size))
        });
        let added: Vec<_> =
            n0_future::stream::iter(added).buffered_unordered(IMPORTS_AT_ONCE).collect().await;
        for added in added {
            let (digest, size) = added?;
            self.wrote(digest, size);
        }
        Ok(())
    }

    /// Adds a file, reading it once: what is hashed is what is stored, even if somebody writes
    /// to the file meanwhile. `progress` is told the size of every block read.
    pub(crate) async fn import_file(
        &self,
        path: PathBuf,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Imported, BlobsError> {
        self.import_from(move || File::open(path), progress).await
    }

    /// Adds everything that a reader gives, as [`import_file`](Self::import_file) does.
    pub(crate) async fn import_from<R: Read>(
        &self,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Imported, BlobsError> {
        let (blocks, mut received) = mpsc::channel::<io::Result<Bytes>>(BLOCKS_AHEAD);
        let take = move |block| blocks.blocking_send(block).is_ok();
        let reading = tokio::task::spawn_blocking(move || read_all(open, take, progress));
        let stream = n0_future::stream::poll_fn(move |cx| received.poll_recv(cx));
        let added = self.blobs.api().blobs().add_stream(stream).await;
        let added = add(added).await;
        let read = reading.await.map_err(io::Error::other).and_then(|read| read);
        let imported = match read {
            Ok(imported) => imported,
            // The store stopped taking the file, and it says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(added.err().unwrap_or(BlobsError::Source { source: error }));
            }
            Err(source) => return Err(BlobsError::Source { source }),
        };
        let stored = added?;
        if stored != imported.digest {
            let source = io::Error::new(io::ErrorKind::InvalidData, "stored other bytes than read");
            return Err(BlobsError::failed("import a file", source));
        }
        self.wrote(imported.digest, imported.size);
        Ok(imported)
    }

    /// Hashes a file as [`import_file`](Self::import_file) does, and keeps nothing.
    pub(crate) async fn hash_file(
        path: PathBuf,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Imported, BlobsError> {
        let read =
            tokio::task::spawn_blocking(move || read_all(|| File::open(path), |_| true, progress))
                .await;
        read.map_err(io::Error::other)
            .and_then(|read| read)
            .map_err(|source| BlobsError::Source { source })
    }

    /// Puts everything written so far on the disk. Only then may anybody be told that it is here.
    ///
    /// The writer stays open, so that nothing is swept until somebody holds what was written.
    pub(crate) async fn sync(&self) -> Result<(), BlobsError> {
        self.blobs.commit().await?;
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        let (blobs, write) = (self.blobs.clone(), self.write);
        let synced = tokio::task::spawn_blocking(move || {
            let folder = blobs.dir().join("data");
            let paths: Vec<PathBuf> = files
                .iter()
                .flat_map(|digest| {
                    let data = blobs.path(digest);
                    [data.with_extension("obao4"), data]
                })
                .collect();
            durable::sync_files(&folder, &paths)?;
            blobs.0.marks.synced(write)
        });
        synced
            .await
            .map_err(io::Error::other)
            .and_then(|result| result)
            .map_err(|error| BlobsError::failed("write to disk", error))
    }
}

/// Reads block by block; `take` answers whether it still wants more.
fn read_all<R: Read>(
    open: impl FnOnce() -> io::Result<R>,
    take: impl Fn(io::Result<Bytes>) -> bool,
    progress: impl Fn(u64),
) -> io::Result<Imported> {
    let mut file = open()?;
    let mut hasher = FileHasher::new();
    let mut size = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let read = match (&mut file).take(BLOCK_BYTES as u64).read_to_end(&mut block) {
            Ok(read) => read,
            Err(error) => {
                // The store must not take the end of the channel for the end of the file.
                take(Err(error.kind().into()));
                return Err(error);
            }
        };
        if read == 0 {
            break;
        }
        hasher.update(&block);
        size += read as u64;
        progress(read as u64);
        if !take(Ok(block.into())) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    let (digest, sha256) = hasher.finish();
    Ok(Imported { digest, sha256, size })
}

async fn add_bytes(blobs: &Blobs, bytes: Bytes) -> Result<Digest, BlobsError> {
    add(blobs.api().blobs().add_bytes_with_opts((bytes, BlobFormat::Raw))).await
}

async fn add(added: AddProgress<'_>) -> Result<Digest, BlobsError> {
    let mut items = std::pin::pin!(added.stream().await);
    while let Some(item) = items.next().await {
        match item {
            AddProgressItem::Done(tag) => return Ok(digest(&tag.hash())),
            AddProgressItem::Error(error) => return Err(BlobsError::failed("import", error)),
            _ => {}
        }
    }
    Err(BlobsError::failed("import", io::Error::from(io::ErrorKind::UnexpectedEof)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Holding, Recovered};
    use super::*;

    async fn open(dir: &std::path::Path) -> (Blobs, Recovered) {
        Blobs::open(dir).await.unwrap()
    }

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        (0..bytes)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect()
    }

    async fn import(writer: &Writer, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        writer.import_many(vec![bytes]).await.unwrap();
        digest
    }

    #[tokio::test]
    async fn what_is_imported_is_read_back_after_closing() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, _) = open(dir.path()).await;
        let (small, large) = (noise(4096, 1), noise(3_000_000, 2));
        let source = dir.path().join("source");
        std::fs::write(&source, &large).unwrap();
        let writer = blobs.writer().await;
        let digest = import(&writer, small.clone().into()).await;
        let imported = writer.import_file(source, |_| ()).await.unwrap();
        writer.sync().await.unwrap();
        drop(writer);
        assert_eq!(imported.digest, Digest::of(&large));
        assert_eq!(imported.size, large.len() as u64);
        blobs.shutdown().await.unwrap();

        let (blobs, recovered) = open(dir.path()).await;
        assert!(recovered.clean);
        assert_eq!(blobs.bytes(&digest, 1 << 20).await.unwrap(), small);
        assert_eq!(blobs.bytes(&imported.digest, 1 << 22).await.unwrap(), large);
        let missing = Digest::of(b"missing");
        assert_eq!(blobs.holding(&missing).await.unwrap(), Holding::Absent);
        assert!(matches!(blobs.bytes(&missing, 10).await, Err(BlobsError::Missing { .. })));
        assert!(matches!(blobs.bytes(&digest, 10).await, Err(BlobsError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn a_sweep_deletes_exactly_what_is_not_live() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, _) = open(dir.path()).await;
        let mut digests = Vec::new();
        let writer = blobs.writer().await;
        for (seed, bytes) in [(1, 100), (2, 100_000), (3, 100), (4, 100_000)] {
            digests.push(import(&writer, noise(bytes, seed).into()).await);
        }
        writer.sync().await.unwrap();
        drop(writer);
        for round in [&digests[..2], &digests[2..3], &digests[3..]] {
            let doomed: HashSet<Digest> = round.iter().copied().collect();
            let live = blobs.list().await.unwrap().difference(&doomed).copied().collect();
            let gone = blobs.alone().await.sweep(&live).await.unwrap();
            assert_eq!(gone, doomed);
            for digest in round {
                assert_eq!(blobs.holding(digest).await.unwrap(), Holding::Absent);
                assert!(!blobs.path(digest).exists());
            }
        }
        // What was swept can come back.
        let writer = blobs.writer().await;
        import(&writer, noise(100_000, 2).into()).await;
        writer.sync().await.unwrap();
        drop(writer);
        assert_eq!(blobs.bytes(&digests[1], 1 << 20).await.unwrap(), noise(100_000, 2));
        blobs.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_torn_file_is_dropped_when_the_store_was_not_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, _) = open(dir.path()).await;
        let writer = blobs.writer().await;
        let torn = import(&writer, noise(100_000, 1).into()).await;
        let whole = import(&writer, noise(100_000, 2).into()).await;
        writer.sync().await.unwrap();
        drop(writer);
        let closing = blobs.path(&torn);
        blobs.shutdown().await.unwrap();
        // What a power cut does: the name is there, the bytes are not.
        std::fs::remove_file(dir.path().join("closed")).unwrap();
        std::fs::File::options().write(true).open(&closing).unwrap().set_len(0).unwrap();

        let (blobs, recovered) = open(dir.path()).await;
        assert_eq!(recovered, Recovered { clean: false, torn: vec![torn], adopted: 0 });
        assert_eq!(blobs.holding(&torn).await.unwrap(), Holding::Absent);
        assert_eq!(blobs.bytes(&whole, 1 << 20).await.unwrap(), noise(100_000, 2));
        blobs.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_the_database_had_not_listed_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, _) = open(dir.path()).await;
        let (whole, half) = (noise(100_000, 1), noise(50_000, 2));
        let wanted = Digest::of(&noise(100_000, 2));
        std::fs::write(blobs.path(&Digest::of(&whole)), &whole).unwrap();
        std::fs::write(blobs.path(&wanted), &half).unwrap();
        blobs.shutdown().await.unwrap();
        std::fs::remove_file(dir.path().join("closed")).unwrap();

        let (blobs, recovered) = open(dir.path()).await;
        assert_eq!(recovered, Recovered { clean: false, torn: vec![], adopted: 1 });
        assert_eq!(blobs.bytes(&Digest::of(&whole), 1 << 20).await.unwrap(), whole);
        assert!(!blobs.path(&wanted).exists());
        blobs.shutdown().await.unwrap();
    }
}
