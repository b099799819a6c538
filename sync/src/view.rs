//! Says which part of a catalog an exchange is about.
//!
//! A view is a whole set of the store, or those releases for everybody that a [`Selection`] admits. A
//! selection asks for signed fields only, so both sides evaluate it alike and the receiver can
//! check every record again ([`Selection::admits`]).
//!
//! Guarantees: one view has one encoding and one id; bytes that are not the one encoding of a view
//! are refused. Not here: finding the items of a view (the store keeps a table for that).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use catalog::facet::{Facet, facets};
use catalog::release::WORD_BYTES_MAX;
use catalog::variant::FactName;
use catalog::{Digest, PackageKind, PublisherId, Release};

mod codec;
#[cfg(test)]
mod tests;

pub use codec::{VIEW_BYTES_MAX, ViewError};

/// What the ids of views are derived under.
const ID_CONTEXT: &str = "catalog 2026-11 sync view v1";

/// What stands for a constraint that a variant does not make.
const ANY: &str = "any";

/// Which items an exchange is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// What must not wait: heads, inceptions, yanks and channel moves.
    Urgent,
    /// Every position of every log.
    All,
    /// What nodes say about themselves.
    Registers,
    /// Some of the releases that everybody may read.
    Releases(Selection),
}

/// Names a view in tables and reports: the first 8 bytes of a hash of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId([u8; 8]);

/// Which releases are wanted. In each field one value has to match; an empty field asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selection {
    /// Whose they are.
    pub publishers: BTreeSet<PublisherId>,
    /// What sort of package they are.
    pub kinds: BTreeSet<PackageKind>,
    /// A keyword that they carry.
    pub tags: BTreeSet<Tag>,
    /// What one of their variants runs on.
    pub fits: BTreeSet<Platform>,
}

/// A word that releases are found by: 1 to 64 bytes, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

/// A class of machines, such as `linux-x86_64`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: Box<str>,
    arch: Box<str>,
}

/// Text that is not a tag or a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordError {
    /// Empty, too long, or not printable.
    #[error("a tag is 1 to {WORD_BYTES_MAX} bytes of text, found {found:?}")]
    Tag {
        /// What was written instead.
        found: Box<str>,
    },
    /// Not two words.
    #[error("a platform is written os-arch, such as linux-x86_64, found {found:?}")]
    Platform {
        /// What was written instead.
        found: Box<str>,
    },
}

impl View {
    /// Names the view.
    pub fn id(&self) -> ViewId {
        let hash = Digest::derived(ID_CONTEXT, &self.encode());
        ViewId(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }
}

impl Selection {
    /// Whether a release is wanted: everybody may read it, and it matches every field that asks something.
    pub fn admits(&self, release: &Release) -> bool {
        let held = facets(release);
        release.permission.is_open() && self.facets().iter().all(|asked| !asked.is_disjoint(&held))
    }

    /// The releases that are wanted are those that have, of every set here, at least one facet.
    ///
    /// - result: one set for each field that asks something; none of them is empty.
    pub fn facets(&self) -> Vec<BTreeSet<Facet>> {
        let Self { publishers, kinds, tags, fits } = self;
        let fields = [
            publishers.iter().map(Facet::publisher).collect(),
            kinds.iter().map(|kind| Facet::kind(*kind)).collect(),
            tags.iter().map(|tag| Facet::tag(tag.as_str())).collect(),
            fits.iter().flat_map(Platform::facets).collect::<BTreeSet<_>>(),
        ];
        fields.into_iter().filter(|field| !field.is_empty()).collect()
    }
}

impl ViewId {
    /// The 8 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewId({:016x})", u64::from_be_bytes(self.0))
    }
}

impl Tag {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control) {
            true => Ok(Self(text.into())),
            false => Err(WordError::Tag { found: text.chars().take(80).collect() }),
        }
    }
}

impl Platform {
    /// The operating system.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// What runs here: made for both, for one of the two, or for anything.
    fn facets(&self) -> [Facet; 4] {
        let (os, arch) = (Some(self.os()), Some(self.arch()));
        [(os, arch), (os, None), (None, arch), (None, None)].map(|(os, arch)| Facet::fits(os, arch))
    }
}

impl FromStr for Platform {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let word = |text: &str| text.parse::<FactName>().is_ok() && text != ANY;
        match text.split_once('-').filter(|(os, arch)| word(os) && word(arch)) {
            Some((os, arch)) => Ok(Self { os: os.into(), arch: arch.into() }),
            None => Err(WordError::Platform { found: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.arch)
    }
}
