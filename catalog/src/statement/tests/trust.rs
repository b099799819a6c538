//! Who may say what.

use crate::cbor::Value;
use crate::defence::{Defence, without};
use crate::head::{Head, SealedHead};
use crate::identity::{Identity, Inception, KeyState};
use crate::signature::{PublicKey, SecretKey, Signature};
use crate::statement::fixture::{self, NOW, identity, key, release, rewrite};
use crate::statement::{
    Equivocation, OpenError, Placed, SealedStatement, Statement, StatementKind,
};

/// Puts an envelope together as an attacker would: any body, any kind, any signatures, in the
/// order given.
fn envelope(
    kind: &str,
    body: &[u8],
    signatures: &[(PublicKey, Signature)],
) -> Result<SealedStatement, crate::statement::EnvelopeError> {
    let template = identity(1).inception().encode();
    let pairs = signatures.iter().map(|(key, signature)| {
        let pair = [key.as_bytes().as_slice(), signature.as_bytes().as_slice()];
        pair.into_iter().map(Value::from).collect()
    });
    let pairs: Value = pairs.collect();
    SealedStatement::decode(&rewrite(&template, |map| {
        map.insert("k", kind);
        map.insert("b", body);
        map.insert("s", pairs);
    }))
}

fn signed_by(kind: StatementKind, body: &[u8], keys: &[&SecretKey]) -> SealedStatement {
    let mut signatures: Vec<_> =
        keys.iter().map(|key| (key.public(), key.sign(kind.as_str(), body))).collect();
    signatures.sort_by_key(|(key, _)| *key);
    envelope(kind.as_str(), body, &signatures).unwrap()
}

/// A publisher of `keys` of whom `threshold` must sign.
fn publisher_of(keys: &[&SecretKey], threshold: u64) -> KeyState {
    let keys = keys.iter().map(|key| key.public()).collect();
    let next = fixture::digest("next");
    KeyState::of(&Inception::new(keys, threshold, next, NOW, None).unwrap())
}

