//! What we say in one turn, piece by piece, so that records are never all in memory.

use std::collections::VecDeque;

use catalog::ItemId;

use crate::message::{Message, Record};

/// Records loaded at once: some 100 KiB as a rule, 5 MiB if all are as large as can be.
const LOADED_AT_ONCE: usize = 64;
/// A frame of records is closed when it has so many bytes.
const RECORDS_BYTES: usize = 256 << 10;

/// Part of a turn.
pub enum Piece {
    Say(Box<Message>),
    /// Records whose order the caller decides.
    Unordered(Vec<ItemId>),
    /// Records by their ids, in order.
    Items(VecDeque<ItemId>),
    /// Records that the peer knows the hashes of.
    Reveal(VecDeque<ItemId>),
    /// What came after this change.
    Stream {
        since: u64,
    },
}

/// The rest of our turn.
#[derive(Default)]
pub struct Turn {
    pieces: VecDeque<Piece>,
}

impl Turn {
    pub fn push(&mut self, piece: Piece) {
        self.pieces.push_back(piece);
    }

    pub fn say(&mut self, message: Message) {
        self.push(Piece::Say(message.into()));
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn front(&mut self) -> Option<&mut Piece> {
        self.pieces.front_mut()
    }

    pub fn pop(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }
}

/// The next ids to load; empties the piece as it goes.
pub fn next_ids(ids: &mut VecDeque<ItemId>) -> Vec<ItemId> {
    ids.drain(..ids.len().min(LOADED_AT_ONCE)).collect()
}

/// Cuts records into messages that fit a frame each.
///
/// A record that fits no frame is left out: it is longer than any statement can be.
pub fn messages(records: Vec<Record>) -> Vec<Message> {
    let (mut messages, mut open, mut bytes) = (Vec::new(), Vec::new(), 0);
    for record in records.into_iter().filter(|record| record.len() <= RECORDS_BYTES) {
        bytes += record.len();
        open.push(record);
        if bytes >= RECORDS_BYTES || open.len() == crate::message::RECORDS_MAX {
            messages.push(Message::Records(std::mem::take(&mut open)));
            bytes = 0;
        }
    }
    if !open.is_empty() {
        messages.push(Message::Records(open));
    }
    messages
}
