//! Two real stores in memory that talk to each other until they hold the same.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use catalog::release::{MirrorHints, Release};
use catalog::statement::{ChannelMove, Yank};
use catalog::store::disk::Disk;
use catalog::{
    ByteSize, Digest, Identity, NodeId, PackageKind, Permission, Reader, Resources, SecretKey,
    Statement, Store, Timestamp, Variant,
};
use catalog_sync::conversation::{Conversation, Next, Terms};
use catalog_sync::exchange::{Appetite, Budget, Cost, Ending, Known, Outcome};
use catalog_sync::message::Cursor;
use catalog_sync::view::Selection;
use catalog_sync::{Keeper, View};

const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
const FRIEND: NodeId = NodeId::from_bytes([1; 32]);
const STRANGER: NodeId = NodeId::from_bytes([2; 32]);

struct Node {
    id: NodeId,
    keeper: Keeper,
}

fn node(id: NodeId) -> Node {
    let disk = Disk::holding(Vec::new());
    let epoch = id.as_bytes()[..16].try_into().unwrap();
    Node { id, keeper: Keeper::new(Store::on_disk(&disk, epoch).unwrap()) }
}

fn identity(number: u8) -> Identity {
    let key = |number| SecretKey::from_bytes(&[number; 32]);
    Identity::of_keys(key(2 * number), key(2 * number + 1), None, NOW)
}

fn release(identity: &Identity, seq: u64, name: &str, version: &str) -> Release {
    let content = Digest::of(format!("{name} {version}").as_bytes());
    Release {
        publisher: identity.publisher(),
        seq,
        time: NOW,
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        kind: PackageKind::Client,
        summary: String::new(),
        license: "MIT".to_owned(),
        keywords: Vec::new(),
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: Default::default(),
        permission: Permission::Public,
        sealed: None,
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        variants: vec![Variant {
            id: "generic".parse().unwrap(),
            requires: Default::default(),
            prefers: Default::default(),
            resources: Resources::default(),
            fallback: false,
            quality: 50,
            root: content,
            tree: Digest::of(content.as_bytes()),
            size: ByteSize::bytes(1),
            files: 1,
        }],
        extensions: Default::default(),
    }
}

impl Node {
    fn store(&self) -> &Store {
        self.keeper.store()
    }

    fn publish(&self, identity: &Identity, name: &str, version: &str) {
        self.publish_as(identity, name, version, |_| {});
    }

    fn publish_as(
        &self,
        identity: &Identity,
        name: &str,
        version: &str,
        change: impl FnOnce(&mut Release),
    ) {
        let build = |seq| {
            let mut release = release(identity, seq, name, version);
            change(&mut release);
            Statement::Release(release)
        };
        self.store().append(identity, NOW, build).unwrap();
    }

    fn yank(&self, identity: &Identity, name: &str, version: &str) {
        let build = |seq| {
            Statement::Yank(Yank {
                publisher: identity.publisher(),
                seq,
                time: NOW,
                name: name.parse().unwrap(),
                version: version.parse().unwrap(),
                yanked: true,
                reason: String::new(),
            })
        };
        self.store().append(identity, NOW, build).unwrap();
    }

    fn releases(&self) -> BTreeSet<String> {
        let mut releases = BTreeSet::new();
        for package in self.store().packages().unwrap() {
            for row in self.store().versions(&package).unwrap() {
                releases.insert(format!("{}@{}", package.name, row.version));
            }
        }
        releases
    }

    fn terms(&self, peer: NodeId) -> Terms {
        Terms {
            reader: Reader::Node(peer),
            appetite: Appetite::Takes,
            seed: *self.id.as_bytes(),
            budget: Budget::default(),
            now: NOW,
        }
    }
}

/// One conversation from beginning to end; how it ended for the opener.
fn talk(opener: &Node, answerer: &Node, view: View, known: Known) -> (Outcome, Cost) {
    let terms = opener.terms(answerer.id);
    let ours = Conversation::open(&opener.keeper, view, known, terms).unwrap();
    run(ours, opener, answerer)
}

fn run(mut ours: Conversation, opener: &Node, answerer: &Node) -> (Outcome, Cost) {
    let mut theirs: Option<Conversation> = None;
    let mut outcome = None;
    loop {
        match ours.next(NOW).unwrap() {
            Next::Send(frame) => match &mut theirs {
                Some(theirs) => theirs.hear(&frame).unwrap(),
                None => {
                    let terms = answerer.terms(opener.id);
                    let talk = Conversation::answer(&answerer.keeper, &frame, terms);
                    theirs = Some(talk.unwrap());
                }
            },
            Next::Over(over) => outcome = Some(over),
            Next::Listen => {
                let Some(theirs) = &mut theirs else { break };
                let mut silent = true;
                while let Next::Send(frame) = theirs.next(NOW).unwrap() {
                    silent = false;
                    ours.hear(&frame).unwrap();
                }
                if silent {
                    break;
                }
            }
        }
    }
    assert_eq!(ours.report().faults, 0);
    (outcome.expect("it ended"), ours.cost())
}

