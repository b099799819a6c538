//! Tells others what this node is and holds, and reads what they tell of themselves.
//!
//! A node that serves announces itself in a register, again when that changes and before it
//! expires. An announcement says what its node says, no more: it is shown to people and decides
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use catalog::announcement::{self, Announcement};
use catalog::digest::Digest;
use catalog::name::{NodeName, Region};
use catalog::permission::NodeId;
use catalog::register::{Register, RegisterName};
use catalog::store::StoreError;
use catalog::time::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::blocking::blocking;
use crate::follow::jittered;
use crate::node::{Inner, now};
use crate::protocol::message::{AGENT, VERSION_MAX, VERSION_MIN};
use crate::registers::SayError;

/// How long an announcement holds: a node that is gone for a day is forgotten.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// An announcement is renewed when it holds for less than this.
const LIFE_LEFT_MIN: Duration = Duration::from_secs(12 * 60 * 60);

/// The most announcements that are shown; anybody can make any number of nodes.
const SHOWN_MAX: usize = 256;

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The node.
    pub node: NodeId,
    /// The program that it runs.
    pub program: String,
    /// The oldest and the newest version of the protocol that it speaks.
    pub protocol: (u64, u64),
    /// What its owner calls it.
    pub name: Option<NodeName>,
    /// Where its owner says that it is.
    pub region: Option<Region>,
    /// Records that it holds.
    pub records: u64,
    /// One hash over all of them.
    pub root: Digest,
    /// When it said so.
    pub said: Timestamp,
    /// Until when that holds.
    pub expires: Timestamp,
}

impl Said {
    /// What a register says; `None` when it is nothing that this version can read.
    fn of(register: &Register) -> Option<Self> {
        let Announcement { program, protocol, name, region, records, root } =
            Announcement::decode(&register.value).ok()?;
        Some(Self {
            node: register.node,
            program: program.to_string(),
            protocol,
            name,
            region,
            records,
            root,
            said: register.hlc.time(),
            expires: register.expires,
        })
    }
}

fn register_name() -> RegisterName {
    announcement::NAME.parse().expect("the name has the form of one")
}

/// Announces this node now and whenever that is due, and drops what others said and that does not
/// hold any more.
pub(crate) async fn keep_announcing(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = tokio::time::sleep(jittered(inner.config.interval())) => {}
        }
        if let Err(error) = inner.announce().await {
            warn!("this node could not be announced: {error}");
        }
        if let Err(error) = inner.exchange_receipts().await {
            warn!("receipts could not be exchanged: {error}");
        }
        let store = inner.store.clone();
        if let Err(error) = blocking(move || store.sweep_registers(now())).await {
            warn!("what has expired could not be dropped: {error}");
        }
    }
}

impl Inner {
    /// Says what this node is and holds, if that is not what others know already.
    pub(crate) async fn announce(&self) -> Result<(), SayError> {
        if !self.config.is_announced() {
            return Ok(());
        }
        let (keeper, name) = (self.keeper.clone(), register_name());
        let current = blocking(move || keeper.current()).await?;
        let announcement = Announcement {
            program: AGENT.parse().expect("a short word"),
            protocol: (VERSION_MIN.into(), VERSION_MAX.into()),
            name: self.config.name().cloned(),
            region: self.config.region().cloned(),
            records: current.log().len(),
            root: current.root(),
        };
        let value = announcement.encode();
        let last = self.store.register(&name, &self.id)?;
        let holds =
            |last: Register| last.value == value && last.expires.since(now()) > LIFE_LEFT_MIN;
        match last.is_some_and(holds) {
            true => Ok(()),
            false => self.say(&name, value, LIFE).await,
        }
    }

    /// What other nodes say about themselves: those that a person added first, then the newest.
    pub(crate) fn said(&self) -> Result<Vec<Said>, StoreError> {
        let registers = self.store.registers(&register_name(), now())?;
        let mut said: Vec<Said> = registers.iter().filter_map(Said::of).collect();
        said.retain(|said| said.node != self.id);
        said.sort_by_cached_key(|said| (!self.is_peer(&said.node), std::cmp::Reverse(said.said)));
        said.truncate(SHOWN_MAX);
        Ok(said)
    }
}
