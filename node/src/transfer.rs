//! Decides who delivers which part of what is wanted: a plain machine, no I/O and no clock.
//!
//! In: the sources that may have it, the sizes of its units, and what becomes of dials and
//! requests, with the time. Out: orders to dial, to ask a source for the rest of a unit, to cancel
//! and to hang up. Whoever is free takes the next unit, so that each source carries as much as it
//! can; a source is asked for as much ahead as its bandwidth and delay need. One that falls silent
//! loses its units after a second, one that lies is banned. At the end, who is idle takes over, or
//! within a budget duplicates, what another would take longer for.
//!
//! Guarantees: equal inputs give equal orders; a source that failed costs the others nothing but
//! what it was asked for; while one source delivers, the transfer ends. Duplicates stay below
//! 2 % of the bytes, or 256 KiB.
//!
//! Not here: what a unit is made of, and carrying the orders out (`fetch`).
//!
//! A unit arrives from its front to its end, so that how much of it is here is one number, and who
//! takes over from another goes on where that one was.

mod call;
mod endgame;
pub(crate) mod health;
mod source;
mod speed;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use health::{Circuit, Health};
pub(crate) use source::{After, Duty};
use source::{Source, Stage};

/// The largest unit of a large file; BLAKE3 proves any such range on its own.
pub(crate) const UNIT_BYTES: u64 = 1 << 20;
/// How often [`Transfer::tick`] wants to be called.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// A tick that comes later than this tells of our own machine, not of the sources.
const LATE: Duration = Duration::from_millis(200);
/// Sources that are asked at once; more wait connected until one of them leaves.
const SEATS_MAX: usize = 16;
/// A source that does not have so many units does not hold the content.
const REFUSALS_MAX: usize = 3;
/// A transfer to which nothing came for so long, although sources were dialled again and again, is
/// given up.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Numbers a source of one transfer, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(pub usize);
/// Numbers a unit of one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitId(pub usize);
/// Numbers a request of one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub u64);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// A dial succeeded.
    Connected { source: SourceId, rtt: Duration },
    /// A dial failed.
    Unreachable { source: SourceId },
    /// The delay of a connection, there and back.
    Rtt { source: SourceId, rtt: Duration },
    /// A source wants to be left; it can still be asked until then, when nobody else delivers.
    Leaving { source: SourceId, until: Duration, after: After },
    /// A source that wanted to be left stays after all.
    Staying { source: SourceId },
    /// Somebody names a source that could take over: it is called at once.
    Named { source: SourceId },
    /// A forecast of a source: what is left of its share, in `0..=1`.
    Foreseen { source: SourceId, trust: f64 },
    /// What was measured of a source, or what it says of itself, as far as it is known.
    Told { source: SourceId, load: Option<f64>, loss: Option<f64> },
    /// How far a request is.
    Moved { request: RequestId, at: Mark },
    /// A request is over.
    Ended { request: RequestId, at: Mark, end: End },
}

/// How far a request is; bytes are counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Bytes that came and were verified.
    pub received: u64,
    /// Of these, the bytes at the front that are kept.
    pub stored: u64,
    /// Whether it waits for our own disk, not for the source.
    pub is_writing: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it is here.
    Done,
    /// It was cancelled.
    Cancelled,
    /// The source does not have it, or does not give it to us.
    Refused,
    /// What came does not match its hash.
    Wrong,
    /// The connection broke.
    Lost,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Connect to a source.
    Dial(SourceId),
    /// Ask a source for a unit, from the byte `from` of it on.
    Ask { request: RequestId, source: SourceId, unit: UnitId, from: u64 },
    /// End a request, keep what came, and say how far it was.
    Cancel(RequestId),
    /// Tell a source that wants to be left that nothing more is wanted of it.
    Release(SourceId),
    /// Close the connection to a source.
    HangUp { source: SourceId, why: Parting },
}

/// Why a source is not asked any more, for now or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// Nothing came for too long.
    Stalled,
    /// It does not have what is wanted.
    Refused,
    /// It sent wrong bytes.
    Lied,
    /// The connection broke.
    Lost,
    /// It wanted to be left, and others have taken over.
    Left,
}

/// Whether a transfer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Going,
    /// Everything is here.
    Finished,
    /// No source is left that could bring the rest.
    Stuck,
}

