//! What is kept of one set so that it can be compared with that of any other node.
//!
//! A [`Trie`], a [`Sketch`] and a [`FineOdd`] sketch of the same ids, changed together as the set
//! changes and saved together with the place in the store's history that they stand for. A
//! follower reads what entered and left the set since then and applies it; it may be late, but its
//! parts always belong together.
//!
//! Guarantees: what was saved opens to what it was, or not at all. A clone is cheap and stays as
//! it is while the original goes on. Not here: the set itself ([`Items`]), and the transaction in
//! which rows and cursor are written (`catalog`).

use catalog::{Digest, ItemId};

use crate::items::{Items, ItemsError, Prefix, SortedIds};
use crate::odd::{FINE_BYTES, FineOdd};
use crate::sketch::{CELL_BYTES, CELLS, Cell, Salt, Sketch};
use crate::trie::Trie;
use crate::trie::rows::{Bucket, Loader, RowChange, RowsError, key_of};

/// The version of the checkpoint's layout.
const FORMAT: u8 = 1;

/// Root, number of ids, number of cells and odd sketch, after the version.
const HEADER_BYTES: usize = 1 + 32 + 8 + 4 + FINE_BYTES;

/// The most cells that a sketch may have, here or in a checkpoint.
pub const CELLS_MAX: usize = 1 << 20;

/// Ids read at once while a summary is made of a whole set.
const PAGE_IDS: usize = 4096;

/// Trie, sketch and odd sketch of one set.
#[derive(Clone, Debug)]
pub struct Summary {
    trie: Trie,
    sketch: Sketch,
    odd: FineOdd,
    /// The size of the set by what was told; that of the trie is by what was read.
    told: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self::new()
    }
}

impl Summary {
    /// The summary of the empty set, with as many cells as a whole catalog takes.
    pub fn new() -> Self {
        Self::with_cells(CELLS)
    }

    /// The summary of the empty set, for sets that seldom differ by more than two thirds of
    /// `cells`, which are at most [`CELLS_MAX`].
    pub fn with_cells(cells: usize) -> Self {
        let sketch = Sketch::new(cells.clamp(1, CELLS_MAX), Salt::NONE);
        Self { trie: Trie::new(), sketch, odd: FineOdd::new(), told: 0 }
    }

    /// The summary of `ids`.
    pub fn build(ids: &SortedIds) -> Self {
        Self::of(ids).expect("ids in memory can be read")
    }

    /// The summary of everything in `items`, which is read twice, a few thousand ids at a time.
    ///
    /// # Errors
    /// When the ids cannot be read.
    pub fn of(items: &impl Items) -> Result<Self, ItemsError> {
        let mut summary = Self { trie: Trie::of(items)?, ..Self::new() };
        let mut open = vec![Prefix::ROOT];
        while let Some(prefix) = open.pop() {
            let ids = items.scan(&prefix, PAGE_IDS)?;
            match prefix.halves().filter(|_| ids.len() >= PAGE_IDS) {
                Some(halves) => open.extend(halves),
                None => ids.iter().for_each(|id| summary.toggle(id)),
            }
            if ids.len() < PAGE_IDS {
                summary.told += ids.len() as u64;
            }
        }
        Ok(summary)
    }

    /// Takes up that `id` entered the set. As [`apply`](Self::apply).
    pub fn insert(&mut self, id: &ItemId, items: &impl Items) -> Result<(), ItemsError> {
        self.apply(std::slice::from_ref(id), &[], items)
    }

    /// Takes up that `id` left the set. As [`apply`](Self::apply).
    pub fn remove(&mut self, id: &ItemId, items: &impl Items) -> Result<(), ItemsError> {
        self.apply(&[], std::slice::from_ref(id), items)
    }

    /// Takes up what entered the set and what left it.
    ///
    /// `items` is the set after that, or after yet more changes that are still to be applied. Each
    /// change is to be told once: an id that enters must not be in the set, one that leaves must.
    /// Many changes at once cost less than one by one.
    ///
    /// # Errors
    /// When the ids cannot be read. Nothing counts as told then: the same call can be made again.
    pub fn apply(
        &mut self,
        entered: &[ItemId],
        left: &[ItemId],
        items: &impl Items,
    ) -> Result<(), ItemsError> {
        if left.is_empty() {
            self.trie.refresh(entered, items)?;
        } else {
            self.trie.refresh(&[entered, left].concat(), items)?;
        }
        entered.iter().chain(left).for_each(|id| self.toggle(id));
        self.told = (self.told + entered.len() as u64).saturating_sub(left.len() as u64);
        Ok(())
    }

