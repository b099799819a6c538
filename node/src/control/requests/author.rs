//! Publishing, and saying what has become of what was published.

use std::path::{Path, PathBuf};
use std::{fs, io};

use catalog::digest::Digest;
use catalog::draft::{Draft, VariantDraft};
use catalog::import::{self, ImportOptions};
use catalog::manifest::{Finding, Manifest};
use catalog::name::VariantId;
use catalog::permission::Permission;
use catalog::profile::Profile;
use catalog::release::PackageKind;
use catalog::resolve::{Fit, Preference, resolve_variants};
use catalog::size::ByteSize;
use catalog::variant::Variant;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::super::stream::Reporter;
use super::consume::kind_of;
use super::peers::petname;
use super::{Answer, AnswerAtLength, LongRequest, Request, read};
use crate::blocking::blocking;
use crate::publish::{PublishProgress, Published};
use crate::state::{Stated, Yanking};
use crate::{Node, Owner};

/// Makes the identity that signs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Init {
    /// What it would like to be called.
    pub alias: Option<String>,
}

impl Request for Init {
    const NAME: &'static str = "init";
    type Reply = Owner;
}

impl Answer for Init {
    async fn answer(self, node: &Node) -> Result<Owner, Failure> {
        let alias = self.alias.as_deref().map(petname).transpose()?;
        node.init(alias).await.map_err(|error| error.blame())
    }
}

/// Publishes what a manifest or a family of files describes.
///
/// Paths are absolute: the node may run in another folder than the one who asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// What to publish.
    pub from: Drafted,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Where a draft comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drafted {
    /// A `catalog.toml`.
    Manifest(PathBuf),
    /// Packages of another family.
    Import(Box<Import>),
}

/// Packages of another family, and what to call them here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// The family.
    pub family: Family,
    /// Its files; one folder for [`Family::Dir`].
    pub paths: Vec<PathBuf>,
    /// The name of the package; upstream's when absent, like everything below.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it is.
    pub kind: Option<String>,
    /// One line about it.
    pub summary: Option<String>,
    /// An SPDX expression.
    pub license: Option<String>,
}

/// A family of packages that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// What `npm pack` wrote.
    Npm,
    /// Python wheels.
    Wheel,
    /// A plain folder.
    Dir,
}

/// What was published, and where it fits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublishReply {
    /// What was published.
    pub published: Published,
    /// What it says about itself.
    pub about: About,
    /// One for each variant, in the same order.
    pub fits: Vec<VariantFits>,
}

/// The package in a few words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// What it is.
    pub kind: PackageKind,
    /// Its licence.
    pub license: String,
    /// Who may read it.
    pub permission: String,
    /// How many copies its publisher would like.
    pub replicas: Option<u64>,
}

/// Which machines a variant fits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VariantFits {
    /// The variant.
    pub variant: VariantId,
    /// Whether it stands in only where nothing native fits.
    pub fallback: bool,
    /// How well it fits the machine that the node runs on.
    pub here: Fit,
    /// The named profiles that it fits, best first.
    pub profiles: Vec<(String, Fit)>,
}

impl Request for Publish {
    const NAME: &'static str = "publish";
    type Reply = PublishReply;
}

impl LongRequest for Publish {
    type Progress = PublishProgress;
}

impl AnswerAtLength for Publish {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<PublishReply, Failure> {
        let data = node.config().home().data.clone();
        let (draft, unpacked) = blocking(move || self.from.draft(&data)).await?;
        let variants: Vec<Variant> = draft.variants.iter().map(preview).collect();
        let about = About {
            kind: draft.kind,
            license: draft.license.clone(),
            permission: match &draft.permission {
                Permission::Restricted(nodes) => format!("restricted to {} nodes", nodes.len()),
                other => other.as_str().to_owned(),
            },
            replicas: draft.mirror.replicas,
        };
        let mut publish = node.publish(draft).progress(move |event| reporter.report(event));
        if self.dry_run {
            publish = publish.dry_run();
        }
        let published = publish.await.map_err(|error| error.blame())?;
        drop(unpacked);
        Ok(PublishReply { published, about, fits: fits(&variants, node.profile()) })
    }
}

impl Drafted {
    /// The draft, and what was unpacked for it, which must last until it is published.
    fn draft(&self, data: &Path) -> Result<(Draft, Option<TempDir>), Failure> {
        match self {
            Self::Manifest(path) => Ok((manifest(path)?, None)),
            Self::Import(import) => {
                let work = workplace(data).map_err(|error| {
                    Failure::new(Code::IO, format_args!("cannot write to {}", data.display()))
                        .caused_by(Some(&error))
                })?;
                Ok((import.draft(work.path())?, Some(work)))
            }
        }
    }
}

/// A folder to unpack an import in: beside the blobs, so that files can be shared instead of
/// copied. It goes with its guard; what a killed process left there goes now.
fn workplace(data: &Path) -> io::Result<TempDir> {
    let ours = format!("import-{}-", std::process::id());
    for entry in fs::read_dir(data)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // One process owns this folder, so one with another number has ended.
        if name.starts_with("import-") && !name.starts_with(&ours) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new().prefix(&ours).tempdir_in(data)
}

