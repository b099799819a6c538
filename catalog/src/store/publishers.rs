//! Whom we know, and what we call them.
//!
//! A petname is this machine's own name for a publisher. It is given when a person here first
//! relies on the publisher, from what it would like to be called, and stays; a second one that
//! would like the same name gets a number behind it. Nobody but the user of this machine can move
//! a petname, and records that merely arrive give none: a stranger may call itself anything.

use super::batch::record;
use super::rows::{self, Trust};
use super::tables::{PETNAMES, PUBLISHERS, RECORDS, Tables, all, get, publisher_of, put, remove};
use super::{Store, StoreError, View};
use crate::identity::{Inception, KeyState, PublisherId};
use crate::name::Petname;
use crate::statement::StatementId;
use crate::time::Timestamp;

/// How many numbers are tried behind a name that is taken.
const SUFFIX_MAX: u32 = 999;

/// The longest petname that can take a number and stay a petname.
const STEM_BYTES_MAX: usize = 60;

/// A publisher that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherRow {
    /// Who it is.
    pub id: PublisherId,
    /// What we call it; absent for one that was merely seen, one that never asked for a name, and
    /// when the user took it away.
    pub petname: Option<Petname>,
    /// How we came to know it.
    pub trust: Trust,
    /// Since when we know it.
    pub since: Timestamp,
}

/// Why a petname was not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// It means somebody else here.
    #[error("{petname} already means {publisher}")]
    Taken {
        /// The petname.
        petname: Petname,
        /// Whom it means.
        publisher: PublisherId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Everybody we know, by id.
    pub fn publishers(&self) -> Result<Vec<PublisherRow>, StoreError> {
        let view = self.read()?;
        let rows = view.rows(PUBLISHERS)?;
        all(&rows)?
            .map(|row| {
                let (id, row) = row?;
                PublisherRow::read(publisher_of(id.value())?, row.value())
            })
            .collect()
    }

    /// What we know about a publisher.
    pub fn publisher(&self, id: &PublisherId) -> Result<Option<PublisherRow>, StoreError> {
        let row = get(&self.read()?.rows(PUBLISHERS)?, id.as_bytes())?;
        row.map(|row| PublisherRow::read(*id, &row)).transpose()
    }

    /// A publisher's first statement; absent while it is known by name only, as from a ticket. The
    /// alias in it is what it calls itself, which nobody checked.
    pub fn inception(&self, id: &PublisherId) -> Result<Option<Inception>, StoreError> {
        self.read()?.inception(id)
    }

    /// What we call a publisher.
    pub fn petname(&self, id: &PublisherId) -> Result<Option<Petname>, StoreError> {
        self.read()?.petname(id)
    }

    /// Whom a petname means.
    pub fn publisher_by_petname(
        &self,
        petname: &Petname,
    ) -> Result<Option<PublisherId>, StoreError> {
        self.read()?.by_petname(petname)
    }

    /// Calls a publisher `petname` from now on, because a person said so. It need not be known yet.
    ///
    /// # Errors
    /// [`PinError::Taken`] when the name means somebody else; it has to be taken away first.
    pub fn pin(&self, petname: &Petname, id: &PublisherId, now: Timestamp) -> Result<(), PinError> {
        self.write(|tables| {
            if let Some(owner) = get(&tables.petnames, petname.as_str().as_bytes())? {
                let publisher = publisher_of(&owner)?;
                if publisher != *id {
                    return Err(PinError::Taken { petname: petname.clone(), publisher });
                }
            }
            let mut row = read_row(tables, id)?.unwrap_or(rows::PublisherRow {
                since: now,
                trust: Trust::Pinned,
                petname: None,
            });
            if let Some(old) = row.petname.replace(petname.clone()) {
                remove(&mut tables.petnames, old.as_str().as_bytes())?;
            }
            row.trust = row.trust.max(Trust::Pinned);
            Ok(write_row(tables, id, &row)?)
        })
    }

    /// Counts a publisher as one that a person named, and gives it a petname if it has none.
    ///
    /// - `alias`: what it would like to be called, if somebody said.
    pub fn trust(
        &self,
        id: &PublisherId,
        alias: Option<&Petname>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|tables| meet(tables, id, alias, Trust::Pinned, now))
    }

    /// Takes a petname away.
    ///
    /// - result: whom it meant.
    pub fn unpin(&self, petname: &Petname) -> Result<Option<PublisherId>, StoreError> {
        self.write(|tables| {
            let Some(owner) = get(&tables.petnames, petname.as_str().as_bytes())? else {
                return Ok(None);
            };
            let id = publisher_of(&owner)?;
            remove(&mut tables.petnames, petname.as_str().as_bytes())?;
            if let Some(mut row) = read_row(tables, &id)? {
                row.petname = None;
                write_row(tables, &id, &row)?;
            }
            Ok(Some(id))
        })
    }
}

