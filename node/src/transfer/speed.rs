//! How fast a source delivers, and how much to ask of it ahead of time.

use std::time::Duration;

use super::UNIT_BYTES;

/// After this long, a new speed counts for two thirds.
const MEMORY: Duration = Duration::from_millis(800);
/// What a source needs to begin with a request, besides the way there and back.
pub(super) const SERVICE: Duration = Duration::from_millis(25);
/// What is asked of a source whose speed is not known: a unit on its way, and one behind it.
const AHEAD_FIRST: u64 = UNIT_BYTES + 1;
/// What is asked of any source beyond bandwidth times delay. It is half a unit, so that requests,
/// which share the speed of their source evenly, do not all end at once and leave it idle.
const AHEAD_MIN: u64 = UNIT_BYTES / 2;

/// The measured speed of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Speed {
    /// Bytes in a second, smoothed.
    rate: Option<f64>,
    /// What has come since the last sample.
    fresh: u64,
}

impl Speed {
    pub(super) fn add(&mut self, bytes: u64) {
        self.fresh += bytes;
    }

    pub(super) fn has_fresh(&self) -> bool {
        self.fresh > 0
    }

    /// Takes what came in the last `span`, in which something was asked for, as a sample.
    pub(super) fn sample(&mut self, span: Duration) {
        let bytes = std::mem::take(&mut self.fresh) as f64;
        if span.is_zero() {
            return;
        }
        let now = bytes / span.as_secs_f64();
        self.rate = match self.rate {
            None if bytes == 0.0 => None,
            None => Some(now),
            Some(before) => {
                let kept = (-span.as_secs_f64() / MEMORY.as_secs_f64()).exp();
                Some(before * kept + now * (1.0 - kept))
            }
        };
    }

    /// Bytes in a second, once something has come.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How long `bytes` take at this speed.
    pub(super) fn time(&self, bytes: u64) -> Option<Duration> {
        let seconds = bytes as f64 / self.rate?.max(1.0);
        Some(Duration::from_secs_f64(seconds.min(1e6)))
    }

    /// A source gets more to do when it has fewer bytes than this left: bandwidth times delay, and
    /// some more.
    ///
    /// - `trust`: how much of that more, in `0..=1`.
    pub(super) fn ahead(&self, rtt: Duration, trust: f64) -> u64 {
        let Some(rate) = self.rate else { return (AHEAD_FIRST as f64 * trust) as u64 };
        (AHEAD_MIN as f64 * trust + rate * (rtt + SERVICE).as_secs_f64()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn steady(rate: f64) -> Speed {
        Speed { rate: Some(rate), fresh: 0 }
    }

    #[test]
    fn the_queue_of_a_source_grows_with_its_bandwidth_and_its_delay() {
        let ms = Duration::from_millis;
        assert_eq!(Speed::default().ahead(ms(20), 1.0), AHEAD_FIRST);
        assert_eq!(steady(20.0 * MB).ahead(ms(25), 1.0), AHEAD_MIN + 1_000_000);
        assert_eq!(steady(20.0 * MB).ahead(ms(175), 1.0), AHEAD_MIN + 4_000_000);
        assert_eq!(steady(0.01 * MB).ahead(ms(25), 1.0), AHEAD_MIN + 500);
        assert_eq!(steady(20.0 * MB).ahead(ms(25), 0.5), AHEAD_MIN / 2 + 1_000_000);
    }

    #[test]
    fn a_speed_is_known_only_once_something_came_and_follows_a_throttle() {
        let mut speed = Speed::default();
        let tick = Duration::from_millis(50);
        speed.sample(tick);
        assert_eq!(speed.rate(), None);
        speed.add(1_000_000);
        speed.sample(tick);
        assert_eq!(speed.rate(), Some(20.0 * MB));
        for _ in 0..40 {
            speed.add(50_000);
            speed.sample(tick);
        }
        assert!(speed.rate().unwrap() < 3.0 * MB, "{speed:?}");
    }
}
