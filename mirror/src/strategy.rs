//! What makes a copy worth its room: the terms, and how much each weighs.
//!
//! A strategy decides in which order copies are placed when there is not room for all of them. It
//! never takes away what every package has: the copies up to the minimum come first under each.
//! Terms and weights are whole thousandths, so that all nodes add up the same.
//!
//! [`Strategy::Adaptive`] takes its weights from what the mirrors measure ([`Measured`]): high
//! latency makes nearness weigh more, a low hit rate makes room for many small popular packages,
//! and churn asks for one more copy of everything. It looks at the median of all leases and in
//! coarse steps, so that mirrors agree and no single one of them moves the rest.

use std::fmt;
use std::str::FromStr;

use catalog::ByteSize;

use crate::rendezvous::log2_floor;
use crate::unit::Priority;

/// The most that a term, and the worth of a copy, can be.
pub const WHOLE: u16 = 1000;
/// What one doubling of a count or a size is worth, in thousandths: twenty of them are all.
const DOUBLING: u16 = 50;
/// Packages up to so many bytes (as a power of two) count as small.
const SMALL_LOG2: u32 = 16;

/// What comes first when there is not room for all copies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// What is asked for most, anywhere.
    Popularity,
    /// What is asked for most in the region of the copy.
    Geographic,
    /// What will be asked for in the next hours.
    AccessPattern,
    /// What publishers call urgent.
    Priority,
    /// A mixture that follows what is measured.
    #[default]
    Adaptive,
}

/// Text that is not a strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a strategy: it is popularity, geographic, access-pattern, priority or adaptive"
)]
pub struct StrategyError {
    found: Box<str>,
}

/// What a mirror measured over the last day; what it does not know it leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// In which time 19 of 20 requests got their first byte, in milliseconds.
    pub latency_ms: Option<u32>,
    /// How many of a thousand requests from its region a mirror of that region served.
    pub hits: Option<u16>,
    /// How many of a thousand mirrors went away.
    pub churn: Option<u16>,
}

/// How much each term weighs, in thousandths of nothing in particular: only their shares count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of how much it is asked for anywhere.
    pub popularity: u16,
    /// Of how much it is asked for in the region.
    pub geographic: u16,
    /// Of how soon it will be asked for.
    pub access: u16,
    /// Of how urgent its publisher says it is.
    pub priority: u16,
    /// Of how little room it takes.
    pub small: u16,
}

/// What a strategy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// What the terms weigh.
    pub weights: Weights,
    /// Copies of everything beyond the minimum.
    pub spare_copies: u8,
}

/// The terms of one copy, each from 0 to [`WHOLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How much it is asked for anywhere.
    pub popularity: u16,
    /// How much it is asked for in the region of the copy.
    pub geographic: u16,
    /// How soon it will be asked for.
    pub access: u16,
    /// How urgent its publisher says it is.
    pub priority: u16,
    /// How little room it takes.
    pub small: u16,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 5] =
        [Self::Popularity, Self::Geographic, Self::AccessPattern, Self::Priority, Self::Adaptive];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Geographic => "geographic",
            Self::AccessPattern => "access-pattern",
            Self::Priority => "priority",
            Self::Adaptive => "adaptive",
        }
    }

    /// What it asks for, given what the mirrors measured.
    pub fn tuning(self, measured: Measured) -> Tuning {
        let of = |popularity, geographic, access, priority, small| Tuning {
            weights: Weights { popularity, geographic, access, priority, small },
            spare_copies: 0,
        };
        match self {
            Self::Popularity => of(700, 50, 50, 50, 150),
            Self::Geographic => of(50, 700, 50, 50, 150),
            Self::AccessPattern => of(100, 150, 600, 50, 100),
            Self::Priority => of(50, 100, 50, 700, 100),
            Self::Adaptive => adapted(measured),
        }
    }
}

/// Requests per region and byte decide, as they do for a cache; measurements shift that.
fn adapted(measured: Measured) -> Tuning {
    let mut weights =
        Weights { popularity: 100, geographic: 350, access: 100, priority: 100, small: 350 };
    match measured.latency_ms {
        Some(400..) => weights.geographic += 200,
        Some(150..) => weights.geographic += 100,
        _ => {}
    }
    match measured.hits {
        Some(0..500) => {
            weights.popularity += 100;
            weights.small += 200;
        }
        Some(500..800) => weights.small += 100,
        _ => {}
    }
    let spare_copies = u8::from(measured.churn.is_some_and(|churn| churn >= 100));
    Tuning { weights, spare_copies }
}

impl Measured {
    /// What half of the mirrors are above, each number for itself; those who do not know it are
    /// left out.
    pub fn median(of: impl Iterator<Item = Self> + Clone) -> Self {
        fn middle<T: Ord + Copy>(known: impl Iterator<Item = T>) -> Option<T> {
            let mut known: Vec<T> = known.collect();
            known.sort_unstable();
            known.get(known.len().saturating_sub(1) / 2).copied()
        }
        Self {
            latency_ms: middle(of.clone().filter_map(|one| one.latency_ms)),
            hits: middle(of.clone().filter_map(|one| one.hits)),
            churn: middle(of.filter_map(|one| one.churn)),
        }
    }
}

