//! Forecasts when a provider will stop serving well, in time to leave it without a gap.
//!
//! In: a [`Reading`] of one provider every [`EVERY`], of what its path and its own reports say, and
//! the moments when it was heard of. Out: a [`Risk`] for each reading, with the cause that is
//! nearest. One detector for each cause of failure: a forecast of offered load, of latency and of
//! memory, and the share of packets that is lost; [`Silence`] tells a peer that died from one that
//! is late. `outlook` puts both together for a provider that contents come from.
//!
//! Guarantees: a forecast only ever changes cost. Who is believed, and what bytes are accepted, is
//! decided elsewhere, so a provider that lies in its reports gains or loses requests and no more.
//! What is missing in a reading is no reason for an alarm.
//! Not here: the clock, and what is done about a risk (`session`).

pub(crate) mod outlook;
mod silence;
mod smooth;

use std::time::Duration;

pub use silence::Silence;

use smooth::{Lowest, Smooth, Trend};

/// The time between two readings of a provider.
pub const EVERY: Duration = Duration::from_millis(500);

/// How far ahead load, latency and memory are forecast, in readings.
const LOAD_AHEAD: f64 = 18.0;
const LATENCY_AHEAD: f64 = 10.0;
/// Offered load that will not be served: forecasts run over, so this is more than 1.
const LOAD_MAX: f64 = 1.15;
/// Forecast of the median latency, as a share of what it was at best and [`LATENCY_SLACK_S`] more.
const LATENCY_MAX: f64 = 1.0;
/// Latency on top of the best that nobody minds, in seconds.
const LATENCY_SLACK_S: f64 = 0.2;
/// Share of packets that is lost, smoothed: a fifth of five in a hundred.
const LOSS_MAX: f64 = 0.01;
/// Memory that is used up in less time than this is a risk, in readings.
const MEMORY_AHEAD: f64 = 40.0;
/// The best latency is forgotten after so many readings: five minutes.
const BASELINE_READINGS: u32 = 600;

/// What is known of one provider at one moment; `None` where it said nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Load that it was offered, served or not, as a share of what it can serve.
    pub load: Option<f64>,
    /// The median of its last five answers.
    pub latency: Option<Duration>,
    /// Packets sent to it, and those lost, since the reading before.
    pub packets: Option<Packets>,
    /// Memory, or disk, in use as a share of its limit.
    pub memory: Option<f64>,
}

/// Packets of a path since the reading before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// All that were sent.
    pub sent: u64,
    /// Those that were declared lost.
    pub lost: u64,
}

/// Why a provider is expected to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is offered more than it can serve.
    Load,
    /// Its path gets slower.
    Latency,
    /// Its path loses packets.
    Loss,
    /// It runs out of memory or disk.
    Memory,
}

/// How near a provider is to failing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    /// The cause that is nearest.
    pub cause: Cause,
    /// How near, from 0: at 1 and above it is time to leave.
    pub score: f64,
}

impl Risk {
    /// Whether it is time to leave.
    pub fn is_alarm(&self) -> bool {
        self.score >= 1.0
    }
}

/// The forecast of one provider.
///
/// # Source
/// Exponential smoothing with a trend: Holt, *Forecasting seasonals and trends by exponentially
/// weighted moving averages*, 1957 (reprinted in Int. J. of Forecasting 20, 2004).
#[derive(Clone, Debug)]
pub struct Forecast {
    load: Trend,
    latency: Trend,
    best: Lowest,
    loss: Smooth,
    memory: Trend,
}

impl Default for Forecast {
    fn default() -> Self {
        Self {
            load: Trend::new(0.3, 0.1),
            latency: Trend::new(0.25, 0.08),
            best: Lowest::new(BASELINE_READINGS),
            loss: Smooth::new(0.2),
            memory: Trend::new(0.2, 0.05),
        }
    }
}

impl Forecast {
    /// Takes the next reading, [`EVERY`] after the one before; returns the nearest risk.
    pub fn observe(&mut self, reading: &Reading) -> Risk {
        if let Some(load) = sane(reading.load) {
            self.load.observe(load);
        }
        if let Some(latency) = reading.latency {
            let latency = latency.as_secs_f64();
            let best = self.best.observe(latency);
            self.latency.observe(latency / (best + LATENCY_SLACK_S));
        }
        if let Some(Packets { sent, lost }) = reading.packets
            && sent > 0
        {
            self.loss.observe((lost as f64 / sent as f64).min(1.0));
        }
        if let Some(memory) = sane(reading.memory) {
            self.memory.observe(memory);
        }
        self.risk()
    }

    /// The share of packets that is lost, smoothed.
    pub(crate) fn loss(&self) -> f64 {
        self.loss.value()
    }

    /// The nearest risk as of the last reading.
    pub fn risk(&self) -> Risk {
        let scores = [
            (Cause::Load, self.load.ahead(LOAD_AHEAD) / LOAD_MAX),
            (Cause::Latency, self.latency.ahead(LATENCY_AHEAD) / LATENCY_MAX),
            (Cause::Loss, self.loss.value() / LOSS_MAX),
            (Cause::Memory, self.memory.ahead(MEMORY_AHEAD)),
        ];
        let nearest = scores.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let (cause, score) = nearest.expect("there are four of them");
        Risk { cause, score: score.max(0.0) }
    }
}

/// A share that a peer reported, if it can be one. Ten times what it can serve is enough to say.
fn sane(share: Option<f64>) -> Option<f64> {
    share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 10.0))
}

#[cfg(test)]
mod tests;
