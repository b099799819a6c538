//! Many sources, none of which can break or slow an install down.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use catalog::size::ByteSize;

use super::fixture::{Events, Machine, draft, noise, reference};
use super::odd::{Manner, Odd};
use crate::fetch::TransferProgress;
use crate::shaping::{Limits, Rate};

const BYTES: usize = 12_000_000;

/// A publisher that sends no faster than that to each peer.
async fn slowed(megabytes: u64) -> Machine {
    let a = Machine::publisher("acme").await;
    let peer = Rate::AtMost(ByteSize::bytes(megabytes * 1_000_000));
    a.node.limit_upload(Limits { peer, burst: ByteSize::kib(200), ..Limits::default() });
    a
}

/// A publisher of one package that sends no faster than that, and what the package's file holds.
async fn publisher(megabytes: u64) -> (Machine, Vec<u8>) {
    let a = slowed(megabytes).await;
    let bytes = noise(BYTES, 1);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", bytes.clone()), ("doc", noise(9000, 2))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    (a, bytes)
}

/// Installs from `a` while the others are known as well; answers how long that took.
async fn install(a: &Machine, bytes: &[u8], others: &[&Odd]) -> (Machine, Duration) {
    let c = Machine::new().await;
    c.meet(a).await;
    others.iter().for_each(|odd| odd.show(&c));
    let began = Instant::now();
    let installed = c.node.install(&reference("acme/graphdb")).await.unwrap();
    let took = began.elapsed();
    assert!(std::fs::read(installed.path.unwrap().join("bin/run")).unwrap() == bytes);
    assert!(c.node.verify().await.unwrap().is_clean());
    (c, took)
}

/// Whatever other sources do, the install succeeds while a good one remains, and nothing wrong
/// lands. How much time they may cost, 200 simulated networks say (`transfer`); here it is printed.
#[tokio::test(flavor = "multi_thread")]
async fn an_install_succeeds_while_one_good_source_remains() {
    let (a, bytes) = publisher(8).await;
    let (b, alone) = install(&a, &bytes, &[]).await;
    let manners = [
        Manner::Flips,
        Manner::Silent,
        Manner::Dies(3_000_000),
        Manner::Drips(40_000),
        Manner::Refuses,
    ];
    for round in 0..=manners.len() {
        // Each alone beside the good one, and in the end all of them.
        let mut odd = Vec::new();
        for (at, manner) in manners.iter().enumerate() {
            if round == at || round == manners.len() {
                odd.push(Odd::serve(&b, *manner).await);
            }
        }
        odd.iter().for_each(|odd| odd.at.store(400_000, std::sync::atomic::Ordering::Relaxed));
        let (c, took) = install(&a, &bytes, &odd.iter().collect::<Vec<_>>()).await;
        println!("round {round}: {took:.2?}, {alone:.2?} alone");
        c.node.shutdown().await.unwrap();
        for odd in odd {
            odd.close().await;
        }
    }
}

/// A liar that was caught is not asked again by the next install.
#[tokio::test(flavor = "multi_thread")]
async fn who_lied_in_one_install_is_not_asked_in_the_next() {
    let (a, bytes) = publisher(8).await;
    let (b, _) = install(&a, &bytes, &[]).await;
    let liar = Odd::serve(&b, Manner::Flips).await;
    liar.at.store(10, std::sync::atomic::Ordering::Relaxed);
    let (c, _) = install(&a, &bytes, &[&liar]).await;
    let other: &[(&str, Vec<u8>)] = &[("bin/other", noise(3_000_000, 5))];
    a.publish(draft(a.dir.path(), "other", "1.0.0", &[("any", other)])).await;
    c.meet(&a).await;
    let lies = liar.did.load(std::sync::atomic::Ordering::Relaxed);
    assert!(lies > 0);
    let events = Events::default();
    c.node.install(&reference("acme/other")).progress(events.recorder()).await.unwrap();
    assert_eq!(liar.did.load(std::sync::atomic::Ordering::Relaxed), lies);
    let dialled = events.all().into_iter().find_map(|event| match event {
        TransferProgress::Connecting { peers } => Some(peers),
        _ => None,
    });
    assert_eq!(dialled, Some(1), "only the other was dialled");
    liar.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_installs_share_moves_once() {
    let a = slowed(8).await;
    let shared = noise(8_000_000, 1);
    for (name, seed) in [("one", 2), ("two", 3)] {
        let files: &[(&str, Vec<u8>)] = &[("model", shared.clone()), ("own", noise(50_000, seed))];
        a.publish(draft(a.dir.path(), name, "1.0.0", &[("any", files)])).await;
    }
    let b = Machine::new().await;
    b.meet(&a).await;
    let (one, two) = (reference("acme/one"), reference("acme/two"));
    let (one, two) =
        tokio::join!(b.node.install(&one).into_future(), b.node.install(&two).into_future());
    let (one, two) = (one.unwrap(), two.unwrap());
    let moved = one.bytes_moved + two.bytes_moved;
    assert!(moved < 8_500_000, "{moved} moved");
    for path in [one.path.unwrap(), two.path.unwrap()] {
        assert!(std::fs::read(path.join("model")).unwrap() == shared);
    }
    assert!(b.node.verify().await.unwrap().is_clean());
}
