//! Who knew of what: the order between the moves of a channel.
//!
//! Inside one log, the position orders them. Between logs, a move says how far its writer had seen
//! the others. What neither orders was said at the same time, and only that can be a conflict.

use std::collections::{BTreeMap, BTreeSet};

use catalog::PublicKey;

use super::Move;

/// How far each log was seen.
type Seen = BTreeMap<PublicKey, u64>;

/// Moves of one channel, each once, and what their writers had seen.
#[derive(Clone, Debug, Default)]
pub(super) struct History<'m> {
    moves: BTreeSet<&'m Move>,
    /// The last position of each log.
    ends: Seen,
    /// What each log had seen of the others at its last position.
    seen: BTreeMap<PublicKey, Seen>,
}

impl<'m> FromIterator<&'m Move> for History<'m> {
    fn from_iter<I: IntoIterator<Item = &'m Move>>(moves: I) -> Self {
        let mut history = Self { moves: moves.into_iter().collect(), ..Self::default() };
        for moved in &history.moves {
            see(&mut history.ends, moved.log, moved.seq);
            let seen = history.seen.entry(moved.log).or_default();
            moved.after.iter().for_each(|(log, seq)| see(seen, *log, *seq));
        }
        history
    }
}

fn see(seen: &mut Seen, log: PublicKey, seq: u64) {
    let end = seen.entry(log).or_insert(seq);
    *end = seq.max(*end);
}

impl<'m> History<'m> {
    /// Every move, in the order of their ids.
    pub fn moves(&self) -> impl Iterator<Item = &'m Move> {
        self.moves.iter().copied()
    }

    /// The last word of each log, in the order of their ids; two where a position has a rival.
    pub fn ends(&self) -> impl Iterator<Item = &'m Move> {
        self.moves().filter(|moved| self.ends.get(&moved.log) == Some(&moved.seq))
    }

    /// The moves that the writer of no other knew of, in the order of their ids.
    pub fn heads(&self) -> Vec<&'m Move> {
        let heads: Vec<_> = self.ends().filter(|end| !self.is_seen(end)).collect();
        // Logs that all claim to have seen another lie, and none of them knew better.
        if heads.is_empty() { self.ends().collect() } else { heads }
    }

    fn is_seen(&self, moved: &Move) -> bool {
        let mut others = self.seen.iter().filter(|(log, _)| **log != moved.log);
        others.any(|(_, seen)| seen.get(&moved.log).is_some_and(|seq| *seq >= moved.seq))
    }

    /// What the writers of all `heads` knew.
    pub fn before(&self, heads: &[&Move]) -> Self {
        self.moves().filter(|moved| heads.iter().all(|head| self.precedes(moved, head))).collect()
    }

    fn precedes(&self, moved: &Move, head: &Move) -> bool {
        if moved.log == head.log {
            return moved.seq < head.seq;
        }
        let seen = self.seen.get(&head.log).and_then(|seen| seen.get(&moved.log));
        seen.is_some_and(|seq| *seq >= moved.seq)
    }
}
