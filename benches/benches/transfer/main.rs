//! Transfers from many sources, and one large one, measured beside their rivals in one run.
//!
//! ```text
//! cargo bench -p catalog-benches --bench transfer                  everything
//! cargo bench -p catalog-benches --bench transfer -- shaped        four shaped sources, two of which fail
//! cargo bench -p catalog-benches --bench transfer -- one four fair
//! ```
//!
//! Every source is a process of its own: it can be stopped without a word, and slowed down while it
//! sends. Everything runs on loopback; files lie below `target/bench-work/transfer`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod child;
mod rivals;
mod watch;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use catalog_benches::corpus::Corpus;
use catalog_benches::measure;
use catalog_benches::servers::Server;
use catalog_node::shaping::{Limits, Rate};
use catalog_node::{Node, TransferProgress};
use catalog_tests::skip::skip;
use catalog_tests::table::Table;

use child::{Child, Role};
use watch::{Watch, Watched};

const MB: f64 = 1e6;
const MIB: u64 = 1 << 20;
/// What the four sources send at first, in bytes a second.
const RATES: [u64; 4] = [20_000_000, 10_000_000, 6_000_000, 4_000_000];
/// The first is stopped without a word after so long.
const STOPPED: Duration = Duration::from_secs(8);
/// The second is slowed down to this after so long.
const THROTTLED: (Duration, u64) = (Duration::from_secs(12), 5_000_000);
/// A contestant that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(role) = Role::of(&words) {
        return child::run(role).await;
    }
    let wants = |word: &str| words.is_empty() || words.iter().any(|wanted| wanted == word);
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let work = work.join("target/bench-work/transfer");
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work).unwrap();
    if wants("shaped") {
        println!("{}", shaped(&work.join("shaped")).await);
    }
    if wants("one") {
        println!("{}", one(&work.join("one")).await);
    }
    if wants("four") {
        println!("{}", four(&work.join("four")).await);
    }
    if wants("fair") {
        println!("{}", fair(&work.join("fair")).await);
    }
    fs::remove_dir_all(&work).ok();
}

/// Writes bytes that do not compress.
fn noise(path: &Path, bytes: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut dice = catalog_tests::dice::Dice::new(7);
    let mut file = fs::File::create(path).unwrap();
    for _ in 0..bytes / MIB {
        std::io::Write::write_all(&mut file, &dice.bytes(MIB as usize)).unwrap();
    }
    file.sync_all().unwrap();
}

