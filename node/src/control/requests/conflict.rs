//! What publishers signed that cannot all be true, and what a person makes of it.

use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::failure::Failure;
use super::{Answer, Request};
use crate::Node;
use crate::blocking::blocking;
use crate::conflicts::{Dispute, Verdict};

/// Lists what is at odds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Conflicts {}

impl Request for Conflicts {
    const NAME: &'static str = "conflicts";
    type Reply = Vec<Dispute>;
}

impl Answer for Conflicts {
    async fn answer(self, node: &Node) -> Result<Vec<Dispute>, Failure> {
        let node = node.clone();
        blocking(move || node.conflicts()).await.map_err(|error| error.blame())
    }
}

/// Decides what is at odds, or takes a decision back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolve {
    /// A publisher, or a package with a version or a channel.
    pub subject: String,
    /// What a person decides.
    pub verdict: Verdict,
}

impl Request for Resolve {
    const NAME: &'static str = "resolve";
    type Reply = Dispute;
}

impl Answer for Resolve {
    async fn answer(self, node: &Node) -> Result<Dispute, Failure> {
        let node = node.clone();
        blocking(move || node.resolve(&self.subject, &self.verdict))
            .await
            .map_err(|error| error.blame())
    }
}
