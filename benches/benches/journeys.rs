//! Publish, install and search, measured beside their rivals in one run.
//!
//! ```text
//! cargo bench -p catalog-benches --bench journeys               everything, three rounds
//! CATALOG_BENCH_ROUNDS=1 cargo bench -p catalog-benches --bench journeys -- publish small
//! ```
//!
//! Words after `--` choose journeys (`publish`, `install`, `search`) and corpora (`large`, `small`).
//! Everything runs on loopback and one disk, from a warm page cache; the page that is written to
//! `docs/benchmarks.md` names the machine.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog_benches::corpus::Corpus;
use catalog_benches::measure::{self, Cost, median, quantile};
use catalog_benches::servers::Server;
use catalog_tests::cargo::cargo;
use catalog_tests::machine::Machine;
use catalog_tests::skip::skip;
use catalog_tests::table::Table;

const MIB: f64 = 1_048_576.0;

/// What bounds each journey, and what we leave.
const PUBLISH_LIMIT: &str = "The limit is the second rival: one pass over the files and a durable copy. Left on the \
    table: SHA-256 of every file beside BLAKE3, and the way through the blob store's channels.";
const INSTALL_LIMIT: &str = "The limit of a large one is curl's time and one fsync; of small ones the creation of each \
    file, twice. Left on the table: the blob store decodes, hops and writes by 16 KiB, and an \
    installed file is a verified, synced copy beside the store's. The rivals sync nothing.";
const SEARCH_LIMIT: &str = "The limit is the start of a process, some 1 ms. Left on the table: opening the store and \
    the index, or asking the running node, which opens them once.";

/// One row: a contestant, and what each of its rounds took.
struct Row {
    name: &'static str,
    costs: Vec<Cost>,
    /// The peak of the server it talked to, where it has one.
    server_mib: Option<f64>,
}

struct Bench {
    work: PathBuf,
    data: PathBuf,
    rounds: usize,
}

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |word: &str, among: &[&str]| {
        let chosen = words.iter().any(|chosen| chosen == word);
        chosen || !words.iter().any(|chosen| among.contains(&chosen.as_str()))
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let work = workspace.join("target/bench-work");
    let rounds = env::var("CATALOG_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    build_program();
    let bench = Bench { data: work.join("data"), work, rounds };
    let mut pages = Vec::new();
    for corpus in Corpus::ALL {
        if !wants(corpus.word(), &["large", "small"]) {
            continue;
        }
        corpus.make(&bench.data);
        for (journey, run) in [
            ("publish", Bench::publish as fn(&Bench, Corpus) -> Table),
            ("install", Bench::install),
        ] {
            if wants(journey, &["publish", "install", "search"]) {
                pages.push(run(&bench, corpus));
                println!("{}", pages.last().unwrap());
            }
        }
    }
    if wants("search", &["publish", "install", "search"]) {
        pages.push(bench.search());
        println!("{}", pages.last().unwrap());
    }
    if words.is_empty() {
        let text: Vec<String> = pages.iter().map(ToString::to_string).collect();
        let page = format!("{}\n{}", machine(), text.join("\n").replace("# ", "## "));
        fs::write(workspace.join("docs/benchmarks.md"), page).unwrap();
    }
}

/// Builds the program as it is released: the bench is built into the same folder, and finds it there.
fn build_program() {
    let status = cargo(&["build", "--release", "--bin", "catalog"]).status();
    assert!(status.unwrap().success(), "the program does not build");
}

/// The head of the page: what was measured where.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "# Benchmarks\n\nMedians on {cores} cores ({model}), Linux {}, loopback, warm page cache. \
         Each figure is a process of its own from start to exit; contestants take turns in every \
         round. Memory is the peak of what was resident, in brackets what was the process's own \
         (the rest is mapped files). Run again with `cargo xtask bench`.\n",
        kernel.trim()
    )
}

