//! How fast a mirror makes up for copies that others lost.

use std::time::Duration;

use catalog::{ByteSize, Timestamp};

/// At most one repair in this time.
pub(super) const REPAIR_EVERY: Duration = Duration::from_secs(10);
/// One part in so many of the bandwidth goes into repairs.
const BANDWIDTH_PART: u64 = 5;
/// What was not used is saved up for so long.
const SAVED_MILLIS: i64 = 60 * 1000;

/// A token bucket in which a large copy leaves a debt: it waits for nobody, the next one does.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// Bytes times 1000 that may be fetched at `at`; below zero is a debt.
    saved: i64,
    at: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Pace {
    pub fn new(bandwidth: ByteSize) -> Self {
        let mut pace = Self { bytes_per_second: 0, saved: 0, at: None, last: None };
        pace.set(bandwidth);
        pace
    }

    pub fn set(&mut self, bandwidth: ByteSize) {
        self.bytes_per_second = (bandwidth.as_u64() / BANDWIDTH_PART).clamp(1, 1 << 40);
    }

    /// Whether a repair may begin.
    pub fn allows(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        let rested = self.last.is_none_or(|last| now.since(last) >= REPAIR_EVERY);
        rested && self.saved >= 0
    }

    /// Notes that a repair of so many bytes begins.
    pub fn take(&mut self, now: Timestamp, bytes: ByteSize) {
        self.fill(now);
        let cost = i64::try_from(bytes.as_u64().saturating_mul(1000)).unwrap_or(i64::MAX);
        self.saved = self.saved.saturating_sub(cost);
        self.last = Some(now);
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = self.at.map_or(0, |at| now.since(at).as_millis());
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let rate = self.bytes_per_second as i64;
        self.saved =
            self.saved.saturating_add(passed.saturating_mul(rate)).min(SAVED_MILLIS * rate);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    #[test]
    fn repairs_come_one_in_ten_seconds() {
        let mut pace = Pace::new(ByteSize::mib(5));
        let mut repairs = 0;
        for second in 0..100 {
            if pace.allows(at(second)) {
                pace.take(at(second), ByteSize::kib(1));
                repairs += 1;
            }
        }
        assert_eq!(repairs, 10);
    }

    #[test]
    fn repairs_take_a_fifth_of_the_bandwidth() {
        let mut pace = Pace::new(ByteSize::mib(5));
        let mut bytes = 0;
        for second in 0..3600 {
            if pace.allows(at(second)) {
                pace.take(at(second), ByteSize::mib(100));
                bytes += 100;
            }
        }
        // 3600 MiB, and the copy that may always begin.
        assert!((3500..=3700).contains(&bytes), "{bytes} MiB in an hour");
    }

    #[test]
    fn a_clock_that_jumps_saves_up_no_storm() {
        let mut pace = Pace::new(ByteSize::mib(5));
        assert!(pace.allows(at(0)));
        pace.take(at(0), ByteSize::mib(1));
        assert!(pace.allows(at(1_000_000_000)));
        pace.take(at(1_000_000_000), ByteSize::mib(100));
        assert!(!pace.allows(at(1_000_000_010)), "a minute was saved, not 30 years");
        assert!(!pace.allows(at(0)) && !pace.allows(at(50)), "and time does not go back");
    }
}
