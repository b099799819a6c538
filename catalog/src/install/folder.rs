//! An open directory in which things are made by name, never through a link.
//!
//! Everything is relative to a directory handle, so renaming a parent or planting a symlink while
//! we work cannot lead a write outside. Where the system offers it (`openat2`) the kernel itself
//! holds a walk beneath the handle; elsewhere each component is opened on its own, not following.
//!
//! Not here: which names are allowed ([`path`](crate::path)).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::defence::{self, Defence};

/// A directory held open.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// What a name in a folder stands for, itself and not what it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Symlink,
    Other,
}

/// What the system knows about a name in a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub kind: Kind,
    pub size: u64,
    pub mode: u32,
    pub device: u64,
    pub inode: u64,
}

impl Folder {
    /// Opens the directory at `path`; links in `path` itself are the caller's own and followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, FOLDER | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens a directory beneath this one; `inner` is relative, `""` is this one again.
    pub fn inner(&self, inner: impl AsRef<OsStr>) -> io::Result<Self> {
        let inner = inner.as_ref();
        let inner = if inner.is_empty() { OsStr::new(".") } else { inner };
        Ok(Self(self.open_beneath(inner, FOLDER, Mode::empty())?))
    }

    /// Makes directory `name`; one that is there already is fine, anything else is not.
    ///
    /// - result: whether it was made.
    pub fn make_folder(&self, name: &str, mode: u32) -> io::Result<bool> {
        let made = match fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        if made {
            // mkdir subtracts the umask.
            self.inner(name)?.set_mode(mode)?;
        }
        Ok(made)
    }

