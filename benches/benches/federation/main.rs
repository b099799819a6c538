//! Search among twenty nodes with overlapping parts of a catalog, against one index of all of it.
//!
//! ```text
//! cargo bench -p catalog-benches --bench federation
//!     -- --lists DIR          package lists with long texts; else those of this machine
//!     -- --packages 5000      only each so manieth of them, for a look
//!     -- --split topic        sections live at few nodes; else everything anywhere
//!     -- --seed 777           other queries
//!     -- --each 50            queries of each class
//! ```
//!
//! The nodes are real: a store, an index and an endpoint each, in one process, on loopback. One of
//! them asks. Dead, slow and lying peers are relays before real nodes.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

#[path = "../search/answers.rs"]
#[allow(dead_code, reason = "the other half of it compares engines")]
mod answers;
#[path = "../search/queries.rs"]
mod queries;
mod relay;
mod world;

use std::collections::HashSet;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use catalog::release::ReleaseId;
use catalog_benches::debian;
use catalog_benches::measure::quantile;
use catalog_node::search::{Found, Reach};
use catalog_node::{Node, Ticket};
use catalog_tests::dice::{Dice, Zipf};
use catalog_tests::skip::skip;
use catalog_tests::table::Table;

use answers::Score;
use queries::{Class, Query, Source};
use relay::{Manner, Relay};
use world::{NODES, Split, World};

/// A person types no faster, and peers answer no faster than ten questions a second.
const PAUSE: Duration = Duration::from_millis(110);
/// Questions that are on their way at once.
const AT_ONCE: usize = 4;
/// How long is waited where it is not about time: twenty nodes share the cores of one machine.
const PATIENT: Duration = Duration::from_secs(10);
/// How long a search waits by itself.
const DEADLINE: Duration = Duration::from_millis(500);
/// The stream of popular questions.
const DRAWS: usize = 1500;
const DISTINCT: usize = 300;
const POPULAR: usize = 100;

/// The answers to a list of queries.
struct Run {
    names: Vec<Vec<String>>,
    ids: Vec<ReleaseId>,
    ms: Vec<f64>,
    asked: usize,
    answered: usize,
    lied: usize,
}

