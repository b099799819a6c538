//! Which parts of a variant to fetch: all of it, its file list, or some paths.
//!
//! A variant is a hash sequence: child 0 is the tree, then its files in tree order. A plan names
//! children by their places, so that one request can ask for all of them. Nothing is fetched here.

#![allow(clippy::single_range_in_vec_init, reason = "one range of children is what is meant")]

pub mod dependencies;

use crate::digest::Digest;
use crate::name::VariantId;
use crate::path::TreePath;
use crate::release::ReleaseId;
use crate::size::ByteSize;
use crate::tree::{Tree, TreeEntry, TreeFile};
use crate::variant::Variant;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// How far a suggestion may be from what was asked for.
const SUGGESTION_EDITS_MAX: usize = 3;

/// Which children of one variant to fetch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FetchPlan {
    /// The release that the variant belongs to.
    pub release: ReleaseId,
    /// The variant.
    pub variant: VariantId,
    /// Its hash sequence.
    pub root: Digest,
    /// Places of children, ascending and apart from each other; child 0 is the tree.
    pub children: Vec<Range<u64>>,
    /// How many bytes their files have. The tree is not counted: its size is not known before it
    /// is there.
    pub bytes: ByteSize,
}

/// Why some paths cannot be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The variant has nothing there.
    #[error("no file or folder {path}")]
    Missing {
        /// What was asked for.
        path: TreePath,
        /// What was perhaps meant.
        suggestion: Option<TreePath>,
    },
}

impl FetchPlan {
    /// Everything.
    pub fn whole(release: ReleaseId, variant: &Variant) -> Self {
        Self {
            bytes: variant.size,
            ..Self::of_children(release, variant, [0..variant.files.saturating_add(1)].into())
        }
    }

    /// The list of files only, as a lazy clone begins.
    pub fn tree_only(release: ReleaseId, variant: &Variant) -> Self {
        Self::of_children(release, variant, [0..1].into())
    }

    /// The files at `paths`: a folder stands for all below it, and a link for what it leads to.
    ///
    /// The tree must be that of the variant; it is here already and so is not in the plan. Files
    /// with the same bytes are counted once.
    ///
    /// # Errors
    /// [`PlanError::Missing`] names the first path that leads nowhere.
    pub fn paths(
        release: ReleaseId,
        variant: &Variant,
        tree: &Tree,
        paths: &[TreePath],
    ) -> Result<Self, PlanError> {
        let files: Vec<_> = tree.files().collect();
        let mut wanted = BTreeSet::new();
        for path in paths {
            let mut seen = HashSet::new();
            let mut open = vec![path.clone()];
            while let Some(next) = open.pop() {
                // Links may lead in circles.
                if !seen.insert(next.clone()) {
                    continue;
                }
                let before = wanted.len();
                let found = select(tree, &files, &next, &mut wanted, &mut open);
                if !found && before == wanted.len() && next == *path {
                    let suggestion = suggestion(tree, path);
                    return Err(PlanError::Missing { path: path.clone(), suggestion });
                }
            }
        }
        let mut counted = HashSet::new();
        let selected = wanted.iter().map(|&at| &files[at]);
        let bytes = selected
            .filter(|file| counted.insert(file.blake3))
            .map(|file| ByteSize::bytes(file.size))
            .sum();
        let children = ranges(wanted.iter().map(|&at| files[at].child));
        Ok(Self { bytes, ..Self::of_children(release, variant, children) })
    }

    /// How many children are asked for.
    pub fn count(&self) -> u64 {
        self.children.iter().map(|range| range.end - range.start).sum()
    }

    fn of_children(release: ReleaseId, variant: &Variant, children: Vec<Range<u64>>) -> Self {
        let bytes = ByteSize::bytes(0);
        Self { release, variant: variant.id.clone(), root: variant.root, children, bytes }
    }
}

/// Adds what stands at `path` or below it to `wanted`, and where links lead to `open`.
///
/// Returns whether there is anything.
fn select(
    tree: &Tree,
    files: &[TreeFile<'_>],
    path: &TreePath,
    wanted: &mut BTreeSet<usize>,
    open: &mut Vec<TreePath>,
) -> bool {
    let below = format!("{path}/");
    let is_selected = |at: &TreePath| at == path || at.as_str().starts_with(&below);
    let entries = tree.entries();
    // What starts with `path` stands together, because entries are sorted by their text.
    let first = entries.partition_point(|entry| entry.path() < path);
    let mut found = false;
    for entry in &entries[first..] {
        if !entry.path().as_str().starts_with(path.as_str()) {
            break;
        }
        if !is_selected(entry.path()) {
            continue;
        }
        found = true;
        match entry {
            TreeEntry::Dir { .. } => {}
            TreeEntry::File { path, .. } => {
                let at = files.binary_search_by(|file| file.path.cmp(path));
                wanted.extend(at);
            }
            TreeEntry::Symlink { path, target } => {
                // A link to the top of the tree would turn one file into everything.
                open.extend(path.resolve_link(target).ok().flatten());
            }
        }
    }
    found
}

/// Ascending places as ranges.
fn ranges(places: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => ranges.push(place..place + 1),
        }
    }
    ranges
}

