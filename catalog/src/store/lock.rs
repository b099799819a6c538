//! One process owns a store: the lock file beside it says who, and whether it is ready.
//!
//! In: the store's folder. Out: a held [`StoreLock`], or the [`Holder`] that has it.
//!
//! Guarantees: the operating system releases the lock when its holder dies, so what the file says
//! counts only while the lock is held; stale text is never believed. The fence is higher than that
//! of every opening that wrote, so an owner that lost the lock unnoticed (as on some network file
//! systems) finds somebody else in the file before it writes.
//! Not here: waiting. The caller decides whether "starting" is worth ten seconds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// The longest lock file that is read; ours are some 200 bytes.
const LOCK_BYTES_MAX: u64 = 4096;

/// How often a taken lock is tried again, a millisecond apart, before it counts as held.
const GLANCES_MAX: u32 = 5;

/// Where the owner of a store is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// It holds the lock and is opening the store; worth a short wait.
    Starting,
    /// It is open; `socket`, if any, answers.
    Ready,
}

/// The process that owns a store, as it wrote itself into the lock file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The version of this library in it.
    pub version: String,
    /// Whether it is ready to be talked to.
    pub state: Readiness,
    /// Its control socket, when it serves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// The fence of this opening: higher than that of every opening before that wrote.
    #[serde(default)]
    pub fence: u64,
}

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error("the store is held{}", .holder.as_ref().map(|h| format!(" by process {}", h.pid)).unwrap_or_default())]
    Held {
        /// Who, unless it has not written itself down yet.
        holder: Option<Holder>,
    },
    /// The file cannot be made, read or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The held lock of one store; dropping it lets go.
#[derive(Debug)]
pub struct StoreLock {
    path: PathBuf,
    file: Mutex<File>,
    holder: Mutex<Holder>,
}

impl StoreLock {
    /// Takes the lock of the store in `dir`, which must exist, and writes us down as starting.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when another process, or another opening in this one, has it.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let mut glances = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody who only looks, in `holder`, is gone within microseconds.
                Err(TryLockError::WouldBlock) if glances < GLANCES_MAX => {
                    glances += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held { holder: read(&path).map_err(io)? });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        let holder = Holder {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: Readiness::Starting,
            socket: None,
            fence: 0,
        };
        write(&file, &holder).map_err(io)?;
        Ok(Self { path, file: Mutex::new(file), holder: Mutex::new(holder) })
    }

    /// Who holds the store in `dir` now; `None` when nobody does, whatever the file says.
    pub fn holder(dir: &Path) -> Result<Option<Holder>, LockError> {
        let path = dir.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io(source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => match read(&path).map_err(io)? {
                Some(holder) => Ok(Some(holder)),
                // Locked a moment ago and not written down yet.
                None => Err(LockError::Held { holder: None }),
            },
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Writes down that this opening has number `fence`.
    pub(super) fn set_fence(&self, fence: u64) -> io::Result<()> {
        self.update(|holder| holder.fence = fence)
    }

    /// Writes down that we are ready, and where we listen.
    pub fn set_ready(&self, socket: Option<&Path>) -> io::Result<()> {
        self.update(|holder| {
            holder.state = Readiness::Ready;
            holder.socket = socket.map(Path::to_owned);
        })
    }

    /// The process that the file names, when it is not this opening any more.
    pub(super) fn usurper(&self) -> io::Result<Option<u32>> {
        let ours = lock(&self.holder).clone();
        Ok(match read(&self.path)? {
            Some(found) if found.pid == ours.pid && found.fence == ours.fence => None,
            Some(found) => Some(found.pid),
            None => Some(0),
        })
    }

    fn update(&self, change: impl FnOnce(&mut Holder)) -> io::Result<()> {
        let mut holder = lock(&self.holder);
        change(&mut holder);
        write(&lock(&self.file), &holder)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// One write over the old text, padded to its length, so that no reader meets an empty file.
fn write(mut file: &File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_string(holder)?;
    let old = file.metadata()?.len().min(LOCK_BYTES_MAX) as usize;
    while text.len() + 1 < old {
        text.push(' ');
    }
    text.push('\n');
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn read(path: &Path) -> io::Result<Option<Holder>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => match file.take(LOCK_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(serde_json::from_str(text.trim_end()).ok()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_is_told_who_holds_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let first = StoreLock::acquire(dir.path()).unwrap();
        match StoreLock::acquire(dir.path()) {
            Err(LockError::Held { holder: Some(holder) }) => {
                assert_eq!(holder.pid, std::process::id());
                assert_eq!(holder.state, Readiness::Starting);
            }
            other => panic!("{other:?}"),
        }
        first.set_ready(Some(Path::new("/run/catalog.sock"))).unwrap();
        let holder = StoreLock::holder(dir.path()).unwrap().unwrap();
        assert_eq!(holder.state, Readiness::Ready);
        assert_eq!(holder.socket.as_deref(), Some(Path::new("/run/catalog.sock")));
        drop(first);
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), None);
        StoreLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn text_left_by_a_dead_owner_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        for stale in ["", "rubbish", r#"{"pid":1,"version":"9","state":"ready","fence":7}"#] {
            std::fs::write(dir.path().join("lock"), stale).unwrap();
            assert_eq!(StoreLock::holder(dir.path()).unwrap(), None);
            let lock = StoreLock::acquire(dir.path()).unwrap();
            assert_eq!(lock.usurper().unwrap(), None);
        }
    }

    #[test]
    fn an_owner_that_was_replaced_finds_out() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StoreLock::acquire(dir.path()).unwrap();
        lock.set_fence(3).unwrap();
        assert_eq!(lock.usurper().unwrap(), None);
        let other = r#"{"pid":1,"version":"0","state":"starting","fence":4}"#;
        std::fs::write(dir.path().join("lock"), other).unwrap();
        assert_eq!(lock.usurper().unwrap(), Some(1));
    }

    #[test]
    fn a_shorter_text_leaves_nothing_of_a_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StoreLock::acquire(dir.path()).unwrap();
        let long = PathBuf::from("/run/".to_owned() + &"x".repeat(100));
        lock.set_ready(Some(&long)).unwrap();
        lock.set_ready(None).unwrap();
        assert_eq!(StoreLock::holder(dir.path()).unwrap().unwrap().socket, None);
    }
}
