//! Decides, for every single request, whether a peer gets contents, and sends them.
//!
//! A content root is given when a release that the asker may read names it, or the asker carries it,
//! and all of it is here.
//! Everything else gets one and the same answer, so that nobody learns what exists here.
//!
//! Guarantees: only whole variants are offered, and only by their root, so that a restricted file
//! cannot be asked for by its hash; nothing is ever accepted from a peer; bytes are checked against
//! their hash while they are read from disk, so that rot ends the stream and is never sent; nothing
//! goes faster than this node lets it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::{NodeId, Permission, Reader};
use catalog::store::{HoldReason, StoreError};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh_blobs::protocol::Request;
use iroh_blobs::provider::events::EventSender;
use iroh_blobs::provider::{StreamPair, handle_get};
use tokio::time::Instant;
use tracing::debug;

use crate::account::Charged;
use crate::blobs;
use crate::endpoint::remote;
use crate::level;
use crate::meter::Count;
use crate::node::{Inner, now};
use crate::pace::Paced;
use crate::serve;
use crate::shaping::Class;

/// The protocol of iroh-blobs, so that its own clients can fetch public contents too.
pub(crate) const ALPN: &[u8] = iroh_blobs::ALPN;

/// Requests of one connection that are answered at once.
const STREAMS_AT_ONCE: usize = 16;
/// A request that takes longer to arrive is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A refusal leaves when so long, or a whole multiple of it, has passed since its question came,
/// whatever was looked up for it: how long that took would tell what is here. So long that looking
/// up takes less also where the machine has much to do.
pub(crate) const REFUSAL_EVERY: Duration = Duration::from_millis(20);
/// The code of a refusal, whatever its reason.
const REFUSED: u32 = 3;

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve(node: Arc<Inner>, connection: Connection) {
    let peer = remote(&connection);
    node.account.serves(&connection);
    let id = connection.stable_id() as u64;
    let each = |send, receive| answer(node.clone(), peer, id, send, receive);
    serve::streams(&node, &connection, STREAMS_AT_ONCE, each).await;
}

async fn answer(
    node: Arc<Inner>,
    peer: NodeId,
    connection: u64,
    mut send: SendStream,
    mut receive: RecvStream,
) {
    let reading = Request::read_async(&mut receive);
    let request = match tokio::time::timeout(REQUEST_TIMEOUT, reading).await {
        Ok(Ok((Request::Get(request), _))) => Some(request),
        // Pushing, observing and asking for blobs one by one are not offered at all.
        _ => None,
    };
    let came = Instant::now();
    let granted = match request {
        Some(request) if may_have(&node, peer, &blobs::digest(&request.hash)) => Some(request),
        _ => None,
    };
    let (Some(request), Ok(blobs)) = (granted, node.blobs().await) else {
        node.meter.add(Count::RequestsRefused, 1);
        level::until_step(came, REFUSAL_EVERY).await;
        send.reset(REFUSED.into()).ok();
        receive.stop(REFUSED.into()).ok();
        return;
    };
    node.meter.add(Count::RequestsGranted, 1);
    node.count_demand(&peer, &blobs::digest(&request.hash), &request);
    let pace = node.upload.clone();
    let send = Paced { stream: send, pace, peer, class: Class::Normal, small: 0 };
    let send = Charged { stream: send, account: node.account.clone(), peer };
    let pair = StreamPair::new(connection, receive, send, EventSender::DEFAULT);
    if let Err(error) = handle_get(pair, blobs.api().clone(), request).await {
        debug!("a transfer ended early: {error:#}");
    }
}

/// Whether `peer` gets the content `root`. What cannot be found out is a no.
pub(crate) fn may_have(node: &Inner, peer: NodeId, root: &Digest) -> bool {
    // Both questions are always asked, so that the answers take the same time.
    let readable = is_readable(node, peer, root);
    let whole = is_whole(node, root);
    matches!((readable, whole), (Ok(true), Ok(true)))
}

/// Whether a content is to be fetched without a trace: a release that says so names it.
pub(crate) fn is_anonymous(node: &Inner, root: &Digest) -> Result<bool, StoreError> {
    for (id, _) in node.store.release_of_root(root)? {
        let release = node.store.release(&id)?;
        if release.is_some_and(|release| release.permission == Permission::Anonymous) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a node may have a content: it may read a release that names it, or was handed it by whose
/// it is to carry it. What we only carry ourselves, whoever knows its root may have: it is sealed.
fn is_readable(node: &Inner, reader: NodeId, root: &Digest) -> Result<bool, StoreError> {
    let mut publishers = BTreeSet::new();
    for (id, _) in node.store.release_of_root(root)? {
        let Some(release) = node.store.release(&id)? else { continue };
        if node.store.may_read(Reader::Node(reader), &release, now())? {
            return Ok(true);
        }
        publishers.insert(release.publisher);
    }
    let handed = node.store.carried_for(&reader, root)?;
    Ok(match publishers.is_empty() {
        true => !node.store.carried_for(&node.id, root)?.is_empty(),
        false => handed.iter().any(|publisher| publishers.contains(publisher)),
    })
}

/// Whether all of a content is here: it is held, and not because it is still on its way.
pub(crate) fn is_whole(node: &Inner, root: &Digest) -> Result<bool, StoreError> {
    let reasons = node.store.holds_of(root)?;
    Ok(!reasons.is_empty() && !reasons.contains(&HoldReason::Partial))
}
