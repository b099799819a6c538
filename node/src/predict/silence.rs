//! How unlikely it is that a peer which was not heard of for a while still lives.

use std::collections::VecDeque;
use std::time::Duration;

use catalog::Timestamp;

/// Intervals that are remembered.
const INTERVALS_MAX: usize = 100;
/// Signs of life come more evenly than this nowhere: a share of the interval.
const DEVIATION_MIN: f64 = 0.25;
/// A pause that says nothing yet, on top of what is usual: a collection, a busy core.
const PAUSE: Duration = Duration::from_millis(500);
/// What is expected before anything was heard.
const FIRST: Duration = Duration::from_millis(500);
/// A peer at which the doubt is this large is taken for dead: once in 10^8 intervals it is not.
pub const DOUBT_MAX: f64 = 8.0;

/// Signs of life of one peer.
///
/// # Source
/// Hayashibara et al., *The phi accrual failure detector*, SRDS 2004; that we doubt ourselves when
/// we are late ourselves is from Dadgar et al., *Lifeguard*, 2017 (arXiv 1707.00788).
#[derive(Clone, Debug)]
pub struct Silence {
    intervals: VecDeque<f64>,
    last: Timestamp,
}

impl Silence {
    /// A peer that was heard of just now.
    pub fn since(now: Timestamp) -> Self {
        Self { intervals: VecDeque::new(), last: now }
    }

    /// Notes a sign of life.
    pub fn heard(&mut self, now: Timestamp) {
        if self.intervals.len() == INTERVALS_MAX {
            self.intervals.pop_front();
        }
        self.intervals.push_back(self.quiet(now));
        self.last = self.last.max(now);
    }

    /// The doubt that it lives: 1 is wrong once in ten times, 2 once in a hundred.
    ///
    /// - `lateness`: how much later than asked we were woken ourselves; silence is counted from then.
    pub fn doubt(&self, now: Timestamp, lateness: Duration) -> f64 {
        let (mean, deviation) = self.expected();
        let quiet = self.quiet(now) - (PAUSE + lateness).as_secs_f64();
        let over = (quiet - mean) / deviation;
        // The tail of the normal distribution by a logistic curve (Bowling et al., 2009).
        let curve = (-over * (1.5976 + 0.070_566 * over * over)).exp();
        let later = if quiet > mean { curve / (1.0 + curve) } else { 1.0 - 1.0 / (1.0 + curve) };
        -later.max(f64::MIN_POSITIVE).log10()
    }

    /// Whether it is taken for dead.
    pub fn is_dead(&self, now: Timestamp, lateness: Duration) -> bool {
        self.doubt(now, lateness) >= DOUBT_MAX
    }

    fn quiet(&self, now: Timestamp) -> f64 {
        now.since(self.last).as_secs_f64()
    }

    /// Mean and deviation of the intervals, in seconds.
    fn expected(&self) -> (f64, f64) {
        let first = FIRST.as_secs_f64();
        let count = self.intervals.len().max(1) as f64;
        let mean = match self.intervals.is_empty() {
            true => first,
            false => self.intervals.iter().sum::<f64>() / count,
        };
        let variance = self.intervals.iter().map(|i| (i - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt().max(mean * DEVIATION_MIN).max(0.01))
    }
}
