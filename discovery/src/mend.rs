//! Builds the index anew when it cannot be used, and says why.
//!
//! Everything in the index can be read from the store again, so damage costs time and nothing else.
//! Damage is noticed when the index is opened, followed or searched; it is mended on the spot, and
//! whoever asked hears about it once.

use std::fmt;

use catalog::store::Store;

use crate::follow::{FollowError, Progress};
use crate::index::{Index, IndexError};

/// Why the index was built anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anew {
    /// Its files were damaged in this way.
    Damaged(String),
    /// It was written by another version of this program.
    OtherVersion,
    /// It was made from another store, or from this one before it was brought back from a backup.
    OtherStore,
    /// Somebody asked for it.
    Asked,
}

impl fmt::Display for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(how) => write!(f, "it was damaged: {how}"),
            Self::OtherVersion => f.write_str("another version of this program wrote it"),
            Self::OtherStore => f.write_str("it was of another store"),
            Self::Asked => f.write_str("that was asked for"),
        }
    }
}

/// An index that was built anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Why.
    pub why: Anew,
    /// How many packages it holds now.
    pub packages: u64,
}

impl Index {
    /// Throws the index away and reads all of `store` again. Searches wait for it.
    ///
    /// - `tell`: hears how far it is, some times a second on a large store.
    pub fn rebuild(
        &self,
        store: &Store,
        tell: impl FnMut(Progress),
    ) -> Result<Rebuilt, FollowError> {
        let alone = self.following();
        self.reset()?;
        self.follow_alone(store, &alone, tell)?;
        // Whatever was wrong before is gone with it.
        self.why_anew();
        Ok(Rebuilt { why: Anew::Asked, packages: self.packages() })
    }

    /// Follows `store`, building the index anew when it turns out to be damaged.
    ///
    /// - result: what was built anew since this was told last, if anything was.
    ///
    /// # Errors
    /// [`FollowError`] when the store cannot be read or the disk refuses.
    pub fn keep_up(&self, store: &Store) -> Result<Option<Rebuilt>, FollowError> {
        match self.follow(store) {
            Err(FollowError::Index(IndexError::Damaged { reason, .. })) => {
                self.mend(store, reason)?;
            }
            other => drop(other?),
        }
        Ok(self.rebuilt())
    }

    /// Builds anew what was found damaged for `reason`.
    pub(crate) fn mend(&self, store: &Store, reason: String) -> Result<(), FollowError> {
        self.start_over(Anew::Damaged(reason));
        self.reset()?;
        self.follow(store).map(drop)
    }

    /// What was built anew since this was told last.
    pub(crate) fn rebuilt(&self) -> Option<Rebuilt> {
        self.why_anew().map(|why| Rebuilt { why, packages: self.packages() })
    }
}
