//! Chance that is the same on every machine: a simulated world rolls nothing else.

/// A stream of numbers that depends on its seed alone: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The stream of `seed` for one `purpose`: what is rolled for one never shifts another.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let mut chance = Self(seed);
        for byte in purpose.bytes() {
            chance.0 = chance.roll() ^ u64::from(byte);
        }
        chance
    }

    /// The next number.
    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        ((self.roll() as u128 * end as u128) >> 64) as u64
    }

    /// Whether something happens that happens once in `times`.
    pub(super) const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// `total` divided by `parts`, rounded up as often as needed to be right on average.
    pub(super) const fn share(&mut self, total: u64, parts: u64) -> u64 {
        total / parts + (self.below(parts) < total % parts) as u64
    }

    /// Puts `items` into an order of chance.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_have_streams_of_their_own() {
        let rolls = |seed, purpose| Chance::new(seed, purpose).roll();
        assert_eq!(rolls(1, "demand"), rolls(1, "demand"));
        assert_ne!(rolls(1, "demand"), rolls(1, "faults"));
        assert_ne!(rolls(1, "demand"), rolls(2, "demand"));
    }

    #[test]
    fn shares_are_right_on_average() {
        let mut chance = Chance::new(7, "shares");
        let total: u64 = (0..10_000).map(|_| chance.share(25, 10)).sum();
        assert!((24_500..25_500).contains(&total), "{total}");
    }
}
