mod heads;
mod mixed;

use super::super::tables::{META, META_STRANGERS, get_number, put};
use super::super::testing::{NOW, channel, publisher, release, store, yank};
use super::*;
use crate::cbor::{self, Map, Value};
use crate::defence::{Defence, without};
use crate::head::Head;
use crate::identity::{Identity, Inception};
use crate::permission::Reader;
use crate::release::PackageId;

fn log_of(identity: &Identity) -> LogId {
    LogId { publisher: identity.publisher(), key: identity.key().public() }
}

fn seal(identity: &Identity, statement: impl Into<Statement>) -> SealedStatement {
    SealedStatement::seal(&statement.into(), identity.key()).unwrap()
}

fn sealed_release(identity: &Identity, seq: u64, version: &str, content: &str) -> Incoming {
    let release = release(identity, seq, "graphdb", version, content);
    Incoming::Statement(seal(identity, Statement::Release(release)))
}

fn inception(identity: &Identity) -> Incoming {
    Incoming::Statement(identity.inception().clone())
}

fn head(identity: &Identity, leaves: &[Sha256Digest]) -> Incoming {
    let (publisher, key) = (identity.publisher(), identity.key().public());
    let root = crate::log::root_of(leaves.iter().copied());
    let head = Head { publisher, key, size: leaves.len() as u64, root };
    Incoming::Head(SealedHead::seal(&head, identity.key()))
}

fn bare(identity: &Identity, seq: u64, hash: Sha256Digest) -> Incoming {
    let (publisher, key) = (identity.publisher(), identity.key().public());
    Incoming::Leaf { publisher, key, seq, hash }
}

fn hash_of(item: &Incoming) -> Sha256Digest {
    match item {
        Incoming::Statement(sealed) => sealed.leaf(),
        _ => panic!("no statement"),
    }
}

fn reasons(accepted: &Accepted) -> Vec<RejectReason> {
    accepted.rejected.iter().map(|rejected| rejected.reason.clone()).collect()
}

#[test]
fn what_one_store_sends_another_takes_in_once_and_in_any_order() {
    let (ours, acme) = (store(), publisher("acme"));
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        ours.publish(&acme, "graphdb", version);
    }
    ours.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true)).unwrap();
    ours.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "2.0.0")).unwrap();
    let mut sent = ours.sent_to(Reader::Local, 0);
    for turn in 0..sent.len() {
        let theirs = store();
        let accepted = theirs.accept(sent.clone(), NOW).unwrap();
        let items = accepted.items.clone();
        assert_eq!(accepted, Accepted { new: 7, items, ..Accepted::default() }, "turn {turn}");
        let again = theirs.accept(sent.clone(), NOW).unwrap();
        let known = |item: &AcceptedItem| AcceptedItem { fate: Fate::Known, ..*item };
        let items = accepted.items.iter().map(known).collect();
        assert_eq!(again, Accepted { known: 7, items, ..Accepted::default() });
        let places: Vec<_> = accepted.items.iter().map(|item| item.place).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6]);
        let snapshot = theirs.snapshot().unwrap();
        for AcceptedItem { place, id, .. } in accepted.items {
            let payload = snapshot.payload(Reader::Local, &id).unwrap().unwrap();
            assert_eq!(format!("{:?}", Incoming::from(payload)), format!("{:?}", sent[place]));
        }
        let package = PackageId { publisher: acme.publisher(), name: "graphdb".parse().unwrap() };
        assert_eq!(theirs.versions(&package).unwrap(), ours.versions(&package).unwrap());
        assert_eq!(theirs.logs().unwrap(), ours.logs().unwrap());
        assert_eq!(theirs.verify().unwrap(), []);
        sent.rotate_left(1);
    }
}

#[test]
fn a_forged_statement_is_refused_and_the_rest_of_the_batch_counts() {
    let (store, acme, eve) = (store(), publisher("acme"), publisher("eve"));
    let forged = seal(&eve, Statement::Release(release(&acme, 1, "graphdb", "1.0.0", "evil")));
    let unknown = sealed_release(&eve, 1, "1.0.0", "");
    let good = sealed_release(&acme, 1, "1.0.0", "");
    let items = vec![Incoming::Statement(forged), unknown, good, inception(&acme)];
    let accepted = store.accept(items, NOW).unwrap();
    assert_eq!(accepted.new, 2);
    assert_eq!(reasons(&accepted), [RejectReason::Invalid, RejectReason::UnknownPublisher]);
    assert!(accepted.rejected[0].reason.is_fault() && !accepted.rejected[1].reason.is_fault());
    assert_eq!(store.verify().unwrap(), []);
}

