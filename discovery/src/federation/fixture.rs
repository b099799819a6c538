//! Publishers who sign, and what honest peers answer.

use std::collections::BTreeMap;

use catalog::identity::{Identity, PublisherId};
use catalog::permission::{NodeId, Permission};
use catalog::release::{MirrorHints, PackageKind, Release};
use catalog::signature::SecretKey;
use catalog::statement::{SealedStatement, Statement};
use catalog::variant::{Resources, Variant};
use catalog::{ByteSize, Digest, Timestamp};

use crate::federation::answer::Answer;

/// A publisher with keys.
pub struct Signer(Identity);

impl Signer {
    pub fn new(seed: u8) -> Self {
        let key = |byte| SecretKey::from_bytes(&[byte; 32]);
        let time = Timestamp::from_millis(1_800_000_000_000);
        Self(Identity::of_keys(key(seed), key(seed.wrapping_add(128)), None, time))
    }

    pub fn publisher(&self) -> PublisherId {
        self.0.publisher()
    }

    pub fn inception(&self) -> SealedStatement {
        self.0.inception().clone()
    }

    pub fn seal(&self, release: &Release) -> SealedStatement {
        SealedStatement::seal(&Statement::Release(release.clone()), self.0.key()).unwrap()
    }

    pub fn release(&self, name: &str, version: &str) -> Release {
        Release {
            publisher: self.publisher(),
            seq: 1,
            time: Timestamp::from_millis(1_800_000_000_000),
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
            kind: PackageKind::Service,
            summary: format!("The {name} package"),
            license: "MIT".to_owned(),
            keywords: Vec::new(),
            tags: Vec::new(),
            provides: Vec::new(),
            dependencies: Vec::new(),
            capabilities: BTreeMap::new(),
            permission: Permission::Public,
            mirror: MirrorHints::default(),
            description: None,
            provenance: None,
            variants: vec![variant()],
            extensions: BTreeMap::new(),
        }
    }

    /// An honest answer with version 1.0.0 of these packages.
    pub fn answer(&self, names: &[&str]) -> Answer {
        let releases = names.iter().map(|name| self.seal(&self.release(name, "1.0.0")));
        let releases = releases.collect();
        Answer { inceptions: vec![self.inception()], releases, counts: None }
    }
}

fn variant() -> Variant {
    Variant {
        id: "anywhere".parse().unwrap(),
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

pub fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}
