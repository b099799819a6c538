//! Reads and writes a profile as a document: TOML for people, the same tables as JSON for programs.
//!
//! ```toml
//! schema = 1
//! name = "pi-low"
//! os = ["linux@6.6", "debian@12"]
//! cpu = { arch = "aarch64", level = "aarch64", cores = 4 }
//! memory = { total = "1GiB" }
//! disk = { free = "8GiB" }
//! gpu = []
//! runtime = ["native", "wasip2"]
//! [unknown]
//! npu = "no detector in this build"
//! ```
//! Any other key is a fact of that name: `npu = "edgetpu"`, or `"runtime.wasm" = ["simd"]`.

use super::facts::{FactValue, Facts, Gpu, Memory};
use super::overrides::Override;
use super::{Profile, ProfileError};
use crate::size::ByteSize;
use crate::variant::{DottedVersion, FactKey};
use std::str::FromStr;
use toml::{Table, Value};

/// The version of the document that this build writes and reads.
const SCHEMA: i64 = 1;

/// Most bytes of a profile that are read: a detected one has some 800.
const PROFILE_BYTES_MAX: usize = 64 << 10;

/// Longest name of a profile.
const NAME_BYTES_MAX: usize = 64;

/// Keys in the order that people read them; everything else follows by name.
const ORDER: [&str; 12] = [
    "schema", "name", "os", "cpu", "memory", "libc", "gpu", "disk", "runtime", "power", "network",
    "region",
];

impl Profile {
    /// Reads a profile from TOML.
    ///
    /// One that is called `detected` may lack facts that were not looked for; in any other, what
    /// is neither listed nor under `[unknown]` is absent.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        if text.len() > PROFILE_BYTES_MAX {
            return Err(ProfileError::Size { bytes: text.len() });
        }
        Self::from_table(text.parse().map_err(|source| ProfileError::Toml(Box::new(source)))?)
    }

    /// Writes the profile as TOML that [`from_toml`](Self::from_toml) reads back unchanged.
    pub fn to_toml(&self) -> String {
        let mut table = self.to_table();
        let sections = ["unknown", "override"].map(|name| (name, table.remove(name)));
        let mut text = String::new();
        for key in ORDER {
            if let Some(value) = table.remove(key) {
                text += &format!("{key} = {value}\n");
            }
        }
        for (key, value) in table {
            text += &format!("{} = {value}\n", key_text(&key));
        }
        for (name, section) in sections {
            if let Some(Value::Table(section)) = section {
                text += &format!("[{name}]\n");
                for (key, value) in section {
                    text += &format!("{} = {value}\n", key_text(&key));
                }
            }
        }
        text
    }

    pub(super) fn to_table(&self) -> Table {
        let facts = self.facts();
        let mut table = Table::new();
        table.insert("schema".into(), SCHEMA.into());
        table.insert("name".into(), self.name().into());
        for (key, values) in &facts.values {
            let values = match values.as_slice() {
                [one] if !is_list(key) => one.to_string().into(),
                many => Value::Array(many.iter().map(|value| value.to_string().into()).collect()),
            };
            match key.as_str().split_once('.') {
                Some((section @ ("cpu" | "power" | "network"), rest)) => {
                    insert_under(&mut table, section, rest, values);
                }
                _ => {
                    table.insert(key.to_string(), values);
                }
            }
        }
        for (key, count) in [("cores", facts.cores), ("physical", facts.physical_cores)] {
            if let Some(count) = count.and_then(|count| i64::try_from(count).ok()) {
                insert_under(&mut table, "cpu", key, count.into());
            }
        }
        for (section, key, size) in [
            ("memory", "total", facts.memory.total),
            ("memory", "limit", facts.memory.limit),
            ("memory", "available", facts.memory.available),
            ("disk", "free", facts.disk_free),
        ] {
            if let Some(size) = size {
                insert_under(&mut table, section, key, exact(size).into());
            }
        }
        let gpus = facts.gpus.iter().map(|gpu| Value::Table(gpu_table(gpu))).collect();
        table.insert("gpu".into(), Value::Array(gpus));
        for (key, reason) in &facts.unknown {
            insert_under(&mut table, "unknown", key.as_str(), reason.as_str().into());
        }
        for change in self.overrides() {
            insert_under(&mut table, "override", change.key().as_str(), change.value().into());
        }
        table
    }

    pub(super) fn from_table(mut table: Table) -> Result<Self, ProfileError> {
        match table.remove("schema") {
            Some(Value::Integer(SCHEMA)) => {}
            Some(found) => return Err(ProfileError::Schema { found: found.to_string() }),
            None => return Err(ProfileError::Schema { found: "none".into() }),
        }
        let name = match table.remove("name") {
            Some(Value::String(name)) if (1..=NAME_BYTES_MAX).contains(&name.len()) => {
                printable("name", name)?
            }
            _ => return Err(expected("name", "a name of 1 to 64 bytes")),
        };
        let mut facts = Facts::default();
        read_unknown(&mut facts, table.remove("unknown"))?;
        let overrides = read_overrides(table.remove("override"))?;
        for (key, value) in table {
            match (key.as_str(), value) {
                ("memory", Value::Table(memory)) => facts.memory = read_memory(memory)?,
                ("disk", Value::Table(disk)) => facts.disk_free = read_disk(disk)?,
                ("memory" | "disk", _) => return Err(expected(&key, "a table of sizes")),
                ("gpu", Value::Array(gpus)) => {
                    facts.gpus = gpus.into_iter().map(read_gpu).collect::<Result<_, _>>()?;
                }
                ("gpu", _) => return Err(expected("gpu", "a list of tables, or []")),
                (_, value) => read_fact(&mut facts, &key, value)?,
            }
        }
        Ok(Self::new(name, facts).with_overrides(&overrides)?)
    }
}

