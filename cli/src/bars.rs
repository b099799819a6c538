//! Shows how far a long command is, on stderr: bars on a terminal, lines elsewhere, JSON on request.
//!
//! Off a terminal there is one line when an item starts, one when it ends, and one every thirty
//! seconds in between, so that a log stays readable.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use catalog::size::ByteSize;
use catalog_node::IndexProgress;
use catalog_node::fetch::TransferProgress;
use catalog_node::publish::PublishProgress;
use catalog_node::search::Found;
use catalog_node::verify::VerifyProgress;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::line::{Ink, Line};
use crate::screen::Screen;
use crate::settings::Settings;

/// How often a line is printed where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Lines of a page that gets better: any terminal has room for them.
const PAGE_LINES_MAX: usize = 16;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bar,
    Lines,
    Json,
    None,
}

/// The progress of one command.
#[derive(Debug)]
pub struct Bars {
    mode: Mode,
    screen: Screen,
    item: Option<Item>,
    /// Where a page stands that gets better.
    page: Option<ProgressBar>,
}

/// What is being worked on.
#[derive(Debug)]
struct Item {
    what: String,
    bar: ProgressBar,
    began: Instant,
    told: Instant,
    unit: Unit,
    done: u64,
    total: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Bytes,
    Records,
    Hours,
}

impl Unit {
    fn amount(self, count: u64) -> String {
        match self {
            Self::Bytes => ByteSize::bytes(count).to_string(),
            Self::Records => format!("{count} records"),
            Self::Hours => format!("{count} hours"),
        }
    }

    fn style(self) -> ProgressStyle {
        let template = match self {
            Self::Bytes => {
                "{prefix}  [{bar:20}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}"
            }
            Self::Records | Self::Hours => {
                "{prefix}  [{bar:20}] {pos}/{len}  {per_sec}  {eta}  {msg}"
            }
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
    }
}

impl Bars {
    /// Decides how to show progress.
    pub fn new(screen: &Screen, settings: &Settings, quiet: bool) -> Self {
        let mode = match settings.text("progress") {
            _ if quiet => Mode::None,
            Some("none") => Mode::None,
            Some("json") => Mode::Json,
            Some("bar") => Mode::Bar,
            Some("plain") => Mode::Lines,
            _ if std::io::stderr().is_terminal() => Mode::Bar,
            _ => Mode::Lines,
        };
        Self { mode, screen: screen.clone(), item: None, page: None }
    }

    /// How far a fetch or an install is.
    pub fn transfer(&mut self, event: &TransferProgress) {
        self.json("transfer", event);
        match event {
            TransferProgress::Resolved { reference, variant, bytes, .. } => {
                self.start(format!("{reference}#{variant}"), bytes.as_u64());
            }
            TransferProgress::Connecting { peers } => self.note(&format!("asking {peers} peers")),
            TransferProgress::Moving { bytes_done, bytes_total, providers, .. } => {
                let from = if *providers == 1 { "peer" } else { "peers" };
                self.note(&format!("from {providers} {from}"));
                self.advance(*bytes_done, *bytes_total);
            }
            TransferProgress::ProviderLost { node, reason } => {
                self.words(&format!("peer {} dropped: {reason}", node.short()));
            }
            TransferProgress::Installing { bytes_done, bytes_total } => {
                self.note("writing");
                self.advance(*bytes_done, *bytes_total);
            }
            _ => {}
        }
    }

    /// How far a publish is.
    pub fn publish(&mut self, event: &PublishProgress) {
        self.json("publish", event);
        match event {
            PublishProgress::Hashing { bytes_done, bytes_total, files_total, .. } => {
                if self.item.is_none() {
                    self.start(format!("hashing {files_total} files"), *bytes_total);
                }
                self.advance(*bytes_done, *bytes_total);
            }
            PublishProgress::Syncing => self.note("putting it on the disk"),
            _ => {}
        }
    }

    /// How far a check is.
    pub fn verify(&mut self, event: &VerifyProgress) {
        self.json("verify", event);
        if self.item.is_none() {
            self.start("checking contents".to_owned(), event.bytes_total);
        }
        self.advance(event.bytes_done, event.bytes_total);
    }

