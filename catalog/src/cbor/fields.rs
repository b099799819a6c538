//! Reads a map field by field, with errors that name the field.

use super::{CodecError, Map, Value};
use crate::digest::{Digest, Sha256Digest};
use std::fmt;
use std::str::FromStr;

/// The key under which a writer lists the keys that a reader must understand.
const CRITICAL: &str = "critical";

/// A map being read: every field is taken out once, [`Fields::finish`] looks at what is left.
///
/// Keys that we do not know are ignored, so that later versions can add some; a writer that needs
/// one to be understood names it under `critical`.
#[derive(Debug)]
pub struct Fields(Map);

impl Fields {
    /// Starts to read a map.
    ///
    /// # Errors
    /// [`CodecError::Expected`] when the value is not a map.
    pub fn of(value: Value) -> Result<Self, CodecError> {
        match value {
            Value::Map(map) => Ok(Self(map)),
            _ => Err(CodecError::Expected { at: 0, expected: "a map" }),
        }
    }

    /// Text that must be there.
    pub fn text(&mut self, field: &'static str) -> Result<String, CodecError> {
        required(field, self.text_opt(field)?)
    }

    /// Text, if it is there.
    pub fn text_opt(&mut self, field: &'static str) -> Result<Option<String>, CodecError> {
        self.take(field, "text", |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Text that must be there and be read by `T`.
    pub fn parsed<T>(&mut self, field: &'static str) -> Result<T, CodecError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        required(field, self.parsed_opt(field)?)
    }

    /// Text that is read by `T`, if it is there.
    pub fn parsed_opt<T>(&mut self, field: &'static str) -> Result<Option<T>, CodecError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.text_opt(field)?;
        text.map(|text| text.parse().map_err(|error| CodecError::invalid(field, error))).transpose()
    }

    /// A number that must be there.
    pub fn uint(&mut self, field: &'static str) -> Result<u64, CodecError> {
        required(field, self.uint_opt(field)?)
    }

    /// A number, if it is there.
    pub fn uint_opt(&mut self, field: &'static str) -> Result<Option<u64>, CodecError> {
        self.take(field, "a number", |value| match value {
            Value::Uint(number) => Some(number),
            _ => None,
        })
    }

    /// Yes or no; it must be there.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, CodecError> {
        required(field, self.bool_opt(field)?)
    }

    /// Yes or no, if it is there.
    pub fn bool_opt(&mut self, field: &'static str) -> Result<Option<bool>, CodecError> {
        self.take(field, "true or false", |value| match value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        })
    }

    /// Bytes that must be there.
    pub fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>, CodecError> {
        required(field, self.bytes_opt(field)?)
    }

    /// Bytes, if they are there.
    pub fn bytes_opt(&mut self, field: &'static str) -> Result<Option<Vec<u8>>, CodecError> {
        self.take(field, "bytes", |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// 32 bytes that must be there, such as a key or an identifier.
    pub fn bytes_32(&mut self, field: &'static str) -> Result<[u8; 32], CodecError> {
        let bytes = self.bytes(field)?;
        bytes.try_into().map_err(|_| CodecError::WrongType { field, expected: "32 bytes" })
    }

    /// A BLAKE3 hash that must be there.
    pub fn digest(&mut self, field: &'static str) -> Result<Digest, CodecError> {
        self.bytes_32(field).map(Digest::from_bytes)
    }

    /// A SHA-256 hash that must be there.
    pub fn sha256(&mut self, field: &'static str) -> Result<Sha256Digest, CodecError> {
        self.bytes_32(field).map(Sha256Digest::from_bytes)
    }

    /// A list that must be there.
    pub fn array(&mut self, field: &'static str) -> Result<Vec<Value>, CodecError> {
        required(field, self.array_opt(field)?)
    }

    /// A list, if it is there.
    pub fn array_opt(&mut self, field: &'static str) -> Result<Option<Vec<Value>>, CodecError> {
        self.take(field, "a list", |value| match value {
            Value::Array(items) => Some(items),
            _ => None,
        })
    }

    /// A list of text; empty when it is not there.
    pub fn texts(&mut self, field: &'static str) -> Result<Vec<String>, CodecError> {
        let items = self.array_opt(field)?.unwrap_or_default();
        let texts = items.into_iter().map(|item| match item {
            Value::Text(text) => Ok(text),
            _ => Err(CodecError::WrongType { field, expected: "a list of text" }),
        });
        texts.collect()
    }

    /// A map that must be there.
    pub fn map(&mut self, field: &'static str) -> Result<Map, CodecError> {
        required(field, self.map_opt(field)?)
    }

    /// A map, if it is there.
    pub fn map_opt(&mut self, field: &'static str) -> Result<Option<Map>, CodecError> {
        self.take(field, "a map", |value| match value {
            Value::Map(map) => Some(map),
            _ => None,
        })
    }

    /// Ends the reading: unknown fields are fine unless the writer called them critical.
    ///
    /// # Errors
    /// [`CodecError::Critical`] names the first field that we should have understood.
    pub fn finish(mut self) -> Result<(), CodecError> {
        for field in self.texts(CRITICAL)? {
            if self.0.get(&field).is_some() {
                return Err(CodecError::Critical { field: field.into() });
            }
        }
        Ok(())
    }

    fn take<T>(
        &mut self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, CodecError> {
        let Some(value) = self.0.remove(field) else { return Ok(None) };
        read(value).map(Some).ok_or(CodecError::WrongType { field, expected })
    }
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, CodecError> {
    value.ok_or(CodecError::Missing { field })
}

impl CodecError {
    /// The error of a field whose value has the right kind but is not acceptable.
    pub fn invalid(field: &'static str, reason: impl fmt::Display) -> Self {
        Self::Invalid { field, reason: reason.to_string().into() }
    }
}
