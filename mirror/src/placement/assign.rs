//! Gives each copy that is asked for to a mirror that has room for it.
//!
//! Copies are gone through in order; each goes to the first mirror of its unit's order that fits.
//! What was decided the last time stands wherever nothing is new that it depended on, which is seen
//! without looking at the unit: the mirror that was chosen still has room, and none that lacked it
//! then has it now, or came since. Rooms of then and of now are both counted for that.

use std::collections::BTreeMap;

use super::Class;
use super::row::Row;
use super::seats::{Seats, Settled};
use super::slots::{Lists, NOBODY, Slot};

/// What is new since copies were placed last.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// Mirrors that came, went, or stand elsewhere in the orders, with what they cost for each row;
    /// a row that is not named is not theirs.
    moved: BTreeMap<u32, Vec<u64>>,
    /// Whether so much is new that everything is placed anew.
    all: bool,
}

/// With more mirrors that moved, comparing costs more than deciding anew.
const MOVED_MAX: usize = 8;

impl News {
    /// A mirror stands elsewhere.
    ///
    /// - `costs`: by row, `u64::MAX` where it is not asked; nothing when it went.
    pub fn moved(&mut self, seat: u32, costs: Vec<u64>) {
        if !self.all {
            self.moved.insert(seat, costs);
            self.all = self.moved.len() > MOVED_MAX;
        }
        if self.all {
            self.moved.clear();
        }
    }

    /// Something is new that every copy may depend on.
    pub fn all(&mut self) {
        self.all = true;
        self.moved.clear();
    }

    pub fn is_empty(&self) -> bool {
        !self.all && self.moved.is_empty()
    }
}

/// What came out.
pub(super) struct Placed {
    /// Every copy that is asked for, and who is to hold it.
    pub slots: Vec<Slot>,
    /// Rows whose copies were looked at.
    pub opened: Vec<u32>,
    /// Mirrors that are asked for other copies than before, or for other reasons.
    pub touched: Vec<bool>,
    /// For how many copies a mirror was looked for.
    pub count: usize,
}

/// The copies that are asked for.
pub(super) struct Asked<'a> {
    /// As they were placed last.
    pub placed: Vec<Slot>,
    /// Rows of which that is over.
    pub dirty: &'a [bool],
    /// What these ask for instead.
    pub fresh: Vec<Slot>,
}

/// Goes through the copies in order; what nobody has room for is held by nobody.
pub(super) fn assign(
    asked: Asked<'_>,
    rows: &mut [Row],
    seats: &Seats,
    limits: Limits,
    news: &News,
) -> Placed {
    let Asked { placed, dirty, fresh } = asked;
    let mut pass = Pass::new(dirty, rows, seats, limits, news);
    let mut slots = Vec::with_capacity(placed.len() + fresh.len());
    let mut fresh = fresh.into_iter().peekable();
    for slot in placed {
        if dirty[slot.row as usize] {
            pass.take_away(&slot);
            continue;
        }
        while let Some(new) = fresh.next_if(|new| new.order(&slot, pass.rows).is_lt()) {
            slots.push(pass.place(new));
        }
        slots.push(if pass.stands(&slot) { pass.keep(slot) } else { pass.place(slot) });
    }
    slots.extend(fresh.map(|new| pass.place(new)));
    Placed { slots, opened: pass.opened, touched: pass.touched, count: pass.count }
}

/// What every copy depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// So many base copies may share a region without one of them being left empty.
    together: usize,
    factor_max: usize,
    backbones: bool,
}

impl Limits {
    pub fn of(seats: &Seats, lists: &Lists<'_>) -> Self {
        Self {
            together: usize::from(lists.base()).div_ceil(seats.regions_used().max(1)),
            factor_max: usize::from(lists.settings.factor_max),
            backbones: seats.settled().iter().any(|seat| seat.backbone),
        }
    }
}

