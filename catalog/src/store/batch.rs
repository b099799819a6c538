//! One transaction's worth of records: what goes into the logs, and which heads vouch for it.
//!
//! [`Append`](super::append) and [`accept`](super::accept) both write through a [`Batch`], so there
//! is one place that decides what may stand at a position of a log:
//!
//! - a statement stays; a second one at its position is kept beside it as proof that the publisher
//!   contradicts itself, and a third adds nothing;
//! - a bare hash (of a statement that we may not read) is only as good as the head that vouches
//!   for it: until then a statement, or another bare hash, replaces it;
//! - a head is pinned when the leaves that we hold give its root, and never goes back.

use std::collections::{HashMap, HashSet};

use redb::ReadableTable;

use super::rows::{ChangeRow, Leaf, LogRow, PublisherRow, RIVALS_MAX, Trust};
use super::tables::{
    LEAVES, LOGS, LogId, META_NEXT, META_STRANGERS, RECORDS, Tables, all, get, get_number,
    leaf_key, put, remove, with_prefix,
};
use super::{Store, StoreError};
use crate::digest::Sha256Digest;
use crate::head::{Head, SealedHead};
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
    /// The pinned one is longer, and the two agree as far as they were compared.
    Older { pinned: u64 },
    /// It vouches for leaves that we do not have.
    Ahead { have: u64 },
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
        Ok(Self { tables, logs, bare, next_change, strangers, rehash: REHASHED_MAX })
    }

    /// Writes what was kept back. Without this nothing of the batch counts.
    pub fn finish(self) -> Result<(), StoreError> {
        for (log, row) in &self.logs {
            put(&mut self.tables.logs, &log.row_key(), &row.encode())?;
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
    pub fn tell(&mut self, change: &ChangeRow) -> Result<u64, StoreError> {
        let seq = self.next_change;
        self.next_change += 1;
        put(&mut self.tables.changes, &seq.to_be_bytes(), &change.encode())?;
        Ok(seq)
    }

    /// Puts a statement at its position, writes its record and tells of it.
    ///
    /// - result: what became of it, and the number of the change if there is one.
    pub fn place_statement(
        &mut self,
        log: &LogId,
        seq: u64,
        sealed: &SealedStatement,
    ) -> Result<(Placed, Option<u64>), StoreError> {
        let id = sealed.id();
        let leaf = Leaf { hash: sealed.leaf(), statement: Some(id) };
        let placed = self.place(log, seq, leaf)?;
        if !matches!(placed, Placed::New | Placed::Rival) {
            return Ok((placed, None));
        }
        put(&mut self.tables.records, id.as_bytes(), &sealed.encode())?;
        let change = self.tell(&ChangeRow::Statement { id, log: *log, seq })?;
        Ok((placed, Some(change)))
    }

    /// Puts the bare hash of a statement that we may not read at its position and tells of it.
    ///
    /// - `unvouched_max`: how many of them the log may have that no head vouches for.
    pub fn place_hash(
        &mut self,
        log: &LogId,
        seq: u64,
        hash: Sha256Digest,
        unvouched_max: u64,
    ) -> Result<Placed, StoreError> {
        let row = self.log(log)?;
        if seq > row.contiguous || row.unvouched >= unvouched_max {
            return Ok(Placed::TooFar);
        }
        let placed = self.place(log, seq, Leaf { hash, statement: None })?;
        if placed == Placed::New {
            self.bare.insert((*log, seq));
            self.tell(&ChangeRow::Leaf { log: *log, seq })?;
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

    /// Pins a head that its publisher signed, if the leaves that we hold give its root.
    pub fn pin(
        &mut self,
        log: &LogId,
        head: &Head,
        sealed: &SealedHead,
    ) -> Result<Pinned, StoreError> {
        let row = self.log(log)?.clone();
        let pinned = row.tree.size();
        if head.size < pinned {
            return self.check_older(log, head, sealed, pinned);
        }
        if head.size > row.contiguous {
            return Ok(Pinned::Ahead { have: row.contiguous });
        }
        let (mut tree, mut bare) = (row.tree.clone(), Vec::new());
        for seq in pinned..head.size {
            let leaf = self.first_leaf(log, seq)?;
            tree.append(leaf.hash);
            if leaf.statement.is_none() {
                bare.push(seq);
            }
        }
        if tree.root() != head.root {
            return self.refuse_root(log, &bare, sealed);
        }
        if head.size == pinned && !row.head.is_empty() {
            return Ok(Pinned::Known);
        }
        // One change for each log, always behind those of the leaves that it vouches for.
        if !row.head.is_empty() {
            remove(&mut self.tables.changes, &row.head_change.to_be_bytes())?;
        }
        let head_change = self.tell(&ChangeRow::Head(*log))?;
        let unvouched = row.unvouched - bare.len() as u64;
        let head = sealed.encode().to_vec();
        *self.log(log)? = LogRow { tree, head, head_change, unvouched, ..row };
        Ok(Pinned::New)
    }

    /// Sees whether an older head is true to the leaves that the pinned one vouches for.
    fn check_older(
        &mut self,
        log: &LogId,
        head: &Head,
        sealed: &SealedHead,
        pinned: u64,
    ) -> Result<Pinned, StoreError> {
        let Some(left) = self.rehash.checked_sub(head.size) else {
            return Ok(Pinned::Older { pinned });
        };
        self.rehash = left;
        let mut tree = LogTree::new();
        for seq in 0..head.size {
            tree.append(self.first_leaf(log, seq)?.hash);
        }
        if tree.root() == head.root {
            return Ok(Pinned::Older { pinned });
        }
        self.keep_rival(log, sealed)
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
        bare: &[u64],
        sealed: &SealedHead,
    ) -> Result<Pinned, StoreError> {
        if let Some(&first) = bare.first() {
            for &seq in bare {
                remove(&mut self.tables.leaves, &leaf_key(log, seq))?;
            }
            let row = self.log(log)?;
            row.contiguous = first;
            row.unvouched -= bare.len() as u64;
            let sent = bare.iter().all(|&seq| self.bare.contains(&(*log, seq)));
            return Ok(Pinned::Mismatch { sent });
        }
        self.keep_rival(log, sealed)
    }

    fn keep_rival(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Pinned, StoreError> {
        let row = self.log(log)?;
        if row.rival.is_empty() {
            row.rival = sealed.encode().to_vec();
        }
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
    /// Whether the publisher signed a head that contradicts this one.
    pub forked: bool,
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
    let head = match row.head.as_slice() {
        [] => None,
        head => Some(SealedHead::decode(head).map_err(|_| StoreError::damaged("a head"))?),
    };
    let (size, leaves, forked) = (row.tree.size(), row.contiguous, !row.rival.is_empty());
    Ok(LogState { log, size, leaves, head, forked })
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
