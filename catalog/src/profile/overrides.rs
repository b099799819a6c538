//! Facts that a person sets, for one command (`--set`) or for a shell (`CATALOG_SET_…`).

use super::facts::{FactValue, Facts, Gpu};
use super::level;
use crate::size::{ByteSize, ByteSizeError};
use crate::variant::{DottedVersion, FactError, FactKey, FactName};
use std::fmt;
use std::str::FromStr;

/// What a variable of the environment that sets a fact starts with.
const VARIABLE_PREFIX: &str = "CATALOG_SET_";

/// Longest value: a list of a dozen runtimes has some 120 bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// Keys that mean something to this build, to recognise a slip of the finger.
const KEYS: [&str; 25] = [
    "os",
    "cpu.arch",
    "cpu.level",
    "cpu.abi",
    "cpu.vendor",
    "cpu.features",
    "cpu.cores",
    "cpu.physical",
    "cores",
    "memory",
    "memory.total",
    "memory.limit",
    "memory.available",
    "disk",
    "disk.free",
    "libc",
    "python",
    "runtime",
    "runtime.wasm",
    "gpu.vendor",
    "gpu.api",
    "gpu.cc",
    "gpu.vram",
    "power.source",
    "region",
];

/// One fact that was set by hand: `cpu.level=x86-64-v4`.
///
/// Values are written as in a profile, several joined by commas; `none` says that there is no such
/// thing and `unknown` that it is not known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Override {
    key: FactKey,
    value: String,
}

/// Why a fact cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideError {
    /// Not a key and a value.
    #[error("{text:?} does not set a fact: write key=value, as in cpu.level=x86-64-v3")]
    Form {
        /// What was written.
        text: String,
    },
    /// The key cannot be the name of a fact.
    #[error("{0}")]
    Key(#[from] FactError),
    /// The key is very close to one that means something.
    #[error("no fact is called {key}: did you mean {suggestion}?")]
    Misspelt {
        /// What was written.
        key: FactKey,
        /// What was probably meant.
        suggestion: &'static str,
    },
    /// The value is not one that the key can have.
    #[error("{key} cannot be {value:?}: {wanted}")]
    Value {
        /// The key.
        key: FactKey,
        /// What it was set to.
        value: String,
        /// What it can be set to, or what is wrong with it.
        wanted: String,
    },
}

impl Override {
    /// The fact that is set.
    pub fn key(&self) -> &FactKey {
        &self.key
    }

    /// What it is set to, as it was written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Reads the variables of an environment that set facts, and passes over all others.
    ///
    /// `CATALOG_SET_CPU__LEVEL` sets `cpu.level`: two underscores are a dot and one is a `-`.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Vec<Self>, OverrideError> {
        variables
            .into_iter()
            .filter_map(|(name, value)| {
                let key = name.strip_prefix(VARIABLE_PREFIX)?;
                let key = key.to_ascii_lowercase().replace("__", ".").replace('_', "-");
                Some(format!("{key}={value}").parse())
            })
            .collect()
    }

    fn error(&self, wanted: impl fmt::Display) -> OverrideError {
        let (key, value) = (self.key.clone(), self.value.clone());
        OverrideError::Value { key, value, wanted: wanted.to_string() }
    }

    fn is_unknown(&self) -> bool {
        self.value == "unknown"
    }

    /// The value as a size, `None` when it is set to be unknown.
    fn size(&self) -> Result<Option<ByteSize>, OverrideError> {
        match self.is_unknown() {
            true => Ok(None),
            false => self.value.parse().map(Some).map_err(|e: ByteSizeError| self.error(e)),
        }
    }

    fn count(&self) -> Result<Option<u64>, OverrideError> {
        match self.is_unknown() {
            true => Ok(None),
            false => self.value.parse().map(Some).map_err(|_| self.error("a whole number")),
        }
    }

    fn values(&self) -> Result<Vec<FactValue>, OverrideError> {
        if matches!(self.value.as_str(), "none" | "unknown" | "") {
            return Ok(Vec::new());
        }
        let values = self.value.split(',').map(|text| text.trim().parse());
        values.collect::<Result<_, _>>().map_err(|e: FactError| self.error(e))
    }
}

