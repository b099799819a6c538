//! Who learns of what.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::permission::Permission;
use catalog::store::LookupError;

use super::fixture::{Machine, reference, simple};
use crate::state::Yanking;

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
    assert!(b.node.install(&reference("acme/secret")).await.is_ok());
    let hidden = c.node.info(&reference("acme/secret")).await;
    assert!(matches!(hidden, Err(LookupError::UnknownPackage { .. })), "{hidden:?}");
    // The log that it stands in can still be checked, hidden place and all.
    assert!(c.node.install(&reference("acme/open")).await.is_ok());
    assert!(c.node.verify().await.unwrap().is_clean());
    // Whoever has it gives it to nobody else either.
    let d = Machine::new().await;
    d.meet(&b).await;
    assert!(d.node.info(&reference("secret")).await.is_err());
}

/// Waits for what other tasks bring about.
async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes about");
}
