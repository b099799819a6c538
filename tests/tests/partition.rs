//! Real nodes in network namespaces, cut in two; `cargo xtask campaign partition` cuts more often.

#![allow(clippy::unwrap_used)]

use catalog_tests::network::Network;
use catalog_tests::partition;
use catalog_tests::skip::skip;

const SEED: u64 = 1;

#[test]
fn both_sides_of_a_cut_have_everything_after_it() {
    let network = match Network::new(partition::NODES) {
        Ok(network) => network,
        Err(why) => {
            skip("both_sides_of_a_cut_have_everything_after_it", &why.to_string());
            return;
        }
    };
    let work = tempfile::tempdir().unwrap();
    let tally = partition::run(&network, 2, 1..6, SEED, work.path()).unwrap();
    println!("{}", tally.table(SEED));
    assert!(tally.is_good(), "{tally:#?}");
}
