//! What placing is compared with: every package has as many copies as any other.
//!
//! As many as the bytes allow in whole numbers; what is left is room for repairs. Where copies go is
//! decided by rendezvous hashing over all nodes, whatever their region. Who is away is known, and
//! who holds what, at once and for nothing; a copy is made again when a node has been away as long
//! as mirrors wait.

use std::time::Duration;

use super::demand::Request;
use super::map::Map;
use super::number::{NodeNo, UnitNo};
use super::rival::{share, weight};
use super::stage::{Carrier, Change, LinePart, Stage};

/// A lease, and two probes.
const PATIENCE: Duration = Duration::from_secs(32 * 60);

/// The same number of copies of everything.
#[derive(Debug)]
pub(super) struct Even {
    share: u64,
    /// Copies of each package, the publisher's included.
    factor: usize,
    /// Copies of each package that are on their way.
    coming: Vec<usize>,
    /// Bytes on their way to each node.
    booked: Vec<u64>,
}

/// A node has been away for long, unless it came back meanwhile.
#[derive(Debug)]
pub(super) struct Gone {
    node: NodeNo,
    session: u32,
}

impl Even {
    pub(super) fn new(map: &Map, units: usize) -> Self {
        Self { share: share(map), factor: 1, coming: vec![0; units], booked: vec![0; map.nodes()] }
    }

    /// All nodes, in the order in which they are asked to hold a unit.
    fn order(&self, map: &Map, unit: UnitNo) -> Vec<NodeNo> {
        let mut order: Vec<_> = NodeNo::all(map.nodes()).collect();
        let shares = |node| map.site(node).room.as_u64() / self.share;
        order.sort_by_cached_key(|node| std::cmp::Reverse(weight(*node, unit, shares(*node))));
        order
    }

    /// The first node in the order that is up, has room, and lacks the unit.
    fn next(&self, stage: &Stage<Gone>, unit: UnitNo) -> Option<NodeNo> {
        let fits = |node: &NodeNo| {
            let taken = stage.shelf.used(*node).as_u64() + self.booked[node.at()];
            taken + stage.shelf.size(unit).as_u64() <= stage.map.site(*node).room.as_u64()
        };
        let takes =
            |node: &NodeNo| stage.map.is_up(*node) && !stage.shelf.holds(*node, unit) && fits(node);
        self.order(&stage.map, unit).into_iter().find(takes)
    }

    /// Makes copies again that are missing.
    fn repair(&mut self, stage: &mut Stage<Gone>, unit: UnitNo) {
        let live = |node: &&NodeNo| stage.map.is_up(**node);
        let live: Vec<_> = stage.shelf.holders(unit).iter().filter(live).copied().collect();
        if live.len() + self.coming[unit.at()] >= self.factor {
            return;
        }
        // Each source in turn, so that none of them sends everything.
        let Some(from) = live.get(unit.at() % live.len().max(1)).copied() else { return };
        if let Some(node) = self.next(stage, unit) {
            self.coming[unit.at()] += 1;
            self.booked[node.at()] += stage.shelf.size(unit).as_u64();
            stage.fetch(node, unit, from, LinePart::Repair);
        }
    }
}

impl Carrier for Even {
    type Alarm = Gone;

    fn begin(&mut self, stage: &mut Stage<Gone>) {
        let up = NodeNo::all(stage.map.nodes()).filter(|node| stage.map.is_up(*node));
        let room: u64 = up.map(|node| stage.map.site(node).room.as_u64()).sum();
        self.factor = 1 + (room / stage.shelf.total().as_u64().max(1)) as usize;
        self.factor = self.factor.min(stage.map.nodes());
        // One copy of everything after the other, so that none is short when room is.
        for copies in 2..=self.factor {
            for unit in UnitNo::all(stage.shelf.units()) {
                let Some(node) = self.next(stage, unit) else { continue };
                debug_assert!(stage.shelf.holders(unit).len() < copies);
                stage.shelf.add(node, unit);
            }
        }
    }

    fn asked(&mut self, _: &mut Stage<Gone>, _: &Request, _: Option<NodeNo>) {}

    fn fetched(&mut self, stage: &mut Stage<Gone>, node: NodeNo, unit: UnitNo, here: bool) {
        self.coming[unit.at()] -= 1;
        self.booked[node.at()] -= stage.shelf.size(unit).as_u64();
        if !here {
            self.repair(stage, unit);
        }
    }

    fn alarm(&mut self, stage: &mut Stage<Gone>, gone: Gone) {
        let stayed_away =
            !stage.map.is_up(gone.node) && stage.map.session(gone.node) == gone.session;
        if stayed_away {
            for unit in UnitNo::all(stage.shelf.units()) {
                self.repair(stage, unit);
            }
        }
    }

    fn changed(&mut self, stage: &mut Stage<Gone>, change: Change) {
        match change {
            Change::Went(node) => {
                let session = stage.map.session(node);
                stage.remind(PATIENCE, Gone { node, session });
            }
            // What was made again meanwhile makes room for the next that goes.
            Change::Came(node) => {
                let held: Vec<_> = stage.shelf.held(node).collect();
                for unit in held {
                    let live = |node: &&NodeNo| stage.map.is_up(**node);
                    if stage.shelf.holders(unit).iter().filter(live).count() > self.factor + 1 {
                        stage.shelf.remove(node, unit);
                    }
                }
            }
            Change::Joined(_) | Change::Cut | Change::Healed => {}
        }
    }
}
