use super::*;

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn map(permission: &Permission) -> Map {
    let Value::Map(map) = permission.to_value() else { panic!("a map") };
    map
}

#[test]
fn a_restricted_release_is_read_by_its_nodes_and_its_owner_only() {
    let restricted = Permission::Restricted([node(1), node(2)].into());
    for (who, may) in
        [(Reader::Local, true), (Reader::Node(node(1)), true), (Reader::Node(node(3)), false)]
    {
        assert_eq!(restricted.may_read(who), may, "{who:?}");
        assert!(Permission::Public.may_read(who));
    }
    assert!(!Permission::Restricted([].into()).may_read(Reader::Node(node(1))));
}

#[test]
fn a_permission_is_read_as_it_was_written() {
    let some = Permission::Restricted([node(1), node(2)].into());
    for permission in [Permission::Public, Permission::Restricted([].into()), some] {
        assert_eq!(Permission::from_value(map(&permission)), Ok(permission.clone()));
        let json = serde_json::to_string(&permission).unwrap();
        assert_eq!(serde_json::from_str::<Permission>(&json).unwrap(), permission);
    }
}

#[test]
fn a_permission_that_is_not_known_is_never_public() {
    for kind in ["private", "friends", "", "Public"] {
        let mut map = Map::new();
        map.insert("kind", kind);
        assert!(Permission::from_value(map).is_err(), "{kind}");
    }
    assert!(Permission::from_value(Map::new()).is_err());
    let mut both = map(&Permission::Restricted([node(1)].into()));
    both.insert("kind", "public");
    assert!(Permission::from_value(both).is_err(), "it says two things");
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
