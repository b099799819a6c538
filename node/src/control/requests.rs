//! What can be asked of a node, and how each request is answered.
//!
//! A request is plain data in the words that people type; it is checked where it is answered, so
//! that a mistake gets the same words on every way in. Replies are the node's own reports.

mod author;
mod conflict;
mod consume;
mod limits;
mod mirror;
mod peers;
mod permission;
mod proof;
mod sync;
mod upkeep;

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use catalog::identity::PublisherId;
use catalog::profile::Profile;
use catalog::reference::{PublisherReference, Reference};
use catalog::resolve::Preference;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use author::{
    About, Channel, Drafted, Family, Import, Init, Publish, PublishReply, VariantFits, Yank,
};
pub use conflict::{Conflicts, Resolve};
pub use consume::{
    Cat, Explain, Fetch, Fits, Info, Install, List, Path, Remove, Rollback, Search, SearchLive,
    Sources, Update,
};
pub use limits::{Direction, Limits, LineUse};
pub use mirror::{
    MirrorAdd, MirrorDrop, MirrorExplain, MirrorList, MirrorMode, MirrorOnly, MirrorPlan,
    MirrorStatus,
};
pub use peers::{Keys, PeerAdd, PeerList, PeerPing, PeerRemove, PeerTicket, Trust, Untrust};
pub use permission::{Attest, Attested, Carry, Grant, Grants, HandOver, Revoke};
pub use proof::Prove;
pub use sync::{Changes, PeerFreshness, Sync, Synced};
pub use upkeep::{Credits, Doctor, Gc, IndexRebuild, Served, Stats, Status, Stop, Verify};

use super::blame::Blame;
use super::code::Code;
use super::failure::Failure;
use super::stream::Reporter;
use crate::Node;

/// Something that a node can be asked.
pub trait Request: Serialize + DeserializeOwned + Send {
    /// The last part of its path.
    const NAME: &'static str;
    /// What the answer says.
    type Reply: Serialize + DeserializeOwned;
}

/// A request that takes a while and tells how far it is.
pub trait LongRequest: Request {
    /// What it tells.
    type Progress: Serialize + DeserializeOwned;
}

/// A request that is answered at once.
pub(super) trait Answer: Request + 'static {
    fn answer(self, node: &Node) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// A request that is answered at length.
pub(super) trait AnswerAtLength: LongRequest + 'static
where
    Self::Reply: 'static,
{
    fn answer(
        self,
        node: Node,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Reply, Failure>> + Send + 'static;
}

/// For which machine to choose, and by what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Choice {
    /// The machine; the one that the node runs on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// What to prefer.
    #[serde(default)]
    pub preference: Preference,
}

fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse::<Reference>()
        .map_err(|error| Failure::of(Code::REFERENCE, &error).hint(error.hint()))
}

/// Reads what a person typed, saying what it was meant to be.
fn read<T>(what: &str, text: &str, code: Code) -> Result<T, Failure>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    text.parse()
        .map_err(|error| Failure::new(code, format_args!("{text:?} is not {what}")).cause(error))
}

/// Who is meant by a petname or an id.
fn publisher(node: &Node, text: &str) -> Result<PublisherId, Failure> {
    let wanted = text.parse::<PublisherReference>().map_err(|error| {
        Failure::new(Code::NAME, format_args!("{text:?} is not a publisher")).cause(error)
    })?;
    match wanted {
        PublisherReference::Id(id) => Ok(id),
        PublisherReference::Petname(petname) => {
            node.store().publisher_by_petname(&petname).map_err(|error| error.blame())?.ok_or_else(
                || {
                    Failure::new(Code::NO_PEER, format_args!("no publisher is called {petname}"))
                        .hint("catalog key show lists those with a petname")
                },
            )
        }
    }
}
