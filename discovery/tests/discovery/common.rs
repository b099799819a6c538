//! A small catalog to search in.

use std::path::Path;

use catalog::identity::PublisherId;
use catalog::release::{PackageKind, Release, ReleaseId};
use catalog_discovery::{Cursor, Doc, Found, Index, Query};

pub use catalog_tests::releases::{release, variant};

/// Name, summary, keywords, description.
pub const PACKAGES: &[(&str, &str, &[&str], &str)] = &[
    (
        "graphdb",
        "A graph database that runs anywhere",
        &["graph", "database"],
        "Stores nodes and edges.",
    ),
    ("graphviz", "Draws graphs from text", &["diagram"], "Lays out nodes and edges."),
    ("graph-notes", "Notes that link to each other", &["notes"], ""),
    ("notes-index", "Full text search over your notes", &["search"], "Builds an index of notes."),
    ("postgresql", "An object-relational database server", &["sql", "database"], "The elephant."),
    ("postgresql-client", "Talks to a database server", &["sql"], ""),
    ("sqlite3", "A small database in a file", &["sql", "embedded"], ""),
    ("libpng16", "Reads and writes PNG images", &["image"], "Portable network graphics."),
    ("imagemagick", "Edits and converts images", &["image", "convert"], "Works with png and jpeg."),
    ("whisper-tiny", "Turns speech into text", &["speech", "model"], "Weights for a small model."),
    ("tokenizer", "Cuts prose into tokens", &["text"], "Used before a language model."),
    ("c-parser", "Parses c++ and c# sources", &["compiler"], ""),
    ("mail", "Sends letters", &["smtp"], "A database of letters is kept as well."),
    ("zeta", "Computes the zeta function", &["mathematics"], ""),
];

pub fn acme() -> PublisherId {
    PublisherId::of_inception(b"acme")
}

pub fn other() -> PublisherId {
    PublisherId::of_inception(b"other")
}

pub fn packages() -> Vec<Release> {
    let described =
        |&(name, summary, keywords, description): &(&str, &str, &[&str], &str)| Release {
            summary: summary.to_owned(),
            keywords: keywords.iter().map(|&word| word.to_owned()).collect(),
            description: Some(description.to_owned()).filter(|text| !text.is_empty()),
            kind: if name == "whisper-tiny" { PackageKind::Model } else { PackageKind::Service },
            ..release(acme(), name)
        };
    PACKAGES.iter().map(described).collect()
}

pub fn doc(release: &Release) -> Doc {
    Doc::from_release(ReleaseId::of(&release.encode().unwrap()), release).unwrap()
}

pub fn cursor(change: u64) -> Cursor {
    Cursor { store: [7; 16], change }
}

/// An index of [`packages`].
pub fn index(dir: &Path) -> Index {
    let index = Index::open(dir).unwrap();
    for release in packages() {
        index.put(&doc(&release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    index
}

pub fn names(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| hit.release.name.as_str()).collect()
}

/// The names that `text` finds, best first.
pub fn ask(index: &Index, text: &str) -> Vec<String> {
    names(&index.search(&Query::new(text)).unwrap()).into_iter().map(str::to_owned).collect()
}
