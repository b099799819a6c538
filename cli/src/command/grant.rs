//! `grant`, `revoke`, `grants` and `attest`: who may read what, and who vouches for what.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use catalog_node::control::requests::{Attest, Attested, Grant, Grants, Revoke};
use catalog_node::grants::{GrantInfo, GrantStanding, Granted};
use serde_json::{Value, json};

use super::upkeep::spoken;
use crate::args::{AttestArgs, GrantArgs, ReadersArgs, RevokeArgs};
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// What `revoke` cannot undo, in its own words.
const KEPT: &str = "what they have fetched they keep, and can pass on, and the keys of what is \
                    published so far: a revocation stops what is published and sent from now on, \
                    no more";

/// Lets nodes read.
pub fn grant(session: &Session, args: GrantArgs) -> Result<(), Stop> {
    let life_ms = args.life.map(|life| u64::try_from(life.0.as_millis()).unwrap_or(u64::MAX));
    let request = Grant { scope: scope(args.readers), nodes: args.to, life_ms };
    let granted = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Said(granted, Way::Grant))
}

/// Does not let nodes read any more.
pub fn revoke(session: &Session, args: RevokeArgs) -> Result<(), Stop> {
    let request = Revoke { scope: scope(args.readers), nodes: args.from };
    let revoked = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Said(revoked, Way::Revoke))
}

/// Lists who may read what.
pub fn list(session: &Session) -> Result<(), Stop> {
    let grants = session.ask(async |control| Ok(control.ask(&Grants {}).await?))?;
    session.screen.emit(&Listed(grants))
}

/// Vouches for a release, or does not any more.
pub fn attest(session: &Session, args: AttestArgs) -> Result<(), Stop> {
    let note = (!args.undo).then_some(args.note);
    let request = Attest { reference: args.reference, note };
    let attested = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Vouched { attested, undone: args.undo })
}

fn scope(readers: ReadersArgs) -> String {
    match readers.scope {
        Some(scope) => scope,
        // One of the two is always there: clap sees to it.
        None => "@friends".to_owned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Grant,
    Revoke,
}

struct Said(Granted, Way);

impl Document for Said {
    const SCHEMA: &'static str = "catalog.grant/1";

    fn json(&self) -> Value {
        let Self(granted, way) = self;
        let mut body = json!({
            "statement": granted.stated,
            "granted": *way == Way::Grant,
            "scope": granted.scope,
            "nodes": granted.nodes,
            "until": granted.until,
            "releases": granted.releases,
        });
        if *way == Way::Revoke {
            body["not_undone"] = json!(KEPT);
        }
        body
    }

    fn human(&self) -> Vec<Line> {
        let Self(granted, way) = self;
        let whom: Vec<String> = granted.nodes.iter().map(|node| node.short()).collect();
        let (whom, scope) = (whom.join(", "), &granted.scope);
        let entry = match granted.stated.already {
            true => "   the log says so already".to_owned(),
            false => format!("   log entry {}", granted.stated.seq),
        };
        let what = match (way, granted.until) {
            (Way::Grant, None) => format!("{whom} may read {scope}"),
            (Way::Grant, Some(until)) => {
                format!("{whom} may read {scope}, {}", ends(until.as_millis()))
            }
            (Way::Revoke, _) => format!("{whom} may not read {scope} any more"),
        };
        let mut lines = vec![Line::done().text(what).text(entry)];
        if *way == Way::Revoke {
            lines.push(Line::from(format!("  {KEPT}")));
        }
        if granted.releases == 0 {
            let words =
                "  nothing that you published so far is meant: what is for everybody is not";
            lines.push(Line::new().ink(Ink::Warn, words));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.stated.id.to_string()]
    }
}

struct Listed(Vec<GrantInfo>);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.grants/1";

    fn json(&self) -> Value {
        json!({ "grants": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return vec![Line::done().text("nothing is granted to anybody")];
        }
        let mut table = Table::bare();
        for grant in &self.0 {
            let standing = match (grant.standing, grant.until) {
                (GrantStanding::Granted, None) => Line::new().ink(Ink::Good, "may read it"),
                (GrantStanding::Granted, Some(until)) => {
                    let words = format!("may read it, {}", ends(until.as_millis()));
                    Line::new().ink(Ink::Good, words)
                }
                (GrantStanding::Expired, _) => Line::new().ink(Ink::Warn, "its time is over"),
                (GrantStanding::Revoked, _) => Line::new().ink(Ink::Bad, "revoked"),
            };
            table.row([grant.node.short().into(), grant.scope.to_string().into(), standing]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        let row = |grant: &GrantInfo| {
            let standing = match grant.standing {
                GrantStanding::Granted => "granted",
                GrantStanding::Expired => "expired",
                GrantStanding::Revoked => "revoked",
            };
            format!("{}\t{}\t{standing}", grant.node, grant.scope)
        };
        self.0.iter().map(row).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|grant| json!(grant)).collect())
    }
}

struct Vouched {
    attested: Attested,
    undone: bool,
}

impl Document for Vouched {
    const SCHEMA: &'static str = "catalog.attest/1";

    fn json(&self) -> Value {
        json!({
            "release": self.attested.reference,
            "attested": !self.undone,
            "statement": self.attested.stated,
        })
    }

    fn human(&self) -> Vec<Line> {
        let said = if self.undone { "you do not attest" } else { "you attest" };
        let entry = match self.attested.stated.already {
            true => "   the log says so already".to_owned(),
            false => format!("   log entry {}", self.attested.stated.seq),
        };
        vec![Line::done().text(format!("{said} {}", self.attested.reference)).text(entry)]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.attested.stated.id.to_string()]
    }
}

/// When something ends, as people say it.
fn ends(millis: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match Duration::from_millis(millis).checked_sub(now) {
        Some(left) => format!("for {} more", spoken(left.as_secs())),
        None => "which is over".to_owned(),
    }
}
