use super::*;
use crate::statement::fixture::identity;

fn parse(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> ReferenceError {
    text.parse::<Reference>().expect_err(text)
}

#[test]
fn every_part_but_the_name_can_be_left_out() {
    let id = identity(1).publisher();
    let (acme, graphdb) = ("acme".parse().unwrap(), || "graphdb".parse().unwrap());
    let latest = VersionReference::Latest;
    let named =
        |publisher, version| ReleaseReference::Named { publisher, name: graphdb(), version };

    assert_eq!(parse("graphdb").release, named(None, latest.clone()));
    let petname = Some(PublisherReference::Petname(acme));
    assert_eq!(parse("acme/graphdb").release, named(petname.clone(), latest.clone()));
    let exact = Some(PublisherReference::Id(id));
    assert_eq!(parse(&format!("{id}/graphdb")).release, named(exact, latest));

    let full = parse("acme/graphdb@^1.4#low-x86");
    let range = VersionReference::Range("^1.4".parse().unwrap());
    assert_eq!(full.release, named(petname, range));
    assert_eq!(full.variant, Some("low-x86".parse().unwrap()));
}

#[test]
fn a_version_is_exact_a_range_or_a_channel() {
    let version = |text: &str| match parse(&format!("graphdb@{text}")).release {
        ReleaseReference::Named { version, .. } => version,
        ReleaseReference::Exact(_) => panic!("{text}"),
    };
    for text in ["1.4.0", "1.4.0-rc.1", "1.4.0+build.7"] {
        assert_eq!(version(text), VersionReference::Exact(text.parse().unwrap()));
    }
    for text in ["1", "1.4", "^1.4", "~1.4.2", "=1.4.0", ">=1.2, <2", "*", "1.x"] {
        assert_eq!(version(text), VersionReference::Range(text.parse().unwrap()), "{text}");
    }
    for text in ["stable", "nightly", "v1", "lts-2026"] {
        assert_eq!(version(text), VersionReference::Channel(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn a_release_is_named_exactly_by_its_id() {
    let id = "ab".repeat(32);
    let exact = parse(&format!("cat:{id}#low-x86"));
    assert_eq!(exact.release, ReleaseReference::Exact(id.parse().unwrap()));
    assert_eq!(exact.variant, Some("low-x86".parse().unwrap()));
}

#[test]
fn a_reference_is_written_as_it_was_read() {
    let id = identity(1).publisher();
    let texts = [
        "graphdb".to_owned(),
        "acme/graphdb@1.4.0-rc.1+b.7#low-x86".into(),
        "acme/graphdb@^1.4".into(),
        "graphdb@stable#wasm".into(),
        "graphdb@>=1.2, <2".into(),
        format!("{id}/graphdb@1.4.0"),
        format!("cat:{}", "ab".repeat(32)),
    ];
    for text in texts {
        let reference = parse(&text);
        assert_eq!(reference.to_string(), text);
        let json = serde_json::to_string(&reference).unwrap();
        assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), reference);
    }
}

/// Every mistake names its part, and the hint says what to write instead.
#[test]
fn a_mistake_names_its_part_and_a_way_out() {
    use ReferencePart::{Name, Publisher, Release, Variant, Version, Whole};
    let long = "x".repeat(600);
    let cut_id = format!("{}/graphdb", &identity(1).publisher().to_string()[..60]);
    let cases = [
        ("", Name, "[PUBLISHER/]NAME"),
        (long.as_str(), Whole, "[PUBLISHER/]NAME"),
        ("Graph DB", Name, "[PUBLISHER/]NAME"),
        ("a/b/c", Name, "[PUBLISHER/]NAME"),
        ("@acme/graphdb", Publisher, "write acme/graphdb without the leading @"),
        ("/graphdb", Publisher, "cat1"),
        ("Acme/graphdb", Publisher, "cat1"),
        (cut_id.as_str(), Publisher, "cat1"),
        ("graphdb@", Version, "^1.4"),
        ("graphdb@v1.4.0", Version, "leave out the v: @1.4.0"),
        ("graphdb@1.4.0@2", Version, "^1.4"),
        ("graphdb@Stable", Version, "^1.4"),
        ("graphdb#", Variant, "catalog info"),
        ("graphdb#a#b", Variant, "catalog info"),
        ("cat:abc", Release, "64 hex digits"),
    ];
    for (text, part, hint) in cases {
        let error = refused(text);
        assert_eq!(error.part(), part, "{text}: {error}");
        assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        assert!(error.to_string().starts_with(&part.to_string()), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_reference_is_read_as_it_was_written(
        text in "([a-z][a-z0-9]{0,8}/)?[a-z][a-z0-9-]{3,8}(@(\\^?[0-9]\\.[0-9]|[0-9]\\.[0-9]\\.[0-9](-rc)?|[a-w][a-z]{3,9}))?(#[a-z]{4,9})?",
    ) {
        let reference = parse(&text);
        proptest::prop_assert_eq!(&parse(&reference.to_string()), &reference);
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,80}|(cat:|cat1|@|#|/|[a-z0-9.^-]){0,20}") {
        if let Ok(reference) = text.parse::<Reference>() {
            proptest::prop_assert_eq!(parse(&reference.to_string()), reference);
        }
    }
}
