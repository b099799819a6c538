//! One unit of a plan: how much it is asked for, who is willing to hold it, and who does.

use catalog::Digest;

use super::Why;
use super::seats::Seats;
use super::slots::Slot;
use crate::heat::Warmth;
use crate::rendezvous::cost;
use crate::strategy::Terms;
use crate::unit::Unit;

/// A place for a unit; empty when it has been forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    unit: Option<Box<Unit>>,
    /// The root of the unit: it is looked at more often than the rest.
    root: Option<Digest>,
    pub warmth: Warmth,
    /// The mirrors that are willing to hold it, the first to be asked first.
    order: Vec<u32>,
    /// What each of them costs.
    costs: Vec<u64>,
    /// Who holds it in the plan, in the order of its copies.
    pub holders: Vec<Holder>,
    /// Who held it in the plan before, while copies are placed.
    before: Vec<Holder>,
    /// Whether one of those who held it has left since copies were placed.
    bereft: bool,
}

/// A mirror that holds a unit in the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub seat: u32,
    pub why: Why,
    /// Which of the unit's copies it is.
    number: u16,
}

impl Row {
    pub fn unit(&self) -> Option<&Unit> {
        self.unit.as_deref()
    }

    /// Puts another unit here, or the same with other words.
    ///
    /// - result: how many mirrors were ranked.
    pub fn set(&mut self, unit: Unit, seats: &Seats) -> usize {
        let root = unit.root;
        let ranked = seats.places().filter(|seat| seats.mirror(*seat).accepts.accepts(&unit));
        let mut ranked: Vec<(u64, u32)> =
            ranked.map(|seat| (cost(&root, &seats.id(seat), seats.weight(seat)), seat)).collect();
        ranked
            .sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| seats.id(a.1).cmp(&seats.id(b.1))));
        (self.costs, self.order) = ranked.into_iter().unzip();
        (self.unit, self.root) = (Some(Box::new(unit)), Some(root));
        self.order.len()
    }

    /// Puts a mirror where it stands in the order; says what it costs.
    pub fn rank(&mut self, seat: u32, seats: &Seats) -> Option<u64> {
        let id = seats.id(seat);
        let cost = cost(&self.root?, &id, seats.weight(seat));
        let mut at = self.costs.partition_point(|one| *one < cost);
        while self.costs.get(at) == Some(&cost) && seats.id(self.order[at]) < id {
            at += 1;
        }
        self.order.insert(at, seat);
        self.costs.insert(at, cost);
        Some(cost)
    }

    /// Takes a mirror out of the order.
    pub fn remove(&mut self, seat: u32) {
        if let Some(at) = self.order.iter().position(|one| *one == seat) {
            self.order.remove(at);
            self.costs.remove(at);
        }
    }

    /// Takes a mirror from the holders.
    pub fn bereave(&mut self, seat: u32) {
        let held = self.holders.len();
        self.holders.retain(|one| one.seat != seat);
        self.bereft |= self.holders.len() != held;
    }

    /// Begins to place its copies anew.
    pub fn clear(&mut self) {
        std::mem::swap(&mut self.holders, &mut self.before);
        self.holders.clear();
    }

    /// Begins to place its copies anew from this one on.
    pub fn clear_from(&mut self, slot: &Slot) {
        self.before.clone_from(&self.holders);
        let earlier = |one: &Holder| slot.follows(one.why, one.number);
        self.holders.truncate(self.holders.partition_point(earlier));
    }

    /// Gives a copy to a mirror.
    pub fn hold(&mut self, seat: u32, slot: &Slot) {
        self.holders.push(Holder { seat, why: slot.why(), number: slot.number() });
    }

    /// Whether a mirror does not hold it.
    pub fn is_free(&self, seat: u32) -> bool {
        self.holders.iter().all(|one| one.seat != seat)
    }

    /// Whether others are to hold it than before its copies were placed anew.
    pub fn changed(&mut self) -> bool {
        let same = self.holders.len() == self.before.len()
            && self.holders.iter().all(|new| self.before.iter().any(|old| old.seat == new.seat));
        std::mem::take(&mut self.bereft) || !same
    }

    /// Whether a mirror is willing to hold it.
    pub fn ranks(&self, seat: u32) -> bool {
        self.order.contains(&seat)
    }

    /// The mirrors that are willing to hold it, in order, with what they cost.
    pub fn order(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.order.iter().copied().zip(self.costs.iter().copied())
    }

    /// Whether its copies depend on which regions have mirrors.
    pub fn is_regional(&self) -> bool {
        let wishes = self.unit().is_some_and(|unit| !unit.wish.regions.is_empty());
        wishes || self.warmth != Warmth::default()
    }

    /// How much the clients ask for it that the mirrors of a region serve.
    pub fn demand_in(&self, home: u16, seats: &Seats) -> u64 {
        let served =
            self.warmth.regions.iter().filter(|(region, _)| seats.home(region) == Some(home));
        served.map(|(_, count)| count).sum()
    }

    /// The terms of a copy for clients that ask for it so often.
    pub fn terms(&self, here: u64) -> Option<Terms> {
        let unit = self.unit()?;
        let (anywhere, soon) = (self.warmth.total(), self.warmth.soon);
        Some(Terms::of(anywhere, here, soon, unit.priority, unit.bytes))
    }
}
