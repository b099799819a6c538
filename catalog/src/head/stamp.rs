//! Says when a head was still the newest of its log.
//!
//! A head alone looks the same forever: who keeps it back, or serves an old one, cannot be told
//! from a publisher that has nothing new. A stamp is a second signature of the log's own key over
//! the head and a time. It is a C2SP cosignature, so whatever reads those reads stamps.
//!
//! Guarantees: a stamp that is shown was made by the key of the log. Not here: how old is too old.
//!
//! # Source
//! C2SP `tlog-cosignature`, version 1.

use base64::Engine;

use super::{BASE64, DASH, HEAD_BYTES_MAX, SealedHead, key_id};
use crate::signature::{SecretKey, Signature};
use crate::time::Timestamp;

/// The type byte of a timestamped Ed25519 cosignature in a note's key id.
const COSIGNATURE: u8 = 0x04;

impl SealedHead {
    /// The same head with the word of its log that it was the newest one at `at`, in place of an
    /// older such word. `None` when witnesses left no room for it.
    ///
    /// # Panics
    /// When `key` is not the key that the head names, as in [`seal`](Self::seal).
    pub fn stamp(&self, key: &SecretKey, at: Timestamp) -> Option<Self> {
        assert_eq!(self.head.key, key.public(), "a log stamps its own head");
        let seconds = at.as_millis() / 1000;
        let signature = key.sign_note(&self.stamped_text(seconds));
        let mut line = self.stamp_id().to_vec();
        line.extend(seconds.to_be_bytes());
        line.extend(signature.as_bytes());
        let line = format!("{DASH}{} {}", self.head.origin(), BASE64.encode(line));
        let (text, lines) = (self.text(), self.note[self.text_end + 1..].lines());
        let kept = lines.filter(|line| self.stamp_of(line).is_none());
        let lines: String = kept.chain([line.as_str()]).map(|line| format!("{line}\n")).collect();
        let note = format!("{text}\n{lines}");
        (note.len() <= HEAD_BYTES_MAX).then(|| Self { note: note.into(), ..self.clone() })
    }

    /// When the log's key last said that this head is its newest one; `None` if it never did.
    pub fn stamped(&self) -> Option<Timestamp> {
        let stamps = self.note[self.text_end + 1..].lines().filter_map(|line| self.stamp_of(line));
        // Anybody can add lines; the first that holds decides, and only a handful is looked at.
        stamps.take(STAMPS_TRIED).find_map(|(seconds, signature)| {
            let text = self.stamped_text(seconds);
            self.head.key.verify_note(&text, &signature).ok()?;
            Some(Timestamp::from_millis(seconds.checked_mul(1000)?))
        })
    }

    fn stamped_text(&self, seconds: u64) -> String {
        format!("cosignature/v1\ntime {seconds}\n{}", self.text())
    }

    fn stamp_id(&self) -> [u8; 4] {
        key_id(&self.head.origin(), COSIGNATURE, &self.head.key)
    }

    /// The time and the signature of a line that says it is a stamp.
    fn stamp_of(&self, line: &str) -> Option<(u64, Signature)> {
        let (name, base64) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = BASE64.decode(base64).ok().filter(|_| name == self.head.origin())?;
        let (id, rest) = bytes.split_first_chunk::<4>()?;
        let (seconds, signature) = rest.split_first_chunk::<8>()?;
        (*id == self.stamp_id()).then_some(())?;
        Some((u64::from_be_bytes(*seconds), Signature::from_bytes(signature.try_into().ok()?)))
    }
}

/// How many lines that say they are stamps are verified before the rest is ignored.
const STAMPS_TRIED: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::tests::sealed;
    use super::*;
    use crate::statement::fixture::{identity, key};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_stamp_says_when_and_a_newer_one_takes_its_place() {
        let identity = identity(1);
        let head = sealed(42);
        assert_eq!(head.stamped(), None);
        let stamped = head.stamp(identity.key(), at(1_000_000)).unwrap();
        assert_eq!(stamped.stamped(), Some(at(1_000_000)));
        assert_eq!(stamped.signatures(), 2);
        let again = stamped.stamp(identity.key(), at(2_000_000)).unwrap();
        assert_eq!((again.stamped(), again.signatures()), (Some(at(2_000_000)), 2));
        let read = SealedHead::decode(again.encode()).unwrap();
        assert_eq!(read, again);
        assert_eq!(read.open(identity.state()).unwrap(), *head.peek());
    }

    /// Witnesses and nodes that are already running read these bytes.
    #[test]
    fn a_stamp_has_these_bytes() {
        let stamped = sealed(42).stamp(identity(1).key(), at(1_700_000_000)).unwrap();
        let line = stamped.note().lines().last().unwrap().rsplit_once(' ').unwrap().1;
        let bytes = BASE64.decode(line).unwrap();
        assert_eq!(bytes.len(), 4 + 8 + 64);
        assert_eq!(hex::encode(&bytes[4..12]), "000000006553f100");
        let text = format!("cosignature/v1\ntime 1700000000\n{}", stamped.text());
        let signature = Signature::from_bytes(bytes[12..].try_into().unwrap());
        assert!(stamped.peek().key.verify_note(&text, &signature).is_ok());
    }

    /// Threat row 3: a mirror cannot make an old head look fresh.
    #[test]
    fn a_stamp_of_another_head_time_or_key_is_none() {
        let identity = identity(1);
        let (old, new) = (sealed(41), sealed(42));
        let stamped = new.stamp(identity.key(), at(1_000)).unwrap();
        let line = stamped.note().lines().last().unwrap().to_owned();
        let moved = format!("{}{line}\n", old.note());
        assert_eq!(SealedHead::decode(moved.as_bytes()).unwrap().stamped(), None);

        let (name, base64) = line.rsplit_once(' ').unwrap();
        let mut bytes = BASE64.decode(base64).unwrap();
        bytes[11] += 1;
        let later = format!("{}{name} {}\n", new.note(), BASE64.encode(&bytes));
        assert_eq!(SealedHead::decode(later.as_bytes()).unwrap().stamped(), None);

        let text = format!("cosignature/v1\ntime 9999\n{}", new.text());
        let mut forged = new.stamp_id().to_vec();
        forged.extend(9999_u64.to_be_bytes());
        forged.extend(key(2).sign_note(&text).as_bytes());
        let forged = format!("{}{name} {}\n", new.note(), BASE64.encode(&forged));
        assert_eq!(SealedHead::decode(forged.as_bytes()).unwrap().stamped(), None);
    }

    #[test]
    fn a_head_that_is_full_of_witnesses_takes_no_stamp() {
        let mut note = sealed(42).note().to_owned();
        while note.len() + 120 < HEAD_BYTES_MAX {
            note += &format!("{DASH}witness {}\n", BASE64.encode([7; 76]));
        }
        let full = SealedHead::decode(note.as_bytes()).unwrap();
        assert!(full.stamp(identity(1).key(), at(1)).is_none());
    }
}
