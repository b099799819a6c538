//! One transaction's worth of records: what goes into the logs, and which heads vouch for it.
//!
//! [`Append`](super::append) and [`accept`](super::accept) both write through a [`Batch`], so there
//! is one place that decides what may stand at a position of a log:
//!
//! - a statement stays; a second one at its position is kept beside it as proof that the publisher
//!   contradicts itself, and a third adds nothing;
//! - a bare hash (of a statement that we may not read) is only as good as the head that vouches
//!   for it: until then a statement, or another bare hash, replaces it;
//! - a head is pinned when the leaves that we hold give its root, and never goes back; one that
//!   is ahead of the leaves is a promise, which is kept or broken when they are here.

use std::collections::{HashMap, HashSet};

use redb::ReadableTable;

use super::rows::{
    ChangeRow, Entered, Leaf, LogRow, Merged, PublisherRow, RIVALS_MAX, Told, Trust, head_of,
};
use super::tables::{
    LEAVES, LOGS, LogId, META_NEXT, META_STRANGERS, RECORDS, Tables, all, get, get_number,
    leaf_key, put, remove, with_prefix,
};
use super::{Store, StoreError};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::identity::PublisherId;
use crate::log::LogTree;
use crate::statement::{SealedStatement, Statement, StatementId};

/// What publishers that nobody here relies on may take up together. It is counted as it comes and
/// never given back: some half a million releases.
pub(super) const STRANGERS_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What a leaf takes up in all tables, beside the statement itself.
const LEAF_BYTES: u64 = 512;

/// How many leaves are hashed again in one batch to see whether old heads agree with newer ones.
const REHASHED_MAX: u64 = 65_536;

/// The tables, and the rows that every record of a batch touches again.
pub(super) struct Batch<'a, 't> {
    pub tables: &'a mut Tables<'t>,
    logs: HashMap<LogId, LogRow>,
    /// The bare hashes that came with this batch.
    bare: HashSet<(LogId, u64)>,
    next_change: u64,
    /// What strangers have taken up so far.
    strangers: u64,
    /// How many leaves may still be hashed again.
    rehash: u64,
    /// The largest heads that come with this batch, after their leaves.
    expected: HashMap<LogId, u64>,
    refuted: Vec<Refuted>,
}

/// A log whose bare hashes did not give the root of a head that was promised before. They are
/// dropped, and to be fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuted {
    /// The log.
    pub log: LogId,
    /// Whether all of them came with this batch, so that it is its sender who lied.
    pub sent: bool,
}

/// What became of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It was new.
    New,
    /// It stands there already.
    Known,
    /// It stands there now, beside another that the same publisher signed.
    Rival,
    /// There is proof enough already that this position is contested.
    Enough,
    /// A bare hash that contradicts what is signed or vouched for.
    Contradicts,
    /// A bare hash further on than what we hold, or one too many.
    TooFar,
}

/// What became of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pinned {
    /// It is the pinned one now.
    New,
    /// It is the pinned one already.
    Known,
    /// It vouches for leaves that we do not have, and is kept until they are here.
    Promised,
    /// A longer one is known, and the two agree as far as they were compared.
    Older { newest: u64 },
    /// Bare hashes do not give its root and are dropped; `sent` if all came with this batch.
    Mismatch { sent: bool },
    /// What the publisher signed does not give its root: the log was forked.
    Forked,
}

impl<'a, 't> Batch<'a, 't> {
    pub fn new(tables: &'a mut Tables<'t>) -> Result<Self, StoreError> {
        let next_change = get_number(&tables.meta, META_NEXT)?.unwrap_or(1);
        let strangers = get_number(&tables.meta, META_STRANGERS)?.unwrap_or(0);
        let (logs, bare) = (HashMap::new(), HashSet::new());
        let (rehash, expected, refuted) = (REHASHED_MAX, HashMap::new(), Vec::new());
        Ok(Self { tables, logs, bare, next_change, strangers, rehash, expected, refuted })
    }

    /// Notes that a head, which its publisher signed, comes later in this batch.
    pub fn expect(&mut self, log: &LogId, sealed: &SealedHead) {
        let expected = self.expected.entry(*log).or_default();
        *expected = sealed.peek().size.max(*expected);
    }

