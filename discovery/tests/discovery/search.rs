//! What a query finds, and in which order.

use crate::common::{acme, ask, cursor, doc, index, names, other, packages, release, variant};
use catalog::profile::{Facts, Profile};
use catalog::release::{PackageKind, Release};
use catalog::resolve::Fit;
use catalog::variant::Variant;
use catalog_discovery::{Index, LIMIT_MAX, Query, Typing};
use proptest::prelude::*;

fn first(index: &Index, text: &str) -> String {
    ask(index, text).into_iter().next().unwrap_or_default()
}

#[test]
fn a_name_is_found_however_it_is_spelt() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    for (text, name) in [
        ("graphdb", "graphdb"),
        ("GraphDB", "graphdb"),
        ("graph-db", "graphdb"),
        ("graph db", "graphdb"),
        ("notes graph", "graph-notes"),
        ("graphnotes", "graph-notes"),
        ("png", "libpng16"),
        ("libpng", "libpng16"),
        ("sqlite", "sqlite3"),
        ("postgre", "postgresql"),
        ("whisp", "whisper-tiny"),
    ] {
        assert_eq!(first(&index, text), name, "{text:?}");
    }
}

#[test]
fn one_typing_error_is_forgiven_from_four_letters_and_two_from_seven() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    for (text, name) in [
        ("mial", "mail"),
        ("zetaa", "zeta"),
        ("garphdb", "graphdb"),
        ("grahpbd", "graphdb"),
        ("postgersq", "postgresql"),
        ("tokeniser", "tokenizer"),
        ("imagmagik", "imagemagick"),
        ("wisper tiny", "whisper-tiny"),
        ("graph databse", "graphdb"),
        ("speach", "whisper-tiny"),
    ] {
        assert_eq!(first(&index, text), name, "{text:?}");
    }
}

#[test]
fn a_name_counts_more_than_keywords_then_summary_then_description() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let described = [
        Release { description: Some("It can do origami.".into()), ..release(acme(), "aa-desc") },
        Release { summary: "It can do origami".into(), ..release(acme(), "bb-summ") },
        Release { keywords: vec!["origami".into()], ..release(acme(), "cc-keyw") },
        release(acme(), "dd-origami"),
    ];
    for release in &described {
        index.put(&doc(release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    assert_eq!(ask(&index, "origami"), ["dd-origami", "cc-keyw", "bb-summ", "aa-desc"]);
}

#[test]
fn a_package_that_answers_every_word_beats_one_that_has_a_word_in_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    assert_eq!(first(&index, "database in a file"), "sqlite3");
    assert_eq!(first(&index, "search notes"), "notes-index");
    assert_eq!(first(&index, "converting image"), "imagemagick");
}

#[test]
fn words_with_signs_are_words() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    assert_eq!(ask(&index, "c++"), ["c-parser"]);
}

#[test]
fn without_words_everything_is_listed_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let mut all: Vec<String> = packages().iter().map(|r| r.name.to_string()).collect();
    all.sort();
    assert_eq!(ask(&index, "  "), all);
    let models = Query { kind: Some(PackageKind::Model), ..Query::new("") };
    assert_eq!(names(&index.search(&models).unwrap()), ["whisper-tiny"]);
}

#[test]
fn filters_narrow_and_never_rank() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    index.put(&doc(&release(other(), "graphdb"))).unwrap();
    index.commit(cursor(2)).unwrap();
    let ask = |query: Query| {
        let found = index.search(&query).unwrap();
        found.hits.iter().map(|hit| hit.package().to_string()).collect::<Vec<_>>()
    };
    let (ours, theirs) = (format!("{}/graphdb", acme()), format!("{}/graphdb", other()));
    let both = ask(Query::new("graphdb"));
    assert!(both[..2].contains(&ours) && both[..2].contains(&theirs), "{both:?}");
    let petnames = vec![("friend".parse().unwrap(), other())];
    for query in [
        Query { publisher: Some(other()), ..Query::new("graphdb") },
        Query { petnames: petnames.clone(), ..Query::new("friend/graphdb") },
        Query::new(format!("{}/graphdb", other())),
    ] {
        assert_eq!(ask(query.clone()), [theirs.as_str()], "{query:?}");
    }
    let by_petname = ask(Query { petnames: petnames.clone(), ..Query::new("graphdb friend") });
    assert_eq!(by_petname[0], theirs);
    let at_odds = Query { publisher: Some(acme()), petnames, ..Query::new("friend/graphdb") };
    assert!(ask(at_odds).is_empty());
    let wrong_kind = Query { kind: Some(PackageKind::Asset), ..Query::new("graphdb") };
    assert!(ask(wrong_kind).is_empty());
}

