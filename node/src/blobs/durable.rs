//! Puts files on the disk, and remembers since when that may not have happened.
//!
//! iroh-blobs never fsyncs a finished file. A power cut right after an import leaves an empty
//! file under a name that the database lists as complete, so every import ends with
//! [`sync_files`]. Two marks tell a later start what it has to re-hash: `closed` exists after a
//! proper shutdown, and the time of `synced` is older than any file that may not be on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Up to this many files are synced one by one; beyond it, the whole filesystem at once.
const FSYNC_FILES_MAX: usize = 64;
/// File times are coarse and clocks are stepped; what is this much older still counts as new.
const SLACK: Duration = Duration::from_secs(5);

/// How the store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Properly,
    /// Files changed after this time may be torn.
    NotSince(SystemTime),
}

/// The marks of one store.
pub(super) struct Marks {
    dir: PathBuf,
    writing: Mutex<Writing>,
}

#[derive(Default)]
struct Writing {
    next: u64,
    /// When each write began that has not been synced; also those that were given up.
    since: BTreeMap<u64, SystemTime>,
}

/// Names one write between [`Marks::begin_writing`] and [`Marks::synced`].
#[derive(Clone, Copy)]
pub(super) struct WriteId(u64);

impl Marks {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), writing: Mutex::default() }
    }

    /// Says how the store was left, and counts it as open from now on.
    pub(super) fn begin(&self) -> io::Result<Closed> {
        let synced = self.dir.join("synced");
        let closed = match fs::remove_file(self.dir.join("closed")) {
            Ok(()) => {
                File::open(&self.dir)?.sync_all()?;
                self.touch(SystemTime::now())?;
                Closed::Properly
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mark = fs::metadata(&synced).and_then(|meta| meta.modified());
                Closed::NotSince(mark.unwrap_or(SystemTime::UNIX_EPOCH))
            }
            Err(error) => return Err(error),
        };
        Ok(closed)
    }

    /// Notes that everything written so far was checked or synced.
    pub(super) fn checked(&self) -> io::Result<()> {
        self.touch(SystemTime::now())
    }

    pub(super) fn begin_writing(&self) -> WriteId {
        self.begin_writing_at(SystemTime::now())
    }

    fn begin_writing_at(&self, now: SystemTime) -> WriteId {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.next += 1;
        let id = writing.next;
        writing.since.insert(id, now);
        WriteId(id)
    }

    /// Notes that everything of this write is on the disk, and moves the mark as far as the
    /// writes that are still going on allow.
    pub(super) fn synced(&self, write: WriteId) -> io::Result<()> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.since.remove(&write.0);
        let mark = writing.since.values().min().copied().unwrap_or_else(SystemTime::now);
        self.touch(mark)
    }

    /// Puts everything on the disk and leaves the mark of a proper shutdown.
    pub(super) fn end(&self) -> io::Result<()> {
        let dir = File::open(&self.dir)?;
        rustix::fs::syncfs(&dir)?;
        File::create(self.dir.join("closed"))?.sync_all()?;
        dir.sync_all()
    }

    fn touch(&self, time: SystemTime) -> io::Result<()> {
        let time = time.checked_sub(SLACK).unwrap_or(SystemTime::UNIX_EPOCH);
        let file = File::options().create(true).append(true).open(self.dir.join("synced"))?;
        file.set_modified(time)?;
        // Late is safe: an older mark only makes a later start re-hash more.
        Ok(())
    }
}

/// Puts `paths` and the folder they lie in on the disk; those that do not exist are passed over.
pub(super) fn sync_files(folder: &Path, paths: &[PathBuf]) -> io::Result<()> {
    let folder = File::open(folder)?;
    if paths.len() > FSYNC_FILES_MAX {
        rustix::fs::syncfs(&folder)?;
    } else {
        for path in paths {
            match File::open(path) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    folder.sync_all()
}

/// Deletes what lies in `dir`: temporary files of a process that is gone.
pub(super) fn clear_folder(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mark(dir: &Path) -> SystemTime {
        fs::metadata(dir.join("synced")).unwrap().modified().unwrap()
    }

    #[test]
    fn a_store_that_was_closed_says_so_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Marks::new(dir.path()).begin().unwrap(), Closed::NotSince(_)));
        Marks::new(dir.path()).end().unwrap();
        assert_eq!(Marks::new(dir.path()).begin().unwrap(), Closed::Properly);
        assert!(matches!(Marks::new(dir.path()).begin().unwrap(), Closed::NotSince(_)));
    }

    #[test]
    fn the_mark_never_passes_a_write_that_is_not_synced() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::new(dir.path());
        let began = SystemTime::now() - Duration::from_secs(60);
        let slow = marks.begin_writing_at(began);
        let quick = marks.begin_writing();
        marks.synced(quick).unwrap();
        assert!(mark(dir.path()) + SLACK <= began);
        marks.synced(slow).unwrap();
        assert!(mark(dir.path()) + SLACK > began);
    }
}
