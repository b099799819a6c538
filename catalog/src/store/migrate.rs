//! Brings a store that an earlier version wrote to the layout of this one, in one transaction.
//!
//! A power cut on the way leaves the old store, whole. What changes mean to followers stays: their
//! cursors go on counting.

use std::borrow::Cow;

use super::batch::record;
use super::items::replay;
use super::rows::{Leaf, LogRow, Reader, Told, head_of, statement_id};
use super::tables::{
    self, FORMAT, LogId, META_FORMAT, RECORDS, Tables, all, number, of_leaf_key, put, with_prefix,
};
use super::{StoreError, View};
use crate::log::LogTree;
use crate::statement::Statement;

/// Migrates from format 1.
///
/// - `view`: the store as it was before the transaction.
pub(super) fn run(view: &View, tables: &mut Tables<'_>) -> Result<(), StoreError> {
    let logs = view.rows(tables::LOGS)?;
    for row in all(&logs)? {
        let (key, row) = row?;
        let log = LogId::of_row_key(key.value())?;
        let mut row = log_row(row.value())?;
        row.contested = contested(view, &log)?;
        put(&mut tables.logs, key.value(), &row.encode())?;
    }
    let changes = view.rows(tables::CHANGES)?;
    let told = all(&changes)?.map(|row| {
        let (key, row) = row?;
        Ok((number(key.value())?, told(row.value())?))
    });
    let records = view.rows(RECORDS)?;
    replay(view, tables, told, &|id, _, _| {
        let Some(sealed) = record(&records, id)? else { return Ok(None) };
        let statement = Statement::decode(sealed.kind(), sealed.body())
            .map_err(|_| StoreError::damaged("a record"))?;
        Ok(Some((sealed.leaf(), Cow::Owned(statement))))
    })?;
    put(&mut tables.meta, META_FORMAT, &FORMAT.to_be_bytes())
}

/// A log as format 1 had it: without heads that are ahead of the leaves.
fn log_row(row: &[u8]) -> Result<LogRow, StoreError> {
    let mut row = Reader(row);
    let mut read = LogRow {
        contiguous: row.number()?,
        unvouched: row.number()?,
        head_change: row.number()?,
        tree: LogTree::decode(row.sized()?).map_err(|_| StoreError::damaged("a log's tree"))?,
        head: row.sized()?.to_vec(),
        ..LogRow::default()
    };
    let rival = head_of(row.sized()?)?;
    row.end()?;
    if let Some(rival) = rival {
        read.merge(&rival)?;
        read.prove(&[rival]);
    }
    Ok(read)
}

/// One more than the first position that was given to two statements; 0 when there is none.
fn contested(view: &View, log: &LogId) -> Result<u64, StoreError> {
    let leaves = view.rows(tables::LEAVES)?;
    for row in with_prefix(&leaves, &log.row_key())? {
        let (place, row) = row?;
        if Leaf::decode_all(row.value())?.len() > 1 {
            return Ok(of_leaf_key(place.value())?.1 + 1);
        }
    }
    Ok(0)
}

