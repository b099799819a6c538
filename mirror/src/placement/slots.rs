//! The copies that units ask for, the most important first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::row::Row;
use super::seats::Seats;
use super::{Class, Settings};
use crate::rendezvous::log2_floor;
use crate::strategy::{Tuning, WHOLE};

/// Demand from which a region has a second copy; each fourfold of it has one more.
const HOT_LOG2: u32 = 4;

/// A copy that a unit asks for.
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

    pub const fn worth(&self) -> u16 {
        WHOLE - (self.key >> 32) as u16
    }
}

/// Lists the copies of some rows anew and puts them where they belong.
pub(super) fn renew(slots: &mut Vec<Slot>, dirty: &BTreeSet<u32>, rows: &[Row], lists: &Lists<'_>) {
    if dirty.is_empty() {
        return;
    }
    slots.retain(|slot| !dirty.contains(&slot.row));
    let mut fresh = Vec::new();
    for &row in dirty {
        list(&mut fresh, row, &rows[row as usize], lists);
    }
    let order = |a: &Slot, b: &Slot| -> Ordering {
        let root = |slot: &Slot| rows[slot.row as usize].unit().map(|unit| unit.root);
        let quick = (a.key, a.tie).cmp(&(b.key, b.tie));
        quick.then_with(|| root(a).cmp(&root(b))).then(a.number.cmp(&b.number))
    };
    fresh.sort_unstable_by(order);
    let old = std::mem::take(slots);
    slots.reserve(old.len() + fresh.len());
    let (mut old, mut fresh) = (old.into_iter().peekable(), fresh.into_iter().peekable());
    loop {
        let next = match (old.peek(), fresh.peek()) {
            (Some(a), Some(b)) if order(a, b).is_le() => old.next(),
            (Some(_), None) => old.next(),
            (_, Some(_)) => fresh.next(),
            (None, None) => break,
        };
        slots.extend(next);
    }
}

/// Lists the copies of one unit.
fn list(slots: &mut Vec<Slot>, place: u32, row: &Row, lists: &Lists<'_>) {
    let (Some(unit), Some(terms)) = (row.unit(), row.terms(0)) else { return };
    let weights = &lists.tuning.weights;
    let (tie, _) = unit.root.as_bytes().split_first_chunk::<8>().expect("32 bytes");
    let tie = u64::from_be_bytes(*tie);
    let mut number = 0;
    let mut add = |class: Class, copy: u8, worth: u16, region: Option<u16>| {
        let class = class as u64;
        let key = class << 56 | u64::from(copy) << 48 | u64::from(WHOLE - worth.min(WHOLE)) << 32;
        slots.push(Slot { key, tie, number, region, row: place });
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
