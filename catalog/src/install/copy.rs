//! Brings one file from the blob store into a folder, and hashes what arrives.
//!
//! In: a [`BlobHandle`] and what the tree says about the file. Out: a read-only file with exactly
//! those bytes, or an error and a name that nothing may use.
//!
//! Cheapest way first: share the blocks (reflink), share the file (hard link, only of a read-only
//! file that is not meant to run), copy. Whatever the way, the bytes are hashed as they are now,
//! not as the blob store remembers them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::folder::{Folder, Kind, Status, status_of};
use super::leftover::leftover_name;
use super::{BlobFiles, BlobHandle, SealedFrom};
use crate::Digest;
use crate::defence::{self, Defence};
use crate::sealed::Opener;

/// Large enough that reading, hashing and writing dominate, small enough to stay in the cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// What the tree says about a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub executable: bool,
    pub size: u64,
    pub blake3: Digest,
}

/// Why a file could not be brought.
#[derive(Debug)]
pub(super) enum CopyFault {
    /// The blob store does not have it, or cannot read it.
    Source(io::Error),
    /// It has other bytes than the tree says.
    WrongBytes,
    /// It cannot be written here.
    Target(io::Error),
}

/// Brings files, one after the other; one for each thread.
pub(super) struct Copier<'a> {
    blobs: &'a dyn BlobFiles,
    reflinks: &'a AtomicBool,
    buffer: Vec<u8>,
}

impl<'a> Copier<'a> {
    /// - `reflinks`: whether sharing blocks is worth trying; cleared when it turns out not to be.
    pub fn new(blobs: &'a dyn BlobFiles, reflinks: &'a AtomicBool) -> Self {
        Self { blobs, reflinks, buffer: Vec::new() }
    }

    /// Makes the file in `folder`, where its name must be free.
    pub fn bring(&mut self, folder: &Folder, wanted: &Wanted<'_>) -> Result<(), CopyFault> {
        match self.blobs.open(&wanted.blake3).map_err(CopyFault::Source)? {
            BlobHandle::Bytes(bytes) => {
                check(wanted, Digest::of(&bytes), bytes.len() as u64)?;
                let mut file = folder.make_file(wanted.name).map_err(CopyFault::Target)?;
                file.write_all(&bytes).map_err(CopyFault::Target)?;
                seal(&file, wanted)
            }
            BlobHandle::File { path, size } => {
                check_size(wanted, size)?;
                let source = open_source(&path).map_err(CopyFault::Source)?;
                self.bring_file(folder, wanted, &path, source)
            }
            BlobHandle::Sealed { from, key, size } => {
                check_size(wanted, size)?;
                match from {
                    SealedFrom::Bytes(bytes) => {
                        self.copy(folder, wanted, Opener::new(key, bytes.as_ref(), size, 0))
                    }
                    SealedFrom::File(path) => {
                        let source = open_source(&path).map_err(CopyFault::Source)?;
                        self.copy(folder, wanted, Opener::new(key, source, size, 0))
                    }
                }
            }
        }
    }

    /// Whether bringing this file to the file system of `folder` would take no room there.
    pub fn shares(&self, folder: &Folder, wanted: &Wanted<'_>) -> bool {
        let Ok(BlobHandle::File { path, .. }) = self.blobs.open(&wanted.blake3) else {
            return false;
        };
        let Ok(source) = open_source(&path) else { return false };
        let device = |status: io::Result<Status>| status.ok().map(|status| status.device);
        if linkable(&source, wanted) && device(status_of(&source)) == device(folder.status(".")) {
            return true;
        }
        self.reflinks.load(Ordering::Relaxed) && {
            let name = leftover_name();
            let shared = folder.make_file(&name).is_ok_and(|file| reflink(&file, &source));
            let _ = folder.remove_file(&name);
            self.reflinks.store(shared, Ordering::Relaxed);
            shared
        }
    }

    fn bring_file(
        &mut self,
        folder: &Folder,
        wanted: &Wanted<'_>,
        path: &Path,
        mut source: File,
    ) -> Result<(), CopyFault> {
        if self.reflinks.load(Ordering::Relaxed) {
            let mut file = folder.make_file(wanted.name).map_err(CopyFault::Target)?;
            if reflink(&file, &source) {
                let (digest, size) =
                    self.hash(&mut file, wanted.size).map_err(CopyFault::Target)?;
                check(wanted, digest, size)?;
                return seal(&file, wanted);
            }
            self.reflinks.store(false, Ordering::Relaxed);
            drop(file);
            folder.remove_file(wanted.name).map_err(CopyFault::Target)?;
        }
        if linkable(&source, wanted) {
            let (digest, size) = self.hash(&mut source, wanted.size).map_err(CopyFault::Source)?;
            check(wanted, digest, size)?;
            if link(folder, wanted, path, &source).map_err(CopyFault::Target)? {
                return Ok(());
            }
            source.seek(SeekFrom::Start(0)).map_err(CopyFault::Source)?;
        }
        self.copy(folder, wanted, source)
    }

