//! What nodes send each other.

use std::fmt;

use catalog_sync::exchange::Announced;

use crate::dice::Dice;
use crate::sim::Message;

/// Which of the sets of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    /// What comes first.
    Urgent,
    /// Every position of every log.
    Log,
}

/// One message between two nodes.
#[derive(Clone, PartialEq, Eq)]
pub enum Wire {
    /// By itself: the store of this epoch holds this by now, urgent things or all.
    Announce([u8; 16], Set, Box<Announced>),
    /// First on a stream, in both directions: the epoch of the sender's store.
    Greeting([u8; 16]),
    /// Afterwards: a frame of the conversation.
    Frame(Vec<u8>),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announce(epoch, set, _) => write!(f, "Announce({:02x?}, {set:?})", &epoch[..4]),
            Self::Greeting(epoch) => write!(f, "Greeting({:02x?})", &epoch[..4]),
            Self::Frame(bytes) => {
                write!(f, "Frame({} bytes, {:02x?})", bytes.len(), &bytes[..bytes.len().min(8)])
            }
        }
    }
}

impl std::hash::Hash for Wire {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Announce(epoch, set, announced) => {
                let odd = announced.odd.to_bytes();
                (epoch, set, announced.root, announced.count, odd).hash(state);
            }
            Self::Greeting(epoch) => epoch.hash(state),
            Self::Frame(bytes) => bytes.hash(state),
        }
    }
}

impl Message for Wire {
    fn size(&self) -> usize {
        // With what the transport puts around it.
        60 + match self {
            Self::Announce(..) => 16 + 32 + 8 + 448,
            Self::Greeting(_) => 16,
            Self::Frame(bytes) => bytes.len(),
        }
    }

    fn spoil(&mut self, dice: &mut Dice) {
        match self {
            Self::Announce(epoch, set, announced) => match dice.pick(0..4) {
                0 => epoch[0] ^= 1,
                1 => announced.root[0] ^= 1,
                2 => announced.count = dice.roll(),
                _ => *set = if *set == Set::Log { Set::Urgent } else { Set::Log },
            },
            Self::Greeting(epoch) => epoch[15] ^= 1,
            Self::Frame(bytes) => spoil(bytes, dice),
        }
    }

    fn invent(dice: &mut Dice) -> Self {
        let count = dice.pick(1..200) as usize;
        Self::Frame(dice.bytes(count))
    }
}

fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.pick(0..bytes.len() as u64) as usize;
    match dice.pick(0..5) {
        0 => bytes.truncate(at),
        1 => bytes[at] = dice.roll() as u8,
        2 => bytes[at] ^= 1 << dice.pick(0..8),
        // The first bytes say which message it is, and how much is in it.
        3 => bytes[at.min(3)] = dice.roll() as u8,
        _ => bytes.extend(dice.bytes(8)),
    }
}
