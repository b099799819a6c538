//! Ids that somebody chose: twins that a sketch does not see, and crowds below one prefix.

use catalog::ItemId;

use super::{announced, parties};
use crate::defence::{Defence, without};
use crate::exchange::size::alone::{self, Layer};
use crate::exchange::{Ending, Known};
use crate::fixture::ids;
use crate::loopback::{Party, Talk, talk, talk_over};
use crate::message::{Frame, Message};
use crate::view::View;

/// Two ids with the same first 8 bytes: the work of 2^32 hashes.
fn twins(number: u64) -> [ItemId; 2] {
    let [one, mut other] = [0, 1].map(|at| *ids(number + at..number + at + 1)[0].as_bytes());
    other[..8].copy_from_slice(&one[..8]);
    [one, other].map(ItemId::from_bytes)
}

/// What a poisoned exchange may cost.
fn bar(d: u64) -> u64 {
    240 * d + 1500
}

fn converge(a: &mut Party, b: &mut Party, known: Known) -> Talk {
    let talk = talk(a, b, &View::All, known).unwrap();
    assert_eq!(a.ids(), b.ids());
    assert_eq!(talk.opener.unwrap().ending, Ending::Complete);
    talk
}

/// Between the two sketches they cancel out, so only the roots know of them.
#[test]
fn twins_on_opposite_sides_are_found_by_the_walk() {
    for n in [33, 1000, 20_000] {
        for d in [0, 1, 10, 100] {
            for known in [false, true] {
                let [mut a, mut b] = parties(n, d.min(n));
                let [one, other] = twins(7 << 40);
                a.add([one]);
                b.add([other]);
                let known = if known { announced(&b) } else { Known::default() };
                let talk = converge(&mut a, &mut b, known);
                assert!(talk.bytes <= bar(d + 2), "{n} {d}: {talk:?}");
                assert!(talk.flights <= 10, "{n} {d}: {talk:?}");
            }
        }
    }
}

/// The bar for a poisoned sketch among a million items, in five round trips.
#[test]
#[ignore = "takes a minute to make sets of a million in an unoptimised build"]
fn twins_among_a_million_items_are_found_within_the_bar() {
    for d in [0, 100, 1000] {
        let [mut a, mut b] = parties(1_000_000, d);
        let [one, other] = twins(7 << 40);
        a.add([one]);
        b.add([other]);
        let talk = converge(&mut a, &mut b, Known::default());
        println!("{d} and a pair of twins: {} bytes, {} flights", talk.bytes, talk.flights);
        assert!(talk.bytes <= bar(d + 2), "{d}: {talk:?}");
        assert!(talk.opener_flight.max(talk.answerer_flight) <= 11, "{d}: {talk:?}");
    }
}

/// The same for as many twins as a rich attacker would make.
#[test]
fn fifty_pairs_of_twins_are_found_by_one_walk() {
    let [mut a, mut b] = parties(20_000, 100);
    let pairs: Vec<_> = (0..50).map(|pair| twins((7 << 40) + 2 * pair)).collect();
    a.add(pairs.iter().map(|pair| pair[0]));
    b.add(pairs.iter().map(|pair| pair[1]));
    let talk = converge(&mut a, &mut b, Known::default());
    assert!(talk.bytes <= bar(200), "{talk:?}");
}

#[test]
fn twins_on_one_side_and_on_both_are_found() {
    let [one, other] = twins(7 << 40);
    for (ours, theirs) in [
        (vec![one, other], vec![]),
        (vec![], vec![one, other]),
        (vec![one, other], vec![one]),
        (vec![other], vec![one, other]),
        (vec![one, other], vec![one, other]),
    ] {
        let [mut a, mut b] = parties(2000, 12);
        a.add(ours);
        b.add(theirs);
        converge(&mut a, &mut b, Known::default());
    }
}

/// The control: without a comparison of roots both sides are sure, and stay different.
#[test]
fn twins_are_missed_without_the_comparison_of_roots() {
    let [mut a, mut b] = parties(1000, 10);
    let [one, other] = twins(7 << 40);
    a.add([one]);
    b.add([other]);
    let talk =
        without(Defence::RootCheck, || talk(&mut a, &mut b, &View::All, Known::default()).unwrap());
    assert_eq!(talk.opener.unwrap().ending, Ending::Complete);
    assert_ne!(a.ids(), b.ids());
}

/// Cells that do not decode, as those of a stopping set, cost their budget and then a walk.
#[test]
fn a_sketch_that_never_decodes_is_given_up_for_a_walk() {
    for (n, d) in [(1000, 20), (20_000, 100), (20_000, 1000)] {
        let [mut a, mut b] = parties(n, d);
        let mut cells_sent = 0;
        let talk = talk_over(&mut a, &mut b, &View::All, Known::default(), |_, bytes| {
            let mut frame = Frame::decode(&bytes).unwrap();
            let cells = match &mut frame.message {
                Message::Hello(hello) => &mut hello.cells,
                Message::Cells(cells) => cells,
                _ => return bytes,
            };
            cells_sent += cells.len();
            cells.iter_mut().for_each(|cell| cell[3] ^= 0x5a);
            frame.encode()
        })
        .unwrap();
        assert_eq!(a.ids(), b.ids());
        assert_eq!(talk.opener.unwrap().ending, Ending::Complete);
        assert!(talk.bytes <= bar(d), "{n} {d}: {talk:?}");
        assert!(talk.flights <= 12, "{n} {d}: {talk:?}");
        assert!(cells_sent as u64 <= d * 7 / 2 + 64, "{cells_sent} cells");
    }
}

/// 2^40 hashes for each of them.
#[test]
fn a_crowd_below_one_long_prefix_is_listed_and_not_descended_into() {
    let crowd = |from: u64, count: u64| -> Vec<ItemId> {
        let ids = ids(from..from + count).into_iter();
        ids.map(|id| {
            let mut bytes = *id.as_bytes();
            bytes[..5].fill(7);
            ItemId::from_bytes(bytes)
        })
        .collect()
    };
    for layer in [None, Some(Layer::Walk)] {
        let [mut a, mut b] = parties(20_000, 10);
        a.add(crowd(8 << 40, 200));
        b.add(crowd((8 << 40) + 100, 200));
        let talk = alone::with(layer, || converge(&mut a, &mut b, Known::default()));
        assert!(talk.flights <= 12, "{talk:?}");
        assert!(talk.bytes <= bar(210), "{talk:?}");
    }
}

/// More of them than a list may have, which takes no work to make: 13 bits.
#[test]
fn lists_that_would_be_too_long_become_fingerprints() {
    let crowd = |from: u64| -> Vec<ItemId> {
        let ids = ids(from..from + 4500).into_iter();
        ids.map(|id| {
            let mut bytes = *id.as_bytes();
            (bytes[0], bytes[1]) = (0, bytes[1] & 7);
            ItemId::from_bytes(bytes)
        })
        .collect()
    };
    let mut a = Party::new([ids(0..1000), crowd(8 << 40)].concat());
    let mut b = Party::new([ids(500..2000), crowd(9 << 40)].concat());
    for _ in 0..8 {
        talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
        if a.ids() == b.ids() {
            return;
        }
    }
    panic!("{} and {} items", a.ids().len(), b.ids().len());
}
