//! What is used on this machine, as counts that fade.
//!
//! Installing, fetching and looking at a package warms it; what is warm stands a little higher when
//! candidates are otherwise close, and first in `--sort popular`. A count halves every
//! [`HALF_LIFE`] and has a ceiling, so neither an old habit nor a loop in a script rules for long.
//!
//! Guarantees: counts are kept for at most [`PACKAGES_MAX`] packages, and nothing here is sent or
//! signed: they are the business of this machine alone. Losing them costs a little order.
//! Not here: the file they are kept in (`node`), and which packages others depend on
//! ([`popular`](crate::popular)).

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::identity::PublisherId;
use catalog::release::PackageId;
use catalog::{Digest, Timestamp};

/// After this time a count is worth half.
pub const HALF_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Packages that are counted; the coldest makes room for a new one.
pub const PACKAGES_MAX: usize = 2_048;
/// The most bytes of [`Usage::encode`].
pub const USAGE_BYTES_MAX: usize = 512 << 10;

/// Thousandths of one use.
const UNIT: u64 = 1_000;
/// The warmest that a package can be.
const HEAT_MAX: u64 = 100 * UNIT;
/// The version of the layout.
const VERSION: u64 = 1;

/// Something that a person did with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// Chosen among what was found, and looked at.
    Looked,
    /// Fetched, in whole or in part.
    Fetched,
    /// Installed.
    Installed,
}

impl Use {
    const fn heat(self) -> u64 {
        match self {
            Self::Looked => UNIT,
            Self::Fetched => 3 * UNIT,
            Self::Installed => 10 * UNIT,
        }
    }
}

/// How much packages are used here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    packages: BTreeMap<PackageId, Heat>,
}

/// How warm a package was at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heat {
    units: u64,
    at: Timestamp,
}

impl Heat {
    fn now(self, now: Timestamp) -> u64 {
        let halves = now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        (self.units as f64 * (-halves).exp2()) as u64
    }
}

impl Usage {
    /// Counts a use at the time `now`.
    pub fn note(&mut self, package: &PackageId, used: Use, now: Timestamp) {
        let before = self.packages.get(package).copied();
        if before.is_none() && self.packages.len() >= PACKAGES_MAX {
            let coldest = self.packages.iter().min_by_key(|(_, heat)| heat.now(now));
            if let Some(coldest) = coldest.map(|(package, _)| package.clone()) {
                self.packages.remove(&coldest);
            }
        }
        let heat = before.map_or(0, |heat| heat.now(now));
        let at = before.map_or(now, |heat| heat.at.max(now));
        let units = heat.saturating_add(used.heat()).min(HEAT_MAX);
        self.packages.insert(package.clone(), Heat { units, at });
    }

