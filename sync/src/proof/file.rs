//! The proof as a file: all that somebody without a store needs to check one statement.
//!
//! It is a C2SP `tlog-proof`, so tools that know transparency logs can read it; what it proves,
//! and whose keys count, travel in its `extra` line as canonical CBOR: `{"inception": envelope,
//! "statement": envelope, "v": 1}`.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>
//! index 42
//! <hash, base64>
//! …
//!
//! catalog/cat1…/<hex of the log's key>
//! 100
//! <root, base64>
//!
//! — catalog/cat1…/<hex of the log's key> <signature, base64>
//! ```
//!
//! Guarantees: a file that verifies says that the publisher with that id signed the statement, that
//! it stands at that position of its log, and that the publisher signed a head over it; nothing in
//! the file is believed before. Not here: whether a later statement withdrew it, and who the
//! publisher is, which a reader compares by the fingerprint.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::head::{HEAD_BYTES_MAX, HeadError, HeadOpenError};
use catalog::statement::{EnvelopeError, OpenError, SEALED_BYTES_MAX};
use catalog::{
    Head, KeyState, SealedHead, SealedStatement, Sha256Digest, Statement, StatementId, Timestamp,
};

use super::{Inclusion, InclusionError};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";
const VERSION: u64 = 1;

/// The most bytes of `extra`: two envelopes, and the CBOR around them.
const EXTRA_BYTES_MAX: usize = 2 * SEALED_BYTES_MAX + 64;
/// The most hashes on the way to a root; a log with more than 2^64 leaves has no size.
const HASHES_MAX: usize = 64;
/// A hash in base64, and the newline.
const HASH_LINE_BYTES: usize = 45;

/// The most bytes of a proof.
pub const PROOF_BYTES_MAX: usize =
    EXTRA_BYTES_MAX.div_ceil(3) * 4 + HASHES_MAX * HASH_LINE_BYTES + HEAD_BYTES_MAX + 64;

/// A proof as it is kept in a file. Nothing it says is believed before it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    inception: SealedStatement,
    statement: SealedStatement,
    index: u64,
    inclusion: Inclusion,
    head: SealedHead,
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The name of the statement.
    pub id: StatementId,
    /// What was signed; its header says by which publisher and when, by that publisher's clock.
    pub statement: Statement,
    /// The head that vouches for it: whose log it is, how long it was, and its root.
    pub head: Head,
    /// When the log's key last said that this head was its newest; absent if it never did.
    pub stamped: Option<Timestamp>,
}

