//! Checks everything in the store against what was signed, as if a stranger had written it.
//!
//! Signatures are checked again, logs are hashed again, and everything that follows from
//! statements is derived again, in a transaction that is thrown away, and compared row by row. So
//! an edit of any row that stems from a statement is found. What is this machine's alone (petnames,
//! peers, holds, installs, cursors) is signed by nobody: there, only what is unreadable or at odds
//! with itself is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redb::TableHandle;

use super::batch::record;
use super::conflicts::decision_of_row;
use super::holds::hold_of_row;
use super::installs::install_of_row;
use super::items::{item_of_head, replay};
use super::peers::peer_of_row;
use super::registers::{register_key, sealed_of};
use super::rows::{ChangeRow, Leaf, LogRow, PublisherRow, RIVALS_MAX, Trust, head_of};
use super::tables::{
    self, Definition, LogId, Rows, Tables, all, digest_of, get, get_number, leaf_key, number,
    of_leaf_key, of_rival_key, publisher_of, rival_key, with_prefix,
};
use super::{Store, StoreError, View};
use crate::head::SealedHead;
use crate::identity::{KeyState, PublisherId};
use crate::log::LogTree;
use crate::name::Petname;
use crate::statement::{SealedStatement, Statement, StatementId};

/// A row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreFault {
    /// The table that it is in.
    pub table: String,
    /// Its key, in hex.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// It is not laid out as we write it.
    Unreadable,
    /// Its signature, or its hash, is not that of its publisher.
    Forged,
    /// It should be there, and is not.
    Missing,
    /// Nothing that was signed supports it.
    Unfounded,
    /// It is not what follows from what was signed.
    Differs,
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Unreadable => "is unreadable",
            Problem::Forged => "is not what its publisher signed",
            Problem::Missing => "is missing",
            Problem::Unfounded => "follows from nothing",
            Problem::Differs => "is not what follows from the statements",
        };
        write!(f, "row {} of table {} {problem}", self.key, self.table)
    }
}

impl Store {
    /// Checks every row. Costs one signature check and some hashing for each statement, and keeps
    /// writers waiting meanwhile.
    ///
    /// - result: all that is wrong, by table and key; empty when all is well.
    ///
    /// # Errors
    /// [`StoreError`] when the database itself cannot be read.
    pub fn verify(&self) -> Result<Vec<StoreFault>, StoreError> {
        let mut check = Check { view: self.read()?, faults: BTreeSet::new() };
        let statements = check.records()?;
        check.leaves(&statements)?;
        check.logs(&statements)?;
        check.changes()?;
        check.publishers(&statements)?;
        check.own_rows()?;
        let rehearsal = self.write(|tables| Err::<(), _>(check.derived(tables, &statements)));
        match rehearsal {
            Ok(()) | Err(Rehearsed::Done) => Ok(check.faults.into_iter().collect()),
            Err(Rehearsed::Failed(error)) => Err(error),
        }
    }
}

/// How a transaction ends that is not meant to be kept.
enum Rehearsed {
    Done,
    Failed(StoreError),
}

impl From<StoreError> for Rehearsed {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A statement whose signature is good.
struct Signed {
    sealed: SealedStatement,
    statement: Statement,
    logs: Vec<LogId>,
}

type Statements = BTreeMap<StatementId, Signed>;

struct Check {
    view: View,
    faults: BTreeSet<StoreFault>,
}

impl Check {
    fn fault(&mut self, table: Definition, key: &[u8], problem: Problem) {
        let (table, key) = (table.name().to_owned(), hex::encode(key));
        self.faults.insert(StoreFault { table, key, problem });
    }

