//! Reads one file of a package without installing it.

use std::io;

use bytes::Bytes;
use catalog::digest::Digest;
use catalog::path::TreePath;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::resolve::Preference;
use catalog::tree::{Tree, TreeEntry};

use super::bring::near;
use super::{FetchError, Part, Want, bring};
use crate::blobs::Blobs;
use crate::node::Node;
use crate::shaping::Class;

/// Read at once.
const PIECE_BYTES: u64 = 1 << 20;
/// Links that lead to links are followed this far.
const LINKS_MAX: usize = 8;

/// A file whose bytes are read piece by piece, each checked against its hash.
pub struct Cat {
    blobs: Blobs,
    digest: Digest,
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
        Ok(Cat {
            blobs: self.0.blobs().await?.clone(),
            digest,
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
        let read = self.blobs.range(&self.digest, self.read..end).await;
        let piece = read.map_err(io::Error::other)?;
        if piece.len() as u64 != end - self.read {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read = end;
        Ok(Some(piece))
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
