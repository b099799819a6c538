//! Takes in what a peer sent: checked first, then written in one transaction.
//!
//! Signatures are checked before the transaction begins, on several cores when there are many, so
//! that a batch of forgeries costs its sender's quota and never the lock on the store. Each item
//! stands for itself: a bad one is reported with its reason, the others count.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use redb::ReadableTable;

use super::batch::{Batch, Pinned, Placed, Refuted, record};
use super::items::item_of_head;
use super::rows::Leaf;
use super::tables::{LEAVES, LogId, RECORDS, get, leaf_key};
use super::{Store, StoreError, View, derived};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::identity::{KeyState, PublisherId};
use crate::item::ItemId;
use crate::signature::PublicKey;
use crate::statement::{SealedStatement, Statement, StatementKind};
use crate::time::Timestamp;

/// The most items of one call: what they need in memory stays within some tens of MiB.
pub const BATCH_ITEMS_MAX: usize = 16_384;

/// The most bytes of statements and heads in one call. A statement of many small parts takes some
/// 35 times its size in memory, and a whole batch is decoded at once: 140 MiB at worst.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bare hashes that are taken in for one publisher without a head that vouches for them.
const UNVOUCHED_MAX: usize = 65_536;

/// Below this, starting a thread costs more than it saves.
const ITEMS_PER_THREAD_MIN: usize = 64;

/// More threads than this would starve what else the machine does.
const THREADS_MAX: usize = 4;

/// Something that a peer sent.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A signed statement.
    Statement(SealedStatement),
    /// The place of a statement that the peer may not show us.
    Leaf {
        /// Whose log.
        publisher: PublisherId,
        /// The key that signs the log.
        key: PublicKey,
        /// The position.
        seq: u64,
        /// The leaf hash of the statement there.
        hash: Sha256Digest,
    },
    /// A signed head.
    Head(SealedHead),
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// How many items were written.
    pub new: usize,
    /// How many were here already.
    pub known: usize,
    /// Those that were refused, by their place in the batch, ascending.
    pub rejected: Vec<Rejected>,
    /// The items that the batch stood for, by their place in it: everything whose signature is
    /// good, also when it is refused, and the bare hashes that were taken in. An inception stands
    /// for one item in each of its logs.
    pub items: Vec<AcceptedItem>,
    /// Logs whose bare hashes were dropped because they do not give the root of a head that came
    /// earlier. They are to be fetched again: the cursor on this peer starts over.
    pub refuted: Vec<Refuted>,
}

/// Something in a batch that is what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedItem {
    /// Its place in the batch.
    pub place: usize,
    /// The item that it stands for.
    pub id: ItemId,
    /// What became of it.
    pub fate: Fate,
}

/// What became of something authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was written.
    New,
    /// It was here already.
    Known,
    /// It was not taken in, and that is not its sender's doing; see [`Accepted::rejected`].
    Refused,
}

/// An item that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the batch.
    pub item: usize,
    /// Why.
    pub reason: RejectReason,
}

/// Why an item was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// Its publisher's inception has to come first.
    #[error("the publisher is unknown")]
    UnknownPublisher,
    /// A signature is wrong, or the bytes are not a statement. The peer should have noticed.
    #[error("the signature or the content is invalid")]
    Invalid,
    /// A bare hash contradicts what is here, and its publisher signed several histories: it may
    /// well be of another one.
    #[error("the position is contested")]
    Contested,
    /// A bare hash contradicts a signed statement or a vouched leaf.
    #[error("the hash contradicts what is signed")]
    Contradicts,
    /// A bare hash lies beyond what we hold of the log and what a head promises. It is no fault: the
    /// head may have been refused, or come in another order.
    #[error("the hash is too far ahead")]
    TooFar,
    /// A head is older than one that we have: the peer is behind, or rolls us back.
    #[error("the head is older than one of size {newest}")]
    HeadOlder {
        /// The size of the pinned head, or of one whose leaves are still to come.
        newest: u64,
    },
    /// Bare hashes do not give the signed root. They are dropped, and to be fetched again: the
    /// cursor on this peer starts over.
    #[error("the leaves do not give the root of the head")]
    HeadMismatch {
        /// Whether all of them came with this head, so that it is this peer who lied.
        sent: bool,
    },
    /// Publishers that nobody here relies on may take no more room. Those that a person pins may.
    #[error("there is no room for more records of strangers")]
    NoRoom,
    /// The publisher signed two heads that cannot both be true. The first stays pinned.
    #[error("the publisher forked its log")]
    Forked,
}

