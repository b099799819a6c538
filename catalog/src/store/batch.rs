//! One transaction's worth of records: what goes into the logs, and which heads vouch for it.
//!
//! [`Append`](super::append) and [`accept`](super::accept) both write through a [`Batch`], so there
//! is one place that decides what may stand at a position of a log:
//!
//! - a statement stays, and so does every other that its publisher signed for the same position:
//!   what is kept is the union of what came, in whatever order, and two are proof of a fork;
//! - a bare hash (of a statement that we may not read) is only as good as the head that vouches
//!   for it: until then a statement, or another bare hash, replaces it;
//! - a head is pinned when the leaves that we hold give its root, and never goes back; one that
//!   is ahead of the leaves is a promise, which is kept or broken when they are here; one that they
//!   contradict is kept as proof.

use std::collections::{BTreeMap, HashMap, HashSet};

use redb::ReadableTable;

use super::items::item_of_head;
use super::rows::{
    ChangeRow, Entered, Leaf, LogRow, Merged, PublisherRow, RIVALS_MAX, Told, Trust, head_of,
    statement_id,
};
use super::tables::{
    LEAVES, LOGS, LogId, META_NEXT, META_STRANGERS, RECORDS, RIVALS, Tables, all, get, get_number,
    leaf_key, of_rival_key, put, remove, rival_key, with_prefix,
};
use super::{Store, StoreError, View};
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
    /// Heads that are not the newest: two of one size are proof, whatever the leaves say.
    spare: BTreeMap<LogId, Vec<SealedHead>>,
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

/// What the leaves here say about a head.
enum Weighed {
    /// They give its root; the head is pinned now, or was.
    True(Pinned),
    /// They are signed or vouched for, nobody disputes them, and they do not give its root.
    False,
    /// Bare hashes that did not give its root were dropped.
    Dropped { sent: bool },
    /// Some are missing, or disputed, or it would take too long.
    Unknown,
}

