//! Brings a store that an earlier version wrote to the layout of this one, in one transaction.
//!
//! A power cut on the way leaves the old store, whole. What changes mean to followers stays: their
//! cursors go on counting, but for those that keep rows of their own here. They begin again, since
//! what is an item, and when it became one, is not what it was.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::batch::record;
use super::items::replay;
use super::rows::{ChangeRow, Leaf, LogRow, Reader, Told, head_of, statement_id};
use super::tables::{
    self, FORMAT, LogId, META_FORMAT, RECORDS, Tables, all, get, number, of_leaf_key, put, remove,
    remove_all, with_prefix,
};
use super::{StoreError, View};
use crate::log::LogTree;
use crate::statement::Statement;

/// Migrates from formats 1 to 4. Formats 3 and 4 differ from this one only in what follows from
/// statements.
///
/// - `view`: the store as it was before the transaction.
pub(super) fn run(view: &View, tables: &mut Tables<'_>) -> Result<(), StoreError> {
    let format = get(&view.rows(tables::META)?, META_FORMAT)?;
    let is = |number: u32| format.as_deref() == Some(&number.to_be_bytes());
    let is_first = is(1);
    let logs = view.rows(tables::LOGS)?;
    for row in all(&logs)? {
        let (key, row) = row?;
        let log = LogId::of_row_key(key.value())?;
        let mut row = match is_first {
            _ if is(3) || is(4) => LogRow::decode(row.value()),
            true => first_log_row(row.value()),
            false => second_log_row(row.value()),
        }?;
        if let Some(seq) = contested(view, &log)? {
            row.contest(seq)?;
        }
        put(&mut tables.logs, key.value(), &row.encode())?;
    }
    for name in followers(tables)? {
        remove(&mut tables.cursors, &name)?;
    }
    remove_all(&mut tables.followers, &[])?;
    let changes = view.rows(tables::CHANGES)?;
    let told = all(&changes)?.map(|row| {
        let (key, row) = row?;
        let told =
            if is_first { told(row.value()) } else { Ok(ChangeRow::decode(row.value())?.told) };
        Ok((number(key.value())?, told?))
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
fn first_log_row(row: &[u8]) -> Result<LogRow, StoreError> {
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
        read.prove(&[rival])?;
    }
    Ok(read)
}

/// A log as format 2 had it: without a head to rely on, and with the proof of a fork that came
/// first, which may be the newest heads themselves.
fn second_log_row(row: &[u8]) -> Result<LogRow, StoreError> {
    let mut row = Reader(row);
    let (contiguous, unvouched, head_change) = (row.number()?, row.number()?, row.number()?);
    let _contested = row.number()?;
    let tree = LogTree::decode(row.sized()?).map_err(|_| StoreError::damaged("a log's tree"))?;
    let (head, newest, evidence) = (row.sized()?.to_vec(), row.notes()?, row.notes()?);
    row.end()?;
    let mut read =
        LogRow { contiguous, unvouched, head_change, tree, head, newest, ..LogRow::default() };
    let newest = read.promised()?;
    let size_of = |note: &[u8]| Ok::<_, StoreError>(head_of(note)?.map(|head| head.peek().size));
    match evidence.as_slice() {
        [one, _] if size_of(one)? == Some(newest) => {}
        _ => read.evidence = evidence,
    }
    Ok(read)
}

/// The first position that was given to two statements.
fn contested(view: &View, log: &LogId) -> Result<Option<u64>, StoreError> {
    let leaves = view.rows(tables::LEAVES)?;
    for row in with_prefix(&leaves, &log.row_key())? {
        let (place, row) = row?;
        if Leaf::decode_all(row.value())?.len() > 1 {
            return Ok(Some(of_leaf_key(place.value())?.1));
        }
    }
    Ok(None)
}

/// The names of those who keep rows in the store.
fn followers(tables: &Tables<'_>) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let mut names = BTreeSet::new();
    for row in all(&tables.followers)? {
        let key = row?.0;
        let name =
            key.value().split_first().and_then(|(length, rest)| rest.get(..*length as usize));
        names.extend(name.map(<[u8]>::to_vec));
    }
    Ok(names)
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

    use super::super::tables::{CHANGES, LOGS, META, from, get_number};
    use super::super::testing::{NOW, publisher, release, yank};
    use super::super::{ItemSet, Store};
    use super::*;
    use crate::permission::{NodeId, Permission, Reader};

    /// Makes format 1 of what a store holds: as the last version of that format wrote it.
    fn downgrade_to_1(database: &Database) {
        let later = [
            tables::ITEMS,
            tables::BARE,
            tables::AWAITED,
            tables::FACETS,
            tables::FOLLOWERS,
            tables::GRANTS,
            tables::ATTESTATIONS,
            tables::KEYS,
            tables::CARRIED,
        ];
        let log = |row: &LogRow| {
            let rival = row.evidence.last().cloned().unwrap_or_default();
            let numbers = [row.contiguous, row.unvouched, row.head_change];
            old_row(&numbers, &[&row.tree.encode(), &row.head, &rival])
        };
        downgrade(database, 1, &later, log, |row| Some([&row[..1], &row[2..]].concat()));
    }

    /// Makes format 2 of what a store holds. Its items were others, but it derives them anew.
    fn downgrade_to_2(database: &Database) {
        let log = |row: &LogRow| {
            let proof = if row.newest.len() > 1 { &row.newest } else { &row.evidence };
            let note = |notes: &[Vec<u8>], at: usize| notes.get(at).cloned().unwrap_or_default();
            let [one, other] = [0, 1].map(|at| note(&row.newest, at));
            let [first, second] = [0, 1].map(|at| note(proof, at));
            let numbers = [row.contiguous, row.unvouched, row.head_change, row.contested];
            old_row(&numbers, &[&row.tree.encode(), &row.head, &one, &other, &first, &second])
        };
        let later =
            [tables::RIVALS, tables::GRANTS, tables::ATTESTATIONS, tables::KEYS, tables::CARRIED];
        downgrade(database, 2, &later, log, |row| (row[0] < 4).then(|| row.to_vec()));
    }

    /// Rewrites a store as an earlier format had it.
    ///
    /// - `later`: tables that it did not have.
    /// - `log`: writes a row of the logs.
    /// - `change`: writes a change; `None` for one that it did not tell of.
    fn downgrade(
        database: &Database,
        format: u32,
        later: &[tables::Definition],
        log: impl Fn(&LogRow) -> Vec<u8>,
        change: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        let view = View(database.begin_read().unwrap());
        let txn = database.begin_write().unwrap();
        for table in later {
            txn.delete_table(*table).unwrap();
        }
        {
            let mut logs = txn.open_table(LOGS).unwrap();
            for row in all(&view.rows(LOGS).unwrap()).unwrap() {
                let (key, row) = row.unwrap();
                let old = log(&LogRow::decode(row.value()).unwrap());
                logs.insert(key.value(), old.as_slice()).unwrap();
            }
            let mut changes = txn.open_table(CHANGES).unwrap();
            for row in all(&view.rows(CHANGES).unwrap()).unwrap() {
                let (key, row) = row.unwrap();
                match change(row.value()) {
                    Some(old) => drop(changes.insert(key.value(), old.as_slice()).unwrap()),
                    None => drop(changes.remove(key.value()).unwrap()),
                }
            }
            let mut meta = txn.open_table(META).unwrap();
            meta.insert(META_FORMAT, format.to_be_bytes().as_slice()).unwrap();
        }
        txn.commit().unwrap();
    }

    /// A row of numbers, and of notes behind their lengths.
    fn old_row(numbers: &[u64], notes: &[&[u8]]) -> Vec<u8> {
        let mut row: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        for note in notes {
            row.extend((note.len() as u32).to_be_bytes());
            row.extend_from_slice(note);
        }
        row
    }

    #[test]
    fn a_store_of_format_2_has_the_same_items_and_its_followers_begin_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        filled(&store);
        let (acme, eve) = (publisher("acme"), publisher("eve"));
        store
            .append(&acme, NOW, |seq| {
                let permission = Permission::Restricted([NodeId::from_bytes([1; 32])].into());
                let release = release(&acme, seq, "secret", "1.0.0", "");
                Statement::Release(crate::Release { permission, ..release })
            })
            .unwrap();
        // And a publisher that signed two histories.
        for content in ["", "other"] {
            let theirs = super::super::testing::store();
            theirs
                .append(&eve, NOW, |seq| {
                    Statement::Release(release(&eve, seq, "db", "1.0.0", content))
                })
                .unwrap();
            store.accept(theirs.sent_to(Reader::Local, 0), NOW).unwrap();
        }
        store.follow("sync", 3, [(b"a", b"b")], []).unwrap();
        store.set_cursor("index", 3).unwrap();
        let ids = |store: &Store, set| {
            store.snapshot().unwrap().ids(set, &[0; 32], 0, usize::MAX).unwrap()
        };
        let before = [ItemSet::Urgent, ItemSet::Log].map(|set| ids(&store, set));
        let logs = store.logs().unwrap();
        drop(store);
        let database = Database::open(dir.path().join("catalog.redb")).unwrap();
        downgrade_to_2(&database);
        drop(database);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify().unwrap(), []);
        assert_eq!([ItemSet::Urgent, ItemSet::Log].map(|set| ids(&store, set)), before);
        assert_eq!(store.logs().unwrap(), logs);
        assert!(logs.iter().any(|log| log.is_forked()));
        let rows = store.follower_rows("sync", &[], |rows| rows.count()).unwrap();
        assert_eq!((rows, store.cursor("index").unwrap()), ((0, 0), 3));
    }

    #[test]
    fn a_store_of_format_3_or_4_gets_the_rows_of_those_who_may_read() {
        let since_3 = [tables::GRANTS, tables::ATTESTATIONS, tables::KEYS, tables::CARRIED];
        gets_the_rows_of_those_who_may_read(3, &since_3);
        gets_the_rows_of_those_who_may_read(4, &since_3[2..]);
    }

    fn gets_the_rows_of_those_who_may_read(format: u32, later: &[tables::Definition]) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let acme = publisher("acme");
        let reader = NodeId::from_bytes([1; 32]);
        let listed = |seq| {
            let permission = Permission::Restricted([reader].into());
            let release = release(&acme, seq, "secret", "1.0.0", "");
            Statement::Release(crate::Release { permission, ..release })
        };
        store.append(&acme, NOW, listed).unwrap();
        let changes = store.changes(0, 100).unwrap();
        drop(store);
        let database = Database::open(dir.path().join("catalog.redb")).unwrap();
        downgrade(&database, format, later, LogRow::encode, |row| Some(row.to_vec()));
        drop(database);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify().unwrap(), []);
        assert_eq!(store.changes(0, 100).unwrap(), changes);
        assert_eq!(store.mentions(&reader).unwrap(), 1);
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
        downgrade_to_1(&database);
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
        downgrade_to_1(&database);
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
