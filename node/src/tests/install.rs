//! Publish here, install there.

use std::future::IntoFuture;

use super::fixture::{Events, Machine, draft, noise, reference, simple};
use crate::fetch::{FetchError, TransferProgress};
use crate::install::{ChangeError, InstallError};
use crate::publish::PublishError;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_here_is_found_and_installed_there() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let published = a.publish(simple(a.dir.path(), "graphdb", "1.4.0", 1)).await;
    assert_eq!(published.reference, "acme/graphdb@1.4.0");
    assert_eq!(published.seq, Some(1));

    let connected = b.meet(&a).await;
    assert_eq!(connected.pinned.unwrap().as_str(), "acme");
    assert!(connected.sync.records_new >= 3, "{:?}", connected.sync);
    assert!(connected.sync.bytes_in <= 64 * 1024);

    let found = b.node.search("graphdb").await.unwrap();
    assert_eq!(found.hits[0].reference, "acme/graphdb");
    let events = Events::default();
    let installed =
        b.node.install(&reference("acme/graphdb@^1")).progress(events.recorder()).await.unwrap();
    let path = installed.path.unwrap();
    assert_eq!(std::fs::read(path.join("bin/run")).unwrap(), noise(3_000_000, 1));
    assert_eq!(std::fs::read(path.join("share/empty")).unwrap(), b"");
    assert_eq!(std::fs::read(path.join("README")).unwrap(), b"graphdb 1.4.0");
    assert!(installed.bytes_moved >= 3_200_000);
    let last_moving = events.all().into_iter().rev().find_map(|event| match event {
        TransferProgress::Moving { bytes_done, bytes_total, .. } => Some((bytes_done, bytes_total)),
        _ => None,
    });
    let (done, total) = last_moving.unwrap();
    assert_eq!(done, total);
    assert_eq!(total, installed.size.as_u64());

    // Again: nothing moves, and nothing is written.
    let again = b.node.install(&reference("acme/graphdb@^1")).await.unwrap();
    assert!(again.already);
    assert_eq!(again.bytes_moved, 0);
    let list = b.node.list().await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].path.as_ref(), Some(&path));
    for machine in [a, b] {
        machine.node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_chosen_variant_moves() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let low: &[(&str, Vec<u8>)] = &[("bin/run", noise(2_000_000, 1)), ("doc", noise(1000, 3))];
    let high: &[(&str, Vec<u8>)] = &[("bin/run", noise(9_000_000, 2)), ("doc", noise(1000, 3))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("high", high), ("low", low)])).await;
    b.meet(&a).await;
    let installed = b.node.install(&reference("acme/graphdb#low")).await.unwrap();
    assert_eq!(installed.variant.as_str(), "low");
    let size = installed.size.as_u64();
    assert_eq!(size, 2_001_000);
    let most = size + size / 50 + 64 * 1024;
    assert!((size..=most).contains(&installed.bytes_moved), "{} moved", installed.bytes_moved);
    let stats = installed.bytes_moved;
    // The other variant shares a file: only the rest of it moves.
    let other = b.node.install(&reference("acme/graphdb#high")).await.unwrap();
    assert!(other.bytes_moved >= 9_000_000 && other.bytes_moved < 9_000_000 + 300_000);
    assert!(stats > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lazy_install_brings_the_list_and_cat_one_file() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    let it = reference("acme/graphdb");
    let installed = b.node.install(&it).lazy().await.unwrap();
    assert!(installed.lazy && installed.path.is_none());
    assert!(installed.bytes_moved < 4096, "{} moved", installed.bytes_moved);
    assert!(matches!(b.node.path(&it).await, Err(ChangeError::Lazy { .. })));

    let path = "share/data".parse().unwrap();
    let mut cat = b.node.cat(&it, &path, None, Default::default()).await.unwrap();
    let (size, moved) = (cat.size(), cat.bytes_moved());
    assert_eq!(size, 200_000);
    assert!((size..size + 4096).contains(&moved), "{moved} moved");
    let mut read = Vec::new();
    while let Some(piece) = cat.read().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, noise(200_000, 2));
    // Once it is here, it is read without moving anything.
    let cat = b.node.cat(&it, &path, None, Default::default()).await.unwrap();
    assert_eq!(cat.bytes_moved(), 0);

    let unknown = "share/dato".parse().unwrap();
    let error = b.node.cat(&it, &unknown, None, Default::default()).await.err().unwrap();
    assert!(matches!(error, FetchError::NoSuchPath { .. }));
    let folder = "share".parse().unwrap();
    let error = b.node.cat(&it, &folder, None, Default::default()).await.err().unwrap();
    let FetchError::NoSuchPath { near, .. } = error else { panic!("{error}") };
    assert_eq!(near, ["share/data", "share/empty"]);

    // What is not whole here is not offered to others.
    let c = Machine::new().await;
    c.meet(&b).await;
    let acme = "acme".parse().unwrap();
    let publisher = b.node.store().publisher_by_petname(&acme).unwrap().unwrap();
    c.node.pin(&acme, &publisher).await.unwrap();
    let error = c.node.install(&it).await.unwrap_err();
    assert!(matches!(error, InstallError::Fetch(FetchError::Unavailable { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_peer_an_install_says_so_at_once() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    b.node.forget_peer(&a.node.id()).await.unwrap();
    let error = b.node.install(&reference("acme/graphdb")).await.unwrap_err();
    let InstallError::Fetch(FetchError::Unavailable { tried, .. }) = error else {
        panic!("{error}")
    };
    assert!(tried.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_installed_serves_the_next_without_its_publisher() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    a.node.shutdown().await.unwrap();
    c.meet(&b).await;
    let publisher = b.node.store().publisher_by_petname(&"acme".parse().unwrap()).unwrap().unwrap();
    c.node.pin(&"acme".parse().unwrap(), &publisher).await.unwrap();
    let installed = c.node.install(&reference("acme/graphdb")).await.unwrap();
    let run = std::fs::read(installed.path.unwrap().join("bin/run")).unwrap();
    assert_eq!(run, noise(3_000_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_updated_rolled_back_and_removed() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    let it = reference("acme/graphdb");
    b.node.install(&it).await.unwrap();
    a.publish(simple(a.dir.path(), "graphdb", "1.1.0", 5)).await;

    let planned = b.node.update(None).dry_run().await.unwrap();
    assert_eq!(planned[0].to.to_string(), "1.1.0");
    let updated = b.node.update(Some(&it)).await.unwrap();
    assert!(updated[0].error.is_none(), "{updated:?}");
    let path = b.node.path(&it).await.unwrap();
    assert_eq!(std::fs::read(path.join("README")).unwrap(), b"graphdb 1.1.0");

    let back = b.node.rollback(&it).await.unwrap();
    assert_eq!((back.from.to_string(), back.to.to_string()), ("1.1.0".into(), "1.0.0".into()));
    let path = b.node.path(&it).await.unwrap();
    assert_eq!(std::fs::read(path.join("README")).unwrap(), b"graphdb 1.0.0");
    assert!(matches!(b.node.rollback(&it).await, Err(ChangeError::NothingBefore { .. })));

    let removed = b.node.remove(&it).await.unwrap();
    assert_eq!(removed.versions.len(), 2);
    assert!(removed.paths.iter().all(|path| !path.exists()));
    assert!(matches!(b.node.remove(&it).await, Err(ChangeError::NotInstalled { .. })));
    let swept = b.node.gc(false).await.unwrap();
    assert_eq!(swept.kept, 0, "{swept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_again_changes_nothing_and_other_bytes_are_refused() {
    let a = Machine::publisher("acme").await;
    let first = a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    let again = a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    assert!(again.already);
    assert_eq!((again.id, again.seq), (first.id, first.seq));
    let other = a.node.publish(simple(a.dir.path(), "graphdb", "1.0.0", 7)).await;
    assert!(matches!(other, Err(PublishError::VersionTaken { .. })));
    let dry = a.node.publish(simple(a.dir.path(), "graphdb", "2.0.0", 9)).dry_run().await.unwrap();
    assert!(dry.id.is_none() && dry.dry_run);
    assert_eq!(a.node.info(&reference("graphdb")).await.unwrap().versions.len(), 1);
    assert!(matches!(
        Machine::new().await.node.publish(simple(a.dir.path(), "x", "1.0.0", 1)).await,
        Err(PublishError::NoIdentity)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_install_goes_on_where_it_was() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(40_000_000, 1))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    b.meet(&a).await;
    let (halfway, reached) = tokio::sync::oneshot::channel();
    let halfway = std::sync::Mutex::new(Some(halfway));
    let install = b.node.install(&reference("acme/graphdb")).progress(move |event| {
        if let TransferProgress::Moving { bytes_done, .. } = event
            && bytes_done > 10_000_000
            && let Some(halfway) = halfway.lock().unwrap().take()
        {
            halfway.send(bytes_done).ok();
        }
    });
    let before = tokio::select! {
        _ = install.into_future() => panic!("it was to be interrupted"),
        before = reached => before.unwrap(),
    };
    let b = b.restart().await;
    let installed = b.node.install(&reference("acme/graphdb")).await.unwrap();
    let most = 40_000_000 - before + 2 * 1024 * 1024 + 400_000;
    assert!(installed.bytes_moved <= most, "{} moved, {before} were here", installed.bytes_moved);
    let run = std::fs::read(installed.path.unwrap().join("bin/run")).unwrap();
    assert_eq!(run, noise(40_000_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_goes_on_when_its_only_provider_was_away() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(40_000_000, 1))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    b.meet(&a).await;
    let (halfway, reached) = tokio::sync::oneshot::channel();
    let halfway = std::sync::Mutex::new(Some(halfway));
    let install = b.node.install(&reference("acme/graphdb")).progress(move |event| {
        if let TransferProgress::Moving { bytes_done, .. } = event
            && bytes_done > 5_000_000
            && let Some(halfway) = halfway.lock().unwrap().take()
        {
            halfway.send(()).ok();
        }
    });
    let away = async {
        reached.await.unwrap();
        let a = a.restart().await;
        a.node.online().await.unwrap();
        a
    };
    let (installed, a) = tokio::join!(install.into_future(), away);
    let run = std::fs::read(installed.unwrap().path.unwrap().join("bin/run")).unwrap();
    assert_eq!(run, noise(40_000_000, 1));
    a.node.shutdown().await.unwrap();
}
