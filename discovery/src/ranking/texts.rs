//! Weighs releases by their texts alone, with word counts that come from elsewhere.
//!
//! A release that another node sent is in no index of ours. Its clues are read from its texts with
//! the same analyzers and the same formulas as those of an indexed one, so that both can be
//! compared; only the numbers of documents with a word are those of all collections together.

use std::collections::HashMap;

use catalog::release::Release;
use tantivy::DocAddress;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};

use crate::doc::Texts;
use crate::evidence::{Clue, Evidence};
use crate::federation::{Counts, Question};
use crate::meets;
use crate::ranking::asked::{self, Asked, Place};
use crate::ranking::{Hit, clues};
use crate::typo::{NameErrors, Reach};
use crate::words::{self, STEMMED};

/// The places in the order of [`Counts`].
const PLACES: [Place; Place::COUNT] = [Place::Name, Place::Summary, Place::Keywords, Place::All];

/// Weighs releases as answers to one question.
pub struct Weigher {
    question: Question,
    stemmer: Option<TextAnalyzer>,
    /// Publishers whose petnames stand in the question: which word, who, and how many packages of
    /// theirs there are.
    aliases: Vec<(usize, String, u64)>,
}

/// One reading of one word in one place.
struct Wanted {
    word: usize,
    place: usize,
    text: String,
    weight: f32,
    guess: bool,
    rarity: f32,
}

/// The words of one release.
struct Read {
    /// By place, in the order of [`PLACES`]; names are cut, the others stemmed.
    words: [Vec<String>; Place::COUNT],
    key: String,
    sorted_key: String,
}

impl Weigher {
    pub(crate) fn new(
        tokenizers: &TokenizerManager,
        question: &Question,
        aliases: Vec<(usize, String, u64)>,
    ) -> Self {
        Self { question: question.clone(), stemmer: tokenizers.get(STEMMED), aliases }
    }

    /// What speaks for each release, in their order; `None` for one that does not meet a condition
    /// or has nothing of what was asked for.
    ///
    /// - `counts`: how often the words occur in all collections together, for this question.
    pub fn weigh(&self, releases: &[&Release], counts: &Counts) -> Vec<Option<Evidence>> {
        // One for all texts: it remembers the stems of what occurs in many.
        let mut stemmer = self.stemmer.clone();
        let read = releases.iter().map(|release| Read::of(release, stemmer.as_mut()));
        let read: Vec<Read> = read.collect();
        let (asked, wanted) = self.wanted(counts);
        let exact = |read: &Read| read.key == asked.key || read.sorted_key == asked.sorted_key;
        let near = asked.may_be_near() && !read.iter().any(exact);
        let begins = |read: &Read| asked.key.len() >= 2 && read.key.starts_with(&asked.key);
        let any_begins = read.iter().any(begins);
        let keys = read.iter().map(|read| read.key.as_str());
        // As in the index: what may be half a name is no name with two errors.
        let reach = if any_begins { Reach::One } else { Reach::Two };
        let errors = if near { NameErrors::among(keys, &asked.key, reach) } else { None };
        let query = clues::Query::new(&asked, errors.as_ref(), any_begins);
        let mut hits = Vec::with_capacity(read.len());
        for (at, (read, release)) in read.iter().zip(releases).enumerate() {
            let mut evidence = Evidence::new(asked.reads);
            clues::set_lengths(&mut evidence, norm(&read.words[1]), norm(&read.words[3]));
            query.name(release.name.as_str(), &mut evidence);
            query.words(&self.shares(&asked, &wanted, counts, read, release), &mut evidence);
            let address = DocAddress::new(0, at as u32);
            hits.push(Hit {
                address,
                score: 0.0,
                evidence,
                name: release.name.to_string(),
                twin: 0,
            });
        }
        clues::relatives(&mut hits);
        let conditions = &self.question.parts().conditions;
        let everything = asked.words.is_empty();
        let answers = |evidence: &Evidence| everything || speaks(evidence);
        hits.into_iter()
            .zip(read.iter().zip(releases))
            .map(|(hit, (read, release))| {
                let meets = conditions.iter().all(|condition| {
                    let stems = |text: &str| stems(self.stemmer.clone().as_mut(), text);
                    meets::meets(condition, release, &read.words[3], stems)
                });
                Some(hit.evidence).filter(|evidence| meets && answers(evidence))
            })
            .collect()
    }

