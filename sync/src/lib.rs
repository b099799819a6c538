//! How two catalogs become equal at the cost of their difference.
//!
//! A catalog is compared as a set of [`ItemId`](catalog::ItemId)s. A [`Summary`] of the set is kept
//! as it changes: a [`Trie`] whose root is the same for equal sets and which two nodes can walk
//! down to what differs, a [`Sketch`] from which a short prefix is enough to name a small
//! difference, and an [`Odd`] sketch that tells how large the difference is.
//!
//! An [`Exchange`] is one conversation between two nodes about one [`View`] of their catalogs.
//!
//! Nothing here opens a socket, starts a task or reads a clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod conflict;
pub mod conversation;
mod defence;
pub mod exchange;
pub mod items;
pub mod keeper;
pub mod loopback;
pub mod message;
pub mod odd;
pub mod proof;
pub mod record;
pub mod sketch;
pub mod summary;
pub mod trie;
pub mod view;

pub use conversation::Conversation;
pub use exchange::{Exchange, Violation};
pub use items::{Items, ItemsError, Prefix, SortedIds};
pub use keeper::Keeper;
pub use odd::{FineOdd, Odd};
pub use sketch::{Cell, Decoder, Decoding, Salt, Sid, Sketch};
pub use summary::{Checkpoint, Summary};
pub use trie::Trie;
pub use view::View;

#[cfg(test)]
mod fixture;
