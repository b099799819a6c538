//! Whole transfers in a simulated network.

use std::time::Duration;

use super::world::{Foresight, Manner, Outcome, Peer, STALL, run, run_as, units};

const MIB: u64 = 1 << 20;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// How long so many bytes take if every source is used all the time.
fn ideal(peers: &[Peer], bytes: u64) -> Duration {
    let step = Duration::from_millis(5);
    let (mut now, mut came) = (Duration::ZERO, 0.0);
    while came < bytes as f64 {
        came += peers.iter().map(|peer| peer.speed(now)).sum::<f64>() * step.as_secs_f64();
        now += step;
    }
    now
}

/// Splitmix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// Most of the values are small, a few large.
    fn spread(&mut self, range: std::ops::Range<f64>) -> f64 {
        let share = self.pick(0..1000) as f64 / 1000.0;
        range.start * (range.end / range.start).powf(share)
    }
}

/// Four sources, of which the fastest dies without a word and the second is throttled, together
/// take hardly longer than if it had been known.
#[test]
fn a_silent_death_and_a_throttle_cost_next_to_nothing() {
    let peers = [
        Peer::new(20.0, 20, Manner::Killed { at: secs(8.0), back: None }),
        Peer::new(10.0, 20, Manner::Throttled { at: secs(12.0), rate: 5e6 }),
        Peer::new(6.0, 20, Manner::Good),
        Peer::new(4.0, 20, Manner::Good),
    ];
    let bytes = 512 * MIB;
    let best = ideal(&peers, bytes);
    for seed in 0..5 {
        let outcome = run(&peers, 4096, &units(bytes), seed);
        let times = outcome.took.as_secs_f64() / best.as_secs_f64();
        println!(
            "seed {seed}: {:.2} s, ideal {:.2} s, x {times:.3}, gap {:.2} s, twice {:.2} %",
            outcome.took.as_secs_f64(),
            best.as_secs_f64(),
            outcome.gap.as_secs_f64(),
            outcome.duplicates() * 100.0
        );
        assert!(outcome.is_finished && outcome.is_whole);
        assert!(times <= 1.15, "seed {seed}: {times}");
        assert!(outcome.gap <= secs(1.2), "seed {seed}: {:?}", outcome.gap);
        assert!(outcome.duplicates() <= 0.02, "seed {seed}: {}", outcome.duplicates());
    }
}

fn manner(dice: &mut Dice) -> Manner {
    let at = secs(dice.spread(0.05..20.0));
    match dice.pick(0..8) {
        0 => Manner::Good,
        1 => {
            let back = (dice.pick(0..2) == 0).then(|| at + secs(dice.spread(0.5..10.0)));
            Manner::Killed { at, back }
        }
        2 => Manner::BlackHole,
        3 => Manner::Poison { after: dice.spread(1.0..5e7) as u64 },
        4 => Manner::Drip { rate: dice.spread(1e2..2e5) },
        5 => Manner::Skewed { factor: dice.spread(0.1..10.0) },
        6 => Manner::Empty,
        _ => Manner::Throttled { at, rate: dice.spread(1e4..1e6) },
    }
}

struct Scenario {
    peers: Vec<Peer>,
    body: Vec<u64>,
}

impl Scenario {
    /// One good source, somewhere among others of which any may fail in any way.
    fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let good = Peer::new(dice.spread(1.0..40.0), dice.pick(1..200), Manner::Good);
        let mut peers = vec![good];
        for _ in 0..dice.pick(1..8) {
            let manner = manner(&mut dice);
            peers.push(Peer::new(dice.spread(0.2..80.0), dice.pick(1..300), manner));
        }
        // In half of the scenarios they are called in rounds.
        if dice.pick(0..2) == 0 {
            peers.iter_mut().for_each(|peer| peer.tier = dice.pick(0..3) as u8);
        }
        let place = dice.pick(0..peers.len() as u64) as usize;
        peers.swap(0, place);
        let mut body = units(dice.spread(1e4..2.5e8) as u64);
        // Runs of small files are smaller and larger than a unit of a large file.
        (0..dice.pick(0..20)).for_each(|_| body.push(dice.pick(1..2 * MIB)));
        Self { peers, body }
    }

    fn run(&self, seed: u64) -> Outcome {
        run(&self.peers, 20_000, &self.body, seed)
    }

    /// The same from the fastest good source alone.
    fn run_good_alone(&self, seed: u64) -> Outcome {
        let good = self.peers.iter().filter(|peer| peer.manner == Manner::Good);
        let good = good.max_by(|one, other| one.rate.total_cmp(&other.rate));
        run(&good.cloned().into_iter().collect::<Vec<_>>(), 20_000, &self.body, seed)
    }
}

/// Whatever other sources do, an install takes hardly longer than from the good one alone.
#[test]
fn no_set_of_bad_sources_slows_a_good_one_down() {
    let (mut added, mut lies) = (Vec::new(), 0);
    for seed in 0..200 {
        let scenario = Scenario::of(seed);
        let (all, alone) = (scenario.run(seed), scenario.run_good_alone(seed));
        let context = || format!("seed {seed}: {:?}\n{all:?}\n{alone:?}", scenario.peers);
        assert!(alone.is_finished, "{}", context());
        assert!(all.is_finished && all.is_whole, "{}", context());
        assert!(all.duplicates() <= 0.02 || all.came - all.wanted <= 512 << 10, "{}", context());
        let more = all.took.as_secs_f64() - alone.took.as_secs_f64();
        added.push((more.max(0.0), seed));
        lies += all.lies;
    }
    added.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (p50, p95, worst) = (added[100], added[190], added[199]);
    println!("seeds 0 to 199; added time (s, seed): p50 {p50:?}, p95 {p95:?}, worst {worst:?}");
    assert!(lies > 0, "wrong bytes were sent, and none of them was kept");
    assert!(p95.0 <= 2.0, "{p95:?}");
    assert!(worst.0 <= 5.0, "{worst:?}");
}

