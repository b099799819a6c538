use std::collections::BTreeMap;

use catalog::PublisherId;
use catalog::release::ReleaseId;
use catalog_tests::dice::Dice;
use catalog_tests::releases::release;

use super::*;
use crate::filter::Filter;
use crate::holdings::{Holdings, Page, PageNumber};
use crate::lease::{Accepts, LIFE, Lease};
use crate::placement::Settings as Copies;
use crate::strategy::Measured;
use crate::unit::Unit;

const MINUTE: u64 = 60 * 1000;

fn node(n: u8) -> NodeId {
    NodeId::from_bytes(*Digest::of(&[n]).as_bytes())
}

/// The first three nodes, in the order of their ids: of a unit that no plan knows, the first keeps
/// the last copy.
fn by_id() -> [u8; 3] {
    let mut nodes = [0, 1, 2];
    nodes.sort_by_key(|n| node(*n));
    nodes
}

fn root(n: u32) -> Digest {
    Digest::of(&n.to_le_bytes())
}

fn unit(n: u32, mib: u64) -> Unit {
    let mut release = release(PublisherId::of_inception(b"acme"), &format!("p{n}"));
    release.variants[0].root = root(n);
    release.variants[0].size = ByteSize::mib(mib);
    Unit::of_release(ReleaseId::of(&n.to_be_bytes()), &release).remove(0)
}

fn mirror(n: u8, mib: u64) -> Mirror {
    let lease = Lease {
        region: ["eu", "us", "ap"][n as usize % 3].parse().ok(),
        capacity: ByteSize::mib(mib),
        used: ByteSize::default(),
        backbone: false,
        generation: 1,
        filter: None,
        measured: Measured::default(),
    };
    Mirror { lease, accepts: Accepts::Only(Filter::default()) }
}

/// Some mirrors in one process: orders are carried out at once, what is said is heard at the next
/// turn.
struct Fleet {
    now: Timestamp,
    planner: Planner,
    room_mib: u64,
    nodes: BTreeMap<u8, Member>,
    directory: Directory,
    /// Bytes that were fetched.
    fetched: u64,
    repairs: u64,
}

struct Member {
    keeper: Keeper,
    holdings: Holdings,
    up: bool,
}

impl Fleet {
    fn new(nodes: u8, room_mib: u64, copies: u8, units: impl Iterator<Item = Unit>) -> Self {
        let mut planner = Planner::new(Copies { factor_min: copies, ..Copies::default() });
        units.for_each(|unit| planner.set_unit(unit));
        let mut fleet = Self {
            now: Timestamp::from_millis(1_800_000_000_000),
            planner,
            room_mib,
            nodes: BTreeMap::new(),
            directory: Directory::new(),
            fetched: 0,
            repairs: 0,
        };
        (0..nodes).for_each(|n| fleet.join(n));
        fleet
    }

    fn join(&mut self, n: u8) {
        let settings = Settings { budget: ByteSize::mib(self.room_mib), ..Settings::default() };
        let keeper = Keeper::new(node(n), settings);
        let holdings = Holdings::new(1, []);
        self.nodes.insert(n, Member { keeper, holdings, up: true });
    }

    fn give(&mut self, n: u8, unit: u32, mib: u64) {
        let member = self.nodes.get_mut(&n).unwrap();
        member.keeper.handle(self.now, Event::Held { root: root(unit), bytes: ByteSize::mib(mib) });
        member.holdings.add(root(unit));
    }

    /// Everybody who is up renews its lease and says what changed.
    fn say(&mut self) {
        let until = later(self.now, LIFE);
        let up: Vec<u8> = self.nodes.iter().filter(|(_, one)| one.up).map(|(n, _)| *n).collect();
        for n in &up {
            for (number, page) in self.nodes.get_mut(n).unwrap().holdings.take_unsaid() {
                self.directory.set(node(*n), number, page);
            }
            for m in &up {
                let mirror = Arc::new(mirror(*n, self.room_mib));
                let keeper = &mut self.nodes.get_mut(m).unwrap().keeper;
                keeper.handle(self.now, Event::Leased { node: node(*n), mirror, until });
            }
        }
    }

