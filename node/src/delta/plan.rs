//! Says what an update would move, without moving it.

use std::sync::Arc;

use super::ask;
use crate::fetch::{FetchError, Want, missing_of};
use crate::node::Inner;

/// What has to come of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Files that are not here.
    pub files: u64,
    /// Their bytes.
    pub by_file: u64,
    /// Those of the files of which a peer has a patch.
    pub patches: u64,
    /// The bytes with these patches.
    pub by_patch: u64,
}

/// What bringing `want` would move. The file list is asked for if need be, and peers make the
/// patches that they offer, so that an update soon after finds them made.
pub(crate) async fn plan(node: &Arc<Inner>, want: &Want<'_>) -> Result<Planned, FetchError> {
    let (missing, twins) = missing_of(node, want).await?;
    let ranges = missing.iter().flat_map(|file| &file.missing);
    let by_file = ranges.map(|range| range.end - range.start).sum();
    let files = missing.len() as u64;
    let mut planned = Planned { files, by_file, patches: 0, by_patch: by_file };
    let offers = ask::offers(node, want.variant.root, &twins).await;
    for (twin, offer) in twins.iter().zip(offers) {
        if let Some(bytes) = offer {
            planned.patches += 1;
            planned.by_patch -= twin.size - bytes;
        }
    }
    Ok(planned)
}
