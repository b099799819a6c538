//! Everything that follows from statements, derived once more and compared row by row.

use std::borrow::Cow;

use super::{Check, Problem, Statements};
use crate::store::StoreError;
use crate::store::items::replay;
use crate::store::rows::ChangeRow;
use crate::store::tables::{self, Definition, Rows, Tables, all, get, number};

impl Check {
    /// Derives everything once more, in tables that are thrown away, and compares.
    pub fn derived(
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
            (tables::GRANTS, &tables.grants),
            (tables::ATTESTATIONS, &tables.attestations),
            (tables::KEYS, &tables.keys),
            (tables::CARRIED, &tables.carried),
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
