//! Kills either side of a large install at random moments: it ends all the same, and little is
//! moved twice.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::{fs, io};

use serde_json::Value;

use crate::dice::Dice;
use crate::machine::Machine;
use crate::table::Table;

/// One kill in the middle of an install.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Who was killed.
    pub victim: Victim,
    /// Bytes of the variant that were there when it was.
    pub at: u64,
    /// Bytes that were moved a second time because of it.
    pub moved_again: u64,
}

/// One side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The one that installs.
    Installer,
    /// The one that has the bytes.
    Provider,
}

/// What one kill may cost to move again.
pub const MOVED_AGAIN_MAX: u64 = 2 << 20;

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The size of the variant.
    pub bytes: u64,
    /// Every kill.
    pub cuts: Vec<Cut>,
    /// How often the program was started.
    pub attempts: usize,
    /// Bytes that came over the loopback device, whoever sent them.
    pub wire: u64,
    /// Whether the installed bytes are the published ones.
    pub is_intact: bool,
}

impl Tally {
    /// Whether the install ended with the right bytes and no kill cost much.
    pub fn is_good(&self) -> bool {
        self.is_intact && self.cuts.iter().all(|cut| cut.moved_again <= MOVED_AGAIN_MAX)
    }

    /// The result as a page. `clean`: the same install without kills, where that was run.
    pub fn table(&self, seed: u64, clean: Option<&Self>) -> Table {
        const MIB: f64 = 1_048_576.0;
        let title = format!("Resume: either side of a {} MiB install killed", self.bytes >> 20);
        let columns = ["kill", "who", "at MiB", "moved again MiB"];
        let mut table = Table::new(&title, &columns);
        for (number, cut) in self.cuts.iter().enumerate() {
            let mib = |bytes: u64| format!("{:.2}", bytes as f64 / MIB);
            table.row([
                (number + 1).to_string(),
                format!("{:?}", cut.victim).to_lowercase(),
                mib(cut.at),
                mib(cut.moved_again),
            ]);
        }
        let bytes = if self.is_intact { "the published ones" } else { "NOT the published ones" };
        let attempts = self.attempts;
        table.note(format!(
            "The installed bytes are {bytes}, after {attempts} starts. Seed {seed}."
        ));
        if let Some(clean) = clean {
            let (with, without) = (self.wire as f64 / MIB, clean.wire as f64 / MIB);
            table.note(format!(
                "Everything that crossed the wire, packet headers and new connections included: \
                 {with:.1} MiB with the kills, {without:.1} MiB without."
            ));
        }
        table
    }
}

/// Publishes one file of `bytes` on one machine and installs it on another, with `kills` kills of
/// alternating sides spread over the transfer.
pub fn run(bytes: u64, kills: u64, seed: u64, work: &Path) -> Tally {
    let mut dice = Dice::new(seed);
    let (provider, installer) = (Machine::at(work.join("a")), Machine::at(work.join("b")));
    provider.init("acme");
    let source = work.join("source");
    fs::create_dir_all(&source).unwrap();
    write_noise(&source.join("body.bin"), bytes, &mut dice);
    let publish = ["import", "dir", source.to_str().unwrap(), "--name", "large"];
    provider.json(publish.iter().chain(&["--version", "1.0.0", "--license", "MIT"]));
    let mut daemon = provider.daemon();
    installer.meet(&daemon);
    let wire = loopback_bytes();
    let mut tally = Tally { bytes, attempts: 1, ..Tally::default() };
    let mut attempt = Attempt::start(&installer);
    for kill in 0..kills {
        let moment = dice.pick(bytes * kill / kills..bytes * (kill + 1) / kills);
        // A provider that is gone for long ends an install; the next one goes on where it was.
        while !attempt.reach(moment) && !attempt.settle(&mut tally.cuts) {
            attempt = attempt.next(&installer, &mut tally);
        }
        attempt.charge_before_the_next(&mut tally.cuts);
        let victim = if kill % 2 == 0 { Victim::Installer } else { Victim::Provider };
        tally.cuts.push(Cut { victim, at: attempt.done, moved_again: 0 });
        match victim {
            Victim::Installer => {
                attempt.child.kill().unwrap();
                attempt = attempt.next(&installer, &mut tally);
            }
            Victim::Provider => {
                daemon.kill();
                daemon = provider.daemon();
            }
        }
    }
    while !attempt.settle(&mut tally.cuts) {
        attempt = attempt.next(&installer, &mut tally);
    }
    tally.wire = loopback_bytes() - wire;
    let dir = installer.run(["path", "large"]).ok().text();
    let installed = Path::new(dir.trim()).join("body.bin");
    tally.is_intact = same_bytes(&source.join("body.bin"), &installed);
    tally
}

