//! What it costs to keep what is compared: an insertion, and opening it with the store.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use catalog::ItemId;
use catalog::store::{Store, StoreError};
use catalog_benches::measure::{self, resident_bytes, timed};
use catalog_sync::summary::OpenError;
use catalog_sync::{SortedIds, Summary};
use catalog_tests::table::Table;

use crate::sets::ids;
use crate::tables::grouped;

/// The word with which this program calls itself to open what it wrote: with memory that is fresh.
pub const OPEN: &str = "open";
/// Who owns the rows in the store.
const FOLLOWER: &str = "bench";
const MILLION: u64 = 1_000_000;
const MIB: f64 = 1_048_576.0;

enum Failed {
    Store(StoreError),
    Rows(OpenError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::Rows(error)
    }
}

/// Measures insertions at a million, and opening ten million in a process of its own.
pub fn measure() -> Table {
    let mut table = Table::new("Keeping it", &["what", "figure"]);
    for at_once in [1, 100] {
        let each = insertion(at_once);
        table.row([
            format!("insert among a million, {at_once} at once"),
            format!("{:.1} us each", each.as_secs_f64() * 1e6),
        ]);
    }
    let dir = tempfile::tempdir().unwrap();
    let rows = write(dir.path());
    let mut again = Command::new(env::current_exe().unwrap());
    let told = measure::run(again.arg(OPEN).arg(dir.path())).stdout;
    for line in told.lines() {
        let (what, figure) = line.split_once(": ").unwrap();
        table.row([what.to_owned(), figure.to_owned()]);
    }
    table.row(["rows of ten million".to_owned(), grouped(rows)]);
    table
}

/// The time of one insertion into trie and sketches, with that into the set that they read from.
fn insertion(at_once: usize) -> Duration {
    let mut set: BTreeSet<ItemId> = ids(0, MILLION).into_iter().collect();
    let mut summary = Summary::of(&set).unwrap();
    summary.saved();
    let more = ids(1 << 40, 20_000);
    let mut time = Duration::ZERO;
    for some in more.chunks(at_once) {
        timed(&mut time, || {
            set.extend(some);
            summary.apply(some, &[], &set).unwrap();
        });
    }
    assert!(summary.is_settled());
    time / more.len() as u32
}

/// Writes the summary of ten million ids into a store; how many rows it has.
fn write(dir: &Path) -> u64 {
    let summary = Summary::build(&SortedIds::from(ids(0, 10 * MILLION)));
    let checkpoint = summary.checkpoint();
    let rows = checkpoint.puts.len() as u64;
    let store = Store::open(dir).unwrap();
    store.follow(FOLLOWER, 1, checkpoint.puts, checkpoint.deletes).unwrap();
    rows
}

/// Opens what was written and tells what that took: once as after a start, and once more for the
/// memory that is the summary's own, when the store's cache is full already.
pub fn open(dir: &Path) {
    let began = Instant::now();
    let store = Store::open(dir).unwrap();
    println!("open the store: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let mut all = Vec::new();
    for what in ["open ten million from the store", "open it once more"] {
        let before = resident_bytes();
        let (began, mut time) = (Instant::now(), Duration::ZERO);
        let opened = timed(&mut time, || {
            store.follower_rows(FOLLOWER, &[], |rows| {
                Summary::open(rows.map(|row| row.map_err(Failed::from)))
            })
        });
        let summary = match opened.unwrap().0 {
            Ok(summary) => summary,
            Err(Failed::Store(error)) => panic!("{error}"),
            Err(Failed::Rows(error)) => panic!("{error}"),
        };
        assert_eq!(summary.len(), 10 * MILLION);
        let wall = began.elapsed().as_secs_f64() * 1e3;
        let memory = resident_bytes().saturating_sub(before) as f64 / MIB;
        let time = time.as_secs_f64() * 1e3;
        println!("{what}: {time:.0} ms of the thread ({wall:.0} ms in all), {memory:.0} MiB");
        all.push(summary);
    }
}
