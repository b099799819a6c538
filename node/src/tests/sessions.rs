//! Providers that leave while contents move from them, with real endpoints.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalog::profile::Profile;
use catalog::size::ByteSize;
use tempfile::TempDir;

use super::fixture::{Events, Machine, draft, noise, open, reference};
use crate::fetch::TransferProgress;
use crate::shaping::{Limits, Rate};
use crate::{Node, NodeConfig};

const BYTES: usize = 12_000_000;
/// So fast that all of it takes less than a second: one source is enough.
const RATE: u64 = 15_000_000;
/// Somebody who watches notices when nothing comes for longer.
const STALL: Duration = Duration::from_millis(200);

/// When bytes came, and how many were here then.
#[derive(Clone, Default)]
struct Progress(Arc<Mutex<Vec<(Instant, u64)>>>);

impl Progress {
    fn note(&self, event: &TransferProgress) {
        let TransferProgress::Moving { bytes_moved, .. } = event else { return };
        let mut seen = self.0.lock().unwrap();
        if seen.last().is_none_or(|(_, last)| last < bytes_moved) {
            seen.push((Instant::now(), *bytes_moved));
        }
    }

    fn bytes(&self) -> u64 {
        self.0.lock().unwrap().last().map_or(0, |(_, bytes)| *bytes)
    }

    /// The longest time in which nothing came, that ended after `since`.
    fn gap(&self, since: Instant) -> Duration {
        let seen = self.0.lock().unwrap();
        let gaps = seen.windows(2).map(|pair| (pair[1].0, pair[1].0 - pair[0].0));
        gaps.filter(|(end, _)| *end >= since).map(|(_, gap)| gap).max().unwrap_or_default()
    }
}

/// Two that have the same package, and send no faster than that.
async fn two() -> (Machine, Machine, Vec<u8>) {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let bytes = noise(BYTES, 1);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", bytes.clone())];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    b.meet(&a).await;
    b.node.fetch(&reference("acme/graphdb"), vec![]).await.unwrap();
    for machine in [&a, &b] {
        slow_down(&machine.node);
    }
    (a, b, bytes)
}

fn slow_down(node: &Node) {
    let total = Rate::AtMost(ByteSize::bytes(RATE));
    node.limit_upload(Limits { total, burst: ByteSize::kib(64), ..Limits::default() });
}

/// Somebody who knows both, and asks `last` only when the other is not enough.
async fn client(first: &Node, last: &Node) -> (TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let config =
        NodeConfig::at(dir.path()).listen("127.0.0.1:0".parse().unwrap()).backbone(vec![last.id()]);
    let profile = Profile::names().next().and_then(Profile::named).unwrap();
    let node = Node::builder(config).profile(profile).spawn().await.unwrap();
    for other in [first, last] {
        node.connect(&other.ticket().await.unwrap()).await.unwrap();
    }
    (dir, node)
}

/// Waits until it is so, looking now and then.
async fn until(is_so: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    while !is_so() {
        looks.tick().await;
    }
}

/// How a provider goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It says so before.
    Planned,
    /// It closes its connections.
    Sudden,
}

/// One install during which the provider in use leaves.
struct Trial {
    gap: Duration,
    complete: bool,
    lost: Vec<String>,
}

/// Fetches from `from` until so much is here, when `from` leaves, and the rest from `then`.
async fn trial(from: &Node, then: &Node, at: u64, leave: Leave, bytes: &[u8]) -> Trial {
    let (dir, node) = client(from, then).await;
    let (progress, events) = (Progress::default(), Events::default());
    let (seen, record) = (progress.clone(), events.recorder());
    let wanted = reference("acme/graphdb");
    let install = node.install(&wanted).progress(move |event| {
        seen.note(&event);
        record(event);
    });
    let leaving = async {
        until(|| progress.bytes() >= at && (leave == Leave::Sudden || from.sessions() > 0)).await;
        let since = Instant::now();
        let complete = match leave {
            Leave::Planned => from.drain(Duration::from_secs(5)).await.complete,
            Leave::Sudden => false,
        };
        from.shutdown().await.unwrap();
        (since, complete)
    };
    let (installed, (since, complete)) = tokio::join!(install.into_future(), leaving);
    let path = installed.unwrap().path.unwrap();
    assert!(std::fs::read(path.join("bin/run")).unwrap() == bytes);
    node.shutdown().await.unwrap();
    drop(dir);
    let lost = events.all().into_iter().filter_map(|event| match event {
        TransferProgress::ProviderLost { reason, .. } => Some(reason),
        _ => None,
    });
    Trial { gap: progress.gap(since), complete, lost: lost.collect() }
}

