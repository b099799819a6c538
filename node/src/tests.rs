//! Journeys between real nodes on the loopback interface, and attacks on them.

mod attacks;
mod audits;
mod conflicts;
mod delta;
mod federation;
pub(crate) mod fixture;
mod install;
mod kill;
mod limits;
mod mirror;
mod odd;
mod permissions;
mod probes;
mod receipts;
mod records;
mod registers;
mod sealed;
mod sessions;
mod sources;
mod stats;
mod traces;
mod upkeep;
