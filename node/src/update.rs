//! Brings installed packages to the version that what was asked for means today.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use catalog::reference::{PublisherReference, Reference, ReleaseReference, VersionReference};
use catalog::resolve::Preference;
use catalog::size::ByteSize;
use catalog::store::{Extent, InstallRow, LookupError};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::delta;
use crate::fetch::{OnProgress, Part, TransferProgress, Want};
use crate::install::{Installed, base};
use crate::node::Node;
use crate::peers::causes;
use crate::shaping::Class;
use crate::shown;

/// What became of one installed package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// The package: `acme/graphdb`.
    pub reference: String,
    /// What was in use.
    pub from: Version,
    /// What is in use now, or would be.
    pub to: Version,
    /// What it would move; only where it is not to be done, and where that can be found out.
    #[serde(default)]
    pub bytes: Option<UpdateBytes>,
    /// What was done; `None` when there was nothing to do or it failed.
    pub installed: Option<Installed>,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

/// What an update moves: bytes of files, without proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBytes {
    /// All files of the new version.
    pub full: ByteSize,
    /// Those that are not here.
    pub by_file: ByteSize,
    /// The same, where peers have patches as patches.
    pub by_patch: ByteSize,
    /// How many files are not here.
    pub files: u64,
    /// Of how many of them peers have patches.
    pub patches: u64,
}

/// An update that begins when it is awaited.
#[must_use = "an update begins when it is awaited"]
pub struct Update {
    node: Node,
    only: Option<Reference>,
    dry_run: bool,
    class: Class,
    progress: OnProgress,
}

impl Node {
    /// Updates one installed package, or all of them, after asking all peers for news.
    pub fn update(&self, only: Option<&Reference>) -> Update {
        Update {
            node: self.clone(),
            only: only.cloned(),
            dry_run: false,
            class: Class::High,
            progress: Arc::new(|_| ()),
        }
    }
}

impl Update {
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

    /// Is told how far each install is; called often, must not block.
    pub fn progress(mut self, on: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(on);
        self
    }

    async fn run(self) -> Result<Vec<Updated>, LookupError> {
        let store = &self.node.0.store;
        if !self.node.0.candidates()?.is_empty() {
            // A peer that cannot be reached has no news; what is known already still counts.
            self.node.sync(None).await?;
        }
        let rows = match &self.only {
            None => store.installs()?,
            Some(reference) => {
                let package = store.resolve_package(reference)?;
                store.install(&package)?.into_iter().collect()
            }
        };
        let mut updated = Vec::new();
        for row in rows {
            updated.push(self.one(row).await?);
        }
        Ok(updated)
    }

    async fn one(&self, row: InstallRow) -> Result<Updated, LookupError> {
        let store = &self.node.0.store;
        let reference = shown::package(store, &row.package)?;
        let from = row.version.clone();
        let mut updated = Updated {
            reference,
            to: from.clone(),
            from,
            bytes: None,
            installed: None,
            error: None,
        };
        let Some(wanted) = followed(&row) else { return Ok(updated) };
        let to = match self.node.look_up(&wanted) {
            Ok(found) => found.row.version,
            Err(error) => {
                updated.error = Some(causes(&error));
                return Ok(updated);
            }
        };
        if to == updated.from {
            return Ok(updated);
        }
        let progress = self.progress.clone();
        let mut install = self.node.install(&wanted).class(self.class);
        install = install.progress(move |event| progress(event));
        if row.extent == Extent::Lazy {
            install = install.lazy();
        }
        if self.dry_run {
            install = install.dry_run();
        }
        match install.await {
            Ok(installed) => {
                updated.to = to;
                if self.dry_run {
                    updated.bytes = self.bytes(&wanted, &row).await;
                }
                updated.installed = Some(installed);
            }
            Err(error) => updated.error = Some(causes(&error)),
        }
        Ok(updated)
    }
}

impl Update {
    /// What the update of `row` to `wanted` would move. Nobody who could tell is no failure.
    async fn bytes(&self, wanted: &Reference, row: &InstallRow) -> Option<UpdateBytes> {
        let node = &self.node;
        let chosen = node.choose(wanted, None, Preference::default()).await.ok()?;
        let part = match row.extent {
            Extent::Whole => Part::Whole,
            Extent::Lazy => Part::Tree,
        };
        let want = Want::of(&chosen, part).instead_of(base(Some(row), &chosen));
        let planned = delta::plan(&node.0, &want).await.ok()?;
        Some(UpdateBytes {
            full: chosen.variant.size,
            by_file: ByteSize::bytes(planned.by_file),
            by_patch: ByteSize::bytes(planned.by_patch),
            files: planned.files,
            patches: planned.patches,
        })
    }
}

/// What the install follows: what was asked for, of the same publisher whatever it is called now.
/// `None` when that was one version for good.
fn followed(row: &InstallRow) -> Option<Reference> {
    let requested: Reference = row.requested.parse().ok()?;
    let version = match requested.release {
        ReleaseReference::Exact(_) => return None,
        ReleaseReference::Named { version: VersionReference::Exact(_), .. } => return None,
        ReleaseReference::Named { version, .. } => version,
    };
    let publisher = Some(PublisherReference::Id(row.package.publisher));
    let release = ReleaseReference::Named { publisher, name: row.package.name.clone(), version };
    Some(Reference { release, variant: requested.variant })
}

impl IntoFuture for Update {
    type Output = Result<Vec<Updated>, LookupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Update({:?})", self.only)
    }
}
