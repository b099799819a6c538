//! Strict deterministic CBOR: the one encoding of everything signed or addressed by its hash.
//!
//! RFC 8949 section 4.2.1 with fewer kinds of value: unsigned integers, byte strings, text, arrays,
//! maps with text keys, booleans and null. No floats, tags, negative numbers or indefinite lengths;
//! integers as short as possible, keys sorted and unique, text in NFC, at most [`DEPTH_MAX`] levels.
//!
//! Guarantees: bytes that [`decode`] accepts are exactly the bytes that [`encode`] would write, so
//! a hash names one meaning. Decoding never takes memory that the input does not pay for: a length
//! prefix is believed only as far as there are bytes behind it.
//!
//! Two ways in: [`decode`] to a [`Value`] and [`Fields`] for statements, and the crate's own
//! `Reader` for long lists of one shape, such as a tree. Both share the same rules.

mod fields;
mod reader;
mod value;
mod writer;

pub use fields::Fields;
pub(crate) use reader::Reader;
pub use value::{Map, Value};
pub(crate) use writer::Writer;

use crate::defence::{self, Defence};

/// Levels of arrays and maps inside each other; deeper input is refused before it is read.
pub const DEPTH_MAX: usize = 16;

/// Writes `value` in its only encoding.
///
/// Text is brought to NFC on the way, so that what we write can be read again.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.value(value);
    writer.finish()
}

/// Reads one value that fills `bytes` exactly.
///
/// - `limit`: the most bytes to look at; the caller knows what kind of thing it expects.
/// - memory: some 30 bytes for each byte of input at worst, 1 for long text and byte strings.
///
/// # Errors
/// [`CodecError`] for anything that [`encode`] would not have written.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Value, CodecError> {
    if bytes.len() > limit && defence::on(Defence::SizeLimits) {
        return Err(CodecError::TooLarge { bytes: bytes.len(), limit });
    }
    let mut reader = Reader::new(bytes);
    let value = reader.value()?;
    reader.finish()?;
    Ok(value)
}

/// Why bytes are not what we would have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than this kind of thing may have.
    #[error("{bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The length found.
        bytes: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The input ends inside a value, or a length prefix promises more than there is.
    #[error("cut off at byte {at}")]
    Truncated {
        /// Where the value starts that does not fit.
        at: usize,
    },
    /// Bytes behind the end of the value.
    #[error("{bytes} bytes too many at the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The same meaning has a shorter or differently ordered encoding.
    #[error("not the canonical encoding at byte {at}: {rule}")]
    NotCanonical {
        /// Where.
        at: usize,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A kind of value that we do not use.
    #[error("{what} at byte {at}")]
    Unsupported {
        /// Where.
        at: usize,
        /// What was found there.
        what: &'static str,
    },
    /// Arrays and maps nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels at byte {at}")]
    TooDeep {
        /// Where the next level starts.
        at: usize,
    },
    /// Another kind of value than this place needs.
    #[error("expected {expected} at byte {at}")]
    Expected {
        /// Where.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A field that must be there is not.
    #[error("field `{field}` is missing")]
    Missing {
        /// Its key.
        field: &'static str,
    },
    /// A field holds another kind of value.
    #[error("field `{field}` is not {expected}")]
    WrongType {
        /// Its key.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A field has the right kind of value, but not an acceptable one.
    #[error("field `{field}`: {reason}")]
    Invalid {
        /// Its key.
        field: &'static str,
        /// What is wrong with the value.
        reason: Box<str>,
    },
    /// The writer says that a field must be understood, and we do not know it.
    #[error("field {field:?} is critical and unknown to this version")]
    Critical {
        /// Its key.
        field: Box<str>,
    },
    /// A layout newer than this program.
    #[error("format version {found} is not known to this version")]
    Version {
        /// The version number found.
        found: u64,
    },
}

#[cfg(test)]
mod tests;
