//! A network of sources in one plain loop: bandwidth, delay, and every way to fail.
//!
//! Time goes in steps of 5 ms. The requests of a source share its speed evenly; bytes count when a
//! group of 16 KiB is complete, because nothing less can be verified.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::health::Health;
use super::super::{
    After, Duty, End, Event, Mark, Order, RequestId, SourceId, Standing, TICK, Transfer,
    UNIT_BYTES, UnitId,
};
use crate::predict::EVERY;
use crate::predict::outlook::{Outlook, Report, Sight};

const STEP: Duration = Duration::from_millis(5);
const GROUP: u64 = 16 << 10;
/// What is gathered before it is written.
const BLOCK: u64 = 64 << 10;
/// A dial that nobody answers.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Somebody who watches notices when nothing comes for longer.
pub(super) const STALL: Duration = Duration::from_millis(200);
/// The load of a source that has enough to spare.
const LOAD: f64 = 0.4;
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
    /// It is offered more and more, until after so long it can serve next to nothing.
    Overloads { from: Duration, over: Duration },
    /// It says that it will leave, and does so when nobody needs it, or after so long.
    Drains { at: Duration, within: Duration },
}

/// A source of the simulation.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub rate: f64,
    pub rtt: Duration,
    pub manner: Manner,
    /// In which round it is called.
    pub tier: u8,
}

impl Peer {
    pub(super) fn new(megabytes_per_second: f64, rtt_ms: u64, manner: Manner) -> Self {
        let (rate, rtt) = (megabytes_per_second * 1e6, Duration::from_millis(rtt_ms));
        Self { rate, rtt, manner, tier: 0 }
    }

    fn is_alive(&self, now: Duration) -> bool {
        match self.manner {
            Manner::Killed { at, back } => now < at || back.is_some_and(|back| now >= back),
            Manner::Drains { at, within } => now < at + within,
            _ => true,
        }
    }

    /// Bytes in a second that it sends now.
    pub(super) fn speed(&self, now: Duration) -> f64 {
        match self.manner {
            Manner::BlackHole => 0.0,
            Manner::Killed { .. } | Manner::Drains { .. } if !self.is_alive(now) => 0.0,
            Manner::Drip { rate } => rate.min(self.rate),
            Manner::Skewed { factor } => self.rate * factor,
            Manner::Throttled { at, rate } if now >= at => rate,
            Manner::Overloads { from, over } if now >= from + over => self.rate / 40.0,
            _ => self.rate,
        }
    }

    /// What it says that it is offered, of what it can serve.
    fn load(&self, now: Duration) -> f64 {
        let Manner::Overloads { from, over } = self.manner else { return LOAD };
        let grown = now.saturating_sub(from).as_secs_f64() / over.as_secs_f64();
        LOAD + (1.2 - LOAD) * grown.min(1.5)
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
    outlook: Outlook,
    /// Whether it said that it will leave.
    has_told: bool,
}

/// What became of a simulated transfer.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub is_finished: bool,
    pub took: Duration,
    /// The longest time, after the first byte, in which nothing came.
    pub gap: Duration,
    /// When nothing came for more than [`STALL`], and for how long.
    pub stalls: Vec<(Duration, Duration)>,
    /// Verified bytes that came, and those that were wanted.
    pub came: u64,
    pub wanted: u64,
    /// Bytes that were wrong and noticed.
    pub lies: u64,
    /// When a forecast first took something from the share of each source.
    pub alarms: Vec<Option<Duration>>,
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
    run_as(peers, head, body, seed, Foresight::Off)
}

/// Whether sources are forecast from what they report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foresight {
    On,
    Off,
}

/// The same with or without forecasts.
pub(super) fn run_as(
    peers: &[Peer],
    head: u64,
    body: &[u64],
    seed: u64,
    foresight: Foresight,
) -> Outcome {
    let mut world = World {
        transfer: Transfer::new(vec![Health::default(); peers.len()], Duration::ZERO, seed),
        peers: peers.to_vec(),
        links: peers.iter().map(|_| Link::default()).collect(),
        sizes: Vec::new(),
        kept: Vec::new(),
        now: Duration::ZERO,
        last: None,
        gap: Duration::ZERO,
        stalls: Vec::new(),
        came: 0,
        lies: 0,
        alarms: vec![None; peers.len()],
        foresight,
    };
    let duty = |peer: &Peer| Duty { tier: peer.tier, share: 1.0 };
    world.transfer.call(peers.iter().map(duty), 1);
    let mut is_finished = true;
    for units in [&[head][..], body] {
        is_finished = is_finished && world.bring(units);
    }
    let wanted = world.sizes.iter().sum();
    Outcome {
        is_finished,
        took: world.now,
        gap: world.gap,
        stalls: world.stalls,
        came: world.came,
        wanted,
        lies: world.lies,
        alarms: world.alarms,
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
    stalls: Vec<(Duration, Duration)>,
    came: u64,
    lies: u64,
    alarms: Vec<Option<Duration>>,
    foresight: Foresight,
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
            self.say_goodbye(at);
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
            if self.foresight == Foresight::On
                && self.now.as_millis().is_multiple_of(EVERY.as_millis())
            {
                self.foresee();
            }
            self.transfer.tick(self.now);
            self.obey();
        }
    }

    fn foresee(&mut self) {
        for at in 0..self.peers.len() {
            let (peer, link) = (&self.peers[at], &mut self.links[at]);
            if !link.is_open {
                continue;
            }
            let report = Some(Report { load: Some(peer.load(self.now)), memory: None });
            let sight = Sight { rtt: Some(peer.rtt), packets: None, report };
            let trust = link.outlook.look(self.now, Duration::ZERO, &sight).share;
            if trust < 1.0 {
                self.alarms[at].get_or_insert(self.now);
            }
            self.tell(Event::Foreseen { source: SourceId(at), trust });
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

    fn say_goodbye(&mut self, at: usize) {
        let Peer { rtt, manner: Manner::Drains { at: since, within }, .. } = self.peers[at] else {
            return;
        };
        let link = &mut self.links[at];
        if self.now >= since + rtt / 2 && !std::mem::replace(&mut link.has_told, true) {
            let (source, until, after) = (SourceId(at), since + within, After::Gone);
            self.tell(Event::Leaving { source, until, after });
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
                self.stalls.extend((now - last > STALL).then_some((last, now - last)));
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
                Order::Release(SourceId(at)) => {
                    let peer = &mut self.peers[at];
                    peer.manner = Manner::Killed { at: self.now + peer.rtt / 2, back: None };
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
