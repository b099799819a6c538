//! What those who place copies stand on: the map, the shelf, the lines, and what comes when.

use std::time::Duration;

use catalog::{ByteSize, Timestamp};

use super::agenda::Agenda;
use super::demand::Request;
use super::map::{Map, on_line};
use super::number::{NodeNo, UnitNo};
use super::shelf::Shelf;
use super::tally::{Ending, Tally};

/// How long people still try a node that has gone away before they know.
const NOTICE: Duration = Duration::from_secs(300);
/// Of a line, people leave this part to mirrors: one in so many.
const MIRRORS_PART: u64 = 5;

/// How much of a line a copy between mirrors takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinePart {
    /// A fifth: it makes up for a copy that was lost.
    Repair,
    /// Half: it was planned.
    Plan,
}

impl LinePart {
    const fn one_in(self) -> u64 {
        match self {
            Self::Repair => MIRRORS_PART,
            Self::Plan => 2,
        }
    }
}

/// Decides which copies there are. What is compared differs in nothing else.
pub(super) trait Carrier {
    /// What it wants to be reminded of.
    type Alarm;

    /// The world begins.
    fn begin(&mut self, stage: &mut Stage<Self::Alarm>);

    /// Somebody asked; `by` served it, from near or far, or nobody did.
    fn asked(&mut self, stage: &mut Stage<Self::Alarm>, request: &Request, by: Option<NodeNo>);

    /// A copy that was fetched is there, or will never be.
    fn fetched(&mut self, stage: &mut Stage<Self::Alarm>, node: NodeNo, unit: UnitNo, here: bool);

    /// What it wanted to be reminded of.
    fn alarm(&mut self, stage: &mut Stage<Self::Alarm>, alarm: Self::Alarm);

    /// Who can talk with whom has changed: a node went, came or joined, or a cut did.
    fn changed(&mut self, stage: &mut Stage<Self::Alarm>, change: Change);

    /// Whether `node` says that it holds what it does not.
    fn claims(&self, _node: NodeNo, _unit: UnitNo) -> bool {
        false
    }
}

/// How who can talk with whom has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A node is away. It may come back.
    Went(NodeNo),
    /// A node is back, with what it held.
    Came(NodeNo),
    /// A node that nobody knew begins.
    Joined(NodeNo),
    /// Regions were cut off.
    Cut,
    /// Nothing is cut off any more.
    Healed,
}

/// What happens in a world.
#[derive(Debug)]
pub(super) enum Event<A> {
    /// A minute begins.
    Minute(u64),
    /// Somebody wants a package.
    Request(Request),
    /// The last byte of a copy is due.
    Arrival { node: NodeNo, from: NodeNo, unit: UnitNo, sessions: [u32; 2] },
    /// Somebody is reminded.
    Alarm(A),
}

/// All of a world but those who place copies.
#[derive(Debug)]
pub(super) struct Stage<A> {
    pub(super) now: Timestamp,
    pub(super) map: Map,
    pub(super) shelf: Shelf,
    pub(super) agenda: Agenda<Event<A>>,
    pub(super) hour: Tally,
    pub(super) whole: Tally,
    /// When each line has sent what it was asked for so far.
    busy: Vec<Timestamp>,
    /// The same for copies between mirrors, in and out.
    mirrors: Vec<Timestamp>,
    /// How often each unit was copied.
    pub(super) copied: Vec<u32>,
    /// When the map was last cut or healed.
    pub(super) cut_at: Timestamp,
}

impl<A> Stage<A> {
    pub(super) fn new(now: Timestamp, map: Map, shelf: Shelf) -> Self {
        Self {
            now,
            busy: vec![now; map.nodes()],
            mirrors: vec![now; map.nodes()],
            copied: vec![0; shelf.units()],
            cut_at: Timestamp::default(),
            agenda: Agenda::new(),
            hour: Tally::new(),
            whole: Tally::new(),
            map,
            shelf,
        }
    }

    /// Reminds of something, after a while.
    pub(super) fn remind(&mut self, after: Duration, alarm: A) {
        self.agenda.put(later(self.now, after), Event::Alarm(alarm));
    }