/// Makes `changes` to `facts`, and to what follows from them unless that is set as well.
///
/// Made again, they change nothing: a profile that was saved with its overrides reads back equal.
pub(super) fn apply(facts: &mut Facts, changes: &[Override]) -> Result<(), OverrideError> {
    let is_set = |key: &str| changes.iter().any(|change| change.key.as_str() == key);
    for change in changes {
        match change.key.as_str() {
            "memory" => {
                facts.memory.total = change.size()?;
                facts.memory.limit = None;
                facts.memory.available = None;
            }
            "memory.total" => facts.memory.total = change.size()?,
            "memory.limit" => facts.memory.limit = change.size()?,
            "memory.available" => facts.memory.available = change.size()?,
            "disk" | "disk.free" => facts.disk_free = change.size()?,
            "cores" | "cpu.cores" => facts.cores = change.count()?,
            "cpu.physical" => facts.physical_cores = change.count()?,
            key if key == "vram" || key == "gpu" || key.starts_with("gpu.") => {
                apply_to_gpus(facts, change)?;
            }
            key => {
                let values = change.values()?;
                if key == "cpu.level" {
                    check_levels(change, &values)?;
                }
                facts.unknown.remove(key);
                if change.is_unknown() {
                    facts.values.remove(key);
                    facts.unknown.insert(change.key.clone(), "set to unknown".into());
                } else {
                    facts.set(change.key.clone(), values);
                }
            }
        }
    }
    if is_set("cpu.arch") && !is_set("cpu.level") {
        facts.follow_arch();
    } else if is_set("cpu.level") && !is_set("cpu.arch") {
        facts.follow_level();
    }
    if is_set("os") && !is_set("libc") {
        facts.follow_os();
    }
    Ok(())
}

/// Sets something about every device; the first one comes into being when there is none.
fn apply_to_gpus(facts: &mut Facts, change: &Override) -> Result<(), OverrideError> {
    let key = change.key.as_str();
    facts.unknown.remove(key);
    if key == "gpu" {
        facts.gpus.clear();
        return match change.value.as_str() {
            "none" => Ok(()),
            "unknown" => {
                facts.unknown.insert(change.key.clone(), "set to unknown".into());
                Ok(())
            }
            _ => Err(change.error("none or unknown; set gpu.vendor, gpu.api or gpu.vram instead")),
        };
    }
    facts.unknown.remove("gpu");
    if facts.gpus.is_empty() {
        facts.gpus.push(Gpu::default());
    }
    for gpu in &mut facts.gpus {
        match key {
            "vram" | "gpu.vram" => gpu.vram = change.size()?,
            "gpu.api" => gpu.api = change.values()?,
            "gpu.vendor" => {
                let vendor = change.value.parse::<FactName>().map_err(|e| change.error(e))?;
                gpu.vendor = Some(vendor);
            }
            "gpu.cc" => {
                let cc = change.value.parse::<DottedVersion>().map_err(|e| change.error(e))?;
                gpu.cc = Some(cc);
            }
            _ => return Err(change.error("of a GPU, set vendor, api, cc or vram")),
        }
    }
    Ok(())
}

fn check_levels(change: &Override, values: &[FactValue]) -> Result<(), OverrideError> {
    match values.iter().all(|value| level::is_level(value.name().as_str())) {
        true => Ok(()),
        false => {
            Err(change.error("a level is x86-64 to x86-64-v4, aarch64, or armv8.1a to armv9.6a"))
        }
    }
}

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let form = || OverrideError::Form { text: text.chars().take(80).collect() };
        if text.len() > VALUE_BYTES_MAX {
            return Err(form());
        }
        let (key, value) = text.split_once('=').ok_or_else(form)?;
        let key: FactKey = key.trim().parse()?;
        // Two slips in a long key are as likely as one in a short one.
        let close = |known: &&&str| strsim::osa_distance(known, key.as_str()) <= known.len() / 4;
        if !KEYS.contains(&key.as_str())
            && let Some(suggestion) = KEYS.iter().find(close)
        {
            return Err(OverrideError::Misspelt { key, suggestion });
        }
        Ok(Self { key, value: value.trim().into() })
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl TryFrom<String> for Override {
    type Error = OverrideError;

    fn try_from(text: String) -> Result<Self, OverrideError> {
        text.parse()
    }
}

