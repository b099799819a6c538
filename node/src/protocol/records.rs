//! Sends and receives records by cursor.
//!
//! The sender streams what changed since the asker's cursor, in the order in which it was written:
//! what somebody may not read goes as the bare hash of its place, so that heads can still be
//! checked. The receiver verifies everything before it is kept and remembers how far it came.

use catalog::digest::{Digest, Sha256Digest};
use catalog::head::SealedHead;
use catalog::identity::PublisherId;
use catalog::permission::{NodeId, Reader};
use catalog::signature::PublicKey;
use catalog::statement::SealedStatement;
use catalog::store::{Change, ChangeItem, Incoming, LogId, PeerCursor, RejectReason, Store};
use iroh::endpoint::{Connection, SendStream};

use super::frame::{self, FrameError};
use super::message::{Item, RecordsFrame, RecordsRequest, Request, TalkError, Want};
use crate::blocking::blocking;
use crate::node::now;
use crate::talk::LinkError;

/// A frame of records is sent when it has this many bytes; the limit of frames is far off.
const FRAME_BYTES: usize = 256 << 10;
/// Changes read from the store at once.
const CHANGES_AT_ONCE: usize = 512;
/// What is taken from one peer in one go; the rest comes next time.
const PULL_BYTES_MAX: u64 = 256 << 20;
/// Refusals that a report lists; a peer can cause any number.
const REJECTED_LISTED_MAX: usize = 20;
/// After so many faults a peer is not listened to any further.
const FAULTS_MAX: usize = 16;

/// Answers one request.
pub(crate) async fn send(
    store: &Store,
    asker: NodeId,
    request: RecordsRequest,
    to: &mut SendStream,
) -> Result<(), LinkError> {
    let Want::All = request.want;
    let epoch = store.epoch();
    let mut since = if request.store == epoch { request.since } else { 0 };
    let last = store.last_change()?;
    let talk = TalkError::from;
    frame::send(to, &RecordsFrame::Begin { store: epoch, since }).await.map_err(talk)?;
    loop {
        let (reader, store) = (Reader::Node(asker), store.clone());
        let read = move || store.changes_for(reader, since, CHANGES_AT_ONCE);
        let changes = blocking(read).await?;
        let Some(newest) = changes.last() else { break };
        since = newest.seq;
        for message in frames(&changes) {
            frame::send(to, &message).await.map_err(talk)?;
        }
    }
    // What the asker may not see at all must not be asked for again either.
    let up_to = since.max(last);
    frame::send(to, &RecordsFrame::End { up_to }).await.map_err(talk)?;
    to.finish().ok();
    Ok(())
}

fn frames(changes: &[Change]) -> Vec<RecordsFrame> {
    let mut frames = Vec::new();
    let (mut items, mut bytes) = (Vec::new(), 0);
    for (at, change) in changes.iter().enumerate() {
        let item = item(&change.item);
        bytes += item.size();
        items.push(item);
        if bytes >= FRAME_BYTES || at + 1 == changes.len() {
            let items = std::mem::take(&mut items);
            frames.push(RecordsFrame::Some { up_to: change.seq, items });
            bytes = 0;
        }
    }
    frames
}

fn item(item: &ChangeItem) -> Item {
    match item {
        ChangeItem::Statement(sealed) => Item::Statement(sealed.encode()),
        ChangeItem::Leaf { log: LogId { publisher, key }, seq, hash } => Item::Leaf {
            publisher: *publisher.as_bytes(),
            key: *key.as_bytes(),
            seq: *seq,
            hash: *hash.as_bytes(),
        },
        ChangeItem::Head(head) => Item::Head(head.encode().to_vec()),
    }
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Statement(bytes) | Self::Head(bytes) => bytes.len(),
            Self::Leaf { .. } => 112,
        }
    }

    /// Reads an item; `None` when it is not laid out as one. Nothing is verified yet.
    pub(crate) fn incoming(self) -> Option<Incoming> {
        Some(match self {
            Self::Statement(bytes) => Incoming::Statement(SealedStatement::decode(&bytes).ok()?),
            Self::Head(bytes) => Incoming::Head(SealedHead::decode(&bytes).ok()?),
            Self::Leaf { publisher, key, seq, hash } => Incoming::Leaf {
                publisher: PublisherId::from_digest(Digest::from_bytes(publisher)),
                key: PublicKey::from_bytes(key).ok()?,
                seq,
                hash: Sha256Digest::from_bytes(hash),
            },
        })
    }
}

