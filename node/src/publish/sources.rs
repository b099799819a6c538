//! Reads the files that a draft names, each once however many variants have it.
//!
//! Guarantees: what is hashed is what is kept; a file that somebody writes to meanwhile is noticed;
//! a link is never followed. Memory stays bounded by a few megabytes whatever is published.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use catalog::digest::FileHasher;
use catalog::draft::{Draft, SourceEntry};
use catalog::size::ByteSize;
use tokio::task::JoinSet;

use super::{OnProgress, PublishError, PublishProgress};
use crate::blobs::{BlobsError, Imported, Writer};
use crate::blocking::blocking;

/// Files up to this size are read whole, many at a time.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// The bytes and files that one thread reads before it hands them on.
const BATCH_BYTES: u64 = 2 << 20;
const BATCH_FILES: usize = 128;
/// Batches and large files that are under way at once.
const BATCHES_AT_ONCE: usize = 3;
const LARGE_AT_ONCE: usize = 2;

/// The files of a draft, as they were when they were listed.
pub(crate) struct Sources {
    files: Vec<Source>,
    bytes: ByteSize,
}

#[derive(Clone)]
struct Source {
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

impl Sources {
    /// Looks at every file, without reading it.
    pub(crate) fn of(draft: &Draft) -> Result<Self, PublishError> {
        let entries = draft.variants.iter().flat_map(|variant| &variant.entries);
        let paths: BTreeSet<&PathBuf> = entries
            .filter_map(|entry| match entry {
                SourceEntry::File { source, .. } => Some(source),
                SourceEntry::Dir { .. } | SourceEntry::Symlink { .. } => None,
            })
            .collect();
        let files =
            paths.into_iter().map(|path| Source::at(path)).collect::<Result<Vec<_>, _>>()?;
        let bytes = files.iter().map(|file| ByteSize::bytes(file.size)).sum();
        Ok(Self { files, bytes })
    }

    /// All files together.
    pub(crate) fn bytes(&self) -> ByteSize {
        self.bytes
    }

    /// Hashes every file and keeps its bytes.
    pub(crate) async fn import(
        self,
        writer: &Arc<Writer>,
        progress: OnProgress,
    ) -> Result<HashMap<PathBuf, Imported>, PublishError> {
        self.read(Some(writer.clone()), progress).await
    }

    /// Hashes every file.
    pub(crate) async fn hash(
        self,
        progress: OnProgress,
    ) -> Result<HashMap<PathBuf, Imported>, PublishError> {
        self.read(None, progress).await
    }

    async fn read(
        self,
        writer: Option<Arc<Writer>>,
        progress: OnProgress,
    ) -> Result<HashMap<PathBuf, Imported>, PublishError> {
        let count = Arc::new(Count::new(&self, progress));
        let mut imported = HashMap::with_capacity(self.files.len());
        let (small, large): (Vec<_>, Vec<_>) =
            self.files.into_iter().partition(|file| file.size <= SMALL_BYTES_MAX);
        let batches = batches(small)
            .into_iter()
            .map(|batch| read_batch(batch, writer.clone(), count.clone()));
        side_by_side(BATCHES_AT_ONCE, batches, |batch| imported.extend(batch)).await?;
        let large = large.into_iter().map(|file| read_large(file, writer.clone(), count.clone()));
        side_by_side(LARGE_AT_ONCE, large, |file| imported.extend([file])).await?;
        Ok(imported)
    }
}

/// Runs at most `at_once` of some futures at a time, each as a task of its own: a large file is
/// woken for every block, and nobody else should be.
async fn side_by_side<T: Send + 'static>(
    at_once: usize,
    work: impl Iterator<Item = impl Future<Output = Result<T, PublishError>> + Send + 'static>,
    mut done: impl FnMut(T),
) -> Result<(), PublishError> {
    let mut tasks = JoinSet::new();
    let mut work = work.fuse();
    loop {
        while tasks.len() < at_once
            && let Some(next) = work.next()
        {
            tasks.spawn(next);
        }
        match tasks.join_next().await {
            None => return Ok(()),
            Some(Ok(ended)) => done(ended?),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Source {
    fn at(path: &Path) -> Result<Self, PublishError> {
        let meta = fs::symlink_metadata(path).map_err(|source| unreadable(path, source))?;
        if !meta.is_file() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(unreadable(path, source));
        }
        Ok(Self { path: path.to_owned(), size: meta.len(), modified: modified(&meta) })
    }

    /// Fails when the file is no longer what it was when it was listed.
    fn check_unchanged(&self, read: u64) -> Result<(), PublishError> {
        let now = Self::at(&self.path)?;
        if (now.size, now.modified) == (self.size, self.modified) && read == self.size {
            Ok(())
        } else {
            Err(PublishError::Changed { path: self.path.clone() })
        }
    }
}

fn modified(meta: &Metadata) -> Option<SystemTime> {
    meta.modified().ok()
}

fn unreadable(path: &Path, source: io::Error) -> PublishError {
    PublishError::Source { path: path.to_owned(), source }
}

fn batches(files: Vec<Source>) -> Vec<Vec<Source>> {
    let mut batches: Vec<Vec<Source>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_FILES && bytes + file.size <= BATCH_BYTES => {
                bytes += file.size;
                batch.push(file);
            }
            _ => {
                bytes = file.size;
                batches.push(vec![file]);
            }
        }
    }
    batches
}

