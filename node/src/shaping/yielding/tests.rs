//! A line with a queue, in virtual time: background traffic beside a ping.

use super::super::{CHUNK_BYTES_MAX, Class, Limits, Rate, Shaper};
use super::*;
use catalog::permission::NodeId;

const MS: Duration = Duration::from_millis(1);
const PEER: NodeId = NodeId::from_bytes([1; 32]);

/// The next number of a small generator; the same for the same seed.
fn dice(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 40) as f64 / (1 << 24) as f64
}

/// A line of so many bytes a second with a long queue, and a sender that always has more.
struct Line {
    rate: f64,
    /// There and back without a queue.
    base: f64,
    seed: u64,
    shaper: Shaper,
    yielding: Yielding,
    now: Duration,
    /// Bytes in the queue.
    queue: f64,
    /// Others that send so many bytes a second.
    others: f64,
    /// Acknowledgements on their way: when they come, and the delay that they show.
    acks: std::collections::VecDeque<(f64, f64)>,
    smooth: Option<f64>,
    carried: u64,
    used: u64,
    /// By how much a ping was longer than without a queue, in milliseconds.
    rises: Vec<f64>,
}

impl Line {
    fn new(mbits: f64, base_ms: f64, seed: u64) -> Self {
        let yielding = Yielding::default();
        let mut shaper = Shaper::new(Duration::ZERO, Limits::default());
        shaper.slow_low(Duration::ZERO, Rate::AtMost(yielding.rate()));
        let mut line = Self {
            rate: mbits * 125_000.0,
            base: base_ms,
            seed,
            shaper,
            yielding,
            now: Duration::ZERO,
            queue: 0.0,
            others: 0.0,
            acks: Default::default(),
            smooth: None,
            carried: 0,
            used: 0,
            rises: Vec::new(),
        };
        line.ask();
        line
    }

    fn ask(&mut self) {
        self.shaper.ask(PEER, Class::Low, CHUNK_BYTES_MAX);
    }

    fn run(&mut self, seconds: u64, yields: bool) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.millisecond(yields);
        }
    }

    fn millisecond(&mut self, yields: bool) {
        let ms = self.now.as_secs_f64() * 1e3;
        self.queue = (self.queue - self.rate / 1e3).max(0.0) + self.others / 1e3;
        // Without a word about delays it would fill the line, as everything else does: here, with
        // a fifth more than the line carries.
        while !yields && self.queue < self.rate / 4.0 {
            self.queue += CHUNK_BYTES_MAX as f64;
        }
        while yields && self.shaper.next_grant(self.now).is_some() {
            self.queue += CHUNK_BYTES_MAX as f64;
            self.carried += CHUNK_BYTES_MAX;
            self.used += CHUNK_BYTES_MAX;
            let jitter = dice(&mut self.seed);
            let delay = self.base + self.queue / self.rate * 1e3 + jitter;
            self.acks.push_back((ms + delay, delay));
            self.ask();
        }
        while let Some((_, delay)) = self.acks.pop_front_if(|(at, _)| *at <= ms) {
            // As QUIC smooths it.
            self.smooth = Some(self.smooth.map_or(delay, |old| old + (delay - old) / 8.0));
        }
        if self.now.as_millis().is_multiple_of(STEP.as_millis()) {
            if let Some(rtt) = self.smooth {
                let rtt = Duration::from_secs_f64(rtt / 1e3);
                self.yielding.observe(self.now, 1, rtt);
            }
            let rate =
                self.yielding.step(self.now, std::mem::take(&mut self.used) + CHUNK_BYTES_MAX);
            self.shaper.slow_low(self.now, Rate::AtMost(rate));
        }
        if self.now.as_millis().is_multiple_of(20) {
            self.rises.push(self.queue / self.rate * 1e3);
        }
        self.now += MS;
    }

    /// The rise below which 99 of 100 pings stay.
    fn rise(&mut self) -> f64 {
        let mut rises = std::mem::take(&mut self.rises);
        rises.sort_by(f64::total_cmp);
        rises[rises.len() * 99 / 100]
    }
}

/// From the first moment on, on slow and fast lines near and far.
#[test]
fn a_ping_beside_background_traffic_at_full_speed_rises_by_less_than_20_ms() {
    for (mbits, base) in [(10.0, 5.0), (20.0, 30.0), (50.0, 20.0), (100.0, 80.0)] {
        for seed in 0..5 {
            let mut line = Line::new(mbits, base, seed);
            line.run(40, true);
            let rise = line.rise();
            assert!(rise <= 20.0, "{mbits} Mbit/s, {base} ms: {rise} ms");
            // And it is at full speed.
            let before = line.carried;
            line.run(20, true);
            let share = (line.carried - before) as f64 / (20.0 * line.rate);
            assert!(share > 0.8, "{mbits} Mbit/s, {base} ms: {share} of the line");
            let rise = line.rise();
            assert!(rise <= 20.0, "{mbits} Mbit/s, {base} ms: {rise} ms");
        }
    }
}

#[test]
fn traffic_that_does_not_yield_is_felt() {
    let mut line = Line::new(20.0, 30.0, 1);
    line.run(10, false);
    assert!(line.rise() > 200.0);
}

#[test]
fn beside_others_that_fill_the_line_it_gives_way_and_comes_back() {
    let mut line = Line::new(20.0, 30.0, 1);
    line.run(40, true);
    line.others = line.rate * 1.02;
    line.run(15, true);
    assert!(line.yielding.rate().as_u64() <= 2 * RATE_MIN as u64, "{}", line.yielding.rate());
    line.others = 0.0;
    line.queue = 0.0;
    line.run(90, true);
    assert!(line.yielding.rate().as_u64() as f64 > 0.7 * line.rate);
}

#[test]
fn a_rate_that_is_not_used_does_not_grow() {
    let mut yielding = Yielding::default();
    let before = yielding.rate();
    for step in 0..1000 {
        yielding.step(step * STEP, 100);
    }
    assert_eq!(yielding.rate(), before);
}

#[test]
fn a_longer_route_is_taken_for_a_queue_for_ten_minutes_at_most() {
    let mut yielding = Yielding::default();
    let mut at = |minute: u64, rtt: u64| {
        yielding.observe(Duration::from_secs(minute * 60), 1, rtt as u32 * MS);
        std::mem::take(&mut yielding.queue)
    };
    assert_eq!(at(0, 20), Duration::ZERO);
    assert_eq!(at(1, 50), 30 * MS);
    assert_eq!(at(BASE_MINUTES, 50), Duration::ZERO);
}

#[test]
fn connections_that_ended_long_ago_are_forgotten() {
    let mut yielding = Yielding::default();
    for link in 0..1000 {
        yielding.observe(link as u32 * MS, link, MS);
    }
    assert_eq!(yielding.links.len(), LINKS_MAX);
    assert!(yielding.links.contains_key(&999));
}
