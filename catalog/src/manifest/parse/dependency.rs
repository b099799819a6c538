//! `[dependencies]`: other packages, each named by its publisher's id.

use std::str::FromStr;

use semver::VersionReq;
use toml_edit::{Item, Key};

use super::at_most;
use crate::identity::PublisherId;
use crate::manifest::finding::{Code, Finding};
use crate::manifest::keys::Keys;
use crate::name::PackageName;
use crate::release::{DEPENDENCIES_MAX, Dependency, WORD_BYTES_MAX};

pub(super) fn dependencies(top: &mut Keys<'_>) -> Vec<Dependency> {
    let Some(table) = top.table("dependencies") else { return Vec::new() };
    let pairs = table.pairs();
    at_most(&table, pairs.len(), DEPENDENCIES_MAX);
    pairs.into_iter().filter_map(|(key, item)| dependency(&table, key, item)).collect()
}

fn dependency(table: &Keys<'_>, key: &Key, item: &Item) -> Option<Dependency> {
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
