//! Reads the keys of one TOML table and notices the ones that nobody asked for.
//!
//! In: a table that still knows its place in the text. Out: typed values, and a [`Finding`] with a
//! span for everything that is wrong; reading goes on, so that one run shows all mistakes.
//! Guarantees: a key that was not read is reported (with the nearest known one), unless it starts
//! with `x-`. Not here: what the keys mean ([`parse`](super::parse)).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;

use toml_edit::{Item, Key, TableLike, Value};
use unicode_normalization::UnicodeNormalization;

use super::finding::{Code, Finding};
use super::words::{is_unsafe_to_show, is_word_byte, nearest};
use crate::release::{EXTENSION_BYTES_MAX, TEXT_BYTES_MAX, WORD_BYTES_MAX};

/// Keys that start so are the author's own.
pub(super) const EXTENSION_PREFIX: &str = "x-";

/// What was found wrong so far, shared by all tables of one manifest.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    pub(super) fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

/// A value and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Option<Range<usize>>,
}

/// One table, its name for messages, and the keys that were asked for.
pub(super) struct Keys<'a> {
    table: &'a dyn TableLike,
    name: String,
    span: Option<Range<usize>>,
    findings: &'a Findings,
    known: Vec<&'static str>,
    extensible: bool,
}

impl<'a> Keys<'a> {
    /// - `name`: how messages call the table, such as `[package]`.
    pub(super) fn of(
        table: &'a dyn TableLike,
        name: impl Into<String>,
        span: Option<Range<usize>>,
        findings: &'a Findings,
    ) -> Self {
        Self { table, name: name.into(), span, findings, known: Vec::new(), extensible: false }
    }

    /// Calls the table otherwise from now on.
    pub(super) fn rename(&mut self, name: String) {
        self.name = name;
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    pub(super) fn findings(&self) -> &'a Findings {
        self.findings
    }

    /// The item under `key`, which becomes a known key.
    pub(super) fn item(&mut self, key: &'static str) -> Option<(&'a Key, &'a Item)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.get_key_value(key)
    }

    /// The text under `key`, NFC, free of control characters and at most `bytes_max` long.
    pub(super) fn text(&mut self, key: &'static str, bytes_max: usize) -> Option<Spanned<String>> {
        let (_, item) = self.item(key)?;
        let text = self.text_of(key, item)?;
        self.check_length(key, &text, bytes_max);
        Some(text)
    }

