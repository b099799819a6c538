//! Which contents must be kept: the live set that garbage collection is given.

use super::tables::{HOLDS, all, digest_of, number, put, remove, with_prefix};
use super::{Store, StoreError};
use crate::Digest;
use crate::time::Timestamp;

/// Why a content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldReason {
    /// We published it.
    Published,
    /// It is installed here, or can be rolled back to.
    Installed,
    /// A person fetched it.
    Fetched,
    /// It is on its way; what is here already must not be lost.
    Partial,
    /// It is kept for others.
    Mirrored,
}

impl HoldReason {
    const ALL: [Self; 5] =
        [Self::Published, Self::Installed, Self::Fetched, Self::Partial, Self::Mirrored];

    const fn byte(self) -> u8 {
        match self {
            Self::Published => 1,
            Self::Installed => 2,
            Self::Fetched => 3,
            Self::Partial => 4,
            Self::Mirrored => 5,
        }
    }
}

/// A content that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Hold {
    /// The content root.
    pub root: Digest,
    /// Why.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
}

impl Store {
    /// Keeps a content. A content may be held for several reasons at once.
    pub fn hold(&self, hold: &Hold) -> Result<(), StoreError> {
        self.write(|tables| {
            let since = hold.since.as_millis().to_be_bytes();
            put(&mut tables.holds, &hold_key(&hold.root, hold.reason), &since)?;
            Ok(())
        })
    }

    /// Gives up one reason for keeping a content.
    ///
    /// - result: whether it was held for this reason.
    pub fn release_hold(&self, root: &Digest, reason: HoldReason) -> Result<bool, StoreError> {
        self.write(|tables| remove(&mut tables.holds, &hold_key(root, reason)))
    }

    /// Everything that is kept, by content root and reason. The live set is its roots; on an error
    /// nothing may be collected.
    pub fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let rows = self.read()?.rows(HOLDS)?;
        all(&rows)?
            .map(|row| {
                let (key, since) = row?;
                hold_of_row(key.value(), since.value())
            })
            .collect()
    }

    /// Why a content is kept; empty when it is not.
    pub fn holds_of(&self, root: &Digest) -> Result<Vec<HoldReason>, StoreError> {
        let rows = self.read()?.rows(HOLDS)?;
        with_prefix(&rows, root.as_bytes())?
            .map(|row| {
                let (key, since) = row?;
                Ok(hold_of_row(key.value(), since.value())?.reason)
            })
            .collect()
    }

    /// Whether a content is kept for any reason.
    pub fn is_held(&self, root: &Digest) -> Result<bool, StoreError> {
        let rows = self.read()?.rows(HOLDS)?;
        Ok(with_prefix(&rows, root.as_bytes())?.next().transpose()?.is_some())
    }
}

/// Content root, reason.
pub(super) fn hold_key(root: &Digest, reason: HoldReason) -> [u8; 33] {
    let mut key = [reason.byte(); 33];
    key[..32].copy_from_slice(root.as_bytes());
    key
}

pub(super) fn hold_of_row(key: &[u8], since: &[u8]) -> Result<Hold, StoreError> {
    let damaged = || StoreError::damaged("a hold");
    let (&byte, root) = key.split_last().ok_or_else(damaged)?;
    let reason = HoldReason::ALL.into_iter().find(|reason| reason.byte() == byte);
    Ok(Hold {
        root: digest_of(root)?,
        reason: reason.ok_or_else(damaged)?,
        since: Timestamp::from_millis(number(since)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, store};
    use super::*;

    #[test]
    fn a_content_is_kept_until_its_last_reason_is_gone() {
        let store = store();
        let root = Digest::of(b"content");
        let mut hold = Hold { root, reason: HoldReason::Fetched, since: NOW };
        store.hold(&hold).unwrap();
        assert_eq!(store.holds().unwrap(), [hold]);
        hold.reason = HoldReason::Partial;
        store.hold(&hold).unwrap();
        assert!(store.release_hold(&root, HoldReason::Fetched).unwrap());
        assert!(!store.release_hold(&root, HoldReason::Fetched).unwrap());
        assert!(store.is_held(&root).unwrap());
        store.release_hold(&root, HoldReason::Partial).unwrap();
        assert!(!store.is_held(&root).unwrap());
    }

    #[test]
    fn a_hold_has_these_bytes() {
        let key = hold_key(&Digest::from_bytes([0xab; 32]), HoldReason::Partial);
        assert_eq!(hex::encode(key), "ab".repeat(32) + "04");
        let codes: Vec<_> = HoldReason::ALL.into_iter().map(HoldReason::byte).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5]);
    }
}
