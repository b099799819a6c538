//! From the text of a manifest to its meaning.
//!
//! Each table has a file below; this one reads the rest and puts it together.

mod dependency;
mod package;
mod resources;
mod share;
mod variant;

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::Document;

use super::finding::{Code, Finding, Severity};
use super::keys::{Findings, Keys, Spanned};
use super::words::{is_word_byte, nearest};
use super::{MANIFEST_BYTES_MAX, Manifest, lint};
use crate::draft::Draft;
use crate::release::{CAPABILITIES_MAX, KEYWORDS_MAX, MirrorHints, TEXT_BYTES_MAX, WORD_BYTES_MAX};
use dependency::dependencies;
use package::package;
use share::share;
use variant::variants;

/// The edition of the format that is read here.
const SCHEMA: u64 = 1;

const PRIORITIES: [&str; 4] = ["critical", "high", "normal", "low"];

pub(super) fn manifest(text: &str, path: &Path) -> Result<(Manifest, Vec<Finding>), Vec<Finding>> {
    if text.len() > MANIFEST_BYTES_MAX {
        let message = format!("{} is longer than 256 KiB", path.display());
        return Err(vec![Finding::error(Code::Syntax, message)]);
    }
    let document = Document::parse(text).map_err(|error| {
        let message = format!("{} is not valid TOML: {}", path.display(), error.message());
        vec![Finding::error(Code::Syntax, message).at(error.span())]
    })?;
    let findings = Findings::default();
    let read = read(&document, &findings);
    let mut findings = findings.into_vec();
    findings.sort_by_key(|finding| finding.span.as_ref().map_or(0, |span| span.start));
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    match read {
        Some(manifest) if !wrong => Ok((manifest, findings)),
        _ => Err(findings),
    }
}

/// Reads all of it; `None` when something without which there is no manifest is missing, which is
/// among the findings then.
fn read(document: &Document<&str>, findings: &Findings) -> Option<Manifest> {
    let mut top = Keys::of(document.as_table(), "catalog.toml", None, findings);
    schema(&mut top);
    refuse_node_set(&mut top);
    let package = package(&mut top);
    let dependencies = dependencies(&mut top);
    let capabilities = capabilities(&mut top);
    let permission = share(&mut top);
    let mirror = mirror(&mut top);
    let variants = variants(&mut top);
    let own = top.finish_extensible();

    let package = package?;
    let mut extensions = BTreeMap::new();
    extend(&mut extensions, own.into_iter().chain(package.extensions), findings);
    let (mut drafts, mut packing, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    for variant in variants? {
        let id = &variant.draft.id;
        let named = variant.extensions.into_iter().map(|(key, text)| (format!("{key}.{id}"), text));
        extend(&mut extensions, named, findings);
        drafts.push(variant.draft);
        packing.push(variant.packing);
        spans.push(variant.span);
    }
    let skeleton = Draft {
        name: package.name,
        version: package.version,
        kind: package.kind,
        summary: package.summary,
        license: package.license,
        keywords: package.keywords,
        tags: package.tags,
        provides: package.provides,
        dependencies,
        capabilities,
        permission: permission?,
        mirror,
        description: None,
        provenance: None,
        extensions,
        variants: drafts,
    };
    lint::warnings(&skeleton, &spans, package.span, findings);
    Some(Manifest { skeleton, packing, readme: package.readme })
}

fn schema(top: &mut Keys<'_>) {
    let hint = "start the file with: schema = 1";
    if top.item("schema").is_none() {
        let message = "catalog.toml does not say which schema it follows";
        top.findings().push(Finding::error(Code::MissingKey, message).with_hint(hint));
        return;
    }
    if let Some(found) = top.uint("schema").filter(|found| found.value != SCHEMA) {
        let message = format!("schema {} is not known, this program reads {SCHEMA}", found.value);
        let hint = "a newer catalog wrote this file, or it is a typo";
        top.findings().push(Finding::error(Code::Schema, message).with_hint(hint).at(found.span));
    }
}

/// Sets of packages are a format of their own that is not read yet.
fn refuse_node_set(top: &mut Keys<'_>) {
    let found = [top.item("node"), top.item("component")];
    if let Some((key, _)) = found.into_iter().flatten().next() {
        let message = format!("`{}` describes a set of packages, not supported yet", key.get());
        let hint = "publish the packages of the set one by one for now";
        let finding = Finding::error(Code::NotSupported, message);
        top.findings().push(finding.with_hint(hint).at(key.span()));
    }
}

/// Puts the author's own keys of all tables together; those of a variant get its id at the end.
fn extend(
    extensions: &mut BTreeMap<String, String>,
    more: impl IntoIterator<Item = (String, String)>,
    findings: &Findings,
) {
    for (key, text) in more {
        let problem = match extensions.contains_key(&key) {
            true => "stands in two tables; a release keeps one".to_owned(),
            false if key.len() > WORD_BYTES_MAX => format!("is longer than {WORD_BYTES_MAX} bytes"),
            false if extensions.len() == CAPABILITIES_MAX => {
                format!("is one too many; a release keeps {CAPABILITIES_MAX}")
            }
            false => {
                extensions.insert(key, text);
                continue;
            }
        };
        findings.push(Finding::error(Code::BadValue, format!("the key `{key}` {problem}")));
    }
}

fn capabilities(top: &mut Keys<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(table) = top.table("capabilities") else { return BTreeMap::new() };
    let mut capabilities = BTreeMap::new();
    for (key, item) in table.pairs() {
        let name = key.get();
        if name.len() > WORD_BYTES_MAX || name.is_empty() || !name.bytes().all(is_word_byte) {
            let message = format!("a capability is named with a-z, 0-9, . _ -, not {name:?}");
            table.findings().push(Finding::error(Code::BadValue, message).at(key.span()));
        }
        let listed = table.texts_of(name, item, CAPABILITIES_MAX, TEXT_BYTES_MAX);
        capabilities.insert(name.to_owned(), values(listed));
    }
    at_most(&table, capabilities.len(), CAPABILITIES_MAX);
    capabilities
}

fn mirror(top: &mut Keys<'_>) -> MirrorHints {
    let Some(mut keys) = top.table("mirror") else { return MirrorHints::default() };
    let replicas = keys.uint("replicas").map(|replicas| replicas.value);
    let regions = values(keys.texts("regions", KEYWORDS_MAX, WORD_BYTES_MAX));
    let priority = keys.text("priority", WORD_BYTES_MAX);
    if let Some(word) = priority.as_ref().filter(|word| !PRIORITIES.contains(&&*word.value)) {
        let finding = unknown_word("priority", &word.value, PRIORITIES.into_iter());
        keys.findings().push(finding.at(word.span.clone()));
    }
    keys.finish();
    MirrorHints { replicas, regions, priority: priority.map(|word| word.value) }
}

/// Reports a table with more entries than a release carries.
fn at_most(table: &Keys<'_>, found: usize, max: usize) {
    if found > max {
        let message = format!("{} has {found} entries, at most {max}", table.name());
        table.findings().push(Finding::error(Code::BadValue, message).at(table.span()));
    }
}

/// A word that is none of those allowed.
fn unknown_word<'w>(
    key: &str,
    found: &str,
    known: impl Iterator<Item = &'w str> + Clone,
) -> Finding {
    let message = format!("`{key}` cannot be {found:?}");
    let hint = match nearest(found, known.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("one of: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Finding::error(Code::BadValue, message).with_hint(hint)
}

fn values(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}
