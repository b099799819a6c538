//! Finds two statements of one publisher that cannot both stand.
//!
//! Both are kept: together they prove, to anybody, what the publisher did. What a reader makes of
//! it is for the store to say.

use super::{Statement, StatementId};
use crate::defence::{self, Defence};
use crate::release::PackageId;
use crate::signature::PublicKey;

/// An opened statement and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'s> {
    /// Its name.
    pub id: StatementId,
    /// The log it stands in: [`SealedStatement::log_key`](super::SealedStatement::log_key).
    pub log: PublicKey,
    /// What it says.
    pub statement: &'s Statement,
}

/// Two signed statements that contradict each other. The ids are ascending, so that every node
/// names the same finding alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Equivocation {
    /// One version was released twice, with other content.
    Version {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
        /// The two releases.
        releases: [StatementId; 2],
    },
    /// One place in a log was given to two statements.
    Position {
        /// The key whose log it is.
        log: PublicKey,
        /// The place.
        seq: u64,
        /// The two statements.
        statements: [StatementId; 2],
    },
}

impl Equivocation {
    /// Compares two statements that were opened, each against its publisher's keys.
    ///
    /// A version that was published again with the same content is no contradiction. When both
    /// kinds apply, the version is named: it is what people ask about.
    pub fn between(one: Placed<'_>, other: Placed<'_>) -> Option<Self> {
        if one.id == other.id || !defence::on(Defence::ImmutableVersions) {
            return None;
        }
        let mut ids = [one.id, other.id];
        ids.sort();
        if let (Statement::Release(a), Statement::Release(b)) = (one.statement, other.statement)
            && a.package() == b.package()
            && a.version == b.version
            && !a.same_content(b)
        {
            let (package, version) = (a.package(), a.version.clone());
            return Some(Self::Version { package, version, releases: ids });
        }
        let (a, b) = (one.statement.header(), other.statement.header());
        if a.publisher == b.publisher && one.log == other.log && a.seq == b.seq {
            return Some(Self::Position { log: one.log, seq: a.seq, statements: ids });
        }
        None
    }
}
