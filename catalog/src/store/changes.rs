//! The log of changes: what is new, in the order in which it was written.
//!
//! Followers (the search index, peers that pull from us) remember a sequence number and ask for
//! what came after it. Numbers only grow; a follower that starts over at zero sees everything that
//! still holds. For a peer, what it may not read is told as a bare leaf hash, so that it can still
//! check our logs and learns no name.

use super::batch::record;
use super::items::item_of_head;
use super::rows::{Entered, Told, decode_ids};
use super::tables::{
    CURSORS, LogId, META, META_NEXT, OUTBOX, all, digest_of, get, get_number, number,
    package_item_key, put, retain,
};
use super::{Incoming, Snapshot, Store, StoreError, derived};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::item::ItemId;
use crate::permission::Reader;
use crate::release::PackageId;
use crate::statement::{SealedStatement, Statement, StatementId};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands; ask for what comes after it.
    pub seq: u64,
    /// What it is.
    pub item: ChangeItem,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeItem {
    /// A statement came in.
    Statement(SealedStatement),
    /// The place of a statement that the reader may not see, or that we may not see ourselves.
    Leaf {
        /// Which log.
        log: LogId,
        /// The position.
        seq: u64,
        /// The leaf hash of the statement there.
        hash: Sha256Digest,
    },
    /// One of the heads of a log: the largest, or of a forked log also proof of that, or one to rely
    /// on.
    Head(SealedHead),
}

impl ChangeItem {
    /// What it counts in a batch: [`BATCH_BYTES_MAX`](super::BATCH_BYTES_MAX).
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Statement(sealed) => sealed.body().len(),
            Self::Head(sealed) => sealed.text().len(),
            Self::Leaf { .. } => 0,
        }
    }
}

impl Store {
    /// What changed after `since`, oldest first: everything that we know ourselves.
    ///
    /// - `limit`: how many at most; fewer come when they are large, so that whoever gets them can
    ///   take them in at once ([`BATCH_BYTES_MAX`](super::BATCH_BYTES_MAX)).
    /// - result: empty when there is nothing more.
    pub fn changes(&self, since: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.changes_for(Reader::Local, since, limit)
    }

    /// What changed after `since` as `reader` may see it; see [`Snapshot::changes_for`].
    pub fn changes_for(
        &self,
        reader: Reader,
        since: u64,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        self.snapshot()?.changes_for(reader, since, limit, Class::All)
    }

    /// The number of the newest change; 0 when nothing ever changed.
    pub fn last_change(&self) -> Result<u64, StoreError> {
        let next = get_number(&self.read()?.rows(META)?, META_NEXT)?;
        Ok(next.map_or(0, |next| next - 1))
    }

    /// How far follower `name` says that it has come; 0 when it never said.
    pub fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        Ok(get_number(&self.read()?.rows(CURSORS)?, name.as_bytes())?.unwrap_or(0))
    }

    /// Remembers how far follower `name` has come.
    pub fn set_cursor(&self, name: &str, seq: u64) -> Result<(), StoreError> {
        self.write(|tables| {
            put(&mut tables.cursors, name.as_bytes(), &seq.to_be_bytes())?;
            Ok(())
        })
    }

    /// Our own statements that were not announced yet, oldest first, with their change numbers.
    pub fn outbox(&self, limit: usize) -> Result<Vec<(u64, StatementId)>, StoreError> {
        let rows = self.read()?.rows(OUTBOX)?;
        let rows = all(&rows)?.take(limit).map(|row| {
            let (seq, id) = row?;
            Ok((number(seq.value())?, StatementId::from_digest(digest_of(id.value())?)))
        });
        rows.collect()
    }

    /// Takes what was announced out of the outbox: everything up to change `seq`.
    pub fn set_announced(&self, seq: u64) -> Result<(), StoreError> {
        self.write(|tables| {
            retain(&mut tables.outbox, |key| number(key).is_ok_and(|there| there > seq))
        })
    }

    /// The statement with this id, if `reader` may see it. Denied and absent look the same.
    pub fn statement_for(
        &self,
        reader: Reader,
        id: &StatementId,
    ) -> Result<Option<SealedStatement>, StoreError> {
        let snapshot = self.snapshot()?;
        let sealed = record(snapshot.records(), id)?;
        match sealed {
            Some(sealed) if (Sight { reader, at: &snapshot }).shows(&sealed)? => Ok(Some(sealed)),
            _ => Ok(None),
        }
    }
}

