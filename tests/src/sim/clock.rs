//! The two clocks of a node: one that only ever counts up, and one that is wrong.

use std::time::Duration;

use catalog::Timestamp;

/// What the clocks of a node say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the node started. It may run a little fast or slow, and never jumps.
    pub steady: Duration,
    /// What the node believes the date is; people and broken batteries set it.
    pub wall: Timestamp,
}

/// When every world begins.
const EPOCH_MS: i64 = 1_790_000_000_000;

const MILLION: u64 = 1_000_000;

/// The clocks of one node. True time is in microseconds since the world began.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    booted: u64,
    /// Steady seconds in a million true seconds.
    rate: u64,
    /// How far the wall clock is off, in milliseconds.
    offset: i64,
    /// When the wall clock stopped, if it stands.
    stopped: Option<u64>,
}

impl Clock {
    /// - `drift`: how many parts in a million the steady clock is fast.
    pub fn new(drift: i64, offset: i64) -> Self {
        let rate = MILLION.saturating_add_signed(drift);
        Self { booted: 0, rate, offset, stopped: None }
    }

    pub fn boot(&mut self, at: u64) {
        self.booted = at;
    }

    pub fn now(&self, at: u64) -> Now {
        let wall = self.stopped.unwrap_or(at) / 1000;
        let wall = EPOCH_MS + wall as i64 + self.offset;
        let wall = Timestamp::from_millis(wall.max(0) as u64);
        Now { steady: self.steady(at), wall }
    }

    fn steady(&self, at: u64) -> Duration {
        let since = u128::from(at.saturating_sub(self.booted));
        Duration::from_micros((since * u128::from(self.rate) / u128::from(MILLION)) as u64)
    }

    /// The first true time at which the steady clock has reached `wake`.
    pub fn when(&self, wake: Duration) -> u64 {
        let rate = u128::from(self.rate);
        let since = (wake.as_micros() * u128::from(MILLION)).div_ceil(rate);
        self.booted.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    pub fn jump(&mut self, by: i64) {
        self.offset += by;
    }

    pub fn stop(&mut self, at: u64) {
        self.stopped.get_or_insert(at);
    }

    /// Lets a clock that stood go on from where it stood.
    pub fn go(&mut self, at: u64) {
        if let Some(stopped) = self.stopped.take() {
            self.offset -= ((at - stopped) / 1000) as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_comes_when_the_steady_clock_is_there_and_not_before() {
        for drift in [-200, 0, 3, 200] {
            let mut clock = Clock::new(drift, 0);
            clock.boot(12_345_678);
            for wake in [0, 1, 999, 1_000_001, 300_000_000] {
                let wake = Duration::from_micros(wake);
                let at = clock.when(wake);
                assert!(clock.now(at).steady >= wake, "{drift} {wake:?}");
                assert!(at == clock.booted || clock.now(at - 1).steady < wake, "{drift} {wake:?}");
            }
        }
    }

    #[test]
    fn a_wall_clock_stands_jumps_and_goes_on() {
        let mut clock = Clock::new(0, 5);
        let wall = |clock: &Clock, at| clock.now(at).wall.as_millis() - EPOCH_MS as u64;
        assert_eq!(wall(&clock, 1_000_000), 1005);
        clock.stop(1_000_000);
        assert_eq!(wall(&clock, 9_000_000), 1005);
        clock.jump(1000);
        clock.go(9_000_000);
        assert_eq!(wall(&clock, 10_000_000), 3005);
        assert_eq!(clock.now(10_000_000).steady, Duration::from_secs(10));
        clock.jump(-EPOCH_MS * 2);
        assert_eq!(clock.now(0).wall.as_millis(), 0, "nothing is before 1970");
    }
}