impl serde::Serialize for Profile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_table().serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Profile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Self::from_table(table).map_err(serde::de::Error::custom)
    }
}

/// Reads one fact, or a table of them: `cpu = { arch = "aarch64" }` is `cpu.arch`.
fn read_fact(facts: &mut Facts, key: &str, value: Value) -> Result<(), ProfileError> {
    match (key, value) {
        (_, Value::Table(table)) => table
            .into_iter()
            .try_for_each(|(inner, value)| read_fact(facts, &format!("{key}.{inner}"), value)),
        ("cpu.cores", value) => count(key, &value).map(|cores| facts.cores = Some(cores)),
        ("cpu.physical", value) => {
            count(key, &value).map(|cores| facts.physical_cores = Some(cores))
        }
        (_, value) => {
            let key: FactKey = parse(key, key)?;
            let values = texts(key.as_str(), value)?;
            if values == ["unknown"] {
                facts.unknown.entry(key).or_insert_with(|| "set to unknown".into());
                return Ok(());
            }
            let values = values.iter().map(|text| parse(key.as_str(), text));
            let values = values.collect::<Result<_, _>>()?;
            facts.set(key, values);
            Ok(())
        }
    }
}

fn read_unknown(facts: &mut Facts, section: Option<Value>) -> Result<(), ProfileError> {
    for (key, reason) in section_of("unknown", section)? {
        let Value::String(reason) = reason else {
            return Err(expected(&format!("unknown.{key}"), "the reason, as text"));
        };
        facts.unknown.insert(parse("unknown", &key)?, printable("unknown", reason)?);
    }
    Ok(())
}

fn read_overrides(section: Option<Value>) -> Result<Vec<Override>, ProfileError> {
    let section = section_of("override", section)?;
    section
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(value) => parse("override", &format!("{key}={value}")),
            _ => Err(expected(&format!("override.{key}"), "the value, as text")),
        })
        .collect()
}

fn read_memory(table: Table) -> Result<Memory, ProfileError> {
    let mut memory = Memory::default();
    for (key, value) in table {
        let size = Some(size(&format!("memory.{key}"), &value)?);
        match key.as_str() {
            "total" => memory.total = size,
            "limit" => memory.limit = size,
            "available" => memory.available = size,
            _ => return Err(expected(&format!("memory.{key}"), "total, limit or available")),
        }
    }
    Ok(memory)
}

fn read_disk(table: Table) -> Result<Option<ByteSize>, ProfileError> {
    let mut free = None;
    for (key, value) in table {
        match key.as_str() {
            "free" => free = Some(size("disk.free", &value)?),
            _ => return Err(expected(&format!("disk.{key}"), "free")),
        }
    }
    Ok(free)
}

