//! The mirrors of a plan, by small numbers, and the regions that they are in.

use std::collections::{BTreeMap, BTreeSet};

use catalog::name::Region;
use catalog::permission::NodeId;

use crate::lease::Mirror;
use crate::rendezvous::Weight;

/// One part in so many of a mirror's room is kept free, so that a copy can come before another goes.
const HEADROOM_PART: u64 = 16;

/// What was new about a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing that a plan depends on.
    Same,
    /// What it measured.
    Measured,
    /// Where it is, or what it is for: every copy may depend on that.
    Standpoint,
    /// It is new: rank it.
    New(u32),
    /// It counts otherwise than before: rank it anew.
    Ranked(u32),
}

/// The mirrors, numbered in the order in which they came. Numbers decide nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats {
    seats: Vec<Option<Seat>>,
    by_id: BTreeMap<NodeId, u32>,
    /// Regions with a mirror, ascending: their places are their numbers.
    regions: Vec<Region>,
    regions_changed: bool,
    settled: Vec<Settled>,
}

#[derive(Clone, Debug)]
struct Seat {
    id: NodeId,
    mirror: Mirror,
}

/// What is looked at for each copy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    pub room: u64,
    /// The number of its region; regions without a name share the number behind the last.
    pub region: u16,
    pub backbone: bool,
}

impl Seats {
    pub fn set(&mut self, id: NodeId, mirror: &Mirror) -> Seen {
        if let Some(&place) = self.by_id.get(&id) {
            let old = std::mem::replace(&mut self.seat_mut(place).mirror, mirror.clone());
            let (was, is) = (&old.lease, &mirror.lease);
            if was.region != is.region {
                self.find_regions();
            }
            return if was.capacity != is.capacity || old.accepts != mirror.accepts {
                Seen::Ranked(place)
            } else if (&was.region, was.backbone) != (&is.region, is.backbone) {
                Seen::Standpoint
            } else if was.measured != is.measured {
                Seen::Measured
            } else {
                Seen::Same
            };
        }
        let seat = Some(Seat { id, mirror: mirror.clone() });
        let place = match self.seats.iter().position(Option::is_none) {
            Some(free) => {
                self.seats[free] = seat;
                free
            }
            None => {
                self.seats.push(seat);
                self.seats.len() - 1
            }
        } as u32;
        self.by_id.insert(id, place);
        self.find_regions();
        Seen::New(place)
    }

    pub fn remove(&mut self, id: &NodeId) {
        if let Some(place) = self.by_id.remove(id) {
            self.seats[place as usize] = None;
            self.find_regions();
        }
    }

    fn find_regions(&mut self) {
        let named = self.mirrors().filter_map(|(_, mirror)| mirror.lease.region.clone());
        let regions: BTreeSet<Region> = named.collect();
        if !regions.iter().eq(&self.regions) {
            self.regions = regions.into_iter().collect();
            self.regions_changed = true;
        }
    }

    /// Whether other regions have mirrors than when [`settle`](Self::settle) was called last.
    pub fn regions_changed(&self) -> bool {
        self.regions_changed
    }

    /// Gets ready for placing copies.
    pub fn settle(&mut self) {
        self.regions_changed = false;
        let settled = self.seats.iter().map(|seat| {
            let Some(seat) = seat else { return Settled::default() };
            let lease = &seat.mirror.lease;
            let capacity = lease.capacity.as_u64();
            let region = lease.region.as_ref().and_then(|region| self.number(region));
            Settled {
                room: capacity - capacity / HEADROOM_PART,
                region: region.unwrap_or(self.regions.len() as u16),
                backbone: lease.backbone,
            }
        });
        self.settled = settled.collect();
    }

    pub fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// Regions with a mirror, and the one for mirrors that do not say where they are.
    pub fn region_count(&self) -> usize {
        self.regions.len() + 1
    }

    /// How many of those have a mirror.
    pub fn regions_used(&self) -> usize {
        let nowhere = self.mirrors().any(|(_, mirror)| mirror.lease.region.is_none());
        self.regions.len() + usize::from(nowhere)
    }

    fn number(&self, region: &Region) -> Option<u16> {
        self.regions.binary_search(region).ok().map(|at| at as u16)
    }

    /// The region whose mirrors serve clients of `region`: the same, else the first of its area
    /// (`eu-north` for `eu-west`), else none.
    pub fn home(&self, region: &Region) -> Option<u16> {
        let area = |region: &Region| {
            region.as_str().split(['-', '.', '_']).next().unwrap_or_default().to_owned()
        };
        self.number(region).or_else(|| {
            let wanted = area(region);
            self.regions.iter().position(|one| area(one) == wanted).map(|at| at as u16)
        })
    }

    pub fn home_by_name(&self, region: Option<&Region>) -> Option<u16> {
        self.home(region?)
    }

    pub fn place(&self, id: &NodeId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// A mirror that has the same selection as `mirror`, and was ranked with it: `id` itself first.
    /// `None` when there is none, or when the selection lets everything through.
    pub fn alike(&self, id: &NodeId, mirror: &Mirror) -> Option<u32> {
        if mirror.accepts.is_everything() {
            return None;
        }
        let same = |place: &u32| self.mirror(*place).accepts == mirror.accepts;
        self.place(id).filter(same).or_else(|| self.by_id.values().copied().find(same))
    }

    pub fn mirrors(&self) -> impl Iterator<Item = (&NodeId, &Mirror)> + Clone {
        self.by_id.iter().map(|(id, &place)| (id, self.mirror(place)))
    }

    pub fn mirror(&self, place: u32) -> &Mirror {
        &self.seat(place).mirror
    }

    pub fn id(&self, place: u32) -> NodeId {
        self.seat(place).id
    }

    pub fn weight(&self, place: u32) -> Weight {
        Weight::of(self.mirror(place).lease.capacity)
    }

    /// The places that are taken.
    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.by_id.values().copied()
    }

    fn seat(&self, place: u32) -> &Seat {
        self.seats[place as usize].as_ref().expect("places are given to mirrors that are here")
    }

    fn seat_mut(&mut self, place: u32) -> &mut Seat {
        self.seats[place as usize].as_mut().expect("places are given to mirrors that are here")
    }
}

impl Settled {
    pub const fn fits(&self, bytes: u64) -> bool {
        self.room >= bytes
    }
}
