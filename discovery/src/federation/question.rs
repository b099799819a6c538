//! A query as other nodes are asked it: words that were read, corrected and weighed already.

use crate::query::{Sort, TERMS_MAX, TEXT_BYTES_MAX};
use crate::typed::{Condition, What};

/// Releases in one answer: a page.
pub const HITS_MAX: usize = 20;
/// What one word may mean, at most: itself, its pieces and its corrections.
const READINGS_MAX: usize = 24;
/// The longest reading: a word, folded to ASCII.
const READING_BYTES_MAX: usize = 128;
/// Those that a person can type, and those that options add.
const CONDITIONS_MAX: usize = 20;

/// A query, read and checked: within its bounds, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(Parts);

/// What a question consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The words as typed, in lower case: what names are compared with.
    pub text: String,
    /// The words to look for; none asks for everything that meets the conditions.
    pub words: Vec<Word>,
    /// Whether a name that is a typing error away may be meant.
    pub near: bool,
    /// What every answer has to meet; publishers by id.
    pub conditions: Vec<Condition>,
    /// What is wanted first.
    pub sort: Sort,
    /// How many releases are wanted.
    pub limit: u8,
}

/// A word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it was typed.
    pub text: String,
    /// What it may mean, itself first.
    pub readings: Vec<Reading>,
}

/// What a word may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// A word of the catalog.
    pub text: String,
    /// What it counts beside the word as typed, in hundredths.
    pub percent: u8,
    /// Whether it is a correction.
    pub guess: bool,
}

/// Why something is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// Something is longer, or there is more of it, than a question may have.
    #[error("a question has too many or too long {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
    },
    /// A word without a reading, an empty reading, or a weight beyond the whole.
    #[error("a word of a question has no reading of some weight")]
    Reading,
    /// None, or more than an answer may have.
    #[error("a question asks for 1 to {HITS_MAX} releases")]
    Limit,
}

impl Question {
    /// Checks a question.
    ///
    /// # Errors
    /// [`QuestionError`]; a peer can cause any of them.
    pub fn new(parts: Parts) -> Result<Self, QuestionError> {
        let much = |what| Err(QuestionError::TooMuch { what });
        if parts.text.len() > TEXT_BYTES_MAX {
            return much("text");
        }
        if parts.words.len() > TERMS_MAX {
            return much("words");
        }
        if parts.conditions.len() > CONDITIONS_MAX {
            return much("conditions");
        }
        for word in &parts.words {
            if word.readings.len() > READINGS_MAX {
                return much("readings");
            }
            let texts = word.readings.iter().map(|reading| &reading.text).chain([&word.text]);
            if texts.map(String::len).max().unwrap_or(0) > READING_BYTES_MAX {
                return much("readings");
            }
            let bad = |r: &Reading| r.text.is_empty() || !(1..=100).contains(&r.percent);
            if word.readings.is_empty() || word.readings.iter().any(bad) {
                return Err(QuestionError::Reading);
            }
        }
        for condition in &parts.conditions {
            let bytes = match &condition.what {
                What::Phrase(text)
                | What::Kind(text)
                | What::Tag(text)
                | What::License(text)
                | What::Publisher(text) => text.len(),
                What::Size { .. } => 0,
            };
            if bytes > TEXT_BYTES_MAX {
                return much("conditions");
            }
        }
        if !(1..=HITS_MAX).contains(&usize::from(parts.limit)) {
            return Err(QuestionError::Limit);
        }
        Ok(Self(parts))
    }

    /// What it consists of.
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// How many readings all its words have.
    pub(crate) fn readings(&self) -> usize {
        self.0.words.iter().map(|word| word.readings.len()).sum()
    }
}

impl Parts {
    /// Leaves out what goes beyond the bounds of a question, the least likely first.
    pub(crate) fn bounded(mut self) -> Self {
        for word in &mut self.words {
            word.readings.retain(|r| !r.text.is_empty() && r.text.len() <= READING_BYTES_MAX);
            word.readings.truncate(READINGS_MAX);
        }
        self.words.retain(|word| !word.readings.is_empty() && word.text.len() <= READING_BYTES_MAX);
        self.words.truncate(TERMS_MAX);
        self.conditions.truncate(CONDITIONS_MAX);
        self.limit = self.limit.clamp(1, HITS_MAX as u8);
        self
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A question for one word.
    pub fn about(word: &str) -> Parts {
        let reading = Reading { text: word.to_owned(), percent: 100, guess: false };
        Parts {
            text: word.to_owned(),
            words: vec![Word { text: word.to_owned(), readings: vec![reading] }],
            near: true,
            limit: 20,
            ..Parts::default()
        }
    }

    #[test]
    fn a_question_beyond_its_bounds_is_none() {
        let phrase = |text: &str| Condition { what: What::Phrase(text.to_owned()), not: false };
        let word = about("graph").words.remove(0);
        let wrong: [(&str, Parts); 9] = [
            ("text", Parts { text: "x".repeat(TEXT_BYTES_MAX + 1), ..about("a") }),
            ("words", Parts { words: vec![word.clone(); TERMS_MAX + 1], ..about("a") }),
            ("conditions", Parts { conditions: vec![phrase("x"); 21], ..about("a") }),
            (
                "a long condition",
                Parts { conditions: vec![phrase(&"x".repeat(600))], ..about("a") },
            ),
            ("a long word", about(&"x".repeat(READING_BYTES_MAX + 1))),
            ("no limit", Parts { limit: 0, ..about("a") }),
            ("a high limit", Parts { limit: 21, ..about("a") }),
            (
                "no reading",
                Parts { words: vec![Word { readings: Vec::new(), ..word.clone() }], ..about("a") },
            ),
            (
                "too many readings",
                Parts {
                    words: vec![Word {
                        readings: vec![word.readings[0].clone(); READINGS_MAX + 1],
                        ..word.clone()
                    }],
                    ..about("a")
                },
            ),
        ];
        for (what, parts) in wrong {
            assert!(Question::new(parts).is_err(), "{what}");
        }
        for percent in [0, 101] {
            let mut parts = about("graph");
            parts.words[0].readings[0].percent = percent;
            assert_eq!(Question::new(parts), Err(QuestionError::Reading));
        }
        assert!(Question::new(about("graph")).is_ok());
    }

    #[test]
    fn what_we_ask_ourselves_is_cut_to_its_bounds() {
        let mut parts = about("graph");
        parts.words[0].readings = vec![parts.words[0].readings[0].clone(); 40];
        parts.words.extend(vec![parts.words[0].clone(); 30]);
        parts.limit = 200;
        let question = Question::new(parts.bounded()).unwrap();
        assert_eq!(question.parts().words.len(), TERMS_MAX);
        assert_eq!(question.readings(), TERMS_MAX * READINGS_MAX);
    }
}