impl RejectReason {
    /// Whether whoever sent it did something that an honest peer does not do.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Invalid | Self::Contradicts | Self::HeadMismatch { sent: true })
    }
}

/// An item that was checked, and where it goes.
#[allow(clippy::large_enum_variant, reason = "it lives in a box")]
enum Checked {
    Statement {
        logs: Vec<LogId>,
        sealed: SealedStatement,
        statement: Statement,
    },
    /// `share`: how many bare hashes the log may have that no head vouches for.
    Leaf {
        log: LogId,
        seq: u64,
        hash: Sha256Digest,
        share: u64,
    },
    Head {
        log: LogId,
        sealed: SealedHead,
    },
}

impl Checked {
    /// The order in which a batch is written: each after what it stands on.
    fn order(&self) -> (u8, LogId, u64) {
        match self {
            Self::Statement { logs, statement, .. } => {
                let inception = matches!(statement, Statement::Inception(_));
                (u8::from(!inception), logs[0], statement.header().seq)
            }
            // Both in the order of positions, so that a log grows without gaps.
            Self::Leaf { log, seq, .. } => (1, *log, *seq),
            Self::Head { log, sealed } => (2, *log, sealed.peek().size),
        }
    }

    /// The items that it stands for.
    fn ids(&self) -> Vec<ItemId> {
        match self {
            Self::Statement { logs, sealed, statement } => {
                let (seq, leaf) = (statement.header().seq, sealed.leaf());
                logs.iter().map(|log| ItemId::of_leaf(log, seq, &leaf)).collect()
            }
            Self::Leaf { log, seq, hash, .. } => vec![ItemId::of_leaf(log, *seq, hash)],
            Self::Head { sealed, .. } => vec![item_of_head(sealed)],
        }
    }
}

enum Verdict {
    New(Box<Checked>),
    Known(Vec<ItemId>),
    Rejected(RejectReason),
}

impl Accepted {
    /// Counts an item whose signature is good, or a bare hash.
    fn count(&mut self, place: usize, ids: Vec<ItemId>, written: Written) {
        let fate = match &written {
            Written::New => Fate::New,
            Written::Known => Fate::Known,
            Written::Refused(_) => Fate::Refused,
        };
        match written {
            Written::New => self.new += 1,
            Written::Known => self.known += 1,
            Written::Refused(reason) => {
                // Nobody signed a bare hash: refused, it stands for nothing.
                let bare = matches!(reason, RejectReason::Contradicts | RejectReason::TooFar);
                self.rejected.push(Rejected { item: place, reason });
                if bare {
                    return;
                }
            }
        }
        self.items.extend(ids.into_iter().map(|id| AcceptedItem { place, id, fate }));
    }
}

impl Store {
    /// Checks what a peer sent and writes what is new, all in one durable transaction.
    ///
    /// The order inside a batch does not matter. Sending the same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::BatchTooLarge`] beyond [`BATCH_ITEMS_MAX`] or [`BATCH_BYTES_MAX`]; nothing is
    /// looked at then. Items that are refused are no error: see [`Accepted::rejected`].
    pub fn accept(&self, items: Vec<Incoming>, now: Timestamp) -> Result<Accepted, StoreError> {
        check_size(&items)?;
        let mut accepted = Accepted::default();
        let mut fresh = Vec::new();
        for (item, verdict) in self.check(items)?.into_iter().enumerate() {
            match verdict {
                Verdict::New(checked) => fresh.push((item, checked)),
                Verdict::Known(ids) => accepted.count(item, ids, Written::Known),
                Verdict::Rejected(reason) => accepted.rejected.push(Rejected { item, reason }),
            }
        }
        if fresh.is_empty() {
            return Ok(accepted);
        }
        fresh.sort_by_key(|(item, checked)| (checked.order(), *item));
        self.write(|tables| {
            let mut batch = Batch::new(tables)?;
            for (_, checked) in &fresh {
                if let Checked::Head { log, sealed } = &**checked {
                    batch.expect(log, sealed);
                }
            }
            for (item, checked) in &fresh {
                let written = write(&mut batch, checked, now)?;
                accepted.count(*item, checked.ids(), written);
            }
            accepted.refuted = batch.keep_promises()?;
            batch.finish()
        })?;
        accepted.rejected.sort_by_key(|rejected| rejected.item);
        accepted.items.sort_by_key(|item| item.place);
        Ok(accepted)
    }

