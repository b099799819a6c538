//! What bodies and envelopes must not be.

use crate::cbor::{CodecError, Map, Value};
use crate::defence::{Defence, without};
use crate::identity::{Inception, KEYS_MAX, next_commitment};
use crate::permission::NodeId;
use crate::release::{KEYWORDS_MAX, Release, VARIANTS_MAX};
use crate::statement::fixture::{self, NOW, bare_release, identity, key, release, rewrite};
use crate::statement::{
    BodyError, ChannelMove, EnvelopeError, Grant, SIGNATURES_MAX, STATEMENT_BYTES_MAX,
    SealedStatement, Statement, StatementKind,
};
use crate::variant::tests::fixture as variant;

/// Which field of a body is refused.
fn field_of(error: BodyError) -> &'static str {
    match error {
        BodyError::Malformed(
            CodecError::Missing { field }
            | CodecError::WrongType { field, .. }
            | CodecError::Invalid { field, .. },
        ) => field,
        other => panic!("no field is named: {other}"),
    }
}

#[test]
fn every_statement_is_read_as_it_was_written() {
    for statement in fixture::all(&identity(1)) {
        let body = statement.body().unwrap();
        assert_eq!(Statement::decode(statement.kind(), &body), Ok(statement));
    }
    let bare = bare_release(identity(1).publisher(), 1);
    assert_eq!(Release::decode(&bare.encode().unwrap()), Ok(bare));
}

#[test]
fn a_body_without_one_of_its_fields_is_refused() {
    let optional = [
        "keywords",
        "tags",
        "provides",
        "dependencies",
        "capabilities",
        "mirror",
        "description",
        "provenance",
        "extensions",
        "alias",
        "until",
    ];
    for statement in fixture::all(&identity(1)) {
        let body = statement.body().unwrap();
        let mut keys = Vec::new();
        rewrite(&body, |map| keys.extend(map.iter().map(|(key, _)| key.to_owned())));
        assert!(keys.len() > 4);
        for key in keys.iter().filter(|key| !optional.contains(&key.as_str())) {
            let cut = rewrite(&body, |map| drop(map.remove(key)));
            let refused = Statement::decode(statement.kind(), &cut).unwrap_err();
            assert_eq!(field_of(refused), key, "{}", statement.kind());
        }
    }
}

#[test]
fn unknown_fields_are_ignored_unless_they_are_critical() {
    for statement in fixture::all(&identity(1)) {
        let later = |map: &mut Map| map.insert("later", 7);
        let body = rewrite(&statement.body().unwrap(), later);
        let read = Statement::decode(statement.kind(), &body).unwrap();
        assert_eq!(read.header().seq, statement.header().seq);

        let body = rewrite(&body, |map| map.insert("critical", vec![Value::from("later")]));
        assert_eq!(
            Statement::decode(statement.kind(), &body),
            Err(BodyError::Malformed(CodecError::Critical { field: "later".into() }))
        );
    }
}

