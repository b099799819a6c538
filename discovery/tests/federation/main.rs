//! Searches among simulated peers: dead, slow and lying ones cost completeness, never truth.

#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use catalog_discovery::Query;
use catalog_discovery::federation::{Budgets, Cache, CacheKey, Collections, DEADLINE, Reach};
use catalog_tests::dice::{Dice, Zipf};

use world::{Manner, Outcome, World};

fn names(outcome: &Outcome) -> Vec<String> {
    outcome.ranked.iter().map(|one| one.release.name.to_string()).collect()
}

/// The names that one index of everything finds.
fn central(world: &World, text: &str) -> Vec<String> {
    let found = world.central.search(&Query::new(text)).unwrap();
    found.hits.iter().map(|hit| hit.release.name.to_string()).collect()
}

fn search(world: &mut World, text: &str, at: u64) -> Outcome {
    let mut state = (Budgets::default(), Collections::default());
    let start = Duration::from_secs(at);
    world.search(text, DEADLINE, (&mut state.0, &mut state.1), (start, Reach::All))
}

#[test]
fn honest_peers_together_answer_like_one_index_of_everything() {
    let (mut same_first, mut shared, mut asked) = (0, 0, 0);
    for seed in 0..3 {
        let mut world = World::new(seed, 300, &[Manner::Honest; 12]);
        for _ in 0..60 {
            let text = world.words();
            let outcome = search(&mut world, &text, 0);
            assert_eq!((outcome.coverage.asked, outcome.coverage.answered), (12, 12));
            let (ours, one) = (names(&outcome), central(&world, &text));
            assert_eq!(ours.is_empty(), one.is_empty(), "{text}");
            asked += 1;
            same_first += usize::from(ours.first() == one.first());
            let top = &one[..one.len().min(10)];
            let both = top.iter().filter(|name| ours.iter().take(10).any(|n| n == *name)).count();
            shared += usize::from(both * 10 >= top.len() * 8);
        }
    }
    assert!(same_first * 100 >= asked * 96, "the same first hit in {same_first} of {asked}");
    assert!(shared * 100 >= asked * 90, "8 of 10 shared in {shared} of {asked}");
}

/// Threat row 29: whatever dead, slow and lying peers do, what is shown was signed by whom it
/// names, the best of what honest peers answered stands first, and the answer says who is missing.
#[test]
fn dead_slow_and_lying_peers_cost_completeness_and_never_truth() {
    let (mut first, mut asked) = (0, 0);
    for seed in 0..3 {
        let mut manners = vec![Manner::Honest; 14];
        manners.extend([Manner::Dead; 2]);
        manners.extend([Manner::Slow; 2]);
        manners.extend([Manner::Forges, Manner::Invents]);
        let mut world = World::new(seed, 300, &manners);
        for _ in 0..60 {
            let text = world.words();
            let outcome = search(&mut world, &text, 0);
            for one in &outcome.ranked {
                assert!(world.is_genuine(&one.id), "seed {seed}: {text}: {:?}", one.release.name);
            }
            assert_eq!(outcome.coverage.asked, 20);
            assert!((15..=17).contains(&outcome.coverage.answered), "{:?}", outcome.coverage);
            assert_eq!(outcome.coverage.lied, 1, "forgeries are noticed");
            assert!(outcome.coverage.took <= DEADLINE);
            let honest = |manner| matches!(manner, Manner::Honest | Manner::Invents | Manner::Slow);
            let heard: Vec<_> =
                world.peers.iter().filter(|p| outcome.heard.contains(&p.id)).collect();
            assert!(heard.iter().all(|peer| honest(peer.manner)));
            let one = central(&world, &text);
            asked += 1;
            // What is first of all is first here, when somebody who answered holds it.
            let ours = names(&outcome);
            let there = one.iter().find(|name| ours.contains(name));
            first += usize::from(ours.first() == there);
        }
    }
    assert!(first * 100 >= asked * 90, "first in {first} of {asked}");
}

#[test]
fn a_forger_is_not_asked_again_for_a_while() {
    let mut world = World::new(3, 60, &[Manner::Honest, Manner::Honest, Manner::Forges]);
    let mut state = (Budgets::default(), Collections::default());
    let mut ask = |at| {
        let (start, reach) = (Duration::from_secs(at), Reach::All);
        world.search("graph notes", DEADLINE, (&mut state.0, &mut state.1), (start, reach)).sent
    };
    assert_eq!([ask(1), ask(2), ask(900)], [3, 2, 3]);
}

