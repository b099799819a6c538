//! What else goes on while two sides talk.

use super::{Dice, announced, parties};
use crate::exchange::{Appetite, Budget, Ending, Known};
use crate::fixture::ids;
use crate::loopback::{Party, Talk, talk};
use crate::message::Cursor;
use crate::view::View;

/// The opener has come to place `cursor` of the answerer's change log.
fn pull(a: &mut Party, b: &mut Party, cursor: Option<u64>) -> Talk {
    let cursor = cursor.map(|seq| Cursor { epoch: b.epoch, seq });
    talk(a, b, &View::All, Known { cursor, ..Known::default() }).unwrap()
}

/// News since the cursor stream at once, and nothing else is said about them.
#[test]
fn a_cursor_brings_the_news_in_one_round_trip() {
    let mut b = Party::new(ids(0..5000));
    let mut a = b.clone();
    let seq = b.position();
    b.add(ids(5000..5100));
    let first = pull(&mut a, &mut b, Some(seq));
    assert_eq!(a.ids(), b.ids());
    assert_eq!((first.opener_flight, first.flights), (2, 3));
    // A byte of length for each record is the most of it.
    assert_eq!(first.bytes, 338);
    let end = first.opener.unwrap();
    assert_eq!((end.ending, end.position), (Ending::Complete, Some(b.position())));
    let second = pull(&mut a, &mut b, end.position);
    assert_eq!(second.opener.unwrap().ending, Ending::Same);
}

/// The opener had something of its own, which the roots show.
#[test]
fn after_a_stream_the_rest_is_found_by_the_sketch() {
    let mut b = Party::new(ids(0..2000));
    let mut a = b.clone();
    let seq = b.position();
    b.add(ids(2000..2030));
    a.add(ids(3000..3007));
    let talk = pull(&mut a, &mut b, Some(seq));
    assert_eq!(a.ids(), b.ids());
    assert_eq!(talk.opener.unwrap().ending, Ending::Complete);
}

/// A store that was made anew, or restored from a backup, has another epoch.
#[test]
fn a_cursor_into_another_history_is_no_cursor() {
    for (epoch, seq) in [([9; 16], 10), ([1; 16], 10_000)] {
        let [mut a, mut b] = parties(2000, 30);
        let known = Known { cursor: Some(Cursor { epoch, seq }), ..Known::default() };
        let talk = talk(&mut a, &mut b, &View::All, known).unwrap();
        assert_eq!(a.ids(), b.ids());
        assert_eq!(talk.opener.unwrap().ending, Ending::Complete);
    }
}

/// It had got nearly all of the news from others: to stream them again would be waste.
#[test]
fn a_stream_of_what_is_known_already_is_not_sent() {
    let mut b = Party::new(ids(0..6000));
    let mut a = Party::new(ids(10..6000));
    let talk = pull(&mut a, &mut b, Some(0));
    assert_eq!(a.ids(), b.ids());
    assert!(talk.bytes < 1500, "{talk:?}");
}

#[test]
fn an_empty_puller_is_sent_everything_at_once() {
    let mut b = Party::new(ids(0..3000));
    let mut a = Party::new(Vec::new());
    let talk = talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
    assert_eq!(a.ids(), b.ids());
    assert_eq!((talk.opener_flight, talk.flights), (2, 3));
    assert!(talk.bytes < 3000 + 400, "{talk:?}");
}

/// A page is what is in memory at once; the rest comes with the next exchange.
#[test]
fn a_stream_that_is_larger_than_its_budget_goes_on_next_time() {
    let mut b = Party::new(ids(0..4000));
    b.record_bytes = 2000;
    b.budget = Budget { records_out: 2 << 20, ..Budget::default() };
    let mut a = Party::new(Vec::new());
    let mut cursor = None;
    for round in 0..4 {
        let talk = pull(&mut a, &mut b, cursor);
        let end = talk.opener.unwrap();
        cursor = end.position.or(cursor);
        if end.ending == Ending::Complete {
            assert_eq!((a.ids(), round), (b.ids(), 3));
            return;
        }
        assert_eq!(end.ending, Ending::Partial);
        assert!(end.cost.records_in < 3 << 20);
    }
    panic!("{} of {} came", a.ids().len(), b.ids().len());
}

/// A stranger that dials is served; that it would like to give something changes nothing.
#[test]
fn a_side_that_takes_nothing_is_given_nothing() {
    let [mut a, mut b] = parties(1000, 30);
    b.appetite = Appetite::Serves;
    let before = b.ids().to_vec();
    let end = talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
    assert_eq!(b.ids(), before);
    assert!(b.ids().iter().all(|id| a.ids().binary_search(id).is_ok()));
    assert_eq!(end.opener.unwrap().ending, Ending::Complete, "its set was rebuilt all the same");
    assert_eq!(end.answerer.unwrap().ending, Ending::Unproven);
    assert_eq!(end.answerer.unwrap().cost.records_in, 0);
}

/// Each exchange works on snapshots, so what is stored meanwhile is for the next one, and does not
/// make roots differ that were compared.
#[test]
fn what_comes_in_during_an_exchange_is_for_the_next() {
    let mut dice = Dice(5);
    let [mut a, mut b] = parties(1000, 40);
    let mut next = 9 << 40;
    let mut more = |party: &mut Party, count: u64| {
        party.add(ids(next..next + count));
        next += count;
    };
    for round in 0..30 {
        // The exchange sees copies from before; the sets go on.
        let [mut old_a, mut old_b] = [a.clone(), b.clone()];
        let known = if round % 3 == 0 { announced(&b) } else { Known::default() };
        more(&mut a, dice.below(4));
        more(&mut b, dice.below(4));
        let end = talk(&mut old_a, &mut old_b, &View::All, known).unwrap().opener.unwrap();
        assert!(matches!(end.ending, Ending::Complete | Ending::Same));
        a.add(old_a.ids().to_vec());
        b.add(old_b.ids().to_vec());
    }
    talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
    assert_eq!(a.ids(), b.ids());
}

#[test]
fn both_sides_may_open_at_once() {
    let [mut a, mut b] = parties(1000, 40);
    let [mut also_a, mut also_b] = [a.clone(), b.clone()];
    talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
    talk(&mut also_b, &mut also_a, &View::All, Known::default()).unwrap();
    assert_eq!(a.ids(), b.ids());
    a.add(also_a.ids().to_vec());
    assert_eq!((a.ids(), also_a.ids()), (b.ids(), also_b.ids()));
}

/// One store talks to 32 peers at the same time, each of which has something of its own.
#[test]
fn thirty_two_exchanges_on_one_store_bring_what_all_of_them_have() {
    let mut hub = Party::new(ids(0..1000));
    let mut peers: Vec<_> = (0..32)
        .map(|peer| {
            Party::new([ids(peer..990), ids((peer << 20) + 2000..(peer << 20) + 2010)].concat())
        })
        .collect();
    for _ in 0..2 {
        let snapshot = hub.clone();
        for peer in &mut peers {
            let mut seen = snapshot.clone();
            talk(peer, &mut seen, &View::All, Known::default()).unwrap();
            hub.add(seen.ids().to_vec());
        }
    }
    assert_eq!(hub.ids().len(), 1000 + 320);
    assert!(peers.iter().all(|peer| peer.ids() == hub.ids()));
}
