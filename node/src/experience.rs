//! What this node has experienced with others as sources of contents. It is told to nobody.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;

use crate::peers::Candidate;
use crate::transfer::health::Health;

/// The most nodes of which anything is remembered; anybody on the local network can name any number.
const NODES_MAX: usize = 1024;

/// The health of every node that was asked for contents, since this process began.
#[derive(Default)]
pub(crate) struct Experience(Mutex<HashMap<NodeId, Health>>);

impl Experience {
    /// What is known of a node.
    pub(crate) fn of(&self, node: &NodeId) -> Health {
        self.all().get(node).cloned().unwrap_or_default()
    }

    /// Remembers what is known of a node by now.
    pub(crate) fn note(&self, node: NodeId, health: &Health) {
        let mut all = self.all();
        if all.len() < NODES_MAX || all.contains_key(&node) {
            all.insert(node, health.clone());
        }
    }

    /// Puts those first from whom the best is to be expected.
    pub(crate) fn sort(&self, candidates: &mut [Candidate], now: Duration) {
        let all = self.all();
        let score = |candidate: &Candidate| match all.get(&candidate.node) {
            Some(health) => health.score(now),
            None => Health::default().score(now),
        };
        candidates.sort_by(|one, other| score(other).total_cmp(&score(one)));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<NodeId, Health>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
