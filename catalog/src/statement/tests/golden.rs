//! Pins the exact bytes of everything that is signed. A changed byte here breaks every node that
//! runs already: add a version instead.

use crate::cbor;
use crate::head::{Head, SealedHead};
use crate::identity::next_commitment;
use crate::log::root_of;
use crate::permission::{NodeId, Permission, Scope};
use crate::sealed::KeyId;
use crate::statement::fixture::{self, identity, key};
use crate::statement::{Grant, SealedStatement, Statement};

/// Compares with hex digits in lines of any length.
fn assert_golden(name: &str, bytes: &[u8], golden: &str) {
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(hex::encode(bytes), golden, "the bytes of {name} changed");
}

#[test]
fn the_bytes_of_every_body_are_pinned() {
    let (identity, digest) = (identity(1), fixture::digest("key"));
    let [inception, release, channel, yank, grant, attestation, parcel] = fixture::all(&identity);
    assert_golden("inception", &inception.body().unwrap(), include_str!("golden/inception.hex"));
    assert_golden("release", &release.body().unwrap(), include_str!("golden/release.hex"));
    assert_golden("channel", &channel.body().unwrap(), include_str!("golden/channel.hex"));
    let Statement::Channel(mut merge) = channel else { panic!("the third is a channel") };
    merge.after = [(key(2).public(), 7), (key(3).public(), 0)].into();
    assert_golden("merge", &merge.encode().unwrap(), include_str!("golden/merge.hex"));
    assert_golden("yank", &yank.body().unwrap(), include_str!("golden/yank.hex"));
    assert_golden("grant", &grant.body().unwrap(), include_str!("golden/grant.hex"));
    let Statement::Grant(grant) = grant else { panic!("the fifth is a grant") };
    let (scope, nodes) = (Scope::Friends, [NodeId::from_bytes([1; 32])].into());
    let revoked = Grant { granted: false, scope, nodes, until: None, ..grant };
    assert_golden("revocation", &revoked.encode().unwrap(), include_str!("golden/revocation.hex"));
    let attestation = attestation.body().unwrap();
    assert_golden("attestation", &attestation, include_str!("golden/attestation.hex"));
    assert_golden("parcel", &parcel.body().unwrap(), include_str!("golden/parcel.hex"));
    let carried = fixture::carried(identity.publisher(), 6).encode().unwrap();
    assert_golden("parcel to carry", &carried, include_str!("golden/carried.hex"));
    let mut sealed = fixture::bare_release(identity.publisher(), 1);
    (sealed.permission, sealed.sealed) = (Permission::Private, Some(KeyId::from_digest(digest)));
    assert_golden("sealed release", &sealed.encode().unwrap(), include_str!("golden/sealed.hex"));
}

#[test]
fn the_bytes_of_every_permission_are_pinned() {
    let nodes = [NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32])].into();
    for (permission, golden) in [
        (Permission::Public, "a1646b696e64667075626c6963".to_owned()),
        (Permission::Private, "a1646b696e646770726976617465".to_owned()),
        (
            Permission::Restricted(nodes),
            format!(
                "a2646b696e646a72657374726963746564656e6f646573825820{}5820{}",
                "01".repeat(32),
                "02".repeat(32)
            ),
        ),
        (Permission::Friends, "a1646b696e6467667269656e6473".to_owned()),
        (Permission::Anonymous, "a1646b696e6469616e6f6e796d6f7573".to_owned()),
        (Permission::Verified, "a1646b696e64687665726966696564".to_owned()),
    ] {
        assert_eq!(hex::encode(cbor::encode(&permission.to_value())), golden, "{permission:?}");
    }
}

#[test]
fn the_bytes_of_an_envelope_are_pinned() {
    let identity = identity(1);
    let yank = Statement::Yank(fixture::yank(identity.publisher(), 3));
    let sealed = SealedStatement::seal(&yank, identity.key()).unwrap();
    assert_golden("envelope", &sealed.encode(), include_str!("golden/envelope.hex"));
}

#[test]
fn the_text_of_a_head_is_pinned() {
    let identity = identity(1);
    let leaves = fixture::all(&identity)
        .map(|statement| SealedStatement::seal(&statement, identity.key()).unwrap().leaf());
    let leaves = leaves.into_iter().take(4);
    let head = Head {
        publisher: identity.publisher(),
        key: identity.key().public(),
        size: 4,
        root: root_of(leaves),
    };
    let sealed = SealedHead::seal(&head, identity.key());
    assert_eq!(sealed.note(), include_str!("golden/head.txt"));
}

#[test]
fn names_are_pinned() {
    let identity = identity(1);
    assert_eq!(
        identity.publisher().to_string(),
        "cat17ntjqa6z0su7juf076narqngarze5daghll24t52phtmduhh288q2cqh9l"
    );
    assert_eq!(identity.publisher().short(), "cat17ntjqa6z");
    assert_eq!(identity.publisher().fingerprint(), "7ntj qa6z 0su7 juf0 76na");
    let yank = Statement::Yank(fixture::yank(identity.publisher(), 3));
    let sealed = SealedStatement::seal(&yank, identity.key()).unwrap();
    assert_eq!(
        sealed.id().to_string(),
        "7f2a89c31def6a2511777f626c9c4fee3f48f1796cddef64305d0a8d61e07b51"
    );
    assert_eq!(
        sealed.leaf().to_string(),
        "8ef14b8e16d7a68b3a99b061bf8077ebae6958b68c66d89a0612852ce716e761"
    );
    assert_eq!(
        next_commitment(&[key(1).public()], 1).to_string(),
        "570519bf28ca255c4a4763ffeb8e8c20784bd8356b46d20e11bf3db98b71bfeb"
    );
}
