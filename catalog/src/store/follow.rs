//! What followers of the log of changes keep for themselves, in step with how far they have come.
//!
//! A follower's rows and its cursor are written in one transaction: after a crash it is late, never
//! at odds with its own place. The store does not look into the rows.

use super::tables::{CURSORS, FOLLOWERS, get_number, put, remove, remove_all, with_prefix};
use super::{Store, StoreError};

/// The longest name of a follower.
const NAME_BYTES_MAX: usize = 255;

/// A key of a follower's own, and its value.
pub type FollowerRow = (Vec<u8>, Vec<u8>);

impl Store {
    /// Gives `read` the rows of follower `name` whose key begins with `prefix`, in key order.
    ///
    /// - result: what `read` made of them, and the cursor at the same moment; 0 when the follower
    ///   never wrote one.
    pub fn follower_rows<R>(
        &self,
        name: &str,
        prefix: &[u8],
        read: impl FnOnce(&mut dyn Iterator<Item = Result<FollowerRow, StoreError>>) -> R,
    ) -> Result<(R, u64), StoreError> {
        let view = self.read()?;
        let begin = follower_key(name, &[]).len();
        let rows = view.rows(FOLLOWERS)?;
        let mut rows = with_prefix(&rows, &follower_key(name, prefix))?.map(|row| {
            let (key, value) = row?;
            Ok((key.value()[begin..].to_vec(), value.value().to_vec()))
        });
        let read = read(&mut rows);
        Ok((read, get_number(&view.rows(CURSORS)?, name.as_bytes())?.unwrap_or(0)))
    }

    /// Writes what follower `name` changed and how far it has come, all of it or nothing.
    ///
    /// - `puts`: keys and values; `deletes`: keys, which need not be there.
    pub fn follow<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        name: &str,
        cursor: u64,
        puts: impl IntoIterator<Item = (K, V)>,
        deletes: impl IntoIterator<Item = K>,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            for key in deletes {
                remove(&mut tables.followers, &follower_key(name, key.as_ref()))?;
            }
            for (key, value) in puts {
                put(&mut tables.followers, &follower_key(name, key.as_ref()), value.as_ref())?;
            }
            put(&mut tables.cursors, name.as_bytes(), &cursor.to_be_bytes())
        })
    }

    /// Forgets everything that follower `name` keeps: it begins again at 0.
    pub fn unfollow(&self, name: &str) -> Result<(), StoreError> {
        self.write(|tables| {
            remove_all(&mut tables.followers, &follower_key(name, &[]))?;
            remove(&mut tables.cursors, name.as_bytes()).map(drop)
        })
    }
}

/// The length of the name, the name, the follower's own key.
///
/// # Panics
/// When the name is longer than 255 bytes: names of followers are ours.
fn follower_key(name: &str, key: &[u8]) -> Vec<u8> {
    assert!(name.len() <= NAME_BYTES_MAX, "a follower has a short name");
    [&[name.len() as u8], name.as_bytes(), key].concat()
}

#[cfg(test)]
mod tests {
    use super::super::testing::store;
    use super::*;

    fn rows(store: &Store, name: &str, prefix: &[u8]) -> (Vec<FollowerRow>, u64) {
        store.follower_rows(name, prefix, |rows| rows.map(Result::unwrap).collect()).unwrap()
    }

    #[test]
    fn a_follower_finds_its_rows_and_its_place_and_no_one_elses() {
        let store = store();
        store.follow("a", 7, [(b"x1".as_slice(), b"1".as_slice()), (b"y1", b"2")], []).unwrap();
        store.follow("ab", 9, [(b"x1", b"3")], []).unwrap();
        assert_eq!(rows(&store, "a", b"x"), (vec![(b"x1".to_vec(), b"1".to_vec())], 7));
        assert_eq!(rows(&store, "a", b"").0.len(), 2);
        assert_eq!(store.cursor("ab").unwrap(), 9);
        store.follow("a", 8, [(b"x2", b"4")], [b"x1"]).unwrap();
        assert_eq!(rows(&store, "a", b"x"), (vec![(b"x2".to_vec(), b"4".to_vec())], 8));
        store.unfollow("a").unwrap();
        assert_eq!(rows(&store, "a", b""), (Vec::new(), 0));
        assert_eq!(rows(&store, "ab", b"").1, 9);
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn a_followers_key_has_these_bytes() {
        assert_eq!(hex::encode(follower_key("sync", &[1, 2])), "0473796e630102");
    }
}
