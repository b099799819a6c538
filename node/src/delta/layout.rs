//! What is said about patches on the wire: one question on each stream, laid out by hand.
//!
//! ```text
//! question   1 byte     0 is there a patch, 1 send it
//!            32 bytes   the content root of the old variant
//!            8 bytes    the place of the old file among its children, big-endian
//!            32 + 8     the same of the new file
//! answer     any number of bytes 0   it is being made
//!            1 byte 1, 8 bytes       there is a patch of so many bytes, big-endian
//!            …                       the patch, when it was asked for
//! ```
//!
//! Who does not get an answer has its stream reset.

use catalog::digest::Digest;

/// The name of the protocol; its number is the layout.
pub(crate) const ALPN: &[u8] = b"catalog/patch/1";

/// The length of a question.
pub(super) const QUESTION_BYTES: usize = 1 + 2 * FILE_BYTES;
const FILE_BYTES: usize = 32 + 8;

/// Comes before the answer, and again whenever the asker could take us for dead.
pub(super) const BEING_MADE: u8 = 0;
/// Comes before the size of a patch.
pub(super) const PATCH: u8 = 1;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// How large the patch is.
    Offer,
    /// The patch itself.
    Patch,
}

/// A file of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The variant's content root.
    pub root: Digest,
    /// The file among the children of its hash sequence, 1 or more.
    pub child: u64,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub wish: Wish,
    pub old: Place,
    pub new: Place,
}

impl Question {
    pub(super) fn encode(&self) -> [u8; QUESTION_BYTES] {
        let mut bytes = [0; QUESTION_BYTES];
        bytes[0] = match self.wish {
            Wish::Offer => 0,
            Wish::Patch => 1,
        };
        let (old, new) = bytes[1..].split_at_mut(FILE_BYTES);
        self.old.write(old);
        self.new.write(new);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    pub(super) fn decode(bytes: &[u8; QUESTION_BYTES]) -> Option<Self> {
        let wish = match bytes[0] {
            0 => Wish::Offer,
            1 => Wish::Patch,
            _ => return None,
        };
        let (old, new) = bytes[1..].split_at(FILE_BYTES);
        Some(Self { wish, old: Place::read(old)?, new: Place::read(new)? })
    }
}

impl Place {
    fn write(&self, to: &mut [u8]) {
        to[..32].copy_from_slice(self.root.as_bytes());
        to[32..].copy_from_slice(&self.child.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let root = Digest::from_bytes(bytes.get(..32)?.try_into().ok()?);
        let child = u64::from_be_bytes(bytes.get(32..)?.try_into().ok()?);
        Some(Self { root, child }).filter(|place| place.child > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(wish: Wish) -> Question {
        let place = |byte, child| Place { root: Digest::from_bytes([byte; 32]), child };
        Question { wish, old: place(2, 3), new: place(4, 0x0105) }
    }

    /// Nodes that are already running read these bytes.
    #[test]
    fn a_question_has_these_bytes() {
        let places =
            format!("{}0000000000000003{}0000000000000105", "02".repeat(32), "04".repeat(32));
        for (wish, first) in [(Wish::Offer, "00"), (Wish::Patch, "01")] {
            let bytes = question(wish).encode();
            assert_eq!(hex::encode(bytes), format!("{first}{places}"));
            assert_eq!(Question::decode(&bytes), Some(question(wish)));
        }
        assert_eq!((BEING_MADE, PATCH), (0, 1));
        assert_eq!(ALPN, b"catalog/patch/1");
    }

    #[test]
    fn what_is_no_question_is_not_read() {
        let mut other = question(Wish::Offer).encode();
        other[0] = 2;
        assert_eq!(Question::decode(&other), None);
        // The file list is no file.
        let mut list = question(Wish::Offer).encode();
        list[33..41].fill(0);
        assert_eq!(Question::decode(&list), None);
    }
}
