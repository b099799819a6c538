//! Who asks for what, and when.
//!
//! Popularity follows Zipf's law with exponent 1. Of four requests, three follow the order of the
//! whole world and one the order of their region. People sleep: each region has its own day.

use std::time::Duration;

use super::chance::Chance;
use super::number::{RegionNo, UnitNo};
use super::settings::Settings;

/// How much is asked for in each hour of the day, in parts of [`DAY`].
const HOURS: [u64; 24] =
    [3, 2, 2, 2, 2, 3, 4, 6, 8, 9, 10, 10, 10, 10, 10, 10, 10, 10, 9, 9, 8, 7, 6, 4];
const DAY: u64 = 164;
const MINUTE_MILLIS: u64 = 60_000;
/// People of a region for each of its nodes.
const CLIENTS_PER_NODE: u64 = 50;
/// A popularity of 1, so that the last of many packages still has one.
const WEIGHT: u64 = 1 << 40;

/// Somebody wants a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// How long after the minute began.
    pub(super) after: Duration,
    pub(super) region: RegionNo,
    /// Who, counted inside the region.
    pub(super) client: u32,
    pub(super) unit: UnitNo,
}

/// All requests of a world, minute by minute.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    chance: Chance,
    /// Popularity of this rank and all above, ascending.
    popularity: Vec<u64>,
    /// Packages by rank: of the world, then of each region.
    orders: Vec<Vec<UnitNo>>,
    regions: usize,
    /// Of each region, in a day.
    requests: u64,
    clients: u64,
    hot: Option<(RegionNo, UnitNo)>,
}

impl Demand {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut chance = Chance::new(settings.seed, "demand");
        let packages = settings.packages as usize;
        let regions = usize::from(settings.regions);
        let popularity = (1..=packages as u64).scan(0, |sum, rank| {
            *sum += WEIGHT / rank;
            Some(*sum)
        });
        let orders = (0..=regions).map(|_| {
            let mut order: Vec<_> = UnitNo::all(packages).collect();
            chance.shuffle(&mut order);
            order
        });
        let orders = orders.collect();
        let nodes = u64::from(settings.nodes);
        Self {
            popularity: popularity.collect(),
            orders,
            regions,
            requests: nodes * u64::from(settings.requests) / regions as u64,
            clients: (nodes * CLIENTS_PER_NODE / regions as u64).max(1),
            hot: None,
            chance,
        }
    }

    /// The package that has this rank in the world; 0 is asked for most.
    pub(super) fn ranked(&self, rank: usize) -> UnitNo {
        self.orders[0][rank.min(self.orders[0].len() - 1)]
    }

    /// From now on, a third of what a region asks for is this package.
    pub(super) fn heat(&mut self, region: RegionNo, unit: UnitNo) {
        self.hot = Some((region, unit));
    }

    /// What is asked for in a minute, in the order of time.
    pub(super) fn minute(&mut self, minute: u64) -> Vec<Request> {
        let mut requests = Vec::new();
        for region in RegionNo::all(self.regions) {
            let offset = region.at() as u64 * 24 / self.regions as u64;
            let hour = (minute / 60 + offset) % 24;
            let count = self.chance.share(self.requests * HOURS[hour as usize], DAY * 60);
            for _ in 0..count {
                requests.push(self.request(region));
            }
        }
        requests.sort_by_key(|request| request.after);
        requests
    }

    fn request(&mut self, region: RegionNo) -> Request {
        let after = Duration::from_millis(self.chance.below(MINUTE_MILLIS));
        let client = self.chance.below(self.clients) as u32;
        let unit = match self.hot {
            Some((hot, unit)) if hot == region && self.chance.once_in(3) => unit,
            _ => {
                let order = if self.chance.once_in(4) { region.at() + 1 } else { 0 };
                let rank = self.rank();
                self.orders[order][rank]
            }
        };
        Request { after, region, client, unit }
    }

    fn rank(&mut self) -> usize {
        let all = self.popularity.last().copied().unwrap_or(1);
        let point = self.chance.below(all);
        self.popularity.partition_point(|sum| *sum <= point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_day_add_up() {
        assert_eq!(HOURS.iter().sum::<u64>(), DAY);
    }

    #[test]
    fn popularity_follows_zipf_and_days_have_nights() {
        let settings = Settings { regions: 1, packages: 1000, ..Settings::default() };
        let mut demand = Demand::new(&settings);
        let mut counts = vec![0_u64; 1000];
        let mut hours = [0_u64; 24];
        for minute in 0..24 * 60 {
            for request in demand.minute(minute) {
                counts[request.unit.at()] += 1;
                hours[minute as usize / 60] += 1;
            }
        }
        let all: u64 = counts.iter().sum();
        assert!((99_000..101_000).contains(&all), "{all}");
        assert!(hours[12] > 3 * hours[3], "{hours:?}");
        let of = |rank| counts[demand.ranked(rank).at()];
        // Three quarters of 1 / H(1000) = 13.4 %, and a tenth of that at rank 10.
        assert!((9_500..11_500).contains(&of(0)), "{}", of(0));
        assert!((850..1_300).contains(&of(9)), "{}", of(9));
    }

    #[test]
    fn equal_seeds_ask_for_the_same() {
        let settings = Settings { packages: 50, ..Settings::default() };
        let (mut one, mut other) = (Demand::new(&settings), Demand::new(&settings));
        assert_eq!(one.minute(700), other.minute(700));
        let unit = one.ranked(49);
        one.heat(RegionNo(2), unit);
        let hot = (0..600).flat_map(|minute| one.minute(minute));
        let (mut asked, mut all) = (0, 0);
        for request in hot.filter(|request| request.region == RegionNo(2)) {
            all += 1;
            asked += usize::from(request.unit == unit);
        }
        assert!(asked * 4 > all && asked * 5 < all * 2, "{asked} of {all}");
    }
}
