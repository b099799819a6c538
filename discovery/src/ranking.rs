//! Turns the words of a query into what the index is asked for.
//!
//! Three kinds of evidence add up to a score, each in its own range so that a weaker kind never
//! outweighs a stronger one:
//!
//! 1. the whole name: exactly the query, the same parts in another order, one or two typing errors
//!    away, or beginning with it;
//! 2. coverage: how much of the query a package answers at all, rare words counting most;
//! 3. where the words stand: name, then keywords, then summary, then description.
//!
//! A word that the catalog knows is never corrected; an unknown one stands for its nearest words.

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, Occur, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use crate::query::TERMS_MAX;
use crate::schema::Fields;
use crate::typo::{self, Near};
use crate::words::{self, PLAIN, STEMMED, WORD_BYTES_MAX};

/// A name that is the query stands above everything else.
const NAME_EXACT: f32 = 10_000.0;
/// The parts of the query in another order.
const NAME_SORTED: f32 = 8_000.0;
/// A name one or two typing errors away.
const NAME_NEAR: [f32; 3] = [NAME_EXACT, 60.0, 40.0];
/// A name that begins with the query, scaled by how much of it was typed.
const NAME_BEGINS: f32 = 60.0;
/// What covering one word is worth, times its rarity: more than any place it can stand in.
const COVERAGE: f32 = 8.0;
const IN_NAME: f32 = 2.4;
const IN_KEYWORDS: f32 = 2.2;
const IN_SUMMARY: f32 = 2.0;
const IN_ALL: f32 = 1.0;

/// Words that an unknown word may stand for.
const CORRECTIONS_MAX: usize = 8;
/// Names that a mistyped or half-typed name may stand for.
const NAMES_MAX: usize = 60;

/// A publisher that the person who asks knows by a name of their own.
pub(crate) type Alias<'a> = (&'a str, &'a str);

/// One reading of a word of the query.
struct Reading {
    word: String,
    /// 1 for the word as typed, less for a guess.
    weight: f32,
}

/// The query for `text`, or `None` when nothing in the index can answer it.
///
/// - `aliases`: petname and publisher id, matched against the words of the query.
pub(crate) fn plan(
    searcher: &Searcher,
    fields: &Fields,
    text: &str,
    aliases: &[Alias<'_>],
) -> tantivy::Result<Option<Box<dyn Query>>> {
    let planner = Planner { searcher, fields };
    let terms = planner.terms(text);
    let mut clauses = planner.whole_name(text, &terms)?;
    for (at, term) in terms.iter().enumerate() {
        let last = at + 1 == terms.len();
        clauses.extend(planner.group(&planner.readings(term, last)?, term, aliases)?);
    }
    Ok((!clauses.is_empty()).then(|| any_of(clauses)))
}

struct Planner<'a> {
    searcher: &'a Searcher,
    fields: &'a Fields,
}

