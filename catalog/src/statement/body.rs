//! What the bodies of all statements share: the header, the limits, and text that is safe to keep.

use std::fmt::Display;
use std::str::FromStr;

use super::{STATEMENT_BYTES_MAX, StatementHeader, StatementKind};
use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::defence::{self, Defence};
use crate::digest::Digest;
use crate::identity::PublisherId;
use crate::log::LEAVES_MAX;
use crate::time::Timestamp;

/// The most bytes of a version with its pre-release and build parts.
const VERSION_BYTES_MAX: usize = 128;

/// Why a statement's body cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than a statement may have.
    #[error("{bytes} bytes, more than the {STATEMENT_BYTES_MAX} that a statement may have")]
    TooLarge {
        /// The length found.
        bytes: usize,
    },
    /// The bytes are not canonical CBOR, or a field breaks its rule; the message names the field.
    #[error(transparent)]
    Malformed(#[from] CodecError),
}

/// The key under which a body names its own kind: its id and its leaf are hashes of the body, so
/// these say as well what kind of statement they are of.
pub(crate) const TYPE: &str = "type";

/// Starts a body with what every statement but the inception says first.
pub(crate) fn start(kind: StatementKind, header: StatementHeader) -> Map {
    let mut map = Map::new();
    map.insert(TYPE, kind.as_str());
    map.insert("publisher", header.publisher.as_bytes().as_slice());
    map.insert("seq", header.seq);
    map.insert("time", header.time.as_millis());
    map
}

/// Ends a body.
pub(crate) fn finish(map: Map) -> Result<Vec<u8>, BodyError> {
    let body = cbor::encode(&Value::Map(map));
    check_size(&body)?;
    Ok(body)
}

/// Starts to read a body of the given kind.
pub(crate) fn open(kind: StatementKind, body: &[u8]) -> Result<Fields, BodyError> {
    check_size(body)?;
    let mut fields = Fields::of(cbor::decode(body, STATEMENT_BYTES_MAX)?)?;
    let found = fields.text(TYPE)?;
    if found != kind.as_str() && defence::on(Defence::DomainSeparation) {
        return Err(CodecError::invalid(TYPE, format!("it is not {kind}")).into());
    }
    Ok(fields)
}

fn check_size(body: &[u8]) -> Result<(), BodyError> {
    if body.len() > STATEMENT_BYTES_MAX && defence::on(Defence::SizeLimits) {
        return Err(BodyError::TooLarge { bytes: body.len() });
    }
    Ok(())
}

/// Reads what [`start`] wrote.
pub(crate) fn header(fields: &mut Fields) -> Result<StatementHeader, CodecError> {
    let publisher = PublisherId::from_digest(Digest::from_bytes(fields.bytes_32("publisher")?));
    let seq = fields.uint("seq")?;
    if seq == 0 {
        return Err(CodecError::invalid("seq", "leaf 0 of a log is the inception"));
    }
    if seq >= LEAVES_MAX {
        return Err(CodecError::invalid("seq", "no log is that long"));
    }
    let time = Timestamp::from_millis(fields.uint("time")?);
    Ok(StatementHeader { publisher, seq, time })
}