    /// One verdict for each item, in order.
    fn check(&self, items: Vec<Incoming>) -> Result<Vec<Verdict>, StoreError> {
        let view = self.read()?;
        let records = view.rows(RECORDS)?;
        let mut states = States { view: &view, known: HashMap::new() };
        // Inceptions first: the rest of the batch may stand on them.
        for item in &items {
            if let Incoming::Statement(sealed) = item
                && sealed.kind() == StatementKind::Inception
                && let Ok(inception) = sealed.open_inception()
            {
                let state = KeyState::of(&inception);
                states.known.insert(state.publisher, Some(state));
            }
        }
        let mut jobs = Vec::with_capacity(items.len());
        for item in items {
            jobs.push(match publisher_of(&item) {
                Err(reason) => Job::Done(Verdict::Rejected(reason)),
                Ok(publisher) => match states.of(publisher)? {
                    None => Job::Done(Verdict::Rejected(RejectReason::UnknownPublisher)),
                    Some(state) => match known(&view, &records, &item, &state)? {
                        Some(ids) => Job::Done(Verdict::Known(ids)),
                        None => Job::Open(item, state),
                    },
                },
            });
        }
        Ok(open_all(jobs))
    }
}

/// An item on its way to a verdict.
#[allow(clippy::large_enum_variant, reason = "most of them are the large one")]
enum Job {
    Done(Verdict),
    Open(Incoming, KeyState),
}

/// The keys of the publishers that a batch speaks of, looked up once.
struct States<'a> {
    view: &'a View,
    known: HashMap<PublisherId, Option<KeyState>>,
}

impl States<'_> {
    fn of(&mut self, publisher: PublisherId) -> Result<Option<KeyState>, StoreError> {
        if let Some(state) = self.known.get(&publisher) {
            return Ok(state.clone());
        }
        let state = self.view.key_state(&publisher)?;
        self.known.insert(publisher, state.clone());
        Ok(state)
    }
}

fn check_size(items: &[Incoming]) -> Result<(), StoreError> {
    let size = |item: &Incoming| match item {
        Incoming::Statement(sealed) => sealed.body().len(),
        Incoming::Leaf { .. } => 0,
        Incoming::Head(sealed) => sealed.text().len(),
    };
    let (items, bytes) = (items.len(), items.iter().map(size).sum());
    if items > BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX {
        return Err(StoreError::BatchTooLarge { items, bytes });
    }
    Ok(())
}

/// Whom an item claims to be from; only a hint where to look for the keys.
fn publisher_of(item: &Incoming) -> Result<PublisherId, RejectReason> {
    match item {
        Incoming::Statement(sealed) => {
            sealed.peek().map(|header| header.publisher).map_err(|_| RejectReason::Invalid)
        }
        Incoming::Leaf { publisher, .. } => Ok(*publisher),
        Incoming::Head(sealed) => Ok(sealed.peek().publisher),
    }
}

/// The items that something in a batch stands for, if it is here already.
fn known(
    view: &View,
    records: &impl ReadableTable<&'static [u8], &'static [u8]>,
    item: &Incoming,
    state: &KeyState,
) -> Result<Option<Vec<ItemId>>, StoreError> {
    match item {
        Incoming::Statement(sealed) => {
            // The signatures that we checked, not those that came now, say whose log it is in.
            let Some(sealed) = record(records, &sealed.id())? else { return Ok(None) };
            let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
            let logs = logs_of(&sealed, sealed.kind(), state);
            let ids = logs.iter().map(|log| ItemId::of_leaf(log, header.seq, &sealed.leaf()));
            Ok(Some(ids.collect()))
        }
        Incoming::Leaf { publisher, key, seq, hash } => {
            let log = LogId { publisher: *publisher, key: *key };
            let row = get(&view.rows(LEAVES)?, &leaf_key(&log, *seq))?;
            let leaves = row.map_or_else(|| Ok(Vec::new()), |row| Leaf::decode_all(&row))?;
            let known = leaves.iter().any(|leaf| leaf.hash == *hash);
            Ok(known.then(|| vec![ItemId::of_leaf(&log, *seq, hash)]))
        }
        Incoming::Head(_) => Ok(None),
    }
}

/// Checks signatures, on several threads when there are many.
fn open_all(jobs: Vec<Job>) -> Vec<Verdict> {
    let work = |job| match job {
        Job::Done(verdict) => verdict,
        Job::Open(item, state) => match open(item, &state) {
            Some(checked) => Verdict::New(Box::new(checked)),
            None => Verdict::Rejected(RejectReason::Invalid),
        },
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let threads = threads.min(jobs.len() / ITEMS_PER_THREAD_MIN);
    if threads <= 1 {
        return jobs.into_iter().map(work).collect();
    }
    let size = jobs.len().div_ceil(threads);
    let mut rest = jobs.into_iter();
    let shares: Vec<Vec<Job>> = (0..threads).map(|_| rest.by_ref().take(size).collect()).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| share.into_iter().map(work).collect::<Vec<_>>()))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Verdict>>| match thread.join() {
            Ok(verdicts) => verdicts,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().flat_map(join).collect()
    })
}

