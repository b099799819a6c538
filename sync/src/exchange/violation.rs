//! Why an exchange ended before it was over, and whose fault that is.

use crate::items::ItemsError;
use crate::message::FrameError;

/// Whose fault it is that an exchange ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer broke a rule: it is not to be asked again soon.
    Peer,
    /// Our own store failed: the peer may well be in order.
    Own,
}

/// A rule that was broken. The exchange ends; the process never does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The peer sent bytes that are no frame.
    #[error("the peer sent what cannot be read")]
    Frame(#[from] FrameError),
    /// The peer spoke when it was our turn, after the end, or of something else than was asked.
    #[error("the peer sent a message that has no place here")]
    OutOfTurn,
    /// The peer speaks of another view than the one that was agreed on.
    #[error("the peer speaks of another part of the catalog")]
    View,
    /// The peer sends records to a side that said it takes none.
    #[error("the peer sent records that nobody asked for")]
    Unwanted,
    /// The peer asks for more by name than it may.
    #[error("the peer asked for too many records by name")]
    TooManyIds,
    /// Groups of a walk that do not fit what was asked, or are larger than groups may be.
    #[error("the peer sent groups of a walk that make no sense")]
    Groups,
    /// The conversation does not come to an end.
    #[error("the peer talked for more than {turns} turns")]
    Rounds {
        /// How many turns a peer has.
        turns: u32,
    },
    /// The peer sends more records than one exchange may bring.
    #[error("the peer sent {bytes} bytes of records in one go")]
    TooMuch {
        /// How many they were.
        bytes: u64,
    },
    /// What the peer sends has been of no use for too long.
    #[error("the peer sent {wasted} bytes that were of no use")]
    Useless {
        /// Bytes that were neither new records nor a fair share of what leads to them.
        wasted: u64,
    },
    /// What the peer claims to hold cannot be what it told about it, twice.
    #[error("the peer's set does not have the root that it claims")]
    Root,
    /// Our own ids could not be read.
    #[error(transparent)]
    Items(#[from] ItemsError),
}

impl Violation {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Items(_) => Fault::Own,
            _ => Fault::Peer,
        }
    }
}
