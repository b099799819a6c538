//! Ids for tests: the same ones on every run.

use catalog::{Digest, ItemId};
use std::ops::Range;

/// Ids as hashes are: spread evenly, no two alike.
pub fn ids(numbers: Range<u64>) -> Vec<ItemId> {
    numbers
        .map(|number| ItemId::from_bytes(*Digest::of(&number.to_be_bytes()).as_bytes()))
        .collect()
}

/// The id of which every byte is `byte`.
pub fn like(byte: u8) -> ItemId {
    ItemId::from_bytes([byte; 32])
}
