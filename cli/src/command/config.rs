//! `config`: reads and changes settings.

use std::path::PathBuf;

use catalog_node::control::{Code, Failure};
use serde_json::{Value, json};

use crate::args::{ConfigCommand, ConfigFileArgs, Global};
use crate::line::{Ink, Line, Table};
use crate::places::{PROJECT_FILE, Places};
use crate::screen::{Document, Screen, columns};
use crate::session::Session;
use crate::settings::{KEYS, Key, Setting, Settings, edit};
use crate::stop::Stop;

/// Does something with settings.
pub fn config(session: &Session, command: &ConfigCommand) -> Result<(), Stop> {
    match command {
        ConfigCommand::Get { key, show_origin } => get(session, key, *show_origin),
        ConfigCommand::Set { key, value, file } => set(session, key, Some(value), file),
        ConfigCommand::Unset { key, file } => set(session, key, None, file),
        ConfigCommand::List { show_origin } => {
            let rows = KEYS.iter().map(|key| (key, session.settings.get(key.name).cloned()));
            session.screen.emit(&All { rows: rows.collect(), show_origin: *show_origin })
        }
        ConfigCommand::Path => Ok(()),
    }
}

fn get(session: &Session, name: &str, show_origin: bool) -> Result<(), Stop> {
    let key = Key::named(name)?;
    let setting = session.settings.get(key.name).cloned().ok_or_else(|| {
        Failure::new(Code::NO_SETTING, format_args!("{} has no value", key.name))
            .hint(format_args!("catalog config set {} VALUE gives it one", key.name))
    })?;
    session.screen.emit(&One { key, setting, show_origin })
}

fn set(
    session: &Session,
    name: &str,
    value: Option<&String>,
    file: &ConfigFileArgs,
) -> Result<(), Stop> {
    let key = Key::named(name)?;
    if let Some(value) = value {
        key.check(value).map_err(|wanted| {
            Failure::new(Code::CONFIG_VALUE, format_args!("{} cannot be {value:?}", key.name))
                .hint(format_args!("it takes {wanted}"))
        })?;
    }
    if file.project && !key.in_project {
        let words = format_args!("{} may not be set by a project folder", key.name);
        return Err(Failure::new(Code::CONFIG_PROJECT, words).hint("leave --project out").into());
    }
    let path = match file.project {
        true => PathBuf::from(PROJECT_FILE),
        false => session.places.user_file(),
    };
    edit::change(&path, key, value.map(String::as_str))?;
    let what = match value {
        Some(value) => format!("{} = {value}", key.name),
        None => format!("{} is not set any more", key.name),
    };
    session.screen.say(&Line::done().text(what).ink(Ink::Dim, format!("   {}", path.display())));
    Ok(())
}

struct One {
    key: &'static Key,
    setting: Setting,
    show_origin: bool,
}

impl Document for One {
    const SCHEMA: &'static str = "catalog.config/1";

    fn json(&self) -> Value {
        json!({ "key": self.key.name, "value": self.setting.value, "origin": self.setting.origin })
    }

    fn human(&self) -> Vec<Line> {
        let origin = format!("   {}", self.setting.origin);
        let line = Line::from(&self.setting.value);
        vec![if self.show_origin { line.ink(Ink::Dim, origin) } else { line }]
    }

    fn plain(&self) -> Vec<String> {
        let Setting { value, origin } = &self.setting;
        vec![if self.show_origin { columns([value, &origin]) } else { value.clone() }]
    }
}

struct All {
    rows: Vec<(&'static Key, Option<Setting>)>,
    show_origin: bool,
}

impl Document for All {
    const SCHEMA: &'static str = "catalog.config.list/1";

    fn json(&self) -> Value {
        json!({ "settings": self.rows() })
    }

    fn human(&self) -> Vec<Line> {
        let last = if self.show_origin { "FROM" } else { "ABOUT" };
        let mut table = Table::new(&["SETTING", "VALUE", last]);
        for (key, setting) in &self.rows {
            let value = setting.as_ref().map_or("-", |setting| setting.value.as_str());
            let origin = setting.as_ref().map(|setting| setting.origin.to_string());
            let last = match self.show_origin {
                true => origin.unwrap_or_default(),
                false => key.about.to_owned(),
            };
            table.row([
                Line::new().ink(Ink::Strong, key.name),
                value.into(),
                Line::new().ink(Ink::Dim, last),
            ]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        let set = self.rows.iter().filter_map(|(key, setting)| Some((key, setting.as_ref()?)));
        set.map(|(key, setting)| format!("{}={}", key.name, setting.value)).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        let row = |(key, setting): &(&Key, Option<Setting>)| {
            json!({
                "key": key.name,
                "value": setting.as_ref().map(|setting| &setting.value),
                "origin": setting.as_ref().map(|setting| &setting.origin),
                "about": key.about,
                "env": key.env,
            })
        };
        Some(self.rows.iter().map(row).collect())
    }
}

/// Prints where everything lies; works whatever the settings files hold.
pub fn path(global: &Global) -> Result<(), Stop> {
    let mut settings = Settings::defaults();
    settings.read_environment()?;
    settings.read_flags(global)?;
    let places = Places::find(global.home.as_deref())?;
    Screen::new(&settings, global.quiet).emit(&Where(places))
}

struct Where(Places);

impl Where {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let Places { home, .. } = &self.0;
        let shown = |path: &std::path::Path| path.display().to_string();
        let system = self.0.system_file().map(|path| ("system settings", shown(&path)));
        let own = [
            ("settings", shown(&self.0.user_file())),
            ("data", shown(&home.data)),
            ("cache", shown(&home.cache)),
            ("state", shown(&home.state)),
            ("runtime", shown(&home.runtime)),
            ("log", shown(&self.0.log_file())),
        ];
        own.into_iter().chain(system).collect()
    }
}

impl Document for Where {
    const SCHEMA: &'static str = "catalog.paths/1";

    fn json(&self) -> Value {
        let rows = self.rows().into_iter();
        Value::Object(rows.map(|(name, path)| (name.replace(' ', "_"), json!(path))).collect())
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::bare();
        for (name, path) in self.rows() {
            table.row([Line::new().ink(Ink::Dim, name), path.into()]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.user_file().display().to_string()]
    }
}