fn sync(opener: &Node, answerer: &Node) {
    for view in [View::Urgent, View::All] {
        let (outcome, _) = talk(opener, answerer, view.clone(), Known::default());
        let ending = outcome.ending;
        assert!(matches!(ending, Ending::Same | Ending::Complete), "{view:?}: {ending:?}");
    }
}

fn assert_equal(one: &Node, other: &Node) {
    let root = |node: &Node| node.keeper.current().unwrap().root();
    assert_eq!(root(one), root(other));
    assert!(one.store().verify().unwrap().is_empty());
    assert!(other.store().verify().unwrap().is_empty());
}

#[test]
fn two_stores_that_both_published_hold_the_same_after_one_exchange() {
    let (one, other, acme, zorg) = (node(FRIEND), node(STRANGER), identity(3), identity(4));
    for number in 0..40 {
        one.publish(&acme, "graphdb", &format!("1.{number}.0"));
        other.publish(&zorg, "notes", &format!("1.{number}.0"));
    }
    one.yank(&acme, "graphdb", "1.3.0");
    sync(&one, &other);
    assert_eq!(one.releases().len(), 80);
    assert_eq!(one.releases(), other.releases());
    assert_equal(&one, &other);
    // Both logs are pinned on both sides, though the heads travelled ahead of their leaves.
    for node in [&one, &other] {
        assert!(node.store().logs().unwrap().iter().all(|log| log.size == log.leaves));
    }

    one.publish(&acme, "graphdb", "2.0.0");
    let (_, cost) = talk(&other, &one, View::All, Known::default());
    assert!(other.releases().contains("graphdb@2.0.0"));
    let overhead = cost.overhead_in + cost.overhead_out;
    assert!(overhead < 900, "{overhead} bytes to find one record");
}

#[test]
fn a_cursor_brings_what_is_new_and_nothing_else() {
    let (one, other, acme) = (node(FRIEND), node(STRANGER), identity(3));
    for number in 0..20 {
        one.publish(&acme, "graphdb", &format!("1.{number}.0"));
    }
    let (first, _) = talk(&other, &one, View::All, Known::default());
    let cursor = Cursor { epoch: one.store().epoch(), seq: first.position.unwrap() };
    assert_eq!(cursor.seq, one.store().last_change().unwrap());
    assert_equal(&one, &other);
    one.publish(&acme, "graphdb", "2.0.0");
    one.yank(&acme, "graphdb", "1.0.0");
    let known = Known { cursor: Some(cursor), ..Known::default() };
    let (second, cost) = talk(&other, &one, View::All, known);
    assert_eq!(second.position, Some(one.store().last_change().unwrap()));
    assert!(cost.records_in < 2_000, "{cost:?}");
    assert_equal(&one, &other);
}

/// What is restricted is the same item for those who may read it and those who may not.
#[test]
fn nodes_with_other_permissions_hold_equal_sets_and_learn_no_names() {
    let (one, friend, stranger) = (node(NodeId::from_bytes([9; 32])), node(FRIEND), node(STRANGER));
    let acme = identity(3);
    one.publish(&acme, "open", "1.0.0");
    one.publish_as(&acme, "secret", "1.0.0", |release| {
        release.permission = Permission::Restricted([FRIEND].into());
    });
    one.yank(&acme, "secret", "1.0.0");
    one.publish(&acme, "open", "1.1.0");
    sync(&friend, &one);
    sync(&stranger, &one);
    assert_eq!(friend.releases().len(), 3);
    assert_eq!(stranger.releases().len(), 2);
    assert_equal(&one, &friend);
    assert_equal(&one, &stranger);
    let logs = stranger.store().logs().unwrap();
    assert_eq!((logs[0].size, logs[0].leaves), (5, 5));
}

