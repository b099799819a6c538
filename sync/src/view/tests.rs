use std::collections::BTreeMap;

use super::*;
use catalog::permission::{NodeId, Permission};
use catalog::release::MirrorHints;
use catalog::{ByteSize, Resources, Timestamp, Variant};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn publisher(byte: u8) -> PublisherId {
    PublisherId::from_digest(Digest::from_bytes([byte; 32]))
}

fn selection() -> Selection {
    Selection {
        publishers: [publisher(2), publisher(1)].into(),
        kinds: [PackageKind::Service, PackageKind::Asset].into(),
        tags: ["graph".parse().unwrap()].into(),
        fits: ["linux-x86_64".parse().unwrap()].into(),
    }
}

/// Nodes that are already running read these bytes, and find their views by these ids.
#[test]
fn views_have_these_bytes_and_ids() {
    let list = |values: &[&str]| -> String {
        let value = |value: &&str| format!("{:02x}{value}", value.len() / 2);
        format!("{:04x}{}", values.len(), values.iter().map(value).collect::<String>())
    };
    let text = |text: &str| hex::encode(text);
    let selected = [
        "03".to_owned(),
        list(&[&"01".repeat(32), &"02".repeat(32)]),
        list(&[&text("asset"), &text("service")]),
        list(&[&text("graph")]),
        list(&[&text("linux-x86_64")]),
    ];
    let none = View::of(Selection::default()).unwrap();
    let cases = [
        (View::Urgent, "00".to_owned(), "fedd694f0826cd49"),
        (View::All, "01".to_owned(), "980e0ffcf8c1aa53"),
        (View::Registers, "02".to_owned(), "f0377da5e7757842"),
        (none, "030000000000000000".to_owned(), "2c51bc8f2c371671"),
        (View::of(selection()).unwrap(), selected.concat(), "2ebda110c3bdfd3a"),
    ];
    for (view, bytes, id) in cases {
        assert_eq!(hex::encode(view.encode()), bytes);
        assert_eq!(View::decode(&view.encode()).unwrap(), view);
        assert_eq!(hex::encode(view.id().as_bytes()), id);
    }
}

#[test]
fn another_spelling_of_a_view_is_refused() {
    let view = View::of(selection()).unwrap().encode();
    // The two publishers change places.
    let mut swapped = view.clone();
    swapped[4..36].fill(2);
    swapped[37..69].fill(1);
    // The same publisher twice.
    let mut twice = view.clone();
    twice[37..69].fill(1);
    let longer = [&view[..], &[0]].concat();
    for bytes in [&[][..], &[4], &[0, 0], &[3], &view[..view.len() - 1], &swapped, &twice, &longer]
    {
        assert_eq!(View::decode(bytes), Err(ViewError::Malformed), "{bytes:?}");
    }
}

#[test]
fn a_view_is_no_longer_than_a_peer_would_read() {
    let tags = |count: usize| -> BTreeSet<Tag> {
        (0..count).map(|at| format!("tag-{at:05}").parse().unwrap()).collect()
    };
    let view = |count| View::of(Selection { tags: tags(count), ..Selection::default() });
    assert!(view(200).is_ok());
    assert!(matches!(view(210), Err(ViewError::TooLarge { .. })));
    let beyond = View::Releases(Selection { tags: tags(70_000), ..Selection::default() });
    assert!(matches!(View::decode(&beyond.encode()), Err(ViewError::TooLarge { .. })));
}

#[test]
fn words_that_are_none_are_refused() {
    for text in ["", "a\nb", &"x".repeat(65)] {
        assert!(text.parse::<Tag>().is_err(), "{text:?}");
    }
    for text in ["linux", "linux-", "-x86_64", "Linux-x86", "any-x86_64", "linux-any"] {
        assert!(text.parse::<Platform>().is_err(), "{text:?}");
    }
    assert_eq!("linux-x86_64".parse::<Platform>().unwrap().to_string(), "linux-x86_64");
}

fn release() -> Release {
    let variant = Variant {
        id: "linux-x86".parse().unwrap(),
        requires: [
            ("os".parse().unwrap(), "linux".parse().unwrap()),
            ("cpu.level".parse().unwrap(), "x86-64-v3".parse().unwrap()),
        ]
        .into(),
        prefers: BTreeMap::new(),
        resources: Resources::default(),
        fallback: false,
        quality: 50,
        root: Digest::of(b"root"),
        tree: Digest::of(b"tree"),
        size: ByteSize::bytes(1),
        files: 1,
    };
    Release {
        publisher: publisher(1),
        seq: 1,
        time: Timestamp::from_millis(0),
        name: "graphdb".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        kind: PackageKind::Service,
        summary: "A graph".into(),
        license: "MIT".into(),
        keywords: vec!["fast".into()],
        tags: vec!["graph".into()],
        provides: vec![],
        dependencies: vec![],
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        sealed: None,
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        variants: vec![variant],
        extensions: BTreeMap::new(),
    }
}

#[test]
fn a_release_is_admitted_if_every_field_that_asks_has_a_match() {
    let admits = |selection: Selection| selection.admits(&release());
    assert!(admits(Selection::default()));
    assert!(admits(selection()));
    assert!(admits(Selection { tags: ["fast".parse().unwrap()].into(), ..selection() }));
    assert!(!admits(Selection { tags: ["slow".parse().unwrap()].into(), ..selection() }));
    assert!(!admits(Selection { publishers: [publisher(3)].into(), ..selection() }));
    assert!(!admits(Selection { kinds: [PackageKind::Model].into(), ..selection() }));
    // Other names of the same machine; another machine; a variant for any machine.
    assert!(admits(Selection { fits: ["linux-amd64".parse().unwrap()].into(), ..selection() }));
    let windows = || Selection { fits: ["windows-x86_64".parse().unwrap()].into(), ..selection() };
    assert!(!admits(windows()));
    let mut anywhere = release();
    anywhere.variants[0].requires.clear();
    assert!(windows().admits(&anywhere));
}

#[test]
fn what_not_everybody_may_read_is_in_no_selection() {
    use Permission::{Anonymous, Friends, Private, Public, Restricted, Verified};
    let admits = |permission| Selection::default().admits(&Release { permission, ..release() });
    let listed = Restricted([NodeId::from_bytes([1; 32])].into());
    assert!([Public, Anonymous, Verified].into_iter().all(admits));
    assert!(![Private, Friends, listed].into_iter().any(admits));
}

proptest! {
    #[test]
    fn what_is_read_as_a_view_is_its_one_encoding(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        tag in 0..4u8,
        small in any::<bool>(),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        if small {
            bytes.iter_mut().for_each(|byte| *byte %= 4);
        }
        if let Ok(view) = View::decode(&bytes) {
            prop_assert_eq!(view.encode(), bytes);
        }
    }
}
