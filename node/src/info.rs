//! Tells what is known about a package, and why a variant is chosen.

use catalog::digest::Digest;
use catalog::name::{ChannelName, Petname, VariantId};
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::{PackageId, Release, ReleaseId};
use catalog::resolve::{Preference, Resolution, resolve};
use catalog::store::{Extent, InstallRow, LookupError, StoreError, Trust, VersionRow};
use catalog::time::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::access;
use crate::alike;
use crate::node::Node;
use crate::recommend::GoesWith;
use crate::shown;

/// Everything known about a package, seen from one of its releases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// How to name it here: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The release that the reference means.
    pub id: ReleaseId,
    /// What it says.
    pub release: Release,
    /// What its publisher is called here.
    pub petname: Option<Petname>,
    /// Why it was withdrawn, when it was.
    pub yanked: Option<String>,
    /// Whether its publisher signed something else under the same version.
    pub contested: bool,
    /// All versions of the package, newest first.
    pub versions: Vec<VersionInfo>,
    /// The channels and what they point to.
    pub channels: Vec<(ChannelName, Version)>,
    /// What of its variants is on this machine.
    pub held: Vec<Held>,
    /// What of the package is installed.
    pub installed: Option<InstallInfo>,
    /// What a person should know about its name.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The fingerprint of its publisher, when nobody here has named that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What goes with it, best first; [`Node::goes_with`] finds that out.
    #[serde(default)]
    pub goes_with: Vec<GoesWith>,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The version.
    pub version: Version,
    /// Its release.
    pub id: ReleaseId,
    /// Why it was withdrawn, when it was.
    pub yanked: Option<String>,
    /// Whether its publisher contradicts itself about it.
    pub contested: bool,
}

/// A variant of which something is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The variant.
    pub variant: VariantId,
    /// Its content root.
    pub root: Digest,
    /// Whether all of it is here.
    pub complete: bool,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallInfo {
    /// The package.
    pub package: PackageId,
    /// The version.
    pub version: Version,
    /// The release.
    pub release: ReleaseId,
    /// The variant.
    pub variant: VariantId,
    /// Its content root.
    pub root: Digest,
    /// Whether only the file list is here, and files come when they are touched.
    pub lazy: bool,
    /// What was asked for; an update follows it.
    pub requested: String,
    /// When.
    pub at: Timestamp,
}

/// Which variant a machine gets, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// How to name the release here.
    pub reference: String,
    /// The release.
    pub id: ReleaseId,
    /// What it says.
    pub release: Release,
    /// The choice and the verdict on every variant.
    pub resolution: Resolution,
    /// The same as text.
    pub text: String,
}

impl From<VersionRow> for VersionInfo {
    fn from(row: VersionRow) -> Self {
        let VersionRow { version, id, yanked, contested } = row;
        Self { version, id, yanked, contested }
    }
}

impl From<InstallRow> for InstallInfo {
    fn from(row: InstallRow) -> Self {
        let InstallRow { package, version, release, variant, root, extent, requested, at } = row;
        let lazy = extent == Extent::Lazy;
        Self { package, version, release, variant, root, lazy, requested, at }
    }
}

impl Node {
    /// Everything known about the package that `reference` names.
    ///
    /// # Errors
    /// [`LookupError`] when it names nothing, or nothing certain.
    pub async fn info(&self, reference: &Reference) -> Result<Info, LookupError> {
        let found = self.find(reference).await?;
        let (store, package) = (&self.0.store, &found.package);
        let release = self.0.release(&found.row.id)?;
        let trust = store.publisher(&package.publisher)?.map(|row| row.trust);
        let mut held = Vec::new();
        for variant in &release.variants {
            let root = variant.root;
            if store.is_held(&root)? {
                let complete = access::is_whole(&self.0, &root)?;
                held.push(Held { variant: variant.id.clone(), root, complete });
            }
        }
        Ok(Info {
            reference: shown::release(store, package, &found.row.version)?,
            id: found.row.id,
            warnings: alike::warnings(store, package)?,
            seen: (trust == Some(Trust::Seen)).then(|| package.publisher.fingerprint()),
            goes_with: Vec::new(),
            release,
            petname: store.petname(&package.publisher)?,
            yanked: found.row.yanked,
            contested: found.row.contested,
            versions: store.versions(package)?.into_iter().map(VersionInfo::from).collect(),
            channels: store.channels(package)?,
            held,
            installed: store.install(package)?.map(InstallInfo::from),
        })
    }

    /// Which variant of a release a machine gets, and why.
    ///
    /// - `profile`: the machine; this one when absent.
    ///
    /// # Errors
    /// [`LookupError`] when the reference names nothing, or nothing certain.
    pub async fn explain(
        &self,
        reference: &Reference,
        profile: Option<&Profile>,
        preference: Preference,
    ) -> Result<Explained, LookupError> {
        let found = self.find(reference).await?;
        let release = self.0.release(&found.row.id)?;
        let package = shown::package(&self.0.store, &found.package)?;
        let resolution = resolve(&release, profile.unwrap_or_else(|| self.profile()), preference);
        Ok(Explained {
            reference: format!("{package}@{}", found.row.version),
            id: found.row.id,
            text: resolution.explain(&package, &release.version),
            release,
            resolution,
        })
    }

    /// Everybody who publishes something that is known here, by id.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn publishers(&self) -> Result<Vec<PublisherInfo>, StoreError> {
        let store = &self.0.store;
        let own = self.publisher();
        let rows = store.publishers()?.into_iter().map(|row| {
            let inception = store.inception(&row.id)?;
            Ok(PublisherInfo {
                id: row.id,
                fingerprint: row.id.fingerprint(),
                petname: row.petname,
                alias: inception.and_then(|inception| inception.alias().cloned()),
                own: own == Some(row.id),
                since: row.since,
            })
        });
        rows.collect()
    }
}

/// Somebody who publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherInfo {
    /// Who it is.
    pub id: catalog::identity::PublisherId,
    /// For comparing by eye.
    pub fingerprint: String,
    /// What we call it.
    pub petname: Option<Petname>,
    /// What it would like to be called.
    pub alias: Option<Petname>,
    /// Whether it is this node's own.
    pub own: bool,
    /// Since when it is known.
    pub since: Timestamp,
}
