//! Finds the indexed words that a mistyped word could have meant.
//!
//! A Levenshtein automaton walks the term dictionary, so the cost depends on the neighbourhood of
//! the word and not on the size of the catalog. A swap of neighbours counts as one error.
//!
//! # Source
//! Schulz and Mihov, *Fast string correction with Levenshtein automata*, IJDAR 2002.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use tantivy::Searcher;
use tantivy::schema::Field;
use tantivy_fst::Automaton;

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

/// The terms of `fields` that are one error from `word`, or else two if so many are allowed, the
/// most widely used first. Two are a walk six times as long, and one is what most people make.
pub(crate) fn near(
    searcher: &Searcher,
    fields: &[Field],
    word: &str,
) -> tantivy::Result<Vec<Near>> {
    for errors in 1..=errors_allowed(word.chars().count()) {
        let found = walked(searcher, fields, &Levenshtein(builder(errors).build_dfa(word)))?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Every term of `fields` that the automaton accepts.
fn walked(
    searcher: &Searcher,
    fields: &[Field],
    automaton: &Levenshtein,
) -> tantivy::Result<Vec<Near>> {
    let mut found: BTreeMap<String, (u8, u32)> = BTreeMap::new();
    for segment in searcher.segment_readers() {
        for &field in fields {
            let inverted = segment.inverted_index(field)?;
            let mut terms = inverted.terms().search(automaton).into_stream()?;
            while let Some((term, info)) = terms.next() {
                let Ok(term) = std::str::from_utf8(term) else { continue };
                if found.len() >= TERMS_MAX {
                    break;
                }
                let errors = automaton.0.eval(term).to_u8();
                let entry = found.entry(term.to_owned()).or_insert((errors, 0));
                entry.1 = entry.1.saturating_add(info.doc_freq);
            }
        }
    }
    Ok(ordered(found))
}

/// The `most` shortest terms of `field` that start with `prefix` and are longer; `errors` counts
/// the letters that were not typed yet.
pub(crate) fn starting_with(
    searcher: &Searcher,
    field: Field,
    prefix: &str,
    most: usize,
) -> tantivy::Result<Vec<Near>> {
    let end = after(prefix);
    let mut found: Vec<Near> = Vec::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut terms = inverted.terms().range().gt(prefix).lt(&end).into_stream()?;
        let mut looked = 0;
        while looked < TERMS_MAX
            && let Some((term, info)) = terms.next()
        {
            looked += 1;
            let errors = u8::try_from(term.len() - prefix.len()).unwrap_or(u8::MAX);
            let worst = found.get(most.wrapping_sub(1)).map_or(u8::MAX, |near| near.errors);
            if found.len() >= most && errors >= worst {
                continue;
            }
            let Ok(term) = std::str::from_utf8(term) else { continue };
            if let Some(known) = found.iter_mut().find(|near| near.term == term) {
                known.documents = known.documents.saturating_add(info.doc_freq);
                continue;
            }
            let near = Near { term: term.to_owned(), errors, documents: info.doc_freq };
            let at = found.partition_point(|known| known.errors <= errors);
            found.insert(at, near);
            found.truncate(most);
        }
    }
    Ok(found)
}

/// The `most` terms of `field` in widest use that start with `prefix` and are longer.
pub(crate) fn common_from(
    searcher: &Searcher,
    field: Field,
    prefix: &str,
    most: usize,
) -> tantivy::Result<Vec<Near>> {
    let end = after(prefix);
    let mut found: BTreeMap<String, (u8, u32)> = BTreeMap::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut terms = inverted.terms().range().gt(prefix).lt(&end).into_stream()?;
        let mut looked = 0;
        while looked < TERMS_MAX
            && let Some((term, info)) = terms.next()
        {
            looked += 1;
            let Ok(term) = std::str::from_utf8(term) else { continue };
            let entry = found.entry(term.to_owned()).or_insert((0, 0));
            entry.1 = entry.1.saturating_add(info.doc_freq);
        }
    }
    let mut common = ordered(found);
    common.truncate(most);
    Ok(common)
}

/// The end of all terms that start with `prefix`: they are UTF-8, in which 0xff never occurs.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    end.push(0xff);
    end
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
        searcher: &Searcher,
        field: Field,
        key: &str,
    ) -> tantivy::Result<Option<Self>> {
        let mut found = None;
        for errors in 1..=errors_allowed(key.chars().count()) {
            let automaton = Levenshtein(builder(errors).build_dfa(key));
            let names = walked(searcher, &[field], &automaton)?;
            let any = !names.is_empty();
            found = Some(Self { automaton, names });
            if any {
                break;
            }
        }
        Ok(found)
    }

    /// How many errors away `key` is; `None` when it is further than allowed.
    pub(crate) fn count(&self, key: &str) -> Option<u8> {
        match self.automaton.0.eval(key) {
            Distance::Exact(errors) => Some(errors),
            Distance::AtLeast(_) => None,
        }
    }
}

fn ordered(found: BTreeMap<String, (u8, u32)>) -> Vec<Near> {
    let mut near: Vec<Near> = found
        .into_iter()
        .map(|(term, (errors, documents))| Near { term, errors, documents })
        .collect();
    near.sort_by(|a, b| {
        let order = a.errors.cmp(&b.errors);
        order.then(b.documents.cmp(&a.documents)).then_with(|| a.term.cmp(&b.term))
    });
    near
}

/// Building these tables takes milliseconds, so each is built when it is first needed.
fn builder(errors: u8) -> &'static LevenshteinAutomatonBuilder {
    static BUILDERS: [OnceLock<LevenshteinAutomatonBuilder>; 2] =
        [OnceLock::new(), OnceLock::new()];
    let errors = errors.clamp(1, 2);
    BUILDERS[usize::from(errors - 1)].get_or_init(|| LevenshteinAutomatonBuilder::new(errors, true))
}

struct Levenshtein(DFA);

impl Automaton for &Levenshtein {
    type State = u32;

    fn start(&self) -> u32 {
        self.0.initial_state()
    }

    fn is_match(&self, state: &u32) -> bool {
        matches!(self.0.distance(*state), Distance::Exact(_))
    }

    fn can_match(&self, state: &u32) -> bool {
        *state != SINK_STATE
    }

    fn accept(&self, state: &u32, byte: u8) -> u32 {
        self.0.transition(*state, byte)
    }
}
