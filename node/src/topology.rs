//! Decides whom to ask first for contents, and who waits until that is not enough.
//!
//! In: what is known of every source, most of it measured here, and a [`Strategy`]. Out: the sources
//! in their order, each with the round in which it is called, its share of the
//! queue, and its score term by term, so that a person can be told why it stands where it does.
//!
//! Guarantees: equal inputs give the same order; nobody is left out but who is banned, so that a
//! strategy can cost time, and never an install. What a node says of itself, its region and its
//! load, changes its place and nothing else.
//! Not here: the measuring (`experience`), and who delivers what (`transfer`).

mod reach;
mod score;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use catalog::name::Region;
use catalog::permission::NodeId;
use serde::{Deserialize, Serialize};

pub(crate) use reach::Reach;
pub use score::Term;

use crate::transfer::Duty;
use crate::transfer::health::Health;

/// A source that answers within this is near.
const NEAR: Duration = Duration::from_millis(50);
/// The least share of a queue that a loaded source gets.
const SHARE_MIN: f64 = 0.1;

/// By what sources are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The fewest steps away: this machine, this network, near, anywhere.
    Shortest,
    /// Near first, then anywhere.
    #[default]
    LowestLatency,
    /// Everybody at once, the fastest first.
    HighestBandwidth,
    /// The same region first, then the same area, then anywhere.
    Geographic,
    /// Everybody at once, each by what it has to spare.
    LoadBalanced,
    /// Always two at least that have as little as possible in common.
    FaultTolerant,
}

impl Strategy {
    /// Every strategy, and what it is called.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("shortest", Self::Shortest),
        ("lowest-latency", Self::LowestLatency),
        ("highest-bandwidth", Self::HighestBandwidth),
        ("geographic", Self::Geographic),
        ("load-balanced", Self::LoadBalanced),
        ("fault-tolerant", Self::FaultTolerant),
    ];

    /// How many sources are to be at work at least, while there are so many.
    pub(crate) fn at_work_min(self) -> usize {
        if self == Self::FaultTolerant { 2 } else { 1 }
    }
}

/// Text that is not a strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a strategy is shortest, lowest-latency, highest-bandwidth, geographic, load-balanced or \
     fault-tolerant, found {found:?}"
)]
pub struct StrategyError {
    found: Box<str>,
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        let unknown = || StrategyError { found: text.chars().take(80).collect() };
        known.map(|(_, strategy)| *strategy).ok_or_else(unknown)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::NAMES.iter().find(|(_, strategy)| strategy == self);
        f.pad(known.map_or("", |(name, _)| name))
    }
}

/// How far away an address is, before anything was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// On this machine.
    Machine,
    /// On the local network.
    Lan,
    /// Anywhere.
    Elsewhere,
}

/// What is known of one source.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub node: NodeId,
    /// What was measured.
    pub health: Health,
    pub distance: Distance,
    /// The network that it is in.
    pub network: Option<Network>,
    /// Where it says that it is.
    pub region: Option<Region>,
    /// Whether it serves everybody, and is the last resort.
    pub is_backbone: bool,
}

/// The part of an address that neighbours share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network([u8; 6]);

impl Network {
    /// The /24 of an IPv4 address, the /48 of another.
    pub(crate) fn of(addr: IpAddr) -> Self {
        let mut prefix = [0; 6];
        match addr.to_canonical() {
            IpAddr::V4(addr) => {
                prefix[..2].copy_from_slice(&[0xff, 0xff]);
                prefix[2..5].copy_from_slice(&addr.octets()[..3]);
            }
            IpAddr::V6(addr) => prefix.copy_from_slice(&addr.octets()[..6]),
        }
        Self(prefix)
    }
}

/// A source in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranked {
    /// Which of the facts it is about.
    pub at: usize,
    pub duty: Duty,
    /// The product of the terms.
    pub score: f64,
    pub terms: Vec<Term>,
}

