//! Keeps what was signed, durably, and answers what follows from it.
//!
//! In: statements of our own ([`Store::append`]) and of others ([`Store::accept`]), and the few
//! facts that are this machine's alone: petnames, peers, holds, installs. Out: records, packages,
//! versions, and a log of changes that followers read at their own pace.
//!
//! Guarantees: what a call acknowledged is on disk, whole, and survives a power cut. A record, its
//! leaf, the head over it and the change that tells of it are written together or not at all. What
//! a peer sends is verified before it is written; what contradicts itself is kept and flagged,
//! never silently chosen between. One process owns a store at a time ([`lock`]).
//! Not here: the bytes of packages (`node`'s blob store), and everything derived that can be
//! rebuilt, such as the search index.

mod accept;
mod append;
mod batch;
mod changes;
mod conflicts;
mod derived;
#[doc(hidden)]
pub mod disk;
mod follow;
mod format;
mod grants;
mod holds;
mod installs;
mod items;
pub mod lock;
mod lookup;
mod migrate;
mod moves;
mod parcels;
mod peers;
mod publishers;
mod registers;
mod rows;
mod snapshot;
mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod verify;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase};

pub use accept::{
    Accepted, AcceptedItem, BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Fate, Incoming, RejectReason,
    Rejected,
};
pub use append::{AppendError, Appended};
pub use batch::{LogState, Refuted};
pub use changes::{Change, ChangeItem, Class};
pub use conflicts::{Conflict, DecideError, Decision, Evidence, Subject};
pub use follow::FollowerRow;
pub use grants::{Attested, GrantRow};
pub use holds::{Hold, HoldReason};
pub use installs::{Extent, HISTORY_MAX, InstallRow};
pub use items::ItemSet;
pub use lock::{Holder, Readiness};
pub use lookup::{Candidate, Found, LookupError, VersionRow};
pub use moves::PlacedMove;
pub use parcels::CarriedRow;
pub use peers::{PeerCursor, PeerRow};
pub use publishers::{PinError, PublisherRow};
pub use registers::{HeldRegisters, REGISTERS_AT_ONCE_MAX, RegisterFate, RegisterRefusal};
pub use rows::Trust;
pub use snapshot::{ItemChange, Snapshot};
pub use tables::LogId;
pub use verify::{Problem, StoreFault};

use lock::{LockError, StoreLock};
use tables::{Definition, Tables};

const FILE: &str = "catalog.redb";

/// A store that is being made.
const FILE_FRESH: &str = "catalog.redb.new";

/// Memory for pages of the database; the working set of 10,000 releases is some 20 MiB.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Free space below which nothing is written: a database that runs into a full disk has to be
/// closed and opened again, one that was not asked goes on answering.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error("the store is held by {}", holder.as_ref().map_or("another process".into(), |h| format!("process {}", h.pid)))]
    Held {
        /// Who, unless it has not written itself down yet.
        holder: Option<Holder>,
    },
    /// Another process took the lock while we held it, which some network file systems allow.
    #[error("process {pid} has taken the store over")]
    TakenOver {
        /// The process that the lock file names now; 0 when it names none.
        pid: u32,
    },
    /// A later version of this program wrote it.
    #[error("the store has format {found}, this version reads up to {ours}")]
    Newer {
        /// The format of the store.
        found: u32,
        /// The newest that we know.
        ours: u32,
    },
    /// There is too little room to write safely.
    #[error("the disk is full: {needed} bytes are needed, {free} are free")]
    DiskFull {
        /// What has to be free.
        needed: u64,
        /// What is.
        free: u64,
    },
    /// Too much was handed over in one call.
    #[error("a batch of {items} records, {bytes} bytes is too large")]
    BatchTooLarge {
        /// How many records.
        items: usize,
        /// Their size.
        bytes: usize,
    },
    /// A row is not what we wrote. `verify` says what else is wrong.
    #[error("the store is damaged: {what} is unreadable")]
    Damaged {
        /// What could not be read.
        what: &'static str,
    },
    /// The disk failed earlier. After a failed fsync nobody can say what is on disk until the file
    /// is read again, so nothing more is written.
    #[error("the store stopped after a disk error; restart to go on")]
    Stopped,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] DatabaseFault),
    /// The store's folder cannot be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) const fn damaged(what: &'static str) -> Self {
        Self::Damaged { what }
    }

    /// What the database said, for `map_err`.
    fn database(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::PreviousIo => Self::Stopped,
            error => Self::Database(DatabaseFault(Box::new(error))),
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// What the database said; it shows itself as text only, so that the database can be replaced.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseFault(Box<redb::Error>);

impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { holder } => Self::Held { holder },
            LockError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// The open store; clones are the same one.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    id: [u8; 16],
    /// The number of this opening; see [`lock`].
    fence: u64,
    /// Whether the database has the fence: the first write brings it there.
    fenced: AtomicBool,
    /// Absent for a store in memory. Dropped after the database is closed.
    home: Option<Home>,
}

#[derive(Debug)]
struct Home {
    dir: PathBuf,
    lock: StoreLock,
}

