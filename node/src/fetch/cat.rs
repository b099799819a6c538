//! Reads one file of a package without installing it.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use catalog::digest::Digest;
use catalog::path::TreePath;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::resolve::Preference;
use catalog::sealed::{BlobKey, CHUNK_BYTES, TEXT_BYTES};
use catalog::tree::{Tree, TreeEntry};

use super::bring::near;
use super::{FetchError, Part, Want, bring};
use crate::blobs::Blobs;
use crate::node::Node;
use crate::sealed;
use crate::shaping::Class;

/// Read at once.
const PIECE_BYTES: u64 = 1 << 20;
/// The same of a sealed file, which is opened chunk by chunk.
const PIECE_CHUNKS: u64 = PIECE_BYTES / CHUNK_BYTES as u64;
/// Links that lead to links are followed this far.
const LINKS_MAX: usize = 8;

/// A file whose bytes are read piece by piece, each checked against its hash.
pub struct Cat {
    blobs: Blobs,
    digest: Digest,
    /// What opens it, if it is sealed, and how long it is then.
    sealed: Option<(BlobKey, u64)>,
    size: u64,
    read: u64,
    executable: bool,
    moved: u64,
}

impl Node {
    /// Opens one file of a package for reading; it is fetched first when it is not here. Nothing
    /// but this file, and the file list, moves.
    ///
    /// - `profile`: chooses the variant; this machine's when absent.
    ///
    /// # Errors
    /// [`FetchError`], also when the path is not a file.
    pub async fn cat(
        &self,
        reference: &Reference,
        path: &TreePath,
        profile: Option<&Profile>,
        preference: Preference,
    ) -> Result<Cat, FetchError> {
        let chosen = self.choose(reference, profile, preference).await?;
        let progress: super::OnProgress = std::sync::Arc::new(|_| ());
        let listed =
            bring(&self.0, &Want::of(&chosen, Part::Tree).at(Class::Critical), &progress).await?;
        let file = match follow(&listed.tree, path) {
            Some((path, TreeEntry::File { blake3, size, executable, .. })) => {
                Some((path, *blake3, *size, *executable))
            }
            _ => None,
        };
        let Some((path, digest, size, executable)) = file else {
            return Err(FetchError::NoSuchPath {
                reference: chosen.reference,
                path: path.clone(),
                near: near(&listed.tree, path),
            });
        };
        let wanted = [path];
        let want = Want::of(&chosen, Part::Paths(&wanted)).at(Class::Critical);
        let brought = bring(&self.0, &want, &progress).await?;
        let unsealed = brought.unsealed.as_ref().and_then(|unsealed| unsealed.of(&digest));
        let (digest, sealed) = match unsealed {
            Some((_, file, key)) => (file.blake3, Some((key, file.size))),
            None => (digest, None),
        };
        Ok(Cat {
            blobs: self.0.blobs().await?.clone(),
            digest,
            sealed,
            size,
            read: 0,
            executable,
            moved: listed.moved + brought.moved,
        })
    }
}

impl Cat {
    /// The size of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it can be run.
    pub fn is_executable(&self) -> bool {
        self.executable
    }

    /// What came over the wire for it.
    pub fn bytes_moved(&self) -> u64 {
        self.moved
    }

    /// The next piece of at most 1 MiB; `None` at the end.
    ///
    /// # Errors
    /// When the stored bytes cannot be read, or no longer match their hash.
    pub async fn read(&mut self) -> io::Result<Option<Bytes>> {
        let end = (self.read + PIECE_BYTES).min(self.size);
        if self.read == end {
            return Ok(None);
        }
        let (piece, end) = match &self.sealed {
            None => (self.stored(self.read..end).await?, end),
            Some((key, bytes)) => self.opened(key.clone(), *bytes).await?,
        };
        if piece.len() as u64 != end - self.read {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read = end;
        Ok(Some(piece))
    }

    async fn stored(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.blobs.range(&self.digest, range).await.map_err(io::Error::other)
    }

    /// Opens whole chunks, from where the last piece ended.
    ///
    /// - `bytes`: how long the sealed file is.
    /// - result: the piece, and where it ends.
    async fn opened(&self, key: BlobKey, bytes: u64) -> io::Result<(Bytes, u64)> {
        let first = self.read / TEXT_BYTES as u64;
        let last = first + PIECE_CHUNKS;
        let range = first * CHUNK_BYTES as u64..(last * CHUNK_BYTES as u64).min(bytes);
        let sealed = self.stored(range).await?;
        let piece = sealed::open_part(key, &sealed, self.size, first)?;
        Ok((piece, (last * TEXT_BYTES as u64).min(self.size)))
    }
}

/// The entry at `path`, behind any links, and where it stands.
fn follow<'t>(tree: &'t Tree, path: &TreePath) -> Option<(TreePath, &'t TreeEntry)> {
    let mut path = path.clone();
    for _ in 0..LINKS_MAX {
        match tree.entry(&path) {
            Some(TreeEntry::Symlink { target, .. }) => path = path.resolve_link(target).ok()??,
            Some(entry) => return Some((path, entry)),
            // Folders above another entry have none of their own.
            None => return None,
        }
    }
    None
}
