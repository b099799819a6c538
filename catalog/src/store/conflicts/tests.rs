use super::*;
use crate::head::Head;
use crate::identity::Identity;
use crate::permission::Reader;
use crate::reference::Reference;
use crate::statement::{SealedStatement, Statement};
use crate::store::testing::{NOW, publisher, release, store};
use crate::store::{ChangeItem, Incoming, LookupError};

fn sealed(acme: &Identity, seq: u64, version: &str, content: &str) -> SealedStatement {
    let release = release(acme, seq, "graphdb", version, content);
    SealedStatement::seal(&Statement::Release(release), acme.key()).unwrap()
}

fn head(acme: &Identity, statements: &[&SealedStatement]) -> SealedHead {
    let leaves = [acme.inception()].into_iter().chain(statements.iter().copied());
    let root = crate::log::root_of(leaves.map(SealedStatement::leaf));
    let (publisher, key) = (acme.publisher(), acme.key().public());
    let head = Head { publisher, key, size: statements.len() as u64 + 1, root };
    SealedHead::seal(&head, acme.key())
}

/// A store that was shown one history, then the head of another.
fn forked(acme: &Identity) -> (Store, [SealedHead; 2]) {
    let (store, theirs) = (store(), store());
    let [ours, other] = ["1.0.0", "6.6.6"].map(|version| sealed(acme, 1, version, ""));
    let heads = [&ours, &other].map(|one| head(acme, &[one]));
    let sent = [acme.inception().clone(), ours].map(Incoming::Statement);
    store.accept(sent.into(), NOW).unwrap();
    for head in &heads {
        store.accept(vec![Incoming::Head(head.clone())], NOW).unwrap();
    }
    // What spreads is enough for the next one to see it.
    theirs.accept(store.sent_to(Reader::Local, 0), NOW).unwrap();
    assert!(theirs.is_frozen(&acme.publisher()).unwrap());
    assert_eq!(theirs.conflicts().unwrap().len(), 1);
    (store, heads)
}

fn find(store: &Store, reference: &str) -> Result<crate::store::Found, LookupError> {
    store.resolve_reference(&reference.parse::<Reference>().unwrap())
}

