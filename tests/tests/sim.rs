//! Many nodes in one process, with everything going wrong that can: see `catalog_tests::sim`.
//!
//! A failing world prints its seed and the command that runs it again.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use catalog_tests::sim::catalogs::{self, Flaw, Story};
use catalog_tests::sim::{Outcome, Plan, Sweep, gossip, run};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Nodes that gossip numbers, in rough weather.
fn gossips(flaw: gossip::Flaw, seed: u64) -> Outcome {
    let plan = Plan {
        honest: 5,
        hostile: 1,
        storm: 2 * HOUR,
        settle_within: 30 * MINUTE,
        command_every: 2 * MINUTE,
        misfortune_every: MINUTE,
    };
    run(gossip::Gossips::new(6, flaw), &plan, seed)
}

#[test]
fn gossip_survives_every_fault() {
    let run = |seed| gossips(gossip::Flaw::None, seed);
    Sweep::run("gossip_survives_every_fault", 0, 1000 * HOUR, run).expect_good();
}

/// The control: the simulator finds each broken machine, names the promise that it broke, and
/// its seed leads there again.
#[test]
fn a_broken_machine_is_caught_and_its_seed_shows_it_again() {
    let flaws = [
        (gossip::Flaw::AcknowledgesTooSoon, "what was acknowledged is there"),
        (gossip::Flaw::TrustsAnySeal, "nothing is invented"),
        (gossip::Flaw::ListensToOne, "all agree once the faults have stopped"),
        (gossip::Flaw::Forgets, "what was acknowledged is there"),
        (gossip::Flaw::RepeatsItself, "no effect happens twice"),
    ];
    for (flaw, rule) in flaws {
        let caught = (0..20).map(|seed| gossips(flaw, seed)).find(|run| run.broken.is_some());
        let caught = caught.unwrap_or_else(|| panic!("{flaw:?} is never caught"));
        let broken = caught.broken.clone().unwrap();
        assert_eq!(broken.rule, rule, "{flaw:?}: {caught}");
        let again = gossips(flaw, caught.seed);
        assert_eq!((again.broken, again.digest), (Some(broken), caught.digest), "{flaw:?}");
        assert_eq!((again.last, again.steps), (caught.last, caught.steps), "{flaw:?}");
    }
}

#[test]
fn a_seed_gives_one_trace_and_another_seed_another() {
    let digests: Vec<u64> = [1, 1, 2].map(|seed| gossips(gossip::Flaw::None, seed).digest).into();
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}

#[test]
fn catalogs_survive_every_fault_and_agree() {
    catalogs::check().expect_good();
}

/// Threat row 18: however a publisher forks, all nodes come to know it and hold the same.
#[test]
fn forks_leave_no_two_nodes_unequal() {
    catalogs::check_forks().expect_good();
}

/// The control: what the real store and the real conversation are trusted with would be noticed.
#[test]
fn a_broken_node_is_caught() {
    let lost = ["what was acknowledged can be read", "pinned heads only grow"];
    let leaked = ["restricted bytes go to members only"];
    let apart = ["all agree once the faults have stopped"];
    let flaws = [
        (Flaw::LosesItsDisk, &lost[..]),
        (Flaw::TellsEverybody, &leaked),
        (Flaw::NeverListens, &apart),
    ];
    for (flaw, rules) in flaws {
        let mut worlds = (0..20).map(|seed| catalogs::world(flaw, Story::None, seed));
        let broken = worlds.find_map(|outcome| outcome.broken).unwrap();
        assert!(rules.contains(&broken.rule.as_str()), "{flaw:?}: {broken:?}");
    }
}

#[test]
fn syncing_nodes_do_the_same_for_the_same_seed() {
    let digest = |seed| catalogs::world(Flaw::None, Story::Forked, seed).digest;
    assert_eq!(digest(3), digest(3));
}
