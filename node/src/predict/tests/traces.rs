//! Providers that live and fail in known ways, two readings a second.
//!
//! A quiet life has bursts of load, latency that is related to its neighbours, radio links that
//! stutter, packets lost in groups, and memory that is filled and collected. A failure is a ramp
//! on top, of a length that the seed chooses.

use std::time::Duration;

use catalog_tests::dice::Dice;

use super::super::{Packets, Reading};

/// A way to fail, and how long it takes to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Load rises for 8 to 60 s until requests wait for more than a quarter of a second.
    Overload,
    /// The path gets slower and loses packets for 4 to 30 s, until answers take half a second.
    Congestion,
    /// Memory fills up within 60 to 600 s.
    Leak,
}

/// One provider, seen from a client.
pub struct Provider {
    chance: Chance,
    load: f64,
    drift: f64,
    burst: f64,
    fade: f64,
    base_s: f64,
    noise: f64,
    stutter_s: f64,
    losing: u32,
    memory: f64,
    fill: f64,
    /// Seconds of work that wait.
    queue_s: f64,
    ramp: Option<(Failure, f64, f64)>,
    failed: bool,
}

impl Provider {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance(Dice::new(seed));
        Self {
            load: chance.between(0.2, 0.7),
            base_s: chance.between(0.01, 0.1),
            memory: chance.between(0.2, 0.5),
            fill: chance.between(0.0005, 0.002),
            drift: 0.0,
            burst: 0.0,
            fade: 1.0,
            noise: 0.0,
            stutter_s: 0.0,
            losing: 0,
            queue_s: 0.0,
            ramp: None,
            failed: false,
            chance,
        }
    }

    /// From now on it gets worse.
    pub fn fail_by(&mut self, failure: Failure) {
        let (min, max) = match failure {
            Failure::Overload => (8.0, 60.0),
            Failure::Congestion => (4.0, 30.0),
            Failure::Leak => (60.0, 600.0),
        };
        self.ramp = Some((failure, 0.5 / self.chance.between(min, max), 0.0));
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    pub fn next(&mut self) -> Reading {
        if let Some((_, step, share)) = &mut self.ramp {
            *share += *step;
        }
        let ramp = |of| self.ramp.filter(|ramp| ramp.0 == of).map(|ramp| ramp.2);
        let (overload, congestion, leak) =
            (ramp(Failure::Overload), ramp(Failure::Congestion), ramp(Failure::Leak));
        let load = self.load(overload);
        let latency = self.latency(congestion);
        let packets = self.packets(congestion);
        let memory = self.memory(leak);
        self.failed |= self.queue_s > 0.25 && overload.is_some();
        self.failed |= latency > 0.5 && congestion.is_some();
        self.failed |= memory >= 1.0;
        Reading {
            load: Some(load),
            latency: Some(Duration::from_secs_f64(latency)),
            packets: Some(packets),
            memory: Some(memory),
        }
    }

    /// A ramp ends a third above what can be served.
    fn load(&mut self, ramp: Option<f64>) -> f64 {
        self.drift = 0.97 * self.drift + self.chance.normal(0.015);
        if self.chance.once_in(600.0) {
            (self.burst, self.fade) =
                (self.chance.between(0.1, 0.5), self.chance.between(0.6, 0.9));
        }
        self.burst *= self.fade;
        let quiet = (self.load + self.drift + self.burst).clamp(0.02, 1.0);
        let load = quiet + ramp.unwrap_or(0.0) * (1.33 - self.load) + self.chance.normal(0.02);
        self.queue_s = (self.queue_s + (load - 1.0) * 0.5).max(0.0);
        load.max(0.0)
    }

    /// The median of five answers. A ramp ends at 600 ms more.
    fn latency(&mut self, ramp: Option<f64>) -> f64 {
        self.noise = 0.7 * self.noise + self.chance.normal(0.1);
        self.stutter_s *= 0.3;
        if self.chance.once_in(400.0) {
            self.stutter_s = self.chance.between(0.03, 0.3);
        }
        let base = self.base_s * self.noise.exp() + self.queue_s + 0.6 * ramp.unwrap_or(0.0);
        let mut five = [0.0; 5].map(|_: f64| {
            let stutter = if self.chance.once_in(2.0) { self.stutter_s } else { 0.0 };
            base * self.chance.normal(0.1).exp() + stutter
        });
        five.sort_by(f64::total_cmp);
        five[2]
    }

    /// A ramp ends at a loss of 8 in 100.
    fn packets(&mut self, ramp: Option<f64>) -> Packets {
        if self.chance.once_in(1200.0) {
            self.losing = 2;
        }
        let group = if self.losing > 0 { 0.015 } else { 0.0 };
        self.losing = self.losing.saturating_sub(1);
        let share = 0.0005 + group + 0.08 * ramp.unwrap_or(0.0);
        let sent = 200;
        let lost = (0..sent).filter(|_| self.chance.once_in(1.0 / share)).count() as u64;
        Packets { sent, lost }
    }

    /// Filled and collected; a ramp ends when it is full.
    fn memory(&mut self, ramp: Option<f64>) -> f64 {
        self.memory += self.fill;
        if self.memory > 0.65 {
            self.memory = self.chance.between(0.3, 0.5);
        }
        let left = 1.0 - self.memory;
        (self.memory + ramp.unwrap_or(0.0) * left + self.chance.normal(0.003)).max(0.0)
    }
}

/// Chance that a seed repeats, in the shapes that a life needs.
struct Chance(Dice);

impl Chance {
    fn unit(&mut self) -> f64 {
        (self.0.roll() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, min: f64, max: f64) -> f64 {
        min + (max - min) * self.unit()
    }

    fn once_in(&mut self, times: f64) -> bool {
        self.unit() * times < 1.0
    }

    /// Normal with mean 0: the sum of twelve.
    fn normal(&mut self, deviation: f64) -> f64 {
        ((0..12).map(|_| self.unit()).sum::<f64>() - 6.0) * deviation
    }
}