impl Import {
    fn draft(&self, work: &Path) -> Result<Draft, Failure> {
        let options = self.options()?;
        let draft = match (self.family, self.paths.as_slice()) {
            (Family::Npm, files) => import::npm(files, work, &options),
            (Family::Wheel, files) => import::wheel(files, work, &options),
            (Family::Dir, [dir]) => import::dir(dir, &options),
            (Family::Dir, _) => {
                return Err(Failure::new(Code::USAGE, "one folder is imported at a time"));
            }
        };
        draft.map_err(|error| error.blame())
    }

    fn options(&self) -> Result<ImportOptions, Failure> {
        let name = self.name.as_deref().map(|text| read("a package name", text, Code::NAME));
        let version = self.version.as_deref().map(|text| read("a version", text, Code::USAGE));
        Ok(ImportOptions {
            name: name.transpose()?,
            version: version.transpose()?,
            kind: self.kind.as_deref().map(kind_of).transpose()?,
            license: self.license.clone(),
            summary: self.summary.clone(),
            ..ImportOptions::default()
        })
    }
}

fn manifest(path: &Path) -> Result<Draft, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(Code::NO_MANIFEST, format_args!("cannot read {}", path.display()))
            .caused_by(Some(&error))
    })?;
    let base = path.parent().unwrap_or(path);
    Manifest::parse(&text, path)
        .and_then(|(manifest, _warnings)| manifest.draft(base))
        .map_err(|findings| first(&findings))
}

/// The first finding that stops a publish. Whoever asked has seen all of them, with their places.
fn first(findings: &[Finding]) -> Failure {
    let worst = findings.iter().min_by_key(|finding| finding.severity);
    let Some(finding) = worst else {
        return Failure::new(Code::INTERNAL, "the manifest was refused without a reason");
    };
    let code = finding.code.parse().unwrap_or(Code::USAGE);
    let failure = Failure::new(code, &finding.message);
    match &finding.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A variant as far as choosing needs it: its contents are not hashed yet.
fn preview(draft: &VariantDraft) -> Variant {
    Variant {
        id: draft.id.clone(),
        requires: draft.requires.clone(),
        prefers: draft.prefers.clone(),
        resources: draft.resources,
        fallback: draft.fallback,
        quality: draft.quality,
        root: Digest::from_bytes([0; 32]),
        tree: Digest::from_bytes([0; 32]),
        size: ByteSize::bytes(0),
        files: 0,
    }
}

fn fits(variants: &[Variant], here: &Profile) -> Vec<VariantFits> {
    let fit_on = |profile: &Profile| -> Vec<Fit> {
        let resolution = resolve_variants(variants, profile, Preference::default());
        resolution.verdicts.iter().map(|verdict| verdict.fit).collect()
    };
    let on_this = fit_on(here);
    let named: Vec<(&str, Vec<Fit>)> =
        Profile::names().filter_map(|name| Some((name, fit_on(&Profile::named(name)?)))).collect();
    let one = |(at, variant): (usize, &Variant)| {
        let mut profiles: Vec<(String, Fit)> = named
            .iter()
            .map(|(name, fits)| ((*name).to_owned(), fits[at]))
            .filter(|(_, fit)| !matches!(fit, Fit::No | Fit::Unknown))
            .collect();
        profiles.sort_by_key(|(_, fit)| *fit);
        VariantFits {
            variant: variant.id.clone(),
            fallback: variant.fallback,
            here: on_this[at],
            profiles,
        }
    };
    variants.iter().enumerate().map(one).collect()
}

/// Points a channel to a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// One of our packages.
    pub package: String,
    /// The channel.
    pub channel: String,
    /// The version.
    pub version: String,
}

impl Request for Channel {
    const NAME: &'static str = "channel";
    type Reply = Stated;
}

impl Answer for Channel {
    async fn answer(self, node: &Node) -> Result<Stated, Failure> {
        let package = read("a package name", &self.package, Code::NAME)?;
        let channel = read("a channel name", &self.channel, Code::NAME)?;
        let version = read("a version", &self.version, Code::USAGE)?;
        node.set_channel(&package, &channel, &version).await.map_err(|error| error.blame())
    }
}

/// Withdraws a version, or brings it back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Yank {
    /// One of our packages.
    pub package: String,
    /// The version.
    pub version: String,
    /// Which of the two.
    pub yanking: Yanking,
}

impl Request for Yank {
    const NAME: &'static str = "yank";
    type Reply = Stated;
}

impl Answer for Yank {
    async fn answer(self, node: &Node) -> Result<Stated, Failure> {
        let package = read("a package name", &self.package, Code::NAME)?;
        let version = read("a version", &self.version, Code::USAGE)?;
        node.yank(&package, &version, self.yanking).await.map_err(|error| error.blame())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_import_left_is_swept_and_what_runs_is_not() {
        let data = tempfile::tempdir().unwrap();
        let left = data.path().join("import-0-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("half"), "of a file").unwrap();
        let (first, second) = (workplace(data.path()).unwrap(), workplace(data.path()).unwrap());
        assert!(!left.exists() && first.path().exists() && second.path().exists());
    }
}
