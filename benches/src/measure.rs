//! Times a process from start to exit and watches how much memory it takes.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often memory is looked at; a peak that is shorter may be missed.
const LOOK: Duration = Duration::from_millis(10);

/// What one process took.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// From start to exit.
    pub seconds: f64,
    /// The most memory that was resident, mapped files included.
    pub peak_mib: f64,
    /// The most memory that was the process's own (anonymous).
    pub own_mib: f64,
    /// What it printed.
    pub stdout: String,
}

/// Runs `command` to its end.
///
/// # Panics
/// When it cannot be started or ends with an error: its figure would be worth nothing.
pub fn run(command: &mut Command) -> Cost {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (ended, watch) = mpsc::channel::<()>();
    let pid = child.id();
    let watcher = thread::spawn(move || {
        let mut peak = Peak::default();
        loop {
            peak.look(pid);
            if watch.recv_timeout(LOOK) != Err(mpsc::RecvTimeoutError::Timeout) {
                return peak;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    drop(ended);
    let peak = watcher.join().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{command:?} ended with {}: {stdout}{stderr}", output.status);
    }
    Cost { seconds, peak_mib: peak.resident, own_mib: peak.own, stdout }
}

/// The most memory seen so far of a process that still runs.
pub fn peak_of(pid: u32) -> f64 {
    let mut peak = Peak::default();
    peak.look(pid);
    peak.resident
}

#[derive(Default)]
struct Peak {
    resident: f64,
    own: f64,
}

impl Peak {
    fn look(&mut self, pid: u32) {
        let (mut resident, mut own) = (0.0, 0.0);
        for pid in with_children(pid) {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
            let mib = |key: &str| {
                let line = status.lines().find(|line| line.starts_with(key));
                let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
                kib.unwrap_or(0.0) / 1024.0
            };
            resident += mib("VmHWM:");
            own += mib("RssAnon:");
        }
        self.resident = self.resident.max(resident);
        self.own = self.own.max(own);
    }
}

/// A process and those it started: a pipeline is a shell with children.
fn with_children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    [pid].into_iter().chain(children).collect()
}

/// How long the calling thread has run: what others on the machine do does not stretch it.
pub fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Adds the time that the calling thread runs in `work` to `sum`.
pub fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = thread_time();
    let made = work();
    *sum += thread_time() - began;
    made
}

/// The bytes of memory of this process that are resident.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

/// The middle of some figures; the lower one of two.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The figure below which a share of all lie.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
