//! How the index lives on disk: late after a crash, rebuilt when damaged, never wrong.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{acme, ask, cursor, doc, index, packages, release};
use catalog::release::Release;
use catalog_discovery::{Cursor, Index, IndexError, Query};

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(index(dir.path()));
    let again = Index::open(dir.path()).unwrap();
    assert_eq!(again.cursor(), cursor(1));
    assert_eq!(again.packages(), packages().len() as u64);
    assert_eq!(ask(&again, "graphdb")[0], "graphdb");
}

#[test]
fn what_was_not_committed_leaves_neither_documents_nor_a_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let first = index(dir.path());
    first.put(&doc(&release(acme(), "late"))).unwrap();
    assert!(ask(&first, "late").is_empty());
    drop(first);
    let again = Index::open(dir.path()).unwrap();
    assert!(ask(&again, "late").is_empty());
    assert_eq!(again.cursor(), cursor(1));
}

#[test]
fn a_package_has_one_document_and_removing_it_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let newer = Release { version: semver::Version::new(2, 0, 0), ..release(acme(), "graphdb") };
    index.put(&doc(&newer)).unwrap();
    index.commit(cursor(2)).unwrap();
    let found = index.search(&Query::new("graphdb")).unwrap();
    let versions: Vec<_> =
        found.hits.iter().filter(|hit| hit.package() == newer.package()).collect();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].release.version, newer.version);
    index.remove(&newer.package()).unwrap();
    index.commit(cursor(3)).unwrap();
    assert!(!ask(&index, "graphdb").contains(&"graphdb".to_owned()));
}

#[test]
fn the_last_word_on_a_package_before_a_commit_counts() {
    let dir = tempfile::tempdir().unwrap();
    let index = index(dir.path());
    let version = |major, name: &str| Release {
        version: semver::Version::new(major, 0, 0),
        ..release(acme(), name)
    };
    for (change, name) in (2..).zip(["graphdb", "freshling"]) {
        let put = |major| index.put(&doc(&version(major, name))).unwrap();
        let remove = || index.remove(&version(1, name).package()).unwrap();
        let found = |change: u64| {
            index.commit(cursor(change)).unwrap();
            let found = index.search(&Query::new(name)).unwrap().hits;
            let found = found.iter().filter(|hit| hit.release.name.as_str() == name);
            found.map(|hit| hit.release.version.major).collect::<Vec<_>>()
        };
        put(2);
        put(3);
        assert_eq!(found(10 * change), [3]);
        put(4);
        remove();
        assert!(found(10 * change + 1).is_empty());
        put(5);
        remove();
        put(6);
        assert_eq!(found(10 * change + 2), [6]);
        remove();
        put(7);
        assert_eq!(found(10 * change + 3), [7]);
        assert_eq!(index.packages(), packages().len() as u64 + change - 2);
    }
}

#[test]
fn an_index_of_another_version_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    drop(index(dir.path()));
    let meta = dir.path().join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    let older = text.replace("catalog-index/6", "catalog-index/5");
    assert_ne!(older, text);
    fs::write(&meta, older).unwrap();
    let again = Index::open(dir.path()).unwrap();
    assert_eq!((again.cursor(), again.packages()), (Cursor::default(), 0));
}

/// Whatever happens to the files, an index opens; a search in it answers, or says that it is
/// damaged, and after a reset it can be filled again.
#[test]
fn a_damaged_index_is_never_fatal() {
    let sample = tempfile::tempdir().unwrap();
    drop(index(sample.path()));
    for name in files(sample.path()) {
        for damage in [Damage::Gone, Damage::Empty, Damage::Half, Damage::Flipped] {
            let dir = copy(sample.path());
            damage.inflict(&dir.path().join(&name));
            let index = Index::open(dir.path()).unwrap();
            for text in ["graphdb", "", "databse", "notes index"] {
                match index.search(&Query::new(text)) {
                    Ok(_) | Err(IndexError::Damaged { .. } | IndexError::Io { .. }) => {}
                    Err(other) => panic!("{name}, {damage:?}: {other}"),
                }
            }
            index.reset().unwrap();
            index.put(&doc(&release(acme(), "graphdb"))).unwrap();
            index.commit(cursor(1)).unwrap();
            assert_eq!(ask(&index, "graphdb"), ["graphdb"]);
        }
    }
}

#[test]
fn a_check_finds_a_flipped_byte_in_any_file_of_words() {
    let sample = tempfile::tempdir().unwrap();
    drop(index(sample.path()));
    let words = ["idx", "store", "term", "fast", "fieldnorm", "pos"];
    let mut checked = 0;
    for name in files(sample.path()) {
        if !words.iter().any(|extension| name.ends_with(extension)) {
            continue;
        }
        let dir = copy(sample.path());
        Damage::Flipped.inflict(&dir.path().join(&name));
        let index = Index::open(dir.path()).unwrap();
        // A flip may also keep the index from opening; then it was emptied, which is as good.
        if index.packages() > 0 {
            assert!(matches!(index.check(), Err(IndexError::Damaged { .. })), "{name}");
            checked += 1;
        }
    }
    assert!(checked > 0);
    Index::open(sample.path()).unwrap().check().unwrap();
}

/// The names of the files in `dir`, in order.
fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copy(from: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in files(from) {
        fs::copy(from.join(&name), dir.path().join(&name)).unwrap();
    }
    dir
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Gone,
    Empty,
    Half,
    Flipped,
}

impl Damage {
    fn inflict(self, file: &Path) {
        let bytes = fs::read(file).unwrap();
        match self {
            Self::Gone => fs::remove_file(file).unwrap(),
            Self::Empty => fs::write(file, "").unwrap(),
            Self::Half => fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Flipped => {
                let mut bytes = bytes;
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 0xff;
                }
                fs::write(file, bytes).unwrap();
            }
        }
    }
}
