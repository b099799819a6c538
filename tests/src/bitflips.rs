//! Flips bits in the blobs of a machine: a check finds every one, a repair mends it from a peer, and
//! no wrong byte is ever handed out.
//!
//! In each round some stored files are damaged. Before the repair, a reader and an installer are
//! sent over them: each gets the right bytes or an error, never anything else.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::dice::Dice;
use crate::durability::faults;
use crate::machine::Machine;
use crate::parcel::Parcel;
use crate::table::Table;

/// Versions that are published, fetched and damaged.
const PARCELS: usize = 40;

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Bits flipped.
    pub flips: usize,
    /// Stored files that had at least one.
    pub damaged: usize,
    /// Of those, files that the check named.
    pub found: usize,
    /// Faults that were left after a repair.
    pub left: Vec<String>,
    /// Times that wrong bytes were handed out or installed.
    pub wrong: Vec<String>,
}

/// Flips `flips` bits, `per_round` at a time.
pub fn run(flips: usize, per_round: usize, seed: u64, work: &Path) -> Tally {
    let mut dice = Dice::new(seed);
    let (good, damaged) = (Machine::at(work.join("good")), Machine::at(work.join("damaged")));
    good.init("acme");
    let parcels: Vec<Parcel> = (0..PARCELS)
        .map(|n| Parcel::new(format!("parcel-{}", n % 8), format!("1.{n}.0")))
        .collect();
    for parcel in &parcels {
        parcel.publish(&good, work).ok();
    }
    let daemon = good.daemon();
    damaged.meet(&daemon);
    for parcel in &parcels {
        damaged.json(["fetch", &parcel.reference()]);
    }
    let mut tally = Tally::default();
    while tally.flips < flips {
        let hurt = flip(&damaged, per_round.min(flips - tally.flips), &mut dice);
        tally.flips += hurt.flips;
        tally.damaged += hurt.files.len();
        for parcel in (0..3).map(|_| &parcels[dice.pick(0..PARCELS as u64) as usize]) {
            tally.wrong.extend(wrong_bytes(&damaged, parcel, work));
        }
        let report = damaged.run(["verify", "--no-progress", "--json"]).json().to_string();
        tally.found += hurt.files.iter().filter(|name| report.contains(name.as_str())).count();
        damaged.run(["verify", "--repair", "--no-progress", "--json"]);
        tally.left.extend(faults(&damaged));
    }
    tally.wrong.extend(parcels.iter().filter_map(|parcel| parcel.fault(&damaged)));
    drop(daemon);
    tally
}

struct Hurt {
    flips: usize,
    files: BTreeSet<String>,
}

/// Flips single bits at random places of stored files; what was hurt, by the name of the blob.
fn flip(machine: &Machine, count: usize, dice: &mut Dice) -> Hurt {
    let blobs = stored_files(machine.home());
    assert!(!blobs.is_empty(), "no stored files below {}", machine.home().display());
    let mut hurt = Hurt { flips: 0, files: BTreeSet::new() };
    for _ in 0..count {
        let path = &blobs[dice.pick(0..blobs.len() as u64) as usize];
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let at = dice.pick(0..file.metadata().unwrap().len());
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << dice.pick(0..8);
        file.write_all_at(&byte, at).unwrap();
        hurt.flips += 1;
        hurt.files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    hurt
}

/// The files with the content of blobs, named by their hash.
fn stored_files(home: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![home.join("data")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "data") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a reader and an installer got that was not published.
fn wrong_bytes(machine: &Machine, parcel: &Parcel, work: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(fault) = parcel.fault(machine)
        && fault.ends_with("other bytes")
    {
        wrong.push(fault);
    }
    let target = work.join("target");
    let outcome = machine.run([
        "install",
        &parcel.reference(),
        "--to",
        target.to_str().unwrap(),
        "--force",
        "--json",
        "--no-progress",
    ]);
    if outcome.code == Some(0) {
        let at = outcome.json()["path"].as_str().map(PathBuf::from);
        if !at.is_some_and(|dir| parcel.is_installed(&dir)) {
            wrong.push(format!("{} was installed with other bytes", parcel.reference()));
        }
    }
    let _ = machine.run(["remove", &parcel.name]);
    let _ = fs::remove_dir_all(&target);
    wrong
}

impl Tally {
    /// Whether everything was found and mended and nothing wrong handed out.
    pub fn is_good(&self) -> bool {
        self.found == self.damaged && self.left.is_empty() && self.wrong.is_empty()
    }

    /// The result as a page.
    pub fn table(&self, seed: u64) -> Table {
        let mut table =
            Table::new("Bit rot: single bits flipped in stored blobs", &["what", "result"]);
        for (what, count) in [
            ("bits flipped", self.flips),
            ("stored files hurt (some more than once)", self.damaged),
            ("hurt files that `verify` named", self.found),
            ("faults left after `verify --repair`", self.left.len()),
            ("wrong bytes handed out or installed", self.wrong.len()),
        ] {
            table.row([what.to_owned(), count.to_string()]);
        }
        for fault in self.left.iter().chain(&self.wrong).take(20) {
            table.note(format!("Fault: `{fault}`"));
        }
        table.note(format!(
            "{PARCELS} releases of three files each, one healthy peer, seed {seed}."
        ));
        table
    }
}
