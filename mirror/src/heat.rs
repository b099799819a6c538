//! How much each unit is asked for in each region, from what mirrors say that they served.
//!
//! Each mirror counts what it serves ([`Served`]) and says so in a register ([`Demand`]). What it
//! says is a claim: its reader gives every mirror a weight, caps what one of them can claim for
//! one unit, adds up, and rounds down to a power of two. Rounding keeps plans still while counts
//! drift, and hides single requests.
//!
//! Guarantees: the sum does not depend on the order in which claims come; one mirror adds at most
//! [`CLAIM_MAX`] to a unit in a region, so a liar can earn a package a few copies and no more.
//! Not here: who asked. A client's name is never said, and a unit is mentioned only after two
//! different clients asked for it.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Digest;
use catalog::name::Region;
use catalog::permission::NodeId;

use crate::rendezvous::log2_floor;
use crate::strategy::WHOLE;

mod companions;
mod demand;
mod fading;
mod served;

pub use companions::Companions;
pub use demand::{Demand, DemandRow, LIFE, NAME, ROWS_MAX};
pub use served::Served;

/// The most that one mirror's claim counts for one unit in one region.
pub const CLAIM_MAX: u64 = 256;
/// Hours of a day that count as soon.
const SOON_HOURS: u8 = 6;

/// The first bytes of a content root, by which demand names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(pub [u8; 8]);

impl Prefix {
    /// The prefix of a content root.
    pub const fn of(root: &Digest) -> Self {
        let (prefix, _) = root.as_bytes().split_first_chunk::<8>().expect("32 bytes");
        Self(*prefix)
    }
}

/// How much one unit is asked for: counts that halve every day, rounded to powers of two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warmth {
    /// By region; no entry is zero.
    pub regions: BTreeMap<Region, u64>,
    /// By clients that do not say where they are.
    pub elsewhere: u64,
    /// How much of it falls into the next hours, in thousandths.
    pub soon: u16,
}

impl Warmth {
    /// All regions together.
    pub fn total(&self) -> u64 {
        self.regions.values().sum::<u64>().saturating_add(self.elsewhere)
    }

    /// How much it is asked for in a region.
    pub fn of(&self, region: Option<&Region>) -> u64 {
        region.and_then(|region| self.regions.get(region)).copied().unwrap_or_default()
    }
}

/// What the mirrors claim, weighed by one of them.
#[derive(Clone, Debug, Default)]
pub struct Heat {
    units: BTreeMap<Prefix, BTreeMap<NodeId, Vec<Claim>>>,
    /// What each mirror mentions.
    mirrors: BTreeMap<NodeId, BTreeSet<Prefix>>,
}

/// What one mirror says of one unit in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    region: Option<Region>,
    /// Thousandths of a request, weighed and capped.
    weighed: u64,
    peak: Option<u8>,
}

impl Heat {
    /// Nobody has asked for anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a mirror says; what it said before is forgotten.
    ///
    /// - `weight`: thousandths, from 0 for whom nothing is believed to [`WHOLE`].
    /// - result: the units whose warmth may be another now, ascending.
    pub fn merge(&mut self, mirror: NodeId, demand: &Demand, weight: u16) -> BTreeSet<Prefix> {
        let before = self.claims_of(&mirror);
        self.take_out(&mirror);
        for row in &demand.rows {
            let count = 1_u64.checked_shl(row.log2.into()).unwrap_or(CLAIM_MAX).min(CLAIM_MAX);
            let weighed = count * u64::from(weight.min(WHOLE));
            let claim = Claim { region: row.region.clone(), weighed, peak: row.peak };
            let claims = self.units.entry(row.prefix).or_default().entry(mirror).or_default();
            // Whoever names a region twice is believed once.
            match claims.iter_mut().find(|known| known.region == claim.region) {
                Some(known) if known.weighed >= claim.weighed => {}
                Some(known) => *known = claim,
                None => claims.push(claim),
            }
            self.mirrors.entry(mirror).or_default().insert(row.prefix);
        }
        let after = self.claims_of(&mirror);
        let both: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        both.into_iter().filter(|prefix| before.get(prefix) != after.get(prefix)).collect()
    }

    /// Forgets what a mirror said.
    ///
    /// - result: as [`merge`](Self::merge).
    pub fn forget(&mut self, mirror: &NodeId) -> BTreeSet<Prefix> {
        self.take_out(mirror)
    }

    fn claims_of(&self, mirror: &NodeId) -> BTreeMap<Prefix, Vec<Claim>> {
        let prefixes = self.mirrors.get(mirror).into_iter().flatten();
        let claims =
            |prefix: &Prefix| Some((*prefix, self.units.get(prefix)?.get(mirror)?.clone()));
        prefixes.filter_map(claims).collect()
    }

    fn take_out(&mut self, mirror: &NodeId) -> BTreeSet<Prefix> {
        let prefixes = self.mirrors.remove(mirror).unwrap_or_default();
        for prefix in &prefixes {
            if let Some(claims) = self.units.get_mut(prefix) {
                claims.remove(mirror);
                if claims.is_empty() {
                    self.units.remove(prefix);
                }
            }
        }
        prefixes
    }

