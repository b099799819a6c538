//! Brings the index up to date with a store.
//!
//! The index reads the store's changes after its own cursor, and looks at each package they touch
//! as it is now: the newest version that is not yanked becomes its document, and a package with
//! none left is removed. So reading a change twice, or late, gives the same index.

use std::collections::BTreeSet;
use std::sync::MutexGuard;

use catalog::release::{PackageId, ReleaseError};
use catalog::statement::Statement;
use catalog::store::{ChangeItem, Store, StoreError, VersionRow};

use crate::cursor::Cursor;
use crate::doc::Doc;
use crate::index::{Index, IndexError};
use crate::mend::Anew;
use crate::query::{Found, Query};

/// Changes read in one go.
const BATCH: usize = 1_000;
/// Changes after which the index is committed on the way: what a crash may cost.
const COMMIT_CHANGES: u64 = 20_000;
/// Changes after which the files of the index are joined: after a rebuild, or a long absence.
const JOIN_CHANGES: u64 = 10_000;

/// How far the index is on its way through the changes of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Changes that were read.
    pub done: u64,
    /// Changes that are to be read.
    pub total: u64,
}

/// Why the index could not follow the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The store could not be read.
    #[error("cannot read the store's changes")]
    Store(#[from] StoreError),
    /// The index could not be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A release in the store cannot be written down again.
    #[error("cannot index a release")]
    Release(#[from] ReleaseError),
}

impl Index {
    /// Reads what is new in `store`; searches see it when this returns.
    ///
    /// - result: how many changes were read.
    ///
    /// # Errors
    /// The index stays as it was at its last commit, so a search still answers, late.
    pub fn follow(&self, store: &Store) -> Result<u64, FollowError> {
        let alone = self.following();
        self.follow_alone(store, &alone, |_| ())
    }

    /// The same for who has locked out others, telling how far it is.
    pub(crate) fn follow_alone(
        &self,
        store: &Store,
        _alone: &MutexGuard<'_, ()>,
        mut tell: impl FnMut(Progress),
    ) -> Result<u64, FollowError> {
        let mut cursor = self.cursor();
        // Another store, or this one brought back from a backup: nothing here can be relied on.
        if cursor.store != store.epoch() || cursor.change > store.last_change()? {
            if cursor != Cursor::default() {
                self.start_over(Anew::OtherStore);
            }
            self.reset()?;
            cursor = Cursor { store: store.epoch(), change: 0 };
            self.commit(cursor)?;
        }
        let start = cursor.change;
        let total = store.last_change()?.saturating_sub(start);
        let mut news = false;
        loop {
            let changes = store.changes(cursor.change, BATCH)?;
            tell(Progress { done: cursor.change - start, total });
            let Some(last) = changes.last() else { break };
            cursor.change = last.seq;
            let packages: BTreeSet<PackageId> =
                changes.iter().filter_map(|change| touched(&change.item)).collect();
            for package in &packages {
                self.refresh(store, package)?;
            }
            news |= !packages.is_empty();
            if cursor.change - self.cursor().change >= COMMIT_CHANGES {
                self.commit(cursor)?;
                news = false;
            }
        }
        // Changes without packages are not worth a commit: reading them again costs less.
        if news {
            self.commit(cursor)?;
        }
        if cursor.change - start >= JOIN_CHANGES {
            self.join()?;
        }
        Ok(cursor.change - start)
    }

    /// Follows `store`, then searches. A damaged index is built anew on the way; one that cannot
    /// be written, on a full disk for instance, answers with what it has.
    pub fn find(&self, store: &Store, query: &Query<'_>) -> Result<Found, FollowError> {
        let mut found = match self.follow(store).and_then(|_| Ok(self.search(query)?)) {
            Err(FollowError::Index(IndexError::Damaged { reason, .. })) => {
                self.mend(store, reason)?;
                self.search(query)?
            }
            Err(FollowError::Index(_)) => self.search(query)?,
            other => other?,
        };
        found.rebuilt = self.rebuilt();
        Ok(found)
    }

    /// Makes the document of `package` what the store says now.
    fn refresh(&self, store: &Store, package: &PackageId) -> Result<(), FollowError> {
        let newest = newest(store.versions(package)?);
        let release = match &newest {
            Some(row) => store.release(&row.id)?,
            None => None,
        };
        match newest.zip(release) {
            Some((row, release)) => self.put(&Doc::from_release(row.id, &release)?)?,
            None => self.remove(package)?,
        }
        Ok(())
    }
}

/// The package whose document a change may alter. Statements in the store were verified when they
/// were accepted, so their bodies are only read here.
fn touched(item: &ChangeItem) -> Option<PackageId> {
    let ChangeItem::Statement(sealed) = item else { return None };
    match Statement::decode(sealed.kind(), sealed.body()).ok()? {
        Statement::Release(release) => Some(release.package()),
        Statement::Yank(yank) => Some(PackageId { publisher: yank.publisher, name: yank.name }),
        Statement::Inception(_)
        | Statement::Channel(_)
        | Statement::Grant(_)
        | Statement::Attestation(_)
        | Statement::Parcel(_) => None,
    }
}

/// The version to show: what a bare reference would mean. A package that has none such, only
/// pre-releases or contested versions, is shown with the best of those; yanked ones never are.
fn newest(rows: Vec<VersionRow>) -> Option<VersionRow> {
    let rank = |row: &VersionRow| (!row.contested, row.version.pre.is_empty());
    rows.into_iter()
        .filter(|row| row.yanked.is_none())
        .max_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.version.cmp(&b.version)))
}
