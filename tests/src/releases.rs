//! Releases of which only the name matters; a test says what else it cares about.

use std::collections::BTreeMap;

use catalog::permission::Permission;
use catalog::release::{MirrorHints, PackageKind, Release};
use catalog::variant::{Resources, Variant};
use catalog::{ByteSize, Digest, PublisherId, Timestamp};

/// Version 1.0.0 of a package, with one variant that runs anywhere.
pub fn release(publisher: PublisherId, name: &str) -> Release {
    Release {
        publisher,
        seq: 1,
        time: Timestamp::from_millis(1_800_000_000_000),
        name: name.parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        kind: PackageKind::Service,
        summary: format!("The {name} package"),
        license: "MIT".to_owned(),
        keywords: Vec::new(),
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        sealed: None,
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        variants: vec![variant("anywhere")],
        extensions: BTreeMap::new(),
    }
}

/// A variant that asks for nothing.
pub fn variant(id: &str) -> Variant {
    Variant {
        id: id.parse().unwrap(),
        requires: BTreeMap::new(),
        prefers: BTreeMap::new(),
        resources: Resources::default(),
        fallback: false,
        quality: 50,
        root: Digest::of(b"root"),
        tree: Digest::of(b"tree"),
        size: ByteSize::bytes(1),
        files: 1,
    }
}
