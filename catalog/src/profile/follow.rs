//! What follows from a fact that was set: an architecture has a level, and a level an architecture.

use super::facts::{FactValue, Facts};
use super::level;
use crate::variant::{FactKey, FactName};

impl Facts {
    /// Completes level and architecture from each other where only one is known.
    pub(super) fn fill_in_cpu(&mut self) {
        match (self.first("cpu.arch"), self.first("cpu.level")) {
            (Some(_), None) if self.gap(&key("cpu.level")).is_none() => self.follow_arch(),
            (None, Some(_)) if self.gap(&key("cpu.arch")).is_none() => self.follow_level(),
            _ => {}
        }
    }

    /// Another architecture: of its level only the baseline is known, and nothing of the rest.
    pub(super) fn follow_arch(&mut self) {
        let Some(arch) = self.first("cpu.arch") else { return };
        let arch = level::canonical(&key("cpu.arch"), arch.as_str()).to_owned();
        let old = self.first("cpu.level");
        if old.as_ref().is_none_or(|old| level::arch_of(old.as_str()) != arch) {
            self.set(key("cpu.level"), vec![value(level::baseline(&arch))]);
            self.forget_cpu_details(old);
        }
    }

    /// A level of another architecture brings that architecture.
    pub(super) fn follow_level(&mut self) {
        let Some(level) = self.first("cpu.level") else { return };
        let arch = level::arch_of(level.as_str()).to_owned();
        let old = self.first("cpu.arch");
        let canonical = |old: &FactName| level::canonical(&key("cpu.arch"), old.as_str()) == arch;
        if !old.as_ref().is_some_and(canonical) {
            self.set(key("cpu.arch"), vec![value(&arch)]);
            self.forget_cpu_details(old);
        }
    }

    /// Only Linux has a C library that packages ask for.
    pub(super) fn follow_os(&mut self) {
        let systems = self.values.get("os").map_or(&[][..], Vec::as_slice);
        if !systems.iter().any(|system| system.name().as_str() == "linux") {
            self.set(key("libc"), Vec::new());
        }
    }

    /// Drops what was known of another CPU than the one that is set now, if there was one.
    fn forget_cpu_details(&mut self, old: Option<FactName>) {
        if old.is_none() {
            return;
        }
        for detail in ["cpu.features", "cpu.vendor", "cpu.abi"] {
            if self.values.remove(detail).is_some() {
                self.unknown.insert(key(detail), "not known for another architecture".into());
            }
        }
    }

    fn first(&self, key: &str) -> Option<FactName> {
        Some(self.values.get(key)?.first()?.name().clone())
    }
}

fn key(text: &str) -> FactKey {
    text.parse().expect("a key from this file")
}

fn value(text: &str) -> FactValue {
    text.parse().expect("an architecture or a level that was a value before")
}
