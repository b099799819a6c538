//! How much of a machine a variant takes: the least it runs with, and what it runs well with.

use crate::cbor::{CodecError, Fields, Map, Value};
use crate::size::ByteSize;

/// How many bytes of something are needed; `min` excludes, `recommended` grades.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Amount {
    /// With less it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<ByteSize>,
    /// With this it runs well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<ByteSize>,
}

/// How many of something are needed; `min` excludes, `recommended` grades.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Count {
    /// With fewer it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// With these it runs well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<u64>,
}

/// Everything that a variant takes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(default)]
pub struct Resources {
    /// Main memory.
    pub memory: Amount,
    /// Free disk space; its own size when nothing is said.
    pub disk: Amount,
    /// Memory of one graphics or compute device.
    pub vram: Amount,
    /// Processors used at once.
    pub cores: Count,
}

impl Resources {
    /// Adds the fields of the resources that are asked for.
    pub(super) fn write(&self, map: &mut Map) {
        for (field, amount) in [("mem", self.memory), ("disk", self.disk), ("vram", self.vram)] {
            let [min, recommended] = [amount.min, amount.recommended];
            map.insert_some(
                field,
                pair(min.map(ByteSize::as_u64), recommended.map(ByteSize::as_u64)),
            );
        }
        map.insert_some("cpus", pair(self.cores.min, self.cores.recommended));
    }

    /// Reads what [`write`](Self::write) added.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, CodecError> {
        let [memory, disk, vram] = ["mem", "disk", "vram"].map(|field| read_amount(fields, field));
        let (min, recommended) = read_pair(fields, "cpus")?;
        let cores = Count { min, recommended };
        Ok(Self { memory: memory?, disk: disk?, vram: vram?, cores })
    }
}

/// `[min]`, `[min, recommended]` or `[null, recommended]`; nothing when nothing is asked for.
fn pair(min: Option<u64>, recommended: Option<u64>) -> Option<Value> {
    let min_or_null = min.map_or(Value::Null, Value::Uint);
    match (min, recommended) {
        (None, None) => None,
        (Some(_), None) => Some(Value::Array(vec![min_or_null])),
        (_, Some(recommended)) => Some(Value::Array(vec![min_or_null, Value::Uint(recommended)])),
    }
}

fn read_amount(fields: &mut Fields, field: &'static str) -> Result<Amount, CodecError> {
    let (min, recommended) = read_pair(fields, field)?;
    Ok(Amount { min: min.map(ByteSize::bytes), recommended: recommended.map(ByteSize::bytes) })
}

type Pair = (Option<u64>, Option<u64>);

fn read_pair(fields: &mut Fields, field: &'static str) -> Result<Pair, CodecError> {
    match fields.array_opt(field)?.as_deref() {
        None => Ok((None, None)),
        Some([Value::Uint(min)]) => Ok((Some(*min), None)),
        Some([Value::Null, Value::Uint(recommended)]) => Ok((None, Some(*recommended))),
        Some([Value::Uint(min), Value::Uint(recommended)]) => Ok((Some(*min), Some(*recommended))),
        Some(_) => Err(CodecError::WrongType { field, expected: "one or two numbers" }),
    }
}
