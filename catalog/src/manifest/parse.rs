//! From the text of a manifest to its meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use semver::{Version, VersionReq};
use toml_edit::{Document, Item};

use super::finding::{Code, Finding, Severity};
use super::glob::Glob;
use super::keys::{Findings, Keys, Spanned, is_word_byte, nearest};
use super::{MANIFEST_BYTES_MAX, Manifest, Packing, lint};
use crate::draft::{Draft, VariantDraft};
use crate::identity::PublisherId;
use crate::name::{PackageName, VariantId};
use crate::path::PATH_BYTES_MAX;
use crate::permission::Permission;
use crate::release::{
    CAPABILITIES_MAX, DEPENDENCIES_MAX, Dependency, KEYWORDS_MAX, LICENSE_BYTES_MAX, MirrorHints,
    PROVIDES_MAX, PackageKind, SUMMARY_BYTES_MAX, TEXT_BYTES_MAX, VARIANTS_MAX, WORD_BYTES_MAX,
};
use crate::size::ByteSize;
use crate::variant::{Amount, Constraint, Count, FactKey, QUALITY_MAX, Resources};

/// The edition of the format that is read here.
const SCHEMA: u64 = 1;

/// Quality of a variant whose author says nothing.
const QUALITY_DEFAULT: u64 = 50;

/// Most nodes that a restricted package can list; more would not fit into its statement.
const NODES_MAX: usize = 1024;

/// Most patterns of one variant.
const PATTERNS_MAX: usize = 256;

