//! The logs: each leaf is of a statement, and each head is what its leaves say.

use std::collections::BTreeSet;

use super::{Check, Problem, Statements};
use crate::head::SealedHead;
use crate::identity::KeyState;
use crate::log::LogTree;
use crate::statement::{Statement, StatementId};
use crate::store::StoreError;
use crate::store::items::item_of_head;
use crate::store::rows::{Leaf, LogRow, RIVALS_MAX, head_of};
use crate::store::tables::{
    self, LogId, digest_of, get, leaf_key, of_leaf_key, of_rival_key, rival_key, with_prefix,
};

impl Check {
    pub fn leaves(&mut self, statements: &Statements) -> Result<(), StoreError> {
        self.each(tables::LEAVES, |check, key, row| {
            let (log, seq) = of_leaf_key(key)?;
            for leaf in Leaf::decode_all(row)? {
                let Some(id) = leaf.statement else { continue };
                let founded = statements.get(&id).is_some_and(|signed| {
                    let header = signed.statement.header();
                    signed.logs.contains(&log)
                        && header.seq == seq
                        && signed.sealed.leaf() == leaf.hash
                });
                if !founded {
                    check.fault(tables::LEAVES, key, Problem::Unfounded);
                }
            }
            Ok(())
        })?;
        self.each(tables::RIVALS, |check, key, row| {
            let (log, seq, hash) = of_rival_key(key)?;
            let id = StatementId::from_digest(digest_of(row)?);
            let founded = statements.get(&id).is_some_and(|signed| {
                let place = (signed.statement.header().seq, signed.sealed.leaf());
                signed.logs.contains(&log) && place == (seq, hash)
            });
            // Only where there are two already.
            let leaves = get(&check.view.rows(tables::LEAVES)?, &leaf_key(&log, seq))?;
            let leaves = leaves.and_then(|row| Leaf::decode_all(&row).ok()).unwrap_or_default();
            let is_there = leaves.iter().any(|leaf| leaf.statement == Some(id));
            if !founded || leaves.len() < RIVALS_MAX || is_there {
                check.fault(tables::RIVALS, key, Problem::Unfounded);
            }
            Ok(())
        })?;
        let rows = self.view.rows(tables::LEAVES)?;
        let rivals = self.view.rows(tables::RIVALS)?;
        for (id, signed) in statements {
            for log in &signed.logs {
                let seq = signed.statement.header().seq;
                let key = leaf_key(log, seq);
                let leaves = get(&rows, &key)?.and_then(|row| Leaf::decode_all(&row).ok());
                let there = |leaves: &[Leaf]| leaves.iter().any(|leaf| leaf.statement == Some(*id));
                let rival = get(&rivals, &rival_key(log, seq, &signed.sealed.leaf()))?;
                let is_rival = rival.is_some_and(|rival| rival == id.as_bytes());
                if !is_rival && !leaves.is_some_and(|leaves| there(&leaves)) {
                    self.fault(tables::LEAVES, &key, Problem::Missing);
                }
            }
        }
        Ok(())
    }

