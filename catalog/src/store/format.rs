//! The number of a store's layout: made once, checked at every opening, raised by migrations.

use super::tables::{
    FORMAT, FORMAT_OLDEST, META, META_FENCE, META_FORMAT, META_ID, Tables, get, get_number, put,
};
use super::{StoreError, View};

/// Makes every table and a new store's single values; does nothing to a store that has them.
pub(super) fn make(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    if get(&tables.meta, META_FORMAT)?.is_some() {
        return Ok(());
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the operating system gives random bytes");
    put(&mut tables.meta, META_FORMAT, &FORMAT.to_be_bytes())?;
    put(&mut tables.meta, META_ID, &id)
}

/// Whether an earlier version of this library wrote the store, so that it has to be migrated.
///
/// # Errors
/// [`StoreError::Newer`] when a later version wrote it: nothing is touched.
pub(super) fn is_older(view: &View) -> Result<bool, StoreError> {
    let format = get(&view.rows(META)?, META_FORMAT)?.and_then(|format| format.try_into().ok());
    match u32::from_be_bytes(format.ok_or(StoreError::damaged("the format"))?) {
        FORMAT => Ok(false),
        FORMAT_OLDEST..FORMAT => Ok(true),
        found if found > FORMAT => Err(StoreError::Newer { found, ours: FORMAT }),
        _ => Err(StoreError::damaged("the format")),
    }
}

/// Reads the store's id and the fence of the last opening that wrote anything.
pub(super) fn read(view: &View) -> Result<([u8; 16], u64), StoreError> {
    let meta = view.rows(META)?;
    let id = get(&meta, META_ID)?.and_then(|id| id.try_into().ok());
    let id = id.ok_or(StoreError::damaged("the store's id"))?;
    Ok((id, get_number(&meta, META_FENCE)?.unwrap_or(0)))
}

/// Counts this opening, before its first write.
///
/// # Errors
/// [`StoreError::TakenOver`] when a later opening wrote already: our view of the store is old.
pub(super) fn enter(tables: &mut Tables<'_>, fence: u64) -> Result<(), StoreError> {
    let last = get_number(&tables.meta, META_FENCE)?.unwrap_or(0);
    if last > fence {
        return Err(StoreError::TakenOver { pid: 0 });
    }
    put(&mut tables.meta, META_FENCE, &fence.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::super::tables::META;
    use super::*;
    use redb::Database;

    #[test]
    fn a_store_keeps_its_id_and_counts_its_openings() {
        let dir = tempfile::tempdir().unwrap();
        let fence = || Store::holder(dir.path()).unwrap().unwrap().fence;
        let store = Store::open(dir.path()).unwrap();
        let before = (store.epoch(), fence());
        store.set_cursor("index", 1).unwrap();
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((store.epoch(), fence()), (before.0, before.1 + 1));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Store::open(other.path()).unwrap().epoch(), before.0);
    }

    #[test]
    fn a_store_whose_making_was_cut_short_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("catalog.redb.new"), [0; 9000]).unwrap();
        drop(Store::open(dir.path()).unwrap());
        assert!(!dir.path().join("catalog.redb.new").exists());
    }

    #[test]
    fn a_store_of_a_later_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().set_cursor("index", 1).unwrap();
        let path = dir.path().join("catalog.redb");
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        let fence = get_number(&txn.open_table(META).unwrap(), META_FENCE).unwrap();
        let newer = 6u32.to_be_bytes();
        txn.open_table(META).unwrap().insert(META_FORMAT, newer.as_slice()).unwrap();
        txn.commit().unwrap();
        drop(database);
        match Store::open(dir.path()) {
            Err(StoreError::Newer { found: 6, ours: 5 }) => {}
            other => panic!("{other:?}"),
        }
        let database = Database::open(&path).unwrap();
        let txn = redb::ReadableDatabase::begin_read(&database).unwrap();
        let meta = txn.open_table(META).unwrap();
        assert_eq!(get_number(&meta, META_FENCE).unwrap(), fence, "nothing was written");
        assert_eq!(get(&meta, META_FORMAT).unwrap().unwrap(), newer);
    }
}