/// Threat row 24: what means the same is written in one way only.
#[test]
fn another_spelling_of_a_release_is_refused() {
    let body = release(identity(1).publisher(), 1, "1.4.0").encode().unwrap();
    let empty = || Value::Array(vec![]);
    type Change = (&'static str, fn(&mut Map, Value));
    let changes: [Change; 4] = [
        ("keywords", |map, empty| map.insert("keywords", empty)),
        ("dependencies", |map, empty| map.insert("dependencies", empty)),
        ("mirror", |map, _| map.insert("mirror", Map::new())),
        ("version", |map, _| map.insert("version", "1.4.00")),
    ];
    for (field, change) in changes {
        let other = rewrite(&body, |map| change(map, empty()));
        assert_eq!(field_of(Release::decode(&other).unwrap_err()), field);
    }
}

/// Control for row 24: the empty list would be a second encoding of the same release.
#[test]
fn another_spelling_is_noticed_without_the_defence() {
    let body = bare_release(identity(1).publisher(), 1).encode().unwrap();
    let other = rewrite(&body, |map| map.insert("keywords", Value::Array(vec![])));
    let read = without(Defence::CanonicalBytes, || Release::decode(&other));
    assert_eq!(read, Release::decode(&body));
}

/// Threat row 26: a dependency by bare name cannot be written.
#[test]
fn a_dependency_without_a_publisher_is_unparseable() {
    let body = release(identity(1).publisher(), 1, "1.4.0").encode().unwrap();
    let bare = rewrite(&body, |map| {
        let Some(Value::Array(mut dependencies)) = map.remove("dependencies") else { panic!() };
        let Value::Map(dependency) = &mut dependencies[0] else { panic!() };
        dependency.remove("publisher").unwrap();
        map.insert("dependencies", dependencies);
    });
    assert_eq!(field_of(Release::decode(&bare).unwrap_err()), "publisher");
    let petname = rewrite(&body, |map| {
        let Some(Value::Array(mut dependencies)) = map.remove("dependencies") else { panic!() };
        let Value::Map(dependency) = &mut dependencies[0] else { panic!() };
        dependency.insert("publisher", "acme");
        map.insert("dependencies", dependencies);
    });
    assert_eq!(field_of(Release::decode(&petname).unwrap_err()), "publisher");
}

#[test]
fn every_limit_of_a_release_is_kept_by_writer_and_reader() {
    let base = || bare_release(identity(1).publisher(), 1);
    let many = |count: usize| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
    type Break<'a> = (&'static str, Box<dyn Fn(&mut Release) + 'a>);
    let breaks: Vec<Break<'_>> = vec![
        ("summary", Box::new(|r| r.summary = "x".repeat(301))),
        ("summary", Box::new(|r| r.summary = "two\nlines".into())),
        ("summary", Box::new(|r| r.summary = "red \u{1b}[31m".into())),
        ("license", Box::new(|r| r.license = "x".repeat(129))),
        ("keywords", Box::new(|r| r.keywords = many(KEYWORDS_MAX + 1))),
        ("keywords", Box::new(|r| r.keywords = vec!["x".repeat(65)])),
        ("keywords", Box::new(|r| r.keywords = vec!["a".into(), "a".into()])),
        ("keywords", Box::new(|r| r.keywords = vec!["".into()])),
        ("tags", Box::new(|r| r.tags = many(KEYWORDS_MAX + 1))),
        ("provides", Box::new(|r| r.provides = many(65))),
        ("description", Box::new(|r| r.description = Some("x".repeat(16 * 1024 + 1)))),
        ("description", Box::new(|r| r.description = Some("a\u{7}bell".into()))),
        ("description", Box::new(|r| r.description = Some("carriage\r\nreturn".into()))),
        ("capabilities", Box::new(|r| r.capabilities = [("Net".into(), vec![])].into())),
        ("mirror", Box::new(|r| r.mirror.priority = Some("highest".into()))),
        ("variants", Box::new(|r| r.variants.clear())),
        ("variants", Box::new(|r| r.variants.push(variant("any", "os=linux")))),
        (
            "variants",
            Box::new(|r| {
                r.variants = (0..=VARIANTS_MAX).map(|n| variant(&format!("v{n}"), "")).collect();
            }),
        ),
        ("extensions", Box::new(|r| r.extensions = [("team".into(), "a".into())].into())),
        ("extensions", Box::new(|r| r.extensions = [("x-".into(), "x".repeat(4097))].into())),
    ];
    assert!(base().encode().is_ok());
    for (field, change) in breaks {
        let mut broken = base();
        change(&mut broken);
        assert_eq!(field_of(broken.encode().unwrap_err()), field, "{broken:?}");
    }
    let mut twice = release(identity(1).publisher(), 1, "1.4.0");
    twice.dependencies.push(twice.dependencies[0].clone());
    assert_eq!(field_of(twice.encode().unwrap_err()), "dependencies");
    let mut elsewhere = release(identity(1).publisher(), 1, "1.4.0");
    elsewhere.variants.pop();
    assert_eq!(field_of(elsewhere.encode().unwrap_err()), "provenance");
}

