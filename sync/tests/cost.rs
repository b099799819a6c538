//! Measures what the summary of a set costs to keep and to open, on request:
//! `cargo test --release -p catalog-sync --test cost -- --ignored --nocapture --test-threads 1`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use catalog::{Digest, ItemId};
use catalog_sync::items::SortedIds;
use catalog_sync::sketch::{CELLS, Decoder, Decoding, Salt, Sketch};
use catalog_sync::trie::rows::Bucket;
use catalog_sync::{FineOdd, Summary, Trie};

fn id(number: u64) -> ItemId {
    ItemId::from_bytes(*Digest::of(&number.to_be_bytes()).as_bytes())
}

fn ids(count: u64) -> SortedIds {
    (0..count).map(id).collect()
}

/// Memory of this process that is in use, where the system tells.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

/// A stopwatch over the time that this thread has run, which others on the machine do not stretch;
/// over the time that went by, where the system does not tell.
struct Watch(Instant, Option<Duration>);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), Self::ran())
    }

    fn ran() -> Option<Duration> {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }

    fn elapsed(&self) -> Duration {
        let ran = Self::ran().zip(self.1).map(|(now, then)| now - then);
        ran.unwrap_or_else(|| self.0.elapsed())
    }
}

fn each(what: &str, took: Duration, times: u32) {
    println!("{what}: {:?} each, {took:?} for {times}", took / times);
}

#[test]
#[ignore = "measures; run it with --release"]
fn the_cost_of_one_insertion_among_a_million() {
    let mut set: BTreeSet<ItemId> = ids(1_000_000).as_slice().iter().copied().collect();
    let began = Watch::start();
    let mut summary = Summary::of(&set).unwrap();
    println!("summary of {} ids: {:?}", set.len(), began.elapsed());
    summary.saved();
    let more: Vec<_> = (1 << 40..(1 << 40) + 20_000).map(id).collect();
    let began = Watch::start();
    for id in &more {
        set.insert(*id);
        summary.insert(id, &set).unwrap();
    }
    each("insert, with that into the set", began.elapsed(), 20_000);
    let began = Watch::start();
    for id in &more {
        set.remove(id);
        summary.remove(id, &set).unwrap();
    }
    each("remove, with that from the set", began.elapsed(), 20_000);
    set.extend(&more);
    let began = Watch::start();
    summary.apply(&more, &[], &set).unwrap();
    each("insert, all at once", began.elapsed(), 20_000);
    summary.saved();
    let more: Vec<_> = (1 << 41..(1 << 41) + 2000).map(id).collect();
    set.extend(&more);
    let began = Watch::start();
    for id in &more {
        let held = black_box(summary.clone());
        summary.insert(id, &set).unwrap();
        drop(held);
    }
    each("clone, insert while that is held, and drop it", began.elapsed(), 2000);
    summary.saved();
    let began = Watch::start();
    for _ in 0..10_000 {
        black_box(summary.clone());
    }
    each("clone", began.elapsed(), 10_000);
}

#[test]
#[ignore = "measures; run it with --release"]
fn the_cost_of_opening_ten_million() {
    let built = Trie::build(&ids(10_000_000));
    let rows: Vec<(u8, [u8; 8], [u8; 33])> = built
        .buckets()
        .map(|bucket| {
            let (key, mut padded) = (bucket.key(), [0; 8]);
            padded[..key.len()].copy_from_slice(&key);
            (key.len() as u8, padded, bucket.value())
        })
        .collect();
    let bytes: usize = rows.iter().map(|row| usize::from(row.0) + 33).sum();
    // Each stays open, so that memory which the one before gave back does not hide what it takes.
    let mut all = Vec::new();
    for _ in 0..4 {
        let before = resident_bytes();
        let began = Watch::start();
        let opened = Trie::from_rows(rows.iter().map(|(length, key, value)| {
            Bucket::decode(&key[..usize::from(*length)], value).unwrap()
        }))
        .unwrap();
        let took = began.elapsed();
        let memory = resident_bytes().saturating_sub(before);
        assert_eq!(opened.root(), built.root());
        all.push(opened);
        println!("open {} rows of {bytes} bytes: {took:?}, {memory} bytes", rows.len());
    }
}

#[test]
#[ignore = "measures; run it with --release"]
fn the_cost_of_sketches() {
    let some = ids(200_000);
    let mut sketch = Sketch::new(CELLS, Salt::NONE);
    let began = Watch::start();
    some.as_slice().iter().for_each(|id| sketch.toggle(id));
    each("toggle a sketch", began.elapsed(), 200_000);
    let mut odd = FineOdd::new();
    let began = Watch::start();
    for _ in 0..50 {
        some.as_slice().iter().for_each(|id| odd.toggle(id));
    }
    each("toggle an odd sketch", began.elapsed(), 10_000_000);
    some.as_slice().iter().for_each(|id| odd.toggle(id));
    black_box(odd.count());
    let began = Watch::start();
    for _ in 0..50_000 {
        black_box(black_box(odd).count());
    }
    each("estimate", began.elapsed(), 50_000);
    const REPEATS: usize = 20;
    for difference in [1_u32, 2, 8, 16, 128, 1000, 8000] {
        let runs = (20_000 / difference).clamp(3, 400);
        let sketches: Vec<_> = (0..u64::from(runs))
            .map(|run| {
                let mut sketch = Sketch::new(CELLS, Salt::NONE);
                let numbers = run << 32..(run << 32) + u64::from(difference);
                numbers.for_each(|number| sketch.toggle(&id(number)));
                sketch
            })
            .collect();
        let began = Watch::start();
        let mut cells = 0;
        for sketch in sketches.iter().cycle().take(sketches.len() * REPEATS) {
            let mut decoder = Decoder::new(Salt::NONE, CELLS);
            let end = sketch.cells(0..CELLS).find(|cell| decoder.push(*cell) != Decoding::More);
            assert!(end.is_some() && decoder.state() == Decoding::Done);
            cells += decoder.cells();
        }
        let took = began.elapsed() / REPEATS as u32;
        let cells = cells / REPEATS;
        let per_id = cells as f64 / f64::from(runs * difference);
        println!(
            "difference of {difference}: {per_id:.3} cells each, decoded in {:?}",
            took / runs
        );
    }
}
