//! The open connections over which nodes talk about records.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use catalog::permission::NodeId;
use catalog_sync::message::Root;
use iroh::endpoint::Connection;

use crate::protocol::message::{Hello, StoreState};

/// The reason with which a node that ends closes its connections.
const CLOSED: u32 = 0;

/// One open connection to each node, whoever dialled.
#[derive(Default)]
pub(crate) struct Links(Mutex<HashMap<NodeId, Link>>);

/// An open connection and what the other side said of itself.
#[derive(Clone)]
pub(crate) struct Link {
    pub connection: Connection,
    /// What the other side calls itself.
    pub agent: Arc<str>,
    /// The version that both sides speak.
    pub version: u16,
    state: Arc<Mutex<StoreState>>,
    /// When registers were exchanged over it.
    registers: Arc<Mutex<Option<Instant>>>,
    /// A root of the other side whose records are all here.
    covered: Arc<Mutex<Option<Root>>>,
    /// How often this node was named by those who let others read when it was last asked to show
    /// what it had kept to itself.
    showed: Arc<AtomicU64>,
}

impl Link {
    /// A connection on which this hello was heard.
    pub(crate) fn new(connection: Connection, hello: Hello) -> Self {
        let (agent, version) = (hello.agent_text().into(), hello.common_version());
        let (state, registers) = (Arc::new(Mutex::new(hello.state)), Arc::default());
        let (covered, showed) = (Arc::default(), Arc::default());
        Self { connection, agent, version, state, registers, covered, showed }
    }

    /// What the other side last said that it holds.
    pub(crate) fn state(&self) -> StoreState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago registers were exchanged over it, if they were.
    pub(crate) fn since_registers(&self) -> Option<Duration> {
        let last = *self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed())
    }

    /// Notes that registers were exchanged over it.
    pub(crate) fn exchanged_registers(&self) {
        let now = Some(Instant::now());
        *self.registers.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether everything that the other side held when it had this root is here.
    pub(crate) fn is_covered(&self, root: Option<Root>) -> bool {
        let covered = *self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        root.is_some() && root == covered
    }

    /// Notes that everything is here that the other side held when it had this root.
    pub(crate) fn covers(&self, root: Option<Root>) {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner) = root;
    }

    /// How often this node had been named when the other side was last asked to show what it keeps
    /// from strangers.
    pub(crate) fn showed_after(&self) -> u64 {
        self.showed.load(Ordering::Relaxed)
    }

    /// Notes that the other side was asked after this node had been named so often.
    pub(crate) fn shows(&self, mentions: u64) {
        self.showed.store(mentions, Ordering::Relaxed);
    }

    /// Takes up what the other side says that it holds.
    pub(crate) fn heard(&self, state: StoreState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Links {
    /// Takes up a connection; an older one to the same node ends by itself when nobody uses it.
    pub(crate) fn insert(&self, node: NodeId, link: Link) {
        self.map().insert(node, link);
    }

    /// The connection to `node`, if it is still open.
    pub(crate) fn get(&self, node: &NodeId) -> Option<Link> {
        let mut map = self.map();
        if map.get(node).is_some_and(|link| link.connection.close_reason().is_some()) {
            map.remove(node);
        }
        map.get(node).cloned()
    }

    /// Every open connection.
    pub(crate) fn all(&self) -> Vec<(NodeId, Link)> {
        let mut map = self.map();
        map.retain(|_, link| link.connection.close_reason().is_none());
        map.iter().map(|(node, link)| (*node, link.clone())).collect()
    }

    /// Closes the connection to `node`, if there is one.
    pub(crate) fn drop_link(&self, node: &NodeId) {
        if let Some(link) = self.map().remove(node) {
            link.connection.close(CLOSED.into(), b"forgotten");
        }
    }

    pub(crate) fn close(&self) {
        for (_, link) in self.map().drain() {
            link.connection.close(CLOSED.into(), b"closing");
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<NodeId, Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