    pub fn logs(&mut self, statements: &Statements) -> Result<(), StoreError> {
        let leaves = self.view.rows(tables::LEAVES)?;
        let mut known = BTreeSet::new();
        self.each(tables::LOGS, |check, key, row| {
            let (log, row) = (LogId::of_row_key(key)?, LogRow::decode(row)?);
            known.insert(log);
            let (mut tree, mut bare, mut contiguous) = (LogTree::new(), 0, 0);
            let mut contested = 0;
            let mut weighed = Weighed::of(&row)?;
            for leaf in with_prefix(&leaves, key)? {
                let (place, leaf) = leaf?;
                let ((_, seq), Ok(leaf)) =
                    (of_leaf_key(place.value())?, Leaf::decode_all(leaf.value()))
                else {
                    continue;
                };
                if seq == contiguous {
                    contiguous += 1;
                }
                if leaf.len() > 1 && contested == 0 {
                    contested = seq + 1;
                }
                weighed.append(seq, &leaf[0]);
                if seq >= row.tree.size() {
                    bare += u64::from(leaf[0].statement.is_none());
                } else if seq == tree.size() {
                    tree.append(leaf[0].hash);
                }
            }
            let counted = (row.contiguous, row.unvouched, &row.tree) == (contiguous, bare, &tree);
            let is_contested = row.contested == contested;
            if !counted || !is_contested || !are_newest(&row) || !weighed.are_right(&row) {
                check.fault(tables::LOGS, key, Problem::Differs);
            }
            let inception = StatementId::from_digest(*log.publisher.digest());
            let state = match statements.get(&inception).map(|signed| &signed.statement) {
                Some(Statement::Inception(inception)) => KeyState::of(inception),
                _ => {
                    check.fault(tables::LOGS, key, Problem::Unfounded);
                    return Ok(());
                }
            };
            let open = |note: &[u8]| SealedHead::decode(note).ok()?.open(&state).ok();
            if !row.head.is_empty() {
                let signed = open(&row.head).is_some_and(|head| {
                    (head.key, head.size, head.root) == (log.key, tree.size(), tree.root())
                });
                if !signed {
                    check.fault(tables::LOGS, key, Problem::Forged);
                }
            } else if row.tree.size() > 0 {
                check.fault(tables::LOGS, key, Problem::Unfounded);
            }
            let sure = (!row.sure.is_empty()).then_some(&row.sure);
            for note in row.newest.iter().chain(sure).chain(&row.evidence) {
                if open(note).is_none_or(|head| head.key != log.key) {
                    check.fault(tables::LOGS, key, Problem::Forged);
                }
            }
            Ok(())
        })?;
        let logs: BTreeSet<_> = statements.values().flat_map(|signed| &signed.logs).collect();
        for log in logs.into_iter().filter(|log| !known.contains(*log)) {
            self.fault(tables::LOGS, &log.row_key(), Problem::Missing);
        }
        Ok(())
    }
}

/// Whether the newest heads of a log are one, or two that exclude each other, and no smaller than
/// the pinned one, which is not written twice.
fn are_newest(row: &LogRow) -> bool {
    let Ok(heads) = row.largest() else { return false };
    let pinned = head_of(&row.head).ok().flatten();
    match heads.as_slice() {
        [] => true,
        [newest] if row.newest.is_empty() => newest.peek().size == row.tree.size(),
        [newest] => {
            newest.peek().size >= row.tree.size() && pinned.is_none_or(|head| !head.same_as(newest))
        }
        [one, other] => {
            one.peek().size == other.peek().size
                && one.peek().size >= row.tree.size()
                && item_of_head(one) < item_of_head(other)
        }
        _ => false,
    }
}

/// What the leaves say about the heads that a log keeps beside the pinned one.
struct Weighed {
    /// The one to rely on, and those that prove a fork.
    sure: Option<SealedHead>,
    evidence: Vec<SealedHead>,
    tree: LogTree,
    is_sure: bool,
    is_bad: bool,
}

impl Weighed {
    fn of(row: &LogRow) -> Result<Self, StoreError> {
        let (sure, evidence) = (head_of(&row.sure)?, row.evidence.iter());
        let evidence: Vec<_> =
            evidence.filter_map(|note| head_of(note).transpose()).collect::<Result<_, _>>()?;
        let mut weighed =
            Self { sure, evidence, tree: LogTree::new(), is_sure: false, is_bad: false };
        weighed.weigh();
        Ok(weighed)
    }

    fn append(&mut self, seq: u64, leaf: &Leaf) {
        if seq == self.tree.size() {
            self.tree.append(leaf.hash);
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        let (size, root) = (self.tree.size(), self.tree.root());
        let at = |head: &&SealedHead| head.peek().size == size;
        if let Some(head) = self.sure.as_ref().filter(at) {
            self.is_sure = head.peek().root == root;
        }
        if let [head] = self.evidence.as_slice()
            && at(&head)
        {
            self.is_bad = head.peek().root != root;
        }
    }

    /// Whether they are what they are kept as.
    fn are_right(&self, row: &LogRow) -> bool {
        let is_sure = match &self.sure {
            None => true,
            Some(sure) => {
                let undisputed = row.undisputed();
                self.is_sure && sure.peek().size <= undisputed && undisputed < row.tree.size()
            }
        };
        is_sure
            && match self.evidence.as_slice() {
                [] => true,
                [bad] => self.is_bad && bad.peek().size <= row.undisputed(),
                [one, other] => {
                    one.peek().size == other.peek().size
                        && item_of_head(one) < item_of_head(other)
                        && row.promised().is_ok_and(|newest| one.peek().size < newest)
                }
                _ => false,
            }
    }
}
