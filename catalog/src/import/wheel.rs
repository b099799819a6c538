//! Imports Python wheels: one `.whl` for each platform, as `pip download` gives them.
//!
//! The tags in the file name become `requires`: system, processor and C library from the platform,
//! and the interpreter where compiled code is bound to one. A wheel for any platform is the
//! fallback.
//!
//! Guarantees: every file of a wheel is listed in its `RECORD` with the right hash, as installers
//! check it, and the file name does not lie about project and version.

mod metadata;
mod pep440;
pub(super) mod record;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::unpack::Unpacker;
use super::{
    About, Family, ImportError, ImportOptions, LICENSE_UNKNOWN, METADATA_BYTES_MAX, Part,
    UnpackError, draft, file_label, keywords, one_line, one_version, open, read_entry, sha256,
    zipfile,
};
use crate::draft::{Draft, SourceEntry, VariantDraft};
use crate::manifest::readme_text;
use crate::name::{PackageName, VariantId};
use crate::release::{LICENSE_BYTES_MAX, SUMMARY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::variant::{Constraint, FactKey, Resources};
use metadata::Metadata;
use tags::{Platform, WheelName};

/// What to do about a file that is not what was expected.
const HINT: &str = "expected a file made by: pip download --no-deps NAME==VERSION";

/// Quality of the best build for one kind of machine; each older one gets one less.
const QUALITY_BEST: u8 = 90;
/// Quality of a build when many newer ones exist for the same kind of machine.
const QUALITY_LOWEST: u8 = 50;
/// Quality of a wheel without compiled code.
const QUALITY_ANY: u8 = 30;

/// Makes one release of the wheels of one project.
///
/// - `files`: the `.whl` files, all of one version.
/// - `work`: an existing folder; one new folder for each file is made in it, and the draft refers
///   to what lies there.
///
/// # Errors
/// [`ImportError`]; nothing was written outside of `work`.
pub fn wheel(
    files: &[PathBuf],
    work: &Path,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    let mut wheels = Vec::new();
    for (index, file) in files.iter().enumerate() {
        wheels.push(Wheel::read(file, &work.join(format!("wheel-{index}")), options)?);
    }
    rank(&mut wheels);
    let projects: BTreeSet<String> = wheels.iter().map(|wheel| wheel.project.clone()).collect();
    let projects: Vec<String> = projects.into_iter().collect();
    let one_interpreter = wheels.windows(2).all(|pair| pair[0].tags.same_python(&pair[1].tags));
    let parts = wheels.into_iter().map(|wheel| wheel.into_part(one_interpreter));
    let parts = parts.collect::<Result<Vec<Part>, _>>()?;
    let upstream = one_version(&parts)?.to_owned();
    let version = match &options.version {
        Some(version) => version.clone(),
        None => pep440::to_semver(&upstream).ok_or(ImportError::Version { version: upstream })?,
    };
    let name: PackageName = match (&options.name, &projects[..]) {
        (Some(name), _) => name.clone(),
        (None, [one]) => {
            one.parse().map_err(|source| ImportError::Name { name: one.clone(), source })?
        }
        (None, _) => return Err(ImportError::Names { names: projects }),
    };
    let main = parts.iter().position(|part| part.variant.fallback).unwrap_or(0);
    let upstream = projects.join(" ");
    draft(Family { ecosystem: "wheel", upstream, name, version }, parts, main, options)
}

/// One wheel, unpacked and checked.
struct Wheel {
    file: PathBuf,
    project: String,
    version: String,
    tags: WheelName,
    platform: Platform,
    about: About,
    entries: Vec<SourceEntry>,
    quality: u8,
}

impl Wheel {
    fn read(file: &Path, store: &Path, options: &ImportOptions) -> Result<Self, ImportError> {
        let refuse = |reason: String| not_wheel(file, reason);
        let tags = WheelName::parse(&file_label(file)).ok_or_else(|| {
            refuse("a wheel is named project-version-python-abi-platform.whl".into())
        })?;
        let platform = Platform::of(&tags.platforms).map_err(|error| refuse(error.to_string()))?;
        let (archive, bytes) = open(file)?;
        let unpacked = || -> Result<Vec<SourceEntry>, UnpackError> {
            let mut into = Unpacker::new(store, bytes, options.limits)?;
            zipfile::unpack(archive, &mut into, options.limits.entries_max)?;
            into.finish()
        };
        let entries = unpacked()
            .map_err(|source| ImportError::Unpack { archive: file.to_owned(), source })?;
        let info = info_folder(&entries).map_err(refuse)?;
        record::verify(&entries, &info).map_err(refuse)?;
        let metadata = read_entry(&entries, &format!("{info}/METADATA"), METADATA_BYTES_MAX)
            .and_then(|bytes| Metadata::parse(&bytes))
            .ok_or_else(|| refuse("it has no METADATA with a name and a version".into()))?;
        if normal(&metadata.name) != normal(&tags.distribution)
            || !same_version(&metadata.version, &tags.version)
        {
            let inside = one_line(&format!("{} {}", metadata.name, metadata.version), 100);
            return Err(refuse(format!("its name says otherwise than its METADATA ({inside})")));
        }
        Ok(Self {
            file: file.to_owned(),
            project: normal(&metadata.name),
            version: one_line(&metadata.version, TEXT_BYTES_MAX),
            tags,
            platform,
            about: about(metadata),
            entries,
            quality: QUALITY_ANY,
        })
    }

    /// - `one_interpreter`: all wheels of the family are for the same Python, so that the platform
    ///   alone tells them apart.
    fn into_part(self, one_interpreter: bool) -> Result<Part, ImportError> {
        let platform = &self.tags.platforms[0];
        let id: Result<VariantId, _> = match one_interpreter {
            true => platform.parse(),
            false => format!("{}-{platform}", self.tags.interpreter()).parse(),
        };
        let id = id.map_err(|error| not_wheel(&self.file, error.to_string()))?;
        let requires = self
            .requires()
            .map_err(|(text, error)| not_wheel(&self.file, format!("{text:?}: {error}")))?;
        Ok(Part {
            label: file_label(&self.file),
            version: self.version,
            sha256: sha256(&self.file)?,
            about: self.about,
            variant: VariantDraft {
                id,
                requires,
                prefers: BTreeMap::new(),
                resources: Resources::default(),
                fallback: self.platform == Platform::Any,
                quality: self.quality,
                entries: self.entries,
            },
        })
    }

    fn requires(&self) -> Result<BTreeMap<FactKey, Constraint>, (String, String)> {
        let mut wanted = BTreeMap::new();
        if let Platform::Native { os, arch, libc, .. } = &self.platform {
            wanted.insert("os", Some(os.clone()));
            wanted.insert("cpu.arch", Some(arch.clone()));
            wanted.insert("libc", libc.clone());
            wanted.insert("python", self.tags.python());
        }
        let wanted = wanted.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let parsed = wanted.map(|(key, text)| {
            let key: FactKey = key.parse().expect("a fact that is named above");
            match text.parse::<Constraint>() {
                Ok(constraint) => Ok((key, constraint)),
                Err(error) => Err((text, error.to_string())),
            }
        });
        parsed.collect()
    }
}

/// Gives the newest build for each kind of machine the best quality.
///
/// Where several wheels fit, installers take the one for the newest system and then for the newest
/// interpreter.
fn rank(wheels: &mut [Wheel]) {
    let mut groups: BTreeMap<String, BTreeSet<(u32, Vec<u32>)>> = BTreeMap::new();
    let place = |wheel: &Wheel| match &wheel.platform {
        Platform::Any => None,
        Platform::Native { machine, age, .. } => {
            Some((machine.clone(), (*age, wheel.tags.python_age())))
        }
    };
    for (machine, age) in wheels.iter().filter_map(place) {
        groups.entry(machine).or_default().insert(age);
    }
    for wheel in wheels {
        let Some((machine, age)) = place(wheel) else { continue };
        let newer = groups[&machine].iter().filter(|other| **other > age).count();
        let lower = u8::try_from(newer).unwrap_or(u8::MAX);
        wheel.quality = QUALITY_BEST.saturating_sub(lower).max(QUALITY_LOWEST);
    }
}

fn not_wheel(file: &Path, reason: String) -> ImportError {
    ImportError::NotPackage { archive: file.to_owned(), reason, hint: HINT }
}

/// The only `.dist-info` folder.
fn info_folder(entries: &[SourceEntry]) -> Result<String, String> {
    let tops = entries.iter().filter_map(|entry| entry.path().components().next());
    let infos: BTreeSet<&str> = tops.filter(|top| top.ends_with(".dist-info")).collect();
    match infos.len() {
        1 => Ok(infos.into_iter().collect()),
        found => Err(format!("it has {found} .dist-info folders, not one")),
    }
}

fn about(metadata: Metadata) -> About {
    let license = metadata.license.as_deref().unwrap_or(LICENSE_UNKNOWN);
    About {
        summary: one_line(&metadata.summary, SUMMARY_BYTES_MAX),
        license: one_line(license, LICENSE_BYTES_MAX),
        keywords: keywords(&metadata.keywords),
        readme: readme_text(metadata.description.as_bytes()),
    }
}

/// A project name as the Python index compares it (PEP 503).
fn normal(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn same_version(one: &str, other: &str) -> bool {
    let (first, second) = (pep440::to_semver(one), pep440::to_semver(other));
    one == other || (first.is_some() && first == second)
}
