//! `[share]`: who may read the package.

use std::collections::BTreeSet;

use super::unknown_word;
use crate::manifest::finding::{Code, Finding};
use crate::manifest::keys::Keys;
use crate::permission::Permission;
use crate::release::TEXT_BYTES_MAX;

/// Most nodes that a restricted package can list; more would not fit into its statement.
const NODES_MAX: usize = 1024;

/// What `permission` can say.
const WORDS: [&str; 6] = ["public", "private", "restricted", "friends", "anonymous", "verified"];

/// Reads `[share]`; `None` when it is wrong, so that nothing restricted is ever taken for public.
pub(super) fn share(top: &mut Keys<'_>) -> Option<Permission> {
    if top.item("share").is_none() {
        return Some(Permission::Public);
    }
    let mut keys = top.table("share")?;
    let word = keys.required_text("permission", "add permission = \"public\", or another word");
    let nodes = keys.texts("nodes", NODES_MAX, TEXT_BYTES_MAX);
    let count = nodes.len();
    let nodes: BTreeSet<_> =
        nodes.into_iter().filter_map(|node| Some(keys.parse("nodes", node)?.value)).collect();
    keys.finish();
    let word = word?;
    let permission = match word.value.as_str() {
        "public" => Ok(Permission::Public),
        "private" => Ok(Permission::Private),
        "restricted" if count > 0 => Ok(Permission::Restricted(nodes)),
        "restricted" => {
            Err(Finding::error(Code::Permission, "a restricted package lists no `nodes`")
                .with_hint("add nodes = [\"<64 hex digits>\"]; a node's id is in: catalog status"))
        }
        "friends" => Ok(Permission::Friends),
        "anonymous" => Ok(Permission::Anonymous),
        "verified" => Ok(Permission::Verified),
        other => Err(unknown_word("permission", other, WORDS.into_iter())),
    };
    let permission = permission.and_then(|permission| match permission {
        Permission::Restricted(_) => Ok(permission),
        _ if count == 0 => Ok(permission),
        _ => {
            let message = format!("a {} package lists `nodes` that may read it", word.value);
            Err(Finding::error(Code::Permission, message)
                .with_hint("write permission = \"restricted\", or delete `nodes`"))
        }
    });
    permission.map_err(|finding| top.findings().push(finding.at(word.span))).ok()
}
