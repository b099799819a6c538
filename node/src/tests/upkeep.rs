//! Finding and mending damage, and deleting what nobody needs.

use catalog::digest::Digest;

use super::attacks::flip;
use super::fixture::{Machine, draft, noise, reference, simple};
use crate::fetch::FetchError;
use crate::install::InstallError;
use crate::verify::FaultKind;

/// Threat row 45: bits that flip in stored contents, or in their proofs, are all found; they are
/// neither sent nor installed, and come back from a peer.
#[tokio::test(flavor = "multi_thread")]
async fn rot_is_found_never_served_and_mended_from_a_peer() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let files: Vec<(String, Vec<u8>)> =
        (0..12).map(|at| (format!("data/{at}"), noise(20_000 + at * 450_000, at as u64))).collect();
    let listed: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", &listed)])).await;
    b.meet(&a).await;
    let it = reference("acme/graphdb");
    b.node.install(&it).await.unwrap();
    assert!(b.node.verify().await.unwrap().is_clean());
    c.meet(&b).await;
    let publisher = a.node.publisher().unwrap();
    c.node.pin(&"acme".parse().unwrap(), &publisher).await.ok();

    // One bit in each third content, and one in a proof.
    let folder = b.dir.path().join("data/blobs/data");
    let rotten: Vec<Digest> = files.iter().step_by(3).map(|(_, bytes)| Digest::of(bytes)).collect();
    for (round, digest) in rotten.iter().enumerate() {
        flip(&folder.join(format!("{digest}.data")), 19_999 - 1000 * round as u64);
    }
    let proof = Digest::of(&files[11].1);
    flip(&folder.join(format!("{proof}.obao4")), 100);

    let error = c.node.install(&it).await.unwrap_err();
    assert!(matches!(error, InstallError::Fetch(FetchError::Unavailable { .. })), "{error:?}");
    assert!(c.node.list().await.unwrap().is_empty());

    let found = b.node.verify().await.unwrap();
    let blobs = |report: &crate::verify::VerifyReport| {
        let blobs = report.faults.iter().filter(|fault| fault.kind == FaultKind::Blob);
        blobs.map(|fault| fault.what.parse().unwrap()).collect::<Vec<Digest>>()
    };
    let mut expected = [rotten.clone(), vec![proof]].concat();
    expected.sort();
    assert_eq!(blobs(&found), expected);
    assert!(!found.is_clean());

    let mended = b.node.verify().repair().await.unwrap();
    assert!(mended.is_clean(), "{mended:?}");
    assert!(b.node.verify().await.unwrap().faults.is_empty());
    let installed = c.node.install(&it).await.unwrap();
    for (path, bytes) in &files {
        assert_eq!(std::fs::read(installed.path.as_ref().unwrap().join(path)).unwrap(), *bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_install_is_found_and_written_anew() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    let installed = b.node.install(&reference("acme/graphdb")).await.unwrap();
    let readme = installed.path.unwrap().join("README");
    std::fs::remove_file(&readme).unwrap();
    std::fs::write(&readme, b"changed").unwrap();
    let found = b.node.verify().await.unwrap();
    assert!(found.faults.iter().all(|fault| fault.kind == FaultKind::Install));
    assert!(!found.is_clean());
    assert!(b.node.verify().repair().await.unwrap().is_clean());
    assert_eq!(std::fs::read(&readme).unwrap(), b"graphdb 1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_nothing_holds_is_deleted() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    a.publish(simple(a.dir.path(), "other", "1.0.0", 9)).await;
    b.meet(&a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    b.node.fetch(&reference("acme/other"), vec![]).await.unwrap();
    assert!(b.node.gc(false).await.unwrap().removed.is_empty());

    b.node.remove(&reference("acme/graphdb")).await.unwrap();
    let planned = b.node.gc(true).await.unwrap();
    assert!(planned.freed.as_u64() > 3_000_000);
    assert_eq!(b.node.gc(true).await.unwrap(), planned, "a dry run deletes nothing");
    let done = b.node.gc(false).await.unwrap();
    assert_eq!(done.removed, planned.removed);
    assert!(b.node.verify().await.unwrap().is_clean());
    let again = b.node.fetch(&reference("acme/other"), vec![]).await.unwrap();
    assert_eq!(again.bytes_moved, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_survives_a_restart() {
    let a = Machine::publisher("acme").await;
    let published = a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    let (id, addrs) = (a.node.id(), a.node.ticket().await.unwrap());
    let a = a.restart().await;
    assert_eq!(a.node.id(), id);
    assert_eq!(a.node.ticket().await.unwrap(), addrs, "the port is remembered");
    assert_eq!(a.node.info(&reference("acme/graphdb")).await.unwrap().id, published.id.unwrap());
    assert!(a.node.verify().await.unwrap().is_clean());
    let status = a.node.status().await.unwrap();
    assert_eq!((status.packages, status.releases, status.torn), (1, 1, 0));
    assert!(a.node.doctor().await.len() >= 5);
}
