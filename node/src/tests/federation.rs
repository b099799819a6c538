//! Searches among nodes, and peers that spoil them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog::identity::Identity;
use catalog::permission::{NodeId, Permission};
use catalog::release::Release;
use catalog::statement::{SealedStatement, Statement};
use catalog_discovery::federation::Answer;
use catalog_sync::view::Selection;
use tempfile::TempDir;

use super::fixture::{Machine, reference, simple};
use crate::endpoint::Net;
use crate::node::now;
use crate::protocol::message::{Hello, Request, StoreState, Welcome};
use crate::protocol::question::Reply;
use crate::protocol::{self, frame};
use crate::search::{Found, Reach};
use crate::{Node, NodeConfig, talk};

/// Long enough for a loaded machine; tests that wait for it to pass use a short one.
const PATIENT: Duration = Duration::from_secs(20);
/// What a peer that never answers may cost a test: enough for those that do.
const ENOUGH: Duration = Duration::from_secs(6);

impl Machine {
    /// A node that takes nothing from peers but what must not wait.
    pub(super) async fn selective() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nothing = Selection {
            tags: BTreeSet::from(["held-by-nobody".parse().unwrap()]),
            ..Selection::default()
        };
        let config = NodeConfig::at(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        let node = Node::builder(config.select(nothing)).spawn().await.unwrap();
        Self { dir, node }
    }

    pub(super) async fn look_for(&self, text: &str) -> Found {
        self.node.search(text).within(PATIENT).await.unwrap()
    }
}

pub(super) fn rows(found: &Found) -> Vec<(String, Vec<NodeId>)> {
    found.hits.iter().map(|hit| (hit.package.name.to_string(), hit.from.clone())).collect()
}

fn coverage(found: &Found) -> Option<(usize, usize, usize)> {
    found.peers.map(|peers| (peers.asked, peers.answered, peers.lied))
}

