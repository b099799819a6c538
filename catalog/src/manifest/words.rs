//! What words and lines may hold, and which known word a misspelt one was meant to be.

/// The alphabet of the keys that a release keeps.
pub(super) fn is_word_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// The known word that `word` is probably a misspelling of.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let scored = known.map(|near| (strsim::normalized_damerau_levenshtein(word, near), near));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.6).then_some(best.1)
}

/// Control characters, and the marks that reorder text on a screen (Unicode UAX 9), which could
/// make a reader see something other than what was signed.
pub(crate) fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["requires", "prefers", "resources", "files"];
        for (word, meant) in [
            ("requries", Some("requires")),
            ("require", Some("requires")),
            ("resource", Some("resources")),
            ("file", Some("files")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }

    #[test]
    fn marks_that_hide_or_reorder_text_are_unsafe_and_letters_are_not() {
        assert!("\u{1b}\u{7}\n\u{202e}\u{2066}\u{feff}\u{9b}".chars().all(is_unsafe_to_show));
        assert!(!"a é 日本 עברית 👩\u{200d}💻".chars().any(is_unsafe_to_show));
    }
}
