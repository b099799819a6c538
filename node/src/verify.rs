//! Checks everything that is kept: records, contents and installed files; and mends it from peers.
//!
//! Guarantees: every byte of every content that is held is read and hashed, with the proofs that go
//! with it. What is damaged is no longer offered to peers, whether or not it can be mended.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use catalog::digest::Digest;
use catalog::release::ReleaseId;
use catalog::store::{Extent, HoldReason, StoreError};
use catalog::variant::Variant;
use serde::{Deserialize, Serialize};

use crate::blobs::{Blobs, BlobsError, Holding};
use crate::blocking::blocking;
use crate::fetch::{OnProgress, Part, Want, bring};
use crate::node::Node;
use crate::peers::causes;
use crate::recovery::{children, incomplete};
use crate::sealed::local_list;
use crate::shown;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store cannot be read.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The installed packages cannot be read.
    #[error(transparent)]
    Installs(#[from] catalog::install::InstallError),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyProgress {
    /// Bytes of contents that were read.
    pub bytes_done: u64,
    /// Bytes of contents there are.
    pub bytes_total: u64,
}

/// What was checked and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their size.
    pub bytes: u64,
    /// Installed packages that were read.
    pub installs: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where.
    pub kind: FaultKind,
    /// What: a row, a blob, an installed file.
    pub what: String,
    /// What is wrong with it, or why it could not be mended.
    pub detail: String,
    /// Whether it is right again.
    pub repaired: bool,
}

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// In the store of statements.
    Record,
    /// In the contents.
    Blob,
    /// In an installed package.
    Install,
}

impl VerifyReport {
    /// Whether everything is right, or right again.
    pub fn is_clean(&self) -> bool {
        self.faults.iter().all(|fault| fault.repaired)
    }
}

/// A check that begins when it is awaited.
#[must_use = "a check begins when it is awaited"]
pub struct Verify {
    node: Node,
    repair: bool,
    progress: Arc<dyn Fn(VerifyProgress) + Send + Sync>,
}

impl Node {
    /// Checks everything that is kept.
    pub fn verify(&self) -> Verify {
        Verify { node: self.clone(), repair: false, progress: Arc::new(|_| ()) }
    }
}

impl Verify {
    /// Fetches what is damaged again from peers, and writes damaged installs anew.
    pub fn repair(mut self) -> Self {
        self.repair = true;
        self
    }

