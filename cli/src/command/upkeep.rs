//! `verify`, `gc` and `status`: the state of this node.

use catalog::size::ByteSize;
use catalog_node::control::requests::{Gc, Status, Verify};
use catalog_node::control::{Code, Failure};
use catalog_node::gc::{GcReason, GcReport};
use catalog_node::status;
use catalog_node::verify::VerifyReport;
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::{GcArgs, VerifyArgs};
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Re-hashes everything that is kept.
pub fn verify(session: &Session, args: &VerifyArgs) -> Result<(), Stop> {
    let request = Verify { repair: args.repair };
    let report = session.ask(async |control| {
        let mut bars = session.bars();
        let report = control.follow(&request, |event| bars.verify(&event)).await;
        bars.end();
        Ok(report?)
    })?;
    let left = report.faults.iter().filter(|fault| !fault.repaired).count();
    session.screen.emit(&Checked(report))?;
    match (left, args.repair) {
        (0, _) => Ok(()),
        (count, true) => Err(Failure::new(
            Code::FAULTS,
            format_args!("faults that are left: {count}"),
        )
        .hint("nobody who is reachable has good bytes: add a peer that has, or catalog remove")
        .into()),
        (count, false) => Err(Failure::new(Code::FAULTS, format_args!("faults: {count}"))
            .hint("catalog verify --repair fetches good bytes from a peer")
            .into()),
    }
}

struct Checked(VerifyReport);

impl Document for Checked {
    const SCHEMA: &'static str = "catalog.verify/1";

    fn json(&self) -> Value {
        let mut body = json!(self.0);
        body["clean"] = json!(self.0.is_clean());
        body
    }

    fn human(&self) -> Vec<Line> {
        let report = &self.0;
        let mut lines: Vec<Line> = report
            .faults
            .iter()
            .map(|fault| {
                let (ink, mark) =
                    if fault.repaired { (Ink::Good, "repaired ") } else { (Ink::Bad, "✘ ") };
                Line::new()
                    .ink(ink, mark)
                    .ink(Ink::Strong, &fault.what)
                    .text(format!(": {}", fault.detail))
            })
            .collect();
        let looked_at = format!(
            "{}, {} and every record re-hashed",
            counted(report.blobs, "blob"),
            ByteSize::bytes(report.bytes),
        );
        let installs = format!("; {} compared", counted(report.installs, "installed package"));
        let mark = if report.is_clean() { Line::done() } else { Line::new().ink(Ink::Bad, "✘ ") };
        lines.push(mark.text(looked_at).text(installs));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let left = self.0.faults.iter().filter(|fault| !fault.repaired);
        left.map(|fault| columns([&fault.what, &fault.detail])).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.faults.iter().map(|fault| json!(fault)).collect())
    }
}

/// Deletes what nothing needs.
pub fn gc(session: &Session, args: &GcArgs) -> Result<(), Stop> {
    let report =
        session.ask(async |control| Ok(control.ask(&Gc { dry_run: args.dry_run }).await?))?;
    session.screen.emit(&Freed(report))
}

struct Freed(GcReport);

fn why(reason: GcReason) -> &'static str {
    match reason {
        GcReason::Unheld => "nothing that is published, installed or fetched needs it",
        GcReason::Abandoned => "part of a fetch that was given up",
    }
}

impl Document for Freed {
    const SCHEMA: &'static str = "catalog.gc/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let report = &self.0;
        let mut table = Table::new(&["BLOB", "SIZE", "WHY"]);
        for item in &report.removed {
            let size = item.bytes.map_or_else(|| "part".to_owned(), |bytes| bytes.to_string());
            table.row([item.digest.to_string().into(), size.into(), why(item.reason).into()]);
        }
        let mut lines = if report.removed.is_empty() { Vec::new() } else { table.lines(0) };
        let gone = counted(report.removed.len() as u64, "blob");
        let kept = counted(report.kept, "blob");
        lines.push(match report.dry_run {
            true => Line::from(format!(
                "would delete {gone}, {}, and keep {kept}. Nothing deleted (dry run).",
                report.freed
            )),
            false => Line::done().text(format!("deleted {gone}, {}; kept {kept}", report.freed)),
        });
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.0.removed.iter().map(|item| item.digest.to_string()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.removed.iter().map(|item| json!(item)).collect())
    }
}

/// Shows this node on one screen.
pub fn status(session: &Session) -> Result<(), Stop> {
    let (status, is_running) =
        session.ask(async |control| Ok((control.ask(&Status {}).await?, control.is_attached())))?;
    session.screen.emit(&Now { status, is_running })
}

/// How the node is, right now.
pub struct Now {
    /// What it says.
    pub status: status::Status,
    /// Whether others can reach it.
    pub is_running: bool,
}

impl Document for Now {
    const SCHEMA: &'static str = "catalog.status/1";

    fn json(&self) -> Value {
        let mut body = json!(self.status);
        body["running"] = json!(self.is_running);
        body
    }

    fn human(&self) -> Vec<Line> {
        let status = &self.status;
        let mut table = Table::bare();
        let mut fact =
            |name: &str, value: Line| table.row([Line::new().ink(Ink::Dim, name), value]);
        let running = match self.is_running {
            true => Line::new().ink(Ink::Good, "running").text(format!(
                "   pid {}, up {}",
                status.pid,
                spoken(status.uptime_ms / 1000)
            )),
            false => Line::new().ink(Ink::Warn, "not running").text("   catalog daemon start"),
        };
        fact("node", running);
        fact("id", status.node.to_string().into());
        let name = status.petname.as_ref().map(|name| format!("{name}   ")).unwrap_or_default();
        fact(
            "publisher",
            match &status.publisher {
                Some(id) => Line::new().ink(Ink::Strong, name).text(id.to_string()),
                None => Line::from("none   catalog init makes one"),
            },
        );
        let addrs: Vec<_> = status.listening.iter().map(ToString::to_string).collect();
        if !addrs.is_empty() {
            fact("listening", addrs.join("  ").into());
        }
        let peers = format!("{} known, {} connected", status.peers.len(), status.connected);
        fact(
            "peers",
            match status.partitioned {
                true => Line::from(peers).ink(Ink::Warn, "   most are out of reach"),
                false => peers.into(),
            },
        );
        if !status.nodes.is_empty() {
            let announced = format!("{} announced", status.nodes.len());
            fact("nodes", Line::from(announced).ink(Ink::Dim, "   catalog peer list --all"));
        }
        if status.outbox > 0 {
            fact("outbox", format!("{} to announce", counted(status.outbox, "statement")).into());
        }
        fact(
            "packages",
            format!(
                "{} known in {}, {} installed",
                status.packages,
                counted(status.releases, "release"),
                status.installs
            )
            .into(),
        );
        fact("root", Line::new().ink(Ink::Dim, status.catalog_root.to_string()));
        let free = status.free.map(|free| format!(", {free} free")).unwrap_or_default();
        fact("contents", format!("{}{free}", status.blobs).into());
        if status.torn > 0 {
            let words = format!("{} lost in a crash: catalog verify --repair", status.torn);
            fact("damage", Line::new().ink(Ink::Bad, words));
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        vec![if self.is_running { "running" } else { "not running" }.to_owned()]
    }
}

/// A length of time in its two largest units.
pub(super) fn spoken(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
