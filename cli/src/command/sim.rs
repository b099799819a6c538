//! `sim`: what mirrors would do in a world of settings, beside simpler ways of placing copies.
//!
//! It needs no store and no network; everything follows from the seed, but how long it took.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use catalog_mirror::sim::{self, Amount, Finding, Run, Settings, Watch, Way};
use catalog_node::control::{Code, Failure};
use serde_json::{Value, json};

use crate::args::SimArgs;
use crate::bars::Bars;
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Lets a world pass, and shows what came of it.
pub fn sim(session: &Session, args: &SimArgs) -> Result<(), Stop> {
    let settings = settings(args);
    settings.check().map_err(|error| Failure::of(Code::USAGE, &error))?;
    let baselines = Way::BASELINES.into_iter().filter(|_| args.baselines);
    let mut runs = Vec::new();
    for way in std::iter::once(Way::Planned).chain(baselines) {
        let watching = Watching {
            bars: RefCell::new(session.bars()),
            way,
            began: Instant::now(),
            hours: u64::from(settings.days) * 24,
        };
        let run = sim::run(&settings, way, &watching);
        watching.bars.borrow_mut().end();
        runs.push(run.map_err(|error| Failure::of(Code::USAGE, &error))?);
    }
    if let Some(path) = &args.csv {
        write(path, sim::csv(&runs))?;
    }
    if let Some(path) = &args.svg {
        write(path, sim::svg(&title(&settings), &runs))?;
    }
    session.screen.emit(&Came { settings, runs })
}

fn settings(args: &SimArgs) -> Settings {
    Settings {
        nodes: args.nodes,
        regions: args.regions,
        packages: args.packages,
        days: args.days,
        requests: args.requests,
        seed: args.seed,
        scenario: args.scenario,
        strategy: args.strategy,
        budget: args.budget,
        factor_min: args.factor,
        factor_max: args.factor_max.max(args.factor),
    }
}

fn write(path: &Path, text: String) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::new(Code::IO, format_args!("cannot write {}", path.display()))
            .caused_by(Some(&error))
    })
}

/// What a world is, on one line.
fn title(settings: &Settings) -> String {
    let Settings { nodes, regions, packages, days, scenario, seed, budget, .. } = settings;
    format!(
        "{scenario}: {nodes} nodes in {regions} regions, {packages} packages, {days} days, \
         {budget} each, seed {seed}"
    )
}

/// Shows how far a run is, and lends it a clock.
struct Watching {
    bars: RefCell<Bars>,
    way: Way,
    began: Instant,
    hours: u64,
}

impl Watch for Watching {
    fn hour(&self, hours: u64) {
        self.bars.borrow_mut().simulation(self.way.name(), hours, self.hours);
    }

    fn clock(&self) -> Duration {
        self.began.elapsed()
    }
}

/// What came of a world.
struct Came {
    settings: Settings,
    runs: Vec<Run>,
}

/// The columns of the summary.
const COLUMNS: [&str; 9] =
    ["WAY", "IN REGION", "P50", "P95", "FAILED", "STORED", "COPIED", "TOO FEW", "LOST"];

impl Came {
    fn cells(run: &Run) -> [String; 9] {
        let whole = &run.whole;
        [
            run.way.name().to_owned(),
            Amount::Share(whole.hit_rate()).to_string(),
            format!("{} ms", whole.p50_ms),
            format!("{} ms", whole.p95_ms),
            whole.failed.to_string(),
            run.stored().to_string(),
            whole.moved.to_string(),
            run.below().to_string(),
            run.lost().to_string(),
        ]
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.runs.iter().flat_map(|run| &run.findings)
    }
}

impl Document for Came {
    const SCHEMA: &'static str = "catalog.sim/1";

    fn json(&self) -> Value {
        let settings = &self.settings;
        let run = |run: &Run| {
            let whole = &run.whole;
            json!({
                "way": run.way.name(),
                "requests": whole.requests,
                "local": whole.local,
                "remote": whole.remote,
                "failed": whole.failed,
                "hit_rate_percent": whole.hit_rate() as f64 / 100.0,
                "p50_ms": whole.p50_ms,
                "p95_ms": whole.p95_ms,
                "served_bytes": whole.served,
                "crossed_bytes": whole.crossed,
                "moved_bytes": whole.moved,
                "control_bytes": whole.control,
                "stored_bytes": run.stored(),
                "below": run.below(),
                "lost": run.lost(),
                "findings": run.findings.iter().map(finding).collect::<Vec<_>>(),
            })
        };
        json!({
            "nodes": settings.nodes,
            "regions": settings.regions,
            "packages": settings.packages,
            "days": settings.days,
            "requests": settings.requests,
            "seed": settings.seed,
            "scenario": settings.scenario.name(),
            "strategy": settings.strategy,
            "budget": settings.budget,
            "factor": settings.factor_min,
            "factor_max": settings.factor_max,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&COLUMNS);
        for run in &self.runs {
            table.row(Self::cells(run).map(Line::from));
        }
        let mut lines = vec![Line::new().ink(Ink::Strong, title(&self.settings))];
        lines.extend(table.lines(0));
        let mut findings = Table::bare();
        for finding in self.findings() {
            let (ink, mark) = match (finding.most, finding.holds()) {
                (None, _) => (Ink::Dim, "·"),
                (Some(_), true) => (Ink::Good, "✓"),
                (Some(_), false) => (Ink::Bad, "✗"),
            };
            let most = finding.most.map(|most| format!("at most {most}")).unwrap_or_default();
            findings.row([
                Line::new().ink(ink, mark),
                finding.words.into(),
                finding.is.to_string().into(),
                Line::new().ink(Ink::Dim, most),
            ]);
        }
        lines.extend(findings.lines(0));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let runs = self.runs.iter().map(|run| Self::cells(run).join("\t"));
        let finding = |finding: &Finding| columns([&finding.name, &finding.is.number()]);
        runs.chain(self.findings().map(finding)).collect()
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "name": finding.name,
        "words": finding.words,
        "unit": finding.is.unit(),
        "is": finding.is.number(),
        "most": finding.most.map(Amount::number),
        "holds": finding.holds(),
    })
}
