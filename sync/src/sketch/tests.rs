//! The rules of sketches and of decoding them, and what hostile cells can do.

use catalog::ItemId;
use proptest::prelude::*;

use super::*;
use crate::fixture::{Dice, cancelling, ids};

fn sketch(cells: usize, ids: &[ItemId]) -> Sketch {
    let mut sketch = Sketch::new(cells, Salt::NONE);
    ids.iter().for_each(|id| sketch.toggle(id));
    sketch
}

/// Gives a decoder the difference of two sketches until it needs no more.
fn decode(ours: &Sketch, theirs: &Sketch, cells_max: usize) -> (Decoder, Decoding) {
    let mut decoder = Decoder::new(ours.salt(), cells_max);
    let cells = ours.cells(0..ours.len()).zip(theirs.cells(0..theirs.len()));
    for (ours, theirs) in cells {
        match decoder.push(ours ^ theirs) {
            Decoding::More => {}
            end => return (decoder, end),
        }
    }
    (decoder, Decoding::More)
}

fn sids(ids: &[ItemId]) -> Vec<Sid> {
    let mut sids: Vec<_> = ids.iter().map(Sid::of).collect();
    sids.sort_unstable();
    sids
}

/// The place of an id in the cells is a promise to every other node.
#[test]
fn cells_are_golden() {
    let sketch = sketch(64, &ids(0..3));
    let cell = |at: usize| hex::encode(sketch.cells(at..at + 1).next().unwrap().to_bytes());
    let expected =
        ["5cfbe1aa0c13424de23d5748", "341100ac63d96baeaec05df9", "341100ac63d96baeaec05df9"];
    assert_eq!([0, 1, 2].map(cell), expected);
    let spots: Vec<_> = Spots::of(Salt::NONE.hash(Sid(1))).take(12).collect();
    assert_eq!(spots, [0, 7, 17, 18, 21, 25, 66, 105, 106, 143, 145, 178]);
    let spots: Vec<_> = Spots::of(Salt::from_bytes([1; 8]).hash(Sid(1))).take(6).collect();
    assert_eq!(spots, [0, 1, 2, 5, 9, 12]);
}

#[test]
fn small_differences_of_large_sets_are_found_exactly() {
    let (mut cells, mut found) = (0, 0);
    for (common, ours, theirs) in [
        (0, 0, 0),
        (5000, 0, 0),
        (5000, 1, 0),
        (5000, 0, 1),
        (3000, 30, 50),
        (0, 200, 0),
        (900, 1, 999),
    ] {
        for run in 0..5_u64 {
            let from = run * 10_000;
            let common = ids(from..from + common);
            let only_ours = ids(from + 6000..from + 6000 + ours);
            let only_theirs = ids(from + 8000..from + 8000 + theirs);
            let a = sketch(2048, &[&common[..], &only_ours].concat());
            let b = sketch(2048, &[&common[..], &only_theirs].concat());
            let (decoder, end) = decode(&a, &b, 2048);
            assert_eq!(end, Decoding::Done);
            assert!(decoder.found().eq(sids(&[only_ours, only_theirs].concat())));
            cells += decoder.cells();
            found += decoder.found().len();
        }
    }
    assert!(cells < found * 3 / 2, "{cells} cells for {found} ids");
}

/// 16 bytes for each id of a difference is what makes the sketch worth having.
#[test]
fn large_differences_take_less_than_three_cells_for_two_ids() {
    for (difference, cells_for_100) in [(1000, 142), (8000, 140)] {
        let some = ids(0..difference);
        let (decoder, end) = decode(&sketch(CELLS, &some), &sketch(CELLS, &[]), CELLS);
        assert_eq!((end, decoder.found().len() as u64), (Decoding::Done, difference));
        let cells = decoder.cells() as u64;
        assert!(cells * 100 < difference * cells_for_100, "{cells} for {difference}");
    }
}

proptest! {
    #[test]
    fn a_sketch_is_a_function_of_its_set(
        order in Just((0..90_usize).collect::<Vec<_>>()).prop_shuffle(),
        gone in prop::collection::btree_set(0..90_usize, 0..60),
    ) {
        let pool = ids(0..90);
        let mut kept = Sketch::new(256, Salt::NONE);
        order.iter().for_each(|&at| kept.toggle(&pool[at]));
        gone.iter().for_each(|&at| kept.toggle(&pool[at]));
        let left: Vec<_> = (0..90).filter(|at| !gone.contains(at)).map(|at| pool[at]).collect();
        prop_assert_eq!(&kept, &sketch(256, &left));
        let cells = kept.cells(0..256).map(|cell| Cell::from_bytes(cell.to_bytes()));
        prop_assert_eq!(Sketch::from_cells(cells, Salt::NONE), kept);
    }

    /// Noise, repeats and cells of chosen ids in the wrong places: an end within the bounds.
    #[test]
    fn every_row_of_cells_comes_to_an_end(
        row in prop::collection::vec((0..5_u8, any::<u64>(), any::<u32>()), 1..300)
    ) {
        let mut decoder = Decoder::new(Salt::NONE, 200);
        let honest = sketch(300, &ids(0..150));
        let mut last = Cell::default();
        for (at, (kind, sum, check)) in row.into_iter().enumerate() {
            let sid = Sid(sum % 50);
            last = match kind {
                0 => Cell { sum, check },
                1 => Cell::of(sid, Salt::NONE.hash(sid)),
                2 => last,
                3 => last ^ Cell::of(sid, Salt::NONE.hash(sid)),
                _ => honest.cells(at..at + 1).next().unwrap(),
            };
            decoder.push(last);
            prop_assert!(decoder.found().len() <= decoder.cells());
            prop_assert!(decoder.cells() <= 200);
        }
    }
}