impl Bench {
    /// An empty folder of this bench.
    fn fresh(&self, name: &str) -> PathBuf {
        let dir = self.work.join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn rival(&self, args: &[&Path]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rival"));
        command.args(args);
        command
    }

    fn publish(&self, corpus: Corpus) -> Table {
        let data = self.data.join(corpus.word());
        let mut rows = [
            Row::new("BLAKE3 and a copy"),
            Row::new("BLAKE3 and a copy, fsync each"),
            Row::new("catalog publish"),
        ];
        for _ in 0..self.rounds {
            for (row, sync) in [(0, None), (1, Some(Path::new("sync")))] {
                let to = self.fresh("copy");
                let mut args = vec![Path::new("hash-copy"), &data, &to];
                args.extend(sync);
                settle();
                rows[row].costs.push(measure::run(&mut self.rival(&args)));
            }
            let machine = Machine::at(self.fresh("publisher"));
            machine.init("acme");
            settle();
            rows[2].costs.push(measure::run(&mut machine.command(import(&data))));
        }
        let mut table = table(&format!("Publish {}", corpus.name()), corpus, &rows, 1);
        table.note("A publish is on the disk when it is acknowledged, as the second rival is.");
        table.note(PUBLISH_LIMIT);
        table
    }

    fn install(&self, corpus: Corpus) -> Table {
        let data = self.data.join(corpus.word());
        let mut rows = vec![
            Row::new("nginx, curl, BLAKE3"),
            Row::new("rsync daemon"),
            Row::new("bare iroh-blobs get"),
            Row::new("catalog install"),
            Row::new("catalog fetch, not installed"),
        ];
        let servers = self.fresh("servers");
        let (nginx, rsync) = (Server::nginx(&data, &servers), Server::rsync(&data, &servers));
        let store = self.fresh("provider-store");
        let (bare, told) =
            Server::ready_line(&mut self.rival(&[Path::new("provide"), &store, &data]));
        let told: Vec<&Path> = told.split(' ').map(Path::new).collect();
        let provider = Machine::at(self.fresh("provider"));
        provider.init("acme");
        provider.run(import(&data)).ok();
        let daemon = provider.daemon();
        for _ in 0..self.rounds {
            if let Some(nginx) = &nginx {
                let to = self.fresh("curl");
                settle();
                let cost = self.curl(corpus, nginx.port, &to);
                rows[0].costs.push(cost);
            }
            if let Some(rsync) = &rsync {
                let to = self.fresh("rsync");
                let from = format!("rsync://127.0.0.1:{}/data/", rsync.port);
                settle();
                rows[1].costs.push(measure::run(Command::new("rsync").args(["-r", &from]).arg(to)));
            }
            let store = self.fresh("bare");
            let args = [&[Path::new("get"), &store][..], &told].concat();
            settle();
            rows[2].costs.push(measure::run(&mut self.rival(&args)));
            for (row, verb) in [(3, "install"), (4, "fetch")] {
                let machine = Machine::at(self.fresh("installer"));
                machine.meet(&daemon);
                settle();
                let mut command = machine.command(["--no-progress", "--json", verb, "bench"]);
                rows[row].costs.push(measure::run(&mut command));
            }
        }
        for (row, server) in [(0, &nginx), (1, &rsync), (2, &Some(bare))] {
            rows[row].server_mib =
                server.as_ref().map(|server| measure::peak_of(server.child().id()));
        }
        let ours = measure::peak_of(daemon.pid());
        rows[3].server_mib = Some(ours);
        rows[4].server_mib = Some(ours);
        for row in rows.extract_if(.., |row| row.costs.is_empty()) {
            skip(row.name, "it is not installed (apt install nginx rsync curl)");
        }
        let last_rival = rows.iter().position(|row| row.name == "bare iroh-blobs get").unwrap();
        let mut table = table(&format!("Install {}", corpus.name()), corpus, &rows, last_rival);
        table.note(INSTALL_LIMIT);
        table
    }

    /// Fetches with one curl process and hashes what came, in a pipe where there is one file.
    fn curl(&self, corpus: Corpus, port: u16, to: &Path) -> Cost {
        let rival = env!("CARGO_BIN_EXE_rival");
        let url = format!("http://127.0.0.1:{port}");
        let to = to.display();
        let script = match corpus {
            Corpus::Large => format!("curl -s {url}/large.bin | {rival} hash-to {to}/large.bin"),
            Corpus::Small => {
                let list = self.work.join("curl.list");
                let lines: Vec<String> = corpus
                    .files()
                    .iter()
                    .map(|file| file.display().to_string())
                    .map(|file| format!("url = \"{url}/{file}\"\noutput = \"{to}/{file}\"\n"))
                    .collect();
                fs::write(&list, format!("create-dirs\n{}", lines.concat())).unwrap();
                format!("curl -s -K {} && {rival} hash-tree {to}", list.display())
            }
        };
        measure::run(Command::new("sh").arg("-c").arg(script))
    }

    /// Cold starts of a search: a new process each time, the index in the page cache.
    fn search(&self) -> Table {
        const PACKAGES: usize = 200;
        const STARTS: usize = 40;
        let machine = Machine::at(self.fresh("searcher"));
        machine.init("acme");
        let source = self.fresh("source");
        fs::write(source.join("note.txt"), "a note").unwrap();
        let daemon = machine.daemon();
        for n in 0..PACKAGES {
            let name = format!("notes-{n:03}-graph");
            let summary = format!("The {n}th database of graphs and notes");
            machine
                .run([
                    "--no-progress",
                    "import",
                    "dir",
                    source.to_str().unwrap(),
                    "--name",
                    &name,
                    "--version",
                    "1.0.0",
                    "--license",
                    "MIT",
                    "--summary",
                    &summary,
                ])
                .ok();
        }
        let title = format!("Cold start: a new process for each query over {PACKAGES} packages");
        let mut table = Table::new(&title, &["query", "node", "median", "95 %", "peak MiB"]);
        let queries = ["notes-100-graph", "notes graph", "nottes graphh", "databse"];
        let mut measure_all = |node: &str| {
            for query in queries {
                let costs: Vec<Cost> = (0..STARTS)
                    .map(|_| measure::run(&mut machine.command(["search", query])))
                    .collect();
                let ms: Vec<f64> = costs.iter().map(|cost| cost.seconds * 1e3).collect();
                let peak = median(&costs.iter().map(|cost| cost.peak_mib).collect::<Vec<_>>());
                table.row([
                    query.to_owned(),
                    node.to_owned(),
                    format!("{:.1} ms", median(&ms)),
                    format!("{:.1} ms", quantile(&ms, 0.95)),
                    format!("{peak:.0}"),
                ]);
            }
        };
        measure_all("running");
        drop(daemon);
        measure_all("none");
        table.note(SEARCH_LIMIT);
        table
    }
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self { name, costs: Vec::new(), server_mib: None }
    }

