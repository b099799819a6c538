//! Draws the consequences when the blob store had to drop contents that a crash tore.

use std::collections::HashSet;

use catalog::digest::Digest;
use catalog::store::{Hold, HoldReason, StoreError};
use catalog::tree::TREE_ENTRIES_MAX;
use tracing::{error, info};

use crate::blobs::{Blobs, BlobsError, Recovered};
use crate::node::{Inner, now};

/// A hash sequence has one hash for the tree and one for each file.
pub(crate) const SEQUENCE_BYTES_MAX: u64 = 32 * (TREE_ENTRIES_MAX as u64 + 1);

/// Counts every content that lost a blob as incomplete, so that it is neither offered to peers nor
/// taken for installed content, until `verify --repair` or the next install brings it back.
pub(crate) async fn after_opening(
    node: &Inner,
    blobs: &Blobs,
    recovered: &Recovered,
) -> Result<(), BlobsError> {
    if !recovered.clean && recovered.adopted > 0 {
        info!("{} blobs were complete on disk but not yet listed", recovered.adopted);
    }
    if recovered.torn.is_empty() {
        return Ok(());
    }
    let torn: HashSet<Digest> = recovered.torn.iter().copied().collect();
    let failed = |source| BlobsError::failed("recover", std::io::Error::other(source));
    for root in incomplete(node, blobs, &torn).await.map_err(failed)? {
        error!(
            "content {root} lost files in a crash; `catalog verify --repair` fetches them again"
        );
    }
    node.torn().extend(torn);
    Ok(())
}

/// Marks every held content that has one of `lost` as incomplete and answers which they are.
pub(crate) async fn incomplete(
    node: &Inner,
    blobs: &Blobs,
    lost: &HashSet<Digest>,
) -> Result<Vec<Digest>, StoreError> {
    let mut marked = Vec::new();
    let roots: HashSet<Digest> = node.store.holds()?.into_iter().map(|hold| hold.root).collect();
    for root in roots {
        let children = children(blobs, &root).await;
        // A sequence that cannot be read names nothing, so nothing of it can be relied on.
        let affected =
            children.is_none_or(|children| children.iter().any(|child| lost.contains(child)));
        if affected || lost.contains(&root) {
            node.store.hold(&Hold { root, reason: HoldReason::Partial, since: now() })?;
            marked.push(root);
        }
    }
    Ok(marked)
}

/// The hashes in a hash sequence: the tree, then each file; `None` when it cannot be read.
pub(crate) async fn children(blobs: &Blobs, root: &Digest) -> Option<Vec<Digest>> {
    let sequence = blobs.bytes(root, SEQUENCE_BYTES_MAX).await.ok()?;
    let hashes = sequence.chunks(32).map(|hash| Some(Digest::from_bytes(hash.try_into().ok()?)));
    hashes.collect()
}