/// Checks an item against the keys of its publisher; `None` when it is not theirs.
fn open(item: Incoming, state: &KeyState) -> Option<Checked> {
    let publisher = state.publisher;
    Some(match item {
        Incoming::Statement(sealed) => {
            let statement = sealed.open(state).ok()?;
            let logs = logs_of(&sealed, statement.kind(), state);
            Checked::Statement { logs, sealed, statement }
        }
        Incoming::Leaf { key, seq, hash, .. } => {
            log_keys(state).contains(&key).then_some(())?;
            let share = (UNVOUCHED_MAX / log_keys(state).len()) as u64;
            Checked::Leaf { log: LogId { publisher, key }, seq, hash, share }
        }
        Incoming::Head(sealed) => {
            let head =
                sealed.open(state).ok().filter(|head| log_keys(state).contains(&head.key))?;
            Checked::Head { log: LogId { publisher, key: head.key }, sealed }
        }
    })
}

/// The logs that a statement stands in: its signer's, but an inception begins the log of every key
/// that may sign alone.
pub(super) fn logs_of(
    sealed: &SealedStatement,
    kind: StatementKind,
    state: &KeyState,
) -> Vec<LogId> {
    let keys = match kind {
        StatementKind::Inception => log_keys(state).to_vec(),
        _ => vec![sealed.log_key(state)],
    };
    keys.into_iter().map(|key| LogId { publisher: state.publisher, key }).collect()
}

/// The keys that have a log: each that may sign alone, or the first for all of them together.
fn log_keys(state: &KeyState) -> &[PublicKey] {
    if state.threshold == 1 { &state.keys } else { &state.keys[..1] }
}

enum Written {
    New,
    Known,
    Refused(RejectReason),
}

fn write(
    batch: &mut Batch<'_, '_>,
    checked: &Checked,
    now: Timestamp,
) -> Result<Written, StoreError> {
    match checked {
        Checked::Statement { logs, sealed, statement } => {
            let (seq, bytes) = (statement.header().seq, sealed.body().len());
            if !batch.has_room(&logs[0].publisher)? {
                return Ok(Written::Refused(RejectReason::NoRoom));
            }
            let mut placed = Placed::Known;
            for log in logs {
                (placed, _) = batch.place_statement(log, seq, sealed, statement)?;
            }
            if matches!(placed, Placed::New | Placed::Rival) {
                derived::apply(batch.tables, &sealed.id(), statement, now)?;
                for rival in batch.rivals(&logs[0], seq)? {
                    derived::contest(batch.tables, &rival)?;
                }
                if placed == Placed::Rival {
                    derived::contest(batch.tables, statement)?;
                }
                if let Statement::Release(release) = statement {
                    batch.tell_awaited(release)?;
                }
                batch.charge(&logs[0].publisher, logs.len(), bytes)?;
            }
            Ok(written(placed))
        }
        Checked::Leaf { log, seq, hash, share } => {
            if !batch.has_room(&log.publisher)? {
                return Ok(Written::Refused(RejectReason::NoRoom));
            }
            let placed = batch.place_hash(log, *seq, *hash, *share)?;
            if placed == Placed::New {
                batch.charge(&log.publisher, 1, 0)?;
            }
            // An honest peer may hold the other branch of a fork.
            let contested = placed == Placed::Contradicts && batch.log(log)?.is_forked();
            Ok(match contested {
                true => Written::Refused(RejectReason::Contested),
                false => written(placed),
            })
        }
        Checked::Head { log, sealed } => Ok(match batch.pin(log, sealed)? {
            Pinned::New | Pinned::Promised => Written::New,
            Pinned::Known => Written::Known,
            Pinned::Older { newest } => Written::Refused(RejectReason::HeadOlder { newest }),
            Pinned::Mismatch { sent } => Written::Refused(RejectReason::HeadMismatch { sent }),
            Pinned::Forked => Written::Refused(RejectReason::Forked),
        }),
    }
}

const fn written(placed: Placed) -> Written {
    match placed {
        Placed::New | Placed::Rival => Written::New,
        Placed::Known => Written::Known,
        Placed::Contradicts => Written::Refused(RejectReason::Contradicts),
        Placed::TooFar => Written::Refused(RejectReason::TooFar),
    }
}
