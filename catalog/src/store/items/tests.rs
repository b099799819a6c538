use std::collections::{BTreeMap, BTreeSet};

use super::super::disk::Random;
use super::super::testing::{NOW, channel, publisher, release, store, yank};
use super::super::{ChangeItem, Class, Evidence, Incoming, ItemChange, Snapshot, Store};
use super::*;
use crate::head::Head;
use crate::identity::Identity;
use crate::permission::{NodeId, Permission, Reader};
use crate::release::Release;

const FRIEND: NodeId = NodeId::from_bytes([1; 32]);
const STRANGER: Reader = Reader::Node(NodeId::from_bytes([2; 32]));

/// Applies changes as they come, as a summary of the sets does.
#[derive(Default)]
struct Follower {
    cursor: u64,
    sets: BTreeMap<ItemSet, BTreeSet<ItemId>>,
    heads: BTreeMap<LogId, Vec<ItemId>>,
}

impl Follower {
    fn catch_up(&mut self, store: &Store, limit: usize) {
        let snapshot = store.snapshot().unwrap();
        loop {
            let changes = snapshot.item_changes(self.cursor, limit).unwrap();
            let Some(last) = changes.last() else { break };
            self.cursor = last.seq();
            for change in changes {
                match change {
                    ItemChange::Leaf { set, item, .. } => {
                        let new = self.sets.entry(set).or_default().insert(item);
                        assert!(new, "{item:?} is told of once");
                    }
                    ItemChange::Heads { log, items, .. } => {
                        let urgent = self.sets.entry(ItemSet::Urgent).or_default();
                        for old in self.heads.insert(log, items.clone()).unwrap_or_default() {
                            assert!(urgent.remove(&old), "a head that was told of");
                        }
                        assert!(items.into_iter().all(|item| urgent.insert(item)));
                    }
                }
            }
        }
        for set in [ItemSet::Urgent, ItemSet::Log] {
            assert_eq!(self.sets.entry(set).or_default(), &ids(store, set));
        }
    }
}

fn ids(store: &Store, set: ItemSet) -> BTreeSet<ItemId> {
    store.snapshot().unwrap().ids(set, &[0; 32], 0, usize::MAX).unwrap().into_iter().collect()
}

fn sizes(store: &Store) -> (usize, usize) {
    (ids(store, ItemSet::Urgent).len(), ids(store, ItemSet::Log).len())
}

fn log_of(identity: &Identity) -> LogId {
    LogId { publisher: identity.publisher(), key: identity.key().public() }
}

fn publish_restricted(store: &Store, identity: &Identity, name: &str) {
    let build = |seq| {
        let permission = Permission::Restricted([FRIEND].into());
        Statement::Release(Release { permission, ..release(identity, seq, name, "1.0.0", "") })
    };
    store.append(identity, NOW, build).unwrap();
}

/// A store with public and restricted statements of one publisher: 7 positions.
fn mixed(acme: &Identity) -> Store {
    let store = store();
    store.publish(acme, "open", "1.0.0");
    publish_restricted(&store, acme, "secret");
    store.append(acme, NOW, |seq| yank(acme, seq, "secret", "1.0.0", true)).unwrap();
    store.append(acme, NOW, |seq| channel(acme, seq, "open", "stable", "1.0.0")).unwrap();
    store.append(acme, NOW, |seq| yank(acme, seq, "open", "1.0.0", true)).unwrap();
    publish_restricted(&store, acme, "hidden");
    store
}

#[test]
fn a_snapshot_goes_to_any_thread() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Snapshot>();
}

#[test]
fn every_position_is_an_item_and_what_is_urgent_and_public_is_in_both_sets() {
    let acme = publisher("acme");
    let store = mixed(&acme);
    assert_eq!(sizes(&store), (4, 7), "an inception, a channel move, a yank and the head");
    let (urgent, log) = (ids(&store, ItemSet::Urgent), ids(&store, ItemSet::Log));
    assert_eq!(urgent.difference(&log).count(), 1, "the head");
    for limit in [1, 2, 3, 100] {
        Follower::default().catch_up(&store, limit);
    }
    assert_eq!(store.verify().unwrap(), []);
}

