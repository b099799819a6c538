//! Installs, removes and rolls back packages.

use std::fmt;
use std::future::IntoFuture;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use catalog::digest::Digest;
use catalog::install::{BlobFiles, InstallError as WriteError, InstalledAt, Installer, Place};
use catalog::name::VariantId;
use catalog::permission::Permission;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::{PackageId, ReleaseId};
use catalog::resolve::Preference;
use catalog::size::ByteSize;
use catalog::store::{Extent, HoldReason, InstallRow, LookupError, StoreError};
use catalog_discovery::Use;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::access;
use crate::blobs::{Blobs, BlobsError, VariantFiles};
use crate::blocking::blocking;
use crate::disk;
use crate::fetch::{Brought, FetchError, OnProgress, Part, TransferProgress, Want, bring};
use crate::info::InstallInfo;
use crate::lookup::{ChooseError, Chosen};
use crate::node::{Node, now};
use crate::sealed::SealedFiles;
use crate::shaping::Class;
use crate::shown;
use crate::topology::Strategy;

/// Why a package was not installed. What was installed before is untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// There is no variant to install.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// It is installed only where enough publishers that are trusted here attest it.
    #[error("{reference} is attested by {have} of the {need} trusted publishers that are needed")]
    Unattested {
        /// The release.
        reference: String,
        /// How many publishers attest it whose word counts here.
        have: usize,
        /// How many must.
        need: usize,
        /// How many others attest it.
        others: usize,
    },
    /// Its contents did not come.
    #[error(transparent)]
    Fetch(FetchError),
    /// It could not be written to its place.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FetchError> for InstallError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Choose(error) => Self::Choose(error),
            other => Self::Fetch(other),
        }
    }
}

/// Why nothing was removed or rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The reference means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It is not installed.
    #[error("{reference} is not installed")]
    NotInstalled {
        /// The package.
        reference: String,
    },
    /// There is nothing to go back to.
    #[error("nothing was installed before {reference}")]
    NothingBefore {
        /// What is installed.
        reference: String,
    },
    /// It is installed lazily: its files come when they are touched, and have no folder.
    #[error("{reference} is installed lazily and has no folder")]
    Lazy {
        /// What is installed.
        reference: String,
    },
    /// Its contents could not be brought back.
    #[error(transparent)]
    Install(#[from] Box<InstallError>),
    /// The folder could not be changed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

/// What was installed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// How to name it here: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The package.
    pub package: PackageId,
    /// The version.
    pub version: Version,
    /// The release.
    pub release: ReleaseId,
    /// The variant.
    pub variant: VariantId,
    /// Why this variant.
    pub reason: String,
    /// Its content root.
    pub root: Digest,
    /// Its size.
    pub size: ByteSize,
    /// Its files.
    pub files: u64,
    /// What came over the wire for it, proofs included.
    pub bytes_moved: u64,
    /// Where it is; `None` for a lazy install or a dry run.
    pub path: Option<PathBuf>,
    /// Whether only its file list was brought.
    pub lazy: bool,
    /// Whether nothing was done because nobody asked to.
    pub dry_run: bool,
    /// Whether exactly this was installed already, whole and unchanged.
    pub already: bool,
    /// What a person should know before using it.
    pub warnings: Vec<String>,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The package: `acme/graphdb`.
    pub reference: String,
    /// The versions that were here, with those that could be rolled back to.
    pub versions: Vec<Version>,
    /// The folders that are gone.
    pub paths: Vec<PathBuf>,
}

/// What was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The package: `acme/graphdb`.
    pub reference: String,
    /// What was in use.
    pub from: Version,
    /// What is in use now.
    pub to: Version,
    /// Where it is; `None` when it is installed lazily.
    pub path: Option<PathBuf>,
}

/// An installed package, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// How to name it here: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// What is installed.
    pub installed: InstallInfo,
    /// Where it is; `None` when it is installed lazily.
    pub path: Option<PathBuf>,
    /// The newest version that is known, when it is newer.
    pub newer: Option<Version>,
}

/// An install that begins when it is awaited.
#[must_use = "an install begins when it is awaited"]
pub struct Install {
    node: Node,
    reference: Reference,
    profile: Option<Profile>,
    preference: Preference,
    strategy: Option<Strategy>,
    lazy: bool,
    dry_run: bool,
    class: Class,
    progress: OnProgress,
}

impl Node {
    /// Installs the release that `reference` names, in the variant that suits this machine.
    pub fn install(&self, reference: &Reference) -> Install {
        Install {
            node: self.clone(),
            reference: reference.clone(),
            profile: None,
            preference: Preference::default(),
            strategy: None,
            lazy: false,
            dry_run: false,
            class: Class::High,
            progress: Arc::new(|_| ()),
        }
    }

