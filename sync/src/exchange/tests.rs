//! Conversations between sets in memory: what they cost, what they find, what they refuse.

mod differential;

use catalog::ItemId;

use crate::fixture::ids;
use crate::loopback::Party;

/// Two sets of some `n` ids, of which `d` are in one of them only, half on each side.
fn parties(n: u64, d: u64) -> [Party; 2] {
    let (a, b) = (d / 2, d - d / 2);
    let common = ids(0..n - b);
    let with = |own: Vec<ItemId>| Party::new([common.clone(), own].concat());
    [with(ids(1 << 40..(1 << 40) + a)), with(ids(2 << 40..(2 << 40) + b))]
}
