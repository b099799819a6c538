use std::net::IpAddr;

use catalog_mirror::share::Weight;

use super::*;

const MS: Duration = Duration::from_millis(1);
const CHUNK: u64 = CHUNK_BYTES_MAX;

fn peer(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn limits(total: Option<u64>, peer: Option<u64>, burst: u64) -> Limits {
    let rate = |limit: Option<u64>| {
        limit.map_or(Rate::Unlimited, |bytes| Rate::AtMost(ByteSize::bytes(bytes)))
    };
    Limits { total: rate(total), peer: rate(peer), burst: ByteSize::bytes(burst) }
}

/// Peers that always have another chunk to send, each of one class, and what they were given.
struct Crowd {
    shaper: Shaper,
    now: Duration,
    waiting: BTreeMap<Ask, usize>,
    members: Vec<(NodeId, Class)>,
    given: Vec<u64>,
}

impl Crowd {
    fn new(limits: Limits, members: &[(u8, Class)]) -> Self {
        let members: Vec<_> = members.iter().map(|&(n, class)| (peer(n), class)).collect();
        let mut crowd = Self {
            shaper: Shaper::new(Duration::ZERO, limits),
            now: Duration::ZERO,
            waiting: BTreeMap::new(),
            given: vec![0; members.len()],
            members,
        };
        (0..crowd.members.len()).for_each(|member| crowd.ask(member));
        crowd
    }

    fn ask(&mut self, member: usize) {
        let (peer, class) = self.members[member];
        let ask = self.shaper.ask(peer, class, CHUNK);
        self.waiting.insert(ask, member);
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            while let Some(ask) = self.shaper.next_grant(self.now) {
                let member = self.waiting.remove(&ask).unwrap();
                self.given[member] += CHUNK;
                self.ask(member);
            }
            let wake = self.shaper.wake_at(self.now).unwrap();
            assert!(wake > self.now, "what may go has gone");
            self.now = wake.min(end);
        }
    }
}

/// Each offers far more than its limit, for ten seconds after the burst.
#[test]
fn every_peer_gets_its_burst_and_then_its_rate() {
    let (rate, burst) = (1_000_000, 5_000_000);
    let classes = Class::ALL.map(|class| (class as u8, class));
    let mut crowd = Crowd::new(limits(None, Some(rate), burst), &classes);
    crowd.run_until(MS);
    crowd.given.iter().for_each(|given| assert!(given.abs_diff(burst) <= CHUNK, "{given}"));
    let before = crowd.given.clone();
    crowd.run_until(10_000 * MS);
    for (given, before) in crowd.given.iter().zip(before) {
        let error = (given - before).abs_diff(10 * rate);
        assert!(error * 1000 <= 3 * 10 * rate, "{error} bytes off");
    }
}

#[test]
fn all_together_get_no_more_than_the_total_and_equals_get_the_same() {
    let members: Vec<_> = (0..16).map(|n| (n, Class::Normal)).collect();
    let mut crowd = Crowd::new(limits(Some(4_000_000), Some(1_000_000), 64 * 1024), &members);
    crowd.run_until(10_000 * MS);
    let sum: u64 = crowd.given.iter().sum();
    assert!(sum.abs_diff(40_000_000) < 200_000, "{sum}");
    let (most, least) = (crowd.given.iter().max().unwrap(), crowd.given.iter().min().unwrap());
    assert!(most - least <= CHUNK, "{most} and {least}");
}

/// One peer asks for many chunks at once, another for one at a time.
#[test]
fn a_peer_that_asks_more_often_gets_no_more() {
    let mut crowd =
        Crowd::new(limits(Some(1_000_000), None, CHUNK), &[(1, Class::Low), (2, Class::Low)]);
    (0..64).for_each(|_| crowd.ask(0));
    crowd.run_until(5_000 * MS);
    assert!(crowd.given[0].abs_diff(crowd.given[1]) <= CHUNK, "{:?}", crowd.given);
}

#[test]
fn no_class_starves_and_each_gets_its_share() {
    let classes = Class::ALL.map(|class| (class as u8, class));
    let mut crowd = Crowd::new(limits(Some(8_500_000), None, CHUNK), &classes);
    crowd.run_until(20_000 * MS);
    for (class, given) in Class::ALL.into_iter().zip(&crowd.given) {
        let fair = 2_000_000 * class.weight();
        assert!(given.abs_diff(fair) <= fair / 20 + CHUNK, "{class:?}: {given} of {fair}");
    }
}