#[test]
fn the_most_promising_peers_are_worth_more_than_any() {
    let (mut promising, mut any) = (0, 0);
    for seed in 0..2 {
        let mut world = World::new(seed, 300, &[Manner::Honest; 24]);
        let mut state = (Budgets::default(), Collections::default());
        for round in 0..15 {
            let text = world.words();
            let top: Vec<String> = central(&world, &text).into_iter().take(10).collect();
            let mut found = |world: &mut World, collections: &mut Collections, at, reach| {
                let start = Duration::from_secs(at);
                let outcome =
                    world.search(&text, DEADLINE, (&mut state.0, collections), (start, reach));
                let ours = names(&outcome);
                top.iter().filter(|name| ours.contains(name)).count()
            };
            let at = round * 100 + 1;
            any += found(&mut world, &mut Collections::default(), at, Reach::First(6));
            // Asked once of all, it is known who has what.
            found(&mut world, &mut state.1, at + 30, Reach::All);
            promising += found(&mut world, &mut state.1, at + 60, Reach::First(6));
        }
    }
    assert!(promising * 10 > any * 11, "{promising} against {any}");
}

/// Ten queries a second by Zipf's law, 500 over 100 distinct ones: what is popular is asked once.
#[test]
fn four_fifths_of_popular_queries_are_answered_from_memory() {
    const ASKED: usize = 500;
    let mut world = World::new(5, 200, &[Manner::Honest; 8]);
    let mut texts = BTreeSet::new();
    while texts.len() < 100 {
        texts.insert(world.words());
    }
    let texts: Vec<String> = texts.into_iter().collect();
    let (zipf, mut dice) = (Zipf::new(texts.len()), Dice::new(5));
    let (mut cache, mut state) = (Cache::default(), (Budgets::default(), Collections::default()));
    let (mut remembered, mut sent) = (0, 0);
    for number in 0..ASKED {
        let text = &texts[zipf.pick(&mut dice)];
        let now = Duration::from_millis(100 * number as u64 + 1);
        let (question, heads) = world.question(text);
        let key = CacheKey::of(&question, Reach::All, 2);
        let known = cache.get(now, key, heads);
        remembered += usize::from(known.is_some());
        // What is old is given all the same, and asked for again behind it.
        if known.is_none_or(|known| known.stale) {
            let (budgets, collections) = (&mut state.0, &mut state.1);
            let outcome = world.search(text, DEADLINE, (budgets, collections), (now, Reach::All));
            let (heard, counts) = outcome.told;
            cache.put(now, key, heads, &heard, (counts, outcome.coverage));
            sent += outcome.sent;
        }
    }
    assert!(remembered * 10 >= ASKED * 8, "{remembered} of {ASKED}");
    assert!(sent * 4 <= ASKED * 8, "{sent} questions where {} would be", ASKED * 8);
}

/// Of forty peers the twenty most promising are asked: half of the messages, for more than half of
/// what all of them have.
#[test]
fn routing_halves_the_messages_and_finds_more_than_chance() {
    let mut world = World::new(6, 300, &[Manner::Honest; 40]);
    let mut budgets = Budgets::default();
    let mut ask = |text: &str, collections: &mut Collections, at, reach| {
        let start = Duration::from_secs(at);
        let outcome = world.search(text, DEADLINE, (&mut budgets, collections), (start, reach));
        (outcome.sent, names(&outcome).into_iter().next())
    };
    let mut told = Collections::default();
    let (mut all, mut some, mut same, mut by_chance) = (0, 0, 0, 0);
    let texts = ["graph", "notes index", "search image", "speech model", "server client store"];
    let more =
        ["query parser", "mail", "chat video", "cache proxy shell", "script", "kernel driver"];
    for (text, at) in texts.into_iter().chain(more).zip((0..).step_by(100)) {
        let everybody = ask(text, &mut told, at, Reach::All);
        let routed = ask(text, &mut told, at + 50, Reach::Connected);
        let any = ask(text, &mut Collections::default(), at + 75, Reach::Connected);
        (all, some) = (all + everybody.0, some + routed.0);
        same += usize::from(everybody.1 == routed.1);
        by_chance += usize::from(everybody.1 == any.1);
    }
    assert_eq!((all, some), (11 * 40, 11 * 20));
    assert!(same * 10 >= 11 * 7 && same > by_chance, "{same} of 11, {by_chance} by chance");
}
