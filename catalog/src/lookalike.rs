//! Finds known names that a name could be mistaken for.
//!
//! Two tests: do they look the same (homoglyphs, separators), and are they one slip of the finger
//! apart? It warns and never decides: distinct packages may have similar names.
//!
//! # Source
//! Unicode Technical Standard 39, section 4, "Confusable Detection" (the skeleton); optimal string
//! alignment distance: Damerau, CACM 1964.

use crate::defence::{self, Defence};
use unicode_security::skeleton;

/// Below this many letters one edit makes another word, not a slip: only looks count.
const EDITED_LENGTH_MIN: usize = 4;

/// Most warnings about one name; more would not be read.
const WARNINGS_MAX: usize = 8;

/// A known name that another one could be mistaken for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lookalike {
    /// The known name.
    pub name: String,
    /// What they have in common.
    pub likeness: Likeness,
}

/// How two names are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// They look the same, as `1odash` does, or differ in separators only: `lo-dash`.
    SameLook,
    /// One letter is missing, added, swapped with its neighbour or replaced.
    OneEdit,
}

/// A name in the forms that are compared.
struct Forms {
    /// Lower case, without separators.
    plain: String,
    /// What it looks like.
    look: String,
}

/// Returns the names among `known` that `name` could be mistaken for, in their order.
///
/// The name itself is not one of them: two packages of the same name are told apart by their
/// publishers.
pub fn warnings<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<Lookalike> {
    let forms = Forms::of(name);
    let alike = known.filter(|known| *known != name).filter_map(|known| {
        let likeness = forms.likeness(&Forms::of(known))?;
        Some(Lookalike { name: known.to_owned(), likeness })
    });
    alike.take(WARNINGS_MAX).collect()
}

/// Whether `name` could be mistaken for `known`, which is another name.
pub fn are_alike(name: &str, known: &str) -> bool {
    name != known && Forms::of(name).likeness(&Forms::of(known)).is_some()
}

impl Forms {
    fn of(name: &str) -> Self {
        let simple = |text: String| -> String {
            let text = text.to_lowercase();
            text.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).collect()
        };
        // The skeleton spells `m` as `rn`, which makes one edit of it two: spelt back.
        let look = simple(skeleton(name).collect()).replace("rn", "m").replace("vv", "w");
        Self { plain: simple(name.to_owned()), look }
    }

    fn likeness(&self, known: &Self) -> Option<Likeness> {
        if self.look == known.look {
            return Some(Likeness::SameLook);
        }
        let long_enough = known.plain.chars().count() >= EDITED_LENGTH_MIN;
        let near = is_one_edit(&self.plain, &known.plain) || is_one_edit(&self.look, &known.look);
        let slip = long_enough && near && !self.is_another_number(known);
        (slip && defence::on(Defence::NearNames)).then_some(Likeness::OneEdit)
    }

    /// Whether they differ in one digit only: `gcc-11` and `gcc-12` are versions, not slips.
    fn is_another_number(&self, known: &Self) -> bool {
        let mut differing = self.plain.chars().zip(known.plain.chars()).filter(|(a, b)| a != b);
        let first = differing.next();
        self.plain.chars().count() == known.plain.chars().count()
            && first.is_some_and(|(a, b)| a.is_ascii_digit() && b.is_ascii_digit())
            && differing.next().is_none()
    }
}

/// Whether the optimal string alignment distance is at most 1.
///
/// What is equal from both ends leaves at most one letter of the longer name, or two that changed
/// places.
fn is_one_edit(a: &str, b: &str) -> bool {
    // Cheap, and true of most pairs: one letter has at most four bytes.
    if a.len().abs_diff(b.len()) > 4 {
        return false;
    }
    let counts = [a, b].map(|text| text.chars().count());
    let (longer, shorter) = (counts[0].max(counts[1]), counts[0].min(counts[1]));
    let front = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let back = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b).count();
    let swapped = || {
        let ([a1, a2], [b1, b2]) = (pair(a, front), pair(b, front));
        front + back + 2 == longer && a1 == b2 && a2 == b1
    };
    match longer - shorter {
        0 => front + back + 1 >= longer || swapped(),
        1 => front + back >= shorter,
        _ => false,
    }
}

