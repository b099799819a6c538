//! What is not for everybody is sealed: who carries it cannot read it, who may read it can.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use catalog::permission::{NodeId, Permission};
use catalog::release::Release;
use catalog::resolve::Preference;
use catalog::sealed::ContentKey;

use super::attacks::ask;
use super::fixture::{Files, Machine, draft, noise, reference};
use super::permissions::{holds, scope};
use crate::fetch::FetchError;
use crate::install::InstallError;
use crate::parcels::HandOverError;
use crate::publish::{PublishError, Published};

/// Stands in one of the files, and nowhere else.
const WORDS: &str = "the words that nobody else may read";

fn one(node: NodeId) -> BTreeSet<NodeId> {
    BTreeSet::from([node])
}

fn contents(seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README", WORDS.repeat(40).into_bytes()),
        ("bin/run", noise(2_500_000, seed)),
        ("empty", vec![]),
        ("twice", noise(70_000, seed + 1)),
        ("twice.bak", noise(70_000, seed + 1)),
    ]
}

async fn publish(by: &Machine, version: &str, files: Files<'_>) -> Published {
    let mut vault = draft(by.dir.path(), "vault", version, &[("any", files), ("low", files)]);
    vault.permission = Permission::Private;
    by.publish(vault).await
}

fn release(of: &Machine, published: &Published) -> Release {
    of.node.store().release(&published.id.unwrap()).unwrap().unwrap()
}

/// Whether a folder has exactly these files.
fn has(folder: &Path, files: Files<'_>) -> bool {
    files.iter().all(|(path, bytes)| fs::read(folder.join(path)).is_ok_and(|read| read == *bytes))
}

async fn is_clean(machine: &Machine) {
    let verified = machine.node.verify().await.unwrap();
    assert!(verified.is_clean(), "{:?}", verified.faults);
}

/// Threat row 57: a mirror that may not read carries a release and gives it to those who may, while
/// its publisher is away; it learns neither what it is called nor what is in it. Who is not let in any
/// more cannot open what is published next, whoever gives it the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_carries_what_it_cannot_read() {
    let (a, mirror) = (Machine::publisher("acme").await, Machine::new().await);
    let (reader, revoked) = (Machine::new().await, Machine::new().await);
    let files = contents(1);
    let published = publish(&a, "1.0.0", &files).await;
    for granted in [&reader, &revoked] {
        granted.meet(&a).await;
        a.node.grant(&scope("vault"), one(granted.node.id()), None).await.unwrap();
    }
    mirror.meet(&a).await;
    assert!(mirror.node.carry().await.unwrap().is_empty());
    let root = published.variants[0].root;
    let first = release(&a, &published);
    let tree = first.variants[0].tree;
    assert!(ask(&mirror, &a, root, tree).await.is_err(), "not handed over yet");
    let handed = a.node.hand_over(&reference("vault"), one(mirror.node.id())).await.unwrap();
    assert_eq!(handed.contents.len(), 2);

    let carried = mirror.node.carry().await.unwrap();
    assert_eq!(carried.len(), 2);
    assert!(carried.iter().all(|carried| carried.error.is_none()), "{carried:?}");
    assert!(carried.iter().map(|carried| carried.bytes_moved).sum::<u64>() > 2_500_000);
    let again = mirror.node.carry().await.unwrap();
    assert!(again.iter().all(|carried| carried.bytes_moved == 0), "it is here already");
    is_clean(&mirror).await;
    assert!(mirror.node.info(&reference("vault")).await.is_err());
    for secret in [WORDS.as_bytes(), b"vault", &files[1].1[..64]] {
        assert!(!holds(mirror.dir.path(), secret), "the mirror knows {secret:?}");
    }
    assert!(holds(a.dir.path(), b"vault"), "the control: its publisher does");

    // What comes next, too, but not for the one who is not let in any more.
    a.node.revoke(&scope("vault"), one(revoked.node.id())).await.unwrap();
    let next_files = contents(7);
    let next = publish(&a, "2.0.0", &next_files).await;
    a.node.hand_over(&reference("vault@2.0.0"), one(mirror.node.id())).await.unwrap();
    mirror.node.carry().await.unwrap();
    for known in [&reader, &revoked] {
        known.node.sync(None).await.unwrap();
    }
    // From here on the publisher is away.
    let second = release(&a, &next);
    a.node.shutdown().await.unwrap();
    reader.meet(&mirror).await;
    revoked.meet(&mirror).await;
    let installed = reader.node.install(&reference("vault#any")).await.unwrap();
    assert_eq!(installed.version.to_string(), "2.0.0");
    assert!(has(&installed.path.unwrap(), &next_files));
    is_clean(&reader).await;

    let versions = revoked.node.info(&reference("vault")).await.unwrap().versions;
    assert_eq!(versions.len(), 1, "it is not told of the second");
    // Somebody tells it, and the mirror gives it the bytes: they do not open.
    let (root, tree) = (second.variants[0].root, second.variants[0].tree);
    assert!(ask(&revoked, &mirror, root, tree).await.is_ok());
    assert_eq!(revoked.node.0.content_key(&second).unwrap(), None);
    let old = revoked.node.0.content_key(&first).unwrap().unwrap();
    assert_ne!(Some(old.id()), second.sealed, "every release has a key of its own");
    // What it was let into it can still open: nobody can take that back.
    let kept = revoked.node.install(&reference("vault@1.0.0#any")).await.unwrap();
    assert!(has(&kept.path.unwrap(), &files));
}

