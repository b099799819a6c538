//! Nodes that do not send as fast as they could.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use catalog::ByteSize;
use tokio::sync::mpsc;

use super::fixture::{Machine, reference, simple};
use crate::fetch::TransferProgress;
use crate::shaping::policy::Policy;
use crate::shaping::{Limits, Rate};
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
