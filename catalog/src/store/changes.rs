//! The log of changes: what is new, in the order in which it was written.
//!
//! Followers (the search index, peers that pull from us) remember a sequence number and ask for
//! what came after it. Numbers only grow; a follower that starts over at zero sees everything that
//! still holds. For a peer, what it may not read is told as a bare leaf hash, so that it can still
//! check our logs and learns no name.

use super::batch::record;
use super::rows::{ChangeRow, Leaf, LogRow, decode_ids};
use super::tables::{
    CHANGES, CURSORS, LEAVES, LOGS, LogId, META, META_NEXT, OUTBOX, RECORDS, VERSIONS, digest_of,
    get, get_number, leaf_key, number, package_item_key, put,
};
use super::{Store, StoreError, View, derived};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::permission::Reader;
use crate::release::PackageId;
use crate::statement::{SealedStatement, Statement, StatementId};

/// The most bytes of statements that one call returns, unless the first alone is larger.
const CHANGES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands; ask for what comes after it.
    pub seq: u64,
    /// What it is.
    pub item: ChangeItem,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeItem {
    /// A statement came in.
    Statement(SealedStatement),
    /// The place of a statement that the reader may not see, or that we may not see ourselves.
    Leaf {
        /// Which log.
        log: LogId,
        /// The position.
        seq: u64,
        /// The leaf hash of the statement there.
        hash: Sha256Digest,
    },
    /// The head of a log grew; this is the newest one.
    Head(SealedHead),
}

impl Store {
    /// What changed after `since`, oldest first: everything that we know ourselves.
    ///
    /// - `limit`: how many at most; fewer come when they are large.
    /// - result: empty when there is nothing more.
    pub fn changes(&self, since: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.changes_for(Reader::Local, since, limit)
    }

    /// What changed after `since` as `reader` may see it, oldest first.
    ///
    /// Whoever has taken in everything up to a head has every leaf that it vouches for: a head
    /// always comes after them.
    pub fn changes_for(
        &self,
        reader: Reader,
        since: u64,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let view = self.read()?;
        let sight = Sight::new(&view, reader)?;
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let Some(first) = since.checked_add(1) else { return Ok(changes) };
        let rows = view.rows(CHANGES)?;
        for row in rows.range::<&[u8]>(first.to_be_bytes().as_slice()..)? {
            let (seq, row) = row?;
            let Some(item) = sight.item(&ChangeRow::decode(row.value())?)? else { continue };
            bytes += match &item {
                ChangeItem::Statement(sealed) => sealed.body().len(),
                ChangeItem::Leaf { .. } | ChangeItem::Head(_) => 0,
            };
            if changes.len() >= limit || (bytes > CHANGES_BYTES_MAX && !changes.is_empty()) {
                break;
            }
            changes.push(Change { seq: number(seq.value())?, item });
        }
        Ok(changes)
    }

    /// The number of the newest change; 0 when nothing ever changed.
    pub fn last_change(&self) -> Result<u64, StoreError> {
        let next = get_number(&self.read()?.rows(META)?, META_NEXT)?;
        Ok(next.map_or(0, |next| next - 1))
    }

    /// How far follower `name` says that it has come; 0 when it never said.
    pub fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        Ok(get_number(&self.read()?.rows(CURSORS)?, name.as_bytes())?.unwrap_or(0))
    }

    /// Remembers how far follower `name` has come.
    pub fn set_cursor(&self, name: &str, seq: u64) -> Result<(), StoreError> {
        self.write(|tables| {
            put(&mut tables.cursors, name.as_bytes(), &seq.to_be_bytes())?;
            Ok(())
        })
    }

    /// Our own statements that were not announced yet, oldest first, with their change numbers.
    pub fn outbox(&self, limit: usize) -> Result<Vec<(u64, StatementId)>, StoreError> {
        let rows = self.read()?.rows(OUTBOX)?;
        let rows = rows.range::<&[u8]>(..)?.take(limit).map(|row| {
            let (seq, id) = row?;
            Ok((number(seq.value())?, StatementId::from_digest(digest_of(id.value())?)))
        });
        rows.collect()
    }

    /// Takes what was announced out of the outbox: everything up to change `seq`.
    pub fn set_announced(&self, seq: u64) -> Result<(), StoreError> {
        self.write(|tables| {
            tables.outbox.retain(|key, _| number(key).is_ok_and(|there| there > seq))?;
            Ok(())
        })
    }

    /// The statement with this id, if `reader` may see it. Denied and absent look the same.
    pub fn statement_for(
        &self,
        reader: Reader,
        id: &StatementId,
    ) -> Result<Option<SealedStatement>, StoreError> {
        let view = self.read()?;
        let sealed = record(&view.rows(RECORDS)?, id)?;
        match sealed {
            Some(sealed) if Sight::new(&view, reader)?.shows(&sealed)? => Ok(Some(sealed)),
            _ => Ok(None),
        }
    }
}

