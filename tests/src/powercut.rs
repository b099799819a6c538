//! Cuts the power of a machine that publishes: what it acknowledged is on the disk.
//!
//! The home lies on a file system in an image file. The processes are stopped in the middle of
//! their work, and the image is copied without unmounting it: that is what a disk would hold after
//! the power went. The copy is mounted, which replays its journal, and the machine on it goes on.
//! Every fifth time the power goes a second time while the store is being opened again.
//!
//! Needs root, a loop device and ext4; says so where it cannot run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::dice::Dice;
use crate::durability::{Tally, faults};
use crate::machine::Machine;
use crate::parcel::Parcel;

/// What the page is called.
pub const TITLE: &str = "Power cuts: a publishing machine on a disk that stops";

const IMAGE_BYTES: u64 = 512 << 20;
const CUT_MS: std::ops::Range<u64> = 50..2_000;

/// A mounted image, unmounted when dropped.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// A new file system in a new image.
    fn format(image: PathBuf, at: PathBuf) -> io::Result<Self> {
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        call(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        Self::mount(image, at)
    }

    /// Mounts what is in `image`. The file system writes nothing by itself for a long time: only
    /// what a program asks to be durable is.
    fn mount(image: PathBuf, at: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&at)?;
        call(Command::new("mount").args(["-o", "loop,commit=300"]).arg(&image).arg(&at))?;
        Ok(Self { image, at })
    }

    /// What the disk holds at this moment, as another image.
    fn copy(&self, to: &Path) -> io::Result<()> {
        call(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(to))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = call(Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

fn call(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

/// Why there can be no power cut here; `None` when there can.
pub fn obstacle(work: &Path) -> Option<String> {
    let disk = Disk::format(work.join("probe.img"), work.join("probe"));
    let obstacle = disk.as_ref().err().map(ToString::to_string);
    drop(disk);
    let _ = fs::remove_file(work.join("probe.img"));
    obstacle
}

/// Whether a cut here loses what was not made durable, and nothing else: what the other results
/// are worth.
pub fn is_telling(work: &Path) -> io::Result<bool> {
    let content = vec![7; 1 << 20];
    let disk = Disk::format(work.join("control.img"), work.join("control"))?;
    fs::write(disk.at.join("careless"), &content)?;
    fs::write(disk.at.join("careful"), &content)?;
    File::open(disk.at.join("careful"))?.sync_all()?;
    File::open(&disk.at)?.sync_all()?;
    let image = work.join("control-after.img");
    disk.copy(&image)?;
    drop(disk);
    let disk = Disk::mount(image, work.join("control-after"))?;
    let is_there = |name| fs::read(disk.at.join(name)).is_ok_and(|read| read == content);
    Ok(is_there("careful") && !is_there("careless"))
}

/// Cuts the power `rounds` times.
pub fn run(rounds: usize, seed: u64, work: &Path) -> io::Result<Tally> {
    let mut dice = Dice::new(seed);
    let mut tally = Tally { rounds, ..Tally::default() };
    let mut all: Vec<Parcel> = Vec::new();
    let mut disk = Disk::format(work.join("0.img"), work.join("0"))?;
    Machine::at(disk.at.join("home")).init("acme");
    call(Command::new("sync").arg("-f").arg(&disk.at))?;
    for round in 1..=rounds {
        let machine = Machine::at(disk.at.join("home"));
        let mut publisher = Publisher { machine: &machine, round, count: 0, work };
        let after = Duration::from_millis(dice.pick(CUT_MS));
        let (acknowledged, image) = publisher.until_the_power_goes(&disk, after)?;
        tally.acknowledged += acknowledged.len();
        tally.cut_off += 1;
        all.extend(acknowledged);
        drop(disk);
        disk = Disk::mount(image, work.join(format!("{round}")))?;
        if round % 5 == 0 {
            disk = cut_while_opening(disk, round, dice.pick(1..40), work)?;
        }
        let machine = Machine::at(disk.at.join("home"));
        tally.torn.extend(faults(&machine));
        tally.lost.extend(all.iter().filter_map(|parcel| parcel.fault(&machine)));
        let _ = fs::remove_file(work.join(format!("{}.img", round - 1)));
    }
    Ok(tally)
}

/// The power goes again while the store recovers.
fn cut_while_opening(disk: Disk, round: usize, millis: u64, work: &Path) -> io::Result<Disk> {
    let machine = Machine::at(disk.at.join("home"));
    let mut command = machine.command(["verify", "--no-progress"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let image = work.join(format!("{round}-again.img"));
    stop_after(child, Duration::from_millis(millis), || disk.copy(&image))?;
    drop(disk);
    Disk::mount(image, work.join(format!("{round}-again")))
}

struct Publisher<'a> {
    machine: &'a Machine,
    round: usize,
    count: usize,
    work: &'a Path,
}

impl Publisher<'_> {
    /// Publishes one after the other until `after`; the last one is cut off on the way.
    fn until_the_power_goes(
        &mut self,
        disk: &Disk,
        after: Duration,
    ) -> io::Result<(Vec<Parcel>, PathBuf)> {
        let begun = std::time::Instant::now();
        let mut acknowledged = Vec::new();
        let image = self.work.join(format!("{}.img", self.round));
        loop {
            let parcel = Parcel::new("parcel", format!("1.{}.{}", self.round, self.count));
            self.count += 1;
            let left = after.saturating_sub(begun.elapsed());
            let child = parcel.start(self.machine, self.work)?;
            match stop_after(child, left, || disk.copy(&image))? {
                Some(true) => acknowledged.push(parcel),
                Some(false) => {
                    return Err(io::Error::other("a publish failed before the power went"));
                }
                None => return Ok((acknowledged, image)),
            }
        }
    }
}

/// Waits for `child`, or stops it after `time`, does `then`, and kills it.
///
/// - result: whether it succeeded; `None` when it was stopped.
fn stop_after(
    mut child: Child,
    time: Duration,
    then: impl FnOnce() -> io::Result<()>,
) -> io::Result<Option<bool>> {
    let pid = child.id();
    let (ended, end) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let status = child.wait();
        let _ = ended.send(());
        status
    });
    if end.recv_timeout(time).is_ok() {
        return Ok(Some(waiter.join().expect("it only waits")?.success()));
    }
    signal(pid, "STOP")?;
    // Threads inside the kernel finish what they asked of the disk before they stop.
    while !is_stopped(pid) {
        std::thread::yield_now();
    }
    let done = then();
    signal(pid, "KILL")?;
    let status = waiter.join().expect("it only waits")?;
    done?;
    // It may have ended by itself between the clock and the signal.
    Ok(status.code().map(|code| code == 0))
}

fn signal(pid: u32, name: &str) -> io::Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
    let _ = status;
    Ok(())
}

/// Whether every thread of a process has stopped, or is gone.
fn is_stopped(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
        matches!(state, Some('T' | 't' | 'Z' | 'X') | None)
    })
}
