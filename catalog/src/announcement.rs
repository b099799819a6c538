//! What a node says about itself: the program that it runs, what it is called, what it holds.
//!
//! An announcement is the value of the register [`NAME`]. Whoever reads one knows that the node
//! said so, not that it is true: it is shown to people and is a hint for choosing whom to ask, it
//! decides nothing. Names and regions use the alphabet of all names, the program printable ASCII,
//! so that they can be shown as they are.

use std::fmt;
use std::str::FromStr;

use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::digest::Digest;
use crate::name::{NodeName, Region};
use crate::register::VALUE_BYTES_MAX;

/// The name of the register that carries an announcement.
pub const NAME: &str = "announcement";

/// The most bytes of what a program calls itself.
pub const PROGRAM_BYTES_MAX: usize = 64;

/// The version of the layout.
const VERSION: u64 = 1;

/// A program and its version, such as `catalog/0.1.0`: 1 to 64 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program(Box<str>);

/// Text that is not what a program calls itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a program is 1 to {PROGRAM_BYTES_MAX} printable ASCII characters, found {found:?}")]
pub struct ProgramError {
    found: Box<str>,
}

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The program that it runs.
    pub program: Program,
    /// The oldest and the newest version of the protocol that it speaks.
    pub protocol: (u64, u64),
    /// What its owner calls it.
    pub name: Option<NodeName>,
    /// Where its owner says that it is.
    pub region: Option<Region>,
    /// Records that it holds: positions of logs.
    pub records: u64,
    /// One hash over all of them: who says the same one holds the same.
    pub root: Digest,
}

impl Program {
    /// The program as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Program {
    type Err = ProgramError;

    fn from_str(text: &str) -> Result<Self, ProgramError> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        match (1..=PROGRAM_BYTES_MAX).contains(&text.len()) && printable {
            true => Ok(Self(text.into())),
            false => Err(ProgramError { found: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Announcement {
    /// The value of a register that says this.
    pub fn encode(&self) -> Vec<u8> {
        let (oldest, newest) = self.protocol;
        let mut map = Map::new();
        map.insert_some("name", self.name.as_ref().map(NodeName::as_str));
        map.insert("newest", newest);
        map.insert("oldest", oldest);
        map.insert("program", self.program.as_str());
        map.insert("records", self.records);
        map.insert_some("region", self.region.as_ref().map(Region::as_str));
        map.insert("root", self.root);
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads the value of a register.
    ///
    /// # Errors
    /// [`CodecError`]; any node can cause it.
    pub fn decode(value: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(value, VALUE_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let announcement = Self {
            program: fields.parsed("program")?,
            protocol: (fields.uint("oldest")?, fields.uint("newest")?),
            name: fields.parsed_opt("name")?,
            region: fields.parsed_opt("region")?,
            records: fields.uint("records")?,
            root: fields.digest("root")?,
        };
        fields.finish()?;
        Ok(announcement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            program: "catalog/0.1.0".parse().unwrap(),
            protocol: (1, 2),
            name: Some("attic".parse().unwrap()),
            region: Some("eu-west".parse().unwrap()),
            records: 300,
            root: Digest::from_bytes([0xab; 32]),
        }
    }

    #[test]
    fn an_announcement_has_these_bytes() {
        let bytes = [
            "a8",
            "617601",
            "646e616d65",
            "656174746963",
            "64726f6f74",
            &format!("5820{}", "ab".repeat(32)),
            "666e6577657374",
            "02",
            "666f6c64657374",
            "01",
            "66726567696f6e",
            "6765752d77657374",
            "6770726f6772616d",
            "6d636174616c6f672f302e312e30",
            "677265636f726473",
            "19012c",
        ];
        assert_eq!(hex::encode(announcement().encode()), bytes.concat());
        assert_eq!(Announcement::decode(&announcement().encode()).unwrap(), announcement());
    }

    #[test]
    fn a_node_without_a_name_says_none() {
        let nameless = Announcement { name: None, region: None, ..announcement() };
        assert_eq!(Announcement::decode(&nameless.encode()).unwrap(), nameless);
    }

    /// Threat row 28: what strangers say is shown on terminals.
    #[test]
    fn an_announcement_with_unprintable_words_is_unreadable() {
        let program = |text: &str| {
            let mut map = Map::new();
            map.insert("newest", 1);
            map.insert("oldest", 1);
            map.insert("program", text);
            map.insert("records", 0);
            map.insert("root", Digest::from_bytes([0; 32]));
            map.insert("v", VERSION);
            Announcement::decode(&cbor::encode(&Value::Map(map)))
        };
        assert!(program("catalog/1").is_ok());
        for text in ["", "\u{1b}[2J", "a\nb", "ab\u{202e}c", &"a".repeat(65)] {
            assert!(program(text).is_err(), "{text:?}");
        }
        assert!(Announcement::decode(&[0; 10]).is_err());
    }
}
