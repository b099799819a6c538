//! What a selective mirror holds: some publishers, kinds, tags, packages, or the variants that
//! certain machines run.
//!
//! A filter is told to other mirrors in the register [`NAME`], so that nobody counts on a copy that
//! its owner does not want; a [`Lease`](crate::lease::Lease) names it by its hash. Profiles are
//! answered by [`catalog::resolve()`]: a mirror for `pi-low` holds of each release exactly the
//! variants that such a machine would install. The whole release stays verifiable, because its
//! signature covers the list of variants and not their bytes.
//!
//! Guarantees: equal filters give equal answers on every node that knows the same profiles; a
//! filter that a peer sent is bounded by the size of a register.

use std::collections::BTreeSet;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::identity::PublisherId;
use catalog::name::VariantId;
use catalog::profile::Profile;
use catalog::register::VALUE_BYTES_MAX;
use catalog::release::PackageKind;
use catalog::resolve::{Preference, resolve_variants};
use catalog::{Digest, Timestamp};

use crate::unit::{Subject, Unit};

mod pattern;

pub use pattern::{Pattern, PatternError};

/// The name of the register that carries a filter.
pub const NAME: &str = "mirror/filter";

/// The most entries of each list.
pub const ENTRIES_MAX: usize = 64;
/// The most bytes of a tag.
const TAG_BYTES_MAX: usize = 64;

/// The version of the layout.
const VERSION: u64 = 1;

/// Which variants a mirror is willing to hold. An empty list asks for nothing in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only packages of these publishers.
    pub publishers: BTreeSet<PublisherId>,
    /// Only these kinds.
    pub kinds: BTreeSet<PackageKind>,
    /// Only packages with one of these tags.
    pub tags: BTreeSet<String>,
    /// Only packages that one of these means.
    pub packages: BTreeSet<Pattern>,
    /// No package that one of these means.
    pub except: BTreeSet<Pattern>,
    /// Only variants that one of these machines would install, whatever its preference.
    pub profiles: Vec<Profile>,
    /// Only variants that are called so.
    pub variants: BTreeSet<VariantId>,
    /// Only what was published since.
    pub since: Option<Timestamp>,
}