    /// The plan of one mirror: with those that count for it.
    fn plan(&mut self, n: u8) {
        self.planner.set_mirrors(self.nodes[&n].keeper.presence().counted(self.now));
        self.planner.refresh();
    }

    /// One decision of one mirror.
    fn decide(&mut self, n: u8) -> Vec<Order> {
        self.plan(n);
        let keeper = &mut self.nodes.get_mut(&n).unwrap().keeper;
        keeper.decide(self.now, &self.planner, &self.directory);
        let mut orders = Vec::new();
        while let Some(order) = self.nodes.get_mut(&n).unwrap().keeper.next_order() {
            self.carry_out(n, &order);
            orders.push(order);
        }
        let used = self.nodes[&n].keeper.used();
        assert!(used <= ByteSize::mib(self.room_mib), "{used} are more than the budget");
        orders
    }

    fn carry_out(&mut self, n: u8, order: &Order) {
        let now = self.now;
        let event = match order {
            Order::Probe { node: asked } => {
                let answers = |(m, one): (&u8, &Member)| node(*m) == *asked && one.up;
                Event::Probed { node: *asked, answered: self.nodes.iter().any(answers) }
            }
            Order::Evict { root, .. } => {
                self.nodes.get_mut(&n).unwrap().holdings.remove(root);
                Event::Lost { root: *root }
            }
            Order::Fetch { root, bytes, cause, .. } => {
                // From whoever is up and has it, or from its publisher.
                self.fetched += bytes.as_u64();
                self.repairs += u64::from(matches!(cause, Cause::Repair(_)));
                self.nodes.get_mut(&n).unwrap().holdings.add(*root);
                Event::Held { root: *root, bytes: *bytes }
            }
        };
        self.nodes.get_mut(&n).unwrap().keeper.handle(now, event);
    }

    fn turn(&mut self, minutes: u64) {
        self.now = later(self.now, Duration::from_millis(minutes * MINUTE));
        self.say();
        let up: Vec<u8> = self.nodes.iter().filter(|(_, one)| one.up).map(|(n, _)| *n).collect();
        for n in up {
            self.decide(n);
        }
    }

    fn copies(&self, unit: u32) -> Vec<u8> {
        let holds = |one: &Member| one.keeper.holds(&root(unit));
        self.nodes.iter().filter(|(_, one)| holds(one)).map(|(n, _)| *n).collect()
    }
}

#[test]
fn copies_come_to_those_whom_the_plan_asks() {
    let mut fleet = Fleet::new(5, 100, 3, (0..20).map(|n| unit(n, 1)));
    (0..8).for_each(|_| fleet.turn(1));
    for n in 0..20 {
        let expected = fleet.planner.placement(&root(n)).unwrap().holders;
        let mut expected: Vec<_> = expected.into_iter().map(|(id, _)| id).collect();
        expected.sort();
        let mut copies: Vec<_> = fleet.copies(n).into_iter().map(node).collect();
        copies.sort();
        assert_eq!(copies, expected, "unit {n}");
    }
    assert_eq!((fleet.fetched, fleet.repairs), (60 << 20, 0));
}

#[test]
fn the_rarest_are_fetched_first_and_few_at_once() {
    let mut fleet = Fleet::new(3, 1000, 3, (0..20).map(|n| unit(n, 1)));
    for n in 0..15 {
        fleet.give(1, n, 1);
        fleet.give(2, n, 1);
    }
    fleet.say();
    fleet.plan(0);
    let keeper = &mut fleet.nodes.get_mut(&0).unwrap().keeper;
    keeper.decide(fleet.now, &fleet.planner, &fleet.directory);
    let orders: Vec<_> = std::iter::from_fn(|| keeper.next_order()).collect();
    assert_eq!(orders.len(), FETCHES_MAX);
    for order in &orders {
        let Order::Fetch { root: fetched, from, .. } = order else { panic!("{order:?}") };
        assert!((15..20).any(|n| root(n) == *fetched) && from.is_empty(), "{order:?}");
    }
    keeper.decide(fleet.now, &fleet.planner, &fleet.directory);
    assert_eq!(keeper.next_order(), None, "nothing is ordered twice");
}