/// On a slow line full of background traffic, at any moment.
#[test]
fn what_a_person_waits_for_starts_within_50_ms() {
    for ms in 0..100 {
        let members: Vec<_> = (0..20).map(|n| (n, Class::Low)).collect();
        let mut crowd = Crowd::new(limits(Some(1_000_000), None, 5_000_000), &members);
        crowd.run_until((6_000 + ms) * MS);
        crowd.members.push((peer(99), Class::Critical));
        crowd.given.push(0);
        crowd.ask(20);
        let asked = crowd.now;
        crowd.run_until(asked + 50 * MS);
        assert!(crowd.given[20] > 0, "asked at {asked:?}");
    }
}

/// A class that was silent does not come back with all that it did not use.
#[test]
fn silence_is_not_saved_up() {
    let mut crowd =
        Crowd::new(limits(Some(1_000_000), None, CHUNK), &[(1, Class::Normal), (2, Class::Low)]);
    crowd.run_until(60_000 * MS);
    crowd.members.push((peer(3), Class::High));
    crowd.given.push(0);
    crowd.ask(2);
    let before = crowd.given.clone();
    crowd.run_until(70_000 * MS);
    let normal = crowd.given[0] - before[0];
    assert!(normal.abs_diff(10_000_000 * 4 / 21) < 100_000, "{normal}");
}

#[test]
fn what_is_taken_back_is_not_granted() {
    let mut shaper = Shaper::new(Duration::ZERO, Limits::default());
    let [a, b] = [1, 2].map(|n| shaper.ask(peer(n), Class::Normal, 10));
    shaper.forget(a);
    assert_eq!(shaper.next_grant(Duration::ZERO), Some(b));
    assert_eq!(shaper.next_grant(Duration::ZERO), None);
    assert_eq!(shaper.wake_at(Duration::ZERO), None, "nobody waits");
    shaper.forget(b);
}

#[test]
fn other_limits_hold_from_now_on() {
    let mut crowd = Crowd::new(limits(Some(10_000_000), None, CHUNK), &[(1, Class::Normal)]);
    crowd.run_until(1_000 * MS);
    crowd.shaper.set(crowd.now, limits(Some(1_000_000), None, CHUNK));
    let before = crowd.given[0];
    crowd.run_until(11_000 * MS);
    let slow = crowd.given[0] - before;
    assert!(slow.abs_diff(10_000_000) < 50_000, "{slow}");
    crowd.shaper.set(crowd.now, Limits::default());
    assert!(crowd.shaper.next_grant(crowd.now).is_some(), "no limit, no wait");
}

/// Whoever comes with a new key each time is not remembered for ever.
#[test]
fn peers_that_owe_nothing_are_forgotten() {
    let mut shaper = Shaper::new(Duration::ZERO, limits(None, Some(1_000_000), CHUNK));
    for n in 0..3 * PEERS_MAX as u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        shaper.ask(NodeId::from_bytes(id), Class::Normal, CHUNK);
        assert!(shaper.next_grant(n as u32 * 10 * MS).is_some());
    }
    assert!(shaper.peers.len() <= PEERS_MAX, "{}", shaper.peers.len());
}

fn known(weight: f64) -> Share {
    Share::Weighted(Weight::new(weight))
}

fn stranger(network: u8) -> Share {
    Share::Pooled(Network::of(IpAddr::from([10, 0, network, 1])))
}

impl Crowd {
    /// A crowd of which these stand so.
    fn ranked(members: &[(u8, Share)], line: u64) -> Self {
        let peers: Vec<_> = members.iter().map(|(n, _)| (*n, Class::Normal)).collect();
        let mut crowd = Self::new(limits(Some(line), None, CHUNK), &peers);
        crowd.shaper.rank(members.iter().map(|(n, standing)| (peer(*n), *standing)).collect());
        crowd
    }

    /// What each got, in per mille of everything.
    fn shares(&self) -> Vec<u64> {
        let all: u64 = self.given.iter().sum();
        self.given.iter().map(|given| (given * 1000 + all / 2) / all).collect()
    }
}