#[test]
fn only_what_fits_the_hardware_is_kept_however_far_down_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let on = |os: &str| {
        let requires = [("os".parse().unwrap(), os.parse().unwrap())].into();
        Variant { requires, ..variant(os) }
    };
    for n in 0..300 {
        let variants = match n % 100 {
            99 => vec![on("linux"), on("windows")],
            _ => vec![on("windows")],
        };
        let release = Release { variants, ..release(acme(), &format!("tool-{n:03}")) };
        index.put(&doc(&release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    let linux = ["os=linux".parse().unwrap(), "disk.free=1GiB".parse().unwrap()];
    let profile = Profile::new("test", Facts::default()).with_overrides(&linux).unwrap();
    for text in ["tool", ""] {
        let query = Query { fits: Some(&profile), ..Query::new(text) };
        let found = index.search(&query).unwrap();
        assert_eq!(names(&found), ["tool-099", "tool-199", "tool-299"], "{text:?}");
        assert!(!found.more);
        assert!(found.hits.iter().all(|hit| hit.fit == Some(Fit::Great)));
    }
}

#[test]
fn pages_meet_without_gap_or_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    for text in ["", "database", "graph notes image"] {
        let all = ask(&index, text);
        let mut paged = Vec::new();
        loop {
            let query = Query { offset: paged.len(), limit: 3, ..Query::new(text) };
            let found = index.search(&query).unwrap();
            paged.extend(names(&found).into_iter().map(str::to_owned));
            if !found.more {
                break;
            }
        }
        assert_eq!(paged, all, "{text:?}");
    }
}

#[test]
fn a_question_beyond_every_bound_is_still_answered() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let long = "graph ".repeat(100_000);
    assert_eq!(first(&index, &long), first(&index, "graph graph"));
    let words: Vec<String> = (0..10_000).map(|n| format!("word{n}")).collect();
    assert!(ask(&index, &words.join(" ")).is_empty());
    let everything = Query { offset: usize::MAX, limit: usize::MAX, ..Query::new("") };
    assert!(index.search(&everything).unwrap().hits.is_empty());
    let many = Query { limit: usize::MAX, ..Query::new("") };
    assert!(index.search(&many).unwrap().hits.len() <= LIMIT_MAX);
}

/// What is asked after each key: the names come before the words are whole.
#[test]
fn the_last_word_may_still_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let typed = |text: &str| {
        let found = index.search(&Query { typing: Typing::Going, ..Query::new(text) }).unwrap();
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (text, name) in [
        ("gr", "graphdb"),
        ("graph-n", "graph-notes"),
        ("relational dat", "postgresql"),
        ("speech te", "whisper-tiny"),
        ("converts im", "imagemagick"),
    ] {
        assert_eq!(typed(text).first().map(String::as_str), Some(name), "{text:?}");
    }
    // "im" is no word here: only what is being typed stands for images.
    assert!(typed("im").contains(&"libpng16".to_owned()));
    assert!(typed("").len() == packages().len());
}

#[test]
fn any_text_is_a_safe_query() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let nasty = "[\\PC\\x00-\\x1f]{0,80}|[a-z+#/*?~^:()\"\\[\\]{}& -]{0,60}|(graph|png|c\\+\\+|/|~2| ){0,40}";
    proptest!(ProptestConfig::with_cases(400), |(text in nasty)| {
        index.search(&Query::new(text)).unwrap();
    });
}
