//! Holds chunks back until the shaper lets them go.
//!
//! One task looks at the clock for everybody who waits, so that a thousand waiting streams cost one
//! timer. Where nothing limits a class nobody waits, and nothing is counted. While something of
//! [`Class::Low`] moves, the same task looks at the delays of the connections in use.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use catalog::permission::NodeId;
use catalog_mirror::share::Share;
use iroh::endpoint::{Connection, VarInt};
use iroh_blobs::util::SendStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shaping::policy::Background;
use crate::shaping::yielding::{STEP, Yielding};
use crate::shaping::{Ask, CHUNK_BYTES_MAX, Class, Limits, Rate, Shaper};

/// Small writes, such as hashes, are asked for together.
const SMALL_BYTES_MAX: u64 = 4 * 1024;

/// One direction of this node.
pub(crate) struct Pace {
    waiting: Mutex<Waiting>,
    asked: Notify,
    origin: Instant,
    links: Mutex<BTreeMap<u64, Link>>,
}

struct Waiting {
    shaper: Shaper,
    callers: BTreeMap<Ask, Caller>,
    background: Background,
    yielding: Yielding,
    /// Bytes of [`Class::Low`] that went since the last step of `yielding`.
    low: u64,
    /// When `yielding` decides again; `None` while nothing of [`Class::Low`] moves.
    step_at: Option<Duration>,
}

struct Caller {
    class: Class,
    bytes: u64,
    granted: oneshot::Sender<()>,
}

/// A connection in use: the delay on it, there and back, and how many use it.
struct Link {
    rtt: Box<dyn Fn() -> Option<Duration> + Send + Sync>,
    users: usize,
}

/// Somebody uses a connection until this is dropped.
pub(crate) struct InUse {
    pace: Arc<Pace>,
    id: u64,
}

impl Pace {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut shaper = Shaper::new(Duration::ZERO, limits);
        let yielding = Yielding::default();
        shaper.slow_low(Duration::ZERO, Rate::AtMost(yielding.rate()));
        Self {
            waiting: Mutex::new(Waiting {
                shaper,
                callers: BTreeMap::new(),
                background: Background::Off,
                yielding,
                low: 0,
                step_at: None,
            }),
            asked: Notify::new(),
            origin: Instant::now(),
            links: Mutex::default(),
        }
    }

    /// Counts the delays of a connection in, for as long as the answer lives.
    pub(crate) fn uses(self: &Arc<Self>, connection: &Connection) -> InUse {
        let id = connection.stable_id() as u64;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let weak = connection.weak_handle();
        let rtt = move || weak.upgrade()?.paths().iter().map(|path| path.rtt()).min();
        links.entry(id).or_insert(Link { rtt: Box::new(rtt), users: 0 }).users += 1;
        InUse { pace: self.clone(), id }
    }

    /// Sets other limits, for what waits already too.
    pub(crate) fn set(&self, limits: Limits) {
        let now = self.now();
        self.lock().shaper.set(now, limits);
        self.asked.notify_one();
    }

    /// Whether anything is held back, so that somebody may have to wait for somebody else.
    pub(crate) fn is_limited(&self) -> bool {
        self.lock().shaper.limits().are_set()
    }

    /// Says what peers have a right to, for what waits already too.
    pub(crate) fn rank(&self, shares: BTreeMap<NodeId, Share>) {
        self.lock().shaper.rank(shares);
    }

    /// Lets nothing go that is less urgent than `floor`, and lets nearly everything yield to the
    /// line's other traffic where `background` says so. Who waits already keeps its class.
    pub(crate) fn yield_to(&self, floor: Class, background: Background) {
        let mut waiting = self.lock();
        waiting.shaper.pause_below(floor);
        waiting.background = background;
        drop(waiting);
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
        let class = match waiting.background {
            Background::On if class != Class::Critical => Class::Low,
            _ => class,
        };
        if !waiting.shaper.may_hold(class) {
            return None;
        }
        let (caller, granted) = oneshot::channel();
        let ask = waiting.shaper.ask(peer, class, bytes);
        waiting.callers.insert(ask, Caller { class, bytes, granted: caller });
        if class == Class::Low && waiting.step_at.is_none() {
            waiting.step_at = Some(self.now() + STEP);
        }
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
        let is_due = self.lock().step_at.is_some_and(|at| at <= now);
        // The transport is not asked while everybody else waits for us.
        let delays = if is_due { self.delays() } else { Vec::new() };
        let mut waiting = self.lock();
        if is_due {
            waiting.step(now, &delays);
        }
        while let Some(ask) = waiting.shaper.next_grant(now) {
            if let Some(Caller { class, bytes, granted }) = waiting.callers.remove(&ask) {
                waiting.low += if class == Class::Low { bytes } else { 0 };
                granted.send(()).ok();
            }
        }
        let wakes = [waiting.shaper.wake_at(now), waiting.step_at];
        wakes.into_iter().flatten().min()
    }

    /// The delays of the connections in use.
    fn delays(&self) -> Vec<(u64, Duration)> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.iter().filter_map(|(id, link)| Some((*id, (link.rtt)()?))).collect()
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Decides how fast [`Class::Low`] goes until the next step, if it still moves.
    fn step(&mut self, now: Duration, delays: &[(u64, Duration)]) {
        delays.iter().for_each(|(link, rtt)| self.yielding.observe(now, *link, *rtt));
        let low = self.callers.values().filter(|caller| caller.class == Class::Low);
        let waiting: u64 = low.map(|caller| caller.bytes).sum();
        let used = std::mem::take(&mut self.low) + waiting;
        let rate = self.yielding.step(now, used);
        self.shaper.slow_low(now, Rate::AtMost(rate));
        self.step_at = (used > 0).then_some(now + STEP);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut links = self.pace.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get_mut(&self.id) {
            link.users -= 1;
            if link.users == 0 {
                links.remove(&self.id);
            }
        }
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
    async fn what_is_paused_waits_and_goes_on() {
        let (pace, _stop) = started(Limits::default());
        pace.yield_to(Class::High, Background::Off);
        let mut waits = tokio::spawn({
            let pace = pace.clone();
            async move { pace.pass(PEER, Class::Normal, 10 * CHUNK_BYTES_MAX).await }
        });
        assert!(tokio::time::timeout(Duration::from_secs(60), &mut waits).await.is_err());
        // What somebody waits for goes on all the while.
        pace.pass(PEER, Class::High, 10 * CHUNK_BYTES_MAX).await;
        pace.yield_to(Class::Low, Background::Off);
        waits.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_background_everything_begins_slowly_but_what_a_person_waits_for() {
        let (pace, _stop) = started(Limits::default());
        pace.yield_to(Class::Low, Background::On);
        let began = Instant::now();
        pace.pass(PEER, Class::Critical, 100 << 20).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let first = pace.pass(PEER, Class::Normal, 1 << 20);
        tokio::time::timeout(Duration::from_secs(10), first).await.unwrap();
        assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
        // Nobody reports a queue, so it becomes faster and faster.
        let more = pace.pass(PEER, Class::Normal, 100 << 20);
        tokio::time::timeout(Duration::from_secs(60), more).await.unwrap();
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
