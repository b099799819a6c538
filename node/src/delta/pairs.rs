//! Finds, for a file that is wanted, the file that it takes the place of.

use std::collections::BTreeMap;

use catalog::digest::Digest;
use catalog::path::TreePath;
use catalog::tree::{TREE_BYTES_MAX, Tree, TreeFile};

use super::are_sizes_fit;
use super::layout::Place;
use crate::blobs::{Blobs, Holding};
use crate::fetch::job::Wanted;
use crate::recovery::SEQUENCE_BYTES_MAX;

/// The variant that is here and is to be replaced.
pub(crate) struct Base {
    root: Digest,
    tree: Tree,
}

/// A file that is wanted, and the one at its path before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twin {
    pub(super) old: Place,
    /// The content of the old file; it is here.
    pub(super) old_digest: Digest,
    /// The place of the new file among the children of its variant.
    pub(super) child: u64,
    /// What the new file must hash to.
    pub digest: Digest,
    /// How large the new file is.
    pub size: u64,
}

impl Base {
    /// The variant with this content root, if its file list is here.
    pub(crate) async fn open(blobs: &Blobs, root: Digest) -> Option<Self> {
        let sequence = blobs.bytes(&root, SEQUENCE_BYTES_MAX).await.ok()?;
        let digest = Digest::from_bytes(sequence.get(..32)?.try_into().ok()?);
        let tree = Tree::decode(&blobs.bytes(&digest, TREE_BYTES_MAX as u64).await.ok()?).ok()?;
        tree.check_sequence(digest, &sequence).ok()?;
        Some(Self { root, tree })
    }

    /// Those of the wanted files of `tree` that a patch can make.
    pub(crate) async fn twins(&self, blobs: &Blobs, tree: &Tree, wanted: &[Wanted]) -> Vec<Twin> {
        let mut here = Vec::new();
        for twin in self.alike(tree, wanted) {
            if matches!(blobs.holding(&twin.old_digest).await, Ok(Holding::Whole { .. })) {
                here.push(twin);
            }
        }
        here
    }

    /// Files that are neither too small nor too large and of which nothing has come yet, with what
    /// stood at their path. Where nothing did, a file of the same name takes its place whose own
    /// path is gone, if there is just one: folders are named after versions.
    fn alike(&self, tree: &Tree, wanted: &[Wanted]) -> Vec<Twin> {
        let old: BTreeMap<&TreePath, TreeFile<'_>> =
            self.tree.files().map(|file| (file.path, file)).collect();
        let paths: BTreeMap<u64, &TreePath> =
            tree.files().map(|file| (file.child, file.path)).collect();
        let mut moved: BTreeMap<&str, Option<TreeFile<'_>>> = BTreeMap::new();
        for file in self.tree.files().filter(|file| tree.entry(file.path).is_none()) {
            let of_name = moved.entry(file.path.file_name());
            of_name.and_modify(|only| *only = None).or_insert(Some(file));
        }
        let twin = |file: &Wanted| {
            let path = *paths.get(&file.child)?;
            let at_path = old.get(path).copied();
            let before = at_path.or_else(|| *moved.get(path.file_name())?)?;
            let is_untouched = file.missing.iter().eq([&(0..file.size)]);
            (is_untouched && are_sizes_fit(before.size, file.size)).then_some(Twin {
                old: Place { root: self.root, child: before.child },
                old_digest: before.blake3,
                child: file.child,
                digest: file.digest,
                size: file.size,
            })
        };
        wanted.iter().filter_map(twin).collect()
    }
}

#[cfg(test)]
mod tests {
    use catalog::digest::Sha256Digest;
    use catalog::tree::TreeEntry;

    use super::super::{FILE_BYTES_MAX, FILE_BYTES_MIN};
    use super::*;

    fn tree(files: &[(&str, u64)], seed: u8) -> Tree {
        let entries = files.iter().map(|(path, size)| TreeEntry::File {
            path: path.parse().unwrap(),
            executable: false,
            size: *size,
            blake3: Digest::of(format!("{path}{seed}").as_bytes()),
            sha256: Sha256Digest::from_bytes([0; 32]),
        });
        Tree::new(entries.collect()).unwrap()
    }

    fn whole(tree: &Tree) -> Vec<Wanted> {
        let wanted = tree.files().map(|file| Wanted {
            child: file.child,
            digest: file.blake3,
            size: file.size,
            missing: std::iter::once(0..file.size).collect(),
        });
        wanted.collect()
    }

    #[test]
    fn a_file_whose_folder_has_another_name_is_found_when_it_is_the_only_one() {
        let size = FILE_BYTES_MIN;
        let old = [("x-1.data/run", size), ("x-1.info/a", size), ("x-1.data/a", size)];
        let new = [("x-2.data/run", size), ("x-2.info/a", size), ("other", size)];
        let base = Base { root: Digest::of(b"root"), tree: tree(&old, 1) };
        let now = tree(&new, 2);
        let [twin] = base.alike(&now, &whole(&now))[..] else { panic!("one file has a twin") };
        assert_eq!(twin.old_digest, Digest::of(b"x-1.data/run1"));
        assert_eq!(twin.digest, Digest::of(b"x-2.data/run2"));
    }

    #[test]
    fn a_file_is_paired_with_the_one_at_its_path() {
        let (large, small) = (FILE_BYTES_MIN, FILE_BYTES_MIN - 1);
        let sizes = [
            ("begun", large),
            ("bin/run", large + 1),
            ("huge", FILE_BYTES_MAX + 1),
            ("new", large),
            ("small", small),
        ];
        let mut before = sizes.to_vec();
        before.retain(|(path, _)| *path != "new");
        before.push(("a", large));
        let base = Base { root: Digest::of(b"root"), tree: tree(&before, 1) };
        let now = tree(&sizes, 2);
        let wanted: Vec<Wanted> = now
            .files()
            .map(|file| {
                let from = if file.path.as_str() == "begun" { 1024 } else { 0 };
                let missing = std::iter::once(from..file.size).collect();
                Wanted { child: file.child, digest: file.blake3, size: file.size, missing }
            })
            .collect();
        let [twin] = base.alike(&now, &wanted)[..] else { panic!("one file has a twin") };
        assert_eq!(twin.digest, Digest::of(b"bin/run2"));
        assert_eq!(twin.old_digest, Digest::of(b"bin/run1"));
        // Another file stands before both in the old list.
        assert_eq!((twin.old.child, twin.child), (3, 2));
    }
}
