//! A release: an immutable version of a package, with one variant for each kind of hardware.
//!
//! It carries the whole list of its variants (26 of them are some 5 KiB), so that whoever holds
//! one variant still holds a complete release to verify and to choose from. Packages and
//! dependencies are named by the id of their publisher, so a bare name cannot be confused with
//! that of somebody else: it cannot be written.
//!
//! Guarantees: a release that was read keeps every limit named here, and its one-line texts have
//! no control characters. Not here: whether its texts are true, or safe for a terminal (`cli`
//! escapes them), and which variant fits a machine ([`resolve`](mod@crate::resolve)).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::digest::Sha256Digest;
use crate::identity::PublisherId;
use crate::name::{PackageName, VariantId};
use crate::permission::Permission;
use crate::sealed::KeyId;
use crate::statement::{BodyError, StatementId};
use crate::time::Timestamp;
use crate::variant::Variant;

mod encoding;

/// The name of a release: the BLAKE3 hash of its statement.
pub type ReleaseId = StatementId;

/// Why a release cannot be written or read.
pub type ReleaseError = BodyError;

/// The most bytes of a summary.
pub const SUMMARY_BYTES_MAX: usize = 300;
/// The most bytes of a licence expression.
pub const LICENSE_BYTES_MAX: usize = 128;
/// The most bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
/// The most keywords, and the most tags.
pub const KEYWORDS_MAX: usize = 32;
/// The most bytes of a keyword, a tag, a region, or the name of a capability or an extension.
pub const WORD_BYTES_MAX: usize = 64;
/// The most interfaces that one package provides.
pub const PROVIDES_MAX: usize = 64;
/// The most dependencies.
pub const DEPENDENCIES_MAX: usize = 256;
/// The most capabilities, the most values of one, and the most extensions.
pub const CAPABILITIES_MAX: usize = 64;
/// The most bytes of an interface, the value of a capability, a range or an imported name.
pub const TEXT_BYTES_MAX: usize = 256;
/// The most bytes of an extension's value.
pub const EXTENSION_BYTES_MAX: usize = 4096;
/// The most variants.
pub const VARIANTS_MAX: usize = 256;

/// A package: a name under a publisher. Shown as `cat1…/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// Whose it is.
    pub publisher: PublisherId,
    /// What the publisher calls it.
    pub name: PackageName,
}

/// Text that does not name a package exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a package is named `cat1…/name`, found {found:?}")]
pub struct PackageIdError {
    found: Box<str>,
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.name)
    }
}

impl FromStr for PackageId {
    type Err = PackageIdError;

    fn from_str(text: &str) -> Result<Self, PackageIdError> {
        let parts = text.split_once('/').and_then(|(publisher, name)| {
            Some(Self { publisher: publisher.parse().ok()?, name: name.parse().ok()? })
        });
        parts.ok_or_else(|| PackageIdError { found: text.chars().take(200).collect() })
    }
}

impl serde::Serialize for PackageId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PackageId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What sort of package it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// A part of an app, loaded by it.
    AppFragment,
    /// Something that runs and answers others.
    Service,
    /// Something that a person uses.
    Client,
    /// Files to be read by programs.
    Asset,
    /// Weights of a model.
    Model,
    /// A hardware profile.
    Profile,
    /// A set of packages that make a virtual node.
    NodeSet,
}

impl PackageKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::AppFragment,
        Self::Service,
        Self::Client,
        Self::Asset,
        Self::Model,
        Self::Profile,
        Self::NodeSet,
    ];

    /// The word for it in manifests and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppFragment => "app-fragment",
            Self::Service => "service",
            Self::Client => "client",
            Self::Asset => "asset",
            Self::Model => "model",
            Self::Profile => "profile",
            Self::NodeSet => "node-set",
        }
    }
}

/// Text that is not a kind of package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a kind of package (app-fragment, service, client, asset, model, profile, \
     node-set)"
)]
pub struct PackageKindError {
    found: Box<str>,
}

impl FromStr for PackageKind {
    type Err = PackageKindError;

    fn from_str(text: &str) -> Result<Self, PackageKindError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| PackageKindError { found: text.chars().take(80).collect() })
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One version of a package.
///
/// As JSON it is part of reports; only the signed bytes are ever believed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Whose it is.
    pub publisher: PublisherId,
    /// Where it stands in the signing key's log.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// What the publisher calls the package.
    pub name: PackageName,
    /// Which version this is, for good.
    pub version: semver::Version,
    /// What sort of package it is.
    pub kind: PackageKind,
    /// One line for lists and search.
    pub summary: String,
    /// An SPDX expression.
    pub license: String,
    /// Words to be found by.
    pub keywords: Vec<String>,
    /// Topics it belongs to.
    pub tags: Vec<String>,
    /// The interfaces it offers, such as `iface:graph-query@1`.
    pub provides: Vec<String>,
    /// The packages it needs.
    pub dependencies: Vec<Dependency>,
    /// What it asks to be allowed when it runs.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// Who may read it.
    pub permission: Permission,
    /// What its contents are sealed with; only what is not for everybody is.
    pub sealed: Option<KeyId>,
    /// Hints for mirrors.
    pub mirror: MirrorHints,
    /// The README text.
    pub description: Option<String>,
    /// What it was imported from.
    pub provenance: Option<Provenance>,
    /// One build for each kind of hardware, in the author's order, each id once.
    pub variants: Vec<Variant>,
    /// The author's own `x-…` keys, as text.
    pub extensions: BTreeMap<String, String>,
}

/// Another package that this one needs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dependency {
    /// Whose it is: there is no way to leave this out.
    pub publisher: PublisherId,
    /// The package.
    pub name: PackageName,
    /// The versions that will do.
    pub range: semver::VersionReq,
    /// Whether it works without, too.
    pub optional: bool,
    /// Where it has to run, such as `same-node`.
    pub on: Option<String>,
}

/// Hints for mirrors, never requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MirrorHints {
    /// How many copies the publisher would like.
    pub replicas: Option<u64>,
    /// Where it expects demand.
    pub regions: Vec<String>,
    /// `critical`, `high`, `normal` or `low`.
    pub priority: Option<String>,
}

/// What a release was imported from. The importer signs it, not the author.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// `npm`, `wheel` or `dir`.
    pub ecosystem: String,
    /// The name over there.
    pub name: String,
    /// The version over there.
    pub version: String,
    /// For each variant the archive it was made from, and the archive's hash.
    pub files: Vec<(VariantId, String, Sha256Digest)>,
}

impl Release {
    /// The package that this is a version of.
    pub fn package(&self) -> PackageId {
        PackageId { publisher: self.publisher, name: self.name.clone() }
    }

    /// The variant with this id.
    pub fn variant(&self, id: &VariantId) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.id == *id)
    }
}
