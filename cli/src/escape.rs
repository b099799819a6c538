//! Makes text from strangers harmless to a terminal.
//!
//! Summaries, names and reasons are written by publishers. An escape sequence in one could rewrite
//! the screen, a bidirectional mark could show one word and mean another. Everything that reaches
//! a terminal passes through [`visible`]; JSON passes through [`json`], which keeps its meaning.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal could act on `c` or hide it, instead of showing it.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}'                  // soft hyphen
            | '\u{061C}'                // Arabic letter mark
            | '\u{180E}'                // Mongolian vowel separator
            | '\u{200B}'..='\u{200F}'   // zero width, direction marks
            | '\u{2028}'..='\u{202E}'   // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206F}'   // word joiner, invisible operators, isolates
            | '\u{FEFF}'                // zero width no-break space
            | '\u{FFF9}'..='\u{FFFB}'   // interlinear annotation
            | '\u{E0000}'..='\u{E007F}' // tags
        )
}

/// `text` with everything that a terminal could act on written out as `\u{…}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push(' '),
            c if is_treacherous(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The same for a line of columns: the tabs between them stay.
pub fn visible_columns(line: &str) -> String {
    line.split('\t').map(visible).collect::<Vec<_>>().join("\t")
}

/// The same for text of several lines: line ends and tabs stay.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| line.replace('\t', "    ")).collect();
    lines.iter().map(|line| visible(line)).collect::<Vec<_>>().join("\n")
}

/// JSON text with the same characters written as `\uXXXX`, which every reader reads as before.
pub fn json(text: &str) -> Cow<'_, str> {
    // Line ends and spaces between tokens are not inside strings; serde_json has already escaped
    // the ASCII controls that are.
    let escaped = |c: char| is_treacherous(c) && c != '\n';
    if !text.contains(escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Replaces what a terminal could act on by as many `?` as it has bytes, so that positions stay.
pub fn same_length(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_treacherous(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            '\t' | '\r' => shown.push(' '),
            c if is_treacherous(c) => shown.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACKS: &[&str] = &[
        "\u{1b}[2J\u{1b}]0;owned\u{7}", // clears the screen, renames the window
        "\u{9b}31m",                    // the same with an 8-bit introducer
        "safe\u{202E}gpj.exe",          // shows exe.jpg
        "a\u{2066}b\u{2069}c\u{200f}",  // isolates, direction marks
        "line\r\rerror[CAT0000]: all is well", // overwrites the line
        "zero\u{200b}width\u{feff}",
        "tag\u{e0041}",
        "two\u{2028}lines\u{85}",
    ];

    /// Threat row 28: metadata cannot move the cursor, colour, hide or reorder text.
    #[test]
    fn nothing_from_a_stranger_reaches_the_terminal_raw() {
        for attack in ATTACKS {
            assert!(attack.contains(is_treacherous), "{attack:?} is not an attack");
            for shown in [visible(attack).into_owned(), visible_lines(attack)] {
                assert!(!shown.contains(is_treacherous), "{shown:?}");
            }
            let line = format!("name\t{attack}\tend");
            let columns = visible_columns(&line);
            assert_eq!(columns.split('\t').count(), 3);
            assert!(!columns.replace('\t', "").contains(is_treacherous), "{columns:?}");
            assert_eq!(same_length(attack).len(), attack.len());
            assert!(!same_length(attack).contains(is_treacherous));
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        for attack in ATTACKS {
            let written = serde_json::to_string(attack).unwrap();
            let escaped = json(&written);
            assert!(!escaped.contains(is_treacherous), "{escaped:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), *attack);
        }
    }

    #[test]
    fn ordinary_text_of_every_script_is_left_alone() {
        for text in ["graphdb 1.4.0", "größer", "数据库", "граф", "قاعدة", "😀 ✓"]
        {
            assert_eq!(visible(text), text);
            assert_eq!(json(text), text);
        }
        assert_eq!(visible_lines("a\n\tb"), "a\n    b");
        assert_eq!(visible("a\nb"), "a\\nb");
    }
}
