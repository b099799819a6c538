//! How well packages that go with another one are found, beside two obvious ways to guess.
//!
//! ```text
//! cargo bench -p catalog-benches --bench recommend
//!     -- --lists DIR     package lists with long texts; else those of this machine
//!     -- --hidden 2000   packages whose wishes are hidden and have to be found again
//!     -- --seed 1001     which
//! ```
//!
//! The packages are those of the machine's own package index. What a package recommends and suggests
//! there is a dependency that it works without. Of some packages all of those are taken out before
//! anything is indexed; they count as found when they are among the first ten that are recommended.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::release::{Dependency, PackageId, Release, ReleaseId};
use catalog_benches::debian;
use catalog_benches::measure::{quantile, timed};
use catalog_discovery::{Cursor, Doc, Index, NEIGHBOURS_MAX, Neighbour, Voter, recommend};
use catalog_tests::skip::skip;

/// How many recommendations are looked at.
const TOP: usize = 10;
const HIDDEN: usize = 2_000;
const SEED: u64 = 1001;
/// Documents between two commits.
const COMMIT: usize = 20_000;

/// A package whose wishes are hidden, and what it wishes for.
struct Question {
    release: Release,
    hidden: HashSet<PackageId>,
}

/// What a way to guess found, summed over all questions.
#[derive(Default)]
struct Score {
    recall: f64,
    any: f64,
    reciprocal: f64,
}

fn main() {
    let lists = PathBuf::from(option("--lists").unwrap_or_else(|| debian::LISTS.to_owned()));
    let packages = match debian::packages(&lists) {
        Ok(packages) => packages,
        Err(missing) => return skip("recommend", &missing),
    };
    let count = option("--hidden").map_or(HIDDEN, |text| text.parse().unwrap());
    let seed = option("--seed").map_or(SEED, |text| text.parse().unwrap());
    let mut releases = debian::releases_with_wishes(&packages);
    let questions = hide(&mut releases, count, seed);

    let work = tempfile::tempdir().unwrap();
    let (index, known) = indexed(&releases, work.path());
    let popular = popular(&releases);
    let voters = |neighbours: Vec<Neighbour>| -> Vec<Voter> {
        let release = |id: &ReleaseId| releases[known[id]].clone();
        let voter =
            |one: Neighbour| Voter { likeness: one.likeness, release: release(&one.release) };
        neighbours.into_iter().map(voter).collect()
    };
    let (mut by_popularity, mut by_text, mut ours) =
        (Score::default(), Score::default(), Score::default());
    let mut times = Vec::with_capacity(questions.len());
    for Question { release, hidden } in &questions {
        let own = release.package();
        let has: HashSet<PackageId> = needs(release, |_| true).collect();
        let is_news = |package: &&PackageId| !has.contains(package) && **package != own;
        by_popularity.add(popular.iter().filter(is_news).take(TOP), hidden);
        let mut took = Duration::ZERO;
        let (alike, found) = timed(&mut took, || {
            let near = index.neighbours(release, &[], NEIGHBOURS_MAX).unwrap();
            let alike: Vec<PackageId> =
                near.by_text.iter().map(|one| one.package.clone()).collect();
            let (text, needed) = (voters(near.by_text), voters(near.by_needs));
            (alike, recommend(release, &text, &needed, &HashSet::new(), TOP))
        });
        times.push(took.as_secs_f64() * 1e3);
        by_text.add(alike.iter().filter(is_news).take(TOP), hidden);
        ours.add(found.iter().map(|one| &one.package), hidden);
    }

    println!("{} packages, wishes of {} hidden, seed {seed}\n", releases.len(), questions.len());
    println!("| what is recommended | recall@10 | any of them in 10 | MRR |");
    println!("|---|---|---|---|");
    for (name, score) in [
        ("what most packages need: popularity", by_popularity),
        ("what has the same words: text similarity alone", by_text),
        ("catalog: what neighbours by words and by needs wish for", ours),
    ] {
        let [recall, any, reciprocal] =
            [score.recall, score.any, score.reciprocal].map(|sum| sum / questions.len() as f64);
        println!("| {name} | {recall:.3} | {any:.3} | {reciprocal:.3} |");
    }
    let [median, slow] = [0.5, 0.99].map(|share| quantile(&times, share));
    println!("\nmilliseconds of the processor each: p50 {median:.1}, p99 {slow:.1}");
}

impl Score {
    fn add<'a>(&mut self, found: impl Iterator<Item = &'a PackageId>, hidden: &HashSet<PackageId>) {
        let places: Vec<usize> =
            (1..).zip(found).filter_map(|(at, one)| hidden.contains(one).then_some(at)).collect();
        self.recall += places.len() as f64 / hidden.len() as f64;
        self.any += if places.is_empty() { 0.0 } else { 1.0 };
        self.reciprocal += places.first().map_or(0.0, |at| 1.0 / *at as f64);
    }
}

/// An index of these, and where each of them stands in the list.
fn indexed(releases: &[Release], dir: &Path) -> (Index, HashMap<ReleaseId, usize>) {
    let index = Index::open(dir).unwrap();
    let mut known = HashMap::new();
    for (at, release) in releases.iter().enumerate() {
        let id = ReleaseId::of(&release.encode().unwrap());
        index.put(&Doc::from_release(id, release).unwrap()).unwrap();
        known.insert(id, at);
        if (at + 1) % COMMIT == 0 || at + 1 == releases.len() {
            index.commit(Cursor { store: [1; 16], change: at as u64 + 1 }).unwrap();
        }
    }
    index.join().unwrap();
    (index, known)
}

/// What most packages need or wish for, the most needed first.
fn popular(releases: &[Release]) -> Vec<PackageId> {
    let mut needed: BTreeMap<PackageId, usize> = BTreeMap::new();
    for package in releases.iter().flat_map(|release| needs(release, |_| true)) {
        *needed.entry(package).or_default() += 1;
    }
    let mut popular: Vec<(PackageId, usize)> = needed.into_iter().collect();
    popular.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    popular.into_iter().map(|(package, _)| package).collect()
}

/// Takes the wishes out of `count` releases that have some.
fn hide(releases: &mut [Release], count: usize, seed: u64) -> Vec<Question> {
    let mut having: Vec<usize> = (0..releases.len())
        .filter(|&at| needs(&releases[at], |needed| needed.optional).next().is_some())
        .collect();
    let mut state = seed;
    // The generator of Steele, Lea and Flood, OOPSLA 2014.
    let mut chance = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut questions = Vec::with_capacity(count);
    while questions.len() < count && !having.is_empty() {
        let at = having.swap_remove((chance() % having.len() as u64) as usize);
        let release = &mut releases[at];
        let hidden = needs(release, |needed| needed.optional).collect();
        release.dependencies.retain(|needed| !needed.optional);
        questions.push(Question { release: release.clone(), hidden });
    }
    questions
}

/// The packages that a release depends on in this way.
fn needs(release: &Release, how: impl Fn(&Dependency) -> bool) -> impl Iterator<Item = PackageId> {
    let needed = release.dependencies.iter().filter(move |needed| how(needed));
    needed.map(|needed| PackageId { publisher: needed.publisher, name: needed.name.clone() })
}

/// The word after `name` on the command line.
fn option(name: &str) -> Option<String> {
    let mut words = env::args().skip_while(|word| word != name);
    words.nth(1)
}
