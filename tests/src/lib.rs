//! What the journeys across real processes share: machines, samples, faults and tables.
//!
//! A journey runs the real `catalog` program, each node in a folder and a process of its own.
//! Journeys with a few rounds are tests (`tests/tests`); the same code with the full counts is a
//! campaign (`cargo xtask campaign`).

#![allow(clippy::unwrap_used, reason = "a broken promise ends a test, here as in its body")]

pub mod bitflips;
pub mod cargo;
pub mod dice;
pub mod durability;
pub mod machine;
pub mod network;
pub mod parcel;
pub mod partition;
pub mod powercut;
pub mod ramps;
pub mod releases;
pub mod resume;
pub mod samples;
pub mod sim;
pub mod skip;
pub mod table;
