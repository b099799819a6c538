//! Decides when which peer may be sent how much.
//!
//! In: asks for chunks of at most [`CHUNK_BYTES_MAX`], each for a peer and of a [`Class`], and the
//! [`Limits`] of one direction. Out: the asks that may go ahead, in order, and when to look again.
//!
//! Guarantees: no peer, and not all of them together, gets more than a burst and the rate that is
//! set; a higher class is served first, by weight, so that no class starves; inside a class the
//! peers with a weight of their own share by it, and all others a fixed part that is theirs as a
//! whole: who comes with a thousand keys gets no more of it. Nothing waits while there is anything
//! that may go, whosever it is, but for classes that are paused and for [`Class::Low`], which gives
//! way to the line's other traffic (`yielding`).
//! Not here: the clock, and sending; which limits hold at which moment ([`policy`]). `now` is
//! monotonic, counted from whenever the caller likes.

mod bucket;
pub mod policy;
mod rate;
mod schedule;
pub(crate) mod yielding;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use catalog::ByteSize;
use catalog::permission::NodeId;
use catalog_mirror::share::{Fair, Network, Share, Waiting};

pub(crate) use bucket::Bucket;
pub use rate::{Rate, RateError};

/// The most that one ask may be for: a chunk group of BLAKE3, so that what waits behind it does
/// not wait for long.
pub const CHUNK_BYTES_MAX: u64 = 16 * 1024;
/// Timers of the system count milliseconds.
const TIMER_SLACK: Duration = Duration::from_millis(2);
/// Peers that are not asking are remembered as long as they owe anything, and so many at most.
const PEERS_MAX: usize = 4096;

/// How urgent an ask is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person waits for it.
    Critical,
    /// A program waits for it.
    High,
    /// What is served to others.
    Normal,
    /// What could as well be done at night. It yields to everything else on the line.
    Low,
}

impl Class {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// Its share where all classes have more to send than fits.
    const fn weight(self) -> u64 {
        match self {
            Self::Critical => 64,
            Self::High => 16,
            Self::Normal => 4,
            Self::Low => 1,
        }
    }
}

/// What may go at once after a silence unless something else is asked for.
pub const BURST: ByteSize = ByteSize::bytes(5_000_000);

/// What one direction may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// All peers together.
    pub total: Rate,
    /// Each peer.
    pub peer: Rate,
    /// What may go at once after a silence, of all and of each; at least a chunk.
    pub burst: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: Rate::Unlimited, peer: Rate::Unlimited, burst: BURST }
    }
}

impl Limits {
    /// Whether anything is held back.
    pub fn are_set(&self) -> bool {
        self.total != Rate::Unlimited || self.peer != Rate::Unlimited
    }
}

/// Somebody who waits; each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(u64);

/// One direction: up, or down.
#[derive(Debug)]
pub struct Shaper {
    limits: Limits,
    total: Option<Bucket>,
    peers: BTreeMap<NodeId, Bucket>,
    classes: [Queue; 4],
    /// What peers have a right to; who is not in it is a stranger of an unknown network.
    shares: BTreeMap<NodeId, Share>,
    /// The least urgent class that may go.
    floor: Class,
    /// What [`Class::Low`] may have.
    low: Option<Bucket>,
    /// Where the class that was served last stood.
    passed: u64,
    asks: u64,
}

/// Those of one class that wait.
#[derive(Debug, Default)]
struct Queue {
    /// Bytes that it was given, by its weight: the class with the fewest is next.
    pass: u64,
    /// Peers in the order of their turns, each with what it asked for, oldest first.
    turns: VecDeque<(NodeId, VecDeque<(Ask, u64)>)>,
    /// Whose turn it is among those that may go.
    fair: Fair,
}

impl Shaper {
    /// A direction with these limits, of which nothing was used.
    pub fn new(now: Duration, limits: Limits) -> Self {
        let mut shaper = Self {
            limits,
            total: None,
            peers: BTreeMap::new(),
            classes: Default::default(),
            shares: BTreeMap::new(),
            floor: Class::Low,
            low: None,
            passed: 0,
            asks: 0,
        };
        shaper.set(now, limits);
        shaper
    }

    /// Sets other limits from now on. What was used under the old ones stays used.
    pub fn set(&mut self, now: Duration, limits: Limits) {
        self.limits = limits;
        self.total = limits.total.limit().map(|rate| self.changed(now, self.total, rate));
        match limits.peer.limit() {
            None => self.peers.clear(),
            Some(rate) => {
                for (peer, bucket) in std::mem::take(&mut self.peers) {
                    self.peers.insert(peer, self.changed(now, Some(bucket), rate));
                }
            }
        }
    }

    fn changed(&self, now: Duration, old: Option<Bucket>, rate: ByteSize) -> Bucket {
        let burst = self.limits.burst.as_u64().max(CHUNK_BYTES_MAX);
        let mut bucket = old.unwrap_or_else(|| Bucket::new(rate.as_u64(), burst));
        bucket.set(now, rate.as_u64(), burst);
        bucket
    }

    /// Says what peers have a right to from now on, for what waits already too. Who is not named is a
    /// stranger of an unknown network.
    pub fn rank(&mut self, shares: BTreeMap<NodeId, Share>) {
        self.shares = shares;
    }

    fn share(&self, peer: &NodeId) -> Share {
        self.shares.get(peer).copied().unwrap_or(Share::Pooled(Network::UNKNOWN))
    }