    /// Writes what was kept back. Without this nothing of the batch counts.
    pub fn finish(mut self) -> Result<(), StoreError> {
        for (log, row) in std::mem::take(&mut self.logs) {
            let (key, row) = (log.row_key(), row.encode());
            let before = get(&self.tables.logs, &key)?.map_or(0, |before| before.len());
            // Heads are the part that grows; what they took up once, they keep.
            self.charge(&log.publisher, 0, row.len().saturating_sub(before))?;
            put(&mut self.tables.logs, &key, &row)?;
        }
        put(&mut self.tables.meta, META_NEXT, &self.next_change.to_be_bytes())?;
        put(&mut self.tables.meta, META_STRANGERS, &self.strangers.to_be_bytes())
    }

    /// Whether records of a publisher may be taken in: there is a ceiling for all strangers.
    pub fn has_room(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        Ok(self.strangers < STRANGERS_BYTES_MAX || !self.is_stranger(publisher)?)
    }

    /// Counts what was taken in, if it is of a stranger.
    pub fn charge(
        &mut self,
        publisher: &PublisherId,
        leaves: usize,
        bytes: usize,
    ) -> Result<(), StoreError> {
        if self.is_stranger(publisher)? {
            self.strangers += LEAF_BYTES * leaves as u64 + bytes as u64;
        }
        Ok(())
    }

    fn is_stranger(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        let row = get(&self.tables.publishers, publisher.as_bytes())?;
        let row = row.map(|row| PublisherRow::decode(&row)).transpose()?;
        Ok(row.is_none_or(|row| row.trust == Trust::Seen))
    }

    /// What we know about a log; empty for a new one.
    pub fn log(&mut self, log: &LogId) -> Result<&mut LogRow, StoreError> {
        if !self.logs.contains_key(log) {
            let row = get(&self.tables.logs, &log.row_key())?;
            let row = row.map_or_else(|| Ok(LogRow::default()), |row| LogRow::decode(&row))?;
            self.logs.insert(*log, row);
        }
        Ok(self.logs.get_mut(log).expect("it was put there above"))
    }

    /// Tells followers of a change.
    ///
    /// - result: its sequence number.
    pub fn tell(&mut self, entered: Entered, told: Told) -> Result<u64, StoreError> {
        let (seq, row) = (self.next_change, ChangeRow { entered, told });
        self.next_change += 1;
        put(&mut self.tables.changes, &seq.to_be_bytes(), &row.encode())?;
        Ok(seq)
    }

    /// The number that the next change gets.
    pub fn next_change(&self) -> u64 {
        self.next_change
    }

    /// Lets the next change have this number: only for telling all of them anew.
    pub fn set_next_change(&mut self, number: u64) {
        self.next_change = number;
    }

    /// Puts a statement at its position, writes its record and tells of it.
    ///
    /// - result: what became of it, and the number of the change if there is one.
    pub fn place_statement(
        &mut self,
        log: &LogId,
        seq: u64,
        sealed: &SealedStatement,
        statement: &Statement,
    ) -> Result<(Placed, Option<u64>), StoreError> {
        let id = sealed.id();
        let leaf = Leaf { hash: sealed.leaf(), statement: Some(id) };
        let placed = self.place(log, seq, leaf)?;
        if !matches!(placed, Placed::New | Placed::Rival) {
            return Ok((placed, None));
        }
        put(&mut self.tables.records, id.as_bytes(), &sealed.encode())?;
        let change = self.tell_statement(log, seq, (id, &leaf.hash), statement)?;
        Ok((placed, Some(change)))
    }

    /// Puts the bare hash of a statement that we may not read at its position. It is told of when
    /// a head vouches for it.
    ///
    /// - `unvouched_max`: how many of them the log may have that no head vouches for, or promises
    ///   to.
    pub fn place_hash(
        &mut self,
        log: &LogId,
        seq: u64,
        hash: Sha256Digest,
        unvouched_max: u64,
    ) -> Result<Placed, StoreError> {
        let expected = self.expected.get(log).copied().unwrap_or_default();
        let row = self.log(log)?;
        let promised = seq < expected || seq < row.promised()?;
        if !promised && (seq > row.contiguous || row.unvouched >= unvouched_max) {
            return Ok(Placed::TooFar);
        }
        let placed = self.place(log, seq, Leaf { hash, statement: None })?;
        if placed == Placed::New {
            self.bare.insert((*log, seq));
        }
        Ok(placed)
    }

