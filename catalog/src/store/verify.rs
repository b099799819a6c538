//! Checks everything in the store against what was signed, as if a stranger had written it.
//!
//! Signatures are checked again, logs are hashed again, and everything that follows from
//! statements is derived again, in a transaction that is thrown away, and compared row by row. So
//! an edit of any row that stems from a statement is found. What is this machine's alone (petnames,
//! peers, holds, installs, cursors) is signed by nobody: there, only what is unreadable or at odds
//! with itself is found.

mod derived;
mod logs;
mod own;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;

use redb::TableHandle;

use super::batch::record;
use super::rows::ChangeRow;
use super::tables::{self, Definition, LogId, Tables, all, digest_of, get_number, number};
use super::{Store, StoreError, View};
use crate::identity::{KeyState, PublisherId};
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
        // What is compared and what is derived again are of one moment: nobody writes in between.
        let Err(ended) = self.write(|tables| {
            let faults = self.faults(tables);
            Err::<Infallible, _>(faults.map_or_else(Rehearsed::Failed, Rehearsed::Done))
        });
        match ended {
            Rehearsed::Done(faults) => Ok(faults.into_iter().collect()),
            Rehearsed::Failed(error) => Err(error),
        }
    }

    fn faults(&self, tables: &mut Tables<'_>) -> Result<BTreeSet<StoreFault>, StoreError> {
        let mut check = Check { view: self.read()?, faults: BTreeSet::new() };
        let statements = check.records()?;
        check.leaves(&statements)?;
        check.logs(&statements)?;
        check.changes()?;
        check.publishers(&statements)?;
        check.own_rows()?;
        check.derived(tables, &statements)?;
        Ok(check.faults)
    }
}

/// How a transaction ends that is not meant to be kept.
enum Rehearsed {
    Done(BTreeSet<StoreFault>),
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
}