#[test]
fn a_mirror_is_gone_after_its_lease_and_two_probes() {
    let mut fleet = Fleet::new(3, 100, 2, (0..6).map(|n| unit(n, 1)));
    (0..5).for_each(|_| fleet.turn(1));
    fleet.nodes.get_mut(&2).unwrap().up = false;
    let gone = |fleet: &Fleet| fleet.nodes[&0].keeper.presence().gone().count();
    (0..29).for_each(|_| fleet.turn(1));
    assert_eq!(gone(&fleet), 0, "its lease still holds");
    fleet.turn(2);
    assert_eq!(gone(&fleet), 0, "it was asked once");
    fleet.turn(1);
    assert_eq!(gone(&fleet), 1);
    (0..5).for_each(|_| fleet.turn(1));
    let lost = (0..6).filter(|n| fleet.copies(*n).contains(&2)).count() as u64;
    assert!(lost > 0 && fleet.repairs == lost, "{} of {lost}", fleet.repairs);
    for n in 0..6 {
        assert_eq!(fleet.copies(n).into_iter().filter(|one| *one != 2).count(), 2);
    }
}

#[test]
fn a_mirror_that_answers_is_not_gone_without_a_lease() {
    let mut presence = Presence::new(node(0), Duration::from_secs(30));
    let at = |minutes: u64| Timestamp::from_millis(minutes * MINUTE);
    presence.leased(at(0), node(1), Arc::new(mirror(1, 1)), at(30));
    presence.leased(at(0), node(0), Arc::new(mirror(0, 1)), at(30));
    for minute in 0..200 {
        for asked in presence.due(at(minute)) {
            assert!(minute >= 30 && asked == node(1), "minute {minute}");
            presence.probed(at(minute), &asked, minute % 2 == 1);
        }
    }
    assert_eq!(presence.counted(at(200)).count(), 2);
    for minute in [201, 202] {
        assert_eq!(presence.due(at(minute)), [node(1)]);
        presence.probed(at(minute), &node(1), false);
    }
    let counted: Vec<_> = presence.counted(at(202)).map(|(id, _)| *id).collect();
    assert_eq!(counted, [node(0)], "a mirror counts on itself");
    assert_eq!(presence.due(at(300)), []);
    // It is back, and waits until it counts again; a stale lease brings nobody back.
    presence.leased(at(310), node(1), Arc::new(mirror(1, 1)), at(305));
    assert_eq!(presence.gone().count(), 1);
    presence.leased(at(310), node(1), Arc::new(mirror(1, 1)), at(340));
    // A lease that still holds is no sign that it stayed.
    for (minute, counted) in [(320, 1), (339, 1), (340, 2)] {
        assert_eq!(presence.counted(at(minute)).count(), 1, "minute {minute}");
        presence.leased(at(minute), node(1), Arc::new(mirror(1, 1)), at(minute + 30));
        assert_eq!(presence.counted(at(minute)).count(), counted, "minute {minute}");
    }
}

