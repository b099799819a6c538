//! A statement of account: what this node earned from whom, and who earned what from it.
//!
//! One line for each pair, with every factor, so that anybody can do the sum again:
//! `bytes · health · ratio · reliability / 1 MiB`. Credits are no coin. There is no total of the
//! network, nothing can be paid with them, and another node's statement says other numbers.

use catalog::permission::NodeId;
use catalog::{ByteSize, Timestamp};

use super::{Flows, Scores};
use crate::ledger::{Ledger, Row};

/// What one node earned by what it sent to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The other one.
    pub peer: NodeId,
    /// What the receiver signed for, in all.
    pub bytes: ByteSize,
    /// When it signed last.
    pub last: Timestamp,
    /// How rare it was on average, in `1..=2`.
    pub health: f64,
    /// Whether the sender gave or took, between the two, in `0.5..=2`.
    pub ratio: f64,
    /// How reliable the sender is, in `0..=1`.
    pub reliability: f64,
    /// What that makes.
    pub credits: f64,
}

/// What a node earned and what others earned from it, as it sees that itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// By what it sent; the most first.
    pub earned: Vec<Line>,
    /// By what was sent to it; the most first.
    pub spent: Vec<Line>,
}

impl Statement {
    /// The account of the node whose ledger it is, at the time `now`.
    ///
    /// - `reliability`: of each node, its own included; see [`audit`](crate::audit).
    pub fn draw(ledger: &Ledger, now: Timestamp, reliability: impl Fn(&NodeId) -> f64) -> Self {
        let (viewer, flows) = (ledger.viewer(), Flows::of(ledger, now));
        let line = |server: NodeId, client: NodeId, row: &Row| {
            let bytes = row.total();
            let bonus = row.bonus().as_u64() as f64 / bytes.as_u64().max(1) as f64;
            let peer = if server == viewer { client } else { server };
            let health = 1.0 + bonus.min(1.0);
            let ratio = Scores::new(&flows, client).ratio(&server);
            let reliability = reliability(&server);
            let mib = bytes.as_u64() as f64 / ByteSize::mib(1).as_u64() as f64;
            let credits = mib * health * ratio * reliability;
            Line { peer, bytes, last: row.last(), health, ratio, reliability, credits }
        };
        let (mut earned, mut spent) = (Vec::new(), Vec::new());
        for (client, server, row) in ledger.rows() {
            if *server == viewer {
                earned.push(line(*server, *client, row));
            } else if *client == viewer {
                spent.push(line(*server, *client, row));
            }
        }
        for lines in [&mut earned, &mut spent] {
            lines.sort_by(|a, b| b.credits.total_cmp(&a.credits).then(a.peer.cmp(&b.peer)));
        }
        Self { earned, spent }
    }

    /// What it earned less what others earned from it.
    pub fn balance(&self) -> f64 {
        let sum = |lines: &[Line]| lines.iter().map(|line| line.credits).sum::<f64>();
        sum(&self.earned) - sum(&self.spent)
    }
}