    /// Is told how far it is; called often, must not block.
    pub fn progress(mut self, on: impl Fn(VerifyProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(on);
        self
    }

    async fn run(self) -> Result<VerifyReport, VerifyError> {
        let mut report = VerifyReport::default();
        self.records(&mut report).await?;
        self.contents(&mut report).await?;
        self.installs(&mut report).await?;
        Ok(report)
    }

    async fn records(&self, report: &mut VerifyReport) -> Result<(), VerifyError> {
        let store = self.node.0.store.clone();
        for fault in blocking(move || store.verify()).await? {
            report.faults.push(Fault {
                kind: FaultKind::Record,
                what: fault.key.clone(),
                detail: fault.to_string(),
                repaired: false,
            });
        }
        Ok(())
    }

    async fn contents(&self, report: &mut VerifyReport) -> Result<(), VerifyError> {
        let node = &self.node.0;
        let blobs = node.blobs().await?;
        let (mut damaged, wanted) = self.expected(blobs).await?;
        let bytes_total = wanted.values().sum();
        for (digest, size) in wanted {
            if !blobs.is_sound(&digest, size).await {
                damaged.insert(digest);
            }
            report.blobs += 1;
            report.bytes += size;
            (self.progress)(VerifyProgress { bytes_done: report.bytes, bytes_total });
        }
        if damaged.is_empty() {
            return Ok(());
        }
        let lost: HashSet<Digest> = damaged.iter().copied().collect();
        incomplete(node, blobs, &lost).await?;
        blobs.alone().await.drop_torn(&lost).await?;
        let failures = if self.repair { self.refetch().await? } else { BTreeMap::new() };
        for digest in damaged {
            let repaired = matches!(blobs.holding(&digest).await?, Holding::Whole { .. });
            let failure = failures.values().next().cloned();
            let detail = if repaired {
                "it did not match its hash and was fetched again".to_owned()
            } else {
                failure.unwrap_or_else(|| "it is missing or does not match its hash".to_owned())
            };
            let what = digest.to_string();
            report.faults.push(Fault { kind: FaultKind::Blob, what, detail, repaired });
        }
        Ok(())
    }

    /// The blobs of everything that is held, with their sizes; first those that should be here
    /// and are not.
    async fn expected(
        &self,
        blobs: &Blobs,
    ) -> Result<(BTreeSet<Digest>, BTreeMap<Digest, u64>), VerifyError> {
        let (mut missing, mut wanted) = (BTreeSet::new(), BTreeMap::new());
        // What the last start had to drop is damage wherever somebody has use for it. A publish that
        // a power cut ended leaves such blobs too, and nobody has.
        let torn = self.node.0.torn().clone();
        for root in self.roots()? {
            let whole = self.should_be_whole(&root)?;
            let mut members = vec![root];
            members.extend(children(blobs, &root).await.unwrap_or_default());
            for digest in members {
                match blobs.holding(&digest).await? {
                    Holding::Whole { size } => {
                        wanted.insert(digest, size);
                    }
                    Holding::Absent | Holding::Partial if whole || torn.contains(&digest) => {
                        missing.insert(digest);
                    }
                    Holding::Absent | Holding::Partial => {}
                }
            }
        }
        Ok((missing, wanted))
    }

    /// Fetches every content again that is incomplete and should not be; answers what failed.
    async fn refetch(&self) -> Result<BTreeMap<Digest, String>, VerifyError> {
        let node = &self.node.0;
        let mut failures = BTreeMap::new();
        for root in self.roots()? {
            let reasons = node.store.holds_of(&root)?;
            if !reasons.contains(&HoldReason::Partial) || !self.should_be_whole(&root)? {
                continue;
            }
            let (reference, variant) = match self.variant_of(&root)? {
                Some((id, variant)) => {
                    let release = node.release(&id)?;
                    let (package, version) = (release.package(), &release.version);
                    (shown::release(&node.store, &package, version)?, variant)
                }
                None => match node.carried_variant(&root)? {
                    Some(carried) => carried,
                    None => continue,
                },
            };
            let want = Want::new(&reference, &variant, Part::Whole);
            let quiet: OnProgress = Arc::new(|_| ());
            match bring(node, &want, &quiet).await {
                // The holds that it had before are enough.
                Ok(_) if !reasons.contains(&HoldReason::Fetched) => {
                    node.store.release_hold(&root, HoldReason::Fetched)?;
                }
                Ok(_) => {}
                Err(error) => {
                    failures.insert(root, causes(&error));
                }
            }
        }
        Ok(failures)
    }

    fn roots(&self) -> Result<BTreeSet<Digest>, StoreError> {
        Ok(self.node.0.store.holds()?.into_iter().map(|hold| hold.root).collect())
    }

    /// Whether all of a content belongs here: somebody published it, fetched it, mirrors it, or
    /// installed it other than lazily.
    fn should_be_whole(&self, root: &Digest) -> Result<bool, StoreError> {
        let store = &self.node.0.store;
        let reasons = store.holds_of(root)?;
        let whole = [HoldReason::Published, HoldReason::Fetched, HoldReason::Mirrored];
        if whole.iter().any(|reason| reasons.contains(reason)) {
            return Ok(true);
        }
        for row in store.installs()? {
            let history = store.install_history(&row.package)?;
            if history.iter().any(|row| row.root == *root && row.extent == Extent::Whole) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn variant_of(&self, root: &Digest) -> Result<Option<(ReleaseId, Variant)>, StoreError> {
        for (id, variant) in self.node.0.store.release_of_root(root)? {
            let release = self.node.0.release(&id)?;
            if let Some(variant) = release.variant(&variant) {
                return Ok(Some((id, variant.clone())));
            }
        }
        Ok(None)
    }

    async fn installs(&self, report: &mut VerifyReport) -> Result<(), VerifyError> {
        let node = &self.node.0;
        let rows = node.store.installs()?.into_iter().filter(|row| row.extent == Extent::Whole);
        for row in rows.collect::<Vec<_>>() {
            report.installs += 1;
            let reference = shown::release(&node.store, &row.package, &row.version)?;
            let release = node.release(&row.release)?;
            let tree = match release.variant(&row.variant) {
                Some(variant) => local_list(node, &release, variant).await?,
                None => None,
            };
            let faults = match tree {
                Some(tree) => {
                    let (installer, place) = (node.installer().await?.clone(), row.place());
                    let checked = blocking(move || installer.verify(&tree, &place)).await;
                    match checked {
                        Ok(faults) => faults.iter().map(ToString::to_string).collect(),
                        Err(error) => vec![causes(&error)],
                    }
                }
                None => vec!["its file list is damaged".to_owned()],
            };
            if faults.is_empty() {
                continue;
            }
            let failure = match self.repair {
                true => self.node.reinstall(&row).await.err().map(|error| causes(&error)),
                false => Some(String::new()),
            };
            report.faults.extend(faults.into_iter().map(|fault| Fault {
                kind: FaultKind::Install,
                what: reference.clone(),
                detail: match &failure {
                    Some(failure) if !failure.is_empty() => format!("{fault}; {failure}"),
                    _ => fault,
                },
                repaired: failure.is_none(),
            }));
        }
        Ok(())
    }
}

impl IntoFuture for Verify {
    type Output = Result<VerifyReport, VerifyError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verify(repair: {})", self.repair)
    }
}