/// Reads text that `T` writes in exactly one way.
pub(crate) fn canonical<T>(fields: &mut Fields, field: &'static str) -> Result<T, CodecError>
where
    T: FromStr<Err: Display> + Display,
{
    let text = fields.text(field)?;
    let value: T = text.parse().map_err(|error| CodecError::invalid(field, error))?;
    if value.to_string() != text && defence::on(Defence::CanonicalBytes) {
        return Err(CodecError::invalid(field, "another spelling of the same value"));
    }
    Ok(value)
}

/// Reads a list of text that is left out when it is empty.
pub(crate) fn texts(fields: &mut Fields, field: &'static str) -> Result<Vec<String>, CodecError> {
    let Some(items) = fields.array_opt(field)? else { return Ok(Vec::new()) };
    not_empty(field, items.is_empty())?;
    text_list(field, Value::Array(items))
}

/// Reads a list of text, which may be empty.
pub(crate) fn text_list(field: &'static str, value: Value) -> Result<Vec<String>, CodecError> {
    let wrong = CodecError::WrongType { field, expected: "a list of text" };
    let Value::Array(items) = value else { return Err(wrong) };
    let texts = items.into_iter().map(|item| match item {
        Value::Text(text) => Ok(text),
        _ => Err(wrong.clone()),
    });
    texts.collect()
}

/// Reads text that is left out when it is empty.
pub(crate) fn text_opt(
    fields: &mut Fields,
    field: &'static str,
) -> Result<Option<String>, CodecError> {
    let text = fields.text_opt(field)?;
    not_empty(field, text.as_ref().is_some_and(String::is_empty))?;
    Ok(text)
}

/// Reads a flag that is left out when it is not set.
pub(crate) fn flag(fields: &mut Fields, field: &'static str) -> Result<bool, CodecError> {
    let set = fields.bool_opt(field)?;
    not_empty(field, set == Some(false))?;
    Ok(set.unwrap_or(false))
}

/// Reads a version.
pub(crate) fn version(fields: &mut Fields) -> Result<semver::Version, CodecError> {
    let version: semver::Version = canonical(fields, "version")?;
    line("version", &version.to_string(), VERSION_BYTES_MAX)?;
    Ok(version)
}

/// Checks one line of text: its length, and that it has no control characters.
pub(crate) fn line(field: &'static str, text: &str, bytes_max: usize) -> Result<(), CodecError> {
    check_length(field, text, bytes_max)?;
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(control(field, found)),
        None => Ok(()),
    }
}

/// Checks text of several lines: newlines and tabs are the only control characters it may have.
pub(crate) fn prose(field: &'static str, text: &str, bytes_max: usize) -> Result<(), CodecError> {
    check_length(field, text, bytes_max)?;
    match text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        Some(found) => Err(control(field, found)),
        None => Ok(()),
    }
}

/// Checks a list of lines that has no empty and no repeated ones.
pub(crate) fn lines(
    field: &'static str,
    items: &[String],
    count_max: usize,
    bytes_max: usize,
) -> Result<(), CodecError> {
    count(field, items.len(), count_max)?;
    for (at, item) in items.iter().enumerate() {
        line(field, item, bytes_max)?;
        if item.is_empty() {
            return Err(CodecError::invalid(field, "an empty entry"));
        }
        if items[..at].contains(item) {
            return Err(CodecError::invalid(field, format!("{item:?} is listed twice")));
        }
    }
    Ok(())
}

/// Checks how many entries a list has.
pub(crate) fn count(field: &'static str, found: usize, max: usize) -> Result<(), CodecError> {
    if found > max {
        return Err(CodecError::invalid(field, format!("{found} entries, at most {max}")));
    }
    Ok(())
}

/// Reads a list of at most `max`, which is left out when it is empty.
pub(crate) fn list<T>(
    fields: &mut Fields,
    field: &'static str,
    max: usize,
    read: impl Fn(Value) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let Some(items) = fields.array_opt(field)? else { return Ok(Vec::new()) };
    not_empty(field, items.is_empty())?;
    count(field, items.len(), max)?;
    items.into_iter().map(read).collect()
}

/// Refuses a list or map that is there and empty: it has to be left out.
pub(crate) fn not_empty(field: &'static str, is_empty: bool) -> Result<(), CodecError> {
    if is_empty && defence::on(Defence::CanonicalBytes) {
        return Err(CodecError::invalid(field, "what is empty is left out"));
    }
    Ok(())
}

fn check_length(field: &'static str, text: &str, max: usize) -> Result<(), CodecError> {
    if text.len() > max {
        return Err(CodecError::invalid(field, format!("{} bytes, at most {max}", text.len())));
    }
    Ok(())
}

fn control(field: &'static str, found: char) -> CodecError {
    CodecError::invalid(field, format!("the control character {found:?}"))
}
