//! Versions: one number, one content. Two of them prove that the publisher contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Digest, Release, StatementId};

use super::{LocalTrust, Policy, only, quorum};

/// A release that claims a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The statement.
    pub id: StatementId,
    /// What it releases: equal for statements that differ in position and time only.
    pub content: Digest,
}

impl Claim {
    /// The claim that a release makes.
    pub fn of(id: StatementId, release: &Release) -> Self {
        Self { id, content: release.content() }
    }
}

/// What a version means here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionAnswer {
    /// Nobody released it.
    Unknown,
    /// It has one content. Of several statements that say the same, the one with the lowest id.
    Sound(StatementId),
    /// It has several, so its publisher cannot be believed about it.
    Contested {
        /// The lowest id for each content, ascending.
        rivals: Vec<StatementId>,
        /// Which of them may be installed.
        standing: Standing,
    },
}

/// What may be installed of a contested version; an exact id always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// None of them.
    Blocked,
    /// Each, when it is named: they are listed side by side.
    Each,
    /// This one: enough auditors hold it, and not enough hold another.
    Agreed {
        /// The release.
        release: StatementId,
        /// How many auditors hold it.
        auditors: usize,
    },
    /// This one: a person chose it.
    Decided(StatementId),
}

/// Says what a version means, given every release of it.
///
/// - `claims`: in any order, with or without repetitions.
pub fn version(policy: Policy, claims: &[Claim], trust: &LocalTrust) -> VersionAnswer {
    // By content, the statements that release it.
    let mut contents: BTreeMap<Digest, BTreeSet<StatementId>> = BTreeMap::new();
    for claim in claims {
        contents.entry(claim.content).or_default().insert(claim.id);
    }
    let mut rivals: Vec<_> = contents.values().filter_map(BTreeSet::first).copied().collect();
    rivals.sort();
    match rivals[..] {
        [] => VersionAnswer::Unknown,
        [only] => VersionAnswer::Sound(only),
        _ => {
            let standing = standing(policy, contents.values(), trust);
            VersionAnswer::Contested { rivals, standing }
        }
    }
}

fn standing<'c>(
    policy: Policy,
    contents: impl Iterator<Item = &'c BTreeSet<StatementId>> + Clone,
    trust: &LocalTrust,
) -> Standing {
    let decided = contents.clone().filter(|content| !content.is_disjoint(&trust.decided));
    if let Some(id) = only(decided).and_then(BTreeSet::first) {
        return Standing::Decided(*id);
    }
    match policy {
        Policy::NewestWins | Policy::Merge | Policy::Manual => Standing::Blocked,
        Policy::KeepBoth => Standing::Each,
        Policy::ConsensusWins => {
            let needed = quorum(trust.quorum_auditors, trust.auditors.len());
            let held = contents.filter_map(|content| {
                let holds = |held: &&BTreeSet<_>| !content.is_disjoint(held);
                let auditors = trust.auditors.values().filter(holds).count();
                Some((*content.first()?, auditors)).filter(|_| auditors >= needed)
            });
            match only(held) {
                Some((release, auditors)) => Standing::Agreed { release, auditors },
                None => Standing::Blocked,
            }
        }
    }
}
