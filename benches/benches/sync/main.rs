//! What it costs two nodes to become equal, beside `negentropy` and `iroh-docs`, in one run.
//!
//! ```text
//! cargo bench -p catalog-benches --bench sync                   everything
//! cargo bench -p catalog-benches --bench sync -- 10k 100k       these sizes only
//! cargo bench -p catalog-benches --bench sync -- keep           insertions, and opening ten million
//! ```
//!
//! All compare the same sets of 32-byte ids, made from seeds, in memory and on one thread. Bytes
//! and flights are the same in every run. Time is that of the thread, so a busy machine hardly
//! stretches it. The page that the figures are written up in is `docs/benchmarks-sync.md`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod docs;
mod keep;
mod negent;
mod ours;
mod sets;
mod tables;

use std::env;
use std::time::{Duration, Instant};

use docs::Docs;
use sets::Case;
use tables::Tables;

/// Sizes of the sets before the first difference, and their names.
const SIZES: [(&str, u64); 3] = [("10k", 10_000), ("100k", 100_000), ("1M", 1_000_000)];
/// How many ids one side has and the other has not.
const DIFFERENCES: [u64; 6] = [0, 1, 10, 100, 1000, 10_000];
/// The largest size at which the stores of `iroh-docs` are made: each entry is signed twice and
/// verified, some four hundred microseconds, so that a million take a quarter of an hour.
const DOCS_MAX: u64 = 100_000;
/// No case of `iroh-docs` follows one that took longer.
const DOCS_PATIENCE: Duration = Duration::from_secs(60);

/// What a conversation cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// All bytes but one copy of each record.
    pub bytes: u64,
    /// Messages one way, until both sides have all that the other had.
    pub flights: u32,
    /// The time of the thread, both sides together.
    pub time: Duration,
}

/// One size and difference, and what everybody paid.
pub struct Row {
    /// How many ids both hold, in words.
    pub size: &'static str,
    /// How many ids one side has and the other has not.
    pub difference: u64,
    /// Ours, when nothing is known beforehand.
    pub unannounced: Cost,
    /// Ours, when the other side announced what it has.
    pub announced: Cost,
    /// All differing ids are twins of each other to a sketch, so only a walk finds them.
    pub walk: Option<Cost>,
    /// The first rival.
    pub negentropy: Cost,
    /// The second rival, where it does not take too long.
    pub docs: Option<Cost>,
}

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [word, dir] = words.as_slice()
        && word == keep::OPEN
    {
        return keep::open(dir.as_ref());
    }
    let all = words.is_empty();
    let mut tables = Tables::default();
    for (name, size) in SIZES.into_iter().filter(|(name, _)| all || words.iter().any(|w| w == name))
    {
        let mut common = sets::ids(0, size);
        let mut docs = (size <= DOCS_MAX).then(|| Docs::holding(&common));
        for difference in DIFFERENCES {
            let case = Case::new(common, difference);
            tables.add(measure(name, &case, &mut docs));
            common = case.union();
        }
    }
    println!("{tables}");
    if all || words.iter().any(|word| word == "keep") {
        println!("{}", keep::measure());
    }
}

fn measure(size: &'static str, case: &Case, docs: &mut Option<Docs>) -> Row {
    let difference = case.difference();
    let [unannounced, announced] = ours::both(case);
    let negentropy = negent::reconcile(case);
    let walk = (difference > 1).then(|| ours::walk(case));
    let began = Instant::now();
    let by_docs = docs.as_mut().map(|docs| docs.reconcile(case));
    if began.elapsed() > DOCS_PATIENCE {
        *docs = None;
    }
    Row { size, difference, unannounced, announced, walk, negentropy, docs: by_docs }
}