    /// Makes file `name`, which must not be there, and opens it for writing.
    pub fn make_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let flags = if defence::on(Defence::NoFollow) {
            flags | OFlags::EXCL | OFlags::NOFOLLOW
        } else {
            flags
        };
        Ok(fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o600))?.into())
    }

    /// Opens file `name` for reading; a link is an error, and so is waiting on a pipe.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Makes the symlink `name`, whose text is `target`.
    pub fn make_symlink(&self, name: &str, target: &str) -> io::Result<()> {
        Ok(fs::symlinkat(target, &self.0, name)?)
    }

    /// The text of the symlink `name`.
    pub fn read_symlink(&self, name: &str) -> io::Result<String> {
        let target = fs::readlinkat(&self.0, name, Vec::new())?;
        String::from_utf8(target.into_bytes())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the link is not text"))
    }

    /// Gives the file at `source` the second name `name` here.
    pub fn link_file(&self, source: &Path, name: &str) -> io::Result<()> {
        Ok(fs::linkat(fs::CWD, source, &self.0, name, AtFlags::empty())?)
    }

    /// What `name` stands for; links are not followed.
    pub fn status(&self, name: impl AsRef<OsStr>) -> io::Result<Status> {
        Ok(fs::statat(&self.0, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?.into())
    }

    /// Whether anything has the name `name`.
    pub fn holds(&self, name: &str) -> io::Result<bool> {
        match self.status(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names in this directory, in no order; they need not be text.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Renames within this directory, replacing what `to` names if the system lets it.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Gives each of two names what the other stood for, in one step.
    ///
    /// File systems that cannot do that get three renames; a crash between them leaves `to` with
    /// neither, and the parts under names that begin with `from`.
    pub fn exchange(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                let between = format!("{from}-old");
                self.rename(to, &between)?;
                self.rename(from, to)?;
                self.rename(&between, from)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Removes the file or symlink `name`.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes `name` and all beneath it, following no link; a name that is not there is fine.
    pub fn remove_all(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Linux says EISDIR, POSIX says EPERM.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        let inner = self.inner(name)?;
        for name in inner.names()? {
            inner.remove_all(&name)?;
        }
        Ok(fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Sets the permission bits of this directory.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(fs::fchmod(&self.0, Mode::from_raw_mode(mode))?)
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Makes everything on this file system durable.
    #[cfg(target_os = "linux")]
    pub fn sync_file_system(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.0)?)
    }

    /// Bytes that we may still write on this file system.
    pub fn free(&self) -> io::Result<u64> {
        let status = fs::fstatvfs(&self.0)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    /// Opens `inner` without ever leaving this directory or following a link.
    fn open_beneath(&self, inner: &OsStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        if !defence::on(Defence::NoFollow) {
            return Ok(fs::openat(&self.0, inner, flags.difference(OFlags::NOFOLLOW), mode)?);
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match fs::openat2(&self.0, inner, flags, mode, resolve) {
                Ok(fd) => return Ok(fd),
                // Kernels before 5.6, and sandboxes that do not know the call.
                Err(Errno::NOSYS | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.walk_beneath(inner, flags, mode)
    }

    /// The same as the kernel's walk, one component at a time.
    fn walk_beneath(&self, inner: &OsStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        let mut components = inner.as_bytes().split(|&byte| byte == b'/').peekable();
        while let Some(component) = components.next() {
            if component == b".." || component.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads outside"));
            }
            let flags = if components.peek().is_some() { FOLDER } else { flags };
            let from = at.as_ref().unwrap_or(&self.0);
            at = Some(fs::openat(
                from,
                OsStr::from_bytes(component),
                flags | OFlags::CLOEXEC,
                mode,
            )?);
        }
        at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"))
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

impl From<fs::Stat> for Status {
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    fn from(stat: fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        Self {
            kind,
            size: stat.st_size as u64,
            mode: stat.st_mode as u32 & 0o7777,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}

/// What the system knows about an open file.
pub(super) fn status_of(file: &File) -> io::Result<Status> {
    Ok(fs::fstat(file)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;

    fn outside_and_inside() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("inside/deep")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::os::unix::fs::symlink("../outside", dir.path().join("inside/link")).unwrap();
        std::os::unix::fs::symlink("../outside/new", dir.path().join("inside/file")).unwrap();
        let folder = Folder::open(&dir.path().join("inside")).unwrap();
        (dir, folder)
    }

    #[test]
    fn a_walk_never_leaves_the_folder() {
        let (_dir, folder) = outside_and_inside();
        folder.inner("deep").unwrap();
        for escape in ["link", "..", "deep/../..", "/", "link/x"] {
            folder.inner(escape).unwrap_err();
            folder.walk_beneath(escape.as_ref(), FOLDER, Mode::empty()).unwrap_err();
        }
        folder.walk_beneath("deep".as_ref(), FOLDER, Mode::empty()).unwrap();
    }

    #[test]
    fn a_planted_link_is_not_written_through() {
        let (dir, folder) = outside_and_inside();
        folder.make_file("file").unwrap_err();
        assert!(!dir.path().join("outside/new").exists());
    }

    #[test]
    fn a_planted_link_is_written_through_without_the_defence() {
        let (dir, folder) = outside_and_inside();
        without(Defence::NoFollow, || {
            folder.make_file("file").unwrap();
            folder.inner("link").unwrap();
        });
        assert!(dir.path().join("outside/new").exists());
    }

    #[test]
    fn removing_a_folder_leaves_what_its_links_point_to() {
        let (dir, folder) = outside_and_inside();
        std::fs::write(dir.path().join("outside/kept"), "x").unwrap();
        let parent = Folder::open(dir.path()).unwrap();
        drop(folder);
        parent.remove_all("inside").unwrap();
        parent.remove_all("inside").unwrap();
        assert!(dir.path().join("outside/kept").exists());
        assert!(!dir.path().join("inside").exists());
    }

    #[test]
    fn two_names_are_exchanged_in_one_step() {
        let (dir, folder) = outside_and_inside();
        std::fs::write(dir.path().join("inside/deep/old"), "").unwrap();
        folder.make_folder("fresh", 0o755).unwrap();
        folder.exchange("fresh", "deep").unwrap();
        assert!(dir.path().join("inside/fresh/old").exists());
        assert!(!dir.path().join("inside/deep/old").exists());
    }
}
