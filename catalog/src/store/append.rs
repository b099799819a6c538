//! Publishes: a statement of our own becomes the next leaf of our log.

use super::batch::{Batch, Placed};
use super::rows::{ChannelRow, Trust, YankRow, decode_ids};
use super::tables::{LogId, Tables, get, package_item_key, put};
use super::{Store, StoreError, derived, publishers};
use crate::defence::{self, Defence};
use crate::head::{Head, SealedHead};
use crate::identity::Identity;
use crate::release::{PackageId, Release};
use crate::statement::{BodyError, SealedStatement, Statement, StatementId};
use crate::time::Timestamp;

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The statement, or the one that says the same already.
    pub id: StatementId,
    /// Its position in our log.
    pub seq: u64,
    /// Whether the log said so already, in which case nothing was written.
    pub already: bool,
}

/// Why a statement was not appended. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A version is never replaced: those who have it would be left with other bytes.
    #[error("{package}@{version} is published already, with other content")]
    VersionTaken {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
        /// The release that has it.
        existing: StatementId,
    },
    /// A channel or a yank names a version that was never published.
    #[error("{package}@{version} is not published")]
    UnknownVersion {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
    },
    /// This identity published elsewhere too, and not all of it is here: whatever we sign now
    /// would contradict it.
    #[error("the log of this identity has {known} statements, only {have} are here")]
    Behind {
        /// How many we hold without a gap.
        have: u64,
        /// How many there are at least.
        known: u64,
    },
    /// The statement breaks a limit.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the transaction ends without a commit.
enum Halt {
    Already(Appended),
    Failed(AppendError),
}

impl<E: Into<AppendError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Store {
    /// Writes the inception of an identity of ours as the first leaf of its log; once is enough.
    ///
    /// # Errors
    /// [`AppendError::Store`] when it cannot be written.
    pub fn adopt(&self, identity: &Identity, now: Timestamp) -> Result<(), AppendError> {
        let log = log_of(identity);
        let known = self.log(&log)?.is_some_and(|state| state.size > 0);
        if known && self.publisher(&log.publisher)?.is_some_and(|row| row.trust == Trust::Own) {
            return Ok(());
        }
        self.write(|tables| {
            let mut batch = Batch::new(tables)?;
            begin(&mut batch, identity, now)?;
            sign_head(&mut batch, identity)?;
            Ok(batch.finish()?)
        })
    }

