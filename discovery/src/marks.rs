//! Finds the words of a query again in the texts of a hit, so that they can be shown.
//!
//! Looks at a name and a summary only, which are short; what it costs does not depend on the index.
//! It says where a reader sees why a package was found; why it stands where it does is
//! [`Evidence`].

use std::ops::Range;

use tantivy::tokenizer::TextAnalyzer;

use crate::evidence::{Clue, Evidence};
use crate::query::{Query, TERMS_MAX, Typing};
use crate::words::{self, PLAIN, STEMMED};

/// The shortest word of which a longer one is taken for the rest.
const BEGUN_BYTES_MIN: usize = 2;
/// The shortest words that may be mistyped, with one error and with two.
const ONE_ERROR_BYTES_MIN: usize = 4;
const TWO_ERRORS_BYTES_MIN: usize = 7;

/// The words of a query, ready to be found in texts.
pub struct Marks {
    words: Vec<Word>,
    /// Letters and digits of all of them, joined.
    key: String,
    plain: TextAnalyzer,
    stemmed: TextAnalyzer,
}

/// Where the words of a query stand in the texts of a hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Ranges of bytes in its name: ascending, apart from each other, at borders of characters.
    pub name: Vec<Range<usize>>,
    /// The same in its summary.
    pub summary: Vec<Range<usize>>,
}

struct Word {
    text: String,
    stem: String,
    /// Whether it may go on.
    going: bool,
}

impl Marks {
    /// The words of `query`; conditions and what is not wanted are left out.
    pub fn of(query: &Query<'_>) -> Self {
        let typed = query.typed();
        let (_, text) = query.narrowed(&typed.words);
        let (mut plain, mut stemmed) = (words::analyzer(PLAIN), words::analyzer(STEMMED));
        let mut words: Vec<Word> = Vec::new();
        let mut last = String::new();
        for (_, text) in cut(&mut plain, text) {
            if !words::is_stop_word(&text) && words.iter().all(|word| word.text != text) {
                let stem = stem(&mut stemmed, &text);
                words.push(Word { text: text.clone(), stem, going: false });
            }
            last = text;
        }
        words.truncate(TERMS_MAX);
        for word in &mut words {
            word.going = query.typing == Typing::Going && word.text == last;
        }
        Self { words, key: words::key(text), plain, stemmed }
    }

    /// Where they stand in a hit with this name and summary.
    ///
    /// - `evidence`: why it was found; says whether words may have been mistyped.
    pub fn find(&mut self, name: &str, summary: &str, evidence: Option<&Evidence>) -> Marked {
        let says = |clue| evidence.map_or(0.0, |evidence| evidence.value(clue));
        let mistyped = says(Clue::Certainty) < 1.0 && evidence.is_some();
        if says(Clue::OneError) + says(Clue::TwoErrors) + says(Clue::ExactKey) > 0.0 {
            let marked = self.find(name, summary, None);
            return Marked { name: whole(name), ..marked };
        }
        let parts = parts(name);
        let tokens: Vec<_> = cut(&mut self.plain, summary)
            .into_iter()
            .map(|(at, text)| (at, stem(&mut self.stemmed, &text), text))
            .collect();
        let mut marked = Marked::default();
        for word in &self.words {
            let before = marked.name.len() + marked.summary.len();
            marked.name.extend(parts.iter().filter_map(|part| word.within(name, part)));
            let here = tokens.iter().filter_map(|(at, stem, text)| {
                let begun = word.going && text.starts_with(&word.text);
                (*stem == word.stem || begun).then(|| at.clone())
            });
            marked.summary.extend(here);
            if mistyped && marked.name.len() + marked.summary.len() == before {
                let near = |text: &str| word.is_nearly(text);
                let parts = parts.iter().filter(|part| near(&name[(*part).clone()])).cloned();
                marked.name.extend(parts);
                let here = tokens.iter().filter(|(_, _, text)| near(text));
                marked.summary.extend(here.map(|(at, _, _)| at.clone()));
            }
        }
        if marked.name.is_empty() && !self.key.is_empty() && words::key(name) == self.key {
            marked.name = whole(name);
        }
        Marked { name: joined(marked.name), summary: joined(marked.summary) }
    }
}

impl Word {
    /// Where it stands in one part of a name: names are joined words, `graphdb` has `graph`.
    fn within(&self, name: &str, part: &Range<usize>) -> Option<Range<usize>> {
        let text = &name[part.clone()];
        if text == self.text {
            return Some(part.clone());
        }
        let at = match text.starts_with(&self.text) && self.text.len() >= BEGUN_BYTES_MIN {
            true => 0,
            false => {
                words::pieces(text).contains(&self.text).then(|| text.find(&self.text)).flatten()?
            }
        };
        Some(part.start + at..part.start + at + self.text.len())
    }

