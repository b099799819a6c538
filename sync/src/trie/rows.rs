//! The buckets of a trie as rows of a table: what is written when it changes, and read to open it.
//!
//! A row for each bucket that holds an id, some two bytes for each id; the nodes above them are
//! hashed again on opening. The trie notes which rows differ from those last written.
//!
//! Guarantees: rows that are damaged give an error or another root, and never a panic; the owner
//! compares the root with the one that it saved and builds the trie anew if it must.

use std::collections::BTreeSet;

use super::arena::{Arena, Node, ROOT};
use super::{BUCKET_IDS, Trie};
use crate::items::Prefix;

/// A bucket with at least one id, as its row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What its ids begin with.
    pub prefix: Prefix,
    /// The hash over its ids.
    pub root: [u8; 32],
    /// How many ids it holds, 1 to [`BUCKET_IDS`].
    pub count: u8,
}

/// Rows that are not those of a trie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// Bytes that are no bucket.
    #[error("a row of {key} and {value} bytes is not a bucket")]
    Malformed {
        /// Bytes in its key.
        key: usize,
        /// Bytes in its value.
        value: usize,
    },
    /// A bucket that holds none, or more than [`BUCKET_IDS`].
    #[error("the bucket at {prefix:?} claims {count} ids")]
    Count {
        /// Where it is.
        prefix: Prefix,
        /// What it claims.
        count: u8,
    },
    /// A bucket that does not come after the one before it, or overlaps with it.
    #[error("the bucket at {prefix:?} is out of order")]
    Order {
        /// Where it is.
        prefix: Prefix,
    },
    /// Buckets that a trie would hold as one: others are missing, or come too late.
    #[error("buckets are missing below {prefix:?}")]
    Gap {
        /// Above the hole.
        prefix: Prefix,
    },
}

impl Bucket {
    /// The key of its row. Keys sort as the ids of the buckets do.
    pub fn key(&self) -> Vec<u8> {
        key_of(&self.prefix)
    }

    /// The value of its row: the hash, then the count in one byte.
    pub fn value(&self) -> [u8; 33] {
        let mut value = [self.count; 33];
        value[..32].copy_from_slice(&self.root);
        value
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`RowsError::Malformed`] and [`RowsError::Count`].
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, RowsError> {
        let malformed = || RowsError::Malformed { key: key.len(), value: value.len() };
        let prefix = prefix_of(key).ok_or_else(malformed)?;
        let (root, count) = value.split_last_chunk::<1>().ok_or_else(malformed)?;
        let root = root.try_into().map_err(|_| malformed())?;
        let bucket = Self { prefix, root, count: count[0] };
        bucket.checked()
    }

    fn checked(self) -> Result<Self, RowsError> {
        let Self { prefix, count, .. } = self;
        if (1..=BUCKET_IDS).contains(&count.into()) {
            Ok(self)
        } else {
            Err(RowsError::Count { prefix, count })
        }
    }
}

/// The key of the row of a bucket: as many bytes as its bits fill, then the number of bits.
pub fn key_of(prefix: &Prefix) -> Vec<u8> {
    // A bucket is split only while 33 ids share its prefix, so it has far fewer than 256 bits.
    let mut key = prefix.as_bytes()[..prefix.bits().div_ceil(8)].to_vec();
    key.push(prefix.bits() as u8);
    key
}

fn prefix_of(key: &[u8]) -> Option<Prefix> {
    let (&bits, filled) = key.split_last()?;
    let mut bytes = [0; 32];
    bytes.get_mut(..filled.len())?.copy_from_slice(filled);
    let prefix = Prefix::cut(bytes, bits.into());
    (filled.len() == prefix.bits().div_ceil(8) && *prefix.as_bytes() == bytes).then_some(prefix)
}

/// Which rows differ from those last written.
#[derive(Clone, Debug)]
pub(super) enum Changed {
    /// All of them: the trie was built anew.
    All,
    /// The rows of these buckets, some of which are no more.
    Some(BTreeSet<Prefix>),
}

impl Default for Changed {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

/// What has to be done to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// Write it.
    Put(Bucket),
    /// Delete the row of this bucket, if it is there.
    Delete(Prefix),
}

