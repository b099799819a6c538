//! Releases for unit tests.

use catalog::identity::PublisherId;
use catalog::release::{MirrorHints, PackageId, PackageKind, Release};
use catalog::{ByteSize, Digest, Permission, Resources, Timestamp, Variant};

pub(crate) fn publisher(name: &str) -> PublisherId {
    PublisherId::of_inception(name.as_bytes())
}

/// `acme/graphdb` as an id.
pub(crate) fn package(text: &str) -> PackageId {
    let (by, name) = text.split_once('/').unwrap();
    PackageId { publisher: publisher(by), name: name.parse().unwrap() }
}

/// A release of `acme/graphdb` that runs anywhere.
pub(crate) fn release(text: &str) -> Release {
    let PackageId { publisher, name } = package(text);
    let variant = Variant {
        id: "any".parse().unwrap(),
        requires: Default::default(),
        prefers: Default::default(),
        resources: Resources::default(),
        fallback: false,
        quality: 50,
        root: Digest::of(b"root"),
        tree: Digest::of(b"tree"),
        size: ByteSize::bytes(1),
        files: 1,
    };
    Release {
        publisher,
        seq: 1,
        time: Timestamp::from_millis(1),
        summary: format!("The {name} database"),
        name,
        version: semver::Version::new(1, 0, 0),
        kind: PackageKind::Service,
        license: "MIT".to_owned(),
        keywords: Vec::new(),
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: Default::default(),
        permission: Permission::Public,
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        variants: vec![variant],
        extensions: Default::default(),
    }
}
