//! The nodes that this node knows: by ticket, or seen on the local network.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::store::{PeerCursor, PeerRow, PinError, StoreError};
use catalog::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::announce::Said;
use crate::endpoint::{DialError, OnlineError};
use crate::node::{Inner, Node, now};
use crate::protocol::message::{Disagreement, TalkError};
use crate::sources::Measured;
use crate::sync::{Occasion, SyncReport};
use crate::talk::{self, LinkError};
use crate::ticket::Ticket;

/// The most nodes of the local network that are remembered; anybody there can name any number.
const LAN_MAX: usize = 64;

/// Why a peer was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The ticket is this node's own.
    #[error("this ticket leads to this very node")]
    Own,
    /// The node has no network.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// Nobody answered, or not the node that the ticket names.
    #[error("peer {} cannot be reached", node.short())]
    Unreachable {
        /// Who was dialled.
        node: NodeId,
        /// Why.
        source: DialError,
    },
    /// Both speak, but no version in common.
    #[error(transparent)]
    Protocol(Disagreement),
    /// The conversation broke off.
    #[error("the conversation with peer {} failed", node.short())]
    Talk {
        /// With whom.
        node: NodeId,
        /// Why.
        source: TalkError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    fn of(node: NodeId, error: LinkError) -> Self {
        match error {
            LinkError::Online(error) => Self::Online(error),
            LinkError::Dial(source) => Self::Unreachable { node, source },
            LinkError::Talk(TalkError::Disagreement(versions)) => Self::Protocol(versions),
            LinkError::Talk(source) => Self::Talk { node, source },
            LinkError::Store(error) => Self::Store(error),
        }
    }
}

/// A peer as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Its id.
    pub node: NodeId,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// Where it was reachable.
    pub addrs: Vec<String>,
    /// Whether there is a connection right now.
    pub connected: bool,
    /// The program it runs, while connected.
    pub agent: Option<String>,
    /// Since when it is known; `None` when it was only seen on the local network.
    pub added: Option<Timestamp>,
    /// When it last answered.
    pub last_seen: Option<Timestamp>,
    /// Whether it was seen on the local network.
    pub lan: bool,
    /// What it says about itself, and signed.
    pub says: Option<Said>,
    /// What this node measured of it.
    pub measured: Measured,
}

/// What became of adding a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The peer.
    pub peer: PeerInfo,
    /// What its publisher is called here from now on.
    pub pinned: Option<Petname>,
    /// The records that came from it.
    pub sync: SyncReport,
}

/// Somebody who may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub node: NodeId,
    pub addrs: Vec<SocketAddr>,
}

/// Nodes that the local network named. They are forgotten when the node ends.
#[derive(Default)]
pub(crate) struct LanNodes(Mutex<HashMap<NodeId, LanEntry>>);

#[derive(Clone, Default)]
struct LanEntry {
    addrs: Vec<SocketAddr>,
    cursor: Option<PeerCursor>,
}

impl LanNodes {
    /// Notes where a node is; answers whether it is new.
    pub(crate) fn note(&self, node: NodeId, addrs: Vec<SocketAddr>) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = nodes.get_mut(&node) {
            entry.addrs = addrs;
            return false;
        }
        let room = nodes.len() < LAN_MAX;
        if room {
            nodes.insert(node, LanEntry { addrs, cursor: None });
        }
        room
    }

    /// Whether the local network named it.
    pub(crate) fn is_known(&self, node: &NodeId) -> bool {
        self.get(node).is_some()
    }

    fn get(&self, node: &NodeId) -> Option<LanEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    fn all(&self) -> Vec<(NodeId, LanEntry)> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().map(|(node, entry)| (*node, entry.clone())).collect()
    }

    /// Remembers how far we have come in what a node has.
    pub(crate) fn set_cursor(&self, node: &NodeId, cursor: Option<PeerCursor>) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = nodes.get_mut(node) {
            entry.cursor = cursor;
        }
    }

    /// How far we have come in what a node has.
    pub(crate) fn cursor(&self, node: &NodeId) -> Option<PeerCursor> {
        self.get(node).and_then(|entry| entry.cursor)
    }
}

impl Node {
    /// How others reach this node; it answers from now on.
    ///
    /// # Errors
    /// [`OnlineError`] when the address cannot be used.
    pub async fn ticket(&self) -> Result<Ticket, OnlineError> {
        let net = self.0.net().await?;
        let ticket = Ticket::new(self.0.id, net.addrs());
        Ok(match self.0.identity() {
            Some(identity) => {
                ticket.with_publisher(identity.publisher(), identity.alias().cloned())
            }
            None => ticket,
        })
    }

