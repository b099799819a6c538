//! What the index keeps of one package: words to find it by, and its release to show it with.

use std::collections::{BTreeMap, BTreeSet};

use catalog::release::{PackageId, Release, ReleaseError, ReleaseId};
use catalog::{Dependency, Digest, Variant};

use crate::words;

/// Bytes that tell twins: enough for a page of candidates, and small in the index.
const TWIN_BYTES: usize = 4;
/// Bytes that tell packages: nobody finds another package with the same ones.
const KEY_BYTES: usize = 16;
/// Stands for content that only an installation looks for; digests are what packs worst.
const NO_CONTENT: Digest = Digest::from_bytes([0; 32]);

/// A package as the index sees it: its newest release that counts.
#[derive(Clone, Debug)]
pub struct Doc {
    pub(crate) package: PackageKey,
    pub(crate) publisher: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) license: String,
    /// Keywords and tags.
    pub(crate) tags: Vec<String>,
    /// The classes of hardware that its variants are for.
    pub(crate) hardware: BTreeSet<String>,
    /// The packages that it depends on.
    pub(crate) needs: BTreeSet<PackageKey>,
    pub(crate) size: u64,
    pub(crate) time: u64,
    /// Whether only some nodes may read it.
    pub(crate) restricted: bool,
    pub(crate) texts: Texts,
    pub(crate) release: [u8; 32],
    pub(crate) record: Vec<u8>,
}

impl Doc {
    /// The document for `release`, whose id is `id`.
    ///
    /// # Errors
    /// [`ReleaseError`] when the release could not have been published either.
    pub fn from_release(id: ReleaseId, release: &Release) -> Result<Self, ReleaseError> {
        // What is long is there to be searched or installed, not to be shown with a hit.
        let mut short = Release {
            description: None,
            dependencies: Vec::new(),
            provenance: None,
            extensions: BTreeMap::new(),
            ..release.clone()
        };
        for variant in &mut short.variants {
            (variant.root, variant.tree) = (NO_CONTENT, NO_CONTENT);
        }
        Ok(Self {
            package: PackageKey::of(&release.package()),
            publisher: release.publisher.to_string(),
            name: release.name.to_string(),
            kind: release.kind.as_str(),
            license: release.license.clone(),
            tags: release.tags.iter().chain(&release.keywords).cloned().collect(),
            hardware: release.variants.iter().flat_map(Variant::hardware_classes).collect(),
            needs: release
                .dependencies
                .iter()
                .map(|needed| PackageKey::of(&package(needed)))
                .collect(),
            size: size(release),
            time: release.time.as_millis(),
            restricted: !release.permission.is_open(),
            texts: Texts::of(release),
            release: *id.as_bytes(),
            record: short.encode()?,
        })
    }
}

impl Doc {
    /// What it takes until it is in the index: its texts twice, and what it is shown with.
    pub(crate) fn bytes(&self) -> usize {
        let Texts { name, summary, keywords, description } = &self.texts;
        let texts = [name, summary, keywords, description].map(String::len);
        2 * texts.iter().sum::<usize>() + self.record.len()
    }

    /// A number that packages of one publisher with the same texts share.
    pub(crate) fn twin(&self) -> u64 {
        let Texts { summary, description, .. } = &self.texts;
        let digest = Digest::of(format!("{}\n{summary}\n{description}", self.publisher).as_bytes());
        digest.as_bytes()[..TWIN_BYTES]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// What a package is found by.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    /// The words and pieces of the name.
    pub name: String,
    pub summary: String,
    /// Keywords, tags and interfaces.
    pub keywords: String,
    pub description: String,
}

impl Texts {
    /// The texts of `release`.
    pub fn of(release: &Release) -> Self {
        let words = [&release.keywords, &release.tags, &release.provides];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        Self {
            name: words::name_words(release.name.as_str()).join(" "),
            summary: release.summary.clone(),
            keywords: words.join(" "),
            description: release.description.clone().unwrap_or_default(),
        }
    }

    /// All of them.
    pub fn everything(&self) -> String {
        let Self { name, summary, keywords, description } = self;
        format!("{name}\n{summary}\n{keywords}\n{description}")
    }
}

/// The licences that an expression names, in lower case.
pub(crate) fn licenses(expression: &str) -> impl Iterator<Item = String> {
    let words = expression.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
    let words = words.map(str::to_lowercase);
    words.filter(|word| !matches!(word.as_str(), "" | "and" | "or" | "with"))
}

/// The bytes of the smallest variant.
pub(crate) fn size(release: &Release) -> u64 {
    release.variants.iter().map(|variant| variant.size.as_u64()).min().unwrap_or(0)
}

/// Names a package's document: a hash of the package's name and publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackageKey([u8; KEY_BYTES]);

impl PackageKey {
    pub(crate) fn of(package: &PackageId) -> Self {
        let digest = Digest::of(format!("{} {}", package.name, package.publisher).as_bytes());
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&digest.as_bytes()[..KEY_BYTES]);
        Self(key)
    }

    /// Reads what [`as_bytes`](Self::as_bytes) gave.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The package that is depended on.
pub(crate) fn package(needed: &Dependency) -> PackageId {
    PackageId { publisher: needed.publisher, name: needed.name.clone() }
}

/// What the index gives back of a document.
pub(crate) struct Stored {
    pub release: Vec<u8>,
    pub record: Vec<u8>,
}

impl Stored {
    /// The release, without its long parts; `None` when these bytes are not what was written.
    pub(crate) fn open(&self) -> Option<(ReleaseId, Release)> {
        let id = <[u8; 32]>::try_from(self.release.as_slice()).ok()?;
        let release = Release::decode(&self.record).ok()?;
        Some((ReleaseId::from_digest(Digest::from_bytes(id)), release))
    }
}
