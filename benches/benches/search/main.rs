//! How well and how fast a search finds packages, beside other engines in the same run.
//!
//! ```text
//! cargo bench -p catalog-benches --bench search
//!     -- --lists DIR          package lists with long texts; else those of this machine
//!     -- --seeds 1001,1002    other queries; tuning uses 1 to 99, so report on others
//!     -- --tune 1,2,3,4       prints the table of weights that does best for these seeds
//!     -- --index DIR          keeps our index there; one that is there is taken as it is
//!     -- --rivals fts5,milli  only these, or none
//!     -- --show "d summary"   what stands first where it should not, in one class
//!     -- --packages 1000000   so many packages, made of halves of those that there are
//!     -- --process            also memory and starts of a process of its own
//! ```
//!
//! The packages are those of the machine's own package index; `rivals/search.py` asks the rivals.
//! Times are of the processor: what else the machine does does not stretch them.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod alone;
mod answers;
mod ours;
mod queries;
mod recombined;
mod rivals;
mod tune;

use std::env;
use std::path::{Path, PathBuf};

use catalog_benches::debian;
use catalog_tests::skip::skip;

use queries::{Query, Source};

/// The seeds of a report.
const SEEDS: [u64; 3] = [1001, 1002, 1003];
const RIVALS: &str = "fts5,xapian,milli,apt-cache";

fn main() {
    if alone::was_asked() {
        return;
    }
    let lists = PathBuf::from(option("--lists").unwrap_or_else(|| debian::LISTS.to_owned()));
    let packages = match debian::packages(&lists) {
        Ok(packages) => packages,
        Err(missing) => return skip("search", &missing),
    };
    let source = Source::new(&packages);
    let seeds = option("--seeds").map_or(SEEDS.to_vec(), |text| numbers(&text));
    let asked = |seeds: &[u64]| -> Vec<Query> {
        seeds.iter().flat_map(|&seed| source.queries(seed)).collect()
    };
    let all = asked(&seeds);
    let lessons = option("--tune").map(|seeds| asked(&numbers(&seeds)));
    let queries: Vec<&Query> = all.iter().collect();
    let work = tempfile::tempdir().unwrap();

    drop(source);
    let mut packages = packages;
    if let Some(count) = option("--packages") {
        recombined::grow(&mut packages, count.parse().unwrap());
    }
    let index = option("--index").map_or_else(|| work.path().join("index"), PathBuf::from);
    let engine = ours::Ours::build(&packages, &index);
    if let Some(lessons) = lessons {
        return tune::tune(&engine, &lessons.iter().collect::<Vec<_>>(), &queries);
    }
    if let Some(class) = option("--show") {
        return engine.show(&queries, &class);
    }
    let mut answers = vec![(engine.ask(&queries), queries.clone())];
    let published_ms = engine.publish(&packages[0]);
    let corpus = rivals::write_corpus(&packages, work.path());
    let process = env::args().any(|word| word == "--process").then(|| {
        let asked = rivals::write_queries(&queries, work.path());
        alone::table(&index, work.path(), &corpus, &asked)
    });
    let rivals = option("--rivals").unwrap_or_else(|| RIVALS.to_owned());
    for rival in rivals.split(',').filter(|rival| *rival != "none") {
        let asked: Vec<&Query> = queries.iter().copied().step_by(rivals::every(rival)).collect();
        let lists: &Path = &lists;
        if let Some(answer) = rivals::ask(rival, &corpus, &asked, work.path(), lists) {
            answers.push((answer, asked));
        }
    }
    let title = format!("{} packages, {} queries, seeds {seeds:?}", packages.len(), queries.len());
    for table in answers::tables(&answers, &title, packages.len()) {
        println!("{table}");
    }
    if let Some(table) = process {
        println!("{table}");
    }
    println!("A package that is published is found {published_ms:.1} ms later.");
}

/// The word after `name` on the command line.
fn option(name: &str) -> Option<String> {
    let mut words = env::args().skip_while(|word| word != name);
    words.nth(1)
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(',').map(|number| number.parse().unwrap()).collect()
}
