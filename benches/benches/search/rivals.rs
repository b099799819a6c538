//! Other engines, asked the same queries over the same packages in processes of their own.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog_benches::debian::Package;
use catalog_tests::skip::skip;
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::queries::Query;

/// Asks them.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rivals/search.py");
/// The code with which the script ends when the engine is not installed.
const MISSING: i32 = 3;
/// Pythons that may have an engine's module.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];
/// Every so many-th query is put to an engine that takes most of a second for each.
const SLOW_EVERY: usize = 10;

/// How much of the queries an engine is asked.
pub fn every(engine: &str) -> usize {
    if engine == "apt-cache" { SLOW_EVERY } else { 1 }
}

/// Writes the texts of all packages into a file in `work`, one package a line.
pub fn write_corpus(packages: &[Package], work: &Path) -> PathBuf {
    let texts = packages.iter().map(|package| {
        json!({
            "name": package.name,
            "summary": package.summary,
            "tags": package.tags.join(" "),
            "description": package.description,
        })
    });
    write(work.join("corpus.jsonl"), texts)
}

/// The same for queries.
pub fn write_queries(queries: &[&Query], work: &Path) -> PathBuf {
    write(work.join("queries.jsonl"), queries.iter().map(|query| json!({ "text": query.text })))
}

fn write(path: PathBuf, rows: impl Iterator<Item = Value>) -> PathBuf {
    let mut file = BufWriter::new(File::create(&path).unwrap());
    for row in rows {
        writeln!(file, "{row}").unwrap();
    }
    file.flush().unwrap();
    path
}

/// What `engine` answers; `None`, said loudly, where it is not installed.
///
/// - `corpus`: all packages, from [`write_corpus`].
pub fn ask(
    engine: &str,
    corpus: &Path,
    queries: &[&Query],
    work: &Path,
    lists: &Path,
) -> Option<Answers> {
    let asked = write_queries(queries, work);
    for python in PYTHONS {
        let mut command = Command::new(python);
        command.arg(SCRIPT).arg(engine).args([corpus, &asked]).arg(work.join(engine)).arg(lists);
        let Ok(output) = command.output() else { continue };
        if output.status.code() == Some(MISSING) {
            continue;
        }
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            skip(engine, words.lines().last().unwrap_or_default());
            return None;
        }
        return Some(read(engine, &String::from_utf8_lossy(&output.stdout)));
    }
    skip(engine, "no Python here has it");
    None
}

fn read(engine: &str, output: &str) -> Answers {
    let mut rows = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let about = rows.next().unwrap();
    let mut answers = Answers {
        engine: engine.to_owned(),
        build_s: about["build_s"].as_f64().unwrap(),
        bytes: about["bytes"].as_u64().unwrap(),
        ..Answers::default()
    };
    for row in rows {
        let hits = row["hits"].as_array().unwrap().iter();
        answers.hits.push(hits.map(|hit| hit.as_str().unwrap().to_owned()).collect());
        answers.us.push(row["us"].as_f64().unwrap());
    }
    answers
}