    /// The question with the rarity of each word, and what is looked for in texts.
    fn wanted(&self, counts: &Counts) -> (Asked, Vec<Wanted>) {
        let mut asked = Asked::of_question(&self.question);
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut rows = counts.readings.iter();
        let mut stemmer = self.stemmer.clone();
        for (word, of_word) in asked.words.iter_mut().enumerate() {
            let first = wanted.len();
            for reading in &of_word.readings {
                let row = rows.next().copied().unwrap_or_default();
                let stem = words::stem(stemmer.as_mut(), &reading.text);
                for (place, documents) in row.into_iter().enumerate() {
                    let text = if place == 0 { &reading.text } else { &stem };
                    let known = |one: &Wanted| one.place == place && one.text == *text;
                    if wanted[first..].iter().any(known) {
                        continue;
                    }
                    // Who has it may have said nothing: in one document it is then.
                    let rarity = asked::rarity(counts.documents, documents.max(1));
                    if place == 3 && documents > 0 {
                        let rarity = asked::rarity_of_reading(rarity, reading.weight);
                        of_word.rarity = of_word.rarity.max(rarity);
                    }
                    let (text, weight, guess) = (text.clone(), reading.weight, reading.guess);
                    wanted.push(Wanted { word, place, text, weight, guess, rarity });
                }
            }
            for (_, _, documents) in self.aliases.iter().filter(|alias| alias.0 == word) {
                of_word.rarity = of_word.rarity.max(asked::rarity(counts.documents, *documents));
            }
            if of_word.rarity == 0.0 {
                of_word.rarity = asked::rarity(counts.documents, 0);
            }
        }
        (asked, wanted)
    }

    fn shares(
        &self,
        asked: &Asked,
        wanted: &[Wanted],
        counts: &Counts,
        read: &Read,
        release: &Release,
    ) -> Vec<clues::Share> {
        let mut shares = vec![clues::Share::default(); asked.words.len()];
        // Most words of a text are not looked for, and cost no more than a look.
        let mut often: [HashMap<&str, u32>; Place::COUNT] = Default::default();
        for one in wanted {
            often[one.place].insert(&one.text, 0);
        }
        for (often, words) in often.iter_mut().zip(&read.words) {
            for word in words {
                if let Some(often) = often.get_mut(word.as_str()) {
                    *often += 1;
                }
            }
        }
        let mean = |tokens: u64| (tokens as f32 / counts.documents.max(1) as f32).max(0.1);
        let means = counts.tokens.map(mean);
        for one in wanted {
            let often = often[one.place].get(one.text.as_str());
            let Some(often) = often.filter(|often| **often > 0) else { continue };
            let length = norm(&read.words[one.place]) / means[one.place];
            let rarity = clues::counted_rarity(asked, one.word, one.guess, one.rarity);
            let counted = (*often as f32, Some(length));
            shares[one.word].add(PLACES[one.place], counted, one.weight, rarity);
        }
        let publisher = release.publisher.to_string();
        for (word, alias, documents) in &self.aliases {
            if *alias == publisher
                && let Some(share) = shares.get_mut(*word)
            {
                let rarity = asked::rarity(counts.documents, *documents);
                share.add(Place::Keywords, (1.0, None), 1.0, rarity);
            }
        }
        shares
    }
}

impl Read {
    fn of(release: &Release, mut stemmer: Option<&mut TextAnalyzer>) -> Self {
        let texts = Texts::of(release);
        let name = release.name.as_str();
        let cut = texts.name.split_whitespace().map(str::to_owned).collect();
        let mut stems = |text: &str| stems(stemmer.as_deref_mut(), text);
        let [of_name, summary, keywords, description] =
            [&texts.name, &texts.summary, &texts.keywords, &texts.description].map(|t| stems(t));
        let all = [&of_name[..], &summary, &keywords, &description].concat();
        Self {
            words: [cut, summary, keywords, all],
            key: words::key(name),
            sorted_key: words::sorted_key(name),
        }
    }
}

/// The words of a text, stemmed.
fn stems(stemmer: Option<&mut TextAnalyzer>, text: &str) -> Vec<String> {
    let Some(stemmer) = stemmer else { return Vec::new() };
    let mut tokens = stemmer.token_stream(text);
    let mut stems = Vec::new();
    while tokens.advance() {
        stems.push(tokens.token().text.clone());
    }
    stems
}

/// The length of a text as the index would keep it, in one byte.
fn norm(words: &[String]) -> f32 {
    let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
    FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(length)) as f32
}

/// Whether anything at all speaks for a release.
fn speaks(evidence: &Evidence) -> bool {
    let clues = [
        Clue::Coverage,
        Clue::ExactName,
        Clue::ExactKey,
        Clue::ExactParts,
        Clue::OneError,
        Clue::TwoErrors,
        Clue::Begins,
    ];
    clues.iter().any(|&clue| evidence.value(clue) > 0.0)
}