    /// Signs and writes the next statement of our log, with everything that follows from it.
    ///
    /// - `build`: makes the statement, given its position; it names the identity as publisher. The
    ///   blobs that it refers to are durable before this is called.
    ///
    /// One transaction holds the record, its leaf, the signed head, the change, the outbox, the
    /// index of content roots and the holds on them. A statement that says what the log says
    /// already, apart from position and time, writes nothing.
    ///
    /// # Errors
    /// [`AppendError`]; whatever it is, nothing was written.
    pub fn append(
        &self,
        identity: &Identity,
        now: Timestamp,
        build: impl FnOnce(u64) -> Statement,
    ) -> Result<Appended, AppendError> {
        let outcome = self.write(|tables| {
            let mut batch = Batch::new(tables)?;
            let log = begin(&mut batch, identity, now)?;
            let seq = batch.log(&log)?.contiguous;
            let statement = build(seq);
            check_header(&statement, &log, seq);
            check_against_log(batch.tables, &statement)?;
            let sealed = SealedStatement::seal(&statement, identity.key())?;
            let (placed, change) = batch.place_statement(&log, seq, &sealed)?;
            assert_eq!(placed, Placed::New, "the position after the last leaf is free");
            let id = sealed.id();
            derived::apply(batch.tables, &id, &statement, now)?;
            if let Statement::Release(release) = &statement {
                derived::hold_published(batch.tables, release, now)?;
            }
            if let Some(change) = change {
                put(&mut batch.tables.outbox, &change.to_be_bytes(), id.as_bytes())?;
            }
            sign_head(&mut batch, identity)?;
            batch.finish()?;
            Ok(Appended { id, seq, already: false })
        });
        match outcome {
            Ok(appended) | Err(Halt::Already(appended)) => Ok(appended),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}

fn log_of(identity: &Identity) -> LogId {
    LogId { publisher: identity.publisher(), key: identity.key().public() }
}

/// Sees to it that our log is complete and begins with the inception.
fn begin(
    batch: &mut Batch<'_, '_>,
    identity: &Identity,
    now: Timestamp,
) -> Result<LogId, AppendError> {
    let log = log_of(identity);
    let sealed = identity.inception();
    if let (Placed::New, Some(change)) = batch.place_statement(&log, 0, sealed)? {
        let id = sealed.id();
        put(&mut batch.tables.outbox, &change.to_be_bytes(), id.as_bytes())?;
    }
    publishers::meet(batch.tables, &log.publisher, identity.alias(), Trust::Own, now)?;
    let (have, known) = (batch.log(&log)?.contiguous, batch.end(&log)?);
    let unvouched = batch.log(&log)?.unvouched;
    if have != known || unvouched > 0 {
        return Err(AppendError::Behind { have: have - unvouched, known });
    }
    Ok(log)
}

/// Signs and pins the head over everything that our log has now.
fn sign_head(batch: &mut Batch<'_, '_>, identity: &Identity) -> Result<(), StoreError> {
    let log = log_of(identity);
    let (size, root) = batch.root(&log)?;
    let head = Head { publisher: log.publisher, key: log.key, size, root };
    let sealed = SealedHead::seal(&head, identity.key());
    batch.pin(&log, &head, &sealed)?;
    Ok(())
}

/// What the caller promised; broken, our log would be.
fn check_header(statement: &Statement, log: &LogId, seq: u64) {
    let header = statement.header();
    assert!(
        header.publisher == log.publisher && header.seq == seq,
        "the statement was built for this publisher and this position"
    );
}

fn check_against_log(tables: &Tables<'_>, statement: &Statement) -> Result<(), Halt> {
    match statement {
        Statement::Inception(_) => Ok(()),
        Statement::Release(release) => check_release(tables, release),
        Statement::Yank(yank) => {
            let package = PackageId { publisher: yank.publisher, name: yank.name.clone() };
            check_published(tables, &package, &yank.version)?;
            let key = package_item_key(&package, &yank.version.to_string());
            let row = get(&tables.yanks, &key)?.map(|row| YankRow::decode(&row)).transpose()?;
            match row {
                Some(row)
                    if row.yanked == yank.yanked && same_reason(tables, &row, &yank.reason)? =>
                {
                    Err(already(row.statement, row.seq))
                }
                _ => Ok(()),
            }
        }
        Statement::Channel(moved) => {
            let package = PackageId { publisher: moved.publisher, name: moved.name.clone() };
            check_published(tables, &package, &moved.version)?;
            let key = package_item_key(&package, moved.channel.as_str());
            let row =
                get(&tables.channels, &key)?.map(|row| ChannelRow::decode(&row)).transpose()?;
            match row {
                Some(row) if row.version == moved.version => Err(already(row.statement, row.seq)),
                _ => Ok(()),
            }
        }
    }
}

/// A version is taken for good by the first release that has it.
fn check_release(tables: &Tables<'_>, release: &Release) -> Result<(), Halt> {
    let key = package_item_key(&release.package(), &release.version.to_string());
    let Some(row) = get(&tables.versions, &key)? else { return Ok(()) };
    let existing = decode_ids(&row)?.0[0];
    let published = derived::release(&tables.records, &existing)?;
    if published.same_content(release) {
        return Err(already(existing, published.seq));
    }
    if defence::on(Defence::ImmutableVersions) {
        let (package, version) = (release.package(), release.version.clone());
        return Err(AppendError::VersionTaken { package, version, existing }.into());
    }
    Ok(())
}

fn check_published(
    tables: &Tables<'_>,
    package: &PackageId,
    version: &semver::Version,
) -> Result<(), AppendError> {
    let key = package_item_key(package, &version.to_string());
    if get(&tables.versions, &key)?.is_some() {
        return Ok(());
    }
    Err(AppendError::UnknownVersion { package: package.clone(), version: version.clone() })
}

fn same_reason(tables: &Tables<'_>, row: &YankRow, reason: &str) -> Result<bool, StoreError> {
    match derived::statement(&tables.records, &row.statement)? {
        Statement::Yank(yank) => Ok(yank.reason == reason),
        _ => Err(StoreError::damaged("a yank")),
    }
}

fn already(id: StatementId, seq: u64) -> Halt {
    Halt::Already(Appended { id, seq, already: true })
}
