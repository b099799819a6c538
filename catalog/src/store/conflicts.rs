//! What publishers signed that cannot all be true, and what a person here decided about it.
//!
//! A fork (heads of one log that exclude each other, or two statements at one position) freezes its
//! publisher here: no reference means anything of theirs any more but a release named by its own
//! id, until a person says which head to go on with, or to go on all the same. A contested version
//! (two releases of one version) is picked by no range until a person says which release is meant.
//!
//! Guarantees: nothing that was signed is ever removed, a decision can be taken back, and one about
//! a fork holds only for the proof that was shown: new proof freezes again.
//! Not here: policies that decide without a person (`catalog-sync`).

mod proof;
mod row;
#[cfg(test)]
mod tests;

use super::accept::logs_of;
use super::batch::{Batch, record};
use super::rows::{Entered, LogRow, Standing, Told, decode_ids, version_of};
use super::tables::{LOGS, LogId, Tables, VERSIONS, all, of_package_key, put, remove};
use super::{Store, StoreError};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::identity::{KeyState, PublisherId};
use crate::name::ChannelName;
use crate::release::{PackageId, ReleaseId};
use crate::statement::StatementId;
use crate::time::Timestamp;

pub(super) use row::decision_of_row;

/// What is at odds with itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A log that its publisher forked.
    Log(LogId),
    /// A version that was released twice, or whose place in the log was given away twice.
    Version {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
    },
    /// A channel that was moved to several versions, neither knowing of the other.
    Channel {
        /// The package.
        package: PackageId,
        /// The channel.
        channel: ChannelName,
    },
}

/// What proves it to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What the publisher signed about one log.
    Fork {
        /// Two heads of one size, or one that its statements contradict, after the largest that they
        /// bear out; or none, where only statements are the proof.
        heads: Vec<SealedHead>,
        /// Two statements at the first position that has several; or none.
        statements: Vec<StatementId>,
    },
    /// Two releases of the version; the one that came first is first.
    Releases(Vec<ReleaseId>),
    /// Two statements at one position of a log, one of which is the release.
    Statements(Vec<StatementId>),
    /// Every move of the channel. Which of them are at odds is for the policies to say.
    Moves(Vec<StatementId>),
}

/// A contradiction, and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What it is about.
    pub subject: Subject,
    /// The proof.
    pub evidence: Evidence,
    /// What a person decided, and when; `None` while it is open.
    pub decided: Option<(Decision, Timestamp)>,
}

/// What a person decides about a contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Of a forked log, go on with the branch that this head signs.
    KeepHead {
        /// The size that the head signs.
        size: u64,
        /// The root that the head signs.
        root: Sha256Digest,
    },
    /// Of a forked log, go on with whatever comes.
    Lift,
    /// Of a contested version, this release is meant.
    KeepRelease(ReleaseId),
    /// Of a disputed channel, this move is meant until one comes that knew of it.
    KeepMove(StatementId),
}

