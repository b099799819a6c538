//! `negentropy`: fingerprints of ranges, sixteen at a time.

use std::time::Duration;

use catalog::ItemId;
use catalog_benches::measure::timed;
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::Cost;
use crate::sets::Case;

/// Bytes that ask for records, before the ids: what a frame takes at least.
const ASK_BYTES: u64 = 2;

/// What it costs; sorting the ids beforehand is not counted, though every change needs it again.
pub fn reconcile(case: &Case) -> Cost {
    let (first, second) = (storage(&case.first()), storage(&case.second()));
    let runs = if case.common.len() < 500_000 { 5 } else { 3 };
    let costs = (0..runs).map(|_| once(case, &first, &second));
    costs.min_by_key(|cost| cost.time).unwrap()
}

fn storage(ids: &[ItemId]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(ids.len());
    for id in ids {
        // No time: ids that came last would be found more cheaply, but records come in any order.
        storage.insert(0, Id::from_byte_array(*id.as_bytes())).unwrap();
    }
    storage.seal().unwrap();
    storage
}

fn once(case: &Case, first: &NegentropyStorageVector, second: &NegentropyStorageVector) -> Cost {
    let mut opener = Negentropy::borrowed(first, 0).unwrap();
    let mut answerer = Negentropy::borrowed(second, 0).unwrap();
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (mut bytes, mut flights, mut time) = (0, 0, Duration::ZERO);
    let mut next = Some(timed(&mut time, || opener.initiate().unwrap()));
    while let Some(message) = next {
        let answer = timed(&mut time, || answerer.reconcile(&message).unwrap());
        bytes += (message.len() + answer.len()) as u64;
        flights += 2;
        next =
            timed(&mut time, || opener.reconcile_with_ids(&answer, &mut have, &mut need).unwrap());
    }
    assert_eq!((have.len(), need.len()), (case.ours.len(), case.theirs.len()));
    if !have.is_empty() || !need.is_empty() {
        // It tells ids; records are asked for, and ours go along.
        bytes += ASK_BYTES + 32 * need.len() as u64;
        flights += 2;
    }
    Cost { bytes, flights, time }
}
