//! Tells how large the difference of two sets is, from some hundred bytes of each.
//!
//! Every id flips one bit in one of 14 strata, and each stratum takes half as many ids as the one
//! before it. Between two sketches only the ids that differ are left, so a stratum with few of
//! them shows their number, and one with many shows noise. The estimate is the number that makes
//! what is seen most likely.
//!
//! A [`FineOdd`] is kept: 256 bits in a stratum, within a sixth in nine cases of ten. Folded, it
//! is the [`Odd`] sketch of the same ids with 64 bits, a quarter of the bytes and within a third.
//!
//! Guarantees: whatever a peer sends, the estimate takes some thousand steps and is at most
//! [`ESTIMATE_MAX`]. It decides what is sent first, never what is right.

use std::ops::BitXor;
use std::sync::LazyLock;

use catalog::ItemId;

use crate::sketch::{Sid, mix};

/// Rows of bits; the last takes all that are left over.
const STRATA: usize = 14;

/// Words in a stratum of a fine sketch.
const FINE_WORDS: usize = 4;

/// The bytes of a folded sketch on the wire.
pub const ODD_BYTES: usize = STRATA * 8;

/// The bytes of a fine sketch on the wire and on disk.
pub const FINE_BYTES: usize = ODD_BYTES * FINE_WORDS;

/// The largest estimate: beyond it, every stratum is noise.
pub const ESTIMATE_MAX: u64 = 1 << OCTAVES;

/// Doublings of the difference that are looked at.
const OCTAVES: usize = 22;

/// Differences looked at in each doubling: 4.4 % apart, well below what the bits can tell.
const STEPS: usize = 16;

/// The last step of the search.
const STEPS_MAX: usize = OCTAVES * STEPS;

/// Steps that are skipped while the search is far off: a third of an octave.
const STRIDE: usize = 6;

/// Whether the number of ids that fell on each bit is odd, with `WORDS` words in a stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parities<const WORDS: usize>([[u64; WORDS]; STRATA]);

/// What opens a conversation.
pub type Odd = Parities<1>;

/// What is kept, and told where more than a few ids differ.
pub type FineOdd = Parities<FINE_WORDS>;

impl<const WORDS: usize> Default for Parities<WORDS> {
    fn default() -> Self {
        Self([[0; WORDS]; STRATA])
    }
}

impl FineOdd {
    /// The sketch of the empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an id in that was not there, or takes one out that was.
    pub fn toggle(&mut self, id: &ItemId) {
        let hash = mix(mix(u64::from_be_bytes(Sid::of(id).to_bytes())) ^ 0x0dd5_ce7c_4000_0001);
        let stratum = (hash.trailing_zeros() as usize).min(STRATA - 1);
        self.0[stratum][(hash >> 56) as usize % FINE_WORDS] ^= 1 << (hash >> 58);
    }

    /// The sketch of the same ids with one word in a stratum.
    pub fn folded(self) -> Odd {
        Parities(self.0.map(|words| [words.into_iter().fold(0, BitXor::bitxor)]))
    }

    /// Reads a sketch.
    pub fn from_bytes(bytes: &[u8; FINE_BYTES]) -> Self {
        Self::read(bytes)
    }

    /// Writes a sketch: its strata, the most significant byte of each word first.
    pub fn to_bytes(self) -> [u8; FINE_BYTES] {
        let mut bytes = [0; FINE_BYTES];
        self.write(&mut bytes);
        bytes
    }
}

impl Odd {
    /// Reads a sketch.
    pub fn from_bytes(bytes: &[u8; ODD_BYTES]) -> Self {
        Self::read(bytes)
    }

    /// Writes a sketch: its strata, the most significant byte of each first.
    pub fn to_bytes(self) -> [u8; ODD_BYTES] {
        let mut bytes = [0; ODD_BYTES];
        self.write(&mut bytes);
        bytes
    }
}

impl<const WORDS: usize> Parities<WORDS> {
    fn read(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_be_bytes(words[at]);
        Self(std::array::from_fn(|stratum| std::array::from_fn(|at| word(stratum * WORDS + at))))
    }

