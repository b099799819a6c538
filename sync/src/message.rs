//! What two nodes say to each other while they compare a view.
//!
//! The sides take turns. A turn is one or more [`Frame`]s, the last of which says so; the opener's
//! turn is first. Frames are postcard, at most [`FRAME_BYTES_MAX`] bytes; how they are cut out of
//! a stream is up to the caller. The layout is a promise to nodes that are already running.
//!
//! Guarantees: reading any bytes takes no more memory than a small multiple of their length.
//! Not here: which message may follow which ([`exchange`](crate::exchange)).

use serde::{Deserialize, Serialize};

use crate::view::View;

#[cfg(test)]
mod tests;
mod wire;

/// The largest frame, as everywhere between nodes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// The most records in one frame: an empty record takes one byte on the wire and more in memory.
pub const RECORDS_MAX: usize = 4096;

/// The most items that are asked for by name.
pub const FETCHED_MAX: usize = 4096;

/// The root of a set: equal roots are equal sets.
pub type Root = [u8; 32];
/// A cell of a sketch as it travels.
pub type CellBytes = [u8; 12];
/// The first 8 bytes of an item's id.
pub type SidBytes = [u8; 8];
/// An odd sketch as it travels.
pub type OddBytes = [u8; 112];
/// A fine odd sketch as it travels.
pub type FineBytes = [u8; 448];
/// What the caller sends and checks; only bytes here.
pub type Record = Vec<u8>;

/// One message, and whether the turn goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// More frames of this turn follow.
    pub more: bool,
    /// What is said.
    pub message: Message,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Opener, first: our sets are likely equal, are they?
    Probe {
        /// What it is about.
        #[serde(with = "wire::view")]
        view: View,
        /// The root of the opener's set.
        root: Root,
    },
    /// Opener, first: send what came after this place of your change log.
    Since {
        /// What it is about.
        #[serde(with = "wire::view")]
        view: View,
        /// The root of the opener's set.
        root: Root,
        /// From where on; none from an opener that has next to nothing.
        after: Option<After>,
    },
    /// Opener: this is my set.
    Hello(Box<Hello>),
    /// Answerer: our sets are equal; this was all.
    Same {
        /// The place in the answerer's change log at which this was so.
        position: u64,
    },
    /// Answerer, once after each of the opener's first messages.
    Answer(Answer),
    /// Answerer: goes on after more cells.
    Ask(Ask),
    /// Opener: the next cells of my sketch.
    Cells(#[serde(with = "wire::fixed")] Vec<CellBytes>),
    /// Either: starts to walk the trie.
    Walk {
        /// Makes the fingerprints of this walk unlike those of any other.
        nonce: [u8; 16],
        /// Fingerprints or lists, laid out by the walk.
        #[serde(with = "wire::blob")]
        groups: Vec<u8>,
    },
    /// Either: answers the groups of the last turn, and sends some of its own.
    Step(#[serde(with = "wire::blob")] Vec<u8>),
    /// Either: records that the other lacks.
    Records(#[serde(with = "wire::records")] Vec<Record>),
    /// Ends a stream of records from the change log.
    End {
        /// How far the stream has come.
        position: u64,
    },
    /// There would be more to send; another exchange gets it.
    Cut,
    /// I have nothing more to say.
    Over {
        /// What I learned of the other's set gives its root.
        agreed: bool,
    },
    /// Opener, first: what stands at these places, of which I know the hash alone?
    Fetch {
        /// What it is about.
        #[serde(with = "wire::view")]
        view: View,
        /// Ids of items, at most [`FETCHED_MAX`].
        #[serde(with = "wire::fixed")]
        ids: Vec<[u8; 32]>,
    },
}

/// The place in a change log that somebody has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Names the log; a store that was made anew has another.
    pub epoch: [u8; 16],
    /// The last change that is known.
    pub seq: u64,
}

/// Where a stream is to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// How far the opener has come.
    pub cursor: Cursor,
    /// Tells whether it got most of what came since from somebody else.
    #[serde(with = "wire::raw")]
    pub odd: OddBytes,
}

/// What a side holds, and whether it would hold more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The root of its set.
    pub root: Root,
    /// How many items there are.
    pub count: u64,
    /// The place in its change log at which this was so.
    pub position: u64,
    /// Whether it takes records, or only serves them.
    pub takes: bool,
}

/// The opener's set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What it is about.
    #[serde(with = "wire::view")]
    pub view: View,
    /// Root, number and appetite.
    pub state: State,
    /// Tells how large the difference is.
    #[serde(with = "wire::raw")]
    pub odd: OddBytes,
    /// The first cells of its sketch; none where a sketch would not pay.
    #[serde(with = "wire::fixed")]
    pub cells: Vec<CellBytes>,
}

/// The answerer's set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Root, number and appetite.
    pub state: State,
    /// Tells how large the difference is.
    pub odd: Telling,
    /// How it goes on.
    pub ask: Ask,
}

/// How closely an answer tells how large the difference is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Telling {
    /// Not at all: it is known by now, or does not matter.
    Nothing,
    /// Within a third.
    Odd(#[serde(with = "wire::raw")] OddBytes),
    /// Within a sixth: where much differs, that saves more than it takes.
    Fine(#[serde(with = "wire::raw")] Box<FineBytes>),
}

/// What the answerer would like the opener to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Nothing: records follow, or there is nothing to get.
    Nothing,
    /// Introduce yourself, now that you know how much we differ.
    Hello,
    /// Send more cells.
    Cells,
    /// Start to walk.
    Walk,
    /// Send everything: I have next to nothing.
    Everything,
    /// The difference is known: send these. The records that you lack follow.
    Items(#[serde(with = "wire::fixed")] Vec<SidBytes>),
}

/// The bytes of a frame that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than a frame may be.
    #[error("a frame of {bytes} bytes, {FRAME_BYTES_MAX} are allowed")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// Not laid out as a frame.
    #[error("a frame that cannot be read")]
    Malformed,
}

impl Frame {
    /// Writes the frame, without its length.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("plain data always encodes")
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// When the bytes are too many, or not one whole frame; a peer can cause both.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { bytes: bytes.len() });
        }
        match postcard::take_from_bytes(bytes) {
            Ok((frame, [])) => Ok(frame),
            _ => Err(FrameError::Malformed),
        }
    }

    /// What the exchange that this frame opens is about; `None` if it opens none.
    pub fn opens(&self) -> Option<&View> {
        match &self.message {
            Message::Probe { view, .. }
            | Message::Since { view, .. }
            | Message::Fetch { view, .. } => Some(view),
            Message::Hello(hello) => Some(&hello.view),
            _ => None,
        }
    }
}
