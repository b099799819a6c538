//! Ids for tests: the same ones on every run.

use std::ops::Range;

use catalog::{Digest, ItemId};

/// Ids as hashes are: spread evenly, no two alike.
pub fn ids(numbers: Range<u64>) -> Vec<ItemId> {
    numbers
        .map(|number| ItemId::from_bytes(*Digest::of(&number.to_be_bytes()).as_bytes()))
        .collect()
}

/// Ids that someone has tried out until all of them begin with the same `bits` bits.
pub fn ground(count: usize, bits: usize) -> Vec<ItemId> {
    let common = [0x5a; 32];
    let own = ids(1 << 40..(1 << 40) + count as u64);
    let forced = |id: &ItemId| {
        let mut bytes = *id.as_bytes();
        for bit in 0..bits {
            let mask = 0x80 >> (bit % 8);
            bytes[bit / 8] = bytes[bit / 8] & !mask | common[bit / 8] & mask;
        }
        ItemId::from_bytes(bytes)
    };
    own.iter().map(forced).collect()
}

/// The id of which every byte is `byte`.
pub fn like(byte: u8) -> ItemId {
    ItemId::from_bytes([byte; 32])
}

/// Some of `ids`, the first `bytes` bytes of which add up to zero by exclusive or: found by
/// elimination, as an attacker would. Needs more ids than there are bits.
pub fn cancelling(ids: &[ItemId], bytes: usize) -> Vec<ItemId> {
    // Each row: what is left of an id, and which ids were added up to get there.
    let mut basis: Vec<([u8; 32], Vec<bool>)> = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let mut left = [0; 32];
        left[..bytes].copy_from_slice(&id.as_bytes()[..bytes]);
        let mut used = vec![false; ids.len()];
        used[at] = true;
        for (row, of) in &basis {
            let lead = row.iter().position(|&byte| byte != 0).unwrap();
            let bit = 0x80 >> row[lead].leading_zeros();
            if left[lead] & bit != 0 {
                left.iter_mut().zip(row).for_each(|(left, row)| *left ^= row);
                used.iter_mut().zip(of).for_each(|(used, of)| *used ^= of);
            }
        }
        if left == [0; 32] {
            return ids.iter().zip(used).filter(|(_, used)| *used).map(|(id, _)| *id).collect();
        }
        basis.push((left, used));
    }
    panic!("{} ids are too few", ids.len());
}

/// A sequence of numbers that looks random, for loops over seeds.
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() >> 16) as usize % end
    }
}
