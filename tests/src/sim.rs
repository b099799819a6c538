//! A simulator for machines without I/O: many nodes, one seed, no sockets, threads or clocks.
//!
//! In: a [`Scenario`] (which machine each node runs, what its people ask for, what must always
//! hold) and a [`Plan`] (how many nodes, how long, how rough). Out: an [`Outcome`] that says what
//! broke, when, and how to see it again. Virtual time jumps from event to event, so that an hour
//! of an idle node costs as much as its few events.
//!
//! Guarantees: everything follows from the seed. Two runs of one seed have the same trace, bit for
//! bit; whatever is random, unordered or late comes out of [`Dice`](crate::dice::Dice).
//! Not here: the machines. They are the real ones, behind a thin [`Machine`].
//!
//! A run has two halves. While it storms, messages are lost, doubled and overtaken, links are cut,
//! nodes lose their power in the middle of a write, clocks jump, and hostile nodes spoil, replay
//! and invent messages; the [`Rule`]s are checked after every step. Then all faults stop, and the
//! honest nodes have to agree within a time that the plan names.

mod campaign;
pub mod catalogs;
mod clock;
mod coverage;
pub mod gossip;
mod hostile;
mod machine;
mod nemesis;
mod network;
mod outcome;
mod rule;
mod trace;
mod world;

pub use campaign::{Sweep, seed_to_replay};
pub use clock::Now;
pub use coverage::{Coverage, Fault};
pub use machine::{Died, Event, Machine, Message, NodeIndex, Order, Role, Scenario};
pub use outcome::{Broken, Outcome};
pub use rule::{Nodes, Rule};
pub use world::{Plan, run};