/// Those who may read a statement and those who may not hold equal sets.
#[test]
fn a_statement_and_its_bare_hash_are_one_item() {
    let acme = publisher("acme");
    let (ours, theirs) = (mixed(&acme), store());
    let mut follower = Follower::default();
    theirs.accept(ours.sent_to(STRANGER, 0), NOW).unwrap();
    follower.catch_up(&theirs, 3);
    for set in [ItemSet::Urgent, ItemSet::Log] {
        assert_eq!(ids(&ours, set), ids(&theirs, set));
    }
    let bare = theirs.snapshot().unwrap().bare_leaves(0, 10).unwrap();
    assert_eq!(bare.len(), 3);
    assert_eq!(theirs.snapshot().unwrap().bare_leaves(bare[0].0, 1).unwrap(), bare[1..2]);

    // What was a hash becomes a statement: nothing enters a set.
    let before = theirs.last_change().unwrap();
    theirs.accept(ours.sent_to(Reader::Node(FRIEND), 0), NOW).unwrap();
    assert!(theirs.last_change().unwrap() > before);
    assert_eq!(theirs.snapshot().unwrap().item_changes(before, 10).unwrap(), []);
    assert_eq!(theirs.snapshot().unwrap().bare_leaves(0, 10).unwrap(), []);
    follower.catch_up(&theirs, 3);
    Follower::default().catch_up(&theirs, 3);
    assert_eq!(theirs.verify().unwrap(), []);
}

#[test]
fn a_hash_that_no_head_vouches_for_is_no_item() {
    let acme = publisher("acme");
    let (ours, theirs) = (mixed(&acme), store());
    let mut sent = ours.sent_to(STRANGER, 0);
    let heads = sent.iter().position(|item| matches!(item, Incoming::Head(_))).unwrap();
    let head = sent.remove(heads);
    let mut follower = Follower::default();
    theirs.accept(sent, NOW).unwrap();
    follower.catch_up(&theirs, 10);
    assert_eq!(sizes(&theirs), (3, 4));
    assert_eq!(theirs.verify().unwrap(), []);
    theirs.accept(vec![head], NOW).unwrap();
    follower.catch_up(&theirs, 10);
    assert_eq!(sizes(&theirs), sizes(&ours));
    assert_eq!(theirs.verify().unwrap(), []);
}

/// A yank that nobody could be shown goes to everybody when its release turns out to be public.
#[test]
fn a_yank_becomes_urgent_when_its_public_release_comes_later() {
    let (ours, theirs, acme) = (store(), store(), publisher("acme"));
    ours.publish(&acme, "graphdb", "1.0.0");
    ours.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0")).unwrap();
    ours.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true)).unwrap();
    let mut sent = ours.sent_to(Reader::Local, 0);
    let release = sent.remove(1);
    let mut follower = Follower::default();
    theirs.accept(sent, NOW).unwrap();
    follower.catch_up(&theirs, 10);
    assert_eq!(sizes(&theirs), (2, 1), "the inception and the head");
    assert_eq!(theirs.verify().unwrap(), []);

    let before = theirs.last_change().unwrap();
    theirs.accept(vec![release], NOW).unwrap();
    follower.catch_up(&theirs, 10);
    Follower::default().catch_up(&theirs, 10);
    for set in [ItemSet::Urgent, ItemSet::Log] {
        assert_eq!(ids(&ours, set), ids(&theirs, set));
    }
    let snapshot = theirs.snapshot().unwrap();
    let told = |class| snapshot.changes_for(STRANGER, before, 10, class).unwrap().len();
    assert_eq!((told(Class::Urgent), told(Class::Rest), told(Class::All)), (2, 1, 3));
    assert_eq!(theirs.verify().unwrap(), []);
}

/// What can be shown to nobody is no item, or two nodes would stay unequal for ever: here a yank
/// whose release never comes, and a restricted release before its head.
#[test]
fn what_can_be_shown_to_nobody_is_no_item() {
    let (ours, acme) = (store(), publisher("acme"));
    ours.publish(&acme, "graphdb", "1.0.0");
    ours.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true)).unwrap();
    publish_restricted(&ours, &acme, "secret");
    let mut sent = ours.sent_to(Reader::Local, 0);
    let release = sent.remove(1);
    let [theirs, third] = [store(), store()];
    let head = sent.pop().unwrap();
    theirs.accept(sent, NOW).unwrap();
    assert_eq!(sizes(&theirs), (1, 1), "the inception");
    theirs.accept(vec![head], NOW).unwrap();
    reconcile(&theirs, &third, STRANGER);
    assert_eq!(reconcile(&theirs, &third, STRANGER), 0);
    for set in [ItemSet::Urgent, ItemSet::Log] {
        assert_eq!(ids(&theirs, set), ids(&third, set));
    }
    // With what was missing all of it can be vouched for.
    theirs.accept(vec![release], NOW).unwrap();
    reconcile(&theirs, &third, STRANGER);
    for (node, bare) in [(&ours, 0), (&theirs, 0), (&third, 1)] {
        assert_eq!(sizes(node), sizes(&ours));
        assert_eq!(node.snapshot().unwrap().bare_leaves(0, 9).unwrap().len(), bare);
        assert_eq!(node.verify().unwrap(), []);
        Follower::default().catch_up(node, 2);
    }
}

