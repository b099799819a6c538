//! Registers, and what nodes say in them: of themselves, and of what mirrors hold, accept and are
//! asked for. What is read is written back with the same meaning, and can be used.

#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;

use catalog::announcement::Announcement;
use catalog::cbor::CodecError;
use catalog::register::SealedRegister;
use catalog::release::{PackageId, PackageKind};
use catalog::{Digest, NodeId, PublisherId};
use catalog_mirror::unit::Subject;
use catalog_mirror::{Demand, Directory, Filter, Heat, Lease, Mirror, Page, PageNumber};
use libfuzzer_sys::fuzz_target;

/// A package that a filter lets through or not.
static SUBJECT: LazyLock<Subject> = LazyLock::new(|| Subject {
    package: PackageId {
        publisher: PublisherId::of_inception(b"acme"),
        name: "graphdb".parse().expect("a name"),
    },
    version: semver::Version::new(1, 0, 0),
    kind: PackageKind::Service,
    tags: vec!["db".to_owned()],
    variants: Vec::new(),
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sealed) = SealedRegister::decode(bytes) {
        assert_eq!(sealed.encode(), bytes);
        assert_eq!(sealed.open().is_ok_and(|told| told != sealed.peek()), false);
    }
    same(bytes, Announcement::decode, Announcement::encode);
    catalog_node::fuzzing::addresses(bytes);
    if let Some(lease) = same(bytes, Lease::decode, Lease::encode) {
        Mirror::new(lease, Some(bytes));
    }
    if let Ok(filter) = Filter::decode(bytes) {
        let written = filter.encode().expect("no more is read than can be said");
        assert_eq!(Filter::decode(&written).as_ref(), Ok(&filter));
        filter.accepts_variant(&SUBJECT, &"anywhere".parse().expect("a name"));
    }
    if let Some(page) = same(bytes, Page::decode, Page::encode) {
        holds(page);
    }
    if let Some(demand) = same(bytes, Demand::decode, Demand::encode) {
        is_asked_for(&demand);
    }
});

/// Reads `bytes`; what is read is written back with the same meaning.
fn same<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, CodecError>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let read = decode(bytes).ok()?;
    let written = encode(&read);
    assert!(written.len() <= bytes.len());
    assert_eq!(decode(&written).as_ref(), Ok(&read));
    Some(read)
}

/// Whoever says that it holds something is found, until it is forgotten.
fn holds(page: Page) {
    let (node, root) = (NodeId::from_bytes([9; 32]), Digest::of(b"root"));
    let (mut directory, generation) = (Directory::new(), page.generation);
    let (names, number) = (page.names(&root), PageNumber::of(&root));
    page.count();
    for _ in 0..2 {
        directory.set(node, number, page.clone());
        assert_eq!(directory.holds(&node, generation, &root), names);
        assert!(!names || directory.claimants(&root).contains(&node));
    }
    directory.forget(&node);
    assert!(directory.claimants(&root).is_empty());
}

/// Three mirrors say the same: it is warmer for each, and nothing is left when they are forgotten.
fn is_asked_for(demand: &Demand) {
    let mirrors = [1, 2, 3].map(|byte| NodeId::from_bytes([byte; 32]));
    let mut heat = Heat::new();
    let mut before = 0;
    for mirror in mirrors {
        heat.merge(mirror, demand, 1000);
        let all = heat.mentioned().map(|prefix| heat.of(prefix, 7));
        let total = all.map(|warmth| (assert!(warmth.soon <= 1000), warmth.total()).1).max();
        assert!(total.unwrap_or_default() >= before);
        before = total.unwrap_or_default();
    }
    for mirror in mirrors {
        heat.forget(&mirror);
    }
    assert_eq!(heat.mentioned().count(), 0);
}