    fn write(&self, bytes: &mut [u8]) {
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0.as_flattened()) {
            *to = word.to_be_bytes();
        }
    }

    /// About how many ids are in one of two sets and not in the other, by their sketches.
    pub fn difference(self, other: Self) -> u64 {
        (self ^ other).count()
    }

    /// About how many ids are in the set: the number that makes these bits most likely.
    pub fn count(self) -> u64 {
        if self == Self::default() {
            return 0;
        }
        let odd = self.0.map(|words| words.iter().map(|word| f64::from(word.count_ones())).sum());
        let likelihood = |step: usize| -> f64 {
            let strata = odd.iter().enumerate();
            strata.map(|(at, &odd)| LIKELIHOOD.of(WORDS, step, at, odd)).sum()
        };
        // In strides first, then step by step around the best of those; the hill is wider.
        let best_of = |steps: &mut dyn Iterator<Item = usize>| -> usize {
            let start = (0, f64::NEG_INFINITY);
            let better = |best: (usize, f64), step| {
                let here = likelihood(step);
                if here > best.1 { (step, here) } else { best }
            };
            steps.fold(start, better).0
        };
        let near = best_of(&mut (0..=STEPS_MAX).step_by(STRIDE));
        let from = near.saturating_sub(STRIDE);
        let best = best_of(&mut (from..=(near + STRIDE).min(STEPS_MAX)));
        difference_at(best).round() as u64
    }
}

impl<const WORDS: usize> BitXor for Parities<WORDS> {
    type Output = Self;

    fn bitxor(self, other: Self) -> Self {
        Self(std::array::from_fn(|stratum| {
            std::array::from_fn(|at| self.0[stratum][at] ^ other.0[stratum][at])
        }))
    }
}

/// The difference at one step of the search.
fn difference_at(step: usize) -> f64 {
    (step as f64 / STEPS as f64).exp2()
}

/// What an odd and an even bit say, by how many ids a bit of a stratum has come to expect. A
/// stratum further is an octave lower, and twice the bits are too, so that one table serves all.
static LIKELIHOOD: LazyLock<Likelihood> = LazyLock::new(|| {
    let at = |place: usize| {
        let ids = difference_at(place) / difference_at(STRATA * STEPS) / FINE_BITS;
        let odd = ((1.0 - (-2.0 * ids).exp()) / 2.0).clamp(1e-6, 0.499_999);
        (odd.ln(), (1.0 - odd).ln())
    };
    let fold = FINE_WORDS.ilog2() as usize;
    Likelihood((0..=(OCTAVES + STRATA + fold) * STEPS).map(at).collect())
});

/// Bits in a stratum of a fine sketch.
const FINE_BITS: f64 = 64.0 * FINE_WORDS as f64;

/// The logarithms of the chance that a bit is odd, and that it is even.
struct Likelihood(Vec<(f64, f64)>);

impl Likelihood {
    /// How likely `odd` odd bits are in a `stratum` of `words` words, for the difference at `step`.
    fn of(&self, words: usize, step: usize, stratum: usize, odd: f64) -> f64 {
        // Stratum 0 takes half of all ids; the last two take equally many.
        let octaves = (stratum + 1).min(STRATA - 1);
        let fold = (FINE_WORDS / words).ilog2() as usize;
        let (if_odd, if_even) = self.0[step + (STRATA - octaves + fold) * STEPS];
        odd * if_odd + (64.0 * words as f64 - odd) * if_even
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Dice, ids};

    fn fine(ids: &[ItemId]) -> FineOdd {
        let mut odd = FineOdd::new();
        ids.iter().for_each(|id| odd.toggle(id));
        odd
    }

    fn odd(ids: &[ItemId]) -> Odd {
        fine(ids).folded()
    }

