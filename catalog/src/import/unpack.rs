//! Takes files out of an archive that somebody else made.
//!
//! In: entries as an archive lists them (name, mode, declared size, bytes). Out: [`SourceEntry`]s
//! whose bytes lie in one fresh folder. Guarantees, whatever the archive says:
//!
//! - files on disk are numbered by us; no name, link or mode of the archive reaches the file
//!   system, so nothing outside of the folder can be written;
//! - writing stops at the size an entry declares, at the archive's share of [`UnpackLimits`], and
//!   at the entry count, before the bytes are kept;
//! - what comes out is a tree: valid paths, no duplicates or case collisions, links that stay
//!   inside, no hard links or devices, no mode but "executable".
//!
//! Not here: the containers themselves ([`tarball`](super::tarball), [`zipfile`](super::zipfile)).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::defence::{self, Defence};
use crate::draft::SourceEntry;
use crate::manifest::holds_something;
use crate::path::{CollisionError, LinkError, PathError, TreePath, collisions};
use crate::size::ByteSize;

/// One read from an archive.
const COPY_BYTES: usize = 64 << 10;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct UnpackLimits {
    /// All bytes together.
    pub bytes_max: ByteSize,
    /// Files, folders and links together.
    pub entries_max: u64,
    /// How many times its own size an archive may unpack to.
    pub ratio_max: u64,
    /// What every archive may unpack to whatever its own size: a small one can hold a log of
    /// spaces without being an attack.
    pub ratio_floor: ByteSize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            bytes_max: ByteSize::gib(4),
            entries_max: 100_000,
            ratio_max: 200,
            ratio_floor: ByteSize::mib(1),
        }
    }
}

impl UnpackLimits {
    /// The bytes that an archive of `archive_bytes` may unpack to.
    fn budget(&self, archive_bytes: u64) -> u64 {
        let by_ratio = archive_bytes.saturating_mul(self.ratio_max);
        by_ratio.max(self.ratio_floor.as_u64()).min(self.bytes_max.as_u64())
    }
}

/// Why an archive was refused. The archive is named by whoever unpacks it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// It is not the container it claims to be, or it is cut short.
    #[error("the archive is damaged: {reason}")]
    Damaged {
        /// What does not fit.
        reason: String,
    },
    /// An entry name breaks the rules for paths in a tree.
    #[error("entry {name:?} has a name that no package may hold")]
    Name {
        /// The name in the archive.
        name: String,
        /// The rule it breaks.
        source: PathError,
    },
    /// Two entries would become one file, here or on another system.
    #[error("two entries exclude each other")]
    Collision {
        /// Which ones.
        source: CollisionError,
    },
    /// A hard link, device, pipe or other thing that is not a file, folder or symlink.
    #[error("entry {name:?} is a {what}; only files, folders and symbolic links are taken")]
    Special {
        /// The name in the archive.
        name: String,
        /// What it is.
        what: String,
    },
    /// A symlink out of the archive.
    #[error("a link leaves the archive")]
    Link {
        /// Which one, and where it leads.
        source: LinkError,
    },
    /// Two headers disagree about a size, so different programs would see different files.
    #[error("entry {name:?} gives two sizes for itself, {header} and {extended} bytes")]
    TwoSizes {
        /// The name in the archive.
        name: String,
        /// What the header says.
        header: u64,
        /// What the extended header or the kind of entry says.
        extended: u64,
    },
    /// More or fewer bytes than declared.
    #[error("entry {name:?} is not the {declared} bytes long that it declares")]
    Length {
        /// The name in the archive.
        name: String,
        /// The size it declares.
        declared: u64,
    },
    /// It unpacks to more than an archive of its size should.
    #[error("it unpacks to more than {budget}, the limit for an archive of {archive}")]
    TooLarge {
        /// What it may unpack to.
        budget: ByteSize,
        /// Its own size.
        archive: ByteSize,
    },
    /// It lists too many entries.
    #[error("it holds more than {max} entries")]
    TooMany {
        /// The most that are taken.
        max: u64,
    },
    /// A feature that is not read: sparse files, other compression.
    #[error("entry {name:?} uses {what}, which catalog does not read")]
    Feature {
        /// The name in the archive.
        name: String,
        /// The feature.
        what: String,
    },
    /// The bytes could not be written here.
    #[error("cannot write the unpacked files to {}", path.display())]
    Write {
        /// Where they should have gone.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl UnpackError {
    /// What to do about it, in one line.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "download the file again",
            Self::TooLarge { .. } | Self::TooMany { .. } => {
                "if you trust it, unpack it yourself and use: catalog import dir FOLDER"
            }
            Self::Write { .. } => "free some space, or set TMPDIR to a folder on another disk",
            _ => "nothing was kept; tell whoever published the archive",
        }
    }
}

