//! Asks other nodes what they have for a query, and puts that together with what is here.
//!
//! What is synced is searched here in a millisecond; only what others hold beyond that is asked for.
//! The asker alone reads, corrects and weighs the query: a [`Question`] is what comes out of that.
//! An [`Answer`] carries signed releases; [`Answer::open`] verifies them and is the only way to a
//! [`Verified`] one. An [`Inquiry`] decides whom to ask, when to ask somebody else and when it is
//! enough; [`Finishing`] says when that has to be, so that [`merge`], which ranks everything with one
//! scorer, ours, is done within the deadline.
//!
//! Guarantees: nothing that a peer says of itself decides a place; a peer that sends one forged
//! record is not believed in anything, and not asked for a while; whatever peers do, an inquiry
//! ends at its deadline and says who is missing. No clock, socket or task is in here.

mod answer;
mod budget;
mod cache;
mod collections;
mod counts;
mod finish;
#[cfg(test)]
mod fixture;
mod inquiry;
mod merge;
mod question;

pub use answer::{Answer, Lie, Opened, Verified};
pub use budget::Budgets;
pub use cache::{CACHE_BYTES_MAX, CACHE_ENTRIES_MAX, Cache, CacheKey, Remembered, heads};
pub use collections::{
    Collections, PEERS_ASKED_DEFAULT, PEERS_ASKED_MAX, Reach, ReachError, Target,
};
pub use counts::Counts;
pub use finish::Finishing;
pub use inquiry::{Coverage, DEADLINE, Event, Inquiry, Order};
pub use merge::{Heard, Judge, Ranked, gather, merge};
pub use question::{HITS_MAX, Parts, Question, QuestionError, Reading, Word};
