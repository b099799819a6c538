//! What every setting is, and which of five places decides it.
//!
//! In order: flag, `CATALOG_*`, `./catalog.config.toml`, this user's file, the machine's file; then
//! the default. All of them are read once, checked by the same rules, and remember where they came
//! from. Unknown settings are refused, with the nearest known one as a suggestion.
//!
//! Guarantees: a value that [`Settings`] hands out is of the kind its key asks for.
//! Not here: changing a file ([`edit`]).

pub mod edit;
mod key;
mod mirrored;
mod nodes;
mod only;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use catalog_node::control::{Code, Failure};
use serde::Serialize;
use toml_edit::{Document, Item, TableLike, Value};

pub use key::{KEYS, Key};
pub use mirrored::{Copies, Mirrored};
pub use nodes::Nodes;
pub use only::Only;

use crate::args::Global;
use crate::places::{PROJECT_FILE, Places, path_of};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// A line of a settings file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => write!(f, "${name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The value of one setting, and who decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As it was written.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Every setting that has a value.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
}

impl Settings {
    /// Reads all places, the least important one first.
    ///
    /// # Errors
    /// One clear line for a file that cannot be read, an unknown key or a value of the wrong kind.
    pub fn load(global: &Global, places: &Places) -> Result<Self, Failure> {
        let mut settings = Self::defaults();
        if !global.no_config {
            for (path, scope) in files(global, places) {
                settings.read_file(&path, scope)?;
            }
        }
        settings.read_environment()?;
        settings.read_flags(global)?;
        Ok(settings)
    }

    /// Only the defaults: what errors are shown with when the rest cannot be read.
    pub fn defaults() -> Self {
        let values = KEYS.iter().filter_map(|key| {
            let value = key.default?.to_owned();
            Some((key.name, Setting { value, origin: Origin::Default }))
        });
        Self { values: values.collect() }
    }

    /// The setting, when it has a value.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.values.get(key)
    }

    /// The value as text, when it has one.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).map(|setting| setting.value.as_str())
    }

    /// Whether a yes-or-no setting says yes.
    pub fn is_on(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    /// The value read as `T`, whose form the key has already checked.
    pub fn parsed<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key).and_then(|text| text.parse().ok())
    }

    fn put(&mut self, key: &'static Key, value: String, origin: Origin) -> Result<(), Failure> {
        key.check(&value).map_err(|wanted| {
            Failure::new(
                Code::CONFIG_VALUE,
                format_args!("{} = {value:?} cannot be used", key.name),
            )
            .cause(format_args!("found in {origin}"))
            .hint(format_args!("{} takes {wanted}", key.name))
        })?;
        self.values.insert(key.name, Setting { value, origin });
        Ok(())
    }

    /// Takes what the environment says.
    pub fn read_environment(&mut self) -> Result<(), Failure> {
        for key in KEYS {
            if let Ok(value) = env::var(key.env)
                && !value.is_empty()
            {
                self.put(key, value, Origin::Environment(key.env))?;
            }
        }
        Ok(())
    }

    /// Takes what the flags of every command say.
    pub fn read_flags(&mut self, global: &Global) -> Result<(), Failure> {
        let format = if global.json { Some("json".to_owned()) } else { global.format.clone() };
        let progress =
            if global.no_progress { Some("none".to_owned()) } else { global.progress.clone() };
        let flags = [
            ("format", "--format", format),
            ("progress", "--progress", progress),
            ("color", "--color", global.color.clone()),
        ];
        flags.into_iter().try_for_each(|(name, flag, value)| self.flag(name, flag, value))
    }

    /// Lets a flag of one command decide a setting.
    pub fn flag(
        &mut self,
        name: &str,
        flag: &'static str,
        value: Option<String>,
    ) -> Result<(), Failure> {
        match (value, KEYS.iter().find(|key| key.name == name)) {
            (Some(value), Some(key)) => self.put(key, value, Origin::Flag(flag)),
            _ => Ok(()),
        }
    }

    fn read_file(&mut self, path: &Path, scope: Scope) -> Result<(), Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && scope != Scope::Named => {
                return Ok(());
            }
            Err(error) => {
                return Err(Failure::new(
                    Code::CONFIG_BROKEN,
                    format_args!("cannot read the settings file {}", path.display()),
                )
                .caused_by(Some(&error)));
            }
        };
        let document = parse(&text, path)?;
        for (name, value, at) in entries(document.as_table(), path, &text)? {
            let line = line_of(&text, at);
            let key = Key::named(&name).map_err(|failure| {
                failure.cause(format_args!("found in {}:{line}", path.display()))
            })?;
            if scope == Scope::Project && !key.in_project {
                return Err(Failure::new(
                    Code::CONFIG_PROJECT,
                    format_args!("{} may not be set by a project folder", key.name),
                )
                .cause(format_args!("found in {}:{line}", path.display()))
                .hint(format_args!(
                    "put it into your own file: catalog config set {} {value}",
                    key.name
                )));
            }
            self.put(key, value, Origin::File { path: path.to_path_buf(), line })?;
        }
        Ok(())
    }
}

/// How far a settings file is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The machine's or the user's own.
    Own,
    /// Named by `--config`; it must exist.
    Named,
    /// Of the folder we stand in, which may be anybody's.
    Project,
}

fn files(global: &Global, places: &Places) -> Vec<(PathBuf, Scope)> {
    let mut files: Vec<_> =
        places.system_file().map(|path| (path, Scope::Own)).into_iter().collect();
    files.push(match global.config.clone().or_else(|| path_of("CATALOG_CONFIG")) {
        Some(path) => (path, Scope::Named),
        None => (places.user_file(), Scope::Own),
    });
    files.push((PathBuf::from(PROJECT_FILE), Scope::Project));
    files
}

/// Reads TOML, with one clear line when it is not.
fn parse(text: &str, path: &Path) -> Result<Document<String>, Failure> {
    Document::parse(text.to_owned()).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        Failure::new(
            Code::CONFIG_BROKEN,
            format_args!("the settings file {} is not valid", path.display()),
        )
        .cause(format_args!("line {line}: {}", error.message().replace('\n', ", ")))
        .hint("mend or delete the file; --no-config runs a command without it")
    })
}

/// The settings in a table as (dotted name, value, position).
fn entries(
    table: &dyn TableLike,
    path: &Path,
    text: &str,
) -> Result<Vec<(String, String, usize)>, Failure> {
    let mut found = Vec::new();
    let mut waiting: Vec<(String, &Item)> =
        table.iter().map(|(name, item)| (name.to_owned(), item)).collect();
    while let Some((name, item)) = waiting.pop() {
        if let Some(inner) = item.as_table_like() {
            waiting.extend(inner.iter().map(|(leaf, item)| (format!("{name}.{leaf}"), item)));
            continue;
        }
        let at = item.span().map_or(0, |span| span.start);
        let value = item.as_value().and_then(plain).ok_or_else(|| {
            Failure::new(Code::CONFIG_VALUE, format_args!("{name} must be one plain value"))
                .cause(format_args!("found in {}:{}", path.display(), line_of(text, at)))
        })?;
        found.push((name, value, at));
    }
    found.sort_by_key(|entry| entry.2);
    Ok(found)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(yes) => Some(yes.value().to_string()),
        _ => None,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
