//! Decides which mirror holds which unit.
//!
//! In: the mirrors ([`Mirror`]), the units ([`Unit`]), how much each is asked for ([`Warmth`]) and
//! the [`Settings`]. Out: for each unit the mirrors that hold it and why ([`Why`]), and for each
//! mirror an ordered list of its [`Duty`]s.
//!
//! A unit asks for copies in five classes, and every mirror's room goes to the first of them that
//! it is asked for:
//!
//! 1. [`Class::Base`]: as many as the minimum, in different regions. First one copy of everything,
//!    then a second one: the rarest first, however popular the rest is.
//! 2. [`Class::Region`]: one in each region in which it is asked for.
//! 3. [`Class::Hot`]: more where it is asked for much, one for each fourfold demand.
//! 4. [`Class::Wish`]: what its publisher asks for beyond that, in room that is left.
//! 5. [`Class::Backbone`]: one on a backbone, the last resort.
//!
//! Inside a class the [`Strategy`] decides. Who is asked first is decided by weighted
//! [`rendezvous`](crate::rendezvous) hashing; a mirror that is full is passed over.
//!
//! Guarantees: the result depends on what is known and not on the order in which it was learnt, so
//! all nodes with equal knowledge have equal plans; no mirror is asked for more than it offers. One
//! change costs what it touches and a pass over a sorted list, never a new ranking of everything;
//! on that pass only copies are looked at whose mirror may be another now.
//! Not here: carrying it out without haste and without loss ([`keeper`](crate::keeper)).
//!
//! # Source
//! Copies at most once in a region, as long as there are regions, are the bases of a matroid; so a
//! mirror that joins changes at most one copy of a unit: Edmonds, *Matroids and the Greedy
//! Algorithm*, 1971. `docs/decisions/0010` weighs the alternatives.

use std::collections::{BTreeMap, BTreeSet};

use catalog::name::Region;
use catalog::permission::NodeId;
use catalog::{ByteSize, Digest};

use crate::heat::{Heat, Prefix, Warmth};
use crate::lease::Mirror;
use crate::strategy::{Measured, Strategy, Terms, Tuning};
use crate::unit::Unit;

mod assign;
mod row;
mod seats;
mod slots;

use assign::{Asked, Limits, News};
use row::{Holder, Row};
use seats::{Seats, Seen};
use slots::{NOBODY, Slot};

/// How many copies there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of everything, from 1.
    pub factor_min: u8,
    /// Of what is asked for most. One copy for each region with demand may go beyond it.
    pub factor_max: u8,
    /// What comes first when there is not room for all.
    pub strategy: Strategy,
}

impl Default for Settings {
    fn default() -> Self {
        Self { factor_min: 3, factor_max: 16, strategy: Strategy::default() }
    }
}

/// Why a copy is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One of the copies that everything has.
    Base,
    /// The first in a region in which it is asked for.
    Region,
    /// A further one where it is asked for much.
    Hot,
    /// Its publisher would like it.
    Wish,
    /// The last resort.
    Backbone,
}

/// One copy: its class, and the how-manieth it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Why {
    /// What it is for.
    pub class: Class,
    /// From 1: of its class, or inside its region.
    pub copy: u8,
    /// What it is worth inside its class, from 0 to 1000.
    pub worth: u16,
}

/// A copy that one mirror is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duty {
    /// The unit.
    pub root: Digest,
    /// How large it is.
    pub bytes: ByteSize,
    /// What for.
    pub why: Why,
}

/// Where one unit is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Who holds it, in the order in which they were chosen.
    pub holders: Vec<(NodeId, Why)>,
    /// How many copies of its minimum found no room.
    pub short: u8,
}

/// How much there was to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Pairs of a unit and a mirror that were ranked.
    pub ranked: usize,
    /// Units whose copies were listed anew.
    pub listed: usize,
    /// Copies for which a mirror was looked for; all others stayed where they were.
    pub placed: usize,
}

