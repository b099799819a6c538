//! Power cuts and failing disks, at every operation that there is.

use super::{NOW, publisher, release};
use crate::identity::Identity;
use crate::statement::{Statement, StatementId};
use crate::store::disk::{Disk, Failure, Random};
use crate::store::{AppendError, Store, StoreError};

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
