//! Writes a variant to disk: whole or not at all, exactly the signed bytes, nowhere else.
//!
//! In: a checked [`Tree`], the [`Place`] it belongs to and a source of blobs ([`BlobFiles`]).
//! Out: `<packages>/<publisher>/<name>/<version>-<variant>-<root>/` and the symlink `current`
//! beside it. The publisher's folder is the first 24 characters of its id: 100 bits, which nobody
//! can imitate by trying keys.
//!
//! Guarantees: everything is written into a fresh folder beside the target through directory
//! handles that follow no link, hashed on the way, made durable, and only then renamed; a crash
//! leaves the old state or the new one, and a leftover that the next opening sweeps away. Files are
//! 0444 or 0555, folders 0755. Nothing of a package is ever run.
//! Not here: which variant ([`resolve`](mod@crate::resolve)), and what is recorded as installed
//! ([`store`](crate::store)).

mod check;
mod copy;
mod error;
mod folder;
mod leftover;
#[cfg(test)]
pub(crate) mod small_disk;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use check::InstallFault;
pub use error::InstallError;

use crate::Digest;
use crate::identity::PublisherId;
use crate::name::{PackageName, VariantId};
use crate::sealed::BlobKey;
use crate::tree::Tree;
use folder::{Folder, Kind};
use leftover::leftover_name;

/// How many characters of a publisher's id name its folder: `cat1` and 20 of 5 bits each.
const PUBLISHER_CHARS: usize = 24;

/// The symlink that names the version in use.
const CURRENT: &str = "current";

/// Where the bytes of a variant come from.
pub trait BlobFiles: Sync {
    /// The complete blob named `digest`.
    ///
    /// # Errors
    /// `NotFound` when it is not here, or not complete.
    fn open(&self, digest: &Digest) -> io::Result<BlobHandle>;
}

/// The bytes of one blob, as the blob store has them. They are checked before they are used.
#[derive(Clone, Debug)]
pub enum BlobHandle {
    /// Small ones, in memory.
    Bytes(Bytes),
    /// Larger ones, in a file of their own.
    File {
        /// The file; it may be linked if it is read-only.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Sealed ones, which are opened on the way.
    Sealed {
        /// The sealed bytes.
        from: SealedFrom,
        /// What opens them.
        key: BlobKey,
        /// The size in bytes of what is sealed.
        size: u64,
    },
}

/// Where sealed bytes are.
#[derive(Clone, Debug)]
pub enum SealedFrom {
    /// In memory.
    Bytes(Bytes),
    /// In a file of their own.
    File(PathBuf),
}

/// Which variant of which release an installed folder holds; decides the folder's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Who published it.
    pub publisher: PublisherId,
    /// The package.
    pub name: PackageName,
    /// The version of the release.
    pub version: semver::Version,
    /// The variant.
    pub variant: VariantId,
    /// The variant's content root.
    pub root: Digest,
}

/// What an install did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledAt {
    /// The folder with the variant's files.
    pub path: PathBuf,
    /// The symlink that names the version in use.
    pub current: PathBuf,
    /// Whether the folder was there already, whole and unchanged.
    pub reused: bool,
}

/// Installs into one folder of packages.
#[derive(Clone, Debug)]
pub struct Installer {
    packages: PathBuf,
}

impl Place {
    /// `<publisher>/<name>`, relative to the packages folder.
    fn package_path(&self) -> PathBuf {
        Path::new(&self.publisher_folder()).join(self.name.as_str())
    }

    /// `<publisher>/<name>/<version>-<variant>-<root>`, relative to the packages folder.
    pub fn path(&self) -> PathBuf {
        self.package_path().join(self.folder())
    }

    fn publisher_folder(&self) -> String {
        self.publisher.to_string().chars().take(PUBLISHER_CHARS).collect()
    }

    fn folder(&self) -> String {
        format!("{}-{}-{}", self.version, self.variant.as_str(), self.root.short())
    }
}

impl Installer {
    /// Opens the folder of packages, making it if need be, and sweeps up what a crash left there.
    ///
    /// The caller is the only process that installs here (it holds the store's lock).
    ///
    /// # Errors
    /// [`InstallError::Io`] when the folder cannot be made or read.
    pub fn open(packages: &Path) -> Result<Self, InstallError> {
        std::fs::create_dir_all(packages).map_err(InstallError::io("create", packages))?;
        let packages = std::path::absolute(packages).map_err(InstallError::io("open", packages))?;
        Folder::open(&packages)
            .and_then(|packages| leftover::sweep(&packages))
            .map_err(InstallError::io("clean up", &packages))?;
        Ok(Self { packages })
    }

    /// Where the variant of `place` is, or would be, installed.
    pub fn path(&self, place: &Place) -> PathBuf {
        self.packages.join(place.path())
    }

    /// The folder that everything is installed in.
    pub fn packages(&self) -> &Path {
        &self.packages
    }

