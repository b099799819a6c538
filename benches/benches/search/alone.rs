//! Our engine in a process of its own, where memory and a cold start can be measured: this program
//! starts itself again, without the packages in its memory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::{env, hint};

use catalog::release::ReleaseId;
use catalog_benches::debian::{self, Package};
use catalog_benches::measure;
use catalog_discovery::{Cursor, Doc, Index, Query};
use catalog_tests::table::Table;
use rustix::fs::{Advice, fadvise};
use serde_json::Value;

/// Starts of a process, of which the median is shown.
const STARTS: usize = 11;

/// Does what this process was started for, if it was; says whether it was.
pub fn was_asked() -> bool {
    let words: Vec<String> = env::args().skip_while(|word| word != "--alone").collect();
    let [_, what, index, file, ..] = words.as_slice() else { return false };
    let index = Index::open(Path::new(index)).unwrap();
    let lines = BufReader::new(File::open(file).unwrap()).lines();
    let values = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    match what.as_str() {
        "write" => write(&index, values),
        "ask" => values.for_each(|value| ask(&index, &value)),
        "ask-one" => values.take(1).for_each(|value| ask(&index, &value)),
        other => panic!("no such work: {other}"),
    }
    true
}

fn ask(index: &Index, value: &Value) {
    let text = value["text"].as_str().unwrap();
    hint::black_box(index.search(&Query { limit: 10, ..Query::new(text) }).unwrap());
}

fn write(index: &Index, packages: impl Iterator<Item = Value>) {
    for value in packages {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let mut package = Package::default();
        package.tags = text("tags").split_whitespace().map(str::to_owned).collect();
        package.name = text("name");
        package.summary = text("summary");
        package.description = text("description");
        for release in debian::releases(&[package]) {
            let id = ReleaseId::of(&release.encode().unwrap());
            index.put(&Doc::from_release(id, &release).unwrap()).unwrap();
        }
    }
    index.commit(Cursor { store: [1; 16], change: 1 }).unwrap();
    index.join().unwrap();
}

/// A table of memory and of the time from start to exit.
///
/// - `index`: is read; `work`: an index is written there.
/// - `corpus`, `asked`: packages and queries, one in each line.
pub fn table(index: &Path, work: &Path, corpus: &Path, asked: &Path) -> Table {
    let run = |what: &str, index: &Path, file: &Path| {
        let program = env::current_exe().unwrap();
        measure::run(Command::new(program).args(["--alone", what]).args([index, file]))
    };
    let mut table =
        Table::new("A process of its own", &["work", "own MiB at most", "resident MiB", "ms"]);
    let mut row = |work: &str, cost: &measure::Cost, ms: f64| {
        let figures = [cost.own_mib, cost.peak_mib, ms].map(|figure| format!("{figure:.1}"));
        table.row([work.to_owned()].into_iter().chain(figures).collect::<Vec<_>>());
    };
    let writing = run("write", &work.join("written"), corpus);
    row("writes all packages", &writing, writing.seconds * 1e3);
    let reading = run("ask", index, asked);
    row("answers all queries", &reading, reading.seconds * 1e3);
    for (title, evicted) in [("answers one query", false), ("the same, index not in memory", true)]
    {
        let mut starts: Vec<measure::Cost> = (0..STARTS)
            .map(|_| {
                if evicted {
                    evict(index);
                }
                run("ask-one", index, asked)
            })
            .collect();
        starts.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let median = &starts[STARTS / 2];
        row(title, median, median.seconds * 1e3);
    }
    table
}

/// Asks the system to forget what it keeps of the files in `dir`.
fn evict(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let file = File::open(entry.unwrap().path()).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}
