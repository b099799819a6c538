use super::*;
use crate::defence::without;
use proptest::collection::vec;
use proptest::prelude::*;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn file(at: &str, content: &[u8]) -> TreeEntry {
    TreeEntry::File {
        path: path(at),
        executable: at.starts_with("bin/"),
        size: content.len() as u64,
        blake3: Digest::of(content),
        sha256: Sha256Digest::from_bytes([content.len() as u8; 32]),
    }
}

fn dir(at: &str) -> TreeEntry {
    TreeEntry::Dir { path: path(at) }
}

fn link(at: &str, target: &str) -> TreeEntry {
    TreeEntry::Symlink { path: path(at), target: target.to_owned() }
}

fn sample() -> Tree {
    Tree::new(vec![
        link("lib/libx.so", "libx.so.1"),
        file("bin/tool", b"#!"),
        file("lib/libx.so.1", b""),
        dir("var"),
    ])
    .unwrap()
}

#[test]
fn a_tree_has_these_bytes() {
    let bytes = [
        "82",                 // pair
        "01",                 // version
        "84",                 // four entries
        "85",                 // a file
        "01",                 // that can be run
        "6862696e2f746f6f6c", // bin/tool
        "02",                 // bytes
        "5820",
        &Digest::of(b"#!").to_string(),
        "5820",
        &"02".repeat(32),
        "83",                       // a link
        "03",                       //
        "6b6c69622f6c6962782e736f", // lib/libx.so
        "696c6962782e736f2e31",     // libx.so.1
        "85",                       // a file
        "00",
        "6d6c69622f6c6962782e736f2e31", // lib/libx.so.1
        "00",
        "5820",
        &Digest::of(b"").to_string(),
        "5820",
        &"00".repeat(32),
        "82", // a folder
        "02",
        "63766172", // var
    ];
    let encoded = sample().encode();
    assert_eq!(hex::encode(&encoded), bytes.concat());
    assert_eq!(Tree::decode(&encoded), Ok(sample()));
}

#[test]
fn files_are_numbered_as_children_of_the_hash_sequence() {
    let tree = sample();
    let files: Vec<_> = tree.files().map(|file| (file.child, file.path.as_str())).collect();
    assert_eq!(files, [(1, "bin/tool"), (2, "lib/libx.so.1")]);
    assert_eq!(tree.size(), ByteSize::bytes(2));
    assert_eq!(tree.entry(&path("var")), Some(&dir("var")));
    assert_eq!(tree.entry(&path("bin")), None);
}

#[test]
fn the_hash_sequence_is_the_tree_and_then_every_file() {
    let tree = Tree::new(vec![file("b", b"same"), file("a", b"same"), dir("c")]).unwrap();
    let (digest, same) = (Digest::of(&tree.encode()), Digest::of(b"same"));
    let sequence = tree.hash_sequence(digest);
    assert_eq!(sequence, [digest, same, same].map(|hash| *hash.as_bytes()).concat());
    assert_eq!(tree.check_sequence(digest, &sequence), Ok(()));

    let wrong_length = |found| Err(SequenceError::Length { found, needed: 96 });
    assert_eq!(tree.check_sequence(digest, &sequence[..64]), wrong_length(64));
    assert_eq!(tree.check_sequence(digest, &sequence[..95]), wrong_length(95));
    assert_eq!(tree.check_sequence(digest, &[&sequence[..], &[0; 32]].concat()), wrong_length(128));
    let mut changed = sequence.clone();
    changed[70] ^= 1;
    assert_eq!(tree.check_sequence(digest, &changed), Err(SequenceError::Child { child: 2 }));
    assert_eq!(tree.check_sequence(same, &sequence), Err(SequenceError::Child { child: 0 }));
}

#[test]
fn a_tree_of_a_newer_version_is_named_as_such() {
    let mut bytes = sample().encode();
    bytes[1] = 2;
    assert_eq!(Tree::decode(&bytes), Err(CodecError::Version { found: 2 }.into()));
}

#[test]
fn entries_out_of_order_are_refused() {
    let bytes = codec::encode(&[dir("b"), dir("a")]);
    assert_eq!(Tree::decode(&bytes), Err(TreeError::Order { path: path("a") }));
    let twice = codec::encode(&[dir("a"), dir("a")]);
    assert_eq!(Tree::decode(&twice), Err(TreeError::Order { path: path("a") }));
    assert!(matches!(Tree::new(vec![dir("a"), dir("a")]), Err(TreeError::Collision(_))));
}

/// Threat row 9: a tree whose bytes hold a hostile path is refused, whatever kind of entry it is.
#[test]
fn hostile_paths_are_refused_inside_a_tree() {
    for bytes in hostile_trees() {
        let refused = Tree::decode(&bytes).unwrap_err();
        assert!(matches!(refused, TreeError::Path(_)), "{refused}");
    }
}