    /// Lets nothing go that is less urgent than `class`, until it is called again.
    pub fn pause_below(&mut self, class: Class) {
        self.floor = class;
    }

    /// Lets [`Class::Low`] have no more than this from now on, and a chunk at once. Timers that are
    /// a little late cost it nothing.
    pub fn slow_low(&mut self, now: Duration, rate: Rate) {
        let changed = |rate: ByteSize| {
            let rate = rate.as_u64();
            let slack = (u128::from(rate) * TIMER_SLACK.as_nanos() / 1_000_000_000) as u64;
            let mut bucket = self.low.unwrap_or_else(|| Bucket::new(rate, CHUNK_BYTES_MAX));
            bucket.set(now, rate, CHUNK_BYTES_MAX + slack);
            bucket
        };
        self.low = rate.limit().map(changed);
    }

    /// Whether an ask of this class may have to wait.
    pub fn may_hold(&self, class: Class) -> bool {
        let is_slow = class == Class::Low && self.low.is_some();
        self.limits.are_set() || class > self.floor || is_slow
    }

    /// The limits as they are set.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Asks to send up to [`CHUNK_BYTES_MAX`] to a peer; more counts as that.
    pub fn ask(&mut self, peer: NodeId, class: Class, bytes: u64) -> Ask {
        let ask = Ask(self.asks);
        self.asks += 1;
        let queue = &mut self.classes[class as usize];
        if queue.turns.is_empty() {
            // What it did not use while it was silent is gone.
            queue.pass = queue.pass.max(self.passed);
        }
        let chunk = (ask, bytes.min(CHUNK_BYTES_MAX));
        match queue.turns.iter_mut().find(|turn| turn.0 == peer) {
            Some((_, chunks)) => chunks.push_back(chunk),
            None => queue.turns.push_back((peer, VecDeque::from([chunk]))),
        }
        ask
    }

    /// Takes an ask back that was not granted yet.
    pub fn forget(&mut self, ask: Ask) {
        for queue in &mut self.classes {
            queue.turns.iter_mut().for_each(|(_, chunks)| chunks.retain(|chunk| chunk.0 != ask));
            queue.turns.retain(|(_, chunks)| !chunks.is_empty());
        }
    }

    /// The next ask that may go ahead now, if any.
    pub fn next_grant(&mut self, now: Duration) -> Option<Ask> {
        let (class, turn) = self.next_turn(now)?;
        let share = self.share(&self.classes[class as usize].turns.get(turn)?.0);
        let queue = &mut self.classes[class as usize];
        let (peer, mut chunks) = queue.turns.remove(turn)?;
        let (ask, bytes) = chunks.pop_front()?;
        queue.fair.sent(&Waiting { peer, share, bytes });
        if !chunks.is_empty() {
            queue.turns.push_back((peer, chunks));
        }
        self.passed = queue.pass;
        queue.pass += bytes * Class::Critical.weight() / class.weight();
        if let Some(total) = &mut self.total {
            total.take(now, bytes);
        }
        if let Some(low) = self.low.as_mut().filter(|_| class == Class::Low) {
            low.take(now, bytes);
        }
        if let Some(rate) = self.limits.peer.limit() {
            let fresh = self.changed(now, None, rate);
            self.sweep(now);
            self.peers.entry(peer).or_insert(fresh).take(now, bytes);
        }
        Some(ask)
    }

    /// The class whose turn it is, of those with a peer that may go, and that peer's place.
    fn next_turn(&self, now: Duration) -> Option<(Class, usize)> {
        let may = |(_, ready): &(usize, Duration)| *ready <= now;
        let open = Class::ALL.into_iter().filter_map(|class| {
            let queue = &self.classes[class as usize];
            let ready: Vec<usize> =
                self.turns(class, now).filter(may).map(|(turn, _)| turn).collect();
            let waiting = ready.iter().map(|turn| {
                let (peer, chunks) = &queue.turns[*turn];
                let bytes = chunks.front().map_or(0, |(_, bytes)| *bytes);
                Waiting { peer: *peer, share: self.share(peer), bytes }
            });
            let turn = ready[queue.fair.next(waiting)?];
            Some((class, turn))
        });
        open.min_by_key(|(class, _)| self.classes[*class as usize].pass)
    }

    /// When there will be something to grant, if nothing else is asked for; `None` where nothing waits
    /// that may go at all.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let ready = Class::ALL.into_iter().flat_map(|class| self.turns(class, now));
        ready.map(|(_, ready)| ready).min()
    }

    /// The peers of a class by their turns, and when the first chunk of each may go.
    fn turns(&self, class: Class, now: Duration) -> impl Iterator<Item = (usize, Duration)> {
        let low = self.low.as_ref().filter(|_| class == Class::Low);
        let turns = self.classes[class as usize].turns.iter().enumerate();
        turns.filter(move |_| class <= self.floor).filter_map(move |(turn, (peer, chunks))| {
            let (_, bytes) = chunks.front()?;
            let buckets = [self.peers.get(peer), self.total.as_ref(), low];
            let ready = buckets.into_iter().flatten().map(|bucket| bucket.ready_at(now, *bytes));
            Some((turn, ready.max().unwrap_or(now)))
        })
    }

    /// Forgets peers whose buckets are full again, where there are many.
    fn sweep(&mut self, now: Duration) {
        if self.peers.len() >= PEERS_MAX {
            self.peers.retain(|_, bucket| !bucket.is_full(now));
        }
    }
}

#[cfg(test)]
mod tests;
