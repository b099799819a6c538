//! What is printed, where and in which form: data on stdout, words on stderr.
//!
//! A command makes one [`Document`] and hands it over; the form (human, JSON, JSON lines, plain) is
//! chosen here. Every text is [escaped](crate::escape) on its way to a terminal, so no command can
//! forget it.
//!
//! Guarantees: a reader that goes away (`| head`) ends the command quietly and with success.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

use catalog_node::control::{Code, Failure};
use serde::Serialize;
use serde_json::Value;

use crate::escape;
use crate::line::{Ink, Line};
use crate::settings::Settings;
use crate::stop::Stop;

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
    /// One JSON document per row.
    JsonLines,
    /// The bare essence, one item a line.
    Plain,
}

impl Format {
    /// The form that the settings ask for. `auto` is the human one: without colour when stdout is
    /// no terminal, and otherwise the same, so that what a script sees is what its author saw.
    pub fn of(settings: &Settings) -> Self {
        match settings.text("format") {
            Some("json") => Self::Json,
            Some("jsonl") => Self::JsonLines,
            Some("plain") => Self::Plain,
            _ => Self::Human,
        }
    }
}

/// What a command has to say, in every form.
pub trait Document {
    /// The name and version of the JSON form, such as `catalog.search/1`. A change that could
    /// break a reader raises the number.
    const SCHEMA: &'static str;

    /// The JSON form, without the schema name.
    fn json(&self) -> Value;

    /// The form for people.
    fn human(&self) -> Vec<Line>;

    /// The plain form: one item a line, references where there are any; see [`columns`].
    fn plain(&self) -> Vec<String>;

    /// The rows of a list, for JSON lines; none when the document is not a list.
    fn rows(&self) -> Option<Vec<Value>> {
        None
    }
}

/// A line of the plain form with several columns: a tab stands between them and in none.
pub fn columns<const N: usize>(cells: [&dyn fmt::Display; N]) -> String {
    cells.map(|cell| cell.to_string().replace('\t', " ")).join("\t")
}

/// The two streams of this process, and how to write to them.
#[derive(Clone, Debug)]
pub struct Screen {
    format: Format,
    color_out: bool,
    color_err: bool,
    quiet: bool,
}

impl Screen {
    /// Decides form and colour.
    pub fn new(settings: &Settings, quiet: bool) -> Self {
        let color = settings.text("color");
        let decide = |is_terminal| wants_color(color, is_terminal, |name| std::env::var(name).ok());
        Self {
            format: Format::of(settings),
            color_out: decide(io::stdout().is_terminal()),
            color_err: decide(io::stderr().is_terminal()),
            quiet,
        }
    }

    /// The form of data.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Prints the result of a command.
    pub fn emit<D: Document>(&self, document: &D) -> Result<(), Stop> {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self.format {
            Format::Human => document
                .human()
                .iter()
                .try_for_each(|line| writeln!(out, "{}", line.paint(self.color_out))),
            Format::Plain => document
                .plain()
                .iter()
                .try_for_each(|line| writeln!(out, "{}", escape::visible_columns(line))),
            Format::Json => write_json(&mut out, D::SCHEMA, document.json(), Spacing::Pretty),
            Format::JsonLines => match document.rows() {
                None => write_json(&mut out, D::SCHEMA, document.json(), Spacing::Dense),
                Some(rows) => rows
                    .into_iter()
                    .try_for_each(|row| write_json(&mut out, D::SCHEMA, row, Spacing::Dense)),
            },
        };
        written.and_then(|()| out.flush()).map_err(stdout_failed)
    }

    /// Prints one line of a result that is shown while it comes about.
    pub fn print(&self, line: &Line) -> Result<(), Stop> {
        writeln!(io::stdout().lock(), "{}", line.paint(self.color_out)).map_err(stdout_failed)
    }

    /// Prints words for people on stderr, unless they asked for quiet.
    pub fn say(&self, line: &Line) {
        if !self.quiet {
            self.insist(line);
        }
    }

    /// A line as it would be printed on stderr.
    pub fn words(&self, line: &Line) -> String {
        line.paint(self.color_err).to_string()
    }

    /// Prints words on stderr in any case.
    pub fn insist(&self, line: &Line) {
        // When stderr is gone there is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{}", line.paint(self.color_err));
    }

