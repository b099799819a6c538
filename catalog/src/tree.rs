//! The file list of a variant: what stands where, how large it is and how its bytes hash.
//!
//! A [`Tree`] is addressed by the BLAKE3 hash of its encoding. A variant's content root is the hash
//! of a *hash sequence*: the tree first, then every file in tree order, 32 bytes each. One request for
//! the sequence streams a whole variant, one range of it a single file.
//!
//! Guarantees of a [`Tree`], however it was made: entries are sorted by path, none is on some system
//! the same as another, nothing stands below a file or link, and no link leads out. All limits are
//! checked before memory is taken. Not here: writing a tree to disk ([`install`](crate::install)).

mod codec;

use crate::cbor::CodecError;
use crate::defence::{self, Defence};
use crate::digest::{Digest, Sha256Digest};
use crate::path::{CollisionError, EntryKind, LinkError, PathError, TreePath, collisions};
use crate::size::ByteSize;

/// The largest encoded tree.
pub const TREE_BYTES_MAX: usize = 8 << 20;

/// The most files, folders and links in a tree.
pub const TREE_ENTRIES_MAX: usize = 100_000;

/// The bytes of one hash in a hash sequence.
const HASH_BYTES: usize = 32;

/// A checked list of files, folders and links, sorted by the bytes of their paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<TreeEntry>,
}

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeEntry {
    /// Bytes with a name.
    File {
        /// Where it stands.
        path: TreePath,
        /// Whether it can be run; the only permission that a tree knows.
        executable: bool,
        /// How many bytes it has.
        size: u64,
        /// What it is fetched by.
        blake3: Digest,
        /// The same bytes as other ecosystems name them.
        sha256: Sha256Digest,
    },
    /// A folder. Folders above another entry need no entry of their own.
    Dir {
        /// Where it stands.
        path: TreePath,
    },
    /// A link inside the tree.
    Symlink {
        /// Where it stands.
        path: TreePath,
        /// Where it leads, relative to its folder.
        target: String,
    },
}

/// A file of a tree and its place in the hash sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeFile<'a> {
    /// Its position among the children of the hash sequence; the first file is 1.
    pub child: u64,
    /// Where it stands.
    pub path: &'a TreePath,
    /// Whether it can be run.
    pub executable: bool,
    /// How many bytes it has.
    pub size: u64,
    /// What it is fetched by.
    pub blake3: Digest,
    /// The same bytes as other ecosystems name them.
    pub sha256: Sha256Digest,
}

