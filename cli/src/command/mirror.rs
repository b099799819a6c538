//! `mirror`: what this node holds for others.

use catalog::profile::Profile;
use catalog::size::ByteSize;
use catalog_node::control::Failure;
use catalog_node::control::requests::{
    MirrorAdd, MirrorDrop, MirrorExplain, MirrorList, MirrorMode, MirrorOnly, MirrorPlan,
    MirrorStatus,
};
use catalog_node::mirror::{Added, Deed, Dropped, Held, Mode, Overview, Plan, Reasons};
use serde_json::{Value, json};

use super::install::references;
use super::publish::counted;
use crate::args::{MirrorAddArgs, MirrorArgs, MirrorCommand, MirrorDropArgs, MirrorStartArgs};
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::{Session, profile};
use crate::stop::Stop;

/// Does something with what is held for others.
pub fn mirror(session: &Session, args: &MirrorArgs) -> Result<(), Stop> {
    if let Some(reference) = &args.explain {
        let request = MirrorExplain { reference: reference.clone() };
        let reasons = session.ask(async |control| Ok(control.ask(&request).await?))?;
        return session.screen.emit(&Explained(reasons));
    }
    match &args.command {
        Some(MirrorCommand::Start(args)) => begin(session, Mode::All, args),
        Some(MirrorCommand::Auto(args)) => begin(session, Mode::Auto, args),
        Some(MirrorCommand::Stop) => begin(session, Mode::Off, &MirrorStartArgs::default()),
        Some(MirrorCommand::Add(args)) => add(session, args),
        Some(MirrorCommand::Drop(args)) => drop_held(session, args),
        Some(MirrorCommand::List) => {
            let held = session.ask(async |control| Ok(control.ask(&MirrorList {}).await?))?;
            if held.is_empty() {
                session.screen.say(&Line::from("nothing is held for others: catalog mirror auto"));
            }
            session.screen.emit(&Listed(held))
        }
        Some(MirrorCommand::Plan) => {
            let plan = session.ask(async |control| Ok(control.ask(&MirrorPlan {}).await?))?;
            session.screen.emit(&Planned(plan))
        }
        Some(MirrorCommand::Status) | None => {
            let status = session.ask(async |control| Ok(control.ask(&MirrorStatus {}).await?))?;
            session.screen.emit(&Shown { overview: status, is_new: false })
        }
    }
}

fn begin(session: &Session, mode: Mode, args: &MirrorStartArgs) -> Result<(), Stop> {
    let only = MirrorOnly {
        publishers: args.publishers.clone(),
        kinds: args.kinds.clone(),
        tags: args.tags.clone(),
        packages: args.packages.clone(),
        profiles: profiles(&args.profiles)?,
        variants: args.variants.clone(),
    };
    let request = MirrorMode { mode, only, budget: args.max };
    let (overview, is_running) =
        session.ask(async |control| Ok((control.ask(&request).await?, control.is_attached())))?;
    if mode != Mode::Off && !is_running {
        session.screen.warn("no node is running: it begins with catalog daemon start");
    }
    session.screen.emit(&Shown { overview, is_new: true })
}

fn profiles(names: &[String]) -> Result<Vec<Profile>, Failure> {
    names.iter().map(|name| profile(name)).collect()
}

fn add(session: &Session, args: &MirrorAddArgs) -> Result<(), Stop> {
    let profiles = profiles(&args.profiles)?;
    let references = references(&args.references)?;
    session.ask(async |control| {
        for reference in references {
            let request = MirrorAdd { reference, profiles: profiles.clone() };
            let added = session.transfer(control, &request, false).await?;
            session.screen.emit(&Taken(added))?;
        }
        Ok(())
    })
}

fn drop_held(session: &Session, args: &MirrorDropArgs) -> Result<(), Stop> {
    let references = references(&args.references)?;
    session.ask(async |control| {
        for reference in references {
            let dropped = control.ask(&MirrorDrop { reference }).await?;
            if !dropped.last.is_empty() {
                let count = counted(dropped.last.len() as u64, "content");
                session.screen.warn(&format!("no other mirror is known to hold {count} of it"));
            }
            if dropped.comes_back {
                let words = "what is mirrored here lets it through, so it comes back";
                session.screen.warn(words);
            }
            session.screen.emit(&Gone(dropped))?;
        }
        Ok(())
    })
}

