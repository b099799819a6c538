//! Heads that come before their leaves, and heads that contradict each other.

use super::*;
use crate::store::{AppendError, ItemSet, LogState};

/// The statements of a log, from the inception on, and their hashes.
fn statements(acme: &Identity, count: u64) -> (Vec<Incoming>, Vec<Sha256Digest>) {
    let releases = (1..count).map(|seq| sealed_release(acme, seq, &format!("1.0.{seq}"), ""));
    let items: Vec<_> = [inception(acme)].into_iter().chain(releases).collect();
    let hashes = items.iter().map(hash_of).collect();
    (items, hashes)
}

fn head_of_size(identity: &Identity, size: u64) -> SealedHead {
    let (publisher, key) = (identity.publisher(), identity.key().public());
    let root = crate::log::leaf_hash(b"whatever");
    SealedHead::seal(&Head { publisher, key, size, root }, identity.key())
}

fn state(store: &Store) -> LogState {
    store.logs().unwrap().remove(0)
}

#[test]
fn a_head_that_comes_first_is_pinned_when_its_leaves_are_here() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 5);
    store.accept(vec![items[0].clone(), head(&acme, &hashes)], NOW).unwrap();
    let before = store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap();
    assert_eq!((state(&store).size, state(&store).promised.unwrap().peek().size), (0, 5));
    assert_eq!(store.verify().unwrap(), []);
    // A shorter one is no news, and no fault.
    let accepted = store.accept(vec![head(&acme, &hashes[..3])], NOW).unwrap();
    assert_eq!(reasons(&accepted), [RejectReason::HeadOlder { newest: 5 }]);
    assert_eq!(accepted.items[0].fate, Fate::Refused);
    assert!(!accepted.rejected[0].reason.is_fault());
    for item in items[1..].iter().rev() {
        assert_eq!(store.accept(vec![item.clone()], NOW).unwrap().new, 1);
        assert_eq!(store.verify().unwrap(), []);
    }
    let after = state(&store);
    assert_eq!((after.size, after.promised, after.proof), (5, None, Vec::new()));
    let heads = store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap();
    assert_eq!(heads, before, "the same head was the newest all along");
}

/// Threat row 5: a publisher's key signs whatever size; it moves nothing but a promise.
#[test]
fn a_signed_head_of_any_size_is_only_a_promise() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 3);
    store.accept(items.clone(), NOW).unwrap();
    store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    let before = state(&store);
    for size in [1 << 47, 1 << 63, u64::MAX] {
        let head = Incoming::Head(head_of_size(&acme, size));
        assert_eq!(store.accept(vec![head], NOW).unwrap().rejected, []);
        assert_eq!((state(&store).size, &state(&store).head), (3, &before.head));
        assert!(!state(&store).is_forked());
    }
    assert_eq!(store.verify().unwrap(), []);
    // The log goes on as far as there are leaves.
    let (more, hashes) = statements(&acme, 5);
    let items = more[3..].iter().cloned().chain([head(&acme, &hashes)]).collect();
    assert_eq!(store.accept(items, NOW).unwrap().rejected, []);
    assert_eq!((state(&store).size, state(&store).promised.unwrap().peek().size), (5, u64::MAX));
    assert!(store.resolve_reference(&"graphdb@1.0.4".parse().unwrap()).is_ok());
    assert_eq!(store.verify().unwrap(), []);
}

