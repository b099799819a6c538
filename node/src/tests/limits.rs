//! Nodes that do not send as fast as they could.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use catalog::ByteSize;
use tokio::sync::mpsc;

use super::fixture::{Events, Machine, draft, noise, reference, simple};
use crate::fetch::TransferProgress;
use crate::shaping::policy::Policy;
use crate::shaping::{Class, Limits, Rate};
use crate::transfer::health::Circuit;

/// The rate is a floor for the time it takes, whatever else this machine does meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn contents_go_no_faster_than_is_set_and_what_is_on_its_way_feels_a_change() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    let total = Rate::AtMost(ByteSize::kib(512));
    a.node.limit_upload(Limits { total, burst: ByteSize::kib(16), ..Limits::default() });

    let (moved, mut moving) = mpsc::unbounded_channel();
    let wanted = reference("acme/graphdb");
    let install = b.node.install(&wanted).progress(move |event| {
        if let TransferProgress::Moving { bytes_done, .. } = event {
            moved.send(bytes_done).ok();
        }
    });
    let began = Instant::now();
    let widened = async {
        while moving.recv().await.unwrap() < 1024 * 1024 {}
        a.node.limit_upload(Limits::default());
        began.elapsed()
    };
    let (installed, took) = tokio::join!(install.into_future(), widened);
    assert_eq!(installed.unwrap().size.as_u64(), 3_200_013);
    assert!(took >= Duration::from_millis(1900), "{took:?} for the first MiB");
}

/// The same in the other direction; who sends is not blamed for it.
#[tokio::test(flavor = "multi_thread")]
async fn contents_come_no_faster_than_is_set() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    let total = Rate::AtMost(ByteSize::kib(1024));
    let download = Limits { total, burst: ByteSize::kib(16), ..Limits::default() };
    b.node.set_policy(Policy { download, ..Policy::default() });
    let began = Instant::now();
    let installed = b.node.install(&reference("acme/graphdb")).await.unwrap();
    assert_eq!(installed.size.as_u64(), 3_200_013);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(2900), "{took:?} for 3 MiB");
    let health = b.node.0.experience.of(&a.node.id());
    assert_eq!(health.circuit(b.node.0.uptime()), Circuit::Closed);
    assert!(health.errors() < 0.3, "{health:?}");
}

/// Four urgencies want more than fits, through one connection: even the least of them moves on.
#[tokio::test(flavor = "multi_thread")]
async fn no_urgency_starves_beside_another() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    for (number, name) in ["critical", "high", "normal", "low"].into_iter().enumerate() {
        let files: &[(&str, Vec<u8>)] = &[("data", noise(8_000_000, number as u64))];
        a.publish(draft(a.dir.path(), name, "1.0.0", &[("any", files)])).await;
    }
    b.meet(&a).await;
    let total = Rate::AtMost(ByteSize::mib(2));
    let download = Limits { total, burst: ByteSize::kib(64), ..Limits::default() };
    b.node.set_policy(Policy { download, ..Policy::default() });
    let fetch = |name: &str, class: Class| {
        let events = Events::default();
        let wanted = reference(&format!("acme/{name}"));
        let (node, record) = (b.node.clone(), events.recorder());
        let fetch = async move { node.fetch(&wanted, vec![]).class(class).progress(record).await };
        (events, tokio::spawn(fetch))
    };
    let (_, critical) = fetch("critical", Class::Critical);
    let others = [("high", Class::High), ("normal", Class::Normal)];
    let others = others.map(|(name, class)| fetch(name, class).1);
    let (events, low) = fetch("low", Class::Low);
    critical.await.unwrap().unwrap();
    let moved = events.all().into_iter().filter_map(|event| match event {
        TransferProgress::Moving { bytes_moved, .. } => Some(bytes_moved),
        _ => None,
    });
    let moved = moved.max().unwrap_or_default();
    assert!(moved >= 32 * 1024, "{moved} bytes while the most urgent 8 MB came");
    others.into_iter().chain([low]).for_each(|task| task.abort());
}
