//! Moves a channel: `stable` now means this version.

use std::collections::BTreeMap;

use crate::cbor::{CodecError, Fields, Value};
use crate::identity::{KEYS_MAX, PublisherId};
use crate::name::{ChannelName, PackageName};
use crate::signature::PublicKey;
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
    /// How far its writer had seen the logs of the publisher's other keys: what stands there up to
    /// these positions is replaced by this move. Empty for a publisher with one key.
    pub after: BTreeMap<PublicKey, u64>,
}

impl ChannelMove {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when the version is too long.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, name, channel, version, after } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Channel, header);
        map.insert("name", name.as_str());
        map.insert("channel", channel.as_str());
        map.insert("version", version.to_string());
        let after: Vec<_> = after.iter().map(|(key, seq)| position(key, *seq)).collect();
        map.insert_some("after", (!after.is_empty()).then_some(after));
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
            after: read_after(&mut fields)?,
        };
        fields.finish()?;
        Ok(moved)
    }
}

const AFTER: &str = "after";

fn position(key: &PublicKey, seq: u64) -> Value {
    Value::Array(vec![key.as_bytes().as_slice().into(), seq.into()])
}

/// Reads pairs of key and position, the keys ascending.
fn read_after(fields: &mut Fields) -> Result<BTreeMap<PublicKey, u64>, CodecError> {
    let Some(items) = fields.array_opt(AFTER)? else { return Ok(BTreeMap::new()) };
    body::not_empty(AFTER, items.is_empty())?;
    body::count(AFTER, items.len(), KEYS_MAX)?;
    let positions: Vec<_> = items.into_iter().map(read_position).collect::<Result<_, _>>()?;
    if !positions.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(CodecError::invalid(AFTER, "not ascending, or a key is listed twice"));
    }
    Ok(positions.into_iter().collect())
}

fn read_position(item: Value) -> Result<(PublicKey, u64), CodecError> {
    let wrong = CodecError::WrongType { field: AFTER, expected: "a list of keys with positions" };
    let Value::Array(pair) = item else { return Err(wrong) };
    let Ok([Value::Bytes(key), Value::Uint(seq)]) = <[Value; 2]>::try_from(pair) else {
        return Err(wrong);
    };
    let key = PublicKey::from_bytes(key.try_into().map_err(|_| wrong)?);
    Ok((key.map_err(|error| CodecError::invalid(AFTER, error))?, seq))
}
