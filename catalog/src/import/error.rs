//! Why an import failed, and what to do about it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::unpack::UnpackError;
use crate::manifest::Finding;
use crate::name::{NameError, VariantId};

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// No file was given.
    #[error("no file to import")]
    Nothing,
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// An archive is damaged or hostile.
    #[error("cannot unpack {}", archive.display())]
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        source: UnpackError,
    },
    /// It unpacks, but it is not a package of its ecosystem.
    #[error("{} is not a package to import: {reason}", archive.display())]
    NotPackage {
        /// The archive.
        archive: PathBuf,
        /// What is missing or wrong.
        reason: String,
        /// What was expected.
        hint: &'static str,
    },
    /// The files are of different versions, so they are not one release.
    #[error("the files are of {} different versions: {}", versions.len(), listed(versions))]
    Versions {
        /// The files of each version.
        versions: BTreeMap<String, Vec<String>>,
    },
    /// The files are of different packages, and no name was given.
    #[error("the files have no name in common: {}", names.join(", "))]
    Names {
        /// Their names.
        names: Vec<String>,
    },
    /// The upstream name cannot be a name here.
    #[error("{name:?} cannot be the name of a package")]
    Name {
        /// The name.
        name: String,
        /// The rule it breaks.
        source: NameError,
    },
    /// The upstream version has no semantic counterpart.
    #[error("version {version:?} has no semantic version that sorts like it")]
    Version {
        /// The version.
        version: String,
    },
    /// Two archives are for the same kind of machine.
    #[error("{first} and {second} are for the same platform ({id}) and cannot be two variants")]
    SamePlatform {
        /// What both would be called.
        id: VariantId,
        /// The first of them.
        first: String,
        /// The second of them.
        second: String,
    },
    /// A folder whose version nobody gave.
    #[error("{} has no catalog.toml that gives a version", path.display())]
    NoVersion {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with nothing in it that could be packed.
    #[error("{} holds no files to import", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The folder's own `catalog.toml`, or a file in the folder, is not usable.
    #[error("cannot import {}: {}", path.display(), first_of(findings))]
    Manifest {
        /// The folder or the manifest.
        path: PathBuf,
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
}

impl ImportError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { .. } => return None,
            Self::Manifest { findings, .. } => return findings.first()?.hint.clone(),
            Self::Nothing => "name the archives, such as: catalog import npm a.tgz b.tgz",
            Self::Unpack { source, .. } => source.hint(),
            Self::NotPackage { hint, .. } => hint,
            Self::Versions { .. } => "import the files of one version at a time",
            Self::Names { .. } | Self::Name { .. } => "choose one with --name",
            Self::Version { .. } | Self::NoVersion { .. } => {
                "choose one with --version, such as 1.2.3"
            }
            Self::SamePlatform { .. } => "leave one of them out",
            Self::EmptyFolder { .. } => "look at its .catalogignore, if it has one",
        };
        Some(hint.into())
    }
}

fn listed(versions: &BTreeMap<String, Vec<String>>) -> String {
    let one = |(version, files): (&String, &Vec<String>)| match &files[..] {
        [file] => format!("{version} ({file})"),
        [file, more @ ..] => format!("{version} ({file} and {} more)", more.len()),
        [] => version.clone(),
    };
    versions.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn first_of(findings: &[Finding]) -> &str {
    findings.first().map_or("not usable", |finding| &finding.message)
}