    fn copy(
        &mut self,
        folder: &Folder,
        wanted: &Wanted<'_>,
        mut source: impl Read,
    ) -> Result<(), CopyFault> {
        let mut file = folder.make_file(wanted.name).map_err(CopyFault::Target)?;
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        self.buffer.resize(CHUNK_BYTES, 0);
        loop {
            let read = source.read(&mut self.buffer).map_err(|error| match error.kind() {
                // It does not open: it is not what was sealed.
                io::ErrorKind::InvalidData => CopyFault::WrongBytes,
                _ => CopyFault::Source(error),
            })?;
            if read == 0 {
                break;
            }
            size += read as u64;
            if defence::on(Defence::HashOnInstall) && size > wanted.size {
                return Err(CopyFault::WrongBytes);
            }
            hasher.update(&self.buffer[..read]);
            file.write_all(&self.buffer[..read]).map_err(CopyFault::Target)?;
        }
        check(wanted, Digest::from_bytes(*hasher.finalize().as_bytes()), size)?;
        seal(&file, wanted)
    }

    /// Hashes `file` from its start, reading at most one chunk more than `size_max`.
    fn hash(&mut self, file: &mut File, size_max: u64) -> io::Result<(Digest, u64)> {
        hash_file(file, size_max, &mut self.buffer)
    }
}

/// Hashes `file` from its start and stops once it is longer than `size_max`.
///
/// - result: the hash, and how many bytes were read.
pub(super) fn hash_file(
    file: &mut File,
    size_max: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    buffer.resize(CHUNK_BYTES, 0);
    file.seek(SeekFrom::Start(0))?;
    while size <= size_max {
        let read = file.read(buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hasher.update(&buffer[..read]);
    }
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), size))
}

/// The permission bits of an installed file.
pub(super) const fn mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

fn check(wanted: &Wanted<'_>, digest: Digest, size: u64) -> Result<(), CopyFault> {
    check_size(wanted, size)?;
    if defence::on(Defence::HashOnInstall) && digest != wanted.blake3 {
        return Err(CopyFault::WrongBytes);
    }
    Ok(())
}

fn check_size(wanted: &Wanted<'_>, size: u64) -> Result<(), CopyFault> {
    if defence::on(Defence::HashOnInstall) && size != wanted.size {
        return Err(CopyFault::WrongBytes);
    }
    Ok(())
}

/// Takes the write permission away; what is open stays writable for us only until it is closed.
fn seal(file: &File, wanted: &Wanted<'_>) -> Result<(), CopyFault> {
    let mode = rustix::fs::Mode::from_raw_mode(mode(wanted.executable));
    rustix::fs::fchmod(file, mode).map_err(|error| CopyFault::Target(error.into()))
}

fn open_source(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    std::fs::OpenOptions::new().read(true).custom_flags(flags as i32).open(path)
}

/// A hard link shares owner and mode, so only a read-only file that everybody may read will do;
/// and its mode cannot be changed for one name, so never a file that is meant to run.
fn linkable(source: &File, wanted: &Wanted<'_>) -> bool {
    !wanted.executable
        && status_of(source)
            .is_ok_and(|status| status.kind == Kind::File && status.mode == mode(false))
}

/// Links the very file that was hashed; a name that means another file by now does not count.
fn link(folder: &Folder, wanted: &Wanted<'_>, path: &Path, hashed: &File) -> io::Result<bool> {
    // Another file system, too many links, a file of another owner: copying still works.
    if folder.link_file(path, wanted.name).is_err() {
        return Ok(false);
    }
    let (linked, hashed) = (folder.status(wanted.name)?, status_of(hashed)?);
    if (linked.device, linked.inode) == (hashed.device, hashed.inode) {
        return Ok(true);
    }
    folder.remove_file(wanted.name)?;
    Ok(false)
}

#[cfg(target_os = "linux")]
fn reflink(file: &File, source: &File) -> bool {
    rustix::fs::ioctl_ficlone(file, source).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn reflink(_file: &File, _source: &File) -> bool {
    false
}
