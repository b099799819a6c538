//! Records between two nodes on loopback, with stores on disk: the first sync of a large catalog,
//! part of one, and a hundred news at a time.
//!
//! ```text
//! cargo bench -p catalog-benches --bench first_sync            60,000 releases
//! cargo bench -p catalog-benches --bench first_sync -- 5000    fewer, for a look
//! ```
//!
//! The releases are made from the machine's own package index (`apt-cache dumpavail`). What is
//! measured is what a person waits for, on the clock; its parts are measured alone beside it.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod debian;
mod importer;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use catalog_benches::measure::{median, quantile};
use catalog_node::sync::SyncReport;
use catalog_node::{Node, NodeConfig};
use catalog_sync::Keeper;
use catalog_sync::view::Selection;
use catalog_tests::skip::skip;
use catalog_tests::table::Table;

use debian::Package;
use importer::{Importer, NOW};

/// Releases of the first sync.
const RELEASES: usize = 60_000;
/// New releases in each round after it.
const NEWS: usize = 100;
const ROUNDS: usize = 25;
/// The section of the packages that the selective node follows.
const TAG: &str = "games";
const MIB: f64 = 1_048_576.0;

#[tokio::main]
async fn main() {
    let count = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(RELEASES);
    let packages = debian::packages();
    if packages.len() < count + NEWS * ROUNDS {
        return skip("first_sync", &format!("the package index has {} packages", packages.len()));
    }
    let packages = &packages[..count + NEWS * ROUNDS];
    let importer = Importer::of(packages);
    let dir = tempfile::tempdir().unwrap();
    // The inception is one of its statements.
    let size = count + 1;

    let source_config = config(dir.path(), "source");
    let alone = alone(&source_config, &importer, size);
    let source = Node::builder(source_config).spawn().await.unwrap();
    source.status().await.unwrap();

    let mirror = Node::builder(config(dir.path(), "mirror")).spawn().await.unwrap();
    println!("{}", first(&source, &mirror, &importer, size, &alone).await);
    let tag = Selection { tags: [TAG.parse().unwrap()].into(), ..Selection::default() };
    let selective = config(dir.path(), "selective").select(tag);
    let selective = Node::builder(selective).spawn().await.unwrap();
    println!("{}", some(&source, &selective, &mirror, &importer, &packages[..count]).await);
    println!("{}", news(&source, &mirror, &importer, packages, size).await);
    for node in [source, mirror, selective] {
        node.shutdown().await.unwrap();
    }
}

fn config(dir: &Path, name: &str) -> NodeConfig {
    NodeConfig::at(&dir.join(name)).listen(([127, 0, 0, 1], 0).into())
}

/// The parts of a first sync, each alone.
struct Alone {
    /// One thread checks the signatures.
    signatures: Duration,
    /// The store takes the records in, signatures with it.
    accepted: Duration,
    /// The sets are summed up.
    summed: Duration,
    /// The search index follows.
    indexed: Duration,
}

fn alone(config: &NodeConfig, importer: &Importer, size: usize) -> Alone {
    let signatures = importer.verified(1..size.min(5001));
    let signatures = signatures / (size - 1).min(5000) as u32 * (size - 1) as u32;
    let store = catalog::Store::open(&config.store_dir()).unwrap();
    store.trust(&importer.identity.publisher(), None, NOW).unwrap();
    let accepted = importer.put(&store, 0..size);
    let keeper = Keeper::new(store.clone());
    let summed = clock(|| drop(keeper.current().unwrap()));
    let index = catalog_discovery::Index::open(&config.index_dir()).unwrap();
    let indexed = clock(|| {
        index.follow(&store).unwrap();
    });
    Alone { signatures, accepted, summed, indexed }
}

