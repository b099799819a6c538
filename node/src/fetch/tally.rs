//! Adds up what arrives and passes it on, not too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use catalog::permission::NodeId;
use catalog_mirror::pace::Signing;
use iroh::endpoint::Connection;

use super::{OnProgress, TransferProgress};
use crate::meter::Count;
use crate::node::Inner;
use crate::pace::InUse;
use crate::shaping::Class;

/// The shortest time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });

/// The counts of one fetch.
pub(crate) struct Tally {
    began: Instant,
    /// How many providers are at work.
    pub providers: AtomicUsize,
    done: AtomicU64,
    total: AtomicU64,
    moved: AtomicU64,
    /// When the last report was made.
    reported_ms: AtomicU64,
    on: OnProgress,
    /// Who holds back what arrives and keeps account of it, and how urgent it is.
    node: Option<(Arc<Inner>, Class)>,
    /// Whether we tell who sends that we got it.
    signing: Signing,
}

impl Tally {
    pub(crate) fn new(on: OnProgress) -> Arc<Self> {
        Arc::new(Self::of(on, None, Signing::Nothing))
    }

    /// The counts of a fetch of this node that is so urgent.
    pub(crate) fn of_node(
        on: OnProgress,
        node: Arc<Inner>,
        class: Class,
        signing: Signing,
    ) -> Arc<Self> {
        Arc::new(Self::of(on, Some((node, class)), signing))
    }

    fn of(on: OnProgress, node: Option<(Arc<Inner>, Class)>, signing: Signing) -> Self {
        Self {
            began: Instant::now(),
            providers: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            reported_ms: AtomicU64::new(0),
            on,
            node,
            signing,
        }
    }

    /// Waits until so many bytes may come from a peer.
    pub(crate) async fn pass(&self, peer: NodeId, bytes: u64) {
        if let Some((node, class)) = &self.node {
            node.line.download.pass(peer, *class, bytes).await;
        }
    }

    /// Counts the delays of a connection in while something comes over it.
    pub(crate) fn uses(&self, connection: &Connection) -> Option<InUse> {
        self.node.as_ref().map(|(node, _)| node.line.download.uses(connection))
    }

    /// Says how much is wanted and how much of it is here already.
    pub(crate) fn expect(&self, total: u64, done: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        self.report();
    }

    /// Bytes that came over the wire.
    pub(crate) fn bytes_moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Passes an event on.
    pub(crate) fn tell(&self, event: TransferProgress) {
        (self.on)(event);
    }

    pub(crate) fn report(&self) {
        let total = self.total.load(Ordering::Relaxed);
        self.tell(TransferProgress::Moving {
            // What is fetched twice arrives twice, but is wanted once.
            bytes_done: self.done.load(Ordering::Relaxed).min(total),
            bytes_total: total,
            bytes_moved: self.bytes_moved(),
            providers: self.providers.load(Ordering::Relaxed) as u64,
        });
    }

    /// So many more bytes of content are here.
    pub(crate) fn stored(&self, content: u64) {
        self.done.fetch_add(content, Ordering::Relaxed);
        self.report_if_due();
    }

    fn report_if_due(&self) {
        let now = self.began.elapsed().as_millis() as u64;
        let last = self.reported_ms.load(Ordering::Relaxed);
        let due = now >= last + REPORT_EVERY.as_millis() as u64;
        // Only one of the requests that find it due reports it.
        if due
            && self
                .reported_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.report();
        }
    }

    /// So many bytes that were asked for came from a peer and were verified.
    pub(crate) fn received(&self, peer: NodeId, bytes: u64) {
        if let Some((node, _)) = &self.node {
            node.meter.add(Count::ContentsReceived, bytes);
            if self.signing == Signing::Receipts {
                node.account.received(peer, bytes);
            }
        }
    }

    /// So many bytes came over the wire: content and proofs. Reported although they are not stored
    /// yet: on a slow line it takes long until there are enough of them to write.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.report_if_due();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // The fetch is over, however it ended.
        if let Some((node, _)) = &self.node {
            node.account.settle();
        }
    }
}