/// Why a filter cannot be told to others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It says more than fits into a register.
    #[error("the selection takes {bytes} bytes to say, more than {VALUE_BYTES_MAX}")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// A list is longer than others would read.
    #[error("{entries} {what}, more than {ENTRIES_MAX}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        entries: usize,
    },
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a mirror with this filter holds `unit`: whether one of its releases lets it.
    pub fn accepts(&self, unit: &Unit) -> bool {
        if self.since.is_some_and(|since| unit.published < since) {
            return false;
        }
        unit.offers.iter().any(|offer| self.accepts_variant(&offer.subject, &offer.variant))
    }

    /// Whether a mirror with this filter holds that variant of a release.
    pub fn accepts_variant(&self, subject: &Subject, variant: &VariantId) -> bool {
        let named = |patterns: &BTreeSet<Pattern>| {
            patterns.iter().any(|pattern| pattern.means(&subject.package))
        };
        let wanted = |empty: bool, found: bool| empty || found;
        !named(&self.except)
            && wanted(
                self.publishers.is_empty(),
                self.publishers.contains(&subject.package.publisher),
            )
            && wanted(self.kinds.is_empty(), self.kinds.contains(&subject.kind))
            && wanted(self.tags.is_empty(), subject.tags.iter().any(|tag| self.tags.contains(tag)))
            && wanted(self.packages.is_empty(), named(&self.packages))
            && wanted(self.variants.is_empty(), self.variants.contains(variant))
            && wanted(self.profiles.is_empty(), self.installs(subject, variant))
    }

    /// Whether one of the machines would install that variant.
    fn installs(&self, subject: &Subject, variant: &VariantId) -> bool {
        let preferences = [Preference::HighPerformance, Preference::LowResource];
        self.profiles.iter().any(|profile| {
            preferences.into_iter().any(|preference| {
                let chosen = resolve_variants(&subject.variants, profile, preference).chosen;
                chosen.as_ref() == Some(variant)
            })
        })
    }

    /// The name under which a lease mentions it; `None` for the one that lets everything through.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn digest(&self) -> Result<Option<Digest>, FilterError> {
        match self.is_everything() {
            true => Ok(None),
            false => Ok(Some(Digest::of(&self.encode()?))),
        }
    }

    /// The value of a register that says this.
    ///
    /// A built-in profile is named, any other is written out.
    ///
    /// # Errors
    /// [`FilterError`] when it says more than others would read.
    pub fn encode(&self) -> Result<Vec<u8>, FilterError> {
        let counts = [
            ("publishers", self.publishers.len()),
            ("tags", self.tags.len()),
            ("packages", self.packages.len()),
            ("exceptions", self.except.len()),
            ("profiles", self.profiles.len()),
            ("variants", self.variants.len()),
        ];
        if let Some((what, entries)) = counts.into_iter().find(|(_, count)| *count > ENTRIES_MAX) {
            return Err(FilterError::TooMany { what, entries });
        }
        let mut map = Map::new();
        let publishers = self.publishers.iter();
        list(&mut map, "by", publishers.map(|id| Value::Bytes(id.as_bytes().to_vec())));
        list(&mut map, "kind", self.kinds.iter().map(|kind| kind.as_str().into()));
        list(&mut map, "not", self.except.iter().map(|pattern| pattern.as_str().into()));
        list(&mut map, "pkg", self.packages.iter().map(|pattern| pattern.as_str().into()));
        list(&mut map, "profile", self.profiles.iter().map(spell));
        map.insert_some("since", self.since.map(Timestamp::as_millis));
        list(&mut map, "tag", self.tags.iter().map(|tag| tag.as_str().into()));
        map.insert("v", VERSION);
        list(&mut map, "variant", self.variants.iter().map(|id| id.as_str().into()));
        let bytes = cbor::encode(&Value::Map(map));
        match bytes.len() {
            0..=VALUE_BYTES_MAX => Ok(bytes),
            bytes => Err(FilterError::TooLarge { bytes }),
        }
    }

    /// Reads the value of a register.
    ///
    /// # Errors
    /// [`CodecError`]; any node can cause it, and one with newer built-in profiles will.
    pub fn decode(value: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(value, VALUE_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let publishers = bounded("by", fields.array_opt("by")?.unwrap_or_default())?;
        let filter = Self {
            publishers: publishers.into_iter().map(publisher).collect::<Result<_, _>>()?,
            kinds: parsed(&mut fields, "kind")?,
            except: parsed(&mut fields, "not")?,
            packages: parsed(&mut fields, "pkg")?,
            profiles: bounded("profile", fields.texts("profile")?)?
                .iter()
                .map(|text| read_profile(text))
                .collect::<Result<_, _>>()?,
            since: fields.uint_opt("since")?.map(Timestamp::from_millis),
            tags: bounded("tag", fields.texts("tag")?)?.into_iter().collect(),
            variants: parsed(&mut fields, "variant")?,
        };
        fields.finish()?;
        if filter.tags.iter().any(|tag| tag.len() > TAG_BYTES_MAX) {
            return Err(CodecError::invalid("tag", "too long"));
        }
        Ok(filter)
    }
}

fn list(map: &mut Map, key: &'static str, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    map.insert_some(key, (!items.is_empty()).then_some(Value::Array(items)));
}

fn bounded<T>(field: &'static str, items: Vec<T>) -> Result<Vec<T>, CodecError> {
    match items.len() {
        0..=ENTRIES_MAX => Ok(items),
        _ => Err(CodecError::invalid(field, "too many")),
    }
}

fn parsed<T>(fields: &mut Fields, field: &'static str) -> Result<BTreeSet<T>, CodecError>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Ord,
{
    let texts = bounded(field, fields.texts(field)?)?;
    let read = |text: String| text.parse().map_err(|error| CodecError::invalid(field, error));
    texts.into_iter().map(read).collect()
}

fn publisher(value: Value) -> Result<PublisherId, CodecError> {
    let id = match value {
        Value::Bytes(bytes) => bytes.try_into().ok(),
        _ => None,
    };
    let id: [u8; 32] =
        id.ok_or(CodecError::WrongType { field: "by", expected: "a list of 32 bytes" })?;
    Ok(PublisherId::from_digest(Digest::from_bytes(id)))
}

/// How others are told of a profile.
fn spell(profile: &Profile) -> Value {
    match Profile::named(profile.name()) {
        Some(named) if named == *profile => profile.name().into(),
        _ => profile.to_toml().into(),
    }
}

fn read_profile(text: &str) -> Result<Profile, CodecError> {
    if let Some(profile) = Profile::named(text) {
        return Ok(profile);
    }
    Profile::from_toml(text).map_err(|error| CodecError::invalid("profile", error))
}

#[cfg(test)]
mod tests;
