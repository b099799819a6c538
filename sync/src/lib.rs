//! How two catalogs become equal at the cost of their difference.
//!
//! A catalog is compared as a set of [`ItemId`](catalog::ItemId)s.
//!
//! Nothing here opens a socket, starts a task or reads a clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod items;
pub mod proof;

pub use items::{Items, ItemsError, Prefix, SortedIds};

#[cfg(test)]
mod fixture;
