//! Reads values one after the other and refuses all that `Writer` would not have written.

use super::value::{Map, Value, is_nfc, key_order};
use super::writer::{major, simple};
use super::{CodecError, DEPTH_MAX};
use crate::defence::{self, Defence};

/// A place in the input. Borrows: text and byte strings are not copied.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), CodecError> {
        match self.remaining() {
            0 => Ok(()),
            bytes if canonical() => Err(CodecError::Trailing { bytes }),
            _ => Ok(()),
        }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, CodecError> {
        self.argument_of(major::UINT, "a number")
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let start = self.at;
        let length = self.argument_of(major::BYTES, "a byte string")?;
        self.take(length, start)
    }

    /// A byte string of exactly 32 bytes: a hash or a key.
    pub(crate) fn bytes_32(&mut self) -> Result<[u8; 32], CodecError> {
        let at = self.at;
        let wrong = CodecError::Expected { at, expected: "a byte string of 32 bytes" };
        self.bytes()?.try_into().map_err(|_| wrong)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CodecError> {
        let start = self.at;
        let length = self.argument_of(major::TEXT, "text")?;
        let bytes = self.take(length, start)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| CodecError::Unsupported { at: start, what: "text that is not UTF-8" })?;
        if canonical() && !is_nfc(text) {
            return Err(CodecError::NotCanonical { at: start, rule: "text is in NFC" });
        }
        Ok(text)
    }

    /// The number of items of an array that starts here. It is no more than the bytes that are
    /// left, because an item takes one byte at least.
    pub(crate) fn array(&mut self) -> Result<usize, CodecError> {
        let start = self.at;
        let items = self.argument_of(major::ARRAY, "an array")?;
        self.items(items, 1, start)
    }

    /// Any value, to the end of it.
    pub(super) fn value(&mut self) -> Result<Value, CodecError> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, CodecError> {
        let first = *self.input.get(self.at).ok_or(CodecError::Truncated { at: self.at })?;
        match first >> 5 {
            major::UINT => self.uint().map(Value::Uint),
            major::BYTES => Ok(Value::Bytes(self.bytes()?.to_vec())),
            major::TEXT => Ok(Value::Text(self.text()?.to_owned())),
            major::ARRAY => {
                self.check_depth(depth)?;
                let items = self.array()?;
                // Grows as items arrive: the count itself has paid for nothing.
                let mut array = Vec::new();
                for _ in 0..items {
                    array.push(self.value_at(depth + 1)?);
                }
                Ok(Value::Array(array))
            }
            major::MAP => {
                self.check_depth(depth)?;
                self.map(depth).map(Value::Map)
            }
            _ => self.simple(first),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Map, CodecError> {
        let start = self.at;
        let items = self.argument_of(major::MAP, "a map")?;
        let items = self.items(items, 2, start)?;
        let mut map = Map::new();
        let mut last: Option<&str> = None;
        for _ in 0..items {
            let at = self.at;
            let key = self.text()?;
            if canonical() && last.is_some_and(|last| key_order(last, key).is_ge()) {
                return Err(CodecError::NotCanonical { at, rule: "keys are sorted and unique" });
            }
            last = Some(key);
            map.insert(key, self.value_at(depth + 1)?);
        }
        Ok(map)
    }

    fn simple(&mut self, first: u8) -> Result<Value, CodecError> {
        let value = match first {
            simple::FALSE => Value::Bool(false),
            simple::TRUE => Value::Bool(true),
            simple::NULL => Value::Null,
            _ => {
                let what = match first >> 5 {
                    major::NEGATIVE => "a negative number",
                    major::TAG => "a tag",
                    _ => "a float or unknown simple value",
                };
                return Err(CodecError::Unsupported { at: self.at, what });
            }
        };
        self.at += 1;
        Ok(value)
    }

    fn check_depth(&self, depth: usize) -> Result<(), CodecError> {
        if depth < DEPTH_MAX { Ok(()) } else { Err(CodecError::TooDeep { at: self.at }) }
    }

    /// Believes a count of items only if each can have its bytes.
    fn items(&self, items: u64, bytes_each: u64, start: usize) -> Result<usize, CodecError> {
        let fits = items <= self.remaining() as u64 / bytes_each;
        if fits || !defence::on(Defence::SizeLimits) {
            Ok(items as usize)
        } else {
            Err(CodecError::Truncated { at: start })
        }
    }

    /// The next `length` bytes of the value that began at `start`.
    fn take(&mut self, length: u64, start: usize) -> Result<&'a [u8], CodecError> {
        let cut = CodecError::Truncated { at: start };
        let Ok(length) = usize::try_from(length) else { return Err(cut) };
        let rest = &self.input[self.at..];
        let taken = rest.get(..length).ok_or(cut)?;
        self.at += length;
        Ok(taken)
    }

    /// Reads a head of the given major type and returns its argument.
    fn argument_of(&mut self, major: u8, expected: &'static str) -> Result<u64, CodecError> {
        let start = self.at;
        let first = *self.input.get(start).ok_or(CodecError::Truncated { at: start })?;
        if first >> 5 != major {
            return Err(CodecError::Expected { at: start, expected });
        }
        self.at += 1;
        let (argument, shortest) = match first & 0x1f {
            small @ 0..24 => (u64::from(small), 0),
            24 => (u64::from(u8::from_be_bytes(self.array_of(start)?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array_of(start)?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array_of(start)?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array_of(start)?), 1 << 32),
            31 => {
                return Err(CodecError::Unsupported { at: start, what: "an indefinite length" });
            }
            _ => return Err(CodecError::Unsupported { at: start, what: "a reserved length" }),
        };
        if argument < shortest && canonical() {
            let rule = "numbers and lengths are as short as they can be";
            return Err(CodecError::NotCanonical { at: start, rule });
        }
        Ok(argument)
    }

    fn array_of<const N: usize>(&mut self, start: usize) -> Result<[u8; N], CodecError> {
        let bytes = self.take(N as u64, start)?;
        Ok(bytes.try_into().expect("`take` returned N bytes"))
    }

    fn remaining(&self) -> usize {
        self.input.len() - self.at
    }
}

/// Whether other encodings of the same meaning are refused.
fn canonical() -> bool {
    defence::on(Defence::CanonicalBytes)
}
