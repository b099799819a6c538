//! Reduces words to their stems, and remembers those of words that come again and again.
//!
//! A catalog has millions of words but few thousand that make up most of them, and stemming one
//! takes longer than everything else that is done to it. What is remembered never changes a stem.

use tantivy::tokenizer::{
    Language, RawTokenizer, Stemmer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// Slots for words; each has one, and the last of those that share it is remembered.
const SLOTS: usize = 4096;
/// Longer words, and those with longer stems, are not remembered.
const BYTES_MAX: usize = 23;
/// Words after which remembering begins: a query has a dozen, and slots cost more than those.
const FEW: usize = 1_000;

/// The filter that reduces English words.
#[derive(Clone, Default)]
pub(super) struct Stems;

/// Words cut by `T`, reduced.
#[derive(Clone)]
pub(super) struct Stemmed<T> {
    words: T,
    known: Known,
}

pub(super) struct StemmedStream<'a, S> {
    words: S,
    known: &'a mut Known,
}

/// The stems of words that were seen.
struct Known {
    /// Reduces one word.
    stemmer: <Stemmer as TokenFilter>::Tokenizer<RawTokenizer>,
    seen: usize,
    /// Empty until there were more than a [`FEW`] words.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    word: Short,
    stem: Short,
}

/// A few bytes of text, in place.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Short {
    bytes: [u8; BYTES_MAX],
    len: u8,
}

impl TokenFilter for Stems {
    type Tokenizer<T: Tokenizer> = Stemmed<T>;

    fn transform<T: Tokenizer>(self, words: T) -> Stemmed<T> {
        Stemmed { words, known: Known::default() }
    }
}

impl<T: Tokenizer> Tokenizer for Stemmed<T> {
    type TokenStream<'a> = StemmedStream<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StemmedStream { words: self.words.token_stream(text), known: &mut self.known }
    }
}

impl<S: TokenStream> TokenStream for StemmedStream<'_, S> {
    fn advance(&mut self) -> bool {
        let more = self.words.advance();
        if more {
            self.known.reduce(&mut self.words.token_mut().text);
        }
        more
    }

    fn token(&self) -> &Token {
        self.words.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.words.token_mut()
    }
}

impl Known {
    /// Makes of a word its stem.
    fn reduce(&mut self, word: &mut String) {
        let Some(short) = Short::of(word) else { return self.stem(word) };
        if self.slots.is_empty() {
            self.seen += 1;
            if self.seen < FEW {
                return self.stem(word);
            }
            self.slots = vec![Slot::default(); SLOTS];
        }
        let at = short.slot();
        let slot = self.slots[at];
        if slot.word == short {
            slot.stem.write(word);
            return;
        }
        self.stem(word);
        if let Some(stem) = Short::of(word) {
            self.slots[at] = Slot { word: short, stem };
        }
    }

    fn stem(&mut self, word: &mut String) {
        let mut stream = self.stemmer.token_stream(word);
        let stem = stream.advance().then(|| std::mem::take(&mut stream.token_mut().text));
        drop(stream);
        *word = stem.unwrap_or_default();
    }
}

impl Default for Known {
    fn default() -> Self {
        let stemmer = Stemmer::new(Language::English).transform(RawTokenizer::default());
        Self { stemmer, seen: 0, slots: Vec::new() }
    }
}

impl Clone for Known {
    /// An analyzer is cloned for each text that is read and each query: as good as new is cheapest.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Short {
    /// `None` when it is too long, or empty, which stands for a slot that nobody has used.
    fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty()).then_some(Self { bytes, len: text.len() as u8 })
    }

    fn write(&self, text: &mut String) {
        text.clear();
        let bytes = &self.bytes[..usize::from(self.len)];
        text.push_str(std::str::from_utf8(bytes).unwrap_or_default());
    }

    /// FNV-1a over eight bytes at a time.
    fn slot(&self) -> usize {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for chunk in self.bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(eight)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
        }
        hash as usize % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of `text`, reduced by `analyzer`.
    fn reduced(mut analyzer: impl Tokenizer, text: &str) -> Vec<String> {
        let mut stream = analyzer.token_stream(text);
        let mut words = Vec::new();
        while stream.advance() {
            words.push(stream.token().text.clone());
        }
        words
    }

    #[test]
    fn stems_are_the_same_whether_remembered_or_not() {
        let words = ["databases", "graphs", "running", "x", "c++", "größe", "ponies", "sky"];
        let long = "antidisestablishmentarianisms";
        let mut text = String::new();
        for number in 0..3 * SLOTS {
            let word = words[number % words.len()];
            text += &format!("{word} {word}{number} {word}s{} {long} ", number / 7);
        }
        let cut = tantivy::tokenizer::WhitespaceTokenizer::default;
        let theirs = reduced(Stemmer::new(Language::English).transform(cut()), &text);
        assert!(reduced(Stems.transform(cut()), &text) == theirs);
    }

    #[test]
    fn what_shares_a_slot_is_told_apart() {
        let mut known = Known { slots: vec![Slot::default(); SLOTS], ..Known::default() };
        for number in 0..4 * SLOTS {
            for word in [format!("cats{number}"), format!("a{number}s")] {
                let (mut first, mut again) = (word.clone(), word);
                known.reduce(&mut first);
                known.reduce(&mut again);
                assert_eq!(first, again);
            }
        }
    }
}
