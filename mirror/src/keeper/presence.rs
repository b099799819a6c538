//! Which mirrors are there, and which of them a plan can count on.
//!
//! A mirror is there while its lease holds, and longer while it answers. It is gone when its lease
//! is over and [`PROBES_FAILED_MAX`] probes in a row had no answer. One that comes back counts only
//! after it has been heard of for a while, which doubles each time it was gone: a mirror that flaps
//! is planned without, and what it holds is a welcome surplus. A lease alone is no sign that it
//! stayed: it outlasts whoever leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::Timestamp;
use catalog::permission::NodeId;

use super::later;
use crate::lease::{self, Mirror};
use crate::strategy::WHOLE;

/// So many probes without an answer end what a lease began.
pub const PROBES_FAILED_MAX: u8 = 2;

/// How long one that came back stays before it counts, the first time: as long as a lease, so that
/// it has renewed it.
const STEADY_MIN: Duration = lease::LIFE;
/// The longest that anybody has to stay before it counts.
const STEADY_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// After so long without a return the returns before are forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// A mirror that went away within this time is part of the churn.
const CHURN_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
/// One that was gone for so long is forgotten, with what it said that it held.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The mirrors that this one has heard of.
#[derive(Clone, Debug)]
pub struct Presence {
    me: NodeId,
    probe_every: Duration,
    nodes: BTreeMap<NodeId, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    mirror: Arc<Mirror>,
    /// When its lease ends.
    until: Timestamp,
    /// When it was last heard of: it renewed its lease, or answered.
    heard: Timestamp,
    failed: u8,
    /// When it is asked next, once its lease is over.
    probe_at: Timestamp,
    gone: Option<Timestamp>,
    /// When it was last found to be gone, even if it is back.
    went: Option<Timestamp>,
    returns: u32,
    returned: Option<Timestamp>,
}

impl Presence {
    pub(super) fn new(me: NodeId, probe_every: Duration) -> Self {
        Self { me, probe_every, nodes: BTreeMap::new() }
    }

    /// Changes how long after a probe the next one follows.
    pub(super) fn set(&mut self, probe_every: Duration) {
        self.probe_every = probe_every;
    }

    pub(super) fn leased(
        &mut self,
        now: Timestamp,
        node: NodeId,
        mirror: Arc<Mirror>,
        until: Timestamp,
    ) {
        if until <= now && !self.nodes.contains_key(&node) {
            return;
        }
        let known = self.nodes.entry(node).or_insert_with(|| Node {
            mirror: mirror.clone(),
            until,
            heard: now,
            failed: 0,
            probe_at: until,
            gone: None,
            went: None,
            returns: 0,
            returned: None,
        });
        if until < known.until {
            return;
        }
        if until > known.until {
            (known.failed, known.probe_at, known.heard) = (0, until, now);
        }
        (known.mirror, known.until) = (mirror, until);
        if until > now && known.gone.take().is_some() {
            let forgiven = known.returned.is_none_or(|at| now.since(at) >= FORGIVEN_AFTER);
            known.returns = if forgiven { 1 } else { known.returns.saturating_add(1) };
            known.returned = Some(now);
        }
    }

    pub(super) fn probed(&mut self, now: Timestamp, node: &NodeId, answered: bool) {
        let probe_every = self.probe_every;
        let Some(known) = self.nodes.get_mut(node) else { return };
        known.probe_at = later(now, probe_every);
        match answered {
            true => (known.failed, known.heard) = (0, now),
            false => known.failed = known.failed.saturating_add(1),
        }
        if known.failed >= PROBES_FAILED_MAX && known.until <= now && known.gone.is_none() {
            (known.gone, known.went) = (Some(now), Some(now));
        }
    }

    /// Whom to ask now whether they are there; each is asked again when no answer was told in time.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<NodeId> {
        self.nodes.retain(|_, node| node.gone.is_none_or(|gone| now.since(gone) < FORGOTTEN_AFTER));
        let (me, probe_every) = (self.me, self.probe_every);
        let due = self.nodes.iter_mut().filter(|(id, node)| {
            **id != me && node.gone.is_none() && node.until <= now && node.probe_at <= now
        });
        let asked = due.map(|(id, node)| {
            node.probe_at = later(now, probe_every * 2);
            *id
        });
        asked.collect()
    }

    /// The mirrors that a plan counts on, by id, with what they offer.
    pub fn counted(&self, now: Timestamp) -> impl Iterator<Item = (&NodeId, &Mirror)> {
        let counts = move |(id, node): &(&NodeId, &Node)| **id == self.me || node.counts(now);
        self.nodes.iter().filter(counts).map(|(id, node)| (id, &*node.mirror))
    }

    /// What a mirror offers, if a plan counts on it.
    pub fn counts(&self, now: Timestamp, id: &NodeId) -> Option<&Mirror> {
        let node = self.nodes.get(id).filter(|node| *id == self.me || node.counts(now));
        node.map(|node| &*node.mirror)
    }

    /// Whether a mirror was heard of, and is gone.
    pub fn is_gone(&self, id: &NodeId) -> bool {
        self.nodes.get(id).is_some_and(|node| node.gone.is_some())
    }

    /// The mirrors that are gone, by id, with what they offered.
    pub fn gone(&self) -> impl Iterator<Item = (&NodeId, &Mirror)> {
        let gone = self.nodes.iter().filter(|(_, node)| node.gone.is_some());
        gone.map(|(id, node)| (id, &*node.mirror))
    }

    /// How many of a thousand other mirrors were gone at some time of the last day, each counted
    /// once however often it came back; `None` when there is no other.
    pub fn churn(&self, now: Timestamp) -> Option<u16> {
        let (mut all, mut went) = (0, 0);
        for (_, node) in self.nodes.iter().filter(|(id, _)| **id != self.me) {
            let lately = node.went.is_some_and(|at| now.since(at) < CHURN_WITHIN);
            all += usize::from(lately || node.gone.is_none());
            went += usize::from(lately);
        }
        (went * usize::from(WHOLE)).checked_div(all).map(|churn| churn as u16)
    }

    /// What a mirror that was heard of offers.
    pub fn mirror(&self, id: &NodeId) -> Option<&Mirror> {
        self.nodes.get(id).map(|node| &*node.mirror)
    }
}

impl Node {
    fn counts(&self, now: Timestamp) -> bool {
        let stayed = |since: Timestamp| self.heard.min(now).since(since) >= self.probation();
        self.gone.is_none() && self.returned.is_none_or(stayed)
    }

    /// How long it has to be heard of, since it came back, before it counts.
    fn probation(&self) -> Duration {
        let doublings = self.returns.saturating_sub(1).min(16);
        STEADY_MIN.saturating_mul(1 << doublings).min(STEADY_MAX)
    }
}
