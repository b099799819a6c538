//! The sets that are compared: hashes of numbers, the same in every run.

use catalog::{Digest, ItemId};

/// Ids in one case that each side has alone are numbered from here.
const OURS: u64 = 1 << 40;
const THEIRS: u64 = 1 << 41;

/// Two sets, ascending.
pub struct Case {
    /// What both hold.
    pub common: Vec<ItemId>,
    /// What one side holds alone.
    pub ours: Vec<ItemId>,
    /// What the other holds alone.
    pub theirs: Vec<ItemId>,
}

/// The hashes of `count` numbers, ascending.
pub fn ids(first: u64, count: u64) -> Vec<ItemId> {
    let id = |number: u64| ItemId::from_bytes(*Digest::of(&number.to_be_bytes()).as_bytes());
    let mut ids: Vec<ItemId> = (first..first + count).map(id).collect();
    ids.sort_unstable();
    ids
}

impl Case {
    /// Both hold `common`; of `difference` more, each holds half.
    pub fn new(common: Vec<ItemId>, difference: u64) -> Self {
        // Cases of one size are told apart by their difference, so each has ids of its own.
        let own = |from: u64, count: u64| ids(from + (difference << 20), count);
        let (ours, theirs) = (difference / 2, difference.div_ceil(2));
        Self { common, ours: own(OURS, ours), theirs: own(THEIRS, theirs) }
    }

    /// The same, but what each side holds alone begins with the 8 bytes with which something
    /// begins that the other holds alone: a sketch of 8-byte ids sees no difference.
    pub fn of_twins(&self) -> Self {
        let twin = |id: &ItemId| {
            let mut bytes = *id.as_bytes();
            bytes[8..].iter_mut().for_each(|byte| *byte ^= 0x55);
            ItemId::from_bytes(bytes)
        };
        let ours = self.ours.clone();
        Self { common: self.common.clone(), theirs: ours.iter().map(twin).collect(), ours }
    }

    /// How many ids one side has and the other has not.
    pub fn difference(&self) -> u64 {
        (self.ours.len() + self.theirs.len()) as u64
    }

    /// What the first side holds, ascending.
    pub fn first(&self) -> Vec<ItemId> {
        merged(&[&self.common, &self.ours])
    }

    /// What the second side holds, ascending.
    pub fn second(&self) -> Vec<ItemId> {
        merged(&[&self.common, &self.theirs])
    }

    /// What both hold afterwards, ascending.
    pub fn union(&self) -> Vec<ItemId> {
        merged(&[&self.common, &self.ours, &self.theirs])
    }
}

fn merged(parts: &[&Vec<ItemId>]) -> Vec<ItemId> {
    let mut ids: Vec<ItemId> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    ids.sort_unstable();
    ids
}