/// Threat row 18: who shows two histories gets nothing installed until a person decides.
#[test]
fn a_forked_publisher_is_frozen_until_a_person_decides() {
    let acme = publisher("acme");
    let (store, heads) = forked(&acme);
    let conflicts = store.conflicts().unwrap();
    assert_eq!(conflicts.len(), 1);
    let Evidence::Fork { heads: shown, .. } = &conflicts[0].evidence else { panic!("a fork") };
    assert!(shown.len() == 2 && heads.iter().all(|head| shown.contains(head)));
    let subject = &conflicts[0].subject;
    for reference in ["graphdb", "graphdb@1.0.0", "graphdb@^1"] {
        assert!(matches!(find(&store, reference), Err(LookupError::Frozen { .. })));
    }
    let id = sealed(&acme, 1, "1.0.0", "").id();
    assert!(find(&store, &format!("cat:{id}")).is_ok(), "a person named these very bytes");

    let keep =
        |head: &SealedHead| Decision::KeepHead { size: head.peek().size, root: head.peek().root };
    store.decide(subject, &keep(&heads[0]), NOW).unwrap();
    assert_eq!(find(&store, "graphdb").unwrap().row.version.to_string(), "1.0.0");
    let decided = store.conflicts().unwrap().remove(0).decided;
    assert_eq!(decided, Some((keep(&heads[0]), NOW)));
    store.decide(subject, &Decision::Lift, NOW).unwrap();
    assert!(!store.is_frozen(&acme.publisher()).unwrap());
    assert!(store.undecide(subject).unwrap() && !store.undecide(subject).unwrap());
    assert!(matches!(find(&store, "graphdb"), Err(LookupError::Frozen { .. })));

    let other = head(&acme, &[]);
    for wrong in [keep(&other), Decision::KeepRelease(id)] {
        let decided = store.decide(subject, &wrong, NOW);
        assert!(matches!(decided, Err(DecideError::NotInvolved)), "{decided:?}");
    }
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn a_decision_about_a_fork_holds_only_for_the_proof_that_was_shown() {
    let acme = publisher("acme");
    let (store, _) = forked(&acme);
    let subject = store.conflicts().unwrap().remove(0).subject;
    store.decide(&subject, &Decision::Lift, NOW).unwrap();
    // More of the log changes nothing; two statements at one position are new proof.
    let next = sealed(&acme, 2, "1.1.0", "");
    store.accept(vec![Incoming::Statement(next)], NOW).unwrap();
    assert!(!store.is_frozen(&acme.publisher()).unwrap());
    let other = sealed(&acme, 1, "6.6.6", "");
    store.accept(vec![Incoming::Statement(other)], NOW).unwrap();
    assert!(store.is_frozen(&acme.publisher()).unwrap());
    assert_eq!(store.verify().unwrap(), []);
}

/// Threat row 17: of two releases of one version a person picks one, or none is picked.
#[test]
fn a_person_says_which_release_of_a_contested_version_is_meant() {
    let (store, acme) = (store(), publisher("acme"));
    let [first, second] =
        [(1, ""), (2, "other")].map(|(seq, content)| sealed(&acme, seq, "1.0.0", content));
    let ids = [first.id(), second.id()];
    let sent = [acme.inception().clone(), first, second].map(Incoming::Statement);
    store.accept(sent.into(), NOW).unwrap();
    let conflict = store.conflicts().unwrap().remove(0);
    assert_eq!(conflict.evidence, Evidence::Releases(ids.to_vec()));
    assert!(find(&store, "graphdb").is_err() && !store.is_frozen(&acme.publisher()).unwrap());
    for id in ids {
        store.decide(&conflict.subject, &Decision::KeepRelease(id), NOW).unwrap();
        let found = find(&store, "graphdb").unwrap();
        assert_eq!((found.row.id, found.row.contested), (id, false));
    }
    assert!(find(&store, &format!("cat:{}", ids[0])).unwrap().row.contested);
    assert!(!find(&store, &format!("cat:{}", ids[1])).unwrap().row.contested);
    let other = sealed(&acme, 3, "2.0.0", "").id();
    let wrong = store.decide(&conflict.subject, &Decision::KeepRelease(other), NOW);
    assert!(matches!(wrong, Err(DecideError::NotInvolved)));
    store.undecide(&conflict.subject).unwrap();
    assert!(find(&store, "graphdb").is_err());
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn two_releases_at_one_position_are_shown_as_statements() {
    let (store, acme) = (store(), publisher("acme"));
    let rivals = ["1.0.0", "2.0.0"].map(|version| sealed(&acme, 1, version, ""));
    let ids = rivals.each_ref().map(SealedStatement::id);
    let sent = [acme.inception().clone()].into_iter().chain(rivals).map(Incoming::Statement);
    store.accept(sent.collect(), NOW).unwrap();
    let mut conflicts = store.conflicts().unwrap();
    assert_eq!(conflicts.len(), 3, "the log, and both versions");
    let fork = conflicts.remove(0);
    let Evidence::Fork { statements, .. } = &fork.evidence else { panic!("{fork:?}") };
    assert!(statements.len() == 2 && ids.iter().all(|id| statements.contains(id)));
    for (conflict, id) in conflicts.iter().zip(ids) {
        let Evidence::Statements(shown) = &conflict.evidence else { panic!("{conflict:?}") };
        assert!(shown.len() == 2 && ids.iter().all(|id| shown.contains(id)));
        store.decide(&conflict.subject, &Decision::KeepRelease(id), NOW).unwrap();
    }
    assert!(matches!(find(&store, "graphdb"), Err(LookupError::Frozen { .. })));
    store.decide(&fork.subject, &Decision::Lift, NOW).unwrap();
    assert_eq!(find(&store, "graphdb").unwrap().row.id, ids[1]);
    let wrong = store.decide(&conflicts[0].subject, &Decision::KeepRelease(ids[1]), NOW);
    assert!(matches!(wrong, Err(DecideError::NotInvolved)), "it is of another version");
    assert_eq!(store.verify().unwrap(), []);
}

/// The search index follows the changes, and shows what a person chose.
#[test]
fn a_decision_and_its_end_are_told_to_our_own_followers_and_to_nobody_else() {
    let (store, acme) = (store(), publisher("acme"));
    let [first, second] =
        [(1, ""), (2, "other")].map(|(seq, content)| sealed(&acme, seq, "1.0.0", content));
    let ids = [first.id(), second.id()];
    let rival = sealed(&acme, 1, "2.0.0", "");
    let sent = [acme.inception().clone(), first, second, rival].map(Incoming::Statement);
    store.accept(sent.into(), NOW).unwrap();
    let conflicts = store.conflicts().unwrap();
    assert_eq!(conflicts.len(), 3);
    let stranger = Reader::Node(crate::permission::NodeId::from_bytes([2; 32]));
    for conflict in &conflicts {
        let decision = match &conflict.evidence {
            Evidence::Fork { heads, statements } => {
                assert!(heads.is_empty() && statements.len() == 2, "no head proves anything");
                Decision::Lift
            }
            Evidence::Releases(both) => Decision::KeepRelease(both[0]),
            _ => continue,
        };
        for decided in [true, false] {
            let before = store.last_change().unwrap();
            match decided {
                true => store.decide(&conflict.subject, &decision, NOW).unwrap(),
                false => assert!(store.undecide(&conflict.subject).unwrap()),
            }
            let told = store.changes(before, 10).unwrap();
            assert_eq!(told.len(), 2, "{told:?}");
            if matches!(conflict.subject, Subject::Version { .. }) {
                let told = told.iter().map(|change| format!("{:?}", change.item));
                let expected = ids.map(|id| store.statement(&id).unwrap().unwrap());
                let expected = expected.map(|one| format!("{:?}", ChangeItem::Statement(one)));
                assert_eq!(told.collect::<Vec<_>>(), expected);
            }
            assert_eq!(store.changes_for(stranger, before, 10).unwrap(), []);
            assert_eq!(store.snapshot().unwrap().item_changes(before, 10).unwrap(), []);
            assert_eq!(store.verify().unwrap(), []);
        }
    }
}
