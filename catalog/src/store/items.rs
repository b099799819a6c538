//! Which items this store has: what nodes compare to find out what they lack of each other.
//!
//! An item stands for what stands at a position of a log, or for a signed head. It is in a set only
//! if it can be shown to everybody: a statement that everybody may read, or a leaf that a pinned
//! head vouches for, whose hash is enough. What can be shown to nobody would keep two nodes unequal
//! for ever. Items are written in the transaction of the record that they stand for, so the sets
//! never say more or less than the store holds.
//!
//! Guarantees: the rows are a function of the records, leaves and logs, and of the order in which
//! those came ([`replay`] builds them from nothing). An item is told of once, by the change with
//! which it entered a set. What is restricted never enters the urgent set.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::batch::{Batch, record, rival_of_row};
use super::rows::{Entered, Leaf, LogRow, Told, decode_ids};
use super::tables::{
    self, LogId, Tables, all, get, get_number, leaf_key, of_leaf_key, of_rival_key,
    package_item_key, put, remove, remove_all, with_prefix,
};
use super::{StoreError, View, derived};
use crate::digest::Sha256Digest;
use crate::facet::facets;
use crate::head::SealedHead;
use crate::item::ItemId;
use crate::release::{PackageId, Release};
use crate::statement::{Statement, StatementId};
use crate::time::Timestamp;

/// One of the sets of items that nodes compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemSet {
    /// What has to reach everybody first: the largest head of each log (two when they exclude each
    /// other), of a forked one also those that prove it and one to rely on; and the inceptions,
    /// yanks and channel moves that everybody may read.
    Urgent,
    /// Every statement that everybody may read, and every position that a head vouches for. It only
    /// grows.
    Log,
    /// The registers of nodes: small, and with every new value another item takes the place of the
    /// last. No change tells of them.
    Registers,
}

impl ItemSet {
    const fn byte(self) -> u8 {
        match self {
            Self::Urgent => 0,
            Self::Log => 1,
            Self::Registers => 2,
        }
    }
}

/// Set, item.
pub(super) fn item_key(set: ItemSet, item: &ItemId) -> [u8; 33] {
    let mut key = [set.byte(); 33];
    key[1..].copy_from_slice(item.as_bytes());
    key
}

/// When a statement spreads ahead of others.
enum Urgency {
    Now,
    /// As soon as anybody may know that this version exists.
    OncePublic(PackageId, semver::Version),
    Never,
}

impl Urgency {
    fn of(statement: &Statement) -> Self {
        let once = |publisher, name: &crate::PackageName, version: &semver::Version| {
            Self::OncePublic(PackageId { publisher, name: name.clone() }, version.clone())
        };
        match statement {
            Statement::Inception(_) => Self::Now,
            // Who may read what is told to those who may know of it only.
            Statement::Release(_)
            | Statement::Grant(_)
            | Statement::Attestation(_)
            | Statement::Parcel(_) => Self::Never,
            Statement::Channel(moved) => once(moved.publisher, &moved.name, &moved.version),
            Statement::Yank(yank) => once(yank.publisher, &yank.name, &yank.version),
        }
    }
}

/// The beginning of every key that awaits this version. A version has no zero byte.
fn awaited_prefix(package: &PackageId, version: &semver::Version) -> Vec<u8> {
    let mut key = package_item_key(package, &version.to_string());
    key.push(0);
    key
}

