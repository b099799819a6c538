//! `stats`: what this node gives and takes, and how well it does.

use catalog_node::control::requests::Stats;
use catalog_node::stats::{self, Held, Share};
use serde_json::{Value, json};

use super::publish::counted;
use super::upkeep::spoken;
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Shows what this node gives and takes.
pub fn stats(session: &Session) -> Result<(), Stop> {
    let (stats, is_running) =
        session.ask(async |control| Ok((control.ask(&Stats {}).await?, control.is_attached())))?;
    session.screen.emit(&Now { stats, is_running })
}

struct Now {
    stats: stats::Stats,
    is_running: bool,
}

impl Document for Now {
    const SCHEMA: &'static str = "catalog.stats/1";

    fn json(&self) -> Value {
        let mut body = json!(self.stats);
        body["running"] = json!(self.is_running);
        body
    }

    fn human(&self) -> Vec<Line> {
        let stats = &self.stats;
        let mut table = Table::bare();
        let mut fact =
            |name: &str, value: String| table.row([Line::new().ink(Ink::Dim, name), value.into()]);
        fact("shared", held(&stats.shared));
        fact("mirrored", held(&stats.mirrored));
        fact("sent", format!("{}{}", stats.sent, share(&stats.requests, "request", "answered")));
        fact("received", stats.received.to_string());
        fact("peers", format!("{} known, {} connected", stats.peers, stats.connected));
        fact("syncs", count(&stats.syncs, "sync", "went well"));
        fact("cache", cached(&stats.cache));
        fact("searches", count(&stats.searches, "search", "answered from memory"));
        fact("health", format!("{:.2}", stats.health.score));
        let mut lines = table.lines(0);
        let mut terms = Table::bare();
        for term in &stats.health.terms {
            let ink = if term.value < 1.0 { Ink::Warn } else { Ink::Plain };
            terms.row([
                Line::new().ink(Ink::Dim, &term.name),
                Line::new().ink(ink, format!("{:.2}", term.value)),
                term.words.as_str().into(),
            ]);
        }
        lines.extend(terms.lines(2));
        let since = match self.is_running {
            true => format!("counted since the node began, {} ago", spoken(stats.uptime_ms / 1000)),
            false => "no node is running: nothing was counted   catalog daemon start".to_owned(),
        };
        lines.push(Line::new().ink(Ink::Dim, since));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let stats = &self.stats;
        let share = |share: &Share| share.value().map_or("-".to_owned(), |share| share.to_string());
        let rows: [(&str, String); 15] = [
            ("shared.packages", stats.shared.packages.to_string()),
            ("shared.variants", stats.shared.variants.to_string()),
            ("shared.bytes", stats.shared.bytes.as_u64().to_string()),
            ("mirrored.packages", stats.mirrored.packages.to_string()),
            ("mirrored.variants", stats.mirrored.variants.to_string()),
            ("mirrored.bytes", stats.mirrored.bytes.as_u64().to_string()),
            ("sent.bytes", stats.sent.as_u64().to_string()),
            ("received.bytes", stats.received.as_u64().to_string()),
            ("requests.answered", stats.requests.good.to_string()),
            ("peers.known", stats.peers.to_string()),
            ("peers.connected", stats.connected.to_string()),
            ("syncs.success", share(&stats.syncs)),
            ("cache.hits", share(&stats.cache)),
            ("searches.remembered", share(&stats.searches)),
            ("health", stats.health.score.to_string()),
        ];
        rows.iter().map(|(name, value)| columns([name, value])).collect()
    }
}

fn held(held: &Held) -> String {
    format!(
        "{} in {}, {}",
        counted(held.packages, "package"),
        counted(held.variants, "variant"),
        held.bytes
    )
}

/// What share of what went how, in words; nothing of nothing.
fn share(share: &Share, what: &str, how: &str) -> String {
    match share.of {
        0 => String::new(),
        _ => format!("   {}", count(share, what, how)),
    }
}

fn count(share: &Share, what: &str, how: &str) -> String {
    let plural = |count| match (what, count) {
        (_, 1) => counted(1, what),
        ("search", count) => format!("{count} searches"),
        _ => counted(count, what),
    };
    match share.value() {
        None => "none yet".to_owned(),
        Some(value) => format!("{}, {:.0} % {how}", plural(share.of), 100.0 * value),
    }
}

fn cached(share: &Share) -> String {
    use catalog::size::ByteSize;
    match share.value() {
        None => "nothing was wanted yet".to_owned(),
        Some(value) => format!(
            "{} of {} that were wanted were here already, {:.0} %",
            ByteSize::bytes(share.good),
            ByteSize::bytes(share.of),
            100.0 * value
        ),
    }
}
