//! Withdraws a version, or restores it. Yanked is not gone: who names it exactly still gets it.

use crate::identity::PublisherId;
use crate::name::PackageName;
use crate::time::Timestamp;

use super::body::{self, BodyError};
use super::{StatementHeader, StatementKind};

/// The most bytes of a reason.
pub const REASON_BYTES_MAX: usize = 300;

/// A publisher withdraws a version from ranges and channels, or restores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yank {
    /// Whose package it is.
    pub publisher: PublisherId,
    /// Where this stands in the signing key's log; the highest position holds.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// The package.
    pub name: PackageName,
    /// The version.
    pub version: semver::Version,
    /// Whether the version is withdrawn; `false` restores it.
    pub yanked: bool,
    /// Why, in one line; may be empty.
    pub reason: String,
}

impl Yank {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when the reason is not one line of at most `REASON_BYTES_MAX` bytes.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, name, version, yanked, reason } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Yank, header);
        map.insert("name", name.as_str());
        map.insert("version", version.to_string());
        map.insert("yanked", *yanked);
        map.insert("reason", reason.as_str());
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
        let mut fields = body::open(StatementKind::Yank, bytes)?;
        let StatementHeader { publisher, seq, time } = body::header(&mut fields)?;
        let yank = Self {
            publisher,
            seq,
            time,
            name: fields.parsed("name")?,
            version: body::version(&mut fields)?,
            yanked: fields.bool("yanked")?,
            reason: fields.text("reason")?,
        };
        body::line("reason", &yank.reason, REASON_BYTES_MAX)?;
        fields.finish()?;
        Ok(yank)
    }
}
