//! One conversation of two stores: whoever opens it pulls what changed since the last one.

use catalog::store::{Change, ChangeItem, Incoming, LogId};
use catalog::{
    PublicKey, PublisherId, Reader, SealedHead, SealedStatement, Sha256Digest, Store, StoreError,
    Timestamp,
};

const PAGE: usize = 64;

#[derive(Debug)]
pub(super) enum Fault {
    Violation(&'static str),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) fn ask(since: u64) -> Vec<u8> {
    since.to_be_bytes().to_vec()
}

pub(super) fn answer(store: &Store, reader: Reader, frame: &[u8]) -> Result<Vec<u8>, Fault> {
    let since = frame.try_into().map_err(|_| Fault::Violation("not a question"))?;
    let changes = store.changes_for(reader, u64::from_be_bytes(since), PAGE)?;
    let mut bytes = Vec::new();
    for Change { seq, item } in changes {
        let (kind, body) = match item {
            ChangeItem::Statement(sealed) => (0, sealed.encode()),
            ChangeItem::Head(sealed) => (1, sealed.encode().to_vec()),
            ChangeItem::Leaf { log, seq, hash } => {
                let mut body = log.publisher.as_bytes().to_vec();
                body.extend(log.key.as_bytes());
                body.extend(seq.to_be_bytes());
                body.extend(hash.as_bytes());
                (2, body)
            }
        };
        bytes.push(kind);
        bytes.extend(seq.to_be_bytes());
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body);
    }
    Ok(bytes)
}

/// Takes a page in; the number of its last change, `None` after the last page.
pub(super) fn take(store: &Store, now: Timestamp, frame: &[u8]) -> Result<Option<u64>, Fault> {
    let mut items = Vec::new();
    let mut last = None;
    let mut rest = frame;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at_checked(13).ok_or(Fault::Violation("short"))?;
        let length = u32::from_be_bytes(head[9..].try_into().expect("four bytes")) as usize;
        let (body, tail) = tail.split_at_checked(length).ok_or(Fault::Violation("short"))?;
        rest = tail;
        last = Some(u64::from_be_bytes(head[1..9].try_into().expect("eight bytes")));
        items.push(match head[0] {
            0 => Incoming::Statement(
                SealedStatement::decode(body).map_err(|_| Fault::Violation("statement"))?,
            ),
            1 => Incoming::Head(SealedHead::decode(body).map_err(|_| Fault::Violation("head"))?),
            2 if body.len() == 104 => {
                let part = |at: usize| <[u8; 32]>::try_from(&body[at..at + 32]).expect("32 bytes");
                let log = LogId {
                    publisher: PublisherId::from_digest(catalog::Digest::from_bytes(part(0))),
                    key: PublicKey::from_bytes(part(32)).map_err(|_| Fault::Violation("key"))?,
                };
                let seq = u64::from_be_bytes(body[64..72].try_into().expect("eight bytes"));
                let hash = Sha256Digest::from_bytes(part(72));
                Incoming::Leaf { publisher: log.publisher, key: log.key, seq, hash }
            }
            _ => return Err(Fault::Violation("kind")),
        });
    }
    if !items.is_empty() {
        let accepted = store.accept(items, now)?;
        if accepted.rejected.iter().any(|rejected| rejected.reason.is_fault()) {
            return Err(Fault::Violation("a forgery"));
        }
        if !accepted.rejected.is_empty() {
            return Err(Fault::Violation("rejected"));
        }
    }
    Ok(last)
}
