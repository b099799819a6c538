//! What a query asks: its words, what each of them may mean, and where the index has them.

use tantivy::Term;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;

use crate::evidence::Reads;
use crate::federation::{self as question, Counts, Question};
use crate::opened::Opened;
use crate::query::{Filters, TERMS_MAX, Typing};
use crate::ranking::Alias;
use crate::typo::{self, Near, Reach};
use crate::words::{self, PLAIN, STEMMED};

/// Words that an unknown word may stand for.
const CORRECTIONS_MAX: usize = 8;
/// The shortest word that an unknown one is corrected to.
const CORRECTION_BYTES_MIN: usize = 3;
/// The shortest beginning of a word that stands for the rest of it.
const COMPLETED_BYTES_MIN: usize = 2;
/// Words of a query that may be a mistyped name.
const NAME_WORDS_MAX: usize = 4;
/// What a piece of a word counts beside the whole.
const PIECE: f32 = 0.5;
/// What a correction counts, by its number of errors.
const CORRECTED: [f32; 3] = [1.0, 0.85, 0.65];
/// What the rest of a half-typed word counts.
const COMPLETED: f32 = 0.5;

/// Where words stand, from what weighs most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Name,
    Summary,
    Keywords,
    All,
}

impl Place {
    pub const COUNT: usize = 4;
}

/// The documents that have one reading of a word in one place.
pub(super) struct List {
    pub word: usize,
    pub place: Place,
    pub field: Field,
    pub term: Term,
    /// Where the postings are, for each segment that has any.
    pub infos: Vec<Option<TermInfo>>,
    pub documents: u32,
    pub rarity: f32,
    /// 1 for the word as typed, less for a guess.
    pub weight: f32,
    /// Whether it says by itself that a document has the word.
    pub whole: bool,
    /// Whether it is a correction.
    pub guess: bool,
}

/// A word of the query.
pub(super) struct Word {
    pub text: String,
    /// Every reading, the word itself first.
    pub readings: Vec<Reading>,
    pub rarity: f32,
}

/// What a word may mean.
pub(super) struct Reading {
    pub text: String,
    pub weight: f32,
    /// Whether it is a correction.
    pub guess: bool,
}

/// A query, read.
pub(crate) struct Asked {
    pub text: String,
    pub(super) key: String,
    pub(super) sorted_key: String,
    pub(super) reads: Reads,
    pub(super) words: Vec<Word>,
    pub(super) lists: Vec<List>,
    /// A word that the catalog does not know.
    pub(super) any_unknown: bool,
}

impl Asked {
    /// Reads what was typed: its words, what each may mean, and where that stands.
    pub fn read(opened: &Opened, filters: &Filters<'_>) -> tantivy::Result<Self> {
        let text = filters.text.trim().to_lowercase();
        let reader = Reader { opened };
        let words = reader.words(&text);
        let (mut read, mut any_unknown) = (Vec::with_capacity(words.len()), false);
        for (at, word) in words.iter().enumerate() {
            let known = reader.known(word)?;
            any_unknown |= !known;
            let completions = match at + 1 == words.len() {
                true => reader.completions(word)?,
                false => Vec::new(),
            };
            // What may be half a word is no word with two errors.
            let reach = if completions.is_empty() { Reach::TwoInside } else { Reach::One };
            let mut readings = reader.readings(word, known, reach)?;
            if filters.typing == Typing::Going || readings.len() == 1 {
                readings.extend(completions);
            }
            read.push(Word { text: word.clone(), readings, rarity: 0.0 });
        }
        Self { any_unknown, ..Self::of_words(text, read) }.located(reader, &filters.aliases)
    }

    /// Takes over a question that somebody else read.
    pub fn of(opened: &Opened, question: &Question) -> tantivy::Result<Self> {
        Self::of_question(question).located(Reader { opened }, &[])
    }

    /// The words and readings of a question, before anything is known of where they are.
    pub fn of_question(question: &Question) -> Self {
        let parts = question.parts();
        let words = parts.words.iter().map(|word| {
            let readings = word.readings.iter().map(|reading| Reading {
                text: reading.text.clone(),
                weight: f32::from(reading.percent) / 100.0,
                guess: reading.guess,
            });
            Word { text: word.text.clone(), readings: readings.collect(), rarity: 0.0 }
        });
        let words = words.collect();
        Self { any_unknown: parts.near, ..Self::of_words(parts.text.trim().to_lowercase(), words) }
    }

    fn of_words(text: String, words: Vec<Word>) -> Self {
        Self {
            key: words::key(&text),
            sorted_key: words::sorted_key(&text),
            reads: match text.contains(char::is_whitespace) {
                true => Reads::AsText,
                false => Reads::AsName,
            },
            words,
            lists: Vec::new(),
            any_unknown: false,
            text,
        }
    }

