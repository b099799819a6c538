//! An index that cannot be used is built anew from the store, and says why, once.

use std::fs;

use catalog_discovery::{Anew, Index, Progress, Query};

use crate::follow::shop;

#[test]
fn a_damaged_index_is_built_anew_and_says_so_once() {
    let (dir, store, index) = shop();
    index.find(&store, &Query::new("")).unwrap();
    let packages = index.packages();
    drop(index);
    let at = dir.path().join("index");
    fs::remove_file(at.join("meta.json")).unwrap();
    let index = Index::open(&at).unwrap();
    let found = index.find(&store, &Query::new("")).unwrap();
    assert_eq!(found.hits.len() as u64, packages);
    let rebuilt = found.rebuilt.unwrap();
    assert_eq!(rebuilt.packages, packages);
    assert_eq!(rebuilt.why, Anew::Damaged("no meta.json".to_owned()));
    assert_eq!(index.find(&store, &Query::new("")).unwrap().rebuilt, None);
}

#[test]
fn a_new_index_is_not_an_index_that_was_built_anew() {
    let (_dir, store, index) = shop();
    assert_eq!(index.find(&store, &Query::new("")).unwrap().rebuilt, None);
}

/// Damage that shows only when words are looked up is mended by whoever looks them up.
#[test]
fn damage_found_while_searching_is_mended_while_searching() {
    let (dir, store, index) = shop();
    index.find(&store, &Query::new("")).unwrap();
    drop(index);
    let at = dir.path().join("index");
    for entry in fs::read_dir(&at).unwrap().flatten() {
        if entry.file_name().to_string_lossy().ends_with(".store") {
            let bytes = fs::read(entry.path()).unwrap();
            fs::write(entry.path(), vec![0xff; bytes.len()]).unwrap();
        }
    }
    let index = Index::open(&at).unwrap();
    let found = index.find(&store, &Query::new("")).unwrap();
    assert!(!found.hits.is_empty());
    assert!(matches!(found.rebuilt.unwrap().why, Anew::Damaged(_)));
    index.check().unwrap();
}

#[test]
fn something_else_in_the_place_of_the_index_makes_room_for_it() {
    let (dir, store, index) = shop();
    drop(index);
    let at = dir.path().join("index");
    fs::remove_dir_all(&at).unwrap();
    fs::write(&at, "no folder").unwrap();
    let index = Index::open(&at).unwrap();
    let found = index.find(&store, &Query::new("")).unwrap();
    assert!(!found.hits.is_empty() && found.rebuilt.is_some());
}

#[test]
fn a_rebuild_on_demand_tells_how_far_it_is() {
    let (_dir, store, index) = shop();
    let before = index.find(&store, &Query::new("")).unwrap().hits.len();
    let mut told: Vec<Progress> = Vec::new();
    let rebuilt = index.rebuild(&store, |progress| told.push(progress)).unwrap();
    assert_eq!((rebuilt.why, rebuilt.packages), (Anew::Asked, before as u64));
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    let last = told.last().unwrap();
    assert!(last.done == last.total && last.total > 0);
    assert_eq!(index.find(&store, &Query::new("")).unwrap().hits.len(), before);
}