/// Whether everybody may read a release of this version.
fn is_public(
    tables: &Tables<'_>,
    package: &PackageId,
    version: &semver::Version,
) -> Result<bool, StoreError> {
    let row = get(&tables.versions, &package_item_key(package, &version.to_string()))?;
    let Some(row) = row else { return Ok(false) };
    for id in decode_ids(&row)?.0 {
        if derived::release(&tables.records, &id)?.permission.is_open() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The id of a head, whoever cosigned it.
pub(super) fn item_of_head(sealed: &SealedHead) -> ItemId {
    let head = sealed.peek();
    let log = LogId { publisher: head.publisher, key: head.key };
    ItemId::of_head(&log, head.size, &head.root)
}

/// The items of a log's heads.
fn heads(row: &LogRow) -> Result<Vec<ItemId>, StoreError> {
    Ok(row.heads()?.iter().map(item_of_head).collect())
}

impl Batch<'_, '_> {
    /// Tells followers of a statement that was placed.
    ///
    /// - result: the number of the change.
    pub(super) fn tell_statement(
        &mut self,
        log: &LogId,
        seq: u64,
        (id, leaf): (StatementId, &Sha256Digest),
        statement: &Statement,
    ) -> Result<u64, StoreError> {
        let item = ItemId::of_leaf(log, seq, leaf);
        let listed = get_number(&self.tables.items, &item_key(ItemSet::Log, &item))?;
        let urgent = match Urgency::of(statement) {
            Urgency::Now => true,
            Urgency::Never => false,
            Urgency::OncePublic(package, version) => {
                let public = is_public(self.tables, &package, &version)?;
                if !public {
                    let mut key = awaited_prefix(&package, &version);
                    key.extend_from_slice(id.as_bytes());
                    put(&mut self.tables.awaited, &key, &leaf_key(log, seq))?;
                }
                public
            }
        };
        let public = urgent
            || match statement {
                Statement::Release(release) => release.permission.is_open(),
                Statement::Attestation(_) => true,
                _ => false,
            };
        let entered = Entered { log: public && listed.is_none(), urgent };
        let change = self.tell(entered, Told::Statement { id, log: *log, seq })?;
        if public || listed.is_some() {
            self.put_item(ItemSet::Log, &item, change)?;
        }
        if urgent {
            self.put_item(ItemSet::Urgent, &item, change)?;
        }
        if let Some(bare) = listed {
            remove(&mut self.tables.bare, &bare.to_be_bytes())?;
        }
        if let Statement::Release(release) = statement
            && release.permission.is_open()
        {
            for facet in facets(release) {
                let key = [facet.as_bytes().as_slice(), item.as_bytes()].concat();
                put(&mut self.tables.facets, &key, &[])?;
            }
        }
        Ok(change)
    }

    /// Tells of the yanks and channel moves that waited for a release which everybody may read.
    pub(super) fn tell_awaited(&mut self, release: &Release) -> Result<(), StoreError> {
        let package = release.package();
        let prefix = awaited_prefix(&package, &release.version);
        let mut waiting = Vec::new();
        for row in with_prefix(&self.tables.awaited, &prefix)? {
            let (key, place) = row?;
            waiting.push((key.value().to_vec(), place.value().to_vec()));
        }
        if waiting.is_empty() || !is_public(self.tables, &package, &release.version)? {
            return Ok(());
        }
        waiting.iter().try_for_each(|(key, place)| self.tell_visible(key, place))
    }

    /// Tells of a statement that anybody may know of from now on.
    fn tell_visible(&mut self, key: &[u8], place: &[u8]) -> Result<(), StoreError> {
        let id = key.last_chunk::<32>().map(super::rows::statement_id);
        let id = id.ok_or(StoreError::damaged("what is awaited"))?;
        let (log, seq) = of_leaf_key(place)?;
        let sealed = record(&self.tables.records, &id)?;
        let leaf = sealed.ok_or(StoreError::damaged("a missing record"))?.leaf();
        let item = ItemId::of_leaf(&log, seq, &leaf);
        let listed = self.has_item(ItemSet::Log, &item)?;
        let entered = Entered { log: !listed, urgent: true };
        let change = self.tell(entered, Told::Statement { id, log, seq })?;
        if !listed {
            self.put_item(ItemSet::Log, &item, change)?;
        }
        self.put_item(ItemSet::Urgent, &item, change)?;
        remove(&mut self.tables.awaited, key)?;
        Ok(())
    }

    /// Whether a leaf is an item already.
    pub(super) fn is_listed(&self, log: &LogId, seq: u64, leaf: &Leaf) -> Result<bool, StoreError> {
        self.has_item(ItemSet::Log, &ItemId::of_leaf(log, seq, &leaf.hash))
    }

    /// Tells that a head vouches for a leaf that was no item before: a bare hash, or a statement
    /// that not everybody may read.
    pub(super) fn tell_vouched(
        &mut self,
        log: &LogId,
        seq: u64,
        leaf: &Leaf,
    ) -> Result<(), StoreError> {
        let (item, log) = (ItemId::of_leaf(log, seq, &leaf.hash), *log);
        let is_bare = leaf.statement.is_none();
        let told = if is_bare { Told::Leaf { log, seq } } else { Told::Vouched { log, seq } };
        let change = self.tell(Entered::LOG, told)?;
        self.put_item(ItemSet::Log, &item, change)?;
        if is_bare {
            put(&mut self.tables.bare, &change.to_be_bytes(), item.as_bytes())?;
        }
        Ok(())
    }

    /// Tells of the heads of a log, if they are others than those `before`.
    pub(super) fn tell_heads(&mut self, log: &LogId, before: &LogRow) -> Result<(), StoreError> {
        let (old, new) = (heads(before)?, heads(self.log(log)?)?);
        if old == new {
            return Ok(());
        }
        for old in &old {
            remove(&mut self.tables.items, &item_key(ItemSet::Urgent, old))?;
        }
        if !old.is_empty() {
            remove(&mut self.tables.changes, &before.head_change.to_be_bytes())?;
        }
        if !new.is_empty() {
            self.log(log)?.head_change = self.put_heads(log, &new)?;
        }
        Ok(())
    }

    fn put_heads(&mut self, log: &LogId, heads: &[ItemId]) -> Result<u64, StoreError> {
        let change = self.tell(Entered::URGENT, Told::Head(*log))?;
        for head in heads {
            self.put_item(ItemSet::Urgent, head, change)?;
        }
        Ok(change)
    }

    fn put_item(&mut self, set: ItemSet, item: &ItemId, change: u64) -> Result<(), StoreError> {
        put(&mut self.tables.items, &item_key(set, item), &change.to_be_bytes())
    }

    fn has_item(&self, set: ItemSet, item: &ItemId) -> Result<bool, StoreError> {
        Ok(get(&self.tables.items, &item_key(set, item))?.is_some())
    }
}

/// A statement and its leaf, if it stands where a change says that it does.
pub(super) type Lookup<'s> = dyn Fn(&StatementId, &LogId, u64) -> Result<Option<(Sha256Digest, Cow<'s, Statement>)>, StoreError>
    + 's;

/// Derives anew everything that follows from statements, in the order in which `view` has them:
/// what each says of packages, the items, and how changes tell of them.
///
/// - `changes`: what was told, oldest first, with its numbers.
///
/// What followers were never told of comes last, under new numbers. Rows that cannot be read are
/// left out.
pub(super) fn replay(
    view: &View,
    tables: &mut Tables<'_>,
    changes: impl Iterator<Item = Result<(u64, Told), StoreError>>,
    lookup: &Lookup<'_>,
) -> Result<(), StoreError> {
    for rows in [
        &mut tables.names,
        &mut tables.versions,
        &mut tables.yanks,
        &mut tables.channels,
        &mut tables.roots,
        &mut tables.grants,
        &mut tables.attestations,
        &mut tables.keys,
        &mut tables.carried,
        &mut tables.items,
        &mut tables.bare,
        &mut tables.awaited,
        &mut tables.facets,
        &mut tables.changes,
    ] {
        remove_all(rows, &[])?;
    }
    let mut replay = Replay { batch: Batch::new(tables)?, lookup, applied: BTreeSet::new() };
    let next = replay.batch.next_change();
    for row in changes {
        let (change, told) = row?;
        replay.batch.set_next_change(change);
        replay.change(change, &told)?;
    }
    let last = replay.batch.next_change();
    replay.batch.set_next_change(next.max(last));
    replay.leaves(view)?;
    replay.untold_heads(view)?;
    replay.awaited()?;
    replay.batch.finish()
}

struct Replay<'a, 't, 's> {
    batch: Batch<'a, 't>,
    lookup: &'a Lookup<'s>,
    /// Statements whose consequences are written; one may stand in several logs.
    applied: BTreeSet<StatementId>,
}

