//! Says which releases of a publisher a grant or a revocation is about.
//!
//! Written `graphdb`, `db-*`, `graphdb@1.4.0` or `@friends`; one spelling each.

use std::fmt;
use std::str::FromStr;

use super::Permission;
use crate::name::{NameError, PackageName};
use crate::release::Release;

/// How the friends of a publisher are written.
const FRIENDS: &str = "@friends";

/// The most bytes of a pattern: as many as a name may have.
const PATTERN_BYTES_MAX: usize = 64;

/// What somebody may read, or may not any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every release that is for friends.
    Friends,
    /// Every release of the packages that are called so.
    Packages(PackagePattern),
    /// One release.
    Release {
        /// The package.
        name: PackageName,
        /// The version.
        version: semver::Version,
    },
}

/// A package's name in which `*` stands for any text, also for none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePattern(Box<str>);

/// Text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Neither a name nor a pattern.
    #[error("{found:?} is not a package's name, with or without *")]
    Pattern {
        /// The beginning of the text.
        found: Box<str>,
    },
    /// The name before an `@` is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands after an `@` is not one version.
    #[error("{found:?} is not a version, such as 1.4.0")]
    Version {
        /// The beginning of the text.
        found: Box<str>,
    },
}

impl Scope {
    /// Whether a release is among those that are meant.
    pub fn covers(&self, release: &Release) -> bool {
        match self {
            Self::Friends => release.permission == Permission::Friends,
            Self::Packages(pattern) => pattern.matches(&release.name),
            Self::Release { name, version } => release.name == *name && release.version == *version,
        }
    }

    /// The one package that is meant, if it is one.
    pub fn package(&self) -> Option<PackageName> {
        match self {
            Self::Friends => None,
            Self::Packages(pattern) => pattern.0.parse().ok(),
            Self::Release { name, .. } => Some(name.clone()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Friends => f.write_str(FRIENDS),
            Self::Packages(pattern) => f.write_str(&pattern.0),
            Self::Release { name, version } => write!(f, "{name}@{version}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text == FRIENDS {
            return Ok(Self::Friends);
        }
        let Some((name, version)) = text.split_once('@') else {
            return text.parse().map(Self::Packages);
        };
        let name = name.parse()?;
        let parsed: Option<semver::Version> = version.parse().ok();
        match parsed.filter(|parsed| parsed.to_string() == version) {
            Some(version) => Ok(Self::Release { name, version }),
            None => Err(ScopeError::Version { found: beginning(version) }),
        }
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PackagePattern {
    /// Whether a name is one that is meant.
    pub fn matches(&self, name: &PackageName) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *name.as_str() };
        let Some(mut left) = name.as_str().strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The first place where each part stands leaves the most for the others.
        for part in middle.split('*') {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(last)
    }
}

impl FromStr for PackagePattern {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-*".contains(&c);
        let is_pattern = text.contains('*') && text.bytes().all(allowed) && !text.contains("**");
        let is_pattern = is_pattern && text.len() <= PATTERN_BYTES_MAX;
        match is_pattern || text.parse::<PackageName>().is_ok() {
            true => Ok(Self(text.into())),
            false => Err(ScopeError::Pattern { found: beginning(text) }),
        }
    }
}

fn beginning(text: &str) -> Box<str> {
    text.chars().take(80).collect()
}
