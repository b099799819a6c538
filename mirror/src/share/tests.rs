use super::*;
use crate::score::Flows;

fn peer(of: u8) -> NodeId {
    NodeId::from_bytes([of; 32])
}

fn weighted(of: u8, weight: f64) -> Waiting {
    Waiting { peer: peer(of), share: Share::Weighted(Weight::new(weight)), bytes: 16 << 10 }
}

fn pooled(of: u8, network: u8) -> Waiting {
    let network = Network::of(IpAddr::from([10, 0, network, of]));
    Waiting { peer: peer(of), share: Share::Pooled(network), bytes: 16 << 10 }
}

/// How many of 10,000 chunks each gets, all of them waiting all the time. Who was served goes to the
/// end, as peers of a class do.
fn served(fair: &mut Fair, mut waiting: Vec<Waiting>) -> BTreeMap<NodeId, u32> {
    let mut served = BTreeMap::new();
    for _ in 0..10_000 {
        let at = fair.next(waiting.iter().copied()).unwrap();
        let one = waiting.remove(at);
        fair.sent(&one);
        *served.entry(one.peer).or_insert(0) += 1;
        waiting.push(one);
    }
    served
}

fn near(served: &BTreeMap<NodeId, u32>, of: u8, wanted: u32) {
    let found = served.get(&peer(of)).copied().unwrap_or_default();
    assert!(found.abs_diff(wanted) <= 20, "{of}: {found} chunks and not {wanted}");
}

#[test]
fn those_with_standing_share_by_weight() {
    let mut fair = Fair::default();
    let served = served(&mut fair, vec![weighted(1, 0.01), weighted(2, 0.02), weighted(3, 0.07)]);
    near(&served, 1, 1000);
    near(&served, 2, 2000);
    near(&served, 3, 7000);
}

#[test]
fn equal_weights_take_turns() {
    let waiting = [weighted(1, 1.0), weighted(2, 1.0), weighted(3, 1.0)];
    let (mut fair, mut order) = (Fair::default(), Vec::new());
    for _ in 0..6 {
        let at = fair.next(waiting).unwrap();
        fair.sent(&waiting[at]);
        order.push(at);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

/// Threat row 41: strangers have 5 % together, however many, and a household as much as another.
#[test]
fn strangers_share_a_pool_by_household() {
    let mut waiting = vec![weighted(1, 0.0001), pooled(2, 1), pooled(3, 2)];
    waiting.extend((4..100).map(|of| pooled(of, 2)));
    let served = served(&mut Fair::default(), waiting);
    near(&served, 1, 9500);
    near(&served, 2, 250);
    let household: u32 = (3..100).map(|of| served.get(&peer(of)).copied().unwrap_or(0)).sum();
    assert!(household.abs_diff(250) <= 1, "{household}");
    assert!((3..100).all(|of| served.get(&peer(of)).is_some_and(|chunks| *chunks <= 3)));
}

#[test]
fn what_nobody_else_wants_is_free() {
    let strangers = vec![pooled(1, 1), pooled(2, 2)];
    let mut fair = Fair::default();
    let alone = served(&mut fair, strangers.clone());
    near(&alone, 1, 5000);
    // What they had while nobody else wanted it is not held against them, nor saved up by others.
    let both = served(&mut fair, vec![weighted(3, 1.0), strangers[0]]);
    near(&both, 3, 9500);
    near(&both, 1, 500);
    assert_eq!(fair.next([]), None);
}

#[test]
fn silence_is_not_saved_up() {
    let mut fair = Fair::default();
    served(&mut fair, vec![weighted(1, 1.0)]);
    let both = served(&mut fair, vec![weighted(1, 1.0), weighted(2, 1.0)]);
    near(&both, 1, 5000);
    near(&both, 2, 5000);
}

/// Threat row 41: a new key for each chunk takes no memory, nor more than the pool has.
#[test]
fn newcomers_without_end_take_no_memory() {
    let (mut fair, mut strangers) = (Fair::default(), 0);
    for of in 0..20_000_u32 {
        let peer = NodeId::from_bytes(*catalog::Digest::of(&of.to_le_bytes()).as_bytes());
        let [_, a, b, c] = of.to_be_bytes();
        let share = Share::Pooled(Network::of([a, b, c, 0].into()));
        let waiting = [weighted(1, 1.0), Waiting { peer, share, bytes: 16 << 10 }];
        let at = fair.next(waiting).unwrap();
        fair.sent(&waiting[at]);
        strangers += at;
        assert!(fair.pooled.due.len() <= REMEMBERED_MAX && fair.weighted.due.len() <= 1);
    }
    assert!(strangers.abs_diff(1000) <= 1, "{strangers}");
    for of in 0..20_000_u32 {
        let peer = NodeId::from_bytes(*catalog::Digest::of(&of.to_le_bytes()).as_bytes());
        fair.sent(&Waiting { peer, ..weighted(1, 1.0) });
        assert!(fair.weighted.due.len() <= REMEMBERED_MAX);
    }
}

#[test]
fn weights_are_positive_and_bounded() {
    assert_eq!(Weight::new(1.0), Weight::FRIEND);
    for weight in [0.0, -1.0, f64::NAN, 1e-9] {
        assert!(Weight::new(weight).0 == 1, "{weight}");
    }
    assert_eq!(Weight::new(f64::INFINITY), Weight::MAX);
    assert_eq!(Weight::MAX.as_f64(), 4.0);
}

#[test]
fn a_household_is_a_24_or_a_56() {
    let of = |text: &str| Network::of(text.parse().unwrap());
    assert_eq!(of("10.1.2.3"), of("10.1.2.200"));
    assert_ne!(of("10.1.2.3"), of("10.1.3.3"));
    assert_eq!(of("::ffff:10.1.2.3"), of("10.1.2.9"));
    assert_eq!(of("2001:db8:0:12ff::1"), of("2001:db8:0:1200::2"));
    assert_ne!(of("2001:db8:0:1200::1"), of("2001:db8:0:1300::1"));
    assert_ne!(of("10.1.2.3"), Network::UNKNOWN);
}

#[test]
fn who_owes_receipts_is_served_like_a_stranger() {
    let flows = Flows::default();
    let mut weights = Weights::earned(&Scores::new(&flows, peer(0)), [&peer(1)], |_| 0.5);
    assert_eq!(weights.weight(&peer(1)), None);
    weights.grant(peer(1), Weight::FRIEND);
    weights.grant(peer(1), Weight::new(0.1));
    assert_eq!(weights.weight(&peer(1)), Some(Weight::FRIEND), "the larger one stays");
    let share = |of, turn| weights.share(&peer(of), Network::UNKNOWN, turn);
    assert_eq!(share(1, Turn::Due), Share::Weighted(Weight::FRIEND));
    assert_eq!(share(1, Turn::AsStranger), Share::Pooled(Network::UNKNOWN));
    assert_eq!(share(2, Turn::Due), Share::Pooled(Network::UNKNOWN));
}