#[tokio::main]
async fn main() {
    let lists = PathBuf::from(option("--lists").unwrap_or_else(|| debian::LISTS.to_owned()));
    let mut packages = match debian::packages(&lists) {
        Ok(packages) => packages,
        Err(missing) => return skip("federation", &missing),
    };
    if let Some(wanted) = option("--packages") {
        let step = (packages.len() / wanted.parse::<usize>().unwrap()).max(1);
        packages = packages.into_iter().step_by(step).collect();
    }
    let split = match option("--split").as_deref() {
        Some("topic") => Split::Topic,
        _ => Split::Random,
    };
    let seed = option("--seed").map_or(777, |text| text.parse().unwrap());
    let each = option("--each").map_or(50, |text| text.parse().unwrap());
    let source = Source::new(&packages);
    let queries = some(&source.queries(seed), each);

    let work = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let world = World::new(&packages, split, seed, work.path());
    let mut nodes = Vec::new();
    for number in 1..NODES {
        let dir = work.path().join(number.to_string());
        world.fill(number, &dir, false);
        nodes.push(world::open(&dir).await);
    }
    let tickets = n0_future::join_all(nodes.iter().map(Node::ticket)).await;
    let tickets: Vec<Ticket> = tickets.into_iter().map(Result::unwrap).collect();
    eprintln!("{NODES} nodes after {:.0} s", began.elapsed().as_secs_f64());
    let central: Vec<Vec<String>> =
        queries.iter().map(|query| world.central(&query.text)).collect();
    let title = format!(
        "{} packages at {NODES} nodes, {split:?}, {:.2} copies of each; {} queries of seed {seed}",
        packages.len(),
        world.replicas(),
        queries.len()
    );

    // Each time that somebody asks, it is somebody new who holds the same.
    let holding = work.path().join("holding");
    world.fill(0, &holding, true);
    let asker = async |name: &str| {
        let dir = work.path().join(name);
        assert!(Command::new("cp").arg("-r").args([&holding, &dir]).status().unwrap().success());
        world::open(&dir).await
    };
    let open = asker("patient").await;
    world::connect(&open, &tickets).await;
    let patient = run(&open, &queries, Reach::Connected, PATIENT).await;
    println!("{}", agreement(&title, &queries, &central, &patient, &open, &world).await);

    let mut table = Table::new(
        "Dead, slow and lying peers, two of each among nineteen",
        &[
            "peers",
            "answered",
            "p50 ms",
            "p95 ms",
            "max ms",
            "same first hit",
            "precision@5",
            "nDCG@10",
            "not genuine",
            "caught lying",
        ],
    );
    use Manner::{Forges, Invents, Silent, Slow};
    let manners = [
        ("all honest", vec![]),
        ("2 silent", vec![Silent, Silent]),
        ("2 lying", vec![Forges, Invents]),
        ("2 silent, 2 slow, 2 more silent", vec![Silent, Silent, Slow, Slow, Silent, Silent]),
        ("2 silent, 2 slow, 2 lying", vec![Silent, Silent, Slow, Slow, Forges, Invents]),
    ];
    let decoys = world.decoys(&mut Dice::new(seed));
    for (name, manners) in manners {
        let mut relays = Vec::new();
        for ((&manner, ticket), seed) in manners.iter().zip(&tickets).zip(1..) {
            relays.push(Relay::before(ticket, manner, &decoys, seed).await);
        }
        let spoilt = relays.iter().map(Relay::ticket);
        let all: Vec<Ticket> = spoilt.chain(tickets[relays.len()..].iter().cloned()).collect();
        let open = asker(name).await;
        world::connect(&open, &all).await;
        let spoilt = run(&open, &queries, Reach::Connected, DEADLINE).await;
        table.row(row(name, &queries, &central, &spoilt, &world));
        open.shutdown().await.unwrap();
    }
    println!("{table}");
    println!("{}", popular(&open, &source, seed).await);
    println!("{}", routing(&open, &queries, &source, seed, each.div_ceil(4)).await);
    open.shutdown().await.unwrap();
    for node in nodes {
        node.shutdown().await.unwrap();
    }
}

/// The first `each` queries of each class.
fn some(queries: &[Query], each: usize) -> Vec<Query> {
    let of = |class| queries.iter().filter(move |query| query.class == class).take(each);
    Class::ALL.into_iter().flat_map(of).cloned().collect()
}

/// Asks every query, at the pace that peers allow.
async fn run(asker: &Node, queries: &[Query], reach: Reach, within: Duration) -> Run {
    let mut pace = tokio::time::interval(PAUSE);
    let mut going = tokio::task::JoinSet::new();
    let mut answers: Vec<Option<(Found, f64)>> = queries.iter().map(|_| None).collect();
    for (at, query) in queries.iter().enumerate() {
        pace.tick().await;
        if going.len() >= AT_ONCE
            && let Some(done) = going.join_next().await
        {
            let (at, answer): (usize, _) = done.unwrap();
            answers[at] = Some(answer);
        }
        let search = asker.search(query.text.clone()).limit(10).peers(reach).within(within);
        going.spawn(async move {
            let began = Instant::now();
            let found = search.await.unwrap();
            (at, (found, began.elapsed().as_secs_f64() * 1e3))
        });
    }
    while let Some(done) = going.join_next().await {
        let (at, answer) = done.unwrap();
        answers[at] = Some(answer);
    }
    let mut run =
        Run { names: Vec::new(), ids: Vec::new(), ms: Vec::new(), asked: 0, answered: 0, lied: 0 };
    for (found, ms) in answers.into_iter().flatten() {
        run.names.push(found.hits.iter().map(|hit| hit.package.name.to_string()).collect());
        run.ids.extend(found.hits.iter().map(|hit| hit.id));
        run.ms.push(ms);
        if let Some(peers) = found.peers {
            run.asked += peers.asked;
            run.answered += peers.answered;
            run.lied += peers.lied;
        }
    }
    run
}

/// How many of the ten best of one list are among the ten best of another.
fn shared(ours: &[String], theirs: &[String]) -> f64 {
    let ours: HashSet<&String> = ours.iter().take(10).collect();
    let both = theirs.iter().filter(|name| ours.contains(name)).count();
    both as f64 / theirs.len().max(1) as f64
}