#[test]
fn a_statement_of_each_kind_opens_for_its_publisher() {
    let identity = identity(1);
    for statement in fixture::all(&identity) {
        let sealed = SealedStatement::seal(&statement, identity.key()).unwrap();
        assert_eq!(sealed.open(identity.state()), Ok(statement));
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_body_is_forged() {
    let identity = identity(1);
    let yank = Statement::Yank(fixture::yank(identity.publisher(), 3));
    let body = yank.body().unwrap();
    let signature = identity.key().sign("yank", &body);
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 1;
        let key = identity.key().public();
        let sealed = envelope("yank", &flipped, &[(key, signature)]).unwrap();
        assert_eq!(sealed.open(identity.state()), Err(OpenError::Forged { key }));
    }
}

#[test]
fn a_stranger_speaks_for_nobody() {
    let (ours, theirs) = (identity(1), identity(2));
    let yank = Statement::Yank(fixture::yank(ours.publisher(), 3));
    let sealed = SealedStatement::seal(&yank, theirs.key()).unwrap();
    let stranger = OpenError::Stranger { key: theirs.key().public(), publisher: ours.publisher() };
    assert_eq!(sealed.open(ours.state()), Err(stranger));
}

#[test]
fn a_publisher_speaks_for_itself_only() {
    let (ours, theirs) = (identity(1), identity(2));
    for statement in fixture::all(&theirs) {
        let sealed = SealedStatement::seal(&statement, ours.key()).unwrap();
        assert_eq!(
            sealed.open(ours.state()),
            Err(OpenError::OtherPublisher {
                expected: ours.publisher(),
                found: theirs.publisher()
            })
        );
    }
}

#[test]
fn an_inception_is_signed_by_its_own_keys() {
    let ours = identity(1);
    assert_eq!(ours.inception().open_inception().unwrap().id(), ours.publisher());
    let forged = signed_by(StatementKind::Inception, ours.inception().body(), &[&key(2)]);
    assert!(matches!(forged.open_inception(), Err(OpenError::Stranger { .. })));
    let yank = Statement::Yank(fixture::yank(ours.publisher(), 3));
    let yank = SealedStatement::seal(&yank, ours.key()).unwrap();
    let found = StatementKind::Yank;
    assert_eq!(yank.open_inception(), Err(OpenError::NotInception { found }));
}

#[test]
fn as_many_keys_must_sign_as_the_publisher_demands() {
    let [a, b, c] = [key(1), key(2), key(3)];
    let state = publisher_of(&[&a, &b, &c], 2);
    let yank = Statement::Yank(fixture::yank(state.publisher, 1));
    let body = yank.body().unwrap();
    let sealed = |keys: &[&SecretKey]| signed_by(StatementKind::Yank, &body, keys);
    for keys in [vec![&a, &b], vec![&c, &a], vec![&a, &b, &c]] {
        let sealed = sealed(&keys);
        assert_eq!(sealed.open(&state), Ok(yank.clone()));
        assert_eq!(sealed.log_key(&state), state.keys[0], "one log, whoever signed");
    }
    let too_few = OpenError::TooFew { have: 1, need: 2 };
    assert_eq!(sealed(&[&b]).open(&state), Err(too_few));
    let stranger = sealed(&[&a, &b, &key(4)]).open(&state);
    assert!(matches!(stranger, Err(OpenError::Stranger { .. })));
}

/// Where one key is enough, its log is where the statement stands. With two signatures, whoever
/// passes it on could choose the log by leaving one of them out.
#[test]
fn a_statement_that_needs_one_signature_has_one() {
    let [a, b] = [key(1), key(2)];
    let state = publisher_of(&[&a, &b], 1);
    let yank = Statement::Yank(fixture::yank(state.publisher, 1));
    let sealed = |keys: &[&SecretKey]| signed_by(StatementKind::Yank, &yank.body().unwrap(), keys);
    for key in [&a, &b] {
        assert_eq!(sealed(&[key]).open(&state), Ok(yank.clone()));
        assert_eq!(sealed(&[key]).log_key(&state), key.public());
    }
    assert_eq!(sealed(&[&a, &b]).open(&state), Err(OpenError::TooMany { have: 2 }));
}

/// Threat row 21: one key that signs twice is one signer, whether its signatures are equal or not.
#[test]
fn one_key_does_not_reach_a_threshold_of_two() {
    let [a, b] = [key(1), key(2)];
    let state = publisher_of(&[&a, &b], 2);
    let body = Statement::Yank(fixture::yank(state.publisher, 1)).body().unwrap();
    let twice = [(a.public(), a.sign("yank", &body)); 2];
    assert!(envelope("yank", &body, &twice).is_err(), "it is not even an envelope");
    let once = signed_by(StatementKind::Yank, &body, &[&a]);
    assert_eq!(once.open(&state), Err(OpenError::TooFew { have: 1, need: 2 }));
}

/// Control for row 21.
#[test]
fn a_key_that_signs_twice_is_noticed_without_the_defence() {
    let [a, b] = [key(1), key(2)];
    let state = publisher_of(&[&a, &b], 2);
    let body = Statement::Yank(fixture::yank(state.publisher, 1)).body().unwrap();
    let twice = [(a.public(), a.sign("yank", &body)); 2];
    without(Defence::DistinctSigners, || {
        assert!(envelope("yank", &body, &twice).unwrap().open(&state).is_ok());
    });
}

/// A body with the fields of a channel move and of a yank: fields that a kind does not know are
/// ignored, so only the kind that it names, and the signature, tell the two apart.
fn ambiguous(identity: &Identity) -> Vec<u8> {
    let yank = fixture::yank(identity.publisher(), 3).encode().unwrap();
    rewrite(&yank, |map| map.insert("channel", "stable"))
}

/// Threat row 23: a signature for one kind of statement, or for the head of one log, never
/// verifies as another.
#[test]
fn a_signature_fits_one_kind_and_one_log_only() {
    let identity = identity(1);
    let key = identity.key().public();
    let bodies = fixture::all(&identity).map(|s| s.body().unwrap());
    for body in bodies.iter().chain([&ambiguous(&identity)]) {
        for made_for in StatementKind::ALL {
            let signature = identity.key().sign(made_for.as_str(), body);
            for shown_as in StatementKind::ALL.into_iter().filter(|kind| *kind != made_for) {
                let sealed = envelope(shown_as.as_str(), body, &[(key, signature)]).unwrap();
                assert_eq!(
                    sealed.open(identity.state()),
                    Err(OpenError::Forged { key }),
                    "{made_for} shown as {shown_as}"
                );
            }
            let text = str::from_utf8(body).unwrap_or("catalog/");
            assert!(key.verify_note(text, &signature).is_err());
        }
    }
    let note = head_of(&identity, 4);
    for kind in StatementKind::ALL {
        let signature = identity.key().sign_note(note.text());
        assert!(key.verify(kind.as_str(), note.text().as_bytes(), &signature).is_err());
    }
}

/// Control for row 23: without the kind in the signed bytes a channel move passes for a yank.
#[test]
fn a_statement_shown_as_another_kind_is_noticed_without_the_defence() {
    let identity = identity(1);
    let body = ambiguous(&identity);
    without(Defence::DomainSeparation, || {
        let signature = identity.key().sign("channel", &body);
        let key = identity.key().public();
        let sealed = envelope("yank", &body, &[(key, signature)]).unwrap();
        assert!(matches!(sealed.open(identity.state()), Ok(Statement::Yank(_))));
    });
}

fn head_of(identity: &Identity, size: u64) -> SealedHead {
    let head = Head {
        publisher: identity.publisher(),
        key: identity.key().public(),
        size,
        root: crate::log::root_of([identity.inception().leaf()]),
    };
    SealedHead::seal(&head, identity.key())
}

fn placed<'s>(identity: &Identity, statement: &'s Statement) -> Placed<'s> {
    let sealed = SealedStatement::seal(statement, identity.key()).unwrap();
    Placed { id: sealed.id(), log: sealed.log_key(identity.state()), statement }
}