#[test]
fn a_selection_brings_what_was_asked_for_and_nothing_else() {
    let (one, other, acme) = (node(FRIEND), node(STRANGER), identity(3));
    for number in 0..60 {
        one.publish_as(&acme, &format!("package-{number}"), "1.0.0", |release| {
            release.tags = vec![if number % 10 == 0 { "graph" } else { "other" }.to_owned()];
        });
    }
    let tags = ["graph".parse().unwrap()].into();
    let view = View::Releases(Selection { tags, ..Selection::default() });
    let (_, urgent) = talk(&other, &one, View::Urgent, Known::default());
    let (outcome, cost) = talk(&other, &one, view.clone(), Known::default());
    assert!(matches!(outcome.ending, Ending::Same | Ending::Complete), "{outcome:?}");
    assert_eq!(other.releases().len(), 6);
    assert!(urgent.records_in + cost.records_in < 5_000, "{urgent:?} {cost:?}");
    let (again, _) = talk(&other, &one, view, Known::default());
    assert_eq!(again.ending, Ending::Same);
    assert!(other.store().verify().unwrap().is_empty());
}

#[test]
fn a_move_of_a_channel_waits_for_nobody() {
    let (one, other, acme) = (node(FRIEND), node(STRANGER), identity(3));
    for number in 0..30 {
        one.publish(&acme, "graphdb", &format!("1.{number}.0"));
    }
    let build = |seq| {
        Statement::Channel(ChannelMove {
            publisher: acme.publisher(),
            seq,
            time: NOW,
            name: "graphdb".parse().unwrap(),
            channel: "stable".parse().unwrap(),
            version: "1.3.0".parse().unwrap(),
            after: Default::default(),
        })
    };
    one.store().append(&acme, NOW, build).unwrap();
    one.yank(&acme, "graphdb", "1.2.0");
    let (outcome, cost) = talk(&other, &one, View::Urgent, Known::default());
    assert!(matches!(outcome.ending, Ending::Same | Ending::Complete), "{outcome:?}");
    assert!(other.releases().is_empty() && cost.records_in < 2_000, "{cost:?}");
    talk(&other, &one, View::All, Known::default());
    assert_equal(&one, &other);
}

#[test]
fn a_keeper_goes_on_where_it_was_saved_and_makes_anew_what_is_damaged() {
    let acme = identity(3);
    let one = node(FRIEND);
    for number in 0..50 {
        one.publish(&acme, "graphdb", &format!("1.{number}.0"));
    }
    let root = one.keeper.current().unwrap().root();
    one.keeper.save().unwrap();
    let again = Keeper::new(one.store().clone());
    assert_eq!(again.current().unwrap().root(), root);
    one.publish(&acme, "graphdb", "2.0.0");
    let root = one.keeper.current().unwrap().root();
    let again = Keeper::new(one.store().clone());
    assert_eq!(again.current().unwrap().root(), root, "late, not wrong");

    // Rows that are whole and belong to another time, then rows that are nothing.
    let (rows, cursor) = one
        .store()
        .follower_rows("sync", &[], |rows| rows.map(Result::unwrap).collect::<Vec<_>>())
        .unwrap();
    assert!(!rows.is_empty());
    for (at, cursor) in [(0, cursor + 1), (1, cursor), (rows.len() - 1, cursor)] {
        let (key, mut value) = rows[at].clone();
        value[0] ^= 1;
        one.store().follow("sync", cursor, [(key.clone(), value)], []).unwrap();
        let again = Keeper::new(one.store().clone());
        assert_eq!(again.current().unwrap().root(), root, "row {at}");
        one.store().follow("sync", cursor, [rows[at].clone()], []).unwrap();
    }
}

/// A member that first met a restricted release through somebody who may not read it holds the
/// same set as everybody; what stands there it has to ask a member for.
#[test]
fn a_member_fetches_what_an_outsider_could_only_tell_the_hash_of() {
    let (member, other, outsider) =
        (node(FRIEND), node(NodeId::from_bytes([3; 32])), node(STRANGER));
    let acme = identity(3);
    let members = [member.id, other.id];
    member.publish_as(&acme, "secret", "1.0.0", |release| {
        release.permission = Permission::Restricted(members.into());
    });
    sync(&outsider, &member);
    sync(&other, &outsider);
    sync(&other, &member);
    assert_equal(&other, &member);
    assert!(other.releases().is_empty());

    let fetch = |from: &Node| {
        let terms = other.terms(from.id);
        let (ours, reached) = Conversation::fetch(&other.keeper, 0, terms).unwrap().unwrap();
        assert!(reached > 0);
        run(ours, &other, from);
    };
    fetch(&outsider);
    assert!(other.releases().is_empty());
    fetch(&member);
    assert_eq!(other.releases(), member.releases());
    assert_equal(&other, &member);
    assert!(Conversation::fetch(&other.keeper, 0, other.terms(member.id)).unwrap().is_none());
}