    /// How far a search index is.
    pub fn index(&mut self, event: &IndexProgress) {
        self.json("index", event);
        if self.item.is_none() {
            self.begin("building the search index".to_owned(), event.total, Unit::Records);
        }
        self.advance(event.done, event.total);
    }

    /// How many hours of a simulated world have passed.
    pub fn simulation(&mut self, way: &str, done: u64, total: u64) {
        self.json("sim", &serde_json::json!({ "way": way, "hours": done, "of": total }));
        if self.item.is_none() {
            self.begin(format!("simulating {way}"), total, Unit::Hours);
        }
        self.advance(done, total);
    }

    /// Whether anybody sees what is on its way.
    pub fn are_live(&self) -> bool {
        matches!(self.mode, Mode::Bar | Mode::Json)
    }

    /// What a search found so far; on a terminal it stands there until there is more.
    pub fn found(&mut self, found: &Found, lines: impl FnOnce() -> Vec<Line>) {
        self.json("search", found);
        if self.mode == Mode::Bar && !found.hits.is_empty() {
            let page = self.page.get_or_insert_with(|| {
                let message = ProgressStyle::with_template("{msg}");
                let style = message.unwrap_or_else(|_| ProgressStyle::default_spinner());
                ProgressBar::new_spinner().with_style(style)
            });
            let lines: Vec<String> =
                lines().iter().take(PAGE_LINES_MAX).map(|line| self.screen.words(line)).collect();
            page.set_message(lines.join("\n"));
            page.tick();
        }
    }

    /// Ends the item that is shown, in good order or not.
    pub fn end(&mut self) {
        if let Some(page) = self.page.take() {
            page.finish_and_clear();
        }
        let Some(item) = self.item.take() else { return };
        item.bar.finish_and_clear();
        if self.mode == Mode::Lines {
            let (done, took) = (item.unit.amount(item.done), item.began.elapsed());
            self.line(&format!("{}: {done} in {:.1} s", item.what, took.as_secs_f64()));
        }
    }

    fn start(&mut self, what: String, total: u64) {
        self.begin(what, total, Unit::Bytes);
    }

    fn begin(&mut self, what: String, total: u64, unit: Unit) {
        self.end();
        let bar = match self.mode {
            Mode::Bar => {
                let bar = ProgressBar::new(total).with_style(unit.style());
                bar.set_prefix(crate::escape::visible(&what).into_owned());
                bar
            }
            _ => ProgressBar::hidden(),
        };
        if self.mode == Mode::Lines {
            self.line(&format!("{what}: {}", unit.amount(total)));
        }
        let now = Instant::now();
        self.item = Some(Item { what, bar, began: now, told: now, unit, done: 0, total });
    }

    fn advance(&mut self, done: u64, total: u64) {
        let Some(item) = self.item.as_mut() else { return };
        (item.done, item.total) = (done, total);
        item.bar.set_length(total);
        item.bar.set_position(done);
        if self.mode == Mode::Lines && item.told.elapsed() >= LINE_EVERY {
            item.told = Instant::now();
            let (done, total) = (item.unit.amount(done), item.unit.amount(total));
            let line = format!("{}: {done} of {total}", item.what);
            self.line(&line);
        }
    }

    fn note(&self, text: &str) {
        if let Some(item) = &self.item {
            item.bar.set_message(text.to_owned());
        }
    }

    /// Something worth a line of its own.
    fn words(&self, text: &str) {
        match (&self.item, self.mode) {
            (_, Mode::None | Mode::Json) => {}
            (Some(item), Mode::Bar) => item.bar.suspend(|| self.line(text)),
            _ => self.line(text),
        }
    }

    fn line(&self, text: &str) {
        self.screen.say(&Line::new().ink(Ink::Dim, text));
    }

    fn json(&self, kind: &str, event: &impl Serialize) {
        if self.mode == Mode::Json {
            let event = serde_json::json!({ "kind": kind, "event": event });
            self.screen.insist_json("catalog.progress/1", event);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(page) = self.page.take() {
            page.finish_and_clear();
        }
        if let Some(item) = self.item.take() {
            item.bar.finish_and_clear();
        }
    }
}