/// Threat row 17: one version with two contents is a contradiction that names both.
#[test]
fn two_contents_of_one_version_are_an_equivocation() {
    let identity = identity(1);
    let first = release(identity.publisher(), 1, "1.4.0");
    let mut second = release(identity.publisher(), 2, "1.4.0");
    second.variants[0].root = fixture::digest("other bytes");
    let [first, second] = [first, second].map(Statement::Release);
    let [a, b] = [placed(&identity, &first), placed(&identity, &second)];
    let mut ids = [a.id, b.id];
    ids.sort();
    let found = Equivocation::between(a, b).expect("a contradiction");
    let Equivocation::Version { version, releases, .. } = &found else { panic!("{found:?}") };
    assert_eq!((version.to_string().as_str(), releases), ("1.4.0", &ids));
    assert_eq!(Equivocation::between(b, a), Some(found), "whichever came first");
}

/// Control for row 17.
#[test]
fn two_contents_of_one_version_are_noticed_without_the_defence() {
    let identity = identity(1);
    let first = Statement::Release(release(identity.publisher(), 1, "1.4.0"));
    let mut second = release(identity.publisher(), 2, "1.4.0");
    second.license = "MIT".into();
    let second = Statement::Release(second);
    let [a, b] = [placed(&identity, &first), placed(&identity, &second)];
    assert!(Equivocation::between(a, b).is_some());
    assert_eq!(without(Defence::ImmutableVersions, || Equivocation::between(a, b)), None);
}

/// Threat row 17: two statements in one place of a log, whatever they say.
#[test]
fn two_statements_in_one_place_are_an_equivocation() {
    let identity = identity(1);
    let first = Statement::Release(release(identity.publisher(), 1, "1.4.0"));
    let second = Statement::Yank(fixture::yank(identity.publisher(), 1));
    let found = Equivocation::between(placed(&identity, &first), placed(&identity, &second));
    assert!(matches!(found, Some(Equivocation::Position { seq: 1, .. })), "{found:?}");
}

#[test]
fn publishing_the_same_content_again_is_no_equivocation() {
    let identity = identity(1);
    let first = Statement::Release(release(identity.publisher(), 1, "1.4.0"));
    let again = Statement::Release(release(identity.publisher(), 2, "1.4.0"));
    let newer = Statement::Release(release(identity.publisher(), 3, "1.4.1"));
    let first = placed(&identity, &first);
    for other in [first, placed(&identity, &again), placed(&identity, &newer)] {
        assert_eq!(Equivocation::between(first, other), None);
    }
    let mut composed = release(identity.publisher(), 1, "1.4.0");
    composed.summary = "caf\u{e9}".into();
    let mut decomposed = composed.clone();
    (decomposed.summary, decomposed.seq) = ("cafe\u{301}".into(), 2);
    assert!(composed.same_content(&decomposed), "they are signed in the same bytes");
}
