//! Seals what is not for everybody when it is published, and opens it for those who may read it.
//!
//! How contents are sealed, and that what is stored is a tree of numbered files, stands in
//! [`catalog::sealed`]. Everything that moves, checks or keeps contents sees those files only; here
//! they are tied to the files that a reader sees. Guarantees: no plain text is written anywhere but
//! to where a package is installed; a file that changes while it is sealed is noticed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use catalog::digest::{Digest, FileHasher};
use catalog::install::{BlobFiles, BlobHandle, SealedFrom};
use catalog::name::VariantId;
use catalog::release::Release;
use catalog::sealed::{
    BlobKey, ContentKey, Opener, ReaderSecret, SealedFile, Sealer, numbered, paired,
};
use catalog::store::StoreError;
use catalog::tree::{Tree, TreeEntry};
use catalog::variant::Variant;
use tokio::runtime::Handle;

use crate::blobs::{Blobs, BlobsError, INLINE_BYTES_MAX, Imported, Writer};
use crate::blocking::blocking;
use crate::fetch::local_tree;
use crate::node::Inner;
use crate::publish::PublishError;

/// Files up to this size are sealed in memory, many before they are kept.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// Sealed bytes that are kept at once.
const BATCH_BYTES: usize = 4 << 20;
/// A sealed file list: the list, filled up.
pub(crate) const LIST_BYTES_MAX: u64 = 10 << 20;

impl Inner {
    /// The key of a release's contents, if it was handed to this node.
    pub(crate) fn content_key(&self, release: &Release) -> Result<Option<ContentKey>, StoreError> {
        let Some(id) = release.sealed else { return Ok(None) };
        let wrapped = self.store.wrapped_key(&release.publisher, &id, &self.id)?;
        Ok(wrapped.and_then(|wrapped| ReaderSecret::of_node(&self.key).unwrap(&wrapped, &id)))
    }
}

/// A sealed variant as its readers see it.
#[derive(Clone, Debug)]
pub(crate) struct Unsealed {
    /// Its files.
    pub list: Tree,
    key: ContentKey,
    /// What each of them is sealed in, by its hash, and where that stands in the hash sequence.
    sealed: HashMap<Digest, (u64, SealedFile)>,
}

impl Unsealed {
    /// Reads the file list of what is here.
    ///
    /// - `carried`: the numbered files.
    /// - result: why it is not what was signed, in words, when it is not.
    pub(crate) async fn open(
        blobs: &Blobs,
        key: ContentKey,
        variant: &VariantId,
        carried: &Tree,
    ) -> Result<Result<Self, String>, BlobsError> {
        let Some(TreeEntry::File { blake3, .. }) = carried.entry(&numbered(0)) else {
            return Ok(Err("it has no sealed file list".to_owned()));
        };
        let sealed = blobs.bytes(blake3, LIST_BYTES_MAX).await?;
        let opened = key.list(variant).open_list(&sealed).and_then(|list| {
            let pairs = paired(&list, carried)?;
            Ok((list, pairs))
        });
        Ok(opened.map_err(|error| format!("its sealed file list: {error}")).map(|(list, pairs)| {
            let sealed = list.files().zip(pairs).map(|(file, pair)| (file.blake3, pair)).collect();
            Self { list, key, sealed }
        }))
    }

    /// What a file is sealed in and where that stands, and what opens it.
    pub(crate) fn of(&self, text: &Digest) -> Option<(u64, SealedFile, BlobKey)> {
        self.sealed.get(text).map(|(child, file)| (*child, *file, self.key.file(text)))
    }
}