impl Store {
    /// Opens the store in `dir`, making both if need be.
    ///
    /// # Errors
    /// [`StoreError::Held`] at once when another process has it; whether "starting" is worth a
    /// wait is the caller's decision. [`StoreError::Newer`] when this version is too old for it.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let lock = StoreLock::acquire(dir)?;
        let path = dir.join(FILE);
        if !path.try_exists().map_err(StoreError::io(&path))? {
            make(dir)?;
        }
        let database = open_file(&path)?;
        Self::start(database, Some(Home { dir: dir.to_owned(), lock }))
    }

    /// Opens a store over any storage, without a lock: for tests of what storage may do to us.
    fn over(backend: impl redb::StorageBackend) -> Result<Self, StoreError> {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        let database = database.map_err(StoreError::database)?;
        write_to(&database, format::make)?;
        Self::start(database, None)
    }

    fn start(database: Database, home: Option<Home>) -> Result<Self, StoreError> {
        let mut view = View(database.begin_read().map_err(StoreError::database)?);
        if format::is_older(&view)? {
            if let Some(home) = &home {
                home.check_room()?;
            }
            write_to(&database, |tables| migrate::run(&view, tables))?;
            view = View(database.begin_read().map_err(StoreError::database)?);
        }
        let (id, before) = format::read(&view)?;
        let fence = before + 1;
        if let Some(home) = &home {
            home.lock.set_fence(fence).map_err(StoreError::io(&home.dir))?;
        }
        let fenced = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { database, id, fence, fenced, home })))
    }

    /// Writes into the lock file that we are ready, and which socket we answer on.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be written.
    pub fn set_ready(&self, socket: Option<&Path>) -> Result<(), StoreError> {
        match &self.0.home {
            Some(home) => home.lock.set_ready(socket).map_err(StoreError::io(&home.dir)),
            None => Ok(()),
        }
    }

    /// The process that holds the store in `dir`, if one does.
    ///
    /// # Errors
    /// [`StoreError::Held`] without a name when it has not written itself down yet.
    pub fn holder(dir: &Path) -> Result<Option<Holder>, StoreError> {
        Ok(StoreLock::holder(dir)?)
    }

    /// A random number that this store got when it was made: a peer's cursor is worth something
    /// only in the same store.
    pub fn epoch(&self) -> [u8; 16] {
        self.0.id
    }

    fn read(&self) -> Result<View, StoreError> {
        Ok(View(self.0.database.begin_read().map_err(StoreError::database)?))
    }

    /// Does `work` in one durable transaction; any error undoes all of it.
    fn write<R, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.check_writable()?;
        let (fence, fenced) = (self.0.fence, &self.0.fenced);
        let result = write_to(&self.0.database, |tables| {
            // Not at opening: a command that only reads should not wait for the disk.
            if !fenced.load(Ordering::Acquire) {
                format::enter(tables, fence)?;
            }
            work(tables)
        })?;
        fenced.store(true, Ordering::Release);
        Ok(result)
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        let Some(home) = &self.0.home else { return Ok(()) };
        if let Some(pid) = home.lock.usurper().map_err(StoreError::io(&home.dir))? {
            return Err(StoreError::TakenOver { pid });
        }
        home.check_room()
    }
}

impl Home {
    fn check_room(&self) -> Result<(), StoreError> {
        let status = rustix::fs::statvfs(&self.dir)
            .map_err(|errno| StoreError::io(&self.dir)(errno.into()))?;
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        if free < FREE_BYTES_MIN {
            return Err(StoreError::DiskFull { needed: FREE_BYTES_MIN, free });
        }
        Ok(())
    }
}

/// Does `work` in one transaction that is on disk when this returns, or did not happen.
///
/// Every commit goes in two phases and keeps the allocator's state, so that opening after a crash
/// neither walks the whole file nor trusts checksums that an attacker can compute.
fn write_to<R, E: From<StoreError>>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<R, E>,
) -> Result<R, E> {
    let mut txn = database.begin_write().map_err(StoreError::database)?;
    txn.set_durability(Durability::Immediate).map_err(StoreError::database)?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    let mut tables = Tables::open(&txn)?;
    let outcome = work(&mut tables);
    drop(tables);
    match outcome {
        Ok(result) => {
            txn.commit().map_err(StoreError::database)?;
            Ok(result)
        }
        Err(error) => {
            // Dropping it undoes it as well; the first error is the one that counts.
            let _ = txn.abort();
            Err(error)
        }
    }
}

/// Makes an empty store in `dir`. It gets its name when it is whole: redb cannot open a file whose
/// making was cut short.
fn make(dir: &Path) -> Result<(), StoreError> {
    let (path, fresh) = (dir.join(FILE), dir.join(FILE_FRESH));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io(&fresh)(error));
        }
        _ => {}
    }
    write_to(&open_file(&fresh)?, format::make)?;
    let publish = || {
        File::open(&fresh)?.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        File::open(dir)?.sync_all()?;
        // The folder may be new, too.
        dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    publish().map_err(StoreError::io(&path))
}

/// Opens a file that only its owner reads: it says what was installed, and from whom.
fn open_file(path: &Path) -> Result<Database, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(StoreError::io(path))?;
    Builder::new().set_cache_size(CACHE_BYTES).create_file(file).map_err(StoreError::database)
}

/// A consistent view of every table, as of one moment.
struct View(ReadTransaction);

impl View {
    fn rows(
        &self,
        table: Definition,
    ) -> Result<redb::ReadOnlyTable<&'static [u8], &'static [u8]>, StoreError> {
        self.0.open_table(table).map_err(StoreError::database)
    }
}
