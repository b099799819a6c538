//! Whatever two sets are, both sides end with the union.

use std::collections::BTreeSet;

use super::{Dice, announced};
use crate::exchange::size::alone::{self, Layer};
use crate::exchange::{Appetite, Cost, Ending, Known, TURNS_MAX};
use crate::fixture::ids;
use crate::loopback::{Party, Talk, talk};
use crate::message::Cursor;
use crate::view::View;

/// Sizes around which something changes: none, one, a bucket and its neighbours.
const SIZES: [u64; 12] = [0, 0, 1, 2, 16, 31, 32, 33, 64, 65, 300, 900];

/// Two sets with `common` ids in both and some in one.
fn case(common: u64, ours: u64, theirs: u64) -> [Party; 2] {
    let own = |from: u64, count: u64| [ids(0..common), ids(from..from + count)].concat();
    [Party::new(own(1 << 40, ours)), Party::new(own(2 << 40, theirs))]
}

/// Threat row 33: whatever the sets are, answers have at most four times the bytes of questions.
fn check(a: &mut Party, b: &mut Party, known: Known, case: &str) -> Talk {
    let union: BTreeSet<_> = a.ids().iter().chain(b.ids()).copied().collect();
    let before = [a.ids().to_vec(), b.ids().to_vec()];
    let talk = match talk(a, b, &View::All, known) {
        Ok(talk) => talk,
        Err(broken) => panic!("{case}: {broken:?}"),
    };
    for (at, party) in [&*a, &*b].into_iter().enumerate() {
        match party.appetite {
            Appetite::Takes => assert!(union.iter().eq(party.ids()), "{case}: {at} {talk:?}"),
            Appetite::Serves => assert_eq!(party.ids(), before[at], "{case}: {at} {talk:?}"),
        }
    }
    if let Some(end) = talk.answerer {
        let Cost { overhead_in, overhead_out, useful, turns, .. } = end.cost;
        assert!(overhead_out <= 4 * overhead_in + useful, "{case}: {talk:?}");
        assert!(turns <= TURNS_MAX / 2, "{case}: {talk:?}");
    }
    assert!(talk.opener.is_some(), "{case}: {talk:?}");
    assert_eq!(talk.answerer.is_some(), talk.flights > 0, "{case}: {talk:?}");
    talk
}

fn random(layer: Option<Layer>, cases: u64) {
    let mut dice = Dice(layer.map_or(0, |layer| 1 + layer as u64));
    for number in 0..cases {
        let [common, ours, theirs] = [(); 3].map(|()| match dice.below(3) {
            0 => SIZES[dice.below(SIZES.len() as u64) as usize],
            1 => dice.below(12),
            _ => dice.below(160),
        });
        let [mut a, mut b] = case(common, ours, theirs);
        match dice.below(8) {
            0 => a.appetite = Appetite::Serves,
            1 => b.appetite = Appetite::Serves,
            _ => {}
        }
        let known = match dice.below(5) {
            0 => announced(&b),
            1 => Known { likely_equal: true, ..Known::default() },
            2 if layer.is_none() => {
                // What was common came first, and some of the rest.
                let seq = common + dice.below(theirs + 1).min(1);
                Known {
                    cursor: Some(Cursor { epoch: b.epoch, seq: seq.min(common) }),
                    ..Known::default()
                }
            }
            _ => Known::default(),
        };
        let name = format!("{layer:?} {number}: {common} {ours} {theirs} {known:?}");
        let talk = alone::with(layer, || check(&mut a, &mut b, known, &name));
        if layer.is_some() && a.appetite == Appetite::Takes {
            let ending = talk.opener.unwrap().ending;
            assert!(matches!(ending, Ending::Complete | Ending::Same), "{name}: {talk:?}");
        }
    }
}

#[test]
fn the_sketch_alone_finds_any_difference() {
    random(Some(Layer::Sketch), 1200);
}

#[test]
fn the_walk_alone_finds_any_difference() {
    random(Some(Layer::Walk), 1200);
}

#[test]
fn all_layers_together_find_any_difference() {
    random(None, 2000);
}