/// One way through the copies.
struct Pass<'a> {
    rows: &'a mut [Row],
    limits: Limits,
    /// The mirrors, with the room that is left.
    seats: Vec<Settled>,
    /// The room that was left here the last time; of those that moved it says nothing.
    before: Vec<u64>,
    /// Those with more room than then.
    gained: Vec<u32>,
    /// For each region no mirror has more room than this.
    most: Vec<u64>,
    moved: &'a BTreeMap<u32, Vec<u64>>,
    has_moved: Vec<bool>,
    /// Whether the copies of a row are placed anew from here on.
    is_open: Vec<bool>,
    opened: Vec<u32>,
    touched: Vec<bool>,
    count: usize,
}

impl<'a> Pass<'a> {
    fn new(
        dirty: &[bool],
        rows: &'a mut [Row],
        seats: &Seats,
        limits: Limits,
        news: &'a News,
    ) -> Self {
        let settled = seats.settled();
        let mut has_moved = vec![news.all; settled.len()];
        news.moved.keys().for_each(|seat| has_moved[*seat as usize] = true);
        let is_open: Vec<bool> = dirty.iter().map(|dirty| *dirty || news.all).collect();
        let opened = (0..rows.len() as u32).filter(|row| is_open[*row as usize]).collect();
        rows.iter_mut().zip(&is_open).filter(|(_, open)| **open).for_each(|(row, _)| row.clear());
        let mut pass = Self {
            rows,
            limits,
            before: settled.iter().map(|seat| seat.room).collect(),
            seats: settled.to_vec(),
            gained: Vec::new(),
            most: vec![0; seats.region_count()],
            moved: &news.moved,
            has_moved,
            is_open,
            opened,
            touched: vec![news.all; settled.len()],
            count: 0,
        };
        (0..pass.most.len()).for_each(|region| pass.look(region as u16));
        pass
    }

    /// Whether a copy stays where it was placed the last time.
    fn stands(&self, slot: &Slot) -> bool {
        let bytes = slot.bytes;
        let fits = |seat: u32| self.seats[seat as usize].fits(bytes);
        if self.is_open[slot.row as usize] {
            return false;
        }
        if slot.seat != NOBODY && (self.has_moved[slot.seat as usize] || !fits(slot.seat)) {
            return false;
        }
        let gains = |seat: &u32| self.before[*seat as usize] < bytes && fits(*seat);
        !self.gained.iter().any(gains) && !self.moved.iter().any(|moved| self.wins(moved, slot))
    }

    /// Whether a mirror that moved may stand before whoever was chosen.
    fn wins(&self, (&seat, costs): (&u32, &Vec<u64>), slot: &Slot) -> bool {
        let cost = costs.get(slot.row as usize).copied().unwrap_or(u64::MAX);
        let one = &self.seats[seat as usize];
        cost != u64::MAX
            && cost <= slot.cost
            && one.fits(slot.bytes)
            && slot.region.is_none_or(|region| region == one.region)
            && (slot.class() != Class::Backbone || one.backbone)
    }

    fn keep(&mut self, slot: Slot) -> Slot {
        if slot.seat != NOBODY {
            self.seats[slot.seat as usize].room -= slot.bytes;
            self.release(slot.seat, slot.bytes);
        }
        slot
    }

    /// A copy is not asked for any more.
    fn take_away(&mut self, slot: &Slot) {
        if slot.seat != NOBODY {
            self.release(slot.seat, slot.bytes);
            self.compare(slot.seat);
            self.touched[slot.seat as usize] = true;
        }
    }

    /// Looks for a mirror.
    fn place(&mut self, mut slot: Slot) -> Slot {
        self.open(&slot);
        let found = self.find(&slot);
        let (seat, cost) = found.unwrap_or((NOBODY, u64::MAX));
        if let Some((seat, _)) = found {
            self.seats[seat as usize].room -= slot.bytes;
            self.rows[slot.row as usize].hold(seat, &slot);
        }
        if slot.seat != NOBODY {
            self.release(slot.seat, slot.bytes);
        }
        if slot.seat != seat {
            for changed in [slot.seat, seat].into_iter().filter(|seat| *seat != NOBODY) {
                self.compare(changed);
                self.touched[changed as usize] = true;
            }
        }
        self.count += 1;
        (slot.seat, slot.cost) = (seat, cost);
        slot
    }

