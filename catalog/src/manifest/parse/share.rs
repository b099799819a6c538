//! `[share]`: who may read the package.

use std::collections::BTreeSet;

use super::unknown_word;
use crate::manifest::finding::{Code, Finding};
use crate::manifest::keys::Keys;
use crate::permission::Permission;
use crate::release::TEXT_BYTES_MAX;

/// Most nodes that a restricted package can list; more would not fit into its statement.
const NODES_MAX: usize = 1024;

/// Reads `[share]`; `None` when it is wrong, so that nothing restricted is ever taken for public.
pub(super) fn share(top: &mut Keys<'_>) -> Option<Permission> {
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