/// Why a decision was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// Nothing is at odds there.
    #[error("there is nothing to decide")]
    NoConflict,
    /// The decision names a head or a release that is no part of the proof.
    #[error("the decision names nothing of what is at odds")]
    NotInvolved,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Everything that is at odds: forked logs, then contested versions, each in key order.
    ///
    /// Reads every log and every version.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, StoreError> {
        let view = self.read()?;
        let mut conflicts = Vec::new();
        for row in all(&view.rows(LOGS)?)? {
            let (key, row) = row?;
            let log = LogId::of_row_key(key.value())?;
            conflicts.extend(view.fork(log, &LogRow::decode(row.value())?)?);
        }
        for row in all(&view.rows(VERSIONS)?)? {
            let (key, row) = row?;
            if decode_ids(row.value())?.1 == Standing::Contested {
                let (package, version) = of_package_key(key.value())?;
                let version = version_of(version)?;
                conflicts.push(view.contest(package, version, row.value())?);
            }
        }
        Ok(conflicts)
    }

    /// What is at odds about one log or version; `None` when nothing is.
    pub fn conflict(&self, subject: &Subject) -> Result<Option<Conflict>, StoreError> {
        self.read()?.conflict(subject)
    }

    /// Whether nothing of a publisher is resolved until a person decides about a fork of its log.
    pub fn is_frozen(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        self.read()?.is_frozen(publisher)
    }

    /// Writes what a person decided, in place of what was decided before.
    ///
    /// # Errors
    /// [`DecideError`] when there is no such contradiction, or the decision is not about it.
    pub fn decide(
        &self,
        subject: &Subject,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<(), DecideError> {
        let conflict = self.conflict(subject)?.ok_or(DecideError::NoConflict)?;
        let of_head = |size: u64, root: &Sha256Digest, head: &SealedHead| {
            (head.peek().size, &head.peek().root) == (size, root)
        };
        let involved = match (&conflict.evidence, decision) {
            (Evidence::Fork { heads, .. }, Decision::KeepHead { size, root }) => {
                heads.iter().any(|head| of_head(*size, root, head))
            }
            (Evidence::Fork { .. }, Decision::Lift) => true,
            (Evidence::Releases(ids) | Evidence::Statements(ids), Decision::KeepRelease(id)) => {
                ids.contains(id) && self.is_release_of(subject, id)?
            }
            (Evidence::Moves(ids), Decision::KeepMove(id)) => ids.contains(id),
            _ => false,
        };
        if !involved {
            return Err(DecideError::NotInvolved);
        }
        let proof = conflict.evidence.proof();
        Ok(self.write(|tables| {
            let row = decision.encode(&proof, now);
            put(&mut tables.decisions, &subject.key(), &row)?;
            tell(tables, &conflict)
        })?)
    }

    /// Takes a decision back.
    ///
    /// - result: whether there was one.
    pub fn undecide(&self, subject: &Subject) -> Result<bool, StoreError> {
        let conflict = self.conflict(subject)?;
        self.write(|tables| {
            let there = remove(&mut tables.decisions, &subject.key())?;
            match conflict {
                Some(conflict) if there => tell(tables, &conflict).map(|()| true),
                _ => Ok(there),
            }
        })
    }

    fn is_release_of(&self, subject: &Subject, id: &ReleaseId) -> Result<bool, StoreError> {
        let Subject::Version { package, version } = subject else { return Ok(false) };
        let release = self.release(id)?;
        Ok(release.is_some_and(|one| one.package() == *package && one.version == *version))
    }
}

/// Tells followers again of what a person decided about: the search index shows what is meant. Of
/// a fork that only heads prove, the publisher's inception stands for the log.
fn tell(tables: &mut Tables<'_>, conflict: &Conflict) -> Result<(), StoreError> {
    let mut batch = Batch::new(tables)?;
    let inception = [inception_of(conflict.subject.publisher())];
    let ids = match &conflict.evidence {
        Evidence::Fork { statements, .. } if statements.is_empty() => &inception[..],
        // There may be very many, and one names the channel.
        Evidence::Moves(ids) => &ids[..ids.len().min(1)],
        Evidence::Fork { statements: ids, .. }
        | Evidence::Releases(ids)
        | Evidence::Statements(ids) => ids,
    };
    for id in ids {
        let sealed = record(&batch.tables.records, id)?;
        let sealed = sealed.ok_or(StoreError::damaged("a missing record"))?;
        let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
        let inception = record(&batch.tables.records, &inception_of(&header.publisher))?;
        let inception = inception.and_then(|sealed| sealed.open_inception().ok());
        let state = KeyState::of(&inception.ok_or(StoreError::damaged("a missing publisher"))?);
        for log in logs_of(&sealed, sealed.kind(), &state) {
            batch.tell(Entered::default(), Told::Decided { id: *id, log, seq: header.seq })?;
        }
    }
    batch.finish()
}

fn inception_of(publisher: &PublisherId) -> StatementId {
    StatementId::from_digest(*publisher.digest())
}