/// Sources of which the fastest leaves at some moment, and how many bytes are wanted of them.
fn leaving(seed: u64, manner: impl Fn(Duration) -> Manner) -> (Vec<Peer>, Duration, u64) {
    let mut dice = Dice(seed);
    let mut peers: Vec<Peer> = (0..dice.pick(2..5))
        .map(|_| Peer::new(dice.spread(1.0..40.0), dice.pick(1..80), Manner::Good))
        .collect();
    peers.sort_by(|one, other| other.rate.total_cmp(&one.rate));
    // In half of the trials it is the only one in use: alone it is done within a second.
    let (at, bytes) = match dice.pick(0..2) {
        0 => {
            peers[1..].iter_mut().for_each(|peer| peer.tier = 1);
            (secs(dice.spread(0.4..0.7)), peers[0].rate * 1.1)
        }
        _ => {
            let (at, rate) =
                (dice.spread(0.5..4.0), peers.iter().map(|peer| peer.rate).sum::<f64>());
            (secs(at), rate * (at + 4.0))
        }
    };
    peers[0].manner = manner(at);
    (peers, at, bytes as u64)
}

/// When the provider in use leaves as it should, nobody notices; when it dies, everybody does.
#[test]
fn a_planned_leave_of_the_provider_in_use_is_no_stall() {
    let (mut stalled, mut longest) = ([0, 0], [Duration::ZERO; 2]);
    let (mut trials, mut seed) = (0, 0);
    while trials < 200 {
        seed += 1;
        let planned = leaving(seed, |at| Manner::Drains { at, within: secs(5.0) });
        let sudden = leaving(seed, |at| Manner::Killed { at, back: None });
        for (at, (peers, since, bytes)) in [planned, sudden].into_iter().enumerate() {
            let outcome = run(&peers, 4096, &units(bytes), seed);
            assert!(outcome.is_finished && outcome.is_whole, "seed {seed}: {peers:?}");
            if outcome.took <= since {
                // It was over before anybody left.
                break;
            }
            let twice = outcome.came - outcome.wanted;
            assert!(outcome.duplicates() <= 0.02 || twice <= 512 << 10, "seed {seed}: {twice}");
            let stalls = outcome.stalls.iter().filter(|(from, gap)| *from + *gap >= since);
            let worst = stalls.map(|(_, gap)| *gap).max();
            stalled[at] += u32::from(worst.is_some());
            longest[at] = longest[at].max(worst.unwrap_or_default());
            if at == 0 {
                assert_eq!(worst, None, "seed {seed}: {peers:?} {:?}", outcome.stalls);
                trials += 1;
            }
        }
    }
    println!(
        "{trials} trials, stalls above {STALL:?}: planned {}, sudden {}",
        stalled[0], stalled[1]
    );
    println!("longest: planned {:?}, sudden {:?}; the last seed is {seed}", longest[0], longest[1]);
    assert!(stalled[1] >= 10, "a simulation in which nothing stalls proves nothing");
}

/// A source on its way to being overloaded, with and without a forecast, side by side. A transfer
/// of contents gains little: whoever is free takes the next unit, so a slow source has two of them
/// at most when it gets slow. What a forecast must not do is cost anything.
#[test]
fn a_forecast_of_an_overload_costs_no_time() {
    let (mut lead, mut times, mut stalls) = (Vec::new(), [Vec::new(), Vec::new()], [0, 0]);
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let (from, over) = (secs(dice.spread(5.0..10.0)), secs(dice.spread(8.0..30.0)));
        let mut peers: Vec<Peer> = (0..dice.pick(2..5))
            .map(|_| Peer::new(dice.spread(1.0..8.0), dice.pick(1..150), Manner::Good))
            .collect();
        peers[0].manner = Manner::Overloads { from, over };
        let rate: f64 = peers.iter().map(|peer| peer.rate).sum();
        let bytes = (rate * (from + over).as_secs_f64() * 1.1) as u64;
        for (at, foresight) in [Foresight::Off, Foresight::On].into_iter().enumerate() {
            let outcome = run_as(&peers, 4096, &units(bytes), seed, foresight);
            assert!(outcome.is_finished && outcome.is_whole, "seed {seed}: {peers:?}");
            times[at].push(outcome.took.as_secs_f64());
            stalls[at] += outcome.stalls.len();
            if foresight == Foresight::On {
                let alarm = outcome.alarms[0].map(|alarm| (from + over).saturating_sub(alarm));
                lead.push(alarm.unwrap_or_default().as_secs_f64());
                assert!(outcome.alarms[1..].iter().all(Option::is_none), "seed {seed}");
            }
        }
    }
    let in_time = lead.iter().filter(|lead| **lead >= 2.0).count();
    lead.sort_by(f64::total_cmp);
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    println!("40 ramps of 8 to 30 s: {in_time} warned 2 s ahead, median {:.1} s", lead[20]);
    for (name, at) in [("reactive", 0), ("predictive", 1)] {
        println!("{name}: {:.2} s on average, {} stalls", mean(&times[at]), stalls[at]);
    }
    assert!(in_time >= 30, "{in_time}");
    assert!(mean(&times[1]) <= mean(&times[0]) * 1.03, "it costs time");
}
