//! Keeps account of what peers were given and of what they gave: `catalog/receipt/1`.
//!
//! Contents are counted as they go out, and once they are verified where they come in: contents
//! alone, not the proofs and sizes that travel with them. Whoever receives signs for it, every 4 MiB
//! or 2 seconds and at the end; whoever sends keeps that, shows it to others, and waits when a
//! client that signs has stopped signing.
//!
//! Receipts have a protocol of their own and are no part of `catalog/session/1`: they belong to two
//! nodes and not to one transfer of theirs, outlive it, and a node that knows sessions and no
//! receipts would take their frames for a breach.
//!
//! Guarantees: one number is never signed for two amounts, also over a crash; nothing that a client
//! signs counts unless it was sent that; who does not sign is served, as a stranger is.
//! Not here: what receipts are worth (`catalog_mirror`), and who goes first
//! ([`shaping`](crate::shaping)).

pub(crate) mod books;
mod charged;
pub(crate) mod file;
mod give;
mod shown;
mod take;
mod weigh;
pub(crate) mod wire;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use catalog::permission::NodeId;
use catalog::signature::SecretKey;
use catalog::{ByteSize, Timestamp};
use catalog_mirror::audit::Outcome;
use catalog_mirror::share::Network;
use iroh::TransportAddr;
use iroh::endpoint::Connection;
use tokio::sync::Notify;
use tracing::warn;

use crate::blocking::blocking;
use crate::endpoint::remote;
use crate::meter::{Count, Meter};
use crate::node::{Inner, now};
use books::Books;
use file::End;
use shown::Heard;

pub(crate) use charged::Charged;
pub(crate) use take::serve;

/// The name under which a connection speaks this protocol; its number is the layout of frames.
pub(crate) const ALPN: &[u8] = b"catalog/receipt/1";

/// What changed is written down after so long.
const WRITE_AFTER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// A node that ends waits so long for its last receipts to be taken.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The accounts of a node.
pub(crate) struct Account {
    us: NodeId,
    key: SecretKey,
    path: PathBuf,
    books: Mutex<Books>,
    /// Whether the file says that accounts are open. Who writes holds it.
    is_open: tokio::sync::Mutex<bool>,
    /// Whether anything was sent.
    has_sent: AtomicBool,
    meter: Arc<Meter>,
    began: Instant,
    /// There is something to sign for.
    due: Notify,
    /// A client signed, or is gone.
    taken: Notify,
    /// A server answered, or cannot.
    settled: Notify,
    /// There is something to keep.
    changed: Notify,
    heard: Heard,
}

impl Account {
    /// The accounts that are kept in a file.
    pub(crate) fn at(path: PathBuf, us: NodeId, key: &[u8; 32], meter: Arc<Meter>) -> Self {
        let books = Books::new(file::read(&path, us, seconds()));
        Self {
            us,
            key: SecretKey::from_bytes(key),
            path,
            books: Mutex::new(books),
            is_open: tokio::sync::Mutex::new(false),
            has_sent: AtomicBool::new(false),
            meter,
            began: Instant::now(),
            due: Notify::new(),
            taken: Notify::new(),
            settled: Notify::new(),
            changed: Notify::new(),
            heard: Heard::default(),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// So many bytes of contents went to a peer.
    pub(crate) fn sent(&self, peer: NodeId, bytes: u64) {
        self.meter.add(Count::ContentsSent, bytes);
        self.books().sent(self.now(), peer, ByteSize::bytes(bytes));
        // What is on its way is written down at the end; before, that there is something.
        if !self.has_sent.swap(true, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }

    /// So many bytes that were asked for came from a peer and were verified.
    pub(crate) fn received(&self, peer: NodeId, bytes: u64) {
        if self.books().verified(self.now(), peer, ByteSize::bytes(bytes)) {
            self.due.notify_one();
        }
    }

    /// Notes what came of an audit.
    pub(crate) fn audited(&self, node: NodeId, outcome: Outcome, now: Timestamp) {
        self.books().audited(node, outcome, now);
        self.changed.notify_one();
    }

    /// A transfer is over: what came is signed for now.
    pub(crate) fn settle(&self) {
        self.books().settle();
        self.due.notify_one();
    }

    /// Contents are about to go over a connection: from where the peer comes is noted.
    pub(crate) fn serves(&self, connection: &Connection) {
        let addr = connection.paths().iter().find_map(|path| match path.remote_addr() {
            TransportAddr::Ip(addr) => Some(addr.ip()),
            _ => None,
        });
        let network = addr.map_or(Network::UNKNOWN, Network::of);
        self.books().comes_from(self.now(), remote(connection), network);
    }

    /// Waits until a peer is to be sent more. Who signs for nothing is not waited for.
    pub(crate) async fn turn(&self, peer: NodeId) {
        loop {
            let taken = self.taken.notified();
            let now = self.now();
            let Some(until) = self.books().waits_until(now, &peer) else { return };
            tokio::time::timeout(until.saturating_sub(now), taken).await.ok();
        }
    }

    /// Does what is to be done at its time, until the node ends.
    pub(crate) async fn run(node: Arc<Inner>) {
        tokio::join!(give::run(&node), Self::keep(&node), weigh::run(&node));
    }

    /// Writes down what changed, not too often.
    async fn keep(node: &Arc<Inner>) {
        let account = &node.account;
        loop {
            tokio::select! {
                () = node.stop.cancelled() => return,
                () = account.changed.notified() => {}
            }
            account.open().await;
            tokio::select! {
                () = node.stop.cancelled() => return,
                () = tokio::time::sleep(WRITE_AFTER) => {}
            }
            let _is_open = account.is_open.lock().await;
            account.write(End::Sudden).await;
        }
    }

    /// Writes down that accounts are open, if that was not done yet.
    async fn open(&self) {
        let mut is_open = self.is_open.lock().await;
        if !std::mem::replace(&mut *is_open, true) {
            self.books().is_changed = true;
            self.write(End::Sudden).await;
        }
    }

    /// Waits for the last receipts to be taken. The node must still be reachable.
    pub(crate) async fn finish(&self) {
        self.settle();
        let settled = async {
            loop {
                let news = self.settled.notified();
                if self.books().is_settled(self.now()) {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(SETTLE_TIMEOUT, settled).await.ok();
    }

    /// Writes down that accounts are closed. Nothing is signed or sent any more.
    pub(crate) async fn close(&self) {
        let is_open = self.is_open.lock().await;
        if *is_open {
            self.books().is_changed = true;
            self.write(End::Orderly).await;
        }
    }

    /// Writes down what changed. Whoever calls holds `is_open`.
    async fn write(&self, end: End) {
        let bytes = {
            let mut books = self.books();
            if !std::mem::replace(&mut books.is_changed, false) {
                return;
            }
            books.kept(end).encode()
        };
        let path = self.path.clone();
        if let Err(error) = blocking(move || file::write(&path, &bytes)).await {
            // The next change tries again; what was signed is also with those it was signed for.
            warn!("the accounts in {} cannot be kept: {error}", self.path.display());
        }
    }

    fn seconds(&self) -> u32 {
        seconds()
    }
}

/// Seconds since 1970: no counting of a node has the number of another one.
fn seconds() -> u32 {
    u32::try_from(now().as_millis() / 1000).unwrap_or(u32::MAX)
}
