use super::*;
use crate::release::Release;
use crate::statement::fixture::{NOW, identity, release};
use crate::time::Timestamp;

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn map(permission: &Permission) -> Map {
    let Value::Map(map) = permission.to_value() else { panic!("a map") };
    map
}

/// A release of `graphdb@1.4.0` at position 5.
fn with(permission: Permission) -> Release {
    Release { permission, ..release(identity(1).publisher(), 5, "1.4.0") }
}

fn word(seq: u64, granted: bool, scope: &str) -> Word {
    Word { seq, granted, scope: scope.parse().unwrap(), until: None }
}

/// What node 1 may read of a release with this permission after these words.
fn may(permission: &Permission, words: &[Word]) -> bool {
    may_read(Reader::Node(node(1)), &with(permission.clone()), words, NOW)
}

#[test]
fn what_is_open_is_read_by_everybody_and_the_rest_by_whom_it_is_granted_to() {
    use Permission::{Anonymous, Friends, Private, Public, Restricted, Verified};
    let grant = [word(6, true, "graphdb")];
    let revoked = [word(6, true, "graphdb"), word(7, false, "graphdb")];
    for open in [Public, Anonymous, Verified] {
        assert!(open.is_open());
        for words in [&[][..], &grant, &revoked] {
            assert!(may(&open, words), "{open:?}");
        }
    }
    for closed in [Private, Friends, Restricted([].into()), Restricted([node(2)].into())] {
        assert!(!closed.is_open());
        assert!(
            !may(&closed, &[]) && may(&closed, &grant) && !may(&closed, &revoked),
            "{closed:?}"
        );
        assert!(may_read(Reader::Local, &with(closed), &revoked, NOW));
    }
    let listed = Restricted([node(1)].into());
    assert!(may(&listed, &[]) && may(&listed, &grant) && !may(&listed, &revoked));
}

#[test]
fn the_last_word_about_a_release_counts() {
    let (private, listed) = (Permission::Private, Permission::Restricted([node(1)].into()));
    let [wide, narrow] = [word(6, true, "*"), word(7, false, "graphdb@1.4.0")];
    // In whatever order they are looked up.
    assert!(!may(&private, &[wide.clone(), narrow.clone()]));
    assert!(!may(&private, &[narrow.clone(), wide.clone()]));
    assert!(may(&private, &[wide.clone(), word(7, false, "graphdb@1.4.1")]));
    assert!(may(&private, &[wide.clone(), narrow, word(8, true, "graph*")]));
    // Of two at one position, the one that revokes.
    assert!(!may(&private, &[wide.clone(), word(6, false, "graphdb")]));
    // A release that lists a node says so at its own position.
    assert!(may(&listed, &[word(4, false, "*")]));
    assert!(!may(&listed, &[word(5, false, "*")]), "at one position");
    // A list of nodes takes back nothing from others.
    assert!(may(&Permission::Restricted([].into()), &[word(4, true, "*")]));
}

#[test]
fn a_grant_ends_when_it_says_so() {
    let ends = |millis: u64| Word {
        until: Some(Timestamp::from_millis(NOW.as_millis() + millis)),
        ..word(7, true, "graphdb")
    };
    for permission in [Permission::Private, Permission::Restricted([node(1)].into())] {
        assert!(may(&permission, &[ends(1)]));
        assert!(!may(&permission, &[ends(0)]));
        // Also when it followed one without an end: it took that one's place.
        assert!(!may(&permission, &[word(6, true, "graphdb"), ends(0)]));
        assert!(may(&permission, &[ends(0), word(8, true, "graphdb")]));
    }
}

#[test]
fn friends_are_those_of_releases_for_friends_only() {
    let friend = [word(6, true, "@friends")];
    assert!(may(&Permission::Friends, &friend));
    assert!(!may(&Permission::Private, &friend));
    assert!(!may(&Permission::Restricted([].into()), &friend));
    let not_this = [word(6, true, "@friends"), word(7, false, "graphdb")];
    assert!(!may(&Permission::Friends, &not_this));
}

