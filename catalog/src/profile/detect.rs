//! Looks at the machine we run on.
//!
//! Everything is read: files of the system, CPU features, the search path. No program is started,
//! because what is found on a search path is not ours to trust and takes tens of milliseconds.
//! Whatever cannot be found out is recorded with the reason, and nothing here fails.

mod cpu;
mod linux;
mod runtime;

use super::facts::{FactValue, Facts, Gpu, Memory};
use crate::size::ByteSize;
use crate::variant::{DottedVersion, FactKey};
use linux::Linux;
use std::path::{Path, PathBuf};

/// The reason for a fact that nobody looks for.
const NO_DETECTOR: &str = "no detector in this build";

/// Finds out facts about a machine.
pub trait Detector {
    /// Everything that could be found out.
    fn detect(&self) -> Facts;
}

/// Looks at the machine this process runs on.
#[derive(Clone, Debug)]
pub struct SystemDetector {
    disk: PathBuf,
}

impl SystemDetector {
    /// Looks at this machine; `disk` is where packages will be installed.
    pub fn new(disk: &Path) -> Self {
        Self { disk: disk.to_owned() }
    }
}

impl Detector for SystemDetector {
    fn detect(&self) -> Facts {
        let mut facts = Facts::default();
        cpu::detect(&mut facts);
        if cfg!(any(target_os = "linux", target_os = "android")) {
            Linux::at(Path::new("/")).detect(&mut facts);
        } else {
            detect_elsewhere(&mut facts);
        }
        if cfg!(target_os = "android") {
            // A program for Linux rarely runs there, so Android does not count as one.
            facts.set(key("os"), vec![system("android")]);
        }
        match disk_free(&self.disk) {
            Some(free) => facts.disk_free = Some(free),
            None => unknown(&mut facts, "disk.free", "the file system does not say"),
        }
        runtime::detect(&mut facts, std::env::var_os("PATH").as_deref());
        unknown(&mut facts, "network.metered", NO_DETECTOR);
        unknown(&mut facts, "npu", NO_DETECTOR);
        unknown(&mut facts, "region", "never guessed: set it with region=eu");
        facts
    }
}

/// What can be said of systems other than Linux.
fn detect_elsewhere(facts: &mut Facts) {
    facts.set(key("os"), vec![system(std::env::consts::OS)]);
    facts.set(key("libc"), Vec::new());
    let kind = sysinfo::MemoryRefreshKind::nothing().with_ram();
    let refresh = sysinfo::RefreshKind::nothing().with_memory(kind);
    match sysinfo::System::new_with_specifics(refresh) {
        Ok(found) => {
            facts.memory = Memory {
                total: Some(whole_mib(found.total_memory())),
                limit: None,
                available: Some(whole_mib(found.available_memory())),
            };
        }
        Err(_) => unknown(facts, "memory", "the system does not say"),
    }
    if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        // Every Mac of this architecture has one, and Metal 3 with it.
        facts.gpus.push(Gpu {
            vendor: "apple".parse().ok(),
            api: "metal@3".parse().into_iter().collect(),
            unified: true,
            ..Gpu::default()
        });
    } else {
        unknown(facts, "gpu", NO_DETECTOR);
    }
    unknown(facts, "power.source", NO_DETECTOR);
}

/// The system by `name` with the version that it reports.
fn system(name: &str) -> FactValue {
    let version = sysinfo::System::os_version().ok();
    let version = version.and_then(|text| DottedVersion::leading(&text));
    match version {
        Some(version) => FactValue::versioned(word(name), version.truncated(2)),
        None => FactValue::unversioned(word(name)),
    }
}

/// Free bytes for us where `path` is or will be.
#[cfg(unix)]
fn disk_free(path: &Path) -> Option<ByteSize> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(there).ok()?;
    Some(whole_mib(found.f_bavail.saturating_mul(found.f_frsize)))
}

#[cfg(not(unix))]
fn disk_free(_path: &Path) -> Option<ByteSize> {
    None
}

/// Rounded down, so that a profile that is written down reads well.
fn whole_mib(bytes: u64) -> ByteSize {
    ByteSize::mib(bytes >> 20)
}

fn unknown(facts: &mut Facts, fact: &str, reason: &str) {
    facts.unknown.insert(key(fact), reason.into());
}

fn key(text: &str) -> FactKey {
    text.parse().expect("a key from this module")
}

fn word(text: &str) -> crate::variant::FactName {
    text.parse().expect("a name from this module")
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn this_machine_is_described_and_the_description_reads_back() {
        let profile = Profile::detect(Path::new("/nowhere/yet/made"));
        let facts = profile.facts();
        assert!(facts.memory.usable().unwrap() > ByteSize::mib(16));
        assert!(facts.cores.unwrap() >= 1 && facts.disk_free.is_some());
        for known in ["os", "cpu.arch", "cpu.level", "runtime"] {
            assert!(!profile.known(&key(known)).values.is_empty(), "{known}");
        }
        assert_eq!(Profile::from_toml(&profile.to_toml()).unwrap(), profile);
    }

    #[test]
    fn detecting_takes_milliseconds() {
        let fastest = (0..5).map(|_| {
            let start = Instant::now();
            Profile::detect(Path::new("."));
            start.elapsed()
        });
        // Ten in a release build; this one is not optimised.
        assert!(fastest.min().unwrap() < Duration::from_millis(50));
    }
}
