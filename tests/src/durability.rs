//! Kills a publishing node again and again: what it acknowledged is there afterwards.
//!
//! Two publishers run beside each other against one node. At a random moment the node is killed,
//! without a chance to tidy up, and started again. Then everything acknowledged in this round is
//! read back byte by byte, and the node re-hashes all it has.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::machine::{Daemon, Machine};
use crate::parcel::Parcel;
use crate::table::Table;

/// When a node is killed, after it began to publish.
const KILL_MS: std::ops::Range<u64> = 20..1_500;
const PUBLISHERS: usize = 2;

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rounds that ran.
    pub rounds: usize,
    /// Publishes that were acknowledged.
    pub acknowledged: usize,
    /// Publishes that the kill cut off.
    pub cut_off: usize,
    /// Acknowledged publishes that were not there, or not whole, afterwards.
    pub lost: Vec<String>,
    /// What a full check found wrong.
    pub torn: Vec<String>,
    /// The longest that a node took to answer after a kill.
    pub slowest_start: Duration,
}

/// Runs `rounds` rounds in `machine`, which is new.
pub fn run(machine: &Machine, rounds: usize, seed: u64, work: &Path) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally { rounds, ..Tally::default() };
    let mut all = Vec::new();
    machine.init("acme");
    let mut daemon = start(machine, &mut tally);
    for round in 0..rounds {
        let after = Duration::from_millis(dice.pick(KILL_MS));
        let (acknowledged, cut_off) = publish_until_killed(machine, daemon, round, after, work);
        daemon = start(machine, &mut tally);
        tally.lost.extend(acknowledged.iter().filter_map(|parcel| parcel.fault(machine)));
        tally.torn.extend(faults(machine));
        tally.acknowledged += acknowledged.len();
        tally.cut_off += cut_off;
        all.extend(acknowledged);
    }
    // Later kills must not have hurt earlier rounds.
    tally.lost.extend(all.iter().filter_map(|parcel| parcel.fault(machine)));
    tally.lost.sort();
    tally.lost.dedup();
    drop(daemon);
    tally
}

fn start(machine: &Machine, tally: &mut Tally) -> Daemon {
    let begun = Instant::now();
    let daemon = machine.daemon();
    tally.slowest_start = tally.slowest_start.max(begun.elapsed());
    daemon
}

/// Publishes until the node has been killed; what was acknowledged, and how many were cut off.
fn publish_until_killed(
    machine: &Machine,
    daemon: Daemon,
    round: usize,
    after: Duration,
    work: &Path,
) -> (Vec<Parcel>, usize) {
    let killed = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    let cut_off = Mutex::new(0);
    let (begun, first) = mpsc::channel::<()>();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (killed, acknowledged, cut_off) = (&killed, &acknowledged, &cut_off);
            let begun = begun.clone();
            scope.spawn(move || {
                for count in 0.. {
                    let parcel =
                        Parcel::new(format!("parcel-{publisher}"), format!("1.{round}.{count}"));
                    let _ = begun.send(());
                    let outcome = parcel.publish(machine, work);
                    match outcome.code {
                        Some(0) => acknowledged.lock().unwrap().push(parcel),
                        _ => {
                            assert!(killed.load(Ordering::SeqCst), "no kill yet: {outcome}");
                            *cut_off.lock().unwrap() += 1;
                        }
                    }
                    if killed.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        first.recv().unwrap();
        // Nobody sends on this one: it is the moment of the kill that is waited for.
        let (_never, moment) = mpsc::channel::<()>();
        let _ = moment.recv_timeout(after);
        killed.store(true, Ordering::SeqCst);
        daemon.kill();
    });
    (acknowledged.into_inner().unwrap(), cut_off.into_inner().unwrap())
}

/// What a full check of `machine` finds wrong.
pub fn faults(machine: &Machine) -> Vec<String> {
    let check = machine.run(["verify", "--no-progress", "--json"]);
    let report = check.json();
    let faults = report["faults"].as_array().expect("a check lists faults");
    let found: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(found.is_empty(), check.code == Some(0), "{check}");
    found
}

/// What the page is called.
pub const TITLE: &str = "Durability: a publishing node killed again and again";

impl Tally {
    /// Whether nothing was lost and nothing torn.
    pub fn is_good(&self) -> bool {
        self.acknowledged > 0 && self.lost.is_empty() && self.torn.is_empty()
    }

    /// The result as a page.
    pub fn table(&self, title: &str, seed: u64) -> Table {
        let mut table = Table::new(title, &["what", "result"]);
        for (what, count) in [
            ("rounds", self.rounds),
            ("publishes acknowledged", self.acknowledged),
            ("publishes cut off", self.cut_off),
            ("acknowledged publishes lost", self.lost.len()),
            ("torn packages or damaged records", self.torn.len()),
        ] {
            table.row([what.to_owned(), count.to_string()]);
        }
        if !self.slowest_start.is_zero() {
            let slowest = format!("{:.2} s", self.slowest_start.as_secs_f64());
            table.row(["slowest start until it answered".to_owned(), slowest]);
        }
        for fault in self.lost.iter().chain(&self.torn).take(20) {
            table.note(format!("Fault: `{fault}`"));
        }
        table.note(format!("Seed {seed}; every acknowledged file is read back byte by byte."));
        table
    }
}
