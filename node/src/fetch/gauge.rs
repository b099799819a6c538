//! How far one request is, for those who watch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use catalog::permission::NodeId;
use iroh::endpoint::Connection;

use super::tally::Tally;
use crate::pace::InUse;
use crate::transfer::Mark;

/// The counts of one request; what it counts goes to the [`Tally`] of its fetch as well.
pub(crate) struct Gauge {
    received: AtomicU64,
    stored: AtomicU64,
    is_writing: AtomicBool,
    /// Who is asked.
    provider: NodeId,
    tally: Arc<Tally>,
}

impl Gauge {
    pub(crate) fn new(tally: Arc<Tally>, provider: NodeId) -> Self {
        Self {
            received: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            provider,
            tally,
        }
    }

    /// So many bytes of content came and were verified.
    pub(crate) fn received(&self, content: usize) {
        self.received.fetch_add(content as u64, Ordering::Relaxed);
        self.tally.moved(content as u64);
        self.tally.received(self.provider, content as u64);
    }

    /// So many bytes came that are not content: sizes and proofs.
    pub(crate) fn proved(&self, bytes: u64) {
        self.tally.moved(bytes);
    }

    /// So many bytes of content are kept, behind those that were before.
    pub(crate) fn stored(&self, content: u64) {
        self.stored.fetch_add(content, Ordering::Relaxed);
        self.tally.stored(content);
    }

    /// Does `work`, during which the provider is not to blame for silence.
    pub(crate) async fn writing<T>(&self, work: impl Future<Output = T>) -> T {
        self.is_writing.store(true, Ordering::Relaxed);
        let done = work.await;
        self.is_writing.store(false, Ordering::Relaxed);
        done
    }

    /// Waits until so many bytes may come from the provider, which is not to blame for that.
    pub(crate) async fn pass(&self, content: usize) {
        self.writing(self.tally.pass(self.provider, content as u64)).await;
    }

    /// Counts the delays of a connection in while the request runs.
    pub(crate) fn uses(&self, connection: &Connection) -> Option<InUse> {
        self.tally.uses(connection)
    }

    /// How far the request is.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            received: self.received.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            is_writing: self.is_writing.load(Ordering::Relaxed),
        }
    }
}
