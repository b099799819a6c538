use std::sync::Arc;

use catalog::name::VariantId;
use catalog::release::{PackageKind, ReleaseId};
use catalog::{Digest, PublisherId};
use catalog_tests::releases::{release, variant};
use proptest::prelude::*;

use super::*;

fn subject() -> Subject {
    let mut release = release(PublisherId::of_inception(b"acme"), "graphdb");
    release.tags = vec!["storage".into()];
    let requires = |id: &str, facts: &[(&str, &str)]| {
        let mut variant = variant(id);
        variant.root = Digest::of(id.as_bytes());
        for (key, wanted) in facts {
            variant.requires.insert(key.parse().unwrap(), wanted.parse().unwrap());
        }
        variant
    };
    release.variants = vec![
        requires("linux-x64", &[("os", "linux"), ("cpu.arch", "x86_64")]),
        requires("linux-arm64", &[("os", "linux"), ("cpu.arch", "aarch64")]),
        requires("win-x64", &[("os", "windows"), ("cpu.arch", "x86_64")]),
    ];
    Subject::of(&release)
}

fn ids(texts: &[&str]) -> BTreeSet<VariantId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn accepted(filter: &Filter) -> Vec<String> {
    let subject = subject();
    let ids = subject.variants.iter().map(|variant| &variant.id);
    ids.filter(|id| filter.accepts_variant(&subject, id)).map(ToString::to_string).collect()
}

fn full() -> Filter {
    Filter {
        publishers: [PublisherId::of_inception(b"acme")].into(),
        kinds: [PackageKind::Service].into(),
        tags: ["storage".into()].into(),
        packages: ["graph*".parse().unwrap()].into(),
        except: ["graph-old".parse().unwrap()].into(),
        profiles: vec![Profile::named("pi-low").unwrap()],
        variants: ids(&["linux-arm64"]),
        since: Some(Timestamp::from_millis(1000)),
    }
}

#[test]
fn a_mirror_for_a_profile_holds_what_such_a_machine_installs() {
    let profiles = vec![Profile::named("pi-low").unwrap()];
    assert_eq!(accepted(&Filter { profiles, ..Filter::default() }), ["linux-arm64"]);
    let profiles = ["pi-low", "workstation-gpu"].map(|name| Profile::named(name).unwrap()).into();
    assert_eq!(accepted(&Filter { profiles, ..Filter::default() }), ["linux-x64", "linux-arm64"]);
}

#[test]
fn every_list_narrows_what_is_held() {
    assert_eq!(accepted(&Filter::default()).len(), 3);
    assert_eq!(accepted(&full()), ["linux-arm64"]);
    let other = [PublisherId::of_inception(b"other")].into();
    let none = [
        Filter { publishers: other, ..Filter::default() },
        Filter { kinds: [PackageKind::Model].into(), ..Filter::default() },
        Filter { tags: ["games".into()].into(), ..Filter::default() },
        Filter { packages: ["notes".parse().unwrap()].into(), ..Filter::default() },
        Filter { except: ["*db".parse().unwrap()].into(), ..Filter::default() },
        Filter { variants: ids(&["macos"]), ..Filter::default() },
    ];
    for filter in none {
        assert_eq!(accepted(&filter), [""; 0], "{filter:?}");
    }
}

#[test]
fn one_release_that_fits_is_enough_for_its_bytes() {
    let mut unit = {
        let mut one = release(PublisherId::of_inception(b"acme"), "graphdb");
        one.time = Timestamp::from_millis(500);
        Unit::of_release(ReleaseId::of(b"1"), &one).remove(0)
    };
    let filter = Filter { packages: ["notes".parse().unwrap()].into(), ..Filter::default() };
    assert!(!filter.accepts(&unit));
    let mut offer = unit.offers[0].clone();
    let notes = release(PublisherId::of_inception(b"other"), "notes");
    offer.subject = Arc::new(Subject::of(&notes));
    unit.offers.push(offer);
    assert!(filter.accepts(&unit));
    let since = Some(Timestamp::from_millis(501));
    assert!(!Filter { since, ..filter }.accepts(&unit));
}

#[test]
fn a_filter_has_these_bytes() {
    let bytes = hex::encode(full().encode().unwrap());
    let publisher = PublisherId::of_inception(b"acme").digest().to_string();
    let expected = [
        "a9",
        "617601",
        "626279",
        &format!("815820{publisher}"),
        "636e6f74",
        "816967726170682d6f6c64",
        "63706b67",
        "816667726170682a",
        "63746167",
        "816773746f72616765",
        "646b696e64",
        "816773657276696365",
        "6573696e6365",
        "1903e8",
        "6770726f66696c65",
        "816670692d6c6f77",
        "6776617269616e74",
        "816b6c696e75782d61726d3634",
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(Filter::decode(&full().encode().unwrap()), Ok(full()));
    assert_eq!(Filter::default().digest(), Ok(None));
    assert!(full().digest().unwrap().is_some());
}

#[test]
fn a_profile_of_ones_own_is_written_out() {
    let mut facts = Profile::named("pi-low").unwrap().facts().clone();
    facts.cores = Some(3);
    let profiles = vec![Profile::new("shed", facts)];
    let filter = Filter { profiles, ..Filter::default() };
    assert_eq!(Filter::decode(&filter.encode().unwrap()), Ok(filter));
}

#[test]
fn what_others_would_not_read_cannot_be_said() {
    let variants = (0..65).map(|n| format!("v{n}").parse().unwrap()).collect();
    let many = Filter { variants, ..Filter::default() };
    assert!(matches!(many.encode(), Err(FilterError::TooMany { entries: 65, .. })));
    let tags = (0..64).map(|n| format!("{n:064}")).collect();
    let long = Filter { tags, ..Filter::default() };
    assert!(matches!(long.encode(), Err(FilterError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn what_a_peer_sends_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(filter) = Filter::decode(&bytes) {
            prop_assert!(filter.variants.len() <= ENTRIES_MAX);
        }
    }

    #[test]
    fn a_damaged_filter_is_read_or_refused(at in 0_usize..180, to: u8) {
        let mut bytes = full().encode().unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        let _ = Filter::decode(&bytes);
    }
}
