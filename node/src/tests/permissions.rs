//! Who may read what: every kind of permission, every standing of a reader, every way to ask.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use catalog::permission::{NodeId, Permission, Scope};

use super::attacks::ask;
use super::federation::rows;
use super::fixture::{Machine, draft, noise, reference};
use super::records::until;
use crate::access;
use crate::grants::GrantStanding;
use crate::install::InstallError;
use crate::node::now;
use crate::sync::{Strategy, SyncWish};

/// How a reader stands with a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Granted,
    Denied,
    Revoked,
    Expired,
}

pub(super) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn one(node: NodeId) -> BTreeSet<NodeId> {
    BTreeSet::from([node])
}

/// A release with this permission; every one has other contents.
async fn publish(
    a: &Machine,
    name: &str,
    permission: Permission,
) -> (catalog::Digest, catalog::Digest) {
    let seed = name.bytes().map(u64::from).sum();
    let files: &[(&str, Vec<u8>)] = &[
        ("a", vec![]),
        ("b", noise(100, seed + 1)),
        ("c", noise(100, seed + 2)),
        ("data", noise(40_000, seed)),
    ];
    let mut made = draft(a.dir.path(), name, "1.0.0", &[("any", files)]);
    made.permission = permission;
    let published = a.publish(made).await;
    let release = a.node.store().release(&published.id.unwrap()).unwrap().unwrap();
    (release.variants[0].root, release.variants[0].tree)
}

/// Whether `text` stands in any file below `dir`.
pub(super) fn holds(dir: &Path, text: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, text),
            false => fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text)),
        }
    })
}

/// Asks to be told which parts of a content are there.
async fn observe(asker: &Machine, server: &Machine, root: catalog::Digest) -> bool {
    let net = asker.node.0.net().await.unwrap();
    let connection = net.dial(server.node.id(), &server.node.addrs(), access::ALPN).await.unwrap();
    let observed = iroh_blobs::protocol::ObserveRequest::new(crate::blobs::hash(&root));
    let store = iroh_blobs::store::mem::MemStore::new();
    let mut answers = std::pin::pin!(store.remote().observe(connection, observed));
    matches!(n0_future::StreamExt::next(&mut answers).await, Some(Ok(_)))
}

/// Threat row 48: the kinds of permission, times how a reader stands, times the ways to ask.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_for_every_reader_in_every_way() {
    let a = Machine::publisher("acme").await;
    let mut readers = Vec::new();
    for standing in [Standing::Granted, Standing::Denied, Standing::Revoked, Standing::Expired] {
        readers.push((standing, Machine::selective().await));
    }
    let listed = readers.iter().filter(|(standing, _)| *standing != Standing::Denied);
    let listed: BTreeSet<NodeId> = listed.map(|(_, reader)| reader.node.id()).collect();
    let kinds = [
        Permission::Public,
        Permission::Private,
        Permission::Restricted(listed),
        Permission::Friends,
        Permission::Anonymous,
        Permission::Verified,
    ];
    let mut packages = Vec::new();
    for permission in kinds {
        let name = format!("{}vault", permission.as_str());
        let (root, tree) = publish(&a, &name, permission.clone()).await;
        packages.push((name, permission, root, tree));
    }
    for (standing, reader) in &readers {
        let node = one(reader.node.id());
        for scope in [scope("privatevault@1.0.0"), scope("r*"), Scope::Friends] {
            let life = (*standing == Standing::Expired).then_some(Duration::from_millis(1));
            if *standing != Standing::Denied {
                a.node.grant(&scope, node.clone(), life).await.unwrap();
            }
            if *standing == Standing::Revoked {
                a.node.revoke(&scope, node.clone()).await.unwrap();
            }
        }
    }
    // What nobody may do to those who were never let in: they would learn that there is something.
    let denied = readers.iter().find(|(standing, _)| *standing == Standing::Denied).unwrap();
    a.node.revoke(&scope("*"), one(denied.1.node.id())).await.unwrap_err();
    let ended = now();
    until(async || now() > catalog::Timestamp::from_millis(ended.as_millis() + 1)).await;
    let expired = a.node.grants().await.unwrap();
    let expired = expired.iter().filter(|grant| grant.standing == GrantStanding::Expired);
    assert_eq!(expired.count(), 3);

    for (standing, reader) in &readers {
        reader.meet(&a).await;
        let may = |permission: &Permission| permission.is_open() || *standing == Standing::Granted;
        for (name, permission, root, tree) in &packages {
            let cell = format!("{standing:?} {name}");
            assert_eq!(ask(reader, &a, *root, *tree).await.is_ok(), may(permission), "get {cell}");
            assert!(!observe(reader, &a, *root).await, "observe {cell}");
            let found = rows(&reader.look_for(name).await);
            let found = found.iter().any(|(found, _)| found == name);
            assert_eq!(found, may(permission), "search {cell}");
        }
        let wish = SyncWish { strategy: Strategy::Differential, ..SyncWish::default() };
        let report = reader.node.sync_as(Some(&a.node.id()), &wish).await.unwrap().remove(0);
        assert_eq!(report.error, None);
        let listed = reader.node.store().packages().unwrap();
        let listed: BTreeSet<String> = listed.into_iter().map(|one| one.name.to_string()).collect();
        reader.node.shutdown().await.unwrap();
        for (name, permission, ..) in &packages {
            let cell = format!("{standing:?} {name}");
            assert_eq!(listed.contains(name), may(permission), "list {cell}");
            // Whoever was let in once was told so by name; who never was finds no trace of it.
            if !may(permission) && *standing == Standing::Denied {
                assert!(!holds(reader.dir.path(), name.as_bytes()), "sync {cell}");
            }
        }
    }
}

