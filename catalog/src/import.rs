//! Turns packages of other ecosystems into a draft of ours, from files that are already here.
//!
//! In: archives as their registries serve them ([`npm`], [`wheel`]) or a folder ([`dir`]). Out: a
//! [`Draft`] with one variant for each archive, whose bytes lie unpacked in a work folder, and the
//! upstream names, version and hashes as provenance. What an archive says about where it runs
//! becomes `requires`.
//!
//! Guarantees: archives are hostile until unpacked (see [`UnpackLimits`]); one release never mixes
//! versions. Not here: downloading, and signing (the importer signs, never the upstream author).

mod dir;
mod error;
mod npm;
mod tarball;
mod unpack;
mod wheel;
mod zipfile;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use semver::Version;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;

pub use dir::dir;
pub use error::ImportError;
pub use npm::npm;
pub use unpack::{UnpackError, UnpackLimits};
pub use wheel::wheel;

use crate::digest::Sha256Digest;
use crate::draft::{Draft, SourceEntry, VariantDraft};
use crate::manifest::is_unsafe_to_show;
use crate::name::{PackageName, VariantId};
use crate::permission::Permission;
use crate::release::{KEYWORDS_MAX, MirrorHints, PackageKind, Provenance, WORD_BYTES_MAX};

/// Longest metadata file that is read (`package.json`, `METADATA`).
const METADATA_BYTES_MAX: u64 = 1 << 20;

/// SPDX's word for a licence that nobody stated.
const LICENSE_UNKNOWN: &str = "NOASSERTION";

/// What the importer decides; everything left open is taken from upstream.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The name of the package here.
    pub name: Option<PackageName>,
    /// The version here.
    pub version: Option<Version>,
    /// What it is; an app fragment unless given.
    pub kind: Option<PackageKind>,
    /// The licence, as an SPDX expression.
    pub license: Option<String>,
    /// The one-line description.
    pub summary: Option<String>,
    /// What an archive may unpack to.
    pub limits: UnpackLimits,
}

/// What upstream says about a package, in words that can be shown.
#[derive(Debug, Default)]
struct About {
    summary: String,
    license: String,
    keywords: Vec<String>,
    readme: Option<String>,
}

/// One archive, unpacked and understood.
#[derive(Debug)]
struct Part {
    /// What upstream calls it; shown and kept as provenance.
    label: String,
    version: String,
    sha256: Sha256Digest,
    about: About,
    variant: VariantDraft,
}

/// The upstream side of a family that became one release.
struct Family {
    ecosystem: &'static str,
    /// Upstream's name for all of it.
    upstream: String,
    name: PackageName,
    version: Version,
}

/// Checks that all parts are of one version, and returns it.
fn one_version(parts: &[Part]) -> Result<&str, ImportError> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in parts {
        versions.entry(part.version.clone()).or_default().push(part.label.clone());
    }
    match (versions.len(), parts.first()) {
        (_, None) => Err(ImportError::Nothing),
        (1, Some(part)) => Ok(&part.version),
        _ => Err(ImportError::Versions { versions }),
    }
}

/// Makes one release of a family; `main` is the part whose description speaks for all.
fn draft(
    family: Family,
    mut parts: Vec<Part>,
    main: usize,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    let version = one_version(&parts)?.to_owned();
    let about = std::mem::take(&mut parts[main].about);
    let mut labels: BTreeMap<VariantId, String> = BTreeMap::new();
    let mut files = Vec::new();
    for part in &parts {
        let id = part.variant.id.clone();
        if let Some(first) = labels.insert(id.clone(), part.label.clone()) {
            return Err(ImportError::SamePlatform { id, first, second: part.label.clone() });
        }
        files.push((id, part.label.clone(), part.sha256));
    }
    let provenance =
        Provenance { ecosystem: family.ecosystem.into(), name: family.upstream, version, files };
    Ok(Draft {
        name: family.name,
        version: family.version,
        kind: options.kind.unwrap_or(PackageKind::AppFragment),
        summary: options.summary.clone().unwrap_or(about.summary),
        license: options.license.clone().unwrap_or(about.license),
        keywords: about.keywords,
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        mirror: MirrorHints::default(),
        description: about.readme,
        provenance: Some(provenance),
        extensions: BTreeMap::new(),
        variants: parts.into_iter().map(|part| part.variant).collect(),
    })
}

fn file_label(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn open(path: &Path) -> Result<(File, u64), ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(fail(io::Error::other("it is not a regular file"))),
    }
}

fn sha256(path: &Path) -> Result<Sha256Digest, ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path).map_err(fail)?, &mut hasher).map_err(fail)?;
    Ok(Sha256Digest::from_bytes(hasher.finalize().into()))
}

/// The bytes of the unpacked file `path`, up to `max`; `None` when there is none or it is longer.
fn read_entry(entries: &[SourceEntry], path: &str, max: u64) -> Option<Vec<u8>> {
    let source = entries.iter().find_map(|entry| match entry {
        SourceEntry::File { path: at, source, .. } if at.as_str() == path => Some(source),
        _ => None,
    })?;
    let mut bytes = Vec::new();
    File::open(source).ok()?.take(max + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= max).then_some(bytes)
}

/// One line of upstream text in NFC, without anything that could change how a terminal shows it,
/// cut to `bytes_max`.
fn one_line(text: &str, bytes_max: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = words.chars().filter(|&c| !is_unsafe_to_show(c)).nfc().collect();
    line.truncate(line.floor_char_boundary(bytes_max));
    line
}

/// Upstream's keywords as a release keeps them: each once, none empty or too long.
fn keywords(upstream: &[String]) -> Vec<String> {
    let mut keywords = Vec::new();
    for word in upstream.iter().map(|word| one_line(word, WORD_BYTES_MAX)) {
        if !word.is_empty() && !keywords.contains(&word) && keywords.len() < KEYWORDS_MAX {
            keywords.push(word);
        }
    }
    keywords
}

#[cfg(test)]
mod tests;
