//! Where the ids of a set are read from: a store's snapshot, or a sorted list in memory.
//!
//! [`Summary`](crate::Summary) and the exchange keep hashes only; whenever they need the ids
//! themselves they ask [`Items`] for those that share a [`Prefix`].

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use catalog::ItemId;
use catalog::store::StoreError;

/// The number of bits in an id, and so of the longest prefix.
pub const ID_BITS: usize = 256;

/// Ordered access to the ids of one set, by what they begin with.
pub trait Items {
    /// Returns the first `limit` ids that begin with `prefix`, ascending, no repeats.
    ///
    /// Fewer than `limit` means that these are all. Costs a look-up and what it returns.
    ///
    /// # Errors
    /// When the ids cannot be read.
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError>;
}

/// The ids of a set could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemsError {
    /// The store did not answer.
    #[error("cannot read the ids of a catalog")]
    Store(#[from] StoreError),
}

impl<I: Items + ?Sized> Items for &I {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        (**self).scan(prefix, limit)
    }
}

impl Items for BTreeSet<ItemId> {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        Ok(self.range(prefix.ids()).take(limit).copied().collect())
    }
}

/// Ids in memory, ascending and each once: the smallest form of a set that stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortedIds(Box<[ItemId]>);

impl SortedIds {
    /// The ids, ascending, no repeats.
    pub fn as_slice(&self) -> &[ItemId] {
        &self.0
    }
}

impl From<Vec<ItemId>> for SortedIds {
    /// Sorts what is not sorted yet, and drops repeats.
    fn from(mut ids: Vec<ItemId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }
}

impl FromIterator<ItemId> for SortedIds {
    fn from_iter<T: IntoIterator<Item = ItemId>>(ids: T) -> Self {
        ids.into_iter().collect::<Vec<_>>().into()
    }
}

impl Items for SortedIds {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        let ids = prefix.ids();
        let from = self.0.partition_point(|id| id < ids.start());
        let below = self.0[from..].iter().take_while(|id| *id <= ids.end());
        Ok(below.take(limit).copied().collect())
    }
}

/// The first bits that some ids have in common: 0 to 256 of them.
///
/// Ordered as the ids below are; a prefix comes before the longer ones that begin with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The bits, then zeros.
    bytes: [u8; 32],
    bits: u16,
}

impl Prefix {
    /// The empty prefix: every id begins with it.
    pub const ROOT: Self = Self { bytes: [0; 32], bits: 0 };

    /// The first `bits` bits of `id`; all of it if there are no more than that.
    pub fn of(id: &ItemId, bits: usize) -> Self {
        Self::cut(*id.as_bytes(), bits)
    }

    /// `bytes` with everything after the first `bits` bits made zero.
    pub(crate) fn cut(mut bytes: [u8; 32], bits: usize) -> Self {
        let bits = bits.min(ID_BITS);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte &= kept(bits, at);
        }
        Self { bytes, bits: bits as u16 }
    }

    /// The number of bits, 0 to 256.
    pub fn bits(&self) -> usize {
        self.bits.into()
    }

    /// The bits from the left, then zeros.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether `id` begins with these bits.
    pub fn contains(&self, id: &ItemId) -> bool {
        self.covers(id.as_bytes())
    }

    /// Whether `bytes` begin with these bits.
    pub(crate) fn covers(&self, bytes: &[u8; 32]) -> bool {
        let (whole, rest) = (self.bits() / 8, self.bits() % 8);
        bytes[..whole] == self.bytes[..whole]
            && (rest == 0 || (bytes[whole] ^ self.bytes[whole]) >> (8 - rest) == 0)
    }

    /// The two prefixes that are one bit longer, 0 first; `None` if these are whole ids.
    pub fn halves(&self) -> Option<[Self; 2]> {
        Some([self.descendant(1, 0)?, self.descendant(1, 1)?])
    }

    /// The prefix that is `width` bits longer and ends in the `width` bits of `index`, as the
    /// groups of an exchange are numbered; `None` where ids end sooner, or no such index exists.
    pub fn descendant(&self, width: usize, index: u64) -> Option<Self> {
        let bits = self.bits() + width;
        if bits > ID_BITS || (width < 64 && index >> width != 0) {
            return None;
        }
        let mut bytes = self.bytes;
        for at in 0..width.min(64) {
            let bit = bits - 1 - at;
            bytes[bit / 8] |= ((index >> at & 1) as u8) << (7 - bit % 8);
        }
        Some(Self { bytes, bits: bits as u16 })
    }

    /// All ids that begin with these bits: the smallest and the largest.
    pub fn ids(&self) -> RangeInclusive<ItemId> {
        let mut last = self.bytes;
        for (at, byte) in last.iter_mut().enumerate() {
            *byte |= !kept(self.bits(), at);
        }
        ItemId::from_bytes(self.bytes)..=ItemId::from_bytes(last)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prefix(")?;
        for bit in 0..self.bits() {
            write!(f, "{}", u8::from(bit_of(&self.bytes, bit)))?;
        }
        f.write_str(")")
    }
}

