//! Faults on real processes, a few rounds of each; `cargo xtask campaign` runs the full counts.

#![allow(clippy::unwrap_used)]

use catalog_tests::machine::Machine;
use catalog_tests::skip::skip;
use catalog_tests::{bitflips, durability, powercut, resume};

const MIB: u64 = 1 << 20;
const SEED: u64 = 1;

#[test]
fn what_a_node_acknowledged_survives_being_killed() {
    let work = tempfile::tempdir().unwrap();
    let tally = durability::run(&Machine::new(), 3, SEED, work.path());
    println!("{}", tally.table(durability::TITLE, SEED));
    assert!(tally.is_good(), "{tally:#?}");
}

/// Threat row 46: a power cut loses nothing that was acknowledged.
#[test]
fn what_a_node_acknowledged_survives_a_power_cut() {
    let work = tempfile::tempdir().unwrap();
    if let Some(why) = powercut::obstacle(work.path()) {
        skip("what_a_node_acknowledged_survives_a_power_cut", &why);
        return;
    }
    let tally = powercut::run(2, SEED, work.path()).unwrap();
    println!("{}", tally.table(powercut::TITLE, SEED));
    assert!(tally.is_good(), "{tally:#?}");
}

/// Threat row 46, control: the same cut takes away what a writer did not make durable.
#[test]
fn a_careless_writer_is_noticed_by_a_power_cut() {
    let work = tempfile::tempdir().unwrap();
    if let Some(why) = powercut::obstacle(work.path()) {
        skip("a_careless_writer_is_noticed_by_a_power_cut", &why);
        return;
    }
    assert!(powercut::is_telling(work.path()).unwrap());
}

#[test]
fn an_install_goes_on_after_either_side_was_killed() {
    let work = tempfile::tempdir().unwrap();
    let tally = resume::run(96 * MIB, 4, SEED, work.path());
    println!("{}", tally.table(SEED, None));
    assert!(tally.is_good(), "{tally:#?}");
}

/// Threat row 45: bit rot is found, mended from a peer, and never handed out.
#[test]
fn flipped_bits_are_found_and_mended_and_never_served() {
    let work = tempfile::tempdir().unwrap();
    let tally = bitflips::run(40, 20, SEED, work.path());
    println!("{}", tally.table(SEED));
    assert!(tally.is_good(), "{tally:#?}");
}