    /// Where this node listens; empty while it is not online.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.0.open_net().map(|net| net.addrs()).unwrap_or_default()
    }

    /// Adds the peer that a ticket leads to, and takes over its records. Its publisher gets the
    /// name it asks for, unless that is taken.
    ///
    /// # Errors
    /// [`ConnectError`]; the peer is then not added.
    pub async fn connect(&self, ticket: &Ticket) -> Result<Connected, ConnectError> {
        let (inner, node) = (&self.0, ticket.node());
        if node == inner.id {
            return Err(ConnectError::Own);
        }
        let linked = talk::link(inner, node, ticket.addrs()).await;
        linked.map_err(|error| ConnectError::of(node, error))?;
        let known = inner.store.peer(&node)?;
        inner.store.add_peer(&PeerRow {
            node,
            addrs: ticket.addrs().iter().map(ToString::to_string).collect(),
            alias: ticket.alias().cloned().or(known.as_ref().and_then(|row| row.alias.clone())),
            added: known.as_ref().map_or_else(now, |row| row.added),
            last_seen: Some(now()),
            cursor: known.and_then(|row| row.cursor),
        })?;
        let mut pinned = None;
        if let Some(publisher) = ticket.publisher() {
            inner.store.trust(&publisher, ticket.alias(), now())?;
            pinned = inner.store.petname(&publisher)?;
        }
        let sync = inner
            .pull(node, Occasion::Asked)
            .await
            .map_err(|error| ConnectError::of(node, error))?;
        let peer = inner.peer_infos()?.into_iter().find(|peer| peer.node == node);
        let peer = peer.ok_or(StoreError::Damaged { what: "the peer just added" })?;
        Ok(Connected { peer, pinned, sync })
    }

    /// Everybody known, by id.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, StoreError> {
        self.0.peer_infos()
    }

    /// Those who are no peers but say something about themselves, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn nodes_heard_of(&self) -> Result<Vec<PeerInfo>, StoreError> {
        let mut said = self.0.said()?;
        said.retain(|said| !self.0.is_peer(&said.node));
        let info = |said: Said| PeerInfo { says: Some(said.clone()), ..self.0.stranger(said.node) };
        Ok(said.into_iter().map(info).collect())
    }

    /// Forgets a peer; what came from it stays. Answers whether it was known.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be written.
    pub async fn forget_peer(&self, node: &NodeId) -> Result<bool, StoreError> {
        self.0.links.drop_link(node);
        self.0.store.remove_peer(node)
    }

    /// Calls a publisher `petname` on this machine.
    ///
    /// # Errors
    /// [`PinError::Taken`] when the name means somebody else.
    pub async fn pin(&self, petname: &Petname, publisher: &PublisherId) -> Result<(), PinError> {
        self.0.store.pin(petname, publisher, now())?;
        // What was refused for want of room is welcome now.
        Ok(self.0.forget_cursors()?)
    }

    /// Takes a petname away. Answers whether it meant somebody.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be written.
    pub async fn unpin(&self, petname: &Petname) -> Result<bool, StoreError> {
        Ok(self.0.store.unpin(petname)?.is_some())
    }
}

impl Inner {
    /// Forgets how far we have come with everybody: the next exchange compares.
    fn forget_cursors(&self) -> Result<(), StoreError> {
        self.store.forget_cursors()?;
        self.lan.all().iter().for_each(|(node, _)| self.lan.set_cursor(node, None));
        Ok(())
    }

    /// Whether a person, or the local network when it is listened to, named this node.
    pub(crate) fn is_peer(&self, node: &NodeId) -> bool {
        self.lan.is_known(node) || matches!(self.store.peer(node), Ok(Some(_)))
    }

    /// Everybody who may be asked for something.
    pub(crate) fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates: Vec<Candidate> = self
            .store
            .peers()?
            .into_iter()
            .map(|row| Candidate {
                node: row.node,
                addrs: row.addrs.iter().filter_map(|addr| addr.parse().ok()).collect(),
            })
            .collect();
        for (node, entry) in self.lan.all() {
            match candidates.iter_mut().find(|candidate| candidate.node == node) {
                // Where it was seen just now is the better address.
                Some(candidate) => candidate.addrs.extend(entry.addrs),
                None => candidates.push(Candidate { node, addrs: entry.addrs }),
            }
        }
        Ok(candidates)
    }

    pub(crate) fn candidate(&self, node: &NodeId) -> Result<Candidate, StoreError> {
        let known = self.candidates()?.into_iter().find(|candidate| candidate.node == *node);
        Ok(known.unwrap_or(Candidate { node: *node, addrs: Vec::new() }))
    }

    fn peer_infos(&self) -> Result<Vec<PeerInfo>, StoreError> {
        let stored = self.store.peers()?;
        let mut infos: Vec<PeerInfo> = stored
            .into_iter()
            .map(|row| PeerInfo {
                node: row.node,
                alias: row.alias,
                addrs: row.addrs,
                added: Some(row.added),
                last_seen: row.last_seen,
                ..self.stranger(row.node)
            })
            .collect();
        for (node, entry) in self.lan.all() {
            if infos.iter().all(|info| info.node != node) {
                let addrs = entry.addrs.iter().map(ToString::to_string).collect();
                infos.push(PeerInfo { addrs, ..self.stranger(node) });
            }
        }
        let said = self.said()?;
        for info in &mut infos {
            info.says = said.iter().find(|said| said.node == info.node).cloned();
        }
        infos.sort_by_key(|info| info.node);
        Ok(infos)
    }

    fn stranger(&self, node: NodeId) -> PeerInfo {
        let link = self.links.get(&node);
        PeerInfo {
            node,
            alias: None,
            addrs: Vec::new(),
            connected: link.is_some(),
            agent: link.map(|link| link.agent.to_string()),
            added: None,
            last_seen: None,
            lan: self.lan.is_known(&node),
            says: None,
            measured: self.measured(&node),
        }
    }
}

/// An error and everything that led to it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