    /// As [`text`](Self::text), and reports that it is missing.
    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        hint: &str,
    ) -> Option<Spanned<String>> {
        let missing = self.table.get(key).is_none();
        let found = self.text(key, TEXT_BYTES_MAX);
        if missing {
            let message = format!("{} has no `{key}`", self.name);
            self.findings.push(
                Finding::error(Code::MissingKey, message).with_hint(hint).at(self.span.clone()),
            );
        }
        found
    }

    /// The text under `key`, parsed; the parser's own words say what is wrong with it.
    pub(super) fn parsed<T>(&mut self, key: &'static str) -> Option<Spanned<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text(key, TEXT_BYTES_MAX)?;
        self.parse(key, text)
    }

    pub(super) fn parse<T>(&self, key: &str, text: Spanned<String>) -> Option<Spanned<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        match text.value.parse() {
            Ok(value) => Some(Spanned { value, span: text.span }),
            Err(error) => {
                let message = format!("`{key}` of {}: {error}", self.name);
                self.findings.push(Finding::error(Code::BadValue, message).at(text.span));
                None
            }
        }
    }

    /// The list of texts under `key`, each once, none empty; one bare text counts as a list of one.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        count_max: usize,
        bytes_max: usize,
    ) -> Vec<Spanned<String>> {
        let Some((_, item)) = self.item(key) else { return Vec::new() };
        self.texts_of(key, item, count_max, bytes_max)
    }

    pub(super) fn texts_of(
        &self,
        key: &str,
        item: &'a Item,
        count_max: usize,
        bytes_max: usize,
    ) -> Vec<Spanned<String>> {
        let mut values: Vec<&Value> = match item.as_value() {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(value @ Value::String(_)) => vec![value],
            _ => {
                self.wrong_type(key, item, "a list of texts");
                return Vec::new();
            }
        };
        if values.len() > count_max {
            let message = format!(
                "`{key}` of {} has {} entries, at most {count_max}",
                self.name,
                values.len()
            );
            self.findings.push(Finding::error(Code::BadValue, message).at(item.span()));
            values.truncate(count_max);
        }
        let mut seen = BTreeSet::new();
        let read = values.into_iter().filter_map(|value| {
            let text = self.text_of_value(key, value)?;
            self.check_length(key, &text, bytes_max);
            let problem = match (text.value.is_empty(), seen.insert(text.value.clone())) {
                (true, _) => "an empty entry".to_owned(),
                (_, false) => format!("{:?} twice", text.value),
                _ => return Some(text),
            };
            let message = format!("`{key}` of {} has {problem}", self.name);
            self.findings.push(Finding::error(Code::BadValue, message).at(text.span));
            None
        });
        read.collect()
    }

    fn check_length(&self, key: &str, text: &Spanned<String>, bytes_max: usize) {
        let bytes = text.value.len();
        if bytes > bytes_max {
            let message =
                format!("`{key}` of {} has {bytes} bytes, at most {bytes_max}", self.name);
            self.findings.push(Finding::error(Code::BadValue, message).at(text.span.clone()));
        }
    }

    /// The whole number under `key`.
    pub(super) fn uint(&mut self, key: &'static str) -> Option<Spanned<u64>> {
        let (_, item) = self.item(key)?;
        match item.as_integer().and_then(|number| u64::try_from(number).ok()) {
            Some(value) => Some(Spanned { value, span: item.span() }),
            None => {
                self.wrong_type(key, item, "a whole number, 0 or more");
                None
            }
        }
    }

    pub(super) fn bool(&mut self, key: &'static str) -> Option<bool> {
        let (_, item) = self.item(key)?;
        if item.as_bool().is_none() {
            self.wrong_type(key, item, "true or false");
        }
        item.as_bool()
    }

    /// The table under `key`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Keys<'a>> {
        let (at, item) = self.item(key)?;
        match item.as_table_like() {
            Some(table) => {
                let name = format!("[{}]", self.path_of(key));
                Some(Keys::of(table, name, item.span().or(at.span()), self.findings))
            }
            None => {
                self.wrong_type(key, item, "a table");
                None
            }
        }
    }

    /// The tables of the list `[[key]]`, in order of the text.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Keys<'a>> {
        let Some((_, item)) = self.item(key) else { return Vec::new() };
        let name = format!("[[{}]]", self.path_of(key));
        if let Some(list) = item.as_array_of_tables() {
            let keys = |table: &'a toml_edit::Table| {
                Keys::of(table, name.clone(), table.span(), self.findings)
            };
            return list.iter().map(keys).collect();
        }
        if let Some(list) = item.as_array() {
            let tables = list.iter().filter_map(|value| {
                let table = value.as_inline_table()?;
                Some(Keys::of(table, name.clone(), value.span(), self.findings))
            });
            let tables: Vec<_> = tables.collect();
            if tables.len() == list.len() {
                return tables;
            }
        }
        self.wrong_type(key, item, &format!("a list of tables, each under {name}"));
        Vec::new()
    }

    /// Every pair of the table, for tables whose keys the author chooses.
    pub(super) fn pairs(&self) -> Vec<(&'a Key, &'a Item)> {
        let keys = self.table.iter().map(|(key, _)| key);
        keys.filter_map(|key| self.table.get_key_value(key)).collect()
    }

    /// Every leaf of the table: `a.b = "c"` without quotes reads as `"a.b" = "c"`.
    pub(super) fn leaves(&self) -> Vec<(String, Option<Range<usize>>, &'a Item)> {
        let mut leaves = Vec::new();
        for (key, item) in self.pairs() {
            flatten(key.get().to_owned(), key, item, &mut leaves);
        }
        leaves
    }

    pub(super) fn text_of(&self, key: &str, item: &'a Item) -> Option<Spanned<String>> {
        match item.as_value() {
            Some(value) => self.text_of_value(key, value),
            None => {
                self.wrong_type(key, item, "text in quotes");
                None
            }
        }
    }

    fn text_of_value(&self, key: &str, value: &'a Value) -> Option<Spanned<String>> {
        let span = value.span();
        let Some(text) = value.as_str() else {
            let message = format!(
                "`{key}` of {} needs text in quotes, found {}",
                self.name,
                value.type_name()
            );
            self.findings.push(Finding::error(Code::WrongType, message).at(span));
            return None;
        };
        if let Some(found) = text.chars().find(|&c| is_unsafe_to_show(c)) {
            let message = format!(
                "`{key}` of {} holds the invisible character U+{:04X}",
                self.name,
                u32::from(found)
            );
            let finding = Finding::error(Code::ControlCharacter, message)
                .with_hint("delete it; retyping the text is the quickest way");
            self.findings.push(finding.at(span));
            return None;
        }
        Some(Spanned { value: text.nfc().collect(), span })
    }

    pub(super) fn wrong_type(&self, key: &str, item: &Item, wanted: &str) {
        let message =
            format!("`{key}` of {} needs {wanted}, found {}", self.name, item.type_name());
        self.findings.push(Finding::error(Code::WrongType, message).at(item.span()));
    }

    fn path_of(&self, key: &str) -> String {
        match self.name.trim_matches(['[', ']']) {
            "catalog.toml" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        }
    }

    /// Ends the reading of a table where the author may have keys of their own: reports the other
    /// keys that were not asked for and returns the author's (`x-…`) as text.
    pub(super) fn finish_extensible(mut self) -> BTreeMap<String, String> {
        let mut extensions = BTreeMap::new();
        for (key, item) in self.pairs() {
            if key.get().starts_with(EXTENSION_PREFIX)
                && let Some(text) = self.extension(key, item)
            {
                extensions.insert(key.get().to_owned(), text);
            }
        }
        self.extensible = true;
        self.finish();
        extensions
    }

    fn extension(&self, key: &Key, item: &Item) -> Option<String> {
        let text: String = match item.as_str() {
            Some(text) => text.nfc().collect(),
            None => item.to_string().trim().nfc().collect(),
        };
        let unsafe_to_keep = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
        let named = key.get().len() <= WORD_BYTES_MAX && key.get().bytes().all(is_word_byte);
        let problem = match text.chars().find(unsafe_to_keep) {
            _ if !named => "is not named with up to 64 of a-z, 0-9, . _ -".to_owned(),
            _ if text.len() > EXTENSION_BYTES_MAX => {
                format!("is longer than {EXTENSION_BYTES_MAX} bytes")
            }
            Some(found) => format!("holds the control character {found:?}"),
            None => return Some(text),
        };
        let message = format!("`{}` of {} {problem}", key.get(), self.name);
        self.findings.push(Finding::error(Code::BadValue, message).at(key.span()));
        None
    }

    /// Ends the reading of this table: reports the keys that were not asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.pairs() {
            let name = key.get();
            if self.extensible && name.starts_with(EXTENSION_PREFIX) {
                continue;
            }
            if !self.known.contains(&name) {
                self.findings.push(self.unknown(key));
            }
        }
    }

    fn unknown(&self, key: &Key) -> Finding {
        let message = format!("{} does not know the key `{}`", self.name, key.get());
        let hint = match nearest(key.get(), self.known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", self.known.join(", ")),
        };
        Finding::error(Code::UnknownKey, message).with_hint(hint).at(key.span())
    }
}

fn flatten<'a>(
    path: String,
    key: &'a Key,
    item: &'a Item,
    leaves: &mut Vec<(String, Option<Range<usize>>, &'a Item)>,
) {
    let Some(table) = item.as_table_like() else {
        leaves.push((path, key.span(), item));
        return;
    };
    for (name, _) in table.iter() {
        if let Some((key, item)) = table.get_key_value(name) {
            flatten(format!("{path}.{name}"), key, item, leaves);
        }
    }
}
