//! Writes a whole tree into a fresh folder and makes it durable.
//!
//! Folders first, then the files, shared between a few threads in runs of neighbours so that each
//! folder is opened once for many files, then the symlinks, so that no path ever leads through
//! one. One flush of the file system at the end replaces one for each file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::copy::{Copier, CopyFault, Wanted};
use super::folder::Folder;
use super::{BlobFiles, InstallError};
use crate::tree::{Tree, TreeEntry};

/// Files that one thread takes at a time; enough to make opening their folder cheap.
const RUN_FILES_MAX: usize = 64;

/// More threads gain nothing: the directory is locked while a name is made in it.
const THREADS_MAX: usize = 4;

/// What a file takes on disk besides its bytes: the rest of its last block, and its inode.
const FILE_OVERHEAD: u64 = 4096;

/// Files of one folder that are written together.
struct Run<'a> {
    folder: &'a str,
    files: Vec<(Wanted<'a>, &'a str)>,
}

/// Writes `tree` into folder `fresh` of `package`, which is empty, and makes it durable.
///
/// - `shown`: the path to name in errors.
pub(super) fn write_tree(
    package: &Folder,
    fresh: &str,
    shown: &Path,
    tree: &Tree,
    blobs: &dyn BlobFiles,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), InstallError> {
    let io = |action| InstallError::io(action, shown);
    let target = package.inner(fresh).map_err(io("open"))?;
    let needed = needed(tree);
    let write = || {
        write_unsynced(&target, shown, tree, blobs, progress)?;
        target.set_mode(0o755).map_err(io("open"))?;
        flush(&target, tree).map_err(io("sync"))
    };
    write().map_err(|error| match target.free() {
        Ok(free) if error.is_full() => InstallError::DiskFull { needed, free },
        _ => error,
    })
}

/// Writes `tree` into `target`, in the order that keeps paths from leading through a link.
pub(super) fn write_unsynced(
    target: &Folder,
    shown: &Path,
    tree: &Tree,
    blobs: &dyn BlobFiles,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), InstallError> {
    make_folders(target, tree).map_err(InstallError::io("create a folder in", shown))?;
    write_files(target, shown, tree, blobs, progress)?;
    for (path, link) in tree.entries().iter().filter_map(symlink) {
        let (folder, name) = split(path);
        target
            .inner(folder)
            .and_then(|folder| folder.make_symlink(name, link))
            .map_err(InstallError::io("link", &shown.join(path)))?;
    }
    Ok(())
}

/// Refuses early what has no room. Others write to the same disk, so this is a courtesy; what
/// counts is that a full disk is also survived midway.
pub(super) fn check_room(
    package: &Folder,
    shown: &Path,
    tree: &Tree,
    blobs: &dyn BlobFiles,
) -> Result<(), InstallError> {
    let free = package.free().map_err(InstallError::io("read", shown))?;
    let mut needed = needed(tree);
    if needed <= free {
        return Ok(());
    }
    // Tight, so it is worth asking which files the blob store can share.
    let reflinks = AtomicBool::new(true);
    let copier = Copier::new(blobs, &reflinks);
    for run in runs(tree) {
        for (wanted, _) in &run.files {
            if copier.shares(package, wanted) {
                needed -= wanted.size;
            }
        }
    }
    if needed <= free { Ok(()) } else { Err(InstallError::DiskFull { needed, free }) }
}

/// What the tree takes on disk when nothing is shared with the blob store.
fn needed(tree: &Tree) -> u64 {
    let entries = tree.entries().len() as u64;
    tree.size().as_u64().saturating_add(entries.saturating_mul(FILE_OVERHEAD))
}

fn make_folders(target: &Folder, tree: &Tree) -> std::io::Result<()> {
    let mut folders = BTreeSet::new();
    for entry in tree.entries() {
        let path = entry.path().as_str();
        let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.extend(ends);
        if matches!(entry, TreeEntry::Dir { .. }) {
            folders.insert(path);
        }
    }
    // Sorted: a folder comes before what is in it.
    for path in folders {
        let (parent, name) = split(path);
        if !target.inner(parent)?.make_folder(name, 0o755)? {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
    }
    Ok(())
}

fn write_files(
    target: &Folder,
    shown: &Path,
    tree: &Tree,
    blobs: &dyn BlobFiles,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), InstallError> {
    let runs = runs(tree);
    let (next, reflinks) = (AtomicUsize::new(0), AtomicBool::new(true));
    let failed: Mutex<Option<InstallError>> = Mutex::new(None);
    let failure = || failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let work = || {
        let mut copier = Copier::new(blobs, &reflinks);
        while failure().is_none()
            && let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(error) = write_run(target, shown, run, &mut copier, progress) {
                failure().get_or_insert(error);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS_MAX).min(runs.len());
    if threads <= 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    let failed = failure().take();
    failed.map_or(Ok(()), Err)
}

fn write_run(
    target: &Folder,
    shown: &Path,
    run: &Run<'_>,
    copier: &mut Copier<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), InstallError> {
    let folder =
        target.inner(run.folder).map_err(InstallError::io("open", &shown.join(run.folder)))?;
    for (wanted, path) in &run.files {
        copier.bring(&folder, wanted).map_err(|fault| match fault {
            CopyFault::WrongBytes => {
                InstallError::WrongBytes { path: (*path).to_owned(), expected: wanted.blake3 }
            }
            CopyFault::Source(source) => {
                InstallError::Source { path: (*path).to_owned(), digest: wanted.blake3, source }
            }
            CopyFault::Target(source) => InstallError::io("write", &shown.join(path))(source),
        })?;
        progress(wanted.size);
    }
    Ok(())
}

/// Cuts the files of a tree, which is sorted by path, into runs of neighbours in one folder.
fn runs(tree: &Tree) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for entry in tree.entries() {
        let TreeEntry::File { path, executable, size, blake3, .. } = entry else { continue };
        let (folder, name) = split(path.as_str());
        let wanted = Wanted { name, executable: *executable, size: *size, blake3: *blake3 };
        match runs.last_mut() {
            Some(run) if run.folder == folder && run.files.len() < RUN_FILES_MAX => {
                run.files.push((wanted, path.as_str()));
            }
            _ => runs.push(Run { folder, files: vec![(wanted, path.as_str())] }),
        }
    }
    runs
}

fn symlink(entry: &TreeEntry) -> Option<(&str, &str)> {
    match entry {
        TreeEntry::Symlink { path, target } => Some((path.as_str(), target.as_str())),
        _ => None,
    }
}

/// Splits a path into its folder, `""` at the top, and its last name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Makes everything in `target` durable: one flush instead of 50,000.
#[cfg(target_os = "linux")]
fn flush(target: &Folder, _tree: &Tree) -> std::io::Result<()> {
    target.sync_file_system()
}

#[cfg(not(target_os = "linux"))]
fn flush(target: &Folder, tree: &Tree) -> std::io::Result<()> {
    let mut folders = BTreeSet::from([""]);
    for entry in tree.entries() {
        let (folder, name) = split(entry.path().as_str());
        folders.insert(folder);
        if let TreeEntry::File { .. } = entry {
            target.inner(folder)?.open_file(name)?.sync_all()?;
        }
    }
    folders.into_iter().try_for_each(|folder| target.inner(folder)?.sync())
}
