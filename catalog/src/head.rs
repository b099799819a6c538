//! Heads: a publisher's signed word on how long a log is and what it holds.
//!
//! A head is a C2SP checkpoint, so any existing witness can cosign it later: a text of three
//! lines (origin, size, root) and signature lines, at most 2 KiB.
//!
//! ```text
//! catalog/cat1…/<hex of the log's key>
//! 42
//! <root, base64>
//!
//! — catalog/cat1…/<hex of the log's key> <key id and signature, base64>
//! ```
//!
//! Guarantees: a head that was opened is signed by the key it names, and that key speaks for the
//! publisher. Not here: whether it is newer than what we know, and whether the leaves give that
//! root (the store).
//!
//! # Source
//! C2SP `tlog-checkpoint` and `signed-note`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::defence::{self, Defence};
use crate::digest::Sha256Digest;
use crate::identity::{KeyState, PublisherId};
use crate::signature::{PublicKey, SecretKey, Signature};

mod stamp;

/// The most bytes of a head: its own signature and those of a dozen witnesses.
pub const HEAD_BYTES_MAX: usize = 2048;

/// The type byte of Ed25519 in a note's key id.
const ED25519: u8 = 0x01;
const DASH: &str = "\u{2014} ";

/// How long a log is and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose log it is.
    pub publisher: PublisherId,
    /// The key whose log it is.
    pub key: PublicKey,
    /// How many statements it has.
    pub size: u64,
    /// The RFC 6962 root over their leaves.
    pub root: Sha256Digest,
}

/// A head as it travels and is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHead {
    note: Box<str>,
    head: Head,
    /// Where the signed text ends in `note`.
    text_end: usize,
    signature: Signature,
}

/// Why bytes are not a head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// More than [`HEAD_BYTES_MAX`].
    #[error("a head of {bytes} bytes, more than {HEAD_BYTES_MAX}")]
    TooLarge {
        /// The length found.
        bytes: usize,
    },
    /// Not a checkpoint as we write them.
    #[error("the head is malformed: {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// No signature by the key that the origin names.
    #[error("the head is not signed by its own log")]
    Unsigned,
}

/// Why a head is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadOpenError {
    /// It is the head of another publisher's log.
    #[error("the head is of publisher {found}, not of {expected}")]
    OtherPublisher {
        /// Whose head is wanted.
        expected: PublisherId,
        /// Whose it says it is.
        found: PublisherId,
    },
    /// The key does not speak for the publisher.
    #[error("key {key} does not belong to publisher {publisher}")]
    Stranger {
        /// The key.
        key: PublicKey,
        /// The publisher.
        publisher: PublisherId,
    },
    /// The signature was not made by that key over this text.
    #[error("the signature of key {key} is forged")]
    Forged {
        /// The key.
        key: PublicKey,
    },
}

impl Head {
    /// The name of the log, as witnesses know it.
    pub fn origin(&self) -> String {
        format!("catalog/{}/{}", self.publisher, self.key)
    }

    fn text(&self) -> String {
        let root = BASE64.encode(self.root.as_bytes());
        format!("{}\n{}\n{root}\n", self.origin(), self.size)
    }

    /// Reads the three lines; every one must be as [`text`](Self::text) writes it.
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err("fewer than three lines");
        };
        let log = origin.strip_prefix("catalog/").and_then(|log| log.split_once('/'));
        let Some((publisher, key)) = log else { return Err("the origin is not of a catalog") };
        let root = BASE64.decode(root).map_err(|_| "the root is not base64")?;
        let head = Self {
            publisher: publisher.parse().map_err(|_| "the publisher in the origin")?,
            key: key.parse().map_err(|_| "the key in the origin")?,
            size: size.parse().map_err(|_| "the size is not a number")?,
            root: Sha256Digest::from_bytes(root.try_into().map_err(|_| "the root is not a hash")?),
        };
        if head.text() != text {
            return Err("more than three lines, or another spelling of one");
        }
        Ok(head)
    }
}

