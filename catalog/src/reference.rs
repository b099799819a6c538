//! Reads what people type to name a release: `[PUBLISHER/]NAME[@VERSION][#VARIANT]`.
//!
//! | part | is |
//! |---|---|
//! | `PUBLISHER` | a petname of this machine's user, or an exact `cat1…` |
//! | `VERSION` | an exact version (`1.4.0`), a range (`^1.4`, `>=1.2, <2`), or a channel (`stable`) |
//! | `cat:HASH` | instead of all that but the variant: one release, by its id |
//!
//! Guarantees: what was read is written back in the same words, up to the spelling of ranges.
//! Not here: what a petname or a bare name stands for ([`store`](crate::store)).

use std::fmt;
use std::str::FromStr;

use crate::identity::PublisherId;
use crate::name::{ChannelName, PackageName, Petname, VariantId};
use crate::release::ReleaseId;

/// The longest reference that is looked at.
pub const REFERENCE_BYTES_MAX: usize = 512;

const EXACT: &str = "cat:";

/// A release, or several, and perhaps one variant, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Which release.
    pub release: ReleaseReference,
    /// The variant, where it is not to be chosen.
    pub variant: Option<VariantId>,
}

/// Which release is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseReference {
    /// `cat:HASH`
    Exact(ReleaseId),
    /// `[PUBLISHER/]NAME[@VERSION]`
    Named {
        /// Whose; without it, everybody who is known here is asked.
        publisher: Option<PublisherReference>,
        /// The package.
        name: PackageName,
        /// Which version.
        version: VersionReference,
    },
}

/// Which publisher is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublisherReference {
    /// Exactly this one.
    Id(PublisherId),
    /// The one that the user of this machine calls so.
    Petname(Petname),
}

/// Which version is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum VersionReference {
    /// The newest that is not a pre-release.
    #[default]
    Latest,
    /// Exactly this one, even when it is yanked.
    Exact(semver::Version),
    /// The newest in a range.
    Range(semver::VersionReq),
    /// What the publisher's channel points to.
    Channel(ChannelName),
}

/// Which part of a reference cannot be read, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} of {reference:?}: {reason}")]
pub struct ReferenceError {
    reference: Box<str>,
    part: ReferencePart,
    reason: Box<str>,
    hint: Box<str>,
}

/// A part of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferencePart {
    /// All of it.
    Whole,
    /// Before the `/`.
    Publisher,
    /// Between `/` and `@`.
    Name,
    /// After the `@`.
    Version,
    /// After the `#`.
    Variant,
    /// After `cat:`.
    Release,
}

impl ReferenceError {
    /// The part that cannot be read.
    pub fn part(&self) -> ReferencePart {
        self.part
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ReferencePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "the reference",
            Self::Publisher => "the publisher",
            Self::Name => "the package name",
            Self::Version => "the version",
            Self::Variant => "the variant",
            Self::Release => "the release id",
        })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |part, reason: &dyn fmt::Display, hint: &str| ReferenceError {
            reference: text.chars().take(80).collect(),
            part,
            reason: reason.to_string().into(),
            hint: hint.into(),
        };
        if text.len() > REFERENCE_BYTES_MAX {
            let reason = format!("{} bytes, at most {REFERENCE_BYTES_MAX}", text.len());
            return Err(error(ReferencePart::Whole, &reason, HINT_WHOLE));
        }
        let (release, variant) = match text.split_once('#') {
            None => (text, None),
            Some((release, variant)) => {
                let variant = variant
                    .parse()
                    .map_err(|reason| error(ReferencePart::Variant, &reason, HINT_VARIANT))?;
                (release, Some(variant))
            }
        };
        if let Some(id) = release.strip_prefix(EXACT) {
            let id =
                id.parse().map_err(|reason| error(ReferencePart::Release, &reason, HINT_ID))?;
            return Ok(Self { release: ReleaseReference::Exact(id), variant });
        }
        if let Some(rest) = release.strip_prefix('@') {
            let hint = format!("write {rest} without the leading @");
            return Err(error(ReferencePart::Publisher, &"it starts with @", &hint));
        }
        let (package, version) = match release.split_once('@') {
            None => (release, VersionReference::Latest),
            Some((package, version)) => (
                package,
                VersionReference::parse(version)
                    .map_err(|(reason, hint)| error(ReferencePart::Version, &reason, &hint))?,
            ),
        };
        let (publisher, name) = match package.split_once('/') {
            None => (None, package),
            Some((publisher, name)) => (
                Some(publisher.parse().map_err(|reason: PublisherReferenceError| {
                    error(ReferencePart::Publisher, &reason, HINT_PUBLISHER)
                })?),
                name,
            ),
        };
        let name =
            name.parse().map_err(|reason| error(ReferencePart::Name, &reason, HINT_WHOLE))?;
        Ok(Self { release: ReleaseReference::Named { publisher, name, version }, variant })
    }
}

const HINT_WHOLE: &str = "write [PUBLISHER/]NAME[@VERSION][#VARIANT], such as acme/graphdb@^1.4";
const HINT_VARIANT: &str = "after # comes the id of a variant; catalog info lists them";
const HINT_ID: &str = "after cat: come the 64 hex digits that catalog info shows as the id";
const HINT_PUBLISHER: &str = "before the / comes a name from catalog peer list, or a full cat1… id";
const HINT_VERSION: &str = "after @ comes a version (1.4.0), a range (^1.4) or a channel (stable)";

/// Text that names no publisher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherReferenceError {
    /// It starts like an id and is none.
    #[error(transparent)]
    Id(#[from] crate::identity::PublisherIdError),
    /// It is no petname either.
    #[error(transparent)]
    Petname(#[from] crate::name::NameError),
}

impl FromStr for PublisherReference {
    type Err = PublisherReferenceError;

    fn from_str(text: &str) -> Result<Self, PublisherReferenceError> {
        if text.starts_with("cat1") {
            Ok(Self::Id(text.parse()?))
        } else {
            Ok(Self::Petname(text.parse()?))
        }
    }
}

impl VersionReference {
    /// Reads a version, a range or a channel; the error is the reason and a hint.
    fn parse(text: &str) -> Result<Self, (String, String)> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Exact(version));
        }
        if let Some(version) = text.strip_prefix('v')
            && version.parse::<semver::Version>().is_ok()
        {
            let hint = format!("leave out the v: @{version}");
            return Err((format!("{text:?} is not a version"), hint));
        }
        if let Ok(range) = text.parse() {
            return Ok(Self::Range(range));
        }
        text.parse().map(Self::Channel).map_err(|_| {
            (format!("{text:?} is no version, range or channel"), HINT_VERSION.to_owned())
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.release {
            ReleaseReference::Exact(id) => write!(f, "{EXACT}{id}")?,
            ReleaseReference::Named { publisher, name, version } => {
                if let Some(publisher) = publisher {
                    write!(f, "{publisher}/")?;
                }
                write!(f, "{name}{version}")?;
            }
        }
        match &self.variant {
            Some(variant) => write!(f, "#{variant}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PublisherReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Petname(petname) => petname.fmt(f),
        }
    }
}

/// With the `@` in front, or nothing.
impl fmt::Display for VersionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => Ok(()),
            Self::Exact(version) => write!(f, "@{version}"),
            Self::Range(range) => write!(f, "@{range}"),
            Self::Channel(channel) => write!(f, "@{channel}"),
        }
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
