//! Keeps who got how much from whom, as far as this node was told.
//!
//! In: receipts, in any order and any number of times, and proofs of fraud. Out: for each server and
//! client how much that client vouches for, in all and as far as it has not faded.
//!
//! Guarantees: what is kept of receipts is a join: it follows from which receipts came, not from
//! their order or how often, as long as there is room. So nothing that is shown again counts
//! again. A proof counts for ever; only who sees both receipts can have it, which is why it spreads.
//! Not here: what it is worth to whom ([`score`](crate::score)), and the file it is kept in (`node`).

mod encoding;
mod row;

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::register::AHEAD_MAX;
use catalog::{ByteSize, Timestamp};

use crate::fraud::Fraud;
use crate::receipt::{Receipt, SealedReceipt};

pub use encoding::LedgerError;
pub use row::{HALF_LIFE, Row};

/// Pairs of server and client that are kept.
pub const ROWS_MAX: usize = 8_192;

/// Nodes against which a proof is kept.
pub const FRAUDS_MAX: usize = 1_024;

/// When there is no room, this part of the rows goes at once: looking for them costs a look at all.
const ROWS_DROPPED: usize = ROWS_MAX / 16;

/// Who got how much from whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    viewer: NodeId,
    /// By client, who signs, then by server.
    rows: BTreeMap<NodeId, BTreeMap<NodeId, Row>>,
    frauds: BTreeMap<NodeId, Fraud>,
}

/// What became of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It says more than what was known.
    New {
        /// How much more.
        growth: ByteSize,
    },
    /// It, or a later one, was here.
    Known,
    /// It contradicts what the same client signed before. The proof is kept; it should be shown.
    Contradiction(Box<Fraud>),
    /// It is stamped further in the future than clocks may differ.
    Ahead,
}

/// How much a row matters to the viewer; those that matter least make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Nobody vouches for its client.
    Far,
    /// Its client served the viewer: what it vouches for counts.
    Near,
    /// The viewer is one of the two.
    Own,
}

impl Ledger {
    /// An empty ledger of the node `viewer`.
    pub const fn new(viewer: NodeId) -> Self {
        Self { viewer, rows: BTreeMap::new(), frauds: BTreeMap::new() }
    }

    /// Whose ledger it is.
    pub const fn viewer(&self) -> NodeId {
        self.viewer
    }

    /// Takes in a receipt.
    pub fn take(&mut self, sealed: &SealedReceipt, now: Timestamp) -> Taken {
        if !is_in_time(sealed.receipt(), now) {
            return Taken::Ahead;
        }
        let row = self.row_of(sealed.receipt());
        let before = row.total();
        let fraud = row.take(sealed.receipt(), Some(sealed));
        let growth = row.total().saturating_sub(before);
        match fraud {
            Some(fraud) => {
                self.accuse(fraud.clone());
                Taken::Contradiction(Box::new(fraud))
            }
            None if growth > ByteSize::bytes(0) => Taken::New { growth },
            None => Taken::Known,
        }
    }

    /// Takes in a receipt as if somebody had signed it. For simulations, which sign nothing: such a
    /// row is never shown to others nor kept.
    #[cfg_attr(not(test), allow(dead_code, reason = "for the simulation of mirrors"))]
    pub(crate) fn suppose(&mut self, receipt: &Receipt) {
        self.row_of(receipt).take(receipt, None);
    }

    /// The row of a receipt, made if need be.
    fn row_of(&mut self, receipt: &Receipt) -> &mut Row {
        let Receipt { client, server, .. } = *receipt;
        if self.row(&server, &client).is_none() {
            self.make_room();
        }
        self.rows.entry(client).or_default().entry(server).or_default()
    }

    /// Takes in a proof of fraud; answers whether it is new, and should be shown to others.
    pub fn accuse(&mut self, fraud: Fraud) -> bool {
        let signer = fraud.signer();
        if self.frauds.get(&signer).is_some_and(|known| !fraud.supersedes(known)) {
            return false;
        }
        if self.frauds.len() >= FRAUDS_MAX && !self.frauds.contains_key(&signer) {
            // Keys that never meant anything to anybody here can accuse themselves without end.
            let idle = self.frauds.keys().find(|signer| !self.rows.contains_key(signer)).copied();
            match idle.filter(|_| self.rows.contains_key(&signer)) {
                Some(idle) => self.frauds.remove(&idle),
                None => return false,
            };
        }
        self.frauds.insert(signer, fraud);
        true
    }

