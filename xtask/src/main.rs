//! Chores that are too long for every test run.
//!
//! ```text
//! cargo xtask samples                fetch the npm and wheel families that the journeys import
//! cargo xtask campaign NAME [SEED]   durability, resume, powercut, bitflips, partition, ramps, sim,
//!                                    or all
//! cargo xtask bench [WORD…]          journeys beside their rivals (see benches/benches/journeys.rs)
//! ```
//!
//! A campaign runs the released program, prints a table, and writes it to `docs/campaigns/`.

#![allow(clippy::unwrap_used, reason = "a chore that fails may end where it stands")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use catalog_tests::machine::Machine;
use catalog_tests::network::Network;
use catalog_tests::sim::catalogs;
use catalog_tests::skip::skip;
use catalog_tests::table::Table;
use catalog_tests::{bitflips, durability, partition, powercut, ramps, resume, samples};

const USAGE: &str = "usage: cargo xtask samples | campaign NAME [SEED] | bench [WORD…]";
const CAMPAIGNS: [&str; 7] =
    ["durability", "resume", "powercut", "bitflips", "partition", "ramps", SIM];

/// The campaign that needs no program, only an optimised build of the tests' library.
const SIM: &str = "sim";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["samples"] => samples::fetch().map_err(|error| error.to_string()),
        ["campaign", name] => campaign(name, 1),
        ["campaign", name, seed] => {
            seed.parse().map_err(|_| USAGE.to_owned()).and_then(|seed| campaign(name, seed))
        }
        ["bench", words @ ..] => bench(words),
        // Ourselves again, with the released program to run.
        ["run-campaign", name, seed] => run(name, seed.parse().unwrap()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn cargo(args: &[&str]) -> Result<(), String> {
    match catalog_tests::cargo::cargo(args).status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("cargo {args:?}: {other:?}")),
    }
}

fn bench(words: &[&str]) -> Result<(), String> {
    cargo(&[&["bench", "-p", "catalog-benches", "--bench", "journeys", "--"], words].concat())
}

fn campaign(name: &str, seed: u64) -> Result<(), String> {
    let names = match name {
        "all" => CAMPAIGNS.to_vec(),
        name if CAMPAIGNS.contains(&name) => vec![name],
        _ => return Err(format!("{USAGE}\ncampaigns: {}, all", CAMPAIGNS.join(", "))),
    };
    if name == SIM {
        return simulate(seed);
    }
    let program = match env::var_os("CATALOG_BIN") {
        Some(program) => PathBuf::from(program),
        None => {
            cargo(&["build", "--release", "--bin", "catalog"])?;
            workspace().join("target/release/catalog")
        }
    };
    let mut failed = Vec::new();
    for name in names {
        if name == SIM {
            failed.extend(simulate(seed).is_err().then_some(name));
            continue;
        }
        let ourselves = env::current_exe().map_err(|error| error.to_string())?;
        let seed = seed.to_string();
        let mut command = match is_alone_possible() {
            true => alone(&ourselves),
            false => Command::new(&ourselves),
        };
        command.args(["run-campaign", name, &seed]).env("CATALOG_BIN", &program);
        if !command.status().is_ok_and(|status| status.success()) {
            failed.push(name);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("failed: {}", failed.join(", "))),
    }
}

fn simulate(seed: u64) -> Result<(), String> {
    let seed = seed.to_string();
    cargo(&["run", "--quiet", "--release", "--package", "xtask", "--", "run-campaign", SIM, &seed])
}

/// Set for a campaign that has a network of its own.
const ALONE: &str = "CATALOG_CAMPAIGN_ALONE";

/// A command of `program` in a network of its own, where nobody else's packets are counted.
fn alone(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(program);
    command.env(ALONE, "1");
    command
}

fn is_alone_possible() -> bool {
    alone(Path::new("true")).status().is_ok_and(|status| status.success())
}

/// Runs one campaign with the counts that a release is judged by.
fn run(name: &str, seed: u64) -> Result<(), String> {
    let work = workspace().join("target/campaigns").join(name);
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    let (table, is_good): (Table, bool) = match name {
        "durability" => {
            let tally = durability::run(&Machine::at(work.join("home")), 50, seed, &work);
            (tally.table(durability::TITLE, seed), tally.is_good())
        }
        "resume" => {
            // The wire is only ours to count in a network of our own.
            let clean =
                env::var_os(ALONE).map(|_| resume::run(1 << 30, 0, seed, &work.join("clean")));
            let tally = resume::run(1 << 30, 10, seed, &work.join("kills"));
            (tally.table(seed, clean.as_ref()), tally.is_good())
        }
        "powercut" => {
            if let Some(why) = powercut::obstacle(&work) {
                skip("powercut", &why);
                return Ok(());
            }
            if !powercut::is_telling(&work).map_err(|error| error.to_string())? {
                return Err("a cut here loses nothing, so surviving it shows nothing".to_owned());
            }
            let tally = powercut::run(10, seed, &work).map_err(|error| error.to_string())?;
            (tally.table(powercut::TITLE, seed), tally.is_good())
        }
        "bitflips" => {
            let tally = bitflips::run(1_000, 50, seed, &work);
            (tally.table(seed), tally.is_good())
        }
        "partition" => match Network::new(partition::NODES) {
            Err(why) => {
                skip("partition", &why.to_string());
                return Ok(());
            }
            Ok(network) => {
                // Some cuts outlast every connection, some do not.
                let tally = partition::run(&network, 20, 1..40, seed, &work);
                let tally = tally.map_err(|error| error.to_string())?;
                (tally.table(seed), tally.is_good())
            }
        },
        "ramps" => match Network::new(ramps::HOSTS) {
            Err(why) => {
                skip("ramps", &why.to_string());
                return Ok(());
            }
            Ok(network) => {
                let tally = ramps::run(&network, 8, seed, &work);
                let tally = tally.map_err(|error| error.to_string())?;
                (tally.table(seed), tally.is_good())
            }
        },
        SIM => {
            let sweep = catalogs::campaign(seed);
            (sweep.table("Simulation: syncing nodes with everything going wrong"), sweep.is_good())
        }
        other => return Err(format!("no campaign {other}")),
    };
    println!("{table}");
    let page = workspace().join("docs/campaigns").join(format!("{name}.md"));
    table.save(&page).map_err(|error| error.to_string())?;
    let _ = std::fs::remove_dir_all(&work);
    match is_good {
        true => Ok(()),
        false => Err(format!("the {name} campaign found faults, see {}", page.display())),
    }
}
