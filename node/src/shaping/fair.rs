//! Shares one thing among many by their weights.
//!
//! Guarantees: over any time in which two both wait, what they get is as their weights are, but for
//! a chunk each; who was silent has saved nothing up; who was served does not become new by leaving
//! and coming back.
//!
//! # Source
//! Start-time fair queueing: Goyal, Vin and Cheng, *Start-time Fair Queueing*, SIGCOMM 1996.

use std::collections::BTreeMap;

/// What a byte costs one of weight [`Weight::ONE`]: so much that others divide it.
const BYTE: u64 = 16 * Weight::ONE.0 as u64;
/// So many are remembered, those first that were given something ahead of their turn.
const REMEMBERED_MAX: usize = 4096;

/// What somebody gets beside another: twice the weight, twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The weight of everybody of whom nothing else is known.
    pub const ONE: Self = Self(1000);

    /// So many thousandths of [`ONE`](Self::ONE), one at least.
    pub const fn thousandths(thousandths: u32) -> Self {
        Self(if thousandths == 0 { 1 } else { thousandths })
    }

    /// In thousandths of [`ONE`](Self::ONE).
    pub const fn as_thousandths(self) -> u32 {
        self.0
    }
}

/// Those who share.
#[derive(Clone, Debug)]
pub(super) struct Fair<K> {
    /// Where whoever was served last began.
    now: u64,
    /// Where each comes to stand after what it was given.
    ends: BTreeMap<K, u64>,
}

impl<K> Default for Fair<K> {
    fn default() -> Self {
        Self { now: 0, ends: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Fair<K> {
    /// Where one stands: the lowest is next.
    pub(super) fn place(&self, one: K) -> u64 {
        self.ends.get(&one).copied().unwrap_or(0).max(self.now)
    }

    /// Gives so many bytes to one who is next.
    pub(super) fn give(&mut self, one: K, bytes: u64, weight: Weight) {
        self.now = self.place(one);
        let cost = bytes.saturating_mul(BYTE) / u64::from(weight.0);
        self.ends.insert(one, self.now.saturating_add(cost));
        if self.ends.len() > REMEMBERED_MAX {
            let now = self.now;
            self.ends.retain(|_, end| *end > now);
        }
        if self.ends.len() > REMEMBERED_MAX {
            // So many new ones at once owe a chunk each.
            self.ends.clear();
        }
    }
}