    fn place(&mut self, log: &LogId, seq: u64, leaf: Leaf) -> Result<Placed, StoreError> {
        let key = leaf_key(log, seq);
        let mut leaves = match get(&self.tables.leaves, &key)? {
            Some(row) => Leaf::decode_all(&row)?,
            None => Vec::new(),
        };
        let vouched = seq < self.log(log)?.tree.size();
        let bare = leaf.statement.is_none();
        let was_bare = leaves.first().is_some_and(|first| first.statement.is_none());
        let mut placed = Placed::New;
        if let Some(same) = leaves.iter_mut().find(|there| there.hash == leaf.hash) {
            if bare || same.statement.is_some() {
                return Ok(Placed::Known);
            }
            *same = leaf;
        } else if leaves.is_empty() || (was_bare && !vouched) {
            leaves = vec![leaf];
        } else if bare {
            return Ok(Placed::Contradicts);
        } else if leaves.len() < RIVALS_MAX {
            leaves.push(leaf);
            placed = Placed::Rival;
        } else {
            return Ok(Placed::Enough);
        }
        put(&mut self.tables.leaves, &key, &Leaf::encode_all(&leaves))?;
        let is_bare = leaves[0].statement.is_none();
        let row = self.log(log)?;
        if placed == Placed::Rival && row.contested == 0 {
            row.contested = seq + 1;
        }
        if !vouched {
            row.unvouched = row.unvouched + u64::from(is_bare) - u64::from(was_bare);
        }
        if seq == row.contiguous {
            self.extend(log)?;
        }
        Ok(placed)
    }

    /// Counts the leaves that have become contiguous.
    fn extend(&mut self, log: &LogId) -> Result<(), StoreError> {
        let mut contiguous = self.log(log)?.contiguous;
        while get(&self.tables.leaves, &leaf_key(log, contiguous))?.is_some() {
            contiguous += 1;
        }
        self.log(log)?.contiguous = contiguous;
        Ok(())
    }

