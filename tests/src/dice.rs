//! Chance that can be repeated: every round of a fault test prints the seed that it ran with.

use std::ops::Range;

/// A stream of numbers that depends on its seed alone: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number inside `range`, which is not empty.
    pub fn pick(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.roll().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// Draws numbers of which the first come most often: the `n`-th by `1 / n` (Zipf's law).
#[derive(Clone, Debug)]
pub struct Zipf {
    /// The sums of the weights up to each number.
    sums: Vec<f64>,
}

impl Zipf {
    /// Numbers from 0 to `count`, without it.
    pub fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let add = |rank: usize| {
            sum += 1.0 / rank as f64;
            sum
        };
        Self { sums: (1..=count).map(add).collect() }
    }

    /// The next number.
    pub fn pick(&self, dice: &mut Dice) -> usize {
        let all = self.sums.last().copied().unwrap_or_default();
        let point = dice.pick(0..1 << 32) as f64 / (1_u64 << 32) as f64 * all;
        self.sums.partition_point(|&sum| sum <= point)
    }
}