    /// Serves a request from whoever answers first; says who that was.
    ///
    /// People try the node with the shortest way and queue first. One that has just gone away costs
    /// them a round trip and a half before they turn to the next (sources are raced).
    pub(super) fn serve(
        &mut self,
        request: &Request,
        lies: impl Fn(NodeNo) -> bool,
    ) -> Option<NodeNo> {
        let (region, bytes) = (request.region, self.shelf.size(request.unit));
        let mut candidates = Vec::new();
        for node in NodeNo::all(self.map.nodes()) {
            let holds = self.shelf.holds(node, request.unit);
            if (holds || lies(node)) && self.seems_up(request, node) {
                let trip = self.map.round_trip_from(region, node);
                let queue = self.busy[node.at()].since(self.now);
                candidates.push((2 * trip + queue, trip, node, holds));
            }
        }
        candidates.sort_unstable();
        let mut lost = Duration::ZERO;
        for (wait, trip, node, holds) in candidates {
            if !holds || !self.map.reaches(region, node) {
                lost += trip * 3 / 2;
                continue;
            }
            let site = self.map.site(node);
            let is_near = site.region == region;
            let line = site.line - site.line / MIRRORS_PART;
            let free = self.busy[node.at()].max(self.now);
            self.busy[node.at()] = later(free, on_line(bytes, line));
            self.count(if is_near { Ending::Local } else { Ending::Remote }, wait + lost, bytes);
            return Some(node);
        }
        self.count(Ending::Failed, Duration::MAX, bytes);
        None
    }

    fn count(&mut self, ending: Ending, latency: Duration, bytes: ByteSize) {
        self.hour.request(ending, latency, bytes);
        self.whole.request(ending, latency, bytes);
    }

    /// Whether people in the region of a request still try a node.
    fn seems_up(&self, request: &Request, node: NodeNo) -> bool {
        let is_fresh = |since: Timestamp| self.now.since(since) < NOTICE;
        self.map.reaches(request.region, node)
            || (!self.map.is_up(node) && is_fresh(self.map.went(node)))
            || (self.map.is_up(node) && is_fresh(self.cut_at))
    }

    /// When a mirror's line has sent and taken the copies that are on their way.
    pub(super) fn queue(&self, node: NodeNo) -> Timestamp {
        self.mirrors[node.at()].max(self.now)
    }

    /// Begins to copy a unit from one mirror to another, on a part of both lines.
    pub(super) fn fetch(&mut self, node: NodeNo, unit: UnitNo, from: NodeNo, part: LinePart) {
        let bytes = self.shelf.size(unit);
        let ends = [node, from].map(|end| {
            let free = self.mirrors[end.at()].max(self.now);
            let done = later(free, on_line(bytes, self.map.site(end).line / part.one_in()));
            self.mirrors[end.at()] = done;
            done
        });
        let done = ends[0].max(ends[1]);
        self.arrives(later(done, self.map.round_trip(node, from)), node, unit, from);
    }

    /// Keeps a copy of what somebody is being served from afar; it costs no line of its own.
    pub(super) fn keep(&mut self, node: NodeNo, unit: UnitNo, from: NodeNo) {
        let line = self.map.site(node).line.min(self.map.site(from).line);
        let done = later(self.now, on_line(self.shelf.size(unit), line));
        self.arrives(done, node, unit, from);
    }

    fn arrives(&mut self, at: Timestamp, node: NodeNo, unit: UnitNo, from: NodeNo) {
        let sessions = [self.map.session(node), self.map.session(from)];
        self.agenda.put(at, Event::Arrival { node, from, unit, sessions });
    }

    /// Takes in what has arrived, unless one of the two ends went away meanwhile.
    pub(super) fn arrived(
        &mut self,
        node: NodeNo,
        from: NodeNo,
        unit: UnitNo,
        sessions: [u32; 2],
    ) -> bool {
        let map = &self.map;
        let stayed = [map.session(node), map.session(from)] == sessions
            && map.connects(map.site(node).region, map.site(from).region);
        let arrived = stayed && self.shelf.holds(from, unit) && self.shelf.add(node, unit);
        if arrived {
            let bytes = self.shelf.size(unit);
            self.hour.moved(bytes);
            self.whole.moved(bytes);
            self.copied[unit.at()] += 1;
        }
        arrived
    }

    /// Counts bytes that nodes said to each other.
    pub(super) fn said(&mut self, bytes: u64) {
        self.hour.control(bytes);
        self.whole.control(bytes);
    }
}

/// A moment after another.
pub(super) fn later(now: Timestamp, after: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_add(after.as_millis() as u64))
}
