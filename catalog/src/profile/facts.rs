//! What is known about a machine: named values, amounts, devices, and what could not be found out.

use crate::size::ByteSize;
use crate::variant::{DottedVersion, FactError, FactKey, FactName};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One thing a machine is or has, such as `linux@6.18`: a name and, where known, its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FactValue {
    name: FactName,
    version: Option<DottedVersion>,
}

/// Everything known about a machine.
///
/// A key can stand in `values` and in `unknown` at once: then it has at least these values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Facts by key; an empty list is known to be absent.
    pub values: BTreeMap<FactKey, Vec<FactValue>>,
    /// What was looked for and not found out, with the reason.
    pub unknown: BTreeMap<FactKey, String>,
    /// Main memory.
    pub memory: Memory,
    /// Free bytes where packages will be installed.
    pub disk_free: Option<ByteSize>,
    /// Processors that this process may use at once.
    pub cores: Option<u64>,
    /// Physical cores.
    pub physical_cores: Option<u64>,
    /// Graphics and compute devices; a requirement must be met by one of them alone.
    pub gpus: Vec<Gpu>,
}

/// How much main memory there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What the machine has.
    pub total: Option<ByteSize>,
    /// What this process may use of it, when that is less (a container).
    pub limit: Option<ByteSize>,
    /// What could be used right now without swapping.
    pub available: Option<ByteSize>,
}

/// One graphics or compute device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpu {
    /// Who made it: `nvidia`, `amd`, `intel`.
    pub vendor: Option<FactName>,
    /// What it is called; shown, never compared.
    pub model: Option<String>,
    /// Its own memory.
    pub vram: Option<ByteSize>,
    /// What it can be programmed with: `cuda@12.8`, `vulkan@1.3`.
    pub api: Vec<FactValue>,
    /// Compute capability, as NVIDIA counts it; asked for as `"gpu.cc" = "sm>=8.0"`.
    pub cc: Option<DottedVersion>,
    /// It has no memory of its own and uses main memory.
    pub unified: bool,
}

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The values; empty when there are none or none is known.
    pub values: Vec<FactValue>,
    /// Why there may be more values than these; `None` when the list is complete.
    pub gap: Option<String>,
}

impl FactValue {
    /// A value whose version is not known or does not exist.
    pub fn unversioned(name: FactName) -> Self {
        Self { name, version: None }
    }

    /// A value with its version.
    pub fn versioned(name: FactName, version: DottedVersion) -> Self {
        Self { name, version: Some(version) }
    }

    /// What it is.
    pub fn name(&self) -> &FactName {
        &self.name
    }

    /// Which version of it.
    pub fn version(&self) -> Option<&DottedVersion> {
        self.version.as_ref()
    }

    /// The value as people read it: `linux 6.18`.
    pub fn spoken(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.to_string(),
        }
    }
}

impl Memory {
    /// What this process may use at most.
    pub fn usable(&self) -> Option<ByteSize> {
        [self.total, self.limit].into_iter().flatten().min()
    }
}

impl Gpu {
    /// The values of one `gpu.…` key for this device.
    fn values(&self, key: &FactKey) -> Vec<FactValue> {
        match key.as_str() {
            "gpu.vendor" => self.vendor.iter().cloned().map(FactValue::unversioned).collect(),
            "gpu.api" => self.api.clone(),
            "gpu.cc" => self.cc.iter().cloned().map(compute_capability).collect(),
            _ => Vec::new(),
        }
    }

    /// The memory it can use: its own, or main memory when it shares that.
    pub fn vram(&self, memory: &Memory) -> Option<ByteSize> {
        if self.unified { self.vram.or(memory.usable()) } else { self.vram }
    }
}

impl Facts {
    /// Sets the values of `key`; an empty list says that there are none.
    pub fn set(&mut self, key: FactKey, values: Vec<FactValue>) {
        self.values.insert(key, values);
    }

    /// Why `key` is not known, if that was recorded for it or for what it belongs to.
    pub fn gap(&self, key: &FactKey) -> Option<&str> {
        let mut rest = key.as_str();
        loop {
            if let Some(reason) = self.unknown.get(rest) {
                return Some(reason);
            }
            rest = rest.rsplit_once('.')?.0;
        }
    }

    /// What is known of `key`, or `None` when nothing was recorded at all.
    pub fn known(&self, key: &FactKey) -> Option<Known> {
        let gap = self.gap(key).map(str::to_owned);
        match self.values.get(key) {
            Some(values) => Some(Known { values: values.clone(), gap }),
            None => gap.map(|gap| Known { values: Vec::new(), gap: Some(gap) }),
        }
    }

    /// Why the list of devices may be incomplete.
    pub fn gap_of_devices(&self) -> Option<&str> {
        self.unknown.get("gpu").map(String::as_str)
    }

    /// What is known of any `gpu.…` key on a machine without a device.
    pub fn known_without_device(&self) -> Known {
        Known { values: Vec::new(), gap: self.gap_of_devices().map(str::to_owned) }
    }

    /// What is known of a `gpu.…` key for one device.
    pub fn known_of(&self, gpu: &Gpu, key: &FactKey) -> Known {
        Known { values: gpu.values(key), gap: self.gap(key).map(str::to_owned) }
    }
}

fn compute_capability(version: DottedVersion) -> FactValue {
    FactValue::versioned("sm".parse().expect("a plain word"), version)
}

impl FromStr for FactValue {
    type Err = FactError;

    fn from_str(text: &str) -> Result<Self, FactError> {
        match text.split_once('@') {
            Some((name, version)) => Ok(Self::versioned(name.parse()?, version.parse()?)),
            None => Ok(Self::unversioned(text.parse()?)),
        }
    }
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl TryFrom<String> for FactValue {
    type Error = FactError;

    fn try_from(text: String) -> Result<Self, FactError> {
        text.parse()
    }
}

impl From<FactValue> for String {
    fn from(value: FactValue) -> Self {
        value.to_string()
    }
}
