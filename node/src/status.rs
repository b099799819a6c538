//! Says how the node is, for people and for scripts.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use catalog::digest::Digest;
use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::size::ByteSize;
use catalog::store::StoreError;
use serde::{Deserialize, Serialize};

use crate::announce::Said;
use crate::disk;
use crate::node::Node;
use crate::peers::{PeerInfo, causes};

/// Below this much free space, things begin to fail.
const FREE_MIN: ByteSize = ByteSize::gib(1);

/// So many statements that wait to be announced are counted, no more.
const OUTBOX_SHOWN_MAX: usize = 1000;

/// How the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of this program.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// How long it runs.
    pub uptime_ms: u64,
    /// The node.
    pub node: NodeId,
    /// Who publishes here.
    pub publisher: Option<PublisherId>,
    /// What that publisher is called here.
    pub petname: Option<Petname>,
    /// Where it listens; empty while it is not online.
    pub listening: Vec<SocketAddr>,
    /// Whom it knows.
    pub peers: Vec<PeerInfo>,
    /// How many of them are connected right now.
    pub connected: u64,
    /// What nodes say about themselves, peers first.
    pub nodes: Vec<Said>,
    /// Whether most of the usual ones are out of reach: what is published meanwhile waits here.
    pub partitioned: bool,
    /// Our own statements that no peer was told of yet.
    pub outbox: u64,
    /// One hash over all records: two nodes that show the same one hold the same.
    pub catalog_root: Digest,
    /// Packages that are known.
    pub packages: u64,
    /// Versions of them that are known.
    pub releases: u64,
    /// Packages that are installed.
    pub installs: u64,
    /// What the contents take on disk.
    pub blobs: ByteSize,
    /// What is free there.
    pub free: Option<ByteSize>,
    /// Changes that the search index has not seen; `None` while it is not open.
    pub index_behind: Option<u64>,
    /// Contents that a crash tore and that were not fetched again.
    pub torn: u64,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// What.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// In words.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, but somebody should look at it.
    Warning,
    /// It does not work.
    Bad,
}

impl Checkup {
    fn new(name: &str, health: Health, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), health, detail: detail.into(), hint: None }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

impl Node {
    /// How the node is. Opens neither socket nor blob store.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let (inner, store) = (&self.0, &self.0.store);
        let packages = store.packages()?;
        let mut releases = 0;
        for package in &packages {
            releases += store.versions(package)?.len() as u64;
        }
        let publisher = self.publisher();
        let petname = match &publisher {
            Some(publisher) => store.petname(publisher)?,
            None => None,
        };
        let blobs_dir = inner.config.blobs_dir();
        let index_behind = match inner.open_index() {
            Some(index) => Some(store.last_change()?.saturating_sub(index.cursor().change)),
            None => None,
        };
        let peers = self.peers().await?;
        let connected = peers.iter().filter(|peer| peer.connected).count();
        let root = self.0.catalog_root().await?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: inner.started.elapsed().as_millis() as u64,
            node: inner.id,
            publisher,
            petname,
            listening: self.addrs(),
            connected: connected as u64,
            partitioned: inner.open_net().is_some() && inner.reach()?.is_partitioned(),
            outbox: store.outbox(OUTBOX_SHOWN_MAX)?.len() as u64,
            catalog_root: root,
            peers,
            nodes: inner.said()?,
            packages: packages.len() as u64,
            releases,
            installs: store.installs()?.len() as u64,
            blobs: disk::used(&blobs_dir),
            free: disk::free(&inner.config.home().data),
            index_behind,
            torn: inner.torn().len() as u64,
        })
    }

    /// Looks at everything that is known to go wrong on people's machines.
    pub async fn doctor(&self) -> Vec<Checkup> {
        vec![
            self.check_store(),
            self.check_blobs().await,
            self.check_key(),
            self.check_disk(),
            self.check_network().await,
            self.check_peers(),
        ]
    }

    fn check_store(&self) -> Checkup {
        let name = "store";
        match self.0.store.packages() {
            Ok(packages) => {
                Checkup::new(name, Health::Good, format!("open, {} packages", packages.len()))
            }
            Err(error) => {
                Checkup::new(name, Health::Bad, causes(&error)).hint("try catalog verify")
            }
        }
    }

    async fn check_blobs(&self) -> Checkup {
        let name = "contents";
        match self.0.blobs().await {
            Ok(_) if self.0.torn().is_empty() => {
                let used = disk::used(&self.0.config.blobs_dir());
                Checkup::new(name, Health::Good, format!("open, {used} on disk"))
            }
            Ok(_) => {
                let torn = self.0.torn().len();
                Checkup::new(name, Health::Bad, format!("{torn} files were lost in a crash"))
                    .hint("try catalog verify --repair")
            }
            Err(error) => Checkup::new(name, Health::Bad, causes(&error)),
        }
    }

    fn check_key(&self) -> Checkup {
        let (name, path) = ("keys", self.0.config.identity_path());
        if self.publisher().is_none() {
            return Checkup::new(
                name,
                Health::Good,
                "no publisher identity; only needed to publish",
            );
        }
        if is_private(&path) && is_private(&self.0.config.node_key_path()) {
            Checkup::new(name, Health::Good, "readable by their owner only")
        } else {
            Checkup::new(name, Health::Bad, format!("others can read {}", path.display()))
                .hint("try chmod 600 on the key files")
        }
    }

    fn check_disk(&self) -> Checkup {
        let name = "disk";
        match disk::free(&self.0.config.home().data) {
            Some(free) if free < FREE_MIN => {
                Checkup::new(name, Health::Warning, format!("only {free} free"))
                    .hint("try catalog gc")
            }
            Some(free) => Checkup::new(name, Health::Good, format!("{free} free")),
            None => Checkup::new(name, Health::Warning, "free space is unknown"),
        }
    }

    async fn check_network(&self) -> Checkup {
        let name = "network";
        match self.online().await {
            Ok(()) => {
                let addrs: Vec<String> = self.addrs().iter().map(ToString::to_string).collect();
                Checkup::new(name, Health::Good, format!("listening on {}", addrs.join(", ")))
            }
            Err(error) => Checkup::new(name, Health::Bad, causes(&error)),
        }
    }

    fn check_peers(&self) -> Checkup {
        let name = "peers";
        match self.0.candidates() {
            Ok(peers) if peers.is_empty() => Checkup::new(name, Health::Warning, "none known")
                .hint("try catalog peer add TICKET"),
            Ok(peers) => Checkup::new(name, Health::Good, format!("{} known", peers.len())),
            Err(error) => Checkup::new(name, Health::Bad, causes(&error)),
        }
    }
}

fn is_private(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0)
}
