//! How many of what is found are of each kind, and where its words stand.

use catalog::release::{PackageKind, Release};
use catalog::variant::Variant;
use catalog_discovery::{Count, Facets, Index, Query};

use crate::common::{acme, cursor, doc, index, other, release, variant};

fn facets(index: &Index, query: Query<'_>) -> Facets {
    index.search(&Query { facets: 10, ..query }).unwrap().facets.unwrap()
}

fn told(counts: &[Count]) -> Vec<(&str, u64)> {
    counts.iter().map(|count| (count.value.as_str(), count.packages)).collect()
}

fn on(requires: &[(&str, &str)]) -> Vec<Variant> {
    let requires = requires.iter();
    let requires = requires.map(|(key, wanted)| (key.parse().unwrap(), wanted.parse().unwrap()));
    vec![Variant { requires: requires.collect(), ..variant("only") }]
}

#[test]
fn everything_found_is_counted_not_only_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let gpl = Release {
        license: "GPL-3.0 OR MIT".to_owned(),
        variants: on(&[("os", "linux"), ("cpu.level", "x86-64-v3")]),
        keywords: vec!["Database".to_owned()],
        ..release(other(), "gpl-database")
    };
    index.put(&doc(&gpl)).unwrap();
    index.commit(cursor(2)).unwrap();
    let found = facets(&index, Query { limit: 1, ..Query::new("") });
    assert_eq!((found.packages, found.partial), (15, false));
    assert_eq!(told(&found.kinds), [("service", 14), ("model", 1)]);
    assert_eq!(told(&found.licenses), [("mit", 15), ("gpl-3.0", 1)]);
    assert_eq!(told(&found.hardware), [("any", 14), ("linux/x86_64", 1)]);
    let (acme, other) = (acme().to_string(), other().to_string());
    assert_eq!(told(&found.publishers), [(acme.as_str(), 14), (other.as_str(), 1)]);
    assert_eq!(told(&found.tags)[..2], [("database", 3), ("sql", 3)]);
    let narrowed = facets(&index, Query::new("database license:gpl-3.0"));
    assert_eq!((narrowed.packages, told(&narrowed.tags)), (1, vec![("database", 1)]));
    let models = facets(&index, Query { kind: Some(PackageKind::Model), ..Query::new("") });
    assert_eq!(told(&models.kinds), [("model", 1)]);
}

#[test]
fn counts_are_of_what_has_every_word_or_else_of_what_has_any() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    assert_eq!(facets(&index, Query::new("graph database")).packages, 1);
    assert_eq!(facets(&index, Query::new("grpah databse")).packages, 1);
    assert!(facets(&index, Query::new("zeta elephant")).packages > 1);
    assert_eq!(facets(&index, Query::new("qqqqqqqq")), Facets::default());
    assert!(index.search(&Query::new("graph")).unwrap().facets.is_none());
}

/// What was removed or replaced is not counted, in however many files the index lies.
#[test]
fn counts_follow_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    index.remove(&release(acme(), "zeta").package()).unwrap();
    index.commit(cursor(2)).unwrap();
    let newer = Release { license: "ISC".to_owned(), ..release(acme(), "graphdb") };
    index.put(&doc(&newer)).unwrap();
    index.commit(cursor(3)).unwrap();
    let found = facets(&index, Query::new(""));
    assert_eq!((found.packages, told(&found.licenses)), (13, vec![("mit", 12), ("isc", 1)]));
}

#[test]
fn with_hardware_only_what_fits_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    for (name, os) in [("one", "linux"), ("two", "windows"), ("three", "linux|windows")] {
        let release = Release { variants: on(&[("os", os)]), ..release(acme(), name) };
        index.put(&doc(&release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    let profile = catalog::profile::Profile::named("pi-low").unwrap();
    let found = facets(&index, Query { fits: Some(&profile), ..Query::new("") });
    assert_eq!(told(&found.hardware), [("linux", 2), ("windows", 1)]);
    assert_eq!(found.packages, 2);
}

/// A publisher that invents a tag for each of many packages costs no memory, and the counts of what
/// is common stay right.
#[test]
fn only_the_commonest_values_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    for at in 0..200 {
        let tags = [format!("only-{at:03}"), "all".to_owned()];
        let half = (at % 2 == 0).then(|| "half".to_owned());
        let keywords = tags.into_iter().chain(half).collect();
        let release = Release { keywords, ..release(acme(), &format!("package-{at}")) };
        index.put(&doc(&release)).unwrap();
        if at % 50 == 0 {
            index.commit(cursor(at)).unwrap();
        }
    }
    index.commit(cursor(200)).unwrap();
    let found = facets(&index, Query::new(""));
    assert_eq!(found.tags.len(), 10);
    assert_eq!(told(&found.tags)[..3], [("all", 200), ("half", 100), ("only-000", 1)]);
    let few = index.search(&Query { facets: 1, ..Query::new("") }).unwrap().facets.unwrap();
    assert_eq!(told(&few.tags), [("all", 200)]);
}
