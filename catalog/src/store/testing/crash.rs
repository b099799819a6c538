//! Power cuts and failing disks, at every operation that there is.

use super::{NOW, publisher, release};
use crate::identity::Identity;
use crate::permission::{NodeId, Permission, Reader};
use crate::release::Release;
use crate::statement::{Statement, StatementId};
use crate::store::disk::{Disk, Failure, Random};
use crate::store::{AppendError, ItemSet, Snapshot, Store, StoreError};

/// Publishes versions `from..` until something fails.
///
/// - result: what was acknowledged, and the error that ended it.
fn publish_until_it_fails(
    store: &Store,
    acme: &Identity,
    from: u64,
    count: u64,
) -> (Vec<StatementId>, Option<AppendError>) {
    let mut acknowledged = Vec::new();
    for number in from..from + count {
        let version = format!("1.{number}.0");
        let build = |seq| Statement::Release(release(acme, seq, "graphdb", &version, ""));
        match store.append(acme, NOW, build) {
            Ok(appended) => acknowledged.push(appended.id),
            Err(error) => return (acknowledged, Some(error)),
        }
    }
    (acknowledged, None)
}

fn expect_whole(store: &Store, acknowledged: &[StatementId], context: &str) {
    for id in acknowledged {
        assert!(store.release(id).unwrap().is_some(), "{context}: an acknowledged release is lost");
    }
    assert_eq!(store.verify().unwrap(), [], "{context}");
}

/// A store with some releases in it, as it lies on the disk after it was closed.
fn used_image(acme: &Identity) -> (Vec<u8>, Vec<StatementId>) {
    let disk = Disk::holding(Vec::new());
    let store = Store::over(disk.clone()).unwrap();
    let (acknowledged, error) = publish_until_it_fails(&store, acme, 0, 3);
    assert!(error.is_none());
    drop(store);
    (disk.after_power_cut(&mut Random(0)), acknowledged)
}

/// Counts the operations of opening, publishing four releases and closing.
fn operations(image: &[u8], acme: &Identity) -> u64 {
    let disk = Disk::holding(image.to_vec());
    let store = Store::over(disk.clone()).unwrap();
    assert!(publish_until_it_fails(&store, acme, 10, 4).1.is_none());
    drop(store);
    disk.operations()
}

/// Threat row 46, for the store: whenever the power goes, and again while the store recovers, what
/// was acknowledged is there, nothing is torn, and work goes on.
#[test]
fn acknowledged_releases_survive_single_and_double_power_cuts() {
    let acme = publisher("acme");
    let (image, before) = used_image(&acme);
    let total = operations(&image, &acme);
    let (mut cuts, mut doubles) = (0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut acknowledged = before.clone();
        let disk = Disk::failing(image.clone(), random.below(total), Failure::PowerCut);
        if let Ok(store) = Store::over(disk.clone()) {
            acknowledged.extend(publish_until_it_fails(&store, &acme, 10, 4).0);
        }
        cuts += u64::from(disk.failed());
        let mut left = disk.after_power_cut(&mut random);
        if random.below(2) == 0 {
            let again = Disk::failing(left, random.below(30), Failure::PowerCut);
            if let Ok(store) = Store::over(again.clone()) {
                acknowledged.extend(publish_until_it_fails(&store, &acme, 20, 1).0);
            }
            doubles += u64::from(again.failed());
            left = again.after_power_cut(&mut random);
        }
        let store = Store::over(Disk::holding(left))
            .unwrap_or_else(|error| panic!("seed {seed}: the store does not open: {error:?}"));
        expect_whole(&store, &acknowledged, &format!("seed {seed}"));
        assert!(publish_until_it_fails(&store, &acme, 30, 1).1.is_none(), "seed {seed}");
    }
    assert!(cuts > 350 && doubles > 100, "the faults happened: {cuts} cuts, {doubles} doubles");
}

/// The test above would notice: on a disk whose sync is a lie, releases are lost.
#[test]
fn a_power_cut_on_a_disk_that_lies_is_noticed() {
    let acme = publisher("acme");
    let (image, _) = used_image(&acme);
    let losses = (0..20).filter(|&seed| {
        let disk = Disk::holding(image.clone()).lie();
        let store = Store::over(disk.clone()).unwrap();
        let (acknowledged, _) = publish_until_it_fails(&store, &acme, 10, 4);
        let left = disk.after_power_cut(&mut Random(seed));
        // redb itself panics on some of what is left.
        let whole = std::panic::catch_unwind(|| {
            let store = Store::over(Disk::holding(left)).unwrap();
            expect_whole(&store, &acknowledged, "a lying disk");
        });
        whole.is_err()
    });
    assert!(losses.count() > 10);
}

