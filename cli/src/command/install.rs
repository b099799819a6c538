//! `install`, `remove`, `rollback`, `list`, `update` and `path`: what is installed here.

use std::io::BufRead;
use std::path::PathBuf;

use catalog::size::ByteSize;
use catalog_node::Installed;
use catalog_node::control::requests::{
    Choice, Info, Install, List, Path, Remove, Rollback, Update,
};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::install::{ListRow, Removed, RolledBack};
use catalog_node::update::Updated;
use serde_json::{Value, json};

use super::find::wants;
use super::publish::counted;
use crate::args::{InstallArgs, PathArgs, RemoveArgs, RollbackArgs, UpdateArgs};
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// The most references that are read from standard input.
const REFERENCES_MAX: usize = 10_000;

/// Installs packages, one after the other; the first that fails ends it.
pub fn install(session: &Session, args: &InstallArgs) -> Result<(), Stop> {
    let choice = session.choice(&args.choice)?;
    let references = references(&args.references)?;
    session.ask(async |control| {
        for reference in &references {
            let done = one(session, control, args, reference, &choice).await?;
            session.screen.emit(&done)?;
        }
        Ok(())
    })
}

async fn one(
    session: &Session,
    control: &Control,
    args: &InstallArgs,
    reference: &str,
    choice: &Choice,
) -> Result<Done, Stop> {
    // There is no question to answer: nothing that is installed runs by itself, and what a package
    // asks to be allowed is denied until somebody runs it. It is shown beforehand all the same.
    let info = control.ask(&Info { reference: reference.to_owned(), looked_at: false }).await?;
    info.warnings.iter().for_each(|warning| session.screen.warn(warning));
    let wanted = wants(&info.release);
    if !wanted.is_empty() {
        session.screen.say(&Line::new().ink(Ink::Warn, "wants   ").text(wanted));
    }
    let request = Install {
        reference: reference.to_owned(),
        lazy: args.lazy,
        dry_run: args.dry_run,
        background: args.background,
        strategy: session.strategy(args.strategy.as_ref())?,
        choice: choice.clone(),
    };
    let installed = session.transfer(control, &request, args.dry_run).await?;
    let news = installed.warnings.iter().filter(|warning| !info.warnings.contains(warning));
    news.for_each(|warning| session.screen.warn(warning));
    let overrides = choice.profile.iter().flat_map(|profile| profile.overrides());
    Ok(Done {
        installed,
        profile: choice.profile.as_ref().map(|profile| profile.name().to_owned()),
        overrides: overrides.map(ToString::to_string).collect(),
    })
}

/// The references given, with `-` replaced by the lines of standard input.
pub fn references(args: &[String]) -> Result<Vec<String>, Failure> {
    let mut references = Vec::new();
    for arg in args {
        if arg != "-" {
            references.push(arg.clone());
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| {
                Failure::new(Code::USAGE, "cannot read standard input").caused_by(Some(&error))
            })?;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                references.push(line.to_owned());
            }
            if references.len() > REFERENCES_MAX {
                let words = format_args!("more than {REFERENCES_MAX} references");
                return Err(Failure::new(Code::USAGE, words));
            }
        }
    }
    Ok(references)
}

struct Done {
    installed: Installed,
    profile: Option<String>,
    overrides: Vec<String>,
}

impl Document for Done {
    const SCHEMA: &'static str = "catalog.install/1";

    fn json(&self) -> Value {
        let mut body = serde_json::to_value(&self.installed).unwrap_or_default();
        body["profile"] = json!(self.profile);
        body["overrides"] = json!(self.overrides);
        body
    }