#[test]
fn what_is_restricted_is_never_urgent() {
    let (store, acme) = (store(), publisher("acme"));
    publish_restricted(&store, &acme, "secret");
    store.append(&acme, NOW, |seq| yank(&acme, seq, "secret", "1.0.0", true)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let urgent = snapshot.changes_for(STRANGER, 0, 10, Class::Urgent).unwrap();
    assert_eq!(urgent.len(), 2, "the inception and the head: {urgent:?}");
    for item in snapshot.ids(ItemSet::Urgent, &[0; 32], 0, 10).unwrap() {
        let shown = snapshot.payload(STRANGER, &item).unwrap();
        assert!(!matches!(shown, None | Some(ChangeItem::Leaf { .. })), "{shown:?}");
    }
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn ids_are_found_by_any_prefix() {
    let (store, acme) = (store(), publisher("acme"));
    for patch in 0..40 {
        store.publish(&acme, "graphdb", &format!("1.0.{patch}"));
    }
    let (all, snapshot) = (ids(&store, ItemSet::Log), store.snapshot().unwrap());
    for item in &all {
        for bits in [0, 1, 3, 5, 8, 9, 16, 255, 256, 300] {
            let shares = |other: &&ItemId| {
                (0..bits.min(256)).all(|bit| {
                    let at = |id: &ItemId| id.as_bytes()[bit / 8] >> (7 - bit % 8) & 1;
                    at(item) == at(other)
                })
            };
            let expected: Vec<_> = all.iter().filter(shares).take(7).copied().collect();
            let found = snapshot.ids(ItemSet::Log, item.as_bytes(), bits, 7).unwrap();
            assert_eq!(found, expected, "{bits} bits");
        }
    }
}

/// Sends what `from` has and `to` lacks in small batches, urgent ones first, in the order of ids. A
/// publisher's inception may come in a later batch than what stands on it, which comes next time.
fn reconcile(from: &Store, to: &Store, reader: Reader) -> usize {
    let mut sent = 0;
    for set in [ItemSet::Urgent, ItemSet::Log] {
        let (ours, theirs) = (from.snapshot().unwrap(), ids(to, set));
        let lacking = ids(from, set).into_iter().filter(|item| !theirs.contains(item));
        let items: Vec<Incoming> = lacking
            .filter_map(|item| ours.payload(reader, &item).unwrap())
            .map(Into::into)
            .collect();
        sent += items.len();
        for items in items.chunks(3) {
            let accepted = to.accept(items.to_vec(), NOW).unwrap();
            for rejected in accepted.rejected {
                assert!(!rejected.reason.is_fault(), "{}", rejected.reason);
            }
        }
    }
    sent
}

/// Whatever is exchanged item by item, in whatever order, both sides end equal.
#[test]
fn stores_that_exchange_what_they_lack_become_equal() {
    let [acme, other, third] = ["acme", "other", "third"].map(publisher);
    for reader in [Reader::Local, STRANGER] {
        let (one, two) = (mixed(&acme), mixed(&other));
        for patch in 0..30 {
            one.publish(&third, "graphdb", &format!("1.0.{patch}"));
        }
        publish_restricted(&one, &third, "secret");
        let middle = store();
        let mut follower = Follower::default();
        for _ in 0..2 {
            for from in [&one, &two] {
                reconcile(from, &middle, reader);
                follower.catch_up(&middle, 5);
            }
        }
        for to in [&one, &two, &one, &two] {
            reconcile(&middle, to, reader);
        }
        for set in [ItemSet::Urgent, ItemSet::Log] {
            assert_eq!(ids(&one, set), ids(&middle, set));
            assert_eq!(ids(&two, set), ids(&middle, set));
        }
        assert!(middle.logs().unwrap().iter().all(|log| log.size == log.leaves && log.size > 0));
        assert_eq!(reconcile(&one, &two, reader), 0);
        for store in [one, two, middle] {
            assert_eq!(store.verify().unwrap(), []);
        }
    }
}

/// Everything that a publisher at odds with itself signed, in any order and in any batches: no
/// follower is misled, and the rows are those that a rebuild gives.
#[test]
fn whatever_comes_in_whatever_order_the_items_follow_from_it() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let acme = publisher("acme");
        let (ours, forked) = (mixed(&acme), mixed(&acme));
        ours.publish(&acme, "open", "2.0.0");
        forked.publish(&acme, "open", "3.0.0");
        forked.append(&acme, NOW, |seq| yank(&acme, seq, "open", "3.0.0", true)).unwrap();
        let mut sent = Vec::new();
        for (store, reader) in [(&ours, Reader::Local), (&ours, STRANGER), (&forked, STRANGER)] {
            sent.extend(store.sent_to(reader, 0));
        }
        // Heads of every length, of both branches.
        for store in [&ours, &forked] {
            let log = log_of(&acme);
            let leaves: Vec<_> = (0..store.logs().unwrap()[0].size)
                .map(|seq| store.statements_at(&log, seq).unwrap()[0].leaf())
                .collect();
            for size in 0..=leaves.len() {
                let root = crate::log::root_of(leaves[..size].iter().copied());
                let (publisher, key, size) = (log.publisher, log.key, size as u64);
                let head = Head { publisher, key, size, root };
                sent.push(Incoming::Head(SealedHead::seal(&head, acme.key())));
            }
        }
        for last in (1..sent.len()).rev() {
            sent.swap(last, random.below(last as u64 + 1) as usize);
        }
        let theirs = store();
        theirs.accept(vec![Incoming::Statement(acme.inception().clone())], NOW).unwrap();
        let mut follower = Follower::default();
        while !sent.is_empty() {
            let count = 1 + random.below(4).min(sent.len() as u64 - 1) as usize;
            theirs.accept(sent.drain(..count).collect(), NOW).unwrap();
            if random.below(2) == 0 {
                follower.catch_up(&theirs, 1 + random.below(5) as usize);
            }
            if random.below(4) == 0 {
                assert_eq!(theirs.verify().unwrap(), [], "seed {seed}");
            }
        }
        follower.catch_up(&theirs, 100);
        Follower::default().catch_up(&theirs, 100);
        assert_eq!(theirs.verify().unwrap(), [], "seed {seed}");
    }
}

