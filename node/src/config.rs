//! Where a node keeps its things and how far it may reach.
//!
//! In: a [`Home`] (five folders) and the few switches a person sets. Out: the path of every file a
//! node owns, so that no other module joins paths of its own. Nothing is created or read here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::name::{NodeName, Region};
use catalog::permission::NodeId;
use catalog::size::ByteSize;
use catalog_sync::conflict::Rules;
use catalog_sync::view::Selection;

use crate::mirror::Terms;
use crate::shaping::Limits;
use crate::shaping::policy::Policy;
use crate::topology::Strategy;

/// Connections served at once; beyond it the next one is refused before it costs anything.
pub const CONNECTIONS_MAX: usize = 256;

/// How often peers are looked at when nothing is heard of them.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(300);

/// The folders of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// What a person writes: settings, named profiles.
    pub config: PathBuf,
    /// What must not be lost: keys, statements, blobs, installed packages.
    pub data: PathBuf,
    /// What can be rebuilt: the search index.
    pub cache: PathBuf,
    /// What is convenient to keep: the port of last time.
    pub state: PathBuf,
    /// What ends with the process: the control socket.
    pub runtime: PathBuf,
}

impl Home {
    /// All five folders inside `dir`.
    pub fn at(dir: &Path) -> Self {
        Self {
            config: dir.join("config"),
            data: dir.join("data"),
            cache: dir.join("cache"),
            state: dir.join("state"),
            runtime: dir.join("run"),
        }
    }
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    home: Home,
    listen: SocketAddr,
    lan_discovery: bool,
    quota: Option<ByteSize>,
    connections_max: usize,
    sync_interval: Duration,
    selection: Option<Selection>,
    policies: Rules,
    announced: bool,
    name: Option<NodeName>,
    region: Option<Region>,
    policy: Policy,
    attestations: usize,
    counts_usage: bool,
    patches: bool,
    strategy: Strategy,
    backbones: Vec<NodeId>,
    feature_log: Option<PathBuf>,
    heeds_forecasts: bool,
    mirror: Terms,
    friends: Vec<NodeId>,
}

