//! Publishers and statements that tests share; the same on every run.

use crate::cbor::{Map, Value};
use crate::digest::{Digest, Sha256Digest};
use crate::identity::{Identity, PublisherId};
use crate::permission::{NodeId, Permission};
use crate::release::{Dependency, MirrorHints, PackageKind, Provenance, Release};
use crate::sealed::{KeyId, WrappedKey};
use crate::signature::SecretKey;
use crate::size::ByteSize;
use crate::time::Timestamp;
use crate::variant::tests::fixture as variant;

use super::{Attestation, ChannelMove, Content, Grant, Parcel, Statement, StatementId, Yank};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// A signing key that is different for each `n`.
pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes(&[n; 32])
}

/// A publisher that is different for each `n`, called `acme`.
pub(crate) fn identity(n: u8) -> Identity {
    Identity::of_keys(key(n), key(n.wrapping_add(100)), Some("acme".parse().unwrap()), NOW)
}

/// A release of `graphdb` with every field filled and two variants.
pub(crate) fn release(publisher: PublisherId, seq: u64, version: &str) -> Release {
    let mut high = variant("high-x86-v3", "os=linux cpu.level=x86-64-v3 libc=glibc>=2.31");
    high.resources.memory.min = Some(ByteSize::gib(8));
    let mut wasm = variant("wasm", "runtime=wasip2");
    wasm.fallback = true;
    Release {
        publisher,
        seq,
        time: NOW,
        name: "graphdb".parse().unwrap(),
        version: version.parse().unwrap(),
        kind: PackageKind::Service,
        summary: "Property-graph store with a Bolt endpoint".into(),
        license: "Apache-2.0".into(),
        keywords: vec!["graph".into(), "database".into()],
        tags: vec!["storage".into()],
        provides: vec!["iface:graph-query@1".into()],
        dependencies: vec![Dependency {
            publisher,
            name: "bolt-proto".parse().unwrap(),
            range: "^2.1".parse().unwrap(),
            optional: true,
            on: Some("same-node".into()),
        }],
        capabilities: [("network".into(), vec!["listen:7687/tcp".into()])].into(),
        permission: Permission::Public,
        sealed: None,
        mirror: MirrorHints {
            replicas: Some(3),
            regions: vec!["eu".into()],
            priority: Some("normal".into()),
        },
        description: Some("# graphdb\n\nA graph store.\n".into()),
        provenance: Some(Provenance {
            ecosystem: "npm".into(),
            name: "@acme/graphdb".into(),
            version: "1.4.0".into(),
            files: vec![(
                "wasm".parse().unwrap(),
                "graphdb-1.4.0.tgz".into(),
                Sha256Digest::from_bytes([7; 32]),
            )],
        }),
        variants: vec![high, wasm],
        extensions: [("x-team".into(), "storage".into())].into(),
    }
}

/// A release with nothing but what it must have.
pub(crate) fn bare_release(publisher: PublisherId, seq: u64) -> Release {
    Release {
        summary: String::new(),
        license: "MIT".into(),
        keywords: vec![],
        tags: vec![],
        provides: vec![],
        dependencies: vec![],
        capabilities: [].into(),
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        variants: vec![variant("any", "")],
        extensions: [].into(),
        ..release(publisher, seq, "0.1.0")
    }
}

pub(crate) fn channel(publisher: PublisherId, seq: u64) -> ChannelMove {
    ChannelMove {
        publisher,
        seq,
        time: NOW,
        name: "graphdb".parse().unwrap(),
        channel: "stable".parse().unwrap(),
        version: "1.4.0".parse().unwrap(),
        after: [].into(),
    }
}

pub(crate) fn yank(publisher: PublisherId, seq: u64) -> Yank {
    Yank {
        publisher,
        seq,
        time: NOW,
        name: "graphdb".parse().unwrap(),
        version: "1.4.0".parse().unwrap(),
        yanked: true,
        reason: "loses writes on power cuts".into(),
    }
}

pub(crate) fn grant(publisher: PublisherId, seq: u64) -> Grant {
    Grant {
        publisher,
        seq,
        time: NOW,
        granted: true,
        scope: "graph*".parse().unwrap(),
        nodes: [NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32])].into(),
        until: Some(Timestamp::from_millis(NOW.as_millis() + 1000)),
    }
}

pub(crate) fn attestation(publisher: PublisherId, seq: u64) -> Attestation {
    Attestation {
        publisher,
        seq,
        time: NOW,
        release: StatementId::from_digest(Digest::from_bytes([9; 32])),
        attested: true,
        note: "built again, same bytes".into(),
    }
}

pub(crate) fn parcel(publisher: PublisherId, seq: u64) -> Parcel {
    Parcel {
        publisher,
        seq,
        time: NOW,
        key: KeyId::from_digest(Digest::from_bytes([3; 32])),
        readers: [(NodeId::from_bytes([1; 32]), WrappedKey::from_bytes([7; 80]))].into(),
        carriers: [].into(),
        contents: vec![],
    }
}

/// The same contents, to be carried.
pub(crate) fn carried(publisher: PublisherId, seq: u64) -> Parcel {
    let root = Digest::from_bytes([4; 32]);
    Parcel {
        readers: [].into(),
        carriers: [NodeId::from_bytes([2; 32])].into(),
        contents: vec![Content { root, tree: root, size: ByteSize::bytes(5), files: 2 }],
        ..parcel(publisher, seq)
    }
}

/// One statement of each kind, by the same publisher.
pub(crate) fn all(identity: &Identity) -> [Statement; 7] {
    let publisher = identity.publisher();
    [
        Statement::Inception(identity.inception().open_inception().unwrap()),
        Statement::Release(release(publisher, 1, "1.4.0")),
        Statement::Channel(channel(publisher, 2)),
        Statement::Yank(yank(publisher, 3)),
        Statement::Grant(grant(publisher, 4)),
        Statement::Attestation(attestation(publisher, 5)),
        Statement::Parcel(parcel(publisher, 6)),
    ]
}

/// Takes a body apart, changes it, and puts it together again, canonical as ever.
pub(crate) fn rewrite(body: &[u8], change: impl FnOnce(&mut Map)) -> Vec<u8> {
    let Value::Map(mut map) = crate::cbor::decode(body, usize::MAX).unwrap() else {
        panic!("a body is a map")
    };
    change(&mut map);
    crate::cbor::encode(&Value::Map(map))
}

/// The digest of a word, for tests that need some hash.
pub(crate) fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}