/// Files of a sealed release are read as those of any other: one by one, in part, lazily.
#[tokio::test(flavor = "multi_thread")]
async fn single_files_of_what_is_sealed_are_fetched_and_opened() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let files = contents(3);
    publish(&a, "1.0.0", &files).await;
    a.node.grant(&scope("*"), one(b.node.id()), None).await.unwrap();
    b.meet(&a).await;
    let vault = reference("vault#any");
    let lazy = b.node.install(&vault).lazy().await.unwrap();
    assert!(lazy.bytes_moved < 20_000, "{}", lazy.bytes_moved);
    for (path, bytes) in &files {
        let path = path.parse().unwrap();
        let mut cat = b.node.cat(&vault, &path, None, Preference::default()).await.unwrap();
        assert!(cat.bytes_moved() < bytes.len() as u64 * 113 / 100 + 20_000);
        let mut read = Vec::new();
        while let Some(piece) = cat.read().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == *bytes, "{path}");
    }
    let unknown = b.node.fetch(&vault, vec!["lib/run".parse().unwrap()]).await.unwrap_err();
    let FetchError::NoSuchPath { near, .. } = unknown else { panic!("{unknown}") };
    assert_eq!(near, ["bin/run"]);
    let whole = b.node.install(&vault).await.unwrap();
    assert_eq!((whole.bytes_moved, whole.already), (0, false));
    let folder = whole.path.unwrap();
    assert!(has(&folder, &files));
    // What is damaged is mended from what is sealed here.
    fs::remove_file(folder.join("README")).unwrap();
    assert!(!b.node.verify().await.unwrap().is_clean());
    assert!(b.node.verify().repair().await.unwrap().is_clean());
    assert!(has(&folder, &files));
    assert!(!holds(&a.dir.path().join("data"), WORDS.as_bytes()), "nor is it kept in plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_published_once_and_never_twice_with_one_key() {
    let a = Machine::publisher("acme").await;
    let files = contents(5);
    let first = publish(&a, "1.0.0", &files).await;
    let again = publish(&a, "1.0.0", &files).await;
    assert!(again.already && again.id == first.id);
    let entries = a.node.store().changes(0, 100).unwrap().len();
    let mut other = draft(a.dir.path(), "vault", "1.0.0", &[("any", &files[..1]), ("low", &files)]);
    other.permission = Permission::Private;
    let taken = a.node.publish(other).await.unwrap_err();
    assert!(matches!(taken, PublishError::VersionTaken { .. }), "{taken}");
    assert_eq!(
        a.node.store().changes(0, 100).unwrap().len(),
        entries,
        "and no key was handed over"
    );

    // The same files in another release have nothing in common with those of the first.
    let second = publish(&a, "1.0.1", &files).await;
    let [first, second] = [&first, &second].map(|published| release(&a, published));
    assert_ne!(first.sealed, second.sealed);
    assert_ne!(first.variants[0].root, second.variants[0].root);
    let mine = a.node.install(&reference("vault#low")).await.unwrap();
    assert!(has(&mine.path.unwrap(), &files));
    is_clean(&a).await;
}

/// A node that may read and has no key says so; what is not sealed, or not ours, is not handed over.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_opens_and_only_what_is_sealed_is_handed_over() {
    let (a, b) = (Machine::publisher("acme").await, Machine::publisher("bob").await);
    let published = publish(&a, "1.0.0", &contents(9)).await;
    let open: Files<'_> = &[("data", noise(9, 9))];
    a.publish(draft(a.dir.path(), "opendb", "1.0.0", &[("any", open)])).await;
    let unknown = Some(ContentKey::generate().id());
    let other = Release { sealed: unknown, ..release(&a, &published) };
    assert_eq!(a.node.0.content_key(&other).unwrap(), None);
    b.meet(&a).await;
    let to = one(a.node.id());
    let refused = a.node.hand_over(&reference("opendb"), to.clone()).await.unwrap_err();
    assert!(matches!(refused, HandOverError::NotSealed { .. }), "{refused}");
    a.node.grant(&scope("vault"), one(b.node.id()), None).await.unwrap();
    b.node.sync(None).await.unwrap();
    let refused = b.node.hand_over(&reference("acme/vault"), to).await.unwrap_err();
    assert!(matches!(refused, HandOverError::NotOurs { .. }), "{refused}");
    let missing = b.node.install(&reference("acme/vault@1.0.0#none")).await;
    assert!(matches!(missing, Err(InstallError::Choose(_))), "{missing:?}");
}
