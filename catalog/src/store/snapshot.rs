//! A consistent view of what this store could send, as of one moment.
//!
//! An exchange with a peer takes many round trips and sees the same items in all of them, however
//! much is written meanwhile. While a snapshot lives, the database cannot reuse the pages that it
//! sees: it is for one exchange, not for keeps.

use std::sync::Arc;

use super::batch::record;
use super::changes::{Change, ChangeItem, Class, Sight};
use super::items::{ItemSet, item_key, item_of_head};
use super::rows::{ChangeRow, Entered, Leaf, LogRow, Told};
use super::tables::{self, LogId, from, get, get_number, leaf_key, number, with_prefix};
use super::{Store, StoreError};
use crate::facet::Facet;
use crate::head::SealedHead;
use crate::item::ItemId;
use crate::permission::Reader;
use crate::register::SealedRegister;
use crate::statement::StatementId;
use crate::time::Timestamp;

type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The tables that are read for others, as of one moment. Clones are the same one.
///
/// What others may read of it can depend on the time: [`at`](Self::at) says which it is. Until then
/// it is the end of time, when every grant that can expire has.
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>, Timestamp);

struct Inner {
    epoch: [u8; 16],
    last_change: u64,
    registers_version: u64,
    records: Rows,
    leaves: Rows,
    logs: Rows,
    versions: Rows,
    items: Rows,
    bare: Rows,
    facets: Rows,
    grants: Rows,
    keys: Rows,
    changes: Rows,
    registers: Rows,
    register_items: Rows,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot(at {})", self.0.last_change)
    }
}

/// What entered a set of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// A position of a log entered a set, for good.
    Leaf {
        /// The change by which it entered; ask for what comes after it.
        seq: u64,
        /// The set.
        set: ItemSet,
        /// The item.
        item: ItemId,
        /// The log that it stands in.
        log: LogId,
    },
    /// These are the heads of a log in [`ItemSet::Urgent`] from now on. They take the place of
    /// those that were told of before.
    Heads {
        /// The change by which they entered; ask for what comes after it.
        seq: u64,
        /// Whose heads they are.
        log: LogId,
        /// The largest one, or two of one size that exclude each other; of a forked log also those
        /// that prove it, and one to rely on.
        items: Vec<ItemId>,
    },
}

impl ItemChange {
    /// The number of the change; ask for what comes after it.
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Leaf { seq, .. } | Self::Heads { seq, .. } => *seq,
        }
    }
}

impl Store {
    /// What the store holds at this moment.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let view = self.read()?;
        let meta = view.rows(tables::META)?;
        let next = get_number(&meta, tables::META_NEXT)?;
        let registers_version = get_number(&meta, tables::META_REGISTERS)?;
        let inner = Inner {
            epoch: self.epoch(),
            last_change: next.map_or(0, |next| next - 1),
            registers_version: registers_version.unwrap_or_default(),
            records: view.rows(tables::RECORDS)?,
            leaves: view.rows(tables::LEAVES)?,
            logs: view.rows(tables::LOGS)?,
            versions: view.rows(tables::VERSIONS)?,
            items: view.rows(tables::ITEMS)?,
            bare: view.rows(tables::BARE)?,
            facets: view.rows(tables::FACETS)?,
            grants: view.rows(tables::GRANTS)?,
            keys: view.rows(tables::KEYS)?,
            changes: view.rows(tables::CHANGES)?,
            registers: view.rows(tables::REGISTERS)?,
            register_items: view.rows(tables::REGISTER_ITEMS)?,
        };
        Ok(Snapshot(Arc::new(inner), Timestamp::from_millis(u64::MAX)))
    }
}

impl Snapshot {
    /// The same view for readers who ask at this time.
    pub fn at(self, now: Timestamp) -> Self {
        Self(self.0, now)
    }

    pub(super) fn time(&self) -> Timestamp {
        self.1
    }

    /// The epoch of the store: [`Store::epoch`].
    pub fn epoch(&self) -> [u8; 16] {
        self.0.epoch
    }

    /// The number of the newest change; 0 when nothing ever changed.
    pub fn last_change(&self) -> u64 {
        self.0.last_change
    }

    /// Another number whenever the registers are others.
    pub fn registers_version(&self) -> u64 {
        self.0.registers_version
    }

