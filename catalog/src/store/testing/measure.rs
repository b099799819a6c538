//! Numbers for the record: `cargo test --release -p catalog --lib measure_store -- --ignored
//! --nocapture`, in the folder whose disk is to be measured.

use std::time::{Duration, Instant};

use redb::{ReadableTableMetadata, TableHandle};

use super::{NOW, publisher, release};
use crate::permission::Reader;
use crate::statement::{SealedStatement, Statement};
use crate::store::tables::{CHANGES, FACETS, ITEMS, LEAVES, NAMES, RECORDS, ROOTS, VERSIONS};
use crate::store::{Incoming, ItemSet, Store};

const RELEASES: u64 = 10_000;
const APPENDS: u64 = 300;

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[test]
#[ignore = "a measurement"]
fn measure_store() {
    let dir = tempfile::tempdir_in(std::env::var_os("CATALOG_MEASURE_DIR").unwrap_or(".".into()));
    let (dir, acme) = (dir.unwrap(), publisher("acme"));
    let (store, took) = timed(|| Store::open(&dir.path().join("one")).unwrap());
    eprintln!("open a new store: {took:?}");
    let ((), took) = timed(|| {
        for patch in 0..APPENDS {
            store.publish(&acme, "graphdb", &format!("1.0.{patch}"));
        }
    });
    eprintln!("append: {:.0} each second", APPENDS as f64 / took.as_secs_f64());

    let mut items = vec![Incoming::Statement(acme.inception().clone())];
    for seq in 1..=RELEASES {
        let name = format!("package-{}", seq % 1000);
        let release = release(&acme, seq, &name, &format!("1.0.{seq}"), "");
        let sealed = SealedStatement::seal(&Statement::Release(release), acme.key()).unwrap();
        items.push(Incoming::Statement(sealed));
    }
    let store = Store::open(&dir.path().join("two")).unwrap();
    let (accepted, took) = timed(|| store.accept(items.clone(), NOW).unwrap());
    assert_eq!(accepted.new as u64, RELEASES + 1);
    eprintln!("accept, one batch: {:.0} each second", RELEASES as f64 / took.as_secs_f64());
    let (_, took) = timed(|| store.accept(items.clone(), NOW).unwrap());
    eprintln!("accept again: {:.0} each second", RELEASES as f64 / took.as_secs_f64());
    let (faults, took) = timed(|| store.verify().unwrap());
    assert_eq!(faults, []);
    eprintln!("verify {RELEASES} releases: {took:?}");

    let txn = store.0.database.begin_write().unwrap();
    for table in [RECORDS, LEAVES, CHANGES, ITEMS, FACETS, ROOTS, VERSIONS, NAMES] {
        let stats = txn.open_table(table).unwrap().stats().unwrap();
        let [stored, rest] =
            [stats.stored_bytes(), stats.metadata_bytes() + stats.fragmented_bytes()]
                .map(|bytes| bytes / RELEASES);
        eprintln!("{}: {stored} + {rest} bytes each", table.name());
    }
    txn.abort().unwrap();
    let snapshot = store.snapshot().unwrap();
    let (changes, took) = timed(|| snapshot.item_changes(0, usize::MAX).unwrap().len());
    eprintln!("{changes} item changes: {took:?}");
    let (ids, took) = timed(|| snapshot.ids(ItemSet::Log, &[0; 32], 0, usize::MAX).unwrap());
    eprintln!("{} ids: {took:?}", ids.len());
    let ((), took) = timed(|| {
        for id in &ids {
            snapshot.payload(Reader::Local, id).unwrap();
        }
    });
    eprintln!("payload: {:.1} us each", took.as_secs_f64() * 1e6 / ids.len() as f64);
    drop(snapshot);

    // What a kill leaves: the file as it is while the store is open.
    let killed = dir.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    let file = std::fs::copy(dir.path().join("two/catalog.redb"), killed.join("catalog.redb"));
    eprintln!("file of {RELEASES} releases: {} KiB", file.unwrap() / 1024);
    let (store_after_kill, took) = timed(|| Store::open(&killed).unwrap());
    eprintln!("open after a kill: {took:?}");
    let ((), took) = timed(|| drop(store_after_kill));
    eprintln!("close: {took:?}");
    let (reopened, took) = timed(|| Store::open(&killed).unwrap());
    eprintln!("open after a close: {took:?}");
    let reference = "package-7".parse().unwrap();
    let (found, took) = timed(|| reopened.resolve_reference(&reference));
    found.unwrap();
    eprintln!("resolve a bare name: {took:?}");
    let (packages, took) = timed(|| reopened.packages().unwrap());
    eprintln!("list {} packages: {took:?}", packages.len());
}
