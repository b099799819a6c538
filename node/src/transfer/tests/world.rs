//! A network of sources in one plain loop: bandwidth, delay, and every way to fail.
//!
//! Time goes in steps of 5 ms. The requests of a source share its speed evenly; bytes count when a
//! group of 16 KiB is complete, because nothing less can be verified.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::health::Health;
use super::super::{
    End, Event, Mark, Order, RequestId, SourceId, Standing, TICK, Transfer, UNIT_BYTES, UnitId,
};

const STEP: Duration = Duration::from_millis(5);
const GROUP: u64 = 16 << 10;
/// What is gathered before it is written.
const BLOCK: u64 = 64 << 10;
/// A dial that nobody answers.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// No scenario lasts longer.
const END: Duration = Duration::from_secs(600);

/// How a source behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Manner {
    /// It delivers what it is asked for.
    Good,
    /// It falls silent, without a word, and may come back.
    Killed { at: Duration, back: Option<Duration> },
    /// It accepts connections and requests, and never answers.
    BlackHole,
    /// After so many bytes it sends wrong ones.
    Poison { after: u64 },
    /// It sends so little that it is never quite silent.
    Drip { rate: f64 },
    /// Its clock runs so many times as fast: it sends, and does all else, in its own time.
    Skewed { factor: f64 },
    /// It has nothing of what is wanted.
    Empty,
    /// From then on it delivers with this speed.
    Throttled { at: Duration, rate: f64 },
}

/// A source of the simulation.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub rate: f64,
    pub rtt: Duration,
    pub manner: Manner,
}

impl Peer {
    pub(super) fn new(megabytes_per_second: f64, rtt_ms: u64, manner: Manner) -> Self {
        Self { rate: megabytes_per_second * 1e6, rtt: Duration::from_millis(rtt_ms), manner }
    }

    fn is_alive(&self, now: Duration) -> bool {
        match self.manner {
            Manner::Killed { at, back } => now < at || back.is_some_and(|back| now >= back),
            _ => true,
        }
    }

    /// Bytes in a second that it sends now.
    pub(super) fn speed(&self, now: Duration) -> f64 {
        match self.manner {
            Manner::BlackHole => 0.0,
            Manner::Killed { .. } if !self.is_alive(now) => 0.0,
            Manner::Drip { rate } => rate.min(self.rate),
            Manner::Skewed { factor } => self.rate * factor,
            Manner::Throttled { at, rate } if now >= at => rate,
            _ => self.rate,
        }
    }
}

struct Answering {
    unit: UnitId,
    /// The bytes asked for.
    bytes: u64,
    from: u64,
    came: f64,
    begins: Duration,
}

impl Answering {
    fn received(&self) -> u64 {
        let came = self.came as u64;
        if came >= self.bytes { self.bytes } else { came / GROUP * GROUP }
    }

    fn mark(&self, is_over: bool) -> Mark {
        let received = self.received();
        let whole = is_over || received == self.bytes;
        let stored = if whole { received } else { received / BLOCK * BLOCK };
        Mark { received, stored, is_writing: false }
    }
}

#[derive(Default)]
struct Link {
    dialled: Option<Duration>,
    is_open: bool,
    answering: BTreeMap<RequestId, Answering>,
    delivered: f64,
}

/// What became of a simulated transfer.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub is_finished: bool,
    pub took: Duration,
    /// The longest time, after the first byte, in which nothing came.
    pub gap: Duration,
    /// Verified bytes that came, and those that were wanted.
    pub came: u64,
    pub wanted: u64,
    /// Bytes that were wrong and noticed.
    pub lies: u64,
    /// Of the verified bytes of each unit, whether every one is there exactly once.
    pub is_whole: bool,
}

impl Outcome {
    /// The share of the wanted bytes that came twice.
    pub(super) fn duplicates(&self) -> f64 {
        (self.came - self.wanted) as f64 / self.wanted as f64
    }
}

/// Cuts so many bytes into units.
pub(super) fn units(bytes: u64) -> Vec<u64> {
    let mut units = vec![UNIT_BYTES; (bytes / UNIT_BYTES) as usize];
    units.extend(Some(bytes % UNIT_BYTES).filter(|rest| *rest > 0));
    units
}

/// Runs a transfer: first its head, then its body, as an install does.
pub(super) fn run(peers: &[Peer], head: u64, body: &[u64], seed: u64) -> Outcome {
    let mut world = World {
        transfer: Transfer::new(vec![Health::default(); peers.len()], Duration::ZERO, seed),
        peers: peers.to_vec(),
        links: peers.iter().map(|_| Link::default()).collect(),
        sizes: Vec::new(),
        kept: Vec::new(),
        now: Duration::ZERO,
        last: None,
        gap: Duration::ZERO,
        came: 0,
        lies: 0,
    };
    let mut is_finished = true;
    for units in [&[head][..], body] {
        is_finished = is_finished && world.bring(units);
    }
    let wanted = world.sizes.iter().sum();
    Outcome {
        is_finished,
        took: world.now,
        gap: world.gap,
        came: world.came,
        wanted,
        lies: world.lies,
        is_whole: world.kept == world.sizes,
    }
}

