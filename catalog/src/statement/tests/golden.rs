//! Pins the exact bytes of everything that is signed. A changed byte here breaks every node that
//! runs already: add a version instead.

use crate::head::{Head, SealedHead};
use crate::identity::next_commitment;
use crate::log::root_of;
use crate::statement::fixture::{self, identity, key};
use crate::statement::{SealedStatement, Statement};

/// Compares with hex digits in lines of any length.
fn assert_golden(name: &str, bytes: &[u8], golden: &str) {
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(hex::encode(bytes), golden, "the bytes of {name} changed");
}

#[test]
fn the_bytes_of_every_body_are_pinned() {
    let identity = identity(1);
    let [inception, release, channel, yank] = fixture::all(&identity);
    assert_golden("inception", &inception.body().unwrap(), include_str!("golden/inception.hex"));
    assert_golden("release", &release.body().unwrap(), include_str!("golden/release.hex"));
    assert_golden("channel", &channel.body().unwrap(), include_str!("golden/channel.hex"));
    assert_golden("yank", &yank.body().unwrap(), include_str!("golden/yank.hex"));
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
        "cat1l8g2v5uk6l9hnxztqj538jxpqm7cgffqp8s8mncu67knujlu5exsvgnr5p"
    );
    assert_eq!(identity.publisher().short(), "cat1l8g2v5uk");
    assert_eq!(identity.publisher().fingerprint(), "l8g2 v5uk 6l9h nxzt qj53");
    let yank = Statement::Yank(fixture::yank(identity.publisher(), 3));
    let sealed = SealedStatement::seal(&yank, identity.key()).unwrap();
    assert_eq!(
        sealed.id().to_string(),
        "22dbec52be0994f9bda85ef33fb74a442ff35a844c157b0a4d3ab9350ceb69e0"
    );
    assert_eq!(
        sealed.leaf().to_string(),
        "b7b84eb1c23c9f62b9d2263c94f6b66fc0e82e907c9973b28d7587ea6647d376"
    );
    assert_eq!(
        next_commitment(&[key(1).public()], 1).to_string(),
        "570519bf28ca255c4a4763ffeb8e8c20784bd8356b46d20e11bf3db98b71bfeb"
    );
}