    /// Prints a warning on stderr; it is shown even when quiet.
    pub fn warn(&self, text: &str) {
        self.insist(&Line::new().ink(Ink::Warn, "warning: ").text(text));
    }

    /// Prints one line of JSON on stderr: errors and progress for programs.
    pub fn insist_json(&self, schema: &str, value: Value) {
        let _ = write_json(&mut io::stderr().lock(), schema, value, Spacing::Dense);
    }

    /// Prints a failure: as words, or as JSON when data is JSON.
    pub fn fail(&self, failure: &Failure) {
        match self.format {
            Format::Json | Format::JsonLines => {
                self.insist_json("catalog.error/1", serde_json::json!({ "error": failure }));
            }
            Format::Human | Format::Plain => {
                for line in failure_lines(failure) {
                    self.insist(&line);
                }
            }
        }
    }
}

/// The lines `error[CATnnnn]: …`, `cause: …` and `hint: …`.
fn failure_lines(failure: &Failure) -> Vec<Line> {
    let head = Line::new()
        .ink(Ink::Bad, format!("error[{}]", failure.code))
        .ink(Ink::Strong, ": ")
        .text(failure.message.as_str());
    let cause = |cause: &String| Line::new().ink(Ink::Dim, "cause: ").text(cause.as_str());
    let hint = |hint: &String| Line::new().ink(Ink::Accent, "hint: ").text(hint.as_str());
    std::iter::once(head)
        .chain(failure.cause.iter().map(cause))
        .chain(failure.hint.iter().map(hint))
        .collect()
}

#[derive(Clone, Copy)]
enum Spacing {
    Pretty,
    Dense,
}

/// Writes a document with its schema name in front.
fn write_json(out: &mut dyn Write, schema: &str, body: Value, spacing: Spacing) -> io::Result<()> {
    #[derive(Serialize)]
    struct Named<'a> {
        schema: &'a str,
        #[serde(flatten)]
        body: Value,
    }
    let named = Named { schema, body };
    let text = match spacing {
        Spacing::Pretty => serde_json::to_string_pretty(&named),
        Spacing::Dense => serde_json::to_string(&named),
    }?;
    writeln!(out, "{}", escape::json(&text))
}

/// A reader that went away has what it wanted; any other failure of stdout is one.
pub fn stdout_failed(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::PipeClosed,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::of(Code::DISK_FULL, &error).into()
        }
        _ => {
            Failure::new(Code::IO, "cannot write to standard output").caused_by(Some(&error)).into()
        }
    }
}

/// Whether to colour: the flag, then NO_COLOR, CLICOLOR_FORCE and TERM, then whether it is a
/// terminal.
fn wants_color(
    setting: Option<&str>,
    is_terminal: bool,
    variable: impl Fn(&str) -> Option<String>,
) -> bool {
    let says = |name| variable(name).is_some_and(|value| !value.is_empty() && value != "0");
    match setting {
        Some("always") => true,
        Some("never") => false,
        _ if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        _ if says("CLICOLOR_FORCE") => true,
        _ => is_terminal && variable("TERM").is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colored(setting: Option<&str>, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        wants_color(setting, is_terminal, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        assert!(colored(None, true, &[]));
        assert!(!colored(None, false, &[]));
        assert!(!colored(None, true, &[("NO_COLOR", "1")]));
        assert!(colored(None, true, &[("NO_COLOR", "")]));
        assert!(!colored(None, true, &[("TERM", "dumb")]));
        assert!(colored(None, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!colored(None, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colored(None, true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(colored(Some("always"), false, &[("NO_COLOR", "1")]));
        assert!(!colored(Some("never"), true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn the_schema_name_comes_first() {
        let mut out = Vec::new();
        let body = serde_json::json!({ "hits": [] });
        write_json(&mut out, "catalog.search/1", body, Spacing::Dense).unwrap();
        assert_eq!(out, b"{\"schema\":\"catalog.search/1\",\"hits\":[]}\n");
    }

    #[test]
    fn a_failure_is_printed_as_error_cause_and_hint() {
        let failure =
            Failure::new(Code::NO_PACKAGE, "no package \u{1b}[31mx").cause("asked").hint("search");
        let lines: Vec<_> =
            failure_lines(&failure).iter().map(|line| line.paint(false).to_string()).collect();
        assert_eq!(
            lines,
            ["error[CAT0301]: no package \\u{1b}[31mx", "cause: asked", "hint: search"]
        );
    }
}