impl Trie {
    /// Whether every row that was ever written has to be deleted before [`changes`](Self::changes).
    pub fn is_rebuilt(&self) -> bool {
        matches!(self.changed, Changed::All)
    }

    /// What to do so that the rows are those of this trie, in the order of their keys.
    pub fn changes(&self) -> Box<dyn Iterator<Item = RowChange> + '_> {
        match &self.changed {
            Changed::All => Box::new(self.buckets().map(RowChange::Put)),
            Changed::Some(prefixes) => Box::new(prefixes.iter().map(|prefix| self.change(prefix))),
        }
    }

    fn change(&self, prefix: &Prefix) -> RowChange {
        match self.find(prefix) {
            (node, at) if at == *prefix && node.pair().is_none() && node.count > 0 => {
                RowChange::Put(Bucket { prefix: at, root: node.root, count: node.count as u8 })
            }
            _ => RowChange::Delete(*prefix),
        }
    }

    /// Takes up that [`changes`](Self::changes) is written, durably.
    pub fn saved(&mut self) {
        self.changed = Changed::default();
    }

    /// Opens the trie that has these buckets: see [`Loader`].
    ///
    /// # Errors
    /// As [`Loader::push`] and [`Loader::finish`].
    pub fn from_rows(rows: impl IntoIterator<Item = Bucket>) -> Result<Self, RowsError> {
        let mut loader = Loader::new();
        rows.into_iter().try_for_each(|bucket| loader.push(bucket))?;
        loader.finish()
    }
}

/// Opens a trie from its buckets, one at a time and in the order of their keys.
///
/// A row that is lost or altered may leave the buckets of another set: whoever saved them knows
/// the root that they should have.
pub struct Loader {
    arena: Arena,
    /// The inner nodes that were entered and not left, from the top.
    entered: Vec<Entered>,
    /// What the next node is for; `None` when there is nothing left to fill.
    next: Option<Prefix>,
}

/// An inner node of which one half, or none, is in place.
struct Entered {
    prefix: Prefix,
    pair: u32,
    /// The other half, as long as the first is being filled.
    then: Option<Prefix>,
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// A loader that was given nothing yet.
    pub fn new() -> Self {
        Self { arena: Arena::new(), entered: Vec::new(), next: Some(Prefix::ROOT) }
    }

    /// Takes the next bucket.
    ///
    /// # Errors
    /// When this is not the next bucket of any set, after those that were taken.
    pub fn push(&mut self, bucket: Bucket) -> Result<(), RowsError> {
        let Bucket { prefix, root, count } = bucket.checked()?;
        loop {
            let next = self.next.ok_or(RowsError::Order { prefix })?;
            if next == prefix {
                return self.fill(Node::bucket(root, count.into()));
            }
            match next.halves().filter(|_| next.covers(prefix.as_bytes())) {
                Some([low, high]) => {
                    let pair = self.arena.take_pair();
                    self.entered.push(Entered { prefix: next, pair, then: Some(high) });
                    self.next = Some(low);
                }
                None => self.fill(Node::EMPTY)?,
            }
        }
    }

    /// The trie of all buckets that were taken.
    ///
    /// # Errors
    /// [`RowsError::Gap`], when there should have been more.
    pub fn finish(mut self) -> Result<Trie, RowsError> {
        while self.next.is_some() {
            self.fill(Node::EMPTY)?;
        }
        Ok(Trie { arena: self.arena, changed: Changed::default() })
    }

    /// Puts a node where the next one belongs, and with it all that become whole thereby.
    fn fill(&mut self, mut node: Node) -> Result<(), RowsError> {
        while let Some(above) = self.entered.last_mut() {
            if let Some(then) = above.then.take() {
                self.arena.set(above.pair, node);
                self.next = Some(then);
                return Ok(());
            }
            let Entered { prefix, pair, .. } = *above;
            self.arena.set(pair + 1, node);
            self.entered.pop();
            node = self.arena.joined(pair);
            if node.count as usize <= BUCKET_IDS {
                return Err(RowsError::Gap { prefix });
            }
        }
        self.arena.set(ROOT, node);
        self.next = None;
        Ok(())
    }
}