/// A release of 26 variants is what real packages have; the most it may be is a statement.
#[test]
fn a_release_with_26_variants_takes_four_to_six_kib() {
    let mut release = release(identity(1).publisher(), 1, "1.4.0");
    release.provenance = None;
    release.variants = (0..26)
        .map(|n| {
            let requires = "os=linux cpu.level=x86-64-v3 libc=glibc>=2.31";
            variant(&format!("linux-x64-{n}"), requires)
        })
        .collect();
    let bytes = release.encode().unwrap().len();
    assert!((4 * 1024..=6 * 1024).contains(&bytes), "{bytes} bytes");
}

#[test]
fn what_a_channel_move_had_seen_has_one_spelling() {
    let mut merge = fixture::channel(identity(1).publisher(), 2);
    merge.after = [(key(2).public(), 7), (key(3).public(), 1)].into();
    let body = merge.encode().unwrap();
    assert_eq!(ChannelMove::decode(&body), Ok(merge));
    let pair = |n: u8, seq: u64| -> Value {
        [key(n).public().as_bytes().as_slice().into(), seq.into()].into_iter().collect()
    };
    let mut keys = [2, 3];
    keys.sort_by_key(|n| key(*n).public());
    let [low, high] = keys;
    let weak: Value = [[0; 32].as_slice().into(), Value::Uint(1)].into_iter().collect();
    for (what, after) in [
        ("empty", vec![]),
        ("descending", vec![pair(high, 1), pair(low, 1)]),
        ("repeated", vec![pair(low, 1), pair(low, 2)]),
        ("weak", vec![weak]),
        ("flat", vec![Value::Uint(1)]),
        ("many", vec![pair(low, 1); KEYS_MAX + 1]),
    ] {
        let forged = rewrite(&body, |map| map.insert("after", after));
        assert_eq!(field_of(ChannelMove::decode(&forged).unwrap_err()), "after", "{what}");
    }
}

#[test]
fn a_release_larger_than_a_statement_is_refused() {
    let mut release = bare_release(identity(1).publisher(), 1);
    release.extensions = (0..16).map(|n| (format!("x-{n}"), "x".repeat(4096))).collect();
    let Err(BodyError::TooLarge { bytes }) = release.encode() else { panic!() };
    assert!(bytes > STATEMENT_BYTES_MAX);
}

#[test]
fn the_keys_of_an_inception_are_distinct_and_reach_their_threshold() {
    let keys = |count: u8| (1..=count).map(|n| key(n).public()).collect::<Vec<_>>();
    let next = next_commitment(&keys(1), 1);
    let new = |keys, threshold| Inception::new(keys, threshold, next, NOW, None);
    assert!(new(keys(1), 1).is_ok());
    assert!(new(keys(KEYS_MAX as u8), 64).is_ok());
    for (keys, threshold) in [(keys(0), 0), (keys(0), 1), (keys(1), 0), (keys(1), 2)] {
        assert_eq!(field_of(new(keys, threshold).unwrap_err()), "threshold");
    }
    let twice = [keys(1), keys(1)].concat();
    assert_eq!(field_of(new(twice, 1).unwrap_err()), "keys");
    assert_eq!(field_of(new(keys(KEYS_MAX as u8 + 1), 1).unwrap_err()), "keys");
}

#[test]
fn the_order_of_an_inceptions_keys_is_fixed() {
    let (mut keys, next) = (vec![key(1).public(), key(2).public()], fixture::digest("next"));
    keys.sort();
    let inception = Inception::new(keys, 1, next, NOW, None).unwrap();
    let swapped = rewrite(inception.body(), |map| {
        let Some(Value::Array(mut keys)) = map.remove("keys") else { panic!() };
        keys.swap(0, 1);
        map.insert("keys", keys);
    });
    assert_eq!(field_of(Inception::decode(&swapped).unwrap_err()), "keys");
}