#[derive(Clone, Debug)]
struct Unit {
    bytes: u64,
    /// How much of its front is here.
    have: u64,
    is_done: bool,
    holders: Vec<RequestId>,
    refused: Vec<SourceId>,
}

impl Unit {
    fn left(&self) -> u64 {
        self.bytes - self.have
    }
}

#[derive(Clone, Debug)]
struct Request {
    source: SourceId,
    unit: UnitId,
    from: u64,
    at: Mark,
    /// How far it has brought its unit beyond what was there.
    useful: u64,
    asked: Duration,
    heard: Duration,
    is_cancelled: bool,
    is_duplicate: bool,
    /// Who goes on with the unit when this request has ended.
    heir: Option<SourceId>,
}

/// One transfer.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    units: Vec<Unit>,
    todo: VecDeque<UnitId>,
    left: usize,
    bytes: u64,
    sources: Vec<Source>,
    requests: BTreeMap<RequestId, Request>,
    asked: u64,
    orders: VecDeque<Order>,
    /// Bytes that came and had been there already.
    wasted: u64,
    ticked: Duration,
    /// When something last came.
    heard: Duration,
    has_received: bool,
    /// When somebody was last connected.
    lonely: Duration,
    /// The last round that was called, and since when it shows what it can.
    open: u8,
    opened: Duration,
    at_work_min: usize,
    dice: u64,
}

impl Transfer {
    /// A transfer of nothing yet from sources of which this is known, the best first.
    ///
    /// - `seed`: for the jitter of pauses.
    pub(crate) fn new(sources: Vec<Health>, now: Duration, seed: u64) -> Self {
        let mut transfer = Self {
            units: Vec::new(),
            todo: VecDeque::new(),
            left: 0,
            bytes: 0,
            sources: sources.into_iter().map(Source::new).collect(),
            requests: BTreeMap::new(),
            asked: 0,
            orders: VecDeque::new(),
            wasted: 0,
            ticked: now,
            heard: now,
            has_received: false,
            lonely: now,
            open: 0,
            opened: now,
            at_work_min: 1,
            dice: seed,
        };
        transfer.dial(now);
        transfer
    }

    /// Wants units of these sizes as well; answers the number of the first, the others follow.
    pub(crate) fn want(&mut self, sizes: &[u64], now: Duration) -> UnitId {
        let first = self.units.len();
        for bytes in sizes {
            self.todo.push_back(UnitId(self.units.len()));
            self.units.push(Unit {
                bytes: *bytes,
                have: 0,
                is_done: false,
                holders: Vec::new(),
                refused: Vec::new(),
            });
            self.bytes += bytes;
        }
        self.left += sizes.len();
        self.heard = now;
        self.opened = now;
        self.assign(now);
        UnitId(first)
    }

