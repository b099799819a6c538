//! Which copies a mirror holds, and what it earns by serving them. No clock, no sockets, no disk.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
mod defence;
pub mod fraud;
pub mod ledger;
pub mod pace;
pub mod receipt;
pub mod score;
pub mod share;

pub use fraud::Fraud;
pub use ledger::Ledger;
pub use receipt::{Receipt, SealedReceipt};
pub use score::{Flows, Scores, Statement};
pub use share::Weights;
