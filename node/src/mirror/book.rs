//! What a person decided about mirroring, in a file of its own.
//!
//! The file is written whole, beside the old one, and swapped in before anybody is told that it was
//! decided. One that cannot be read is said to be so and left alone: nothing is mirrored by guesswork,
//! and nothing that is held is given up for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::digest::Digest;
use catalog::size::ByteSize;
use catalog::time::Timestamp;
use catalog_mirror::Filter;
use serde::{Deserialize, Serialize};

/// The most contents that are pinned by hand.
const PINS_MAX: usize = 100_000;
/// The largest file that is read.
const BOOK_BYTES_MAX: usize = 16 << 20;
/// The version of the layout.
const VERSION: u64 = 1;

/// What a mirror holds besides what was added by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing.
    #[default]
    Off,
    /// Everything that its filter lets through, the rarest first, as far as there is room.
    All,
    /// What all mirrors together make of demand, regions and room.
    Auto,
}

impl Mode {
    const WORDS: [(&'static str, Self); 3] =
        [("off", Self::Off), ("all", Self::All), ("auto", Self::Auto)];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decided {
    pub mode: Mode,
    /// What is mirrored, when that was said with the mode.
    pub filter: Option<Filter>,
    /// How much room there is, when that was said with the mode.
    pub budget: Option<ByteSize>,
    /// The content roots that were added by hand, and since when.
    pub pins: BTreeMap<Digest, Timestamp>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// It cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CodecError,
    },
    /// There are too many.
    #[error("{PINS_MAX} contents were added by hand already")]
    Full,
}

/// The file, read by the first who asks.
pub(super) struct Book {
    path: PathBuf,
    decided: Mutex<Option<Decided>>,
}

impl Book {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, decided: Mutex::new(None) }
    }

    /// What was decided.
    pub(super) fn decided(&self) -> Result<Decided, BookError> {
        let mut decided = self.lock();
        if decided.is_none() {
            *decided = Some(self.read()?);
        }
        Ok(decided.clone().unwrap_or_default())
    }

    /// Decides something else, for good.
    pub(super) fn decide(&self, change: impl FnOnce(&mut Decided)) -> Result<Decided, BookError> {
        let mut held = self.lock();
        let mut decided = match held.take() {
            Some(decided) => decided,
            None => self.read()?,
        };
        *held = Some(decided.clone());
        change(&mut decided);
        if decided.pins.len() > PINS_MAX {
            return Err(BookError::Full);
        }
        let failed = |source| BookError::Io { path: self.path.clone(), source };
        write(&self.path, &decided.encode()).map_err(failed)?;
        *held = Some(decided.clone());
        Ok(decided)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Decided>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Decided, BookError> {
        match fs::read(&self.path) {
            Ok(bytes) => Decided::decode(&bytes)
                .map_err(|source| BookError::Damaged { path: self.path.clone(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Decided::default()),
            Err(source) => Err(BookError::Io { path: self.path.clone(), source }),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

impl Decided {
    fn encode(&self) -> Vec<u8> {
        let pins = self.pins.iter().map(|(root, since)| {
            let mut pin = Map::new();
            pin.insert("at", since.as_millis());
            pin.insert("root", *root);
            Value::Map(pin)
        });
        let mut map = Map::new();
        map.insert_some("budget", self.budget.map(ByteSize::as_u64));
        map.insert_some("filter", self.filter.as_ref().and_then(|filter| filter.encode().ok()));
        map.insert("mode", self.mode.as_str());
        map.insert("pins", pins.collect::<Value>());
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(bytes, BOOK_BYTES_MAX)?)?;
        let version = fields.uint("v")?;
        if version != VERSION {
            return Err(CodecError::Version { found: version });
        }
        let word = fields.text("mode")?;
        let mode = Mode::WORDS.iter().find(|(known, _)| *known == word).map(|(_, mode)| *mode);
        let filter = fields.bytes_opt("filter")?;
        let mut pins = BTreeMap::new();
        for pin in fields.array("pins")? {
            let mut pin = Fields::of(pin)?;
            pins.insert(pin.digest("root")?, Timestamp::from_millis(pin.uint("at")?));
            pin.finish()?;
        }
        let budget = fields.uint_opt("budget")?.map(ByteSize::bytes);
        fields.finish()?;
        Ok(Self {
            mode: mode.ok_or_else(|| CodecError::invalid("mode", "not a known word"))?,
            filter: filter.map(|filter| Filter::decode(&filter)).transpose()?,
            budget,
            pins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided() -> Decided {
        let tags = ["graph".to_owned()].into();
        Decided {
            mode: Mode::Auto,
            filter: Some(Filter { tags, ..Filter::default() }),
            budget: Some(ByteSize::kib(1)),
            pins: [(Digest::from_bytes([0xab; 32]), Timestamp::from_millis(7))].into(),
        }
    }

    #[test]
    fn what_was_decided_has_these_bytes() {
        let bytes = [
            "a5",
            "617601",
            "646d6f6465",
            "646175746f",
            "6470696e73",
            "81a26261740764726f6f74",
            &format!("5820{}", "ab".repeat(32)),
            "66627564676574",
            "190400",
            "6666696c746572",
            "4f",
            "a26176016374616781656772617068",
        ];
        assert_eq!(hex::encode(decided().encode()), bytes.concat());
        assert_eq!(Decided::decode(&decided().encode()), Ok(decided()));
        let nothing = Decided::default();
        assert_eq!(Decided::decode(&nothing.encode()), Ok(nothing));
    }

    #[test]
    fn what_was_decided_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mirror");
        let book = Book::at(path.clone());
        assert_eq!(book.decided().unwrap(), Decided::default());
        book.decide(|it| *it = decided()).unwrap();
        assert_eq!(Book::at(path).decided().unwrap(), decided());
    }

    #[test]
    fn a_damaged_file_is_said_to_be_so_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mirror");
        fs::write(&path, "something else").unwrap();
        let book = Book::at(path.clone());
        assert!(matches!(book.decided(), Err(BookError::Damaged { .. })));
        let changed = book.decide(|decided| decided.mode = Mode::Auto);
        assert!(matches!(changed, Err(BookError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }
}
