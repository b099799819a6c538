//! Who learns of what.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::permission::Permission;
use catalog::store::{LookupError, PeerCursor, PeerRow};

use catalog_sync::view::Selection;

use super::fixture::{Machine, reference, simple};
use crate::state::Yanking;
use crate::sync::{Strategy, SyncWish};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_hears_of_what_is_published_while_it_is_connected() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    b.meet(&a).await;
    c.meet(&b).await;
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    // From a to b, and from b on to c, which does not know a.
    for machine in [&b, &c] {
        until(async || machine.node.info(&reference("graphdb")).await.is_ok()).await;
    }
    let yank = Yanking::Yank { reason: "broken".to_owned() };
    a.node.yank(&"graphdb".parse().unwrap(), &"1.0.0".parse().unwrap(), yank).await.unwrap();
    until(async || {
        c.node.info(&reference("graphdb@1.0.0")).await.is_ok_and(|info| info.yanked.is_some())
    })
    .await;
    for machine in [a, b, c] {
        machine.node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_node_comes_back_to_its_peers_after_a_restart() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    b.meet(&a).await;
    b.node.serve().await.unwrap();
    let a = a.restart().await;
    a.node.serve().await.unwrap();
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    until(async || b.node.store().packages().is_ok_and(|packages| packages.len() == 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_costs_next_to_nothing() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        a.publish(simple(a.dir.path(), "graphdb", version, 1)).await;
    }
    let first = b.meet(&a).await.sync;
    assert!(first.bytes_in > 1000);
    let second = b.node.sync(Some(&a.node.id())).await.unwrap();
    assert_eq!((second[0].records_new, second[0].error.clone()), (0, None));
    assert!(second[0].bytes_in < 100, "{:?}", second[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_release_is_only_seen_by_those_it_names() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let mut secret = simple(a.dir.path(), "secret", "1.0.0", 1);
    secret.permission = Permission::Restricted(BTreeSet::from([b.node.id()]));
    a.publish(secret).await;
    a.publish(simple(a.dir.path(), "open", "1.0.0", 5)).await;
    b.meet(&a).await;
    c.meet(&a).await;
    b.node.install(&reference("acme/secret")).await.unwrap();
    let hidden = c.node.info(&reference("acme/secret")).await;
    assert!(matches!(hidden, Err(LookupError::UnknownPackage { .. })), "{hidden:?}");
    // The log that it stands in can still be checked, hidden place and all.
    c.node.install(&reference("acme/open")).await.unwrap();
    let verified = c.node.verify().await.unwrap();
    assert!(verified.is_clean(), "{:?}", verified.faults);
    // Whoever has it gives it to nobody else either.
    let d = Machine::new().await;
    d.meet(&b).await;
    assert!(d.node.info(&reference("secret")).await.is_err());
}

/// A stranger passes on the hash of what it may not read; who may read it asks for it elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_could_not_show_is_asked_of_the_next_peer() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let mut secret = simple(a.dir.path(), "secret", "1.0.0", 1);
    secret.permission = Permission::Restricted(BTreeSet::from([c.node.id()]));
    a.publish(secret).await;
    b.meet(&a).await;
    c.meet(&b).await;
    assert!(c.node.info(&reference("secret")).await.is_err());
    c.meet(&a).await;
    assert!(c.node.info(&reference("secret")).await.is_ok());
    assert!(c.node.verify().await.unwrap().is_clean());
}

/// Threat row 3: a mirror that shows the same head for ever is told from a publisher with no news.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_publishers_own_node_can_say_that_its_head_is_fresh() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    c.meet(&b).await;
    c.node.pin(&"acme".parse().unwrap(), &a.node.publisher().unwrap()).await.unwrap();
    let minute = Duration::from_secs(60);
    let stale = async |peer: &Machine| {
        let shown = c.node.freshness(&peer.node.id()).await.unwrap().remove(0);
        assert_eq!((shown.size, shown.size_here), (Some(2), 2));
        shown.is_stale(minute, crate::node::now())
    };
    assert!(stale(&b).await, "nobody spoke for it");
    c.meet(&a).await;
    assert!(!stale(&a).await);
    assert!(stale(&b).await, "what c learned does not make b fresh");
    // A stamp is passed on, and ages.
    b.node.connect(&a.node.ticket().await.unwrap()).await.unwrap();
    b.node.freshness(&a.node.id()).await.unwrap();
    assert!(!stale(&b).await);
    let shown = c.node.freshness(&b.node.id()).await.unwrap().remove(0);
    let later = crate::node::now().as_millis() + 61_000;
    assert!(shown.is_stale(minute, catalog::Timestamp::from_millis(later)));
}

/// Threat row 50: a node whose peers all keep news from it finds out by the age of what they show, and
/// one peer among them that does not is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_among_peers_that_keep_news_from_it_finds_out_and_needs_one_other() {
    let a = Machine::publisher("acme").await;
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    let mut hostile = Vec::new();
    for _ in 0..4 {
        let machine = Machine::new().await;
        machine.meet(&a).await;
        hostile.push(machine);
    }
    // They never ask it again.
    let a = a.restart().await;
    a.publish(simple(a.dir.path(), "graphdb", "2.0.0", 2)).await;
    let c = Machine::new().await;
    for machine in &hostile {
        c.meet(machine).await;
    }
    c.node.pin(&"acme".parse().unwrap(), &a.node.publisher().unwrap()).await.unwrap();
    let is_stale = async |peer: &Machine| {
        let shown = c.node.freshness(&peer.node.id()).await.unwrap().remove(0);
        shown.is_stale(Duration::from_secs(60), crate::node::now())
    };
    for machine in &hostile {
        assert!(is_stale(machine).await, "nobody speaks for what it shows");
    }
    assert_eq!(c.node.info(&reference("graphdb")).await.unwrap().versions.len(), 1);

    let honest = Machine::new().await;
    honest.meet(&a).await;
    honest.node.freshness(&a.node.id()).await.unwrap();
    honest.node.install(&reference("graphdb")).await.unwrap();
    c.meet(&honest).await;
    assert!(!is_stale(&honest).await);
    assert!(is_stale(&hostile[0]).await, "it is behind what c knows now");
    let installed = c.node.install(&reference("graphdb")).await.unwrap();
    assert_eq!(installed.version.to_string(), "2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_strategy_brings_what_it_says() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    let mut tagged = simple(a.dir.path(), "notes", "1.0.0", 2);
    tagged.tags = vec!["writing".to_owned()];
    a.publish(tagged).await;
    let ticket = a.node.ticket().await.unwrap();
    let tags = ["writing".parse().unwrap()].into();
    let selection = Selection { tags, ..Selection::default() };
    let (dir, config) = (b.dir, b.node.config().clone());
    b.node.shutdown().await.unwrap();
    drop(b.node);
    let some = crate::Node::builder(config.clone().select(selection)).spawn().await.unwrap();
    some.connect(&ticket).await.unwrap();
    assert!(some.info(&reference("notes")).await.is_ok());
    let here = some.store().packages().unwrap().into_iter().map(|package| package.name.to_string());
    assert_eq!(here.collect::<Vec<_>>(), ["notes"], "the rest was not asked for");
    assert!(some.verify().await.unwrap().is_clean());
    some.shutdown().await.unwrap();
    drop(some);

    // Without the selection the same node takes up the rest, whatever the way.
    let node = crate::Node::builder(config).spawn().await.unwrap();
    let mut versions = 1;
    for strategy in [
        Strategy::Differential,
        Strategy::Incremental,
        Strategy::Priority,
        Strategy::Full,
        Strategy::Auto,
    ] {
        let wish = SyncWish { strategy, ..SyncWish::default() };
        let report = node.sync_as(Some(&a.node.id()), &wish).await.unwrap().remove(0);
        assert_eq!(report.error, None, "{strategy}");
        let shown = node.info(&reference("graphdb")).await.unwrap();
        assert_eq!(shown.versions.len(), versions, "{strategy}");
        versions += 1;
        a.publish(simple(a.dir.path(), "graphdb", &format!("1.{versions}.0"), 1)).await;
    }
    drop(dir);
}

/// A peer that takes nothing from us never has our root: whether all of its records are here is
/// found out by comparing, once, and what a cursor left out is brought over.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_promises_too_much_is_found_out_with_a_peer_that_only_serves() {
    let (a, b) = (Machine::publisher("acme").await, Machine::publisher("zorg").await);
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        a.publish(simple(a.dir.path(), "graphdb", version, 1)).await;
        b.publish(simple(b.dir.path(), "notes", version, 1)).await;
    }
    let ticket = a.node.ticket().await.unwrap();
    let node = a.node.id();
    let cursor =
        PeerCursor { epoch: a.node.store().epoch(), seq: a.node.store().last_change().unwrap() };
    let addrs = ticket.addrs().iter().map(ToString::to_string).collect();
    let row = PeerRow {
        node,
        addrs,
        alias: None,
        added: crate::node::now(),
        last_seen: None,
        cursor: Some(cursor),
    };
    b.node.store().add_peer(&row).unwrap();
    let sync = async || b.node.sync(Some(&node)).await.unwrap().remove(0);
    let first = sync().await;
    assert!(first.in_step && first.records_new >= 4, "{first:?}");
    assert_eq!(b.node.info(&reference("graphdb")).await.unwrap().versions.len(), 3);
    let second = sync().await;
    assert!(second.in_step && second.records_new == 0, "{second:?}");
    assert!(second.bytes_overhead < first.bytes_overhead, "{first:?} {second:?}");
    a.publish(simple(a.dir.path(), "graphdb", "1.3.0", 1)).await;
    let third = sync().await;
    assert!(third.in_step && third.records_new == 2, "{third:?}");
    assert!(a.node.info(&reference("notes")).await.is_err(), "it only serves");
}

/// Waits for what other tasks bring about.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    // Not as often as it can be: what is waited for needs the processor, too.
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), waiting).await.expect("it comes about");
}