/// Threat row 9, control.
#[test]
fn a_hostile_path_in_a_tree_is_noticed_without_the_defence() {
    let accepted = hostile_trees()
        .iter()
        .filter(|bytes| without(Defence::PathRules, || Tree::decode(bytes)).is_ok())
        .count();
    assert!(accepted > 5_000, "{accepted}");
}

fn hostile_trees() -> Vec<Vec<u8>> {
    let normal = |text: &String| unicode_normalization::is_nfc(text);
    let texts = crate::path::hostile_paths().into_iter().filter(normal);
    texts
        .enumerate()
        .map(|(at, text)| {
            let entry = without(Defence::PathRules, || match at % 3 {
                0 => file(&text, b"x"),
                1 => dir(&text),
                _ => link(&text, "x"),
            });
            codec::encode(&[entry])
        })
        .collect()
}

/// Threat row 10: a tree holds files, folders and links; hard links, devices, pipes and set-user-id
/// bits have no encoding.
#[test]
fn other_kinds_of_entry_cannot_be_written() {
    for kind in 0..600 {
        for fields in 1..7 {
            let known = matches!((kind, fields), (0 | 1, 4) | (2, 1) | (3, 2));
            let mut writer = crate::cbor::Writer::default();
            writer.array(2);
            writer.uint(1);
            writer.array(1);
            writer.array(1 + fields);
            writer.uint(kind);
            for field in 0..fields {
                match (field, kind) {
                    (0, _) | (1, 3) => writer.text("a"),
                    (1, _) => writer.uint(0o4755),
                    _ => writer.bytes(&[7; 32]),
                }
            }
            let tree = Tree::decode(&writer.finish());
            assert_eq!(tree.is_ok(), known, "kind {kind}, {fields} fields: {tree:?}");
        }
    }
}

/// Threat row 10: a link out of the tree is refused when packing and when reading.
#[test]
fn links_out_of_the_tree_are_refused() {
    for target in ["/etc/passwd", "../../x", "../../../etc/shadow", "x/../../../y", "", "..\\x"] {
        let entries = vec![link("a/l", target)];
        assert!(matches!(Tree::decode(&codec::encode(&entries)), Err(TreeError::Link(_))));
        assert!(matches!(Tree::new(entries), Err(TreeError::Link(_))), "{target}");
    }
}

/// Threat row 10, control.
#[test]
fn a_link_out_of_the_tree_is_noticed_without_the_defence() {
    let bytes = codec::encode(&[link("a/l", "../../x")]);
    let tree = without(Defence::LinkTargets, || Tree::decode(&bytes)).unwrap();
    assert!(escapes(&tree, &path("a/l")));
}

/// Threat row 11: a file cannot be sent through a link.
#[test]
fn nothing_stands_below_a_link() {
    let entries = vec![link("a", "b"), dir("b"), file("a/x", b"")];
    let read = Tree::decode(&codec::encode(&[entries[0].clone(), entries[2].clone()]));
    for tree in [read, Tree::new(entries)] {
        let refused = tree.unwrap_err();
        let through = TreeError::Collision(CollisionError::BelowNonFolder {
            above: path("a"),
            below: path("a/x"),
        });
        assert_eq!(refused, through);
    }
}

/// Threat row 12: entries that are the same on some system are refused when packing and when reading.
#[test]
fn entries_that_collide_are_refused() {
    for entries in [
        vec![file("A", b""), file("a", b"")],
        vec![file("Lib/a", b""), file("lib/b", b"")],
        vec![file("a", b""), file("a/b", b"")],
        vec![dir("ſ"), link("s", "x")],
    ] {
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| a.path().cmp(b.path()));
        let read = Tree::decode(&codec::encode(&sorted));
        assert!(matches!(read, Err(TreeError::Collision(_))), "{entries:?}");
        assert!(matches!(Tree::new(entries), Err(TreeError::Collision(_))));
    }
}

/// One entry more than a tree may have, and the bytes of such a tree.
fn too_many_entries() -> (Vec<TreeEntry>, Vec<u8>) {
    let entries: Vec<_> = (0..=TREE_ENTRIES_MAX).map(|n| dir(&format!("{n:06}"))).collect();
    let bytes = codec::encode(&entries);
    (entries, bytes)
}

/// Few entries, but more bytes than a tree may have.
fn too_many_bytes() -> (Vec<TreeEntry>, Vec<u8>) {
    let long = ["a"; 4].map(|part| part.repeat(250)).join("/");
    let entries: Vec<_> = (0..8_500).map(|n| dir(&format!("{long}/{n:05}"))).collect();
    let bytes = codec::encode(&entries);
    (entries, bytes)
}

/// Threat row 15: one entry too many is refused by its count, before any entry is read.
#[test]
fn a_tree_of_too_many_entries_is_refused() {
    let (entries, bytes) = too_many_entries();
    let refused = Err(TreeError::TooManyEntries { entries: TREE_ENTRIES_MAX + 1 });
    assert_eq!(Tree::decode(&bytes), refused);
    assert_eq!(Tree::new(entries.clone()), refused);
    assert!(Tree::new(entries[1..].to_vec()).is_ok());
}