impl<'a, 't> Batch<'a, 't> {
    pub fn new(tables: &'a mut Tables<'t>) -> Result<Self, StoreError> {
        let next_change = get_number(&tables.meta, META_NEXT)?.unwrap_or(1);
        let strangers = get_number(&tables.meta, META_STRANGERS)?.unwrap_or(0);
        let (logs, bare) = (HashMap::new(), HashSet::new());
        Ok(Self {
            tables,
            logs,
            bare,
            next_change,
            strangers,
            rehash: REHASHED_MAX,
            expected: HashMap::new(),
            spare: BTreeMap::new(),
            refuted: Vec::new(),
        })
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
            return self.place_rival(log, seq, &leaf);
        }
        put(&mut self.tables.leaves, &key, &Leaf::encode_all(&leaves))?;
        let is_bare = leaves[0].statement.is_none();
        if placed == Placed::Rival {
            let before = self.log(log)?.clone();
            self.log(log)?.contest(seq)?;
            self.tell_heads(log, &before)?;
        }
        let row = self.log(log)?;
        if !vouched {
            row.unvouched = row.unvouched + u64::from(is_bare) - u64::from(was_bare);
        }
        if seq == row.contiguous {
            self.extend(log)?;
        }
        Ok(placed)
    }

    /// Keeps a statement for a position that has two already.
    fn place_rival(&mut self, log: &LogId, seq: u64, leaf: &Leaf) -> Result<Placed, StoreError> {
        let key = rival_key(log, seq, &leaf.hash);
        let Some(id) = &leaf.statement else { return Ok(Placed::Contradicts) };
        if get(&self.tables.rivals, &key)?.is_some() {
            return Ok(Placed::Known);
        }
        put(&mut self.tables.rivals, &key, id.as_bytes())?;
        Ok(Placed::Rival)
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
    /// ahead of them is kept as a promise, and one that they contradict as proof.
    pub fn pin(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Pinned, StoreError> {
        self.keep_promise(log)?;
        let before = self.log(log)?.clone();
        let (size, newest) = (sealed.peek().size, before.promised()?);
        // First against the leaves: what it vouches for is told before the head itself.
        let weighed = self.weigh(log, sealed)?;
        let merged = self.log(log)?.merge(sealed)?;
        if merged == Merged::Other && size < newest {
            self.spare.entry(*log).or_default().push(sealed.clone());
        }
        self.tell_heads(log, &before)?;
        let newest_heads = self.log(log)?.largest()?.len();
        Ok(match (weighed, merged) {
            (Weighed::True(pinned), _) => pinned,
            (Weighed::False, _) => Pinned::Forked,
            (Weighed::Dropped { sent }, _) => Pinned::Mismatch { sent },
            (Weighed::Unknown, Merged::Known) => Pinned::Known,
            (Weighed::Unknown, Merged::New) if newest_heads == 1 => Pinned::Promised,
            (Weighed::Unknown, Merged::Other) if size < newest => Pinned::Older { newest },
            (Weighed::Unknown, Merged::New | Merged::Other) => Pinned::Forked,
        })
    }

    /// Pins the promised heads of all logs of this batch whose leaves are here by now.
    ///
    /// - result: the logs where bare hashes stood in the way.
    pub fn keep_promises(&mut self) -> Result<Vec<Refuted>, StoreError> {
        let mut logs: Vec<_> = self.logs.keys().copied().collect();
        logs.sort();
        logs.iter().try_for_each(|log| self.keep_promise(log))?;
        for (log, heads) in std::mem::take(&mut self.spare) {
            self.pair_up(&log, heads)?;
        }
        Ok(std::mem::take(&mut self.refuted))
    }

    fn keep_promise(&mut self, log: &LogId) -> Result<(), StoreError> {
        let row = self.log(log)?;
        // The usual case, without reading any head.
        if row.newest.is_empty() && row.evidence.len() < 2 {
            return Ok(());
        }
        let (before, forked) = (row.clone(), row.is_forked());
        for head in before.heads()? {
            let (row, size) = (self.log(log)?, head.peek().size);
            if size > row.contiguous || row.is_weighed(&head)? {
                continue;
            }
            if forked {
                // It may have been in vain before, and be again.
                let cost = size.saturating_sub(before.tree.size());
                let Some(left) = self.rehash.checked_sub(cost) else { continue };
                self.rehash = left;
            }
            if let Weighed::Dropped { sent } = self.weigh(log, &head)? {
                self.refuted.push(Refuted { log: *log, sent });
                break;
            }
        }
        self.tell_heads(log, &before)
    }

    /// Looks for two heads of one size among those that are not the newest.
    fn pair_up(&mut self, log: &LogId, mut heads: Vec<SealedHead>) -> Result<(), StoreError> {
        let before = self.log(log)?.clone();
        heads.extend(before.heads()?.into_iter().chain(head_of(&before.head)?));
        heads.sort_by_key(|head| (head.peek().size, item_of_head(head)));
        heads.dedup_by(|one, other| one.same_as(other));
        let newest = before.promised()?;
        let pair = heads.windows(2).find(|pair| {
            let size = pair[0].peek().size;
            size == pair[1].peek().size && size < newest
        });
        if let Some(pair) = pair {
            self.log(log)?.prove(pair)?;
            self.tell_heads(log, &before)?;
        }
        Ok(())
    }

    /// Compares a head with the leaves that are here, and keeps it as what it turns out to be: the
    /// pinned one, one to rely on, or proof of a fork.
    fn weigh(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Weighed, StoreError> {
        let (row, size) = (self.log(log)?, sealed.peek().size);
        let (pinned, contiguous) = (row.tree.size(), row.contiguous);
        let weighed = match size {
            size if size < pinned => self.weigh_older(log, sealed)?,
            size if size <= contiguous => self.vouch(log, sealed)?,
            _ => Weighed::Unknown,
        };
        if matches!(weighed, Weighed::False) {
            self.log(log)?.prove(std::slice::from_ref(sealed))?;
        }
        Ok(weighed)
    }

    /// Pins a head whose leaves are here.
    fn vouch(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Weighed, StoreError> {
        let (before, head) = (self.log(log)?.clone(), sealed.peek());
        let pinned = before.tree.size();
        // Those that are no items yet: bare hashes, and statements that not everybody may read.
        let (mut tree, mut unlisted) = (before.tree.clone(), Vec::new());
        for seq in pinned..head.size {
            let leaf = self.first_leaf(log, seq)?;
            tree.append(leaf.hash);
            if leaf.statement.is_none() || !self.is_listed(log, seq, &leaf)? {
                unlisted.push((seq, leaf));
            }
        }
        let bare = unlisted.iter().filter(|(_, leaf)| leaf.statement.is_none());
        let bare: Vec<u64> = bare.map(|(seq, _)| *seq).collect();
        if tree.root() != head.root {
            return match bare.as_slice() {
                [] if head.size <= before.undisputed() => Ok(Weighed::False),
                [] => Ok(Weighed::Unknown),
                bare => self.drop_bare(log, bare),
            };
        }
        if head.size == pinned && !before.head.is_empty() {
            if head_of(&before.head)?.is_some_and(|there| sealed.is_better_than(&there)) {
                self.log(log)?.head = sealed.encode().to_vec();
            }
            return Ok(Weighed::True(Pinned::Known));
        }
        for (seq, leaf) in &unlisted {
            self.tell_vouched(log, *seq, leaf)?;
        }
        let row = self.log(log)?;
        row.unvouched -= bare.len() as u64;
        row.pin(sealed, tree)?;
        Ok(Weighed::True(Pinned::New))
    }

    /// Sees whether an older head is true to the leaves that the pinned one vouches for.
    fn weigh_older(&mut self, log: &LogId, sealed: &SealedHead) -> Result<Weighed, StoreError> {
        let (row, head) = (self.log(log)?, sealed.peek());
        let newest = row.tree.size();
        // Of a branch that is not the one we pinned it may well be true.
        if head.size > row.undisputed() {
            return Ok(Weighed::Unknown);
        }
        let Some(left) = self.rehash.checked_sub(head.size) else { return Ok(Weighed::Unknown) };
        self.rehash = left;
        let mut tree = LogTree::new();
        for seq in 0..head.size {
            tree.append(self.first_leaf(log, seq)?.hash);
        }
        if tree.root() != head.root {
            return Ok(Weighed::False);
        }
        self.log(log)?.rely_on(sealed)?;
        Ok(Weighed::True(Pinned::Older { newest }))
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

    /// Drops bare hashes that did not give the root of a head: they are to be fetched again.
    fn drop_bare(&mut self, log: &LogId, bare: &[u64]) -> Result<Weighed, StoreError> {
        for seq in bare {
            remove(&mut self.tables.leaves, &leaf_key(log, *seq))?;
        }
        let row = self.log(log)?;
        row.contiguous = bare.first().map_or(row.contiguous, |first| *first);
        row.unvouched -= bare.len() as u64;
        if self.is_stranger(&log.publisher)? {
            self.strangers = self.strangers.saturating_sub(LEAF_BYTES * bare.len() as u64);
        }
        let sent = bare.iter().all(|seq| self.bare.contains(&(*log, *seq)));
        Ok(Weighed::Dropped { sent })
    }

    fn first_leaf(&self, log: &LogId, seq: u64) -> Result<Leaf, StoreError> {
        let row = get(&self.tables.leaves, &leaf_key(log, seq))?;
        let leaves = row.map(|row| Leaf::decode_all(&row)).transpose()?;
        leaves
            .and_then(|leaves| leaves.first().copied())
            .ok_or(StoreError::damaged("a log with a missing leaf"))
    }

    /// The first statements of a position that its publisher gave to more than one; none otherwise.
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
    /// The largest head that vouches for nothing but what nobody disputes: the pinned one, unless
    /// the log is forked. All who know the same of a log have the same one here.
    pub sure: Option<SealedHead>,
    /// Proof that the publisher forked this log: two heads of one size, or one that the signed
    /// leaves contradict. Or nothing.
    pub proof: Vec<SealedHead>,
    /// The first position that the publisher gave to two statements.
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

    /// The statements at one position of a log: none, one, or several that contradict each other.
    pub fn statements_at(&self, log: &LogId, seq: u64) -> Result<Vec<SealedStatement>, StoreError> {
        let view = self.read()?;
        let records = view.rows(RECORDS)?;
        let ids =
            view.leaves_at(log, seq, usize::MAX)?.into_iter().filter_map(|leaf| leaf.statement);
        ids.map(|id| record(&records, &id)?.ok_or(StoreError::damaged("a missing record")))
            .collect()
    }
}

impl View {
    /// What stands at a position of a log, the leaf that the pinned head vouches for first.
    ///
    /// - `more`: how many at most of those that came when there were two already; they are in the
    ///   order of their hashes.
    pub(super) fn leaves_at(
        &self,
        log: &LogId,
        seq: u64,
        more: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        let place = leaf_key(log, seq);
        let Some(row) = get(&self.rows(LEAVES)?, &place)? else { return Ok(Vec::new()) };
        let mut leaves = Leaf::decode_all(&row)?;
        if leaves.len() == RIVALS_MAX {
            for row in with_prefix(&self.rows(RIVALS)?, &place)?.take(more) {
                let (key, id) = row?;
                leaves.push(rival_of_row(key.value(), id.value())?);
            }
        }
        Ok(leaves)
    }
}

/// A row of `rivals`, as a leaf.
pub(super) fn rival_of_row(key: &[u8], id: &[u8]) -> Result<Leaf, StoreError> {
    let (_, _, hash) = of_rival_key(key)?;
    let id = id.try_into().map_err(|_| StoreError::damaged("a rival"))?;
    Ok(Leaf { hash, statement: Some(statement_id(id)) })
}

fn log_state(log: LogId, row: &LogRow) -> Result<LogState, StoreError> {
    let (size, leaves, head) = (row.tree.size(), row.contiguous, head_of(&row.head)?);
    let promised = row.largest()?.into_iter().find(|head| head.peek().size > leaves);
    let (sure, proof, contested) = (row.sure_head()?, row.proof()?, row.contested.checked_sub(1));
    Ok(LogState { log, size, leaves, head, promised, sure, proof, contested })
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
