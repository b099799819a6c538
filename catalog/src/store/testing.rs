//! What the tests of the store share: publishers, releases, and a store in memory.

mod crash;
mod measure;
mod owner;

use std::collections::BTreeMap;

use redb::backends::InMemoryBackend;

use super::{Incoming, Store};
use crate::Digest;
use crate::identity::Identity;
use crate::permission::Permission;
use crate::release::{MirrorHints, PackageKind, Release};
use crate::size::ByteSize;
use crate::statement::{ChannelMove, Grant, Statement, Yank};
use crate::time::Timestamp;
use crate::variant::{Resources, Variant};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) fn store() -> Store {
    Store::over(InMemoryBackend::new()).unwrap()
}

pub(crate) fn publisher(alias: &str) -> Identity {
    Identity::generate(Some(alias.parse().unwrap()), NOW)
}

/// A small public release; its content follows from name, version and `content`.
pub(crate) fn release(
    identity: &Identity,
    seq: u64,
    name: &str,
    version: &str,
    content: &str,
) -> Release {
    let root = Digest::of(format!("{name} {version} {content}").as_bytes());
    Release {
        publisher: identity.publisher(),
        seq,
        time: NOW,
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        kind: PackageKind::Client,
        summary: format!("the package {name}"),
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
        variants: vec![Variant {
            id: "generic".parse().unwrap(),
            requires: BTreeMap::new(),
            prefers: BTreeMap::new(),
            resources: Resources::default(),
            fallback: false,
            quality: 50,
            root,
            tree: Digest::of(root.as_bytes()),
            size: ByteSize::bytes(content.len() as u64),
            files: 1,
        }],
        extensions: BTreeMap::new(),
    }
}

pub(crate) fn yank(
    identity: &Identity,
    seq: u64,
    name: &str,
    version: &str,
    yanked: bool,
) -> Statement {
    Statement::Yank(Yank {
        publisher: identity.publisher(),
        seq,
        time: NOW,
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        yanked,
        reason: "broken".to_owned(),
    })
}

pub(crate) fn channel(
    identity: &Identity,
    seq: u64,
    name: &str,
    channel: &str,
    version: &str,
) -> Statement {
    Statement::Channel(ChannelMove {
        publisher: identity.publisher(),
        seq,
        time: NOW,
        name: name.parse().unwrap(),
        channel: channel.parse().unwrap(),
        version: version.parse().unwrap(),
        after: BTreeMap::new(),
    })
}

pub(crate) fn grant(
    identity: &Identity,
    seq: u64,
    scope: &str,
    node: crate::NodeId,
    granted: bool,
    until: Option<Timestamp>,
) -> Statement {
    Statement::Grant(Grant {
        publisher: identity.publisher(),
        seq,
        time: NOW,
        granted,
        scope: scope.parse().unwrap(),
        nodes: [node].into(),
        until,
    })
}

impl Store {
    /// Publishes a small release, which must work.
    pub(crate) fn publish(
        &self,
        identity: &Identity,
        name: &str,
        version: &str,
    ) -> super::Appended {
        self.append(identity, NOW, |seq| {
            Statement::Release(release(identity, seq, name, version, ""))
        })
        .unwrap()
    }

    /// Everything that this store would send to `reader`, as the other side takes it in.
    pub(crate) fn sent_to(&self, reader: crate::permission::Reader, since: u64) -> Vec<Incoming> {
        let changes = self.changes_for(reader, since, usize::MAX).unwrap();
        changes.into_iter().map(|change| change.item.into()).collect()
    }
}