/// The two letters from place `at` on.
fn pair(text: &str, at: usize) -> [Option<char>; 2] {
    let mut letters = text.chars().skip(at);
    [letters.next(), letters.next()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;
    use std::collections::BTreeSet;

    /// Names that many people install, of several ecosystems.
    fn popular() -> Vec<&'static str> {
        include_str!("../testdata/popular-names.txt").lines().collect()
    }

    /// Every 31st package of a distribution, by name.
    fn real() -> Vec<&'static str> {
        include_str!("../testdata/real-names.txt").lines().collect()
    }

    /// Letters that look like others, in our alphabet and beyond it.
    const HOMOGLYPHS: [(&str, &str); 17] = [
        ("o", "0"),
        ("l", "1"),
        ("m", "rn"),
        ("rn", "m"),
        ("w", "vv"),
        ("a", "а"),
        ("c", "с"),
        ("e", "е"),
        ("o", "о"),
        ("p", "р"),
        ("x", "х"),
        ("y", "у"),
        ("i", "і"),
        ("s", "ѕ"),
        ("j", "ј"),
        ("h", "һ"),
        ("o", "ο"),
    ];

    /// Every look-alike of `name` by one homoglyph, swap, omission, doubling or separator.
    fn lookalikes(name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (letters, glyph) in HOMOGLYPHS {
            for (at, _) in name.match_indices(letters) {
                found.insert([&name[..at], glyph, &name[at + letters.len()..]].concat());
            }
        }
        let (dot, letters) = (name.contains(['-', '_', '.']), name.chars().collect::<Vec<_>>());
        let join = |letters: &[char]| letters.iter().collect::<String>();
        for at in 0..letters.len() {
            if letters[at].is_ascii_alphabetic() && letters.len() >= EDITED_LENGTH_MIN {
                let mut doubled = letters.clone();
                doubled.insert(at, letters[at]);
                found.insert(join(&doubled));
                let mut omitted = letters.clone();
                omitted.remove(at);
                found.insert(join(&omitted));
                if at + 1 < letters.len() && letters[at + 1].is_ascii_alphabetic() {
                    let mut swapped = letters.clone();
                    swapped.swap(at, at + 1);
                    found.insert(join(&swapped));
                }
            }
            if at > 0 && !dot {
                found.insert([&name[..at], "-", &name[at..]].concat());
            }
        }
        for separator in ["-", "_", ".", ""] {
            found.insert(name.replace(['-', '_', '.'], separator));
        }
        found.remove(name);
        found
    }

    /// Names with their forms, made once: `warnings` makes them for each call.
    fn forms<'a>(names: &[&'a str]) -> Vec<(&'a str, Forms)> {
        names.iter().map(|name| (*name, Forms::of(name))).collect()
    }

    fn noticed(names: &[String], known: &[(&str, Forms)]) -> usize {
        let is_noticed = |name: &&String| {
            let forms = Forms::of(name);
            known.iter().any(|(_, known)| forms.likeness(known).is_some())
        };
        names.iter().filter(is_noticed).count()
    }

    /// Two thousand look-alikes, evenly from all that can be made of the popular names.
    fn two_thousand() -> Vec<String> {
        let known = popular();
        let all: BTreeSet<_> = known.iter().flat_map(|name| lookalikes(name)).collect();
        let all: Vec<_> = all.into_iter().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(all.len() > 2000, "{} look-alikes", all.len());
        (0..2000).map(|at| all[at * all.len() / 2000].clone()).collect()
    }

    /// Threat row 25: of 2,000 look-alikes of popular names at least 99 % are noticed.
    #[test]
    fn look_alikes_of_popular_names_are_noticed() {
        let noticed = noticed(&two_thousand(), &forms(&popular()));
        assert!(noticed >= 1980, "{noticed} noticed");
    }

    #[test]
    fn many_slips_go_unnoticed_without_the_defence() {
        let (made, known) = (two_thousand(), forms(&popular()));
        let noticed = without(Defence::NearNames, || noticed(&made, &known));
        assert!(noticed < 1500, "{noticed} noticed");
    }

    /// Threat row 25: of 2,000 real names at most 1 % are taken for another one, whether compared
    /// with the popular ones or with each other.
    #[test]
    fn real_names_are_rarely_taken_for_others() {
        let (names, known) = (real(), popular());
        assert_eq!(names.len(), 2000);
        let (names, known) = (forms(&names), forms(&known));
        let mut taken = [BTreeSet::new(), BTreeSet::new()];
        for (at, (name, looks)) in names.iter().enumerate() {
            let mut popular = known.iter().filter(|(known, _)| known != name);
            if !known.iter().any(|(known, _)| known == name)
                && popular.any(|(_, known)| looks.likeness(known).is_some())
            {
                taken[0].insert(name);
            }
            for (other, other_looks) in &names[..at] {
                if looks.likeness(other_looks).is_some() {
                    taken[1].extend([name, other]);
                }
            }
        }
        for taken in taken {
            assert!(taken.len() * 100 <= names.len(), "{} taken: {taken:?}", taken.len());
        }
    }

    #[test]
    fn one_edit_is_a_distance_of_one() {
        let words = ["", "a", "b", "ab", "ba", "aa", "aab", "aba", "abab", "baab", "abba", "аb"];
        for a in words {
            for b in words {
                assert_eq!(is_one_edit(a, b), strsim::osa_distance(a, b) <= 1, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn likeness_is_named() {
        let likeness = |name: &str, known: &str| {
            warnings(name, [known].into_iter()).first().map(|found| found.likeness)
        };
        for name in ["1odash", "lo-dash", "lodаsh", "LODASH", "ｌｏｄａｓｈ"] {
            assert_eq!(likeness(name, "lodash"), Some(Likeness::SameLook), "{name}");
        }
        for name in ["lodahs", "lodas", "loddash", "lodesh"] {
            assert_eq!(likeness(name, "lodash"), Some(Likeness::OneEdit), "{name}");
        }
        assert_eq!(likeness("lodash", "lodash"), None);
        assert_eq!(likeness("gcc-11", "gcc-12"), None);
        assert_eq!(likeness("vi", "vim"), None);
        assert_eq!(likeness("rxj5", "rxjs"), Some(Likeness::OneEdit));
        let many: Vec<_> = ('a'..='z').map(|c| format!("librar{c}")).collect();
        assert_eq!(warnings("library", many.iter().map(String::as_str)).len(), WARNINGS_MAX);
    }
}