/// Which changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Those that brought something into [`ItemSet::Urgent`](super::ItemSet).
    Urgent,
    /// All others.
    Rest,
    /// All of them.
    All,
}

impl Class {
    pub(super) const fn takes(self, entered: Entered) -> bool {
        match self {
            Self::Urgent => entered.urgent,
            Self::Rest => !entered.urgent,
            Self::All => true,
        }
    }
}

/// What one reader may see.
pub(super) struct Sight<'s> {
    pub reader: Reader,
    pub at: &'s Snapshot,
}

impl Sight<'_> {
    /// What a change tells as the reader may see it; nothing when there is nothing to tell any
    /// more, several for the heads of a log.
    ///
    /// Of a statement that the reader may not see, the change by which a head vouched for it tells.
    pub fn items(&self, told: &Told) -> Result<Vec<ChangeItem>, StoreError> {
        let item = match told {
            Told::Statement { id, .. } => self.statement(id)?,
            // Also when the statement came in later, which a change of its own tells: the head in
            // between needs the leaf.
            Told::Leaf { log, seq } => self.bare(log, *seq)?,
            Told::Vouched { log, seq } => match self.standing(log, *seq)? {
                Some(_) => None,
                None => self.bare(log, *seq)?,
            },
            // A person's decisions are for the followers of this store.
            Told::Decided { id, .. } => match self.reader {
                Reader::Local => self.statement(id)?,
                Reader::Node(_) => None,
            },
            Told::Head(log) => {
                let heads = self.at.heads(log)?;
                return Ok(heads.into_iter().map(ChangeItem::Head).collect());
            }
        };
        Ok(item.into_iter().collect())
    }

    /// What the reader gets for the item that a change told of.
    pub fn item(&self, told: &Told, item: &ItemId) -> Result<Option<ChangeItem>, StoreError> {
        match told {
            Told::Head(log) => {
                let mut heads = self.at.heads(log)?.into_iter();
                Ok(heads.find(|head| item_of_head(head) == *item).map(ChangeItem::Head))
            }
            Told::Statement { id, log, seq } | Told::Decided { id, log, seq } => {
                self.statement(id)?.map_or_else(|| self.bare(log, *seq), |shown| Ok(Some(shown)))
            }
            Told::Leaf { log, seq } => self.bare(log, *seq),
            Told::Vouched { log, seq } => self
                .standing(log, *seq)?
                .map_or_else(|| self.bare(log, *seq), |shown| Ok(Some(shown))),
        }
    }

    /// The statement with this id, if the reader may see it.
    fn statement(&self, id: &StatementId) -> Result<Option<ChangeItem>, StoreError> {
        let sealed = record(self.at.records(), id)?;
        let sealed = sealed.ok_or(StoreError::damaged("a missing record"))?;
        Ok(self.shows(&sealed)?.then_some(ChangeItem::Statement(sealed)))
    }

    /// The statement that the pinned head vouches for at a position, if the reader may see it.
    fn standing(&self, log: &LogId, seq: u64) -> Result<Option<ChangeItem>, StoreError> {
        let leaf = self.at.leaves(log, seq)?.first().copied();
        leaf.and_then(|leaf| leaf.statement).map_or(Ok(None), |id| self.statement(&id))
    }

    /// The hash of what stands at a position, unless that is disputed: whoever has another
    /// statement there could not tell it from a lie.
    fn bare(&self, log: &LogId, seq: u64) -> Result<Option<ChangeItem>, StoreError> {
        Ok(match self.at.leaves(log, seq)?.as_slice() {
            [leaf] => Some(ChangeItem::Leaf { log: *log, seq, hash: leaf.hash }),
            _ => None,
        })
    }

    /// Whether the reader may see a statement: a release it may read, and what speaks of one.
    fn shows(&self, sealed: &SealedStatement) -> Result<bool, StoreError> {
        let Reader::Node(node) = self.reader else { return Ok(true) };
        let statement = Statement::decode(sealed.kind(), sealed.body())
            .map_err(|_| StoreError::damaged("a record"))?;
        let (publisher, name, version) = match statement {
            Statement::Inception(_) | Statement::Attestation(_) => return Ok(true),
            Statement::Release(release) => return self.at.may_read(self.reader, &release),
            Statement::Grant(grant) => return self.at.may_see(&node, &grant),
            Statement::Parcel(parcel) => return self.at.may_see_parcel(&node, &parcel),
            Statement::Channel(moved) => (moved.publisher, moved.name, moved.version),
            Statement::Yank(yank) => (yank.publisher, yank.name, yank.version),
        };
        let key = package_item_key(&PackageId { publisher, name }, &version.to_string());
        // What it speaks of may be a restricted release that has yet to come. One release that the
        // reader knows is enough: it tells of this version already.
        let Some(row) = get(self.at.versions(), &key)? else { return Ok(false) };
        for id in decode_ids(&row)?.0 {
            if self.at.may_read(self.reader, &derived::release(self.at.records(), &id)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl From<ChangeItem> for Incoming {
    fn from(item: ChangeItem) -> Self {
        match item {
            ChangeItem::Statement(sealed) => Self::Statement(sealed),
            ChangeItem::Leaf { log, seq, hash } => {
                Self::Leaf { publisher: log.publisher, key: log.key, seq, hash }
            }
            ChangeItem::Head(sealed) => Self::Head(sealed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, channel, publisher, release, store, yank};
    use super::*;
    use crate::permission::{NodeId, Permission};

    const FRIEND: NodeId = NodeId::from_bytes([1; 32]);
    const STRANGER: NodeId = NodeId::from_bytes([2; 32]);

    #[test]
    fn changes_come_in_order_and_the_head_last() {
        let (store, acme) = (store(), publisher("acme"));
        for version in ["1.0.0", "1.1.0", "2.0.0"] {
            store.publish(&acme, "graphdb", version);
        }
        let changes = store.changes(0, 100).unwrap();
        assert!(changes.is_sorted_by_key(|change| change.seq));
        assert_eq!(changes.len(), 5, "an inception, three releases and one head");
        assert!(matches!(changes[4].item, ChangeItem::Head(_)));
        assert_eq!(changes[4].seq, store.last_change().unwrap());

        let mut cursor = 0;
        let mut seen = 0;
        loop {
            let page = store.changes(cursor, 2).unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 2);
            (cursor, seen) = (last.seq, seen + page.len());
        }
        assert_eq!(seen, 5);
        assert!(store.changes(u64::MAX, 1).unwrap().is_empty());
    }

    #[test]
    fn a_cursor_and_the_outbox_stay_where_they_were_left() {
        let (store, acme) = (store(), publisher("acme"));
        assert_eq!(store.cursor("index").unwrap(), 0);
        store.set_cursor("index", 7).unwrap();
        assert_eq!(store.cursor("index").unwrap(), 7);
        let id = store.publish(&acme, "graphdb", "1.0.0").id;
        let outbox = store.outbox(10).unwrap();
        assert_eq!(outbox.len(), 2);
        assert_eq!(outbox[1].1, id);
        store.set_announced(outbox[0].0).unwrap();
        assert_eq!(store.outbox(10).unwrap(), outbox[1..]);
    }

    /// A stranger gets the hashes of what it may not read, so it can check the log, and no name.
    #[test]
    fn a_restricted_release_is_a_bare_hash_to_strangers() {
        let (store, acme) = (store(), publisher("acme"));
        store.publish(&acme, "open", "1.0.0");
        let secret = store.append(&acme, NOW, |seq| {
            let permission = Permission::Restricted([FRIEND].into());
            let release = release(&acme, seq, "secret", "1.0.0", "");
            Statement::Release(crate::Release { permission, ..release })
        });
        let secret = secret.unwrap().id;
        store.append(&acme, NOW, |seq| channel(&acme, seq, "secret", "stable", "1.0.0")).unwrap();
        store.append(&acme, NOW, |seq| yank(&acme, seq, "secret", "1.0.0", true)).unwrap();
        store.publish(&acme, "open", "1.1.0");

        let friend = Reader::Node(FRIEND);
        assert_eq!(store.changes_for(friend, 0, 100).unwrap(), store.changes(0, 100).unwrap());
        assert!(store.statement_for(friend, &secret).unwrap().is_some());

        let stranger = Reader::Node(STRANGER);
        assert!(store.statement_for(stranger, &secret).unwrap().is_none());
        let shown = store.changes_for(stranger, 0, 100).unwrap();
        let bare = |change: &&Change| matches!(change.item, ChangeItem::Leaf { .. });
        assert_eq!(shown.iter().filter(bare).count(), 3);
        assert!(!format!("{shown:?}").contains("secret"));

        let theirs = super::super::testing::store();
        let accepted = theirs.accept(store.sent_to(stranger, 0), NOW).unwrap();
        assert_eq!((accepted.new, accepted.rejected), (7, Vec::new()));
        assert_eq!(theirs.logs().unwrap()[0].size, 6);
        assert_eq!(theirs.packages().unwrap().len(), 1);
        assert!(theirs.verify().unwrap().is_empty());

        // Later it is let in: what was a hash becomes a statement.
        let accepted = theirs.accept(store.sent_to(friend, 0), NOW).unwrap();
        assert_eq!((accepted.new, accepted.rejected), (3, Vec::new()));
        assert_eq!(theirs.packages().unwrap().len(), 2);
        assert!(theirs.verify().unwrap().is_empty());

        // A third node that pulls from there sees all leaves before the head.
        let changes = theirs.changes_for(stranger, 0, 100).unwrap();
        let heads = changes.iter().filter(|change| matches!(change.item, ChangeItem::Head(_)));
        let first = heads.map(|change| change.seq).min().unwrap();
        let leaves = changes.iter().filter(|change| matches!(change.item, ChangeItem::Leaf { .. }));
        assert!(leaves.filter(|change| change.seq < first).count() == 3, "{changes:?}");
        let third = super::super::testing::store();
        let accepted = third.accept(theirs.sent_to(stranger, 0), NOW).unwrap();
        assert_eq!(accepted.rejected, Vec::new());
        assert_eq!(third.logs().unwrap()[0].size, 6);
    }

    /// What came without the release that it speaks of could name a restricted one.
    #[test]
    fn a_yank_that_comes_before_its_release_names_nothing_to_strangers() {
        let (ours, theirs, acme) = (store(), super::super::testing::store(), publisher("acme"));
        ours.append(&acme, NOW, |seq| {
            let permission = Permission::Restricted([FRIEND].into());
            let release = release(&acme, seq, "secret", "1.0.0", "");
            Statement::Release(crate::Release { permission, ..release })
        })
        .unwrap();
        ours.append(&acme, NOW, |seq| yank(&acme, seq, "secret", "1.0.0", true)).unwrap();
        let mut sent = ours.sent_to(Reader::Local, 0);
        sent.remove(1);
        theirs.accept(sent, NOW).unwrap();
        let shown = theirs.changes_for(Reader::Node(STRANGER), 0, 100).unwrap();
        let items: Vec<_> = shown.iter().map(|change| &change.item).collect();
        assert!(matches!(items[..], [ChangeItem::Statement(_), ChangeItem::Head(_)]), "{items:?}");
    }
}