/// Threat row 15: a tree over its limit of bytes is refused unread.
#[test]
fn a_tree_of_too_many_bytes_is_refused() {
    let (entries, bytes) = too_many_bytes();
    let refused = Err(TreeError::TooLarge { bytes: bytes.len() });
    assert_eq!(Tree::decode(&bytes), refused);
    assert_eq!(Tree::new(entries.clone()), refused);
    assert!(Tree::new(entries[500..].to_vec()).is_ok());
}

/// Threat row 15, control.
#[test]
fn a_tree_over_its_limits_is_noticed_without_the_defence() {
    for (_, bytes) in [too_many_entries(), too_many_bytes()] {
        assert!(without(Defence::SizeLimits, || Tree::decode(&bytes)).is_ok());
    }
}

/// Threat row 15: sizes that cannot be added up are refused.
#[test]
fn file_sizes_that_overflow_are_refused() {
    let huge = |at: &str| match file(at, b"") {
        TreeEntry::File { path, executable, blake3, sha256, .. } => {
            TreeEntry::File { path, executable, size: u64::MAX, blake3, sha256 }
        }
        other => other,
    };
    assert_eq!(Tree::new(vec![huge("a"), huge("b")]), Err(TreeError::TotalSize));
    assert!(Tree::new(vec![huge("a")]).is_ok());
}

#[test]
fn fifty_thousand_files_take_half_the_limit() {
    let entries: Vec<_> = (0..50_000)
        .map(|n| file(&format!("node_modules/@scope/package-{}/lib/{n:05}.js", n / 100), b"x"))
        .collect();
    let bytes = Tree::new(entries).unwrap().encode();
    assert!(bytes.len() < 6 << 20, "{} bytes", bytes.len());
    assert_eq!(Tree::decode(&bytes).unwrap().files().count(), 50_000);
}

/// Threat row 24: numbers and lengths have one encoding in a tree, too.
#[test]
fn other_encodings_of_a_tree_are_refused() {
    let bytes = codec::encode(&[dir("a")]);
    assert_eq!(hex::encode(&bytes), "82018182026161");
    for other in [
        "8218018182026161",
        "82019801820261 61",
        "82018182026161 00",
        "9802018182026161",
        "8201818202780161",
        "82018182180261 61",
        "9f018182026161ff",
    ] {
        let other = hex::decode(other.replace(' ', "")).unwrap();
        assert!(matches!(Tree::decode(&other), Err(TreeError::Codec(_))), "{other:02x?}");
    }
}

/// Follows the link at `at` as a file system does, and says whether it goes above the tree's top.
fn escapes(tree: &Tree, at: &TreePath) -> bool {
    let mut here: Vec<String> = Vec::new();
    let mut ahead: Vec<String> = at.components().rev().map(String::from).collect();
    for _ in 0..200 {
        match ahead.pop().as_deref() {
            None => return false,
            Some("..") => {
                if here.pop().is_none() {
                    return true;
                }
            }
            Some(name) => {
                here.push(name.to_owned());
                let entry = here.join("/").parse().ok().and_then(|place| tree.entry(&place));
                if let Some(TreeEntry::Symlink { target, .. }) = entry {
                    here.pop();
                    ahead.extend(target.split('/').rev().map(String::from));
                }
            }
        }
    }
    false // a loop, which a file system refuses to follow
}

fn entries() -> impl Strategy<Value = Vec<TreeEntry>> {
    let path = "[abc](/[abc]){0,2}";
    let target = "(\\.\\./){0,3}[abc](/[abc]|/\\.\\.){0,2}|\\.\\.|\\.\\./\\.\\.";
    let entry = prop_oneof![
        path.prop_map(|at| dir(&at)),
        (path, target).prop_map(|(at, target)| link(&at, &target)),
        (path, target).prop_map(|(at, target)| link(&at, &target)),
        (path, vec(any::<u8>(), 0..3)).prop_map(|(at, content)| file(&at, &content)),
    ];
    vec(entry, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Threat rows 10 and 11: no chain of links leads out of a tree that was accepted.
    #[test]
    fn following_links_never_leaves_a_tree(entries in entries()) {
        if let Ok(tree) = Tree::new(entries) {
            for entry in tree.entries() {
                prop_assert!(!escapes(&tree, entry.path()), "{:?}", tree);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(entries in entries()) {
        if let Ok(tree) = Tree::new(entries) {
            prop_assert_eq!(Tree::decode(&tree.encode()), Ok(tree));
        }
    }

    /// Threat row 24: whatever is accepted is exactly what we would have written.
    #[test]
    fn accepted_bytes_are_written_again_identically(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = sample().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }
}
