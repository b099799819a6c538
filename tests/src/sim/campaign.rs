//! Many seeds in a row, and what came of them.

use std::time::Duration;
use std::{env, fs};

use super::coverage::{Coverage, Fault};
use super::outcome::Outcome;
use crate::table::Table;

/// The variable that names the one seed to run.
const SEED: &str = "SIM_SEED";

/// The seed that somebody wants to see again: what `SIM_SEED` says.
pub fn seed_to_replay() -> Option<u64> {
    env::var(SEED).ok()?.parse().ok()
}

/// How long this thread has kept a core busy, which others on the machine do not change.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    test: &'static str,
    first: u64,
    runs: usize,
    node_time: Duration,
    steps: u64,
    messages: u64,
    coverage: Coverage,
    broken: Vec<Outcome>,
    slowest_settling: Duration,
    took: Duration,
}

impl Sweep {
    /// Runs seeds from `first` on until `enough` node time was simulated, or the one seed that
    /// [`seed_to_replay`] names.
    ///
    /// - `test`: the name of the test that runs one of these seeds again.
    pub fn run(
        test: &'static str,
        first: u64,
        enough: Duration,
        mut run: impl FnMut(u64) -> Outcome,
    ) -> Self {
        let begun = cpu_time();
        let mut sweep = Self { test, first, ..Self::default() };
        let replay = seed_to_replay();
        for seed in replay.map_or(first..u64::MAX, |seed| seed..seed + 1) {
            let outcome = run(seed);
            if replay.is_some() {
                println!("{outcome}");
            }
            sweep.add(outcome);
            if sweep.node_time >= enough {
                break;
            }
        }
        sweep.took = cpu_time().saturating_sub(begun);
        sweep
    }

    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.node_time += outcome.node_time;
        self.steps += outcome.steps;
        self.messages += outcome.messages;
        self.coverage.add(&outcome.coverage);
        let settling = outcome.settled_after.unwrap_or_default();
        self.slowest_settling = self.slowest_settling.max(settling);
        if outcome.broken.is_some() {
            self.broken.push(outcome);
        }
    }

    /// Whether every rule held in every run, and every kind of fault happened.
    pub fn is_good(&self) -> bool {
        self.broken.is_empty() && (self.runs == 1 || self.coverage.missing().is_empty())
    }

    /// Fails the test unless [`is_good`](Self::is_good), and says how to see the first fault again.
    pub fn expect_good(&self) {
        println!("{}", self.table(self.test));
        if let Some(outcome) = self.broken.first() {
            panic!("{outcome}\nreplay: {}", self.replay(outcome));
        }
        let missing = self.coverage.missing();
        assert!(self.is_good(), "these faults never happened: {missing:?}");
    }

    fn replay(&self, outcome: &Outcome) -> String {
        format!(
            "{SEED}={} cargo test -p catalog-tests --test sim {} -- --exact --nocapture",
            outcome.seed, self.test
        )
    }

    fn node_hours(&self) -> f64 {
        self.node_time.as_secs_f64() / 3600.0
    }

    /// The result as a page.
    pub fn table(&self, title: &str) -> Table {
        let mut table = Table::new(title, &["what", "result"]);
        let per_second = self.node_hours() / self.took.as_secs_f64().max(1e-9);
        for (what, result) in [
            ("worlds, each with a seed of its own", self.runs.to_string()),
            ("simulated node-hours", format!("{:.0}", self.node_hours())),
            ("node-hours in a second of one core", format!("{per_second:.1}")),
            ("steps, every rule checked after each", self.steps.to_string()),
            ("messages that arrived", self.messages.to_string()),
            ("rules broken", self.broken.len().to_string()),
            ("longest until all agreed", format!("{:.0?}", self.slowest_settling)),
        ] {
            table.row([what.to_owned(), result]);
        }
        for fault in Fault::ALL {
            table.row([format!("{fault:?}"), self.coverage.of(fault).to_string()]);
        }
        for outcome in self.broken.iter().take(20) {
            let what = outcome.broken.as_ref().map(|broken| (&broken.rule, &broken.why));
            table.note(format!("Fault: {what:?}, `{}`", self.replay(outcome)));
        }
        table.note(format!("Seeds from {} on.", self.first));
        table
    }
}
