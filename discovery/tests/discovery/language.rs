//! What a query can say besides words.

use crate::common::{acme, ask, cursor, doc, index, names, other, release, variant};
use catalog::release::Release;
use catalog::variant::Variant;
use catalog::{ByteSize, Timestamp};
use catalog_discovery::{Clue, Index, Query, Reads, Sort};

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn a_phrase_is_words_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    assert_eq!(ask(&index, "\"database server\""), ["postgresql", "postgresql-client"]);
    assert!(ask(&index, "\"server database\"").is_empty());
    assert_eq!(ask(&index, "\"database server\" talks")[0], "postgresql-client");
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let with = ask(&index, "database");
    let without = ask(&index, "database -server -\"a file\"");
    assert!(with.iter().any(|name| name == "postgresql"));
    assert_eq!(sorted(without), ["graphdb", "mail"]);
    assert!(!ask(&index, "-server").is_empty());
}

#[test]
fn conditions_narrow_by_what_a_release_says_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let sized = |size| vec![Variant { size: ByteSize::bytes(size), ..variant("only") }];
    let more = [
        Release {
            license: "MIT OR Apache-2.0".to_owned(),
            variants: sized(5_000),
            tags: vec!["Data Base".to_owned()],
            ..release(other(), "two-licences")
        },
        Release {
            license: "GPL-3.0".to_owned(),
            variants: sized(9_000),
            ..release(other(), "gpl")
        },
    ];
    for release in &more {
        index.put(&doc(release)).unwrap();
    }
    index.commit(cursor(2)).unwrap();
    for (text, found) in [
        ("license:apache-2.0", &["two-licences"][..]),
        ("licence:GPL-3.0", &["gpl"]),
        ("tag:\"data base\"", &["two-licences"]),
        ("size:>4kB", &["gpl", "two-licences"]),
        ("size:>4kB size:<=5kB", &["two-licences"]),
        ("kind:model", &["whisper-tiny"]),
        ("tag:sql -tag:database", &["postgresql-client", "sqlite3"]),
        ("kind:nonsense", &[]),
        ("publisher:nobody", &[]),
    ] {
        assert_eq!(sorted(ask(&index, text)), found, "{text}");
    }
    let petnames = vec![("friend".parse().unwrap(), other())];
    let found = index.search(&Query { petnames, ..Query::new("publisher:friend") }).unwrap();
    assert_eq!(names(&found), ["gpl", "two-licences"]);
    let found = ask(&index, &format!("-publisher:{}", acme()));
    assert_eq!(found, ["gpl", "two-licences"]);
}

#[test]
fn packages_can_be_listed_by_age_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    for (name, size, time) in [("tool-a", 30, 2), ("tool-b", 10, 3), ("tool-c", 20, 1)] {
        let variants = vec![Variant { size: ByteSize::bytes(size), ..variant("only") }];
        let time = Timestamp::from_millis(1_800_000_000_000 + time);
        index.put(&doc(&Release { variants, time, ..release(acme(), name) })).unwrap();
    }
    index.put(&doc(&release(acme(), "other"))).unwrap();
    index.commit(cursor(1)).unwrap();
    let listed = |sort, text: &str| {
        let found = index.search(&Query { sort, ..Query::new(text) }).unwrap();
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(Sort::Recent, "tool"), ["tool-b", "tool-a", "tool-c"]);
    assert_eq!(listed(Sort::Small, "tool"), ["tool-b", "tool-c", "tool-a"]);
    assert_eq!(listed(Sort::Recent, "").len(), 4);
    assert_eq!("small".parse(), Ok(Sort::Small));
    assert!("large".parse::<Sort>().is_err());
}

#[test]
fn words_that_no_package_has_are_said_with_those_that_were_meant() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let meant = |text: &str| index.search(&Query::new(text)).unwrap().meant;
    assert_eq!(meant("relational databse server").as_deref(), Some("relational database server"));
    assert_eq!(meant("relational database server"), None);
    assert_eq!(meant("grahpdb"), None);
}

#[test]
fn every_hit_says_why_it_stands_where_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let found = index.search(&Query::new("small database")).unwrap();
    let evidence = found.hits[0].evidence.unwrap();
    assert_eq!(evidence.reads(), Reads::AsText);
    assert_eq!(evidence.value(Clue::CoversAll), 1.0);
    let sum: f32 = evidence.parts().map(|(_, part)| part).sum();
    assert!((sum - found.hits[0].score).abs() < 1e-4);
    assert!(evidence.parts().all(|(clue, _)| !clue.name().is_empty()));
}
