//! Proves offline what a log says: that a statement stands in it, and that it only ever grew.
//!
//! In: leaf hashes in log order and heads that were opened. Out: an [`Inclusion`] of statements
//! under one head, a [`Consistency`] of two heads, and a [`Proof`]: one file with everything that
//! somebody without a store needs to check that a publisher signed a statement into its log.
//!
//! Guarantees: the number of leaves comes from the signed head, never from the proof; a proof has
//! exactly the hashes that it needs; what is true has one proof, byte for byte. Not here: whether a
//! head is the newest (it carries no time), and what was not said.
//!
//! # Source
//! RFC 6962 section 2.1 for the tree, RFC 9162 section 2.1.4.2 for checking consistency.

mod consistency;
mod file;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod holes;
mod inclusion;
mod tree;

pub use consistency::{Consistency, ConsistencyError};
pub use file::{PROOF_BYTES_MAX, Proof, ProofError, Proven, verify_proof};
pub use inclusion::{Inclusion, InclusionError};