    /// Takes note of what happened.
    pub(crate) fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Connected { source, rtt } => self.connected(now, source, rtt),
            Event::Unreachable { source } => {
                let jitter = self.jitter();
                let away = &mut self.sources[source.0];
                if away.stage == Stage::Dialling {
                    away.stage = Stage::Away { since: Some(now) };
                    away.health.failed(now, jitter);
                }
                self.dial(now);
            }
            Event::Rtt { source, rtt } => {
                self.sources[source.0].rtt = rtt;
                self.sources[source.0].health.rtt = Some(rtt);
                return;
            }
            Event::Leaving { source, until, after } => self.leave(source, until, after),
            Event::Staying { source } => self.sources[source.0].leave = None,
            Event::Named { source } => self.sources[source.0].duty.tier = 0,
            Event::Foreseen { source, trust } => {
                self.sources[source.0].trust = trust.clamp(0.0, 1.0);
                return;
            }
            Event::Told { source, load, loss } => {
                let health = &mut self.sources[source.0].health;
                health.load = load.or(health.load);
                health.loss = loss.or(health.loss);
                return;
            }
            // What has come is no reason yet to ask for more; the next tick, or end, is.
            Event::Moved { request, at } => return self.moved(now, request, at),
            Event::Ended { request, at, end } => {
                self.moved(now, request, at);
                self.ended(now, request, end);
            }
        }
        self.assign(now);
    }

    /// Looks at what only the time tells: speeds, silence, who may be dialled again.
    pub(crate) fn tick(&mut self, now: Duration) {
        let span = now.saturating_sub(self.ticked);
        self.ticked = now;
        if span > LATE {
            // We were not there to listen.
            self.heard += span;
            self.sources.iter_mut().for_each(|source| source.heard += span);
            self.requests.values_mut().for_each(|request| request.heard += span);
        }
        self.measure(now, span);
        self.part_with_silent(now);
        self.part_with_useless(now);
        self.see_off(now);
        self.call_others(now);
        self.seat_others(now);
        self.dial(now);
        self.assign(now);
        self.shorten_the_end(now);
    }

    /// The next thing to do.
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Whether it goes on.
    pub(crate) fn standing(&self, now: Duration) -> Standing {
        if self.left == 0 {
            return Standing::Finished;
        }
        let is_on = |source: &Source| {
            matches!(source.stage, Stage::Up | Stage::Spare { .. } | Stage::Dialling)
        };
        if self.sources.iter().any(is_on) || !self.orders.is_empty() {
            return Standing::Going;
        }
        // A source that never brought anything is not waited for: nothing says that it will.
        let waits = self.has_received && now.saturating_sub(self.heard) <= GIVE_UP;
        let may_return = |source: &Source| {
            matches!(source.stage, Stage::Away { .. })
                && source.health.circuit(now) != Circuit::Banned
        };
        let some =
            self.sources.iter().any(|source| may_return(source) && (waits || source.never_tried()));
        if some { Standing::Going } else { Standing::Stuck }
    }

    /// What is known of a source by now.
    pub(crate) fn health(&self, source: SourceId) -> &Health {
        &self.sources[source.0].health
    }

    /// How many sources are at work.
    pub(crate) fn working(&self) -> usize {
        self.sources.iter().filter(|source| source.is_up()).count()
    }

    /// How many requests are out.
    pub(crate) fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Bytes that came and were there already, or could not be kept.
    #[cfg(test)]
    pub(crate) fn wasted(&self) -> u64 {
        self.wasted
    }

    fn connected(&mut self, now: Duration, id: SourceId, rtt: Duration) {
        let seats = self.working() < SEATS_MAX && self.sources[id.0].duty.tier <= self.open;
        let source = &mut self.sources[id.0];
        source.health.heard = Some(now);
        source.rtt = rtt;
        source.health.rtt = Some(rtt);
        source.heard = now;
        if source.stage == Stage::Dialling {
            source.stage = if seats { Stage::Up } else { Stage::Spare { since: now } };
            source.seated = now;
        }
    }

    fn moved(&mut self, now: Duration, id: RequestId, at: Mark) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let source = &mut self.sources[request.source.0];
        let fresh = at.received.saturating_sub(request.at.received);
        if fresh > 0 || at.is_writing {
            request.heard = now;
            source.heard = now;
            source.unheard = Duration::ZERO;
            self.heard = now;
        }
        if fresh > 0 {
            source.speed.add(fresh);
            source.health.heard = Some(now);
            self.has_received = true;
        }
        request.at = at;
        let unit = &mut self.units[request.unit.0];
        let reached = (request.from + at.stored).min(unit.bytes);
        request.useful += reached.saturating_sub(unit.have);
        unit.have = unit.have.max(reached);
    }

    fn ended(&mut self, now: Duration, id: RequestId, end: End) {
        let Some(request) = self.requests.remove(&id) else { return };
        self.wasted += request.at.received.saturating_sub(request.useful);
        self.sources[request.source.0].end(now);
        self.units[request.unit.0].holders.retain(|holder| *holder != id);
        let heir = request.heir.filter(|heir| {
            let heir = &mut self.sources[heir.0];
            heir.promised -= 1;
            heir.is_up()
        });
        match end {
            End::Done => {
                self.sources[request.source.0].succeed();
                self.finish(request.unit);
            }
            End::Wrong => self.part(now, request.source, Parting::Lied),
            // It speaks for a source that is being parted with, or for nobody.
            _ if request.is_cancelled => {}
            End::Cancelled => {}
            End::Refused => self.refused(now, request.source, request.unit),
            End::Lost => self.part(now, request.source, Parting::Lost),
        }
        let unit = &self.units[request.unit.0];
        if unit.is_done || !unit.holders.is_empty() {
            return;
        }
        match heir {
            Some(heir) => self.ask(now, heir, request.unit, Purpose::Only),
            None => self.todo.push_front(request.unit),
        }
    }

    fn finish(&mut self, id: UnitId) {
        let unit = &mut self.units[id.0];
        if !std::mem::replace(&mut unit.is_done, true) {
            self.left -= 1;
        }
        unit.have = unit.bytes;
        for holder in unit.holders.clone() {
            self.cancel(holder, None);
        }
    }

    fn refused(&mut self, now: Duration, source: SourceId, unit: UnitId) {
        self.units[unit.0].refused.push(source);
        self.sources[source.0].refusals += 1;
        if self.sources[source.0].refusals >= REFUSALS_MAX {
            self.part(now, source, Parting::Refused);
        }
    }

    /// Ends a request; `heir` goes on with its unit.
    fn cancel(&mut self, id: RequestId, heir: Option<SourceId>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if std::mem::replace(&mut request.is_cancelled, true) {
            return;
        }
        request.heir = heir;
        if let Some(heir) = heir {
            self.sources[heir.0].promised += 1;
        }
        self.orders.push_back(Order::Cancel(id));
    }

    /// Takes a source out, for a while or for good.
    fn part(&mut self, now: Duration, id: SourceId, why: Parting) {
        let jitter = self.jitter();
        let source = &mut self.sources[id.0];
        if !matches!(source.stage, Stage::Up | Stage::Spare { .. }) {
            return;
        }
        let leave = source.leave.take();
        source.stage = Stage::Away { since: Some(now) };
        match why {
            // It said so; it is dialled again when it may be back.
            Parting::Left => {}
            Parting::Lost if leave.is_some() => {
                let until = leave.map(|leave| leave.until.max(now));
                source.stage = Stage::Away { since: until };
            }
            Parting::Stalled => {
                source.stalls += 1;
                source.health.failed(now, jitter);
            }
            Parting::Lost => source.health.failed(now, jitter),
            Parting::Lied => {
                source.health.lied(now);
                source.stage = Stage::Out;
            }
            Parting::Refused => source.stage = Stage::Out,
        }
        let of_source = self.requests.iter().filter(|(_, request)| request.source == id);
        for request in of_source.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.cancel(request, None);
        }
        self.orders.push_back(Order::HangUp { source: id, why });
    }

    /// Gives what nobody has to whoever has room, one unit each in turn.
    fn assign(&mut self, now: Duration) {
        let mut has_given = true;
        while has_given && !self.todo.is_empty() {
            has_given = false;
            for id in (0..self.sources.len()).map(SourceId) {
                let source = &self.sources[id.0];
                if !source.is_up()
                    || !source.has_room(self.left_of(id), self.trust(id), now)
                    || (source.leave.is_some() && self.is_replaced(id, now))
                {
                    continue;
                }
                let units = &self.units;
                let next = self.todo.iter().position(|unit| !units[unit.0].refused.contains(&id));
                if let Some(unit) = next.and_then(|at| self.todo.remove(at)) {
                    self.ask(now, id, unit, Purpose::Only);
                    has_given = true;
                }
            }
        }
    }

    /// Bytes that the requests of a source have still to bring.
    fn left_of(&self, id: SourceId) -> u64 {
        let of_source = self.requests.values().filter(|request| request.source == id);
        of_source.map(|request| self.left_in(request)).sum()
    }

    fn left_in(&self, request: &Request) -> u64 {
        self.units[request.unit.0].bytes.saturating_sub(request.from + request.at.received)
    }

    fn ask(&mut self, now: Duration, source: SourceId, unit: UnitId, purpose: Purpose) {
        let request = RequestId(self.asked);
        self.asked += 1;
        let from = self.units[unit.0].have;
        self.units[unit.0].holders.push(request);
        self.sources[source.0].begin(now);
        self.requests.insert(
            request,
            Request {
                source,
                unit,
                from,
                at: Mark::default(),
                useful: 0,
                asked: now,
                heard: now,
                is_cancelled: false,
                is_duplicate: purpose == Purpose::Duplicate,
                heir: None,
            },
        );
        self.orders.push_back(Order::Ask { request, source, unit, from });
    }

    /// A number in `0..1`: splitmix64 (Steele, Lea and Flood, 2014).
    fn jitter(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Whether somebody else is at the same unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Only,
    Duplicate,
}
