//! Mirrors as real processes: what becomes popular in a region gets a copy there, what is lost is
//! made again, and nobody who installs notices any of it.

#![allow(clippy::unwrap_used)]

use std::fmt::Display;
use std::time::{Duration, Instant};

use catalog_tests::machine::{Daemon, Machine};
use serde_json::Value;

/// Everything that is waited for comes about within this, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(180);
/// The bytes of the package.
const PACKAGE_BYTES: usize = 600_000;
/// How many copies of everything there are to be at least.
const FACTOR: usize = 2;

/// The decisions until a copy is where it is asked for: the last that did not know of the demand
/// and may have come after we looked, two that may, and the look at what has come.
const DECISIONS_MAX: u64 = 4;

/// A node of the drill.
struct Node {
    machine: Machine,
    daemon: Daemon,
    region: &'static str,
}

impl Node {
    /// A node in a region that decides every three seconds and is missed soon.
    fn start(region: &'static str) -> Self {
        let machine = Machine::new();
        for (key, value) in [
            ("node.region", region),
            ("sync.interval", "1s"),
            ("mirror.interval", "3s"),
            ("mirror.lease", "12s"),
            ("mirror.factor", &FACTOR.to_string()),
            ("transfer.strategy", "geographic"),
        ] {
            machine.run(["config", "set", key, value]).ok();
        }
        let daemon = machine.daemon();
        Self { machine, daemon, region }
    }

    /// Whether it holds the package for others.
    fn holds(&self, package: &str) -> bool {
        let held = self.machine.json(["mirror", "list"]);
        let held = held["held"].as_array().unwrap();
        held.iter().any(|one| one["reference"].as_str().unwrap().contains(package))
    }

    /// Whether it knows that the package is asked for in its region.
    fn knows_demand(&self, package: &str) -> bool {
        let reasons = self.machine.json(["mirror", "--explain", package]);
        let terms = reasons["contents"][0]["terms"].as_array().unwrap();
        terms.iter().any(|term| {
            term["name"] == "demand" && term["words"].as_str().unwrap().contains(self.region)
        })
    }

    fn decisions(&self) -> u64 {
        self.machine.json(["mirror", "status"])["decisions"].as_u64().unwrap()
    }

    /// Bytes of contents that it sent.
    fn sent(&self) -> u64 {
        self.machine.json(["stats"])["sent"].as_u64().unwrap()
    }
}

/// Asks until it is so.
fn until<T>(what: impl Display, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            println!("{what}: after {:.1?}", began.elapsed());
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
    }
}

fn holders<'a>(mirrors: &'a [Node], package: &str) -> Vec<&'a Node> {
    mirrors.iter().filter(|node| node.holds(package)).collect()
}

/// Installs, and leaves nothing behind: the next time everything has to come again.
fn install_and_forget(client: &Node, package: &str) -> Value {
    let report = client.machine.json(["install", package]);
    assert!(report["bytes_moved"].as_u64().unwrap() as usize >= PACKAGE_BYTES, "{report:#}");
    client.machine.run(["remove", package]).ok();
    client.machine.run(["gc"]).ok();
    report
}

fn publish(node: &Node, name: &str, seed: u64) {
    let dir = node.machine.home().join(name);
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    let manifest = format!(
        "schema = 1\n\n[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n\
         kind = \"client\"\nsummary = \"A program\"\nlicense = \"MIT\"\n\n\
         [share]\npermission = \"public\"\n\n\
         [[variant]]\nid = \"any\"\nrequires = {{}}\nfiles = [\"bin/**\"]\n"
    );
    std::fs::write(dir.join("catalog.toml"), manifest).unwrap();
    let mut dice = catalog_tests::dice::Dice::new(seed);
    std::fs::write(dir.join("bin/app"), dice.bytes(PACKAGE_BYTES)).unwrap();
    node.machine.run([std::ffi::OsStr::new("publish"), dir.as_os_str()]).ok();
}