type Records = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What one reader may see.
struct Sight {
    reader: Reader,
    records: Records,
    leaves: Records,
    logs: Records,
    versions: Records,
}

impl Sight {
    fn new(view: &View, reader: Reader) -> Result<Self, StoreError> {
        Ok(Self {
            reader,
            records: view.rows(RECORDS)?,
            leaves: view.rows(LEAVES)?,
            logs: view.rows(LOGS)?,
            versions: view.rows(VERSIONS)?,
        })
    }

    /// A change as the reader may see it; `None` when there is nothing to tell any more.
    fn item(&self, change: &ChangeRow) -> Result<Option<ChangeItem>, StoreError> {
        match change {
            ChangeRow::Statement { id, log, seq } => {
                let sealed =
                    record(&self.records, id)?.ok_or(StoreError::damaged("a missing record"))?;
                if self.shows(&sealed)? {
                    return Ok(Some(ChangeItem::Statement(sealed)));
                }
                // A rival would only contradict the leaf that the head vouches for.
                let current = self.leaf(log, *seq)?.filter(|leaf| leaf.hash == sealed.leaf());
                Ok(current.map(|leaf| ChangeItem::Leaf { log: *log, seq: *seq, hash: leaf.hash }))
            }
            // Also when the statement came in later, which a change of its own tells: the head in
            // between needs the leaf. A hash that was dropped is gone.
            ChangeRow::Leaf { log, seq } => {
                let leaf = self.leaf(log, *seq)?;
                Ok(leaf.map(|leaf| ChangeItem::Leaf { log: *log, seq: *seq, hash: leaf.hash }))
            }
            ChangeRow::Head(log) => {
                let row = get(&self.logs, &log.row_key())?.ok_or(StoreError::damaged("a log"))?;
                let head = SealedHead::decode(&LogRow::decode(&row)?.head);
                Ok(Some(ChangeItem::Head(head.map_err(|_| StoreError::damaged("a head"))?)))
            }
        }
    }

    fn leaf(&self, log: &LogId, seq: u64) -> Result<Option<Leaf>, StoreError> {
        let row = get(&self.leaves, &leaf_key(log, seq))?;
        Ok(row.map(|row| Leaf::decode_all(&row)).transpose()?.map(|leaves| leaves[0]))
    }

    /// Whether the reader may see a statement: a release it may read, and what speaks of one.
    fn shows(&self, sealed: &SealedStatement) -> Result<bool, StoreError> {
        if matches!(self.reader, Reader::Local) {
            return Ok(true);
        }
        let statement = Statement::decode(sealed.kind(), sealed.body())
            .map_err(|_| StoreError::damaged("a record"))?;
        let (publisher, name, version) = match statement {
            Statement::Inception(_) => return Ok(true),
            Statement::Release(release) => return Ok(release.permission.may_read(self.reader)),
            Statement::Channel(moved) => (moved.publisher, moved.name, moved.version),
            Statement::Yank(yank) => (yank.publisher, yank.name, yank.version),
        };
        let key = package_item_key(&PackageId { publisher, name }, &version.to_string());
        let Some(row) = get(&self.versions, &key)? else { return Ok(true) };
        for id in decode_ids(&row)?.0 {
            if !derived::release(&self.records, &id)?.permission.may_read(self.reader) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
