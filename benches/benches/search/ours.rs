//! Our own engine, over releases made from the package index.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use catalog::release::{Release, ReleaseId};
use catalog_benches::debian::{self, Package};
use catalog_benches::measure::{thread_time, timed};
use catalog_discovery::{Cursor, Doc, Evidence, Index, LIMIT_MAX, Query as Asked};

use crate::answers::{Answers, Score};
use crate::queries::Query;

/// Rounds of queries before the one that is measured.
const WARMING: usize = 1;

/// Packages that become documents at once.
const CHUNK: usize = 10_000;
/// Packages that are published one by one.
const PUBLISHED: u64 = 10;

/// A package, and what speaks for it.
pub struct Candidate {
    pub name: String,
    pub evidence: Evidence,
}

/// An index of every package.
pub struct Ours {
    index: Index,
    build_s: f64,
    bytes: u64,
}

impl Ours {
    pub fn build(packages: &[Package], dir: &Path) -> Self {
        let index = Index::open(dir).unwrap();
        if index.packages() == packages.len() as u64 {
            return Self { index, build_s: f64::NAN, bytes: folder_bytes(dir) };
        }
        let (began, mut preparing) = (process_time(), Duration::ZERO);
        for packages in packages.chunks(CHUNK) {
            let docs: Vec<Doc> = timed(&mut preparing, || docs(packages));
            for doc in &docs {
                index.put(doc).unwrap();
            }
        }
        index.commit(Cursor { store: [1; 16], change: 1 }).unwrap();
        index.join().unwrap();
        let build_s = process_time() - began - preparing.as_secs_f64();
        Self { index, build_s, bytes: folder_bytes(dir) }
    }

    /// Publishes a package again, some times; returns how many milliseconds of the clock later a
    /// search sees it, in the mean.
    pub fn publish(&self, package: &Package) -> f64 {
        let docs = docs(std::slice::from_ref(package));
        let began = Instant::now();
        for change in 0..PUBLISHED {
            self.index.put(&docs[0]).unwrap();
            self.index.commit(Cursor { store: [1; 16], change: 2 + change }).unwrap();
            assert_eq!(self.hits(&package.name).first(), Some(&package.name));
        }
        began.elapsed().as_secs_f64() * 1e3 / PUBLISHED as f64
    }

    pub fn ask(&self, queries: &[&Query]) -> Answers {
        let mut answers = Answers {
            engine: "catalog".to_owned(),
            build_s: self.build_s,
            bytes: self.bytes,
            ..Answers::default()
        };
        for round in 0..=WARMING {
            for query in queries {
                let began = thread_time();
                let hits = self.hits(&query.text);
                let us = (thread_time() - began).as_secs_f64() * 1e6;
                if round == WARMING {
                    answers.hits.push(hits);
                    answers.us.push(us);
                }
            }
        }
        answers
    }

    fn hits(&self, text: &str) -> Vec<String> {
        let found = self.index.search(&Asked { limit: 10, ..Asked::new(text) }).unwrap();
        found.hits.into_iter().map(|hit| hit.release.name.to_string()).collect()
    }

    /// Every candidate for `text` that was weighed.
    pub fn candidates(&self, text: &str) -> Vec<Candidate> {
        let found = self.index.search(&Asked { limit: LIMIT_MAX, ..Asked::new(text) }).unwrap();
        let candidates = found.hits.into_iter().filter_map(|hit| {
            Some(Candidate { name: hit.release.name.to_string(), evidence: hit.evidence? })
        });
        candidates.collect()
    }

    /// Prints the queries of a class for which something else stands first.
    pub fn show(&self, queries: &[&Query], class: &str) {
        for query in queries.iter().filter(|query| query.class.name() == class) {
            let hits = self.hits(&query.text);
            if Score::of(query, &hits).first == 0.0 {
                let target = query.target.as_deref().unwrap_or("a topic");
                println!("{:40} {target}: {}", query.text, hits[..hits.len().min(4)].join(" "));
            }
        }
    }
}

fn docs(packages: &[Package]) -> Vec<Doc> {
    let releases = debian::releases(packages);
    let doc = |release: &Release| {
        Doc::from_release(ReleaseId::of(&release.encode().unwrap()), release).unwrap()
    };
    releases.iter().map(doc).collect()
}

/// Processor time of all threads: an index is written by several.
fn process_time() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn folder_bytes(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.map(|file| file.len()).sum()
}