/// Why bytes prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Not a proof at all.
    #[error("this is not a proof: it does not begin with {FIRST_LINE:?}")]
    NotAProof,
    /// More than [`PROOF_BYTES_MAX`].
    #[error("a proof of {bytes} bytes, more than {PROOF_BYTES_MAX}")]
    TooLarge {
        /// The length found.
        bytes: usize,
    },
    /// Not a proof as we write them.
    #[error("the proof is malformed: {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// What stands behind `extra` is not what we put there.
    #[error("the proof's extra data is malformed")]
    Extra(#[from] CodecError),
    /// One of the two envelopes cannot be read.
    #[error("the proof's statement cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// The head cannot be read.
    #[error("the proof's head cannot be read")]
    Head(#[from] HeadError),
    /// The publisher's inception is not to be believed.
    #[error("the publisher's inception is false")]
    Inception(#[source] OpenError),
    /// The head is not the publisher's.
    #[error("the head is false")]
    FalseHead(#[from] HeadOpenError),
    /// The statement is not the publisher's.
    #[error("the statement is false")]
    Statement(#[source] OpenError),
    /// The statement stands in another log of the publisher.
    #[error("the head is of another log than the statement")]
    OtherLog,
    /// The statement says that it stands elsewhere.
    #[error("the statement stands at position {signed}, not at {claimed}")]
    OtherPosition {
        /// What the statement says.
        signed: u64,
        /// What the proof says.
        claimed: u64,
    },
    /// The log of the head does not have it there.
    #[error("the log does not hold the statement")]
    Inclusion(#[from] InclusionError),
}

impl ProofError {
    /// Whether the bytes are a proof and it is false, or was tampered with.
    pub const fn is_false(&self) -> bool {
        !matches!(self, Self::NotAProof)
    }
}

/// Reads a proof and checks everything that it says, without a store and without a network.
///
/// # Errors
/// [`ProofError`]; whoever made the file can cause any of them.
pub fn verify_proof(bytes: &[u8]) -> Result<Proven, ProofError> {
    Proof::decode(bytes)?.verify()
}

impl Proof {
    /// Proves that a statement stands in the log of a head. What would not verify is not made.
    ///
    /// - `inception`: the publisher's.
    /// - `leaves`: the leaf hashes of the log, in order, at least as many as the head vouches for.
    ///
    /// # Errors
    /// [`ProofError`] when it is not so.
    pub fn make(
        inception: SealedStatement,
        statement: SealedStatement,
        head: SealedHead,
        leaves: &[Sha256Digest],
    ) -> Result<Self, ProofError> {
        let header =
            statement.peek().map_err(OpenError::Malformed).map_err(ProofError::Statement)?;
        let size = usize::try_from(head.peek().size).ok().filter(|&size| size <= leaves.len());
        let missing = ProofError::Malformed { what: "fewer leaves than the head vouches for" };
        let inclusion = Inclusion::prove(&leaves[..size.ok_or(missing)?], &[header.seq])?;
        let proof = Self { inception, statement, index: header.seq, inclusion, head };
        proof.verify()?;
        Ok(proof)
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        self.text().into_bytes()
    }

    /// The file, which is text.
    pub fn text(&self) -> String {
        let mut extra = Map::new();
        extra.insert("inception", self.inception.encode().as_slice());
        extra.insert("statement", self.statement.encode().as_slice());
        extra.insert("v", VERSION);
        let extra = BASE64.encode(cbor::encode(&Value::Map(extra)));
        let mut text = format!("{FIRST_LINE}\n{EXTRA}{extra}\n{INDEX}{}\n", self.index);
        for hash in self.inclusion.hashes() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}", BASE64.encode(hash.as_bytes()));
        }
        text.push('\n');
        text.push_str(self.head.note());
        text
    }

    /// Reads a file. Nothing is verified.
    ///
    /// # Errors
    /// [`ProofError`] for anything that [`encode`](Self::encode) would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::TooLarge { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| ProofError::NotAProof)?;
        let text = text.strip_prefix(FIRST_LINE).and_then(|text| text.strip_prefix('\n'));
        let text = text.ok_or(ProofError::NotAProof)?;
        let malformed = |what| ProofError::Malformed { what };
        // An empty line parts what we say from the head, which has one of its own further down.
        let (ours, head) = text.split_once("\n\n").ok_or(malformed("no head"))?;
        let mut lines = ours.split('\n');
        let extra = lines.next().and_then(|line| line.strip_prefix(EXTRA));
        let extra = BASE64.decode(extra.ok_or(malformed("no statement"))?);
        let (inception, statement) = read_extra(&extra.map_err(|_| malformed("not base64"))?)?;
        let index = lines.next().and_then(|line| line.strip_prefix(INDEX));
        let index = index.and_then(|index| index.parse().ok()).ok_or(malformed("no index"))?;
        let hashes: Option<Vec<_>> = lines.map(read_hash).collect();
        let inclusion = Inclusion::from_hashes(hashes.ok_or(malformed("a hash"))?);
        let head = SealedHead::decode(head.as_bytes())?;
        let proof = Self { inception, statement, index, inclusion, head };
        // What is true is written in one way only.
        if proof.encode() != bytes {
            return Err(malformed("another spelling of the same"));
        }
        Ok(proof)
    }

    /// Checks everything that the proof says.
    ///
    /// # Errors
    /// [`ProofError`] says what is false.
    pub fn verify(&self) -> Result<Proven, ProofError> {
        let inception = self.inception.open_inception().map_err(ProofError::Inception)?;
        let state = KeyState::of(&inception);
        let head = self.head.open(&state)?;
        let statement = self.statement.open(&state).map_err(ProofError::Statement)?;
        if head.key != self.statement.log_key(&state) {
            return Err(ProofError::OtherLog);
        }
        let signed = statement.header().seq;
        if signed != self.index {
            return Err(ProofError::OtherPosition { signed, claimed: self.index });
        }
        self.inclusion.verify(&head, &[(self.index, self.statement.leaf())])?;
        let stamped = self.head.stamped();
        Ok(Proven { id: self.statement.id(), statement, head, stamped })
    }
}

fn read_extra(extra: &[u8]) -> Result<(SealedStatement, SealedStatement), ProofError> {
    let mut fields = Fields::of(cbor::decode(extra, EXTRA_BYTES_MAX)?)?;
    match fields.uint("v")? {
        VERSION => {}
        found => return Err(CodecError::Version { found }.into()),
    }
    let inception = SealedStatement::decode(&fields.bytes("inception")?)?;
    let statement = SealedStatement::decode(&fields.bytes("statement")?)?;
    fields.finish()?;
    Ok((inception, statement))
}

fn read_hash(line: &str) -> Option<Sha256Digest> {
    let bytes = BASE64.decode(line).ok()?;
    bytes.try_into().ok().map(Sha256Digest::from_bytes)
}
