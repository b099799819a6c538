//! `key`: our own identity, and the publishers we have a name for.
//!
//! A secret is never printed, never in an argument and never in a message: it goes from one file of
//! mode 0600 to another.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use catalog::identity::{Identity, IdentityError};
use catalog_node::control::requests::{Keys, Trust, Untrust};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::info::PublisherInfo;
use serde_json::{Value, json};

use crate::args::KeyCommand;
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Does something with keys.
pub fn key(session: &Session, command: &KeyCommand) -> Result<(), Stop> {
    match command {
        KeyCommand::Show => {
            let known = session.ask(async |control| Ok(control.ask(&Keys {}).await?))?;
            if !known.iter().any(|publisher| publisher.own) {
                session.screen.say(&Line::from("no identity here: catalog init makes one"));
            }
            session.screen.emit(&Publishers(known))
        }
        KeyCommand::Backup { file } => backup(session, file),
        KeyCommand::Restore { file } => restore(session, file),
        KeyCommand::Trust { id, petname } => {
            let request = Trust { publisher: id.clone(), petname: petname.clone() };
            let pinned = session.ask(async |control| Ok(control.ask(&request).await?))?;
            session.screen.emit(&Pinned(pinned))
        }
        KeyCommand::Untrust { petname } => {
            let request = Untrust { petname: petname.clone() };
            session.ask(async |control| Ok(control.ask(&request).await?))?;
            session.screen.emit(&Told(format!("{petname} names nobody any more")))
        }
    }
}

fn backup(session: &Session, file: &Path) -> Result<(), Stop> {
    let identity = Identity::load(&session.node_config().identity_path()).map_err(unusable)?;
    let text = identity.backup_text();
    write_secret(file, text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(Code::USAGE, format_args!("{} is there already", file.display()))
                .hint("a backup never replaces a file; choose another name")
        }
        _ => Failure::new(Code::IO, format_args!("cannot write {}", file.display()))
            .caused_by(Some(&error)),
    })?;
    session.screen.emit(&Told(format!(
        "wrote {} (0600): whoever reads it can publish as you; keep it away from this machine",
        file.display()
    )))
}

fn write_secret(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn restore(session: &Session, file: &Path) -> Result<(), Stop> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(Code::IO, format_args!("cannot read {}", file.display()))
            .caused_by(Some(&error))
    })?;
    let identity = Identity::from_backup(&text).map_err(|error| {
        Failure::new(Code::NO_IDENTITY, format_args!("{} holds no identity", file.display()))
            .caused_by(Some(&error))
    })?;
    let config = session.node_config();
    session.block_on(async {
        // A running node read its keys when it started.
        match Control::attach(&config).await {
            None => Ok(()),
            Some(_) => Err(Failure::new(Code::DAEMON_RUNS, "a node is running")
                .hint("catalog daemon stop, then try again")
                .into()),
        }
    })?;
    let path = config.identity_path();
    fs::create_dir_all(&config.home().data).map_err(|error| Failure::of(Code::IO, &error))?;
    identity.save(&path).map_err(unusable)?;
    let request = catalog_node::control::requests::Init { alias: None };
    let owner = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Told(format!(
        "{} is the identity here now; add the peers that have its packages before you publish",
        owner.fingerprint
    )))
}

fn unusable(error: IdentityError) -> Failure {
    match &error {
        IdentityError::Exposed { path, .. } => Failure::of(Code::KEY_EXPOSED, &error)
            .hint(format_args!("chmod 600 {}", path.display())),
        IdentityError::Exists { .. } => {
            Failure::new(Code::NO_IDENTITY, "there is an identity here already")
                .caused_by(Some(&error))
                .hint("an identity is never replaced; use another --home for the other one")
        }
        IdentityError::Missing { .. } => {
            Failure::of(Code::NO_IDENTITY, &error).hint("catalog init --alias NAME makes one")
        }
        _ => Failure::of(Code::NO_IDENTITY, &error),
    }
}

struct Told(String);

impl Document for Told {
    const SCHEMA: &'static str = "catalog.done/1";

    fn json(&self) -> Value {
        json!({ "says": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        vec![Line::done().text(&self.0)]
    }

    fn plain(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Pinned(PublisherInfo);

impl Document for Pinned {
    const SCHEMA: &'static str = "catalog.key.trust/1";

    fn json(&self) -> Value {
        json!({ "publisher": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let name = self.0.petname.as_ref().map_or("", |name| name.as_str());
        vec![Line::done().ink(Ink::Strong, name).text(format!(" is {}", self.0.fingerprint))]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.id.to_string()]
    }
}

struct Publishers(Vec<PublisherInfo>);

impl Document for Publishers {
    const SCHEMA: &'static str = "catalog.keys/1";

    fn json(&self) -> Value {
        json!({ "publishers": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&["NAME", "PUBLISHER", "FINGERPRINT", ""]);
        for known in &self.0 {
            let name = match (&known.petname, &known.alias) {
                (Some(name), _) => Line::new().ink(Ink::Strong, name.as_str()),
                (None, Some(alias)) => Line::new().ink(Ink::Dim, format!("(says {alias})")),
                (None, None) => Line::new(),
            };
            let own = if known.own { "yours" } else { "" };
            table.row([
                name,
                known.id.short().into(),
                known.fingerprint.as_str().into(),
                Line::new().ink(Ink::Good, own),
            ]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(|known| known.id.to_string()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|known| json!(known)).collect())
    }
}
