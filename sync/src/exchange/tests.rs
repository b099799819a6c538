//! Conversations between sets in memory: what they cost, what they find, what they refuse.

mod cost;
mod differential;
mod forged;
mod hostile;
mod meanwhile;

use catalog::ItemId;

use super::{Announced, Known};
use crate::fixture::ids;
use crate::loopback::Party;

/// Two sets of some `n` ids, of which `d` are in one of them only, half on each side.
fn parties(n: u64, d: u64) -> [Party; 2] {
    let (a, b) = (d / 2, d - d / 2);
    let common = ids(0..n - b);
    let with = |own: Vec<ItemId>| Party::new([common.clone(), own].concat());
    [with(ids(1 << 40..(1 << 40) + a)), with(ids(2 << 40..(2 << 40) + b))]
}

fn announced(by: &Party) -> Known {
    let announced: Announced = by.announced();
    Known { announced: Some(announced), ..Known::default() }
}

/// Numbers for tests, the same on every run.
struct Dice(u64);

impl Dice {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::sketch::mix(self.0) % end
    }
}
