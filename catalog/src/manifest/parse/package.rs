//! `[package]`: what the package is called, which version this is, and what it is for.

use std::collections::BTreeMap;
use std::ops::Range;

use semver::Version;

use super::{unknown_word, values};
use crate::manifest::finding::{Code, Finding};
use crate::manifest::keys::{Keys, Spanned};
use crate::name::PackageName;
use crate::path::PATH_BYTES_MAX;
use crate::release::{
    KEYWORDS_MAX, LICENSE_BYTES_MAX, PROVIDES_MAX, PackageKind, SUMMARY_BYTES_MAX, TEXT_BYTES_MAX,
    WORD_BYTES_MAX,
};

/// What `[package]` says.
pub(super) struct Package {
    pub(super) name: PackageName,
    pub(super) version: Version,
    pub(super) kind: PackageKind,
    pub(super) summary: String,
    pub(super) license: String,
    pub(super) keywords: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) provides: Vec<String>,
    pub(super) readme: Option<Spanned<String>>,
    pub(super) extensions: BTreeMap<String, String>,
    pub(super) span: Option<Range<usize>>,
}

pub(super) fn package(top: &mut Keys<'_>) -> Option<Package> {
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