impl From<Override> for String {
    fn from(change: Override) -> Self {
        change.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    fn set(changes: &[&str]) -> Profile {
        let changes: Vec<Override> = changes.iter().map(|text| text.parse().unwrap()).collect();
        Profile::named("workstation-gpu").unwrap().with_overrides(&changes).unwrap()
    }

    fn values(profile: &Profile, key: &str) -> String {
        let values = profile.known(&key.parse().unwrap()).values;
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn overrides_win_and_the_last_one_of_a_key_wins_over_the_others() {
        let profile = set(&["libc=glibc@2.17", "cores=3", "memory=1GiB", "libc=musl@1.2,glibc"]);
        assert_eq!(values(&profile, "libc"), "musl@1.2,glibc");
        assert_eq!(profile.facts().cores, Some(3));
        assert_eq!(profile.facts().memory.usable(), Some(ByteSize::gib(1)));
        let shown: Vec<_> = profile.overrides().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["cores=3", "libc=musl@1.2,glibc", "memory=1GiB"]);
    }

    #[test]
    fn another_architecture_takes_the_level_with_it() {
        let profile = set(&["cpu.arch=riscv64"]);
        assert_eq!(values(&profile, "cpu.level"), "riscv64");
        let profile = set(&["cpu.level=armv8.2a"]);
        assert_eq!(values(&profile, "cpu.arch"), "aarch64");
        let profile = set(&["cpu.arch=amd64"]);
        assert_eq!(values(&profile, "cpu.level"), "x86-64-v3");
        let profile = set(&["cpu.level=aarch64", "cpu.arch=arm64"]);
        assert_eq!(values(&profile, "cpu.arch"), "arm64");
        let profile = set(&["os=windows@11"]);
        assert_eq!(values(&profile, "libc"), "");
    }

    #[test]
    fn a_device_can_be_added_changed_and_taken_away() {
        let profile = set(&["gpu.api=cuda@13.0", "vram=80GiB"]);
        assert_eq!(profile.facts().gpus[0].api[0].to_string(), "cuda@13.0");
        assert_eq!(profile.facts().gpus[0].vram, Some(ByteSize::gib(80)));
        assert!(set(&["gpu=none"]).facts().gpus.is_empty());
        let server = Profile::named("server-high").unwrap();
        assert!(server.facts().gpus.is_empty());
        let with = server.with_overrides(&["vram=8GiB".parse().unwrap()]).unwrap();
        assert_eq!(with.facts().gpus.len(), 1);
    }

    #[test]
    fn overrides_applied_twice_are_overrides_applied_once() {
        for changes in [
            &["cpu.arch=riscv64", "cpu.level=riscv64"][..],
            &["cpu.level=armv9.0a", "memory=2GiB", "memory.available=1GiB"],
            &["os=unknown", "gpu=unknown", "runtime=none", "region=eu"],
        ] {
            let once = set(changes);
            assert_eq!(once.with_overrides(once.overrides()).unwrap(), once);
            assert_eq!(Profile::from_toml(&once.to_toml()).unwrap(), once);
        }
    }

    #[test]
    fn the_environment_sets_facts_by_upper_case_names() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let changes = Override::from_variables([
            pair("CATALOG_SET_CPU__LEVEL", "x86-64-v4"),
            pair("CATALOG_HOME", "elsewhere"),
            pair("CATALOG_SET_MEMORY", "2GiB"),
        ]);
        let shown: Vec<_> = changes.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["cpu.level=x86-64-v4", "memory=2GiB"]);
    }

    #[test]
    fn a_wrong_override_gets_one_line_that_says_what_to_write() {
        let error = |text: &str| {
            let change: Result<Override, _> = text.parse();
            let made = change.and_then(|c| Profile::named("laptop").unwrap().with_overrides(&[c]));
            made.unwrap_err().to_string()
        };
        for (text, message) in [
            ("cores", "\"cores\" does not set a fact: write key=value, as in cpu.level=x86-64-v3"),
            ("cpu.levle=x", "no fact is called cpu.levle: did you mean cpu.level?"),
            (
                "cpu.level=v4",
                "cpu.level cannot be \"v4\": a level is x86-64 to x86-64-v4, aarch64, or armv8.1a to armv9.6a",
            ),
            ("cores=many", "cores cannot be \"many\": a whole number"),
            (
                "gpu=big",
                "gpu cannot be \"big\": none or unknown; set gpu.vendor, gpu.api or gpu.vram instead",
            ),
            (
                "libc=glibc>=2",
                "libc cannot be \"glibc>=2\": '>' cannot stand in \"glibc>=2\": facts are written with a-z, 0-9, '.', '_' and '-'",
            ),
        ] {
            assert_eq!(error(text), message);
        }
    }
}
