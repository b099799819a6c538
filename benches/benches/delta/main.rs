//! Updates of real packages: what moves in full, by file and by patch, beside zsync on the same pair.
//!
//! ```text
//! cargo xtask samples                                 once, for the packages
//! cargo bench -p catalog-benches --bench delta        everything
//! cargo bench -p catalog-benches --bench delta -- ruff
//! ```
//!
//! All nodes are in this process, on loopback; what moves is counted where it arrives, with proofs and
//! file lists. zsync gets both versions as uncompressed archives, the kinder case for it, over HTTP.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod zsync;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use catalog::import::{ImportOptions, npm, wheel};
use catalog::profile::Profile;
use catalog_node::update::UpdateBytes;
use catalog_node::{Node, NodeConfig};
use catalog_tests::samples::{self, Family, SEQUELS, Sequel};
use catalog_tests::table::Table;

const MB: f64 = 1e6;

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let work = work.join("target/bench-work/delta");
    let mut bytes = Table::new(
        "What an update moves, in MB",
        &["package", "full", "by file", "by patch", "of full", "moved", "zsync", "its archive"],
    );
    let mut time = Table::new(
        "How long it takes on loopback, in seconds",
        &[
            "package",
            "files changed",
            "patches",
            "first plan",
            "by patch",
            "by patch, not made yet",
            "by file",
        ],
    );
    for sequel in SEQUELS {
        if !words.is_empty() && !words.iter().any(|word| sequel.name.contains(word.as_str())) {
            continue;
        }
        let Some(archives) = samples::sequel(sequel.name, &sequel) else { continue };
        fs::remove_dir_all(&work).ok();
        fs::create_dir_all(&work).unwrap();
        measure(&work, &sequel, &archives, &mut bytes, &mut time).await;
    }
    fs::remove_dir_all(&work).ok();
    bytes.note(
        "Full, by file and by patch are what `catalog update --dry-run` says; moved is what came over \
         the wire in the update, file list and proofs included. The archive is what the package's own \
         client downloads for every update.",
    );
    time.note(
        "The first plan makes the patches, at the peer. An update that finds none made waits for them \
         up to six seconds; what is not made by then comes whole.",
    );
    println!("{bytes}\n{time}");
}

/// A node on loopback for which every Python package fits.
async fn node(dir: &Path, patches: bool) -> Node {
    let config = NodeConfig::at(dir).listen("127.0.0.1:0".parse().unwrap()).patches(patches);
    let facts = ["python=cpython@3.12", "os=linux", "cpu.arch=x86_64", "libc=glibc@2.36"];
    let facts: Vec<_> = facts.iter().map(|fact| fact.parse().unwrap()).collect();
    let profile = Profile::detect(dir).with_overrides(&facts).unwrap();
    Node::builder(config).profile(profile).spawn().await.unwrap()
}

async fn publish(node: &Node, family: Family, archive: &Path, work: PathBuf) {
    let options = ImportOptions { name: Some("bench".parse().unwrap()), ..Default::default() };
    fs::create_dir_all(&work).unwrap();
    let archives = [archive.to_owned()];
    let draft = match family {
        Family::Npm => npm(&archives, &work, &options).unwrap(),
        Family::Wheel => wheel(&archives, &work, &options).unwrap(),
    };
    node.publish(draft).await.unwrap();
}

/// One update: what was planned, what moved, and the seconds of both.
struct Outcome {
    planned: Option<(UpdateBytes, f64)>,
    moved: u64,
    seconds: f64,
    path: PathBuf,
}

async fn update(node: &Node, plans: bool) -> Outcome {
    let began = Instant::now();
    let planned = match plans {
        true => {
            let planned = node.update(None).dry_run().await.unwrap();
            Some((planned[0].bytes.unwrap(), began.elapsed().as_secs_f64()))
        }
        false => None,
    };
    let began = Instant::now();
    let updated = node.update(None).await.unwrap();
    let installed = updated[0].installed.as_ref().unwrap_or_else(|| panic!("{updated:?}"));
    let seconds = began.elapsed().as_secs_f64();
    let (moved, path) = (installed.bytes_moved, installed.path.clone().unwrap());
    Outcome { planned, moved, seconds, path }
}

async fn measure(
    work: &Path,
    sequel: &Sequel,
    archives: &[PathBuf; 2],
    bytes: &mut Table,
    time: &mut Table,
) {
    let reference = "acme/bench".parse().unwrap();
    let publisher = node(&work.join("publisher"), true).await;
    publisher.init(Some("acme".parse().unwrap())).await.unwrap();
    publish(&publisher, sequel.family, &archives[0], work.join("old")).await;
    let ticket = publisher.ticket().await.unwrap();
    let mut clients = Vec::new();
    for (name, patches) in [("unplanned", true), ("planned", true), ("whole", false)] {
        let client = node(&work.join(name), patches).await;
        client.connect(&ticket).await.unwrap();
        client.install(&reference).await.unwrap();
        clients.push(client);
    }
    let old = clients[0].path(&reference).await.unwrap();
    let old = fs::canonicalize(old).unwrap();
    publish(&publisher, sequel.family, &archives[1], work.join("new")).await;
    let unplanned = update(&clients[0], false).await;
    // What was made for the first client is thrown away, so that a plan has to make it again.
    publisher.shutdown().await.unwrap();
    drop(publisher);
    fs::remove_dir_all(work.join("publisher/cache/patches")).ok();
    let publisher = node(&work.join("publisher"), true).await;
    publisher.online().await.unwrap();
    let planned = update(&clients[1], true).await;
    let whole = update(&clients[2], false).await;

    let (plan, plan_seconds) = planned.planned.unwrap();
    let rival = zsync::fetched(&old, &planned.path, &work.join("zsync"));
    let mb = |bytes: u64| format!("{:.2}", bytes as f64 / MB);
    bytes.row([
        format!("{} {} -> {}", sequel.name, sequel.versions[0], sequel.versions[1]),
        mb(plan.full.as_u64()),
        mb(plan.by_file.as_u64()),
        mb(plan.by_patch.as_u64()),
        format!("{:.1} %", planned.moved as f64 / plan.full.as_u64() as f64 * 100.0),
        mb(planned.moved),
        rival.map_or("-".to_owned(), mb),
        mb(fs::metadata(&archives[1]).unwrap().len()),
    ]);
    time.row([
        sequel.name.to_owned(),
        plan.files.to_string(),
        plan.patches.to_string(),
        format!("{plan_seconds:.2}"),
        format!("{:.2}", planned.seconds),
        format!("{:.2} ({} MB)", unplanned.seconds, mb(unplanned.moved)),
        format!("{:.2} ({} MB)", whole.seconds, mb(whole.moved)),
    ]);
    for node in clients.into_iter().chain([publisher]) {
        node.shutdown().await.unwrap();
    }
}
