//! Where nodes are, how far from each other, and how fast their lines are.
//!
//! Latency depends on the regions of the two ends and on each end's own way to its region; a node
//! sends what it is asked for one after the other, at the speed of its line.

use std::time::Duration;

use catalog::{ByteSize, Timestamp};

use super::chance::Chance;
use super::number::{NodeNo, RegionNo};
use super::settings::Settings;

/// Round trip inside a region, without the ends.
const NEAR: Duration = Duration::from_millis(4);
/// Round trip to another region, without the ends: this much, and more for each region on the way.
const FAR: Duration = Duration::from_millis(40);
const FAR_EACH: Duration = Duration::from_millis(45);
/// What the line of somebody who installs adds.
const CLIENT: Duration = Duration::from_millis(8);
/// What lines send in a second: 20, 50, 100 and 500 Mbit/s, as often as each other.
const LINES: [u64; 4] = [2_500_000, 6_250_000, 12_500_000, 62_500_000];
/// What nodes offer, in halves of the mean budget.
const ROOMS: [u64; 4] = [1, 1, 2, 4];

/// A node as the network sees it.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) region: RegionNo,
    /// What the node's own way to its region adds to a round trip.
    pub(super) access: Duration,
    /// Bytes a second, in each direction.
    pub(super) line: u64,
    /// Bytes that it offers.
    pub(super) room: ByteSize,
}

/// All nodes, and which of them can talk.
#[derive(Clone, Debug)]
pub(super) struct Map {
    sites: Vec<Site>,
    regions: u8,
    /// Up and reachable from its own region.
    up: Vec<bool>,
    /// How often each went away; what was on its way then does not arrive.
    sessions: Vec<u32>,
    /// When it last went away, and came back.
    went: Vec<Timestamp>,
    came: Vec<Timestamp>,
    /// Regions on the far side of a cut.
    cut: Vec<bool>,
}

impl Map {
    pub(super) fn new(settings: &Settings, nodes: u16) -> Self {
        let mut chance = Chance::new(settings.seed, "map");
        let nodes = usize::from(nodes);
        let count = usize::from(settings.regions);
        // Lines and rooms are dealt out evenly to each region: no region is rich by chance.
        let sites = NodeNo::all(nodes).map(|node| {
            let (region, round) = (node.at() % count, node.at() / count);
            Site {
                region: RegionNo(region as u8),
                access: Duration::from_millis(1 + chance.below(15)),
                line: LINES[(round + region) % LINES.len()],
                room: ByteSize::bytes(
                    settings.budget.as_u64() / 2 * ROOMS[(round + round / 4) % ROOMS.len()],
                ),
            }
        });
        Self {
            sites: sites.collect(),
            regions: settings.regions,
            up: vec![true; nodes],
            sessions: vec![0; nodes],
            went: vec![Timestamp::default(); nodes],
            came: vec![Timestamp::default(); nodes],
            cut: vec![false; count],
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.sites.len()
    }

    pub(super) fn regions(&self) -> usize {
        usize::from(self.regions)
    }

    pub(super) fn site(&self, node: NodeNo) -> &Site {
        &self.sites[node.at()]
    }

    pub(super) fn is_up(&self, node: NodeNo) -> bool {
        self.up[node.at()]
    }

    /// How often a node went away.
    pub(super) fn session(&self, node: NodeNo) -> u32 {
        self.sessions[node.at()]
    }

    /// When a node last went away.
    pub(super) fn went(&self, node: NodeNo) -> Timestamp {
        self.went[node.at()]
    }

    /// When a node last came back; the beginning for one that was never away.
    pub(super) fn came(&self, node: NodeNo) -> Timestamp {
        self.came[node.at()]
    }

    pub(super) fn go(&mut self, now: Timestamp, node: NodeNo) {
        self.up[node.at()] = false;
        self.sessions[node.at()] += 1;
        self.went[node.at()] = now;
    }

    pub(super) fn come(&mut self, now: Timestamp, node: NodeNo) {
        self.up[node.at()] = true;
        self.came[node.at()] = now;
    }

    /// Cuts these regions off from the others.
    pub(super) fn cut(&mut self, regions: impl IntoIterator<Item = RegionNo>) {
        for region in regions {
            self.cut[region.at()] = true;
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut.fill(false);
    }

    /// On which side of a cut a region is; 0 for all when there is none.
    pub(super) fn side(&self, region: RegionNo) -> usize {
        usize::from(self.cut[region.at()])
    }

    /// Whether somebody in `region` reaches a node.
    pub(super) fn reaches(&self, region: RegionNo, node: NodeNo) -> bool {
        self.up[node.at()] && self.connects(region, self.site(node).region)
    }

    /// Whether no cut lies between two regions.
    pub(super) fn connects(&self, one: RegionNo, other: RegionNo) -> bool {
        self.cut[one.at()] == self.cut[other.at()]
    }

    /// Round trip of somebody who installs in `region` to a node.
    pub(super) fn round_trip_from(&self, region: RegionNo, node: NodeNo) -> Duration {
        let site = self.site(node);
        self.between(region, site.region) + site.access + CLIENT
    }

    /// Round trip between two nodes.
    pub(super) fn round_trip(&self, one: NodeNo, other: NodeNo) -> Duration {
        let (one, other) = (self.site(one), self.site(other));
        self.between(one.region, other.region) + one.access + other.access
    }

    /// Regions lie on a ring.
    fn between(&self, one: RegionNo, other: RegionNo) -> Duration {
        let apart = one.0.abs_diff(other.0);
        match apart.min(self.regions - apart) {
            0 => NEAR,
            steps => FAR + FAR_EACH * u32::from(steps),
        }
    }
}

/// How long `bytes` take on a line.
pub(super) fn on_line(bytes: ByteSize, line: u64) -> Duration {
    Duration::from_micros((u128::from(bytes.as_u64()) * 1_000_000 / u128::from(line)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        Map::new(&Settings::default(), 100)
    }

    #[test]
    fn regions_are_equally_rich_and_the_mean_room_is_the_budget() {
        let map = map();
        let of = |region: u8| {
            let sites = map.sites.iter().filter(|site| site.region == RegionNo(region));
            sites.fold((0, 0), |sum, site| (sum.0 + site.room.as_u64(), sum.1 + site.line))
        };
        assert_eq!(of(0).0, 20 * ByteSize::gib(10).as_u64());
        for region in 1..5 {
            assert_eq!(of(region), of(0));
        }
    }

    #[test]
    fn near_is_nearer_than_far_and_the_ring_closes() {
        let map = map();
        let trip = |one, other| map.round_trip(NodeNo(one), NodeNo(other)).as_millis();
        assert!(trip(0, 5) <= 4 + 30);
        assert!((85..=85 + 30).contains(&trip(0, 4)), "regions 0 and 4 are neighbours");
        assert!((130..=130 + 30).contains(&trip(0, 2)));
        assert_eq!(trip(3, 8), trip(8, 3));
    }

    #[test]
    fn a_cut_stands_between_regions_until_it_heals() {
        let mut map = map();
        map.cut([RegionNo(0), RegionNo(1)]);
        assert!(map.reaches(RegionNo(0), NodeNo(1)) && !map.reaches(RegionNo(2), NodeNo(1)));
        map.heal();
        assert!(map.reaches(RegionNo(2), NodeNo(1)));
        map.go(Timestamp::from_millis(5), NodeNo(1));
        assert!(!map.reaches(RegionNo(1), NodeNo(1)));
        assert_eq!((map.session(NodeNo(1)), map.went(NodeNo(1)).as_millis()), (1, 5));
    }
}