struct World {
    transfer: Transfer,
    peers: Vec<Peer>,
    links: Vec<Link>,
    sizes: Vec<u64>,
    /// How much of the front of each unit is kept.
    kept: Vec<u64>,
    now: Duration,
    last: Option<Duration>,
    gap: Duration,
    came: u64,
    lies: u64,
}

impl World {
    fn bring(&mut self, units: &[u64]) -> bool {
        self.sizes.extend(units);
        self.kept.resize(self.sizes.len(), 0);
        self.transfer.want(units, self.now);
        self.obey();
        loop {
            match self.transfer.standing(self.now) {
                Standing::Finished => return true,
                Standing::Stuck => return false,
                Standing::Going if self.now > END => return false,
                Standing::Going => self.step(),
            }
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for at in 0..self.peers.len() {
            self.answer_dial(at);
            self.deliver(at);
        }
        if self.now.as_millis().is_multiple_of(TICK.as_millis()) {
            let mut marks = Vec::new();
            for link in &self.links {
                marks.extend(link.answering.iter().map(|(id, one)| (*id, one.mark(false))));
            }
            for (request, at) in marks {
                self.keep(request, at.stored);
                self.tell(Event::Moved { request, at });
            }
            self.transfer.tick(self.now);
            self.obey();
        }
    }

    fn tell(&mut self, event: Event) {
        self.transfer.handle(self.now, event);
        self.obey();
    }

    fn answer_dial(&mut self, at: usize) {
        let (peer, link) = (&self.peers[at], &mut self.links[at]);
        let Some(dialled) = link.dialled else { return };
        let source = SourceId(at);
        if peer.is_alive(self.now) && self.now >= dialled + peer.rtt * 3 / 2 {
            link.dialled = None;
            link.is_open = true;
            let rtt = peer.rtt;
            self.tell(Event::Connected { source, rtt });
        } else if self.now >= dialled + DIAL_TIMEOUT {
            link.dialled = None;
            self.tell(Event::Unreachable { source });
        }
    }

    fn deliver(&mut self, at: usize) {
        let (peer, link, now) = (&self.peers[at], &mut self.links[at], self.now);
        let speed = peer.speed(now);
        let begun = link.answering.values().filter(|one| one.begins <= now).count();
        let mut ended = Vec::new();
        for (id, one) in &mut link.answering {
            if one.begins > now {
                continue;
            }
            if peer.manner == Manner::Empty {
                ended.push((*id, End::Refused));
                continue;
            }
            let before = one.received();
            let share = speed * STEP.as_secs_f64() / begun as f64;
            one.came = (one.came + share).min(one.bytes as f64);
            link.delivered += share;
            let fresh = one.received() - before;
            if let Manner::Poison { after } = peer.manner
                && fresh > 0
                && link.delivered > after as f64
            {
                // The group that was to be complete does not match its hash.
                one.came = before as f64;
                self.lies += fresh;
                ended.push((*id, End::Wrong));
                continue;
            }
            self.came += fresh;
            if fresh > 0 {
                let last = self.last.replace(now).unwrap_or(now);
                self.gap = self.gap.max(now - last);
            }
            if one.received() == one.bytes {
                ended.push((*id, End::Done));
            }
        }
        for (request, end) in ended {
            self.end(at, request, end);
        }
    }

    fn end(&mut self, at: usize, request: RequestId, end: End) {
        let Some(one) = self.links[at].answering.get(&request) else { return };
        let mark = one.mark(true);
        self.keep(request, mark.stored);
        self.links[at].answering.remove(&request);
        self.tell(Event::Ended { request, at: mark, end });
    }

    fn keep(&mut self, request: RequestId, stored: u64) {
        let found = self.links.iter().find_map(|link| link.answering.get(&request));
        let Some(one) = found else { return };
        let kept = &mut self.kept[one.unit.0];
        assert!(one.from <= *kept, "a hole would be left in {:?}", one.unit);
        *kept = (*kept).max(one.from + stored);
    }

    fn obey(&mut self) {
        while let Some(order) = self.transfer.next_order() {
            match order {
                Order::Dial(SourceId(at)) => self.links[at].dialled = Some(self.now),
                Order::Ask { request, source: SourceId(at), unit, from } => {
                    let peer = &self.peers[at];
                    let factor = match peer.manner {
                        Manner::Skewed { factor } => factor,
                        _ => 1.0,
                    };
                    let answering = Answering {
                        unit,
                        bytes: self.sizes[unit.0] - from,
                        from,
                        came: 0.0,
                        begins: self.now + peer.rtt.div_f64(factor),
                    };
                    assert!(self.links[at].is_open, "{:?} is asked, not dialled", peer.manner);
                    self.links[at].answering.insert(request, answering);
                }
                Order::Cancel(request) => {
                    let holder = self.links.iter();
                    let mut holder = holder.map(|link| link.answering.contains_key(&request));
                    if let Some(at) = holder.position(|holds| holds) {
                        self.end(at, request, End::Cancelled);
                    }
                }
                Order::HangUp { source: SourceId(at), .. } => {
                    self.links[at].is_open = false;
                    let open: Vec<_> = self.links[at].answering.keys().copied().collect();
                    open.into_iter().for_each(|request| self.end(at, request, End::Lost));
                }
            }
        }
    }
}
