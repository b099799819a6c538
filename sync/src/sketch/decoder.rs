//! Reads the ids of a difference off its sketch, cell by cell.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::{Cell, Salt, Sid, Spots};

/// How far a [`Decoder`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    /// More cells are needed.
    More,
    /// Every id is found.
    ///
    /// What was found explains all cells to the last bit. Someone may still have made them so;
    /// the roots tell.
    Done,
    /// These cells never decode, or not within the number that was allowed.
    Failed,
}

/// Takes the cells of a difference, one after the other, until they give the ids away.
///
/// A cell with a single id in it shows that id; taken out of its other cells, it leaves further
/// cells with a single one, and so on.
#[derive(Clone, Debug)]
pub struct Decoder {
    salt: Salt,
    cells_max: usize,
    /// What is left of the cells after taking out what was found.
    cells: Vec<Cell>,
    /// How many of those are not zero.
    open: usize,
    found: BTreeSet<Sid>,
    /// What was found, by the next cell that it is in.
    ahead: BinaryHeap<Reverse<(Spots, Sid)>>,
    failed: bool,
}

impl Decoder {
    /// A decoder for sketches with this salt that takes at most `cells_max` cells.
    pub fn new(salt: Salt, cells_max: usize) -> Self {
        let (cells, found, ahead) = (Vec::new(), BTreeSet::new(), BinaryHeap::new());
        Self { salt, cells_max, cells, open: 0, found, ahead, failed: false }
    }

    /// Takes the next cell: ours and theirs by exclusive or.
    ///
    /// Costs some 20 cells for each id that it finds. Once failed, it stays so.
    pub fn push(&mut self, mut cell: Cell) -> Decoding {
        let at = self.cells.len();
        if at >= self.cells_max {
            self.failed = true;
        }
        if self.failed {
            return Decoding::Failed;
        }
        while let Some(Reverse((spots, sid))) = self.ahead.peek().copied()
            && spots.peek() == at
        {
            self.ahead.pop();
            self.put_ahead(spots, at + 1, sid);
            cell ^= Cell::of(sid, self.salt.hash(sid));
        }
        self.open += usize::from(!cell.is_zero());
        self.cells.push(cell);
        self.peel(at);
        self.state()
    }

    /// How far it has come.
    pub fn state(&self) -> Decoding {
        match (self.failed, self.open) {
            (true, _) => Decoding::Failed,
            // Every id is in cell 0, so before that nothing is known.
            (false, 0) if !self.cells.is_empty() => Decoding::Done,
            _ => Decoding::More,
        }
    }

    /// The number of cells taken.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// What was found so far, ascending; at most one for each cell.
    pub fn found(&self) -> impl ExactSizeIterator<Item = Sid> + '_ {
        self.found.iter().copied()
    }

    /// Takes out the id that shows in cell `from`, if any, and all that show thereby.
    fn peel(&mut self, from: usize) {
        let mut open = vec![from];
        let mut spots_taken = Vec::new();
        while let Some(at) = open.pop() {
            let cell = self.cells[at];
            let sid = Sid(cell.sum);
            let hash = self.salt.hash(sid);
            if cell.is_zero() || Cell::of(sid, hash) != cell {
                continue;
            }
            let mut spots = Spots::of(hash);
            spots_taken.clear();
            while spots.peek() < self.cells.len() {
                spots_taken.extend(spots.next());
            }
            // Two ids may add up to what looks like one: that one is seldom in this very cell.
            if spots_taken.binary_search(&at).is_err() {
                continue;
            }
            // In an honest sketch each id shows once, and empties a cell of its own by that.
            if self.found.len() == self.cells.len() || !self.found.insert(sid) {
                self.failed = true;
                return;
            }
            for &spot in &spots_taken {
                let cell = &mut self.cells[spot];
                self.open -= usize::from(!cell.is_zero());
                *cell ^= Cell::of(sid, hash);
                self.open += usize::from(!cell.is_zero());
            }
            open.extend_from_slice(&spots_taken);
            self.put_ahead(spots, self.cells.len(), sid);
        }
    }

    /// Keeps `sid` for the first of its cells from `end` on, unless that is never taken.
    fn put_ahead(&mut self, mut spots: Spots, end: usize, sid: Sid) {
        while spots.peek() < end {
            spots.next();
        }
        if spots.peek() < self.cells_max {
            self.ahead.push(Reverse((spots, sid)));
        }
    }
}