/// A plan, and what it was made of.
#[derive(Clone, Debug)]
pub struct Planner {
    settings: Settings,
    tuning: Tuning,
    seats: Seats,
    rows: Vec<Row>,
    free: Vec<u32>,
    places: BTreeMap<Digest, u32>,
    /// Every copy that is asked for, the most important first.
    slots: Vec<Slot>,
    /// Rows whose copies have to be listed anew.
    dirty: BTreeSet<u32>,
    /// Whether something changed since copies were placed.
    stale: bool,
    /// What changed of the mirrors.
    news: News,
    /// What every copy depended on when copies were placed last.
    limits: Limits,
    /// For each seat the rows that it is to hold, in the order of `slots`.
    duties: Vec<Vec<(u32, Why)>>,
    /// Units that others hold since copies were placed last.
    changed: Vec<Digest>,
    work: Work,
}

impl Planner {
    /// A planner that knows no mirrors and no units.
    pub fn new(settings: Settings) -> Self {
        let factor_min = settings.factor_min.max(1);
        let settings = Settings {
            factor_min,
            factor_max: settings.factor_max.max(factor_min),
            strategy: settings.strategy,
        };
        Self {
            settings,
            tuning: settings.strategy.tuning(Measured::default()),
            seats: Seats::default(),
            rows: Vec::new(),
            free: Vec::new(),
            places: BTreeMap::new(),
            slots: Vec::new(),
            dirty: BTreeSet::new(),
            stale: false,
            news: News::default(),
            limits: Limits::default(),
            duties: Vec::new(),
            changed: Vec::new(),
            work: Work::default(),
        }
    }

    /// How many copies there are to be, and what comes first.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What the strategy asks for at present.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Takes in a mirror, or what it says now.
    ///
    /// Costs one hash for each unit when it is new or offers other room, and nothing when it says
    /// nothing new. The first mirror with a selection by profile costs a choice for each release.
    pub fn set_mirror(&mut self, id: NodeId, mirror: &Mirror) {
        // A mirror with the same selection has been asked before.
        let alike = self.seats.alike(&id, mirror);
        match self.seats.set(id, mirror) {
            Seen::Same => return,
            Seen::Measured => {}
            Seen::Standpoint => self.news.all(),
            Seen::New(seat) => self.rank(seat, mirror, alike, false),
            Seen::Ranked(seat) => {
                self.bereave(seat);
                self.rank(seat, mirror, alike, true);
            }
        }
        self.stale = true;
    }

    /// Puts a mirror where it stands in the order of each unit that it is willing to hold.
    ///
    /// - `alike`: one that has been asked, itself perhaps, and is willing to hold the same.
    /// - `again`: whether it stands there already.
    fn rank(&mut self, seat: u32, mirror: &Mirror, alike: Option<u32>, again: bool) {
        let takes_all = mirror.accepts.is_everything();
        let mut costs = vec![u64::MAX; self.rows.len()];
        for (row, cost) in self.rows.iter_mut().zip(&mut costs) {
            let accepts = takes_all
                || match (alike, row.unit()) {
                    (Some(alike), _) => row.ranks(alike),
                    (None, Some(unit)) => mirror.accepts.accepts(unit),
                    (None, None) => false,
                };
            if again {
                row.remove(seat);
            }
            if let Some(now) = accepts.then(|| row.rank(seat, &self.seats)).flatten() {
                *cost = now;
                self.work.ranked += 1;
            }
        }
        self.news.moved(seat, costs);
    }

