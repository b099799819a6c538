//! What publishers and askers cannot do to a search.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::{acme, ask, cursor, doc, index, other, release};
use catalog::release::{DESCRIPTION_BYTES_MAX, KEYWORDS_MAX, Release, ReleaseId};
use catalog_discovery::{Doc, Index, Query};

/// Far more than any query takes, so that only a query without bounds fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Honest questions, and what answers them.
const QUESTIONS: [(&str, &str); 6] = [
    ("graph database", "graphdb"),
    ("search notes", "notes-index"),
    ("speech text", "whisper-tiny"),
    ("small database file", "sqlite3"),
    ("converts images", "imagemagick"),
    ("draws graphs", "graphviz"),
];

fn with(index: &Index, releases: impl IntoIterator<Item = Release>) {
    for release in releases {
        index.put(&doc(&release)).unwrap();
    }
    index.commit(cursor(2)).unwrap();
}

/// Threat row 30: every word there is, in one text.
#[test]
fn a_text_stuffed_with_every_word_answers_no_question_first() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let words = crate::common::packages().iter().fold(String::new(), |all, release| {
        let text = release.description.as_deref().unwrap_or_default();
        format!("{all} {} {} {text}", release.name, release.summary)
    });
    let mut stuffed = words.repeat(DESCRIPTION_BYTES_MAX / words.len());
    stuffed.truncate(stuffed.floor_char_boundary(DESCRIPTION_BYTES_MAX));
    // A release lists no keyword twice.
    let keywords: BTreeSet<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let keywords = keywords.into_iter().take(KEYWORDS_MAX);
    with(
        &index,
        [Release {
            summary: "A useful helper".to_owned(),
            keywords: keywords.collect(),
            description: Some(stuffed),
            ..release(other(), "helper")
        }],
    );
    for (question, answer) in QUESTIONS {
        assert_eq!(ask(&index, question)[0], answer, "{question}");
    }
}

/// Threat row 30: hundreds of packages that are one.
#[test]
fn packages_that_are_the_same_but_for_their_names_take_three_places() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let copies = (0..200).map(|n| Release {
        summary: "A graph database".to_owned(),
        keywords: vec!["graph".to_owned(), "database".to_owned()],
        description: Some("Graph database, database of graphs.".to_owned()),
        ..release(other(), &format!("graph-database-{n:03}"))
    });
    with(&index, copies);
    let found = ask(&index, "graph database server");
    let copies =
        |names: &[String]| names.iter().filter(|name| name.starts_with("graph-database-")).count();
    assert_eq!(copies(&found[..8]), 3, "{found:?}");
    assert!(found[..8].iter().any(|name| name == "graphdb"), "{found:?}");
    // They can still be had: by name, and further down.
    assert_eq!(ask(&index, "graph-database-150")[0], "graph-database-150");
    assert!(copies(&found) > 3);
}

/// Threat row 31: questions that are made to be expensive.
#[test]
fn a_question_made_to_be_expensive_is_answered_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let many: Vec<String> = (0..10_000).map(|n| format!("wrod{n}x")).collect();
    let deep = "databasf postgresqk imagemagicj whispes-tinz ".repeat(500);
    let questions = [
        many.join(" "),
        format!("\"{}\"", many.join(" ")),
        many.iter().map(|word| format!("-{word} ")).collect(),
        many.iter().map(|word| format!("tag:{word} ")).collect(),
        deep,
        "a".repeat(1 << 20),
        "graph-".repeat(10_000),
        "\"".repeat(10_000),
        "size:<".repeat(10_000),
        "lib ".repeat(10_000),
    ];
    for question in questions {
        let began = Instant::now();
        index.search(&Query::new(question.as_str())).unwrap();
        let start: String = question.chars().take(40).collect();
        assert!(began.elapsed() < PATIENCE, "{start}");
    }
}

/// Threat row 28: text that would move the cursor, or be read in another order. Control characters
/// are in no release; marks that nobody sees part words, and no word that is searched has one.
#[test]
fn text_that_deceives_the_eye_hides_no_word() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    for moving in ["a\u{1b}[2Jb", "a\u{7}b"] {
        let release = Release { summary: moving.to_owned(), ..release(acme(), "eye") };
        assert!(Doc::from_release(ReleaseId::of(b"whichever"), &release).is_err(), "{moving:?}");
    }
    let marked = ["origami\u{202e}gami", "origami\u{200b}", "\u{2066}origami\u{2069}"];
    with(
        &index,
        marked.iter().zip(1..).map(|(text, n)| Release {
            summary: (*text).to_owned(),
            ..release(acme(), &format!("eye-{n}"))
        }),
    );
    assert_eq!(ask(&index, "origami").len(), marked.len());
    let found = index.search(&Query::new("orig\u{202e}amo paper")).unwrap();
    assert!(found.meant.is_none_or(|meant| meant.is_ascii()));
}

/// Threat row 32: packages of one's own that need each other. The same packages that need nothing
/// are what to compare with: packages themselves make their words commoner.
#[test]
fn packages_that_need_each_other_do_not_rise() {
    let needs = catalog::release::Dependency {
        publisher: acme(),
        name: release(acme(), "mail").name,
        range: semver::VersionReq::STAR,
        optional: false,
        on: None,
    };
    let [alone, tangled] = [Vec::new(), vec![needs]].map(|dependencies| {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path());
        with(
            &index,
            (0..1000).map(|n| Release {
                dependencies: dependencies.clone(),
                ..release(other(), &format!("sybil-{n}"))
            }),
        );
        ["database", "mail", "letters", "sybil"].map(|question| ask(&index, question))
    });
    assert_eq!(alone, tangled);
}