fn read_gpu(value: Value) -> Result<Gpu, ProfileError> {
    let Value::Table(table) = value else {
        return Err(expected("gpu", "a list of tables"));
    };
    let mut gpu = Gpu::default();
    for (key, value) in table {
        let path = format!("gpu.{key}");
        match (key.as_str(), value) {
            ("vendor", Value::String(text)) => gpu.vendor = Some(parse(&path, &text)?),
            ("model", Value::String(text)) => gpu.model = Some(printable(&path, text)?),
            ("vram", value) => gpu.vram = Some(size(&path, &value)?),
            ("cc", Value::String(text)) => {
                gpu.cc = Some(parse::<DottedVersion>(&path, &text)?);
            }
            ("unified", Value::Boolean(unified)) => gpu.unified = unified,
            ("api", value) => {
                let apis = texts(&path, value)?;
                let apis = apis.iter().map(|text| parse::<FactValue>(&path, text));
                gpu.api = apis.collect::<Result<_, _>>()?;
            }
            _ => {
                let keys = "one of vendor, model, vram, api, cc (text) and unified (true or false)";
                return Err(expected(&path, keys));
            }
        }
    }
    Ok(gpu)
}

fn gpu_table(gpu: &Gpu) -> Table {
    let mut table = Table::new();
    let texts = [
        ("vendor", gpu.vendor.as_ref().map(ToString::to_string)),
        ("model", gpu.model.clone()),
        ("vram", gpu.vram.map(exact)),
        ("cc", gpu.cc.as_ref().map(ToString::to_string)),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            table.insert(key.into(), text.into());
        }
    }
    if !gpu.api.is_empty() {
        let apis = gpu.api.iter().map(|api| api.to_string().into()).collect();
        table.insert("api".into(), Value::Array(apis));
    }
    if gpu.unified {
        table.insert("unified".into(), true.into());
    }
    table
}

/// Facts of which a machine usually has several, so that they are always written as a list.
fn is_list(key: &FactKey) -> bool {
    matches!(key.as_str(), "os" | "libc" | "runtime" | "cpu.features" | "cpu.abi")
}

/// A key as TOML writes it: a dot belongs to the key only inside quotes.
fn key_text(key: &str) -> String {
    if key.contains('.') { Value::String(key.into()).to_string() } else { key.into() }
}

fn insert_under(table: &mut Table, section: &str, key: &str, value: Value) {
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.into(), value);
    }
}

fn section_of(name: &str, section: Option<Value>) -> Result<Table, ProfileError> {
    match section {
        None => Ok(Table::new()),
        Some(Value::Table(table)) => Ok(table),
        Some(_) => Err(expected(name, "a table")),
    }
}

/// The size in the largest unit that says it without rounding, with one decimal if need be.
pub(crate) fn exact(size: ByteSize) -> String {
    let bytes = size.as_u64();
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        let (whole, rest) = (bytes >> shift, bytes & ((1 << shift) - 1));
        match (rest * 10) >> shift {
            _ if whole == 0 => {}
            0 if rest == 0 => return format!("{whole}{unit}"),
            tenths if rest * 10 == tenths << shift => return format!("{whole}.{tenths}{unit}"),
            _ => {}
        }
    }
    bytes.to_string()
}

fn size(key: &str, value: &Value) -> Result<ByteSize, ProfileError> {
    match value {
        Value::String(text) => parse(key, text),
        _ => Err(expected(key, "a size such as \"8GiB\"")),
    }
}

fn count(key: &str, value: &Value) -> Result<u64, ProfileError> {
    value
        .as_integer()
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| expected(key, "a whole number"))
}

/// One text or a list of them; an empty text is an empty list.
fn texts(key: &str, value: Value) -> Result<Vec<String>, ProfileError> {
    let wanted = || expected(key, "text or a list of texts");
    match value {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text]),
        Value::Integer(number) if number >= 0 => Ok(vec![number.to_string()]),
        Value::Array(values) => values
            .into_iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(wanted))
            .collect(),
        _ => Err(wanted()),
    }
}

/// Profiles are passed around, and their texts end up on terminals.
fn printable(key: &str, text: String) -> Result<String, ProfileError> {
    match text.chars().any(char::is_control) {
        true => Err(expected(key, "text without control characters")),
        false => Ok(text),
    }
}

fn parse<T: FromStr>(key: &str, text: &str) -> Result<T, ProfileError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|source| ProfileError::Value { key: key.into(), source: Box::new(source) })
}

fn expected(key: &str, wanted: &'static str) -> ProfileError {
    ProfileError::Expected { key: key.into(), wanted }
}
