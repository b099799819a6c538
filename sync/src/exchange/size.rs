//! Decides from two numbers and an estimate how a difference is looked for.
//!
//! A sketch costs some 25 bytes for each difference, a walk 4 to 5 for each record of the smaller
//! set, and a stream nothing but the records that the other has already. Both sides decide by
//! the same rules, so neither has to believe a number that the other names.

/// Cells in a hello to a peer of which nothing is known: they solve 16 differences in 99 % of all
/// runs, and the hello still fits one datagram.
pub const CELLS_FIRST: usize = 48;

/// A side with this many times the other's items sends all of them rather than compare.
const LOPSIDED: u64 = 16;

/// A peer may claim any number of items; nobody has so many.
const COUNT_MAX: u64 = 1 << 40;

/// So few differences are cheap to sketch in a set of any size.
const FEW: u64 = 64;

/// From so many differences on, a fine estimate saves more than it takes.
const WORTH_FINE: u64 = 150;

/// Lists of a whole set are sent outright up to so many items: half a frame.
const LISTED_WHOLE_MAX: u64 = 1 << 17;

/// The widest first group of a walk: 2^18 fingerprints fill a frame.
pub const WIDTH_FIRST_MAX: usize = 18;

/// Cells in a hello to a peer of which nothing is known.
pub fn cells_first() -> usize {
    #[cfg(test)]
    if alone::layer() == Some(alone::Layer::Walk) {
        return 0;
    }
    CELLS_FIRST
}

/// Two sets, as far as their difference is known.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// Items of the side that decides.
    pub ours: u64,
    /// Items of the other side.
    pub theirs: u64,
    /// How many are in one set only, roughly.
    pub estimate: u64,
    /// The estimate is within a sixth, not only a third.
    pub fine: bool,
}

/// How a difference is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Cells of a sketch, so many in all.
    Sketch(usize),
    /// A walk down the trie.
    Walk,
    /// The side with more sends everything.
    Stream,
}

/// How a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Fingerprints of 2^width subtrees.
    Fingerprints {
        /// Bits.
        width: usize,
    },
    /// The ids of 2^width subtrees, shortened.
    Lists {
        /// Bits.
        width: usize,
    },
}

impl Gap {
    /// A gap of `estimate` differences by the odd sketches, corrected by what the numbers say.
    pub fn new(ours: u64, theirs: u64, estimate: u64, fine: bool) -> Self {
        let theirs = theirs.min(COUNT_MAX);
        let least = ours.abs_diff(theirs).max(1);
        let most = (ours + theirs).max(1);
        Self { ours, theirs, estimate: estimate.max(least).min(most), fine }
    }

    /// The best way, where sketches have `cells_max` cells.
    pub fn way(&self, cells_max: usize) -> Way {
        #[cfg(test)]
        if let Some(alone) = alone::layer() {
            return match alone {
                alone::Layer::Sketch => Way::Sketch(self.cells()),
                alone::Layer::Walk => Way::Walk,
            };
        }
        let (small, large) = (self.ours.min(self.theirs), self.ours.max(self.theirs));
        if small.saturating_mul(LOPSIDED) <= large && large > FEW {
            return Way::Stream;
        }
        let cells = self.cells();
        // All cells there are may well be enough for a little more than they are sure to be.
        let within_reach = cells <= cells_max || (self.fine && self.likely_cells() <= cells_max);
        match self.mostly_different() || !within_reach {
            true => Way::Walk,
            false => Way::Sketch(cells.min(cells_max)),
        }
    }

    /// Cells that decode if the estimate is right.
    fn likely_cells(&self) -> usize {
        (self.estimate * 7 / 5) as usize
    }

    /// Cells that decode in some 95 % of all runs: 1.4 for each difference, and what the estimate
    /// may be short of.
    pub fn cells(&self) -> usize {
        let tenths = if self.fine { 16 } else { 19 };
        (self.estimate * tenths / 10 + 20) as usize
    }

    /// The most cells that are looked at before the sketch is given up.
    pub fn cells_max(&self) -> usize {
        (self.estimate * 5 / 2 + 64) as usize
    }

    /// Whether it pays to tell the difference finely.
    pub fn is_worth_fine(&self) -> bool {
        !self.fine && self.estimate >= WORTH_FINE
    }

    /// Above a sixth of the set, naming every record in 4 bytes is cheaper than a sketch.
    fn mostly_different(&self) -> bool {
        self.estimate > FEW && self.estimate * 6 > self.ours.min(self.theirs)
    }

    /// How the deciding side begins a walk.
    pub fn beginning(&self) -> Beginning {
        if self.mostly_different() {
            if self.ours <= LISTED_WHOLE_MAX && self.ours <= self.theirs + self.theirs / 4 {
                return Beginning::Lists { width: wide(self.ours / 16) };
            }
            // Every group differs and is listed by the peer: three ids for each fingerprint of
            // ours are within what an answer may have.
            let width = wide(self.theirs.min(self.ours) / 3).min(WIDTH_FIRST_MAX);
            return Beginning::Fingerprints { width };
        }
        // Most differences fall into a group of their own, and those that do not into one that is
        // short to list.
        let width = wide(self.estimate * 4).min(wide(self.ours / 4)).max(6);
        Beginning::Fingerprints { width: width.min(WIDTH_FIRST_MAX) }
    }
}

/// The bits that number `groups` groups, or a few more.
fn wide(groups: u64) -> usize {
    groups.max(2).next_power_of_two().ilog2() as usize
}

impl Beginning {
    /// The same with at most `bytes` bytes of fingerprints.
    pub fn within(self, bytes: u64) -> Self {
        let (Self::Fingerprints { width } | Self::Lists { width }) = self;
        let width_max = (bytes / 4).max(2).ilog2() as usize;
        match self {
            Self::Lists { .. } if bytes == u64::MAX => self,
            _ => Self::Fingerprints { width: width.clamp(1, width_max) },
        }
    }
}

/// Lets a test look at one layer without the others.
#[cfg(test)]
pub mod alone {
    use std::cell::Cell;

    /// A layer that can find every difference by itself.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Layer {
        Sketch,
        Walk,
    }

    thread_local! {
        static ALONE: Cell<Option<Layer>> = const { Cell::new(None) };
    }

    pub fn layer() -> Option<Layer> {
        ALONE.get()
    }

    /// Runs `exchange` on this thread with nothing but `layer`, or with all of them.
    pub fn with<R>(layer: Option<Layer>, exchange: impl FnOnce() -> R) -> R {
        ALONE.set(layer);
        let result = exchange();
        ALONE.set(None);
        result
    }
}