/// A publisher that signed two histories, as from a backup that was restored: whichever a node saw
/// first and whatever it pinned, those who exchanged all of it know of the fork and have equal sets.
#[test]
fn a_fork_with_two_branches_leaves_no_two_nodes_unequal() {
    for seed in 0..24 {
        let mut random = Random(seed);
        let acme = publisher("acme");
        let branches = [store(), store()];
        let shared = 1 + random.below(3);
        for (at, store) in branches.iter().enumerate() {
            for patch in 0..shared {
                store.publish(&acme, "graphdb", &format!("1.0.{patch}"));
            }
            for patch in 0..1 + random.below(4) {
                store.publish(&acme, "graphdb", &format!("{}.1.{patch}", at + 2));
            }
        }
        // Nodes that pinned heads of any length, of either branch.
        let nodes = [store(), store(), store()];
        for node in &nodes {
            let from = &branches[random.below(2) as usize];
            let mut sent = from.sent_to(Reader::Local, 0);
            let log = log_of(&acme);
            let size = 1 + random.below(sent.len() as u64 - 2);
            let leaves = (0..size).map(|seq| from.statements_at(&log, seq).unwrap()[0].leaf());
            let root = crate::log::root_of(leaves);
            let head = Head { publisher: log.publisher, key: log.key, size, root };
            sent.truncate(size as usize);
            sent.push(Incoming::Head(SealedHead::seal(&head, acme.key())));
            node.accept(sent, NOW).unwrap();
        }
        let all: Vec<_> = branches.iter().chain(&nodes).collect();
        for _ in 0..4 {
            for from in &all {
                for to in &all {
                    reconcile(from, to, STRANGER);
                }
            }
        }
        for node in &all {
            for set in [ItemSet::Urgent, ItemSet::Log] {
                assert_eq!(ids(node, set), ids(all[0], set), "seed {seed}");
            }
            assert!(node.logs().unwrap()[0].is_forked(), "seed {seed}");
            assert_eq!(node.verify().unwrap(), [], "seed {seed}");
            let mut follower = Follower::default();
            follower.catch_up(node, 3);
        }
    }
}