/// Threat row 44: whichever operation of the disk fails, the store says so, writes nothing more
/// until it is opened again, and has nothing torn then.
#[test]
fn any_failing_operation_stops_the_store_and_tears_nothing() {
    let acme = publisher("acme");
    let (image, before) = used_image(&acme);
    let total = operations(&image, &acme);
    let kinds = [std::io::ErrorKind::Other, std::io::ErrorKind::StorageFull];
    let mut stopped = 0;
    for (at, kind) in (0..total).flat_map(|at| kinds.map(|kind| (at, kind))) {
        let context = format!("operation {at}, {kind:?}");
        let mut acknowledged = before.clone();
        let disk = Disk::failing(image.clone(), at, Failure::Once(kind));
        if let Ok(store) = Store::over(disk.clone()) {
            let (more, error) = publish_until_it_fails(&store, &acme, 10, 4);
            acknowledged.extend(more);
            if error.is_some() {
                stopped += 1;
                let next = publish_until_it_fails(&store, &acme, 20, 1).1;
                assert!(
                    matches!(next, Some(AppendError::Store(StoreError::Stopped))),
                    "{context}: {next:?}"
                );
            }
        }
        for seed in 0..3 {
            let left = disk.after_power_cut(&mut Random(seed));
            let store = Store::over(Disk::holding(left)).unwrap();
            expect_whole(&store, &acknowledged, &context);
        }
    }
    assert!(stopped > 20, "{stopped} of {total} operations stopped it");
}

/// Threat row 46: the same for what peers send: a power cut leaves whole batches, and the items,
/// the heads and the changes that tell of them agree.
#[test]
fn what_was_taken_in_survives_power_cuts_with_its_items() {
    let acme = publisher("acme");
    let theirs = super::store();
    for patch in 0..6 {
        let permission = match patch % 2 {
            0 => Permission::Public,
            _ => Permission::Restricted([NodeId::from_bytes([1; 32])].into()),
        };
        let build = |seq| {
            let release = release(&acme, seq, "graphdb", &format!("1.0.{patch}"), "");
            Statement::Release(Release { permission, ..release })
        };
        theirs.append(&acme, NOW, build).unwrap();
        let build = |seq| super::yank(&acme, seq, "graphdb", &format!("1.0.{patch}"), true);
        theirs.append(&acme, NOW, build).unwrap();
    }
    // The head and the end of the log come before its beginning.
    let mut sent = theirs.sent_to(Reader::Node(NodeId::from_bytes([2; 32])), 0);
    sent[1..].reverse();
    let take_in = |store: &Store| {
        let kept = sent.chunks(3).map(|items| store.accept(items.to_vec(), NOW));
        kept.take_while(Result::is_ok).count()
    };
    let disk = Disk::holding(Vec::new());
    assert_eq!(take_in(&Store::over(disk.clone()).unwrap()), sent.len().div_ceil(3));
    let (total, whole) = (disk.operations(), theirs.snapshot().unwrap());
    let items = |snapshot: &Snapshot| {
        [ItemSet::Urgent, ItemSet::Log]
            .map(|set| snapshot.ids(set, &[0; 32], 0, usize::MAX).unwrap())
    };
    let mut cuts = 0;
    for seed in 0..80 {
        let mut random = Random(seed);
        let disk = Disk::failing(Vec::new(), random.below(total), Failure::PowerCut);
        let batches = Store::over(disk.clone()).map_or(0, |store| take_in(&store));
        cuts += u64::from(disk.failed());
        let left = disk.after_power_cut(&mut random);
        let Ok(store) = Store::over(Disk::holding(left)) else {
            assert_eq!(batches, 0, "seed {seed}: a store that was used opens");
            continue;
        };
        assert_eq!(store.verify().unwrap(), [], "seed {seed}");
        for items in sent.chunks(3).take(batches) {
            let again = store.accept(items.to_vec(), NOW).unwrap();
            assert_eq!(again.new, 0, "seed {seed}: what was taken in is there");
        }
        take_in(&store);
        assert_eq!(store.verify().unwrap(), [], "seed {seed}");
        assert_eq!(items(&store.snapshot().unwrap()), items(&whole), "seed {seed}");
    }
    assert!(cuts > 60, "the power went {cuts} times");
}
