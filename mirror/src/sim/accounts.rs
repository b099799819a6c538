//! Who gave what to whom, as one mirror sees it, and how much each word about demand counts.
//!
//! People install through the nodes of their region, which sign for what they were given. Liars sign
//! for each other. Signatures themselves are left out: there would be millions.

use std::collections::{BTreeMap, BTreeSet};

use catalog::permission::NodeId;
use catalog::register::Hlc;
use catalog::{ByteSize, Digest, Timestamp};

use super::map::Map;
use super::names::Names;
use super::number::{NodeNo, RegionNo};
use crate::ledger::Ledger;
use crate::receipt::Receipt;
use crate::score::{Flows, Scores};
use crate::strategy::WHOLE;

/// What liars sign for each other every ten minutes.
const INVENTED: ByteSize = ByteSize::gib(10);

/// A ledger, and what it has not heard of yet.
pub(super) struct Accounts {
    ledger: Ledger,
    given: BTreeMap<(NodeNo, NodeNo), Given>,
    unsigned: BTreeSet<(NodeNo, NodeNo)>,
    liars: Vec<NodeNo>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Given {
    bytes: u64,
    receipts: u64,
}

impl Accounts {
    pub(super) fn new(viewer: NodeId, liars: &[NodeNo]) -> Self {
        Self {
            ledger: Ledger::new(viewer),
            given: BTreeMap::new(),
            unsigned: BTreeSet::new(),
            liars: liars.to_vec(),
        }
    }

    /// Somebody in a region was given something.
    pub(super) fn served(
        &mut self,
        map: &Map,
        server: NodeNo,
        (region, client): (RegionNo, u32),
        bytes: ByteSize,
    ) {
        // Nodes are dealt out to regions in turn, so these are the ones of that region.
        let regions = map.regions();
        let near = (map.nodes() - region.at()).div_ceil(regions);
        let through = NodeNo((region.at() + regions * (client as usize % near)) as u16);
        if through != server {
            self.give(server, through, bytes);
        }
    }

    fn give(&mut self, server: NodeNo, client: NodeNo, bytes: ByteSize) {
        self.given.entry((server, client)).or_default().bytes += bytes.as_u64();
        self.unsigned.insert((server, client));
    }

    /// Everybody signs for what they were given since, and liars for what they were not.
    pub(super) fn sign(&mut self, now: Timestamp, names: &Names) {
        for (at, liar) in self.liars.clone().into_iter().enumerate() {
            let next = self.liars[(at + 1) % self.liars.len()];
            if next != liar {
                self.give(next, liar, INVENTED);
            }
        }
        for pair in std::mem::take(&mut self.unsigned) {
            let Some(given) = self.given.get_mut(&pair) else { continue };
            given.receipts += 1;
            self.ledger.suppose(&Receipt {
                server: names.node(pair.0),
                client: names.node(pair.1),
                epoch: 1,
                seq: given.receipts,
                bytes: ByteSize::bytes(given.bytes),
                hlc: Hlc::after(Hlc::default(), now),
                hint: Digest::from_bytes([0; 32]),
            });
        }
    }

    /// How much the word of each node counts, in thousandths.
    pub(super) fn voices(&self, now: Timestamp, nodes: &[NodeId]) -> Vec<u16> {
        let flows = Flows::of(&self.ledger, now);
        let voices = Scores::new(&flows, self.ledger.viewer()).voices(nodes);
        voices.into_iter().map(|voice| (voice * f64::from(WHOLE)) as u16).collect()
    }
}
