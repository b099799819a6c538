//! What is popular: used here, and needed by packages of publishers whom the user has named.

use catalog::identity::PublisherId;
use catalog::release::{PackageId, Release};
use catalog_discovery::{Index, Query, Sort};

use crate::common::{acme, cursor, doc, names, other, release};

fn needing(publisher: PublisherId, name: &str, needed: &[&str]) -> Release {
    let dependencies = needed.iter().map(|needed| catalog::Dependency {
        publisher: acme(),
        name: needed.parse().unwrap(),
        range: semver::VersionReq::STAR,
        optional: false,
        on: None,
    });
    Release { dependencies: dependencies.collect(), ..release(publisher, name) }
}

fn shop(more: &[Release]) -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let ours = [
        needing(acme(), "a-tool", &["libnotes", "zlib"]),
        needing(acme(), "b-tool", &["zlib"]),
        needing(acme(), "c-tool", &[]),
        needing(acme(), "libnotes", &[]),
        needing(acme(), "zlib", &[]),
    ];
    for release in ours.iter().chain(more) {
        index.put(&doc(release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    (dir, index)
}

fn popular(index: &Index, text: &str, warm: &[(&str, f32)]) -> Vec<String> {
    let warm = warm.iter().map(|&(name, warmth)| {
        (PackageId { publisher: acme(), name: name.parse().unwrap() }, warmth)
    });
    let query = Query {
        sort: Sort::Popular,
        known: vec![acme()],
        warm: warm.collect(),
        ..Query::new(text)
    };
    let found = index.search(&query).unwrap();
    names(&found).into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_needed_and_what_is_used_here_stands_first() {
    let (_dir, index) = shop(&[]);
    let needed = ["zlib", "libnotes", "a-tool", "b-tool", "c-tool"];
    assert_eq!(popular(&index, "", &[]), needed);
    let used = ["c-tool", "zlib", "libnotes", "a-tool", "b-tool"];
    assert_eq!(popular(&index, "", &[("c-tool", 0.5)]), used);
    assert_eq!(popular(&index, "tool", &[("c-tool", 0.5)]), ["c-tool", "a-tool", "b-tool"]);
}

#[test]
fn pages_of_what_is_popular_go_on_where_the_last_ended() {
    let (_dir, index) = shop(&[]);
    let all = popular(&index, "", &[]);
    let page = |offset| {
        let query =
            Query { sort: Sort::Popular, known: vec![acme()], offset, limit: 2, ..Query::new("") };
        let found = index.search(&query).unwrap();
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!([page(0), page(2), page(4)].concat(), all);
}

/// Threat row 32: a thousand packages of a stranger that need one another move nothing.
#[test]
fn what_strangers_need_is_not_popular_for_it() {
    let fakes: Vec<Release> =
        (0..1_000).map(|at| needing(other(), &format!("fake-{at}"), &["c-tool"])).collect();
    let (_dir, index) = shop(&fakes);
    assert_eq!(popular(&index, "", &[])[..2], ["zlib", "libnotes"]);
    let query = |known: Vec<PublisherId>| Query { sort: Sort::Popular, known, ..Query::new("") };
    let found = index.search(&query(vec![acme(), other()])).unwrap();
    assert_eq!(names(&found)[0], "c-tool", "named by the user, they would count");
}
