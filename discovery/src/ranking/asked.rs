//! What a query asks: its words, what each of them may mean, and where the index has them.

use tantivy::Term;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;

use crate::evidence::Reads;
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
pub(super) struct Asked {
    pub text: String,
    pub key: String,
    pub sorted_key: String,
    pub reads: Reads,
    pub words: Vec<Word>,
    pub lists: Vec<List>,
    /// A word that the catalog does not know.
    pub any_unknown: bool,
}

impl Asked {
    pub fn read(opened: &Opened, filters: &Filters<'_>) -> tantivy::Result<Self> {
        let text = filters.text.trim().to_lowercase();
        let mut asked = Self {
            key: words::key(&text),
            sorted_key: words::sorted_key(&text),
            reads: match text.contains(char::is_whitespace) {
                true => Reads::AsText,
                false => Reads::AsName,
            },
            words: Vec::new(),
            lists: Vec::new(),
            any_unknown: false,
            text,
        };
        let reader = Reader { opened };
        let words = reader.words(&asked.text);
        for (at, word) in words.iter().enumerate() {
            let known = reader.known(word)?;
            asked.any_unknown |= !known;
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
            let lists = reader.lists(at, &readings, word, &filters.aliases)?;
            let rarest = lists.iter().filter(|list| list.whole);
            let rarity = rarest.map(|list| list.rarity * list.weight.max(0.7)).fold(0.0, f32::max);
            let rarity = if rarity > 0.0 { rarity } else { reader.rarity(0) };
            asked.words.push(Word { text: word.clone(), readings, rarity });
            asked.lists.extend(lists);
        }
        Ok(asked)
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
            let mut stem = None;
            if let Some(stemmer) = &mut stemmer {
                let mut tokens = stemmer.token_stream(&reading.text);
                stem = tokens.advance().then(|| tokens.token().text.clone());
            }
            let stem = stem.as_deref().unwrap_or(&reading.text);
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

    /// Inverse document frequency as BM25 counts it.
    fn rarity(&self, documents: u32) -> f32 {
        let (all, documents) = (self.opened.documents as f32, documents as f32);
        (1.0 + (all - documents + 0.5).max(0.5) / (documents + 0.5)).ln()
    }
}

/// How likely somebody who typed `word` meant `near`: few errors, a word in wide use, the same
/// first letter, and not a bare number.
fn likelihood(word: &str, near: &Near) -> f32 {
    let same_start = word.chars().next() == near.term.chars().next();
    let number = near.term.bytes().all(|b| b.is_ascii_digit());
    -3.0 * f32::from(near.errors) + 0.5 * (near.documents as f32).ln() + f32::from(same_start)
        - 2.0 * f32::from(number)
}