/// Bit `at` of an id, counted from the left.
pub(crate) fn bit_of(bytes: &[u8; 32], at: usize) -> bool {
    bytes[at / 8] >> (7 - at % 8) & 1 == 1
}

/// The bits of byte `at` that belong to a prefix of `bits` bits.
fn kept(bits: usize, at: usize) -> u8 {
    match bits.saturating_sub(at * 8) {
        0 => 0,
        some @ 1..8 => !(0xff >> some),
        _ => 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ids, like};

    #[test]
    fn a_prefix_holds_exactly_the_ids_between_its_bounds() {
        let ids = ids(0..300);
        for bits in [0, 1, 7, 8, 9, 63, 64, 255, 256] {
            let prefix = Prefix::of(&ids[0], bits);
            assert_eq!(prefix.bits(), bits);
            for id in &ids {
                let equal =
                    (0..bits).all(|b| bit_of(id.as_bytes(), b) == bit_of(ids[0].as_bytes(), b));
                assert_eq!(prefix.contains(id), equal);
                assert_eq!(prefix.ids().contains(id), equal);
            }
        }
    }

    #[test]
    fn descendants_follow_each_other_and_cover_what_is_above() {
        for bits in [0, 3, 8, 251] {
            let above = Prefix::of(&ids(7..8)[0], bits);
            for width in [0, 1, 5] {
                let below: Vec<_> =
                    (0..1 << width).map(|index| above.descendant(width, index).unwrap()).collect();
                assert_eq!(below[0].ids().start(), above.ids().start());
                assert_eq!(below.last().unwrap().ids().end(), above.ids().end());
                assert!(below.is_sorted_by(|a, b| a.ids().end() < b.ids().start() && a < b));
                assert_eq!(above.descendant(width, 1 << width), None);
            }
        }
        assert_eq!(Prefix::of(&ids(7..8)[0], 256).halves(), None);
        assert_eq!(Prefix::of(&ids(7..8)[0], 250).descendant(7, 0), None);
        let [low, high] = Prefix::ROOT.halves().unwrap();
        assert_eq!(format!("{low:?} {high:?}"), "Prefix(0) Prefix(1)");
    }

    #[test]
    fn every_kind_of_items_answers_alike() {
        let tree: BTreeSet<ItemId> = ids(0..500).into_iter().collect();
        let list: SortedIds = ids(0..500).into_iter().chain(ids(0..100)).collect();
        assert_eq!(list.as_slice().len(), 500);
        for bits in 0..12 {
            for limit in [0, 1, 33, 1000] {
                let prefix = Prefix::of(&like(0x5a), bits);
                let found = tree.scan(&prefix, limit).unwrap();
                assert_eq!(list.scan(&prefix, limit).unwrap(), found);
                let all: Vec<_> = tree.iter().filter(|id| prefix.contains(id)).collect();
                assert!(found.iter().eq(all.into_iter().take(limit)));
            }
        }
    }
}