/// What a node makes of a forked log, as far as all who know the same have to agree on it.
fn observed(store: &Store, log: &LogId) -> impl PartialEq + std::fmt::Debug + use<> {
    let state = store.log(log).unwrap();
    let state = state.map(|state| {
        let pinned = (!state.is_forked()).then(|| state.head.clone());
        (state.leaves, state.is_forked(), pinned, state.promised, state.sure, state.proof)
    });
    let conflicts = store.conflicts().unwrap().into_iter();
    // Which release of a contested version came first is for people to know, and for no policy.
    let fork = conflicts.filter(|one| matches!(one.evidence, Evidence::Fork { .. }));
    let mut versions = Vec::new();
    for package in store.packages().unwrap() {
        let rows = store.versions(&package).unwrap().into_iter();
        versions.extend(rows.map(|row| (row.version, row.contested, row.yanked)));
        let channels = store.channels(&package).unwrap().into_iter();
        versions.extend(channels.map(|(_, version)| (version, false, None)));
    }
    let frozen = store.is_frozen(&log.publisher).unwrap();
    let sets = [ItemSet::Urgent, ItemSet::Log].map(|set| ids(store, set));
    (state, fork.collect::<Vec<_>>(), versions, frozen, sets)
}

/// Everything that a publisher with up to three histories signed: each statement, and a head of
/// each size of each history.
fn histories(acme: &Identity, branches: u64, random: &mut Random) -> Vec<Incoming> {
    let shared = random.below(4);
    let mut sent = Vec::new();
    for branch in 0..branches {
        let store = store();
        for patch in 0..shared {
            store.publish(acme, "graphdb", &format!("1.0.{patch}"));
        }
        for patch in 0..1 + random.below(4) {
            let version = format!("{}.1.{patch}", branch + 2);
            store.publish(acme, "graphdb", &version);
            match random.below(4) {
                0 => store.append(acme, NOW, |seq| yank(acme, seq, "graphdb", &version, true)),
                1 => {
                    store.append(acme, NOW, |seq| channel(acme, seq, "graphdb", "stable", &version))
                }
                _ => continue,
            }
            .unwrap();
        }
        let log = log_of(acme);
        let leaves: Vec<_> = (0..store.log(&log).unwrap().unwrap().size)
            .map(|seq| store.statements_at(&log, seq).unwrap()[0].leaf())
            .collect();
        for size in 1..=leaves.len() {
            let root = crate::log::root_of(leaves[..size].iter().copied());
            let head = Head { publisher: log.publisher, key: log.key, size: size as u64, root };
            sent.push(Incoming::Head(SealedHead::seal(&head, acme.key())));
        }
        sent.extend(store.sent_to(Reader::Local, 0));
    }
    sent
}

/// Threat row 18: what is kept of a publisher is a join. Whatever a node saw, in whatever order and
/// however often, all who exchanged what they have hold the same and say the same.
#[test]
fn whatever_came_in_whatever_order_those_who_exchange_it_agree() {
    let mut forks = 0;
    for seed in 0..9 {
        let mut random = Random(seed);
        let acme = publisher("acme");
        let all = histories(&acme, 1 + seed % 3, &mut random);
        let nodes = [store(), store(), store(), store()];
        for (at, node) in nodes.iter().enumerate() {
            node.accept(vec![Incoming::Statement(acme.inception().clone())], NOW).unwrap();
            // Some saw all of it, others a part; most of it twice.
            let mut sent: Vec<_> = all.iter().chain(&all).cloned().collect();
            for last in (1..sent.len()).rev() {
                sent.swap(last, random.below(last as u64 + 1) as usize);
            }
            if at > 1 {
                sent.truncate(random.below(sent.len() as u64) as usize);
            }
            while !sent.is_empty() {
                let count = 1 + random.below(5).min(sent.len() as u64 - 1) as usize;
                node.accept(sent.drain(..count).collect(), NOW).unwrap();
            }
            assert_eq!(node.verify().unwrap(), [], "seed {seed}");
        }
        // Each exchange can bring what makes sense of something that was refused before.
        let everybody_talks = || {
            let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (from, to)));
            pairs.map(|(from, to)| reconcile(from, to, STRANGER)).sum::<usize>()
        };
        let agree = (0..6).any(|_| everybody_talks() == 0);
        assert!(agree, "seed {seed}: they never agree");
        let expected = observed(&nodes[0], &log_of(&acme));
        for node in &nodes {
            assert_eq!(observed(node, &log_of(&acme)), expected, "seed {seed}");
            assert_eq!(node.verify().unwrap(), [], "seed {seed}");
            Follower::default().catch_up(node, 3);
        }
        forks += u32::from(nodes[0].is_frozen(&acme.publisher()).unwrap());
    }
    assert_eq!(forks, 6, "two of three publishers have several histories");
}
