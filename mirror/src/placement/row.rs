//! One unit of a plan: how much it is asked for, who is willing to hold it, and who does.

use catalog::ByteSize;

use super::Why;
use super::seats::Seats;
use crate::heat::Warmth;
use crate::rendezvous::cost;
use crate::strategy::Terms;
use crate::unit::Unit;

/// A place for a unit; empty when it has been forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    unit: Option<Box<Unit>>,
    pub warmth: Warmth,
    /// The mirrors that are willing to hold it, the first to be asked first.
    order: Vec<Ranked>,
    /// Who holds it in the plan.
    pub holders: Vec<(u32, Why)>,
    /// Who held it in the plan before, while copies are placed.
    before: Vec<(u32, Why)>,
    /// Whether one of those who held it has left since copies were placed.
    bereft: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ranked {
    cost: u64,
    seat: u32,
}

impl Row {
    pub fn unit(&self) -> Option<&Unit> {
        self.unit.as_deref()
    }

    /// The bytes of the unit; 0 when there is none.
    pub fn bytes(&self) -> ByteSize {
        self.unit().map(|unit| unit.bytes).unwrap_or_default()
    }

    /// Puts another unit here, or the same with other words.
    ///
    /// - result: how many mirrors were ranked.
    pub fn set(&mut self, unit: Unit, seats: &Seats) -> usize {
        let root = unit.root;
        let ranked = seats.places().filter(|seat| seats.mirror(*seat).accepts.accepts(&unit));
        let ranked = ranked
            .map(|seat| Ranked { cost: cost(&root, &seats.id(seat), seats.weight(seat)), seat });
        self.order = ranked.collect();
        self.order.sort_unstable_by_key(|one| (one.cost, seats.id(one.seat)));
        self.unit = Some(Box::new(unit));
        self.order.len()
    }

    /// Puts a mirror where it stands in the order.
    pub fn rank(&mut self, seat: u32, seats: &Seats) {
        let Some(unit) = &self.unit else { return };
        let cost = cost(&unit.root, &seats.id(seat), seats.weight(seat));
        let key = (cost, seats.id(seat));
        let at = self.order.partition_point(|one| (one.cost, seats.id(one.seat)) < key);
        self.order.insert(at, Ranked { cost, seat });
    }

    /// Takes a mirror out of the order and from the holders.
    pub fn remove(&mut self, seat: u32) {
        if let Some(at) = self.order.iter().position(|one| one.seat == seat) {
            self.order.remove(at);
        }
        let held = self.holders.len();
        self.holders.retain(|(one, _)| *one != seat);
        self.bereft |= self.holders.len() != held;
    }

    /// Begins to place its copies anew.
    pub fn clear(&mut self) {
        std::mem::swap(&mut self.holders, &mut self.before);
        self.holders.clear();
    }

    /// Whether others are to hold it than before its copies were placed anew.
    pub fn changed(&mut self) -> bool {
        let same = self.holders.len() == self.before.len()
            && self.holders.iter().all(|(seat, _)| self.before.iter().any(|(one, _)| one == seat));
        std::mem::take(&mut self.bereft) || !same
    }

    /// Whether a mirror is willing to hold it.
    pub fn ranks(&self, seat: u32) -> bool {
        self.order.iter().any(|one| one.seat == seat)
    }

    /// The mirrors that are willing to hold it, in order.
    pub fn seats(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().map(|one| one.seat)
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
