//! Orders of sources of which known things are known.

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A source that was heard of just now, `rtt` milliseconds away.
fn source(number: u8, rtt: u64) -> Facts {
    let mut health = Health::default();
    (health.rtt, health.heard) = (Some(at(rtt)), Some(at(0)));
    Facts {
        node: NodeId::from_bytes([number; 32]),
        health,
        distance: Distance::Elsewhere,
        network: Some(Network::of(IpAddr::from([10, 0, number, 1]))),
        region: None,
        is_backbone: false,
    }
}

fn region(text: &str) -> Option<Region> {
    Some(text.parse().unwrap())
}

/// Who stands where: the number of each source, and its round.
fn order(strategy: Strategy, here: Option<&Region>, facts: &[Facts]) -> Vec<(u8, u8)> {
    let ranked = rank(strategy, here, facts, at(0));
    for one in &ranked {
        let product: f64 = one.terms.iter().map(|term| term.value).product();
        assert!((product - one.score).abs() < 1e-12, "a score is the product of its terms");
        assert!(one.terms.iter().all(|term| (0.0..=1.0).contains(&term.value)), "{one:?}");
    }
    ranked.iter().map(|one| (facts[one.at].node.as_bytes()[0], one.duty.tier)).collect()
}

#[test]
fn near_comes_first_then_anywhere_then_the_backbone() {
    let mut backbone = source(1, 5);
    backbone.is_backbone = true;
    let facts = [backbone, source(2, 200), source(3, 49), source(4, 10)];
    let expected = [(4, 0), (3, 0), (2, 1), (1, 2)];
    assert_eq!(order(Strategy::LowestLatency, None, &facts), expected);
}

#[test]
fn the_shortest_way_is_the_fewest_steps_whatever_it_takes() {
    let mut machine = source(1, 80);
    machine.distance = Distance::Machine;
    let mut lan = source(2, 90);
    lan.distance = Distance::Lan;
    let facts = [source(3, 300), source(4, 2), lan, machine];
    let expected = [(1, 0), (2, 0), (4, 1), (3, 2)];
    assert_eq!(order(Strategy::Shortest, None, &facts), expected);
}

#[test]
fn for_bandwidth_everybody_is_called_at_once_the_fastest_first() {
    let mut facts = [source(1, 10), source(2, 20), source(3, 10)];
    facts[0].health.rate = Some(1e6);
    facts[1].health.rate = Some(9e6);
    // Of the third nothing is known.
    let expected = [(2, 0), (3, 0), (1, 0)];
    assert_eq!(order(Strategy::HighestBandwidth, None, &facts), expected);
}

#[test]
fn regions_are_nearer_the_more_they_have_in_common() {
    let mut facts = [source(1, 10), source(2, 10), source(3, 10), source(4, 10)];
    facts[0].region = region("us-east");
    facts[1].region = region("eu-north");
    facts[2].region = region("eu-west");
    let here = region("eu-west");
    let expected = [(3, 0), (2, 1), (4, 1), (1, 2)];
    assert_eq!(order(Strategy::Geographic, here.as_ref(), &facts), expected);
    // Who does not know where it is itself can only go by the rest.
    let rounds = order(Strategy::Geographic, None, &facts);
    assert!(rounds.iter().all(|(_, round)| *round == 1), "{rounds:?}");
}

#[test]
fn who_is_loaded_is_asked_less() {
    let mut facts = [source(1, 10), source(2, 10), source(3, 10)];
    for (facts, load) in facts.iter_mut().zip([0.9, 0.2, 1.0]) {
        facts.health.load = Some(load);
    }
    let ranked = rank(Strategy::LoadBalanced, None, &facts, at(0));
    let shares: Vec<(usize, f64)> =
        ranked.iter().map(|one| (one.at, (one.duty.share * 100.0).round())).collect();
    assert_eq!(shares, [(1, 80.0), (0, 10.0), (2, 10.0)]);
}

#[test]
fn two_that_have_little_in_common_are_always_at_work() {
    let mut facts = [source(1, 5), source(2, 6), source(3, 30), source(4, 40)];
    facts[1].network = facts[0].network;
    facts[0].region = region("eu-west");
    facts[2].region = region("eu-west");
    facts[3].region = region("us-east");
    let order = order(Strategy::FaultTolerant, None, &facts);
    assert_eq!(order[..2], [(1, 0), (4, 0)]);
    assert!(order[2..].iter().all(|(_, round)| *round == 1), "{order:?}");
    assert_eq!(Strategy::FaultTolerant.at_work_min(), 2);
}

#[test]
fn who_fails_stands_behind_and_who_lied_has_no_score() {
    let mut facts = [source(1, 5), source(2, 5), source(3, 5), source(4, 5), source(5, 5)];
    facts[0].health.lied(at(0));
    (0..3).for_each(|_| facts[1].health.failed(at(0), 0.0));
    facts[2].health.failed(at(0), 0.0);
    facts[3].health.loss = Some(0.02);
    for (_, strategy) in Strategy::NAMES {
        let ranked = rank(strategy, None, &facts, at(0));
        let health = |at: usize| health(&facts[at].health, Duration::ZERO);
        assert_eq!((health(0), health(4)), (0.0, 1.0));
        assert!((2..5).map(health).is_sorted(), "{strategy}");
        let last = ranked.iter().position(|one| one.at == 0).unwrap();
        assert_eq!((last, ranked[last].score), (4, 0.0), "{strategy}");
    }
    // What was good long ago may not be any more.
    assert!(health(&facts[4].health, at(24 * 3600 * 1000)) < 0.6);
}

#[test]
fn a_strategy_is_written_as_it_is_read() {
    for (name, strategy) in Strategy::NAMES {
        assert_eq!(name.parse(), Ok(strategy));
        assert_eq!(strategy.to_string(), name);
        assert_eq!(serde_json::to_value(strategy).unwrap(), name);
    }
    assert!("fastest".parse::<Strategy>().is_err());
}

/// What a stranger says of itself cannot take a source out, nor spoil the order of others.
#[test]
fn no_claim_takes_a_source_out() {
    let mut facts = [source(1, 5), source(2, 10)];
    for load in [0.0, 1.0, -1.0, 1e300] {
        facts[0].health.load = Some(load);
        for (_, strategy) in Strategy::NAMES {
            let ranked = rank(strategy, None, &facts, at(0));
            assert_eq!(ranked.len(), 2);
            assert!(ranked.iter().all(|one| one.duty.share >= SHARE_MIN), "{load}: {ranked:?}");
        }
    }
}