async fn two_publishers() -> (Machine, Machine, Machine) {
    let (a, b) = (Machine::publisher("acme").await, Machine::publisher("other").await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.publish(simple(b.dir.path(), "graphviz", "1.0.0", 5)).await;
    let c = Machine::selective().await;
    c.meet(&a).await;
    c.meet(&b).await;
    (a, b, c)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_what_only_peers_hold_and_says_who_has_it() {
    let (a, b, c) = two_publishers().await;
    let found = c.look_for("grahpdb").await;
    assert_eq!(rows(&found), [("graphdb".to_owned(), vec![a.node.id()])]);
    assert_eq!(coverage(&found), Some((2, 2, 0)));
    let mut both = rows(&c.look_for("graph tests").await);
    both.sort();
    let expected = [("graphdb", &a), ("graphviz", &b)];
    assert_eq!(both, expected.map(|(name, at)| (name.to_owned(), vec![at.node.id()])));
    let alone = c.node.search("graphdb").peers(Reach::Nobody).await.unwrap();
    assert_eq!((rows(&alone), coverage(&alone)), (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_shown_at_once_and_gets_better_as_peers_answer() {
    let (a, _b, c) = two_publishers().await;
    c.node.init(None).await.unwrap();
    c.publish(simple(c.dir.path(), "graphnotes", "1.0.0", 9)).await;
    let silent = Odd::new(76, 2, Manner::Silent).await;
    silent.join(&c).await;
    let shown = Arc::new(Mutex::new(Vec::new()));
    let show = shown.clone();
    let search = c.node.search("graphdb graphnotes").within(ENOUGH);
    let last = search.progress(move |page| show.lock().unwrap().push(page)).await.unwrap();
    let pages = std::mem::take(&mut *shown.lock().unwrap());
    let here = ("graphnotes".to_owned(), vec![]);
    assert_eq!(rows(&pages[0]), std::slice::from_ref(&here));
    assert_eq!(coverage(&pages[0]), Some((3, 0, 0)));
    let better = rows(&pages[pages.len() - 1]);
    assert!(pages.len() > 1 && better.contains(&("graphdb".to_owned(), vec![a.node.id()])));
    assert_eq!((rows(&last), coverage(&last)), (better, Some((3, 2, 0))));
    assert!(rows(&last).contains(&here));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_is_remembered() {
    let (_a, _b, c) = two_publishers().await;
    let first = c.look_for("graphdb").await;
    let again = c.look_for("GraphDB ").await;
    assert_eq!(rows(&first), rows(&again));
    assert_eq!(first.peers.unwrap().age_ms, None);
    assert!(again.peers.unwrap().age_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_peer_knew_can_be_installed() {
    let (a, _b, c) = two_publishers().await;
    let hit = c.look_for("graphdb").await.hits.remove(0);
    assert!(c.node.store().packages().unwrap().is_empty(), "a search keeps nothing");
    let installed = c.node.install(&reference(&hit.reference)).await.unwrap();
    assert!(installed.path.unwrap().join("bin/run").is_file());
    assert_eq!(c.node.store().packages().unwrap(), [hit.package]);
    let found = c.look_for("graphdb").await;
    assert_eq!(rows(&found), [("graphdb".to_owned(), vec![])], "it is here now");
    assert!(c.node.verify().await.unwrap().is_clean());
    drop(a);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_holds_nothing_more_is_not_asked() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    for reach in [Reach::Connected, Reach::First(3)] {
        let found = b.node.search("graphdb").peers(reach).await.unwrap();
        assert_eq!(rows(&found), [("graphdb".to_owned(), vec![])]);
        assert_eq!(found.peers, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn known_peers_without_a_connection_are_asked_when_all_are() {
    let (a, b, c) = two_publishers().await;
    let c = c.restart_selective().await;
    let here = c.look_for("graphdb").await;
    assert_eq!((rows(&here), coverage(&here)), (vec![], None), "nobody is connected");
    b.node.shutdown().await.unwrap();
    let search = c.node.search("graphdb").peers(Reach::All).within(ENOUGH);
    let found = search.await.unwrap();
    assert_eq!(rows(&found), [("graphdb".to_owned(), vec![a.node.id()])]);
    assert_eq!(coverage(&found), Some((2, 1, 0)));
}

impl Machine {
    async fn restart_selective(self) -> Self {
        let Self { dir, node } = self;
        let config = node.config().clone();
        node.shutdown().await.unwrap();
        drop(node);
        Self { node: Node::builder(config).spawn().await.unwrap(), dir }
    }
}

/// Threat row 48, by search: neither a hit nor the count of a word tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_release_is_found_by_those_it_names_only() {
    let (a, c, d) =
        (Machine::publisher("acme").await, Machine::selective().await, Machine::selective().await);
    let mut secret = simple(a.dir.path(), "secretdb", "1.0.0", 1);
    secret.permission = Permission::Restricted(BTreeSet::from([d.node.id()]));
    a.publish(secret).await;
    a.publish(simple(a.dir.path(), "opendb", "1.0.0", 5)).await;
    c.meet(&a).await;
    d.meet(&a).await;
    assert_eq!(rows(&c.look_for("secretdb").await), []);
    assert_eq!(rows(&c.look_for("opendb").await).len(), 1, "the control: the peer does answer");
    assert_eq!(rows(&d.look_for("secretdb").await).len(), 1);
}

/// What a peer that is no node of ours does with a question.
#[derive(Clone)]
enum Manner {
    Says(Reply),
    Sends(Vec<u8>),
    Silent,
}

/// A peer that says hello and then answers every question in its manner.
struct Odd {
    id: NodeId,
    addrs: Vec<SocketAddr>,
    _dir: TempDir,
}

impl Odd {
    async fn new(seed: u8, version: u16, manner: Manner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = NodeConfig::at(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        let net = Net::bind(&config, [seed; 32], &[protocol::ALPN]).await.unwrap();
        let (id, addrs) = (crate::endpoint::node_id(&[seed; 32]), net.addrs());
        tokio::spawn(async move {
            while let Some(incoming) = net.endpoint().accept().await {
                let manner = manner.clone();
                tokio::spawn(async move {
                    let Ok(connection) = incoming.await else { return };
                    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                        let Ok((request, _)) = frame::expect(&mut receive).await else { return };
                        match (request, &manner) {
                            (Request::Hello(_), _) => {
                                let hello = Hello { version_max: version, ..hello(seed) };
                                let welcome = Welcome::Agreed { version, hello };
                                frame::send(&mut send, &welcome).await.unwrap();
                            }
                            (Request::Search(_), Manner::Says(reply)) => {
                                frame::send(&mut send, reply).await.unwrap();
                            }
                            (Request::Search(_), Manner::Sends(bytes)) => {
                                frame::send_bytes(&mut send, bytes).await.unwrap();
                            }
                            // The stream stays open.
                            _ => drop(tokio::spawn(async move {
                                let _held = (send, receive);
                                std::future::pending::<()>().await;
                            })),
                        }
                    }
                });
            }
        });
        Self { id, addrs, _dir: dir }
    }

    /// Becomes a connected peer of `machine`.
    async fn join(&self, machine: &Machine) {
        machine.node.0.lan.note(self.id, self.addrs.clone());
        drop(talk::link(&machine.node.0, self.id, &self.addrs).await.unwrap());
    }
}

fn hello(seed: u8) -> Hello {
    let set = || crate::protocol::message::SetState { root: [seed; 32], count: 9, odd: vec![] };
    Hello::ours(StoreState { store: [seed; 16], last: 9, urgent: set(), log: set() })
}

/// A release in the name of `a` that somebody else signed.
fn forged(a: &Machine) -> Answer {
    let store = a.node.store();
    let package = store.packages().unwrap().remove(0);
    let id = store.versions(&package).unwrap().remove(0).id;
    let release = store.release(&id).unwrap().unwrap();
    let release = Release { summary: "graphdb graphdb graphdb".to_owned(), seq: 9, ..release };
    let thief = Identity::generate(None, now());
    let sealed = SealedStatement::seal(&Statement::Release(release), thief.key()).unwrap();
    let inception = a.node.0.identity().unwrap().inception().clone();
    Answer { inceptions: vec![inception], releases: vec![sealed], counts: None }
}

/// Threat row 29: forged, malformed or silent, a peer adds nothing to what others hold, and the
/// answer says that it is missing.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_lie_add_nothing_and_are_left_alone() {
    let (a, b, c) = two_publishers().await;
    let forger = Odd::new(71, 2, Manner::Says(Reply::of(&forged(&a)))).await;
    let junk = Odd::new(72, 2, Manner::Sends(b"junk of no form at all".to_vec())).await;
    let busy = Odd::new(73, 2, Manner::Says(Reply::Busy)).await;
    for odd in [&forger, &junk, &busy] {
        odd.join(&c).await;
    }
    let found = c.look_for("graphdb").await;
    let expected = [("graphdb", &a)].map(|(name, at)| (name.to_owned(), vec![at.node.id()]));
    assert_eq!(rows(&found), expected);
    assert_eq!(coverage(&found), Some((5, 2, 2)));
    // Both liars are not asked again; the busy one is.
    assert_eq!(coverage(&c.look_for("graphviz").await), Some((3, 2, 0)));
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_costs_no_more_than_the_deadline_and_an_old_one_is_not_asked() {
    let (_a, _b, c) = two_publishers().await;
    let silent = Odd::new(74, 2, Manner::Silent).await;
    let old = Odd::new(75, 1, Manner::Silent).await;
    silent.join(&c).await;
    old.join(&c).await;
    let found = c.node.search("graphdb").within(Duration::from_secs(2)).await.unwrap();
    assert_eq!(rows(&found).len(), 1);
    assert_eq!(coverage(&found), Some((3, 2, 0)));
    assert!(found.peers.unwrap().took_ms < 2000, "some of the time is kept for what comes after");
}
