//! Whatever tree is accepted keeps every promise of a tree, and is exactly what we would have
//! written.

#![no_main]

use catalog::{Digest, Tree, TreeEntry};
use libfuzzer_sys::fuzz_target;
use std::path::{Component, Path};

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = Tree::decode(bytes) else { return };
    assert_eq!(tree.encode(), bytes);
    assert_eq!(Tree::new(tree.entries().to_vec()).as_ref(), Ok(&tree));

    for entry in tree.entries() {
        let path = Path::new(entry.path().as_str());
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
        if let TreeEntry::Symlink { path, target } = entry {
            let ups = target.split('/').take_while(|part| *part == "..").count();
            assert!(ups < path.components().count());
            assert!(target.split('/').skip(ups).all(|part| part != ".."));
        }
    }
    let digest = Digest::of(bytes);
    let sequence = tree.hash_sequence(digest);
    assert_eq!(tree.check_sequence(digest, &sequence), Ok(()));
});