    /// What entered the sets after change `since`, oldest first, each item once.
    ///
    /// Whoever applies all of it in order, beginning at 0, has the items of [`ids`](Self::ids).
    ///
    /// - `limit`: how many at most, or one more: one change can enter both sets.
    /// - result: empty when there is nothing more.
    pub fn item_changes(&self, since: u64, limit: usize) -> Result<Vec<ItemChange>, StoreError> {
        let mut entered = Vec::new();
        let Some(first) = since.checked_add(1) else { return Ok(entered) };
        for row in from(&self.0.changes, &first.to_be_bytes())? {
            if entered.len() >= limit {
                break;
            }
            let (seq, row) = row?;
            let (seq, row) = (number(seq.value())?, ChangeRow::decode(row.value())?);
            if row.entered == Entered::default() {
                continue;
            }
            let (item, log) = match row.told {
                Told::Head(log) => {
                    let items = self.heads(&log)?.iter().map(item_of_head).collect();
                    entered.push(ItemChange::Heads { seq, log, items });
                    continue;
                }
                Told::Leaf { log, seq } | Told::Vouched { log, seq } => {
                    let leaf = self.leaves(&log, seq)?.first().copied();
                    let hash = leaf.ok_or(StoreError::damaged("a leaf"))?.hash;
                    (ItemId::of_leaf(&log, seq, &hash), log)
                }
                Told::Statement { id, log, seq } | Told::Decided { id, log, seq } => {
                    (self.item(&log, seq, &id)?, log)
                }
            };
            let leaf = |set| ItemChange::Leaf { seq, set, item, log };
            entered.extend(row.entered.urgent.then(|| leaf(ItemSet::Urgent)));
            entered.extend(row.entered.log.then(|| leaf(ItemSet::Log)));
        }
        Ok(entered)
    }

    /// The item of a statement.
    fn item(&self, log: &LogId, seq: u64, id: &StatementId) -> Result<ItemId, StoreError> {
        let leaves = self.leaves(log, seq)?;
        let hash = match leaves.iter().find(|leaf| leaf.statement == Some(*id)) {
            Some(leaf) => leaf.hash,
            // One of several rivals.
            None => {
                record(&self.0.records, id)?.ok_or(StoreError::damaged("a missing record"))?.leaf()
            }
        };
        Ok(ItemId::of_leaf(log, seq, &hash))
    }

    /// The items of a set that begin with the first `bits` bits of `prefix`, ascending.
    ///
    /// - `bits`: 0 to 256.
    /// - `limit`: how many at most.
    pub fn ids(
        &self,
        set: ItemSet,
        prefix: &[u8; 32],
        bits: usize,
        limit: usize,
    ) -> Result<Vec<ItemId>, StoreError> {
        let (whole, rest) = (bits.min(256) / 8, bits.min(256) % 8);
        let mut first = *prefix;
        first[whole..].fill(0);
        let mut last = first;
        last[whole..].fill(0xff);
        if rest > 0 {
            let mask = 0xff_u8 << (8 - rest);
            first[whole] = prefix[whole] & mask;
            last[whole] = first[whole] | !mask;
        }
        if set == ItemSet::Registers {
            let rows = self.0.register_items.range::<&[u8]>(first.as_slice()..=last.as_slice());
            let rows = rows.map_err(StoreError::database)?.take(limit);
            let items = rows.map(|row| item_of(row.map_err(StoreError::database)?.0.value()));
            return items.collect();
        }
        let [first, last] = [first, last].map(|bytes| item_key(set, &ItemId::from_bytes(bytes)));
        let rows = self.0.items.range::<&[u8]>(first.as_slice()..=last.as_slice());
        let rows = rows.map_err(StoreError::database)?.take(limit);
        rows.map(|row| item_of(&row.map_err(StoreError::database)?.0.value()[1..])).collect()
    }