    /// Pins a head that its publisher signed, if the leaves that we hold give its root; one that is
    /// ahead of them is kept as a promise.
    pub fn pin(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Pinned, StoreError> {
        self.keep_promise(log)?;
        let (row, size) = (self.log(log)?, sealed.peek().size);
        let (pinned, contiguous) = (row.tree.size(), row.contiguous);
        // First against the leaves: what it vouches for is told before the head itself.
        let checked = if size < pinned {
            Some(self.check_older(log, sealed, pinned)?)
        } else if size <= contiguous {
            Some(self.vouch(log, sealed)?)
        } else {
            None
        };
        let before = self.log(log)?.clone();
        let merged = self.log(log)?.merge(sealed)?;
        self.tell_heads(log, &before)?;
        let (newest, heads) = (before.promised()?, self.log(log)?.heads()?.len());
        Ok(checked.unwrap_or(match merged {
            Merged::Known => Pinned::Known,
            Merged::New if heads == 1 => Pinned::Promised,
            Merged::Other if size < newest => Pinned::Older { newest },
            Merged::New | Merged::Other => Pinned::Forked,
        }))
    }

    /// Pins the promised heads of all logs of this batch whose leaves are here by now.
    ///
    /// - result: the logs where bare hashes stood in the way.
    pub fn keep_promises(&mut self) -> Result<Vec<Refuted>, StoreError> {
        let mut logs: Vec<_> = self.logs.keys().copied().collect();
        logs.sort();
        logs.iter().try_for_each(|log| self.keep_promise(log))?;
        Ok(std::mem::take(&mut self.refuted))
    }

    fn keep_promise(&mut self, log: &LogId) -> Result<(), StoreError> {
        let row = self.log(log)?;
        // The usual case, without reading any head.
        if row.newest.is_empty() {
            return Ok(());
        }
        let (pinned, contiguous, forked) = (row.tree.size(), row.contiguous, row.is_forked());
        for head in row.heads()? {
            let size = head.peek().size;
            if size <= pinned || size > contiguous {
                continue;
            }
            if forked {
                // It may have been in vain before, and be again.
                let Some(left) = self.rehash.checked_sub(size - pinned) else { continue };
                self.rehash = left;
            }
            match self.vouch(log, &head)? {
                Pinned::Mismatch { sent } => {
                    self.refuted.push(Refuted { log: *log, sent });
                    break;
                }
                Pinned::New => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// Pins a head whose leaves are here.
    fn vouch(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Pinned, StoreError> {
        let (before, head) = (self.log(log)?.clone(), sealed.peek());
        let pinned = before.tree.size();
        let (mut tree, mut bare) = (before.tree.clone(), Vec::new());
        for seq in pinned..head.size {
            let leaf = self.first_leaf(log, seq)?;
            tree.append(leaf.hash);
            if leaf.statement.is_none() {
                bare.push((seq, leaf.hash));
            }
        }
        if tree.root() != head.root {
            return self.refuse_root(log, &bare, sealed);
        }
        if head.size == pinned && !before.head.is_empty() {
            if head_of(&before.head)?.is_some_and(|there| sealed.is_better_than(&there)) {
                self.log(log)?.head = sealed.encode().to_vec();
            }
            return Ok(Pinned::Known);
        }
        for (seq, hash) in &bare {
            self.tell_leaf(log, *seq, hash)?;
        }
        let row = self.log(log)?;
        row.unvouched -= bare.len() as u64;
        row.tree = tree;
        row.head = sealed.encode().to_vec();
        // What was the newest may have been the old pinned one, which is not written twice.
        row.merge(sealed)?;
        row.settle_newest()?;
        self.tell_heads(log, &before)?;
        Ok(Pinned::New)
    }

    /// Sees whether an older head is true to the leaves that the pinned one vouches for.
    fn check_older(
        &mut self,
        log: &LogId,
        sealed: &SealedHead,
        pinned: u64,
    ) -> Result<Pinned, StoreError> {
        let head = sealed.peek();
        let Some(left) = self.rehash.checked_sub(head.size) else {
            return Ok(Pinned::Older { newest: pinned });
        };
        self.rehash = left;
        let mut tree = LogTree::new();
        for seq in 0..head.size {
            tree.append(self.first_leaf(log, seq)?.hash);
        }
        if tree.root() == head.root {
            return Ok(Pinned::Older { newest: pinned });
        }
        self.forked(log, sealed)
    }

    /// The size and root of everything that a log has without a gap.
    pub fn root(&mut self, log: &LogId) -> Result<(u64, Sha256Digest), StoreError> {
        let row = self.log(log)?;
        let (mut tree, end) = (row.tree.clone(), row.contiguous);
        for seq in tree.size()..end {
            tree.append(self.first_leaf(log, seq)?.hash);
        }
        Ok((end, tree.root()))
    }

    fn refuse_root(
        &mut self,
        log: &LogId,
        bare: &[(u64, Sha256Digest)],
        sealed: &SealedHead,
    ) -> Result<Pinned, StoreError> {
        if let Some((first, _)) = bare.first() {
            for (seq, _) in bare {
                remove(&mut self.tables.leaves, &leaf_key(log, *seq))?;
            }
            let row = self.log(log)?;
            row.contiguous = *first;
            row.unvouched -= bare.len() as u64;
            if self.is_stranger(&log.publisher)? {
                self.strangers = self.strangers.saturating_sub(LEAF_BYTES * bare.len() as u64);
            }
            let sent = bare.iter().all(|(seq, _)| self.bare.contains(&(*log, *seq)));
            return Ok(Pinned::Mismatch { sent });
        }
        self.forked(log, sealed)
    }

    fn forked(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Pinned, StoreError> {
        self.log(log)?.prove(std::slice::from_ref(sealed));
        Ok(Pinned::Forked)
    }

    fn first_leaf(&self, log: &LogId, seq: u64) -> Result<Leaf, StoreError> {
        let row = get(&self.tables.leaves, &leaf_key(log, seq))?;
        let leaves = row.map(|row| Leaf::decode_all(&row)).transpose()?;
        leaves
            .and_then(|leaves| leaves.first().copied())
            .ok_or(StoreError::damaged("a log with a missing leaf"))
    }

    /// The statements at a position that its publisher gave to more than one; none otherwise.
    pub fn rivals(&self, log: &LogId, seq: u64) -> Result<Vec<Statement>, StoreError> {
        let row = get(&self.tables.leaves, &leaf_key(log, seq))?;
        let leaves = row.map_or_else(|| Ok(Vec::new()), |row| Leaf::decode_all(&row))?;
        if leaves.len() < RIVALS_MAX {
            return Ok(Vec::new());
        }
        let ids = leaves.iter().filter_map(|leaf| leaf.statement);
        ids.map(|id| super::derived::statement(&self.tables.records, &id)).collect()
    }

    /// The position after the last leaf of a log that we hold, gaps or not.
    pub fn end(&self, log: &LogId) -> Result<u64, StoreError> {
        let last = with_prefix(&self.tables.leaves, &log.row_key())?.next_back().transpose()?;
        match last {
            Some((key, _)) => Ok(super::tables::of_leaf_key(key.value())?.1 + 1),
            None => Ok(0),
        }
    }
}

/// How far we know one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub log: LogId,
    /// How many leaves the pinned head vouches for.
    pub size: u64,
    /// How many leaves we hold from the first on, without a gap.
    pub leaves: u64,
    /// The pinned head; absent until all its leaves are here.
    pub head: Option<SealedHead>,
    /// The largest signed head, when it is ahead of the leaves that we hold.
    pub promised: Option<SealedHead>,
    /// Proof that the publisher forked this log: two heads of one size, or one that the signed
    /// leaves contradict. Or nothing.
    pub proof: Vec<SealedHead>,
    /// A position that the publisher gave to two statements.
    pub contested: Option<u64>,
}

impl LogState {
    /// Whether there is proof that the publisher forked this log.
    pub fn is_forked(&self) -> bool {
        !self.proof.is_empty() || self.contested.is_some()
    }
}

impl Store {
    /// How far we know a log; `None` when we know nothing of it.
    pub fn log(&self, log: &LogId) -> Result<Option<LogState>, StoreError> {
        let row = get(&self.read()?.rows(LOGS)?, &log.row_key())?;
        row.map(|row| log_state(*log, &LogRow::decode(&row)?)).transpose()
    }

    /// Every log that we know of, by publisher and key.
    pub fn logs(&self) -> Result<Vec<LogState>, StoreError> {
        let mut logs = Vec::new();
        for row in all(&self.read()?.rows(LOGS)?)? {
            let (key, row) = row?;
            logs.push(log_state(LogId::of_row_key(key.value())?, &LogRow::decode(row.value())?)?);
        }
        Ok(logs)
    }

    /// The statements at one position of a log: none, one, or two that contradict each other.
    pub fn statements_at(&self, log: &LogId, seq: u64) -> Result<Vec<SealedStatement>, StoreError> {
        let view = self.read()?;
        let Some(row) = get(&view.rows(LEAVES)?, &leaf_key(log, seq))? else {
            return Ok(Vec::new());
        };
        let records = view.rows(RECORDS)?;
        let ids = Leaf::decode_all(&row)?.into_iter().filter_map(|leaf| leaf.statement);
        ids.map(|id| record(&records, &id)?.ok_or(StoreError::damaged("a missing record")))
            .collect()
    }
}

fn log_state(log: LogId, row: &LogRow) -> Result<LogState, StoreError> {
    let (size, leaves, head) = (row.tree.size(), row.contiguous, head_of(&row.head)?);
    let promised = row.heads()?.into_iter().find(|head| head.peek().size > leaves);
    let proof = row.proof.iter().filter_map(|note| head_of(note).transpose());
    let (proof, contested) = (proof.collect::<Result<_, _>>()?, row.contested.checked_sub(1));
    Ok(LogState { log, size, leaves, head, promised, proof, contested })
}

/// The record with this id, as it was sealed.
pub(super) fn record(
    records: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &StatementId,
) -> Result<Option<SealedStatement>, StoreError> {
    let Some(row) = get(records, id.as_bytes())? else { return Ok(None) };
    let sealed = SealedStatement::decode(&row).map_err(|_| StoreError::damaged("a record"))?;
    // An id is the hash of the body: a row that was edited gives itself away.
    if sealed.id() != *id {
        return Err(StoreError::damaged("a record"));
    }
    Ok(Some(sealed))
}
