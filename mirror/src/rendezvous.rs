//! In which order mirrors are asked to hold a unit, so that all agree without talking.
//!
//! Every pair of a unit and a mirror has a hash, read as a fraction `h` between 0 and 1; the mirror
//! with the least `-log2(h) / weight` comes first. Each mirror is then first for a share of units
//! that is its share of the weight, and when one joins or leaves, only what it wins or held
//! changes hands.
//!
//! Guarantees: whole numbers only, so that every platform computes the same order.
//!
//! # Source
//! Thaler and Ravishankar, *A Name-Based Mapping Scheme for Rendezvous*, 1996; the weighted form is
//! Schindelhauer and Schomaker, *Weighted Distributed Hash Tables*, SPAA 2005.

use catalog::permission::NodeId;
use catalog::{ByteSize, Digest};

/// Digits behind the point of a logarithm.
const FRACTION_BITS: u32 = 32;
/// By how much a logarithm is widened before it is divided by a weight.
const COST_SHIFT: u32 = 25;
/// More room than this attracts no more copies: nobody gets everything by claiming a planet.
const ROOM_MIB_MAX: u64 = 1 << 20;

/// How much a mirror counts: its room in MiB, from 1 to 2^20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u64);

impl Weight {
    /// The weight of a mirror with so much room.
    pub const fn of(room: ByteSize) -> Self {
        let mib = room.as_u64() >> 20;
        Self(if mib == 0 {
            1
        } else if mib > ROOM_MIB_MAX {
            ROOM_MIB_MAX
        } else {
            mib
        })
    }

    /// The room that counts, in MiB.
    pub const fn mib(self) -> u64 {
        self.0
    }
}

/// How late a mirror stands in the order for a unit: smaller comes first.
pub fn cost(unit: &Digest, mirror: &NodeId, weight: Weight) -> u64 {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(unit.as_bytes());
    pair[32..].copy_from_slice(mirror.as_bytes());
    let hash = Digest::of(&pair);
    let (eight, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    // `h` is (hash + 1) / 2^64, so that it is never 0; the logarithm is below 64 either way.
    let logarithm = (64 << FRACTION_BITS) - log2(u64::from_be_bytes(*eight).max(1));
    (logarithm << COST_SHIFT) / weight.0
}

/// The logarithm to base 2 of a number from 1, in 2^32nds, rounded down.
///
/// # Source
/// Squaring gives one digit after the other: Knuth, *The Art of Computer Programming* 1, 1.2.2,
/// exercise 25.
fn log2(number: u64) -> u64 {
    let whole = log2_floor(number);
    let mut fraction = u128::from(number << (63 - whole)); // From 1 to 2, in 2^63rds.
    let mut digits = 0;
    for _ in 0..FRACTION_BITS {
        fraction = (fraction * fraction) >> 63;
        digits <<= 1;
        if fraction >> 64 != 0 {
            fraction >>= 1;
            digits |= 1;
        }
    }
    (u64::from(whole) << FRACTION_BITS) | digits
}

/// The logarithm to base 2 of a number from 1, rounded down; 0 for 0.
pub const fn log2_floor(number: u64) -> u32 {
    match number.checked_ilog2() {
        Some(whole) => whole,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn mirror(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn logarithms_are_exact_to_the_last_digit() {
        const ONE: u64 = 1 << FRACTION_BITS;
        assert_eq!([1, 2, 4, 1 << 63].map(log2), [0, ONE, 2 * ONE, 63 * ONE]);
        // floor(log2(n) * 2^32), computed with 60 digits elsewhere.
        assert_eq!(log2(3), 6_807_362_105);
        assert_eq!(log2(10), 14_267_572_527);
        assert_eq!(log2(u64::MAX), 64 * ONE - 1);
    }

    /// A node that computes another order than the others makes copies that nobody asked for.
    #[test]
    fn an_order_is_the_same_everywhere() {
        let mib = |mib| Weight::of(ByteSize::mib(mib));
        let costs = [
            cost(&unit(0), &mirror(1), mib(1)),
            cost(&unit(0), &mirror(1), mib(10_240)),
            cost(&unit(1), &mirror(1), mib(10_240)),
            cost(&unit(1), &mirror(2), mib(1 << 40)),
        ];
        assert_eq!(
            costs,
            [450_701_300_531_724_288, 44_013_798_880_051, 23_715_092_892_876, 16_113_460_992]
        );
    }

    #[test]
    fn each_mirror_is_first_for_its_share_of_the_weight() {
        let weights = [10, 20, 30, 40].map(|mib| Weight::of(ByteSize::mib(mib)));
        let mut first = [0_u32; 4];
        for n in 0..20_000 {
            let costs: Vec<_> =
                (0..4).map(|at| cost(&unit(n), &mirror(at as u8), weights[at])).collect();
            first[(0..4).min_by_key(|&at| costs[at]).unwrap()] += 1;
        }
        for (at, count) in first.into_iter().enumerate() {
            let expected = 2_000 * (at as u32 + 1);
            assert!(count.abs_diff(expected) < 200, "{at}: {count} instead of {expected}");
        }
    }

    #[test]
    fn room_beyond_measure_attracts_no_more() {
        assert_eq!(Weight::of(ByteSize::bytes(u64::MAX)), Weight::of(ByteSize::gib(1024)));
        assert_eq!(Weight::of(ByteSize::bytes(0)).mib(), 1);
    }
}
