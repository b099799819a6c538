//! Queries: any text has an answer, within bounds, and the same one each time.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use catalog::identity::PublisherId;
use catalog::permission::Permission;
use catalog::release::{MirrorHints, PackageKind, Release, ReleaseId};
use catalog::variant::{Resources, Variant};
use catalog::{ByteSize, Digest, Timestamp};
use catalog_discovery::{Cursor, Doc, Found, Index, Query, Typing};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const LIMIT: usize = 5;

/// Name, summary, keyword, description: names that begin, extend and nearly are each other.
const PACKAGES: [(&str, &str, &str, &str); 8] = [
    ("graphdb", "A graph database that runs anywhere", "database", "Stores nodes and edges."),
    ("graphdb-client", "Talks to a graph database", "sql", "Asks it questions."),
    ("graphviz", "Draws graphs from text", "diagram", "Lays out nodes and edges."),
    ("libpng16", "Reads and writes PNG images", "image", "Portable network graphics."),
    ("c-parser", "Parses c++ and c# sources", "compiler", "\u{202e}Ünïcode ﬁ ß."),
    ("notes", "Notes that link to each other", "notes", "Notes notes notes."),
    ("note", "A note", "notes", ""),
    ("x", "x", "x", "x"),
];

/// A small index, and where it is.
static INDEX: LazyLock<(TempDir, Index)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder in TMPDIR");
    let index = Index::open(folder.path()).expect("the folder is empty");
    for release in PACKAGES.map(release) {
        let id = ReleaseId::of(&release.encode().expect("a valid release"));
        let document = Doc::from_release(id, &release).expect("the same");
        index.put(&document).expect("room on the disk");
    }
    index.commit(Cursor { store: [1; 16], change: 1 }).expect("room on the disk");
    (folder, index)
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for typing in [Typing::Done, Typing::Going] {
        let query = Query {
            petnames: vec![("acme".parse().expect("a petname"), publisher())],
            limit: LIMIT,
            typing,
            ..Query::new(&*text)
        };
        let [first, second] = [0, 1].map(|_| INDEX.1.search(&query).expect("any text is a query"));
        assert!(first.hits.len() <= LIMIT);
        assert!(first.hits.iter().all(|hit| hit.score.is_finite()));
        assert_eq!(ids(&first), ids(&second));
        assert_eq!(first.meant, second.meant);
    }
});

fn ids(found: &Found) -> Vec<ReleaseId> {
    found.hits.iter().map(|hit| hit.id).collect()
}

fn publisher() -> PublisherId {
    PublisherId::of_inception(b"acme")
}

fn release((name, summary, keyword, description): (&str, &str, &str, &str)) -> Release {
    let variant = Variant {
        id: "anywhere".parse().expect("a name"),
        requires: BTreeMap::new(),
        prefers: BTreeMap::new(),
        resources: Resources::default(),
        fallback: false,
        quality: 50,
        root: Digest::of(name.as_bytes()),
        tree: Digest::of(summary.as_bytes()),
        size: ByteSize::bytes(1),
        files: 1,
    };
    Release {
        publisher: publisher(),
        seq: 1,
        time: Timestamp::from_millis(1_800_000_000_000),
        name: name.parse().expect("a name"),
        version: semver::Version::new(1, 0, 0),
        kind: PackageKind::Service,
        summary: summary.to_owned(),
        license: "MIT".to_owned(),
        keywords: vec![keyword.to_owned()],
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        sealed: None,
        mirror: MirrorHints::default(),
        description: Some(description.to_owned()).filter(|text| !text.is_empty()),
        provenance: None,
        variants: vec![variant],
        extensions: BTreeMap::new(),
    }
}