    fn human(&self) -> Vec<Line> {
        let installed = &self.installed;
        let mut lines = vec![
            Line::new()
                .text("chosen ")
                .ink(Ink::Strong, installed.variant.as_str())
                .text(format!(": {}", installed.reason))
                .ink(
                    Ink::Dim,
                    format!("   (why not the others: catalog explain {})", installed.reference),
                ),
        ];
        if let Some(profile) = self.profile.as_ref().filter(|name| *name != "detected") {
            lines.push(
                Line::new()
                    .ink(Ink::Warn, format!("  for the profile {profile}, not for this machine")),
            );
        }
        if !self.overrides.is_empty() {
            let words = format!("  set by hand: {}", self.overrides.join(", "));
            lines.push(Line::new().ink(Ink::Warn, words));
        }
        lines.extend(outcome(installed));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let installed = &self.installed;
        match &installed.path {
            Some(path) => vec![path.display().to_string()],
            None => vec![format!("{}#{}", installed.reference, installed.variant)],
        }
    }
}

/// What was done, in two lines.
fn outcome(installed: &Installed) -> Vec<Line> {
    let name = format!("{}#{}", installed.reference, installed.variant);
    let size = format!("{}, {}", counted(installed.files, "file"), installed.size);
    let moved = ByteSize::bytes(installed.bytes_moved);
    if installed.dry_run {
        return vec![Line::from(format!(
            "would install {name}   {size}. Nothing written (dry run)."
        ))];
    }
    let done = Line::done();
    let first = match (installed.already, installed.lazy) {
        (true, _) => done.ink(Ink::Strong, name).text(" is installed already, whole and unchanged"),
        (false, true) => done
            .text("installed ")
            .ink(Ink::Strong, name)
            .text(format!(" lazily: moved {moved} of {size}; files come when they are read")),
        (false, false) => {
            done.text("installed ").ink(Ink::Strong, name).text(format!("   {size}, moved {moved}"))
        }
    };
    let path = installed.path.iter().map(|path| Line::from(format!("  {}", path.display())));
    std::iter::once(first).chain(path).collect()
}

/// Removes an installed package.
pub fn remove(session: &Session, args: &RemoveArgs) -> Result<(), Stop> {
    let request = Remove { reference: args.reference.clone() };
    let removed = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Gone(removed))
}

struct Gone(Removed);

impl Document for Gone {
    const SCHEMA: &'static str = "catalog.remove/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let versions: Vec<_> = self.0.versions.iter().map(ToString::to_string).collect();
        vec![
            Line::done()
                .text("removed ")
                .ink(Ink::Strong, &self.0.reference)
                .text(format!(" {}; catalog gc frees what nothing needs", versions.join(", "))),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.reference.clone()]
    }
}

/// Goes back to what was installed before.
pub fn rollback(session: &Session, args: &RollbackArgs) -> Result<(), Stop> {
    let request = Rollback { reference: args.reference.clone() };
    let back = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Back(back))
}

struct Back(RolledBack);

impl Document for Back {
    const SCHEMA: &'static str = "catalog.rollback/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let RolledBack { reference, from, to, path } = &self.0;
        let first =
            Line::done().ink(Ink::Strong, reference).text(format!(" is {to} again, was {from}"));
        let path = path.iter().map(|path| Line::from(format!("  {}", path.display())));
        std::iter::once(first).chain(path).collect()
    }

    fn plain(&self) -> Vec<String> {
        vec![format!("{}@{}", self.0.reference, self.0.to)]
    }
}

/// Lists what is installed.
pub fn list(session: &Session) -> Result<(), Stop> {
    let rows = session.ask(async |control| Ok(control.ask(&List {}).await?))?;
    if rows.is_empty() {
        session.screen.say(&Line::from("nothing is installed; catalog search finds packages"));
    }
    session.screen.emit(&Listed(rows))
}

