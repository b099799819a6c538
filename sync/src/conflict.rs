//! Answers for what was signed at odds: two releases of one version, two targets of one channel.
//!
//! In: every statement that we hold about it, a [`Policy`] and what this machine relies on
//! ([`LocalTrust`]). Out: an answer, and whether it is disputed.
//!
//! Guarantees: an answer is a function of the set. In whatever order, how often and over which
//! detours the statements came, equal sets give equal answers; nothing is taken from the set, so
//! another policy can be asked at any time without fetching anything again. No policy replaces a
//! version by another content. Not here: keeping the sets (the store) and asking a person
//! (`catalog resolve`).
//!
//! | policy | a version with several contents | a channel with several targets |
//! |---|---|---|
//! | [`NewestWins`](Policy::NewestWins) | blocked | the highest position, then time, then id |
//! | [`ConsensusWins`](Policy::ConsensusWins) | what enough auditors hold | what enough keys say |
//! | [`Merge`](Policy::Merge) | blocked | the highest version, if the channel only ever rose |
//! | [`KeepBoth`](Policy::KeepBoth) | each, by its id | open, each is shown |
//! | [`Manual`](Policy::Manual) | blocked until decided | the last undisputed target meanwhile |
//!
//! What a person decided holds under every policy.

mod history;
mod pointer;
mod rules;
#[cfg(test)]
mod tests;
mod version;
mod yank;

use std::collections::{BTreeMap, BTreeSet};

use catalog::{NodeId, StatementId, Timestamp};

pub use pointer::{AHEAD_MAX, Channel, Move, PointerAnswer, Target, Why, pointer};
pub use rules::{Pattern, PatternError, Policy, PolicyError, Rules, RulesError};
pub use version::{Claim, Standing, VersionAnswer, version};
pub use yank::{Verdict, withdrawn};

/// What this machine relies on; nobody else's answer depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTrust {
    /// The time here. Moves dated further ahead than [`AHEAD_MAX`] wait.
    pub now: Timestamp,
    /// The releases that each configured mirror or auditor vouches for with its signature.
    /// Peers that nobody configured are not asked: anybody can be a thousand of them.
    pub auditors: BTreeMap<NodeId, BTreeSet<StatementId>>,
    /// How many auditors must agree; more than half when it is not said.
    pub quorum_auditors: Option<usize>,
    /// How many keys of a publisher must agree; more than half when it is not said.
    pub quorum_keys: Option<usize>,
    /// The statements that a person chose among their rivals.
    pub decided: BTreeSet<StatementId>,
}

/// How many of `all` must agree.
fn quorum(asked: Option<usize>, all: usize) -> usize {
    asked.unwrap_or(all / 2 + 1).max(1)
}

/// The only element that passes; `None` when there is none, or more than one.
fn only<T>(items: impl IntoIterator<Item = T>) -> Option<T> {
    let mut items = items.into_iter();
    let first = items.next();
    if items.next().is_none() { first } else { None }
}
