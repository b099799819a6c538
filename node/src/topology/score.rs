//! The terms of a score: each between 0 and 1, their product is the score.

use std::time::Duration;

use catalog::name::Region;
use serde::{Deserialize, Serialize};

use super::{Distance, Facts, NEAR, Strategy};
use crate::transfer::health::{Circuit, Health};

/// What was heard of a source so long ago counts half as much.
const FRESH_HALF: Duration = Duration::from_secs(15 * 60);
/// What is not known counts as the middle.
const UNKNOWN: f64 = 0.5;

/// One factor of a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Of what: `near`, `errors` and so on.
    pub name: String,
    /// From 0 to 1.
    pub value: f64,
    /// What is behind it: `12 ms`.
    pub says: String,
}

impl Term {
    fn new(name: &str, value: f64, says: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value, says: says.into() }
    }
}

/// From where sources are looked at.
pub(super) struct View<'a> {
    pub strategy: Strategy,
    pub here: Option<&'a Region>,
    /// The fastest of the sources, in bytes a second.
    pub best_rate: f64,
    pub now: Duration,
}

impl View<'_> {
    /// The health of a source, and what the strategy looks at.
    pub(super) fn terms(&self, facts: &Facts) -> Vec<Term> {
        let mut terms = health(&facts.health, self.now);
        terms.extend(self.by_strategy(facts));
        terms
    }

    /// What the strategy looks at besides.
    fn by_strategy(&self, facts: &Facts) -> Option<Term> {
        let health = &facts.health;
        Some(match self.strategy {
            Strategy::Shortest => match (facts.distance, health.rtt) {
                (Distance::Machine, _) => Term::new("distance", 1.0, "on this machine"),
                (Distance::Lan, _) => Term::new("distance", 0.9, "on this network"),
                (Distance::Elsewhere, Some(rtt)) if rtt <= NEAR => {
                    Term::new("distance", 0.7, "near")
                }
                (Distance::Elsewhere, Some(_)) => Term::new("distance", 0.3, "far"),
                (Distance::Elsewhere, None) => Term::new("distance", UNKNOWN, "not measured"),
            },
            Strategy::LowestLatency => {
                let half = NEAR.as_secs_f64();
                let value = health.rtt.map(|rtt| half / (half + rtt.as_secs_f64()));
                let says = health.rtt.map_or_else(|| "not measured".to_owned(), millis);
                Term::new("latency", value.unwrap_or(UNKNOWN), says)
            }
            Strategy::HighestBandwidth => match health.rate {
                Some(rate) => {
                    let says = format!("{:.1} MB/s", rate / 1e6);
                    Term::new("bandwidth", rate / self.best_rate.max(1.0), says)
                }
                None => Term::new("bandwidth", UNKNOWN, "not measured"),
            },
            Strategy::Geographic => {
                let value = match proximity(self.here, facts.region.as_ref()) {
                    Proximity::Same => 1.0,
                    Proximity::Area => 0.7,
                    Proximity::Unknown => 0.4,
                    Proximity::Elsewhere => 0.2,
                };
                let says = match (&facts.region, self.here) {
                    (Some(region), Some(_)) => format!("in {region}"),
                    (Some(region), None) => format!("in {region}; node.region is not set here"),
                    (None, _) => "it does not say where it is".to_owned(),
                };
                Term::new("region", value, says)
            }
            Strategy::LoadBalanced => match health.load {
                Some(load) => {
                    let says = format!("{:.0} % loaded", load * 100.0);
                    Term::new("spare", (1.0 - load).clamp(0.05, 1.0), says)
                }
                None => Term::new("spare", UNKNOWN, "it says nothing of its load"),
            },
            // Which two are apart is seen when all are looked at.
            Strategy::FaultTolerant => return None,
        })
    }
}

/// How well a source does: `works * near * errors * fresh * loss`.
pub(super) fn health(health: &Health, now: Duration) -> Vec<Term> {
    let works = match health.circuit(now) {
        Circuit::Closed if health.heard.is_none() => Term::new("works", UNKNOWN, "not tried"),
        Circuit::Closed => Term::new("works", 1.0, "it answers"),
        Circuit::HalfOpen => Term::new("works", 0.5, "it failed, and may try again"),
        Circuit::Open => Term::new("works", 0.1, "it failed, and has to wait"),
        Circuit::Banned => Term::new("works", 0.0, "it sent wrong bytes"),
    };
    let near = match health.rtt {
        None => Term::new("near", UNKNOWN, "not measured"),
        Some(rtt) => {
            let value = NEAR.as_secs_f64() / rtt.as_secs_f64().max(f64::MIN_POSITIVE);
            Term::new("near", value.min(1.0), millis(rtt))
        }
    };
    let failed = health.errors();
    let errors = Term::new("errors", 1.0 - failed, format!("{:.0} % failed", failed * 100.0));
    let fresh = match health.heard {
        None => Term::new("fresh", UNKNOWN, "never heard of"),
        Some(heard) => {
            let age = now.saturating_sub(heard);
            let faded = 0.5_f64.powf(age.as_secs_f64() / FRESH_HALF.as_secs_f64());
            Term::new("fresh", 0.5 + faded / 2.0, format!("{} s ago", age.as_secs()))
        }
    };
    let loss = health.loss.map(|loss| {
        let says = format!("{:.1} % of packets lost", loss * 100.0);
        Term::new("loss", 1.0 - (loss * 10.0).clamp(0.0, 0.9), says)
    });
    [works, near, errors, fresh].into_iter().chain(loss).collect()
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// How much of where they say that they are two nodes have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proximity {
    Same,
    /// The first word is the same: `eu-west` and `eu-north`.
    Area,
    Elsewhere,
    /// One of them does not say.
    Unknown,
}

pub(super) fn proximity(one: Option<&Region>, other: Option<&Region>) -> Proximity {
    let (Some(one), Some(other)) = (one, other) else { return Proximity::Unknown };
    let area = |region: &Region| {
        region.as_str().split(['-', '.', '_']).next().unwrap_or_default().to_owned()
    };
    match () {
        () if one == other => Proximity::Same,
        () if area(one) == area(other) => Proximity::Area,
        () => Proximity::Elsewhere,
    }
}

/// How little a source has in common with the first.
pub(super) fn apart(first: &Facts, other: &Facts) -> Term {
    let networks = first.network.zip(other.network);
    let other_network = networks.is_some_and(|(first, other)| first != other);
    let regions = proximity(first.region.as_ref(), other.region.as_ref());
    match (other_network, regions) {
        (true, Proximity::Area | Proximity::Elsewhere) => {
            Term::new("apart", 1.0, "another network and region than the first")
        }
        (true, _) => Term::new("apart", 0.8, "another network than the first"),
        (false, _) => Term::new("apart", 0.2, "the same network as the first"),
    }
}
