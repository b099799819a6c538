//! What placing is worth, in worlds that are small enough for every run of the tests.
//!
//! `docs/simulation.md` has the figures of large ones.

#![allow(clippy::unwrap_used)]

use catalog::ByteSize;
use catalog_mirror::sim::{Run, Scenario, Settings, Way, csv, run, svg};

/// Forty nodes with room for some five copies of each of 400 packages.
fn world(scenario: Scenario) -> Settings {
    Settings {
        nodes: 40,
        regions: 4,
        packages: 400,
        days: 2,
        requests: 300,
        scenario,
        budget: ByteSize::mib(900),
        ..Settings::default()
    }
}

fn passed(settings: &Settings, way: Way) -> Run {
    run(settings, way, &()).unwrap()
}

fn assert_found(run: &Run, name: &str) {
    let finding = run.finding(name).unwrap();
    assert!(finding.holds(), "{finding:?}");
}

#[test]
fn equal_settings_give_equal_files_and_other_seeds_others() {
    for way in [Way::Planned, Way::Lru, Way::Random, Way::Static] {
        let settings = Settings { days: 1, ..world(Scenario::Churn) };
        let runs = || [passed(&settings, way)];
        let (one, other) = (runs(), runs());
        assert_eq!(csv(&one), csv(&other), "{}", way.name());
        assert_eq!(svg("world", &one), svg("world", &other));
        let seed = Settings { seed: 2, ..settings.clone() };
        assert_ne!(csv(&one), csv(&[passed(&seed, way)]));
    }
}

#[test]
fn under_churn_mirrors_serve_more_from_near_by_than_even_or_random_copies() {
    let settings = world(Scenario::Churn);
    let mirrors = passed(&settings, Way::Planned);
    for way in [Way::Static, Way::Random] {
        let other = passed(&settings, way);
        let (ours, theirs) = (mirrors.whole, other.whole);
        assert!(ours.hit_rate() > theirs.hit_rate(), "{ours:?}, {}: {theirs:?}", way.name());
        assert!(ours.p95_ms <= theirs.p95_ms, "{ours:?}, {}: {theirs:?}", way.name());
        assert!(ours.failed <= theirs.failed, "{ours:?}, {}: {theirs:?}", way.name());
    }
    assert_found(&mirrors, "control_rate");
}

/// A cache serves as much from near by; what is not asked for, it does not keep.
#[test]
fn under_churn_mirrors_fail_less_often_than_caches() {
    let settings = world(Scenario::Churn);
    let (mirrors, caches) = (passed(&settings, Way::Planned), passed(&settings, Way::Lru));
    assert!(mirrors.whole.failed <= caches.whole.failed);
    assert!(mirrors.below() < caches.below(), "{} and {}", mirrors.below(), caches.below());
}

#[test]
fn a_tenth_of_the_nodes_is_destroyed_and_nothing_is_lost() {
    let run = passed(&world(Scenario::Kill), Way::Planned);
    assert_found(&run, "lost");
    assert_found(&run, "repaired_after");
}

#[test]
fn a_tenth_more_nodes_make_little_more_move_than_their_share() {
    assert_found(&passed(&world(Scenario::Join), Way::Planned), "join_moved");
}

#[test]
fn a_node_that_flaps_makes_no_package_be_copied_more_than_twice() {
    assert_found(&passed(&world(Scenario::Flap), Way::Planned), "flap_copies");
}

#[test]
fn what_becomes_popular_is_near_after_two_decisions() {
    assert_found(&passed(&world(Scenario::HotSpot), Way::Planned), "near_after");
}

#[test]
fn liars_are_found_out_and_take_nothing_with_them() {
    let run = passed(&world(Scenario::Attack), Way::Planned);
    assert_found(&run, "found_after");
    assert_eq!(run.lost(), 0);
}
