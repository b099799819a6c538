use super::super::testing::{NOW, channel, grant, publisher, release, store};
use super::super::{AppendError, ChangeItem};
use super::*;
use crate::identity::Identity;
use crate::permission::Permission;

const FRIEND: NodeId = NodeId::from_bytes([1; 32]);
const OTHER: NodeId = NodeId::from_bytes([2; 32]);
const STRANGER: NodeId = NodeId::from_bytes([3; 32]);

fn publish(store: &Store, by: &Identity, name: &str, permission: Permission) -> ReleaseId {
    let release = |seq| Release { permission, ..release(by, seq, name, "1.0.0", "") };
    store.append(by, NOW, |seq| Statement::Release(release(seq))).unwrap().id
}

fn say(store: &Store, by: &Identity, scope: &str, node: NodeId, granted: bool) -> StatementId {
    store.append(by, NOW, |seq| grant(by, seq, scope, node, granted, None)).unwrap().id
}

/// What `node` gets of everything, as a peer takes it in.
fn shown(store: &Store, node: NodeId) -> Vec<StatementId> {
    let changes = store.changes_for(Reader::Node(node), 0, usize::MAX).unwrap();
    let statement = |item| match item {
        ChangeItem::Statement(sealed) => Some(sealed.id()),
        _ => None,
    };
    changes.into_iter().filter_map(|change| statement(change.item)).collect()
}

#[test]
fn who_is_let_in_gets_what_it_was_kept_from_and_loses_what_comes_later() {
    let (ours, theirs, acme) = (store(), store(), publisher("acme"));
    let first = publish(&ours, &acme, "secret", Permission::Private);
    ours.append(&acme, NOW, |seq| channel(&acme, seq, "secret", "stable", "1.0.0")).unwrap();
    theirs.accept(ours.sent_to(Reader::Node(FRIEND), 0), NOW).unwrap();
    assert!(theirs.packages().unwrap().is_empty());

    let granted = say(&ours, &acme, "sec*", FRIEND, true);
    assert!(shown(&ours, FRIEND).contains(&granted) && shown(&ours, FRIEND).contains(&first));
    assert!(!shown(&ours, STRANGER).contains(&granted), "it names the package");
    theirs.accept(ours.sent_to(Reader::Node(FRIEND), 0), NOW).unwrap();
    assert_eq!(theirs.packages().unwrap().len(), 1);
    let release = theirs.release(&first).unwrap().unwrap();
    assert_eq!(
        theirs
            .channel(&release.package(), &"stable".parse().unwrap())
            .unwrap()
            .unwrap()
            .to_string(),
        "1.0.0"
    );
    for store in [&ours, &theirs] {
        assert!(store.may_read(Reader::Node(FRIEND), &release, NOW).unwrap());
        assert!(!store.may_read(Reader::Node(STRANGER), &release, NOW).unwrap());
        assert!(store.verify().unwrap().is_empty());
    }

    let revoked = say(&ours, &acme, "secret", FRIEND, false);
    assert!(!ours.may_read(Reader::Node(FRIEND), &release, NOW).unwrap());
    assert!(shown(&ours, FRIEND).contains(&revoked), "it is told so");
    assert!(!shown(&ours, FRIEND).contains(&first));
    assert_eq!(ours.grants(&acme.publisher()).unwrap().len(), 2);
    theirs.accept(ours.sent_to(Reader::Node(FRIEND), 0), NOW).unwrap();
    assert!(!theirs.may_read(Reader::Node(FRIEND), &release, NOW).unwrap(), "known there, too");
    assert!(theirs.verify().unwrap().is_empty());
}

/// Whoever passes a release on has to know who may not read it any more.
#[test]
fn a_revocation_reaches_those_who_may_read_what_it_is_about() {
    let (ours, acme) = (store(), publisher("acme"));
    publish(&ours, &acme, "listed", Permission::Restricted([FRIEND, OTHER].into()));
    publish(&ours, &acme, "friendly", Permission::Friends);
    publish(&ours, &acme, "hidden", Permission::Private);
    publish(&ours, &acme, "open", Permission::Public);
    say(&ours, &acme, "@friends", OTHER, true);
    say(&ours, &acme, "hidden", STRANGER, true);
    for scope in ["listed", "*", "listed@1.0.0"] {
        let revoked = say(&ours, &acme, scope, FRIEND, false);
        assert!(shown(&ours, OTHER).contains(&revoked), "{scope}: it may read `listed`");
    }
    let revoked = say(&ours, &acme, "friendly", FRIEND, false);
    assert!(shown(&ours, OTHER).contains(&revoked), "a friend may read it");
    assert!(!shown(&ours, STRANGER).contains(&revoked));
    // What it may not read has a name that it must not learn; that all may read `open` is no reason.
    let hidden = say(&ours, &acme, "hidden", FRIEND, true);
    assert!(!shown(&ours, OTHER).contains(&hidden));
    let open = say(&ours, &acme, "open", FRIEND, true);
    assert!(!shown(&ours, OTHER).contains(&open));
    assert_eq!(ours.mentions(&OTHER).unwrap(), 2, "it is listed once and a friend");
    assert!(ours.verify().unwrap().is_empty());
}