impl Replay<'_, '_, '_> {
    fn change(&mut self, change: u64, told: &Told) -> Result<(), StoreError> {
        match told {
            Told::Statement { id, log, seq } => self.statement(id, log, *seq),
            // What stands there may have been shown to us since.
            Told::Leaf { log, seq } => {
                self.leaf(log, *seq, |leaf| Some(Leaf { statement: None, ..leaf }))
            }
            Told::Vouched { log, seq } => {
                self.leaf(log, *seq, |leaf| leaf.statement.and(Some(leaf)))
            }
            Told::Decided { id, log, seq } => match (self.lookup)(id, log, *seq)? {
                Some(_) => self.batch.tell(Entered::default(), *told).map(drop),
                None => Ok(()),
            },
            Told::Head(log) => match self.log(log)? {
                Some(row) if row.head_change == change => self.heads(log, &row).map(drop),
                _ => Ok(()),
            },
        }
    }

    /// Told for the first time, or once more because everybody may know of it by now.
    fn statement(&mut self, id: &StatementId, log: &LogId, seq: u64) -> Result<(), StoreError> {
        let Some((leaf, statement)) = (self.lookup)(id, log, seq)? else { return Ok(()) };
        let first = match &*statement {
            // It stands in several logs, and everybody may read it.
            Statement::Inception(_) => {
                let item = ItemId::of_leaf(log, seq, &leaf);
                match get_number(&self.batch.tables.items, &item_key(ItemSet::Log, &item))? {
                    Some(change) => get(&self.batch.tables.bare, &change.to_be_bytes())?.is_some(),
                    None => true,
                }
            }
            _ => self.applied.insert(*id),
        };
        if first {
            if !matches!(*statement, Statement::Inception(_)) {
                derived::apply(self.batch.tables, id, &statement, Timestamp::default())?;
            }
            return self.batch.tell_statement(log, seq, (*id, &leaf), &statement).map(drop);
        }
        let Urgency::OncePublic(package, version) = Urgency::of(&statement) else {
            return Ok(());
        };
        let mut key = awaited_prefix(&package, &version);
        key.extend_from_slice(id.as_bytes());
        match get(&self.batch.tables.awaited, &key)? {
            Some(place) if is_public(self.batch.tables, &package, &version)? => {
                self.batch.tell_visible(&key, &place)
            }
            _ => Ok(()),
        }
    }

    /// Tells of a leaf that a head vouches for, unless it is an item already.
    ///
    /// - `then`: what it was when that was told.
    fn leaf(
        &mut self,
        log: &LogId,
        seq: u64,
        then: impl Fn(Leaf) -> Option<Leaf>,
    ) -> Result<(), StoreError> {
        if self.log(log)?.is_none_or(|row| seq >= row.tree.size()) {
            return Ok(());
        }
        let row = get(&self.batch.tables.leaves, &leaf_key(log, seq))?;
        let leaf = row.and_then(|row| Leaf::decode_all(&row).ok()).map(|leaves| leaves[0]);
        match leaf.and_then(then) {
            Some(leaf) if !self.batch.is_listed(log, seq, &leaf)? => {
                self.batch.tell_vouched(log, seq, &leaf)
            }
            _ => Ok(()),
        }
    }

    /// - result: the number of the change, if the heads of this log were not told of yet.
    fn heads(&mut self, log: &LogId, row: &LogRow) -> Result<Option<u64>, StoreError> {
        match heads(row).unwrap_or_default().as_slice() {
            [] => Ok(None),
            [head, ..] if self.batch.has_item(ItemSet::Urgent, head)? => Ok(None),
            heads => self.batch.put_heads(log, heads).map(Some),
        }
    }

    fn log(&self, log: &LogId) -> Result<Option<LogRow>, StoreError> {
        let row = get(&self.batch.tables.logs, &log.row_key())?;
        Ok(row.and_then(|row| LogRow::decode(&row).ok()))
    }

    /// The leaves that no change tells of, and the versions whose place has two claimants.
    fn leaves(&mut self, view: &View) -> Result<(), StoreError> {
        let rows = view.rows(tables::LEAVES)?;
        for row in all(&rows)? {
            let (key, row) = row?;
            let (Ok((log, seq)), Ok(leaves)) =
                (of_leaf_key(key.value()), Leaf::decode_all(row.value()))
            else {
                continue;
            };
            for id in leaves.iter().filter_map(|leaf| leaf.statement) {
                if !self.applied.contains(&id) {
                    self.statement(&id, &log, seq)?;
                }
            }
            self.leaf(&log, seq, Some)?;
            if leaves.len() > 1 {
                for id in leaves.iter().filter_map(|leaf| leaf.statement) {
                    self.contest(&id, &log, seq)?;
                }
            }
        }
        let rivals = all(&self.batch.tables.rivals)?.map(|row| {
            let (key, id) = row?;
            Ok((key.value().to_vec(), id.value().to_vec()))
        });
        for (key, id) in rivals.collect::<Result<Vec<_>, StoreError>>()? {
            let (Ok((log, seq, _)), Ok(leaf)) = (of_rival_key(&key), rival_of_row(&key, &id))
            else {
                continue;
            };
            if let Some(id) = leaf.statement {
                if !self.applied.contains(&id) {
                    self.statement(&id, &log, seq)?;
                }
                self.contest(&id, &log, seq)?;
            }
        }
        Ok(())
    }

    fn contest(&mut self, id: &StatementId, log: &LogId, seq: u64) -> Result<(), StoreError> {
        match (self.lookup)(id, log, seq)? {
            Some((_, statement)) => derived::contest(self.batch.tables, &statement),
            None => Ok(()),
        }
    }

    /// The heads that no change tells of.
    fn untold_heads(&mut self, view: &View) -> Result<(), StoreError> {
        let rows = view.rows(tables::LOGS)?;
        for row in all(&rows)? {
            let key = row?.0;
            let Ok(log) = LogId::of_row_key(key.value()) else { continue };
            let Some(row) = self.log(&log)? else { continue };
            if let Some(head_change) = self.heads(&log, &row)? {
                let row = LogRow { head_change, ..row };
                put(&mut self.batch.tables.logs, &log.row_key(), &row.encode())?;
            }
        }
        Ok(())
    }

    /// What waits for a release that is here already.
    fn awaited(&mut self) -> Result<(), StoreError> {
        let mut waiting = Vec::new();
        for row in all(&self.batch.tables.awaited)? {
            let (key, place) = row?;
            waiting.push((key.value().to_vec(), place.value().to_vec()));
        }
        for (key, place) in waiting {
            let (log, seq) = of_leaf_key(&place)?;
            let id = key.last_chunk::<32>().map(super::rows::statement_id);
            self.statement(&id.ok_or(StoreError::damaged("what is awaited"))?, &log, seq)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