    fn toggle(&mut self, id: &ItemId) {
        self.sketch.toggle(id);
        self.odd.toggle(id);
    }

    /// Whether what was told adds up to what was read: so once every change has been applied. If
    /// not, changes were told twice or not at all, and the summary has to be made anew.
    pub fn is_settled(&self) -> bool {
        self.told == self.trie.len()
    }

    /// The hash of the whole set: equal for equal sets.
    pub fn root(&self) -> [u8; 32] {
        self.trie.root()
    }

    /// The number of ids in the set.
    pub fn len(&self) -> u64 {
        self.trie.len()
    }

    /// Whether the set has no ids.
    pub fn is_empty(&self) -> bool {
        self.trie.is_empty()
    }

    /// Its hash tree.
    pub fn trie(&self) -> &Trie {
        &self.trie
    }

    /// Its sketch, without a salt.
    pub fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// Its odd sketch.
    pub fn odd(&self) -> FineOdd {
        self.odd
    }
}

/// What has to be written so that a summary opens again, all in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whether every row that is there has to be deleted first.
    pub clear: bool,
    /// Rows to write, key and value.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys of rows to delete, whether or not they are there.
    pub deletes: Vec<Vec<u8>>,
}

/// The key of the row of sketches; those of buckets begin with [`BUCKET_ROW`].
const SKETCH_ROW: [u8; 1] = [0];

/// What the keys of buckets begin with.
const BUCKET_ROW: u8 = 1;

/// A summary could not be opened from what was saved. It has to be made anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The first row is not that of sketches.
    #[error("a summary without sketches")]
    Headless,
    /// A layout that is newer than this program, or none.
    #[error("summary format {found:?} is not known to this version")]
    Format {
        /// The first byte, if there is one.
        found: Option<u8>,
    },
    /// The sketches are not what was written.
    #[error("the sketches of a summary are damaged")]
    Sketches,
    /// The buckets are not those of any set.
    #[error("the buckets of a summary are damaged")]
    Buckets(#[from] RowsError),
    /// The buckets are those of another set.
    #[error("the buckets of a summary do not have its root")]
    Root,
}

impl Summary {
    /// What to write so that [`open`](Self::open) gives this summary; then call
    /// [`saved`](Self::saved).
    ///
    /// The sketches are one row of 12 bytes for each cell, whatever changed; so a busy follower
    /// saves now and then, with its cursor, and goes back to that after a crash.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut puts = vec![(SKETCH_ROW.to_vec(), self.sketches())];
        let mut deletes = Vec::new();
        for change in self.trie.changes() {
            match change {
                RowChange::Put(bucket) => {
                    puts.push((row_of(&bucket.prefix), bucket.value().to_vec()));
                }
                RowChange::Delete(prefix) => deletes.push(row_of(&prefix)),
            }
        }
        Checkpoint { clear: self.trie.is_rebuilt(), puts, deletes }
    }

    /// Takes up that [`checkpoint`](Self::checkpoint) is written, durably.
    pub fn saved(&mut self) {
        self.trie.saved();
    }

    /// Version, root, number of ids told, number of cells, odd sketch, cells, and the hash of all
    /// that; numbers with the most significant byte first.
    fn sketches(&self) -> Vec<u8> {
        let cells = self.sketch.len();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + CELL_BYTES * cells + 32);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.root());
        bytes.extend_from_slice(&self.told.to_be_bytes());
        bytes.extend_from_slice(&(cells as u32).to_be_bytes());
        bytes.extend_from_slice(&self.odd.to_bytes());
        self.sketch.cells(0..cells).for_each(|cell| bytes.extend_from_slice(&cell.to_bytes()));
        bytes.extend_from_slice(Digest::of(&bytes).as_bytes());
        bytes
    }

    /// Opens a summary from its rows, in the order of their keys, one at a time.
    ///
    /// What the caller's own reading can fail with passes through.
    ///
    /// # Errors
    /// When the rows are not what was written, or there are none.
    pub fn open<K: AsRef<[u8]>, V: AsRef<[u8]>, E: From<OpenError>>(
        rows: impl IntoIterator<Item = Result<(K, V), E>>,
    ) -> Result<Self, E> {
        let mut rows = rows.into_iter();
        let (key, sketches) = rows.next().ok_or(OpenError::Headless)??;
        if key.as_ref() != SKETCH_ROW {
            return Err(OpenError::Headless.into());
        }
        let (root, summary) = Self::from_sketches(sketches.as_ref())?;
        let mut buckets = Loader::new();
        for row in rows {
            let (key, value) = row?;
            let bucket = bucket_of(key.as_ref(), value.as_ref());
            bucket.and_then(|bucket| buckets.push(bucket)).map_err(OpenError::from)?;
        }
        let trie = buckets.finish().map_err(OpenError::from)?;
        if trie.root() != root {
            return Err(OpenError::Root.into());
        }
        Ok(Self { trie, ..summary })
    }

    /// Reads the row of sketches: the root that the trie has to have, and all but the trie.
    fn from_sketches(row: &[u8]) -> Result<([u8; 32], Self), OpenError> {
        let found = row.first().copied();
        if found != Some(FORMAT) {
            return Err(OpenError::Format { found });
        }
        let read = || -> Option<([u8; 32], Self)> {
            let (bytes, digest) = row.split_last_chunk::<32>()?;
            let (header, cells) = bytes.split_first_chunk::<HEADER_BYTES>()?;
            let (_, header) = header.split_first()?;
            let (&root, header) = header.split_first_chunk()?;
            let (&told, header) = header.split_first_chunk()?;
            let (&count, odd) = header.split_first_chunk()?;
            let (cells, rest) = cells.as_chunks::<CELL_BYTES>();
            let sound = Digest::of(bytes).as_bytes() == digest
                && rest.is_empty()
                && (1..=CELLS_MAX).contains(&cells.len())
                && cells.len() == u32::from_be_bytes(count) as usize;
            let cells = cells.iter().map(|&cell| Cell::from_bytes(cell));
            let summary = Self {
                trie: Trie::new(),
                sketch: Sketch::from_cells(cells, Salt::NONE),
                odd: FineOdd::from_bytes(odd.try_into().ok()?),
                told: u64::from_be_bytes(told),
            };
            sound.then_some((root, summary))
        };
        read().ok_or(OpenError::Sketches)
    }
}

