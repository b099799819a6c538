//! What becomes of free-riders, liars, rings and newcomers where everybody follows these rules.
//!
//! A world of nodes that want more than there is, round by round. Ledger, scores, weights and turns are
//! the ones that nodes use, only nothing is signed. What `docs/decisions/0011` claims is a test here,
//! with the same attack where a defence is taken out.
//!
//! 60 honest nodes can send 10 units a round and want 16, from four others; 20 free-riders want as
//! much and send nothing. Ten rounds are a half-life of the ledger, and 20 units the commons.

mod world;

use catalog_tests::table::Table;

use crate::defence::{Defence, without};
use world::{Scenario, World};

/// Each figure is the mean over these.
const SEEDS: [u64; 2] = [1, 2];

/// What nodes get in each round, on average over the second half.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    /// An honest node.
    honest: f64,
    /// A free-rider.
    rider: f64,
    /// All that attack, together.
    attackers: f64,
    /// The one that gives and is no part of the sixty.
    other: f64,
}

fn rates(scenario: Scenario, seeds: &[u64]) -> Rates {
    let mut mean = Rates::default();
    for seed in seeds {
        let world = World::run(scenario, *seed);
        let part = 1.0 / seeds.len() as f64;
        mean.honest += part * world.rate(world.honest());
        mean.rider += part * world.rate(world.riders());
        mean.attackers += part * world.sum(world.attackers());
        mean.other += part * world.sum(world.others());
    }
    mean
}

/// What a contributor gains by `sybils` keys that it vouches for and that vouch for each other: what
/// all get together, less what so many keys get as mere free-riders, beside what it gets without.
fn gain(sybils: usize, lone: Rates, seeds: &[u64]) -> f64 {
    let master = rates(Scenario::Master { sybils }, seeds);
    let idle = rates(Scenario::Idle { sybils }, seeds);
    (master.attackers - idle.attackers) / lone.other
}

/// Threat row 41: who gives nothing gets at most 35 % of what who gives gets, also with a new name in
/// each round.
#[test]
fn free_riders_get_little() {
    let mut table = Table::new("Free-riders", &["scenario", "honest", "free-rider", "part"]);
    let mut parts = Vec::new();
    for scenario in [Scenario::Plain, Scenario::Whitewash] {
        let Rates { honest, rider, .. } = rates(scenario, &SEEDS);
        let cells = [honest, rider, rider / honest].map(|cell| format!("{cell:.2}"));
        table.row([format!("{scenario:?}")].into_iter().chain(cells));
        parts.push(rider / honest);
    }
    println!("seeds {SEEDS:?}\n{table}");
    assert!(parts.iter().all(|part| *part <= 0.35));
}

/// Threat row 41: twenty keys that sign for each other what they like take next to nothing.
#[test]
fn a_ring_of_fake_receipts_costs_honest_nodes_little() {
    let plain = rates(Scenario::Plain, &SEEDS);
    let ring = rates(Scenario::Ring { sybils: 20 }, &SEEDS);
    let kept = ring.honest / plain.honest;
    let one = ring.attackers / 20.0 / ring.honest;
    println!(
        "seeds {SEEDS:?}: honest throughput kept {kept:.3}; a ring node {one:.2} of an honest one"
    );
    assert!(kept >= 0.97, "{kept}");
}

#[test]
fn a_ring_is_noticed_without_the_pool() {
    let kept = without(Defence::StrangerPool, || {
        let ring = World::run(Scenario::Ring { sybils: 20 }, 1);
        ring.rate(ring.honest())
    });
    let plain = World::run(Scenario::Plain, 1);
    let kept = kept / plain.rate(plain.honest());
    println!("seed 1: honest throughput kept without the pool {kept:.3}");
    assert!(kept < 0.8, "{kept}");
}

/// Threat row 41: a contributor gets at most half as much again by keys that it vouches for.
#[test]
fn keys_behind_a_contributor_win_at_most_half() {
    let mut table = Table::new("A contributor and its keys", &["keys", "gain"]);
    let lone = rates(Scenario::Lone, &SEEDS);
    let mut gains = Vec::new();
    for sybils in [1, 20, 60] {
        gains.push(gain(sybils, lone, &SEEDS));
        table.row([sybils.to_string(), format!("{:.2}", gains[gains.len() - 1])]);
    }
    println!("seeds {SEEDS:?}\n{table}");
    assert!(gains.iter().all(|gain| *gain <= 1.5));
}

#[test]
fn keys_behind_a_contributor_are_noticed_without_conservation() {
    let gain = without(Defence::Conservation, || gain(20, rates(Scenario::Lone, &[1]), &[1]));
    println!("seed 1: gain of 20 keys without conservation {gain:.1}");
    assert!(gain > 3.0, "{gain}");
}

/// Nodes that come late and give as much as others get as much after a few days.
#[test]
fn newcomers_catch_up_within_a_week() {
    let seeds = 1..=4;
    let spans = [0..2, 2..5, 5..10, 10..20, 20..50];
    let worlds: Vec<World> = seeds.clone().map(|seed| World::run(Scenario::Late, seed)).collect();
    let mut table = Table::new("Newcomers beside veterans", &["rounds", "part"]);
    let mut later = Vec::new();
    for span in spans {
        let parts = worlds.iter().map(|world| world.newcomer(span.clone()));
        let part = parts.sum::<f64>() / worlds.len() as f64;
        table.row([format!("{}-{}", span.start, span.end), format!("{part:.2}")]);
        later.extend((span.start >= 10).then_some(part));
    }
    println!("seeds {seeds:?}\n{table}");
    assert!(later.iter().all(|part| *part >= 0.7));
}

/// Everything follows from the seed.
#[test]
fn a_world_can_be_repeated() {
    let rate = || {
        let world = World::run(Scenario::Plain, 5);
        (world.rate(world.honest()), world.rate(world.riders()))
    };
    assert_eq!(rate(), rate());
}