struct Taken(Added);

impl Document for Taken {
    const SCHEMA: &'static str = "catalog.mirror.add/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let Added { reference, variants, variants_total, bytes, bytes_total, bytes_moved } =
            &self.0;
        let line = Line::done().text("holds ").ink(Ink::Strong, reference).text(format!(
            "   {} of {}, {bytes} of {bytes_total}, moved {}",
            variants.len(),
            counted(*variants_total, "variant"),
            ByteSize::bytes(*bytes_moved)
        ));
        vec![line]
    }

    fn plain(&self) -> Vec<String> {
        let Added { reference, variants, .. } = &self.0;
        variants.iter().map(|variant| format!("{reference}#{variant}")).collect()
    }
}

struct Gone(Dropped);

impl Document for Gone {
    const SCHEMA: &'static str = "catalog.mirror.drop/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let bytes: ByteSize = self.0.held.iter().map(|held| held.bytes).sum();
        let count = counted(self.0.held.len() as u64, "content");
        let names: Vec<String> = self.0.held.iter().map(name).collect();
        vec![
            Line::done()
                .text(format!("holds {count} less, {bytes}"))
                .ink(Ink::Dim, "   catalog gc frees the space"),
            Line::from(format!("  {}", names.join("  "))),
        ]
    }

    fn plain(&self) -> Vec<String> {
        self.0.held.iter().map(name).collect()
    }
}

fn name(held: &Held) -> String {
    format!("{}#{}", held.reference, held.variant)
}

struct Listed(Vec<Held>);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.mirror.list/1";

    fn json(&self) -> Value {
        json!({ "held": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&["PACKAGE", "SIZE", "WHY", "OTHERS", "STATE"]);
        for held in &self.0 {
            table.row([
                Line::new().ink(Ink::Strong, name(held)),
                held.bytes.to_string().into(),
                if held.pinned { "added by hand" } else { "mirrored" }.into(),
                held.others.to_string().into(),
                match held.whole {
                    true => Line::new().ink(Ink::Good, "whole"),
                    false => Line::new().ink(Ink::Bad, "damaged"),
                },
            ]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(name).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|held| json!(held)).collect())
    }
}

struct Shown {
    overview: Overview,
    is_new: bool,
}

impl Shown {
    /// What is decided, in one line.
    fn headline(&self) -> Line {
        let Overview { mode, budget, region, .. } = &self.overview;
        let mark = if self.is_new { Line::done() } else { Line::new() };
        let place = region.as_ref().map(|region| format!(", in {region}")).unwrap_or_default();
        match mode {
            Mode::Off => mark.text("mirroring   only what was added by hand"),
            Mode::All => mark.text(format!("mirroring   all that fits into {budget}{place}")),
            Mode::Auto => {
                mark.text(format!("mirroring   what is needed most, within {budget}{place}"))
            }
        }
    }
}

impl Document for Shown {
    const SCHEMA: &'static str = "catalog.mirror.status/1";

    fn json(&self) -> Value {
        json!(self.overview)
    }

    fn human(&self) -> Vec<Line> {
        let it = &self.overview;
        let mut lines = vec![self.headline()];
        if !it.only.is_empty() {
            lines.push(Line::from(format!("only        {}", it.only.join(" "))));
        }
        let mut held = format!("held        {}, {}", counted(it.held, "content"), it.used);
        if it.pinned > 0 {
            held.push_str(&format!(", {} added by hand", it.pinned));
        }
        lines.push(held.into());
        if it.damaged > 0 {
            let words = format!("damaged     {}", counted(it.damaged, "content"));
            lines
                .push(Line::new().ink(Ink::Bad, words).ink(Ink::Dim, "   catalog verify --repair"));
        }
        if it.mode != Mode::Off {
            if it.missing > 0 {
                let missing = counted(it.missing, "content");
                lines.push(Line::from(format!("missing     {missing}, {}", it.missing_bytes)));
            }
            let strategy = format!("{}, {} copies at least", it.strategy, it.factor);
            lines.push(Line::from(format!("by          {strategy}")));
            let since = format!(
                "since start {} fetched, {} mended, {} dropped",
                ByteSize::bytes(it.bytes_fetched),
                it.repairs,
                it.evictions
            );
            lines.push(Line::from(since));
        }
        for trouble in &it.troubles {
            lines.push(Line::new().ink(Ink::Warn, format!("not fetched {trouble}")));
        }
        if it.mirrors.is_empty() {
            return lines;
        }
        let mut table = Table::new(&["MIRROR", "REGION", "HOLDS", "OF", "WHAT"]);
        for mirror in &it.mirrors {
            let what = match (mirror.backbone, mirror.selective) {
                (true, _) => "backbone",
                (false, true) => "some",
                (false, false) => "anything",
            };
            table.row([
                Line::new().ink(Ink::Strong, mirror.node.short()),
                mirror.region.as_ref().map_or("", |region| region.as_str()).into(),
                mirror.used.to_string().into(),
                mirror.capacity.to_string().into(),
                what.into(),
            ]);
        }
        lines.push(Line::new());
        lines.extend(table.lines(0));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let it = &self.overview;
        vec![columns([&it.mode.as_str(), &it.held, &it.used.as_u64(), &it.budget.as_u64()])]
    }
}

