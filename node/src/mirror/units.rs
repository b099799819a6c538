//! Follows the store: which contents there are to be mirrored.
//!
//! What counts is a public release that its publisher neither withdrew nor contradicted. Guarantees:
//! after [`Units::follow`] the units are those of the store as it was then, however many changes lay
//! between; only packages that changed are read again.

use std::collections::{BTreeMap, BTreeSet};

use catalog::digest::Digest;
use catalog::release::PackageId;
use catalog::statement::Statement;
use catalog::store::{ChangeItem, Store, StoreError};
use catalog_mirror::unit::Unit;

/// Changes that are read at once.
const CHANGES_AT_ONCE: usize = 1024;

/// The units of a store.
#[derive(Clone, Default)]
pub(super) struct Units {
    /// How far the change log has been read; `None` before the first time.
    cursor: Option<u64>,
    /// What each package offers under each root.
    offered: BTreeMap<Digest, BTreeMap<PackageId, Unit>>,
    packages: BTreeMap<PackageId, BTreeSet<Digest>>,
}

impl Units {
    /// Catches up with the store.
    ///
    /// - result: the roots of which something changed.
    pub(super) fn follow(&mut self, store: &Store) -> Result<BTreeSet<Digest>, StoreError> {
        let (packages, cursor) = match self.cursor {
            None => {
                let last = store.last_change()?;
                (store.packages()?.into_iter().collect(), last)
            }
            Some(cursor) => changed(store, cursor)?,
        };
        let mut roots = BTreeSet::new();
        for package in packages {
            roots.extend(self.read(store, package)?);
        }
        self.cursor = Some(cursor);
        Ok(roots)
    }

    /// What is known of a content; `None` when it is nothing to mirror.
    pub(super) fn get(&self, root: &Digest) -> Option<Unit> {
        let mut offered = self.offered.get(root)?.values().cloned();
        let first = offered.next()?;
        Some(offered.fold(first, |mut unit, other| {
            unit.join(other);
            unit
        }))
    }

    /// Whether it is anything to mirror.
    pub(super) fn has(&self, root: &Digest) -> bool {
        self.offered.contains_key(root)
    }

    /// Every unit, by root.
    pub(super) fn all(&self) -> impl Iterator<Item = Unit> {
        self.offered.keys().filter_map(|root| self.get(root))
    }

    /// Reads a package again; answers the roots that it offers or offered.
    fn read(&mut self, store: &Store, package: PackageId) -> Result<BTreeSet<Digest>, StoreError> {
        let mut units: BTreeMap<Digest, Unit> = BTreeMap::new();
        for row in store.versions(&package)? {
            if row.yanked.is_some() || row.contested {
                continue;
            }
            let Some(release) = store.release(&row.id)? else { continue };
            for unit in Unit::of_release(row.id, &release) {
                match units.get_mut(&unit.root) {
                    Some(known) => known.join(unit),
                    None => drop(units.insert(unit.root, unit)),
                }
            }
        }
        let before = self.packages.remove(&package).unwrap_or_default();
        for root in &before {
            let Some(offered) = self.offered.get_mut(root) else { continue };
            offered.remove(&package);
            if offered.is_empty() {
                self.offered.remove(root);
            }
        }
        let now: BTreeSet<Digest> = units.keys().copied().collect();
        for (root, unit) in units {
            self.offered.entry(root).or_default().insert(package.clone(), unit);
        }
        let roots: BTreeSet<Digest> = before.union(&now).copied().collect();
        if !now.is_empty() {
            self.packages.insert(package, now);
        }
        Ok(roots)
    }
}

/// The packages of which something came after `cursor`, and how far that was read.
fn changed(store: &Store, mut cursor: u64) -> Result<(BTreeSet<PackageId>, u64), StoreError> {
    let mut packages = BTreeSet::new();
    loop {
        let changes = store.changes(cursor, CHANGES_AT_ONCE)?;
        let Some(last) = changes.last() else { return Ok((packages, cursor)) };
        cursor = last.seq;
        for change in &changes {
            let ChangeItem::Statement(sealed) = &change.item else { continue };
            let statement = Statement::decode(sealed.kind(), sealed.body())
                .map_err(|_| StoreError::Damaged { what: "a record" })?;
            let publisher = statement.header().publisher;
            let name = match statement {
                Statement::Release(release) => release.name,
                Statement::Yank(yank) => yank.name,
                // What else is signed changes no contents.
                _ => continue,
            };
            packages.insert(PackageId { publisher, name });
        }
    }
}