    /// Plans with these mirrors and no others.
    pub fn set_mirrors<'a>(&mut self, mirrors: impl Iterator<Item = (&'a NodeId, &'a Mirror)>) {
        let mut gone: BTreeSet<NodeId> = self.seats.mirrors().map(|(id, _)| *id).collect();
        for (id, mirror) in mirrors {
            gone.remove(id);
            self.set_mirror(*id, mirror);
        }
        gone.iter().for_each(|id| self.remove_mirror(id));
    }

    /// Forgets a mirror: what it held is asked of others.
    pub fn remove_mirror(&mut self, id: &NodeId) {
        let Some(seat) = self.seats.place(id) else { return };
        self.bereave(seat);
        self.rows.iter_mut().for_each(|row| row.remove(seat));
        self.seats.remove(id);
        self.news.moved(seat, Vec::new());
        self.stale = true;
    }

    /// Takes a mirror from the holders of what it was to hold.
    fn bereave(&mut self, seat: u32) {
        for (row, _) in self.duties.get(seat as usize).into_iter().flatten() {
            self.rows[*row as usize].bereave(seat);
        }
    }

    /// The mirrors that are known, by id.
    pub fn mirrors(&self) -> impl Iterator<Item = (&NodeId, &Mirror)> {
        self.seats.mirrors()
    }

    /// What is known of one mirror.
    pub fn mirror(&self, id: &NodeId) -> Option<&Mirror> {
        Some(self.seats.mirror(self.seats.place(id)?))
    }

    /// Takes in a unit, or what is said of it now.
    pub fn set_unit(&mut self, unit: Unit) {
        let place = match self.places.get(&unit.root) {
            Some(&place) => {
                if self.row(place).unit() == Some(&unit) {
                    return;
                }
                place
            }
            None => {
                let place = self.free.pop().unwrap_or_else(|| {
                    self.rows.push(Row::default());
                    u32::try_from(self.rows.len() - 1).expect("fewer units than 2^32")
                });
                self.places.insert(unit.root, place);
                place
            }
        };
        let row = &mut self.rows[place as usize];
        self.work.ranked += row.set(unit, &self.seats);
        self.dirty.insert(place);
        self.stale = true;
    }

    /// Forgets a unit.
    pub fn remove_unit(&mut self, root: &Digest) {
        let Some(place) = self.places.remove(root) else { return };
        self.rows[place as usize] = Row::default();
        self.free.push(place);
        self.dirty.insert(place);
        self.stale = true;
    }

    /// A unit that is known.
    pub fn unit(&self, root: &Digest) -> Option<&Unit> {
        self.row(*self.places.get(root)?).unit()
    }

    /// The units that are known, by root.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.places.values().filter_map(|&place| self.row(place).unit())
    }

    /// Says how much a unit is asked for; ignored when the unit is not known.
    pub fn set_warmth(&mut self, root: &Digest, warmth: Warmth) {
        let Some(&place) = self.places.get(root) else { return };
        let row = &mut self.rows[place as usize];
        if row.warmth != warmth {
            row.warmth = warmth;
            self.dirty.insert(place);
            self.stale = true;
        }
    }

    /// Says how much the units that begin so are asked for.
    ///
    /// - `hour`: the hour of the day in UTC.
    pub fn warm<'a>(
        &mut self,
        heat: &Heat,
        hour: u8,
        prefixes: impl IntoIterator<Item = &'a Prefix>,
    ) {
        for prefix in prefixes {
            let warmth = heat.of(prefix, hour);
            let mut first = [0; 32];
            first[..8].copy_from_slice(&prefix.0);
            let from = self.places.range(Digest::from_bytes(first)..).map(|(root, _)| *root);
            let roots: Vec<_> = from.take_while(|root| Prefix::of(root) == *prefix).collect();
            for root in roots {
                self.set_warmth(&root, warmth.clone());
            }
        }
    }

    /// How much a unit is asked for.
    pub fn warmth(&self, root: &Digest) -> Option<&Warmth> {
        Some(&self.row(*self.places.get(root)?).warmth)
    }

    /// Makes the plan agree with everything that was said. Must come before what is asked below.
    ///
    /// - result: what there was to do since the last time.
    pub fn refresh(&mut self) -> Work {
        self.changed.clear();
        if !self.stale {
            return Work::default();
        }
        let measured = Measured::median(self.seats.mirrors().map(|(_, one)| one.lease.measured));
        let tuning = self.settings.strategy.tuning(measured);
        if self.tuning != tuning {
            self.tuning = tuning;
            self.dirty = (0..self.rows.len() as u32).collect();
        } else if self.seats.regions_changed() {
            let warm = |place: &u32| self.row(*place).is_regional();
            let warm: Vec<_> = (0..self.rows.len() as u32).filter(warm).collect();
            self.dirty.extend(warm);
        }
        if self.seats.regions_changed() {
            self.news.all();
        }
        self.seats.settle();
        let lists = slots::Lists { settings: self.settings, tuning, seats: &self.seats };
        let limits = Limits::of(&self.seats, &lists);
        if std::mem::replace(&mut self.limits, limits) != limits {
            self.news.all();
        }
        self.stale = false;
        self.work.listed = self.dirty.len();
        if !self.dirty.is_empty() || !self.news.is_empty() {
            let fresh = slots::list_all(&self.dirty, &self.rows, &lists);
            self.place(fresh);
        }
        std::mem::take(&mut self.work)
    }

    /// Places copies, those of rows that changed as they are listed now.
    fn place(&mut self, fresh: Vec<Slot>) {
        let mut dirty = vec![false; self.rows.len()];
        std::mem::take(&mut self.dirty).iter().for_each(|row| dirty[*row as usize] = true);
        let asked = Asked { placed: std::mem::take(&mut self.slots), dirty: &dirty, fresh };
        let news = std::mem::take(&mut self.news);
        let placed = assign::assign(asked, &mut self.rows, &self.seats, self.limits, &news);
        self.work.placed = placed.count;
        self.slots = placed.slots;
        for row in placed.opened {
            let row = &mut self.rows[row as usize];
            if row.changed() {
                self.changed.extend(row.unit().map(|unit| unit.root));
            }
        }
        self.duties.resize_with(placed.touched.len(), Vec::new);
        let duties = self.duties.iter_mut().zip(&placed.touched);
        duties.filter(|(_, touched)| **touched).for_each(|(duties, _)| duties.clear());
        for slot in self.slots.iter().filter(|slot| slot.seat != NOBODY) {
            if placed.touched[slot.seat as usize] {
                self.duties[slot.seat as usize].push((slot.row, slot.why()));
            }
        }
    }

    /// The units that other mirrors are to hold than before the last [`refresh`](Self::refresh), in
    /// no particular order. Those that were forgotten are not among them.
    pub fn changed(&self) -> &[Digest] {
        &self.changed
    }

    /// What a mirror is to hold: the rarest first, then by class and worth.
    pub fn wanted_by(&self, id: &NodeId) -> Vec<Duty> {
        let duties = self.seats.place(id).and_then(|seat| self.duties.get(seat as usize));
        let duty = |&(place, why): &(u32, Why)| {
            let unit = self.row(place).unit()?;
            Some(Duty { root: unit.root, bytes: unit.bytes, why })
        };
        duties.into_iter().flatten().filter_map(duty).collect()
    }

    /// Where a unit is to be; `None` when it is not known.
    pub fn placement(&self, root: &Digest) -> Option<Placement> {
        let row = self.row(*self.places.get(root)?);
        let holder = |one: &Holder| (self.seats.id(one.seat), one.why);
        let holders = row.holders.iter().map(holder);
        let base = row.holders.iter().filter(|one| one.why.class == Class::Base).count();
        let short = usize::from(self.base()).saturating_sub(base) as u8;
        Some(Placement { holders: holders.collect(), short })
    }

    /// How many copies of a unit there are to be; 0 when it is not known.
    pub fn copies(&self, root: &Digest) -> usize {
        self.places.get(root).map_or(0, |&place| self.row(place).holders.len())
    }

    /// Whether a mirror is to hold a unit.
    pub fn is_holder(&self, root: &Digest, id: &NodeId) -> bool {
        let holds = |(place, seat)| !self.row(place).is_free(seat);
        self.places.get(root).copied().zip(self.seats.place(id)).is_some_and(holds)
    }

    /// The mirrors that are willing to hold a unit, in the order in which they are asked.
    pub fn order(&self, root: &Digest) -> impl Iterator<Item = NodeId> {
        let row = self.places.get(root).map(|&place| self.row(place));
        row.into_iter().flat_map(|row| row.order()).map(|(seat, _)| self.seats.id(seat))
    }

    /// How many copies of everything there are to be.
    pub fn base(&self) -> u8 {
        (self.settings.factor_min + self.tuning.spare_copies).min(self.settings.factor_max)
    }

    /// The terms of a copy in a region.
    pub(crate) fn terms(&self, root: &Digest, region: Option<&Region>) -> Option<Terms> {
        let row = self.row(*self.places.get(root)?);
        let here =
            self.seats.home_by_name(region).map_or(0, |home| row.demand_in(home, &self.seats));
        row.terms(here)
    }

    fn row(&self, place: u32) -> &Row {
        &self.rows[place as usize]
    }
}

#[cfg(test)]
mod tests;
