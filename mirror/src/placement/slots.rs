//! The copies that units ask for, the most important first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::row::Row;
use super::seats::Seats;
use super::{Class, Settings, Why};
use crate::rendezvous::log2_floor;
use crate::strategy::{Tuning, WHOLE};

/// Demand from which a region has a second copy; each fourfold of it has one more.
const HOT_LOG2: u32 = 4;

/// Who holds what nobody has room for.
pub(super) const NOBODY: u32 = u32::MAX;

/// A copy that a unit asks for, and who is to hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Class, copy and worth: smaller comes first.
    key: u64,
    /// The first bytes of the root: between copies that are equal so far, it decides.
    tie: u64,
    /// Which of the unit's copies it is; no two have the same.
    number: u16,
    /// Where it has to be, if that matters.
    pub region: Option<u16>,
    pub row: u32,
    pub bytes: u64,
    /// The mirror that was chosen, or [`NOBODY`], and what it costs: with less, another would have
    /// been chosen.
    pub seat: u32,
    pub cost: u64,
}

/// What the copies of a unit depend on.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub settings: Settings,
    pub tuning: Tuning,
    pub seats: &'a Seats,
}

impl Slot {
    pub const fn class(&self) -> Class {
        match self.key >> 56 {
            0 => Class::Base,
            1 => Class::Region,
            2 => Class::Hot,
            3 => Class::Wish,
            _ => Class::Backbone,
        }
    }

    /// The how-manieth copy it is.
    pub const fn copy(&self) -> u8 {
        (self.key >> 48) as u8
    }

    const fn worth(&self) -> u16 {
        WHOLE - (self.key >> 32) as u16
    }

    /// Which of the unit's copies it is.
    pub const fn number(&self) -> u16 {
        self.number
    }

    pub const fn why(&self) -> Why {
        Why { class: self.class(), copy: self.copy(), worth: self.worth() }
    }

    /// Whether it comes after another copy of the same unit.
    pub fn follows(&self, why: Why, number: u16) -> bool {
        (key(why), number) < (self.key, self.number)
    }

    /// Which of two copies is more important.
    pub fn order(&self, other: &Self, rows: &[Row]) -> Ordering {
        let root = |slot: &Self| rows[slot.row as usize].unit().map(|unit| unit.root);
        let quick = (self.key, self.tie).cmp(&(other.key, other.tie));
        quick.then_with(|| root(self).cmp(&root(other))).then(self.number.cmp(&other.number))
    }
}

/// Class, copy and worth as one number: smaller comes first.
const fn key(why: Why) -> u64 {
    (why.class as u64) << 56 | (why.copy as u64) << 48 | ((WHOLE - why.worth) as u64) << 32
}

/// Lists the copies of some rows, the most important first.
pub(super) fn list_all(dirty: &BTreeSet<u32>, rows: &[Row], lists: &Lists<'_>) -> Vec<Slot> {
    let mut fresh = Vec::new();
    for &row in dirty {
        list(&mut fresh, row, &rows[row as usize], lists);
    }
    fresh.sort_unstable_by(|a, b| a.order(b, rows));
    fresh
}

/// Lists the copies of one unit.
fn list(slots: &mut Vec<Slot>, place: u32, row: &Row, lists: &Lists<'_>) {
    let (Some(unit), Some(terms)) = (row.unit(), row.terms(0)) else { return };
    let weights = &lists.tuning.weights;
    let (tie, _) = unit.root.as_bytes().split_first_chunk::<8>().expect("32 bytes");
    let (tie, bytes) = (u64::from_be_bytes(*tie), unit.bytes.as_u64());
    let mut number = 0;
    let mut add = |class: Class, copy: u8, worth: u16, region: Option<u16>| {
        let key = key(Why { class, copy, worth: worth.min(WHOLE) });
        let (seat, cost) = (NOBODY, u64::MAX);
        slots.push(Slot { key, tie, number, region, row: place, bytes, seat, cost });
        number += 1;
    };

    let (least, most) = (lists.base(), lists.settings.factor_max);
    let anywhere = terms.worth(weights);
    for copy in 1..=least {
        add(Class::Base, copy, anywhere, None);
    }
    // What several regions ask of the mirrors of one is added up.
    let mut homes: BTreeMap<u16, u64> = BTreeMap::new();
    let mut nowhere = row.warmth.elsewhere;
    for (region, count) in &row.warmth.regions {
        match lists.seats.home(region) {
            Some(home) => *homes.entry(home).or_default() += count,
            None => nowhere = nowhere.saturating_add(*count),
        }
    }
    for (home, count) in homes.into_iter().filter(|(_, count)| *count > 0) {
        let worth = row.terms(count).map_or(0, |terms| terms.worth(weights));
        add(Class::Region, 1, worth, Some(home));
        for copy in 2..=further(count).saturating_add(1).min(most) {
            add(Class::Hot, copy, worth, Some(home));
        }
    }
    for copy in least + 1..=(least + further(nowhere)).min(most) {
        add(Class::Hot, copy - least + 1, anywhere, None);
    }
    for copy in least + 1..=unit.wish.copies {
        add(Class::Wish, copy, anywhere, None);
    }
    let wished: BTreeSet<u16> =
        unit.wish.regions.iter().filter_map(|region| lists.seats.home(region)).collect();
    for home in wished {
        add(Class::Wish, 1, anywhere, Some(home));
    }
    add(Class::Backbone, 1, anywhere, None);
}

/// How many copies beyond the first so much demand asks for.
fn further(demand: u64) -> u8 {
    let doublings = log2_floor(demand);
    if doublings < HOT_LOG2 { 0 } else { ((doublings - HOT_LOG2) / 2 + 1) as u8 }
}

impl Lists<'_> {
    /// How many copies of everything there are to be.
    pub fn base(&self) -> u8 {
        (self.settings.factor_min + self.tuning.spare_copies).min(self.settings.factor_max)
    }
}