#[test]
fn the_publishers_id_covers_fields_that_we_do_not_know() {
    let inception = identity(1).inception().open_inception().unwrap();
    let later = rewrite(inception.body(), |map| map.insert("later", 1));
    assert_ne!(Inception::decode(&later).unwrap().id(), inception.id());
}

#[test]
fn only_the_inception_stands_at_the_beginning_of_a_log() {
    let publisher = identity(1).publisher();
    assert_eq!(field_of(fixture::yank(publisher, 0).encode().unwrap_err()), "seq");
    assert_eq!(field_of(bare_release(publisher, 0).encode().unwrap_err()), "seq");
}

#[test]
fn a_yanks_reason_is_one_short_line() {
    for reason in ["x".repeat(301), "two\nlines".into(), "\u{9b}31m".into()] {
        let mut yank = fixture::yank(identity(1).publisher(), 1);
        yank.reason = reason;
        assert_eq!(field_of(yank.encode().unwrap_err()), "reason");
    }
}

#[test]
fn a_grant_is_about_somebody_and_a_revocation_never_ends() {
    let publisher = identity(1).publisher();
    let refused = |change: &dyn Fn(&mut Grant)| {
        let mut grant = fixture::grant(publisher, 1);
        change(&mut grant);
        field_of(grant.encode().unwrap_err())
    };
    assert_eq!(refused(&|grant| grant.nodes.clear()), "nodes");
    let many = |n: u8| NodeId::from_bytes([n; 32]);
    assert_eq!(refused(&|grant| grant.nodes = (0..=64).map(many).collect()), "nodes");
    assert_eq!(refused(&|grant| grant.granted = false), "until");
    let body = fixture::grant(publisher, 1).encode().unwrap();
    for scope in ["", "@family", "Graphdb", "graphdb@^1", "graphdb@01.0.0", "a**", "*/x"] {
        let body = rewrite(&body, |map| map.insert("scope", scope));
        assert_eq!(field_of(Grant::decode(&body).unwrap_err()), "scope", "{scope}");
    }
    let twice: Value = [[1; 32], [1; 32]].iter().map(|n| Value::from(n.as_slice())).collect();
    let body = rewrite(&body, |map| map.insert("nodes", twice));
    assert_eq!(field_of(Grant::decode(&body).unwrap_err()), "nodes");
}

#[test]
fn the_note_of_an_attestation_is_one_line() {
    for note in ["x".repeat(301), "two\nlines".into()] {
        let made = fixture::attestation(identity(1).publisher(), 1);
        let made = crate::statement::Attestation { note, ..made };
        assert_eq!(field_of(made.encode().unwrap_err()), "note");
    }
}

#[test]
fn an_envelope_is_read_as_it_was_written() {
    let identity = identity(1);
    for statement in fixture::all(&identity) {
        let sealed = SealedStatement::seal(&statement, identity.key()).unwrap();
        assert_eq!(SealedStatement::decode(&sealed.encode()), Ok(sealed.clone()));
        assert_eq!(sealed.peek(), Ok(statement.header()));
        assert_eq!(sealed.signers().collect::<Vec<_>>(), [identity.key().public()]);
    }
}

#[test]
fn an_envelope_is_strict() {
    let sealed = identity(1).inception().encode();
    let decode = |change: &dyn Fn(&mut Map)| SealedStatement::decode(&rewrite(&sealed, change));
    assert!(decode(&|_| {}).is_ok());
    assert_eq!(
        decode(&|map| map.insert("v", 2)),
        Err(EnvelopeError::Malformed(CodecError::Version { found: 2 }))
    );
    assert_eq!(
        decode(&|map| map.insert("k", "later")),
        Err(EnvelopeError::Kind { found: "later".into() })
    );
    assert_eq!(
        decode(&|map| map.insert("s", Value::Array(vec![]))),
        Err(EnvelopeError::Signatures)
    );
    assert!(matches!(
        decode(&|map| map.insert("x", 1)),
        Err(EnvelopeError::Malformed(CodecError::NotCanonical { .. }))
    ));
    let mut trailing = sealed.clone();
    trailing.push(0);
    assert!(SealedStatement::decode(&trailing).is_err());
}