impl View {
    pub(super) fn by_petname(&self, petname: &Petname) -> Result<Option<PublisherId>, StoreError> {
        let row = get(&self.rows(PETNAMES)?, petname.as_str().as_bytes())?;
        row.map(|id| publisher_of(&id)).transpose()
    }

    pub(super) fn petname(&self, id: &PublisherId) -> Result<Option<Petname>, StoreError> {
        let row = get(&self.rows(PUBLISHERS)?, id.as_bytes())?;
        Ok(row.map(|row| rows::PublisherRow::decode(&row)).transpose()?.and_then(|row| row.petname))
    }

    /// Every petname that is given, in order.
    pub(super) fn petnames(&self) -> Result<Vec<Petname>, StoreError> {
        let damaged = || StoreError::damaged("a petname");
        all(&self.rows(PETNAMES)?)?
            .map(|row| {
                let (name, _) = row?;
                let name = std::str::from_utf8(name.value()).map_err(|_| damaged())?;
                name.parse().map_err(|_| damaged())
            })
            .collect()
    }

    /// The keys that may speak for a publisher; `None` while its inception is not here.
    pub(super) fn key_state(&self, id: &PublisherId) -> Result<Option<KeyState>, StoreError> {
        Ok(self.inception(id)?.map(|inception| KeyState::of(&inception)))
    }

    fn inception(&self, id: &PublisherId) -> Result<Option<Inception>, StoreError> {
        // A publisher's id is the id of its inception, and an id is the hash of the body. The
        // signatures were checked when it came, and are again by whoever verifies the store.
        let sealed = record(&self.rows(RECORDS)?, &StatementId::from_digest(*id.digest()))?;
        let read = |_| StoreError::damaged("an inception");
        sealed.map(|sealed| Inception::decode(sealed.body()).map_err(read)).transpose()
    }
}

impl PublisherRow {
    fn read(id: PublisherId, row: &[u8]) -> Result<Self, StoreError> {
        let rows::PublisherRow { since, trust, petname } = rows::PublisherRow::decode(row)?;
        Ok(Self { id, petname, trust, since })
    }
}

/// Notes that we know a publisher, at least as well as `trust` says. Once that is more than having
/// seen it, it gets a petname from `alias`, numbered if the name is taken.
pub(super) fn meet(
    tables: &mut Tables<'_>,
    id: &PublisherId,
    alias: Option<&Petname>,
    trust: Trust,
    now: Timestamp,
) -> Result<(), StoreError> {
    let old = read_row(tables, id)?;
    let mut row = old.clone().unwrap_or(rows::PublisherRow { since: now, trust, petname: None });
    row.trust = row.trust.max(trust);
    if let (None, true, Some(alias)) = (&row.petname, trust > Trust::Seen, alias) {
        row.petname = free_petname(tables, alias)?;
    }
    if old.as_ref() == Some(&row) { Ok(()) } else { write_row(tables, id, &row) }
}

/// `alias`, or the first of `alias-2`, `alias-3`… that nobody has.
fn free_petname(tables: &Tables<'_>, alias: &Petname) -> Result<Option<Petname>, StoreError> {
    let free = |name: &str| Ok::<_, StoreError>(get(&tables.petnames, name.as_bytes())?.is_none());
    if free(alias.as_str())? {
        return Ok(Some(alias.clone()));
    }
    let end = alias.as_str().len().min(STEM_BYTES_MAX);
    let stem = alias.as_str()[..end].trim_end_matches(['-', '.', '_']);
    for number in 2..=SUFFIX_MAX {
        let name = format!("{stem}-{number}");
        if free(&name)? {
            return Ok(name.parse().ok());
        }
    }
    Ok(None)
}

