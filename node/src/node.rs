//! The node: what is open, what runs, and how it ends.
//!
//! Guarantees: opening binds no socket and opens no blob store; both wait until somebody needs
//! them, so that a question to the local index costs milliseconds. Every task is owned: after
//! [`Node::shutdown`] nothing of the node runs any more and everything it acknowledged is on disk.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use catalog::digest::Digest;
use catalog::identity::{Identity, IdentityError, PublisherId};
use catalog::install::{InstallError as WriteError, Installer};
use catalog::permission::NodeId;
use catalog::profile::Profile;
use catalog::store::{Readiness, Store, StoreError};
use catalog::time::Timestamp;
use catalog_discovery::{Index, IndexError};
use catalog_sync::Keeper;
use tokio::sync::OnceCell;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::access;
use crate::account::{self, Account};
use crate::audit::Auditor;
use crate::blobs::{Blobs, BlobsError};
use crate::blocking::blocking;
use crate::config::NodeConfig;
use crate::delta::{self, Patches};
use crate::endpoint::{self, Net, OnlineError};
use crate::experience::Experience;
use crate::federation::Federation;
use crate::fetch::claims::Claims;
use crate::line::Line;
use crate::links::Links;
use crate::meter::Meter;
use crate::mirror::Mirror;
use crate::pace::Pace;
use crate::peers::LanNodes;
use crate::protocol;
use crate::recovery;
use crate::session;
use crate::sessions::Sessions;
use crate::shaping::Limits;
use crate::shaping::policy::{Effect, Policy};
use crate::stats::Sizes;
use crate::turns::{Turns, Waiting};
use crate::usage;

/// A process that is just opening the store is waited for this long.
const STARTING_WAIT: Duration = Duration::from_secs(10);
const STARTING_PAUSE: Duration = Duration::from_millis(50);

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The store is held by another process, damaged, or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The publisher's secret is damaged or readable by others.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node's secret is damaged or readable by others.
    #[error("cannot use the node key in {}", path.display())]
    NodeKey {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A folder cannot be made.
    #[error("cannot use {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A running catalog. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct Node(
    pub(crate) Arc<Inner>,
    #[allow(dead_code, reason = "ends the tasks")] Arc<DropGuard>,
);

/// Opens a node.
pub struct NodeBuilder {
    config: NodeConfig,
    profile: Option<Profile>,
}

pub(crate) struct Inner {
    pub config: NodeConfig,
    pub store: Store,
    /// Sums up what the store holds.
    pub keeper: Keeper,
    pub key: [u8; 32],
    pub id: NodeId,
    pub links: Links,
    /// The content roots that are being fetched.
    pub fetching: Turns<Digest>,
    /// The blobs that are being fetched.
    pub arriving: Claims,
    /// What became of asking others for contents.
    pub experience: Experience,
    /// The peers that are being asked for records.
    pub pulling: Turns<NodeId>,
    /// The peers that are about to be asked.
    pub waiting: Waiting<NodeId>,
    pub lan: LanNodes,
    /// Holds back what is sent to peers and taken from them.
    pub line: Arc<Line>,
    /// The half of `line` that leads to peers.
    pub upload: Arc<Pace>,
    /// What turns old files into new ones.
    pub patches: Patches,
    /// What searches among nodes remember.
    pub federation: Federation,
    /// What is held for others.
    pub mirror: Mirror,
    /// Those who are served.
    pub sessions: Arc<Sessions>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    pub started: Instant,
    /// What is used here.
    pub counts: usage::Counts,
    /// What it costs to ask others for what they say they hold.
    pub auditor: Auditor,
    /// What peers were given, and gave.
    pub account: Arc<Account>,
    /// What happened since the node began.
    pub meter: Arc<Meter>,
    /// How large what is held is.
    pub sizes: Sizes,
    /// Blobs that a crash tore.
    torn: Mutex<HashSet<Digest>>,
    identity: RwLock<Option<Arc<Identity>>>,
    profile: OnceLock<Profile>,
    blobs: OnceCell<Blobs>,
    net: OnceCell<Arc<Net>>,
    index: OnceCell<Arc<Index>>,
    installer: OnceCell<Installer>,
}