#[test]
fn a_clone_stays_as_it_was() {
    let mut kept = sketch(512, &ids(0..50));
    let before = kept.clone();
    kept.toggle(&ids(50..51)[0]);
    assert_eq!(before, sketch(512, &ids(0..50)));
    assert_eq!(kept, sketch(512, &ids(0..51)));
}

#[test]
fn cells_are_given_as_far_as_there_are_any() {
    let sketch = sketch(10, &ids(0..5));
    for (range, expected) in [(0..4, 4), (7..99, 3), (10..12, 0), (40..50, 0)] {
        assert_eq!(sketch.cells(range).len(), expected);
    }
}

/// Ids that were chosen to cancel out in the sums do not in the checks. A check that is linear in
/// the id would let them; so would a decoder that trusts the first cell.
#[test]
fn ids_that_cancel_out_are_not_taken_for_nothing() {
    let forged = cancelling(&ids(0..100), 8);
    let sketch = sketch(512, &forged);
    assert_eq!(sketch.cells(0..1).next().unwrap().sum, 0);
    let (decoder, end) = decode(&sketch, &Sketch::new(512, Salt::NONE), 512);
    assert_eq!(end, Decoding::Done);
    assert!(decoder.found().eq(sids(&forged)));
    // Even with sums and checks that cancel out in the first cell, the next ones are in the way.
    let mut decoder = Decoder::new(Salt::NONE, 64);
    assert_eq!(decoder.push(Cell { sum: 5, check: 5 }), Decoding::More);
    assert_eq!(decoder.push(Cell::default()), Decoding::More);
    assert_eq!(Decoder::new(Salt::NONE, 64).push(Cell::default()), Decoding::Done);
}

/// Three ids whose checks add up to that of their sum would decode to an id that nobody has.
#[test]
fn the_check_of_a_sum_is_not_the_sum_of_the_checks() {
    let mut dice = Dice(9);
    for _ in 0..10_000 {
        let some = [dice.roll(), dice.roll(), dice.roll()].map(Sid);
        let hashes = some.map(|sid| Salt::NONE.hash(sid) as u32);
        let sum = Sid(some[0].0 ^ some[1].0 ^ some[2].0);
        assert_ne!(Salt::NONE.hash(sum) as u32, hashes[0] ^ hashes[1] ^ hashes[2]);
    }
}

/// Ids that share all of their cells cover each other up, for as many cells as they do.
#[test]
fn ids_with_equal_cells_use_up_the_budget_and_no_more() {
    let spots_below = |id: &ItemId| -> Vec<usize> {
        Spots::of(Salt::NONE.hash(Sid::of(id))).take_while(|&spot| spot < 24).collect()
    };
    let mut by_cells = std::collections::BTreeMap::new();
    let pair = ids(0..10_000).into_iter().find_map(|id| {
        let twin: Option<ItemId> = by_cells.insert(spots_below(&id), id);
        twin.map(|twin| [twin, id])
    });
    let pair = pair.unwrap();
    let (decoder, end) = decode(&sketch(64, &pair), &Sketch::new(64, Salt::NONE), 24);
    assert_eq!((end, decoder.cells()), (Decoding::Failed, 24));
    // Under a salt of which their maker knew nothing they are ids like others.
    let mut salted = Sketch::new(64, Salt::from_bytes([3; 8]));
    pair.iter().for_each(|id| salted.toggle(id));
    let (decoder, end) = decode(&salted, &Sketch::new(64, salted.salt()), 24);
    assert_eq!(end, Decoding::Done);
    assert!(decoder.found().eq(sids(&pair)));
}

/// Two ids that begin with the same eight bytes, one on each side, are no difference here. That is
/// why the roots are compared in the end.
#[test]
fn twins_on_both_sides_are_not_seen() {
    let one = ids(0..1)[0];
    let mut bytes = *one.as_bytes();
    bytes[31] ^= 1;
    let twin = ItemId::from_bytes(bytes);
    assert_eq!(decode(&sketch(64, &[one]), &sketch(64, &[twin]), 64).1, Decoding::Done);
    assert!(Sid::of(&one).prefix().contains(&twin));
}

#[test]
fn a_lie_in_any_cell_never_passes_for_the_truth() {
    let (ours, theirs) = (sketch(256, &ids(0..60)), sketch(256, &ids(20..80)));
    let truth = sids(&[ids(0..20), ids(60..80)].concat());
    for at in 0..40 {
        for bit in [0, 63, 64, 95] {
            let mut decoder = Decoder::new(Salt::NONE, 200);
            let cells = ours.cells(0..256).zip(theirs.cells(0..256)).enumerate();
            let end = cells.map(|(here, (ours, theirs))| {
                let mut bytes = (ours ^ theirs).to_bytes();
                bytes[bit / 8] ^= u8::from(here == at) << (bit % 8);
                decoder.push(Cell::from_bytes(bytes))
            });
            assert_eq!(end.last(), Some(Decoding::Failed), "cell {at}, bit {bit}");
            assert!(decoder.found().all(|sid| truth.contains(&sid)));
        }
    }
}
