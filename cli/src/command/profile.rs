//! `profile`: the facts about this machine, and about kinds of machines.

use catalog::profile::{FactValue, Profile};
use serde_json::{Value, json};

use crate::args::ProfileCommand;
use crate::line::{Ink, Line, Table, paragraph};
use crate::screen::Document;
use crate::session::{self, Session, overrides, wrong_profile};
use crate::stop::Stop;

/// Does something with profiles.
pub fn profile(session: &Session, command: &ProfileCommand) -> Result<(), Stop> {
    match command {
        ProfileCommand::Show { name, set } => {
            session.screen.emit(&Shown(chosen(session, name.as_deref(), set)?))
        }
        ProfileCommand::Export { name, set } => {
            session.screen.emit(&Exported(chosen(session, name.as_deref(), set)?))
        }
        ProfileCommand::List => {
            session.screen.emit(&Named(Profile::names().filter_map(Profile::named).collect()))
        }
    }
}

fn chosen(session: &Session, name: Option<&str>, set: &[String]) -> Result<Profile, Stop> {
    let base = match name {
        None | Some("this") => session.this_machine(),
        Some(name) => session::profile(name)?,
    };
    Ok(base.with_overrides(&overrides(set)?).map_err(wrong_profile)?)
}

/// The most telling facts: `linux x86-64-v4, 2 cores, 23.5 GiB, no GPU`.
pub fn in_a_line(profile: &Profile) -> String {
    let facts = profile.facts();
    let one = |key: &str| {
        let known = profile.known(&key.parse().ok()?);
        known.values.first().map(FactValue::spoken)
    };
    let system: Vec<String> =
        [one("os"), one("cpu.level").or_else(|| one("cpu.arch"))].into_iter().flatten().collect();
    let cores = facts.cores.map(|count| format!("{count} cores"));
    let memory = facts.memory.usable().map(|bytes| bytes.to_string());
    let gpu = match facts.gpus.first() {
        None => "no GPU".to_owned(),
        Some(gpu) => gpu.model.clone().unwrap_or_else(|| "GPU".to_owned()),
    };
    let parts = [Some(system.join(" ")), cores, memory, Some(gpu)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

struct Shown(Profile);

impl Document for Shown {
    const SCHEMA: &'static str = "catalog.profile/1";

    fn json(&self) -> Value {
        json!({ "profile": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let head =
            Line::new().ink(Ink::Strong, self.0.name()).text(format!("   {}", in_a_line(&self.0)));
        let text = self.0.to_toml();
        let mut lines = vec![head, Line::new()];
        lines.extend(paragraph(&text));
        lines
    }

    fn plain(&self) -> Vec<String> {
        vec![in_a_line(&self.0)]
    }
}

/// A profile as a file, whatever the format: that is what was asked for.
struct Exported(Profile);

impl Document for Exported {
    const SCHEMA: &'static str = "catalog.profile/1";

    fn json(&self) -> Value {
        json!({ "profile": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        paragraph(&self.0.to_toml()).collect()
    }

    fn plain(&self) -> Vec<String> {
        self.0.to_toml().lines().map(str::to_owned).collect()
    }
}

struct Named(Vec<Profile>);

impl Document for Named {
    const SCHEMA: &'static str = "catalog.profiles/1";

    fn json(&self) -> Value {
        json!({ "profiles": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&["PROFILE", "IS"]);
        for profile in &self.0 {
            table.row([Line::new().ink(Ink::Strong, profile.name()), in_a_line(profile).into()]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(|profile| profile.name().to_owned()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|profile| json!(profile)).collect())
    }
}