impl SealedHead {
    /// Signs a head with the key of its log.
    ///
    /// # Panics
    /// When `key` is not the key that the head names: a head like that is a mistake of ours.
    pub fn seal(head: &Head, key: &SecretKey) -> Self {
        assert_eq!(head.key, key.public(), "a log signs its own head");
        let text = head.text();
        let signature = key.sign_note(&text);
        let origin = head.origin();
        let mut line = key_id(&origin, ED25519, &head.key).to_vec();
        line.extend(signature.as_bytes());
        let note = format!("{text}\n{DASH}{origin} {}\n", BASE64.encode(line));
        Self { note: note.into(), head: head.clone(), text_end: text.len(), signature }
    }

    /// Reads a note. The signature is found, not verified; those of witnesses are kept unread.
    ///
    /// # Errors
    /// [`HeadError`]; a peer can cause any of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        if bytes.len() > HEAD_BYTES_MAX && defence::on(Defence::SizeLimits) {
            return Err(HeadError::TooLarge { bytes: bytes.len() });
        }
        let malformed = |what| HeadError::Malformed { what };
        let note = str::from_utf8(bytes).map_err(|_| malformed("not text"))?;
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(malformed("a control character"));
        }
        // The text ends in a newline, and an empty line parts it from the signatures.
        let text_end = note.rfind("\n\n").ok_or(malformed("no signatures"))? + 1;
        let head = Head::read(&note[..text_end]).map_err(malformed)?;
        let signature = find_signature(&head, &note[text_end + 1..])?;
        Ok(Self { note: note.into(), head, text_end, signature })
    }

    /// The bytes to store and to send.
    pub fn encode(&self) -> &[u8] {
        self.note.as_bytes()
    }

    /// The whole note, with its signatures.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The text that was signed.
    pub fn text(&self) -> &str {
        &self.note[..self.text_end]
    }

    /// Whether both say the same, whoever cosigned them.
    pub fn same_as(&self, other: &Self) -> bool {
        self.head == other.head
    }

    /// Whether this copy of a head is to be kept and not the other: its log stamped it later, or as
    /// late and more witnesses signed.
    pub fn is_better_than(&self, other: &Self) -> bool {
        let rank = |head: &Self| (head.stamped(), head.signatures());
        self.same_as(other) && self != other && rank(self) > rank(other)
    }

    /// How many signatures it carries: its own and those of witnesses, which nobody checked.
    pub fn signatures(&self) -> usize {
        self.note[self.text_end..].lines().filter(|line| line.starts_with(DASH)).count()
    }

    /// What it says, without believing it: good for routing only.
    pub fn peek(&self) -> &Head {
        &self.head
    }

    /// Checks that a key of the publisher signed this head of its own log.
    ///
    /// # Errors
    /// [`HeadOpenError`] says why it is not to be believed.
    pub fn open(&self, state: &KeyState) -> Result<Head, HeadOpenError> {
        let Head { publisher, key, .. } = self.head;
        if publisher != state.publisher {
            return Err(HeadOpenError::OtherPublisher {
                expected: state.publisher,
                found: publisher,
            });
        }
        if !state.keys.contains(&key) {
            return Err(HeadOpenError::Stranger { key, publisher });
        }
        key.verify_note(self.text(), &self.signature).map_err(|_| HeadOpenError::Forged { key })?;
        Ok(self.head.clone())
    }
}

/// The first four bytes of SHA-256 over the name, a newline, the type and the key.
fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update([b'\n', kind]);
    hash.update(key.as_bytes());
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d]
}

/// Finds the log's own signature; every line must look like one.
fn find_signature(head: &Head, lines: &str) -> Result<Signature, HeadError> {
    let malformed = |what| HeadError::Malformed { what };
    let lines = lines.strip_suffix('\n').ok_or(malformed("no newline at the end"))?;
    let origin = head.origin();
    let id = key_id(&origin, ED25519, &head.key);
    let mut found = None;
    for line in lines.split('\n') {
        let (name, base64) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .ok_or(malformed("a signature line"))?;
        let bytes = BASE64.decode(base64).map_err(|_| malformed("a signature is not base64"))?;
        let (line_id, signature) =
            bytes.split_first_chunk::<4>().ok_or(malformed("a signature is too short"))?;
        if name != origin || *line_id != id {
            continue; // Of a witness, whom others may know.
        }
        let signature = signature.try_into().map_err(|_| malformed("a signature's length"))?;
        if found.replace(Signature::from_bytes(signature)).is_some() {
            return Err(malformed("the log's signature is there twice"));
        }
    }
    found.ok_or(HeadError::Unsigned)
}

#[cfg(test)]
mod tests;