/// Whoever has our key elsewhere may have signed more than is here: we would contradict it.
#[test]
fn nothing_is_published_behind_a_promised_head_of_our_own() {
    let (store, acme) = (store(), publisher("acme"));
    store.publish(&acme, "graphdb", "1.0.0");
    store.accept(vec![Incoming::Head(head_of_size(&acme, 7))], NOW).unwrap();
    let build = |seq| Statement::Release(release(&acme, seq, "graphdb", "1.1.0", ""));
    match store.append(&acme, NOW, build) {
        Err(AppendError::Behind { have: 2, known: 7 }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(store.verify().unwrap(), []);
}

/// Threat row 18: two heads of one size are proof, even before any leaf is here.
#[test]
fn two_promised_heads_of_one_size_are_a_fork() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 3);
    let other = [hashes[0], hashes[2], hashes[1]];
    store.accept(vec![items[0].clone(), head(&acme, &other)], NOW).unwrap();
    let forked = store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    assert_eq!(
        (reasons(&forked), forked.items[0].fate),
        (vec![RejectReason::Forked], Fate::Refused)
    );
    assert_eq!(store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap().len(), 3);
    assert_eq!(state(&store).proof.len(), 2);
    // The leaves show which of them is true, and the other stays as proof.
    store.accept(items[1..].to_vec(), NOW).unwrap();
    store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    let state = state(&store);
    assert!(state.size == 3 && state.is_forked(), "{state:?}");
    let [bad] = state.proof.as_slice() else { panic!("the head that the leaves contradict") };
    assert_eq!((bad.peek().size, bad.peek().root), (3, crate::log::root_of(other)));
    assert_eq!(store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap().len(), 3);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn a_promise_that_signed_leaves_break_is_proof_of_a_fork() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 4);
    let other = [hashes[0], hashes[1], hashes[3]];
    store.accept(items[..2].to_vec(), NOW).unwrap();
    store.accept(vec![head(&acme, &hashes[..2]), head(&acme, &other)], NOW).unwrap();
    assert!(!state(&store).is_forked());
    store.accept(vec![items[2].clone()], NOW).unwrap();
    let broken = state(&store);
    assert!(broken.size == 2 && broken.is_forked() && broken.promised.is_none(), "{broken:?}");
    // The branch whose leaves are here goes on.
    store.accept(vec![items[3].clone(), head(&acme, &hashes)], NOW).unwrap();
    assert!(state(&store).size == 4 && state(&store).is_forked());
    assert_eq!(store.verify().unwrap(), []);
}

/// A proof that only we saw has to reach those who come later, whatever is signed on top of it.
#[test]
fn what_proves_a_fork_spreads_also_when_larger_heads_come() {
    let acme = publisher("acme");
    let (items, hashes) = statements(&acme, 6);
    let other = [hashes[0], hashes[2], hashes[1]];
    let ids =
        |store: &Store| store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap();
    let bad = head(&acme, &other);
    // Two of one size before any leaf; or one that the leaves contradict, larger or smaller.
    let orders: [Vec<Vec<Incoming>>; 3] = [
        vec![
            vec![head(&acme, &hashes[..3])],
            vec![bad.clone()],
            vec![head(&acme, &hashes)],
            items.clone(),
        ],
        vec![vec![bad.clone()], items.clone(), vec![head(&acme, &hashes)]],
        vec![items.clone(), vec![head(&acme, &hashes)], vec![bad.clone()]],
    ];
    let mut all = Vec::new();
    for order in orders {
        let store = store();
        store.accept(vec![items[0].clone()], NOW).unwrap();
        for batch in order {
            store.accept(batch, NOW).unwrap();
            assert_eq!(store.verify().unwrap(), []);
        }
        let (found, third) = (state(&store), super::super::super::testing::store());
        assert_eq!((found.size, found.proof.len(), found.is_forked()), (6, 1, true));
        assert_eq!(found.sure, found.head);
        third.accept(store.sent_to(Reader::Local, 0), NOW).unwrap();
        assert_eq!((state(&third).proof, state(&third).sure), (found.proof, found.sure));
        all.extend([ids(&store), ids(&third)]);
    }
    assert!(all.iter().all(|ids| ids.len() == 3 && *ids == all[0]), "{all:?}");
}

/// Who follows only a part of a log pins less than is signed: that is nothing to tell others.
#[test]
fn a_pinned_head_below_a_promised_one_is_no_item() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 3);
    store.accept(items, NOW).unwrap();
    store.accept(vec![head(&acme, &hashes)], NOW).unwrap();
    store.accept(vec![Incoming::Head(head_of_size(&acme, 5))], NOW).unwrap();
    assert_eq!((state(&store).size, state(&store).promised.unwrap().peek().size), (3, 5));
    let urgent = store.snapshot().unwrap().ids(ItemSet::Urgent, &[0; 32], 0, 9).unwrap();
    assert_eq!(urgent.len(), 2, "the inception and the promise");
    assert_eq!(store.verify().unwrap(), []);
}

