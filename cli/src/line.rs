//! One line of text with colours, and tables of such lines.
//!
//! Text goes in raw and comes out escaped, whoever wrote it.

use std::borrow::Cow;
use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::escape;

/// What a piece of text means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Nothing in particular.
    Plain,
    /// A heading or a name.
    Strong,
    /// Beside the point.
    Dim,
    /// It went well.
    Good,
    /// Look here.
    Warn,
    /// It failed.
    Bad,
    /// A word that was looked for.
    Found,
    /// A next step.
    Accent,
}

impl Ink {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("1;31"),
            Self::Found => Some("1;4"),
            Self::Accent => Some("36"),
        }
    }
}

/// A line, built from left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Ink, String)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line that starts with `✓`.
    pub fn done() -> Self {
        Self::new().ink(Ink::Good, "✓ ")
    }

    /// Adds plain text.
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.ink(Ink::Plain, text)
    }

    /// Adds text with a meaning.
    pub fn ink(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        if !text.is_empty() {
            self.spans.push((ink, escape::visible(text).into_owned()));
        }
        self
    }

    /// Adds text in which some places were looked for.
    ///
    /// - `places`: first character and the one after the last, ascending; what lies outside of the
    ///   text is left out.
    pub fn marked(mut self, ink: Ink, text: &str, places: &[(usize, usize)]) -> Self {
        let byte = |place| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
        let mut done = 0;
        for (start, end) in places.iter().map(|&(start, end)| (byte(start), byte(end))) {
            if done <= start && start < end {
                self = self.ink(ink, &text[done..start]).ink(Ink::Found, &text[start..end]);
                done = end;
            }
        }
        self.ink(ink, &text[done..])
    }

    /// Adds another line's pieces.
    pub fn join(mut self, other: Self) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line as it is written, with colours or without.
    pub fn paint(&self, color: bool) -> impl fmt::Display + '_ {
        Painted { line: self, color }
    }
}

impl<T: AsRef<str>> From<T> for Line {
    fn from(text: T) -> Self {
        Self::new().text(text)
    }
}

struct Painted<'a> {
    line: &'a Line,
    color: bool,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (ink, text) in &self.line.spans {
            match ink.code().filter(|_| self.color) {
                Some(code) => write!(f, "\u{1b}[{code}m{text}\u{1b}[0m")?,
                None => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

/// Several lines of text, such as a README, one [`Line`] each.
pub fn paragraph(text: &str) -> impl Iterator<Item = Line> + '_ {
    text.lines().map(|line| Line::from(Cow::from(escape::visible_lines(line))))
}

/// Columns of equal width, under headings.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<Line>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|name| Line::new().ink(Ink::Dim, name)).collect()] }
    }

    /// A table without headings.
    pub fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Line>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, each starting with `indent` spaces.
    pub fn lines(self, indent: usize) -> Vec<Line> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(Line::width).max())
            .map(|width| width.unwrap_or(0))
            .collect();
        let line = |row: Vec<Line>| {
            // Nothing is padded at the end of a line.
            let last = row.iter().rposition(|cell| cell.width() > 0).unwrap_or(0);
            let start = Line::new().text(" ".repeat(indent));
            row.into_iter().take(last + 1).enumerate().fold(start, |line, (at, cell)| {
                let gap = if at == last { 0 } else { widths[at] + 2 - cell.width() };
                line.join(cell).text(" ".repeat(gap))
            })
        };
        self.rows.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_they_hold() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["数据".into(), "x".into()]);
        table.row([Line::new().ink(Ink::Good, "ok"), "y\u{1b}".into()]);
        let lines: Vec<_> =
            table.lines(1).iter().map(|line| line.paint(false).to_string()).collect();
        assert_eq!(lines, [" A     B", " 数据  x", " ok    y\\u{1b}"]);
    }

    /// Threat row 28: what strangers write is escaped in marked text as well, and places that do
    /// not belong to it do no harm.
    #[test]
    fn marked_text_is_escaped_piece_by_piece() {
        let text = "größe \u{1b}[2J\u{202e}abc";
        let line =
            Line::new().marked(Ink::Plain, text, &[(0, 5), (6, 8), (7, 9), (12, 99), (3, 1)]);
        let plain = "größe \\u{1b}[2J\\u{202e}abc";
        assert_eq!(line.paint(false).to_string(), plain);
        assert_eq!(
            line.paint(true).to_string(),
            "\u{1b}[1;4mgröße\u{1b}[0m \u{1b}[1;4m\\u{1b}[\u{1b}[0m2J\\u{202e}a\u{1b}[1;4mbc\u{1b}[0m"
        );
        assert!(!line.paint(false).to_string().contains('\u{1b}'));
    }

    #[test]
    fn colour_is_put_around_escaped_text_only() {
        let line = Line::new().ink(Ink::Bad, "a\u{1b}[0m");
        assert_eq!(line.paint(true).to_string(), "\u{1b}[1;31ma\\u{1b}[0m\u{1b}[0m");
        assert_eq!(line.paint(false).to_string(), "a\\u{1b}[0m");
    }
}
