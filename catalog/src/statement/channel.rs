//! Moves a channel: `stable` now means this version.

use crate::identity::PublisherId;
use crate::name::{ChannelName, PackageName};
use crate::time::Timestamp;

use super::body::{self, BodyError};
use super::{StatementHeader, StatementKind};

/// A publisher points one channel of a package to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMove {
    /// Whose package it is.
    pub publisher: PublisherId,
    /// Where this stands in the signing key's log; the highest position holds.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// The package.
    pub name: PackageName,
    /// The channel.
    pub channel: ChannelName,
    /// What the channel means from now on.
    pub version: semver::Version,
}

impl ChannelMove {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when the version is too long.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, name, channel, version } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Channel, header);
        map.insert("name", name.as_str());
        map.insert("channel", channel.as_str());
        map.insert("version", version.to_string());
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
        let mut fields = body::open(StatementKind::Channel, bytes)?;
        let StatementHeader { publisher, seq, time } = body::header(&mut fields)?;
        let moved = Self {
            publisher,
            seq,
            time,
            name: fields.parsed("name")?,
            channel: fields.parsed("channel")?,
            version: body::version(&mut fields)?,
        };
        fields.finish()?;
        Ok(moved)
    }
}
