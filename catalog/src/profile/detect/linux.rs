//! Reads what Linux says about itself under `/proc`, `/sys`, `/etc` and the loader's folder.

mod cgroup;
mod gpu;
mod libc;

use super::super::facts::{FactValue, Facts, Memory};
use super::{key, unknown, whole_mib, word};
use crate::variant::DottedVersion;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most of a small text file that is read; `/proc/cpuinfo` of a large machine is longer, and its
/// first processor is all we ask for.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// A Linux system, seen from its root folder; tests build one of a few files.
pub(super) struct Linux {
    root: PathBuf,
}

impl Linux {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Fills in what Linux knows: system, memory, C library, devices and power.
    pub(super) fn detect(&self, facts: &mut Facts) {
        facts.set(key("os"), self.systems());
        if let Some(vendor) = self.cpu_vendor() {
            facts.set(key("cpu.vendor"), vec![vendor]);
        }
        match self.memory() {
            Some(memory) => facts.memory = memory,
            None => unknown(facts, "memory", "/proc/meminfo cannot be read"),
        }
        facts.set(key("libc"), libc::detect(self));
        gpu::detect(self, facts);
        self.detect_power(facts);
    }

    fn path(&self, below_root: &str) -> PathBuf {
        self.root.join(below_root)
    }

    fn text(&self, below_root: &str) -> Option<String> {
        read_text(&self.path(below_root))
    }

    /// Paths of what a folder holds, by name, so that equal systems give equal facts.
    fn folder(&self, below_root: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(below_root)) else { return Vec::new() };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    /// The kernel and the distribution.
    fn systems(&self) -> Vec<FactValue> {
        let kernel = self.text("proc/sys/kernel/osrelease");
        let kernel = kernel.and_then(|text| DottedVersion::leading(&text));
        let linux = match kernel {
            Some(version) => FactValue::versioned(word("linux"), version.truncated(2)),
            None => FactValue::unversioned(word("linux")),
        };
        [Some(linux), self.distribution()].into_iter().flatten().collect()
    }

    fn distribution(&self) -> Option<FactValue> {
        let text = self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(value.trim().trim_matches(['"', '\'']))
        };
        let name = field("ID")?.parse().ok()?;
        Some(match field("VERSION_ID").and_then(|version| version.parse().ok()) {
            Some(version) => FactValue::versioned(name, version),
            None => FactValue::unversioned(name),
        })
    }

    fn cpu_vendor(&self) -> Option<FactValue> {
        let text = self.text("proc/cpuinfo")?;
        let line = text.lines().find(|line| line.starts_with("vendor_id"))?;
        let vendor = match line.split_once(':')?.1.trim() {
            "GenuineIntel" => "intel".into(),
            "AuthenticAMD" => "amd".into(),
            other => other.to_ascii_lowercase(),
        };
        Some(FactValue::unversioned(vendor.parse().ok()?))
    }

    /// Total and available memory, both no more than what the control group leaves us.
    fn memory(&self) -> Option<Memory> {
        let text = self.text("proc/meminfo")?;
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        let total = bytes("MemTotal:")?;
        let available = bytes("MemAvailable:");
        // "Unlimited" is written as a very large number by the first version of control groups.
        let group = cgroup::memory(self).filter(|group| group.limit < total);
        let available = match &group {
            Some(group) => available.map(|available| available.min(group.headroom)),
            None => available,
        };
        Some(Memory {
            total: Some(whole_mib(total)),
            limit: group.map(|group| whole_mib(group.limit)),
            available: available.map(whole_mib),
        })
    }

    /// Mains or battery, and how full that is; a machine without a battery is on mains.
    fn detect_power(&self, facts: &mut Facts) {
        if !self.path("sys").is_dir() {
            unknown(facts, "power.source", "/sys cannot be read");
            return;
        }
        let mut source = word("mains");
        for supply in self.folder("sys/class/power_supply") {
            let read = |name: &str| read_text(&supply.join(name)).unwrap_or_default();
            // A mouse has a battery as well; its scope is "Device".
            if read("type").trim() != "Battery" || read("scope").trim() == "Device" {
                continue;
            }
            if read("status").trim() == "Discharging" {
                source = word("battery");
            }
            if let Ok(percent) = read("capacity").trim().parse() {
                facts.set(key("power.battery"), vec![FactValue::unversioned(percent)]);
            }
        }
        facts.set(key("power.source"), vec![FactValue::unversioned(source)]);
    }
}

/// The beginning of a small text file.
pub(super) fn read_text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system made of these files.
    pub(super) struct Fake(tempfile::TempDir);

    impl Fake {
        pub(super) fn of(files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        pub(super) fn system(&self) -> Linux {
            Linux::at(self.0.path())
        }

        pub(super) fn facts(&self) -> Facts {
            let mut facts = Facts::default();
            self.system().detect(&mut facts);
            facts
        }
    }

    fn spoken(facts: &Facts, key: &str) -> String {
        let values = &facts.values[key];
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn kernel_distribution_vendor_and_memory_are_read() {
        let facts = Fake::of(&[
            ("proc/sys/kernel/osrelease", "6.18.44-fc-v595\n"),
            ("etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"),
            ("proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n"),
            ("proc/meminfo", "MemTotal:       24641536 kB\nMemAvailable:   16777216 kB\n"),
        ])
        .facts();
        assert_eq!(spoken(&facts, "os"), "linux@6.18 debian@12");
        assert_eq!(spoken(&facts, "cpu.vendor"), "amd");
        assert_eq!(facts.memory.total, Some(whole_mib(24_641_536 << 10)));
        assert_eq!(facts.memory.available, Some(whole_mib(16 << 30)));
        assert_eq!(facts.memory.limit, None);
    }

    #[test]
    fn an_empty_system_gives_reasons_and_not_an_error() {
        let facts = Fake::of(&[]).facts();
        assert_eq!(spoken(&facts, "os"), "linux");
        assert_eq!(spoken(&facts, "libc"), "");
        assert!(facts.gap(&key("memory.total")).is_some() && facts.gap(&key("power")).is_none());
        assert!(facts.gap(&key("power.source")).is_some() && facts.gpus.is_empty());
    }

    #[test]
    fn only_a_discharging_battery_of_the_machine_counts() {
        let supply = |files: &[(&str, &str)]| {
            let files: Vec<_> = files
                .iter()
                .map(|(path, text)| (format!("sys/class/power_supply/{path}"), *text))
                .collect();
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            let facts = Fake::of(&files).facts();
            let battery = facts.values.contains_key("power.battery");
            (spoken(&facts, "power.source"), battery.then(|| spoken(&facts, "power.battery")))
        };
        let mains = || ("mains".to_owned(), None);
        let laptop = [
            ("BAT0/type", "Battery\n"),
            ("BAT0/status", "Discharging\n"),
            ("BAT0/capacity", "80\n"),
        ];
        assert_eq!(supply(&laptop), ("battery".into(), Some("80".into())));
        assert_eq!(supply(&[("BAT0/type", "Battery\n"), ("BAT0/status", "Charging\n")]), mains());
        let mouse =
            [("hid/type", "Battery"), ("hid/scope", "Device"), ("hid/status", "Discharging")];
        assert_eq!(supply(&mouse), mains());
    }
}
