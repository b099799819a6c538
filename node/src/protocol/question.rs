//! The messages of a search among nodes. Their order and fields are a promise; a test pins their
//! bytes. What is read has the form of a question or an answer, within its bounds, no more.

use std::fmt;
use std::marker::PhantomData;

use catalog::statement::SealedStatement;
use catalog_discovery::federation::{
    Answer, Counts, Parts, Question, QuestionError, Reading, Word,
};
use catalog_discovery::{Condition, Sort, What};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Lists of words and conditions are cut off here before they take memory; a [`Question`] has
/// narrower bounds.
const WORDS_MAX: usize = 12;
const READINGS_MAX: usize = 24;
const CONDITIONS_MAX: usize = 20;
/// The records of one answer: twenty ordinary ones take a tenth of this.
pub(crate) const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Releases, and inceptions, of one answer.
const RECORDS_MAX: usize = 20;

/// A question as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    text: String,
    near: bool,
    sort: AskedSort,
    limit: u8,
    #[serde(deserialize_with = "few::<_, _, WORDS_MAX>")]
    words: Vec<AskedWord>,
    #[serde(deserialize_with = "few::<_, _, CONDITIONS_MAX>")]
    conditions: Vec<AskedCondition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AskedSort {
    Relevance,
    Recent,
    Small,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AskedWord {
    text: String,
    #[serde(deserialize_with = "few::<_, _, READINGS_MAX>")]
    readings: Vec<AskedReading>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AskedReading {
    text: String,
    percent: u8,
    guess: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AskedCondition {
    not: bool,
    what: AskedWhat,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AskedWhat {
    Phrase(String),
    Kind(String),
    Tag(String),
    License(String),
    Publisher(String),
    Size { least: u64, most: u64 },
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// What was found.
    Found {
        /// Sealed inceptions of the publishers of these releases.
        #[serde(deserialize_with = "few::<_, _, RECORDS_MAX>")]
        inceptions: Vec<Vec<u8>>,
        /// Sealed releases, best first.
        #[serde(deserialize_with = "few::<_, _, RECORDS_MAX>")]
        releases: Vec<Vec<u8>>,
        /// How often the words occur; absent from a node that has to keep something to itself.
        counts: Option<SaidCounts>,
    },
    /// This peer asks too often, or the node has too much to do.
    Busy,
}

/// How often the words of a question occur.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SaidCounts {
    documents: u64,
    tokens: [u64; 4],
    #[serde(deserialize_with = "few::<_, _, { WORDS_MAX * READINGS_MAX }>")]
    readings: Vec<[u64; 4]>,
}

impl Asked {
    /// How `question` travels.
    pub(crate) fn of(question: &Question) -> Self {
        let parts = question.parts();
        let words = parts.words.iter().map(|word| {
            let readings = word.readings.iter().map(|reading| AskedReading {
                text: reading.text.clone(),
                percent: reading.percent,
                guess: reading.guess,
            });
            AskedWord { text: word.text.clone(), readings: readings.collect() }
        });
        let conditions = parts.conditions.iter().map(|condition| AskedCondition {
            not: condition.not,
            what: match condition.what.clone() {
                What::Phrase(text) => AskedWhat::Phrase(text),
                What::Kind(text) => AskedWhat::Kind(text),
                What::Tag(text) => AskedWhat::Tag(text),
                What::License(text) => AskedWhat::License(text),
                What::Publisher(text) => AskedWhat::Publisher(text),
                What::Size { least, most } => AskedWhat::Size { least, most },
            },
        });
        Self {
            text: parts.text.clone(),
            near: parts.near,
            sort: match parts.sort {
                Sort::Recent => AskedSort::Recent,
                Sort::Small => AskedSort::Small,
                _ => AskedSort::Relevance,
            },
            limit: parts.limit,
            words: words.collect(),
            conditions: conditions.collect(),
        }
    }

    /// The question that it is.
    ///
    /// # Errors
    /// [`QuestionError`] when it breaks a bound.
    pub(crate) fn question(self) -> Result<Question, QuestionError> {
        let words = self.words.into_iter().map(|word| {
            let readings = word.readings.into_iter().map(|reading| Reading {
                text: reading.text,
                percent: reading.percent,
                guess: reading.guess,
            });
            Word { text: word.text, readings: readings.collect() }
        });
        let conditions = self.conditions.into_iter().map(|condition| Condition {
            not: condition.not,
            what: match condition.what {
                AskedWhat::Phrase(text) => What::Phrase(text),
                AskedWhat::Kind(text) => What::Kind(text),
                AskedWhat::Tag(text) => What::Tag(text),
                AskedWhat::License(text) => What::License(text),
                AskedWhat::Publisher(text) => What::Publisher(text),
                AskedWhat::Size { least, most } => What::Size { least, most },
            },
        });
        Question::new(Parts {
            text: self.text,
            words: words.collect(),
            near: self.near,
            conditions: conditions.collect(),
            sort: match self.sort {
                AskedSort::Relevance => Sort::Relevance,
                AskedSort::Recent => Sort::Recent,
                AskedSort::Small => Sort::Small,
            },
            limit: self.limit,
        })
    }
}

impl Reply {
    /// How `answer` travels.
    pub(crate) fn of(answer: &Answer) -> Self {
        let all = |sealed: &[SealedStatement]| sealed.iter().map(SealedStatement::encode).collect();
        Self::Found {
            inceptions: all(&answer.inceptions),
            releases: all(&answer.releases),
            counts: answer.counts.clone().map(|counts| SaidCounts {
                documents: counts.documents,
                tokens: counts.tokens,
                readings: counts.readings,
            }),
        }
    }

    /// The answer that it is, still sealed; `None` when a record has not the form of one.
    ///
    /// [`Reply::Busy`] is no answer either; look for it first.
    pub(crate) fn answer(self) -> Option<Answer> {
        let Self::Found { inceptions, releases, counts } = self else { return None };
        let all = |records: Vec<Vec<u8>>| {
            let sealed = records.iter().map(|record| SealedStatement::decode(record).ok());
            sealed.collect::<Option<Vec<_>>>()
        };
        let counts = counts.map(|said| Counts {
            documents: said.documents,
            tokens: said.tokens,
            readings: said.readings,
        });
        Some(Answer { inceptions: all(inceptions)?, releases: all(releases)?, counts })
    }
}

/// Reads a list of at most `MAX` items; a longer one is refused when its length is read.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct Few<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Few<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let count = list.size_hint().unwrap_or(0);
            if count > MAX {
                return Err(de::Error::invalid_length(count, &self));
            }
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    from.deserialize_seq(Few::<T, MAX>(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::super::frame::{decode, encode};
    use super::*;

    fn question() -> Question {
        let reading =
            |text: &str, percent, guess| Reading { text: text.to_owned(), percent, guess };
        let word = Word {
            text: "grpah".to_owned(),
            readings: vec![reading("grpah", 100, false), reading("graph", 85, true)],
        };
        let conditions = vec![
            Condition { what: What::Kind("model".to_owned()), not: false },
            Condition { what: What::Size { least: 0, most: 300 }, not: true },
        ];
        let (text, sort) = ("grpah".to_owned(), Sort::Small);
        Question::new(Parts { text, words: vec![word], near: true, conditions, sort, limit: 20 })
            .unwrap()
    }

    fn counts() -> SaidCounts {
        SaidCounts { documents: 300, tokens: [1, 2, 3, 4], readings: vec![[0, 1, 2, 300]] }
    }

    /// Nodes that are already running read these bytes.
    #[test]
    fn the_messages_of_a_search_have_these_bytes() {
        let (typed, corrected) = ("056772706168", "056772617068");
        let word = format!("{typed}02{typed}6400{corrected}5501");
        let conditions = "020001056d6f64656c010500ac02";
        let asked = format!("{typed}01021401{word}{conditions}");
        let said = "ac020102030401000102ac02";
        let found = Reply::Found {
            inceptions: vec![vec![0xaa]],
            releases: vec![vec![0xbb, 0xcc], vec![]],
            counts: Some(counts()),
        };
        let none = Reply::Found { inceptions: vec![], releases: vec![], counts: None };
        let cases = [
            (encode(&Asked::of(&question())).unwrap(), asked),
            (encode(&found).unwrap(), format!("000101aa0202bbcc0001{said}")),
            (encode(&none).unwrap(), "00000000".to_owned()),
            (encode(&Reply::Busy).unwrap(), "01".to_owned()),
        ];
        for (frame, expected) in cases {
            assert_eq!(hex::encode(&frame[4..]), expected);
        }
    }

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let frame = encode(&Asked::of(&question())).unwrap();
        let asked: Asked = decode(&frame[4..]).unwrap();
        assert_eq!(asked.question().unwrap(), question());
    }

    #[test]
    fn a_long_list_is_refused_by_its_length() {
        let many = Asked { words: vec![], ..Asked::of(&question()) };
        let empty = encode(&many).unwrap();
        for count in [13, 0x7f] {
            let mut body = empty[4..].to_vec();
            // Behind the text, and what is one byte each.
            let at = "grpah".len() + 4;
            assert_eq!(body[at], 0);
            body[at] = count;
            assert!(decode::<Asked>(&body).is_err());
        }
        let records = Reply::Found {
            inceptions: vec![],
            releases: vec![vec![]; RECORDS_MAX + 1],
            counts: None,
        };
        assert!(decode::<Reply>(&encode(&records).unwrap()[4..]).is_err());
        let readings = vec![[0; 4]; WORDS_MAX * READINGS_MAX + 1];
        let counts = Some(SaidCounts { readings, ..counts() });
        let counted = Reply::Found { inceptions: vec![], releases: vec![], counts };
        assert!(decode::<Reply>(&encode(&counted).unwrap()[4..]).is_err());
    }

    #[test]
    fn what_is_no_record_makes_no_answer() {
        let reply = |record: &[u8]| Reply::Found {
            inceptions: vec![],
            releases: vec![record.to_vec()],
            counts: None,
        };
        assert!(reply(b"junk").answer().is_none());
        assert!(reply(&[0xff; 100]).answer().is_none());
        assert!(Reply::Busy.answer().is_none());
        let none = Reply::Found { inceptions: vec![], releases: vec![], counts: Some(counts()) };
        assert_eq!(none.clone().answer().map(|answer| Reply::of(&answer)), Some(none));
    }
}