    /// Whether it may be `text`, mistyped.
    fn is_nearly(&self, text: &str) -> bool {
        let long = |bytes| usize::from(self.text.len() >= bytes);
        let errors = long(ONE_ERROR_BYTES_MIN) + long(TWO_ERRORS_BYTES_MIN);
        errors > 0
            && text.len().abs_diff(self.text.len()) <= errors
            && slips(&self.text, text) <= errors
    }
}

/// The words of `text` and where they stand.
fn cut(analyzer: &mut TextAnalyzer, text: &str) -> Vec<(Range<usize>, String)> {
    let mut stream = analyzer.token_stream(text);
    let mut found = Vec::new();
    while stream.advance() {
        let token = stream.token();
        found.push((token.offset_from..token.offset_to, token.text.clone()));
    }
    found
}

fn stem(analyzer: &mut TextAnalyzer, word: &str) -> String {
    let mut stream = analyzer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

/// Where the parts of a name stand.
fn parts(name: &str) -> Vec<Range<usize>> {
    let start = |part: &str| part.as_ptr() as usize - name.as_ptr() as usize;
    words::parts(name).map(|part| start(part)..start(part) + part.len()).collect()
}

fn whole(name: &str) -> Vec<Range<usize>> {
    std::iter::once(0..name.len()).collect()
}

/// The same places in order, without overlaps.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Letters that are wrong, missing, too many, or swapped with their neighbour.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let swap = if swapped { rows[0][j - 2] + 1 } else { usize::MAX };
            let change = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[2][j] = change.min(rows[1][j] + 1).min(rows[2][j - 1] + 1).min(swap);
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Reads;

    /// The texts with what is marked in brackets.
    fn shown(query: &str, name: &str, summary: &str, evidence: Option<&Evidence>) -> [String; 2] {
        let marked = Marks::of(&Query::new(query)).find(name, summary, evidence);
        [bracketed(name, &marked.name), bracketed(summary, &marked.summary)]
    }

    fn bracketed(text: &str, ranges: &[Range<usize>]) -> String {
        let mut shown = text.to_owned();
        for range in ranges.iter().rev() {
            shown.insert(range.end, ']');
            shown.insert(range.start, '[');
        }
        shown
    }

    #[test]
    fn words_are_marked_in_whatever_form_they_stand() {
        assert_eq!(
            shown("graph databases", "graphdb-tools", "A Graph database that graphs", None),
            ["[graph]db-tools", "A [Graph] [database] that [graphs]"]
        );
        assert_eq!(shown("png", "libpng16", "Größe: PNG", None), ["lib[png]16", "Größe: [PNG]"]);
        assert_eq!(shown("graph-db", "graphdb", "", None)[0], "[graph]db");
        assert_eq!(shown("acme kind:service -server", "acme", "a server", None)[1], "a server");
    }

    #[test]
    fn a_half_typed_word_marks_what_it_begins() {
        let query = Query { typing: Typing::Going, ..Query::new("vector data") };
        let marked = Marks::of(&query).find("x", "Databases of vectors", None);
        assert_eq!(marked.summary, [0..9, 13..20]);
        assert!(shown("data", "x", "Databases", None)[1].starts_with('D'));
    }

    #[test]
    fn mistyped_words_are_marked_only_where_the_index_guessed() {
        let mut guessed = Evidence::new(Reads::AsText);
        guessed.set(Clue::Certainty, 0.85);
        let marked = shown("nots indx", "notes-index", "An index of notes", Some(&guessed));
        assert_eq!(marked, ["[notes]-[index]", "An [index] of [notes]"]);
        let mut sure = Evidence::new(Reads::AsText);
        sure.set(Clue::Certainty, 1.0);
        assert_eq!(shown("grape", "graph", "", Some(&sure))[0], "graph");
        let mut slipped = Evidence::new(Reads::AsName);
        slipped.set(Clue::OneError, 1.0);
        assert_eq!(shown("grahpdb", "graphdb", "", Some(&slipped))[0], "[graphdb]");
    }

    /// Whatever strangers write, marks lie inside it, at borders of characters.
    #[test]
    fn marks_lie_at_borders_of_characters() {
        proptest::proptest!(|(query in "\\PC{0,40}", summary in "\\PC{0,60}", name in "[a-z0-9._-]{1,20}")| {
            let marked = Marks::of(&Query::new(query)).find(&name, &summary, None);
            for (text, ranges) in [(name, marked.name), (summary, marked.summary)] {
                for range in &ranges {
                    proptest::prop_assert!(text.get(range.clone()).is_some_and(|text| !text.is_empty()));
                }
                proptest::prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        });
    }

    #[test]
    fn slips_are_counted_as_people_make_them() {
        for (a, b, count) in [
            ("", "", 0),
            ("ab", "ba", 1),
            ("graph", "grap", 1),
            ("nots", "notes", 1),
            ("a", "xyz", 3),
        ] {
            assert_eq!(slips(a, b), count, "{a} {b}");
        }
    }
}