/// What came of asking a peer.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    pub new: u64,
    pub known: u64,
    /// The first refusals, in words.
    pub rejected: Vec<String>,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Asks a peer for what is new, verifies and keeps it.
///
/// `remember` is told how far we came, after everything up to there is kept.
pub(crate) async fn receive(
    store: &Store,
    connection: &Connection,
    cursor: Option<PeerCursor>,
    remember: impl Fn(PeerCursor) -> Result<(), LinkError>,
) -> Result<Pulled, LinkError> {
    let mut pulled = Pulled::default();
    let opened = connection.open_bi().await;
    let (mut send, mut receive) =
        opened.map_err(|error| TalkError::from(FrameError::Lost { source: error.into() }))?;
    let (known, since) = cursor.map_or(([0; 16], 0), |cursor| (cursor.epoch, cursor.seq));
    let request = Request::Records(RecordsRequest { store: known, since, want: Want::All });
    pulled.bytes_out = frame::send(&mut send, &request).await.map_err(TalkError::from)?;
    send.finish().ok();

    let out_of_turn = || LinkError::from(TalkError::from(FrameError::OutOfTurn));
    let mut next = async || {
        let (message, bytes) =
            frame::expect::<RecordsFrame>(&mut receive).await.map_err(TalkError::from)?;
        Ok::<_, LinkError>((message, bytes))
    };
    let (RecordsFrame::Begin { store: epoch, since }, bytes) = next().await? else {
        return Err(out_of_turn());
    };
    pulled.bytes_in += bytes;
    let (mut reached, mut faults, mut start_over) = (since, 0, false);
    loop {
        let (message, bytes) = next().await?;
        pulled.bytes_in += bytes;
        match message {
            RecordsFrame::Some { up_to, items } if up_to > reached => {
                let kept = keep(store, items, &mut pulled).await?;
                faults += kept.faults;
                start_over |= kept.start_over;
                reached = up_to;
            }
            RecordsFrame::End { up_to } if up_to >= reached => {
                reached = up_to;
                break;
            }
            _ => return Err(out_of_turn()),
        }
        if faults > FAULTS_MAX || pulled.bytes_in > PULL_BYTES_MAX {
            break;
        }
    }
    let seq = if start_over { 0 } else { reached };
    if cursor != Some(PeerCursor { epoch, seq }) {
        remember(PeerCursor { epoch, seq })?;
    }
    Ok(pulled)
}

#[derive(Default)]
struct Kept {
    faults: usize,
    start_over: bool,
}

async fn keep(store: &Store, items: Vec<Item>, pulled: &mut Pulled) -> Result<Kept, LinkError> {
    let mut kept = Kept::default();
    let mut refuse = |reason: String| {
        if pulled.rejected.len() < REJECTED_LISTED_MAX {
            pulled.rejected.push(reason);
        }
    };
    let mut incoming = Vec::with_capacity(items.len());
    for item in items {
        match item.incoming() {
            Some(item) => incoming.push(item),
            None => {
                kept.faults += 1;
                refuse("a record is malformed".to_owned());
            }
        }
    }
    let store = store.clone();
    let accepted = blocking(move || store.accept(incoming, now())).await?;
    for rejected in accepted.rejected {
        kept.faults += usize::from(rejected.reason.is_fault());
        kept.start_over |= matches!(rejected.reason, RejectReason::HeadMismatch { .. });
        refuse(rejected.reason.to_string());
    }
    kept.start_over |= !accepted.refuted.is_empty();
    kept.faults += accepted.refuted.iter().filter(|refuted| refuted.sent).count();
    pulled.new += accepted.new as u64;
    pulled.known += accepted.known as u64;
    Ok(kept)
}
