//! One owner at a time, also among processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{NOW, publisher, release};
use crate::install::small_disk::SmallDisk;
use crate::statement::Statement;
use crate::store::{AppendError, Store, StoreError};

const DIR: &str = "CATALOG_TEST_STORE";

/// Runs one of the ignored tests below in a process of its own.
fn child(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("store::testing::owner::{test}"))
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn dir_of_child() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// Threat row 47: a second daemon on one store is refused, and told who has it.
#[test]
fn a_second_process_is_refused_and_told_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    match Store::open(dir.path()) {
        Err(StoreError::Held { holder: Some(holder) }) => {
            assert_eq!(holder.pid, std::process::id())
        }
        other => panic!("{other:?}"),
    }
    let output = child("child_that_opens", dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("held by {}", std::process::id())), "{said}");
    drop(store);
    let output = child("child_that_opens", dir.path()).wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("opened"));
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_opens() {
    let Some(dir) = dir_of_child() else { return };
    match Store::open(&dir) {
        Ok(_) => println!("opened"),
        Err(StoreError::Held { holder: Some(holder) }) => println!("held by {}", holder.pid),
        Err(error) => panic!("{error}"),
    }
}

/// Threat row 47: an owner whose lock was lost unnoticed writes nothing more.
#[test]
fn an_owner_that_was_replaced_stops_writing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, acme) = (Store::open(dir.path()).unwrap(), publisher("acme"));
    store.publish(&acme, "graphdb", "1.0.0");
    let usurper = r#"{"pid":1,"version":"0","state":"starting","fence":99}"#;
    std::fs::write(dir.path().join("lock"), usurper).unwrap();
    let build = |seq| Statement::Release(release(&acme, seq, "graphdb", "2.0.0", ""));
    match store.append(&acme, NOW, build) {
        Err(AppendError::Store(StoreError::TakenOver { pid: 1 })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(store.packages().unwrap().len(), 1, "reading goes on");
}

/// A killed owner holds nothing, and what it acknowledged is there.
#[test]
fn a_killed_owner_leaves_a_store_that_opens_with_all_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    for cycle in 0..4 {
        let mut child = child("child_that_publishes", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for line in lines.by_ref() {
            if let Some((_, id)) = line.unwrap().split_once("acknowledged ") {
                acknowledged.push(id.parse().unwrap());
            }
            if acknowledged.len() > cycle {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for id in &acknowledged {
            assert!(store.release(id).unwrap().is_some());
        }
        assert_eq!(store.verify().unwrap(), []);
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_publishes() {
    let Some(dir) = dir_of_child() else { return };
    let (store, acme) = (Store::open(&dir).unwrap(), publisher("acme"));
    for patch in 0.. {
        let appended = store.publish(&acme, "graphdb", &format!("1.0.{patch}"));
        println!("\nacknowledged {}", appended.id);
    }
}

/// Threat row 43: a disk that is nearly full is not written to, and reading goes on.
#[test]
fn a_nearly_full_disk_stops_writing_and_not_reading() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let (store, acme) = (Store::open(disk.path()).unwrap(), publisher("acme"));
    store.publish(&acme, "graphdb", "1.0.0");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 9 << 20]).unwrap();
    let build = |seq| Statement::Release(release(&acme, seq, "graphdb", "2.0.0", ""));
    match store.append(&acme, NOW, build) {
        Err(AppendError::Store(StoreError::DiskFull { needed, free })) => assert!(free < needed),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.packages().unwrap().len(), 1);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(store.append(&acme, NOW, build).unwrap().seq, 2, "room is back, and so is work");
}
