//! Deletes contents that nothing holds any more.
//!
//! The live set is ours: every content root that is held and everything its hash sequence names.
//! When any of that cannot be read, nothing is deleted at all: what we do not know about may be
//! what somebody needs.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use catalog::digest::Digest;
use catalog::size::ByteSize;
use catalog::store::{HoldReason, StoreError};
use serde::{Deserialize, Serialize};

use crate::blobs::{Blobs, BlobsError, Holding};
use crate::node::{Inner, Node, now};
use crate::recovery::children;

/// A fetch that was begun and not finished is given up after this long.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcError {
    /// A content that is held cannot be read, so nobody can say what it needs.
    #[error("content {root} cannot be read, so nothing is deleted")]
    Doubt {
        /// The content.
        root: Digest,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
}

/// What was deleted, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReport {
    /// Blobs that stay.
    pub kept: u64,
    /// Blobs that went, by hash.
    pub removed: Vec<GcItem>,
    /// Their size.
    pub freed: ByteSize,
    /// Whether nothing was deleted because nobody asked to.
    pub dry_run: bool,
}

/// A blob that went, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcItem {
    /// Its hash.
    pub digest: Digest,
    /// Its size; `None` when only a part of it was here.
    pub bytes: Option<ByteSize>,
    /// Why.
    pub reason: GcReason,
}

/// Why a blob goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GcReason {
    /// No content that is held has it.
    Unheld,
    /// It belongs to a fetch that was given up.
    Abandoned,
}

impl Node {
    /// Deletes contents that nothing holds. Waits for fetches and publishes that are under way.
    ///
    /// # Errors
    /// [`GcError`]; nothing was deleted then.
    pub async fn gc(&self, dry_run: bool) -> Result<GcReport, GcError> {
        self.0.gc(dry_run).await
    }
}

impl Inner {
    pub(crate) async fn gc(&self, dry_run: bool) -> Result<GcReport, GcError> {
        let store = &self.store;
        let blobs = self.blobs().await?;
        let alone = blobs.alone().await;
        let now = now();

        let mut reasons: BTreeMap<Digest, Vec<(HoldReason, bool)>> = BTreeMap::new();
        for hold in store.holds()? {
            let old = now.since(hold.since) > PARTIAL_AGE_MAX;
            reasons.entry(hold.root).or_default().push((hold.reason, old));
        }
        let (mut live, mut given_up, mut abandoned) = (HashSet::new(), HashSet::new(), Vec::new());
        for (root, reasons) in reasons {
            let members = members(blobs, root, &reasons).await?;
            if matches!(reasons[..], [(HoldReason::Partial, true)]) {
                given_up.extend(members);
                abandoned.push(root);
            } else {
                live.extend(members);
            }
        }

        let all = blobs.list().await?;
        let mut report = GcReport { dry_run, ..GcReport::default() };
        for digest in all.difference(&live) {
            let bytes = match blobs.holding(digest).await? {
                Holding::Whole { size } => Some(ByteSize::bytes(size)),
                Holding::Partial | Holding::Absent => None,
            };
            let reason =
                if given_up.contains(digest) { GcReason::Abandoned } else { GcReason::Unheld };
            report.removed.push(GcItem { digest: *digest, bytes, reason });
        }
        report.removed.sort_by_key(|item| item.digest);
        if !dry_run {
            let gone = alone.sweep(&live).await?;
            report.removed.retain(|item| gone.contains(&item.digest));
            for root in abandoned {
                store.release_hold(&root, HoldReason::Partial)?;
            }
        }
        report.kept = (all.len() - report.removed.len()) as u64;
        report.freed = report.removed.iter().filter_map(|item| item.bytes).sum();
        Ok(report)
    }
}

/// A content and everything that its hash sequence names.
async fn members(
    blobs: &Blobs,
    root: Digest,
    reasons: &[(HoldReason, bool)],
) -> Result<Vec<Digest>, GcError> {
    let partial = reasons.iter().any(|(reason, _)| *reason == HoldReason::Partial);
    let mut members = vec![root];
    match (blobs.holding(&root).await?, children(blobs, &root).await) {
        (_, Some(children)) => members.extend(children),
        // Nothing of it has arrived yet, not even the list of what it needs.
        (Holding::Absent, None) if partial => {}
        (_, None) => return Err(GcError::Doubt { root }),
    }
    Ok(members)
}
