//! Mirrors that lie, and how they are found out.
//!
//! A liar says that it holds everything, holds nothing, and invents demand for packages that hardly
//! anybody wants. It signs receipts for other liars, for service that nobody gave. Mirrors audit
//! each other: every ten minutes each is asked for one chunk of what it says it holds.

use catalog::Timestamp;

use super::chance::Chance;
use super::map::Map;
use super::names::Names;
use super::number::{NodeNo, UnitNo};
use super::shelf::Shelf;
use crate::audit::{Outcome, Record};
use crate::heat::{Demand, DemandRow, Prefix, ROWS_MAX};

/// What a liar claims for each package that it names, as a power of two.
const INVENTED_LOG2: u8 = 20;

/// Who lies, and what is known of everybody.
pub(super) struct Liars {
    lies: Vec<bool>,
    records: Vec<Record>,
    chance: Chance,
}

impl Liars {
    pub(super) fn new(seed: u64, nodes: usize, liars: &[NodeNo]) -> Self {
        let mut lies = vec![false; nodes];
        liars.iter().for_each(|node| lies[node.at()] = true);
        Self { lies, records: vec![Record::default(); nodes], chance: Chance::new(seed, "audits") }
    }

    pub(super) fn lies(&self, node: NodeNo) -> bool {
        self.lies[node.at()]
    }

    /// Whether what a node says still counts.
    pub(super) fn is_believed(&self, node: NodeNo) -> bool {
        !self.records[node.at()].is_out()
    }

    /// Audits each mirror once; says who is not believed any more from now on.
    pub(super) fn audit(&mut self, now: Timestamp, map: &Map, shelf: &Shelf) -> Vec<NodeNo> {
        let mut found = Vec::new();
        for node in NodeNo::all(map.nodes()).filter(|node| map.is_up(*node)) {
            // Of an honest mirror every chunk is there; a liar claims each package alike.
            let asked = UnitNo(self.chance.below(shelf.units() as u64) as u32);
            let kept = !self.lies[node.at()] || shelf.holds(node, asked);
            let record = &mut self.records[node.at()];
            let was_out = record.is_out();
            record.note(if kept { Outcome::Kept } else { Outcome::Lost }, now);
            if record.is_out() && !was_out {
                found.push(node);
            }
        }
        found
    }

    /// What a liar says that it served: the same packages as all of them.
    pub(super) fn demand(&self, names: &Names, map: &Map, node: NodeNo, units: usize) -> Demand {
        let region = names.region(map.site(node).region);
        let row = |unit| DemandRow {
            prefix: Prefix::of(&names.root(unit)),
            region: Some(region.clone()),
            log2: INVENTED_LOG2,
            peak: None,
        };
        Demand { rows: UnitNo::all(units).take(ROWS_MAX).map(row).collect() }
    }
}
