//! Gives each copy that is asked for to a mirror that has room for it.

use catalog::ByteSize;

use super::row::Row;
use super::seats::{Seats, Settled};
use super::slots::{Lists, Slot};
use super::{Class, Why};

/// The mirrors and what is left of their room.
struct Room {
    seats: Vec<Settled>,
    /// For each region no mirror has more room than this.
    most: Vec<u64>,
}

/// Goes through `slots` in order; what nobody has room for is left out.
pub(super) fn assign(
    slots: &[Slot],
    rows: &mut [Row],
    seats: &Seats,
    lists: &Lists<'_>,
    duties: &mut Vec<Vec<(u32, Why)>>,
) {
    rows.iter_mut().for_each(Row::clear);
    duties.iter_mut().for_each(Vec::clear);
    duties.resize_with(seats.settled().len(), Vec::new);
    let mut room = Room::new(seats);
    let backbones = seats.settled().iter().any(|seat| seat.backbone);
    // So many base copies may share a region without one of them being left empty.
    let together = usize::from(lists.base()).div_ceil(seats.regions_used().max(1));
    for slot in slots {
        let row = &mut rows[slot.row as usize];
        let (class, copy) = (slot.class(), usize::from(slot.copy()));
        let held = row.holders.len();
        let bytes = row.bytes();
        let found = match (class, slot.region) {
            (Class::Base, _) => {
                let apart = room
                    .find(row, bytes, |room, region, row| room.copies_in(row, region) < together);
                apart.or_else(|| room.find(row, bytes, |_, _, _| true))
            }
            (Class::Hot, _) if held >= usize::from(lists.settings.factor_max) => None,
            (Class::Wish, None) if held >= copy => None,
            (Class::Region | Class::Hot | Class::Wish, Some(region)) => {
                match room.copies_in(row, region) < copy {
                    true => room.find_in(row, bytes, region),
                    false => None,
                }
            }
            (Class::Backbone, _) if !backbones || room.has_backbone(row) => None,
            (Class::Backbone, _) => room.find_backbone(row, bytes),
            (Class::Region | Class::Hot | Class::Wish, None) => {
                room.find(row, bytes, |_, _, _| true)
            }
        };
        if let Some(seat) = found {
            room.seats[seat as usize].room -= bytes.as_u64();
            let why = Why { class, copy: slot.copy(), worth: slot.worth() };
            row.holders.push((seat, why));
            duties[seat as usize].push((slot.row, why));
        }
    }
}

impl Room {
    fn new(seats: &Seats) -> Self {
        let mut room =
            Self { seats: seats.settled().to_vec(), most: vec![0; seats.region_count()] };
        (0..room.most.len()).for_each(|region| room.look(region as u16));
        room
    }

    /// Finds out how much room the emptiest mirror of a region has.
    fn look(&mut self, region: u16) {
        let inside = self.seats.iter().filter(|seat| seat.region == region);
        self.most[usize::from(region)] = inside.map(|seat| seat.room).max().unwrap_or_default();
    }

    fn copies_in(&self, row: &Row, region: u16) -> usize {
        row.holders.iter().filter(|(seat, _)| self.seats[*seat as usize].region == region).count()
    }

    fn has_backbone(&self, row: &Row) -> bool {
        row.holders.iter().any(|(seat, _)| self.seats[*seat as usize].backbone)
    }

    /// The first mirror of the order, in a region that `allows`, with room for another copy.
    fn find(
        &mut self,
        row: &Row,
        bytes: ByteSize,
        allows: impl Fn(&Self, u16, &Row) -> bool,
    ) -> Option<u32> {
        if self.most.iter().all(|most| *most < bytes.as_u64()) {
            return None;
        }
        let found = row.seats().find(|&place| {
            let seat = &self.seats[place as usize];
            seat.fits(bytes) && free_of(row, place) && allows(self, seat.region, row)
        });
        if found.is_none() {
            (0..self.most.len()).for_each(|region| self.look(region as u16));
        }
        found
    }

    /// The first mirror of the order in a region, with room for another copy.
    fn find_in(&mut self, row: &Row, bytes: ByteSize, region: u16) -> Option<u32> {
        if self.most[usize::from(region)] < bytes.as_u64() {
            return None;
        }
        let found = row.seats().find(|&place| {
            let seat = &self.seats[place as usize];
            seat.region == region && seat.fits(bytes) && free_of(row, place)
        });
        if found.is_none() {
            self.look(region);
        }
        found
    }

    fn find_backbone(&self, row: &Row, bytes: ByteSize) -> Option<u32> {
        row.seats().find(|&place| {
            let seat = &self.seats[place as usize];
            seat.backbone && seat.fits(bytes) && free_of(row, place)
        })
    }
}

fn free_of(row: &Row, place: u32) -> bool {
    row.holders.iter().all(|(holder, _)| *holder != place)
}