    /// Looks up where the readings stand.
    fn located(mut self, reader: Reader<'_>, aliases: &[Alias<'_>]) -> tantivy::Result<Self> {
        for (at, word) in self.words.iter_mut().enumerate() {
            let lists = reader.lists(at, &word.readings, &word.text, aliases)?;
            let whole = lists.iter().filter(|list| list.whole);
            let rarities = whole.map(|list| rarity_of_reading(list.rarity, list.weight));
            word.rarity = rarities.fold(0.0, f32::max);
            if word.rarity == 0.0 {
                word.rarity = reader.rarity(0);
            }
            self.lists.extend(lists);
        }
        Ok(self)
    }

    /// Whether a name that is a typing error away may be meant.
    pub fn may_be_near(&self) -> bool {
        self.words.len() <= 1
            || !self.text.contains(char::is_whitespace)
            || (self.words.len() <= NAME_WORDS_MAX && self.any_unknown)
    }

    /// The words as other nodes are asked them.
    pub fn question_words(&self) -> Vec<question::Word> {
        let words = self.words.iter().map(|word| {
            let readings = word.readings.iter().map(|reading| question::Reading {
                text: reading.text.clone(),
                percent: (reading.weight * 100.0).round().clamp(1.0, 100.0) as u8,
                guess: reading.guess,
            });
            question::Word { text: word.text.clone(), readings: readings.collect() }
        });
        words.collect()
    }

    /// The query as it was probably meant; `None` when every word is known, or none is better.
    pub fn meant(&self) -> Option<String> {
        let likeliest = |word: &Word| {
            let guesses = word.readings.iter().filter(|reading| reading.guess);
            guesses.max_by(|a, b| a.weight.total_cmp(&b.weight)).map(|guess| guess.text.clone())
        };
        let guesses: Vec<Option<String>> = self.words.iter().map(likeliest).collect();
        let any = guesses.iter().any(Option::is_some);
        let words = guesses.into_iter().zip(&self.words);
        let words = words.map(|(guess, word)| guess.unwrap_or_else(|| word.text.clone()));
        any.then(|| words.collect::<Vec<_>>().join(" "))
    }

    /// The rarity of all words together.
    pub fn rarity(&self) -> f32 {
        self.words.iter().map(|word| word.rarity).sum::<f32>().max(f32::MIN_POSITIVE)
    }
}

struct Reader<'a> {
    opened: &'a Opened,
}

