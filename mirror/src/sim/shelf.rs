//! Who really holds what, whatever anybody says.
//!
//! Each package has a publisher, one of the nodes, that keeps its own copy beside what it mirrors.

use catalog::ByteSize;

use super::chance::Chance;
use super::map::Map;
use super::number::{NodeNo, UnitNo};
use super::settings::Settings;

/// Sizes: each doubling from the smallest is as frequent as the others.
const SIZE_LEAST: u64 = 64 << 10;
const SIZE_DOUBLINGS: u64 = 11;

/// All copies of a world.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    sizes: Vec<u64>,
    publishers: Vec<NodeNo>,
    /// Of each unit, ascending.
    holders: Vec<Vec<NodeNo>>,
    /// Of each node, one bit for each unit.
    held: Vec<Vec<u64>>,
    /// Mirrored by each node, without what it published.
    used: Vec<u64>,
    /// Mirrored by all nodes.
    mirrored: u64,
}

impl Shelf {
    /// What is there before anything is mirrored: each publisher's own copies.
    pub(super) fn new(settings: &Settings, map: &Map) -> Self {
        let mut chance = Chance::new(settings.seed, "shelf");
        let packages = settings.packages as usize;
        let size = |chance: &mut Chance| {
            let floor = SIZE_LEAST << chance.below(SIZE_DOUBLINGS);
            floor + chance.below(floor)
        };
        let sizes = (0..packages).map(|_| size(&mut chance)).collect();
        // Nodes that join later have published nothing yet.
        let publishers = (0..packages).map(|_| chance.below(u64::from(settings.nodes)) as u16);
        let mut shelf = Self {
            sizes,
            publishers: publishers.map(NodeNo).collect(),
            holders: vec![Vec::new(); packages],
            held: vec![vec![0; packages.div_ceil(64)]; map.nodes()],
            used: vec![0; map.nodes()],
            mirrored: 0,
        };
        for unit in UnitNo::all(packages) {
            let publisher = shelf.publishers[unit.at()];
            shelf.holders[unit.at()].push(publisher);
            shelf.mark(publisher, unit);
        }
        shelf
    }

    pub(super) fn units(&self) -> usize {
        self.sizes.len()
    }

    pub(super) fn size(&self, unit: UnitNo) -> ByteSize {
        ByteSize::bytes(self.sizes[unit.at()])
    }

    pub(super) fn holders(&self, unit: UnitNo) -> &[NodeNo] {
        &self.holders[unit.at()]
    }

    pub(super) fn holds(&self, node: NodeNo, unit: UnitNo) -> bool {
        self.held[node.at()][unit.at() / 64] >> (unit.at() % 64) & 1 == 1
    }

    pub(super) fn publisher(&self, unit: UnitNo) -> NodeNo {
        self.publishers[unit.at()]
    }

    pub(super) fn is_publisher(&self, node: NodeNo, unit: UnitNo) -> bool {
        self.publishers[unit.at()] == node
    }

    /// Mirrored by a node.
    pub(super) fn used(&self, node: NodeNo) -> ByteSize {
        ByteSize::bytes(self.used[node.at()])
    }

    /// Mirrored by all nodes, without what publishers keep of their own.
    pub(super) fn mirrored(&self) -> ByteSize {
        ByteSize::bytes(self.mirrored)
    }

    /// One copy of everything.
    pub(super) fn total(&self) -> ByteSize {
        ByteSize::bytes(self.sizes.iter().sum())
    }

    /// A copy has arrived; `false` when it was there already.
    pub(super) fn add(&mut self, node: NodeNo, unit: UnitNo) -> bool {
        let holders = &mut self.holders[unit.at()];
        let Err(place) = holders.binary_search(&node) else { return false };
        holders.insert(place, node);
        self.mark(node, unit);
        self.used[node.at()] += self.sizes[unit.at()];
        self.mirrored += self.sizes[unit.at()];
        true
    }

    /// A mirror lets a copy go; a publisher's own copy stays, and that is `false`.
    pub(super) fn remove(&mut self, node: NodeNo, unit: UnitNo) -> bool {
        if self.is_publisher(node, unit) {
            return false;
        }
        let Ok(place) = self.holders[unit.at()].binary_search(&node) else { return false };
        self.holders[unit.at()].remove(place);
        self.held[node.at()][unit.at() / 64] &= !(1 << (unit.at() % 64));
        self.used[node.at()] -= self.sizes[unit.at()];
        self.mirrored -= self.sizes[unit.at()];
        true
    }

    /// A node is destroyed with all that it held; says how many copies and bytes those were.
    pub(super) fn destroy(&mut self, node: NodeNo) -> (u64, ByteSize) {
        let (mut copies, mut gone) = (0, 0);
        for (holders, size) in self.holders.iter_mut().zip(&self.sizes) {
            if let Ok(place) = holders.binary_search(&node) {
                holders.remove(place);
                copies += 1;
                gone += size;
            }
        }
        self.held[node.at()].fill(0);
        self.mirrored -= std::mem::take(&mut self.used[node.at()]);
        (copies, ByteSize::bytes(gone))
    }

    fn mark(&mut self, node: NodeNo, unit: UnitNo) {
        self.held[node.at()][unit.at() / 64] |= 1 << (unit.at() % 64);
    }

    /// All that a node holds, its own included, ascending.
    pub(super) fn held(&self, node: NodeNo) -> impl Iterator<Item = UnitNo> + '_ {
        let words = self.held[node.at()].iter().enumerate();
        words.flat_map(|(at, word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| UnitNo((at * 64 + bit) as u32))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_come_and_go_and_the_publishers_own_stays() {
        let settings = Settings { packages: 100, ..Settings::default() };
        let mut shelf = Shelf::new(&settings, &Map::new(&settings, 100));
        let unit = UnitNo(70);
        let publisher = shelf.holders(unit)[0];
        let mirror = NodeNo((publisher.0 + 1) % 100);
        assert!(shelf.add(mirror, unit) && !shelf.add(mirror, unit));
        assert_eq!(shelf.used(mirror), shelf.size(unit));
        assert!(shelf.held(mirror).any(|held| held == unit));
        assert!(!shelf.remove(publisher, unit), "what it published stays");
        assert_eq!(shelf.used(publisher), ByteSize::default());
        assert!(shelf.destroy(publisher).1 >= shelf.size(unit));
        assert_eq!(shelf.holders(unit), [mirror]);
        assert!(shelf.remove(mirror, unit) && shelf.holders(unit).is_empty());
        assert_eq!(shelf.mirrored(), ByteSize::default());
    }

    #[test]
    fn sizes_span_three_decades() {
        let settings = Settings::default();
        let shelf = Shelf::new(&settings, &Map::new(&settings, 100));
        let sizes = || UnitNo::all(shelf.units()).map(|unit| shelf.size(unit));
        assert!(sizes().all(|size| size >= ByteSize::kib(64) && size < ByteSize::mib(128)));
        let mean = shelf.total().as_u64() / shelf.units() as u64;
        assert!((16 << 20..19 << 20).contains(&mean), "{mean}");
    }
}
