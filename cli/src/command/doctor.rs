//! `doctor`: looks at what commonly goes wrong, also when that keeps everything else from working.

use catalog_node::control::requests::Doctor;
use catalog_node::control::{Control, Exit, Failure};
use catalog_node::status::{Checkup, Health};
use serde_json::{Value, json};

use crate::args::Global;
use crate::line::{Ink, Line};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Checks settings, node and store.
pub fn doctor(global: Global) -> Result<(), Stop> {
    let mut checks = Vec::new();
    let session = match Session::open(global.clone()) {
        Ok(session) => {
            checks.push(good("settings", "can be read"));
            session
        }
        Err(failure) => {
            checks.push(bad("settings", &failure));
            Session::open(Global { no_config: true, config: None, ..global })?
        }
    };
    let asked = session.ask(async |control: &Control| {
        let daemon = match control.is_attached() {
            true => good("daemon", "running"),
            false => Checkup {
                name: "daemon".to_owned(),
                health: Health::Good,
                detail: "not running; others cannot reach this node".to_owned(),
                hint: Some("catalog daemon start".to_owned()),
            },
        };
        Ok((daemon, control.ask(&Doctor {}).await?))
    });
    match asked {
        Ok((daemon, found)) => {
            checks.push(daemon);
            checks.extend(found);
        }
        Err(Stop::Failed(failure)) => checks.push(bad("store", &failure)),
        Err(stop) => return Err(stop),
    }
    let is_bad = checks.iter().any(|check| check.health == Health::Bad);
    session.screen.emit(&Checks(checks))?;
    if is_bad { Err(Stop::Shown(Exit::Failed)) } else { Ok(()) }
}

fn good(name: &str, detail: &str) -> Checkup {
    let health = Health::Good;
    Checkup { name: name.to_owned(), health, detail: detail.to_owned(), hint: None }
}

fn bad(name: &str, failure: &Failure) -> Checkup {
    let cause = failure.cause.first().map(|cause| format!(": {cause}")).unwrap_or_default();
    Checkup {
        name: name.to_owned(),
        health: Health::Bad,
        detail: format!("{}{cause} ({})", failure.message, failure.code),
        hint: failure.hint.clone(),
    }
}

struct Checks(Vec<Checkup>);

impl Document for Checks {
    const SCHEMA: &'static str = "catalog.doctor/1";

    fn json(&self) -> Value {
        json!({ "checks": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for check in &self.0 {
            let (ink, word) = match check.health {
                Health::Good => (Ink::Good, "PASS "),
                Health::Warning => (Ink::Warn, "WARN "),
                Health::Bad => (Ink::Bad, "FAIL "),
            };
            lines.push(
                Line::new()
                    .ink(ink, word)
                    .ink(Ink::Strong, &check.name)
                    .text(format!(": {}", check.detail)),
            );
            if let Some(hint) = &check.hint {
                lines.push(Line::new().ink(Ink::Accent, "     fix: ").text(hint));
            }
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let poor = self.0.iter().filter(|check| check.health != Health::Good);
        poor.map(|check| columns([&check.name, &check.detail])).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|check| json!(check)).collect())
    }
}
