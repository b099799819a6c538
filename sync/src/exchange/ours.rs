//! Our set, as the exchange asks for it.

use std::collections::BTreeSet;

use catalog::ItemId;

use super::size::Gap;
use crate::items::{Items, ItemsError, Prefix};
use crate::message::{CellBytes, OddBytes, Root, SidBytes};
use crate::odd::{FineOdd, Odd};
use crate::sketch::{Cell, Sid};
use crate::summary::Summary;

/// Ids that share 8 bytes: two by great effort, never so many.
const TWINS_MAX: usize = 8;

/// What is told of the size of a difference.
pub enum Told {
    /// So many were found.
    Items(u64),
    /// The other's odd sketch.
    Odd(Box<Odd>),
    /// The other's fine odd sketch.
    Fine(Box<FineOdd>),
}

/// A summary, and the items that it was made of.
pub struct Ours<I> {
    pub summary: Summary,
    pub items: I,
    /// The last change that both know.
    pub position: u64,
}

impl<I: Items> Ours<I> {
    pub fn root(&self) -> Root {
        self.summary.trie().root()
    }

    pub fn count(&self) -> u64 {
        self.summary.trie().len()
    }

    /// The difference to a set of `count` items of which this is told.
    pub fn gap(&self, count: u64, told: &Told) -> Gap {
        let odd = self.summary.odd();
        let (estimate, fine) = match told {
            Told::Items(differing) => (*differing, true),
            Told::Odd(theirs) => (odd.folded().difference(**theirs), false),
            Told::Fine(theirs) => (odd.difference(**theirs), true),
        };
        Gap::new(self.count(), count, estimate, fine)
    }

    /// What opens a conversation.
    pub fn odd(&self) -> OddBytes {
        self.summary.odd().folded().to_bytes()
    }

    /// The cells of our sketch from number `from` up to `to`, as far as there are any.
    pub fn cells(&self, from: usize, to: usize) -> Vec<CellBytes> {
        self.summary.sketch().cells(from..to).map(Cell::to_bytes).collect()
    }

    /// Our ids that begin like this.
    pub fn named(&self, sid: &SidBytes) -> Result<Vec<ItemId>, ItemsError> {
        self.items.scan(&Sid::from_bytes(*sid).prefix(), TWINS_MAX)
    }

    /// The root of our set with `got` put in and `gone` taken out.
    pub fn root_with(
        &self,
        got: &BTreeSet<ItemId>,
        gone: &BTreeSet<ItemId>,
    ) -> Result<Root, ItemsError> {
        let changed: Vec<ItemId> = got.union(gone).copied().collect();
        let mut trie = self.summary.trie().clone();
        trie.refresh(&changed, &Changed { items: &self.items, got, gone })?;
        Ok(trie.root())
    }
}

/// Items as they would be after a change.
struct Changed<'c, I> {
    items: &'c I,
    got: &'c BTreeSet<ItemId>,
    gone: &'c BTreeSet<ItemId>,
}

impl<I: Items> Items for Changed<'_, I> {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        let gone = self.gone.range(prefix.ids()).count();
        let mut ids = self.items.scan(prefix, limit.saturating_add(gone))?;
        ids.retain(|id| !self.gone.contains(id));
        ids.extend(self.got.range(prefix.ids()).take(limit));
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }
}
