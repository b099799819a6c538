//! Yanks: withdrawing wins, because a false alarm costs less than a broken version.

use std::collections::BTreeMap;

use catalog::{PublicKey, StatementId};

/// What one key of a publisher said about a version; it covers every content of that version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// The key whose log it stands in.
    pub log: PublicKey,
    /// The position there.
    pub seq: u64,
    /// Whether it withdraws the version; otherwise it restores it.
    pub yanked: bool,
    /// The statement.
    pub id: StatementId,
}

/// Says which statement withdraws a version, if one does: the last word of any key is enough, and
/// only the same key takes it back.
///
/// - `verdicts`: in any order, with or without repetitions.
pub fn withdrawn(verdicts: &[Verdict]) -> Option<StatementId> {
    let mut last: BTreeMap<PublicKey, &Verdict> = BTreeMap::new();
    for verdict in verdicts {
        let there = last.entry(verdict.log).or_insert(verdict);
        *there = (*there).max(verdict);
    }
    last.into_values().filter(|verdict| verdict.yanked).map(|verdict| verdict.id).min()
}
