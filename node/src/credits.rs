//! What this node earned and what others earned from it, as it sees that itself, with every factor.
//!
//! Credits are no coin: they give weight beside others who want something of the same node at the
//! same time, and nothing else. Another node's view says other numbers.

use catalog::ByteSize;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::store::StoreError;
use catalog::time::Timestamp;
use catalog_mirror::audit::Record;
use catalog_mirror::fraud::Fraud;
use catalog_mirror::receipt::SealedReceipt;
use catalog_mirror::score::{Flows, RELIABILITY_UNKNOWN, Scores, Statement};
use catalog_mirror::{score, share};
use serde::{Deserialize, Serialize};

use crate::node::{Node, now};

/// The most nodes that are shown; anybody can make any number of them.
const STANDINGS_MAX: usize = 256;
/// The most of those who vouched for one node that are shown.
const VOUCHED_MAX: usize = 8;

/// A statement of account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    /// Whose view this is.
    pub node: NodeId,
    /// What was earned, less what others earned here.
    pub balance: f64,
    /// What this node sent and was signed for, the most first.
    pub earned: Vec<CreditLine>,
    /// What was sent to this node, the most first.
    pub spent: Vec<CreditLine>,
    /// What others are worth here, the most first.
    pub standings: Vec<CreditStanding>,
    /// Nodes that signed what cannot be true.
    pub frauds: Vec<FraudFound>,
}

/// What a node earned by what it sent to another: `MiB · health · ratio · reliability`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditLine {
    /// The other one.
    pub peer: NodeId,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// What the receiver signed for.
    pub bytes: ByteSize,
    /// When it signed last.
    pub signed: Timestamp,
    /// How rare it was, from 1 to 2.
    pub health: f64,
    /// Whether the sender gives or takes, between the two, from 0.5 to 2.
    pub ratio: f64,
    /// How reliable the sender is, from 0 to 1; what is not known is in the middle.
    pub reliability: f64,
    /// What that makes.
    pub credits: f64,
}

/// What a node is worth here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditStanding {
    /// The node.
    pub peer: NodeId,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// `own + Σ vouched`.
    pub score: f64,
    /// By what it gave this node.
    pub own: f64,
    /// By what it gave those who gave this node; the most first.
    pub vouched: Vec<Vouch>,
    /// Whether it gives or takes, between the two.
    pub ratio: f64,
    /// How reliable it is.
    pub reliability: f64,
    /// What it has of a contended line beside others, a friend being 1; nothing for a stranger.
    pub weight: Option<f64>,
}

/// What the word of one node adds to the score of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vouch {
    /// Whose word.
    pub peer: NodeId,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// What it adds.
    pub adds: f64,
}

/// Two receipts of one node that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudFound {
    /// Who signed both.
    pub signer: NodeId,
    /// For whom.
    pub server: NodeId,
    /// The one, and the other.
    pub receipts: [ReceiptShown; 2],
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptShown {
    /// Which counting of its client it belongs to.
    pub epoch: u32,
    /// Which receipt of that counting it is.
    pub seq: u64,
    /// What it is for.
    pub bytes: ByteSize,
    /// When it was signed.
    pub signed: Timestamp,
    /// The receipt as it was signed, in hexadecimal digits.
    pub sealed: String,
}

impl ReceiptShown {
    fn of(sealed: &SealedReceipt) -> Self {
        let receipt = sealed.receipt();
        Self {
            epoch: receipt.epoch,
            seq: receipt.seq,
            bytes: receipt.bytes,
            signed: receipt.hlc.time(),
            sealed: hex::encode(sealed.as_bytes()),
        }
    }
}

impl FraudFound {
    fn of(fraud: &Fraud) -> Self {
        let receipts = fraud.receipts();
        Self {
            signer: fraud.signer(),
            server: receipts[0].receipt().server,
            receipts: receipts.map(ReceiptShown::of),
        }
    }
}

impl Node {
    /// What this node earned and what others earned from it.
    ///
    /// # Errors
    /// [`StoreError`] when what others show cannot be read.
    pub async fn credits(&self) -> Result<Credits, StoreError> {
        let inner = &self.0;
        inner.read_receipts().await?;
        let aliases: Vec<(NodeId, Petname)> = self
            .peers()
            .await?
            .into_iter()
            .filter_map(|peer| Some((peer.node, peer.alias?)))
            .collect();
        let alias = |node: &NodeId| {
            aliases.iter().find(|(known, _)| known == node).map(|(_, alias)| alias.clone())
        };
        let reliability = |node: &NodeId| inner.reliability(node);
        let (ledger, now) = (&inner.account.books().ledger.clone(), now());
        let statement = Statement::draw(ledger, now, reliability);
        let flows = Flows::of(ledger, now);
        let scores = Scores::new(&flows, inner.id);
        let known = scores.known();
        let weights = share::Weights::earned(&scores, &known, reliability);
        let standing = |peer: &NodeId| {
            let reckoning = scores.reckoning(peer);
            let vouched = reckoning.vouched.into_iter().take(VOUCHED_MAX);
            CreditStanding {
                peer: *peer,
                alias: alias(peer),
                score: reckoning.score,
                own: reckoning.own,
                vouched: vouched
                    .map(|(peer, adds)| Vouch { peer, alias: alias(&peer), adds })
                    .collect(),
                ratio: reckoning.ratio,
                reliability: reliability(peer),
                weight: weights.weight(peer).map(share::Weight::as_f64),
            }
        };
        let mut standings: Vec<CreditStanding> = known.iter().map(standing).collect();
        standings.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.peer.cmp(&b.peer)));
        standings.truncate(STANDINGS_MAX);
        let lines = |lines: &[score::Line]| -> Vec<CreditLine> {
            let line = |line: &score::Line| CreditLine {
                peer: line.peer,
                alias: alias(&line.peer),
                bytes: line.bytes,
                signed: line.last,
                health: line.health,
                ratio: line.ratio,
                reliability: line.reliability,
                credits: line.credits,
            };
            lines.iter().map(line).collect()
        };
        Ok(Credits {
            node: inner.id,
            balance: statement.balance(),
            earned: lines(&statement.earned),
            spent: lines(&statement.spent),
            standings,
            frauds: ledger.frauds().map(|(_, fraud)| FraudFound::of(fraud)).collect(),
        })
    }
}

impl crate::node::Inner {
    /// How reliable a node is as far as audits told, from 0 to 1.
    pub(crate) fn reliability(&self, node: &NodeId) -> f64 {
        let books = self.account.books();
        books.record(node).map_or(RELIABILITY_UNKNOWN, Record::reliability)
    }
}
