//! How fast a node sends and takes, and when.

use catalog::size::ByteSize;
use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::{Answer, Request};
use crate::Node;
use crate::shaping::policy::{Effect, Policy, Schedule};
use crate::shaping::{self, Rate};

/// Shows how a running node uses the line, and sets what is given until it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// What peers may be sent.
    pub upload: Direction,
    /// What peers may send.
    pub download: Direction,
    /// Other limits by the time of day.
    pub schedule: Option<Schedule>,
    /// Whether everything yields to the line's other traffic.
    pub background: Option<bool>,
    /// Whether transfers for others wait on battery.
    pub pause_on_battery: Option<bool>,
    /// Whether bytes cost money, so that transfers for others wait.
    pub metered: Option<bool>,
}

/// What is to be set in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Direction {
    /// All peers together.
    pub total: Option<Rate>,
    /// Each peer.
    pub peer: Option<Rate>,
    /// At once after a silence.
    pub burst: Option<ByteSize>,
}

/// How a node uses the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineUse {
    /// What its owner wants.
    pub policy: Policy,
    /// What of that holds now.
    pub now: Effect,
}

impl Direction {
    fn over(self, old: shaping::Limits) -> shaping::Limits {
        shaping::Limits {
            total: self.total.unwrap_or(old.total),
            peer: self.peer.unwrap_or(old.peer),
            burst: self.burst.unwrap_or(old.burst),
        }
    }
}

impl Limits {
    /// Whether anything is to be set.
    pub fn sets_any(&self) -> bool {
        *self != Self::default()
    }
}

impl Request for Limits {
    const NAME: &'static str = "limits";
    type Reply = LineUse;
}

impl Answer for Limits {
    async fn answer(self, node: &Node) -> Result<LineUse, Failure> {
        if self.sets_any() {
            let (old, _) = node.policy();
            node.set_policy(Policy {
                upload: self.upload.over(old.upload),
                download: self.download.over(old.download),
                schedule: self.schedule.unwrap_or(old.schedule),
                background: self.background.map_or(old.background, Into::into),
                on_battery: self.pause_on_battery.map_or(old.on_battery, Into::into),
                metered: self.metered.map_or(old.metered, Into::into),
            });
        }
        let (policy, now) = node.policy();
        Ok(LineUse { policy, now })
    }
}