#[test]
fn a_mirror_that_comes_and_goes_is_one_mirror_of_the_churn() {
    let mut presence = Presence::new(node(0), Duration::from_secs(30));
    let at = |minutes: u64| Timestamp::from_millis(minutes * MINUTE);
    assert_eq!(presence.churn(at(0)), None);
    for minute in (0..=24 * 60).step_by(60) {
        for n in 0..5 {
            presence.leased(at(minute), node(n), Arc::new(mirror(n, 1)), at(minute + 30));
        }
        // One of four goes each time.
        for asked in [30, 31].map(|late| at(minute + late)) {
            presence.probed(asked, &node(1), false);
        }
        assert_eq!(presence.churn(at(minute + 40)), Some(250), "minute {minute}");
    }
    presence.leased(at(25 * 60), node(1), Arc::new(mirror(1, 1)), at(26 * 60));
    assert_eq!((presence.churn(at(25 * 60)), presence.churn(at(49 * 60))), (Some(250), Some(0)));
}

#[test]
fn probes_follow_each_other_as_set_last() {
    let mut keeper = Keeper::new(node(0), Settings::default());
    let second = Duration::from_secs(1);
    keeper.set(Settings { probe_every: second, ..Settings::default() });
    let (planner, directory) = (Planner::new(Copies::default()), Directory::new());
    let (mirror, until) = (Arc::new(mirror(1, 1)), Timestamp::from_millis(MINUTE));
    let start = Timestamp::from_millis(0);
    keeper.handle(start, Event::Leased { node: node(1), mirror, until });
    for now in [until, later(until, second)] {
        keeper.decide(now, &planner, &directory);
        assert_eq!(keeper.next_order(), Some(Order::Probe { node: node(1) }));
        keeper.handle(now, Event::Probed { node: node(1), answered: false });
    }
    assert_eq!(keeper.presence().gone().count(), 1);
}

/// The target: a mirror that flaps a hundred times costs at most twice the size of what it holds.
#[test]
fn a_mirror_that_flaps_causes_no_storm_of_copies() {
    let mut fleet = Fleet::new(6, 100, 3, (0..12).map(|n| unit(n, 4)));
    (0..10).for_each(|_| fleet.turn(1));
    let flapping = 3;
    let size = fleet.nodes[&flapping].keeper.used().as_u64();
    assert!(size > 0);
    fleet.fetched = 0;
    for _ in 0..100 {
        for up in [false, true] {
            fleet.nodes.get_mut(&flapping).unwrap().up = up;
            (0..40).for_each(|_| fleet.turn(1));
        }
    }
    println!("it holds {size} bytes, {} were fetched", fleet.fetched);
    assert!(fleet.fetched <= 2 * size, "{} for {size}", fleet.fetched);
}

#[test]
fn a_surplus_stays_for_an_hour_and_does_not_go_all_at_once() {
    let mut fleet = Fleet::new(6, 100, 2, [unit(0, 1)].into_iter());
    (0..6).for_each(|n| fleet.give(n, 0, 1));
    (0..59).for_each(|_| fleet.turn(1));
    assert_eq!(fleet.copies(0).len(), 6);
    (0..5).for_each(|_| fleet.turn(1));
    // One more than wanted is no reason to drop anything.
    assert_eq!(fleet.copies(0).len(), 3);
    for (id, _) in fleet.planner.placement(&root(0)).unwrap().holders {
        assert!(fleet.copies(0).into_iter().any(|n| node(n) == id), "{id} was asked to hold it");
    }
}

fn warm(fleet: &mut Fleet, unit: u32, count: u64) {
    let regions = [("eu".parse().unwrap(), count)].into();
    fleet.planner.set_warmth(&root(unit), crate::Warmth { regions, ..crate::Warmth::default() });
}

/// Demand goes up and down within hours: copies that follow it down would have to come again.
#[test]
fn what_was_asked_for_today_stays_while_its_room_is_not_needed() {
    let mut fleet = Fleet::new(12, 100, 2, [unit(0, 1)].into_iter());
    warm(&mut fleet, 0, 256);
    (0..5).for_each(|_| fleet.turn(1));
    let many = fleet.copies(0).len();
    warm(&mut fleet, 0, 0);
    (0..23 * 4).for_each(|_| fleet.turn(15));
    let wanted = fleet.planner.copies(&root(0));
    assert!(many > wanted + SURPLUS, "{many} copies, {wanted} wanted");
    assert_eq!(fleet.copies(0).len(), many);
    (0..8).for_each(|_| fleet.turn(15));
    assert_eq!(fleet.copies(0).len(), wanted + SURPLUS);
}