/// A provider that is told to end finishes what it was asked for, and its clients have gone on to
/// another before it is gone. How long nothing came, a campaign counts; here nobody may have been
/// lost, waited for, or asked again.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_node_that_ends_have_gone_on_before() {
    let (a, b, bytes) = two().await;
    let Trial { complete, lost, gap } =
        trial(&a.node, &b.node, BYTES as u64 / 3, Leave::Planned, &bytes).await;
    assert!(complete, "everybody let it go before its time was over");
    assert_eq!(lost, [""; 0], "it was not lost, it was left");
    // Nobody was waited for until a timer ran out.
    assert!(gap < Duration::from_secs(8), "{gap:?}");
}

/// Nobody is served: there is nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_serves_nobody_ends_at_once() {
    let a = Machine::publisher("acme").await;
    let b = Machine::new().await;
    b.meet(&a).await;
    let began = Instant::now();
    let drained = a.node.drain(Duration::from_secs(3600)).await;
    assert!(drained.complete && drained.sessions == 0);
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// Who is the only one that has it is asked on while it leaves, as long as it is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_provider_is_asked_until_it_is_gone() {
    let a = Machine::publisher("acme").await;
    let bytes = noise(BYTES, 1);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", bytes.clone())];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    slow_down(&a.node);
    let b = Machine::new().await;
    b.meet(&a).await;
    let wanted = reference("acme/graphdb");
    let drain = async {
        until(|| a.node.sessions() > 0).await;
        a.node.drain(Duration::from_secs(600)).await
    };
    let (installed, drained) = tokio::join!(b.node.install(&wanted).into_future(), drain);
    assert!(std::fs::read(installed.unwrap().path.unwrap().join("bin/run")).unwrap() == bytes);
    assert!(drained.complete);
}

/// Not a test: 200 planned leaves and 200 sudden ones, counted.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a campaign of some ten minutes, run by hand; no results are recorded yet"]
async fn planned_leaves_campaign() {
    let (mut a, mut b, bytes) = two().await;
    let trials = std::env::var("TRIALS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    for leave in [Leave::Planned, Leave::Sudden] {
        let (mut gaps, mut incomplete, mut lost) = (Vec::new(), 0, 0);
        for number in 0..trials {
            // Between a third and two thirds of the way.
            let at = BYTES as u64 / 3 + (number * 7919 % 100) * BYTES as u64 / 300;
            let trial = trial(&a.node, &b.node, at, leave, &bytes).await;
            gaps.push(trial.gap);
            incomplete += u32::from(!trial.complete);
            lost += u32::from(!trial.lost.is_empty());
            // Who left comes back, and is the next one's backbone.
            let Machine { dir, node } = a;
            drop(node);
            let back = Machine { node: open(dir.path()).await, dir };
            slow_down(&back.node);
            back.node.online().await.unwrap();
            a = std::mem::replace(&mut b, back);
        }
        gaps.sort();
        let stalls = gaps.iter().filter(|gap| **gap > STALL).count();
        println!(
            "{leave:?}: {trials} trials, {stalls} stalls above {STALL:?}; longest gap: median \
             {:?}, p95 {:?}, worst {:?}; {incomplete} not let go in time, {lost} lost",
            gaps[gaps.len() / 2],
            gaps[gaps.len() * 95 / 100],
            gaps[gaps.len() - 1],
        );
    }
}