impl NodeConfig {
    /// A node whose folders are `home`, reachable on every address of this machine.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            lan_discovery: false,
            quota: None,
            connections_max: CONNECTIONS_MAX,
            sync_interval: SYNC_INTERVAL,
            selection: None,
            policies: Rules::default(),
            announced: true,
            name: None,
            region: None,
            policy: Policy::default(),
            attestations: 1,
            counts_usage: true,
            patches: true,
            strategy: Strategy::default(),
            backbones: Vec::new(),
            feature_log: None,
            heeds_forecasts: true,
            mirror: Terms::default(),
            friends: Vec::new(),
        }
    }

    /// A node that keeps everything inside `dir`.
    pub fn at(dir: &Path) -> Self {
        Self::new(Home::at(dir))
    }

    /// Listens on `addr`. Port 0 stands for the port of last time while it is free, so that
    /// tickets stay good over a restart.
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Finds and is found by nodes on the local network (mDNS). Off unless asked for.
    pub fn lan_discovery(mut self, on: bool) -> Self {
        self.lan_discovery = on;
        self
    }

    /// Refuses to fetch what would let the blobs grow beyond `bytes`.
    pub fn quota(mut self, bytes: ByteSize) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// Serves at most `count` connections at once.
    pub fn connections_max(mut self, count: usize) -> Self {
        self.connections_max = count.max(1);
        self
    }

    /// Looks at every peer at least this often, give or take a tenth; a second at least.
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval.max(Duration::from_secs(1));
        self
    }

    /// Holds only these releases of what peers have, and what must not wait.
    pub fn select(mut self, selection: Selection) -> Self {
        self.selection = Some(selection).filter(|selection| *selection != Selection::default());
        self
    }

    /// How often peers are looked at.
    pub fn interval(&self) -> Duration {
        self.sync_interval
    }

    /// The releases that are held, if not all.
    pub fn selection(&self) -> Option<&Selection> {
        self.selection.as_ref()
    }

    /// Whether others are told what this node runs and holds. They are unless this says no.
    pub fn announce(mut self, on: bool) -> Self {
        self.announced = on;
        self
    }

    /// Calls the node so where it announces itself.
    pub fn called(mut self, name: NodeName) -> Self {
        self.name = Some(name);
        self
    }

    /// Says that the node is there where it announces itself.
    pub fn located_in(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Sends contents to peers no faster than this, until it is set otherwise.
    pub fn limit_upload(mut self, limits: Limits) -> Self {
        self.policy.upload = limits;
        self
    }

    /// Uses the line in this way, until it is set otherwise.
    pub fn use_line(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether what is used here is counted, for the order of results here. It is unless this
    /// says no; then what was counted before is forgotten, too.
    pub fn count_usage(mut self, on: bool) -> Self {
        self.counts_usage = on;
        self
    }

    /// Whether what is used here is counted.
    pub fn counts_usage(&self) -> bool {
        self.counts_usage
    }

    /// Installs what wants to be attested only if so many publishers that are trusted here do.
    pub fn want_attestations(mut self, count: usize) -> Self {
        self.attestations = count;
        self
    }

    /// How many attestations are needed to install what wants to be attested.
    pub fn attestations(&self) -> usize {
        self.attestations
    }

    /// How the line is used at first.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Lets updates come as patches, and makes patches for others. It does unless this says no.
    pub fn patches(mut self, on: bool) -> Self {
        self.patches = on;
        self
    }

    /// Whether patches are asked for and made.
    pub fn has_patches(&self) -> bool {
        self.patches
    }

    /// Chooses whom to ask for contents by this, unless a request says otherwise.
    pub fn choose_sources_by(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Asks these nodes, which serve everybody, only when no other is enough.
    pub fn backbone(mut self, nodes: Vec<NodeId>) -> Self {
        self.backbones = nodes;
        self
    }

    /// Lets these nodes wait for nobody who has not given much, whatever they gave themselves.
    pub fn befriend(mut self, nodes: Vec<NodeId>) -> Self {
        self.friends = nodes;
        self
    }

    /// The nodes that need not have given anything.
    pub fn friends(&self) -> &[NodeId] {
        &self.friends
    }

    /// Writes what forecasts of providers are made from to this file, 16 MiB at most.
    pub fn log_features(mut self, file: PathBuf) -> Self {
        self.feature_log = Some(file);
        self
    }

    /// Asks less of providers that are expected to fail, as it does unless told otherwise.
    pub fn heed_forecasts(mut self, heeds: bool) -> Self {
        self.heeds_forecasts = heeds;
        self
    }

    /// Whether less is asked of providers that are expected to fail.
    pub fn heeds_forecasts(&self) -> bool {
        self.heeds_forecasts
    }

    /// Mirrors on these terms, once it is told to mirror.
    pub fn mirror_by(mut self, terms: Terms) -> Self {
        self.mirror = terms;
        self
    }

    /// The terms on which the node mirrors.
    pub fn mirror(&self) -> &Terms {
        &self.mirror
    }

    /// Where it is written what forecasts are made from, if it is.
    pub fn feature_log(&self) -> Option<&Path> {
        self.feature_log.as_deref()
    }

    /// By what it is chosen whom to ask for contents.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The nodes that are asked only when no other is enough.
    pub fn backbones(&self) -> &[NodeId] {
        &self.backbones
    }

    /// Whether others are told what this node runs and holds.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// What the node calls itself.
    pub fn name(&self) -> Option<&NodeName> {
        self.name.as_ref()
    }

    /// Where the node says that it is.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Answers conflicts by these policies.
    pub fn answer_conflicts_by(mut self, policies: Rules) -> Self {
        self.policies = policies;
        self
    }

    /// How conflicts are answered.
    pub fn policies(&self) -> &Rules {
        &self.policies
    }

    /// The folders.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The address asked for.
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen
    }

    /// Whether nodes on the local network are looked for.
    pub fn is_lan_discovery(&self) -> bool {
        self.lan_discovery
    }

    /// The ceiling for blobs, when there is one.
    pub fn blob_quota(&self) -> Option<ByteSize> {
        self.quota
    }

    /// The ceiling for connections.
    pub fn connection_ceiling(&self) -> usize {
        self.connections_max
    }

    /// The publisher's secret, mode 0600.
    pub fn identity_path(&self) -> PathBuf {
        self.home.data.join("identity.key")
    }

    /// The node's secret, mode 0600.
    pub fn node_key_path(&self) -> PathBuf {
        self.home.data.join("node.key")
    }

    /// Statements, peers, holds and installs.
    pub fn store_dir(&self) -> PathBuf {
        self.home.data.join("store")
    }

    /// File contents.
    pub fn blobs_dir(&self) -> PathBuf {
        self.home.data.join("blobs")
    }

    /// Installed packages.
    pub fn packages_dir(&self) -> PathBuf {
        self.home.data.join("packages")
    }

    /// What is used here, which orders search results.
    pub fn usage_path(&self) -> PathBuf {
        self.home.data.join("usage")
    }

    /// What is mirrored, as a person decided.
    pub fn mirror_path(&self) -> PathBuf {
        self.home.data.join("mirror")
    }

    /// How often contents were served, by region.
    pub fn demand_path(&self) -> PathBuf {
        self.home.state.join("demand")
    }

    /// What peers were given and gave.
    pub fn account_path(&self) -> PathBuf {
        self.home.data.join("account")
    }

    /// The search index.
    pub fn index_dir(&self) -> PathBuf {
        self.home.cache.join("index")
    }

    /// Patches that were made for others.
    pub fn patches_dir(&self) -> PathBuf {
        self.home.cache.join("patches")
    }

    /// The UDP port of last time.
    pub fn port_path(&self) -> PathBuf {
        self.home.state.join("port")
    }

    /// Who was caught sending wrong bytes.
    pub fn bans_path(&self) -> PathBuf {
        self.home.state.join("bans")
    }

    /// The control socket.
    pub fn socket_path(&self) -> PathBuf {
        self.home.runtime.join("control.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_node_at_a_folder_lies_inside_it() {
        let dir = Path::new("/some/where");
        let config = NodeConfig::at(dir);
        for path in [
            config.identity_path(),
            config.node_key_path(),
            config.store_dir(),
            config.blobs_dir(),
            config.packages_dir(),
            config.usage_path(),
            config.account_path(),
            config.index_dir(),
            config.patches_dir(),
            config.port_path(),
            config.socket_path(),
        ] {
            assert!(path.starts_with(dir), "{}", path.display());
        }
    }
}
