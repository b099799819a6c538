//! Reads what a person typed: words, and what they say about the packages that are wanted.
//!
//! ```text
//! graph database            words: what has all of them stands first
//! "graph database"          a phrase: only what has these words side by side
//! -server  -"web server"    not what has this word or phrase
//! kind:service              tag:graph  license:MIT  publisher:acme
//! size:<10MiB               also >, <=, >= and nothing, which is <=
//! -kind:model               any of these the other way round
//! ```
//!
//! Any text can be read: what is none of this is words. Nothing is looked up here.

use catalog::ByteSize;

/// Phrases, excluded words and conditions beyond this are not looked at.
pub(crate) const CONDITIONS_MAX: usize = 16;

/// A query, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// The words that are searched for, those of phrases among them.
    pub words: String,
    /// What every answer has to meet.
    pub conditions: Vec<Condition>,
}

/// Something that an answer has to be, or must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it has to be.
    pub what: What,
    /// Whether it must not be so.
    pub not: bool,
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It has these words, one after the other.
    Phrase(String),
    /// It is of this kind.
    Kind(String),
    /// It has this tag or keyword.
    Tag(String),
    /// Its licence names this one.
    License(String),
    /// It is of this publisher: a petname or an id.
    Publisher(String),
    /// Its smallest variant has a size in this range, ends included.
    Size {
        /// The least bytes.
        least: u64,
        /// The most bytes.
        most: u64,
    },
}

impl Typed {
    /// Takes `text` apart; every text has a meaning.
    pub fn read(text: &str) -> Self {
        let mut typed = Self::default();
        let mut rest = text;
        while let Some((piece, after)) = Piece::first(rest) {
            rest = after;
            typed.take(piece);
        }
        typed
    }

    fn take(&mut self, piece: Piece<'_>) {
        let full = self.conditions.len() >= CONDITIONS_MAX;
        match piece.what() {
            Some(_) if full => {}
            Some(what) => {
                if let (What::Phrase(words), false) = (&what, piece.not) {
                    self.word(words);
                }
                self.conditions.push(Condition { what, not: piece.not });
            }
            None => self.word(piece.all),
        }
    }

    fn word(&mut self, text: &str) {
        if !self.words.is_empty() {
            self.words.push(' ');
        }
        self.words.push_str(text);
    }
}

/// What stands between two spaces, or between quotation marks.
struct Piece<'a> {
    /// As it was typed.
    all: &'a str,
    not: bool,
    /// What stands before a colon.
    field: Option<&'a str>,
    value: &'a str,
    quoted: bool,
}

impl<'a> Piece<'a> {
    /// The first piece of `text`, and what follows.
    fn first(text: &'a str) -> Option<(Self, &'a str)> {
        let text = text.trim_start();
        if text.is_empty() {
            return None;
        }
        let bare = text
            .strip_prefix('-')
            .filter(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '"'));
        let (not, body) = (bare.is_some(), bare.unwrap_or(text));
        let quote = body.find(|c: char| c == '"' || c.is_whitespace());
        let quote = quote
            .filter(|&at| body[at..].starts_with('"') && (at == 0 || body[..at].ends_with(':')));
        let (head, value, rest, quoted) = match quote {
            Some(at) => {
                let inside = &body[at + 1..];
                // A mark that is never closed reaches to the end.
                let end = inside.find('"').unwrap_or(inside.len());
                let rest = inside.get(end + 1..).unwrap_or_default();
                (&body[..at], &inside[..end], rest, true)
            }
            None => {
                let end = body.find(char::is_whitespace).unwrap_or(body.len());
                let (head, value) = match body[..end].find(':') {
                    Some(at) => (&body[..=at], &body[at + 1..end]),
                    None => ("", &body[..end]),
                };
                (head, value, &body[end..], false)
            }
        };
        let all = &text[..text.len() - rest.len()];
        let field = head.strip_suffix(':').filter(|field| !field.is_empty());
        Some((Self { all, not, field, value: value.trim(), quoted }, rest))
    }

    /// The condition that it is; `None` when it is words.
    fn what(&self) -> Option<What> {
        let value = || Some(self.value.to_lowercase()).filter(|value| !value.is_empty());
        match self.field.map(str::to_lowercase).as_deref() {
            Some("kind") => value().map(What::Kind),
            Some("tag" | "keyword") => value().map(What::Tag),
            Some("license" | "licence") => value().map(What::License),
            Some("publisher") => value().map(What::Publisher),
            Some("size") => size(self.value),
            Some(_) => None,
            None if self.quoted || self.not => value().map(What::Phrase),
            None => None,
        }
    }
}