fn mean(figures: impl Iterator<Item = f64>) -> f64 {
    let figures: Vec<f64> = figures.collect();
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}

fn same_first(ours: &[Vec<String>], theirs: &[Vec<String>]) -> f64 {
    mean(ours.iter().zip(theirs).map(|(ours, theirs)| f64::from(ours.first() == theirs.first())))
}

fn gain(queries: &[Query], names: &[Vec<String>]) -> f64 {
    mean(queries.iter().zip(names).map(|(query, names)| Score::of(query, names).gain))
}

/// The share of the five best that is any good.
fn precision(queries: &[Query], names: &[Vec<String>]) -> f64 {
    mean(queries.iter().zip(names).map(|(query, names)| {
        let good = names.iter().take(5).filter(|name| query.grades.contains_key(*name)).count();
        good as f64 / 5.0
    }))
}

/// The answers of peers beside those of one index, by class.
async fn agreement(
    title: &str,
    queries: &[Query],
    central: &[Vec<String>],
    honest: &Run,
    asker: &Node,
    world: &World,
) -> Table {
    let columns = ["class", "same first hit", "of ten shared", "nDCG@10", "central", "difference"];
    let mut table = Table::new(title, &columns);
    let mut line = |name: &str, of: &dyn Fn(&Query) -> bool| {
        let chosen: Vec<usize> = (0..queries.len()).filter(|&at| of(&queries[at])).collect();
        let pick = |lists: &[Vec<String>]| -> Vec<Vec<String>> {
            chosen.iter().map(|&at| lists[at].clone()).collect()
        };
        let (ours, one) = (pick(&honest.names), pick(central));
        let asked: Vec<Query> = chosen.iter().map(|&at| queries[at].clone()).collect();
        let both = mean(ours.iter().zip(&one).map(|(ours, one)| shared(ours, one)));
        let (gained, best) = (gain(&asked, &ours), gain(&asked, &one));
        let first = same_first(&ours, &one);
        let figures = [first, both, gained, best, gained - best];
        let figures = figures.map(|figure| format!("{figure:.3}"));
        table.row([name.to_owned()].into_iter().chain(figures));
    };
    for class in Class::ALL {
        line(class.name(), &|query| query.class == class);
    }
    line("core a-e", &|query| Class::CORE.contains(&query.class));
    line("all", &|_| true);
    let mut alone = Vec::new();
    for query in queries {
        let found = asker.search(query.text.clone()).limit(10).peers(Reach::Nobody).await.unwrap();
        alone.push(found.hits.iter().map(|hit| hit.package.name.to_string()).collect());
    }
    table.note(format!(
        "Alone, the node that asks has the same first hit for {:.3} and an nDCG@10 of {:.3}. {} of {} \
         questions were answered. {} of the hits are not genuine.",
        same_first(&alone, central),
        gain(queries, &alone),
        honest.answered,
        honest.asked,
        honest.ids.iter().filter(|id| !world.ids.contains(*id)).count(),
    ));
    table
}

/// What is found when only the most promising peers are asked: about queries of which all peers told
/// before how often their words occur, and about others.
async fn routing(
    asker: &Node,
    asked: &[Query],
    source: &Source<'_>,
    seed: u64,
    each: usize,
) -> Table {
    let columns =
        ["peers", "messages", "asked before", "same first hit", "new queries", "same first hit"];
    let mut table =
        Table::new("The ten that all nineteen peers give, by how many of them are asked", &columns);
    let asked: Vec<Query> = asked.iter().step_by(3).cloned().collect();
    let all = run(asker, &asked, Reach::All, PATIENT).await;
    let share = |some: &Run, all: &Run| {
        let both = some.names.iter().zip(&all.names).map(|(some, all)| shared(some, all));
        [mean(both), same_first(&some.names, &all.names)].map(|figure| format!("{figure:.3}"))
    };
    for (count, seed) in [1, 2, 3, 5, 8, 12].into_iter().zip(seed + 1..) {
        // Other queries each time: once all peers were asked, they are new no more.
        let fresh = some(&source.queries(seed), each);
        let new = run(asker, &fresh, Reach::First(count), PATIENT).await;
        let all_new = run(asker, &fresh, Reach::All, PATIENT).await;
        let old = run(asker, &asked, Reach::First(count), PATIENT).await;
        let questions = (new.asked + old.asked) as f64 / (fresh.len() + asked.len()) as f64;
        let messages = format!("{:.1}", 2.0 * questions);
        let figures = share(&old, &all).into_iter().chain(share(&new, &all_new));
        table.row([count.to_string(), messages].into_iter().chain(figures));
    }
    let messages = 2.0 * all.asked as f64 / asked.len() as f64;
    table.note(format!("All of them: {messages:.1} messages a query."));
    table
}

