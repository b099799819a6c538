//! Finds the indexed words that a mistyped word could have meant.
//!
//! A Levenshtein automaton walks the term dictionary, so the cost depends on the neighbourhood of
//! the word and not on the size of the catalog. A swap of neighbours counts as one error. One error
//! is looked for first, then two where the first letter is right, then any two: that is what people
//! make, and each is a walk several times as long as the one before.
//!
//! # Source
//! Schulz and Mihov, *Fast string correction with Levenshtein automata*, IJDAR 2002.

use std::sync::OnceLock;

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use tantivy::schema::Field;
use tantivy_fst::Automaton;

use crate::opened::Opened;

/// Terms looked at in one walk of a dictionary: a query's cost has a ceiling.
const TERMS_MAX: usize = 2_000;

/// A term of the index near to what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Near {
    pub term: String,
    pub errors: u8,
    /// How many documents hold it.
    pub documents: u32,
}

/// How many typing errors are forgiven in a word of `letters` letters.
pub(crate) fn errors_allowed(letters: usize) -> u8 {
    match letters {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    }
}

/// How far a search for errors goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// One error.
    One,
    /// Two, if the first letter is right.
    TwoInside,
    /// Two.
    Two,
}

impl Reach {
    const ALL: [Self; 3] = [Self::One, Self::TwoInside, Self::Two];

    fn errors(self) -> u8 {
        match self {
            Self::One => 1,
            Self::TwoInside | Self::Two => 2,
        }
    }
}

/// The terms of `field` that are fewest errors from `word`, the most widely used first, and the
/// last automaton that looked for them; `None` for a word too short for errors.
fn nearest(
    opened: &Opened,
    field: Field,
    word: &str,
    reach: Reach,
) -> tantivy::Result<Option<(Levenshtein, Vec<Near>)>> {
    let allowed = errors_allowed(word.chars().count());
    let mut nearest: Option<(Levenshtein, Vec<Near>)> = None;
    for step in Reach::ALL.into_iter().filter(|step| *step <= reach && step.errors() <= allowed) {
        let automaton = match nearest {
            Some((automaton, _)) if automaton.errors == step.errors() => automaton,
            _ => Levenshtein::new(word, step.errors()),
        };
        let start = (step == Reach::TwoInside).then_some(word);
        let found = walked(opened, field, &automaton, start)?;
        let any = !found.is_empty();
        nearest = Some((automaton, found));
        if any {
            break;
        }
    }
    Ok(nearest)
}

/// The terms of `field` that are fewest errors from `word`, the most widely used first.
pub(crate) fn near(
    opened: &Opened,
    field: Field,
    word: &str,
    reach: Reach,
) -> tantivy::Result<Vec<Near>> {
    let nearest = nearest(opened, field, word, reach)?;
    Ok(nearest.map_or_else(Vec::new, |(_, near)| near))
}

/// Every term of `field` that the automaton accepts; those that start as `start` does, if given.
fn walked(
    opened: &Opened,
    field: Field,
    automaton: &Levenshtein,
    start: Option<&str>,
) -> tantivy::Result<Vec<Near>> {
    let start = start.and_then(|word| Some(&word[..word.chars().next()?.len_utf8()]));
    let mut found = Vec::new();
    for segment in &opened.segments {
        let mut terms = segment.words(field)?.terms().search(automaton);
        if let Some(start) = start {
            terms = terms.ge(start).lt(after(start));
        }
        let mut terms = terms.into_stream()?;
        while found.len() < TERMS_MAX
            && let Some((term, info)) = terms.next()
        {
            let Ok(term) = std::str::from_utf8(term) else { continue };
            let errors = automaton.dfa.eval(term).to_u8();
            found.push(Near { term: term.to_owned(), errors, documents: info.doc_freq });
        }
    }
    Ok(ordered(found))
}

/// The `most` shortest terms of `field` that start with `prefix` and are longer; `errors` counts
/// the letters that were not typed yet.
pub(crate) fn starting_with(
    opened: &Opened,
    field: Field,
    prefix: &str,
    most: usize,
) -> tantivy::Result<Vec<Near>> {
    let mut found: Vec<Near> = Vec::new();
    each_longer(opened, field, prefix, |term, documents| {
        let errors = u8::try_from(term.len() - prefix.len()).unwrap_or(u8::MAX);
        let worst = found.get(most.wrapping_sub(1)).map_or(u8::MAX, |near| near.errors);
        if found.len() >= most && errors >= worst {
            return;
        }
        let Ok(term) = std::str::from_utf8(term) else { return };
        if let Some(known) = found.iter_mut().find(|near| near.term == term) {
            known.documents = known.documents.saturating_add(documents);
            return;
        }
        let near = Near { term: term.to_owned(), errors, documents };
        let at = found.partition_point(|known| known.errors <= errors);
        found.insert(at, near);
        found.truncate(most);
    })?;
    Ok(found)
}