/// Puts sources in their order.
///
/// - `here`: where this node is.
/// - `now`: the time that healths are told in.
pub(crate) fn rank(
    strategy: Strategy,
    here: Option<&Region>,
    facts: &[Facts],
    now: Duration,
) -> Vec<Ranked> {
    let best_rate = facts.iter().filter_map(|facts| facts.health.rate).fold(0.0, f64::max);
    let view = score::View { strategy, here, best_rate, now };
    let mut ranked: Vec<Ranked> = facts
        .iter()
        .enumerate()
        .map(|(at, facts)| {
            let terms = view.terms(facts);
            let score = terms.iter().map(|term| term.value).product();
            Ranked { at, duty: duty(strategy, here, facts), score, terms }
        })
        .collect();
    if strategy == Strategy::FaultTolerant {
        two_apart(&mut ranked, facts);
    }
    ranked.sort_by(|one, other| {
        let known = |ranked: &Ranked| {
            let facts = &facts[ranked.at];
            (facts.health.rtt.unwrap_or(Duration::MAX), facts.node)
        };
        let by_tier = one.duty.tier.cmp(&other.duty.tier);
        by_tier.then(other.score.total_cmp(&one.score)).then_with(|| known(one).cmp(&known(other)))
    });
    ranked
}

/// How well a source does, whatever the strategy: `0..=1`.
pub(crate) fn health(health: &Health, now: Duration) -> f64 {
    score::health(health, now).iter().map(|term| term.value).product()
}

/// In which round a source is called, and for which share of a queue.
fn duty(strategy: Strategy, here: Option<&Region>, facts: &Facts) -> Duty {
    let is_far = facts.health.rtt.is_some_and(|rtt| rtt > NEAR);
    let tiers_before_backbone = match strategy {
        Strategy::Shortest | Strategy::Geographic => 3,
        Strategy::LowestLatency | Strategy::FaultTolerant => 2,
        Strategy::HighestBandwidth => 0,
        Strategy::LoadBalanced => 1,
    };
    let tier = match strategy {
        _ if facts.is_backbone => tiers_before_backbone,
        Strategy::Shortest if facts.distance != Distance::Elsewhere => 0,
        Strategy::Shortest => 1 + u8::from(is_far),
        Strategy::LowestLatency => u8::from(is_far),
        Strategy::Geographic => match score::proximity(here, facts.region.as_ref()) {
            score::Proximity::Same => 0,
            score::Proximity::Area | score::Proximity::Unknown => 1,
            score::Proximity::Elsewhere => 2,
        },
        // Whoever is not one of the two is called when one of them leaves.
        Strategy::FaultTolerant => 1,
        Strategy::HighestBandwidth | Strategy::LoadBalanced => 0,
    };
    let share = match (strategy, facts.health.load) {
        (Strategy::LoadBalanced, Some(load)) => (1.0 - load).clamp(SHARE_MIN, 1.0),
        _ => 1.0,
    };
    Duty { tier, share }
}

/// Calls first the best source, and the one that is good and has little in common with it.
fn two_apart(ranked: &mut [Ranked], facts: &[Facts]) {
    let best_of = |ranked: &[Ranked], not: Option<usize>| {
        let some =
            ranked.iter().enumerate().filter(|(at, one)| Some(*at) != not && one.score > 0.0);
        let best = some.max_by(|(_, one), (_, other)| {
            let by_tier = other.duty.tier.cmp(&one.duty.tier);
            by_tier.then(one.score.total_cmp(&other.score)).then(other.at.cmp(&one.at))
        });
        best.map(|(at, _)| at)
    };
    let Some(first) = best_of(ranked, None) else { return };
    for at in (0..ranked.len()).filter(|at| *at != first) {
        let term = score::apart(&facts[first], &facts[at]);
        ranked[at].score *= term.value;
        ranked[at].terms.push(term);
    }
    let second = best_of(ranked, Some(first));
    for at in [Some(first), second].into_iter().flatten() {
        ranked[at].duty.tier = 0;
    }
}

#[cfg(test)]
mod tests;
