//! A token bucket.

use std::time::Duration;

/// Bytes that may go now, and how fast they come back.
///
/// # Source
/// Kept as the moment at which it is full again: the generic cell rate algorithm, ITU-T I.371.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Bytes a second, at least 1.
    rate: u64,
    /// Bytes that it holds.
    burst: u64,
    full_at: Duration,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: u64, burst: u64) -> Self {
        Self { rate: rate.max(1), burst, full_at: Duration::ZERO }
    }

    /// Changes how fast it fills and what it holds; what is missing stays missing.
    pub(crate) fn set(&mut self, now: Duration, rate: u64, burst: u64) {
        let missing = self.full_at.saturating_sub(now).as_nanos() * u128::from(self.rate);
        let missing = u64::try_from(missing / 1_000_000_000).unwrap_or(u64::MAX).min(burst);
        *self = Self::new(rate, burst);
        self.full_at = now + self.time_of(missing);
    }

    /// When `bytes` are in it, or it is full.
    pub(crate) fn ready_at(&self, now: Duration, bytes: u64) -> Duration {
        let spare = self.time_of(self.burst.saturating_sub(bytes));
        self.full_at.saturating_sub(spare).max(now)
    }

    /// Takes bytes that were ready.
    pub(crate) fn take(&mut self, now: Duration, bytes: u64) {
        self.full_at = self.full_at.max(now) + self.time_of(bytes);
    }

    pub(crate) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }

    /// How long `bytes` take at its rate.
    fn time_of(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_goes_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(1000, 5000);
        let mut gone = 0;
        for ms in 0..10_000 {
            let now = SECOND + Duration::from_millis(ms);
            while bucket.ready_at(now, 100) <= now {
                bucket.take(now, 100);
                gone += 100;
            }
        }
        assert_eq!(gone, 5000 + 9900);
    }

    #[test]
    fn other_limits_do_not_give_back_what_was_used() {
        let mut bucket = Bucket::new(1000, 5000);
        bucket.take(SECOND, 5000);
        bucket.set(SECOND, 500, 5000);
        assert_eq!(bucket.ready_at(SECOND, 500), 2 * SECOND);
        bucket.set(SECOND, 1_000_000, 100);
        assert!(!bucket.is_full(SECOND), "a smaller one is empty too");
    }

    #[test]
    fn more_than_it_holds_goes_when_it_is_full() {
        let mut bucket = Bucket::new(1000, 100);
        bucket.take(SECOND, 400);
        assert_eq!(bucket.ready_at(SECOND, 400), SECOND + Duration::from_millis(400));
    }

    #[test]
    fn a_rate_of_nothing_is_slow_and_not_a_panic() {
        let mut bucket = Bucket::new(0, 10);
        bucket.take(SECOND, 10);
        assert_eq!(bucket.ready_at(SECOND, 10), SECOND + 10 * SECOND);
        bucket.take(SECOND, u64::MAX);
        assert!(bucket.ready_at(SECOND, 1) > 1_000_000 * SECOND);
    }
}