/// A mirror joins and stands before others in the order: what they hold is enough.
#[test]
fn more_copies_are_made_only_while_there_are_too_few() {
    let mut fleet = Fleet::new(9, 100, 2, (0..12).map(|n| unit(n, 1)));
    (0..12).for_each(|n| warm(&mut fleet, n, 64));
    (0..10).for_each(|_| fleet.turn(1));
    fleet.join(9);
    (0..10).for_each(|_| fleet.turn(1));
    let duties = fleet.planner.wanted_by(&node(9));
    let (least, more): (Vec<_>, Vec<_>) =
        duties.iter().partition(|duty| duty.why.class == Class::Base);
    assert!(!least.is_empty() && !more.is_empty(), "{duties:?}");
    let holds = |duty: &&&Duty| fleet.nodes[&9].keeper.holds(&duty.root);
    assert_eq!(least.iter().filter(holds).count(), least.len());
    assert_eq!(more.iter().filter(holds).count(), 0);
    // Who held it goes: now there are too few.
    let needed = more[0].root;
    for n in [0, 3, 6] {
        fleet.nodes.get_mut(&n).unwrap().up = false;
    }
    (0..40).for_each(|_| fleet.turn(1));
    assert!(fleet.nodes[&9].keeper.holds(&needed));
}

#[test]
fn room_is_made_by_what_others_hold_and_never_by_a_last_copy() {
    // Room for ten units, one of which the plan wants here.
    let mut fleet = Fleet::new(3, 10, 3, [unit(100, 1)].into_iter());
    let [others @ .., me] = by_id();
    (0..10).for_each(|n| fleet.give(me, n, 1));
    (0..3).for_each(|_| fleet.turn(1));
    assert!(!fleet.nodes[&me].keeper.holds(&root(100)), "all that is here is here only");
    others.into_iter().for_each(|n| fleet.give(n, 7, 1));
    (0..3).for_each(|_| fleet.turn(1));
    let keeper = &fleet.nodes[&me].keeper;
    assert!(keeper.holds(&root(100)) && !keeper.holds(&root(7)));
    assert!((0..10).filter(|n| *n != 7).all(|n| keeper.holds(&root(n))));
}

#[test]
fn what_its_owner_pinned_stays_and_is_fetched() {
    let mut fleet = Fleet::new(3, 10, 1, (0..3).map(|n| unit(n, 1)));
    for n in 0..3 {
        (0..3).for_each(|unit| fleet.give(n, unit, 1));
    }
    let now = fleet.now;
    let keeper = &mut fleet.nodes.get_mut(&0).unwrap().keeper;
    for n in [0, 1, 2, 50] {
        keeper.handle(now, Event::Pinned { root: root(n), bytes: ByteSize::mib(1) });
    }
    (0..200).for_each(|_| fleet.turn(1));
    let keeper = &fleet.nodes[&0].keeper;
    assert!([0, 1, 2, 50].iter().all(|n| keeper.holds(&root(*n))));
    assert_eq!(keeper.held().len(), 4);
}

#[test]
fn what_could_not_be_fetched_is_tried_again_later_and_later() {
    let fleet = &mut Fleet::new(1, 10, 1, [unit(0, 1)].into_iter());
    fleet.say();
    fleet.plan(0);
    let keeper = &mut fleet.nodes.get_mut(&0).unwrap().keeper;
    let mut tried = Vec::new();
    for minute in 0..120 {
        let now = later(fleet.now, Duration::from_millis(minute * MINUTE));
        keeper.decide(now, &fleet.planner, &fleet.directory);
        if let Some(Order::Fetch { root, .. }) = keeper.next_order() {
            keeper.handle(now, Event::Failed { root });
            tried.push(minute);
        }
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63]);
}