    /// How much a unit is asked for.
    ///
    /// - `hour`: the hour of the day in UTC; what is soon depends on it.
    pub fn of(&self, prefix: &Prefix, hour: u8) -> Warmth {
        let Some(mirrors) = self.units.get(prefix) else { return Warmth::default() };
        let mut sums: BTreeMap<Option<&Region>, u64> = BTreeMap::new();
        let (mut all, mut soon) = (0_u64, 0_u64);
        for claim in mirrors.values().flatten() {
            *sums.entry(claim.region.as_ref()).or_default() += claim.weighed;
            all += claim.weighed;
            if claim.peak.is_some_and(|peak| (peak + 24 - hour % 24) % 24 < SOON_HOURS) {
                soon += claim.weighed;
            }
        }
        let mut warmth = Warmth {
            // In quarters: what is soon drifts all day, and plans should not.
            soon: (soon * 4 / all.max(1)) as u16 * (WHOLE / 4),
            ..Warmth::default()
        };
        for (region, weighed) in sums {
            let count = rounded(weighed / u64::from(WHOLE));
            match region {
                _ if count == 0 => {}
                None => warmth.elsewhere = count,
                Some(region) => {
                    warmth.regions.insert(region.clone(), count);
                }
            }
        }
        warmth
    }

    /// The units that somebody mentions, ascending.
    pub fn mentioned(&self) -> impl Iterator<Item = &Prefix> {
        self.units.keys()
    }
}

/// The next power of two below.
fn rounded(count: u64) -> u64 {
    if count == 0 { 0 } else { 1 << log2_floor(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn prefix(n: u8) -> Prefix {
        Prefix([n; 8])
    }

    fn row(unit: u8, region: &str, log2: u8) -> DemandRow {
        DemandRow { prefix: prefix(unit), region: region.parse().ok(), log2, peak: None }
    }

    fn demand(rows: &[DemandRow]) -> Demand {
        Demand { rows: rows.to_vec() }
    }

    #[test]
    fn claims_are_added_up_and_rounded() {
        let mut heat = Heat::new();
        heat.merge(node(1), &demand(&[row(1, "eu", 3), row(1, "us", 1)]), 1000);
        heat.merge(node(2), &demand(&[row(1, "eu", 2), row(1, "", 4)]), 1000);
        let warmth = heat.of(&prefix(1), 0);
        let of = |region: &str| warmth.of(region.parse().ok().as_ref());
        assert_eq!((of("eu"), of("us"), warmth.elsewhere), (8, 2, 16));
        assert_eq!(warmth.total(), 26);
        assert_eq!(heat.of(&prefix(2), 0), Warmth::default());
    }

    /// A mirror that invents demand: it counts as far as it is believed, and never without bound.
    #[test]
    fn one_mirror_claims_little() {
        let mut heat = Heat::new();
        heat.merge(node(1), &demand(&[row(1, "eu", 60), row(1, "eu", 61)]), 1000);
        assert_eq!(heat.of(&prefix(1), 0).total(), CLAIM_MAX);
        heat.merge(node(1), &demand(&[row(1, "eu", 60)]), 100);
        assert_eq!(heat.of(&prefix(1), 0).total(), 16);
        heat.merge(node(1), &demand(&[row(1, "eu", 60)]), 0);
        assert_eq!(heat.of(&prefix(1), 0).total(), 0);
    }

    #[test]
    fn a_merge_says_which_units_changed() {
        let mut heat = Heat::new();
        let rows = [row(1, "eu", 3), row(2, "eu", 3)];
        assert_eq!(heat.merge(node(1), &demand(&rows), 1000).len(), 2);
        assert!(heat.merge(node(1), &demand(&rows), 1000).is_empty());
        let changed = heat.merge(node(1), &demand(&[row(1, "eu", 4), row(2, "eu", 3)]), 1000);
        assert_eq!(changed, [prefix(1)].into());
        assert_eq!(heat.forget(&node(1)).len(), 2);
        assert_eq!(heat.mentioned().count(), 0);
    }

    #[test]
    fn what_is_asked_for_at_some_hour_is_soon_in_the_hours_before() {
        let mut heat = Heat::new();
        let row = DemandRow { peak: Some(2), ..row(1, "eu", 3) };
        heat.merge(node(1), &demand(&[row]), 1000);
        let soon = |hour| heat.of(&prefix(1), hour).soon;
        assert_eq!([20, 21, 23, 2, 3, 12].map(soon), [0, 1000, 1000, 1000, 0, 0]);
    }

    proptest! {
        #[test]
        fn the_order_of_claims_does_not_matter(
            claims in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u8..12, 0_u16..1000), 1..12),
            turn in 0_usize..12,
        ) {
            // One claim for each mirror: the later one would take the place of the earlier.
            let of = |(n, (unit, region, log2, weight)): (usize, (u8, u8, u8, u16))| {
                (node(n as u8), demand(&[row(unit, ["eu", "us", ""][region as usize], log2)]), weight)
            };
            let mut all: Vec<_> = claims.into_iter().enumerate().map(of).collect();
            let sum = |all: &[(NodeId, Demand, u16)]| {
                let mut heat = Heat::new();
                for (mirror, demand, weight) in all {
                    heat.merge(*mirror, demand, *weight);
                }
                (0..4).map(|unit| heat.of(&prefix(unit), 0)).collect::<Vec<_>>()
            };
            let expected = sum(&all);
            let turn = turn % all.len();
            all.rotate_left(turn);
            prop_assert_eq!(sum(&all), expected);
        }
    }
}
