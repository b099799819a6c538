//! What placing is compared with: a cache in each region, and copies at random.
//!
//! Both get the same bytes. They are told at once, and for nothing, what mirrors have to tell each
//! other: where copies are, and who is up.

use std::collections::BTreeSet;

use super::chance::Chance;
use super::demand::Request;
use super::map::Map;
use super::number::{NodeNo, UnitNo};
use super::stage::{Carrier, Change, Stage};

/// A cache in each region, spread over its nodes by rendezvous; the copy that was asked for longest
/// ago makes room (LRU).
#[derive(Debug)]
pub(super) struct Lru {
    /// Of each node, what it mirrors by when it was last asked for.
    ages: Vec<BTreeSet<(u64, UnitNo)>>,
    /// When a node was last asked for a unit, by node and unit.
    used: Vec<Vec<u64>>,
    clock: u64,
    /// The room that all others are a multiple of.
    share: u64,
}

impl Lru {
    pub(super) fn new(map: &Map, units: usize) -> Self {
        Self {
            ages: vec![BTreeSet::new(); map.nodes()],
            used: vec![vec![0; units]; map.nodes()],
            clock: 0,
            share: share(map),
        }
    }

    fn touch(&mut self, node: NodeNo, unit: UnitNo) {
        self.clock += 1;
        let used = &mut self.used[node.at()][unit.at()];
        self.ages[node.at()].remove(&(*used, unit));
        *used = self.clock;
        self.ages[node.at()].insert((*used, unit));
    }
}

impl Carrier for Lru {
    type Alarm = ();

    fn begin(&mut self, _: &mut Stage<()>) {}

    fn asked(&mut self, stage: &mut Stage<()>, request: &Request, by: Option<NodeNo>) {
        let Some(server) = by else { return };
        if !stage.shelf.is_publisher(server, request.unit) {
            self.touch(server, request.unit);
        }
        if stage.map.site(server).region == request.region {
            return;
        }
        let near = NodeNo::all(stage.map.nodes()).filter(|node| {
            stage.map.site(*node).region == request.region
                && stage.map.is_up(*node)
                && stage.map.site(*node).room >= stage.shelf.size(request.unit)
        });
        let shares = |node: NodeNo| stage.map.site(node).room.as_u64() / self.share;
        if let Some(node) = near.max_by_key(|node| weight(*node, request.unit, shares(*node))) {
            stage.keep(node, request.unit, server);
        }
    }

    fn fetched(&mut self, stage: &mut Stage<()>, node: NodeNo, unit: UnitNo, here: bool) {
        if here {
            self.touch(node, unit);
        }
        while stage.shelf.used(node) > stage.map.site(node).room {
            let Some((_, oldest)) = self.ages[node.at()].pop_first() else { return };
            stage.shelf.remove(node, oldest);
        }
    }

    fn alarm(&mut self, _: &mut Stage<()>, (): ()) {}

    fn changed(&mut self, _: &mut Stage<()>, _: Change) {}
}

/// Which node keeps a unit: the one with the largest of these. Twice the room is twice
/// as likely, because the best of two rolls is.
pub(super) fn weight(node: NodeNo, unit: UnitNo, shares: u64) -> u64 {
    let mut chance = Chance::new(u64::from(unit.0) << 16 | u64::from(node.0), "lru");
    (0..shares).map(|_| chance.roll()).max().unwrap_or(0)
}

/// The room that those of all nodes are multiples of.
pub(super) fn share(map: &Map) -> u64 {
    let rooms = NodeNo::all(map.nodes()).map(|node| map.site(node).room.as_u64());
    rooms.min().unwrap_or(1).max(1)
}

/// Each node fills its room with packages of chance, once, and looks at nobody.
#[derive(Debug)]
pub(super) struct Random {
    chance: Chance,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed, "random placement") }
    }

    fn fill(&mut self, stage: &mut Stage<()>, node: NodeNo) {
        let mut units: Vec<_> = UnitNo::all(stage.shelf.units()).collect();
        self.chance.shuffle(&mut units);
        for unit in units {
            let left = stage.map.site(node).room.saturating_sub(stage.shelf.used(node));
            // To look on for something smaller would fill every node with small packages.
            if stage.shelf.size(unit) > left {
                break;
            }
            stage.shelf.add(node, unit);
        }
    }
}

impl Carrier for Random {
    type Alarm = ();

    fn begin(&mut self, stage: &mut Stage<()>) {
        for node in NodeNo::all(stage.map.nodes()) {
            if stage.map.is_up(node) {
                self.fill(stage, node);
            }
        }
    }

    fn asked(&mut self, _: &mut Stage<()>, _: &Request, _: Option<NodeNo>) {}

    fn fetched(&mut self, _: &mut Stage<()>, _: NodeNo, _: UnitNo, _: bool) {}

    fn alarm(&mut self, _: &mut Stage<()>, (): ()) {}

    fn changed(&mut self, stage: &mut Stage<()>, change: Change) {
        if let Change::Joined(node) = change {
            self.fill(stage, node);
        }
    }
}