impl NodeBuilder {
    /// Takes these facts about the machine instead of detecting them.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Opens the store; a process that is just opening or closing it is waited for.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub async fn spawn(self) -> Result<Node, SpawnError> {
        let Self { config, profile } = self;
        let data = &config.home().data;
        private_folder(data).map_err(|source| SpawnError::Io { path: data.clone(), source })?;
        let key_path = config.node_key_path();
        let key =
            node_key(&key_path).map_err(|source| SpawnError::NodeKey { path: key_path, source })?;
        let identity = match Identity::load(&config.identity_path()) {
            Ok(identity) => Some(Arc::new(identity)),
            Err(_) if !config.identity_path().exists() => None,
            Err(error) => return Err(error.into()),
        };
        let store = open_store(&config.store_dir()).await?;
        let line = Arc::new(Line::new(config.policy().clone()));
        let meter: Arc<Meter> = Arc::default();
        let id = endpoint::node_id(&key);
        let account = Account::at(config.account_path(), id, &key, meter.clone());
        let inner = Inner {
            id,
            key,
            keeper: Keeper::new(store.clone()),
            store,
            links: Links::default(),
            fetching: Turns::default(),
            arriving: Claims::default(),
            experience: Experience::open(config.bans_path(), now()),
            pulling: Turns::default(),
            waiting: Waiting::default(),
            lan: LanNodes::default(),
            upload: line.upload.clone(),
            line,
            patches: Patches::at(config.patches_dir()),
            federation: Federation::default(),
            mirror: Mirror::open(id, &config),
            sessions: Arc::new(Sessions::new(id)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            started: Instant::now(),
            counts: usage::Counts::open(config.usage_path(), config.counts_usage()),
            auditor: Auditor::default(),
            account: Arc::new(account),
            meter,
            sizes: Sizes::default(),
            torn: Mutex::default(),
            identity: RwLock::new(identity),
            profile: OnceLock::new(),
            blobs: OnceCell::new(),
            net: OnceCell::new(),
            index: OnceCell::new(),
            installer: OnceCell::new(),
            config,
        };
        if let Some(profile) = profile {
            inner.profile.set(profile).ok();
        }
        // A node that is dropped without a shutdown takes its tasks with it all the same.
        let guard = Arc::new(inner.stop.clone().drop_guard());
        Ok(Node(Arc::new(inner), guard))
    }
}

impl Node {
    /// Begins to open a node.
    pub fn builder(config: NodeConfig) -> NodeBuilder {
        NodeBuilder { config, profile: None }
    }

    /// Where the node keeps its things.
    pub fn config(&self) -> &NodeConfig {
        &self.0.config
    }

    /// The key by which others recognise this node.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// Who publishes here, once [`init`](Self::init) has been called.
    pub fn publisher(&self) -> Option<PublisherId> {
        self.0.identity().map(|identity| identity.publisher())
    }

    /// The records, for reading.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The facts about this machine; detected at the first call.
    pub fn profile(&self) -> &Profile {
        self.0.profile.get_or_init(|| Profile::detect(&self.0.config.packages_dir()))
    }

    /// Binds the socket and answers peers from now on.
    ///
    /// # Errors
    /// [`OnlineError`] when the address cannot be used.
    pub async fn online(&self) -> Result<(), OnlineError> {
        self.0.net().await.map(drop)
    }

    /// What this node's owner wants of the line, and what of that holds now.
    pub fn policy(&self) -> (Policy, Effect) {
        self.0.line.state()
    }

    /// Uses the line in another way from now on, also for what is on its way.
    pub fn set_policy(&self, policy: Policy) {
        self.0.line.set(policy);
    }

    /// Sends contents no faster than this from now on, those on their way too.
    pub fn limit_upload(&self, limits: Limits) {
        let (policy, _) = self.policy();
        self.set_policy(Policy { upload: limits, ..policy });
    }

