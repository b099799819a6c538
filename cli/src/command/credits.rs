//! `credits`: what this node earned, what others earned from it, and how each number came about.

use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog_node::control::requests::Credits;
use catalog_node::credits::{self, CreditLine, CreditStanding, FraudFound};
use serde_json::{Value, json};

use crate::args::{CreditsArgs, CreditsCommand};
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// What the columns of an export are called.
const COLUMNS: &str = "side,peer,bytes,signed_ms,health,ratio,reliability,credits";

/// Shows the statement of account, or writes it for other programs.
pub fn credits(session: &Session, args: &CreditsArgs) -> Result<(), Stop> {
    let credits = session.ask(async |control| Ok(control.ask(&Credits {}).await?))?;
    match args.command {
        None => session.screen.emit(&Account(credits)),
        Some(CreditsCommand::Export) => session.screen.emit(&Export(credits)),
    }
}

/// Which way bytes went.
#[derive(Clone, Copy)]
enum Side {
    Earned,
    Spent,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Earned => "earned",
            Self::Spent => "spent",
        }
    }
}

fn lines(credits: &credits::Credits) -> impl Iterator<Item = (Side, &CreditLine)> {
    let earned = credits.earned.iter().map(|line| (Side::Earned, line));
    earned.chain(credits.spent.iter().map(|line| (Side::Spent, line)))
}

/// A row of a list, with which way the bytes went.
fn row(side: Side, line: &CreditLine) -> Value {
    let mut row = json!(line);
    row["side"] = json!(side.name());
    row
}

struct Account(credits::Credits);

fn who(node: &NodeId, alias: Option<&Petname>) -> String {
    alias.map_or_else(|| node.short(), ToString::to_string)
}

impl Document for Account {
    const SCHEMA: &'static str = "catalog.credits/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let credits = &self.0;
        // The sum of nothing would be -0.
        let sum = |lines: &[CreditLine]| lines.iter().fold(0.0, |sum, line| sum + line.credits);
        let (earned, spent) = (sum(&credits.earned), sum(&credits.spent));
        let mut all = vec![
            Line::new()
                .text("balance ")
                .ink(Ink::Strong, format!("{:+.2}", credits.balance))
                .text(format!("   earned {earned:.2}, spent {spent:.2}")),
        ];
        if credits.earned.is_empty() && credits.spent.is_empty() {
            let words = "no receipts yet: they come with contents that are sent and fetched";
            all.push(Line::new().ink(Ink::Dim, words));
        } else {
            all.extend(statement(credits));
        }
        if !credits.standings.is_empty() {
            all.push(Line::new());
            all.extend(standings(&credits.standings));
        }
        all.extend(credits.frauds.iter().flat_map(fraud));
        all
    }

    fn plain(&self) -> Vec<String> {
        let row = |(side, line): (Side, &CreditLine)| {
            columns([&side.name(), &line.peer, &line.bytes.as_u64(), &line.credits])
        };
        lines(&self.0).map(row).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(lines(&self.0).map(|(side, line)| row(side, line)).collect())
    }
}

/// Every line with the sum that made it.
fn statement(credits: &credits::Credits) -> Vec<Line> {
    let mut table =
        Table::new(&["CREDITS", "PEER", "SIGNED FOR", "= MIB × HEALTH × RATIO × RELIABILITY"]);
    for (side, line) in lines(credits) {
        let (ink, sign, arrow) = match side {
            Side::Earned => (Ink::Good, '+', "to"),
            Side::Spent => (Ink::Warn, '-', "from"),
        };
        let mib = line.bytes.as_u64() as f64 / f64::from(1 << 20);
        let (health, ratio, reliability) = (line.health, line.ratio, line.reliability);
        table.row([
            Line::new().ink(ink, format!("{sign}{:.2}", line.credits)),
            format!("{arrow} {}", who(&line.peer, line.alias.as_ref())).into(),
            line.bytes.to_string().into(),
            format!("{mib:.2} × {health:.2} × {ratio:.2} × {reliability:.2}").into(),
        ]);
    }
    table.lines(0)
}

/// What others are worth here, and who says so.
fn standings(standings: &[CreditStanding]) -> Vec<Line> {
    let mut table = Table::new(&["SCORE", "PEER", "WEIGHT", "= OWN + VOUCHED"]);
    for standing in standings {
        let weight = standing.weight.map_or("as a stranger".to_owned(), |one| format!("{one:.3}"));
        let vouched = standing.vouched.iter().map(|vouch| {
            format!(" + {:.4} by {}", vouch.adds, who(&vouch.peer, vouch.alias.as_ref()))
        });
        table.row([
            format!("{:.4}", standing.score).into(),
            who(&standing.peer, standing.alias.as_ref()).into(),
            weight.into(),
            format!("{:.4}{}", standing.own, vouched.collect::<String>()).into(),
        ]);
    }
    table.lines(0)
}

fn fraud(found: &FraudFound) -> Vec<Line> {
    let [one, other] = &found.receipts;
    let words = format!(
        " signed for {} and for {} from {}: it counts for nothing",
        one.bytes,
        other.bytes,
        found.server.short()
    );
    let head = Line::new().ink(Ink::Bad, "✘ ").text(found.signer.short()).text(words);
    let receipts = found.receipts.iter().map(|receipt| {
        let place = format!("  receipt {}.{}  ", receipt.epoch, receipt.seq);
        Line::new().text(place).ink(Ink::Dim, &receipt.sealed)
    });
    std::iter::once(head).chain(receipts).collect()
}

/// The statement as a table for other programs.
struct Export(credits::Credits);

impl Export {
    fn csv(&self) -> Vec<String> {
        let row = |(side, line): (Side, &CreditLine)| {
            let CreditLine { peer, bytes, signed, health, ratio, reliability, credits, .. } = line;
            let (bytes, signed) = (bytes.as_u64(), signed.as_millis());
            let side = side.name();
            format!("{side},{peer},{bytes},{signed},{health},{ratio},{reliability},{credits}")
        };
        std::iter::once(COLUMNS.to_owned()).chain(lines(&self.0).map(row)).collect()
    }
}

impl Document for Export {
    const SCHEMA: &'static str = "catalog.credits/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        self.csv().into_iter().map(Line::from).collect()
    }

    fn plain(&self) -> Vec<String> {
        self.csv()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(lines(&self.0).map(|(side, line)| row(side, line)).collect())
    }
}