    /// How warm each package is at the time `now`: from above 0 to 1, by a scale on which ten times
    /// as much use is a step.
    pub fn warmth(&self, now: Timestamp) -> impl Iterator<Item = (&PackageId, f32)> {
        let scale = |units: u64| (1.0 + units as f32 / UNIT as f32).ln();
        let warmth = move |heat: &Heat| scale(heat.now(now)) / scale(HEAT_MAX);
        let all = self.packages.iter().map(move |(package, heat)| (package, warmth(heat)));
        all.filter(|(_, warmth)| *warmth > 0.0)
    }

    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        let row = |(package, heat): (&PackageId, &Heat)| {
            Value::Array(vec![
                Value::Bytes(package.publisher.as_bytes().to_vec()),
                Value::Text(package.name.to_string()),
                Value::Uint(heat.units),
                Value::Uint(heat.at.as_millis()),
            ])
        };
        let mut map = Map::new();
        map.insert("p", Value::Array(self.packages.iter().map(row).collect()));
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else, and for another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(bytes, USAGE_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let rows = fields.array("p")?;
        fields.finish()?;
        if rows.len() > PACKAGES_MAX {
            return Err(CodecError::invalid("p", "too many packages"));
        }
        let read = |row: Value| match row {
            Value::Array(row) => match <[Value; 4]>::try_from(row) {
                Ok([Value::Bytes(id), Value::Text(name), Value::Uint(units), Value::Uint(at)]) => {
                    let id = Digest::from_bytes(id.try_into().ok()?);
                    let publisher = PublisherId::from_digest(id);
                    let package = PackageId { publisher, name: name.parse().ok()? };
                    let at = Timestamp::from_millis(at);
                    Some((package, Heat { units: units.min(HEAT_MAX), at }))
                }
                _ => None,
            },
            _ => None,
        };
        let packages: Option<BTreeMap<_, _>> = rows.into_iter().map(read).collect();
        let packages = packages.ok_or_else(|| CodecError::invalid("p", "not a use"))?;
        Ok(Self { packages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn package(name: &str) -> PackageId {
        let publisher = PublisherId::of_inception(b"acme");
        PackageId { publisher, name: name.parse().unwrap() }
    }

    fn later(days: u64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + days * 24 * 60 * 60 * 1000)
    }

    fn warmth(usage: &Usage, name: &str, now: Timestamp) -> f32 {
        let mut all = usage.warmth(now);
        all.find(|(found, _)| **found == package(name)).map_or(0.0, |(_, warmth)| warmth)
    }

    #[test]
    fn counts_are_kept_as_these_bytes() {
        let mut usage = Usage::default();
        usage.note(&package("graphdb"), Use::Installed, NOW);
        usage.note(&package("notes"), Use::Looked, NOW);
        let bytes = usage.encode();
        let id = package("x").publisher.digest().to_string();
        let expected = format!(
            "a26170828458\
             20{id}676772617068646219\
             27101b000001a3185c5000\
             845820{id}656e6f7465731903e81b000001a3185c50006176\
             01"
        );
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
        assert_eq!(Usage::decode(&bytes), Ok(usage));
    }

    #[test]
    fn other_versions_and_other_things_are_refused() {
        let mut usage = Usage::default();
        usage.note(&package("graphdb"), Use::Looked, NOW);
        let mut bytes = usage.encode();
        *bytes.last_mut().unwrap() = 2;
        assert!(Usage::decode(&bytes).is_err());
        assert!(Usage::decode(b"").is_err());
        assert!(Usage::decode(&bytes[..bytes.len() - 3]).is_err());
    }

    #[test]
    fn a_use_is_worth_half_after_a_month_and_nothing_after_years() {
        let mut usage = Usage::default();
        usage.note(&package("graphdb"), Use::Installed, NOW);
        let mut half = Usage::default();
        for _ in 0..5 {
            half.note(&package("graphdb"), Use::Looked, NOW);
        }
        assert_eq!(warmth(&usage, "graphdb", later(30)), warmth(&half, "graphdb", NOW));
        assert!(warmth(&usage, "graphdb", later(10)) < warmth(&usage, "graphdb", NOW));
        assert_eq!(warmth(&usage, "graphdb", later(3_650)), 0.0);
        // A clock that was set back neither warms nor cools.
        let before = Timestamp::from_millis(0);
        assert_eq!(warmth(&usage, "graphdb", before), warmth(&usage, "graphdb", NOW));
    }

    #[test]
    fn counts_have_a_ceiling_and_so_has_their_number() {
        let mut usage = Usage::default();
        for _ in 0..1_000 {
            usage.note(&package("loop"), Use::Installed, NOW);
        }
        assert_eq!(warmth(&usage, "loop", NOW), 1.0);
        for at in 0..PACKAGES_MAX {
            usage.note(&package(&format!("package-{at}")), Use::Looked, later(1));
        }
        assert_eq!(usage.packages.len(), PACKAGES_MAX);
        assert_eq!(warmth(&usage, "loop", later(0)), 1.0);
        assert!(usage.encode().len() <= USAGE_BYTES_MAX);
    }
}