#[test]
fn an_expired_grant_shows_nothing_and_a_view_without_a_time_takes_it_for_expired() {
    let (ours, acme) = (store(), publisher("acme"));
    let secret = publish(&ours, &acme, "secret", Permission::Private);
    let until = Timestamp::from_millis(NOW.as_millis() + 1000);
    let made = |seq| grant(&acme, seq, "secret", FRIEND, true, Some(until));
    ours.append(&acme, NOW, made).unwrap();
    let release = ours.release(&secret).unwrap().unwrap();
    let reader = Reader::Node(FRIEND);
    assert!(ours.may_read(reader, &release, NOW).unwrap());
    assert!(!ours.may_read(reader, &release, until).unwrap());
    let sees = |snapshot: Snapshot| {
        let changes = snapshot.changes_for(reader, 0, 100, super::super::Class::All).unwrap();
        changes.iter().any(
            |change| matches!(&change.item, ChangeItem::Statement(sealed) if sealed.id() == secret),
        )
    };
    assert!(sees(ours.snapshot().unwrap().at(NOW)));
    assert!(!sees(ours.snapshot().unwrap().at(until)));
    assert!(!sees(ours.snapshot().unwrap()));
}

#[test]
fn nothing_is_said_twice_and_nothing_revoked_that_was_never_granted() {
    let (ours, acme) = (store(), publisher("acme"));
    publish(&ours, &acme, "secret", Permission::Private);
    let refused = ours.append(&acme, NOW, |seq| grant(&acme, seq, "secret", FRIEND, false, None));
    assert!(matches!(refused, Err(AppendError::NotGranted { node: FRIEND })), "{refused:?}");
    let refused =
        ours.append(&acme, NOW, |seq| grant(&acme, seq, "secret@2.0.0", FRIEND, true, None));
    assert!(matches!(refused, Err(AppendError::UnknownVersion { .. })), "{refused:?}");

    let first = say(&ours, &acme, "secret", FRIEND, true);
    assert_eq!(say(&ours, &acme, "secret", FRIEND, true), first);
    say(&ours, &acme, "sec*", FRIEND, false);
    assert_ne!(say(&ours, &acme, "secret", FRIEND, true), first, "something else was said since");
}

#[test]
fn those_who_vouch_for_a_release_count_once_and_never_the_one_who_made_it() {
    let (ours, acme, bob) = (store(), publisher("acme"), publisher("bob"));
    let open = publish(&ours, &acme, "open", Permission::Verified);
    let secret = publish(&ours, &acme, "secret", Permission::Private);
    let attest = |by: &Identity, release, attested, note: &str| {
        ours.append(by, NOW, |seq| {
            let (publisher, note) = (by.publisher(), note.to_owned());
            Statement::Attestation(Attestation {
                publisher,
                seq,
                time: NOW,
                release,
                attested,
                note,
            })
        })
    };
    for (by, release) in [(&acme, open), (&bob, secret), (&bob, StatementId::of(b"unknown"))] {
        let refused = attest(by, release, true, "");
        assert!(matches!(refused, Err(AppendError::NotAttestable { .. })), "{refused:?}");
    }
    assert!(attest(&bob, open, false, "").is_err(), "it was never attested");
    assert!(ours.attestations(&open).unwrap().is_empty());
    let made = attest(&bob, open, true, "built again").unwrap();
    assert!(attest(&bob, open, true, "once more").unwrap().already);
    let found = ours.attestations(&open).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].publisher, found[0].statement), (bob.publisher(), made.id));
    assert_eq!((found[0].note.as_str(), found[0].trust), ("built again", Trust::Own));
    // Everybody learns of it, whoever it is shown by.
    let theirs = store();
    theirs.accept(ours.sent_to(Reader::Node(STRANGER), 0), NOW).unwrap();
    assert_eq!(theirs.attestations(&open).unwrap()[0].trust, Trust::Seen);
    assert!(theirs.verify().unwrap().is_empty());
    attest(&bob, open, false, "").unwrap();
    assert!(ours.attestations(&open).unwrap().is_empty());
    assert!(ours.verify().unwrap().is_empty());
}
