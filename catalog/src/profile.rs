//! What a machine is: facts that were detected, written down by hand, or set for one command.
//!
//! A profile answers what is known of a fact; whether that is enough for a variant is decided by
//! [`resolve`](mod@crate::resolve). Facts have three states: known, known to be absent, and not known
//! (with the reason). In a detected profile what was not looked for is not known; in any other
//! profile it is absent, because its author listed what there is.
//!
//! Profiles stay on the machine, being close to a fingerprint; peers are told the
//! [coarse class](Profile::coarse_class) only.

mod detect;
mod document;
mod facts;
mod follow;
mod level;
mod named;
mod overrides;

pub use detect::{Detector, SystemDetector};
pub(crate) use document::exact as exact_size;
pub use facts::{FactValue, Facts, Gpu, Known, Memory};
pub(crate) use level::{arch_of, canonical, satisfies};
pub use overrides::{Override, OverrideError};

use crate::size::ByteSize;
use crate::variant::FactKey;
use std::path::Path;

/// The name of the profile of the machine we run on.
pub const DETECTED: &str = "detected";

/// The facts about one machine, or about one kind of machine.
///
/// In JSON it is the same document as in TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    name: String,
    facts: Facts,
    overrides: Vec<Override>,
}

/// Why a text is not a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Longer than any profile needs to be.
    #[error("{bytes} bytes are too many for a profile")]
    Size {
        /// How many there were.
        bytes: usize,
    },
    /// Not TOML at all.
    #[error("not TOML")]
    Toml(#[source] Box<toml::de::Error>),
    /// Written for another version of this document.
    #[error("a profile starts with `schema = 1`, found {found}")]
    Schema {
        /// What stands there instead.
        found: String,
    },
    /// A key holds the wrong kind of thing.
    #[error("`{key}` takes {wanted}")]
    Expected {
        /// The dotted key.
        key: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A key holds the right kind of thing, but not a value of it.
    #[error("`{key}`: {source}")]
    Value {
        /// The dotted key.
        key: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What stands under `[override]` cannot be applied.
    #[error("`override`: {0}")]
    Override(#[from] OverrideError),
}

impl Profile {
    /// Looks at this machine; `disk` is where packages will be installed.
    ///
    /// Takes a few milliseconds, runs no other program and never fails: what cannot be found out
    /// is recorded as not known.
    pub fn detect(disk: &Path) -> Self {
        Self::detected_by(&SystemDetector::new(disk))
    }

    /// The profile of the machine that `detector` looks at.
    pub fn detected_by(detector: &dyn Detector) -> Self {
        Self::new(DETECTED, detector.detect())
    }

    /// A profile of that name with these facts.
    pub fn new(name: impl Into<String>, mut facts: Facts) -> Self {
        facts.fill_in_cpu();
        Self { name: name.into(), facts, overrides: Vec::new() }
    }

    /// Returns this profile with `changes` made, later ones winning over earlier ones.
    ///
    /// They are remembered and shown wherever the profile decides something.
    pub fn with_overrides(&self, changes: &[Override]) -> Result<Self, OverrideError> {
        let mut profile = self.clone();
        for change in changes {
            profile.overrides.retain(|earlier| earlier.key() != change.key());
            profile.overrides.push(change.clone());
        }
        profile.overrides.sort_by(|a, b| a.key().cmp(b.key()));
        overrides::apply(&mut profile.facts, &profile.overrides)?;
        Ok(profile)
    }

    /// What it is called: `detected`, the name of a built-in one, or what its author wrote.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything known about the machine, overrides included.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What was set by hand, by key.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// What is known of a fact of the machine (not of one of its devices).
    pub fn known(&self, key: &FactKey) -> Known {
        self.facts.known(key).unwrap_or_else(|| Known {
            values: Vec::new(),
            gap: (self.name == DETECTED).then(|| "no detector for it in this build".into()),
        })
    }

    /// What is told to peers: architecture, level, memory rounded down to a power of two, whether
    /// there is a GPU, and the region if one was set.
    pub fn coarse_class(&self) -> String {
        let first = |key: &str| {
            let values = self.facts.values.get(key)?;
            Some(values.first()?.name().to_string())
        };
        let memory = self.facts.memory.usable().map_or_else(
            || "unknown".into(),
            |usable| power_of_two(usable).to_string().replace(' ', ""),
        );
        let mut class = [
            first("cpu.arch").unwrap_or_else(|| "unknown".into()),
            first("cpu.level").unwrap_or_else(|| "unknown".into()),
            memory,
            if self.facts.gpus.is_empty() { "no-gpu" } else { "gpu" }.into(),
        ]
        .join("/");
        if let Some(region) = first("region") {
            class = class + "/" + &region;
        }
        class
    }
}

/// The largest power of two that is not more than `size`.
fn power_of_two(size: ByteSize) -> ByteSize {
    ByteSize::bytes(size.as_u64().checked_ilog2().map_or(0, |exponent| 1 << exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        Profile::from_toml(&format!("schema = 1\n{text}")).unwrap()
    }

    #[test]
    fn a_profile_is_written_as_it_is_read() {
        let text = r#"schema = 1
name = "detected"
os = ["linux@6.18", "debian@12"]
cpu = { arch = "x86_64", cores = 2, features = ["avx2", "fma"], level = "x86-64-v4", physical = 2, vendor = "generic" }
memory = { available = "16GiB", total = "23.5GiB" }
libc = ["glibc@2.36"]
gpu = [{ api = ["cuda@12.8", "vulkan@1.3"], cc = "9.0", model = 'H100 "SXM"', vendor = "nvidia", vram = "80GiB" }]
disk = { free = "66GiB" }
runtime = ["native", "wasip2"]
power = { source = "mains" }
region = []
"runtime.wasm" = "simd"
[unknown]
"network.metered" = "no detector in this build"
npu = "no detector in this build"
[override]
"cpu.level" = "x86-64-v4"
"#;
        let profile = Profile::from_toml(text).unwrap();
        assert_eq!(profile.to_toml(), text);
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }

    #[test]
    fn what_is_not_listed_is_absent_unless_the_profile_was_detected() {
        let gap = |name: &str, key: &str| {
            profile(&format!("name = \"{name}\"\n[unknown]\nnpu = \"why\""))
                .known(&key.parse().unwrap())
                .gap
        };
        assert_eq!(gap("phone", "libc"), None);
        assert_eq!(gap("phone", "npu").as_deref(), Some("why"));
        assert_eq!(gap("phone", "npu.api").as_deref(), Some("why"));
        assert!(gap("detected", "libc").is_some());
    }

    #[test]
    fn a_machine_nobody_built_for_can_be_written_down() {
        let board = profile(
            "name = 'board'\nos = 'linux'\ncpu = { arch = 'riscv64' }\nruntime = ['wasip2']",
        );
        assert_eq!(board.facts().values["cpu.level"], ["riscv64".parse().unwrap()]);
        assert_eq!(board.coarse_class(), "riscv64/riscv64/unknown/no-gpu");
    }

    #[test]
    fn peers_learn_a_coarse_class_only() {
        let class = profile(
            "name = 'x'\nos = ['linux@6.18.44']\ncpu = { arch = 'x86_64', level = 'x86-64-v4', cores = 12 }\n\
             memory = { total = '23.5GiB' }\ngpu = [{ vendor = 'amd', model = 'Rare' }]\nregion = 'eu'",
        )
        .coarse_class();
        assert_eq!(class, "x86_64/x86-64-v4/16GiB/gpu/eu");
    }

    #[test]
    fn a_wrong_profile_says_which_key_is_wrong() {
        for (text, message) in [
            ("name = 'x'", "a profile starts with `schema = 1`, found none"),
            ("schema = 2\nname = 'x'", "a profile starts with `schema = 1`, found 2"),
            ("schema = 1", "`name` takes a name of 1 to 64 bytes"),
            ("schema = 1\nname = 'x'\nmemory = 8", "`memory` takes a table of sizes"),
            (
                "schema = 1\nname = 'x'\nmemory = { tot = '1GiB' }",
                "`memory.tot` takes total, limit or available",
            ),
            (
                "schema = 1\nname = 'x'\nlibc = 'glibc >= 2'",
                "`libc`: ' ' cannot stand in \"glibc >= 2\": facts are written with a-z, 0-9, '.', '_' and '-'",
            ),
            ("schema = 1\nname = 'x'\ncpu = { cores = -1 }", "`cpu.cores` takes a whole number"),
            ("schema = 1\nname = \"a\\u001b[2J\"", "`name` takes text without control characters"),
            ("schema = ", "not TOML"),
        ] {
            assert_eq!(Profile::from_toml(text).unwrap_err().to_string(), message);
        }
        let long = format!("schema = 1\nname = 'x'\n# {}", "-".repeat(70_000));
        assert!(matches!(Profile::from_toml(&long), Err(ProfileError::Size { .. })));
    }
}
