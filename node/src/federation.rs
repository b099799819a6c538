//! Searches among nodes: answers what peers ask, and asks them what is not here.
//!
//! Whom to ask, what to believe and how to rank it is `catalog_discovery::federation`'s; here are
//! the streams, the clock, and what is remembered from one search to the next.
//!
//! Guarantees: a peer is asked only for what it may hold beyond what is here; it learns the words of
//! the search and its conditions, and nothing else; strangers are answered but never asked.

mod answer;
mod ask;
mod seek;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog_discovery::federation::{Budgets, Cache, CacheKey, Collections, Finishing};

pub(crate) use answer::answer;
pub(crate) use ask::Told;

use crate::turns::Waiting;

/// What is remembered between searches.
#[derive(Default)]
pub(crate) struct Federation {
    memory: Mutex<Memory>,
    /// The questions that are being asked again behind an old answer.
    refreshing: Waiting<CacheKey>,
}

#[derive(Default)]
struct Memory {
    /// What we may still ask.
    asking: Budgets,
    /// What may still be asked of us.
    answering: Budgets,
    collections: Collections,
    cache: Cache,
    finishing: Finishing,
}

impl Federation {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a search that began at `began` asks peers no more, so that it is done `within`.
    pub(crate) fn asking_ends(&self, began: Duration, within: Duration, now: Duration) -> Duration {
        self.memory().finishing.asking_ends(began, within, now)
    }

    /// Takes in how long a search took after asking ended.
    pub(crate) fn finished(&self, took: Duration) {
        self.memory().finishing.learn(took);
    }

    /// Forgets how much was asked of this node: a measurement asks more than a peer may.
    #[cfg(test)]
    pub(crate) fn forgive(&self) {
        self.memory().answering = Budgets::default();
    }
}
