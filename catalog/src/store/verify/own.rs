//! What is this machine's alone, which nobody signed: it has to be readable, and to point to
//! something.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Problem, Statements};
use crate::identity::PublisherId;
use crate::name::Petname;
use crate::statement::{Statement, StatementId};
use crate::store::StoreError;
use crate::store::conflicts::decision_of_row;
use crate::store::holds::hold_of_row;
use crate::store::installs::install_of_row;
use crate::store::peers::peer_of_row;
use crate::store::registers::{register_key, sealed_of};
use crate::store::rows::{PublisherRow, Trust};
use crate::store::tables::{self, digest_of, get, number, publisher_of};

impl Check {
    pub fn publishers(&mut self, statements: &Statements) -> Result<(), StoreError> {
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

    /// Everything else that no statement speaks of.
    pub fn own_rows(&mut self) -> Result<(), StoreError> {
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
}
