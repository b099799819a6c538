//! Paths that get worse and worse while contents come over them: who is warned before, and what a
//! warning is worth.
//!
//! A client fetches with all of a limit. One provider is asked first; another, the backbone, only
//! when that is not enough. The path from the first loses more and more packets, or gets narrower
//! and narrower, until it fails. When the client was warned it wrote down itself
//! (`transfer.features`); what came is counted on its network interface. Half of the trials run
//! with forecasts that change nothing (`transfer.forecast`).

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::machine::{Daemon, Machine};
use crate::network::{Host, Network};
use crate::table::Table;

/// The provider that is asked first, the backbone, and the client.
pub const HOSTS: u8 = 3;
const NEAR: u8 = 0;

/// What the client asks for in a second.
const ASKED: u64 = 2_000_000;
/// More than that takes in the longest trial.
const PACKAGE_BYTES: usize = 110_000_000;
/// How long all is well before, and all is bad after.
const BEFORE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(5);
/// How often a path changes, and what came is counted.
const STEP: Duration = Duration::from_millis(250);
/// A warning is of use this long before the failure.
const IN_TIME: f64 = 2.0;
/// What came is counted from so long before the failure until the end of the trial.
const COUNTED: Duration = Duration::from_secs(10);
/// What a path carries when all is well, in bits a second.
const WIDE: u64 = 100_000_000;

/// How a path gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ramp {
    /// It loses up to 80 of 1,000 packets.
    Loss,
    /// It carries less: from one and a half times what is asked for, to half.
    Narrow,
}

impl Ramp {
    fn set(self, network: &Network, share: f64) -> io::Result<()> {
        match self {
            Self::Loss => network.lose(NEAR, (80.0 * share) as u16),
            Self::Narrow => network.throttle(NEAR, (ASKED as f64 * 8.0 * (1.5 - share)) as u64),
        }
    }
}

/// What one trial showed.
#[derive(Clone, Copy, Debug)]
struct Trial {
    ramp: Ramp,
    forecast: bool,
    /// Warnings in the time before the ramp.
    early: usize,
    /// Seconds from the first warning to the failure.
    warned: Option<f64>,
    /// Share of what was asked for that came around the failure.
    came: f64,
    /// The longest time around the failure in which hardly anything came, in seconds.
    gap: f64,
}

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    trials: Vec<Trial>,
}

impl Tally {
    /// Whether nearly all ramps that could change something were warned of in time.
    pub fn is_good(&self) -> bool {
        [Ramp::Loss, Ramp::Narrow].into_iter().all(|ramp| {
            let trials: Vec<_> = self.of(ramp, true).collect();
            let in_time = trials.iter().filter(|trial| trial.in_time()).count();
            in_time * 100 >= trials.len() * 95
        })
    }

    fn of(&self, ramp: Ramp, forecast: bool) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |one| one.ramp == ramp && one.forecast == forecast)
    }

    /// The result as a page.
    pub fn table(&self, seed: u64) -> Table {
        let columns = [
            "ramp",
            "forecasts",
            "trials",
            "warned 2 s before",
            "warning, median s before",
            "came, median % of asked",
            "came, worst %",
            "longest gap s",
        ];
        let mut table = Table::new("Forecasts: paths that get worse until they fail", &columns);
        for ramp in [Ramp::Loss, Ramp::Narrow] {
            for forecast in [true, false] {
                let trials: Vec<_> = self.of(ramp, forecast).collect();
                let warned = sorted(trials.iter().filter_map(|trial| trial.warned));
                let came = sorted(trials.iter().map(|trial| trial.came * 100.0));
                let gaps = sorted(trials.iter().map(|trial| trial.gap));
                let (Some(least), Some(gap)) = (came.first(), gaps.last()) else { continue };
                let median = warned.get(warned.len() / 2);
                table.row([
                    format!("{ramp:?}").to_lowercase(),
                    if forecast { "heeded" } else { "ignored" }.to_owned(),
                    trials.len().to_string(),
                    trials.iter().filter(|trial| trial.in_time()).count().to_string(),
                    median.map_or("never".to_owned(), |median| format!("{median:.1}")),
                    format!("{:.0}", came[came.len() / 2]),
                    format!("{least:.0}"),
                    format!("{gap:.2}"),
                ]);
            }
        }
        let early: usize = self.trials.iter().map(|trial| trial.early).sum();
        let quiet = self.trials.len() as u64 * BEFORE.as_secs();
        table.note(format!(
            "A client fetches 2 MB/s. The path from the provider that it asks first loses up to 8 of 100 \
             packets, or carries 1.5 times what is asked for at first and half of it in the end, \
             within 12 to 25 s; then it fails. What came is counted from {} s before that to {} s \
             after. A gap is a time in which less than a tenth of what was asked for came.",
            COUNTED.as_secs(),
            AFTER.as_secs(),
        ));
        table.note(format!("{early} warnings in {quiet} s in which all was well. Seed {seed}."));
        table
    }
}

