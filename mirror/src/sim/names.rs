//! The ids that machines know nodes, people and packages by.

use std::collections::BTreeMap;

use catalog::Digest;
use catalog::name::Region;
use catalog::permission::NodeId;

use super::number::{NodeNo, RegionNo, UnitNo};
use super::settings::Settings;

/// Numbers by ids, and ids by numbers.
#[derive(Clone, Debug)]
pub(super) struct Names {
    nodes: Vec<NodeId>,
    roots: Vec<Digest>,
    regions: Vec<Region>,
    numbers: BTreeMap<NodeId, NodeNo>,
    units: BTreeMap<Digest, UnitNo>,
}

impl Names {
    pub(super) fn new(settings: &Settings, nodes: usize, units: usize) -> Self {
        let id = |what: u8, number: u64| {
            let mut bytes = [what; 17];
            bytes[1..9].copy_from_slice(&number.to_be_bytes());
            bytes[9..].copy_from_slice(&settings.seed.to_be_bytes());
            Digest::of(&bytes)
        };
        let nodes: Vec<_> =
            (0..nodes as u64).map(|n| NodeId::from_bytes(*id(b'n', n).as_bytes())).collect();
        let roots: Vec<_> = (0..units as u64).map(|n| id(b'u', n)).collect();
        let region = |n| format!("region{n}").parse().expect("letters and a number");
        Self {
            numbers: nodes.iter().copied().zip(NodeNo::all(nodes.len())).collect(),
            units: roots.iter().copied().zip(UnitNo::all(roots.len())).collect(),
            regions: (1..=settings.regions).map(region).collect(),
            nodes,
            roots,
        }
    }

    pub(super) fn node(&self, node: NodeNo) -> NodeId {
        self.nodes[node.at()]
    }

    /// All nodes, in the order of their numbers.
    pub(super) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    pub(super) fn root(&self, unit: UnitNo) -> Digest {
        self.roots[unit.at()]
    }

    pub(super) fn region(&self, region: RegionNo) -> &Region {
        &self.regions[region.at()]
    }

    /// Somebody who installs.
    pub(super) fn client(&self, region: RegionNo, client: u32) -> NodeId {
        let mut bytes = [0xff; 32];
        bytes[0] = region.0;
        bytes[1..5].copy_from_slice(&client.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    pub(super) fn number(&self, id: &NodeId) -> NodeNo {
        self.numbers[id]
    }

    pub(super) fn unit(&self, root: &Digest) -> UnitNo {
        self.units[root]
    }
}