/// The key of the row of a bucket.
fn row_of(prefix: &Prefix) -> Vec<u8> {
    let mut key = vec![BUCKET_ROW];
    key.append(&mut key_of(prefix));
    key
}

fn bucket_of(key: &[u8], value: &[u8]) -> Result<Bucket, RowsError> {
    let malformed = RowsError::Malformed { key: key.len(), value: value.len() };
    Bucket::decode(key.strip_prefix(&[BUCKET_ROW]).ok_or(malformed)?, value)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fixture::{Dice, ids};

    type Table = BTreeMap<Vec<u8>, Vec<u8>>;

    fn write(summary: &mut Summary, table: &mut Table) {
        let Checkpoint { clear, puts, deletes } = summary.checkpoint();
        if clear {
            table.clear();
        }
        table.extend(puts);
        deletes.iter().for_each(|key| drop(table.remove(key)));
        summary.saved();
    }

    fn open(table: &Table) -> Result<Summary, OpenError> {
        Summary::open(table.iter().map(Ok))
    }

    fn assert_same(ours: &Summary, theirs: &Summary) {
        assert_eq!((ours.root(), ours.len()), (theirs.root(), theirs.len()));
        assert_eq!((&ours.sketch, ours.odd, ours.told), (&theirs.sketch, theirs.odd, theirs.told));
    }

    #[test]
    fn the_row_of_sketches_is_golden() {
        let mut summary = Summary::with_cells(2);
        let set: BTreeSet<_> = ids(0..1).into_iter().collect();
        summary.insert(set.first().unwrap(), &set).unwrap();
        let Checkpoint { clear, puts, deletes } = summary.checkpoint();
        let [(sketch_key, sketches), (bucket_key, bucket)] = &puts[..] else { panic!("{puts:?}") };
        assert!(!clear && deletes.is_empty());
        assert_eq!((&sketch_key[..], &bucket_key[..]), (&[0][..], &[1, 0][..]));
        assert_eq!(hex::encode(bucket), format!("{}01", hex::encode(summary.root())));
        let odd = hex::encode(summary.odd.to_bytes());
        let cells: String =
            summary.sketch.cells(0..2).map(|cell| hex::encode(cell.to_bytes())).collect();
        let body = format!("01{}000000000000000100000002{odd}{cells}", hex::encode(summary.root()));
        assert_eq!(hex::encode(&sketches[..sketches.len() - 32]), body);
        assert_eq!(
            hex::encode(&sketches[sketches.len() - 32..]),
            "a202ce06dc70234a46593ece3882505b80a8eff28959a324e85499d2435e2012"
        );
    }

    /// Whatever happens, and wherever it stops and starts again, all parts are those of the set.
    #[test]
    fn a_summary_follows_its_set_across_restarts() {
        let pool = ids(0..600);
        for seed in 0..6 {
            let mut dice = Dice(seed);
            let (mut set, mut table) = (BTreeSet::new(), Table::new());
            let (mut summary, mut saved) = (Summary::new(), BTreeSet::new());
            write(&mut summary, &mut table);
            for _ in 0..30 {
                let before = set.clone();
                for _ in 0..dice.below(60) {
                    let id = pool[dice.below(pool.len())];
                    if dice.below(3) == 0 {
                        set.remove(&id)
                    } else {
                        set.insert(id)
                    };
                }
                let entered: Vec<_> = set.difference(&before).copied().collect();
                let left: Vec<_> = before.difference(&set).copied().collect();
                match (&entered[..], &left[..]) {
                    ([id], []) => summary.insert(id, &set).unwrap(),
                    ([], [id]) => summary.remove(id, &set).unwrap(),
                    (entered, left) => summary.apply(entered, left, &set).unwrap(),
                }
                assert!(summary.is_settled());
                assert_same(&summary, &Summary::of(&set).unwrap());
                match dice.below(4) {
                    0 => {
                        write(&mut summary, &mut table);
                        saved = set.clone();
                    }
                    1 => {
                        // Killed: back to what was saved, and once more from there.
                        summary = open(&table).unwrap();
                        assert_same(&summary, &Summary::of(&saved).unwrap());
                        let entered: Vec<_> = set.difference(&saved).copied().collect();
                        let left: Vec<_> = saved.difference(&set).copied().collect();
                        summary.apply(&entered, &left, &set).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_summary_of_many_ids_is_read_in_pages() {
        let ids: SortedIds = ids(0..20_000).into();
        let mut told = Summary::new();
        told.apply(ids.as_slice(), &[], &ids).unwrap();
        assert_same(&Summary::build(&ids), &told);
    }

    #[test]
    fn a_change_that_is_told_twice_shows() {
        let set: BTreeSet<_> = ids(0..50).into_iter().collect();
        let mut summary = Summary::new();
        summary.apply(&ids(0..25), &[], &set).unwrap();
        summary.apply(&ids(25..50), &[], &set).unwrap();
        assert!(summary.is_settled());
        summary.insert(&ids(3..4)[0], &set).unwrap();
        assert!(!summary.is_settled());
        assert_eq!(summary.root(), Summary::of(&set).unwrap().root());
    }

    #[test]
    fn what_was_not_written_so_does_not_open() {
        let (mut table, mut summary) = (Table::new(), Summary::build(&ids(0..900).into()));
        write(&mut summary, &mut table);
        assert_same(&open(&table).unwrap(), &summary);
        let with = |change: &dyn Fn(&mut Table)| {
            let mut table = table.clone();
            change(&mut table);
            open(&table).unwrap_err()
        };
        let sketches = |change: &dyn Fn(&mut Vec<u8>)| {
            with(&|table| change(table.get_mut(&SKETCH_ROW[..]).unwrap()))
        };
        assert_eq!(open(&Table::new()).unwrap_err(), OpenError::Headless);
        assert_eq!(with(&|table| drop(table.pop_first())), OpenError::Headless);
        assert_eq!(sketches(&|row| row.clear()), OpenError::Format { found: None });
        assert_eq!(sketches(&|row| row[0] = 2), OpenError::Format { found: Some(2) });
        for at in [1, 33, 41, 45, 160, 100_000] {
            assert_eq!(sketches(&|row| row[at] ^= 1), OpenError::Sketches, "{at}");
            assert_eq!(sketches(&|row| row.truncate(at)), OpenError::Sketches, "{at}");
        }
        let keys: Vec<_> = table.keys().skip(1).cloned().collect();
        for key in &keys {
            assert!(matches!(
                with(&|table| drop(table.remove(key))),
                OpenError::Buckets(_) | OpenError::Root
            ));
            let altered = with(&|table| table.get_mut(key).unwrap()[5] ^= 4);
            assert_eq!(altered, OpenError::Root);
        }
        let strange = with(&|table| drop(table.insert(vec![2, 2], vec![0; 33])));
        assert!(matches!(strange, OpenError::Buckets(RowsError::Malformed { .. })));
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut set: BTreeSet<_> = ids(0..300).into_iter().collect();
        let mut summary = Summary::of(&set).unwrap();
        let (before, clone) = (Summary::of(&set).unwrap(), summary.clone());
        for id in ids(300..340) {
            set.insert(id);
            summary.insert(&id, &set).unwrap();
        }
        assert_same(&clone, &before);
        assert_same(&summary, &Summary::of(&set).unwrap());
    }
}
