//! Processes that are killed in the middle, without any chance to tidy up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::fixture::{Machine, draft, noise, open, reference};
use crate::fetch::TransferProgress;

/// What a kill may cost.
const LOST_BYTES_MAX: u64 = 2 << 20;

/// Not a test: what the tests below run in a process of its own, to kill it.
#[test]
#[ignore = "run by other tests"]
fn child() {
    let Ok(home) = std::env::var("CATALOG_TEST_HOME") else { return };
    let work = async {
        let node = open(Path::new(&home)).await;
        if let Ok(ticket) = std::env::var("CATALOG_TEST_TICKET") {
            node.connect(&ticket.parse().unwrap()).await.unwrap();
        }
        let install = node.install(&reference("acme/graphdb")).progress(|event| {
            if let TransferProgress::Moving { bytes_done, .. } = event {
                println!("done {bytes_done}");
            }
        });
        let installed = install.await.unwrap();
        println!("installed {} {}", installed.bytes_moved, installed.path.unwrap().display());
        node.shutdown().await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(work);
}

struct Installing {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Installing {
    fn start(home: &Path, ticket: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CATALOG_TEST_HOME", home)
            .env("CATALOG_TEST_TICKET", ticket)
            .stdout(Stdio::piped())
            // Why it failed, if it did.
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next number that the child reports as done; `Err` with its last words when it ends.
    fn next(&mut self) -> Result<u64, String> {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            // The test harness writes its own words in front of the first line.
            if let Some((_, done)) = line.split_once("done ") {
                return Ok(done.trim().parse().unwrap());
            }
            if let Some((_, last)) = line.split_once("installed ") {
                return Err(last.to_owned());
            }
        }
        Err(String::new())
    }
}

/// Whenever the installing process is killed, the next one goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_install_loses_next_to_nothing() {
    let size = 60_000_000;
    let (a, home) = (Machine::publisher("acme").await, tempfile::tempdir().unwrap());
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(size, 1))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    let ticket = a.node.ticket().await.unwrap().to_string();

    let installed = tokio::task::spawn_blocking(move || {
        let mut reached = 0;
        for kill_at in [1, 9_000_000, 25_000_000, 26_000_000, 48_000_000] {
            let mut installing = Installing::start(home.path(), &ticket);
            let resumed = installing.next().expect("it begins");
            assert!(resumed + LOST_BYTES_MAX >= reached, "{reached} became {resumed}");
            reached = resumed;
            while reached < kill_at {
                reached = installing.next().expect("it goes on");
            }
            installing.child.kill().unwrap();
            // What it said before it died counts.
            while let Ok(done) = installing.next() {
                reached = done;
            }
            installing.child.wait().unwrap();
        }
        let mut installing = Installing::start(home.path(), &ticket);
        let last = loop {
            if let Err(last) = installing.next() {
                break last;
            }
        };
        assert!(installing.child.wait().unwrap().success());
        let (moved, path) = last.split_once(' ').unwrap();
        let proofs = size as u64 / 100;
        assert!(moved.parse::<u64>().unwrap() <= size as u64 - reached + LOST_BYTES_MAX + proofs);
        std::fs::read(Path::new(path).join("bin/run")).unwrap()
    });
    assert_eq!(installed.await.unwrap(), noise(size, 1));
}
