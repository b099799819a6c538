//! Nodes in temporary folders, and releases to publish.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use catalog::draft::{Draft, SourceEntry, VariantDraft};
use catalog::permission::Permission;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::PackageKind;
use tempfile::TempDir;

use crate::fetch::TransferProgress;
use crate::publish::Published;
use crate::{Node, NodeConfig};

/// A node with a home of its own.
pub(crate) struct Machine {
    pub dir: TempDir,
    pub node: Node,
}

impl Machine {
    /// A node that only hears the loopback interface.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = open(dir.path()).await;
        Self { dir, node }
    }

    /// A node that is set up so, beside hearing the loopback interface only.
    pub(crate) async fn set_up(change: impl FnOnce(NodeConfig) -> NodeConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = open_as(change(config(dir.path()))).await;
        Self { dir, node }
    }

    /// A node that knows no patches.
    pub(crate) async fn without_patches() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = open_as(config(dir.path()).patches(false)).await;
        Self { dir, node }
    }

    /// A node with a publisher identity.
    pub(crate) async fn publisher(alias: &str) -> Self {
        let machine = Self::new().await;
        machine.node.init(Some(alias.parse().unwrap())).await.unwrap();
        machine
    }

    /// Closes the node and opens it again.
    pub(crate) async fn restart(self) -> Self {
        let Self { dir, node } = self;
        node.shutdown().await.unwrap();
        drop(node);
        let node = open(dir.path()).await;
        Self { dir, node }
    }

    /// Closes the node and opens it again as one that knows no patches.
    pub(crate) async fn restart_without_patches(self) -> Self {
        let Self { dir, node } = self;
        node.shutdown().await.unwrap();
        drop(node);
        let node = open_as(config(dir.path()).patches(false)).await;
        Self { dir, node }
    }

    /// Makes `other` a peer of this one.
    pub(crate) async fn meet(&self, other: &Self) -> crate::Connected {
        let ticket = other.node.ticket().await.unwrap();
        self.node.connect(&ticket).await.unwrap()
    }

    pub(crate) async fn publish(&self, draft: Draft) -> Published {
        self.node.publish(draft).await.unwrap()
    }
}

/// A peer on loopback that speaks one protocol and is no node of ours.
pub(crate) async fn stranger(alpn: &[u8]) -> iroh::Endpoint {
    iroh::Endpoint::builder(iroh::endpoint::presets::Minimal)
        .alpns(vec![alpn.to_vec()])
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .bind()
        .await
        .unwrap()
}

pub(crate) async fn open(dir: &Path) -> Node {
    open_as(config(dir)).await
}

fn config(dir: &Path) -> NodeConfig {
    NodeConfig::at(dir).listen("127.0.0.1:0".parse().unwrap())
}

async fn open_as(config: NodeConfig) -> Node {
    let profile =
        Profile::named("x86-64-v3").or_else(|| Profile::names().next().and_then(Profile::named));
    Node::builder(config).profile(profile.unwrap()).spawn().await.unwrap()
}

/// Bytes without any pattern, the same for the same seed.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..bytes.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes).collect()
}

/// Files by path.
pub(crate) type Files<'a> = &'a [(&'a str, Vec<u8>)];

/// A draft whose variants have these files; the sources are written to `dir`.
pub(crate) fn draft(
    dir: &Path,
    name: &str,
    version: &str,
    variants: &[(&str, Files<'_>)],
) -> Draft {
    let variants = variants.iter().map(|(id, files)| {
        let sources = dir.join(format!("source-{name}-{version}-{id}"));
        let entries = files.iter().map(|(path, bytes)| {
            let source = sources.join(path);
            std::fs::create_dir_all(source.parent().unwrap()).unwrap();
            std::fs::write(&source, bytes).unwrap();
            let executable = path.starts_with("bin/");
            SourceEntry::File { path: path.parse().unwrap(), source, executable }
        });
        VariantDraft {
            id: id.parse().unwrap(),
            requires: BTreeMap::new(),
            prefers: BTreeMap::new(),
            resources: Default::default(),
            fallback: false,
            quality: 50,
            entries: entries.collect(),
        }
    });
    Draft {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        kind: PackageKind::Service,
        summary: format!("The {name} of the tests"),
        license: "MIT".to_owned(),
        keywords: vec!["graph".to_owned()],
        tags: vec![],
        provides: vec![],
        dependencies: vec![],
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        mirror: Default::default(),
        description: None,
        provenance: None,
        extensions: BTreeMap::new(),
        variants: variants.collect(),
    }
}

/// A draft of one variant with one large and a few small files.
pub(crate) fn simple(dir: &Path, name: &str, version: &str, seed: u64) -> Draft {
    let files: &[(&str, Vec<u8>)] = &[
        ("bin/run", noise(3_000_000, seed)),
        ("share/data", noise(200_000, seed + 1)),
        ("share/empty", vec![]),
        ("README", format!("{name} {version}").into_bytes()),
    ];
    draft(dir, name, version, &[("any", files)])
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Collects what a transfer reports.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<TransferProgress>>>);

impl Events {
    pub(crate) fn recorder(&self) -> impl Fn(TransferProgress) + Send + Sync + 'static {
        let events = self.0.clone();
        move |event| events.lock().unwrap().push(event)
    }

    pub(crate) fn all(&self) -> Vec<TransferProgress> {
        self.0.lock().unwrap().clone()
    }
}