/// How much of a stream of popular queries is answered from memory.
async fn popular(asker: &Node, source: &Source<'_>, seed: u64) -> Table {
    let mut texts: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for seed in seed + 10.. {
        let queries = source.queries(seed).into_iter().map(|query| query.text);
        texts.extend(queries.filter(|text| seen.insert(text.clone())));
        if texts.len() >= DISTINCT {
            break;
        }
    }
    let mut dice = Dice::new(seed);
    for at in (1..texts.len()).rev() {
        texts.swap(at, dice.pick(0..at as u64 + 1) as usize);
    }
    texts.truncate(DISTINCT);
    let zipf = Zipf::new(DISTINCT);
    let (mut hits, mut top, mut top_hits, mut asked) = (0, 0, 0, 0);
    let (mut quick, mut full) = (Vec::new(), Vec::new());
    for _ in 0..DRAWS {
        let rank = zipf.pick(&mut dice);
        let began = Instant::now();
        let found = asker.search(texts[rank].clone()).limit(10).await.unwrap();
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let is_hit = found.peers.is_some_and(|peers| peers.age_ms.is_some());
        hits += usize::from(is_hit);
        if rank < POPULAR {
            top += 1;
            top_hits += usize::from(is_hit);
        }
        if is_hit {
            quick.push(ms);
        } else {
            full.push(ms);
            asked += found.peers.map_or(0, |peers| peers.asked);
            tokio::time::sleep_until((began + PAUSE).into()).await;
        }
    }
    let title = format!("{DRAWS} queries, Zipf (s = 1) over {DISTINCT}");
    let columns = ["queries", "from memory", "messages a query", "p50 ms", "p95 ms"];
    let mut table = Table::new(&title, &columns);
    let share = |part: usize, all: usize| format!("{:.3}", part as f64 / all as f64);
    let mut line = |name: &str, share: String, messages: Option<usize>, ms: &[f64]| {
        let messages = messages.map(|asked| format!("{:.1}", 2.0 * asked as f64 / DRAWS as f64));
        let times = [0.5, 0.95].map(|at| match ms {
            [] => String::new(),
            _ => format!("{:.1}", quantile(ms, at)),
        });
        table.row([name.to_owned(), share, messages.unwrap_or_default()].into_iter().chain(times));
    };
    line("all", share(hits, DRAWS), Some(asked), &[]);
    line(&format!("the {POPULAR} most popular"), share(top_hits, top), None, &[]);
    line("from memory", String::new(), None, &quick);
    line("not from memory", String::new(), None, &full);
    table
}

fn row(
    name: &str,
    queries: &[Query],
    central: &[Vec<String>],
    run: &Run,
    world: &World,
) -> [String; 10] {
    let forged = run.ids.iter().filter(|id| !world.ids.contains(*id)).count();
    let figure = |figure: f64| format!("{figure:.3}");
    let time = |at| format!("{:.0}", quantile(&run.ms, at));
    [
        name.to_owned(),
        format!(
            "{:.1} of {:.1}",
            run.answered as f64 / queries.len() as f64,
            run.asked as f64 / queries.len() as f64
        ),
        time(0.5),
        time(0.95),
        time(1.0),
        figure(same_first(&run.names, central)),
        figure(precision(queries, &run.names)),
        figure(gain(queries, &run.names)),
        forged.to_string(),
        run.lied.to_string(),
    ]
}

/// The word after `name` on the command line.
fn option(name: &str) -> Option<String> {
    let mut words = env::args().skip_while(|word| word != name);
    words.nth(1)
}
