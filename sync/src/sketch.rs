//! A sketch of a set from which a short prefix names a small difference.
//!
//! The set is written into a row of cells by exclusive or: each id into cell 0 and into ever
//! sparser ones after it. Two sketches, cell by cell, leave the sketch of the difference; a prefix
//! of some 1.4 cells for each differing id is enough to read the ids off it, however large the two
//! sets are. The sketch is kept as the set changes, at some 20 cells for each id.
//!
//! Of an id only its first eight bytes are in it, a [`Sid`]: who holds the id finds it again by
//! those, and two ids that share them are noticed by the root, which decides in the end.
//!
//! Guarantees: a [`Decoder`] ends on any cells within the memory of those that it was given.
//! Not here: how many cells to send, and what to do when they do not decode.
//!
//! # Source
//! Rateless set reconciliation: Yang, Gilad, Alizadeh, *Practical Rateless Set Reconciliation*,
//! SIGCOMM 2024; the rule by which ids map to cells is theirs, with its parameter at 1/2.

mod decoder;

use std::fmt;
use std::ops::{BitXor, BitXorAssign, Range};
use std::sync::Arc;

use catalog::ItemId;

pub use decoder::{Decoder, Decoding};

use crate::items::Prefix;

/// The cells of a sketch that is kept: enough for differences of some 11,000 ids.
pub const CELLS: usize = 16_384;

/// The bytes of a cell on the wire and on disk.
pub const CELL_BYTES: usize = 12;

/// What a sketch holds of an id: its first eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(u64);

impl Sid {
    /// The beginning of `id`.
    pub fn of(id: &ItemId) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
        Self::from_bytes([a, b, c, d, e, f, g, h])
    }

    /// The beginning of an id, from bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The eight bytes.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Where the ids are that begin so: none, one, or by great effort several.
    pub fn prefix(self) -> Prefix {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.to_bytes());
        Prefix::cut(bytes, 64)
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({:016x})", self.0)
    }
}

/// Makes ids fall on other cells, so that who chose them long ago cannot have meant those.
///
/// A sketch that is kept for everyone has none ([`Salt::NONE`]); one that is made for a single
/// exchange takes a fresh one. Only sketches of one salt can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(u64);

impl Salt {
    /// That of a sketch that is kept.
    pub const NONE: Self = Self(0);

    /// A salt from random bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The hash that decides on the cells of an id and checks them.
    ///
    /// It must not be linear in the bits of the id: if it were, the checks of several ids in one
    /// cell would add up to that of their sum, and a cell of three would pass for one of one.
    fn hash(self, sid: Sid) -> u64 {
        mix(mix(sid.0 ^ 0x9e37_79b9_7f4a_7c15) ^ self.0)
    }
}

/// Spreads every bit of `x` over all bits; one to one (the finish of SplitMix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Some ids, added up by exclusive or: what a sketch is a row of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Their first eight bytes.
    sum: u64,
    /// Their hashes, in part.
    check: u32,
}

impl Cell {
    /// A cell with one id, whose hash is known.
    fn of(sid: Sid, hash: u64) -> Self {
        Self { sum: sid.0, check: hash as u32 }
    }

    /// Whether nothing is in it, or what is in it adds up to nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Reads a cell: the sum, then the check, both with the most significant byte first.
    pub fn from_bytes(bytes: [u8; CELL_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, check @ ..] = bytes;
        let sum = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Self { sum, check: u32::from_be_bytes(check) }
    }

    /// Writes a cell.
    pub fn to_bytes(self) -> [u8; CELL_BYTES] {
        let mut bytes = [0; CELL_BYTES];
        bytes[..8].copy_from_slice(&self.sum.to_be_bytes());
        bytes[8..].copy_from_slice(&self.check.to_be_bytes());
        bytes
    }
}

impl BitXor for Cell {
    type Output = Self;