    fn middle(&self, figure: impl Fn(&Cost) -> f64) -> f64 {
        median(&self.costs.iter().map(figure).collect::<Vec<_>>())
    }
}

/// The words that publish a folder as the package `bench`.
fn import(data: &Path) -> Vec<String> {
    let words = ["--no-progress", "import", "dir", data.to_str().unwrap(), "--name", "bench"];
    words.into_iter().chain(["--version", "1.0.0", "--license", "MIT"]).map(str::to_owned).collect()
}

/// Waits until the disk has caught up, so that nobody pays for what another wrote.
fn settle() {
    let _ = Command::new("sync").status();
}

/// A table of contestants; the ratio is to the row at `against`.
fn table(title: &str, corpus: Corpus, rows: &[Row], against: usize) -> Table {
    let columns =
        ["contestant", "seconds", "MiB/s", "times the rival", "peak MiB (own)", "server peak MiB"];
    let mut table = Table::new(title, &columns);
    let rival = rows[against].middle(|cost| cost.seconds);
    for row in rows {
        let seconds = row.middle(|cost| cost.seconds);
        let (peak, own) = (row.middle(|cost| cost.peak_mib), row.middle(|cost| cost.own_mib));
        table.row([
            row.name.to_owned(),
            format!("{seconds:.2}"),
            format!("{:.0}", corpus.bytes() as f64 / MIB / seconds),
            format!("{:.2}", seconds / rival),
            format!("{peak:.0} ({own:.0})"),
            row.server_mib.map_or_else(String::new, |mib| format!("{mib:.0}")),
        ]);
    }
    table.note(format!("The rival that ratios are to: {}.", rows[against].name));
    table
}