    #[test]
    fn the_bytes_of_an_odd_sketch_are_golden() {
        let bytes = odd(&ids(0..5)).to_bytes();
        let strata = [0x1000_0000, 0x8_0000_0800, 1 << 56, 0, 0x10_0000].into_iter();
        let expected: String = strata.map(|bits: u64| format!("{bits:016x}")).collect();
        assert_eq!(hex::encode(&bytes[..40]), expected);
        assert_eq!(bytes[40..], [0; 72]);
        assert_eq!(Odd::from_bytes(&bytes), odd(&ids(0..5)));
        let bytes = fine(&ids(0..5)).to_bytes();
        let words = [0, 0x1000_0000, 0, 0, 0x8_0000_0000, 0, 0x800, 0].into_iter();
        let expected: String = words.map(|bits: u64| format!("{bits:016x}")).collect();
        assert_eq!(hex::encode(&bytes[..64]), expected);
        assert_eq!(FineOdd::from_bytes(&bytes), fine(&ids(0..5)));
    }

    #[test]
    fn what_both_sets_hold_does_not_count() {
        let (ours, theirs) = (odd(&ids(0..1000)), odd(&ids(30..1030)));
        assert_eq!(ours.difference(ours), 0);
        assert_eq!(ours ^ theirs, odd(&[ids(0..30), ids(1000..1030)].concat()));
        assert!((30..120).contains(&ours.difference(theirs)));
    }

    /// The first answer is sized by this: too little costs a round trip, too much costs bytes.
    #[test]
    fn nine_estimates_of_ten_are_within_two_fifths_and_fine_ones_within_one() {
        for difference in [3, 10, 100, 1000, 10_000, 100_000] {
            let runs = if difference > 1000 { 20 } else { 100 };
            let (mut near, mut nearer) = (0, 0);
            for run in 0..runs {
                let from = run * difference;
                let fine = fine(&ids(from..from + difference));
                let [folded, fine] = [fine.folded().count(), fine.count()]
                    .map(|estimate| estimate as f64 / difference as f64);
                near += usize::from((0.6..1.4).contains(&folded));
                nearer += usize::from((0.8..1.2).contains(&fine));
            }
            assert!(near as f64 >= 0.9 * runs as f64, "{difference}: {near} of {runs}");
            assert!(nearer as f64 >= 0.9 * runs as f64, "{difference}: {nearer} of {runs}");
        }
    }

    /// The search skips steps; on what honest sets give, it ends where looking at all of them does.
    #[test]
    fn the_search_misses_no_better_answer() {
        fn thorough<const WORDS: usize>(odd: Parities<WORDS>) -> u64 {
            let likelihood = |step: usize| -> f64 {
                let ones =
                    odd.0.iter().map(|words| words.iter().map(|word| word.count_ones()).sum());
                let ones = ones.map(|ones: u32| f64::from(ones)).enumerate();
                ones.map(|(at, ones)| LIKELIHOOD.of(WORDS, step, at, ones)).sum()
            };
            let best = (0..=STEPS_MAX)
                .max_by(|&a, &b| likelihood(a).total_cmp(&likelihood(b)).then(b.cmp(&a)));
            difference_at(best.unwrap()).round() as u64
        }
        for difference in [1, 2, 5, 17, 80, 300, 1111, 5000, 30_000] {
            for run in 0..5 {
                let fine = fine(&ids(run << 32..(run << 32) + difference));
                assert_eq!(fine.count(), thorough(fine));
                assert_eq!(fine.folded().count(), thorough(fine.folded()));
            }
        }
    }

    #[test]
    fn every_sketch_gives_a_bounded_estimate() {
        let mut dice = Dice(3);
        for _ in 0..300 {
            let mut strata = [[0; FINE_WORDS]; STRATA];
            strata.as_flattened_mut().fill_with(|| [0, !0, dice.roll()][dice.below(3)]);
            let fine = Parities(strata);
            assert!(fine.count().max(fine.folded().count()) <= ESTIMATE_MAX);
        }
        assert_eq!(FineOdd::new().count(), 0);
        assert!((1..=3).contains(&odd(&ids(0..1)).count()));
        assert!(Parities([[!0]; STRATA]).count() > ESTIMATE_MAX / 2);
    }
}
