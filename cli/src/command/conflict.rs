//! `conflicts` and `resolve`: what was signed that cannot all be true.

use catalog_node::conflicts::{About, Dispute, Verdict};
use catalog_node::control::requests::{Conflicts, Resolve};
use serde_json::{Value, json};

use crate::args::ResolveArgs;
use crate::line::{Ink, Line};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Lists what is at odds.
pub fn list(session: &Session) -> Result<(), Stop> {
    let disputes = session.ask(async |control| Ok(control.ask(&Conflicts {}).await?))?;
    session.screen.emit(&Listed(disputes))
}

/// Decides, or takes a decision back.
pub fn resolve(session: &Session, args: ResolveArgs) -> Result<(), Stop> {
    let verdict = match args.side {
        Some(side) => Verdict::Keep(side),
        None if args.lift => Verdict::Lift,
        None => Verdict::Undo,
    };
    let request = Resolve { subject: args.subject, verdict };
    let dispute = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Resolved(dispute))
}

/// One line: what it is, and how it stands.
fn headline(dispute: &Dispute) -> Line {
    let what = match dispute.about {
        About::Log => "signed histories that exclude each other",
        About::Version => "was released with different contents",
        About::Channel => "points to more than one version",
    };
    let chosen = dispute.sides.iter().find(|side| side.chosen);
    let (ink, stands) = match (dispute.blocked, dispute.decided, chosen) {
        (true, _, _) if dispute.about == About::Log => {
            (Ink::Bad, "nothing of it is installed until you decide".to_owned())
        }
        (true, _, _) => (Ink::Bad, "not picked until you decide".to_owned()),
        (false, Some(_), Some(side)) => (Ink::Good, format!("you chose {}", side.name)),
        (false, Some(_), None) => (Ink::Good, "you let it go on".to_owned()),
        (false, None, Some(side)) => {
            let policy = dispute.policy.map(|policy| policy.to_string()).unwrap_or_default();
            (Ink::Warn, format!("{policy} says {}", side.name))
        }
        (false, None, None) => (Ink::Warn, "it stays where it was before".to_owned()),
    };
    let mark = if dispute.blocked { Line::new().ink(Ink::Bad, "✘ ") } else { Line::done() };
    mark.ink(Ink::Strong, &dispute.subject).text(format!("  {what}: ")).ink(ink, stands)
}

struct Listed(Vec<Dispute>);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.conflicts/1";

    fn json(&self) -> Value {
        json!({ "conflicts": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return vec![Line::done().text("nothing is at odds")];
        }
        let mut lines = Vec::new();
        for dispute in &self.0 {
            lines.push(headline(dispute));
            for side in &dispute.sides {
                let line = Line::from(format!("  {}", side.name));
                lines.push(line.ink(Ink::Dim, format!("   {}", side.says)));
            }
            if dispute.blocked {
                let choice = match (dispute.about, dispute.sides.is_empty()) {
                    // Two statements at one position prove it, and there is no head to choose.
                    (About::Log, true) => "--lift",
                    (About::Log, false) => "SIDE or --lift",
                    _ => "SIDE",
                };
                let next = format!("  catalog resolve {} {choice}", dispute.subject);
                lines.push(Line::new().ink(Ink::Accent, next));
            }
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(|dispute| dispute.subject.clone()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|dispute| json!(dispute)).collect())
    }
}

struct Resolved(Dispute);

impl Document for Resolved {
    const SCHEMA: &'static str = "catalog.resolve/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        vec![headline(&self.0)]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.subject.clone()]
    }
}