/// Whoever gave more gets more, in proportion, and strangers have what is theirs.
#[test]
fn under_contention_peers_share_by_their_weights() {
    let members = [(1, known(3.0)), (2, known(1.0)), (3, known(1.0)), (4, stranger(1))];
    let mut crowd = Crowd::ranked(&members, 10_000_000);
    crowd.run_until(20_000 * MS);
    assert_eq!(crowd.shares(), [570, 190, 190, 50]);
}

/// Threat row 41: a thousand keys are not worth more than one, nor do they cost others anything.
#[test]
fn strangers_are_one_pool_however_many_they_are() {
    let alone = [(0, known(1.0)), (1, stranger(1))];
    let crowded: Vec<_> =
        (1..120).map(|n| (n, stranger(1))).chain([(0, known(1.0))]).rev().collect();
    for members in [&alone[..], &crowded] {
        let mut crowd = Crowd::ranked(members, 10_000_000);
        crowd.run_until(20_000 * MS);
        assert_eq!(crowd.shares()[0], 950, "{} strangers", members.len() - 1);
    }
    // One of another network has as much as all of the crowded one.
    let members: Vec<_> = crowded.into_iter().chain([(200, stranger(2))]).collect();
    let mut crowd = Crowd::ranked(&members, 10_000_000);
    crowd.run_until(20_000 * MS);
    assert_eq!(*crowd.shares().last().unwrap(), 25);
}

/// The pool is what attacks are measured against: without it each key is one more share.
#[test]
fn many_keys_are_noticed_where_every_key_has_a_share() {
    let members: Vec<_> = (0..20).map(|n| (n, known(1.0))).collect();
    let mut crowd = Crowd::ranked(&members, 10_000_000);
    crowd.run_until(20_000 * MS);
    assert_eq!(crowd.shares()[0], 50, "nineteen keys of one owner took the rest");
}

/// Idle capacity is free: nobody waits for a share that its owner does not use.
#[test]
fn what_nobody_else_wants_a_stranger_gets_whole() {
    for standing in [stranger(1), known(0.001), known(4.0)] {
        let mut crowd = Crowd::ranked(&[(1, standing)], 1_000_000);
        crowd.run_until(10_000 * MS);
        assert!(crowd.given[0].abs_diff(10_000_000) <= 2 * CHUNK, "{standing:?}");
    }
    let mut shaper = Shaper::new(Duration::ZERO, Limits::default());
    shaper.rank([(peer(1), stranger(1))].into());
    assert!(!shaper.may_hold(Class::Normal), "without a limit nobody waits at all");
}

/// Most streams ask for a chunk at a time, and have nothing waiting in between.
#[test]
fn whoever_leaves_and_comes_back_is_not_new() {
    let standings = [(peer(1), known(1.0)), (peer(2), known(3.0))];
    let mut shaper = Shaper::new(Duration::ZERO, limits(Some(1_000_000), None, CHUNK));
    shaper.rank(standings.into());
    let (mut now, mut given) = (Duration::ZERO, [0u64; 2]);
    let mut asks = [1, 2].map(|n| shaper.ask(peer(n), Class::Normal, CHUNK));
    while now < 20_000 * MS {
        while let Some(ask) = shaper.next_grant(now) {
            let member = asks.iter().position(|one| *one == ask).unwrap();
            given[member] += CHUNK;
            asks[member] = shaper.ask(peer(member as u8 + 1), Class::Normal, CHUNK);
        }
        now = shaper.wake_at(now).unwrap();
    }
    assert!(given[1].abs_diff(3 * given[0]) <= 4 * CHUNK, "{given:?}");
}

/// Weights hold inside a class and never between classes.
#[test]
fn a_weight_buys_nothing_of_another_class() {
    let peers = [(1, Class::High), (2, Class::Normal)];
    let mut crowd = Crowd::new(limits(Some(10_000_000), None, CHUNK), &peers);
    crowd.shaper.rank([(peer(2), known(4.0))].into());
    crowd.run_until(20_000 * MS);
    assert_eq!(crowd.shares(), [800, 200], "16 to 4, as it was");
}
