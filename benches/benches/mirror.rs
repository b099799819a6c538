//! How long a mirror decides: one change, and the plan agrees with it again.
//!
//! ```text
//! cargo bench -p catalog-benches --bench mirror                  10,000 packages, 100 mirrors
//! cargo bench -p catalog-benches --bench mirror -- 50000 200     as many as you like
//! ```
//!
//! Sizes and demand follow power laws, mirrors are in five regions and fill up: the copies that are
//! asked for do not all find room. Everything is in memory; nothing is sent.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::permission::NodeId;
use catalog::release::ReleaseId;
use catalog::{ByteSize, Digest, PublisherId, Timestamp};
use catalog_benches::measure::{median, quantile};
use catalog_mirror::holdings::{Directory, Page, PageNumber};
use catalog_mirror::keeper::{self, Event, Keeper};
use catalog_mirror::lease::{Accepts, Lease};
use catalog_mirror::placement::Settings;
use catalog_mirror::{Filter, Measured, Mirror, Planner, Unit, Warmth};
use catalog_tests::dice::Dice;
use catalog_tests::releases::release;
use catalog_tests::table::Table;

const REGIONS: [&str; 5] = ["eu-west", "us-east", "us-west", "ap-south", "sa-east"];
/// How often each change is made.
const ROUNDS: usize = 300;

fn main() {
    let numbers = env::args().skip(1).filter_map(|word| word.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.collect();
    let (units, mirrors) = (*numbers.first().unwrap_or(&10_000), *numbers.get(1).unwrap_or(&100));

    let mut dice = Dice::new(1);
    let start = Instant::now();
    let mut planner = Planner::new(Settings::default());
    for n in 0..mirrors {
        planner.set_mirror(node(n), &mirror(n, room(units, mirrors)));
    }
    for n in 0..units {
        planner.set_unit(unit(n));
        planner.set_warmth(&root(n), warmth(n, units));
    }
    let work = planner.refresh();
    let all = start.elapsed();

    let title = format!("One decision: {units} packages, {mirrors} mirrors");
    let mut table = Table::new(&title, &["change", "p50", "p99", "most"]);
    let mut measure = |name: &str, change: &mut dyn FnMut(&mut Planner, &mut Dice)| {
        let mut times: Vec<f64> = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            change(&mut planner, &mut dice);
            planner.refresh();
            times.push(start.elapsed().as_secs_f64());
        }
        let most = times.iter().copied().fold(0.0, f64::max);
        let cells = [median(&times), quantile(&times, 0.99), most].map(millis);
        table.row([name.to_owned()].into_iter().chain(cells));
    };
    measure("demand for one package", &mut |planner, dice| {
        let count = 1 << dice.pick(1..12);
        let region = REGIONS[dice.pick(0..5) as usize].parse().unwrap();
        let regions = [(region, count)].into();
        let n = dice.pick(0..u64::from(units)) as u32;
        planner.set_warmth(&root(n), Warmth { regions, ..Warmth::default() });
    });
    measure("a lease with other room", &mut |planner, dice| {
        let n = dice.pick(0..u64::from(mirrors)) as u32;
        let room = room(units, mirrors).as_u64() * dice.pick(90..110) / 100;
        planner.set_mirror(node(n), &mirror(n, ByteSize::bytes(room)));
    });
    let mut joined = mirrors;
    measure("a mirror joins, another leaves", &mut |planner, _| {
        planner.remove_mirror(&node(joined - 1));
        joined += 1;
        planner.set_mirror(node(joined), &mirror(joined, room(units, mirrors)));
    });
    let mut published = units;
    measure("a package is published", &mut |planner, _| {
        planner.set_unit(unit(published));
        published += 1;
    });
    keeping(&mut table, &planner);
    table.note(format!(
        "From nothing: {:.0} ms for {} pairs ranked and {} copies placed.",
        all.as_secs_f64() * 1000.0,
        work.ranked,
        work.placed
    ));
    println!("{table}");
}

/// What one mirror does with a plan that has settled: everybody holds what it is asked for.
fn keeping(table: &mut Table, planner: &Planner) {
    let (me, now) = (node(1), Timestamp::from_millis(1_800_000_000_000));
    let until = Timestamp::from_millis(now.as_millis() + 1_800_000);
    let mut keeper = Keeper::new(me, keeper::Settings::default());
    let mut directory = Directory::new();
    for (id, mirror) in planner.mirrors() {
        let (node, mirror) = (*id, Arc::new(mirror.clone()));
        keeper.handle(now, Event::Leased { node, mirror, until });
        let mut roots: Vec<_> = planner.wanted_by(id).iter().map(|duty| duty.root).collect();
        roots.sort_unstable();
        for number in PageNumber::all() {
            let page: Vec<_> = roots.iter().filter(|root| PageNumber::of(root) == number).collect();
            directory.set(node, number, Page::of(1, page.into_iter()));
        }
    }
    let duties = planner.wanted_by(&me);
    for duty in duties.iter().skip(duties.len() / 10) {
        keeper.handle(now, Event::Held { root: duty.root, bytes: duty.bytes });
    }
    let mut times: Vec<f64> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut keeper = keeper.clone();
        let start = Instant::now();
        keeper.decide(now, planner, &directory);
        times.push(start.elapsed().as_secs_f64());
    }
    let most = times.iter().copied().fold(0.0, f64::max);
    let cells = [median(&times), quantile(&times, 0.99), most].map(millis);
    let name = format!("orders of a mirror that lacks a tenth of {} copies", duties.len());
    table.row([name].into_iter().chain(cells));
}

fn millis(seconds: f64) -> String {
    format!("{:.2} ms", Duration::from_secs_f64(seconds).as_secs_f64() * 1000.0)
}

fn node(n: u32) -> NodeId {
    NodeId::from_bytes(*Digest::of(&n.to_be_bytes()).as_bytes())
}

fn root(n: u32) -> Digest {
    Digest::of(&n.to_le_bytes())
}

/// 64 KiB to 2 GiB, half of them below 2 MiB.
fn unit(n: u32) -> Unit {
    let mut release = release(PublisherId::of_inception(b"acme"), &format!("p{n}"));
    let byte = u32::from(root(n).as_bytes()[7]);
    release.variants[0].root = root(n);
    release.variants[0].size = ByteSize::kib(64 << (byte.trailing_ones() + byte % 8));
    Unit::of_release(ReleaseId::of(&n.to_be_bytes()), &release).remove(0)
}

/// Zipf: the n-th package is asked for a n-th as often as the first, in one to five regions.
fn warmth(n: u32, units: u32) -> Warmth {
    let asked = u64::from(units / (n + 1)).next_power_of_two() / 2;
    let regions = REGIONS.iter().take(1 + n as usize % 5).filter(|_| asked > 0);
    let regions = regions.map(|region| (region.parse().unwrap(), asked)).collect();
    Warmth { regions, ..Warmth::default() }
}

/// Together four times everything: three copies fit, and not all that demand asks for.
fn room(units: u32, mirrors: u32) -> ByteSize {
    let all: ByteSize = (0..units).map(|n| unit(n).bytes).sum();
    ByteSize::bytes(all.as_u64() * 4 / u64::from(mirrors))
}

fn mirror(n: u32, room: ByteSize) -> Mirror {
    let lease = Lease {
        region: REGIONS[n as usize % 5].parse().ok(),
        capacity: room,
        used: ByteSize::default(),
        backbone: false,
        generation: 1,
        filter: None,
        measured: Measured::default(),
    };
    Mirror { lease, accepts: Accepts::Only(Filter::default()) }
}