impl Reader<'_> {
    /// The words to search for: as typed, once each, without stop words unless there is nothing
    /// else, and not more than [`TERMS_MAX`].
    fn words(&self, text: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for word in words::words(self.opened.searcher.index(), PLAIN, text) {
            if found.len() < 4 * TERMS_MAX && !found.contains(&word) {
                found.push(word);
            }
        }
        if found.iter().any(|word| !words::is_stop_word(word)) {
            found.retain(|word| !words::is_stop_word(word));
        }
        found.truncate(TERMS_MAX);
        found
    }

    /// What `word` may mean: itself and its pieces, or, when the catalog does not know it, the words
    /// that it nearly is.
    fn readings(&self, word: &str, known: bool, reach: Reach) -> tantivy::Result<Vec<Reading>> {
        let mut readings = vec![Reading { text: word.to_owned(), weight: 1.0, guess: false }];
        let pieces = words::pieces(word).into_iter().filter(|piece| piece.len() > 1);
        readings.extend(pieces.map(|text| Reading { text, weight: PIECE, guess: false }));
        if known {
            return Ok(readings);
        }
        let near = typo::near(self.opened, self.opened.fields.plain, word, reach)?;
        let near = near.into_iter().filter(|near| near.term.len() >= CORRECTION_BYTES_MIN);
        let mut guesses: Vec<(f32, Near)> =
            near.map(|near| (likelihood(word, &near), near)).collect();
        guesses.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.term.cmp(&b.1.term)));
        guesses.truncate(CORRECTIONS_MAX);
        let best = guesses.first().map_or(0.0, |guess| guess.0);
        let guessed = guesses.into_iter().map(|(score, near)| Reading {
            // Guesses share the weight by how likely each is beside the best one.
            weight: CORRECTED[usize::from(near.errors.min(2))]
                * (0.3 * (score - best)).exp().max(0.3),
            text: near.term,
            guess: true,
        });
        readings.extend(guessed);
        Ok(readings)
    }

    /// The words that the last one may become.
    fn completions(&self, word: &str) -> tantivy::Result<Vec<Reading>> {
        if word.len() < COMPLETED_BYTES_MIN {
            return Ok(Vec::new());
        }
        let begun =
            typo::common_from(self.opened, self.opened.fields.plain, word, CORRECTIONS_MAX)?;
        let completed = |near: Near| Reading { text: near.term, weight: COMPLETED, guess: false };
        Ok(begun.into_iter().map(completed).collect())
    }

    /// Where the readings of a word stand.
    fn lists(
        &self,
        word: usize,
        readings: &[Reading],
        text: &str,
        aliases: &[Alias<'_>],
    ) -> tantivy::Result<Vec<List>> {
        let mut lists: Vec<List> = Vec::new();
        let mut add =
            |place, field, text: &str, reading: Option<&Reading>, whole| -> tantivy::Result<()> {
                let term = Term::from_field_text(field, text);
                if lists.iter().any(|list: &List| list.term == term) {
                    return Ok(());
                }
                let (infos, documents) = self.opened.term(&term)?;
                if documents > 0 {
                    let rarity = self.rarity(documents);
                    lists.push(List {
                        word,
                        place,
                        field,
                        term,
                        infos,
                        documents,
                        rarity,
                        weight: reading.map_or(1.0, |reading| reading.weight),
                        whole,
                        guess: reading.is_some_and(|reading| reading.guess),
                    });
                }
                Ok(())
            };
        let fields = &self.opened.fields;
        let mut stemmer = self.opened.searcher.index().tokenizers().get(STEMMED);
        for reading in readings {
            let stem = &words::stem(stemmer.as_mut(), &reading.text);
            add(Place::All, fields.all, stem, Some(reading), true)?;
            add(Place::Name, fields.name, &reading.text, Some(reading), false)?;
            add(Place::Summary, fields.summary, stem, Some(reading), false)?;
            add(Place::Keywords, fields.keywords, stem, Some(reading), false)?;
        }
        for (_, publisher) in aliases.iter().filter(|(petname, _)| *petname == text) {
            add(Place::Keywords, fields.publisher, publisher, None, true)?;
        }
        Ok(lists)
    }

    fn known(&self, word: &str) -> tantivy::Result<bool> {
        let fields = &self.opened.fields;
        let has = |field| self.opened.has(&Term::from_field_text(field, word));
        Ok(has(fields.plain)? || has(fields.name)?)
    }

    fn rarity(&self, documents: u32) -> f32 {
        rarity(self.opened.documents, documents.into())
    }
}

/// Inverse document frequency as BM25 counts it.
///
/// - `all`: the documents that there are; `documents`: those that have the word.
pub(super) fn rarity(all: u64, documents: u64) -> f32 {
    let (all, documents) = (all as f32, documents as f32);
    (1.0 + (all - documents + 0.5).max(0.5) / (documents + 0.5)).ln()
}

/// What the rarity of one reading makes of the rarity of its word: guesses count a little less.
pub(super) fn rarity_of_reading(rarity: f32, weight: f32) -> f32 {
    rarity * weight.max(0.7)
}

/// How often the readings of a question occur in the whole index, and how long its texts are.
pub(crate) fn counts(opened: &Opened, question: &Question) -> tantivy::Result<Counts> {
    let fields = &opened.fields;
    let mut tokens = [0; 4];
    for (sum, field) in tokens.iter_mut().zip(fields.places()) {
        for segment in &opened.segments {
            *sum += segment.words(field)?.total_num_tokens();
        }
    }
    let mut readings = Vec::new();
    let mut stemmer = opened.searcher.index().tokenizers().get(STEMMED);
    for reading in question.parts().words.iter().flat_map(|word| &word.readings) {
        let stem = words::stem(stemmer.as_mut(), &reading.text);
        let places = [
            (fields.name, &reading.text),
            (fields.summary, &stem),
            (fields.keywords, &stem),
            (fields.all, &stem),
        ];
        let mut row = [0; 4];
        for (had, (field, text)) in row.iter_mut().zip(places) {
            let (_, documents) = opened.term(&Term::from_field_text(field, text))?;
            *had = u64::from(documents);
        }
        readings.push(row);
    }
    Ok(Counts { documents: opened.documents, tokens, readings })
}

/// How likely somebody who typed `word` meant `near`: few errors, a word in wide use, the same
/// first letter, and not a bare number.
fn likelihood(word: &str, near: &Near) -> f32 {
    let same_start = word.chars().next() == near.term.chars().next();
    let number = near.term.bytes().all(|b| b.is_ascii_digit());
    -3.0 * f32::from(near.errors) + 0.5 * (near.documents as f32).ln() + f32::from(same_start)
        - 2.0 * f32::from(number)
}
