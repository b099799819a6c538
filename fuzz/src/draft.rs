//! Checks that a draft can be published: its files form trees and its texts keep the limits of a
//! release.

use catalog::draft::{Draft, SourceEntry, VariantDraft};
use catalog::release::ReleaseError;
use catalog::{ByteSize, Digest, Release, Sha256Digest, Timestamp, Tree, TreeEntry, Variant};
use std::fs;
use std::path::Path;

/// Checks the draft and every file that it names.
///
/// - `folder`: where all of them must lie.
pub fn check(draft: &Draft, folder: &Path) {
    for variant in &draft.variants {
        let entries = variant.entries.iter().map(|entry| tree_entry(entry, folder)).collect();
        Tree::new(entries).expect("the entries of a variant are a tree");
    }
    check_texts(draft);
}

/// Checks everything but the files.
pub fn check_texts(draft: &Draft) {
    let release = release(draft);
    match release.encode() {
        Ok(body) => assert_eq!(Release::decode(&body).as_ref(), Ok(&release)),
        Err(ReleaseError::TooLarge { .. }) => {}
        Err(error) => panic!("a draft that cannot be published: {error}"),
    }
}

fn tree_entry(entry: &SourceEntry, folder: &Path) -> TreeEntry {
    match entry {
        SourceEntry::File { path, source, executable } => {
            assert!(source.starts_with(folder), "{source:?} is not in {folder:?}");
            let metadata = fs::symlink_metadata(source).expect("the file of an entry is there");
            assert!(metadata.is_file(), "{source:?} is not a plain file");
            TreeEntry::File {
                path: path.clone(),
                executable: *executable,
                size: metadata.len(),
                blake3: Digest::of(b""),
                sha256: Sha256Digest::from_bytes([0; 32]),
            }
        }
        SourceEntry::Dir { path } => TreeEntry::Dir { path: path.clone() },
        SourceEntry::Symlink { path, target } => {
            TreeEntry::Symlink { path: path.clone(), target: target.clone() }
        }
    }
}

/// The release that publishing would sign, with other hashes.
fn release(draft: &Draft) -> Release {
    let draft = draft.clone();
    Release {
        publisher: catalog::PublisherId::from_digest(Digest::of(b"publisher")),
        seq: 1,
        time: Timestamp::from_millis(1),
        name: draft.name,
        version: draft.version,
        kind: draft.kind,
        summary: draft.summary,
        license: draft.license,
        keywords: draft.keywords,
        tags: draft.tags,
        provides: draft.provides,
        dependencies: draft.dependencies,
        capabilities: draft.capabilities,
        permission: draft.permission,
        sealed: None,
        mirror: draft.mirror,
        description: draft.description,
        provenance: draft.provenance,
        variants: draft.variants.into_iter().map(variant).collect(),
        extensions: draft.extensions,
    }
}

fn variant(draft: VariantDraft) -> Variant {
    Variant {
        id: draft.id,
        requires: draft.requires,
        prefers: draft.prefers,
        resources: draft.resources,
        fallback: draft.fallback,
        quality: draft.quality,
        root: Digest::of(b"root"),
        tree: Digest::of(b"tree"),
        size: ByteSize::bytes(1),
        files: 1,
    }
}