/// An install that is running, seen through the progress it prints.
struct Attempt {
    child: Child,
    progress: io::Lines<BufReader<ChildStderr>>,
    begun: Option<u64>,
    done: u64,
    moved: u64,
    /// The least that was outstanding since the last kill.
    floor: u64,
    /// What has been charged to a kill already.
    charged: u64,
}

impl Attempt {
    fn start(machine: &Machine) -> Self {
        let mut command = machine.command(["install", "large", "--progress", "json", "--json"]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let progress = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, progress, begun: None, done: 0, moved: 0, floor: u64::MAX, charged: 0 }
    }

    /// Waits until `moment` bytes are there; `false` when the program ended before.
    fn reach(&mut self, moment: u64) -> bool {
        while self.begun.is_none() || self.done < moment {
            let Some(Ok(line)) = self.progress.next() else { return false };
            let Ok(report) = serde_json::from_str::<Value>(&line) else { continue };
            let event = &report["event"];
            if event["step"] != "moving" {
                continue;
            }
            self.done = event["bytes_done"].as_u64().unwrap();
            self.moved = event["bytes_moved"].as_u64().unwrap();
            self.begun.get_or_insert(self.done);
            self.floor = self.floor.min(self.outstanding());
        }
        true
    }

    /// Bytes that were moved and have added nothing, or not yet: they were in vain, or are on
    /// their way to the disk. The proofs that come with every byte are not among them.
    fn outstanding(&self) -> u64 {
        let new = self.done - self.begun.unwrap_or(self.done);
        // 64 bytes of hashes for each group of 16 KiB, and as much again for the ranges asked for.
        self.moved.saturating_sub(new + new / 128)
    }

    /// Charges the last kill, when another is about to happen. What is on its way to the disk
    /// rises and falls; what never fell was in vain. The rest the next kill answers for.
    fn charge_before_the_next(&mut self, cuts: &mut [Cut]) {
        let in_vain = self.floor.min(self.outstanding());
        self.charge(cuts, in_vain);
        self.floor = u64::MAX;
    }

    fn charge(&mut self, cuts: &mut [Cut], in_vain: u64) {
        if let Some(cut) = cuts.last_mut() {
            cut.moved_again += in_vain.saturating_sub(self.charged);
        }
        self.charged = self.charged.max(in_vain);
    }

    /// Waits for the end; whether the install succeeded.
    fn settle(&mut self, cuts: &mut [Cut]) -> bool {
        self.reach(u64::MAX);
        // Nothing is on its way any more.
        let in_vain = self.outstanding();
        self.charge(cuts, in_vain);
        self.child.wait().unwrap().success()
    }

    /// Starts again after this attempt ended, and charges what it had and the next one has not.
    fn next(mut self, machine: &Machine, tally: &mut Tally) -> Self {
        self.settle(&mut tally.cuts);
        let mut next = Self::start(machine);
        next.reach(0);
        tally.attempts += 1;
        if let (Some(cut), Some(begun)) = (tally.cuts.last_mut(), next.begun) {
            cut.moved_again += self.done.saturating_sub(begun);
        }
        next
    }
}

/// What the loopback device of this process's network has received since it is up.
fn loopback_bytes() -> u64 {
    let devices = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn write_noise(path: &Path, bytes: u64, dice: &mut Dice) {
    let mut file = fs::File::create(path).unwrap();
    let mut left = bytes;
    while left > 0 {
        let piece = dice.bytes(left.min(1 << 20) as usize);
        io::Write::write_all(&mut file, &piece).unwrap();
        left -= piece.len() as u64;
    }
}

fn same_bytes(one: &Path, other: &Path) -> bool {
    let (Ok(mut one), Ok(mut other)) = (fs::File::open(one), fs::File::open(other)) else {
        return false;
    };
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = one.read(&mut left).unwrap();
        if read == 0 {
            return other.read(&mut right).unwrap() == 0;
        }
        if other.read_exact(&mut right[..read]).is_err() || left[..read] != right[..read] {
            return false;
        }
    }
}