    /// Removes a package with everything that it could be rolled back to.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove(&self, reference: &Reference) -> Result<Removed, ChangeError> {
        let store = &self.0.store;
        let package = store.resolve_package(reference)?;
        let shown = shown::package(store, &package)?;
        let rows = store.install_history(&package)?;
        if rows.is_empty() {
            return Err(ChangeError::NotInstalled { reference: shown });
        }
        let installer = self.0.installer().await?.clone();
        let store = store.clone();
        blocking(move || {
            let mut removed = Removed { reference: shown, versions: Vec::new(), paths: Vec::new() };
            // Folders first: a crash in between leaves an install to remove again, not a folder
            // that nobody knows of.
            for row in &rows {
                removed.versions.push(row.version.clone());
                if row.extent == Extent::Whole {
                    installer.remove(&row.place())?;
                    removed.paths.push(installer.path(&row.place()));
                }
            }
            for row in store.forget_install(&package)? {
                if row.extent == Extent::Lazy {
                    store.release_hold(&row.root, HoldReason::Partial)?;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Puts what was installed before back in use.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn rollback(&self, reference: &Reference) -> Result<RolledBack, ChangeError> {
        let store = &self.0.store;
        let package = store.resolve_package(reference)?;
        let shown = shown::package(store, &package)?;
        let not_installed = || ChangeError::NotInstalled { reference: shown.clone() };
        let current = store.install(&package)?.ok_or_else(not_installed)?;
        let Some(before) = store.previous_install(&package)? else {
            return Err(ChangeError::NothingBefore {
                reference: shown::release(store, &package, &current.version)?,
            });
        };
        let path = match before.extent {
            Extent::Lazy => None,
            Extent::Whole => {
                let at = self.reinstall(&before).await.map_err(Box::new)?;
                Some(at.path)
            }
        };
        store.roll_back(&package)?;
        Ok(RolledBack { reference: shown, from: current.version, to: before.version, path })
    }

    /// What is in use of every installed package.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be read.
    pub async fn list(&self) -> Result<Vec<ListRow>, StoreError> {
        let store = &self.0.store;
        let mut list = Vec::new();
        for row in store.installs()? {
            let versions = store.versions(&row.package)?;
            let newest = versions.into_iter().find(|version| {
                version.yanked.is_none() && !version.contested && version.version.pre.is_empty()
            });
            list.push(ListRow {
                reference: shown::release(store, &row.package, &row.version)?,
                path: self.folder(&row),
                newer: newest.map(|row| row.version).filter(|version| *version > row.version),
                installed: row.into(),
            });
        }
        Ok(list)
    }

    /// Where a package is installed.
    ///
    /// # Errors
    /// [`ChangeError`] when it is not, or not in a folder.
    pub async fn path(&self, reference: &Reference) -> Result<PathBuf, ChangeError> {
        let store = &self.0.store;
        let package = store.resolve_package(reference)?;
        let reference = shown::package(store, &package)?;
        match store.install(&package)? {
            None => Err(ChangeError::NotInstalled { reference }),
            Some(row) => self.folder(&row).ok_or(ChangeError::Lazy { reference }),
        }
    }

    fn folder(&self, row: &InstallRow) -> Option<PathBuf> {
        let packages = self.0.config.packages_dir();
        (row.extent == Extent::Whole).then(|| packages.join(row.place().path()))
    }

    /// Brings the folder of an install back: its contents if need be, then its files.
    pub(crate) async fn reinstall(&self, row: &InstallRow) -> Result<InstalledAt, InstallError> {
        let release = self.0.release(&row.release)?;
        let variant =
            release.variant(&row.variant).ok_or(StoreError::Damaged { what: "an install" })?;
        let reference = shown::release(&self.0.store, &row.package, &row.version)?;
        let progress: OnProgress = Arc::new(|_| ());
        let want = Want::new(&reference, variant, Part::Whole).of_release(&release);
        let brought = bring(&self.0, &want, &progress).await?;
        let (blobs, installer) = (self.0.blobs().await?, self.0.installer().await?);
        write(installer, blobs, brought, row.place(), progress).await
    }
}

impl Install {
    /// Chooses the variant for such a machine instead of this one.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Chooses the variant by this.
    pub fn preference(mut self, preference: Preference) -> Self {
        self.preference = preference;
        self
    }

    /// Chooses whom to ask by this, instead of by what the node is set to.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Brings only the file list; files come when they are touched.
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Only says what would be done.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Takes contents from peers with this urgency.
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Is told how far it is; called often, must not block.
    pub fn progress(mut self, on: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(on);
        self
    }

    async fn run(self) -> Result<Installed, InstallError> {
        let Self { node, reference, profile, preference, strategy, lazy, dry_run, class, progress } =
            self;
        let chosen = node.choose(&reference, profile.as_ref(), preference).await?;
        node.check_attested(&chosen)?;
        progress(TransferProgress::Resolved {
            reference: chosen.reference.clone(),
            variant: chosen.variant.id.clone(),
            bytes: chosen.variant.size,
            files: chosen.variant.files,
        });
        let row = row(&chosen, &reference, lazy);
        let in_use = node.0.store.install(&row.package)?;
        let base = base(in_use.as_ref(), &chosen);
        let same = in_use.filter(|used| used.place() == row.place() && used.extent == row.extent);
        let mut installed = Installed {
            reference: chosen.reference.clone(),
            package: chosen.package.clone(),
            version: chosen.release.version.clone(),
            release: chosen.id,
            variant: chosen.variant.id.clone(),
            reason: chosen.reason.clone(),
            root: chosen.variant.root,
            size: chosen.variant.size,
            files: chosen.variant.files,
            bytes_moved: 0,
            path: None,
            lazy,
            dry_run,
            already: same.is_some(),
            warnings: chosen.warnings.clone(),
        };
        if dry_run {
            // Nothing is looked at beyond the records: what is not all here counts as to be moved.
            if !access::is_whole(&node.0, &installed.root)? {
                installed.bytes_moved = installed.size.as_u64();
            }
            return Ok(installed);
        }
        let part = if lazy { Part::Tree } else { Part::Whole };
        let want = Want::of(&chosen, part).instead_of(base).at(class).by(strategy);
        let brought = bring(&node.0, &want, &progress).await?;
        installed.bytes_moved = brought.moved;
        if !lazy {
            let (blobs, installer) = (node.0.blobs().await?, node.0.installer().await?);
            let at = write(installer, blobs, brought, row.place(), progress).await?;
            installed.already &= at.reused;
            installed.path = Some(at.path);
        }
        if !installed.already || same.is_none_or(|used| used.requested != row.requested) {
            node.record(row).await?;
        }
        node.0.used(&chosen.release, Use::Installed);
        Ok(installed)
    }
}

impl Node {
    /// Refuses a release that wants to be attested and is not.
    fn check_attested(&self, chosen: &Chosen) -> Result<(), InstallError> {
        if chosen.release.permission != Permission::Verified {
            return Ok(());
        }
        let need = self.0.config.attestations();
        let (ours, others): (Vec<_>, Vec<_>) =
            self.attestations(&chosen.id)?.into_iter().partition(|vouched| vouched.counts);
        let (have, others) = (ours.len(), others.len());
        if have < need {
            let reference = chosen.reference.clone();
            return Err(InstallError::Unattested { reference, have, need, others });
        }
        Ok(())
    }

    /// Records an install and clears away what can no longer be rolled back to.
    async fn record(&self, row: InstallRow) -> Result<(), InstallError> {
        let (store, installer) = (self.0.store.clone(), self.0.installer().await?.clone());
        blocking(move || {
            for old in store.record_install(&row)? {
                if old.extent == Extent::Whole {
                    installer.remove(&old.place())?;
                }
            }
            // The install holds the content from here on; removing it lets it go.
            if row.extent == Extent::Whole {
                store.release_hold(&row.root, HoldReason::Fetched)?;
            }
            Ok(())
        })
        .await
    }
}

impl IntoFuture for Install {
    type Output = Result<Installed, InstallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Install({:?})", self.reference)
    }
}

/// The content of the same variant that is in use, from which files can be updated.
pub(crate) fn base(in_use: Option<&InstallRow>, chosen: &Chosen) -> Option<Digest> {
    let is_alike = |used: &&InstallRow| {
        used.extent == Extent::Whole
            && used.package == chosen.package
            && used.variant == chosen.variant.id
    };
    in_use.filter(is_alike).map(|used| used.root)
}

fn row(chosen: &Chosen, requested: &Reference, lazy: bool) -> InstallRow {
    InstallRow {
        package: chosen.package.clone(),
        version: chosen.release.version.clone(),
        release: chosen.id,
        variant: chosen.variant.id.clone(),
        root: chosen.variant.root,
        extent: if lazy { Extent::Lazy } else { Extent::Whole },
        requested: requested.to_string(),
        at: now(),
    }
}

/// Writes a variant whose contents are all here to its place and makes it the one in use.
async fn write(
    installer: &Installer,
    blobs: &Blobs,
    brought: Brought,
    place: Place,
    progress: OnProgress,
) -> Result<InstalledAt, InstallError> {
    let Brought { tree, unsealed, .. } = brought;
    let total = tree.size();
    disk::check_room(installer.packages(), total).map_err(|disk::Full { needed, free }| {
        WriteError::DiskFull { needed: needed.as_u64(), free: free.as_u64() }
    })?;
    let installer = installer.clone();
    let files: Box<dyn BlobFiles + Send> = match unsealed {
        Some(unsealed) => Box::new(SealedFiles::new(blobs.clone(), unsealed)),
        None => Box::new(VariantFiles::new(blobs.clone(), &tree)),
    };
    let written = blocking(move || {
        let done = AtomicU64::new(0);
        let tell = |bytes| {
            let bytes_done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
            progress(TransferProgress::Installing { bytes_done, bytes_total: total.as_u64() });
        };
        installer.install(&tree, &place, files.as_ref(), &tell)
    });
    Ok(written.await?)
}