fn clock(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Meets `source` and takes over what it has.
async fn meet(node: &Node, source: &Node, importer: &Importer) -> (SyncReport, Duration) {
    let ticket = source.ticket().await.unwrap();
    let ticket = ticket.with_publisher(importer.identity.publisher(), None);
    let began = Instant::now();
    let sync = node.connect(&ticket).await.unwrap().sync;
    let took = began.elapsed();
    assert_eq!((sync.error.as_deref(), sync.rejected.as_slice()), (None, [].as_slice()));
    (sync, took)
}

async fn first(
    source: &Node,
    mirror: &Node,
    importer: &Importer,
    size: usize,
    alone: &Alone,
) -> Table {
    let (sync, took) = meet(mirror, source, importer).await;
    let began = Instant::now();
    let found = mirror.search("").limit(1).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    let searchable = took + began.elapsed();
    let count = size - 1;
    assert_eq!(mirror.status().await.unwrap().releases as usize, count);
    let mut table = Table::new(&format!("First sync of {count} releases"), &["what", "figure"]);
    let rate = |time: Duration| {
        let seconds = time.as_secs_f64();
        format!("{seconds:.2} s, {:.0} a second", count as f64 / seconds)
    };
    table.row(["verified and stored".to_owned(), rate(took)]);
    table.row(["and searchable".to_owned(), rate(searchable)]);
    let records = importer.bytes(0..size);
    let moved = sync.bytes_in + sync.bytes_out;
    table.row(["bytes".to_owned(), format!("{moved}, of records alone {records}")]);
    table.row([
        "bytes, times the records".to_owned(),
        format!("{:.4}", moved as f64 / records as f64),
    ]);
    table.row(["bytes that are no records".to_owned(), sync.bytes_overhead.to_string()]);
    table.row(["round trips".to_owned(), sync.round_trips.to_string()]);
    table.row(["alone: signatures on one thread".to_owned(), rate(alone.signatures)]);
    table.row(["alone: the store takes them in, signatures too".to_owned(), rate(alone.accepted)]);
    table.row(["alone: the sets summed up".to_owned(), rate(alone.summed)]);
    table.row(["alone: the search index".to_owned(), rate(alone.indexed)]);
    table
}

async fn some(
    source: &Node,
    selective: &Node,
    mirror: &Node,
    importer: &Importer,
    packages: &[Package],
) -> Table {
    let wanted: Vec<usize> =
        (0..packages.len()).filter(|&n| packages[n].section() == TAG).collect();
    let (sync, took) = meet(selective, source, importer).await;
    let status = selective.status().await.unwrap();
    assert_eq!(status.releases as usize, wanted.len());
    let again = selective.sync(Some(&source.id())).await.unwrap().remove(0);
    assert_eq!((again.records_new, again.error), (0, None));
    let records = |of: usize| importer.bytes(of + 1..of + 2);
    let bytes: u64 = wanted.iter().map(|&package| records(package)).sum();
    let all = importer.bytes(0..packages.len() + 1);
    let share = |part: u64, all: u64| format!("{:.2} %", 100.0 * part as f64 / all as f64);
    let title = format!("Only what has the tag `{TAG}`");
    let mut table = Table::new(&title, &["what", "figure", "share of all"]);
    let (count, total) = (wanted.len() as u64, packages.len() as u64);
    table.row(["releases".to_owned(), count.to_string(), share(count, total)]);
    table.row(["bytes of their records".to_owned(), bytes.to_string(), share(bytes, all)]);
    let moved = sync.bytes_in + sync.bytes_out;
    table.row(["bytes moved".to_owned(), moved.to_string(), share(moved, all)]);
    let sizes = [selective, mirror].map(|node| folder_bytes(&node.config().store_dir()));
    table.row([
        "its store".to_owned(),
        format!("{:.1} MiB", sizes[0] as f64 / MIB),
        share(sizes[0], sizes[1]),
    ]);
    let empty = catalog::Store::open(&mirror.config().home().data.join("empty")).unwrap();
    Keeper::new(empty).save().unwrap();
    let empty = folder_bytes(&mirror.config().home().data.join("empty"));
    table.row([
        "an empty store".to_owned(),
        format!("{:.1} MiB", empty as f64 / MIB),
        String::new(),
    ]);
    table.row(["time".to_owned(), format!("{:.0} ms", millis(took)), String::new()]);
    table.row([
        "asked once more, nothing new".to_owned(),
        format!("{} bytes, {} ms", again.bytes_in + again.bytes_out, again.took_ms),
        String::new(),
    ]);
    table
}

async fn news(
    source: &Node,
    mirror: &Node,
    importer: &Importer,
    packages: &[Package],
    size: usize,
) -> Table {
    let (mut all, mut synced, mut searched) = (Vec::new(), Vec::new(), Vec::new());
    let (mut signatures, mut accepted, mut indexed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bytes, mut overhead, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let new = size + round * NEWS..size + (round + 1) * NEWS;
        let last = &packages[new.end - 2].name;
        signatures.push(millis(importer.verified(new.clone())));
        accepted.push(millis(importer.put(source.store(), new.clone())));
        let records = importer.bytes(new);

        let began = Instant::now();
        let sync = mirror.sync(Some(&source.id())).await.unwrap().remove(0);
        let took = began.elapsed();
        let found = mirror.search(last.as_str()).limit(10).await.unwrap();
        all.push(millis(began.elapsed()));
        assert_eq!((sync.records_new as usize, sync.error), (NEWS + 1, None));
        assert!(found.hits.iter().any(|hit| hit.package.name == *last), "{last}");
        synced.push(millis(took));
        searched.push(millis(began.elapsed() - took));
        bytes.push((sync.bytes_in + sync.bytes_out) as f64 / records as f64);
        overhead.push(sync.bytes_overhead as f64);
        trips.push(f64::from(sync.round_trips));

        let began = Instant::now();
        source.search(last.as_str()).limit(10).await.unwrap();
        indexed.push(millis(began.elapsed()));
    }
    let title = format!("{NEWS} new releases on top of {}, {ROUNDS} rounds", size - 1);
    let mut table = Table::new(&title, &["what", "median", "95 %"]);
    let mut row = |what: &str, figures: &[f64], places: usize| {
        let (middle, high) = (median(figures), quantile(figures, 0.95));
        table.row([what.to_owned(), format!("{middle:.places$}"), format!("{high:.places$}")]);
    };
    row("until verified, stored and searchable (ms)", &all, 1);
    row("of that the sync (ms)", &synced, 1);
    row("of that until the search answers (ms)", &searched, 1);
    row("bytes, times the records alone", &bytes, 3);
    row("bytes that are no records", &overhead, 0);
    row("round trips", &trips, 0);
    row("alone: signatures on one thread (ms)", &signatures, 1);
    row("alone: the store takes them in, signatures too (ms)", &accepted, 1);
    row("alone: the search index, and a search (ms)", &indexed, 1);
    table
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The bytes that a folder takes on the disk.
fn folder_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.map(|file| file.blocks() * 512).sum()
}
