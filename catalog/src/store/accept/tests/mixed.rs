//! Statements of one history shown under the head of another.

use super::*;
use crate::ReleaseId;
use crate::store::LookupError;

/// The last three statements of the log; the first is the inception.
const POSITIONS: usize = 3;

/// What a publisher signed in one of two histories.
struct History {
    items: Vec<Incoming>,
    head: Incoming,
}

fn history(acme: &Identity, content: &str) -> History {
    let releases =
        (1..=POSITIONS as u64).map(|seq| sealed_release(acme, seq, &format!("1.0.{seq}"), content));
    let items: Vec<_> = [inception(acme)].into_iter().chain(releases).collect();
    let hashes: Vec<_> = items.iter().map(hash_of).collect();
    History { head: head(acme, &hashes), items }
}

/// What a person gets of each version, or why nothing.
fn resolved(store: &Store) -> Vec<Result<ReleaseId, LookupError>> {
    let found = |seq| {
        let reference = format!("graphdb@1.0.{seq}").parse().unwrap();
        store.resolve_reference(&reference).map(|found| found.row.id)
    };
    (1..=POSITIONS).map(found).collect()
}

fn id_of(item: &Incoming) -> ReleaseId {
    match item {
        Incoming::Statement(sealed) => sealed.id(),
        _ => panic!("no statement"),
    }
}

/// Threat row 4: a mirror puts statements of one history under the head of another, in whatever
/// order. Either all that is here is of the head's history, or nothing of it is picked.
#[test]
fn statements_of_two_histories_are_never_picked_together() {
    let acme = publisher("acme");
    let histories = [history(&acme, "one"), history(&acme, "other")];
    for mask in 0..1_usize << POSITIONS {
        for (shown, head_first) in [(0, true), (0, false), (1, true), (1, false)] {
            let store = store();
            let taken = |position: usize| &histories[mask >> position & 1].items[position + 1];
            let taken: Vec<_> = (0..POSITIONS).map(taken).collect();
            let head = &histories[shown].head;
            let mut sent = vec![&histories[0].items[0]];
            sent.extend(head_first.then_some(head));
            sent.extend(&taken);
            sent.extend((!head_first).then_some(head));
            for item in sent {
                store.accept(vec![item.clone()], NOW).unwrap();
            }
            let whole = mask == [0, (1 << POSITIONS) - 1][shown];
            for (found, item) in resolved(&store).into_iter().zip(taken) {
                match found {
                    Ok(id) => assert!(whole && id == id_of(item), "{mask:03b} {shown}"),
                    Err(LookupError::Frozen { .. }) => assert!(!whole, "{mask:03b} {shown}"),
                    Err(other) => panic!("{mask:03b} {shown}: {other}"),
                }
            }
            assert_eq!(store.verify().unwrap(), []);
        }
    }
}

/// Threat row 4: hashes without their statements, taken from elsewhere in the log or from another
/// history, vouch for nothing; whoever sends the true ones is heard.
#[test]
fn swapped_hashes_never_come_under_a_head() {
    let acme = publisher("acme");
    let (true_one, other) = (history(&acme, "one"), history(&acme, "other"));
    let hashes: Vec<_> = true_one.items.iter().map(hash_of).collect();
    let swapped = [
        [hashes[2], hashes[1], hashes[3]],
        [hashes[1], hashes[3], hashes[2]],
        [hashes[1], hashes[2], hash_of(&other.items[3])],
    ];
    for (lie, at_once) in swapped.iter().flat_map(|lie| [(lie, true), (lie, false)]) {
        let store = store();
        let [inception, head] = [&true_one.items[0], &true_one.head].map(Incoming::clone);
        let bare = (1..).zip(lie).map(|(seq, hash)| bare(&acme, seq, *hash));
        let mut sent = vec![inception, head];
        if !at_once {
            store.accept(std::mem::take(&mut sent), NOW).unwrap();
        }
        let accepted = store.accept(sent.into_iter().chain(bare).collect(), NOW).unwrap();
        let blamed = match at_once {
            true => reasons(&accepted) == [RejectReason::HeadMismatch { sent: true }],
            false => accepted.refuted.iter().any(|refuted| refuted.sent),
        };
        assert!(blamed, "{accepted:?}");
        let log = store.logs().unwrap().remove(0);
        assert!(log.size == 0 && !log.is_forked(), "{log:?}");
        store.accept(true_one.items.clone(), NOW).unwrap();
        store.accept(vec![true_one.head.clone()], NOW).unwrap();
        let log = store.logs().unwrap().remove(0);
        assert_eq!((log.size, log.is_forked()), (4, false));
        assert!(resolved(&store).iter().all(Result::is_ok));
        assert_eq!(store.verify().unwrap(), []);
    }
}
