//! Sees to it that a blob is fetched once, however many fetches want it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use catalog::digest::Digest;
use tokio::sync::Notify;

/// The blobs that are being fetched.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Shared>);

#[derive(Default)]
struct Shared {
    claimed: Mutex<HashSet<Digest>>,
    released: Notify,
}

/// Blobs that one fetch brings; released when dropped, whether they came or not.
///
/// Who holds a claim never waits for another.
pub(crate) struct Claim {
    claims: Claims,
    digests: HashSet<Digest>,
}

impl Claims {
    /// Claims what nobody else is fetching.
    pub(crate) fn take(&self, wanted: impl Iterator<Item = Digest>) -> Claim {
        let mut claimed = self.claimed();
        let digests = wanted.filter(|digest| claimed.insert(*digest)).collect();
        drop(claimed);
        Claim { claims: self.clone(), digests }
    }

    /// Waits until nobody is fetching any of these.
    pub(crate) async fn released(&self, digests: &[Digest]) {
        loop {
            let released = self.0.released.notified();
            if !digests.iter().any(|digest| self.claimed().contains(digest)) {
                return;
            }
            released.await;
        }
    }

    fn claimed(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.0.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed();
        self.digests.iter().for_each(|digest| {
            claimed.remove(digest);
        });
        drop(claimed);
        self.claims.0.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_fetches_another_waits_for() {
        let claims = Claims::default();
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
        let first = claims.take([a, b].into_iter());
        let second = claims.take([b, c].into_iter());
        assert!(first.contains(&a) && first.contains(&b));
        assert!(!second.contains(&b) && second.contains(&c));
        drop(second);
        claims.released(&[c]).await;
        let both = [b, c];
        let mut waiting = std::pin::pin!(claims.released(&both));
        assert!(n0_future::future::poll_once(&mut waiting).await.is_none());
        drop(first);
        waiting.await;
    }
}
