//! `lint`: checks a manifest and its files, and points at the places.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use catalog::manifest::{Finding, MANIFEST_FILE, Manifest, Severity};
use catalog_node::control::{Code, Exit, Failure};
use serde_json::{Value, json};

use crate::args::LintArgs;
use crate::escape;
use crate::line::{Ink, Line};
use crate::screen::{Document, Format};
use crate::session::Session;
use crate::stop::Stop;

/// Checks a manifest and everything that it names.
pub fn lint(session: &Session, args: &LintArgs) -> Result<(), Stop> {
    let checked = Checked::read(&args.path)?;
    session.screen.emit(&checked)?;
    checked.verdict()
}

/// A manifest with everything that was found about it.
pub struct Checked {
    /// Where the manifest lies, absolute.
    pub path: PathBuf,
    text: String,
    findings: Vec<Finding>,
}

impl Checked {
    /// Reads the manifest at `path`, which may be the folder that holds it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let path = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_path_buf() };
        let cannot_read = |error: io::Error| {
            let code = match error.kind() {
                io::ErrorKind::NotFound => Code::NO_MANIFEST,
                _ => Code::IO,
            };
            Failure::new(code, format_args!("cannot read {}", path.display()))
                .caused_by(Some(&error))
                .hint("go to the folder of the package, or name it; catalog new makes one")
        };
        let absolute = std::path::absolute(&path).map_err(cannot_read)?;
        let text = fs::read_to_string(&absolute).map_err(cannot_read)?;
        let findings = match Manifest::parse(&text, &path) {
            Err(findings) => findings,
            Ok((manifest, mut findings)) => {
                findings.extend(manifest.check_files(absolute.parent().unwrap_or(&absolute)));
                findings
            }
        };
        Ok(Self { path: absolute, text, findings })
    }

    /// Shows what was found before a publish; fails when anything stops it.
    pub fn tell(&self, session: &Session) -> Result<(), Stop> {
        match session.screen.format() {
            Format::Human | Format::Plain => {
                self.lines().iter().for_each(|line| session.screen.insist(line));
            }
            Format::Json | Format::JsonLines if self.errors() > 0 => {
                session.screen.insist_json(Self::SCHEMA, self.json());
            }
            Format::Json | Format::JsonLines => {}
        }
        self.verdict()
    }

    fn verdict(&self) -> Result<(), Stop> {
        if self.errors() == 0 { Ok(()) } else { Err(Stop::Shown(Exit::Usage)) }
    }

    /// How many findings stop a publish.
    fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    fn lines(&self) -> Vec<Line> {
        // Positions are bytes of the text as it was read.
        let shown = escape::same_length(&self.text);
        self.findings.iter().flat_map(|finding| self.finding(finding, &shown)).collect()
    }

    fn finding(&self, finding: &Finding, text: &str) -> Vec<Line> {
        let (ink, word) = match finding.severity {
            Severity::Error => (Ink::Bad, "error"),
            Severity::Warning => (Ink::Warn, "warning"),
        };
        let mut lines = vec![
            Line::new()
                .ink(ink, format!("{word}[{}]", finding.code))
                .ink(Ink::Strong, ": ")
                .text(&finding.message),
        ];
        if let Some(snippet) = finding.span.as_ref().and_then(|span| self.snippet(text, span, ink))
        {
            lines.extend(snippet);
        }
        if let Some(hint) = &finding.hint {
            lines.push(Line::new().ink(Ink::Accent, "hint: ").text(hint));
        }
        lines
    }

    /// The line that a finding is about, with its place underlined.
    fn snippet(&self, text: &str, span: &Range<usize>, ink: Ink) -> Option<[Line; 3]> {
        let before = text.get(..span.start)?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..)?.lines().next().unwrap_or_default();
        let number = 1 + before.matches('\n').count();
        let column = before.get(start..)?.chars().count();
        let end = span.end.min(start + line.len());
        let marked = text.get(span.start..end).map_or(1, |marked| marked.chars().count().max(1));
        let margin = " ".repeat(number.to_string().len());
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        Some([
            Line::new()
                .ink(Ink::Dim, format!("{margin}--> "))
                .text(format!("{file}:{number}:{}", column + 1)),
            Line::new().ink(Ink::Dim, format!("{number} | ")).text(line),
            Line::new()
                .ink(Ink::Dim, format!("{margin} | "))
                .text(" ".repeat(column))
                .ink(ink, "^".repeat(marked)),
        ])
    }
}

impl Document for Checked {
    const SCHEMA: &'static str = "catalog.lint/1";

    fn json(&self) -> Value {
        json!({ "manifest": self.path, "errors": self.errors(), "findings": self.findings })
    }

    fn human(&self) -> Vec<Line> {
        let mut lines = self.lines();
        let warnings = self.findings.len() - self.errors();
        lines.push(match (self.errors(), warnings) {
            (0, 0) => Line::done().text("ready to publish"),
            (0, count) => Line::done().text(format!("can be published; warnings: {count}")),
            (count, _) => Line::new().ink(Ink::Bad, "✘ ").text(format!("errors: {count}")),
        });
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.findings.iter().map(ToString::to_string).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.findings.iter().map(|finding| json!({ "finding": finding })).collect())
    }
}