fn read_row(
    tables: &Tables<'_>,
    id: &PublisherId,
) -> Result<Option<rows::PublisherRow>, StoreError> {
    let row = get(&tables.publishers, id.as_bytes())?;
    row.map(|row| rows::PublisherRow::decode(&row)).transpose()
}

fn write_row(
    tables: &mut Tables<'_>,
    id: &PublisherId,
    row: &rows::PublisherRow,
) -> Result<(), StoreError> {
    put(&mut tables.publishers, id.as_bytes(), &row.encode())?;
    if let Some(petname) = &row.petname {
        put(&mut tables.petnames, petname.as_str().as_bytes(), id.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, publisher, store};
    use super::*;
    use crate::permission::Reader;

    #[test]
    fn a_petname_stays_with_whom_it_was_given_first() {
        let (store, other_store) = (store(), store());
        let (acme, imposter) = (publisher("acme"), publisher("acme"));
        store.adopt(&acme, NOW).unwrap();
        other_store.adopt(&imposter, NOW).unwrap();
        store.accept(other_store.sent_to(Reader::Local, 0), NOW).unwrap();
        store.trust(&imposter.publisher(), imposter.alias(), NOW).unwrap();
        let petname: Petname = "acme".parse().unwrap();
        assert_eq!(store.publisher_by_petname(&petname).unwrap(), Some(acme.publisher()));
        let numbered = store.petname(&imposter.publisher()).unwrap().unwrap();
        assert_eq!(numbered.as_str(), "acme-2");
        match store.pin(&petname, &imposter.publisher(), NOW) {
            Err(PinError::Taken { publisher, .. }) => assert_eq!(publisher, acme.publisher()),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.unpin(&petname).unwrap(), Some(acme.publisher()));
        store.pin(&petname, &imposter.publisher(), NOW).unwrap();
        assert_eq!(store.publisher_by_petname(&numbered).unwrap(), None);
        let row = store.publisher(&imposter.publisher()).unwrap().unwrap();
        assert_eq!((row.trust, row.petname), (Trust::Pinned, Some(petname)));
        assert_eq!(store.publishers().unwrap().len(), 2);
        assert_eq!(store.verify().unwrap(), []);
    }

    /// A stranger may call itself anything; that gives it no name here and takes none from others.
    #[test]
    fn a_stranger_takes_no_petname() {
        let (store, other_store) = (store(), store());
        for alias in ["mozilla", "me"] {
            other_store.adopt(&publisher(alias), NOW).unwrap();
        }
        store.accept(other_store.sent_to(Reader::Local, 0), NOW).unwrap();
        let (mozilla, me) = (publisher("mozilla"), publisher("me"));
        for row in store.publishers().unwrap() {
            assert_eq!((row.trust, row.petname), (Trust::Seen, None));
        }
        assert_eq!(store.publisher_by_petname(mozilla.alias().unwrap()).unwrap(), None);
        store.trust(&mozilla.publisher(), mozilla.alias(), NOW).unwrap();
        store.adopt(&me, NOW).unwrap();
        for known in [mozilla, me] {
            assert_eq!(store.petname(&known.publisher()).unwrap().as_ref(), known.alias());
        }
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn a_publisher_can_be_named_before_its_records_come() {
        let (store, other_store, acme) = (store(), store(), publisher("acme"));
        let mine: Petname = "tools".parse().unwrap();
        store.trust(&acme.publisher(), Some(&mine), NOW).unwrap();
        assert_eq!(store.publishers().unwrap().len(), 1);
        assert!(store.inception(&acme.publisher()).unwrap().is_none());
        assert_eq!(store.verify().unwrap(), []);
        other_store.adopt(&acme, NOW).unwrap();
        store.accept(other_store.sent_to(Reader::Local, 0), NOW).unwrap();
        let row = store.publishers().unwrap().remove(0);
        assert_eq!((row.petname, row.trust), (Some(mine), Trust::Pinned));
        assert!(store.inception(&row.id).unwrap().is_some());
    }

    #[test]
    fn a_long_alias_still_takes_a_number() {
        let store = store();
        let alias = "a".repeat(64);
        for _ in 0..3 {
            store.adopt(&publisher(&alias), NOW).unwrap();
        }
        let petnames: std::collections::BTreeSet<_> =
            store.publishers().unwrap().into_iter().map(|row| row.petname.unwrap()).collect();
        assert_eq!(petnames.len(), 3);
    }
}
