//! Journeys between real nodes on the loopback interface, and attacks on them.

mod attacks;
mod conflicts;
mod delta;
mod federation;
pub(crate) mod fixture;
mod install;
mod kill;
mod limits;
mod odd;
mod records;
mod registers;
mod sessions;
mod sources;
mod stats;
mod upkeep;