/// Invented hashes in any order do not stand in the way of the true ones.
#[test]
fn hashes_that_break_a_promise_are_dropped_and_given_back() {
    let (store, acme) = (store(), publisher("acme"));
    let counted = || get_number(&store.read().unwrap().rows(META).unwrap(), META_STRANGERS);
    let (items, hashes) = statements(&acme, 4);
    store.accept(vec![items[0].clone(), head(&acme, &hashes)], NOW).unwrap();
    let before = counted().unwrap();
    let invented = crate::log::leaf_hash(b"invented");
    // Not in the order of the log: a promised head vouches that there is something.
    let accepted = store.accept(vec![bare(&acme, 3, hashes[3])], NOW).unwrap();
    assert_eq!((accepted.new, accepted.refuted), (1, Vec::new()));
    let accepted = store.accept(vec![bare(&acme, 1, invented), bare(&acme, 2, hashes[2])], NOW);
    let log = log_of(&acme);
    assert_eq!(accepted.unwrap().refuted, [Refuted { log, sent: false }]);
    assert_eq!((state(&store).leaves, counted().unwrap()), (1, before));
    let leaves: Vec<_> = (1..4).map(|seq| bare(&acme, seq, hashes[seq as usize])).collect();
    let mut lie = leaves.clone();
    lie[1] = bare(&acme, 2, invented);
    assert_eq!(store.accept(lie, NOW).unwrap().refuted, [Refuted { log, sent: true }]);
    assert_eq!(store.accept(leaves, NOW).unwrap().refuted, []);
    assert!(state(&store).size == 4 && state(&store).promised.is_none());
    assert_eq!(store.snapshot().unwrap().bare_leaves(0, 9).unwrap().len(), 3);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn of_two_copies_of_one_head_the_later_stamped_stays_and_nothing_is_told() {
    let (store, acme) = (store(), publisher("acme"));
    let (items, hashes) = statements(&acme, 2);
    store.accept(items, NOW).unwrap();
    let Incoming::Head(plain) = head(&acme, &hashes) else { panic!("a head") };
    store.accept(vec![Incoming::Head(plain.clone())], NOW).unwrap();
    let last = store.last_change().unwrap();
    let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
    let stamped = plain.stamp(acme.key(), at(2_000)).unwrap();
    for copy in [&stamped, &plain.stamp(acme.key(), at(1_000)).unwrap(), &plain] {
        let accepted = store.accept(vec![Incoming::Head(copy.clone())], NOW).unwrap();
        assert_eq!((accepted.known, accepted.rejected), (1, Vec::new()));
        assert_eq!(state(&store).head.unwrap(), stamped);
    }
    assert_eq!(store.last_change().unwrap(), last);
    assert_eq!(store.verify().unwrap(), []);
}

/// Threat row 34: heads of publishers that nobody introduced are not kept.
#[test]
fn junk_heads_of_unknown_publishers_take_no_room() {
    let (store, eve) = (store(), publisher("eve"));
    let heads: Vec<_> = (2..500).map(|size| Incoming::Head(head_of_size(&eve, size))).collect();
    let accepted = store.accept(heads.clone(), NOW).unwrap();
    assert!(reasons(&accepted).iter().all(|reason| *reason == RejectReason::UnknownPublisher));
    assert_eq!((store.logs().unwrap().len(), store.last_change().unwrap()), (0, 0));
    // Of one that is known, one head is kept, however many come.
    store.accept(vec![inception(&eve)], NOW).unwrap();
    store.accept(heads, NOW).unwrap();
    assert_eq!(store.changes(0, 1000).unwrap().len(), 2);
    assert_eq!(store.verify().unwrap(), []);
}
