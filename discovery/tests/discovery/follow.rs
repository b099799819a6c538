//! The index beside a store: it shows what the store says, late at most.

use std::fs;

use catalog::Timestamp;
use catalog::identity::{Identity, PublisherId};
use catalog::release::Release;
use catalog::statement::{Statement, Yank};
use catalog::store::Store;
use catalog_discovery::{Index, Query};
use tempfile::TempDir;

use crate::common::{ask, release};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Publisher {
    identity: Identity,
    store: Store,
    dir: TempDir,
}

impl Publisher {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Self { identity: Identity::generate(None, NOW), store, dir }
    }

    fn id(&self) -> PublisherId {
        self.identity.publisher()
    }

    fn index(&self) -> Index {
        Index::open(&self.dir.path().join("index")).unwrap()
    }

    fn publish(&self, name: &str, version: &str) {
        let release = Release { version: version.parse().unwrap(), ..release(self.id(), name) };
        let seal = |seq| Statement::Release(Release { seq, ..release });
        self.store.append(&self.identity, NOW, seal).unwrap();
    }

    fn yank(&self, name: &str, version: &str, yanked: bool) {
        let yank = Yank {
            publisher: self.id(),
            seq: 0,
            time: NOW,
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
            yanked,
            reason: "broken".to_owned(),
        };
        self.store
            .append(&self.identity, NOW, |seq| Statement::Yank(Yank { seq, ..yank }))
            .unwrap();
    }

    /// The version that a search shows.
    fn shown(&self, index: &Index, name: &str) -> Option<String> {
        let found = index.find(&self.store, &Query::new(name)).unwrap();
        let hit = found.hits.into_iter().find(|hit| hit.release.name.as_str() == name)?;
        Some(hit.release.version.to_string())
    }
}

/// A store with three packages, and an index beside it in `index`.
pub fn shop() -> (TempDir, Store, Index) {
    let publisher = Publisher::new();
    for name in ["graphdb", "notes", "zeta"] {
        publisher.publish(name, "1.0.0");
    }
    let index = publisher.index();
    (publisher.dir, publisher.store, index)
}

#[test]
fn the_newest_version_that_is_not_yanked_is_shown() {
    let publisher = Publisher::new();
    let index = publisher.index();
    let steps: [(&str, Option<&str>); 7] = [
        ("1.0.0-rc.1", Some("1.0.0-rc.1")),
        ("1.0.0", Some("1.0.0")),
        ("2.0.0-rc.1", Some("1.0.0")),
        ("1.2.0", Some("1.2.0")),
        ("yank 1.2.0", Some("1.0.0")),
        ("restore 1.2.0", Some("1.2.0")),
        ("0.9.0", Some("1.2.0")),
    ];
    for (step, shown) in steps {
        match step.split_once(' ') {
            None => publisher.publish("graphdb", step),
            Some((verb, version)) => publisher.yank("graphdb", version, verb == "yank"),
        }
        assert_eq!(publisher.shown(&index, "graphdb").as_deref(), shown, "after {step}");
    }
}

#[test]
fn a_package_with_every_version_yanked_is_not_found() {
    let publisher = Publisher::new();
    let index = publisher.index();
    publisher.publish("graphdb", "1.0.0");
    assert!(publisher.shown(&index, "graphdb").is_some());
    publisher.yank("graphdb", "1.0.0", true);
    assert_eq!(publisher.shown(&index, "graphdb"), None);
    assert_eq!(index.packages(), 0);
}

#[test]
fn following_again_reads_nothing_twice() {
    let publisher = Publisher::new();
    publisher.publish("graphdb", "1.0.0");
    let index = publisher.index();
    assert!(index.follow(&publisher.store).unwrap() > 0);
    assert_eq!(index.follow(&publisher.store).unwrap(), 0);
    drop(index);
    assert_eq!(publisher.index().follow(&publisher.store).unwrap(), 0);
}

#[test]
fn a_lost_or_damaged_index_is_read_from_the_store_again() {
    let publisher = Publisher::new();
    publisher.publish("graphdb", "1.0.0");
    publisher.publish("notes", "1.0.0");
    drop({
        let index = publisher.index();
        index.follow(&publisher.store).unwrap();
        index
    });
    let dir = publisher.dir.path().join("index");
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "idx" || extension == "store") {
            fs::write(&path, "not what was written").unwrap();
        }
    }
    let index = publisher.index();
    assert_eq!(publisher.shown(&index, "graphdb").as_deref(), Some("1.0.0"));
    drop(index);
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(publisher.shown(&publisher.index(), "notes").as_deref(), Some("1.0.0"));
}

#[test]
fn many_may_follow_and_search_at_once() {
    let publisher = Publisher::new();
    let index = publisher.index();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    index.find(&publisher.store, &Query::new("graphdb")).unwrap();
                }
            });
        }
        for version in 1..10 {
            publisher.publish("graphdb", &format!("{version}.0.0"));
        }
    });
    assert_eq!(publisher.shown(&index, "graphdb").as_deref(), Some("9.0.0"));
    assert_eq!(index.packages(), 1);
}

#[test]
fn an_index_of_another_store_starts_over() {
    let (ours, theirs) = (Publisher::new(), Publisher::new());
    ours.publish("graphdb", "1.0.0");
    theirs.publish("notes", "1.0.0");
    let index = ours.index();
    index.follow(&ours.store).unwrap();
    index.follow(&theirs.store).unwrap();
    assert_eq!(ask(&index, ""), ["notes"]);
}
