//! Which copies a mirror holds, and what it earns by serving them. No clock, no sockets, no disk.
//!
//! ```text
//!  leases, filters ─┐
//!  units, demand ───┴─► placement ─► wanted ─┐
//!  holdings, probes, our own copies ─────────┴─► keeper ─► orders: fetch, evict, probe
//! ```
//!
//! Every mirror runs the same machines on the same signed registers and decides alone. All
//! arithmetic of a plan is in whole numbers, so equal inputs give equal plans on every platform.
//! What is earned by serving is another half: receipts, ledger, score and shares.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
mod defence;
pub mod explain;
pub mod filter;
pub mod fraud;
pub mod heat;
pub mod holdings;
#[cfg(test)]
mod incentives;
pub mod keeper;
pub mod lease;
pub mod ledger;
pub mod pace;
pub mod placement;
pub mod receipt;
pub mod rendezvous;
pub mod score;
pub mod share;
pub mod sim;
pub mod strategy;
pub mod unit;

pub use explain::{Explanation, Term, explain};
pub use filter::Filter;
pub use fraud::Fraud;
pub use heat::{Demand, Heat, Served, Warmth};
pub use holdings::{Directory, Holdings, Page, PageNumber};
pub use keeper::{Keeper, Order};
pub use lease::{Lease, Mirror};
pub use ledger::Ledger;
pub use placement::{Duty, Placement, Planner};
pub use receipt::{Receipt, SealedReceipt};
pub use score::{Flows, Scores, Statement};
pub use share::Weights;
pub use strategy::{Measured, Strategy};
pub use unit::{Priority, Subject, Unit};