    /// Ends everything that runs and waits for it, then closes what is open.
    ///
    /// # Errors
    /// [`BlobsError`] when the blob store could not write its last words; the next start checks it.
    pub async fn shutdown(&self) -> Result<(), BlobsError> {
        let inner = &self.0;
        inner.account.finish().await;
        inner.stop.cancel();
        inner.links.close();
        if let Some(net) = inner.net.get() {
            net.close().await;
        }
        inner.tasks.close();
        inner.tasks.wait().await;
        inner.account.close().await;
        let keeper = inner.keeper.clone();
        if let Err(error) = blocking(move || keeper.save()).await {
            // The next start takes longer, no more.
            debug!("the summaries could not be saved: {error}");
        }
        match inner.blobs.get() {
            Some(blobs) => blobs.shutdown().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.0.id.short())
    }
}

impl Inner {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_identity(&self, identity: Arc<Identity>) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    /// The blob store, opened by the first who asks.
    pub(crate) async fn blobs(&self) -> Result<&Blobs, BlobsError> {
        let open = || async {
            let (blobs, recovered) = Blobs::open(&self.config.blobs_dir()).await?;
            recovery::after_opening(self, &blobs, &recovered).await?;
            Ok(blobs)
        };
        self.blobs.get_or_try_init(open).await
    }

    /// The socket, bound by the first who asks.
    pub(crate) async fn net(self: &Arc<Self>) -> Result<&Arc<Net>, OnlineError> {
        if self.stop.is_cancelled() {
            return Err(OnlineError::Shutdown);
        }
        let bind = || async {
            let protocols =
                [protocol::ALPN, access::ALPN, delta::ALPN, session::ALPN, account::ALPN];
            let net = Arc::new(Net::bind(&self.config, self.key, &protocols).await?);
            self.tasks.spawn(self.line.clone().run(self.stop.clone()));
            self.tasks.spawn(crate::serve::accept(self.clone(), net.clone()));
            self.tasks.spawn(crate::sessions::report(self.clone()));
            self.tasks.spawn(Account::run(self.clone()));
            Ok(net)
        };
        self.net.get_or_try_init(bind).await
    }

    /// How long the node runs: a clock that only goes forward.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The socket if it is bound.
    pub(crate) fn open_net(&self) -> Option<&Arc<Net>> {
        self.net.get()
    }

    /// Blobs that a crash tore, as far as this process knows.
    pub(crate) fn torn(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.torn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The search index if it is open.
    pub(crate) fn open_index(&self) -> Option<&Arc<Index>> {
        self.index.get()
    }

    /// The search index, opened by the first who asks.
    pub(crate) async fn index(&self) -> Result<&Arc<Index>, IndexError> {
        let open = || async { Ok(Arc::new(Index::open(&self.config.index_dir())?)) };
        self.index.get_or_try_init(open).await
    }

    /// What writes packages to disk; opening it sweeps up after a crash.
    pub(crate) async fn installer(&self) -> Result<&Installer, WriteError> {
        let open = || async { Installer::open(&self.config.packages_dir()) };
        self.installer.get_or_try_init(open).await
    }
}

/// The time, for everything below this crate.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as u64)
}

async fn open_store(dir: &Path) -> Result<Store, StoreError> {
    let deadline = Instant::now() + STARTING_WAIT;
    loop {
        match Store::open(dir) {
            Err(StoreError::Held { holder })
                if holder.as_ref().is_none_or(|holder| holder.state == Readiness::Starting)
                    && Instant::now() < deadline =>
            {
                tokio::time::sleep(STARTING_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

fn private_folder(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

/// Reads the node's secret, or makes one. Others must not be able to read it.
fn node_key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "mode {:o} lets others read it, 600 is needed",
                    meta.permissions().mode() & 0o777
                ),
            ));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return new_node_key(path),
        Err(error) => return Err(error),
    }
    let bytes = fs::read(path)?;
    bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not 32 bytes long"))
}

fn new_node_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    let fresh = path.with_extension("new");
    fs::remove_file(&fresh).ok();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    io::Write::write_all(&mut file, &key)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(key)
}