impl Planner<'_> {
    /// The words to search for: as typed, once each, without stop words unless there is nothing
    /// else, and not more than [`TERMS_MAX`].
    fn terms(&self, text: &str) -> Vec<String> {
        let mut terms: Vec<String> = Vec::new();
        for word in words::words(self.searcher.index(), PLAIN, text) {
            if !terms.contains(&word) {
                terms.push(word);
            }
        }
        if terms.iter().any(|term| !words::is_stop_word(term)) {
            terms.retain(|term| !words::is_stop_word(term));
        }
        terms.truncate(TERMS_MAX);
        terms
    }

    /// Clauses for packages whose whole name the query could be.
    fn whole_name(&self, text: &str, terms: &[String]) -> tantivy::Result<Vec<Box<dyn Query>>> {
        let key = words::key(text);
        if key.is_empty() || key.len() > 2 * WORD_BYTES_MAX {
            return Ok(Vec::new());
        }
        let mut clauses = Vec::new();
        let mut exact = false;
        for (field, name, score) in [
            (self.fields.key, key.clone(), NAME_EXACT),
            (self.fields.sorted_key, words::sorted_key(text), NAME_SORTED),
        ] {
            if self.documents(field, &name)? > 0 {
                clauses.push(fixed(field, &name, score));
                exact = true;
            }
        }
        let mut names: Vec<(Near, f32)> = Vec::new();
        let one_word = terms.len() <= 1;
        let unknown = !one_word && terms.len() <= 4 && self.any_unknown(terms)?;
        if !exact && (one_word || unknown) {
            let near = typo::near(self.searcher, &[self.fields.key], &key)?;
            names.extend(near.into_iter().map(|near| {
                let score = NAME_NEAR[usize::from(near.errors.min(2))];
                (near, score)
            }));
        }
        let begins = typo::starting_with(self.searcher, self.fields.key, &key)?;
        names.extend(begins.into_iter().filter(|near| near.errors > 0).map(|near| {
            let score = NAME_BEGINS * key.len() as f32 / near.term.len() as f32;
            (near, score)
        }));
        names.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.term.cmp(&b.0.term)));
        names.truncate(NAMES_MAX);
        clauses
            .extend(names.iter().map(|(name, score)| fixed(self.fields.key, &name.term, *score)));
        Ok(clauses)
    }

    /// What `term` may mean: itself and its pieces, or, when the catalog does not know it, the words
    /// that it begins (only the last word is still being typed) or nearly is.
    fn readings(&self, term: &str, last: bool) -> tantivy::Result<Vec<Reading>> {
        let mut readings = vec![Reading { word: term.to_owned(), weight: 1.0 }];
        for piece in words::pieces(term).into_iter().filter(|piece| piece.len() > 1) {
            readings.push(Reading { word: piece, weight: 0.5 });
        }
        if self.known(term)? {
            return Ok(readings);
        }
        let mut guesses: Vec<(f32, Near)> = Vec::new();
        for near in typo::near(self.searcher, &[self.fields.plain, self.fields.name], term)? {
            guesses.push((likelihood(term, &near), near));
        }
        guesses.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.term.cmp(&b.1.term)));
        guesses.truncate(CORRECTIONS_MAX);
        let best = guesses.first().map_or(0.0, |guess| guess.0);
        readings.extend(guesses.into_iter().map(|(score, near)| Reading {
            // Guesses share the weight by how likely each is beside the best one.
            weight: if near.errors == 1 { 0.85 } else { 0.65 }
                * (0.3 * (score - best)).exp().max(0.3),
            word: near.term,
        }));
        if last && term.len() >= 2 {
            let begun = typo::starting_with(self.searcher, self.fields.plain, term)?;
            readings.extend(
                begun
                    .into_iter()
                    .take(CORRECTIONS_MAX)
                    .map(|near| Reading { word: near.term, weight: 0.6 }),
            );
        }
        Ok(readings)
    }

    /// The clause for one word of the query in all its readings; `None` when no document has any.
    fn group(
        &self,
        readings: &[Reading],
        term: &str,
        aliases: &[Alias<'_>],
    ) -> tantivy::Result<Option<Box<dyn Query>>> {
        let mut found: Vec<(Field, String, f32)> = Vec::new();
        let mut documents = 0;
        for reading in readings {
            let stemmed = words::words(self.searcher.index(), STEMMED, &reading.word);
            let stem = stemmed.into_iter().next().unwrap_or_else(|| reading.word.clone());
            let count = self.documents(self.fields.all, &stem)?;
            if count > 0 {
                found.push((self.fields.all, stem, reading.weight));
                documents = documents.max(count);
            }
        }
        let publishers = aliases.iter().filter(|(name, _)| *name == term);
        for (_, publisher) in publishers {
            let count = self.documents(self.fields.publisher, publisher)?;
            if count > 0 {
                found.push((self.fields.publisher, (*publisher).to_owned(), 1.0));
                documents = documents.max(count);
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let rarity = self.rarity(documents);
        let covered = best_of(
            found
                .iter()
                .map(|(field, word, w)| fixed(*field, word, COVERAGE * rarity * w))
                .collect(),
        );
        let mut places: Vec<Box<dyn Query>> = Vec::new();
        for reading in readings {
            places.push(scored(self.fields.name, &reading.word, IN_NAME * reading.weight));
        }
        for (_, word, weight) in found.iter().filter(|(field, ..)| *field == self.fields.all) {
            // A keyword is listed or not: how many others there are says nothing about it.
            let rarity = self.rarity(self.documents(self.fields.keywords, word)?);
            places.push(fixed(self.fields.keywords, word, IN_KEYWORDS * rarity * weight));
            places.push(scored(self.fields.summary, word, IN_SUMMARY * weight));
            places.push(scored(self.fields.all, word, IN_ALL * weight));
        }
        Ok(Some(any_of(vec![covered, best_of(places)])))
    }

    fn any_unknown(&self, terms: &[String]) -> tantivy::Result<bool> {
        for term in terms {
            if !self.known(term)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn known(&self, word: &str) -> tantivy::Result<bool> {
        Ok(self.documents(self.fields.plain, word)? > 0
            || self.documents(self.fields.name, word)? > 0)
    }

    fn documents(&self, field: Field, word: &str) -> tantivy::Result<u64> {
        self.searcher.doc_freq(&Term::from_field_text(field, word))
    }

    /// Inverse document frequency as BM25 counts it.
    fn rarity(&self, documents: u64) -> f32 {
        let all =
            self.searcher.segment_readers().iter().map(|s| u64::from(s.max_doc())).sum::<u64>();
        let (all, documents) = (all as f32, documents as f32);
        (1.0 + (all - documents + 0.5).max(0.5) / (documents + 0.5)).ln()
    }
}

/// How likely somebody who typed `term` meant `near`: few errors, a word in wide use, the same
/// first letter, and not a bare number.
fn likelihood(term: &str, near: &Near) -> f32 {
    let same_start = term.chars().next() == near.term.chars().next();
    let number = near.term.bytes().all(|b| b.is_ascii_digit());
    -3.0 * f32::from(near.errors) + 0.5 * (near.documents as f32).ln() + f32::from(same_start)
        - 2.0 * f32::from(number)
}

fn any_of(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|q| (Occur::Should, q)).collect()))
}

fn best_of(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(DisjunctionMaxQuery::new(queries))
}

/// Documents with `word` in `field`, each worth `score`.
fn fixed(field: Field, word: &str, score: f32) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(term(field, word, IndexRecordOption::Basic), score))
}

/// Documents with `word` in `field`, each worth its BM25 score times `boost`.
fn scored(field: Field, word: &str, boost: f32) -> Box<dyn Query> {
    Box::new(BoostQuery::new(term(field, word, IndexRecordOption::WithFreqs), boost))
}

fn term(field: Field, word: &str, option: IndexRecordOption) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), option))
}
