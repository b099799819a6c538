//! Lets time pass in a world: minutes of demand, faults when the scenario has them, hours counted.

use std::time::Duration;

use catalog::{ByteSize, Timestamp};

use super::chance::Chance;
use super::demand::Demand;
use super::map::Map;
use super::number::{NodeNo, RegionNo, UnitNo};
use super::settings::{Scenario, Settings};
use super::shelf::Shelf;
use super::stage::{Carrier, Change, Event, Stage, later};
use super::tally::{Served, Tally};

/// Midnight of some day: when every world begins.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_700_006_400_000);
const MINUTE: Duration = Duration::from_secs(60);
const MINUTES_PER_DAY: u64 = 24 * 60;
/// How long nodes are up and away under churn, on average, in minutes.
const UP_MINUTES: u64 = 20 * 60;
const AWAY_MINUTES: u64 = 4 * 60;
/// A flapping node is away and up so long in turn: past the end of its lease, and until others have
/// made up for it.
const FLAP_AWAY_MINUTES: u64 = 40;
const FLAP_UP_MINUTES: u64 = 15;
const FLAPS: u64 = 100;
/// Where something becomes popular.
const HOT: RegionNo = RegionNo(0);

/// An hour of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hour {
    /// What people got.
    pub served: Served,
    /// Mirrored at its end, without what publishers keep of their own.
    pub stored: ByteSize,
    /// Nodes up at its end.
    pub up: u64,
    /// Packages with fewer copies on nodes that are up than mirrors aim at.
    pub below: u64,
    /// Packages of which no node, up or away, has a copy.
    pub lost: u64,
}

/// A world, and who places copies in it.
pub(super) struct World<C: Carrier> {
    pub(super) settings: Settings,
    /// Whether the scenario does nothing: to compare with.
    calm: bool,
    demand: Demand,
    faults: Chance,
    pub(super) stage: Stage<C::Alarm>,
    pub(super) carrier: C,
    /// Whom the scenario hits.
    pub(super) victims: Vec<NodeNo>,
    /// Copies and bytes that were destroyed.
    pub(super) destroyed_copies: u64,
    pub(super) destroyed_bytes: ByteSize,
    /// When a scenario's fault came.
    pub(super) fault_at: Timestamp,
    /// Packages with too few copies just before.
    below_before: u64,
    /// When what the scenario waits for happened.
    pub(super) met_at: Option<Timestamp>,
}

impl Settings {
    /// Nodes at the end, those that join included.
    pub(super) fn nodes_at_last(&self) -> u16 {
        match self.scenario {
            Scenario::Join => self.nodes + self.tenth(),
            _ => self.nodes,
        }
    }

    /// A tenth of the nodes; one at least.
    pub(super) fn tenth(&self) -> u16 {
        (self.nodes / 10).max(1)
    }

    /// Whom the scenario is about.
    pub(super) fn victims(&self) -> Vec<NodeNo> {
        let mut all: Vec<_> = (0..self.nodes).map(NodeNo).collect();
        Chance::new(self.seed, "victims").shuffle(&mut all);
        match self.scenario {
            Scenario::Join => (self.nodes..self.nodes_at_last()).map(NodeNo).collect(),
            Scenario::Kill | Scenario::Attack => all[..usize::from(self.tenth())].to_vec(),
            Scenario::Flap => all[..1].to_vec(),
            _ => Vec::new(),
        }
    }

    pub(super) fn minutes(&self) -> u64 {
        u64::from(self.days) * MINUTES_PER_DAY
    }

    /// The first quarter, in which everything settles.
    pub(super) fn warm_minutes(&self) -> u64 {
        self.minutes() / 4
    }

    /// When the scenario's fault comes: in the middle, or early if it needs time.
    pub(super) fn fault_minute(&self) -> u64 {
        match self.scenario {
            Scenario::Flap => self.warm_minutes(),
            _ => self.minutes() / 2,
        }
    }
}

impl<C: Carrier> World<C> {
    /// A world before anything happens.
    ///
    /// - `calm`: whether what the scenario does is left out.
    pub(super) fn new(
        settings: &Settings,
        calm: bool,
        carrier: impl FnOnce(&Map, &Shelf) -> C,
    ) -> Self {
        let map = Map::new(settings, settings.nodes_at_last());
        let shelf = Shelf::new(settings, &map);
        let carrier = carrier(&map, &shelf);
        let mut stage = Stage::new(BEGIN, map, shelf);
        for node in (settings.nodes..settings.nodes_at_last()).map(NodeNo) {
            stage.map.go(Timestamp::default(), node);
        }
        let fault_at = later(BEGIN, MINUTE * settings.fault_minute() as u32);
        Self {
            settings: settings.clone(),
            calm,
            demand: Demand::new(settings),
            faults: Chance::new(settings.seed, "faults"),
            stage,
            carrier,
            victims: settings.victims(),
            destroyed_copies: 0,
            destroyed_bytes: ByteSize::default(),
            fault_at,
            below_before: 0,
            met_at: None,
        }
    }

    /// Lets all of the time pass, and tells of each hour.
    pub(super) fn run(&mut self, mut hour_passed: impl FnMut(Hour)) {
        let end = later(BEGIN, MINUTE * self.settings.minutes() as u32);
        self.stage.agenda.put(BEGIN, Event::Minute(0));
        self.carrier.begin(&mut self.stage);
        while let Some((now, event)) = self.stage.agenda.next_before(end) {
            self.stage.now = now;
            match event {
                Event::Minute(minute) => {
                    if minute > 0 && minute.is_multiple_of(60) {
                        hour_passed(self.hour());
                    }
                    if minute == self.settings.warm_minutes() {
                        self.stage.whole = Tally::new();
                    }
                    self.minute(minute);
                }
                Event::Request(request) => {
                    let (carrier, stage) = (&mut self.carrier, &mut self.stage);
                    let by = stage.serve(&request, |node| carrier.claims(node, request.unit));
                    carrier.asked(stage, &request, by);
                }
                Event::Arrival { node, from, unit, sessions } => {
                    let here = self.stage.arrived(node, from, unit, sessions);
                    self.carrier.fetched(&mut self.stage, node, unit, here);
                }
                Event::Alarm(alarm) => self.carrier.alarm(&mut self.stage, alarm),
            }
        }
        self.stage.now = end;
        hour_passed(self.hour());
    }