/// What belongs under `resources`.
const AMOUNTS: [&str; 4] = ["memory", "disk", "vram", "cores"];

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
    let mut extensions = top.finish_extensible();

    let package = package?;
    extensions.extend(package.extensions);
    let (mut drafts, mut packing, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    for variant in variants? {
        let id = &variant.draft.id;
        extensions.extend(
            variant.extensions.into_iter().map(|(key, text)| (format!("{key}.{id}"), text)),
        );
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

/// What `[package]` says.
struct Package {
    name: PackageName,
    version: Version,
    kind: PackageKind,
    summary: String,
    license: String,
    keywords: Vec<String>,
    tags: Vec<String>,
    provides: Vec<String>,
    readme: Option<Spanned<String>>,
    extensions: BTreeMap<String, String>,
    span: Option<std::ops::Range<usize>>,
}

fn package(top: &mut Keys<'_>) -> Option<Package> {
    if top.item("package").is_none() {
        let message = "catalog.toml has no [package]";
        let hint = "catalog new NAME writes a manifest to start from";
        top.findings().push(Finding::error(Code::MissingKey, message).with_hint(hint));
    }
    let mut keys = top.table("package")?;
    let name = keys.required_text("name", "add a name, such as name = \"graphdb\"");
    let name = name.and_then(|name| package_name(&keys, name));
    let version = keys.required_text("version", "add a version, such as version = \"0.1.0\"");
    let version = version.and_then(|version| package_version(&keys, version));
    let kind = keys.required_text("kind", "add a kind, such as kind = \"service\"");
    let kind = kind.and_then(|kind| package_kind(&keys, kind));
    let span = keys.span();
    let text = |found: Option<Spanned<String>>| found.map(|text| text.value).unwrap_or_default();
    let summary = text(keys.text("summary", SUMMARY_BYTES_MAX));
    let license = text(keys.text("license", LICENSE_BYTES_MAX));
    let keywords = values(keys.texts("keywords", KEYWORDS_MAX, WORD_BYTES_MAX));
    let tags = values(keys.texts("tags", KEYWORDS_MAX, WORD_BYTES_MAX));
    let provides = values(keys.texts("provides", PROVIDES_MAX, TEXT_BYTES_MAX));
    let readme = keys.text("readme", PATH_BYTES_MAX);
    let extensions = keys.finish_extensible();
    Some(Package {
        name: name?,
        version: version?,
        kind: kind?,
        summary,
        license,
        keywords,
        tags,
        provides,
        readme,
        extensions,
        span,
    })
}

fn package_name(keys: &Keys<'_>, name: Spanned<String>) -> Option<PackageName> {
    let Some((_, bare)) = name.value.rsplit_once('/') else {
        return Some(keys.parse::<PackageName>("name", name)?.value);
    };
    let message =
        format!("the name {:?} holds a publisher; the key names the publisher", name.value);
    let hint = format!("write name = \"{bare}\"");
    let finding = Finding::error(Code::PublisherInName, message).with_hint(hint);
    keys.findings().push(finding.at(name.span));
    None
}

fn package_version(keys: &Keys<'_>, version: Spanned<String>) -> Option<Version> {
    let error = match version.value.parse() {
        Ok(version) => return Some(version),
        Err(error) => error,
    };
    let message = format!("the version {:?} is not a semantic version: {error}", version.value);
    let dots = version.value.matches('.').count();
    let padded = format!("{}{}", version.value, ".0".repeat(2_usize.saturating_sub(dots)));
    let hint = match padded.parse::<Version>() {
        Ok(version) => format!("write version = \"{version}\""),
        Err(_) => "write three numbers, such as version = \"1.4.0\"".into(),
    };
    let finding = Finding::error(Code::BadValue, message).with_hint(hint);
    keys.findings().push(finding.at(version.span));
    None
}

fn package_kind(keys: &Keys<'_>, kind: Spanned<String>) -> Option<PackageKind> {
    let finding = match kind.value.parse() {
        Ok(PackageKind::NodeSet) => {
            Finding::error(Code::NotSupported, "kind `node-set` is not supported yet")
                .with_hint("publish the packages of the set one by one for now")
        }
        Ok(kind) => return Some(kind),
        Err(_) => {
            unknown_word("kind", &kind.value, PackageKind::ALL.iter().map(|kind| kind.as_str()))
        }
    };
    keys.findings().push(finding.at(kind.span));
    None
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

fn dependencies(top: &mut Keys<'_>) -> Vec<Dependency> {
    let Some(table) = top.table("dependencies") else { return Vec::new() };
    let pairs = table.pairs();
    at_most(&table, pairs.len(), DEPENDENCIES_MAX);
    pairs.into_iter().filter_map(|(key, item)| dependency(&table, key, item)).collect()
}

fn dependency(table: &Keys<'_>, key: &toml_edit::Key, item: &Item) -> Option<Dependency> {
    let findings = table.findings();
    let (publisher, name) = match dependency_name(key.get()) {
        Ok(found) => found,
        Err(finding) => {
            findings.push(finding.at(key.span()));
            return None;
        }
    };
    let label = format!("dependency {name}");
    let (range, optional, on) = match item.as_table_like() {
        None => (table.text_of(&label, item), false, None),
        Some(inner) => {
            let mut keys = Keys::of(inner, &label, item.span().or(key.span()), findings);
            let range = keys.required_text("version", "add a range, such as version = \"^2.1\"");
            let optional = keys.bool("optional").unwrap_or(false);
            let on = keys.text("on", WORD_BYTES_MAX).map(|on| on.value);
            keys.finish();
            (range, optional, on)
        }
    };
    let range = table.parse::<VersionReq>(&label, range?)?.value;
    Some(Dependency { publisher, name, range, optional, on })
}

/// Reports a table with more entries than a release carries.
fn at_most(table: &Keys<'_>, found: usize, max: usize) {
    if found > max {
        let message = format!("{} has {found} entries, at most {max}", table.name());
        table.findings().push(Finding::error(Code::BadValue, message).at(table.span()));
    }
}

/// Reads `cat1…/name`; anything else could mean another package on another machine.
fn dependency_name(key: &str) -> Result<(PublisherId, PackageName), Finding> {
    let bare = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let unnamed = |what: &str| {
        let message = format!("dependency {key:?} {what}, which means something else elsewhere");
        let hint = format!("write \"cat1…/{bare}\"; the id is shown by: catalog info {key}");
        Finding::error(Code::DependencyName, message).with_hint(hint)
    };
    let Some((publisher, name)) = key.split_once('/') else {
        return Err(unnamed("is a bare name"));
    };
    if !publisher.starts_with("cat1") {
        return Err(unnamed("names its publisher by a petname"));
    }
    let refused = |reason: String| {
        let hint = format!("copy the id whole, as shown by: catalog info {bare}");
        Finding::error(Code::DependencyName, format!("dependency {key:?}: {reason}"))
            .with_hint(hint)
    };
    let publisher = PublisherId::from_str(publisher).map_err(|error| refused(error.to_string()))?;
    let name = PackageName::from_str(name).map_err(|error| refused(error.to_string()))?;
    Ok((publisher, name))
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

/// Reads `[share]`; `None` when it is wrong, so that nothing restricted is ever taken for public.
fn share(top: &mut Keys<'_>) -> Option<Permission> {
    if top.item("share").is_none() {
        return Some(Permission::Public);
    }
    let mut keys = top.table("share")?;
    let word = keys.required_text("permission", "add permission = \"public\" or \"restricted\"");
    let nodes = keys.texts("nodes", NODES_MAX, TEXT_BYTES_MAX);
    let count = nodes.len();
    let nodes: BTreeSet<_> =
        nodes.into_iter().filter_map(|node| Some(keys.parse("nodes", node)?.value)).collect();
    let word = word?;
    let finding = match word.value.as_str() {
        "public" if count == 0 => None,
        "restricted" if count > 0 => None,
        "public" => Some(
            Finding::error(Code::Permission, "a public package lists `nodes` that may read it")
                .with_hint("write permission = \"restricted\", or delete `nodes`"),
        ),
        "restricted" => Some(
            Finding::error(Code::Permission, "a restricted package lists no `nodes`")
                .with_hint("add nodes = [\"<64 hex digits>\"]; a node's id is in: catalog status"),
        ),
        later @ ("private" | "friends" | "anonymous" | "verified") => Some(
            Finding::error(
                Code::NotSupported,
                format!("permission {later:?} is not supported yet"),
            )
            .with_hint("permission = \"restricted\" with `nodes` is the nearest today"),
        ),
        other => Some(unknown_word("permission", other, ["public", "restricted"].into_iter())),
    };
    keys.finish();
    if let Some(finding) = finding {
        top.findings().push(finding.at(word.span));
        return None;
    }
    Some(if nodes.is_empty() { Permission::Public } else { Permission::Restricted(nodes) })
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

/// What one `[[variant]]` says.
struct ReadVariant {
    draft: VariantDraft,
    packing: Packing,
    extensions: BTreeMap<String, String>,
    span: Option<std::ops::Range<usize>>,
}

fn variants(top: &mut Keys<'_>) -> Option<Vec<ReadVariant>> {
    if top.item("variant").is_none() {
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
        let fact = table.parse::<FactKey>("a key", fact);
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
        if constraints.insert(fact.value, constraint).is_some() {
            let message = format!("`{name}` stands twice in {}", table.name());
            table.findings().push(Finding::error(Code::Syntax, message).at(span));
        }
    }
    constraints
}

fn resources(keys: &mut Keys<'_>) -> Resources {
    let Some(mut table) = keys.table("resources") else { return Resources::default() };
    let [memory, disk, vram] = ["memory", "disk", "vram"].map(|key| amount(&mut table, key));
    let cores = count(&mut table);
    table.finish();
    Resources { memory, disk, vram, cores }
}

fn amount(table: &mut Keys<'_>, key: &'static str) -> Amount {
    let Some(mut keys) = amount_table(table, key, "\"1GiB\"") else { return Amount::default() };
    let [min, recommended] = ["min", "recommended"].map(|key| keys.parsed::<ByteSize>(key));
    in_order(&keys, &min, &recommended);
    keys.finish();
    Amount { min: min.map(|min| min.value), recommended: recommended.map(|size| size.value) }
}

fn count(table: &mut Keys<'_>) -> Count {
    let Some(mut keys) = amount_table(table, "cores", "2") else { return Count::default() };
    let [min, recommended] = ["min", "recommended"].map(|key| keys.uint(key));
    in_order(&keys, &min, &recommended);
    keys.finish();
    Count { min: min.map(|min| min.value), recommended: recommended.map(|count| count.value) }
}

fn amount_table<'a>(table: &mut Keys<'a>, key: &'static str, example: &str) -> Option<Keys<'a>> {
    let (_, item) = table.item(key)?;
    if item.as_value().is_some_and(|value| !value.is_inline_table()) {
        let message = format!("`{key}` of {} is not {{ min, recommended }}", table.name());
        let hint = format!("write {key} = {{ min = {example} }}");
        let finding = Finding::error(Code::Resources, message).with_hint(hint);
        table.findings().push(finding.at(item.span()));
        return None;
    }
    table.table(key)
}

fn in_order<T: PartialOrd>(
    keys: &Keys<'_>,
    min: &Option<Spanned<T>>,
    recommended: &Option<Spanned<T>>,
) {
    let (Some(min), Some(recommended)) = (min, recommended) else { return };
    if recommended.value < min.value {
        let message = format!("{} recommends less than its `min`", keys.name());
        let finding = Finding::error(Code::Resources, message);
        let hint = "`min` is the least it runs with, `recommended` what it runs well with";
        keys.findings().push(finding.with_hint(hint).at(recommended.span.clone()));
    }
}

fn packing(keys: &mut Keys<'_>) -> Option<Packing> {
    if keys.item("files").is_none() {
        let message = format!("{} has no `files`", keys.name());
        let finding = Finding::error(Code::MissingKey, message);
        let hint = "add patterns, such as files = [\"dist/low-x86/**\"]";
        keys.findings().push(finding.with_hint(hint).at(keys.span()));
    }
    let files = keys.texts("files", PATTERNS_MAX, PATH_BYTES_MAX);
    let empty = files.is_empty();
    let parsed = files.into_iter().filter_map(|text| {
        let span = text.span.clone();
        Glob::parse(text).map_err(|finding| keys.findings().push(finding.at(span))).ok()
    });
    let globs: Vec<Glob> = parsed.collect();
    let root = keys.text("root", PATH_BYTES_MAX).and_then(|root| {
        let trimmed = root.value.trim_start_matches("./").trim_end_matches('/').to_owned();
        let path = Spanned { value: trimmed, span: root.span };
        keys.parse::<crate::path::TreePath>("root", path)
    });
    let root = root.map(|root| root.value.as_str().to_owned());
    (!empty && !globs.is_empty()).then_some(Packing { globs, root })
}

fn values(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}