impl Terms {
    /// The terms of a copy.
    ///
    /// - `anywhere`, `here`: how often it is asked for; `soon`: thousandths of that in a few hours.
    pub fn of(anywhere: u64, here: u64, soon: u16, priority: Priority, bytes: ByteSize) -> Self {
        let doublings = log2_floor(bytes.as_u64().max(1)).saturating_sub(SMALL_LOG2);
        Self {
            popularity: of_count(anywhere),
            geographic: of_count(here),
            access: soon.min(WHOLE),
            priority: match priority {
                Priority::Low => 0,
                Priority::Normal => 333,
                Priority::High => 667,
                Priority::Critical => WHOLE,
            },
            small: WHOLE.saturating_sub(doublings as u16 * DOUBLING),
        }
    }

    /// What the copy is worth: the terms by their weights, from 0 to [`WHOLE`].
    pub fn worth(&self, weights: &Weights) -> u16 {
        let all = self.weighed(weights);
        let total: u32 = all.iter().map(|(_, _, weight)| u32::from(*weight)).sum();
        let sum: u32 =
            all.iter().map(|(_, term, weight)| u32::from(*term) * u32::from(*weight)).sum();
        (sum / total.max(1)) as u16
    }

    /// Each term by name, with its weight.
    pub fn weighed(&self, weights: &Weights) -> [(&'static str, u16, u16); 5] {
        [
            ("popularity", self.popularity, weights.popularity),
            ("geographic", self.geographic, weights.geographic),
            ("access", self.access, weights.access),
            ("priority", self.priority, weights.priority),
            ("small", self.small, weights.small),
        ]
    }
}

/// A count on a scale on which each doubling is a step.
fn of_count(count: u64) -> u16 {
    let doublings = log2_floor(count.saturating_add(1)).min(20);
    doublings as u16 * DOUBLING
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let strategy = Self::ALL.into_iter().find(|strategy| strategy.as_str() == text);
        strategy.ok_or_else(|| StrategyError { found: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(strategy: Strategy, terms: &Terms) -> u16 {
        terms.worth(&strategy.tuning(Measured::default()).weights)
    }

    #[test]
    fn each_strategy_puts_its_own_first() {
        let (small, normal) = (ByteSize::mib(1), Priority::Normal);
        let popular = Terms::of(4096, 0, 0, normal, small);
        let near = Terms::of(64, 64, 0, normal, small);
        let soon = Terms::of(16, 16, 1000, normal, small);
        let urgent = Terms::of(0, 0, 0, Priority::Critical, small);
        let all = [&popular, &near, &soon, &urgent];
        for (strategy, first) in [
            (Strategy::Popularity, 0),
            (Strategy::Geographic, 1),
            (Strategy::AccessPattern, 2),
            (Strategy::Priority, 3),
        ] {
            let worths = all.map(|terms| worth(strategy, terms));
            let best = (0..4).max_by_key(|&at| worths[at]).unwrap();
            assert_eq!(best, first, "{strategy}: {worths:?}");
        }
    }

    #[test]
    fn demand_for_each_byte_decides_by_default() {
        let of = |here, bytes| {
            worth(Strategy::Adaptive, &Terms::of(here, here, 0, Priority::Normal, bytes))
        };
        assert!(of(16, ByteSize::mib(1)) > of(16, ByteSize::gib(1)));
        assert!(of(1024, ByteSize::mib(64)) > of(16, ByteSize::mib(64)));
        assert!(of(1 << 60, ByteSize::bytes(0)) <= WHOLE);
        assert!(of(0, ByteSize::bytes(u64::MAX)) < 100);
    }

    #[test]
    fn the_adaptive_strategy_follows_what_is_measured() {
        let tuning = |latency_ms, hits, churn| {
            Strategy::Adaptive.tuning(Measured { latency_ms, hits, churn })
        };
        let calm = tuning(None, None, None);
        assert_eq!(tuning(Some(20), Some(950), Some(10)), calm);
        assert!(tuning(Some(500), None, None).weights.geographic > calm.weights.geographic);
        assert!(tuning(None, Some(300), None).weights.small > calm.weights.small);
        assert_eq!(tuning(None, None, Some(200)).spare_copies, 1);
    }

    #[test]
    fn one_mirror_does_not_move_what_all_of_them_measured() {
        let of = |churn| Measured { churn: Some(churn), ..Measured::default() };
        let all = [of(10), of(1000), of(12), Measured::default()];
        assert_eq!(Measured::median(all.into_iter()), of(12));
        assert_eq!(Measured::median([].into_iter()), Measured::default());
    }

    #[test]
    fn strategies_go_by_their_words() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert!("best".parse::<Strategy>().is_err());
    }
}