/// A range of sizes: `<10MiB`, `>=1GB`, `500kB`.
fn size(text: &str) -> Option<What> {
    let signs = text.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(text.len());
    let (sign, amount) = text.split_at(signs);
    let bytes = amount.trim().parse::<ByteSize>().ok()?.as_u64();
    let (least, most) = match sign {
        "<" => (0, bytes.checked_sub(1)?),
        "" | "<=" => (0, bytes),
        ">" => (bytes.checked_add(1)?, u64::MAX),
        ">=" => (bytes, u64::MAX),
        "=" => (bytes, bytes),
        _ => return None,
    };
    Some(What::Size { least, most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(what: What) -> Condition {
        Condition { what, not: false }
    }

    fn never(what: What) -> Condition {
        Condition { what, not: true }
    }

    #[test]
    fn words_phrases_and_conditions_are_told_apart() {
        let typed = Typed::read("graph \"Data Base\" -server kind:service size:<10KiB");
        assert_eq!(typed.words, "graph data base");
        let expected = [
            only(What::Phrase("data base".into())),
            never(What::Phrase("server".into())),
            only(What::Kind("service".into())),
            only(What::Size { least: 0, most: 10 * 1024 - 1 }),
        ];
        assert_eq!(typed.conditions, expected);
    }

    #[test]
    fn conditions_can_be_turned_round_and_quoted() {
        let typed = Typed::read("-tag:\"web server\" -\"a b\" license:MIT publisher:acme");
        assert_eq!(typed.words, "");
        let expected = [
            never(What::Tag("web server".into())),
            never(What::Phrase("a b".into())),
            only(What::License("mit".into())),
            only(What::Publisher("acme".into())),
        ];
        assert_eq!(typed.conditions, expected);
    }

    #[test]
    fn what_is_no_condition_is_words() {
        for text in ["std::fs", "size:large", "kind:", "a-b", "- x", "http://x.y", ":", "c++", "--"]
        {
            let typed = Typed::read(text);
            assert_eq!((typed.words.as_str(), typed.conditions.len()), (text, 0), "{text}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_reaches_to_the_end() {
        assert_eq!(Typed::read("\"a b").conditions, [only(What::Phrase("a b".into()))]);
        assert_eq!(Typed::read("x \"").words, "x \"");
    }

    #[test]
    fn sizes_are_ranges() {
        for (text, least, most) in [
            ("size:<1KiB", 0, 1023),
            ("size:<=1KiB", 0, 1024),
            ("size:1KiB", 0, 1024),
            ("size:>1KiB", 1025, u64::MAX),
            ("size:>=1KiB", 1024, u64::MAX),
            ("size:=1KiB", 1024, 1024),
        ] {
            assert_eq!(Typed::read(text).conditions, [only(What::Size { least, most })], "{text}");
        }
    }

    #[test]
    fn any_text_is_read_within_bounds() {
        let nasty = "[\\PC\\x00-\\x1f]{0,120}|([a-z:\" <>=-]|kind:|size:|-\"){0,80}";
        proptest!(ProptestConfig::with_cases(2000), |(text in nasty)| {
            let typed = Typed::read(&text);
            prop_assert!(typed.conditions.len() <= CONDITIONS_MAX);
            prop_assert!(typed.words.len() <= text.len() * 3);
        });
    }
}