    fn bitxor(self, other: Self) -> Self {
        Self { sum: self.sum ^ other.sum, check: self.check ^ other.check }
    }
}

impl BitXorAssign for Cell {
    fn bitxor_assign(&mut self, other: Self) {
        *self = *self ^ other;
    }
}

/// The cells of an id, in ascending order and without end: cell `i` with a chance of
/// 1 / (1 + i/2).
///
/// Both sides must come to the same cells. The steps are computed in `f64` by operations that
/// IEEE 754 rounds in one way only, so they are the same on every machine; a test pins some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spots {
    next: u64,
    state: u64,
}

impl Spots {
    fn of(hash: u64) -> Self {
        Self { next: 0, state: mix(hash ^ 0x5bd1_e995) }
    }

    /// The cell that comes next, which is not taken yet.
    fn peek(&self) -> usize {
        usize::try_from(self.next).unwrap_or(usize::MAX)
    }
}

impl Iterator for Spots {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let spot = self.peek();
        self.state = self.state.wrapping_mul(0xda94_2042_e4dd_58b5);
        // Evenly in (0, 1]; through `i64`, which processors convert at once.
        let even = ((self.state >> 11) as i64 + 1) as f64 * (0.5 / (1_u64 << 52) as f64);
        let far = (self.next as f64 + 1.5) * (1.0 / even.sqrt() - 1.0);
        // Rounded up, at least to one.
        let step = far as u64;
        let step = step + u64::from(step == 0 || (step as f64) < far);
        self.next = self.next.saturating_add(step);
        Some(spot)
    }
}

/// A row of cells over a set of ids. A clone shares them until one of the two changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    salt: Salt,
    cells: Arc<Cells>,
}

/// Sums and checks apart, which saves a quarter of the memory.
#[derive(Clone, PartialEq, Eq)]
struct Cells {
    sums: Box<[u64]>,
    checks: Box<[u32]>,
}

impl Sketch {
    /// The sketch of the empty set in `cells` cells.
    pub fn new(cells: usize, salt: Salt) -> Self {
        let (sums, checks) = (vec![0; cells].into(), vec![0; cells].into());
        Self { salt, cells: Arc::new(Cells { sums, checks }) }
    }

    /// The sketch that has these cells.
    pub(crate) fn from_cells(cells: impl Iterator<Item = Cell>, salt: Salt) -> Self {
        let (sums, checks): (Vec<_>, Vec<_>) = cells.map(|cell| (cell.sum, cell.check)).unzip();
        Self { salt, cells: Arc::new(Cells { sums: sums.into(), checks: checks.into() }) }
    }

    /// What it was made with.
    pub fn salt(&self) -> Salt {
        self.salt
    }

    /// The number of cells.
    #[allow(clippy::len_without_is_empty, reason = "a sketch has cells whether or not its set has")]
    pub fn len(&self) -> usize {
        self.cells.sums.len()
    }

    /// Puts an id in that was not there, or takes one out that was.
    ///
    /// The sketch cannot tell which: each coming and going is to be told once, neither twice nor
    /// not at all. Costs some 2 ln(cells) cells.
    pub fn toggle(&mut self, id: &ItemId) {
        let sid = Sid::of(id);
        let hash = self.salt.hash(sid);
        let cells = Arc::make_mut(&mut self.cells);
        let mut spots = Spots::of(hash);
        while spots.peek() < cells.sums.len() {
            let spot = spots.peek();
            cells.sums[spot] ^= sid.0;
            cells.checks[spot] ^= hash as u32;
            spots.next();
        }
    }

    /// The cells in `range`, as far as there are any.
    pub fn cells(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = Cell> + '_ {
        let end = range.end.min(self.len());
        let range = range.start.min(end)..end;
        let checks = &self.cells.checks[range.clone()];
        let sums = &self.cells.sums[range];
        sums.iter().zip(checks).map(|(&sum, &check)| Cell { sum, check })
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch").field("salt", &self.salt).field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