    /// Places the copies of a row anew from this one on.
    fn open(&mut self, slot: &Slot) {
        if !std::mem::replace(&mut self.is_open[slot.row as usize], true) {
            self.rows[slot.row as usize].clear_from(slot);
            self.opened.push(slot.row);
        }
    }

    /// Notes that the room of a copy was taken the last time, too.
    fn release(&mut self, seat: u32, bytes: u64) {
        let before = &mut self.before[seat as usize];
        *before = before.saturating_sub(bytes);
    }

    /// Notes whether a mirror has more room than the last time.
    fn compare(&mut self, seat: u32) {
        let (at, now) = (seat as usize, self.seats[seat as usize].room);
        let gains = !self.has_moved[at] && now > self.before[at];
        match self.gained.iter().position(|one| *one == seat) {
            Some(place) if !gains => drop(self.gained.swap_remove(place)),
            None if gains => self.gained.push(seat),
            _ => {}
        }
    }

    /// The first mirror with room for a copy, and what it costs; one that was only found because no
    /// other region had room costs more than any.
    fn find(&mut self, slot: &Slot) -> Option<(u32, u64)> {
        let row = &self.rows[slot.row as usize];
        let (copy, held) = (usize::from(slot.copy()), row.holders.len());
        match (slot.class(), slot.region) {
            (Class::Base, _) => {
                let together = self.limits.together;
                let apart =
                    self.first(slot, |pass, row, seat| pass.copies_in(row, seat.region) < together);
                let anywhere = |_: &Self, _: &Row, _: &Settled| true;
                apart.or_else(|| Some((self.first(slot, anywhere)?.0, u64::MAX)))
            }
            (Class::Hot, _) if held >= self.limits.factor_max => None,
            (Class::Wish, None) if held >= copy => None,
            (Class::Region | Class::Hot | Class::Wish, Some(region)) => {
                if self.copies_in(row, region) >= copy {
                    return None;
                }
                self.first(slot, |_, _, seat| seat.region == region)
            }
            (Class::Backbone, _) => {
                let has_one = |pass: &Self, row: &Row| {
                    row.holders.iter().any(|one| pass.seats[one.seat as usize].backbone)
                };
                if !self.limits.backbones || has_one(self, row) {
                    return None;
                }
                self.first(slot, |_, _, seat| seat.backbone)
            }
            (Class::Region | Class::Hot | Class::Wish, None) => self.first(slot, |_, _, _| true),
        }
    }

    /// The first mirror of the order that `allows`, with room for another copy, and its cost.
    fn first(
        &mut self,
        slot: &Slot,
        allows: impl Fn(&Self, &Row, &Settled) -> bool,
    ) -> Option<(u32, u64)> {
        let most = match slot.region {
            Some(region) => self.most[usize::from(region)],
            None => self.most.iter().copied().max().unwrap_or_default(),
        };
        if most < slot.bytes {
            return None;
        }
        let row = &self.rows[slot.row as usize];
        let found = row.order().find(|(place, _)| {
            let seat = &self.seats[*place as usize];
            seat.fits(slot.bytes) && row.is_free(*place) && allows(self, row, seat)
        });
        if found.is_none() {
            match slot.region {
                Some(region) => self.look(region),
                None => (0..self.most.len()).for_each(|region| self.look(region as u16)),
            }
        }
        found
    }

    /// Finds out how much room the emptiest mirror of a region has.
    fn look(&mut self, region: u16) {
        let inside = self.seats.iter().filter(|seat| seat.region == region);
        self.most[usize::from(region)] = inside.map(|seat| seat.room).max().unwrap_or_default();
    }

    fn copies_in(&self, row: &Row, region: u16) -> usize {
        row.holders.iter().filter(|one| self.seats[one.seat as usize].region == region).count()
    }
}