/// The publisher of the one file in `source`, and `others` that have fetched it.
fn sources(work: &Path, source: &Path, others: usize) -> Vec<Child> {
    let publisher = Child::start(&["publish", &text(&work.join("0")), &text(source)]);
    let mut sources = vec![publisher];
    for number in 1..=others {
        let ticket = sources[0].said.clone();
        let dir = text(&work.join(number.to_string()));
        sources.push(Child::start(&["mirror", &dir, &ticket]));
    }
    sources
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A node that has met all of them, the publisher first.
async fn client(dir: &Path, sources: &[Child]) -> Node {
    let node = child::node(dir).await;
    for source in sources {
        node.connect(&source.said.parse().unwrap()).await.unwrap();
    }
    node
}

/// Slows the sources down to their rates.
fn shape(sources: &mut [Child]) {
    for (source, rate) in sources.iter_mut().zip(RATES) {
        source.tell(&format!("limit {rate}"));
    }
}

/// What befalls the sources while a contestant runs.
async fn fate(sources: &mut [Child]) {
    tokio::time::sleep(STOPPED).await;
    sources[0].signal("-STOP");
    tokio::time::sleep(THROTTLED.0 - STOPPED).await;
    sources[1].tell(&format!("limit {}", THROTTLED.1));
}

/// How long so many bytes take if every source is used all the time.
fn ideal(bytes: u64) -> f64 {
    let [a, b, c, d] = RATES.map(|rate| rate as f64);
    let until_stop = (a + b + c + d) * STOPPED.as_secs_f64();
    let until_throttle = until_stop + (b + c + d) * (THROTTLED.0 - STOPPED).as_secs_f64();
    let rest = bytes as f64 - until_throttle;
    THROTTLED.0.as_secs_f64() + rest / (THROTTLED.1 as f64 + c + d)
}

async fn shaped(work: &Path) -> Table {
    let (source, bytes) = (work.join("source"), 512 * MIB);
    noise(&source.join("large.bin"), bytes);
    let ideal = ideal(bytes);
    let mut table = Table::new(
        "512 MiB from 20 + 10 + 6 + 4 MB/s: the first falls silent at 8 s, the second is throttled to 5 at 12 s",
        &[
            "contestant",
            "seconds",
            "times the ideal",
            "longest gap s",
            "moved beyond the content %",
        ],
    );
    let mut row = |name: &str, watched: Watched| {
        let seconds = match watched.seconds {
            Some(seconds) => format!("{seconds:.1}"),
            None => format!("> {:.0}, {:.0} % there", PATIENCE.as_secs(), watched.share * 100.0),
        };
        let times = watched.seconds.map_or("-".to_owned(), |took| format!("{:.2}", took / ideal));
        let beyond = watched.moved.map_or("-".to_owned(), |moved| {
            format!("{:.2}", (moved as f64 / bytes as f64 - 1.0) * 100.0)
        });
        table.row([name.to_owned(), seconds, times, format!("{:.1}", watched.gap), beyond]);
    };

    let mut from = sources(work, &source, 3);
    shape(&mut from);
    let node = client(&work.join("ours"), &from).await;
    let watch = Watch::new(bytes);
    let seen = watch.clone();
    let wanted = "acme/bench".parse().unwrap();
    let fetch = node.fetch(&wanted, vec![]).progress(move |event| {
        if let TransferProgress::Moving { bytes_done, .. } = event {
            seen.at(bytes_done);
        }
    });
    let fetching = async { fetch.await.unwrap().bytes_moved };
    row("catalog fetch", watch.contest(fetching, fate(&mut from), PATIENCE).await);
    node.shutdown().await.unwrap();
    from[0].signal("-CONT");

    shape(&mut from);
    let watch = Watch::new(bytes);
    let store = work.join("stock");
    let root = child::root(&work.join("0")).await;
    let tickets: Vec<String> = from.iter().map(|source| source.said.clone()).collect();
    let stock = rivals::stock(&store, &tickets, root, watch.clone());
    row("stock iroh-blobs downloader", watch.contest(stock, fate(&mut from), PATIENCE).await);
    drop(from);

    if rivals::is_installed("aria2c") {
        let file = source.join("large.bin");
        let mut from: Vec<Child> =
            (0..RATES.len()).map(|_| Child::start(&["serve", &text(&file)])).collect();
        shape(&mut from);
        let watch = Watch::new(bytes);
        let urls: Vec<String> = from.iter().map(|mirror| mirror.said.clone()).collect();
        let dir = work.join("aria2");
        let aria2 = rivals::aria2(&dir, &urls, watch.clone());
        row("aria2, 4 mirrors", watch.contest(aria2, fate(&mut from), PATIENCE).await);
    } else {
        skip("aria2, 4 mirrors", "it is not installed (apt install aria2)");
    }
    table.note(format!(
        "The ideal, {ideal:.1} s, uses every source all the time. Of what ours moves beyond the \
         content, 0.4 % are proofs. Sources are stopped (SIGSTOP), so that nothing tells of it."
    ));
    table
}

/// Times a command of this very program, or a rival.
fn timed(args: &[&str]) -> f64 {
    measure::run(Command::new(env::current_exe().unwrap()).args(args)).seconds
}

async fn one(work: &Path) -> Table {
    let data = work.join("data");
    let source = Corpus::Large.make(&data);
    let bytes = Corpus::Large.bytes() as f64 / MIB as f64;
    let rival = env!("CARGO_BIN_EXE_rival");
    let mut table =
        Table::new("1 GiB from one source", &["contestant", "seconds", "MiB/s", "times the get"]);
    let mut rows: Vec<(&str, f64)> = Vec::new();

    let store = work.join("provider");
    let (bare, told) =
        Server::ready_line(Command::new(rival).args(["provide", &text(&store), &text(&source)]));
    let told: Vec<&str> = told.split(' ').collect();
    let to = text(&work.join("bare"));
    let get = [&["get", &to][..], &told].concat();
    rows.push(("bare iroh-blobs get", measure::run(Command::new(rival).args(get)).seconds));
    drop(bare);
    fs::remove_dir_all(work.join("bare")).ok();
    fs::remove_dir_all(&store).ok();

    let servers = work.join("servers");
    fs::create_dir_all(&servers).unwrap();
    match Server::nginx(&source, &servers) {
        Some(nginx) => {
            let file = text(&work.join("curl.bin"));
            let url = format!("http://127.0.0.1:{}/large.bin", nginx.port);
            let script = format!("curl -s -o {file} {url} && sha256sum {file}");
            let cost = measure::run(Command::new("sh").args(["-c", &script]));
            rows.push(("nginx, curl (HTTP), then sha256sum", cost.seconds));
            fs::remove_file(file).ok();
        }
        None => skip("nginx, curl", "nginx is not installed (apt install nginx)"),
    }

    let from = sources(&work.join("sources"), &source, 0);
    for (name, verb) in [("catalog fetch", "fetch"), ("catalog install", "install")] {
        let dir = work.join(verb);
        rows.push((name, timed(&[verb, &text(&dir), &from[0].said])));
        fs::remove_dir_all(dir).ok();
    }
    let get = rows[0].1;
    for (name, seconds) in rows {
        let rate = format!("{:.0}", bytes / seconds);
        table.row([
            name.to_owned(),
            format!("{seconds:.2}"),
            rate,
            format!("{:.2}", seconds / get),
        ]);
    }
    table.note(
        "Each is a process from start to exit; ours meets the source first, and syncs to disk.",
    );
    table
}

async fn four(work: &Path) -> Table {
    let (source, bytes) = (work.join("source"), 512 * MIB);
    noise(&source.join("large.bin"), bytes);
    let from = sources(work, &source, 3);
    let mut table =
        Table::new("512 MiB, sources that are not slowed down", &["sources", "seconds", "MiB/s"]);
    for count in [1, 2, 4] {
        let dir = work.join("client");
        let node = client(&dir, &from[..count]).await;
        let began = Instant::now();
        node.fetch(&"acme/bench".parse().unwrap(), vec![]).await.unwrap();
        let seconds = began.elapsed().as_secs_f64();
        node.shutdown().await.unwrap();
        fs::remove_dir_all(dir).ok();
        let rate = format!("{:.0}", (bytes / MIB) as f64 / seconds);
        table.row([count.to_string(), format!("{seconds:.2}"), rate]);
    }
    table.note("All sources and the client share the cores of one machine.");
    table
}

async fn fair(work: &Path) -> Table {
    const CLIENTS: usize = 16;
    let (source, bytes) = (work.join("source"), 32 * MIB);
    noise(&source.join("large.bin"), bytes);
    let mut table = Table::new(
        "16 clients at one source, 32 MiB each",
        &["source", "first s", "last s", "MB/s together", "Jain index"],
    );
    for (name, limit) in [
        ("64 MB/s", Rate::AtMost(catalog::ByteSize::bytes(64_000_000))),
        ("not limited", Rate::Unlimited),
    ] {
        let dir = work.join("publisher");
        let publisher = child::publisher(&dir, &source).await;
        publisher.limit_upload(Limits { total: limit, ..Limits::default() });
        let ticket = publisher.ticket().await.unwrap();
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let node = child::node(&work.join(format!("client-{number}"))).await;
            node.connect(&ticket).await.unwrap();
            clients.push(node);
        }
        let began = Instant::now();
        let mut fetching = tokio::task::JoinSet::new();
        for node in clients {
            fetching.spawn(async move {
                node.fetch(&"acme/bench".parse().unwrap(), vec![]).await.unwrap();
                let took = began.elapsed().as_secs_f64();
                node.shutdown().await.unwrap();
                took
            });
        }
        let mut times = fetching.join_all().await;
        times.sort_by(f64::total_cmp);
        let rates: Vec<f64> = times.iter().map(|took| bytes as f64 / took).collect();
        let (sum, squares) = (rates.iter().sum::<f64>(), rates.iter().map(|r| r * r).sum::<f64>());
        let last = *times.last().unwrap();
        table.row([
            name.to_owned(),
            format!("{:.2}", times[0]),
            format!("{last:.2}"),
            format!("{:.1}", (CLIENTS as u64 * bytes) as f64 / MB / last),
            format!("{:.3}", sum * sum / (CLIENTS as f64 * squares)),
        ]);
        publisher.shutdown().await.unwrap();
        fs::remove_dir_all(&dir).ok();
        for number in 0..CLIENTS {
            fs::remove_dir_all(work.join(format!("client-{number}"))).ok();
        }
    }
    table.note("The index is over the bytes a second of each client: 1 when all have the same, 1/16 when one has all.");
    table
}
