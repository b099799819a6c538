//! What this node has experienced with others as sources of contents. It is told to nobody.
//!
//! Guarantees: who was caught sending wrong bytes stays out over a restart. All else is forgotten
//! when the node ends: it is soon learnt again.

mod bans;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::time::Timestamp;
use tracing::debug;

use crate::transfer::health::{BAN, Health};

/// The most nodes of which anything is remembered; anybody on the local network can name any number.
const NODES_MAX: usize = 1024;

/// The health of every node that was asked for contents.
pub(crate) struct Experience {
    /// Where bans are kept.
    file: PathBuf,
    /// The time of day when the node began.
    began: Timestamp,
    nodes: Mutex<HashMap<NodeId, Health>>,
}

impl Experience {
    /// What is left of earlier experience.
    ///
    /// - `file`: where bans are kept; one that cannot be read counts as empty.
    /// - `now`: the time of day; other times are counted from here.
    pub(crate) fn open(file: PathBuf, now: Timestamp) -> Self {
        let bans = bans::read(&file, NODES_MAX);
        let banned = bans.into_iter().filter_map(|(node, until)| {
            let left = until.as_millis().checked_sub(now.as_millis())?;
            Some((node, Health::banned(Duration::from_millis(left))))
        });
        Self { file, began: now, nodes: Mutex::new(banned.collect()) }
    }

    /// What is known of a node.
    pub(crate) fn of(&self, node: &NodeId) -> Health {
        self.nodes().get(node).cloned().unwrap_or_default()
    }

    /// Remembers what is known of a node by now.
    pub(crate) fn note(&self, node: NodeId, health: &Health) {
        let mut nodes = self.nodes();
        if nodes.len() >= NODES_MAX && !nodes.contains_key(&node) {
            return;
        }
        let banned = nodes.get(&node).and_then(Health::banned_until);
        let mut health = health.clone();
        if let Some(until) = banned.filter(|until| health.banned_until() < Some(*until)) {
            // It lied to somebody else meanwhile.
            health.lied(until.saturating_sub(BAN));
        }
        let is_news = banned != health.banned_until();
        nodes.insert(node, health);
        if is_news {
            self.keep(&nodes);
        }
    }

    /// Bans a node that sent wrong bytes.
    pub(crate) fn blame(&self, node: NodeId, now: Duration) {
        let mut health = self.of(&node);
        health.lied(now);
        self.note(node, &health);
    }

    /// Writes the bans down.
    fn keep(&self, nodes: &HashMap<NodeId, Health>) {
        let bans = nodes.iter().filter_map(|(node, health)| {
            let until = health.banned_until()?.as_millis() as u64;
            Some((*node, Timestamp::from_millis(self.began.as_millis().saturating_add(until))))
        });
        if let Err(error) = bans::write(&self.file, bans.collect()) {
            // They hold until this node ends, which is what matters most.
            debug!("bans cannot be kept: {error}");
        }
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, Health>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::health::Circuit;

    const NODE: NodeId = NodeId::from_bytes([7; 32]);

    /// Threat row 1: a liar does not come back with the next start, nor stay out for ever.
    #[test]
    fn a_ban_outlasts_the_process_and_ends_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state/bans");
        let start = Timestamp::from_millis(1_000_000);
        let open = |at: Duration| {
            let now = Timestamp::from_millis(start.as_millis() + at.as_millis() as u64);
            Experience::open(file.clone(), now)
        };
        let experience = open(Duration::ZERO);
        let mut health = Health::default();
        health.failed(Duration::ZERO, 0.0);
        experience.note(NODE, &health);
        assert!(!file.exists(), "only bans are written");
        experience.blame(NODE, Duration::from_secs(60));
        // Whoever asked it before that, and notes only now how that went, does not lift the ban.
        experience.note(NODE, &health);

        let hour = Duration::from_secs(3600);
        let later = open(hour).of(&NODE);
        assert_eq!(later.circuit(Duration::ZERO), Circuit::Banned);
        assert_eq!(later.circuit(BAN - hour), Circuit::Banned);
        assert_eq!(later.circuit(BAN), Circuit::Closed);
        assert_eq!(open(BAN + hour).of(&NODE), Health::default());
        // A clock that was set back does not make a ban longer.
        let back = Experience::open(file.clone(), Timestamp::from_millis(0)).of(&NODE);
        assert_eq!(back.circuit(BAN), Circuit::Closed);
    }
}
