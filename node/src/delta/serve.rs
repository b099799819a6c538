//! Answers those who ask for patches.
//!
//! Guarantees: who may not read both contents, and who asks for what is not here, gets one and the
//! same answer, at a whole step of time, after the same questions were looked into; patches go no faster than contents do.

use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::NodeId;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::layout::{BEING_MADE, PATCH, Place, QUESTION_BYTES, Question, Wish};
use super::shelf::Known;
use super::{Pair, are_sizes_fit};
use crate::access;
use crate::blobs::{Blobs, Holding};
use crate::endpoint::remote;
use crate::level;
use crate::node::Inner;
use crate::recovery::SEQUENCE_BYTES_MAX;
use crate::serve;
use crate::shaping::{CHUNK_BYTES_MAX, Class};

/// Questions of one connection that are answered at once.
const STREAMS_AT_ONCE: usize = 8;
/// A question that takes longer to arrive is given up.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How often somebody who waits is told that we are at work.
const SIGN_OF_LIFE: Duration = Duration::from_millis(400);
/// Who does not take a chunk for so long gets no more.
const TAKING_TIMEOUT: Duration = Duration::from_secs(15);
/// The code of a refusal, whatever its reason.
const REFUSED: u32 = 3;

/// Answers the questions of one connection until it ends.
pub(crate) async fn serve(node: Arc<Inner>, connection: Connection) {
    let peer = remote(&connection);
    let each = |send, receive| answer(node.clone(), peer, send, receive);
    serve::streams(&node, &connection, STREAMS_AT_ONCE, each).await;
}

async fn answer(node: Arc<Inner>, peer: NodeId, mut send: SendStream, mut receive: RecvStream) {
    let mut question = [0; QUESTION_BYTES];
    let arrived = timeout(QUESTION_TIMEOUT, receive.read_exact(&mut question)).await;
    let question = match arrived {
        Ok(Ok(())) => Question::decode(&question),
        _ => None,
    };
    let came = Instant::now();
    let answered = match question {
        Some(question) => reply(&node, peer, question, &mut send).await,
        None => None,
    };
    match answered {
        Some(()) => drop(send.finish()),
        None => {
            level::until_step(came, access::REFUSAL_EVERY).await;
            send.reset(REFUSED.into()).ok();
            receive.stop(REFUSED.into()).ok();
        }
    }
}

/// `None` where there is nothing for this peer, whatever the reason.
async fn reply(
    node: &Arc<Inner>,
    peer: NodeId,
    question: Question,
    send: &mut SendStream,
) -> Option<()> {
    // Both are always looked at, so that the answers take the same time.
    let [old, new] =
        [question.old, question.new].map(|place| access::may_have(node, peer, &place.root));
    if !(old && new && node.config.has_patches()) {
        return None;
    }
    let blobs = node.blobs().await.ok()?;
    let (old, old_bytes) = file(blobs, &question.old).await?;
    let (new, new_bytes) = file(blobs, &question.new).await?;
    if old == new || !are_sizes_fit(old_bytes, new_bytes) {
        return None;
    }
    let pair = Pair { old, new };
    let bytes = match node.patches.look(pair).await {
        Some(Known::None) => return None,
        Some(Known::Patch(bytes)) => bytes,
        None => made(node, blobs, pair, new_bytes, send).await?,
    };
    match question.wish {
        Wish::Offer => say(send, bytes).await,
        Wish::Patch => {
            let (patch, _place) = node.patches.take(pair).await?;
            say(send, patch.len() as u64).await?;
            for chunk in patch.chunks(CHUNK_BYTES_MAX as usize) {
                node.upload.pass(peer, Class::Normal, chunk.len() as u64).await;
                timeout(TAKING_TIMEOUT, send.write_all(chunk)).await.ok()?.ok()?;
                node.account.sent(peer, chunk.len() as u64);
            }
            Some(())
        }
    }
}

/// Makes the patch, and gives signs of life meanwhile.
async fn made(
    node: &Arc<Inner>,
    blobs: &Blobs,
    pair: Pair,
    bytes: u64,
    send: &mut SendStream,
) -> Option<u64> {
    let mut signs = interval(SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut making = std::pin::pin!(node.patches.make(blobs, pair, bytes));
    let mut is_heard = true;
    loop {
        tokio::select! {
            made = &mut making => return made,
            // Who does not listen any more may ask again later: it is made all the same.
            _ = signs.tick(), if is_heard => is_heard = send.write_all(&[BEING_MADE]).await.is_ok(),
        }
    }
}

async fn say(send: &mut SendStream, bytes: u64) -> Option<()> {
    let mut said = [PATCH; 9];
    said[1..].copy_from_slice(&bytes.to_be_bytes());
    send.write_all(&said).await.ok()
}

/// The content of a file and its size.
async fn file(blobs: &Blobs, place: &Place) -> Option<(Digest, u64)> {
    let sequence = blobs.bytes(&place.root, SEQUENCE_BYTES_MAX).await.ok()?;
    let at = usize::try_from(place.child).ok()?.checked_mul(32)?;
    let digest = Digest::from_bytes(sequence.get(at..at.checked_add(32)?)?.try_into().ok()?);
    match blobs.holding(&digest).await.ok()? {
        Holding::Whole { size } => Some((digest, size)),
        Holding::Absent | Holding::Partial => None,
    }
}