/// The path that differs least from `path`, if any is close.
fn suggestion(tree: &Tree, path: &TreePath) -> Option<TreePath> {
    let near = |entry: &TreeEntry| {
        let candidate = entry.path().as_str();
        // The distance is at least the difference in length, and is costly to compute.
        let plausible = candidate.len().abs_diff(path.as_str().len()) <= SUGGESTION_EDITS_MAX;
        let edits = plausible.then(|| strsim::osa_distance(candidate, path.as_str()))?;
        (edits <= SUGGESTION_EDITS_MAX).then_some(edits)
    };
    let candidates = tree.entries().iter().filter_map(|entry| Some((near(entry)?, entry)));
    candidates.min_by_key(|(edits, _)| *edits).map(|(_, entry)| entry.path().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;
    use crate::variant::tests::fixture;

    fn file(path: &str, content: &str) -> TreeEntry {
        TreeEntry::File {
            path: path.parse().unwrap(),
            executable: false,
            size: content.len() as u64,
            blake3: Digest::of(content.as_bytes()),
            sha256: Sha256Digest::from_bytes([0; 32]),
        }
    }

    fn link(path: &str, target: &str) -> TreeEntry {
        TreeEntry::Symlink { path: path.parse().unwrap(), target: target.into() }
    }

    /// Children: 1 bin/tool, 2 doc-x, 3 doc/a, 4 doc/b, 5 lib/x.so.1, 6 z.
    fn tree() -> Tree {
        Tree::new(vec![
            file("bin/tool", "tool"),
            file("doc-x", "near"),
            file("doc/a", "same"),
            file("doc/b", "same"),
            TreeEntry::Dir { path: "empty".parse().unwrap() },
            file("lib/x.so.1", "library"),
            link("lib/x.so", "x.so.1"),
            link("loop/one", "two"),
            link("loop/two", "one"),
            link("manual", "doc"),
            file("z", ""),
        ])
        .unwrap()
    }

    fn plan(paths: &[&str]) -> Result<FetchPlan, PlanError> {
        let paths: Vec<_> = paths.iter().map(|path| path.parse().unwrap()).collect();
        FetchPlan::paths(ReleaseId::of(b"release"), &fixture("x", ""), &tree(), &paths)
    }

    #[test]
    fn a_whole_variant_is_one_range_and_a_lazy_clone_is_its_first_child() {
        let variant = fixture("x", "");
        let whole = FetchPlan::whole(ReleaseId::of(b"release"), &variant);
        assert_eq!((whole.children.as_slice(), whole.bytes), (&[0..4][..], variant.size));
        assert_eq!(whole.count(), 4);
        let lazy = FetchPlan::tree_only(ReleaseId::of(b"release"), &variant);
        assert_eq!((lazy.children.as_slice(), lazy.bytes.as_u64()), (&[0..1][..], 0));
    }

    #[test]
    fn paths_select_files_folders_and_what_links_lead_to() {
        let planned = |paths: &[&str]| {
            let plan = plan(paths).unwrap();
            (plan.children.clone(), plan.bytes.as_u64())
        };
        assert_eq!(planned(&["bin/tool"]), (vec![1..2], 4));
        // Two files with the same bytes are fetched once; `doc-x` is not below `doc`.
        assert_eq!(planned(&["doc"]), (vec![3..5], 4));
        assert_eq!(planned(&["manual"]), (vec![3..5], 4));
        assert_eq!(planned(&["lib"]), (vec![5..6], 7));
        assert_eq!(planned(&["lib/x.so", "z", "bin"]), (vec![1..2, 5..7], 11));
        assert_eq!(planned(&["empty"]), (vec![], 0));
        assert_eq!(planned(&["loop"]), (vec![], 0));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_named_with_what_was_perhaps_meant() {
        let missing = |path: &str| match plan(&["z", path]).unwrap_err() {
            PlanError::Missing { path, suggestion } => {
                (path.to_string(), suggestion.map(|path| path.to_string()))
            }
        };
        assert_eq!(missing("bin/toll"), ("bin/toll".into(), Some("bin/tool".into())));
        assert_eq!(missing("nothing/like/it"), ("nothing/like/it".into(), None));
    }
}
