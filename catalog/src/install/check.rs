//! Compares an installed folder with the tree it was made from.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::copy::{hash_file, mode};
use super::folder::{Folder, Kind};
use crate::tree::{Tree, TreeEntry};

/// How an installed folder differs from what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallFault {
    /// Something that belongs there is not, or is of another kind.
    Missing {
        /// Its path in the tree.
        path: String,
    },
    /// A file has other bytes, or a symlink another target.
    Changed {
        /// Its path in the tree.
        path: String,
    },
    /// A file can be written to, or run when it should not, or not when it should.
    Mode {
        /// Its path in the tree.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Something is there that does not belong.
    Extra {
        /// Its path in the folder.
        path: String,
    },
}

impl fmt::Display for InstallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Changed { path } => write!(f, "{path} was changed"),
            Self::Mode { path, mode } => write!(f, "{path} has mode {mode:04o}"),
            Self::Extra { path } => write!(f, "{path} does not belong there"),
        }
    }
}

/// What the tree says about one path.
enum Expected<'a> {
    Folder,
    Entry(&'a TreeEntry),
}

/// Compares folder `name` of `package` with `tree`, hashing every file.
pub(super) fn faults(package: &Folder, name: &str, tree: &Tree) -> io::Result<Vec<InstallFault>> {
    let mut expected = BTreeMap::new();
    for entry in tree.entries() {
        let path = entry.path().as_str();
        for (at, _) in path.match_indices('/') {
            expected.insert(&path[..at], Expected::Folder);
        }
        match entry {
            TreeEntry::Dir { .. } => expected.insert(path, Expected::Folder),
            _ => expected.insert(path, Expected::Entry(entry)),
        };
    }
    if package.status(name)?.kind != Kind::Folder {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut walk = Walk { expected, buffer: Vec::new(), faults: Vec::new() };
    walk.folder(&package.inner(name)?, "")?;
    let missing = walk.expected.keys().map(|path| InstallFault::Missing { path: (*path).into() });
    let mut faults: Vec<_> = missing.collect();
    faults.append(&mut walk.faults);
    Ok(faults)
}

struct Walk<'a> {
    /// What was not met yet.
    expected: BTreeMap<&'a str, Expected<'a>>,
    buffer: Vec<u8>,
    faults: Vec<InstallFault>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, at: &str) -> io::Result<()> {
        let mut names = folder.names()?;
        names.sort_unstable();
        for name in names {
            let shown = name.to_string_lossy();
            let path = if at.is_empty() { shown.into_owned() } else { format!("{at}/{shown}") };
            let Some(name) = name.to_str() else {
                // Paths in a tree are text.
                self.faults.push(InstallFault::Extra { path });
                continue;
            };
            let status = folder.status(name)?;
            match (self.expected.remove(path.as_str()), status.kind) {
                (Some(Expected::Folder), Kind::Folder) => {
                    self.folder(&folder.inner(name)?, &path)?;
                }
                (Some(Expected::Entry(TreeEntry::Symlink { target, .. })), Kind::Symlink) => {
                    if folder.read_symlink(name)? != *target {
                        self.faults.push(InstallFault::Changed { path });
                    }
                }
                (
                    Some(Expected::Entry(TreeEntry::File { executable, size, blake3, .. })),
                    Kind::File,
                ) => {
                    let mut file = folder.open_file(name)?;
                    // A file of another size need not be read.
                    if status.size != *size
                        || hash_file(&mut file, *size, &mut self.buffer)? != (*blake3, *size)
                    {
                        self.faults.push(InstallFault::Changed { path });
                    } else if status.mode != mode(*executable) {
                        self.faults.push(InstallFault::Mode { path, mode: status.mode });
                    }
                }
                (Some(_), _) => self.faults.push(InstallFault::Missing { path }),
                (None, _) => self.faults.push(InstallFault::Extra { path }),
            }
        }
        Ok(())
    }
}