    /// The items of the public releases that have a facet, ascending.
    pub fn facet_ids(
        &self,
        facet: Facet,
    ) -> Result<impl Iterator<Item = Result<ItemId, StoreError>> + '_, StoreError> {
        let rows = with_prefix(&self.0.facets, facet.as_bytes())?;
        Ok(rows.map(|row| item_of(&row?.0.value()[8..])))
    }

    /// What `reader` gets for an item: the head or the statement, or the bare hash where it may
    /// not read the statement. `None` when there is no such item, or nothing to show of it.
    pub fn payload(&self, reader: Reader, item: &ItemId) -> Result<Option<ChangeItem>, StoreError> {
        let Some(change) = self.told_at(item)? else { return Ok(None) };
        let row = get(&self.0.changes, &change.to_be_bytes())?;
        let row = ChangeRow::decode(&row.ok_or(StoreError::damaged("a change"))?)?;
        Sight { reader, at: self }.item(&row.told, item)
    }

    /// The change that told of an item; `None` when there is no such item.
    pub fn told_at(&self, item: &ItemId) -> Result<Option<u64>, StoreError> {
        for set in [ItemSet::Log, ItemSet::Urgent] {
            let told = get_number(&self.0.items, &item_key(set, item))?;
            if told.is_some() {
                return Ok(told);
            }
        }
        Ok(None)
    }

    /// What changed after `since` as `reader` may see it, oldest first.
    ///
    /// In [`Class::All`], whoever has taken in everything up to a head that it can check has every
    /// leaf that the head vouches for.
    ///
    /// - `limit`: how many at most, or the heads of one log; fewer come when they are large, so that
    ///   whoever gets them can take them in at once ([`BATCH_BYTES_MAX`](super::BATCH_BYTES_MAX)).
    /// - result: empty when there is nothing more.
    pub fn changes_for(
        &self,
        reader: Reader,
        since: u64,
        limit: usize,
        class: Class,
    ) -> Result<Vec<Change>, StoreError> {
        let sight = Sight { reader, at: self };
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let Some(first) = since.checked_add(1) else { return Ok(changes) };
        for row in from(&self.0.changes, &first.to_be_bytes())? {
            let (seq, row) = row?;
            if !class.takes(ChangeRow::peek(row.value())?) {
                continue;
            }
            let seq = number(seq.value())?;
            let items = sight.items(&ChangeRow::decode(row.value())?.told)?;
            bytes += items.iter().map(ChangeItem::bytes).sum::<usize>();
            let full = changes.len() + items.len() > limit || bytes > super::BATCH_BYTES_MAX;
            // Never a part of what one change tells: whoever asks goes on behind it.
            if full && !changes.is_empty() {
                break;
            }
            changes.extend(items.into_iter().map(|item| Change { seq, item }));
            if full {
                break;
            }
        }
        Ok(changes)
    }

    /// The positions of which only the hash is known here, by the change that told of them: others
    /// may be able to show what stands there.
    ///
    /// - `after`: only those told of after this change.
    pub fn bare_leaves(&self, after: u64, limit: usize) -> Result<Vec<(u64, ItemId)>, StoreError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        from(&self.0.bare, &first.to_be_bytes())?
            .take(limit)
            .map(|row| {
                let (change, item) = row?;
                Ok((number(change.value())?, item_of(item.value())?))
            })
            .collect()
    }

    /// The register that an item of [`ItemSet::Registers`] stands for.
    pub fn register(&self, item: &ItemId) -> Result<Option<SealedRegister>, StoreError> {
        let Some(key) = get(&self.0.register_items, item.as_bytes())? else { return Ok(None) };
        let row = get(&self.0.registers, &key)?.ok_or(StoreError::damaged("a register"))?;
        SealedRegister::decode(&row).map(Some).map_err(|_| StoreError::damaged("a register"))
    }

    pub(super) fn registers(&self) -> &Rows {
        &self.0.registers
    }

    pub(super) fn grants(&self) -> &Rows {
        &self.0.grants
    }

    pub(super) fn keys(&self) -> &Rows {
        &self.0.keys
    }

    pub(super) fn records(&self) -> &Rows {
        &self.0.records
    }

    pub(super) fn versions(&self) -> &Rows {
        &self.0.versions
    }

    /// What stands at a position: nothing, one leaf, or the first two that are at odds.
    pub(super) fn leaves(&self, log: &LogId, seq: u64) -> Result<Vec<Leaf>, StoreError> {
        let row = get(&self.0.leaves, &leaf_key(log, seq))?;
        row.map_or_else(|| Ok(Vec::new()), |row| Leaf::decode_all(&row))
    }

    /// The heads of a log that everybody should see.
    pub(super) fn heads(&self, log: &LogId) -> Result<Vec<SealedHead>, StoreError> {
        let row = get(&self.0.logs, &log.row_key())?.ok_or(StoreError::damaged("a log"))?;
        LogRow::decode(&row)?.heads()
    }
}

fn item_of(bytes: &[u8]) -> Result<ItemId, StoreError> {
    bytes.try_into().map(ItemId::from_bytes).map_err(|_| StoreError::damaged("an item"))
}
