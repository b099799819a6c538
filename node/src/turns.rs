//! Lets one task at a time work on the same thing.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// One lock for each key that somebody works on.
pub(crate) struct Turns<K>(Mutex<HashMap<K, Weak<AsyncMutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Waits until nobody else works on `key`.
    pub(crate) async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            match locks.get(&key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(AsyncMutex::new(()));
                    locks.insert(key, Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

/// Keys of which each is in at most once.
pub(crate) struct Waiting<K>(Mutex<HashSet<K>>);

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Waiting<K> {
    /// Adds `key`; answers whether it was not in.
    pub(crate) fn insert(&self, key: K) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    /// Takes `key` out.
    pub(crate) fn remove(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_key_waits_and_another_does_not() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        let _other = turns.take(2).await;
        let mut waiting = std::pin::pin!(turns.take(1));
        assert!(n0_future::future::poll_once(&mut waiting).await.is_none());
        drop(first);
        drop(waiting.await);
    }
}
