//! A count that halves every day, in whole numbers.

use catalog::Timestamp;

/// 2^(-1/24) in 2^32nds: what is left of a count after one hour.
const HOUR: u64 = 4_172_697_914;
/// One request, so that a count fades smoothly.
pub(super) const ONE: u64 = 1 << 16;
/// The most that a count can be.
const MOST: u64 = 1 << 44;
/// Milliseconds of an hour.
const HOUR_MILLIS: u64 = 60 * 60 * 1000;

/// The hours since 1970.
pub(super) const fn hour(now: Timestamp) -> u64 {
    now.as_millis() / HOUR_MILLIS
}

/// A count as it was at some hour. Clocks that go back neither warm nor cool it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fading {
    pub units: u64,
    pub hour: u64,
}

impl Fading {
    /// What is left of it at that hour.
    pub fn at(self, hour: u64) -> u64 {
        let passed = hour.saturating_sub(self.hour);
        let days = u32::try_from(passed / 24).unwrap_or(u32::MAX);
        let mut left = self.units.min(MOST).checked_shr(days).unwrap_or_default();
        for _ in 0..passed % 24 {
            left = ((u128::from(left) * u128::from(HOUR)) >> 32) as u64;
        }
        left
    }

    /// The count with one more.
    pub fn plus_one(self, hour: u64) -> Self {
        Self { units: (self.at(hour) + ONE).min(MOST), hour: hour.max(self.hour) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_halves_every_day() {
        let count = Fading { units: 1000 * ONE, hour: 100 };
        assert_eq!(count.at(124), 500 * ONE);
        assert_eq!(count.at(100 + 24 * 10) / ONE, 0);
        assert_eq!(count.at(112) / ONE, 707);
        assert_eq!(count.at(50), 1000 * ONE, "a clock that went back");
        assert_eq!(Fading { units: u64::MAX, hour: 0 }.at(u64::MAX), 0);
    }

    #[test]
    fn fading_in_steps_is_fading_at_once() {
        let mut count = Fading { units: 1000 * ONE, hour: 0 };
        for hour in 1..=48 {
            count = Fading { units: count.at(hour), hour };
        }
        assert!((count.units / ONE).abs_diff(250) <= 1, "{}", count.units / ONE);
    }
}
