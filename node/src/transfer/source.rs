//! One source of a transfer: where it stands, and when it may be asked again.

use std::time::Duration;

use super::call::DOUBT;
use super::health::{Circuit, Health};
use super::speed::Speed;

/// The pause before a source that was lost is dialled again.
pub(super) const RETRY: Duration = Duration::from_millis(500);
/// Silence for this long, while somebody else could go on, counts as a stall.
pub(super) const STALL: Duration = Duration::from_secs(1);
/// The same when there is nobody else.
pub(super) const STALL_ALONE: Duration = Duration::from_secs(10);

/// More requests at once hide no delay and lose much when a source dies.
pub(super) const REQUESTS_MAX: usize = 8;

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not connected, since then.
    Away { since: Option<Duration> },
    /// Being dialled.
    Dialling,
    /// Connected, and waiting for a seat since then.
    Spare { since: Duration },
    /// Connected and at work.
    Up,
    /// Not asked again in this transfer.
    Out,
}

/// For what a source is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Duty {
    /// In which round it is called: those of later rounds wait, connected, until the ones before
    /// are not enough.
    pub tier: u8,
    /// How much of what could be asked of it ahead is asked, in `0..=1`. Less than a whole request
    /// it never is.
    pub share: f64,
}

impl Default for Duty {
    fn default() -> Self {
        Self { tier: 0, share: 1.0 }
    }
}

/// A source that wants to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leave {
    /// Until when it can still be asked, when nobody else can.
    pub until: Duration,
    pub after: After,
    /// Whether it was told that nothing more is wanted of it.
    pub is_released: bool,
}

/// What becomes of a source that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It is gone.
    Gone,
    /// It takes part as before.
    Back,
}

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub stage: Stage,
    pub duty: Duty,
    /// What a forecast leaves of its share, in `0..=1`.
    pub trust: f64,
    pub leave: Option<Leave>,
    pub health: Health,
    pub rtt: Duration,
    pub speed: Speed,
    /// When something last came from it, or it was first asked.
    pub heard: Duration,
    /// For how long it had been asked and was silent, when its last request was taken from it.
    pub unheard: Duration,
    /// Whether something should have come from it since the last sample.
    pub owes: bool,
    /// When it was put to work.
    pub seated: Duration,
    /// How often it fell silent in this transfer.
    pub stalls: u32,
    /// Units that it said it does not have.
    pub refusals: usize,
    /// Requests that it has.
    pub live: usize,
    /// Requests that will be its own when another has let go of them.
    pub promised: usize,
}

impl Source {
    pub(super) fn new(health: Health) -> Self {
        Self {
            stage: Stage::Away { since: None },
            duty: Duty::default(),
            trust: 1.0,
            leave: None,
            rtt: health.rtt.unwrap_or_default(),
            health,
            speed: Speed::default(),
            heard: Duration::ZERO,
            unheard: Duration::ZERO,
            owes: false,
            seated: Duration::ZERO,
            stalls: 0,
            refusals: 0,
            live: 0,
            promised: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// Whether it should have delivered something and is silent.
    pub(super) fn is_doubtful(&self, now: Duration) -> bool {
        self.live > 0 && now >= self.heard + DOUBT + self.rtt * 2
    }

    pub(super) fn never_tried(&self) -> bool {
        self.stage == Stage::Away { since: None }
    }

    /// Notes that it is asked for something.
    pub(super) fn begin(&mut self, now: Duration) {
        if self.live == 0 {
            // Silence adds up: who is relieved of each request in time is silent all the same.
            self.heard = now.saturating_sub(self.unheard);
        }
        self.live += 1;
    }

    /// Notes that a request to it is over.
    pub(super) fn end(&mut self, now: Duration) {
        self.live -= 1;
        if self.live == 0 {
            self.unheard = now.saturating_sub(self.heard);
        }
    }

    /// Notes that it did what it was asked to.
    pub(super) fn succeed(&mut self) {
        self.health.succeeded();
        self.stalls = 0;
        self.unheard = Duration::ZERO;
    }

    /// Whether it may be asked for more.
    ///
    /// - `left`: what its requests have still to bring.
    /// - `trust`: what a forecast leaves of what is asked beyond bandwidth times delay: less than
    ///   that would waste the time until it fails.
    pub(super) fn has_room(&self, left: u64, trust: f64, now: Duration) -> bool {
        let requests = self.live + self.promised;
        match self.health.circuit(now) {
            Circuit::Closed => {
                // Nothing is left of what it was asked for: it has room however small its share.
                let ahead = self.speed.ahead(self.rtt, trust) as f64 * self.duty.share;
                requests < REQUESTS_MAX && (left as f64) < ahead.max(1.0)
            }
            // One request shall show.
            Circuit::HalfOpen | Circuit::Open | Circuit::Banned => requests == 0,
        }
    }

    /// How long it may be silent. Who fell silent before gets twice as long: a source that is
    /// merely slow to begin would otherwise never come to its first byte.
    pub(super) fn patience(&self, alone: bool) -> Duration {
        let grown = STALL.saturating_mul(1 << self.stalls.min(4));
        if alone { STALL_ALONE } else { grown.min(STALL_ALONE) }
    }

    /// Whether to dial it now.
    ///
    /// - `needed`: nobody else is connected, so that one with an open circuit is better than none.
    pub(super) fn is_due(&self, now: Duration, needed: bool) -> bool {
        let Stage::Away { since } = self.stage else { return false };
        let rested = since.is_none_or(|since| now >= since + RETRY);
        match self.health.circuit(now) {
            Circuit::Banned => false,
            Circuit::Closed | Circuit::HalfOpen => rested,
            Circuit::Open => rested && needed,
        }
    }
}