    fn minute(&mut self, minute: u64) {
        if !self.calm {
            self.fault(minute);
            self.watch(minute);
        }
        for request in self.demand.minute(minute) {
            self.stage.agenda.put(later(self.stage.now, request.after), Event::Request(request));
        }
        self.stage.agenda.put(later(self.stage.now, MINUTE), Event::Minute(minute + 1));
    }

    /// What the scenario does in this minute.
    fn fault(&mut self, minute: u64) {
        let begin = self.settings.fault_minute();
        let Some(since) = minute.checked_sub(begin) else {
            if self.settings.scenario == Scenario::Churn {
                self.churn();
            }
            return;
        };
        match self.settings.scenario {
            Scenario::Steady | Scenario::Attack => {}
            Scenario::Churn => self.churn(),
            Scenario::HotSpot if since == 0 => {
                let unit = self.demand.ranked(self.stage.shelf.units() / 2);
                self.demand.heat(HOT, unit);
            }
            Scenario::Partition if since == 0 => {
                let far = (self.stage.map.regions() / 2).min(2);
                self.stage.map.cut(RegionNo::all(far));
                self.change(Change::Cut);
            }
            Scenario::Partition if since == self.settings.cut_minutes() => {
                self.stage.map.heal();
                self.change(Change::Healed);
            }
            Scenario::Join if since == 0 => {
                for node in self.victims.clone() {
                    self.stage.map.come(self.stage.now, node);
                    self.change(Change::Joined(node));
                }
            }
            Scenario::Kill if since == 0 => {
                self.below_before = self.below();
                for node in self.victims.clone() {
                    let (copies, bytes) = self.stage.shelf.destroy(node);
                    self.destroyed_copies += copies;
                    self.destroyed_bytes = [self.destroyed_bytes, bytes].into_iter().sum();
                    self.goes(node);
                }
            }
            Scenario::Flap => self.flap(since),
            Scenario::HotSpot | Scenario::Partition | Scenario::Join | Scenario::Kill => {}
        }
    }

    /// Looks whether what the scenario waits for has happened.
    fn watch(&mut self, minute: u64) {
        if self.met_at.is_some() || minute <= self.settings.fault_minute() {
            return;
        }
        let has_happened = match self.settings.scenario {
            Scenario::Kill => self.below() <= self.below_before,
            Scenario::HotSpot => {
                let map = &self.stage.map;
                let near = |node: &&NodeNo| map.site(**node).region == HOT && map.is_up(**node);
                let unit = self.demand.ranked(self.stage.shelf.units() / 2);
                self.stage.shelf.holders(unit).iter().filter(near).count() >= 2
            }
            _ => false,
        };
        if has_happened {
            self.met_at = Some(self.stage.now);
        }
    }

    /// Packages with fewer copies on nodes that are up than mirrors aim at.
    fn below(&self) -> u64 {
        let (shelf, map) = (&self.stage.shelf, &self.stage.map);
        let least = usize::from(self.settings.factor_min);
        let live = |unit| shelf.holders(unit).iter().filter(|node| map.is_up(**node)).count();
        UnitNo::all(shelf.units()).filter(|unit| live(*unit) < least).count() as u64
    }

    fn flap(&mut self, since: u64) {
        let (round, minute) = (
            since / (FLAP_AWAY_MINUTES + FLAP_UP_MINUTES),
            since % (FLAP_AWAY_MINUTES + FLAP_UP_MINUTES),
        );
        let Some(&node) = self.victims.first().filter(|_| round < FLAPS) else { return };
        match minute {
            0 => self.goes(node),
            FLAP_AWAY_MINUTES => self.comes(node),
            _ => {}
        }
    }

    fn churn(&mut self) {
        for node in NodeNo::all(self.stage.map.nodes()) {
            let is_up = self.stage.map.is_up(node);
            if is_up && self.faults.once_in(UP_MINUTES) {
                self.goes(node);
            } else if !is_up && self.faults.once_in(AWAY_MINUTES) {
                self.comes(node);
            }
        }
    }

    fn goes(&mut self, node: NodeNo) {
        self.stage.map.go(self.stage.now, node);
        self.change(Change::Went(node));
    }

    fn comes(&mut self, node: NodeNo) {
        self.stage.map.come(self.stage.now, node);
        self.change(Change::Came(node));
    }

    fn change(&mut self, change: Change) {
        if matches!(change, Change::Cut | Change::Healed) {
            self.stage.cut_at = self.stage.now;
        }
        self.carrier.changed(&mut self.stage, change);
    }

    fn hour(&mut self) -> Hour {
        let served = std::mem::replace(&mut self.stage.hour, Tally::new()).served();
        let Stage { map, shelf, .. } = &self.stage;
        let lost = UnitNo::all(shelf.units()).filter(|unit| shelf.holders(*unit).is_empty());
        let up = NodeNo::all(map.nodes()).filter(|node| map.is_up(*node));
        Hour {
            served,
            stored: shelf.mirrored(),
            up: up.count() as u64,
            below: self.below(),
            lost: lost.count() as u64,
        }
    }
}
