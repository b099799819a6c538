//! Whatever two sets are, both sides end with the union.

use super::parties;
use crate::exchange::{Ending, Known};
use crate::loopback::talk;
use crate::view::View;

#[test]
fn two_catalogs_become_one() {
    for (n, d) in [(1, 1), (32, 3), (33, 66), (1000, 0), (1000, 40), (5000, 900), (5000, 9000)] {
        let [mut a, mut b] = parties(n.max(d - d / 2), d);
        let talk = talk(&mut a, &mut b, &View::All, Known::default()).unwrap();
        assert_eq!(a.ids(), b.ids(), "{n} {d}");
        let ending = talk.opener.unwrap().ending;
        assert!(matches!(ending, Ending::Complete | Ending::Same), "{n} {d} {talk:?}");
    }
}
