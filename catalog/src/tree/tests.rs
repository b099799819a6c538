use super::*;

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
