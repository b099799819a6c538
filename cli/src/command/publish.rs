//! `publish`: shows what would be signed and whom it fits, asks, and publishes.

use catalog::resolve::Fit;
use catalog_node::control::Control;
use catalog_node::control::requests::{Drafted, Publish, PublishReply, VariantFits};
use serde_json::Value;

use super::lint::Checked;
use crate::args::PublishArgs;
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// The most named profiles that are listed beside a variant.
const PROFILES_SHOWN_MAX: usize = 3;

/// Publishes what a manifest describes.
pub fn publish(session: &Session, args: &PublishArgs) -> Result<(), Stop> {
    let checked = Checked::read(&args.path)?;
    checked.tell(session)?;
    send(session, &Drafted::Manifest(checked.path), args.dry_run)
}

/// Publishes a draft. Where nobody said yes beforehand, a dry run is shown and a question asked.
pub fn send(session: &Session, from: &Drafted, dry_run: bool) -> Result<(), Stop> {
    let asks = !dry_run && session.must_ask()?;
    let shown = session.ask(async |control| {
        if asks {
            let plan = follow(session, control, from, true).await?;
            plan.plan().iter().for_each(|line| session.screen.insist(line));
            let what = &plan.reply.published.reference;
            session.confirm(&format!("Sign and publish {what} for good?")).await?;
        }
        follow(session, control, from, dry_run).await
    })?;
    session.screen.emit(&shown)
}

async fn follow(
    session: &Session,
    control: &Control,
    from: &Drafted,
    dry_run: bool,
) -> Result<Shown, Stop> {
    let mut bars = session.bars();
    let request = Publish { from: from.clone(), dry_run };
    let reply = control.follow(&request, |event| bars.publish(&event)).await;
    bars.end();
    // Others can fetch it only from a node that runs.
    Ok(Shown { reply: reply?, is_reachable: control.is_attached() })
}

struct Shown {
    reply: PublishReply,
    is_reachable: bool,
}

impl Shown {
    /// The package, its variants and what they fit.
    fn plan(&self) -> Vec<Line> {
        let PublishReply { published, about, fits } = &self.reply;
        let mut lines = vec![
            Line::new()
                .ink(Ink::Strong, &published.reference)
                .text(format!("   {}   {}   {}", about.kind, about.license, about.permission)),
        ];
        let mut table = Table::bare();
        for (variant, fits) in published.variants.iter().zip(fits) {
            table.row([
                Line::new().ink(Ink::Strong, variant.id.as_str()),
                variant.size.to_string().into(),
                counted(variant.files, "file").into(),
                whom(fits),
            ]);
        }
        lines.extend(table.lines(2));
        let wanted = about.replicas.map(|count| format!(", replicas wanted {count}"));
        lines.push(Line::from(format!(
            "  total {}{}",
            published.bytes,
            wanted.unwrap_or_default()
        )));
        lines
    }
}

/// `1 file`, `3 files`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn whom(fits: &VariantFits) -> Line {
    if fits.fallback {
        return Line::from("fallback");
    }
    let here = (fits.here != Fit::No).then(|| format!("this node {}", fits.here.as_str()));
    let named = fits.profiles.iter().take(PROFILES_SHOWN_MAX);
    let named = named.map(|(name, fit)| format!("{name} {}", fit.as_str()));
    let fitting: Vec<String> = here.into_iter().chain(named).collect();
    match fitting.is_empty() {
        true => Line::new().ink(Ink::Warn, "fits no machine that is known here"),
        false => Line::from(format!("fits: {}", fitting.join(", "))),
    }
}

impl Document for Shown {
    const SCHEMA: &'static str = "catalog.publish/1";

    fn json(&self) -> Value {
        serde_json::to_value(&self.reply).unwrap_or_default()
    }

    fn human(&self) -> Vec<Line> {
        let published = &self.reply.published;
        let mut lines = self.plan();
        if published.dry_run {
            lines.push(Line::from("  Nothing written (dry run)."));
            return lines;
        }
        let seq = published.seq.map(|seq| format!(", log entry {seq}")).unwrap_or_default();
        let id = published.id.map(|id| format!("   cat:{id}")).unwrap_or_default();
        lines.push(match published.already {
            true => Line::done()
                .ink(Ink::Strong, &published.reference)
                .text(" was published before, with the same bytes"),
            false => Line::done()
                .text("published ")
                .ink(Ink::Strong, &published.reference)
                .text(format!("{id}{seq}")),
        });
        if !self.is_reachable {
            lines.push(Line::from("  reachable only while a node runs: catalog daemon start"));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        vec![self.reply.published.reference.clone()]
    }
}