/// Threat row 15: an envelope is measured before it is read.
#[test]
fn an_oversized_envelope_is_refused() {
    let sealed = identity(1).inception().encode();
    let body = rewrite(&sealed, |map| map.insert("b", vec![0; STATEMENT_BYTES_MAX + 1]));
    let Err(EnvelopeError::Malformed(CodecError::TooLarge { limit, .. })) =
        SealedStatement::decode(&body)
    else {
        panic!("a body over the limit is read")
    };
    assert_eq!(limit, STATEMENT_BYTES_MAX);

    let pair = |n: u8| [vec![n; 32], vec![n; 64]].into_iter().map(Value::from).collect::<Value>();
    let many: Value = (0..=SIGNATURES_MAX as u8).map(pair).collect();
    let many = rewrite(&sealed, |map| map.insert("s", many));
    assert_eq!(SealedStatement::decode(&many), Err(EnvelopeError::Signatures));
}

/// Threat row 22: a weak key does not even get into an envelope.
#[test]
fn an_envelope_with_a_weak_key_is_refused() {
    let sealed = identity(1).inception().encode();
    let mut weak = vec![0; 32];
    weak[0] = 1;
    let pair: Value = [weak, vec![0; 64]].into_iter().map(Value::from).collect();
    let sealed = rewrite(&sealed, |map| map.insert("s", vec![pair]));
    assert!(matches!(SealedStatement::decode(&sealed), Err(EnvelopeError::Key(_))));
}

/// An id and a leaf are hashes of the body alone. If one body could be two statements, its signer
/// could tell them to two readers, and their ids and their logs would agree.
#[test]
fn a_body_is_of_one_kind_only() {
    let identity = identity(1);
    let everything = fixture::all(&identity).map(|statement| statement.body().unwrap());
    for statement in fixture::all(&identity) {
        let mut body = statement.body().unwrap();
        for other in &everything {
            rewrite(other, |more| {
                body = rewrite(&body, |map| {
                    for (key, value) in
                        more.iter().filter(|(key, _)| map.get(key).is_none()).collect::<Vec<_>>()
                    {
                        map.insert(key, value.clone());
                    }
                });
            });
        }
        for kind in StatementKind::ALL {
            match Statement::decode(kind, &body) {
                Ok(read) => assert_eq!(read.kind(), statement.kind()),
                Err(error) => assert_eq!(field_of(error), "type", "{kind}"),
            }
        }
        assert!(Statement::decode(statement.kind(), &body).is_ok(), "{}", statement.kind());
    }
}

#[test]
fn a_position_is_within_reach_of_a_log() {
    let publisher = identity(1).publisher();
    for (seq, fits) in [((1 << 48) - 1, true), (1 << 48, false), (u64::MAX, false)] {
        assert_eq!(fixture::yank(publisher, seq).encode().is_ok(), fits, "{seq}");
    }
}

/// What was read cannot be said in a second way by leaving something empty.
#[test]
fn an_empty_text_is_left_out() {
    let mut release = release(identity(1).publisher(), 1, "1.4.0");
    (release.description, release.dependencies[0].on) = (Some(String::new()), Some(String::new()));
    let body = release.encode().unwrap();
    let read = Release::decode(&body).unwrap();
    assert_eq!((&read.description, &read.dependencies[0].on), (&None, &None));
    assert!(read.same_content(&release));
    let empty = rewrite(&body, |map| map.insert("description", ""));
    assert_eq!(field_of(Release::decode(&empty).unwrap_err()), "description");
}

#[test]
fn every_kind_has_its_own_word() {
    for kind in StatementKind::ALL {
        assert_eq!(StatementKind::named(kind.as_str()), Some(kind));
    }
}
