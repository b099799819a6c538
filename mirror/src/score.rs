//! Says what every other node is worth to this one, from what it gave, as this one sees it.
//!
//! What a client signs for a server is its word, and words are free: a thousand keys sign for each
//! other what they like. So a word counts here as far as whoever says it gave something, to us, or
//! to somebody who did. With `w(j, i)` for what `j` signed for `i`, faded, and of all that `j`
//! signed the part `part(j, i) = w(j, i) / (COMMONS + Σ w(j, ·))`, the score of `i` for a viewer is
//!
//! ```text
//! score(i) = part(viewer, i) + BETA · Σ_k part(viewer, k) · part(k, i)
//! ```
//!
//! Guarantees: mass is conserved: what `k` can hand on is its own part, however much it signs and
//! for however many. So all the keys behind one node have together at most `1 + BETA` times what it
//! has of its own work; no rule of accounts does without such a bound (Seuken and Parkes 2011), and
//! here it is known. Nobody's score is a fact about the network: it is the view of one node.
//! Not here: what a score buys ([`share`](crate::share)). Scores are not signed, sent or compared
//! between nodes, so they are floating-point numbers.
//!
//! # Source
//! Meulpolder et al., *BarterCast*, 2009, for two hops from the viewer's own perspective; Levin et
//! al., *BitTorrent is an Auction*, SIGCOMM 2008, for proportional shares.

mod statement;

use std::collections::{BTreeMap, BTreeSet};

use catalog::permission::NodeId;
use catalog::{ByteSize, Timestamp};

use crate::defence::{self, Defence};
use crate::ledger::Ledger;

pub use statement::{Line, Statement};

/// How much a word counts that somebody says whom the viewer knows, beside one of its own.
pub const BETA: f64 = 0.5;

/// Of what every node signs, so much belongs to everybody: the first bytes that anybody gives do
/// not make it the only one who gave.
pub const COMMONS: ByteSize = ByteSize::mib(64);

/// Below this a node has no standing.
pub const STANDING_MIN: f64 = 1e-4;

/// What is known of a node that nobody audited.
pub const RELIABILITY_UNKNOWN: f64 = 0.5;

/// What everybody signed, as much of it as has not faded at one moment.
#[derive(Clone, Debug, Default)]
pub struct Flows(BTreeMap<NodeId, Signed>);

/// What one node signed.
#[derive(Clone, Debug, Default)]
struct Signed {
    all: f64,
    servers: BTreeMap<NodeId, f64>,
}

impl Flows {
    /// What a ledger holds at the time `now`. Those against whom there is proof of fraud have
    /// signed nothing, and nobody has for them.
    pub fn of(ledger: &Ledger, now: Timestamp) -> Self {
        let mut flows = Self::default();
        for (client, server, row) in ledger.rows() {
            if !ledger.is_fraud(client) && !ledger.is_fraud(server) {
                flows.add(*client, *server, row.faded(now));
            }
        }
        flows
    }

    /// Adds what `client` signed for `server`, in bytes.
    fn add(&mut self, client: NodeId, server: NodeId, bytes: f64) {
        let signed = self.0.entry(client).or_default();
        signed.all += bytes;
        *signed.servers.entry(server).or_default() += bytes;
    }

    /// What `client` signed for `server`, in bytes.
    pub fn between(&self, server: &NodeId, client: &NodeId) -> f64 {
        let signed = self.0.get(client);
        signed.and_then(|signed| signed.servers.get(server)).copied().unwrap_or_default()
    }

    /// Of all that `client` signed, the part that is for `server`.
    fn part(&self, server: &NodeId, client: &NodeId) -> f64 {
        let Some(signed) = self.0.get(client) else { return 0.0 };
        signed.servers.get(server).map_or(0.0, |bytes| signed.part(*bytes))
    }

    /// Of all that `client` signed, the part that is for each server.
    fn parts(&self, client: &NodeId) -> impl Iterator<Item = (&NodeId, f64)> {
        let signed = self.0.get(client).into_iter();
        signed.flat_map(|signed| {
            signed.servers.iter().map(|(server, bytes)| (server, signed.part(*bytes)))
        })
    }

