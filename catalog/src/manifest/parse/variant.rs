//! `[[variant]]`: one build, what it asks of a machine, and which files it is made of.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::Item;

use super::resources::resources;
use crate::draft::VariantDraft;
use crate::manifest::Packing;
use crate::manifest::finding::{Code, Finding};
use crate::manifest::glob::Glob;
use crate::manifest::keys::{Keys, Spanned};
use crate::name::VariantId;
use crate::path::{PATH_BYTES_MAX, TreePath};
use crate::release::VARIANTS_MAX;
use crate::variant::{CONSTRAINTS_MAX, Constraint, FactKey, QUALITY_MAX};

/// Quality of a variant whose author says nothing.
const QUALITY_DEFAULT: u64 = 50;

/// Most patterns of one variant.
const PATTERNS_MAX: usize = 256;

/// What belongs under `resources`.
const AMOUNTS: [&str; 4] = ["memory", "disk", "vram", "cores"];

/// What one `[[variant]]` says.
pub(super) struct ReadVariant {
    pub(super) draft: VariantDraft,
    pub(super) packing: Packing,
    pub(super) extensions: BTreeMap<String, String>,
    pub(super) span: Option<Range<usize>>,
}

pub(super) fn variants(top: &mut Keys<'_>) -> Option<Vec<ReadVariant>> {
    let listed = top.item("variant").map(|(_, item)| item);
    if listed.is_none_or(is_empty_list) {
        let message = "catalog.toml has no [[variant]], so there is nothing to publish";
        let hint = "add [[variant]] with `id`, `requires` and `files`";
        top.findings().push(Finding::error(Code::MissingKey, message).with_hint(hint));
        return None;
    }
    let tables = top.tables("variant");
    let count = tables.len();
    if count > VARIANTS_MAX {
        let message = format!("{count} variants, at most {VARIANTS_MAX}");
        top.findings().push(Finding::error(Code::BadValue, message));
        return None;
    }
    let mut read: Vec<ReadVariant> = Vec::new();
    for keys in tables {
        let findings = keys.findings();
        let Some(variant) = variant(keys) else { continue };
        let same = |other: &ReadVariant| other.draft.id == variant.draft.id;
        if read.iter().any(same) {
            let message = format!("two variants are called {}", variant.draft.id);
            let finding = Finding::error(Code::DuplicateVariant, message);
            findings.push(finding.with_hint("give each its own id").at(variant.span.clone()));
        }
        read.push(variant);
    }
    (read.len() == count && count > 0).then_some(read)
}

fn is_empty_list(item: &Item) -> bool {
    item.as_array().is_some_and(|list| list.is_empty())
}

fn variant(mut keys: Keys<'_>) -> Option<ReadVariant> {
    let span = keys.span();
    let id = keys.required_text("id", "add an id, such as id = \"low-x86\"");
    let id = id.and_then(|id| keys.parse::<VariantId>("id", id));
    if let Some(id) = &id {
        keys.rename(format!("variant {}", id.value));
    }
    let requires = constraints(&mut keys, "requires");
    let prefers = constraints(&mut keys, "prefers");
    let resources = resources(&mut keys);
    let fallback = keys.bool("fallback").unwrap_or(false);
    let quality = quality(&mut keys);
    let packing = packing(&mut keys);
    let extensions = keys.finish_extensible();
    let draft = VariantDraft {
        id: id?.value,
        requires,
        prefers,
        resources,
        fallback,
        quality,
        entries: Vec::new(),
    };
    Some(ReadVariant { draft, packing: packing?, extensions, span })
}

fn quality(keys: &mut Keys<'_>) -> u8 {
    let found = keys.uint("quality");
    let (value, span) = found.map_or((QUALITY_DEFAULT, None), |found| (found.value, found.span));
    match u8::try_from(value).ok().filter(|quality| *quality <= QUALITY_MAX) {
        Some(quality) => quality,
        None => {
            let message = format!("`quality` of {} is {value}, more than 100", keys.name());
            keys.findings().push(Finding::error(Code::BadValue, message).at(span));
            0
        }
    }
}

fn constraints(keys: &mut Keys<'_>, key: &'static str) -> BTreeMap<FactKey, Constraint> {
    let Some(table) = keys.table(key) else { return BTreeMap::new() };
    let mut constraints = BTreeMap::new();
    for (name, span, item) in table.leaves() {
        if AMOUNTS.contains(&name.as_str()) {
            let message = format!("{name} is an amount, which {} does not take", table.name());
            let hint = format!("write resources = {{ {name} = {{ min = … }} }}");
            let finding = Finding::error(Code::Resources, message).with_hint(hint);
            table.findings().push(finding.at(span));
            continue;
        }
        let fact = Spanned { value: name.clone(), span: span.clone() };
        let fact = table.parse::<FactKey>(&name, fact);
        let Some(text) = table.text_of(&name, item) else { continue };
        let constraint = match text.value.parse::<Constraint>() {
            Ok(constraint) => constraint,
            Err(error) => {
                let message = format!("`{name}` of {}: {error}", table.name());
                let mut finding = Finding::error(Code::BadValue, message).at(text.span);
                let lower = text.value.to_lowercase();
                if lower.parse::<Constraint>().is_ok() {
                    finding = finding.with_hint(format!("did you mean \"{lower}\"?"));
                }
                table.findings().push(finding);
                continue;
            }
        };
        let Some(fact) = fact else { continue };
        if constraints.len() == CONSTRAINTS_MAX {
            let message = format!("{} has more than {CONSTRAINTS_MAX} keys", table.name());
            table.findings().push(Finding::error(Code::BadValue, message).at(span));
            break;
        }
        if constraints.insert(fact.value, constraint).is_some() {
            let message = format!("`{name}` stands twice in {}", table.name());
            table.findings().push(Finding::error(Code::Syntax, message).at(span));
        }
    }
    constraints
}

fn packing(keys: &mut Keys<'_>) -> Option<Packing> {
    let listed = keys.item("files").map(|(_, item)| item);
    if listed.is_none_or(is_empty_list) {
        let message = format!("{} has no `files`", keys.name());
        let finding = Finding::error(Code::MissingKey, message);
        let hint = "add patterns, such as files = [\"dist/low-x86/**\"]";
        keys.findings().push(finding.with_hint(hint).at(keys.span()));
    }
    let files = keys.texts("files", PATTERNS_MAX, PATH_BYTES_MAX);
    let parsed = files.into_iter().filter_map(|text| {
        let span = text.span.clone();
        Glob::parse(text).map_err(|finding| keys.findings().push(finding.at(span))).ok()
    });
    let globs: Vec<Glob> = parsed.collect();
    let root = keys.text("root", PATH_BYTES_MAX).and_then(|root| {
        let trimmed = root.value.trim_start_matches("./").trim_end_matches('/').to_owned();
        let path = Spanned { value: trimmed, span: root.span };
        keys.parse::<TreePath>("root", path)
    });
    let root = root.map(|root| root.value.as_str().to_owned());
    (!globs.is_empty()).then_some(Packing { globs, root })
}
