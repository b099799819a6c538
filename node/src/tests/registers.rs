//! What nodes say about themselves travels with every sync.

use std::time::Duration;

use catalog::register::RegisterName;
use catalog::store::RegisterRefusal;

use super::fixture::{Machine, open, simple};
use crate::registers::SayError;
use crate::{Node, Said};

const HOUR: Duration = Duration::from_secs(3600);

async fn said(node: &Node, of: &Machine) -> Option<Said> {
    let status = node.status().await.unwrap();
    status.nodes.into_iter().find(|said| said.node == of.node.id())
}

fn values(node: &Node, name: &RegisterName) -> Vec<Vec<u8>> {
    let held = node.store().registers(name, crate::node::now()).unwrap();
    held.into_iter().map(|register| register.value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_known_by_its_own_words_to_those_that_never_met_it() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    a.node.serve().await.unwrap();
    b.node.serve().await.unwrap();
    assert_eq!(b.meet(&a).await.sync.registers_new, 1);
    let met = c.meet(&b).await;
    assert_eq!(met.sync.registers_new, 2);
    assert_eq!(met.peer.says.unwrap().records, 0, "b said so before it met a");

    let first = said(&c.node, &a).await.unwrap();
    assert_eq!((first.records, first.protocol), (2, (1, 2)));
    assert_eq!(first.root, a.node.status().await.unwrap().catalog_root);
    let heard_of = c.node.nodes_heard_of().await.unwrap();
    assert_eq!(heard_of.iter().map(|info| info.node).collect::<Vec<_>>(), [a.node.id()]);
    // Who only dials is served and not listened to; who does not serve says nothing.
    assert_eq!(said(&a.node, &b).await, None);
    assert_eq!(said(&b.node, &c).await, None);

    // What changed is said anew, once.
    a.publish(simple(a.dir.path(), "graphdb", "1.1.0", 2)).await;
    for _ in 0..3 {
        a.node.0.announce().await.unwrap();
    }
    assert_eq!(b.node.sync(Some(&a.node.id())).await.unwrap()[0].registers_new, 1);
    assert_eq!(b.node.sync(Some(&a.node.id())).await.unwrap()[0].registers_new, 0);
    c.node.sync(None).await.unwrap();
    let second = said(&c.node, &a).await.unwrap();
    assert!(second.records == 3 && second.said > first.said && second.expires >= first.expires);
    for machine in [&a, &b, &c] {
        assert!(machine.node.verify().await.unwrap().is_clean());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_what_it_is_called_or_nothing_at_all() {
    let (a, b) = (Machine::new().await, Machine::new().await);
    let (dir, config) = (a.dir, a.node.config().clone());
    a.node.shutdown().await.unwrap();
    drop(a.node);
    let silent = Node::builder(config.clone().announce(false)).spawn().await.unwrap();
    silent.serve().await.unwrap();
    assert_eq!(
        b.node.connect(&silent.ticket().await.unwrap()).await.unwrap().sync.registers_new,
        0
    );
    silent.shutdown().await.unwrap();
    drop(silent);
    let config = config.called("attic".parse().unwrap()).located_in("eu-west".parse().unwrap());
    let node = Node::builder(config).spawn().await.unwrap();
    node.serve().await.unwrap();
    b.node.connect(&node.ticket().await.unwrap()).await.unwrap();
    let says = b.node.peers().await.unwrap().remove(0).says.unwrap();
    assert_eq!(says.name.unwrap().as_str(), "attic");
    assert_eq!(says.region.unwrap().as_str(), "eu-west");
    drop(dir);
}

/// Threat row 35: the newest word of a node holds, wherever an older one comes from.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_said_before_never_comes_back() {
    let (a, b, c) = (Machine::new().await, Machine::new().await, Machine::new().await);
    let usage: RegisterName = "usage".parse().unwrap();
    let say = async |value: &[u8], life| a.node.say(&usage, value.to_vec(), life).await;
    say(b"old", HOUR).await.unwrap();
    b.meet(&a).await;
    // Shorter, and yet it outlives what it replaces.
    say(b"new", Duration::from_millis(1)).await.unwrap();
    c.meet(&a).await;
    assert_eq!(
        (values(&b.node, &usage), values(&c.node, &usage)),
        (vec![b"old".to_vec()], vec![b"new".to_vec()])
    );
    // c dials b, which is stale: both end with what is newer where both listen.
    b.meet(&c).await;
    c.meet(&b).await;
    for machine in [&a, &b, &c] {
        assert_eq!(values(&machine.node, &usage), [b"new"]);
    }
    let large = say(&[0; 5000], HOUR).await;
    assert!(matches!(large, Err(SayError::Register(_))), "{large:?}");
    let immortal = say(b"x", Duration::MAX).await;
    assert!(immortal.is_ok(), "it is cut to what may be: {immortal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_told_to_nobody() {
    let (a, b) = (Machine::new().await, Machine::new().await);
    let usage: RegisterName = "usage".parse().unwrap();
    let nothing = a.node.say(&usage, vec![1], Duration::ZERO).await;
    assert!(matches!(nothing, Err(SayError::Refused(RegisterRefusal::Expired))), "{nothing:?}");
    a.node.say(&usage, vec![1], Duration::from_millis(20)).await.unwrap();
    super::records::until(async || values(&a.node, &usage).is_empty()).await;
    assert_eq!(b.meet(&a).await.sync.registers_new, 0);
    assert_eq!(a.node.store().sweep_registers(crate::node::now()).unwrap(), 1);
    // A restart goes on with later stamps.
    let dir = a.dir;
    a.node.say(&usage, vec![2], HOUR).await.unwrap();
    a.node.shutdown().await.unwrap();
    drop(a.node);
    let node = open(dir.path()).await;
    node.say(&usage, vec![3], HOUR).await.unwrap();
    assert_eq!(values(&node, &usage), [[3]]);
}
