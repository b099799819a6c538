//! Bounds how often peers are asked or answered, and how much is asked twice.
//!
//! Everybody asks only so much of one peer, so that nobody's keyboard keeps another machine busy. A
//! second replica is asked for a share of all questions at most: when everything is slow, asking
//! twice makes it slower (Dean and Barroso, *The tail at scale*, CACM 2013). A peer that lied is
//! not asked for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::permission::NodeId;

/// Questions in a row to one peer, such as while a person types.
const PEER_BURST: u32 = 30;
/// The time after which one peer may be asked once more.
const PEER_PAUSE: Duration = Duration::from_millis(100);
/// Peers that are remembered; beyond that, those whose budget is full are forgotten, then any.
const PEERS_MAX: usize = 1024;
/// How long a peer that lied is not asked.
const SHUNNED: Duration = Duration::from_secs(600);
/// Questions after which one may be asked twice.
const QUESTIONS_PER_HEDGE: u32 = 20;
/// Second questions that may come in a row.
const HEDGES_MAX: u32 = 4;

/// What is still allowed.
#[derive(Clone, Debug)]
pub struct Budgets {
    peers: BTreeMap<NodeId, Peer>,
    /// In twentieths: a question adds one, a second replica takes twenty.
    hedges: u32,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    /// When all of its budget is there again.
    full: Duration,
    /// Until when it is not asked.
    shunned: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { peers: BTreeMap::new(), hedges: HEDGES_MAX * QUESTIONS_PER_HEDGE }
    }
}

impl Budgets {
    /// Takes one question to or from `node` out of its budget; answers whether there was one.
    pub fn take(&mut self, now: Duration, node: NodeId) -> bool {
        self.make_room(now, &node);
        let peer = self.peers.entry(node).or_insert(Peer { full: now, shunned: Duration::ZERO });
        let full = peer.full.max(now) + PEER_PAUSE;
        if peer.shunned > now || full > now + PEER_PAUSE * PEER_BURST {
            return false;
        }
        peer.full = full;
        self.hedges = (self.hedges + 1).min(HEDGES_MAX * QUESTIONS_PER_HEDGE);
        true
    }

    /// Takes a second question out of the share for these; answers whether there was one.
    pub(super) fn hedge(&mut self) -> bool {
        let left = self.hedges.checked_sub(QUESTIONS_PER_HEDGE);
        self.hedges = left.unwrap_or(self.hedges);
        left.is_some()
    }

    /// Whether `node` lied lately.
    pub fn is_shunned(&self, now: Duration, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.shunned > now)
    }

    pub(super) fn shun(&mut self, now: Duration, node: NodeId) {
        self.make_room(now, &node);
        let peer = self.peers.entry(node).or_insert(Peer { full: now, shunned: now });
        peer.shunned = now + SHUNNED;
    }

    fn make_room(&mut self, now: Duration, node: &NodeId) {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(node) {
            return;
        }
        self.peers.retain(|_, peer| peer.full > now || peer.shunned > now);
        if self.peers.len() >= PEERS_MAX {
            self.peers.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixture::node;

    #[test]
    fn one_peer_is_asked_so_often_and_no_more() {
        let mut budgets = Budgets::default();
        let now = Duration::from_secs(5);
        let asked = (0..100).filter(|_| budgets.take(now, node(1))).count();
        assert_eq!(asked, PEER_BURST as usize);
        assert!(budgets.take(now, node(2)), "another peer has its own budget");
        let later = now + PEER_PAUSE * 3;
        assert_eq!((0..100).filter(|_| budgets.take(later, node(1))).count(), 3);
    }

    #[test]
    fn a_twentieth_of_all_questions_is_asked_twice() {
        let mut budgets = Budgets::default();
        let burst = (0..100).filter(|_| budgets.hedge()).count();
        assert_eq!(burst, HEDGES_MAX as usize);
        let mut hedged = 0;
        for second in 0..1000 {
            assert!(budgets.take(Duration::from_secs(second), node(1)));
            hedged += usize::from(budgets.hedge());
        }
        assert_eq!(hedged, 50);
    }

    #[test]
    fn a_liar_is_left_alone_for_a_while() {
        let mut budgets = Budgets::default();
        budgets.shun(Duration::ZERO, node(1));
        assert!(!budgets.take(SHUNNED / 2, node(1)));
        assert!(budgets.take(SHUNNED, node(1)));
    }

    #[test]
    fn any_number_of_peers_takes_bounded_room() {
        let mut budgets = Budgets::default();
        for number in 0..5000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            budgets.take(Duration::ZERO, NodeId::from_bytes(id));
        }
        assert!(budgets.peers.len() <= PEERS_MAX);
    }
}