#[test]
fn a_pattern_means_the_names_that_it_looks_like() {
    for (pattern, names, others) in [
        ("graphdb", &["graphdb"][..], &["graphdb2", "graph"][..]),
        ("*", &["a", "graphdb"], &[]),
        ("db-*", &["db-", "db-core"], &["db", "xdb-core"]),
        ("*-core", &["db-core"], &["db-cores", "core"]),
        ("a*b*c", &["abc", "a1b2c", "abbc"], &["acb", "ab", "ac"]),
        ("a*a", &["aa", "aba"], &["a"]),
    ] {
        let pattern: PackagePattern = pattern.parse().unwrap();
        for name in names {
            // A name cannot end with a dash, a pattern's text may.
            let Ok(name) = name.parse() else { continue };
            assert!(pattern.matches(&name), "{pattern:?} {name}");
        }
        for name in others {
            assert!(!pattern.matches(&name.parse().unwrap()), "{pattern:?} {name}");
        }
    }
    for text in ["", "a**", "A*", "a/b*", &"*a".repeat(40), "@friend"] {
        assert!(text.parse::<PackagePattern>().is_err(), "{text}");
    }
}

#[test]
fn a_scope_is_read_as_it_was_written() {
    for text in ["@friends", "graphdb", "db-*", "graphdb@1.4.0", "graphdb@1.4.0-rc.1+linux"] {
        assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }
    for text in ["", "@", "@family", "graphdb@", "graphdb@^1", "db-*@1.0.0", "graphdb@1.0"] {
        assert!(text.parse::<Scope>().is_err(), "{text}");
    }
    let package = |text: &str| text.parse::<Scope>().unwrap().package();
    assert_eq!(package("graphdb@1.4.0"), package("graphdb"));
    assert_eq!((package("db-*"), package("@friends")), (None, None));
}

#[test]
fn a_permission_is_read_as_it_was_written() {
    use Permission::{Anonymous, Friends, Private, Public, Restricted, Verified};
    let nobody = Restricted([].into());
    let some = Restricted([node(1), node(2)].into());
    for permission in [Public, Private, nobody, some, Friends, Anonymous, Verified] {
        assert_eq!(Permission::from_value(map(&permission)), Ok(permission.clone()));
        let json = serde_json::to_string(&permission).unwrap();
        assert_eq!(serde_json::from_str::<Permission>(&json).unwrap(), permission);
    }
}

#[test]
fn a_permission_that_is_not_known_is_never_public() {
    for kind in ["family", "", "Public", "public "] {
        let mut map = Map::new();
        map.insert("kind", kind);
        assert!(Permission::from_value(map).is_err(), "{kind}");
    }
    assert!(Permission::from_value(Map::new()).is_err());
    for kind in ["public", "private", "friends", "anonymous", "verified"] {
        let mut both = map(&Permission::Restricted([node(1)].into()));
        both.insert("kind", kind);
        assert!(Permission::from_value(both).is_err(), "{kind} says two things");
    }
}

#[test]
fn nodes_are_listed_once_and_in_order() {
    for nodes in [[2, 1], [1, 1]] {
        let nodes: Value = nodes.iter().map(|n| Value::from([*n; 32].as_slice())).collect();
        let mut map = Map::new();
        map.insert("kind", "restricted");
        map.insert("nodes", nodes);
        assert!(Permission::from_value(map).is_err());
    }
    let many = (0..=NODES_MAX).map(|n| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        NodeId::from_bytes(id)
    });
    let many = Permission::Restricted(many.collect());
    assert!(Permission::from_value(map(&many)).is_err());
}

#[test]
fn a_node_id_is_written_in_one_way() {
    let id = node(0xab);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!(id.to_string().to_uppercase().parse::<NodeId>().is_err());
    assert!("ab".parse::<NodeId>().is_err());
}
