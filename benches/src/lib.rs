//! Journeys measured beside their rivals: what they share.
//!
//! Every figure is a process of its own, timed from start to exit, with its peak memory sampled
//! from outside; rivals and ours take turns in one run, so that a busy machine is busy for all.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

pub mod corpus;
pub mod debian;
pub mod measure;
pub mod servers;