/// Collects what comes out of one archive.
#[derive(Debug)]
pub(super) struct Unpacker {
    store: PathBuf,
    limits: UnpackLimits,
    archive_bytes: u64,
    bytes_left: u64,
    seen: u64,
    folders: BTreeSet<TreePath>,
    entries: Vec<SourceEntry>,
}

impl Unpacker {
    /// Starts with an empty folder `store`, which must not exist yet.
    pub(super) fn new(
        store: &Path,
        archive_bytes: u64,
        limits: UnpackLimits,
    ) -> Result<Self, UnpackError> {
        fs::create_dir(store)
            .map_err(|source| UnpackError::Write { path: store.to_owned(), source })?;
        Ok(Self {
            store: store.to_owned(),
            limits,
            archive_bytes,
            bytes_left: limits.budget(archive_bytes),
            seen: 0,
            folders: BTreeSet::new(),
            entries: Vec::new(),
        })
    }

    /// Counts one header, before anything is kept for it.
    pub(super) fn count(&mut self) -> Result<(), UnpackError> {
        self.seen += 1;
        match self.seen > self.limits.entries_max && defence::on(Defence::UnpackCaps) {
            true => Err(UnpackError::TooMany { max: self.limits.entries_max }),
            false => Ok(()),
        }
    }

    /// Keeps one file.
    ///
    /// - `declared`: its size according to the archive; a hard limit.
    pub(super) fn file(
        &mut self,
        name: &str,
        executable: bool,
        declared: u64,
        bytes: &mut dyn Read,
    ) -> Result<(), UnpackError> {
        let path = tree_path(name)?;
        let capped = defence::on(Defence::UnpackCaps);
        if capped && declared > self.bytes_left {
            return Err(UnpackError::TooLarge {
                budget: ByteSize::bytes(self.limits.budget(self.archive_bytes)),
                archive: ByteSize::bytes(self.archive_bytes),
            });
        }
        let source = self.store.join(format!("{:06}", self.entries.len()));
        let written = copy(bytes, &source, if capped { declared } else { u64::MAX })?;
        if capped && written != Some(declared) {
            return Err(UnpackError::Length { name: shown(name), declared });
        }
        self.bytes_left = self.bytes_left.saturating_sub(declared);
        self.entries.push(SourceEntry::File { path, source, executable });
        Ok(())
    }

    /// Keeps one folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<(), UnpackError> {
        self.folders.insert(tree_path(name.trim_end_matches('/'))?);
        Ok(())
    }

    /// Keeps one symbolic link, as text; nothing is linked on disk.
    pub(super) fn symlink(&mut self, name: &str, target: &str) -> Result<(), UnpackError> {
        let path = tree_path(name)?;
        path.resolve_link(target).map_err(|source| UnpackError::Link { source })?;
        self.entries.push(SourceEntry::Symlink { path, target: target.to_owned() });
        Ok(())
    }

    /// Hands the entries over in path order, once they are known to form a tree.
    ///
    /// A folder is listed only where it is empty: every other one follows from what lies in it.
    pub(super) fn finish(mut self) -> Result<Vec<SourceEntry>, UnpackError> {
        let listed = self.entries.iter().map(SourceEntry::path).chain(&self.folders);
        let mut sorted: Vec<&str> = listed.map(TreePath::as_str).collect();
        sorted.sort_unstable();
        let is_empty = |folder: &&TreePath| !holds_something(&sorted, folder);
        let empty: Vec<TreePath> = self.folders.iter().filter(is_empty).cloned().collect();
        self.entries.extend(empty.into_iter().map(|path| SourceEntry::Dir { path }));
        collisions(self.entries.iter().map(|entry| (entry.path(), entry.kind())))
            .map_err(|source| UnpackError::Collision { source })?;
        self.entries.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(self.entries)
    }
}

/// Copies at most `max` bytes to a new file; `None` when there were more.
fn copy(bytes: &mut dyn Read, to: &Path, max: u64) -> Result<Option<u64>, UnpackError> {
    let write_failed = |source| UnpackError::Write { path: to.to_owned(), source };
    let mut file = File::create_new(to).map_err(write_failed)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut written = 0;
    loop {
        let read = match bytes.read(&mut buffer) {
            Ok(0) => return Ok(Some(written)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UnpackError::Damaged { reason: error.to_string() }),
        };
        if read as u64 > max - written {
            return Ok(None);
        }
        file.write_all(&buffer[..read]).map_err(write_failed)?;
        written += read as u64;
    }
}

fn tree_path(name: &str) -> Result<TreePath, UnpackError> {
    name.parse().map_err(|source| UnpackError::Name { name: shown(name), source })
}

/// An entry name as far as an error shows it.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}
