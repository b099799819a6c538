//! Decides how fast background traffic may go so that the line's other traffic does not feel it.
//!
//! In: delays there and back of the connections in use, and how much went. Out: a rate. A delay above
//! the shortest that was seen is a queue that somebody fills; below the [`TARGET`] the rate grows,
//! above it the rate falls, whoever fills the queue.
//!
//! Guarantees: alone on a line it settles near what the line carries, with a queue of about the
//! target; beside traffic that fills the queue it falls to [`RATE_MIN`], and never to nothing.
//!
//! # Source
//! LEDBAT, RFC 6817, as a rate instead of a window, with a far smaller target: the RFC allows 100 ms
//! of queue, which a call or a game feels.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::ByteSize;

/// The queue that is aimed at.
pub(crate) const TARGET: Duration = Duration::from_millis(5);
/// How often the rate is decided anew.
pub(crate) const STEP: Duration = Duration::from_millis(100);
/// Where it begins, in bytes a second.
const RATE_START: f64 = 256.0 * 1024.0;
/// It never gives up altogether: what nobody moves at all never ends.
const RATE_MIN: f64 = 32.0 * 1024.0;
/// As good as no limit.
const RATE_MAX: f64 = 2e9;
/// How much the rate grows in a step without any queue. More overshoots before it is seen: delays
/// are smoothed and a round trip old.
const GROWTH: f64 = 0.03;
/// How much it grows near the rate at which a queue was seen last.
const GROWTH_NEAR: f64 = 0.003;
const NEAR: f64 = 0.9;
/// How much it falls when the queue is too long, for each target that it is, and at most.
const FALL: f64 = 0.05;
const FALL_BY_TARGET: f64 = 0.1;
const FALL_MAX: f64 = 0.5;
/// What a change did is seen a round trip and so much later; until then there is no other.
const HOLD: Duration = Duration::from_millis(300);
/// The shortest delay of so many minutes counts: routes change.
const BASE_MINUTES: u64 = 10;
/// The most connections of which delays are remembered.
const LINKS_MAX: usize = 256;

/// The controller of one direction.
#[derive(Debug)]
pub(crate) struct Yielding {
    rate: f64,
    links: BTreeMap<u64, Link>,
    /// The longest queue since the last step, and the longest delay.
    queue: Duration,
    rtt: Duration,
    /// The rate at which a queue was seen last.
    ceiling: f64,
    /// What was done last has no effect to be seen before this.
    hold_until: Duration,
}

/// The delays of one connection.
#[derive(Debug, Default)]
struct Link {
    /// The shortest delay of each minute in which it was heard of, by the number of the minute.
    base: BTreeMap<u64, Duration>,
    heard: Duration,
}

impl Default for Yielding {
    fn default() -> Self {
        Self {
            rate: RATE_START,
            links: BTreeMap::new(),
            queue: Duration::ZERO,
            rtt: Duration::ZERO,
            ceiling: RATE_MAX,
            hold_until: Duration::ZERO,
        }
    }
}

impl Yielding {
    /// What may go in a second now.
    pub(crate) fn rate(&self) -> ByteSize {
        ByteSize::bytes(self.rate as u64)
    }

    /// Takes the delay of a connection, there and back.
    pub(crate) fn observe(&mut self, now: Duration, link: u64, rtt: Duration) {
        if self.links.len() >= LINKS_MAX && !self.links.contains_key(&link) {
            let oldest = self.links.iter().min_by_key(|(_, link)| link.heard).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.links.remove(&oldest));
        }
        let minute = now.as_secs() / 60;
        let link = self.links.entry(link).or_default();
        link.heard = now;
        link.base.retain(|heard, _| heard + BASE_MINUTES > minute);
        let of_minute = link.base.entry(minute).or_insert(rtt);
        *of_minute = rtt.min(*of_minute);
        let base = link.base.values().min().copied().unwrap_or(rtt);
        let queue = rtt.saturating_sub(base);
        self.queue = self.queue.max(queue);
        self.rtt = self.rtt.max(rtt);
    }

    /// Decides the rate for the next [`STEP`].
    ///
    /// - `used`: the bytes that went in the last one, with those that wait.
    pub(crate) fn step(&mut self, now: Duration, used: u64) -> ByteSize {
        let (queue, rtt) = (std::mem::take(&mut self.queue), std::mem::take(&mut self.rtt));
        let off = 1.0 - queue.as_secs_f64() / TARGET.as_secs_f64();
        // What is not used says nothing about the line.
        let is_used = used as f64 * 2.0 >= self.rate * STEP.as_secs_f64();
        if now < self.hold_until {
            return self.rate();
        }
        if off < 0.0 {
            self.ceiling = self.rate;
            self.rate *= 1.0 - (FALL - off * FALL_BY_TARGET).min(FALL_MAX);
            self.hold_until = now + HOLD + rtt;
        } else if is_used {
            let is_near = self.rate > NEAR * self.ceiling;
            self.rate *= 1.0 + off * if is_near { GROWTH_NEAR } else { GROWTH };
            // A line that carries far more than before shall not be crept up to.
            self.ceiling = if self.rate > self.ceiling * 1.2 { RATE_MAX } else { self.ceiling };
        }
        self.rate = self.rate.clamp(RATE_MIN, RATE_MAX);
        self.rate()
    }
}

#[cfg(test)]
mod tests;