/// Somebody who holds a release gives it to those who are let in later, and not to those who are
/// not any more: grants and revocations reach whoever may read what they are about.
#[tokio::test(flavor = "multi_thread")]
async fn who_passes_a_release_on_follows_what_its_publisher_says() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let (root, tree) = publish(&a, "vault", Permission::Private).await;
    b.meet(&a).await;
    c.meet(&b).await;
    assert!(b.node.info(&reference("vault")).await.is_err());
    a.node.grant(&scope("vault"), one(b.node.id()), None).await.unwrap();
    // It synced before, and is shown now what was kept from it then.
    b.node.install(&reference("vault")).await.unwrap();
    assert!(ask(&c, &b, root, tree).await.is_err());
    a.node.grant(&scope("*"), one(c.node.id()), None).await.unwrap();
    b.node.sync(Some(&a.node.id())).await.unwrap();
    // It knows only the one who passes it on.
    c.node.install(&reference("vault")).await.unwrap();
    assert_eq!(ask(&c, &b, root, tree).await, Ok(()));

    a.node.revoke(&scope("vault"), one(c.node.id())).await.unwrap();
    b.node.sync(Some(&a.node.id())).await.unwrap();
    assert!(ask(&c, &b, root, tree).await.is_err(), "the revocation came to who passes it on");
    // What it has it keeps; what comes later it does not get.
    assert!(c.node.path(&reference("vault")).await.unwrap().join("data").exists());
    let mut next = draft(a.dir.path(), "vault", "2.0.0", &[("any", &[("data", noise(9000, 5))])]);
    next.permission = Permission::Private;
    a.publish(next).await;
    for (one, from) in [(&b, &a), (&c, &b), (&c, &b)] {
        one.node.sync(Some(&from.node.id())).await.unwrap();
    }
    assert_eq!(b.node.info(&reference("vault")).await.unwrap().versions.len(), 2);
    assert_eq!(c.node.info(&reference("vault")).await.unwrap().versions.len(), 1);
    for machine in [&a, &b, &c] {
        let verified = machine.node.verify().await.unwrap();
        assert!(verified.is_clean(), "{:?}", verified.faults);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_verified_is_installed_only_with_the_word_of_those_who_are_trusted() {
    let (a, b, c) =
        (Machine::publisher("acme").await, Machine::publisher("bob").await, Machine::new().await);
    publish(&a, "vault", Permission::Verified).await;
    // Whoever meets a publisher's node has its publisher pinned: c knows b by hearsay only.
    a.meet(&b).await;
    b.meet(&a).await;
    c.meet(&a).await;
    let refused = async || match c.node.install(&reference("acme/vault")).await {
        Err(InstallError::Unattested { have, need, others, .. }) => (have, need, others),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused().await, (0, 1, 0));
    // A publisher's word for its own release is none.
    a.node.attest(&reference("vault"), Some(String::new())).await.unwrap_err();
    b.node.attest(&reference("acme/vault"), Some("read every line".to_owned())).await.unwrap();
    a.node.sync(None).await.unwrap();
    c.node.sync(None).await.unwrap();
    assert_eq!(refused().await, (0, 1, 1), "anybody can make a publisher");
    c.node.pin(&"bob".parse().unwrap(), &b.node.publisher().unwrap()).await.unwrap();
    c.node.install(&reference("acme/vault")).await.unwrap();
    c.node.remove(&reference("acme/vault")).await.unwrap();
    b.node.attest(&reference("acme/vault"), None).await.unwrap();
    a.node.sync(None).await.unwrap();
    c.node.sync(None).await.unwrap();
    assert_eq!(refused().await, (0, 1, 0), "it was taken back");
}
