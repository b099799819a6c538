//! What an exchange is given, and what it asks of its caller.

use std::fmt;

use catalog::ItemId;

use crate::message::{Cursor, Record, Root};
use crate::odd::FineOdd;
use crate::summary::Summary;
use crate::view::View;

/// One side of an exchange before it begins.
///
/// Summary, items and position are of one moment: a snapshot. What is stored while the exchange
/// runs is for the next one.
#[derive(Clone)]
pub struct Setup<I> {
    /// What is compared.
    pub view: View,
    /// The summary of the items in that view.
    pub summary: Summary,
    /// The items themselves.
    pub items: I,
    /// Names our change log.
    pub epoch: [u8; 16],
    /// The last change in it that `items` knows.
    pub position: u64,
    /// Whether we listen to the peer, too.
    pub appetite: Appetite,
    /// Random bytes, new for each exchange: what makes the fingerprints of a walk unpredictable.
    pub seed: [u8; 32],
    /// How much this exchange may cost.
    pub budget: Budget,
}

/// What a side wants of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// Gives records and takes them.
    Takes,
    /// Gives records only: how a stranger is treated that we did not ask.
    Serves,
}

/// How much an exchange may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of records that we send; what is left over is for another exchange.
    pub records_out: u64,
    /// Bytes of records that we take; a peer that sends more is cut off.
    pub records_in: u64,
    /// Bytes of no use that a peer may send before it is cut off, besides a share of what is.
    pub waste: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { records_out: 256 << 20, records_in: 512 << 20, waste: 4 << 20 }
    }
}

impl Budget {
    /// What an exchange of registers may cost. Whoever has a later one has no use for what is
    /// sent, so nothing counts as wasted; and what a node has no room for is sent to it whenever
    /// the two meet, so it is not much.
    pub const fn of_registers() -> Self {
        let most = 4 << 20;
        // Whoever sends as much as it may goes beyond that by a frame.
        Self { records_out: most, records_in: 2 * most, waste: 2 * most }
    }
}

/// What the opener knows of the peer beforehand.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What the peer announced.
    pub announced: Option<Announced>,
    /// How far we have come in the peer's change log.
    pub cursor: Option<Cursor>,
    /// Nothing happened since we were equal: a short question first.
    pub likely_equal: bool,
}

/// The set of a peer, as it announced it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its root.
    pub root: Root,
    /// How many items it has.
    pub count: u64,
    /// Its odd sketch.
    pub odd: FineOdd,
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announced").field("count", &self.count).finish_non_exhaustive()
    }
}

/// What the caller is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes as one frame.
    Send(Vec<u8>),
    /// Put these ids into the order in which their records can be checked, such as that of the
    /// change log, and hand them to [`ordered`](super::Exchange::ordered).
    Order(Vec<ItemId>),
    /// Load these records and hand them to [`loaded`](super::Exchange::loaded).
    Load(Vec<ItemId>),
    /// Load those of these records that say more than their hash, and hand them to
    /// [`loaded`](super::Exchange::loaded).
    Reveal(Vec<ItemId>),
    /// Read on in the change log of this view and call [`streamed`](super::Exchange::streamed).
    Stream {
        /// From after this change.
        since: u64,
    },
    /// Verify and store these, then tell [`kept`](super::Exchange::kept) which is which.
    Keep(Vec<Record>),
    /// Summarise the set anew, with what was stored meanwhile, for
    /// [`refreshed`](super::Exchange::refreshed).
    Refresh,
    /// It is over.
    Done(Outcome),
}

/// A piece of the change log.
#[derive(Debug, Default)]
pub struct Page {
    /// The records, in order; a few hundred KiB of them.
    pub records: Vec<Record>,
    /// The last change that was looked at.
    pub reached: u64,
    /// There is nothing after it.
    pub last: bool,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is what it claims to be, and here now, whether or not it was before.
    Good(ItemId),
    /// It is what it claims to be, and we do not want it: to the peer's credit, of no use to us.
    Unwanted(ItemId),
    /// It is nothing that has an id.
    Bad,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is known about the two sets now.
    pub ending: Ending,
    /// We hold what the peer had up to this place of its change log.
    pub position: Option<u64>,
    /// What it cost.
    pub cost: Cost,
}

/// What is known about two sets after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They were equal to begin with.
    Same,
    /// Whatever differed was found: what the peer told gives its root.
    Complete,
    /// There is more; open another exchange.
    Partial,
    /// Roots could not be compared, because a side takes nothing or records were refused.
    Unproven,
}

/// What an exchange cost, frames with their lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes received besides frames of records.
    pub overhead_in: u64,
    /// Bytes sent besides frames of records.
    pub overhead_out: u64,
    /// Bytes of frames of records received.
    pub records_in: u64,
    /// Bytes of frames of records sent.
    pub records_out: u64,
    /// Bytes of the records among them that were new.
    pub useful: u64,
    /// Turns that the peer had.
    pub turns: u32,
}
