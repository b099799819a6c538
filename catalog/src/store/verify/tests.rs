use super::*;
use crate::permission::{NodeId, Permission, Reader};
use crate::statement::StatementKind;
use crate::store::Incoming;
use crate::store::rows::{Standing, encode_ids};
use crate::store::testing::{NOW, channel, publisher, release, store, yank};
use redb::Database;

fn filled(store: &Store) {
    let acme = publisher("acme");
    store.publish(&acme, "graphdb", "1.0.0");
    store.publish(&acme, "graphdb", "1.1.0");
    store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0")).unwrap();
    store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.1.0", true)).unwrap();
    // Of another publisher a bare hash, and a yank that waits for its release.
    let (theirs, other) = (crate::store::testing::store(), publisher("other"));
    let build = |seq| {
        let permission = Permission::Restricted([NodeId::from_bytes([1; 32])].into());
        let release = release(&other, seq, "hidden", "1.0.0", "");
        Statement::Release(crate::Release { permission, ..release })
    };
    theirs.append(&other, NOW, build).unwrap();
    let stranger = Reader::Node(NodeId::from_bytes([2; 32]));
    store.accept(theirs.sent_to(stranger, 0), NOW).unwrap();
    theirs.publish(&other, "late", "1.0.0");
    theirs.append(&other, NOW, |seq| yank(&other, seq, "late", "1.0.0", true)).unwrap();
    let mut sent = theirs.sent_to(stranger, 0);
    sent.retain(|item| match item {
        Incoming::Statement(sealed) => sealed.kind() != StatementKind::Release,
        Incoming::Leaf { .. } | Incoming::Head(_) => true,
    });
    store.accept(sent, NOW).unwrap();
    assert_eq!(store.verify().unwrap(), []);
}

fn edit(database: &Database, table: Definition, key: &[u8], value: Option<&[u8]>) {
    let txn = database.begin_write().unwrap();
    let mut rows = txn.open_table(table).unwrap();
    match value {
        Some(value) => drop(rows.insert(key, value).unwrap()),
        None => drop(rows.remove(key).unwrap()),
    }
    drop(rows);
    txn.commit().unwrap();
}

fn rows(store: &Store, table: Definition) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = store.read().unwrap().rows(table).unwrap();
    let rows = rows.range::<&[u8]>(..).unwrap().map(|row| row.unwrap());
    rows.map(|(key, value)| (key.value().into(), value.value().into())).collect()
}

/// Threat row 54: whoever edits the file with other tools is found out.
#[test]
fn a_file_that_was_edited_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    filled(&store);
    let (key, mut value) = rows(&store, tables::RECORDS).remove(0);
    drop(store);
    let last = value.len() - 1;
    value[last] ^= 1;
    let database = Database::open(dir.path().join("catalog.redb")).unwrap();
    edit(&database, tables::RECORDS, &key, Some(&value));
    drop(database);
    let faults = Store::open(dir.path()).unwrap().verify().unwrap();
    assert!(faults.iter().any(|fault| fault.key == hex::encode(&key)), "{faults:?}");
}

/// Threat row 54: it is found whatever row it is, and whichever byte.
#[test]
fn every_edited_or_removed_row_that_was_signed_is_found() {
    let store = store();
    filled(&store);
    let database = &store.0.database;
    for table in [
        tables::RECORDS,
        tables::LEAVES,
        tables::LOGS,
        tables::NAMES,
        tables::VERSIONS,
        tables::YANKS,
        tables::CHANNELS,
        tables::ROOTS,
        tables::ITEMS,
        tables::BARE,
        tables::AWAITED,
        tables::FACETS,
        tables::CHANGES,
        tables::PETNAMES,
    ] {
        let all = rows(&store, table);
        assert!(!all.is_empty(), "{table}");
        for (key, value) in all {
            let changed = (0..value.len()).map(|at| {
                let mut changed = value.clone();
                changed[at] ^= 1;
                Some(changed)
            });
            for changed in changed.step_by(5).chain([None]) {
                edit(database, table, &key, changed.as_deref());
                let faults = store.verify().unwrap();
                assert!(!faults.is_empty(), "{table} {} {changed:?}", hex::encode(&key));
                edit(database, table, &key, Some(&value));
            }
        }
    }
    assert_eq!(store.verify().unwrap(), []);
}

/// Threat row 54: rows that nobody signed do not slip in either.
#[test]
fn every_added_row_is_found() {
    let store = store();
    filled(&store);
    let (acme, eve) = (publisher("acme"), publisher("eve"));
    let release = release(&acme, 9, "evil", "1.0.0", "");
    let package = release.package();
    let forged = SealedStatement::seal(&Statement::Release(release), eve.key()).unwrap();
    let id = forged.id();
    for (table, key, value) in [
        (tables::RECORDS, id.as_bytes().to_vec(), forged.encode()),
        (
            tables::VERSIONS,
            tables::package_item_key(&package, "1.0.0"),
            encode_ids(&[id], Standing::Sound),
        ),
        (tables::NAMES, tables::name_key(&package), Vec::new()),
        (tables::PETNAMES, b"bank".to_vec(), eve.publisher().as_bytes().to_vec()),
    ] {
        edit(&store.0.database, table, &key, Some(&value));
        let faults = store.verify().unwrap();
        assert!(faults.iter().any(|fault| fault.key == hex::encode(&key)), "{faults:?}");
        edit(&store.0.database, table, &key, None);
    }
}

#[test]
fn rows_of_this_machine_must_at_least_be_readable() {
    let store = store();
    filled(&store);
    for table in [tables::PEERS, tables::HOLDS, tables::INSTALLS, tables::CURSORS, tables::OUTBOX] {
        edit(&store.0.database, table, b"x", Some(b"y"));
        let faults = store.verify().unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].key.as_str(), faults[0].problem), ("78", Problem::Unreadable));
        edit(&store.0.database, table, b"x", None);
    }
}

/// What is derived again is derived of what is compared, whoever writes meanwhile.
#[test]
fn nothing_is_wrong_with_a_store_that_is_written_to() {
    let (store, acme) = (store(), publisher("acme"));
    store.publish(&acme, "graphdb", "1.0.0");
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for minor in 1..60 {
                store.publish(&acme, "graphdb", &format!("1.{minor}.0"));
            }
        });
        while !publishing.is_finished() {
            assert_eq!(store.verify().unwrap(), []);
        }
    });
}