struct Listed(Vec<ListRow>);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.list/1";

    fn json(&self) -> Value {
        json!({ "installed": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&["PACKAGE", "VARIANT", "NEWER", "WHERE"]);
        for row in &self.0 {
            let newer = row.newer.as_ref().map(ToString::to_string).unwrap_or_default();
            let path = row.path.as_ref().map(|path| path.display().to_string());
            table.row([
                Line::new().ink(Ink::Strong, &row.reference),
                row.installed.variant.as_str().into(),
                Line::new().ink(Ink::Accent, newer),
                path.unwrap_or_else(|| "lazily, no folder".to_owned()).into(),
            ]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(|row| row.reference.clone()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|row| json!(row)).collect())
    }
}

/// Installs newer versions.
pub fn update(session: &Session, args: &UpdateArgs) -> Result<(), Stop> {
    let request = Update {
        reference: args.reference.clone(),
        dry_run: args.dry_run,
        background: args.background,
    };
    let updated = session
        .ask(async |control| Ok(session.transfer(control, &request, args.dry_run).await?))?;
    let failed = updated.iter().filter(|one| one.error.is_some()).count();
    session.screen.emit(&News { updated, dry_run: args.dry_run })?;
    match failed {
        0 => Ok(()),
        count => Err(Failure::new(Code::UNAVAILABLE, format_args!("updates that failed: {count}"))
            .hint("what was installed before is untouched; try again later")
            .into()),
    }
}

struct News {
    updated: Vec<Updated>,
    dry_run: bool,
}

impl News {
    /// What would be done, and what it would move.
    fn plan(&self) -> Vec<Line> {
        let mut table = Table::new(&["PACKAGE", "WOULD UPDATE", "FULL", "BY FILE", "BY PATCH"]);
        for one in self.updated.iter().filter(|one| one.installed.is_some()) {
            let step = format!("{} -> {}", one.from, one.to);
            let mut row = vec![Line::new().ink(Ink::Strong, &one.reference), step.into()];
            row.extend(match &one.bytes {
                Some(bytes) => [bytes.full, bytes.by_file, bytes.by_patch]
                    .map(|bytes| bytes.to_string().into()),
                None => ["unknown"; 3].map(Line::from),
            });
            table.row(row);
        }
        table.lines(0)
    }
}

/// One update that was done.
fn news(one: &Updated) -> Line {
    let line = Line::done().ink(Ink::Strong, &one.reference);
    let line = line.text(format!(" {} -> {}", one.from, one.to));
    match &one.installed {
        Some(installed) if installed.bytes_moved > 0 => {
            let moved = ByteSize::bytes(installed.bytes_moved);
            line.text(format!("   {}, moved {moved}", installed.size))
        }
        _ => line,
    }
}

impl Document for News {
    const SCHEMA: &'static str = "catalog.update/1";

    fn json(&self) -> Value {
        json!({ "updates": self.updated, "dry_run": self.dry_run })
    }

    fn human(&self) -> Vec<Line> {
        let done = |one: &&Updated| one.installed.is_some();
        let failed = self.updated.iter().filter_map(|one| Some((one, one.error.as_ref()?)));
        let mut lines: Vec<Line> = failed
            .map(|(one, error)| {
                let name = Line::new().ink(Ink::Bad, "✘ ").ink(Ink::Strong, &one.reference);
                name.text(format!(" {}: {error}", one.from))
            })
            .collect();
        if self.dry_run && self.updated.iter().any(|one| one.installed.is_some()) {
            lines.extend(self.plan());
        } else {
            lines.extend(self.updated.iter().filter(done).map(news));
        }
        if lines.is_empty() {
            lines.push(Line::done().text("everything is up to date"));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let done = self.updated.iter().filter_map(|one| one.installed.as_ref());
        done.map(|installed| installed.reference.clone()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.updated.iter().map(|one| json!(one)).collect())
    }
}

/// Prints the folder of an installed package.
pub fn path(session: &Session, args: &PathArgs) -> Result<(), Stop> {
    let request = Path { reference: args.reference.clone() };
    let path = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Folder(path))
}

struct Folder(PathBuf);

impl Document for Folder {
    const SCHEMA: &'static str = "catalog.path/1";

    fn json(&self) -> Value {
        json!({ "path": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        vec![Line::from(self.0.display().to_string())]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.display().to_string()]
    }
}