/// The file list of a variant whose list is here, as its readers see it.
pub(crate) async fn local_list(
    node: &Inner,
    release: &Release,
    variant: &Variant,
) -> Result<Option<Tree>, BlobsError> {
    let blobs = node.blobs().await?;
    let Some(tree) = local_tree(blobs, variant).await else { return Ok(None) };
    if release.sealed.is_none() {
        return Ok(Some(tree));
    }
    let Ok(Some(key)) = node.content_key(release) else { return Ok(None) };
    match Unsealed::open(blobs, key, &variant.id, &tree).await {
        Ok(opened) => Ok(opened.ok().map(|opened| opened.list)),
        Err(BlobsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of a sealed variant, all of them here, for the installer, which works on threads of
/// its own.
pub(crate) struct SealedFiles {
    blobs: Blobs,
    unsealed: Unsealed,
    sizes: HashMap<Digest, u64>,
    runtime: Handle,
}

impl SealedFiles {
    pub(crate) fn new(blobs: Blobs, unsealed: Unsealed) -> Self {
        let sizes = unsealed.list.files().map(|file| (file.blake3, file.size)).collect();
        Self { blobs, unsealed, sizes, runtime: Handle::current() }
    }
}

impl BlobFiles for SealedFiles {
    fn open(&self, digest: &Digest) -> io::Result<BlobHandle> {
        let found = self.unsealed.of(digest).zip(self.sizes.get(digest));
        let Some(((_, SealedFile { blake3, size: sealed, .. }, key), &size)) = found else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if size == 0 {
            return Ok(BlobHandle::Bytes(Bytes::new()));
        }
        let path = self.blobs.path(&blake3);
        let from = if sealed <= INLINE_BYTES_MAX || !path.exists() {
            let read = self.runtime.block_on(self.blobs.bytes(&blake3, sealed));
            SealedFrom::Bytes(read.map_err(|error| match error {
                BlobsError::Missing { .. } => io::ErrorKind::NotFound.into(),
                other => io::Error::other(other),
            })?)
        } else {
            SealedFrom::File(path)
        };
        Ok(BlobHandle::Sealed { from, key, size })
    }
}

/// Opens a part of a sealed file.
///
/// - `from`: the sealed file from the beginning of `chunk` on.
/// - `size`: how long the file is that was sealed.
pub(crate) fn open_part(key: BlobKey, from: &[u8], size: u64, chunk: u64) -> io::Result<Bytes> {
    let mut text = Vec::with_capacity(from.len());
    let mut opener = Opener::new(key, from, size, chunk);
    let mut part = [0; 16 << 10];
    // Up to where the part ends, which need not be the end of the file.
    loop {
        match opener.read(&mut part) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(text.into())
}

/// Seals every file of a draft and keeps it.
///
/// - `files`: what the files are, by their source.
/// - result: what each is sealed in, by its hash.
pub(crate) async fn seal(
    key: &ContentKey,
    files: &HashMap<PathBuf, Imported>,
    writer: &Arc<Writer>,
) -> Result<HashMap<Digest, SealedFile>, PublishError> {
    let mut sealed: HashMap<Digest, SealedFile> = HashMap::new();
    let mut batch: Vec<Bytes> = Vec::new();
    for (path, file) in files {
        if sealed.contains_key(&file.digest) {
            continue;
        }
        let source = Source { key: key.file(&file.digest), path: path.clone(), file: *file };
        let stored = if file.size <= SMALL_BYTES_MAX {
            let bytes = blocking(move || source.read()).await?;
            let stored = stored(&bytes);
            batch.push(bytes);
            stored
        } else {
            let path = source.path.clone();
            let imported = writer.import_from(move || source.open(), |_| ()).await;
            let Imported { digest, sha256, size } = imported.map_err(|error| match error {
                BlobsError::Source { source } => changed(path, source),
                other => other.into(),
            })?;
            SealedFile { size, blake3: digest, sha256 }
        };
        sealed.insert(file.digest, stored);
        if batch.iter().map(Bytes::len).sum::<usize>() > BATCH_BYTES {
            writer.import_many(std::mem::take(&mut batch)).await?;
        }
    }
    writer.import_many(batch).await?;
    Ok(sealed)
}

/// What bytes are stored as.
pub(crate) fn stored(bytes: &[u8]) -> SealedFile {
    let mut hasher = FileHasher::new();
    hasher.update(bytes);
    let (blake3, sha256) = hasher.finish();
    SealedFile { size: bytes.len() as u64, blake3, sha256 }
}

fn changed(path: PathBuf, source: io::Error) -> PublishError {
    match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => PublishError::Changed { path },
        _ => PublishError::Source { path, source },
    }
}

/// A file to be sealed, which was hashed before.
struct Source {
    key: BlobKey,
    path: PathBuf,
    file: Imported,
}

impl Source {
    fn open(self) -> io::Result<Sealer<Checked<File>>> {
        let from = Checked {
            from: File::open(&self.path)?,
            hasher: FileHasher::new(),
            left: self.file.size,
            digest: self.file.digest,
        };
        Ok(Sealer::new(self.key, from, self.file.size))
    }

    fn read(self) -> Result<Bytes, PublishError> {
        let path = self.path.clone();
        let mut sealed = Vec::new();
        let read = self.open().and_then(|mut sealer| sealer.read_to_end(&mut sealed));
        read.map_err(|error| changed(path, error))?;
        Ok(sealed.into())
    }
}

/// Fails at the end when what passed is not what was hashed before.
struct Checked<R> {
    from: R,
    hasher: FileHasher,
    left: u64,
    digest: Digest,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.hasher.update(&into[..read]);
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 && std::mem::take(&mut self.hasher).finish().0 != self.digest && read > 0
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}