struct Planned(Plan);

fn deed(deed: Deed) -> (Ink, &'static str) {
    match deed {
        Deed::Fetch => (Ink::Good, "fetch"),
        Deed::Drop => (Ink::Warn, "drop"),
        Deed::Wait => (Ink::Dim, "wait"),
    }
}

impl Document for Planned {
    const SCHEMA: &'static str = "catalog.mirror.plan/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let Plan { mode, orders, more, used, budget } = &self.0;
        if *mode == Mode::Off {
            return vec![Line::from("nothing is planned: only what was added by hand is held")];
        }
        let mut lines = Vec::new();
        if orders.is_empty() {
            lines.push(
                Line::done().text(format!("everything is as it should be, {used} of {budget}")),
            );
            return lines;
        }
        let mut table = Table::new(&["WHAT", "PACKAGE", "SIZE", "COPIES", "WHY"]);
        for order in orders {
            let (ink, word) = deed(order.deed);
            table.row([
                Line::new().ink(ink, word),
                Line::new().ink(Ink::Strong, format!("{}#{}", order.reference, order.variant)),
                order.bytes.to_string().into(),
                format!("{} of {}", order.copies, order.wanted).into(),
                order.why.as_str().into(),
            ]);
        }
        lines.extend(table.lines(0));
        if *more > 0 {
            lines.push(Line::new().ink(Ink::Dim, format!("and {more} more")));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let line = |order: &catalog_node::mirror::Order| {
            let name = format!("{}#{}", order.reference, order.variant);
            columns([&deed(order.deed).1, &name, &order.bytes.as_u64()])
        };
        self.0.orders.iter().map(line).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.orders.iter().map(|order| json!(order)).collect())
    }
}

struct Explained(Vec<Reasons>);

impl Document for Explained {
    const SCHEMA: &'static str = "catalog.mirror.explain/1";

    fn json(&self) -> Value {
        json!({ "contents": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for reasons in &self.0 {
            let state = match (reasons.held, reasons.pinned, reasons.wanted) {
                (_, true, _) => Line::new().ink(Ink::Good, "held, because it was added by hand"),
                (true, _, true) => Line::new().ink(Ink::Good, "held, and it should be"),
                (true, _, false) => Line::new().ink(Ink::Warn, "held, until room is needed"),
                (false, _, true) => Line::new().ink(Ink::Accent, "not held yet"),
                (false, _, false) => Line::new().ink(Ink::Dim, "not held, and it need not be"),
            };
            let name = format!("{}#{}", reasons.reference, reasons.variant);
            lines.push(
                Line::new()
                    .ink(Ink::Strong, name)
                    .text(format!("   {}   ", reasons.bytes))
                    .join(state),
            );
            lines.push(Line::from(format!("  {}", reasons.reason)));
            let mut table = Table::bare();
            for term in &reasons.terms {
                table.row([
                    Line::from(&term.name),
                    term.value.to_string().into(),
                    Line::new().ink(Ink::Dim, &term.words),
                ]);
            }
            lines.extend(table.lines(2));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for reasons in &self.0 {
            let name = format!("{}#{}", reasons.reference, reasons.variant);
            lines
                .extend(reasons.terms.iter().map(|term| columns([&name, &term.name, &term.value])));
        }
        lines
    }
}