    /// Calls `row` with every row of a table; an error it returns is a row that is unreadable.
    fn each(
        &mut self,
        table: Definition,
        mut row: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let rows = self.view.rows(table)?;
        for entry in all(&rows)? {
            let (key, value) = entry?;
            match row(self, key.value(), value.value()) {
                Ok(()) => {}
                Err(StoreError::Damaged { .. }) => {
                    self.fault(table, key.value(), Problem::Unreadable);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every record that its publisher signed.
    fn records(&mut self) -> Result<Statements, StoreError> {
        let mut states: BTreeMap<PublisherId, KeyState> = BTreeMap::new();
        let mut sealed = Vec::new();
        let rows = self.view.rows(tables::RECORDS)?;
        self.each(tables::RECORDS, |_, key, _| {
            let id = StatementId::from_digest(digest_of(key)?);
            let record = record(&rows, &id)?.ok_or(StoreError::damaged("a record"))?;
            if let Ok(inception) = record.open_inception() {
                let state = KeyState::of(&inception);
                states.insert(state.publisher, state);
            }
            sealed.push((id, record));
            Ok(())
        })?;
        let mut statements = Statements::new();
        for (id, sealed) in sealed {
            let publisher = sealed.peek().ok().map(|header| header.publisher);
            let state = publisher.and_then(|publisher| states.get(&publisher));
            match state.and_then(|state| Some((state, sealed.open(state).ok()?))) {
                Some((state, statement)) => {
                    let logs = super::accept::logs_of(&sealed, statement.kind(), state);
                    statements.insert(id, Signed { sealed, statement, logs });
                }
                None => self.fault(tables::RECORDS, id.as_bytes(), Problem::Forged),
            }
        }
        Ok(statements)
    }

    fn leaves(&mut self, statements: &Statements) -> Result<(), StoreError> {
        self.each(tables::LEAVES, |check, key, row| {
            let (log, seq) = of_leaf_key(key)?;
            for leaf in Leaf::decode_all(row)? {
                let Some(id) = leaf.statement else { continue };
                let founded = statements.get(&id).is_some_and(|signed| {
                    let header = signed.statement.header();
                    signed.logs.contains(&log)
                        && header.seq == seq
                        && signed.sealed.leaf() == leaf.hash
                });
                if !founded {
                    check.fault(tables::LEAVES, key, Problem::Unfounded);
                }
            }
            Ok(())
        })?;
        self.each(tables::RIVALS, |check, key, row| {
            let (log, seq, hash) = of_rival_key(key)?;
            let id = StatementId::from_digest(digest_of(row)?);
            let founded = statements.get(&id).is_some_and(|signed| {
                let place = (signed.statement.header().seq, signed.sealed.leaf());
                signed.logs.contains(&log) && place == (seq, hash)
            });
            // Only where there are two already.
            let leaves = get(&check.view.rows(tables::LEAVES)?, &leaf_key(&log, seq))?;
            let leaves = leaves.and_then(|row| Leaf::decode_all(&row).ok()).unwrap_or_default();
            let is_there = leaves.iter().any(|leaf| leaf.statement == Some(id));
            if !founded || leaves.len() < RIVALS_MAX || is_there {
                check.fault(tables::RIVALS, key, Problem::Unfounded);
            }
            Ok(())
        })?;
        let rows = self.view.rows(tables::LEAVES)?;
        let rivals = self.view.rows(tables::RIVALS)?;
        for (id, signed) in statements {
            for log in &signed.logs {
                let seq = signed.statement.header().seq;
                let key = leaf_key(log, seq);
                let leaves = get(&rows, &key)?.and_then(|row| Leaf::decode_all(&row).ok());
                let there = |leaves: &[Leaf]| leaves.iter().any(|leaf| leaf.statement == Some(*id));
                let rival = get(&rivals, &rival_key(log, seq, &signed.sealed.leaf()))?;
                let is_rival = rival.is_some_and(|rival| rival == id.as_bytes());
                if !is_rival && !leaves.is_some_and(|leaves| there(&leaves)) {
                    self.fault(tables::LEAVES, &key, Problem::Missing);
                }
            }
        }
        Ok(())
    }

    fn logs(&mut self, statements: &Statements) -> Result<(), StoreError> {
        let leaves = self.view.rows(tables::LEAVES)?;
        let mut known = BTreeSet::new();
        self.each(tables::LOGS, |check, key, row| {
            let (log, row) = (LogId::of_row_key(key)?, LogRow::decode(row)?);
            known.insert(log);
            let (mut tree, mut bare, mut contiguous) = (LogTree::new(), 0, 0);
            let mut contested = 0;
            let mut weighed = Weighed::of(&row)?;
            for leaf in with_prefix(&leaves, key)? {
                let (place, leaf) = leaf?;
                let ((_, seq), Ok(leaf)) =
                    (of_leaf_key(place.value())?, Leaf::decode_all(leaf.value()))
                else {
                    continue;
                };
                if seq == contiguous {
                    contiguous += 1;
                }
                if leaf.len() > 1 && contested == 0 {
                    contested = seq + 1;
                }
                weighed.append(seq, &leaf[0]);
                if seq >= row.tree.size() {
                    bare += u64::from(leaf[0].statement.is_none());
                } else if seq == tree.size() {
                    tree.append(leaf[0].hash);
                }
            }
            let counted = (row.contiguous, row.unvouched, &row.tree) == (contiguous, bare, &tree);
            let is_contested = row.contested == contested;
            if !counted || !is_contested || !are_newest(&row) || !weighed.are_right(&row) {
                check.fault(tables::LOGS, key, Problem::Differs);
            }
            let inception = StatementId::from_digest(*log.publisher.digest());
            let state = match statements.get(&inception).map(|signed| &signed.statement) {
                Some(Statement::Inception(inception)) => KeyState::of(inception),
                _ => {
                    check.fault(tables::LOGS, key, Problem::Unfounded);
                    return Ok(());
                }
            };
            let open = |note: &[u8]| SealedHead::decode(note).ok()?.open(&state).ok();
            if !row.head.is_empty() {
                let signed = open(&row.head).is_some_and(|head| {
                    (head.key, head.size, head.root) == (log.key, tree.size(), tree.root())
                });
                if !signed {
                    check.fault(tables::LOGS, key, Problem::Forged);
                }
            } else if row.tree.size() > 0 {
                check.fault(tables::LOGS, key, Problem::Unfounded);
            }
            let sure = (!row.sure.is_empty()).then_some(&row.sure);
            for note in row.newest.iter().chain(sure).chain(&row.evidence) {
                if open(note).is_none_or(|head| head.key != log.key) {
                    check.fault(tables::LOGS, key, Problem::Forged);
                }
            }
            Ok(())
        })?;
        let logs: BTreeSet<_> = statements.values().flat_map(|signed| &signed.logs).collect();
        for log in logs.into_iter().filter(|log| !known.contains(*log)) {
            self.fault(tables::LOGS, &log.row_key(), Problem::Missing);
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<(), StoreError> {
        let next = get_number(&self.view.rows(tables::META)?, tables::META_NEXT)?.unwrap_or(1);
        self.each(tables::CHANGES, |check, key, row| {
            ChangeRow::decode(row)?;
            if number(key)? >= next {
                check.fault(tables::CHANGES, key, Problem::Unfounded);
            }
            Ok(())
        })
    }

    fn publishers(&mut self, statements: &Statements) -> Result<(), StoreError> {
        let mut named: BTreeMap<Petname, PublisherId> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let inception = |id: &PublisherId| StatementId::from_digest(*id.digest());
        self.each(tables::PUBLISHERS, |check, key, row| {
            let (id, row) = (publisher_of(key)?, PublisherRow::decode(row)?);
            known.insert(id);
            if row.trust != Trust::Pinned && !statements.contains_key(&inception(&id)) {
                check.fault(tables::PUBLISHERS, key, Problem::Unfounded);
            }
            if let Some(petname) = row.petname
                && named.insert(petname, id).is_some()
            {
                check.fault(tables::PUBLISHERS, key, Problem::Differs);
            }
            Ok(())
        })?;
        for signed in statements.values() {
            if let Statement::Inception(inception) = &signed.statement
                && !known.contains(&inception.id())
            {
                self.fault(tables::PUBLISHERS, inception.id().as_bytes(), Problem::Missing);
            }
        }
        self.each(tables::PETNAMES, |check, key, row| {
            let petname = std::str::from_utf8(key).ok().and_then(|name| name.parse().ok());
            let petname: Petname = petname.ok_or(StoreError::damaged("a petname"))?;
            if named.remove(&petname) != Some(publisher_of(row)?) {
                check.fault(tables::PETNAMES, key, Problem::Differs);
            }
            Ok(())
        })?;
        for petname in named.keys() {
            self.fault(tables::PETNAMES, petname.as_str().as_bytes(), Problem::Missing);
        }
        Ok(())
    }

    /// What nobody signed: it has to be readable, and to point to something.
    fn own_rows(&mut self) -> Result<(), StoreError> {
        let records = self.view.rows(tables::RECORDS)?;
        let installs = self.view.rows(tables::INSTALLS)?;
        self.each(tables::CURSORS, |_, _, row| number(row).map(drop))?;
        self.each(tables::PEERS, |_, key, row| peer_of_row(key, row).map(drop))?;
        self.each(tables::HOLDS, |_, key, row| hold_of_row(key, row).map(drop))?;
        self.each(tables::INSTALLS, |_, key, row| install_of_row(key, row).map(drop))?;
        self.each(tables::DECISIONS, |_, key, row| decision_of_row(key, row).map(drop))?;
        let registers = self.view.rows(tables::REGISTERS)?;
        let items = self.view.rows(tables::REGISTER_ITEMS)?;
        self.each(tables::REGISTERS, |check, key, row| {
            let sealed = sealed_of(row)?;
            let register = sealed.peek();
            if sealed.open().is_err() || register_key(&register.name, &register.node) != key {
                check.fault(tables::REGISTERS, key, Problem::Forged);
            }
            if get(&items, sealed.item().as_bytes())?.as_deref() != Some(key) {
                check.fault(tables::REGISTER_ITEMS, sealed.item().as_bytes(), Problem::Missing);
            }
            Ok(())
        })?;
        self.each(tables::REGISTER_ITEMS, |check, item, key| {
            let sealed = get(&registers, key)?.map(|row| sealed_of(&row)).transpose();
            let founded = matches!(sealed, Ok(Some(sealed)) if sealed.item().as_bytes() == item);
            if !founded {
                check.fault(tables::REGISTER_ITEMS, item, Problem::Unfounded);
            }
            Ok(())
        })?;
        self.each(tables::IN_USE, |check, key, serial| {
            if get(&installs, &[key, serial].concat())?.is_none() {
                check.fault(tables::IN_USE, key, Problem::Unfounded);
            }
            Ok(())
        })?;
        self.each(tables::OUTBOX, |check, key, id| {
            number(key)?;
            if get(&records, digest_of(id)?.as_bytes())?.is_none() {
                check.fault(tables::OUTBOX, key, Problem::Unfounded);
            }
            Ok(())
        })
    }

    /// Derives everything once more, in tables that are thrown away, and compares.
    fn derived(&mut self, tables: &mut Tables<'_>, statements: &Statements) -> Rehearsed {
        match self.compare_derived(tables, statements) {
            Ok(()) => Rehearsed::Done,
            Err(error) => Rehearsed::Failed(error),
        }
    }

    fn compare_derived(
        &mut self,
        tables: &mut Tables<'_>,
        statements: &Statements,
    ) -> Result<(), StoreError> {
        let changes = self.view.rows(tables::CHANGES)?;
        let told = all(&changes)?.filter_map(|row| match row {
            // A row that is unreadable derives nothing.
            Ok((key, row)) => {
                let row = (number(key.value()), ChangeRow::decode(row.value()));
                let (Ok(change), Ok(row)) = row else { return None };
                Some(Ok((change, row.told)))
            }
            Err(error) => Some(Err(error)),
        });
        // Publishers were checked on their own, and a record that is forged derives nothing.
        replay(&self.view, tables, told, &|id, log, seq| {
            let signed = statements
                .get(id)
                .filter(|signed| signed.logs.contains(log) && signed.statement.header().seq == seq);
            Ok(signed.map(|signed| (signed.sealed.leaf(), Cow::Borrowed(&signed.statement))))
        })?;
        for (table, expected) in [
            (tables::NAMES, &tables.names),
            (tables::VERSIONS, &tables.versions),
            (tables::YANKS, &tables.yanks),
            (tables::CHANNELS, &tables.channels),
            (tables::ROOTS, &tables.roots),
            (tables::ITEMS, &tables.items),
            (tables::BARE, &tables.bare),
            (tables::AWAITED, &tables.awaited),
            (tables::FACETS, &tables.facets),
            (tables::CHANGES, &tables.changes),
        ] {
            self.compare(table, expected)?;
        }
        Ok(())
    }

    fn compare(&mut self, table: Definition, expected: &Rows<'_>) -> Result<(), StoreError> {
        self.each(table, |check, key, row| {
            match get(expected, key)? {
                None => check.fault(table, key, Problem::Unfounded),
                Some(value) if value != row => check.fault(table, key, Problem::Differs),
                Some(_) => {}
            }
            Ok(())
        })?;
        let found = self.view.rows(table)?;
        for row in all(expected)? {
            let (key, _) = row?;
            if get(&found, key.value())?.is_none() {
                self.fault(table, key.value(), Problem::Missing);
            }
        }
        Ok(())
    }
}

/// Whether the newest heads of a log are one, or two that exclude each other, and no smaller than
/// the pinned one, which is not written twice.
fn are_newest(row: &LogRow) -> bool {
    let Ok(heads) = row.largest() else { return false };
    let pinned = head_of(&row.head).ok().flatten();
    match heads.as_slice() {
        [] => true,
        [newest] if row.newest.is_empty() => newest.peek().size == row.tree.size(),
        [newest] => {
            newest.peek().size >= row.tree.size() && pinned.is_none_or(|head| !head.same_as(newest))
        }
        [one, other] => {
            one.peek().size == other.peek().size
                && one.peek().size >= row.tree.size()
                && item_of_head(one) < item_of_head(other)
        }
        _ => false,
    }
}

/// What the leaves say about the heads that a log keeps beside the pinned one.
struct Weighed {
    /// The one to rely on, and those that prove a fork.
    sure: Option<SealedHead>,
    evidence: Vec<SealedHead>,
    tree: LogTree,
    is_sure: bool,
    is_bad: bool,
}

impl Weighed {
    fn of(row: &LogRow) -> Result<Self, StoreError> {
        let (sure, evidence) = (head_of(&row.sure)?, row.evidence.iter());
        let evidence: Vec<_> =
            evidence.filter_map(|note| head_of(note).transpose()).collect::<Result<_, _>>()?;
        let mut weighed =
            Self { sure, evidence, tree: LogTree::new(), is_sure: false, is_bad: false };
        weighed.weigh();
        Ok(weighed)
    }

    fn append(&mut self, seq: u64, leaf: &Leaf) {
        if seq == self.tree.size() {
            self.tree.append(leaf.hash);
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        let (size, root) = (self.tree.size(), self.tree.root());
        let at = |head: &&SealedHead| head.peek().size == size;
        if let Some(head) = self.sure.as_ref().filter(at) {
            self.is_sure = head.peek().root == root;
        }
        if let [head] = self.evidence.as_slice()
            && at(&head)
        {
            self.is_bad = head.peek().root != root;
        }
    }

    /// Whether they are what they are kept as.
    fn are_right(&self, row: &LogRow) -> bool {
        let is_sure = match &self.sure {
            None => true,
            Some(sure) => {
                let undisputed = row.undisputed();
                self.is_sure && sure.peek().size <= undisputed && undisputed < row.tree.size()
            }
        };
        is_sure
            && match self.evidence.as_slice() {
                [] => true,
                [bad] => self.is_bad && bad.peek().size <= row.undisputed(),
                [one, other] => {
                    one.peek().size == other.peek().size
                        && item_of_head(one) < item_of_head(other)
                        && row.promised().is_ok_and(|newest| one.peek().size < newest)
                }
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Incoming;
    use super::super::rows::{Standing, encode_ids};
    use super::super::testing::{NOW, channel, publisher, release, store, yank};
    use super::*;
    use crate::permission::{NodeId, Permission, Reader};
    use crate::statement::StatementKind;
    use redb::Database;

    fn filled(store: &Store) {
        let acme = publisher("acme");
        store.publish(&acme, "graphdb", "1.0.0");
        store.publish(&acme, "graphdb", "1.1.0");
        store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0")).unwrap();
        store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.1.0", true)).unwrap();
        // Of another publisher a bare hash, and a yank that waits for its release.
        let (theirs, other) = (super::super::testing::store(), publisher("other"));
        let build = |seq| {
            let permission = Permission::Restricted([NodeId::from_bytes([1; 32])].into());
            let release = release(&other, seq, "hidden", "1.0.0", "");
            Statement::Release(crate::Release { permission, ..release })
        };
        theirs.append(&other, NOW, build).unwrap();
        let stranger = Reader::Node(NodeId::from_bytes([2; 32]));
        store.accept(theirs.sent_to(stranger, 0), NOW).unwrap();
        theirs.publish(&other, "late", "1.0.0");
        theirs.append(&other, NOW, |seq| yank(&other, seq, "late", "1.0.0", true)).unwrap();
        let mut sent = theirs.sent_to(stranger, 0);
        sent.retain(|item| match item {
            Incoming::Statement(sealed) => sealed.kind() != StatementKind::Release,
            Incoming::Leaf { .. } | Incoming::Head(_) => true,
        });
        store.accept(sent, NOW).unwrap();
        assert_eq!(store.verify().unwrap(), []);
    }

    fn edit(database: &Database, table: Definition, key: &[u8], value: Option<&[u8]>) {
        let txn = database.begin_write().unwrap();
        let mut rows = txn.open_table(table).unwrap();
        match value {
            Some(value) => drop(rows.insert(key, value).unwrap()),
            None => drop(rows.remove(key).unwrap()),
        }
        drop(rows);
        txn.commit().unwrap();
    }

    fn rows(store: &Store, table: Definition) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = store.read().unwrap().rows(table).unwrap();
        let rows = rows.range::<&[u8]>(..).unwrap().map(|row| row.unwrap());
        rows.map(|(key, value)| (key.value().into(), value.value().into())).collect()
    }

    /// Threat row 54: whoever edits the file with other tools is found out.
    #[test]
    fn a_file_that_was_edited_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        filled(&store);
        let (key, mut value) = rows(&store, tables::RECORDS).remove(0);
        drop(store);
        let last = value.len() - 1;
        value[last] ^= 1;
        let database = Database::open(dir.path().join("catalog.redb")).unwrap();
        edit(&database, tables::RECORDS, &key, Some(&value));
        drop(database);
        let faults = Store::open(dir.path()).unwrap().verify().unwrap();
        assert!(faults.iter().any(|fault| fault.key == hex::encode(&key)), "{faults:?}");
    }

    /// Threat row 54: it is found whatever row it is, and whichever byte.
    #[test]
    fn every_edited_or_removed_row_that_was_signed_is_found() {
        let store = store();
        filled(&store);
        let database = &store.0.database;
        for table in [
            tables::RECORDS,
            tables::LEAVES,
            tables::LOGS,
            tables::NAMES,
            tables::VERSIONS,
            tables::YANKS,
            tables::CHANNELS,
            tables::ROOTS,
            tables::ITEMS,
            tables::BARE,
            tables::AWAITED,
            tables::FACETS,
            tables::CHANGES,
            tables::PETNAMES,
        ] {
            let all = rows(&store, table);
            assert!(!all.is_empty(), "{table}");
            for (key, value) in all {
                let changed = (0..value.len()).map(|at| {
                    let mut changed = value.clone();
                    changed[at] ^= 1;
                    Some(changed)
                });
                for changed in changed.step_by(5).chain([None]) {
                    edit(database, table, &key, changed.as_deref());
                    let faults = store.verify().unwrap();
                    assert!(!faults.is_empty(), "{table} {} {changed:?}", hex::encode(&key));
                    edit(database, table, &key, Some(&value));
                }
            }
        }
        assert_eq!(store.verify().unwrap(), []);
    }

    /// Threat row 54: rows that nobody signed do not slip in either.
    #[test]
    fn every_added_row_is_found() {
        let store = store();
        filled(&store);
        let (acme, eve) = (publisher("acme"), publisher("eve"));
        let release = release(&acme, 9, "evil", "1.0.0", "");
        let package = release.package();
        let forged = SealedStatement::seal(&Statement::Release(release), eve.key()).unwrap();
        let id = forged.id();
        for (table, key, value) in [
            (tables::RECORDS, id.as_bytes().to_vec(), forged.encode()),
            (
                tables::VERSIONS,
                tables::package_item_key(&package, "1.0.0"),
                encode_ids(&[id], Standing::Sound),
            ),
            (tables::NAMES, tables::name_key(&package), Vec::new()),
            (tables::PETNAMES, b"bank".to_vec(), eve.publisher().as_bytes().to_vec()),
        ] {
            edit(&store.0.database, table, &key, Some(&value));
            let faults = store.verify().unwrap();
            assert!(faults.iter().any(|fault| fault.key == hex::encode(&key)), "{faults:?}");
            edit(&store.0.database, table, &key, None);
        }
    }

    #[test]
    fn rows_of_this_machine_must_at_least_be_readable() {
        let store = store();
        filled(&store);
        for table in
            [tables::PEERS, tables::HOLDS, tables::INSTALLS, tables::CURSORS, tables::OUTBOX]
        {
            edit(&store.0.database, table, b"x", Some(b"y"));
            let faults = store.verify().unwrap();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!((faults[0].key.as_str(), faults[0].problem), ("78", Problem::Unreadable));
            edit(&store.0.database, table, b"x", None);
        }
    }
}