/// Threat row 17: two releases of one version are both kept, and nobody is served one of them
/// unawares.
#[test]
fn two_releases_of_one_version_are_kept_and_contested() {
    let (store, acme) = (store(), publisher("acme"));
    let first = sealed_release(&acme, 1, "1.0.0", "");
    let second = sealed_release(&acme, 2, "1.0.0", "evil");
    let third = sealed_release(&acme, 3, "1.0.0", "worse");
    store.accept(vec![inception(&acme), first.clone()], NOW).unwrap();
    let package = store.packages().unwrap().remove(0);
    let before = store.versions(&package).unwrap().remove(0);
    assert!(!before.contested);
    let accepted = store.accept(vec![second, third], NOW).unwrap();
    assert_eq!(accepted.new, 2);
    let after = store.versions(&package).unwrap();
    assert_eq!((after.len(), after[0].id, after[0].contested), (1, before.id, true));
    let reference = "graphdb".parse().unwrap();
    assert!(store.resolve_reference(&reference).is_err(), "no range picks it");
    let exact = store.resolve_reference(&"graphdb@1.0.0".parse().unwrap()).unwrap();
    assert!(exact.row.contested);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn a_replaced_version_from_a_peer_is_noticed_without_the_defence() {
    let (store, acme) = (store(), publisher("acme"));
    store.accept(vec![inception(&acme), sealed_release(&acme, 1, "1.0.0", "")], NOW).unwrap();
    let package = store.packages().unwrap().remove(0);
    let before = store.versions(&package).unwrap().remove(0);
    without(Defence::ImmutableVersions, || {
        store.accept(vec![sealed_release(&acme, 2, "1.0.0", "evil")], NOW).unwrap()
    });
    let after = store.versions(&package).unwrap().remove(0);
    assert!(after.id != before.id && !after.contested);
}

#[test]
fn the_same_release_signed_twice_is_not_contested() {
    let (store, acme) = (store(), publisher("acme"));
    let items = vec![
        inception(&acme),
        sealed_release(&acme, 1, "1.0.0", ""),
        sealed_release(&acme, 2, "1.0.0", ""),
    ];
    assert_eq!(store.accept(items, NOW).unwrap().new, 3);
    let package = store.packages().unwrap().remove(0);
    assert!(!store.versions(&package).unwrap()[0].contested);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn every_statement_that_is_signed_for_one_position_is_kept() {
    let (store, acme) = (store(), publisher("acme"));
    let rivals = (0..5).map(|minor| sealed_release(&acme, 1, &format!("1.{minor}.0"), ""));
    let items: Vec<_> = [inception(&acme)].into_iter().chain(rivals).collect();
    for item in &items {
        let accepted = store.accept(vec![item.clone()], NOW).unwrap();
        assert_eq!((accepted.new, accepted.rejected), (1, Vec::new()));
        assert_eq!(store.verify().unwrap(), []);
    }
    assert_eq!(store.accept(items.clone(), NOW).unwrap().known, 6);
    assert_eq!(store.statements_at(&log_of(&acme), 1).unwrap().len(), 5);
    let package = store.packages().unwrap().remove(0);
    let versions = store.versions(&package).unwrap();
    assert_eq!(versions.len(), 5);
    assert!(versions.iter().all(|row| row.contested));
    // What is shown as proof is the same two, whatever came first.
    let other = super::super::testing::store();
    other.accept(vec![items[0].clone()], NOW).unwrap();
    for item in items.iter().rev() {
        other.accept(vec![item.clone()], NOW).unwrap();
    }
    let proof = |store: &Store| store.conflicts().unwrap().remove(0);
    assert_eq!(proof(&store), proof(&other));
}

#[test]
fn a_pinned_head_never_shrinks_and_a_fork_is_seen() {
    let (store, acme) = (store(), publisher("acme"));
    let items: Vec<_> = [
        inception(&acme),
        sealed_release(&acme, 1, "1.0.0", ""),
        sealed_release(&acme, 2, "1.1.0", ""),
    ]
    .into();
    let hashes: Vec<_> = items.iter().map(hash_of).collect();
    store.accept(items, NOW).unwrap();
    store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    let older = store.accept(vec![head(&acme, &hashes[..2])], NOW).unwrap();
    assert_eq!(reasons(&older), [RejectReason::HeadOlder { newest: 3 }]);
    let ahead = [hashes.as_slice(), &hashes].concat();
    let ahead = store.accept(vec![head(&acme, &ahead)], NOW).unwrap();
    assert_eq!((ahead.new, reasons(&ahead)), (1, Vec::new()));
    assert_eq!(store.logs().unwrap()[0].size, 3);
    assert!(!store.logs().unwrap()[0].is_forked());

    let other = [hashes[0], hashes[2], hashes[1]];
    let forked = store.accept(vec![head(&acme, &other)], NOW).unwrap();
    assert_eq!(reasons(&forked), [RejectReason::Forked]);
    let log = store.logs().unwrap().remove(0);
    assert!(log.is_forked() && log.size == 3);
    assert_eq!(store.verify().unwrap(), []);
}

/// A peer that invents leaves is found out by the signed head, and the honest ones get through.
#[test]
fn invented_hashes_are_dropped_when_the_head_comes() {
    let (store, acme) = (store(), publisher("acme"));
    let honest = [inception(&acme), sealed_release(&acme, 1, "1.0.0", "")];
    let hashes: Vec<_> = honest.iter().map(hash_of).collect();
    let invented = crate::log::leaf_hash(b"invented");
    let items = vec![inception(&acme), bare(&acme, 1, invented), head(&acme, &hashes)];
    let accepted = store.accept(items, NOW).unwrap();
    assert_eq!(reasons(&accepted), [RejectReason::HeadMismatch { sent: true }]);
    assert_eq!((store.logs().unwrap()[0].leaves, store.logs().unwrap()[0].size), (1, 0));
    assert_eq!(store.verify().unwrap(), []);

    // The head is remembered: the next lie is found out when it comes.
    let log = log_of(&acme);
    let accepted = store.accept(vec![bare(&acme, 1, invented)], NOW).unwrap();
    assert_eq!(accepted.refuted, [Refuted { log, sent: true }]);

    // The lie was there before the head: who brings the head is not to blame.
    let other = super::super::testing::store();
    other.accept(vec![inception(&acme), bare(&acme, 1, invented)], NOW).unwrap();
    let accepted = other.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    assert_eq!(reasons(&accepted), [RejectReason::HeadMismatch { sent: false }]);
    assert_eq!(other.verify().unwrap(), []);

    // And a true hash, or the statement itself, replaces it.
    let items = vec![bare(&acme, 1, hashes[1]), head(&acme, &hashes)];
    assert_eq!(store.accept(items, NOW).unwrap().rejected, []);
    assert_eq!(store.logs().unwrap()[0].size, 2);
    assert_eq!(store.accept(vec![honest[1].clone()], NOW).unwrap().new, 1);
    let accepted = store.accept(vec![bare(&acme, 1, invented)], NOW).unwrap();
    assert_eq!(reasons(&accepted), [RejectReason::Contradicts]);
    let accepted = store.accept(vec![bare(&acme, 9, invented)], NOW).unwrap();
    assert_eq!(reasons(&accepted), [RejectReason::TooFar]);
    assert_eq!(store.verify().unwrap(), []);
}

/// A vouched hash stays even when the publisher signs something else for its position.
#[test]
fn a_statement_that_contradicts_a_vouched_hash_is_kept_beside_it() {
    let (store, acme) = (store(), publisher("acme"));
    let honest = [inception(&acme), sealed_release(&acme, 1, "1.0.0", "")];
    let hashes: Vec<_> = honest.iter().map(hash_of).collect();
    let items = vec![inception(&acme), bare(&acme, 1, hashes[1]), head(&acme, &hashes)];
    assert_eq!(store.accept(items, NOW).unwrap().rejected, []);
    store.accept(vec![sealed_release(&acme, 1, "1.0.0", "evil")], NOW).unwrap();
    let package = store.packages().unwrap().remove(0);
    assert!(store.versions(&package).unwrap()[0].contested);
    assert_eq!(store.verify().unwrap(), []);
}

/// Which of the two came first changes nothing.
#[test]
fn what_a_vouched_hash_stood_for_is_contested_beside_its_rival() {
    let (store, acme) = (store(), publisher("acme"));
    let honest = [inception(&acme), sealed_release(&acme, 1, "1.0.0", "")];
    let hashes: Vec<_> = honest.iter().map(hash_of).collect();
    let items = vec![inception(&acme), bare(&acme, 1, hashes[1]), head(&acme, &hashes)];
    assert_eq!(store.accept(items, NOW).unwrap().rejected, []);
    store.accept(vec![sealed_release(&acme, 1, "2.0.0", "evil")], NOW).unwrap();
    store.accept(vec![honest[1].clone()], NOW).unwrap();
    let package = store.packages().unwrap().remove(0);
    let versions = store.versions(&package).unwrap();
    assert!(versions.len() == 2 && versions.iter().all(|row| row.contested), "{versions:?}");
    assert_eq!(store.verify().unwrap(), []);
}

/// A publisher that shows us a long log and others a short one of other statements.
#[test]
fn a_fork_below_the_pinned_head_is_seen() {
    let (store, acme) = (store(), publisher("acme"));
    let items = vec![
        inception(&acme),
        sealed_release(&acme, 1, "1.0.0", ""),
        sealed_release(&acme, 2, "1.1.0", ""),
    ];
    let hashes: Vec<_> = items.iter().map(hash_of).collect();
    store.accept(items, NOW).unwrap();
    store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    let forked = store.accept(vec![head(&acme, &[hashes[0], hashes[2]])], NOW).unwrap();
    assert_eq!(reasons(&forked), [RejectReason::Forked]);
    let log = store.logs().unwrap().remove(0);
    assert!(log.is_forked() && log.size == 3);
    assert_eq!(store.verify().unwrap(), []);
}

fn of_keys(keys: &[&Identity], threshold: u64) -> (KeyState, Incoming) {
    let public = keys.iter().map(|key| key.key().public()).collect();
    let next = crate::identity::next_commitment(&[keys[0].key().public()], 1);
    let inception = Inception::new(public, threshold, next, NOW, None).unwrap();
    let state = KeyState::of(&inception);
    let kind = StatementKind::Inception;
    let mut signers: Vec<_> = keys.iter().take(threshold as usize).map(|one| one.key()).collect();
    signers.sort_by_key(|key| key.public());
    let signatures = signers.iter().map(|key| {
        let signature = key.sign(kind.as_str(), inception.body());
        let pair = [key.public().as_bytes().to_vec(), signature.as_bytes().to_vec()];
        pair.into_iter().map(Value::from).collect::<Value>()
    });
    let mut map = Map::new();
    map.insert("b", inception.body());
    map.insert("k", kind.as_str());
    map.insert("s", signatures.collect::<Value>());
    map.insert("v", 1);
    let sealed = SealedStatement::decode(&cbor::encode(&Value::Map(map))).unwrap();
    (state, Incoming::Statement(sealed))
}

/// Inventing leaves costs nothing, so they are taken in only where a log can be, and few.
#[test]
fn bare_hashes_are_taken_in_only_for_logs_and_in_a_share_for_each() {
    let (one, other) = (publisher("one"), publisher("other"));
    for (threshold, logs, refused) in [(2, 1, RejectReason::Invalid), (1, 2, RejectReason::TooFar)]
    {
        let store = store();
        let (state, inception) = of_keys(&[&one, &other], threshold);
        let accepted = store.accept(vec![inception], NOW).unwrap();
        assert_eq!((accepted.new, store.logs().unwrap().len()), (1, logs));
        let leaf = |seq| {
            let (publisher, key) = (state.publisher, state.keys[1]);
            let hash = crate::log::leaf_hash(&u64::to_be_bytes(seq));
            Incoming::Leaf { publisher, key, seq, hash }
        };
        let share = (UNVOUCHED_MAX / logs) as u64;
        let mut reasons = Vec::new();
        for first in (1..share + 2).step_by(BATCH_ITEMS_MAX) {
            let items = (first..(share + 2).min(first + BATCH_ITEMS_MAX as u64)).map(leaf);
            let accepted = store.accept(items.collect(), NOW).unwrap();
            reasons.extend(self::reasons(&accepted));
        }
        reasons.dedup();
        assert_eq!(reasons, [refused]);
    }
}

/// Identities cost nothing either: together, strangers get so much room and no more.
#[test]
fn strangers_fill_their_share_of_the_disk_and_nothing_else() {
    let (store, acme, eve) = (store(), publisher("acme"), publisher("eve"));
    store.accept(vec![inception(&eve)], NOW).unwrap();
    store.trust(&acme.publisher(), None, NOW).unwrap();
    store
        .write(|tables| {
            let full = super::super::batch::STRANGERS_BYTES_MAX.to_be_bytes();
            put(&mut tables.meta, META_STRANGERS, &full)
        })
        .unwrap();
    let hash = crate::log::leaf_hash(b"invented");
    let strangers =
        vec![sealed_release(&eve, 1, "1.0.0", ""), bare(&eve, 2, hash), inception(&publisher("x"))];
    let accepted = store.accept(strangers, NOW).unwrap();
    assert_eq!(reasons(&accepted), vec![RejectReason::NoRoom; 3]);
    assert!(!store.has_room_for_strangers().unwrap());
    assert!(accepted.rejected.iter().all(|rejected| !rejected.reason.is_fault()));
    let items = vec![inception(&acme), sealed_release(&acme, 1, "1.0.0", ""), bare(&acme, 2, hash)];
    assert_eq!(store.accept(items, NOW).unwrap().new, 3);
    store.publish(&publisher("me"), "graphdb", "1.0.0");
    store.trust(&eve.publisher(), None, NOW).unwrap();
    let items = vec![sealed_release(&eve, 1, "1.0.0", "")];
    assert_eq!(store.accept(items, NOW).unwrap().new, 1);
}

#[test]
fn what_is_taken_in_is_counted_for_strangers_alone() {
    let (store, acme, eve) = (store(), publisher("acme"), publisher("eve"));
    let counted = || get_number(&store.read().unwrap().rows(META).unwrap(), META_STRANGERS);
    store.trust(&acme.publisher(), None, NOW).unwrap();
    store.accept(vec![inception(&acme), sealed_release(&acme, 1, "1.0.0", "")], NOW).unwrap();
    assert_eq!(counted().unwrap().unwrap_or(0), 0);
    let items = vec![inception(&eve), sealed_release(&eve, 1, "1.0.0", "")];
    store.accept(items.clone(), NOW).unwrap();
    let once = counted().unwrap().unwrap();
    assert!(once > 0);
    store.accept(items, NOW).unwrap();
    assert_eq!(counted().unwrap(), Some(once));
}

/// What a peer can make us hold in memory is a small multiple of this.
#[test]
fn a_batch_of_a_few_mebibytes_is_the_most() {
    let (store, acme) = (store(), publisher("acme"));
    let mut large = release(&acme, 1, "graphdb", "1.0.0", "");
    large.summary = "x".repeat(200);
    large.description = Some("x".repeat(16_000));
    let sealed = seal(&acme, Statement::Release(large));
    let count = 4 * 1024 * 1024 / sealed.body().len() + 1;
    let items = vec![Incoming::Statement(sealed); count];
    assert!(matches!(store.accept(items, NOW), Err(StoreError::BatchTooLarge { .. })));
}

#[test]
fn a_batch_has_a_ceiling() {
    let (store, acme) = (store(), publisher("acme"));
    let items = vec![bare(&acme, 0, crate::log::leaf_hash(b"")); BATCH_ITEMS_MAX + 1];
    assert!(matches!(store.accept(items, NOW), Err(StoreError::BatchTooLarge { .. })));
}

#[test]
fn a_large_batch_is_checked_on_several_threads_with_the_same_outcome() {
    let (ours, theirs, acme) = (store(), store(), publisher("acme"));
    let mut items = vec![inception(&acme)];
    for seq in 1..400 {
        items.push(sealed_release(&acme, seq, &format!("1.0.{seq}"), ""));
    }
    let eve = publisher("eve");
    let forged = seal(&eve, Statement::Release(release(&acme, 400, "graphdb", "2.0.0", "")));
    items.insert(200, Incoming::Statement(forged));
    let together = ours.accept(items.clone(), NOW).unwrap();
    assert_eq!(together.new, 400);
    assert_eq!(together.rejected, [Rejected { item: 200, reason: RejectReason::Invalid }]);
    for item in items {
        theirs.accept(vec![item], NOW).unwrap();
    }
    let package = ours.packages().unwrap().remove(0);
    assert_eq!(ours.versions(&package).unwrap(), theirs.versions(&package).unwrap());
    assert_eq!(ours.verify().unwrap(), []);
}
