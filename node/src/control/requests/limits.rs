//! How fast a node sends.

use catalog::size::ByteSize;
use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::{Answer, Request};
use crate::Node;
use crate::shaping::{self, Rate};

/// Shows the limits of a running node, and sets those that are given until it ends.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    /// What all peers together may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Rate>,
    /// What each peer may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Rate>,
    /// What may go at once after a silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<ByteSize>,
}

impl Request for Limits {
    const NAME: &'static str = "limits";
    type Reply = shaping::Limits;
}

impl Answer for Limits {
    async fn answer(self, node: &Node) -> Result<shaping::Limits, Failure> {
        let old = node.upload_limits();
        let new = shaping::Limits {
            total: self.total.unwrap_or(old.total),
            peer: self.peer.unwrap_or(old.peer),
            burst: self.burst.unwrap_or(old.burst),
        };
        if new != old {
            node.limit_upload(new);
        }
        Ok(new)
    }
}