    /// Installs `tree` at `place` and makes it the version in use.
    ///
    /// - `progress`: told how many more bytes are in place; called from several threads.
    ///
    /// A folder that is there already is checked: whole, it is used as it is; damaged, it is
    /// replaced.
    ///
    /// # Errors
    /// [`InstallError`]; whatever it is, nothing of the new folder is left and the version in use
    /// is what it was.
    pub fn install(
        &self,
        tree: &Tree,
        place: &Place,
        blobs: &dyn BlobFiles,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<InstalledAt, InstallError> {
        let path = self.path(place);
        let package = self.make_package_folder(place)?;
        let io = |action| InstallError::io(action, &path);
        let exists = package.holds(&place.folder()).map_err(io("read"))?;
        if exists && check::faults(&package, &place.folder(), tree).map_err(io("read"))?.is_empty()
        {
            progress(tree.size().as_u64());
            self.activate(place)?;
            return Ok(InstalledAt { path, current: self.current(place), reused: true });
        }

        write::check_room(&package, &path, tree, blobs)?;
        let fresh = leftover_name();
        package.make_folder(&fresh, 0o700).map_err(io("create"))?;
        let outcome =
            write::write_tree(&package, &fresh, &path, tree, blobs, progress).and_then(|()| {
                if exists {
                    package.exchange(&fresh, &place.folder()).map_err(io("replace"))?;
                } else {
                    package.rename(&fresh, &place.folder()).map_err(io("create"))?;
                }
                package.sync().map_err(io("sync"))
            });
        // What failed, or was replaced. If it cannot be removed now it goes with the next sweep;
        // that is no reason to fail.
        let _ = package.remove_all(&fresh);
        outcome?;
        self.activate(place)?;
        Ok(InstalledAt { path, current: self.current(place), reused: false })
    }

    /// Makes an installed folder the version in use, in one step: the rename of a symlink.
    ///
    /// # Errors
    /// [`InstallError::Io`], also when nothing is installed at `place`.
    pub fn activate(&self, place: &Place) -> Result<(), InstallError> {
        let current = self.current(place);
        let io = |action| InstallError::io(action, &current);
        let package = self.package_folder(place)?;
        let there = package.status(place.folder()).map_err(io("switch"))?;
        if there.kind != Kind::Folder {
            return Err(io("switch")(io::ErrorKind::NotADirectory.into()));
        }
        if package.read_symlink(CURRENT).is_ok_and(|target| target == place.folder()) {
            return Ok(());
        }
        let fresh = leftover_name();
        package.make_symlink(&fresh, &place.folder()).map_err(io("create"))?;
        if let Err(error) = package.rename(&fresh, CURRENT) {
            let _ = package.remove_file(&fresh);
            return Err(io("switch")(error));
        }
        package.sync().map_err(io("sync"))
    }

    /// Removes an installed folder, and `current` if it named it; one that is gone is fine.
    ///
    /// # Errors
    /// [`InstallError::Io`]. After a crash the folder is there whole, or not there.
    pub fn remove(&self, place: &Place) -> Result<(), InstallError> {
        let path = self.path(place);
        let io = |action| InstallError::io(action, &path);
        let package = match Folder::open(&self.packages)
            .and_then(|packages| packages.inner(place.package_path()))
        {
            Ok(package) => package,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io("open")(error)),
        };
        if package.read_symlink(CURRENT).is_ok_and(|target| target == place.folder()) {
            package.remove_file(CURRENT).map_err(io("remove"))?;
        }
        if package.holds(&place.folder()).map_err(io("read"))? {
            let doomed = leftover_name();
            package.rename(&place.folder(), &doomed).map_err(io("remove"))?;
            package.sync().map_err(io("sync"))?;
            package.remove_all(&doomed).map_err(io("remove"))?;
        }
        // Folders that are empty now go too; one that is not empty refuses, which is fine.
        for folder in [place.package_path(), PathBuf::from(place.publisher_folder())] {
            let _ = std::fs::remove_dir(self.packages.join(folder));
        }
        Ok(())
    }

    /// Hashes every installed file again.
    ///
    /// - result: what differs from `tree`, in tree order, then what does not belong there; empty
    ///   when the folder is exactly as it was installed.
    ///
    /// # Errors
    /// [`InstallError::Io`] when the folder itself cannot be read.
    pub fn verify(&self, tree: &Tree, place: &Place) -> Result<Vec<InstallFault>, InstallError> {
        let path = self.path(place);
        self.package_folder(place).and_then(|package| {
            check::faults(&package, &place.folder(), tree).map_err(InstallError::io("read", &path))
        })
    }

    /// The symlink that names the version of this package in use.
    pub fn current(&self, place: &Place) -> PathBuf {
        self.packages.join(place.package_path()).join(CURRENT)
    }

    fn package_folder(&self, place: &Place) -> Result<Folder, InstallError> {
        let path = place.package_path();
        Folder::open(&self.packages)
            .and_then(|packages| packages.inner(&path))
            .map_err(InstallError::io("open", &self.packages.join(&path)))
    }

    fn make_package_folder(&self, place: &Place) -> Result<Folder, InstallError> {
        let make = || {
            let mut folder = Folder::open(&self.packages)?;
            for name in [place.publisher_folder().as_str(), place.name.as_str()] {
                if folder.make_folder(name, 0o755)? {
                    folder.sync()?;
                }
                folder = folder.inner(name)?;
            }
            Ok(folder)
        };
        make().map_err(InstallError::io("create", &self.packages.join(place.package_path())))
    }
}
