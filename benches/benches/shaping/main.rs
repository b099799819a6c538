//! Limits and urgencies on real connections: does everybody get what was set, and when?
//!
//! ```text
//! cargo bench -p catalog-benches --bench shaping                  everything
//! cargo bench -p catalog-benches --bench shaping -- rates urgent shares
//! ```
//!
//! All nodes are in this process, on loopback. What the machines decide in virtual time is tested in
//! `node::shaping`; here it is shown that streams, windows and timers do not spoil it.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalog::ByteSize;
use catalog::import::{self, ImportOptions};
use catalog_benches::measure::{median, quantile};
use catalog_node::shaping::policy::Policy;
use catalog_node::shaping::{Class, Limits, Rate};
use catalog_node::{Node, NodeConfig, TransferProgress};
use catalog_tests::dice::Dice;
use catalog_tests::table::Table;

const MB: f64 = 1e6;
/// Each peer's limit, and what it may have at once.
const RATE: u64 = 1_000_000;
const BURST: u64 = 5_000_000;
/// What all downloads together may take where urgencies compete.
const SHARED: u64 = 4_000_000;

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |word: &str| words.is_empty() || words.iter().any(|wanted| wanted == word);
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let work = work.join("target/bench-work/shaping");
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work).unwrap();
    if wants("rates") {
        println!("{}", rates(&work.join("rates")).await);
    }
    if wants("urgent") {
        println!("{}", urgent(&work.join("urgent")).await);
    }
    if wants("shares") {
        println!("{}", shares(&work.join("shares")).await);
    }
    fs::remove_dir_all(&work).ok();
}

async fn node(dir: &Path) -> Node {
    let config = NodeConfig::at(dir).listen("127.0.0.1:0".parse().unwrap()).announce(false);
    Node::builder(config).spawn().await.unwrap()
}

/// A publisher of packages `p0`, `p1` … with one large file and a small one each.
async fn publisher(work: &Path, packages: usize, bytes: usize) -> Node {
    let node = node(&work.join("publisher")).await;
    node.init(Some("acme".parse().unwrap())).await.unwrap();
    for number in 0..packages {
        let source = work.join(format!("source-{number}"));
        fs::create_dir_all(&source).unwrap();
        let mut dice = Dice::new(number as u64);
        fs::write(source.join("large.bin"), dice.bytes(bytes)).unwrap();
        fs::write(source.join("small.txt"), dice.bytes(10_000)).unwrap();
        let options = ImportOptions {
            name: Some(format!("p{number}").parse().unwrap()),
            version: Some("1.0.0".parse().unwrap()),
            license: Some("MIT".to_owned()),
            summary: Some("What the bench moves".to_owned()),
            ..ImportOptions::default()
        };
        node.publish(import::dir(&source, &options).unwrap()).await.unwrap();
    }
    node
}

/// How much of something had come at which moments.
#[derive(Clone)]
struct Seen(Instant, Arc<Mutex<Vec<(f64, u64)>>>);

impl Seen {
    fn new() -> Self {
        Self(Instant::now(), Arc::default())
    }

    fn recorder(&self) -> impl Fn(TransferProgress) + Send + Sync + 'static {
        let Self(began, points) = self.clone();
        move |event| {
            if let TransferProgress::Moving { bytes_moved, .. } = event {
                points.lock().unwrap().push((began.elapsed().as_secs_f64(), bytes_moved));
            }
        }
    }

    /// What had come at a moment, between two reports in proportion.
    fn at(&self, second: f64) -> f64 {
        let points = self.1.lock().unwrap();
        let after = points.partition_point(|(at, _)| *at < second);
        let (at, bytes) = points[after.min(points.len() - 1)];
        let (before, least) = points[after.saturating_sub(1)];
        match at > before {
            true => {
                let share = ((second - before) / (at - before)).clamp(0.0, 1.0);
                least as f64 + share * (bytes - least) as f64
            }
            false => bytes as f64,
        }
    }

    fn bytes_in(&self, from: f64, seconds: f64) -> f64 {
        self.at(from + seconds) - self.at(from)
    }
}

fn peers(rate: u64, burst: u64) -> Limits {
    let peer = Rate::AtMost(ByteSize::bytes(rate));
    Limits { peer, burst: ByteSize::bytes(burst), ..Limits::default() }
}