impl Trial {
    fn in_time(&self) -> bool {
        self.warned.is_some_and(|seconds| seconds >= IN_TIME)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Lets paths fail `rounds` times in either way, as often with forecasts as without.
///
/// # Errors
/// When this machine cannot make a path worse.
pub fn run(network: &Network, rounds: usize, seed: u64, work: &Path) -> io::Result<Tally> {
    let mut dice = Dice::new(seed);
    let providers = Providers::start(network, work, &mut dice);
    let mut tally = Tally::default();
    for round in 0..rounds {
        for ramp in [Ramp::Loss, Ramp::Narrow] {
            let lasts = Duration::from_millis(dice.pick(12_000..25_000));
            for forecast in [true, false] {
                let home = work.join(format!("client-{round}-{ramp:?}-{forecast}"));
                let client = providers.client(&network.hosts()[2], &home, forecast);
                let trial = trial(network, &providers, &client, ramp, lasts, forecast)?;
                println!("{trial:?}");
                tally.trials.push(trial);
                fs::remove_dir_all(&home).ok();
            }
        }
    }
    Ok(tally)
}

/// Two nodes that have the same package.
struct Providers {
    near: Daemon,
    near_id: String,
    backbone: Daemon,
    backbone_id: String,
    _machines: [Machine; 2],
}

impl Providers {
    fn start(network: &Network, work: &Path, dice: &mut Dice) -> Self {
        let start = |at: usize, name: &str| {
            let machine = Machine::on(work.join(name), network.hosts()[at].clone());
            let daemon = machine.daemon();
            let id = machine.json(["status"])["node"].as_str().unwrap().to_owned();
            (machine, daemon, id)
        };
        let (publisher, near, near_id) = start(0, "near");
        let (other, backbone, backbone_id) = start(1, "backbone");
        publisher.init("acme");
        let dir = work.join("large");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("large.bin"), dice.bytes(PACKAGE_BYTES)).unwrap();
        let import = ["import", "dir", dir.to_str().unwrap(), "--name", "large"];
        let rest = ["--version", "1.0.0", "--license", "MIT"];
        publisher.run(import.into_iter().chain(rest)).ok();
        fs::remove_dir_all(dir).unwrap();
        other.meet(&near);
        other.run(["sync"]).ok();
        other.run(["fetch", "large"]).ok();
        Self { near, near_id, backbone, backbone_id, _machines: [publisher, other] }
    }

    /// Somebody new who knows both.
    fn client(&self, host: &Host, home: &Path, forecast: bool) -> Machine {
        let client = Machine::on(home, host.clone());
        let features = home.with_extension("csv");
        fs::remove_file(&features).ok();
        for (key, value) in [
            ("transfer.features", features.to_str().unwrap()),
            ("transfer.forecast", if forecast { "true" } else { "false" }),
            ("transfer.backbones", &self.backbone_id),
            ("download.limit", "2MB/s"),
            ("download.burst", "64kB"),
        ] {
            client.run(["config", "set", key, value]).ok();
        }
        client.meet(&self.near);
        client.meet(&self.backbone);
        client.run(["sync"]).ok();
        client
    }
}

fn trial(
    network: &Network,
    providers: &Providers,
    client: &Machine,
    ramp: Ramp,
    lasts: Duration,
    forecast: bool,
) -> io::Result<Trial> {
    network.lose(NEAR, 0)?;
    network.throttle(NEAR, WIDE)?;
    let features = client.home().with_extension("csv");
    let host = &network.hosts()[2];
    let mut fetch = client.command(["--no-progress", "fetch", "large"]);
    let mut fetch = fetch.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let start = Instant::now();
    let seen = || log(&features, &providers.near_id[..10]);
    while seen().iter().all(|row| row.rate == 0) {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing came");
        assert!(fetch.try_wait()?.is_none(), "the fetch ended");
        pause(STEP);
    }
    pause(BEFORE);
    let before = seen();
    let began = Instant::now();
    let mut came: Vec<(Duration, u64)> = Vec::new();
    while began.elapsed() < lasts + AFTER {
        let share = began.elapsed().as_secs_f64() / lasts.as_secs_f64();
        ramp.set(network, share.min(1.0))?;
        came.push((began.elapsed(), received(host)?));
        pause(STEP);
    }
    let is_over = fetch.try_wait()?.is_some();
    fetch.kill()?;
    fetch.wait()?;
    assert!(!is_over, "the package was too small for {lasts:?}");
    let rows = seen();
    let start_ms = before.last().map_or(0, |row| row.ms);
    let later: Vec<_> = rows.iter().filter(|row| row.ms > start_ms).collect();
    let failed_ms = start_ms + lasts.as_millis() as u64;
    let warning = later.iter().find(|row| row.is_warning).map(|row| row.ms);
    let counted: Vec<_> = came.iter().filter(|(at, _)| *at + COUNTED >= lasts).collect();
    let (first, last) = (counted[0], counted[counted.len() - 1]);
    let seconds = (last.0 - first.0).as_secs_f64();
    Ok(Trial {
        ramp,
        forecast,
        early: before.windows(2).filter(|two| !two[0].is_warning && two[1].is_warning).count(),
        warned: warning.map(|ms| (failed_ms as f64 - ms as f64) / 1000.0),
        came: (last.1 - first.1) as f64 / seconds / ASKED as f64,
        gap: gap(&counted),
    })
}

/// The longest time in which less than a tenth of what was asked for came, in seconds.
fn gap(counted: &[&(Duration, u64)]) -> f64 {
    let (mut longest, mut now) = (0.0_f64, 0.0);
    for two in counted.windows(2) {
        let seconds = (two[1].0 - two[0].0).as_secs_f64();
        let little = ((two[1].1 - two[0].1) as f64) < ASKED as f64 * seconds / 10.0;
        now = if little { now + seconds } else { 0.0 };
        longest = longest.max(now);
    }
    longest
}

/// What the client wrote down of a provider.
#[derive(Clone, Copy, Debug)]
struct Row {
    ms: u64,
    is_warning: bool,
    rate: u64,
}

fn log(file: &Path, node: &str) -> Vec<Row> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [_, ms, of, "seen", .., share, rate] = cells[..] else { return None };
        let share: f64 = share.parse().ok()?;
        let (ms, rate) = (ms.parse().ok()?, rate.parse().ok()?);
        (of == node).then_some(Row { ms, is_warning: share < 1.0, rate })
    };
    text.lines().filter_map(row).collect()
}

/// Bytes that a host has received.
fn received(host: &Host) -> io::Result<u64> {
    let mut cat = host.command(Path::new("cat"));
    let output = cat.arg("/sys/class/net/eth0/statistics/rx_bytes").output()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
}

/// Lets time pass: the path is what changes in it.
fn pause(time: Duration) {
    let (_never, end) = mpsc::channel::<()>();
    let _ = end.recv_timeout(time);
}