async fn read_batch(
    batch: Vec<Source>,
    writer: Option<Arc<Writer>>,
    count: Arc<Count>,
) -> Result<Vec<(PathBuf, Imported)>, PublishError> {
    let keep = writer.is_some();
    let (read, contents) = blocking(move || {
        let (mut read, mut contents) = (Vec::with_capacity(batch.len()), Vec::new());
        for file in batch {
            let (imported, bytes) = read_small(&file)?;
            if keep {
                contents.push(bytes);
            }
            read.push((file.path, imported));
        }
        Ok::<_, PublishError>((read, contents))
    })
    .await?;
    if let Some(writer) = writer {
        writer.import_many(contents).await?;
    }
    count.add(read.len() as u64, read.iter().map(|(_, file)| file.size).sum());
    Ok(read)
}

fn read_small(file: &Source) -> Result<(Imported, Bytes), PublishError> {
    let bytes = fs::read(&file.path).map_err(|source| unreadable(&file.path, source))?;
    file.check_unchanged(bytes.len() as u64)?;
    let mut hasher = FileHasher::new();
    hasher.update(&bytes);
    let (digest, sha256) = hasher.finish();
    Ok((Imported { digest, sha256, size: bytes.len() as u64 }, bytes.into()))
}

async fn read_large(
    file: Source,
    writer: Option<Arc<Writer>>,
    count: Arc<Count>,
) -> Result<(PathBuf, Imported), PublishError> {
    let on_block = {
        let count = count.clone();
        move |bytes| count.add(0, bytes)
    };
    let imported = match writer {
        Some(writer) => writer.import_file(file.path.clone(), on_block).await,
        None => Writer::hash_file(file.path.clone(), on_block).await,
    };
    let imported = imported.map_err(|error| match error {
        BlobsError::Source { source } => unreadable(&file.path, source),
        other => other.into(),
    })?;
    blocking(move || {
        file.check_unchanged(imported.size)?;
        count.add(1, 0);
        Ok((file.path, imported))
    })
    .await
}

/// Adds up what is done and passes it on.
struct Count {
    files_total: u64,
    bytes_total: u64,
    files: AtomicU64,
    bytes: AtomicU64,
    progress: OnProgress,
}

impl Count {
    fn new(sources: &Sources, progress: OnProgress) -> Self {
        Self {
            files_total: sources.files.len() as u64,
            bytes_total: sources.bytes.as_u64(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            progress,
        }
    }

    fn add(&self, files: u64, bytes: u64) {
        (self.progress)(PublishProgress::Hashing {
            files_done: self.files.fetch_add(files, Ordering::Relaxed) + files,
            files_total: self.files_total,
            bytes_done: self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes,
            bytes_total: self.bytes_total,
        });
    }
}