/// Four peers of one node, of which each could take far more than ten times its limit.
async fn rates(work: &Path) -> Table {
    let mut table = Table::new(
        "Four peers at 1 MB/s each, 5 MB at once",
        &["limited by", "peer", "MB at once", "MB/s over 10 s", "off by"],
    );
    for (name, by_sender) in [("the sender", true), ("the receiver", false)] {
        let from = publisher(&work.join(name), 1, 32_000_000).await;
        let ticket = from.ticket().await.unwrap();
        if by_sender {
            from.limit_upload(peers(RATE, BURST));
        }
        let mut running = Vec::new();
        for number in 0..4 {
            let to = node(&work.join(format!("{name}-{number}"))).await;
            to.connect(&ticket).await.unwrap();
            if !by_sender {
                let download = peers(RATE, BURST);
                to.set_policy(Policy { download, ..Policy::default() });
            }
            let seen = Seen::new();
            let recorder = seen.recorder();
            let fetching = tokio::spawn(async move {
                let wanted = "acme/p0".parse().unwrap();
                let fetch = to.fetch(&wanted, vec![]).progress(recorder);
                tokio::time::timeout(Duration::from_secs(15), fetch).await.ok();
                to.shutdown().await.unwrap();
            });
            running.push((seen, fetching));
        }
        for (number, (seen, fetching)) in running.into_iter().enumerate() {
            fetching.await.unwrap();
            let rate = seen.bytes_in(3.0, 10.0) / 10.0;
            let at_once = seen.at(3.0) - 3.0 * rate;
            table.row([
                name.to_owned(),
                (number + 1).to_string(),
                format!("{:.2}", at_once / MB),
                format!("{:.3}", rate / MB),
                format!("{:+.1} %", (rate / RATE as f64 - 1.0) * 100.0),
            ]);
        }
        from.shutdown().await.unwrap();
    }
    table.note("Counted where it arrives, with proofs: seconds 3 to 13 of each fetch. What came beyond the rate before is what came at once.");
    table
}

/// A person who reads a small file while the line is full of what could wait.
async fn urgent(work: &Path) -> Table {
    const ROUNDS: usize = 40;
    let mut table = Table::new(
        "Reading a 10 kB file that is not here, in ms, 40 times",
        &["beside it", "median", "95 of 100", "longest"],
    );
    for (name, load, class) in [
        ("nothing", false, Class::Low),
        ("a fetch of class Low at the limit of 4 MB/s", true, Class::Low),
        ("a fetch of class High at the same limit", true, Class::High),
    ] {
        let work = work.join(format!("{load}-{class:?}"));
        let from = publisher(&work, ROUNDS + 1, 200_000_000 / (ROUNDS + 1)).await;
        let to = node(&work.join("reader")).await;
        to.connect(&from.ticket().await.unwrap()).await.unwrap();
        let total = Rate::AtMost(ByteSize::bytes(SHARED));
        let download = Limits { total, burst: ByteSize::kib(64), ..Limits::default() };
        to.set_policy(Policy { download, ..Policy::default() });
        let loader = to.clone();
        let loading = tokio::spawn(async move {
            for number in (0..ROUNDS).rev().cycle() {
                if !load {
                    return;
                }
                let wanted = format!("acme/p{number}").parse().unwrap();
                let paths = vec!["large.bin".parse().unwrap()];
                loader.fetch(&wanted, paths).class(class).await.ok();
            }
        });
        // Until what yields has found out how fast it may go.
        tokio::time::sleep(Duration::from_secs(if load { 12 } else { 0 })).await;
        let mut times = Vec::new();
        for number in 0..ROUNDS {
            let wanted = format!("acme/p{number}").parse().unwrap();
            let path = "small.txt".parse().unwrap();
            let began = Instant::now();
            to.cat(&wanted, &path, None, Default::default()).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        loading.abort();
        table.row([
            name.to_owned(),
            format!("{:.0}", median(&times)),
            format!("{:.0}", quantile(&times, 0.95)),
            format!("{:.0}", quantile(&times, 1.0)),
        ]);
        to.shutdown().await.unwrap();
        from.shutdown().await.unwrap();
    }
    table.note("From the call to the last byte, on disk: connecting, the file list and the file, all of class Critical. Both are synced to disk on the way.");
    table
}

/// Four fetches of the four classes at once.
async fn shares(work: &Path) -> Table {
    let from = publisher(work, 4, 64_000_000).await;
    let to = node(&work.join("client")).await;
    to.connect(&from.ticket().await.unwrap()).await.unwrap();
    let total = Rate::AtMost(ByteSize::bytes(SHARED));
    let download = Limits { total, burst: ByteSize::kib(64), ..Limits::default() };
    to.set_policy(Policy { download, ..Policy::default() });
    let mut running = Vec::new();
    for (number, class) in Class::ALL.into_iter().enumerate() {
        let (to, seen) = (to.clone(), Seen::new());
        let recorder = seen.recorder();
        let fetching = tokio::spawn(async move {
            let wanted = format!("acme/p{number}").parse().unwrap();
            let fetch = to.fetch(&wanted, vec![]).class(class).progress(recorder);
            tokio::time::timeout(Duration::from_secs(14), fetch).await.ok();
        });
        running.push((class, seen, fetching));
    }
    let mut table = Table::new(
        "Four fetches at once share 4 MB/s",
        &["class", "MB in 10 s", "share", "by weight"],
    );
    let mut rows = Vec::new();
    for (class, seen, fetching) in running {
        fetching.await.unwrap();
        rows.push((class, seen.bytes_in(3.0, 10.0)));
    }
    let sum: f64 = rows.iter().map(|(_, bytes)| bytes).sum();
    for ((class, bytes), weight) in rows.into_iter().zip([64.0, 16.0, 4.0, 1.0]) {
        table.row([
            format!("{class:?}"),
            format!("{:.2}", bytes / MB),
            format!("{:.1} %", bytes / sum * 100.0),
            format!("{:.1} %", weight / 85.0 * 100.0),
        ]);
    }
    to.shutdown().await.unwrap();
    from.shutdown().await.unwrap();
    table
}