    /// Whom `client` signed for.
    fn servers(&self, client: &NodeId) -> impl Iterator<Item = &NodeId> {
        self.0.get(client).into_iter().flat_map(|signed| signed.servers.keys())
    }
}

impl Signed {
    fn part(&self, bytes: f64) -> f64 {
        let all = if defence::on(Defence::Conservation) { self.all } else { 0.0 };
        bytes / (COMMONS.as_u64() as f64 + all)
    }
}

/// What others are worth to one node.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    flows: &'a Flows,
    viewer: NodeId,
}

/// How a score came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Reckoning {
    /// From what it gave the viewer itself, in `0..=1`.
    pub own: f64,
    /// From what it gave others, by each that says so: who, and what its word adds; most first.
    pub vouched: Vec<(NodeId, f64)>,
    /// All of it.
    pub score: f64,
    /// Whether it gives or takes, between the two, in `0.5..=2`.
    pub ratio: f64,
}

impl<'a> Scores<'a> {
    /// What others are worth to `viewer`.
    pub fn new(flows: &'a Flows, viewer: NodeId) -> Self {
        Self { flows, viewer }
    }

    /// What `node` is worth, from 0 to `1 + BETA`; all nodes together no more than that.
    pub fn score(&self, node: &NodeId) -> f64 {
        if *node == self.viewer {
            return 0.0;
        }
        let words = self.words(node).map(|(_, word)| word).sum::<f64>();
        self.flows.part(node, &self.viewer) + words
    }

    /// What the word of each other node adds to the score of `node`.
    fn words(&self, node: &NodeId) -> impl Iterator<Item = (NodeId, f64)> {
        let near = self.flows.parts(&self.viewer).filter(move |(near, _)| *near != node);
        near.filter_map(move |(near, part)| {
            let word = BETA * part * self.flows.part(node, near);
            (word > 0.0).then_some((*near, word))
        })
    }

    /// Whether a node gives or takes, in what went between it and the viewer: above 1 if it gave
    /// more, in `0.5..=2`. What others say does not enter: it would be free to say.
    pub fn ratio(&self, node: &NodeId) -> f64 {
        let commons = COMMONS.as_u64() as f64;
        let gave = self.flows.between(node, &self.viewer) + commons;
        let took = self.flows.between(&self.viewer, node) + commons;
        (gave / took).sqrt().clamp(0.5, 2.0)
    }

    /// How the score of a node came about.
    pub fn reckoning(&self, node: &NodeId) -> Reckoning {
        let mut vouched: Vec<_> = self.words(node).collect();
        vouched.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let own = self.flows.part(node, &self.viewer);
        Reckoning { own, vouched, score: self.score(node), ratio: self.ratio(node) }
    }

    /// How much each of these counts when they say what is wanted: the one with the best score 1,
    /// and who has no standing nothing, however many they are. Where nobody has any, all count
    /// alike.
    ///
    /// - result: in `0..=1`, in the order of `reporters`.
    pub fn voices(&self, reporters: &[NodeId]) -> Vec<f64> {
        let scores: Vec<f64> = reporters.iter().map(|node| self.score(node)).collect();
        let best = scores.iter().copied().fold(0.0, f64::max);
        if best < STANDING_MIN || !defence::on(Defence::Voices) {
            return vec![1.0; reporters.len()];
        }
        let voice = |score: f64| if score < STANDING_MIN { 0.0 } else { score / best };
        scores.into_iter().map(voice).collect()
    }

    /// Everybody with a score, and perhaps some without: those who gave the viewer something, or
    /// somebody who did.
    pub fn known(&self) -> BTreeSet<NodeId> {
        let mut known: BTreeSet<NodeId> = BTreeSet::new();
        for near in self.flows.servers(&self.viewer) {
            known.insert(*near);
            known.extend(self.flows.servers(near));
        }
        known.remove(&self.viewer);
        known
    }
}

/// How much a byte is worth of which there are `live` copies where `wanted` should be: from 1, for
/// what is well kept, to 2.
pub fn health(live: u32, wanted: u32) -> f64 {
    if wanted == 0 {
        return 1.0;
    }
    1.0 + f64::from(wanted.saturating_sub(live)) / f64::from(wanted)
}

#[cfg(test)]
mod tests;
