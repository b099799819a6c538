//! Writes values one after the other; the counterpart of `Reader`.

use super::value::{Value, is_nfc};
use unicode_normalization::UnicodeNormalization;

/// The kinds of value of RFC 8949 that we use, as the top three bits of the first byte.
pub(super) mod major {
    pub const UINT: u8 = 0;
    pub const NEGATIVE: u8 = 1;
    pub const BYTES: u8 = 2;
    pub const TEXT: u8 = 3;
    pub const ARRAY: u8 = 4;
    pub const MAP: u8 = 5;
    pub const TAG: u8 = 6;
}

/// What major type 7 stands for.
pub(super) mod simple {
    pub const FALSE: u8 = 0xf4;
    pub const TRUE: u8 = 0xf5;
    pub const NULL: u8 = 0xf6;
}

/// Bytes being written. Whoever writes an array or map header also writes its items.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn uint(&mut self, number: u64) {
        self.head(major::UINT, number);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        if !is_nfc(text) {
            return self.text(&text.nfc().collect::<String>());
        }
        self.head(major::TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Starts an array of `items` values.
    pub(crate) fn array(&mut self, items: usize) {
        self.head(major::ARRAY, items as u64);
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Uint(number) => self.uint(*number),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Text(text) => self.text(text),
            Value::Array(items) => {
                self.array(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(map) => {
                self.head(major::MAP, map.len() as u64);
                for (key, value) in map.iter() {
                    self.text(key);
                    self.value(value);
                }
            }
            Value::Bool(truth) => self.out.push(if *truth { simple::TRUE } else { simple::FALSE }),
            Value::Null => self.out.push(simple::NULL),
        }
    }

    /// The first byte and the shortest form of its argument.
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        if argument < 24 {
            self.out.push(major | argument as u8);
        } else if let Ok(short) = u8::try_from(argument) {
            self.out.extend([major | 24, short]);
        } else if let Ok(short) = u16::try_from(argument) {
            self.out.push(major | 25);
            self.out.extend_from_slice(&short.to_be_bytes());
        } else if let Ok(short) = u32::try_from(argument) {
            self.out.push(major | 26);
            self.out.extend_from_slice(&short.to_be_bytes());
        } else {
            self.out.push(major | 27);
            self.out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}