/// The `most` terms of `field` in widest use that start with `prefix` and are longer.
pub(crate) fn common_from(
    opened: &Opened,
    field: Field,
    prefix: &str,
    most: usize,
) -> tantivy::Result<Vec<Near>> {
    let mut found = Vec::new();
    each_longer(opened, field, prefix, |term, documents| {
        let Ok(term) = std::str::from_utf8(term) else { return };
        found.push(Near { term: term.to_owned(), errors: 0, documents });
    })?;
    let mut common = ordered(found);
    common.truncate(most);
    Ok(common)
}

/// Shows `look` the first terms of each file of the index that start with `prefix` and are longer,
/// with the number of documents there that hold them.
fn each_longer(
    opened: &Opened,
    field: Field,
    prefix: &str,
    mut look: impl FnMut(&[u8], u32),
) -> tantivy::Result<()> {
    for segment in &opened.segments {
        let terms = segment.words(field)?.terms().range().gt(prefix).lt(after(prefix));
        let mut terms = terms.into_stream()?;
        let mut looked = 0;
        while looked < TERMS_MAX
            && let Some((term, info)) = terms.next()
        {
            looked += 1;
            look(term, info.doc_freq);
        }
    }
    Ok(())
}

/// The end of all terms that start with `prefix`: they are UTF-8, in which 0xff never occurs.
fn after(prefix: &str) -> Vec<u8> {
    [prefix.as_bytes(), &[0xff]].concat()
}

/// The names next to one that was typed: all those one error away, or else two.
pub(crate) struct NameErrors {
    automaton: Levenshtein,
    /// Fewest errors first.
    pub names: Vec<Near>,
}

impl NameErrors {
    /// The terms of `field` next to the name `key`; `None` when it is too short for errors.
    pub(crate) fn find(
        opened: &Opened,
        field: Field,
        key: &str,
        reach: Reach,
    ) -> tantivy::Result<Option<Self>> {
        let nearest = nearest(opened, field, key, reach)?;
        Ok(nearest.map(|(automaton, names)| Self { automaton, names }))
    }

    /// The same among `keys`, which are in no index; nothing says how many have a name.
    pub(crate) fn among<'k>(
        keys: impl Iterator<Item = &'k str> + Clone,
        key: &str,
        reach: Reach,
    ) -> Option<Self> {
        let mut found = None;
        for errors in 1..=errors_allowed(key.chars().count()).min(reach.errors()) {
            let near = Self { automaton: Levenshtein::new(key, errors), names: Vec::new() };
            let any = keys.clone().any(|other| near.count(other).is_some());
            found = Some(near);
            if any {
                break;
            }
        }
        found
    }

    /// How many errors away `key` is; `None` when it is further than allowed.
    pub(crate) fn count(&self, key: &str) -> Option<u8> {
        match self.automaton.dfa.eval(key) {
            Distance::Exact(errors) => Some(errors),
            Distance::AtLeast(_) => None,
        }
    }
}

/// Each term once, fewest errors first, and of those the most widely used.
fn ordered(mut found: Vec<Near>) -> Vec<Near> {
    found.sort_unstable_by(|a, b| a.term.cmp(&b.term));
    found.dedup_by(|other, kept| {
        let same = other.term == kept.term;
        if same {
            kept.documents = kept.documents.saturating_add(other.documents);
        }
        same
    });
    found.sort_by(|a, b| a.errors.cmp(&b.errors).then(b.documents.cmp(&a.documents)));
    found
}

/// Accepts what is so many errors from a word, or fewer.
struct Levenshtein {
    dfa: DFA,
    errors: u8,
}

impl Levenshtein {
    fn new(word: &str, errors: u8) -> Self {
        // Building these tables takes milliseconds, so each is built when it is first needed.
        static BUILDERS: [OnceLock<LevenshteinAutomatonBuilder>; 2] =
            [OnceLock::new(), OnceLock::new()];
        let errors = errors.clamp(1, 2);
        let builder = BUILDERS[usize::from(errors - 1)]
            .get_or_init(|| LevenshteinAutomatonBuilder::new(errors, true));
        Self { dfa: builder.build_dfa(word), errors }
    }
}

impl Automaton for &Levenshtein {
    type State = u32;

    fn start(&self) -> u32 {
        self.dfa.initial_state()
    }

    fn is_match(&self, state: &u32) -> bool {
        matches!(self.dfa.distance(*state), Distance::Exact(_))
    }

    fn can_match(&self, state: &u32) -> bool {
        *state != SINK_STATE
    }

    fn accept(&self, state: &u32, byte: u8) -> u32 {
        self.dfa.transition(*state, byte)
    }
}