#[test]
fn copies_of_the_same_region_are_asked_first_and_backbones_last() {
    let mut fleet = Fleet::new(7, 100, 7, [unit(0, 1)].into_iter());
    fleet.say();
    let mut backbone = mirror(3, 100);
    backbone.lease.backbone = true;
    let (now, until) = (fleet.now, later(fleet.now, LIFE));
    let keeper = &mut fleet.nodes.get_mut(&0).unwrap().keeper;
    keeper.handle(now, Event::Leased { node: node(3), mirror: Arc::new(backbone), until });
    for n in [1, 3, 6] {
        fleet.directory.set(node(n), PageNumber::of(&root(0)), Page::of(1, [root(0)].iter()));
    }
    fleet.plan(0);
    let keeper = &mut fleet.nodes.get_mut(&0).unwrap().keeper;
    keeper.decide(fleet.now, &fleet.planner, &fleet.directory);
    let Some(Order::Fetch { from, .. }) = keeper.next_order() else { panic!("a fetch") };
    assert_eq!(from, [node(6), node(1), node(3)]);
}

#[test]
fn what_is_expected_comes_into_free_room_and_goes_first() {
    let mut fleet = Fleet::new(3, 10, 3, (0..8).map(|n| unit(n, 1)));
    let [others @ .., me] = by_id();
    let expect = |fleet: &mut Fleet, n, mib| {
        let event = Event::Expected { root: root(n), bytes: ByteSize::mib(mib) };
        fleet.nodes.get_mut(&me).unwrap().keeper.handle(fleet.now, event);
    };
    (0..4).for_each(|_| fleet.turn(1));
    others.into_iter().for_each(|n| fleet.give(n, 50, 2));
    expect(&mut fleet, 50, 2);
    expect(&mut fleet, 51, 3);
    (0..2).for_each(|_| fleet.turn(1));
    let holds = |fleet: &Fleet, n| fleet.nodes[&me].keeper.holds(&root(n));
    assert!(holds(&fleet, 50) && !holds(&fleet, 51), "there is room for two MiB");
    fleet.planner.set_unit(unit(8, 1));
    (0..3).for_each(|_| fleet.turn(1));
    assert!(holds(&fleet, 8) && !holds(&fleet, 50));
}

/// Whatever comes and goes, with holdings that are heard of late: no unit loses its last copy by an
/// eviction, and no mirror holds more than its budget.
#[test]
fn no_last_copy_is_ever_evicted() {
    for seed in 0..30 {
        let mut dice = Dice::new(seed);
        let mut fleet = Fleet::new(5, 8, 2, (0..24).map(|n| unit(n, 1)));
        for n in 0..24 {
            fleet.give(dice.pick(0..5) as u8, n, 0);
        }
        for _ in 0..120 {
            match dice.pick(0..10) {
                0 if fleet.nodes.len() < 9 => fleet.join(fleet.nodes.len() as u8),
                1 => {
                    let n = dice.pick(0..fleet.nodes.len() as u64) as u8;
                    let member = fleet.nodes.get_mut(&n).unwrap();
                    member.up = !member.up;
                }
                2 => {
                    let more = dice.pick(0..24) as u32;
                    fleet.planner.set_warmth(
                        &root(more),
                        crate::Warmth {
                            regions: [("eu".parse().unwrap(), 1 << dice.pick(0..12))].into(),
                            ..crate::Warmth::default()
                        },
                    );
                }
                _ => {}
            }
            let before: Vec<usize> = (0..24).map(|n| fleet.copies(n).len()).collect();
            fleet.turn(dice.pick(1..20));
            for (n, before) in before.into_iter().enumerate() {
                let after = fleet.copies(n as u32).len();
                assert!(after > 0 || before == 0, "seed {seed}: the last copy of {n} went");
            }
        }
    }
}
