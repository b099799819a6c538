//! One build of a release for one kind of hardware, and what it asks of a machine.
//!
//! A variant says what it needs (`requires`, `resources`), what it would like (`prefers`) and which
//! bytes it is (`root`). Whether it fits is decided by [`resolve`](mod@crate::resolve).
//!
//! Stored inside a release, with short keys: 26 variants of a real package take some 5 KiB, so that
//! a mirror of one variant can carry the whole release.

mod class;
mod constraint;
mod fact;
mod resources;

pub use constraint::{Alternative, Bound, Constraint, ConstraintError, Op};
pub use fact::{DottedVersion, FactError, FactKey, FactName};
pub use resources::{Amount, Count, Resources};

use crate::cbor::{CodecError, Fields, Map, Value};
use crate::digest::Digest;
use crate::name::VariantId;
use crate::size::ByteSize;
use crate::statement::body;
use std::collections::BTreeMap;

/// Most keys in `requires` or `prefers`; real packages use up to five.
pub const CONSTRAINTS_MAX: usize = 32;

/// The highest rank that an author can give.
pub const QUALITY_MAX: u8 = 100;

/// One build of a release: what it needs of a machine, and the bytes it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Variant {
    /// Its name inside the release.
    pub id: VariantId,
    /// Facts that must hold, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<FactKey, Constraint>,
    /// Facts that are welcome: they decide between variants that are otherwise equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prefers: BTreeMap<FactKey, Constraint>,
    /// How much it needs.
    #[serde(default)]
    pub resources: Resources,
    /// Chosen only when nothing else fits.
    #[serde(default)]
    pub fallback: bool,
    /// The author's rank, 0 to [`QUALITY_MAX`].
    pub quality: u8,
    /// The hash sequence of its content: child 0 is the tree, then the files in tree order.
    pub root: Digest,
    /// The list of its files.
    pub tree: Digest,
    /// The sum of its file sizes.
    pub size: ByteSize,
    /// How many files it has.
    pub files: u64,
}

impl Variant {
    /// The disk space that it asks for: what its author says, or else the size of its files.
    pub fn disk_min(&self) -> ByteSize {
        self.resources.disk.min.unwrap_or(self.size)
    }

    /// The variant as it stands in a release.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("id", self.id.as_str());
        map.insert("q", u64::from(self.quality));
        map.insert_some("need", constraints_to_value(&self.requires));
        map.insert_some("like", constraints_to_value(&self.prefers));
        self.resources.write(&mut map);
        map.insert_some("fb", self.fallback.then_some(true));
        map.insert("root", self.root);
        map.insert("tree", self.tree);
        map.insert("size", self.size.as_u64());
        map.insert("n", self.files);
        Value::Map(map)
    }

    /// Reads what [`to_value`](Self::to_value) wrote.
    pub fn from_value(value: Value) -> Result<Self, CodecError> {
        let mut fields = Fields::of(value)?;
        let quality = fields.uint("q")?;
        let quality = u8::try_from(quality).ok().filter(|quality| *quality <= QUALITY_MAX);
        let variant = Self {
            id: fields.parsed("id")?,
            requires: constraints_from("need", fields.map_opt("need")?)?,
            prefers: constraints_from("like", fields.map_opt("like")?)?,
            resources: Resources::read(&mut fields)?,
            fallback: body::flag(&mut fields, "fb")?,
            quality: quality.ok_or_else(|| CodecError::invalid("q", "more than 100"))?,
            root: fields.digest("root")?,
            tree: fields.digest("tree")?,
            size: ByteSize::bytes(fields.uint("size")?),
            files: fields.uint("n")?,
        };
        fields.finish()?;
        Ok(variant)
    }
}

fn constraints_to_value(constraints: &BTreeMap<FactKey, Constraint>) -> Option<Value> {
    if constraints.is_empty() {
        return None;
    }
    let entries = constraints.iter().map(|(key, wanted)| (key.as_str(), wanted.to_string()));
    Some(Value::Map(entries.collect()))
}

fn constraints_from(
    field: &'static str,
    map: Option<Map>,
) -> Result<BTreeMap<FactKey, Constraint>, CodecError> {
    let Some(map) = map else { return Ok(BTreeMap::new()) };
    body::not_empty(field, map.is_empty())?;
    body::count(field, map.len(), CONSTRAINTS_MAX)?;
    map.into_entries()
        .map(|(key, value)| {
            let key = key.parse().map_err(|error| CodecError::invalid(field, error))?;
            let Value::Text(text) = value else {
                return Err(CodecError::WrongType { field, expected: "a map of text" });
            };
            let wanted = Constraint::from_canonical(&text);
            Ok((key, wanted.map_err(|error| CodecError::invalid(field, error))?))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
