//! Vouches for a release of another publisher, or takes that back.
//!
//! It says what its signer says of it, and no more: that somebody looked and had nothing against
//! it. Whose word counts, and how many are needed, is for whoever installs.

use crate::identity::PublisherId;
use crate::release::ReleaseId;
use crate::time::Timestamp;

use super::body::{self, BodyError};
use super::yank::REASON_BYTES_MAX;
use super::{StatementHeader, StatementId, StatementKind};

/// A publisher vouches for a release, or does not any more. Everybody may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Who vouches.
    pub publisher: PublisherId,
    /// Where this stands in the signing key's log; the highest position holds.
    pub seq: u64,
    /// When it was made, by the signer's clock.
    pub time: Timestamp,
    /// The release: the hash of exactly what its publisher signed.
    pub release: ReleaseId,
    /// Whether it vouches; `false` takes it back.
    pub attested: bool,
    /// What was looked at, in one line; may be empty.
    pub note: String,
}

impl Attestation {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when the note is not one line of at most `REASON_BYTES_MAX` bytes.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, release, attested, note } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Attestation, header);
        map.insert("release", release.as_bytes().as_slice());
        map.insert("attested", *attested);
        map.insert("note", note.as_str());
        let bytes = body::finish(map)?;
        // Whatever we would refuse from others, we refuse to sign.
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Reads a body strictly.
    ///
    /// # Errors
    /// [`BodyError`] names the field that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = body::open(StatementKind::Attestation, bytes)?;
        let StatementHeader { publisher, seq, time } = body::header(&mut fields)?;
        let attestation = Self {
            publisher,
            seq,
            time,
            release: StatementId::from_digest(fields.digest("release")?),
            attested: fields.bool("attested")?,
            note: fields.text("note")?,
        };
        body::line("note", &attestation.note, REASON_BYTES_MAX)?;
        fields.finish()?;
        Ok(attestation)
    }
}
