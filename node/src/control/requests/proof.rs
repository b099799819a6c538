//! Proofs for people without a store.

use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::failure::Failure;
use super::{Answer, Request, reference};
use crate::Node;
use crate::prove::Proved;

/// Proves that a release was signed into its publisher's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prove {
    /// The release.
    pub reference: String,
}

impl Request for Prove {
    const NAME: &'static str = "prove";
    type Reply = Proved;
}

impl Answer for Prove {
    async fn answer(self, node: &Node) -> Result<Proved, Failure> {
        node.prove(&reference(&self.reference)?).await.map_err(|error| error.blame())
    }
}
