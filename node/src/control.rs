//! One way to ask a node for anything, whether it runs here or in another process.
//!
//! A [`Control`] is attached to the running node over its Unix socket, or opens the store itself;
//! both go through the same router, the same JSON and the same failures, so there is one path to
//! test. A long request answers with JSON lines: `{"progress":…}` any number of times, then one
//! `{"result":…}` or `{"error":…}`.
//!
//! The socket belongs to one user (0600, in a folder of 0700). HTTP on loopback is off unless asked
//! for, and then needs a token and a `Host` of this machine ([`serve`]).
//!
//! Not here: what is printed (`cli`), and what a request does ([`Node`](crate::Node)).

mod blame;
mod client;
mod code;
mod failure;
mod gate;
pub mod requests;
mod routes;
pub mod serve;
mod socket;
mod stream;

pub use client::{Bytestream, Control};
pub use code::{Code, CodeError, Exit, Topic, UnknownExit};
pub use failure::Failure;

/// The version of the control API, which is part of every path.
pub const API_VERSION: u32 = 1;
