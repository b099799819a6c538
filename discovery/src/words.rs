//! Cuts text into the words that are indexed and searched.
//!
//! Names and prose need different cuts. Prose is lower-cased, folded to ASCII and stemmed; a name
//! is also cut at letter/digit borders and after `lib`, so that `libpng16` is found by `png`. The
//! tokenizer keeps `c++` and `c#` whole. Keys of a whole name ([`key`], [`sorted_key`]) make
//! `graph-db`, `graphdb` and `db graph` meet.

mod stems;

use tantivy::Index;
use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RemoveLongFilter, TextAnalyzer, Token, TokenStream, Tokenizer,
    WhitespaceTokenizer,
};

use stems::Stems;

/// Longer words are neither indexed nor searched: nobody types them, and they cost memory.
pub(crate) const WORD_BYTES_MAX: usize = 40;

/// Stemmed prose: what documents are found by.
pub(crate) const STEMMED: &str = "catalog-stemmed";
/// Prose as written: the dictionary that typing errors are corrected from.
pub(crate) const PLAIN: &str = "catalog-plain";
/// Words that were cut by us already.
pub(crate) const CUT: &str = "catalog-cut";

/// Words that say nothing; dropped from a query that has others.
const STOP_WORDS: [&str; 27] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "for", "from", "how", "i", "in", "into",
    "is", "it", "my", "of", "on", "or", "that", "the", "this", "to", "with", "you",
];

/// Teaches an opened index the three analyzers; must come before any reading or writing.
pub(crate) fn register(index: &Index) {
    let analyzers = index.tokenizers();
    for name in [STEMMED, PLAIN, CUT] {
        analyzers.register(name, analyzer(name));
    }
}

/// The analyzer of that name.
pub(crate) fn analyzer(name: &str) -> TextAnalyzer {
    let prose = || {
        TextAnalyzer::builder(Prose::default())
            .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
    };
    match name {
        STEMMED => prose().filter(Stems).build(),
        PLAIN => prose().build(),
        _ => TextAnalyzer::builder(WhitespaceTokenizer::default()).build(),
    }
}

/// The words of `text` as the named analyzer sees them, in order.
pub(crate) fn words(index: &Index, analyzer: &str, text: &str) -> Vec<String> {
    let Some(mut analyzer) = index.tokenizers().get(analyzer) else { return Vec::new() };
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while stream.advance() {
        words.push(stream.token().text.clone());
    }
    words
}

/// The stem of one word; the word itself when it has none.
pub(crate) fn stem(stemmer: Option<&mut TextAnalyzer>, word: &str) -> String {
    let stem = stemmer.and_then(|stemmer| {
        let mut tokens = stemmer.token_stream(word);
        tokens.advance().then(|| tokens.token().text.clone())
    });
    stem.unwrap_or_else(|| word.to_owned())
}

/// Whether `word` is too common to search for.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// The letters and digits of a name, lower-case and joined: `Graph-DB` and `graphdb` are one key.
pub(crate) fn key(name: &str) -> String {
    name.chars().filter(|&c| is_word_char(c)).flat_map(char::to_lowercase).collect()
}

/// The parts of a name in alphabetical order: `db-graph` and `graph db` are one sorted key.
pub(crate) fn sorted_key(name: &str) -> String {
    let name = name.to_lowercase();
    let mut parts: Vec<&str> = parts(&name).collect();
    parts.sort_unstable();
    parts.join(" ")
}

/// Every word that a name should be found by: its parts, and the pieces of each part.
pub(crate) fn name_words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in parts(name) {
        words.push(part.to_lowercase());
        words.extend(pieces(part));
    }
    words
}

/// The pieces of one word: cut where letters meet digits, and after a leading `lib`.
pub(crate) fn pieces(word: &str) -> Vec<String> {
    let word = word.to_lowercase();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in word.char_indices() {
        if before.is_some_and(|before| before.is_ascii_digit() != c.is_ascii_digit()) {
            pieces.push(word[start..at].to_owned());
            start = at;
        }
        before = Some(c);
    }
    if start > 0 {
        pieces.push(word[start..].to_owned());
    }
    if let Some(rest) = word.strip_prefix("lib").filter(|rest| rest.len() > 2) {
        let stem = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        if stem.len() > 2 && stem != rest {
            pieces.push(stem.to_owned());
        }
        pieces.push(rest.to_owned());
    }
    pieces.retain(|piece| *piece != word);
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}

/// The parts of a name, between what is neither letter nor digit.
pub(crate) fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c| !is_word_char(c)).filter(|part| !part.is_empty())
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '+'
}

/// Letters and digits; `+` and `#` stay when they end a word of at most three (`c++`, `c#`).
#[derive(Clone, Default)]
struct Prose {
    token: Token,
}

struct ProseStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for Prose {
    type TokenStream<'a> = ProseStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> ProseStream<'a> {
        self.token.reset();
        ProseStream { text, at: 0, token: &mut self.token }
    }
}

impl ProseStream<'_> {
    /// How many bytes of `text`, from its start, are letters and digits, or are none.
    fn run(text: &str, wanted: bool) -> usize {
        let bytes = text.as_bytes();
        let ascii = |byte: &u8| byte.is_ascii() && byte.is_ascii_alphanumeric() == wanted;
        let len = bytes.iter().take_while(|byte| ascii(byte)).count();
        if bytes.get(len).is_none_or(u8::is_ascii) {
            return len;
        }
        let rest = &text[len..];
        len + rest.find(|c: char| c.is_alphanumeric() != wanted).unwrap_or(rest.len())
    }
}

impl TokenStream for ProseStream<'_> {
    fn advance(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let start = Self::run(rest, false);
        let word = &rest[start..];
        if word.is_empty() {
            return false;
        }
        let mut len = Self::run(word, true);
        let signs = word[len..].bytes().take_while(|b| matches!(b, b'+' | b'#')).count();
        if len <= 3 && (1..=2).contains(&signs) {
            len += signs;
        }
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = self.at + start;
        self.token.offset_to = self.at + start + len;
        self.token.text.clear();
        self.token.text.push_str(&word[..len]);
        self.at += start + len;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        assert_eq!(key("Graph-DB_2"), "graphdb2");
        assert_eq!(key("graphdb2"), "graphdb2");
        assert_eq!(sorted_key("db-graph"), sorted_key("Graph db"));
    }

    #[test]
    fn a_name_is_found_by_its_pieces() {
        let words = name_words("libpng16-tools");
        for word in ["libpng16", "png", "png16", "16", "tools"] {
            assert!(words.iter().any(|w| w == word), "{word} in {words:?}");
        }
    }

    #[test]
    fn languages_with_signs_stay_whole() {
        let index = Index::create_in_ram(tantivy::schema::Schema::builder().build());
        register(&index);
        assert_eq!(
            words(&index, PLAIN, "C++ and C# for Ünïcode"),
            ["c++", "and", "c#", "for", "unicode"]
        );
        assert_eq!(words(&index, STEMMED, "searching databases"), ["search", "databas"]);
    }
}
