//! Holds chunks back until the shaper lets them go.
//!
//! One task looks at the clock for everybody who waits, so that a thousand waiting streams cost one
//! timer. Without limits nobody waits, and nothing is counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use catalog::permission::NodeId;
use iroh::endpoint::VarInt;
use iroh_blobs::util::SendStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shaping::{Ask, CHUNK_BYTES_MAX, Class, Limits, Shaper};

/// Small writes, such as hashes, are asked for together.
const SMALL_BYTES_MAX: u64 = 4 * 1024;

/// One direction of this node.
pub(crate) struct Pace {
    waiting: Mutex<Waiting>,
    asked: Notify,
    origin: Instant,
}

struct Waiting {
    shaper: Shaper,
    callers: BTreeMap<Ask, oneshot::Sender<()>>,
}

impl Pace {
    pub(crate) fn new(limits: Limits) -> Self {
        let shaper = Shaper::new(Duration::ZERO, limits);
        Self {
            waiting: Mutex::new(Waiting { shaper, callers: BTreeMap::new() }),
            asked: Notify::new(),
            origin: Instant::now(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.lock().shaper.limits()
    }

    /// Sets other limits, for what waits already too.
    pub(crate) fn set(&self, limits: Limits) {
        let now = self.now();
        self.lock().shaper.set(now, limits);
        self.asked.notify_one();
    }

    /// Waits until `bytes` may go to a peer. Dropping the future takes the ask back.
    pub(crate) async fn pass(&self, peer: NodeId, class: Class, mut bytes: u64) {
        while bytes > 0 {
            let chunk = bytes.min(CHUNK_BYTES_MAX);
            bytes -= chunk;
            let Some((ask, granted)) = self.ask(peer, class, chunk) else { return };
            let _taken_back = TakenBack { pace: self, ask };
            self.asked.notify_one();
            // The sender is dropped only with the node.
            granted.await.ok();
        }
    }

    fn ask(&self, peer: NodeId, class: Class, bytes: u64) -> Option<(Ask, oneshot::Receiver<()>)> {
        let mut waiting = self.lock();
        if !waiting.shaper.limits().are_set() {
            return None;
        }
        let (caller, granted) = oneshot::channel();
        let ask = waiting.shaper.ask(peer, class, bytes);
        waiting.callers.insert(ask, caller);
        Some((ask, granted))
    }

    /// Lets go what may go, for as long as the node runs.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let wake = self.grant();
            let sleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(self.origin + at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.asked.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// Grants what may go now; says when to look again.
    fn grant(&self) -> Option<Duration> {
        let now = self.now();
        let mut waiting = self.lock();
        while let Some(ask) = waiting.shaper.next_grant(now) {
            if let Some(caller) = waiting.callers.remove(&ask) {
                caller.send(()).ok();
            }
        }
        waiting.shaper.wake_at(now)
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who may stop waiting.
struct TakenBack<'a> {
    pace: &'a Pace,
    ask: Ask,
}

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        let mut waiting = self.pace.lock();
        if waiting.callers.remove(&self.ask).is_some() {
            waiting.shaper.forget(self.ask);
        }
    }
}

/// A stream to a peer that keeps to the pace.
pub(crate) struct Paced<S> {
    pub stream: S,
    pub pace: Arc<Pace>,
    pub peer: NodeId,
    pub class: Class,
    /// Bytes that were sent and not yet asked for.
    pub small: u64,
}

impl<S: SendStream> Paced<S> {
    async fn pass(&mut self, bytes: usize) {
        self.small += bytes as u64;
        if self.small > SMALL_BYTES_MAX {
            let bytes = std::mem::take(&mut self.small);
            self.pace.pass(self.peer, self.class, bytes).await;
        }
    }
}

impl<S: SendStream> SendStream for Paced<S> {
    async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.pass(bytes.len()).await;
        self.stream.send_bytes(bytes).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pass(bytes.len()).await;
        self.stream.send(bytes).await
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.stream.sync().await
    }

    fn reset(&mut self, code: VarInt) -> io::Result<()> {
        self.stream.reset(code)
    }

    async fn stopped(&mut self) -> io::Result<Option<VarInt>> {
        self.stream.stopped().await
    }

    fn id(&self) -> u64 {
        self.stream.id()
    }
}

#[cfg(test)]
mod tests {
    use catalog::ByteSize;

    use super::*;
    use crate::shaping::Rate;

    fn slow(bytes: u64) -> Limits {
        let burst = ByteSize::bytes(CHUNK_BYTES_MAX);
        Limits { total: Rate::AtMost(ByteSize::bytes(bytes)), peer: Rate::Unlimited, burst }
    }

    fn started(limits: Limits) -> (Arc<Pace>, CancellationToken) {
        let (pace, stop) = (Arc::new(Pace::new(limits)), CancellationToken::new());
        tokio::spawn(pace.clone().run(stop.clone()));
        (pace, stop)
    }

    const PEER: NodeId = NodeId::from_bytes([1; 32]);

    #[tokio::test(start_paused = true)]
    async fn bytes_go_at_the_rate_that_is_set() {
        let (pace, _stop) = started(slow(CHUNK_BYTES_MAX));
        let began = Instant::now();
        pace.pass(PEER, Class::Normal, 11 * CHUNK_BYTES_MAX).await;
        let took = began.elapsed().as_millis();
        assert!((10_000..10_100).contains(&took), "{took} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_lifted_lets_go_what_waits() {
        let (pace, _stop) = started(slow(1));
        pace.pass(PEER, Class::Normal, CHUNK_BYTES_MAX).await;
        let mut waits = tokio::spawn({
            let pace = pace.clone();
            async move { pace.pass(PEER, Class::Normal, 100 * CHUNK_BYTES_MAX).await }
        });
        assert!(tokio::time::timeout(Duration::from_secs(60), &mut waits).await.is_err());
        pace.set(Limits::default());
        waits.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_does_not_stand_in_the_way() {
        let (pace, _stop) = started(slow(CHUNK_BYTES_MAX));
        pace.pass(PEER, Class::Normal, CHUNK_BYTES_MAX).await;
        let patience = Duration::from_millis(10);
        let given_up = pace.pass(PEER, Class::Critical, CHUNK_BYTES_MAX);
        assert!(tokio::time::timeout(patience, given_up).await.is_err());
        let began = Instant::now();
        pace.pass(PEER, Class::Normal, CHUNK_BYTES_MAX).await;
        assert!(began.elapsed() <= Duration::from_secs(1));
        assert!(pace.lock().callers.is_empty());
    }
}
