//! Letting nodes read, taking that back, handing sealed contents over, and vouching for releases.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::permission::{NodeId, Scope};
use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::peers::known_peer;
use super::{Answer, Request, read, reference};
use crate::Node;
use crate::grants::{GrantInfo, Granted};
use crate::parcels::{Carried, HandedOver};
use crate::state::Stated;

/// Lets nodes read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// `graphdb`, `db-*`, `graphdb@1.4.0` or `@friends`.
    pub scope: String,
    /// Ids of nodes; of a peer also the beginning, or its alias.
    pub nodes: Vec<String>,
    /// For so many milliseconds; for good when absent.
    pub life_ms: Option<u64>,
}

impl Request for Grant {
    const NAME: &'static str = "grant";
    type Reply = Granted;
}

impl Answer for Grant {
    async fn answer(self, node: &Node) -> Result<Granted, Failure> {
        let scope = scope(&self.scope)?;
        let nodes = nodes(node, &self.nodes).await?;
        let life = self.life_ms.map(Duration::from_millis);
        node.grant(&scope, nodes, life).await.map_err(|error| error.blame())
    }
}

/// Does not let nodes read any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revoke {
    /// `graphdb`, `db-*`, `graphdb@1.4.0` or `@friends`.
    pub scope: String,
    /// Ids of nodes; of a peer also the beginning, or its alias.
    pub nodes: Vec<String>,
}

impl Request for Revoke {
    const NAME: &'static str = "revoke";
    type Reply = Granted;
}

impl Answer for Revoke {
    async fn answer(self, node: &Node) -> Result<Granted, Failure> {
        let scope = scope(&self.scope)?;
        let nodes = nodes(node, &self.nodes).await?;
        node.revoke(&scope, nodes).await.map_err(|error| error.blame())
    }
}

/// Lists who was let in, and who is not any more.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Grants {}

impl Request for Grants {
    const NAME: &'static str = "grants";
    type Reply = Vec<GrantInfo>;
}

impl Answer for Grants {
    async fn answer(self, node: &Node) -> Result<Vec<GrantInfo>, Failure> {
        node.grants().await.map_err(|error| error.blame())
    }
}

/// Lets nodes carry a sealed release of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandOver {
    /// The release.
    pub reference: String,
    /// Ids of nodes; of a peer also the beginning, or its alias.
    pub nodes: Vec<String>,
}

impl Request for HandOver {
    const NAME: &'static str = "hand-over";
    type Reply = HandedOver;
}

impl Answer for HandOver {
    async fn answer(self, node: &Node) -> Result<HandedOver, Failure> {
        let reference = reference(&self.reference)?;
        let nodes = nodes(node, &self.nodes).await?;
        node.hand_over(&reference, nodes).await.map_err(|error| error.blame())
    }
}

/// Brings everything here that this node was handed to carry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Carry {}

impl Request for Carry {
    const NAME: &'static str = "carry";
    type Reply = Vec<Carried>;
}

impl Answer for Carry {
    async fn answer(self, node: &Node) -> Result<Vec<Carried>, Failure> {
        node.carry().await.map_err(|error| error.blame())
    }
}

/// Vouches for a release of somebody else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attest {
    /// The release.
    pub reference: String,
    /// What was looked at; absent to take the attestation back.
    pub note: Option<String>,
}

/// What was attested.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attested {
    /// The release: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The statement.
    pub stated: Stated,
}

impl Request for Attest {
    const NAME: &'static str = "attest";
    type Reply = Attested;
}

impl Answer for Attest {
    async fn answer(self, node: &Node) -> Result<Attested, Failure> {
        let reference = reference(&self.reference)?;
        let attested = node.attest(&reference, self.note).await;
        let (reference, stated) = attested.map_err(|error| error.blame())?;
        Ok(Attested { reference, stated })
    }
}

fn scope(text: &str) -> Result<Scope, Failure> {
    read("a package, a pattern, package@version or @friends", text, Code::NAME)
}

/// The nodes that are meant. Whoever is no peer needs its whole id: a stranger cannot be guessed.
async fn nodes(node: &Node, texts: &[String]) -> Result<BTreeSet<NodeId>, Failure> {
    let mut nodes = BTreeSet::new();
    for text in texts {
        nodes.insert(match text.parse() {
            Ok(id) => id,
            Err(_) => known_peer(node, text).await?.node,
        });
    }
    Ok(nodes)
}
