//! `sync` and `changes`: what comes from peers.

use catalog::size::ByteSize;
use catalog_node::changes::{ChangeInfo, ChangeKind};
use catalog_node::control::requests::{Changes, Sync, Synced};
use catalog_node::control::{Code, Failure};
use catalog_node::{SyncReport, changes};
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::{ChangesArgs, SyncArgs};
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Brings records over.
pub fn sync(session: &Session, args: &SyncArgs) -> Result<(), Stop> {
    let request = Sync {
        peer: args.peer.clone(),
        strategy: args.strategy.clone(),
        publishers: args.publishers.clone(),
        kinds: args.kinds.clone(),
        tags: args.tags.clone(),
        fits: args.fits.clone(),
        max_age_ms: args.max_age.map(|age| age.0.as_millis() as u64),
    };
    let synced = session.ask(async |control| Ok(control.ask(&request).await?))?;
    if synced.reports.is_empty() {
        session.screen.say(&Line::from("no peers yet: catalog peer add TICKET"));
    }
    let failure = failure(&synced);
    session.screen.emit(&Done(synced))?;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// A peer that shows what is too old matters more than one that does not answer.
fn failure(synced: &Synced) -> Option<Failure> {
    let stale = synced.freshness.iter().find(|peer| !peer.stale.is_empty());
    if let Some(peer) = stale {
        let whose = peer.stale.join(", ");
        let words = format_args!("peer {} shows what is too old of {whose}", peer.peer.short());
        let failure = Failure::new(Code::STALE, words);
        return Some(failure.hint("ask another peer, or the publisher's own node"));
    }
    let failed: Vec<_> = synced.reports.iter().filter(|report| report.error.is_some()).collect();
    let first = failed.first()?;
    let words = format_args!("{} did not answer", counted(failed.len() as u64, "peer"));
    let failure = Failure::new(Code::UNREACHABLE, words).hint("is it running there?");
    Some(match &first.error {
        Some(error) => failure.cause(error),
        None => failure,
    })
}

struct Done(Synced);

impl Document for Done {
    const SCHEMA: &'static str = "catalog.sync/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.0.reports.iter().map(report).collect();
        for report in &self.0.reports {
            let refused = report.rejected.iter();
            lines.extend(refused.map(|why| Line::new().ink(Ink::Dim, format!("  refused: {why}"))));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let well = self.0.reports.iter().filter(|report| report.error.is_none());
        well.map(|report| format!("{} {}", report.peer, report.records_new)).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.reports.iter().map(|report| json!(report)).collect())
    }
}

fn report(report: &SyncReport) -> Line {
    if let Some(error) = &report.error {
        return Line::new().ink(Ink::Bad, "✘ ").text(format!("{}: {error}", report.peer.short()));
    }
    let bytes = ByteSize::bytes(report.bytes_in + report.bytes_out);
    let what = match report.records_new {
        0 => "nothing new".to_owned(),
        new => format!("{} new", counted(new, "record")),
    };
    let line = Line::done().text(format!(
        "{}   {what}   {bytes} ({} to compare) in {} ms",
        report.peer.short(),
        ByteSize::bytes(report.bytes_overhead),
        report.took_ms
    ));
    match report.in_step {
        true => line.ink(Ink::Dim, "   in step"),
        false => line,
    }
}

/// Lists what came.
pub fn changes(session: &Session, args: &ChangesArgs) -> Result<(), Stop> {
    let first = Changes { since: args.since.clone() };
    let all = session.ask(async |control| {
        let mut all = control.ask(&first).await?;
        while all.more {
            let rest = control.ask(&Changes { since: Some(all.up_to.to_string()) }).await?;
            all.changes.extend(rest.changes);
            (all.up_to, all.more, all.root) = (rest.up_to, rest.more, rest.root);
        }
        Ok(all)
    })?;
    session.screen.emit(&Listed(all))
}

struct Listed(changes::Changes);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.changes/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&["CHANGE", "WHAT", "OF", "SIGNED"]);
        for change in &self.0.changes {
            table.row([
                change.change.to_string().into(),
                word(change.kind).into(),
                Line::new().ink(Ink::Strong, subject(change)),
                change.signed.map(|at| at.to_string()).unwrap_or_default().into(),
            ]);
        }
        let mut lines = if self.0.changes.is_empty() { Vec::new() } else { table.lines(0) };
        let words = format!("{} up to {}   root ", self.0.changes.len(), self.0.up_to);
        lines.push(Line::new().ink(Ink::Dim, words).text(self.0.root.to_string()));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let row = |change: &ChangeInfo| {
            format!("{} {} {}", change.change, word(change.kind), subject(change))
        };
        self.0.changes.iter().map(row).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.changes.iter().map(|change| json!(change)).collect())
    }
}

const fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Inception => "publisher",
        ChangeKind::Release => "release",
        ChangeKind::Channel => "channel",
        ChangeKind::Yank => "yank",
        ChangeKind::Grant => "grant",
        ChangeKind::Attestation => "attestation",
        ChangeKind::Parcel => "parcel",
        ChangeKind::Head => "head",
        ChangeKind::Hidden => "hidden",
    }
}

fn subject(change: &ChangeInfo) -> String {
    change.subject.clone().unwrap_or_else(|| change.publisher.short())
}