/// A change as format 1 had it: without the sets that its item entered. Bare hashes were told of
/// when they came; now they are when a head vouches for them, and the others are dropped.
fn told(row: &[u8]) -> Result<Told, StoreError> {
    let mut row = Reader(row);
    match row.byte()? {
        1 => {
            let id = statement_id(row.array()?);
            let (log, seq) = of_leaf_key(row.0)?;
            Ok(Told::Statement { id, log, seq })
        }
        2 => of_leaf_key(row.0).map(|(log, seq)| Told::Leaf { log, seq }),
        3 => LogId::of_row_key(row.0).map(Told::Head),
        _ => Err(StoreError::damaged("a change")),
    }
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableDatabase, ReadableTable};

    use super::super::rows::ChangeRow;
    use super::super::tables::{CHANGES, LOGS, META, from, get, get_number};
    use super::super::testing::{NOW, publisher, release, yank};
    use super::super::{ItemSet, Store};
    use super::*;
    use crate::permission::{NodeId, Permission, Reader};

    /// Makes format 1 of what a store holds: as the last version of that format wrote it.
    fn downgrade(database: &Database) {
        let txn = database.begin_write().unwrap();
        for table in [tables::ITEMS, tables::BARE, tables::AWAITED, tables::FACETS] {
            txn.delete_table(table).unwrap();
        }
        txn.delete_table(tables::FOLLOWERS).unwrap();
        {
            let view = View(database.begin_read().unwrap());
            let mut logs = txn.open_table(LOGS).unwrap();
            for row in all(&view.rows(LOGS).unwrap()).unwrap() {
                let (key, row) = row.unwrap();
                let row = LogRow::decode(row.value()).unwrap();
                let mut old = Vec::new();
                for number in [row.contiguous, row.unvouched, row.head_change] {
                    old.extend(number.to_be_bytes());
                }
                let rival = row.proof.last().cloned().unwrap_or_default();
                for bytes in [&row.tree.encode(), &row.head, &rival] {
                    old.extend((bytes.len() as u32).to_be_bytes());
                    old.extend_from_slice(bytes);
                }
                logs.insert(key.value(), old.as_slice()).unwrap();
            }
            let mut changes = txn.open_table(CHANGES).unwrap();
            for row in all(&view.rows(CHANGES).unwrap()).unwrap() {
                let (key, row) = row.unwrap();
                let mut old = row.value().to_vec();
                old.remove(1);
                changes.insert(key.value(), old.as_slice()).unwrap();
            }
            let mut meta = txn.open_table(META).unwrap();
            meta.insert(META_FORMAT, 1u32.to_be_bytes().as_slice()).unwrap();
        }
        txn.commit().unwrap();
    }

    fn filled(store: &Store) {
        let (acme, other) = (publisher("acme"), publisher("other"));
        store.publish(&acme, "graphdb", "1.0.0");
        store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true)).unwrap();
        let theirs = super::super::testing::store();
        let build = |seq| {
            let permission = Permission::Restricted([NodeId::from_bytes([1; 32])].into());
            let release = release(&other, seq, "hidden", "1.0.0", "");
            Statement::Release(crate::Release { permission, ..release })
        };
        theirs.append(&other, NOW, build).unwrap();
        theirs.publish(&other, "graphdb", "2.0.0");
        let sent = theirs.sent_to(Reader::Node(NodeId::from_bytes([2; 32])), 0);
        store.accept(sent, NOW).unwrap();
    }

    #[test]
    fn a_store_of_format_1_gets_everything_that_later_versions_derive() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        filled(&store);
        let (epoch, changes) = (store.epoch(), store.changes(0, 100).unwrap());
        let ids = |store: &Store, set| {
            store.snapshot().unwrap().ids(set, &[0; 32], 0, usize::MAX).unwrap()
        };
        let before = [ItemSet::Urgent, ItemSet::Log].map(|set| ids(&store, set));
        drop(store);
        let database = Database::open(dir.path().join("catalog.redb")).unwrap();
        downgrade(&database);
        // A hash that no head vouched for was told of in format 1, and one that was dropped since.
        let txn = database.begin_write().unwrap();
        {
            let mut changes = txn.open_table(CHANGES).unwrap();
            let (_, last) = changes.range::<&[u8]>(..).unwrap().next_back().unwrap().unwrap();
            let log = last.value()[1..65].to_vec();
            drop(last);
            let mut meta = txn.open_table(META).unwrap();
            let next = get_number(&meta, tables::META_NEXT).unwrap().unwrap();
            let row = [&[2], log.as_slice(), &77u64.to_be_bytes()].concat();
            changes.insert(next.to_be_bytes().as_slice(), row.as_slice()).unwrap();
            meta.insert(tables::META_NEXT, (next + 1).to_be_bytes().as_slice()).unwrap();
        }
        txn.commit().unwrap();
        drop(database);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify().unwrap(), []);
        assert_eq!((store.epoch(), store.changes(0, 100).unwrap()), (epoch, changes));
        assert_eq!([ItemSet::Urgent, ItemSet::Log].map(|set| ids(&store, set)), before);
        store.publish(&publisher("acme"), "graphdb", "3.0.0");
        assert_eq!(store.verify().unwrap(), []);
        drop(store);
        assert_eq!(Store::open(dir.path()).unwrap().verify().unwrap(), [], "only once");
    }

    #[test]
    fn what_format_1_told_late_is_told_again() {
        let (acme, theirs) = (publisher("acme"), super::super::testing::store());
        theirs.publish(&acme, "graphdb", "1.0.0");
        theirs.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true)).unwrap();
        let mut sent = theirs.sent_to(Reader::Local, 0);
        let release = sent.remove(1);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.accept(sent, NOW).unwrap();
        store.accept(vec![release], NOW).unwrap();
        drop(store);
        let database = Database::open(dir.path().join("catalog.redb")).unwrap();
        downgrade(&database);
        // The yank was not told of a second time.
        let txn = database.begin_write().unwrap();
        {
            let view = View(database.begin_read().unwrap());
            let last = get_number(&view.rows(META).unwrap(), tables::META_NEXT).unwrap().unwrap();
            let mut changes = txn.open_table(CHANGES).unwrap();
            changes.remove((last - 1).to_be_bytes().as_slice()).unwrap();
        }
        txn.commit().unwrap();
        drop(database);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify().unwrap(), []);
        let changes = store.0.database.begin_read().map(View).unwrap().rows(CHANGES).unwrap();
        let last = from(&changes, &[]).unwrap().next_back().unwrap().unwrap();
        let row = ChangeRow::decode(last.1.value()).unwrap();
        assert!(row.entered.urgent && matches!(row.told, Told::Statement { .. }), "{row:?}");
        assert!(get(&changes, &0u64.to_be_bytes()).unwrap().is_none());
    }
}