/// The drill: eight processes in three regions. A release gets its copies; becomes popular
/// where there is none, and gets one there; two holders are killed, and its copies are made again.
/// The publisher is gone all the while, and no install fails.
#[test]
fn copies_follow_demand_and_outlive_two_killed_mirrors() {
    let (package, quiet) = ("app", "tool");
    let publisher = Node::start("eu");
    publisher.machine.init("acme");
    let mut mirrors: Vec<Node> = Vec::new();
    for region in ["eu", "eu", "us", "us", "ap"] {
        let mirror = Node::start(region);
        mirror.machine.meet(&publisher.daemon);
        for other in &mirrors {
            mirror.machine.meet(&other.daemon);
            other.machine.meet(&mirror.daemon);
        }
        mirror.machine.run(["mirror", "auto", "--max", "100MB"]).ok();
        mirrors.push(mirror);
    }
    // Who does not know of the others yet holds everything, and drops late.
    until("all mirrors know of each other", || {
        let known = |node: &Node| node.machine.json(["mirror", "status"])["mirrors"].clone();
        let knows_all = |node| known(node).as_array().unwrap().len() >= mirrors.len() - 1;
        mirrors.iter().all(knows_all).then_some(())
    });
    publish(&publisher, package, 7);
    publish(&publisher, quiet, 8);
    // As many copies as everything has, each in a region of its own.
    until("the first copies of what nobody asks for", || {
        (holders(&mirrors, quiet).len() >= FACTOR).then_some(())
    });
    let base = until("the first copies", || {
        let regions: Vec<_> = holders(&mirrors, package).iter().map(|node| node.region).collect();
        (regions.len() >= FACTOR).then_some(regions)
    });
    let bare = ["eu", "us", "ap"].into_iter().find(|region| !base.contains(region));
    let region = bare.unwrap_or("ap");
    println!("copies in {base:?}; it becomes popular in {region}");
    publisher.daemon.kill();

    // Two clients who never met the publisher's other friends: who serves them counts them.
    let clients = [Node::start(region), Node::start(region)];
    for client in &clients {
        for mirror in &mirrors {
            client.machine.meet(&mirror.daemon);
            mirror.machine.meet(&client.daemon);
        }
    }
    let there: Vec<&Node> = mirrors.iter().filter(|node| node.region == region).collect();
    let mut before = vec![0; there.len()];
    let at = until("a copy where it is asked for", || {
        for (node, before) in there.iter().zip(&mut before) {
            if !node.knows_demand(package) {
                *before = node.decisions();
            }
        }
        for client in &clients {
            install_and_forget(client, package);
        }
        there.iter().position(|node| node.holds(package))
    });
    let decisions = there[at].decisions() - before[at];
    println!("{decisions} decisions of the mirror since it did not know of the demand");
    assert!(decisions <= DECISIONS_MAX, "{decisions} decisions until there was a copy");

    // The nearest copy serves.
    let near = there[at];
    until("the nearest copy serves", || {
        let (sent, all) = (near.sent(), mirrors.iter().map(Node::sent).sum::<u64>());
        install_and_forget(&clients[0], package);
        let more = near.sent() - sent;
        let others = mirrors.iter().map(Node::sent).sum::<u64>() - all - more;
        println!("the near copy sent {more} bytes, all others {others}");
        (more as usize >= PACKAGE_BYTES && others == 0).then_some(())
    });

    // Holders are killed, two at least: all but one of what nobody asks for, which is less than there
    // are to be, and of what is popular.
    let held = |at: &usize, package| mirrors[*at].holds(package);
    let (few, many): (Vec<usize>, Vec<usize>) = (0..mirrors.len())
        .filter(|at| held(at, package) || held(at, quiet))
        .partition(|at| held(at, quiet));
    let kills = (few.len() - 1).max(2);
    let killed: Vec<usize> = few.into_iter().skip(1).chain(many).take(kills).collect();
    assert!(killed.len() >= 2 && mirrors.len() - killed.len() >= FACTOR, "{killed:?}");
    let mut left: Vec<Node> = Vec::new();
    for (at, mirror) in mirrors.into_iter().enumerate() {
        match killed.contains(&at) {
            true => {
                println!("kill -9 of a mirror in {}", mirror.region);
                mirror.daemon.kill();
            }
            false => left.push(mirror),
        }
    }
    let mut installs = 0;
    until("the copies are made again", || {
        for client in &clients {
            install_and_forget(client, package);
            installs += 1;
        }
        let enough = |package| holders(&left, package).len() >= FACTOR;
        (enough(package) && enough(quiet)).then_some(())
    });
    println!("{installs} installs meanwhile, none failed");
    for node in &left {
        // A copy that is made again because more mirrors come and go than before is not a repair.
        let status = node.machine.json(["mirror", "status"]);
        println!("a mirror in {} mended {}", node.region, status["repairs"]);
    }
    for node in left.iter().chain(&clients) {
        node.machine.run(["verify"]).ok();
    }
}