/// Why entries or bytes are not a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The bytes are not laid out as a tree.
    #[error("not a tree")]
    Codec(#[from] CodecError),
    /// A path that is not safe everywhere.
    #[error("not a safe tree")]
    Path(#[from] PathError),
    /// Two entries that exclude each other.
    #[error("not a safe tree")]
    Collision(#[from] CollisionError),
    /// A link that leads out.
    #[error("not a safe tree")]
    Link(#[from] LinkError),
    /// Entries out of order.
    #[error("entry {path:?} of the tree is not in order")]
    Order {
        /// The first that should have come earlier.
        path: TreePath,
    },
    /// More than [`TREE_ENTRIES_MAX`] entries.
    #[error("a tree of {entries} entries, more than the {TREE_ENTRIES_MAX} allowed")]
    TooManyEntries {
        /// The count found.
        entries: usize,
    },
    /// More than [`TREE_BYTES_MAX`] bytes when encoded.
    #[error("a tree of {bytes} bytes, more than the {TREE_BYTES_MAX} allowed")]
    TooLarge {
        /// The length of the encoding.
        bytes: usize,
    },
    /// The sizes of all files add up to more than 2^64 - 1.
    #[error("the files of the tree are larger together than can be counted")]
    TotalSize,
}

/// A hash sequence that does not belong to a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// Not one hash for the tree and each file.
    #[error("a hash sequence of {found} bytes where the tree needs {needed}")]
    Length {
        /// The length found.
        found: usize,
        /// The length of the right one.
        needed: usize,
    },
    /// Another hash than the tree says.
    #[error("child {child} of the hash sequence is not what the tree says")]
    Child {
        /// The first wrong one.
        child: u64,
    },
}

impl Tree {
    /// Sorts and checks `entries`.
    ///
    /// # Errors
    /// [`TreeError`] when they break a rule or a limit of trees.
    pub fn new(mut entries: Vec<TreeEntry>) -> Result<Self, TreeError> {
        check_count(entries.len())?;
        entries.sort_by(|a, b| a.path().cmp(b.path()));
        let tree = Self::checked(entries)?;
        let bytes = tree.encode().len();
        if bytes > TREE_BYTES_MAX && defence::on(Defence::SizeLimits) {
            return Err(TreeError::TooLarge { bytes });
        }
        Ok(tree)
    }

    /// Checks all rules between the entries but their order.
    fn checked(entries: Vec<TreeEntry>) -> Result<Self, TreeError> {
        collisions(entries.iter().map(|entry| (entry.path(), entry.kind())))?;
        let mut total: u64 = 0;
        for entry in &entries {
            match entry {
                TreeEntry::File { size, .. } => {
                    total = total.checked_add(*size).ok_or(TreeError::TotalSize)?;
                }
                TreeEntry::Dir { .. } => {}
                TreeEntry::Symlink { path, target } => {
                    path.resolve_link(target)?;
                }
            }
        }
        Ok(Self { entries })
    }

    /// The form that is stored, sent and hashed.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.entries)
    }

    /// Reads what [`encode`](Self::encode) wrote and checks every rule again.
    ///
    /// # Errors
    /// [`TreeError`]; a peer or publisher can cause each of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let entries = codec::decode(bytes)?;
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].path() >= pair[1].path()) {
            return Err(TreeError::Order { path: pair[1].path().clone() });
        }
        Self::checked(entries)
    }

    /// All entries, sorted by path.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// The entry at exactly this path.
    pub fn entry(&self, path: &TreePath) -> Option<&TreeEntry> {
        let found = self.entries.binary_search_by(|entry| entry.path().cmp(path));
        found.ok().map(|at| &self.entries[at])
    }

    /// The files in tree order, with their places in the hash sequence.
    pub fn files(&self) -> impl Iterator<Item = TreeFile<'_>> {
        let files = self.entries.iter().filter_map(|entry| match entry {
            TreeEntry::File { path, executable, size, blake3, sha256 } => Some(TreeFile {
                child: 0,
                path,
                executable: *executable,
                size: *size,
                blake3: *blake3,
                sha256: *sha256,
            }),
            _ => None,
        });
        (1..).zip(files).map(|(child, file)| TreeFile { child, ..file })
    }

    /// The bytes of all files together; a file that stands in two places counts twice.
    pub fn size(&self) -> ByteSize {
        self.files().map(|file| ByteSize::bytes(file.size)).sum()
    }

    /// Returns the hash sequence whose hash is the content root.
    ///
    /// - `tree`: the hash of this tree's encoding; it is child 0.
    /// - result: 32 bytes for the tree and for each file in tree order, duplicates kept.
    pub fn hash_sequence(&self, tree: Digest) -> Vec<u8> {
        let mut sequence = tree.as_bytes().to_vec();
        self.files().for_each(|file| sequence.extend_from_slice(file.blake3.as_bytes()));
        sequence
    }

    /// Checks that a hash sequence names this tree and its files, in order and nothing else.
    ///
    /// # Errors
    /// [`SequenceError`] when it does not; a publisher can cause this.
    pub fn check_sequence(&self, tree: Digest, sequence: &[u8]) -> Result<(), SequenceError> {
        let right = self.hash_sequence(tree);
        if sequence.len() != right.len() {
            return Err(SequenceError::Length { found: sequence.len(), needed: right.len() });
        }
        let pairs = sequence.chunks(HASH_BYTES).zip(right.chunks(HASH_BYTES));
        match (0..).zip(pairs).find(|(_, (found, right))| found != right) {
            Some((child, _)) => Err(SequenceError::Child { child }),
            None => Ok(()),
        }
    }
}

impl TreeEntry {
    /// Where it stands.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::File { path, .. } | Self::Dir { path } | Self::Symlink { path, .. } => path,
        }
    }

    /// What it is.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::File { .. } => EntryKind::File,
            Self::Dir { .. } => EntryKind::Dir,
            Self::Symlink { .. } => EntryKind::Symlink,
        }
    }
}

fn check_count(entries: usize) -> Result<(), TreeError> {
    if entries > TREE_ENTRIES_MAX && defence::on(Defence::SizeLimits) {
        return Err(TreeError::TooManyEntries { entries });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
