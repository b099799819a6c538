//! What experience says about a source: a circuit breaker, and a ban for those who lie.
//!
//! In: what became of requests, with the time. Out: whether to use the source now, and what was
//! measured of it. It is one node's own experience and is told to nobody. Not here: which source
//! is better than another (`topology`).

use std::time::Duration;

/// So many failures one after another open the circuit.
const FAILURES_MAX: u32 = 3;
/// And so does this share of failures among the last requests.
const ERRORS_MAX: f64 = 0.5;
/// How much the last request counts in that share.
const ERROR_WEIGHT: f64 = 0.2;
/// How long the circuit stays open at first; twice as long each time after that.
const OPEN_MIN: Duration = Duration::from_secs(1);
const OPEN_MAX: Duration = Duration::from_secs(300);
/// Who sent wrong bytes is not asked again for so long.
pub(crate) const BAN: Duration = Duration::from_secs(24 * 3600);

/// Whether a source may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circuit {
    /// It may.
    Closed,
    /// It failed often; later.
    Open,
    /// It failed often, but long enough ago: one request shall show.
    HalfOpen,
    /// It sent wrong bytes.
    Banned,
}

/// What is known of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Health {
    /// The share of requests that failed, the latest ones counting most.
    errors: f64,
    /// Failures since the last success.
    straight: u32,
    /// How often the circuit opened since the last success.
    openings: u32,
    open_until: Option<Duration>,
    banned_until: Option<Duration>,
    /// The delay there and back, when it was last connected.
    pub rtt: Option<Duration>,
    /// Bytes in a second that it delivered last.
    pub rate: Option<f64>,
    /// When it last answered.
    pub heard: Option<Duration>,
    /// Load that it says it is offered, as a share of what it can serve, in `0..=1`.
    pub load: Option<f64>,
    /// The share of packets that are lost on the way, in `0..=1`.
    pub loss: Option<f64>,
}

impl Health {
    /// Of one that is banned for so long from the beginning of time; never longer than for [`BAN`].
    pub(crate) fn banned(left: Duration) -> Self {
        Self { banned_until: Some(left.min(BAN)), ..Self::default() }
    }

    /// Until when it is banned, if it ever was.
    pub(crate) fn banned_until(&self) -> Option<Duration> {
        self.banned_until
    }

    /// Notes that a request was answered well.
    pub(crate) fn succeeded(&mut self) {
        self.errors *= 1.0 - ERROR_WEIGHT;
        self.straight = 0;
        self.openings = 0;
        self.open_until = None;
    }

    /// Notes that a request, or a dial, failed.
    ///
    /// - `jitter`: in `0..1`, spreads the next attempts of many nodes.
    pub(crate) fn failed(&mut self, now: Duration, jitter: f64) {
        self.errors = self.errors * (1.0 - ERROR_WEIGHT) + ERROR_WEIGHT;
        self.straight = self.straight.saturating_add(1);
        let was_probe = self.open_until.is_some();
        if was_probe || self.straight >= FAILURES_MAX || self.errors > ERRORS_MAX {
            let pause = OPEN_MIN.saturating_mul(1 << self.openings.min(16)).min(OPEN_MAX);
            self.open_until = Some(now + pause.mul_f64(1.0 + jitter / 4.0));
            self.openings = self.openings.saturating_add(1);
        }
    }

    /// Notes that it sent bytes that do not match their hash. The transport proves that they are
    /// its own, so there is no innocent explanation.
    pub(crate) fn lied(&mut self, now: Duration) {
        self.banned_until = Some(now + BAN);
    }

    /// Whether it may be used now.
    pub(crate) fn circuit(&self, now: Duration) -> Circuit {
        match (self.banned_until, self.open_until) {
            (Some(until), _) if now < until => Circuit::Banned,
            (_, Some(until)) if now < until => Circuit::Open,
            (_, Some(_)) => Circuit::HalfOpen,
            _ => Circuit::Closed,
        }
    }

    /// The share of its last requests that failed, `0..=1`.
    pub(crate) fn errors(&self) -> f64 {
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn three_failures_open_the_circuit_and_one_good_probe_closes_it() {
        let mut health = Health::default();
        health.failed(at(0), 0.0);
        health.failed(at(0), 0.0);
        assert_eq!(health.circuit(at(0)), Circuit::Closed);
        health.failed(at(0), 0.0);
        assert_eq!(health.circuit(at(999)), Circuit::Open);
        assert_eq!(health.circuit(at(1000)), Circuit::HalfOpen);
        // A failed probe waits twice as long.
        health.failed(at(1000), 0.0);
        assert_eq!(health.circuit(at(2999)), Circuit::Open);
        assert_eq!(health.circuit(at(3000)), Circuit::HalfOpen);
        health.succeeded();
        assert_eq!(health.circuit(at(3000)), Circuit::Closed);
    }

    #[test]
    fn a_source_that_fails_more_than_half_of_the_time_is_out_though_never_three_times_running() {
        let mut health = Health::default();
        let mut opened = false;
        for _ in 0..20 {
            health.failed(at(0), 0.0);
            health.failed(at(0), 0.0);
            opened |= health.circuit(at(0)) == Circuit::Open;
            health.succeeded();
        }
        assert!(opened);
    }

    #[test]
    fn the_pause_is_bounded_and_spread() {
        let mut health = Health::default();
        (0..100).for_each(|_| health.failed(at(0), 1.0));
        assert_eq!(health.circuit(OPEN_MAX + OPEN_MAX / 4), Circuit::HalfOpen);
        assert_eq!(health.circuit(OPEN_MAX), Circuit::Open);
    }

    /// Threat row 1: who sent wrong bytes once is not asked again for a day, whatever it did well.
    #[test]
    fn who_sent_wrong_bytes_is_banned_for_a_day() {
        let mut health = Health::default();
        health.lied(at(5));
        health.succeeded();
        assert_eq!(health.circuit(BAN), Circuit::Banned);
        assert_eq!(health.circuit(BAN + at(5)), Circuit::Closed);
    }
}
