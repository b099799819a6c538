//! Other nodes, and the publishers behind them.

use catalog::name::Petname;
use catalog::permission::NodeId;
use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::{Answer, Request, publisher, read};
use crate::info::PublisherInfo;
use crate::peers::{Connected, PeerInfo};
use crate::sync::SyncReport;
use crate::{Node, Ticket};

/// Lists the known nodes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PeerList {
    /// Those too that are no peers and were only heard of.
    pub heard_of: bool,
}

impl Request for PeerList {
    const NAME: &'static str = "peers";
    type Reply = Vec<PeerInfo>;
}

impl Answer for PeerList {
    async fn answer(self, node: &Node) -> Result<Vec<PeerInfo>, Failure> {
        let mut peers = node.peers().await.map_err(|error| error.blame())?;
        if self.heard_of {
            peers.extend(node.nodes_heard_of().await.map_err(|error| error.blame())?);
        }
        Ok(peers)
    }
}

/// Meets a node and takes over its records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerAdd {
    /// What it printed.
    pub ticket: String,
}

impl Request for PeerAdd {
    const NAME: &'static str = "peers/add";
    type Reply = Connected;
}

impl Answer for PeerAdd {
    async fn answer(self, node: &Node) -> Result<Connected, Failure> {
        let ticket: Ticket =
            self.ticket.trim().parse().map_err(|error: crate::TicketError| error.blame())?;
        node.connect(&ticket).await.map_err(|error| error.blame())
    }
}

/// Forgets a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerRemove {
    /// Its id, the beginning of that, or its alias.
    pub peer: String,
}

impl Request for PeerRemove {
    const NAME: &'static str = "peers/remove";
    type Reply = PeerInfo;
}

impl Answer for PeerRemove {
    async fn answer(self, node: &Node) -> Result<PeerInfo, Failure> {
        let peer = known_peer(node, &self.peer).await?;
        node.forget_peer(&peer.node).await.map_err(|error| error.blame())?;
        Ok(peer)
    }
}

/// Asks one node, or all, for news.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerPing {
    /// Its id, the beginning of that, or its alias.
    pub peer: Option<String>,
}

impl Request for PeerPing {
    const NAME: &'static str = "peers/ping";
    type Reply = Vec<SyncReport>;
}

impl Answer for PeerPing {
    async fn answer(self, node: &Node) -> Result<Vec<SyncReport>, Failure> {
        let wanted: Option<NodeId> = match &self.peer {
            Some(text) => Some(known_peer(node, text).await?.node),
            None => None,
        };
        node.sync(wanted.as_ref()).await.map_err(|error| error.blame())
    }
}

pub(super) async fn known_peer(node: &Node, text: &str) -> Result<PeerInfo, Failure> {
    let is_meant = |peer: &PeerInfo| {
        peer.alias.as_ref().is_some_and(|alias| alias.as_str() == text)
            || peer.node.to_string().starts_with(&text.to_ascii_lowercase())
    };
    let mut meant: Vec<PeerInfo> = node.peers().await.map_err(|error| error.blame())?;
    meant.retain(is_meant);
    match meant.len() {
        1 => Ok(meant.remove(0)),
        0 => Err(Failure::new(Code::NO_PEER, format_args!("no peer {text}"))
            .hint("catalog peer list shows the peers")),
        count => Err(Failure::new(Code::NO_PEER, format_args!("{text} means {count} peers"))
            .hint("write more of the node id")),
    }
}

/// Tells how others reach this node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PeerTicket {}

impl Request for PeerTicket {
    const NAME: &'static str = "ticket";
    type Reply = String;
}

impl Answer for PeerTicket {
    async fn answer(self, node: &Node) -> Result<String, Failure> {
        Ok(node.ticket().await.map_err(|error| error.blame())?.to_string())
    }
}

/// Lists the publishers that are known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Keys {}

impl Request for Keys {
    const NAME: &'static str = "keys";
    type Reply = Vec<PublisherInfo>;
}

impl Answer for Keys {
    async fn answer(self, node: &Node) -> Result<Vec<PublisherInfo>, Failure> {
        node.publishers().await.map_err(|error| error.blame())
    }
}

/// Pins a publisher under a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trust {
    /// Its id.
    pub publisher: String,
    /// The name.
    pub petname: String,
}

impl Request for Trust {
    const NAME: &'static str = "keys/trust";
    type Reply = PublisherInfo;
}

impl Answer for Trust {
    async fn answer(self, node: &Node) -> Result<PublisherInfo, Failure> {
        let petname: Petname = petname(&self.petname)?;
        let id = publisher(node, &self.publisher)?;
        node.pin(&petname, &id).await.map_err(|error| error.blame())?;
        let known = node.publishers().await.map_err(|error| error.blame())?;
        known.into_iter().find(|known| known.id == id).ok_or_else(|| {
            Failure::new(Code::NO_PEER, format_args!("publisher {id} is not known here"))
        })
    }
}

/// Frees a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Untrust {
    /// The name.
    pub petname: String,
}

impl Request for Untrust {
    const NAME: &'static str = "keys/untrust";
    type Reply = ();
}

impl Answer for Untrust {
    async fn answer(self, node: &Node) -> Result<(), Failure> {
        let petname = petname(&self.petname)?;
        match node.unpin(&petname).await.map_err(|error| error.blame())? {
            true => Ok(()),
            false => {
                Err(Failure::new(Code::NO_PEER, format_args!("no publisher is called {petname}"))
                    .hint("catalog key show lists those with a petname"))
            }
        }
    }
}

pub(super) fn petname(text: &str) -> Result<Petname, Failure> {
    read("a usable name", text, Code::NAME)
}