    /// Adds `bonus` to what the viewer earned by what it sent to `client`: for bytes of which there
    /// were few copies. Only the viewer's own statement of account shows it.
    pub fn reward(&mut self, client: &NodeId, bonus: ByteSize) {
        let row = self.rows.get_mut(client).and_then(|rows| rows.get_mut(&self.viewer));
        if let Some(row) = row {
            row.reward(bonus);
        }
    }

    /// Takes in all that another ledger of the same viewer holds.
    pub fn join(&mut self, other: &Self) {
        for (client, server, row) in other.rows() {
            if self.row(server, client).is_none() {
                self.make_room();
            }
            let ours = self.rows.entry(*client).or_default().entry(*server).or_default();
            if let Some(fraud) = ours.join(row) {
                self.accuse(fraud);
            }
        }
        for fraud in other.frauds.values() {
            self.accuse(fraud.clone());
        }
    }

    /// What `client` signed for `server`.
    pub fn row(&self, server: &NodeId, client: &NodeId) -> Option<&Row> {
        self.rows.get(client)?.get(server)
    }

    /// Everything that `client` says `server` sent it.
    pub fn total(&self, server: &NodeId, client: &NodeId) -> ByteSize {
        self.row(server, client).map(Row::total).unwrap_or_default()
    }

    /// All rows: client, server, and what the one signed for the other; by client, then by server.
    pub fn rows(&self) -> impl Iterator<Item = (&NodeId, &NodeId, &Row)> {
        let of_client = |(client, rows)| {
            let rows: &BTreeMap<NodeId, Row> = rows;
            rows.iter().map(move |(server, row)| (client, server, row))
        };
        self.rows.iter().flat_map(of_client)
    }

    /// The rows that `client` signed: each server and its row.
    pub fn signed_by(&self, client: &NodeId) -> impl Iterator<Item = (&NodeId, &Row)> {
        self.rows.get(client).into_iter().flatten()
    }

    /// Proofs of fraud, by who signed.
    pub fn frauds(&self) -> impl ExactSizeIterator<Item = (&NodeId, &Fraud)> {
        self.frauds.iter()
    }

    /// The proof against this node, if there is any.
    pub fn fraud_of(&self, node: &NodeId) -> Option<&Fraud> {
        self.frauds.get(node)
    }

    /// Whether it is proved that this node signs what is not true.
    pub fn is_fraud(&self, node: &NodeId) -> bool {
        self.frauds.contains_key(node)
    }

    fn standing(&self, client: &NodeId, server: &NodeId) -> Standing {
        match () {
            () if [client, server].contains(&&self.viewer) => Standing::Own,
            () if self.row(client, &self.viewer).is_some() => Standing::Near,
            () => Standing::Far,
        }
    }

    /// Where the ledger is full, drops the rows that matter least, of those the oldest.
    fn make_room(&mut self) {
        if self.rows.values().map(BTreeMap::len).sum::<usize>() < ROWS_MAX {
            return;
        }
        let rank = |(client, server, row): (&NodeId, &NodeId, &Row)| {
            (self.standing(client, server), row.last(), *client, *server)
        };
        let mut ranked: Vec<_> = self.rows().map(rank).collect();
        ranked.sort_unstable();
        for (.., client, server) in ranked.into_iter().take(ROWS_DROPPED) {
            let Some(rows) = self.rows.get_mut(&client) else { continue };
            rows.remove(&server);
            if rows.is_empty() {
                self.rows.remove(&client);
            }
        }
    }
}

fn is_in_time(receipt: &Receipt, now: Timestamp) -> bool {
    receipt.hlc.time().since(now) <= AHEAD_MAX
}

/// What is left of `bytes` after `age`.
pub fn faded(bytes: ByteSize, age: Duration) -> f64 {
    bytes.as_u64() as f64 * (-(age.as_secs_f64() / HALF_LIFE.as_secs_f64())).exp2()
}

#[cfg(test)]
mod tests;
