//! Decides which of those who wait goes next, inside one class of urgency.
//!
//! In: who waits, each with its [`Share`]: the weight that it earned, or none. Out: whose turn it
//! is. Those with standing share by weight. Those without are a pool of 5 %: its networks take
//! turns, so that a thousand keys of one household are one household. Where one side does not wait, the
//! other has everything: capacity that nobody else wants is free.
//!
//! Guarantees: over any time in which the same ones wait, each gets its part, to a chunk; nobody
//! starves; silence is not saved up. Costs: a look at each that waits, and memory for those that
//! lately had more than their part.
//! Not here: classes, rates and sockets (`node::shaping`); those of one network take turns in the order in
//! which the caller shows them.
//!
//! # Source
//! Start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996; here in two levels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use catalog::permission::NodeId;

use crate::defence::{self, Defence};
use crate::pace::Turn;
use crate::score::{STANDING_MIN, Scores};

/// Of what a node can send when all want more, those without standing have one part in so many.
pub const STRANGERS_PART: u32 = 20;

/// Peers of whom it is remembered that they had more than their part. When there are more, those
/// are forgotten of whom it is not true any more, or all.
const REMEMBERED_MAX: usize = 1_024;

/// How much of a class one peer has beside another: a positive number of at most [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    const ONE: u32 = 1 << 20;

    /// The weight of a device of the same owner: the largest.
    pub const MAX: Self = Self(4 * Self::ONE);

    /// The weight of a friend, as if it had given all that ever came here.
    pub const FRIEND: Self = Self(Self::ONE);

    /// The nearest weight to `weight`.
    pub fn new(weight: f64) -> Self {
        let scaled = (weight * f64::from(Self::ONE)).round();
        // The cast of what is no number gives 0.
        Self((scaled as u32).clamp(1, Self::MAX.0))
    }

    /// The weight as a number; that of a friend is 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE)
    }
}

/// A household, as far as an address tells: `/24` of IPv4, `/56` of IPv6. Whoever comes by a
/// relay is of one and the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(Option<[u8; 8]>);

impl Network {
    /// Where nothing is known of an address.
    pub const UNKNOWN: Self = Self(None);

    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self(Some([0, 0, 0, 4, a, b, c, 0]))
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self(Some([a, b, c, d, e, f, g, 6]))
            }
        }
    }
}

/// What somebody who waits has a right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A part of what those with standing have.
    Weighted(Weight),
    /// A turn in the pool, with its network.
    Pooled(Network),
}

/// The weights of some peers; whoever is not among them has none.
#[derive(Clone, Debug, Default)]
pub struct Weights(BTreeMap<NodeId, Weight>);

impl Weights {
    /// The weights that `peers` earned: score by ratio by reliability.
    ///
    /// - `reliability`: of each peer, in `0..=1`; see [`audit`](crate::audit).
    pub fn earned<'p>(
        scores: &Scores<'_>,
        peers: impl IntoIterator<Item = &'p NodeId>,
        reliability: impl Fn(&NodeId) -> f64,
    ) -> Self {
        let weight = |peer: &'p NodeId| {
            let score = scores.score(peer);
            let weight = score * scores.ratio(peer) * reliability(peer);
            match score < STANDING_MIN {
                false => Some((*peer, Weight::new(weight))),
                true if defence::on(Defence::StrangerPool) => None,
                true => Some((*peer, Weight::new(1.0 / f64::from(STRANGERS_PART)))),
            }
        };
        Self(peers.into_iter().filter_map(weight).collect())
    }

    /// Gives a peer a weight that it need not earn: [`Weight::MAX`] to an own device,
    /// [`Weight::FRIEND`] to a friend. An earned one that is larger stays.
    pub fn grant(&mut self, peer: NodeId, weight: Weight) {
        let known = self.0.entry(peer).or_insert(weight);
        *known = weight.max(*known);
    }

    /// What `peer` has earned, if anything.
    pub fn weight(&self, peer: &NodeId) -> Option<Weight> {
        self.0.get(peer).copied()
    }

    /// What `peer` has a right to; who owes receipts is a stranger for as long.
    pub fn share(&self, peer: &NodeId, network: Network, turn: Turn) -> Share {
        match self.weight(peer) {
            Some(weight) if turn != Turn::AsStranger => Share::Weighted(weight),
            _ => Share::Pooled(network),
        }
    }
}

/// Somebody who waits to be sent a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub peer: NodeId,
    /// With what right.
    pub share: Share,
    /// How much it would be sent.
    pub bytes: u64,
}

/// What everybody of a class had, as far as it matters for whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct Fair {
    sides: Level<Side>,
    weighted: Level<NodeId>,
    pooled: Level<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Weighted,
    Pooled,
}

impl Fair {
    /// Whose turn it is: the place in `waiting`; of equals the first. `None` when nobody waits.
    pub fn next(&self, waiting: impl IntoIterator<Item = Waiting>) -> Option<usize> {
        let [weighted, pooled] = [Side::Weighted, Side::Pooled].map(|side| self.sides.start(&side));
        let turn = |(at, one): (usize, Waiting)| match one.share {
            Share::Weighted(_) => (weighted, Side::Weighted, self.weighted.start(&one.peer), at),
            Share::Pooled(network) => (pooled, Side::Pooled, self.pooled.start(&network), at),
        };
        waiting.into_iter().enumerate().map(turn).min().map(|(.., at)| at)
    }

    /// Counts a chunk that was sent.
    pub fn sent(&mut self, one: &Waiting) {
        let bytes = u128::from(one.bytes) << 32;
        match one.share {
            Share::Weighted(weight) => {
                self.sides.sent(Side::Weighted, bytes / u128::from(STRANGERS_PART - 1));
                self.weighted.sent(one.peer, bytes / u128::from(weight.0));
            }
            Share::Pooled(network) => {
                self.sides.sent(Side::Pooled, bytes);
                self.pooled.sent(network, bytes);
            }
        }
    }
}

/// Some that share by weight. Time is what one of weight 1 would have been sent.
#[derive(Clone, Debug)]
struct Level<K> {
    /// When the one was due that was served last.
    clock: u128,
    /// When each is due again.
    due: BTreeMap<K, u128>,
}

impl<K> Default for Level<K> {
    fn default() -> Self {
        Self { clock: 0, due: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Level<K> {
    /// When `key` is due: at once if it had nothing lately.
    fn start(&self, key: &K) -> u128 {
        self.due.get(key).map_or(self.clock, |due| self.clock.max(*due))
    }

    fn sent(&mut self, key: K, cost: u128) {
        self.clock = self.start(&key);
        self.due.insert(key, self.clock + cost);
        if self.due.len() > REMEMBERED_MAX {
            self.due.retain(|_, due| *due > self.clock);
        }
        // Where everybody is new each time, the clock stands still.
        if self.due.len() > REMEMBERED_MAX {
            self.due.clear();
        }
    }
}

#[cfg(test)]
mod tests;
