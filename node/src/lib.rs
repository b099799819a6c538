//! A running catalog: one endpoint with all its protocols, its store, and what people do with it.
//!
//! [`Node`] is everything: publish, search, install, peers, upkeep. What it decides comes from the
//! crates below; here are the sockets, the tasks, the clock and the blob store.

#![cfg_attr(test, allow(clippy::unwrap_used))]
// Whether a future that holds the endpoint is `Send` is a question 128 types deep, and more.
#![recursion_limit = "256"]

mod access;
mod account;
mod alike;
pub mod announce;
pub mod audit;
mod blobs;
mod blocking;
pub mod changes;
pub mod config;
pub mod conflicts;
pub mod control;
pub mod credits;
mod delta;
mod disk;
mod endpoint;
mod experience;
mod federation;
pub mod fetch;
mod follow;
pub mod freshness;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod gc;
pub mod grants;
pub mod info;
pub mod install;
mod level;
mod line;
mod links;
mod lookup;
mod meter;
mod metrics;
pub mod mirror;
pub mod node;
pub mod owner;
mod pace;
pub mod parcels;
pub mod peers;
pub mod predict;
mod protocol;
pub mod prove;
pub mod publish;
mod recommend;
mod recovery;
pub mod registers;
mod reindex;
mod sealed;
pub mod search;
mod serve;
mod session;
mod sessions;
pub mod shaping;
mod shown;
pub mod sources;
pub mod state;
pub mod stats;
pub mod status;
mod surroundings;
pub mod sync;
mod talk;
pub mod ticket;
pub mod topology;
mod transfer;
mod turns;
pub mod update;
mod usage;
pub mod verify;

#[cfg(test)]
mod tests;

pub use announce::Said;
pub use blobs::BlobsError;
pub use config::{Home, NodeConfig};
pub use endpoint::{DialError, OnlineError};
pub use fetch::{FetchError, Fetched, TransferProgress};
pub use freshness::Freshness;
pub use install::{ChangeError, InstallError, Installed};
pub use lookup::ChooseError;
pub use node::{Node, NodeBuilder, SpawnError};
pub use owner::{InitError, Owner};
pub use peers::{ConnectError, Connected, PeerInfo};
pub use protocol::frame::FrameError;
pub use protocol::message::{Disagreement, TalkError};
pub use prove::{ProveError, Proved};
pub use publish::{PublishError, PublishProgress, Published};
pub use recommend::GoesWith;
pub use registers::SayError;
pub use reindex::{IndexProgress, Rebuilt};
pub use search::{Asked, Found, Hit, Reach, SearchError};
pub use sessions::Drained;
pub use state::{StateError, Stated, Yanking};
pub use sync::{Strategy, SyncReport, SyncWish};
pub use talk::LinkError;
pub use ticket::{Ticket, TicketError};
