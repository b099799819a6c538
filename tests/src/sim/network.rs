//! The wires: how long a message takes, and whether it comes at all.
//!
//! Every pair of nodes has a link in each direction, with a delay and a width of its own. A message
//! by itself may be lost, doubled, late or dropped from a full queue. On a stream the transport
//! repeats what was lost, so that it is only late, and in order; when the link stays cut, or the
//! other end is gone, both ends learn after a while that the stream is closed.

use std::collections::BTreeMap;

use super::coverage::{Coverage, Fault};
use super::machine::NodeIndex;
use crate::dice::Dice;

/// Microseconds in a millisecond, and in a second.
const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// What waits for a link longer than this is dropped, as a router would.
const QUEUE_MAX: u64 = 500 * MS;

/// How long a stream is silent before its ends give it up.
pub(super) const IDLE: u64 = 30 * SECOND;

/// How rough it is: parts in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub lost: u64,
    pub doubled: u64,
    pub late: u64,
}

impl Weather {
    /// Mostly fair, sometimes so bad that every third message is lost.
    pub fn any(dice: &mut Dice) -> Self {
        let worst = [5, 30, 100, 350][dice.pick(0..4) as usize];
        Self { lost: dice.pick(0..worst), doubled: dice.pick(0..worst), late: dice.pick(0..worst) }
    }
}

#[derive(Clone, Debug)]
struct Link {
    delay: u64,
    bytes_per_second: u64,
    /// When what was sent so far has left.
    busy_until: u64,
    /// When the last of it arrives.
    latest: u64,
    /// How many cuts it is under.
    cuts: u32,
}

/// The ends of a stream, the smaller first, and its number.
pub(super) type StreamKey = (NodeIndex, NodeIndex, u64);

#[derive(Clone, Debug)]
struct Stream {
    /// Which life of each end opened it.
    lives: [u32; 2],
    /// When the last message to each end arrives.
    arrives: [u64; 2],
    /// Whether each end still listens.
    listens: [bool; 2],
    broken: bool,
}

#[derive(Debug)]
pub(super) struct Network {
    dice: Dice,
    nodes: usize,
    links: Vec<Link>,
    pub weather: Weather,
    streams: BTreeMap<StreamKey, Stream>,
}

impl Network {
    pub fn new(nodes: usize, mut dice: Dice) -> Self {
        let link = |dice: &mut Dice| Link {
            delay: dice.pick(MS..80 * MS),
            bytes_per_second: 2_000 << dice.pick(0..13),
            busy_until: 0,
            latest: 0,
            cuts: 0,
        };
        let links = (0..nodes * nodes).map(|_| link(&mut dice)).collect();
        let weather = Weather::any(&mut dice);
        Self { dice, nodes, links, weather, streams: BTreeMap::new() }
    }

    fn link(&mut self, from: NodeIndex, to: NodeIndex) -> &mut Link {
        &mut self.links[from.0 * self.nodes + to.0]
    }

    pub fn is_cut(&mut self, from: NodeIndex, to: NodeIndex) -> bool {
        self.link(from, to).cuts > 0
    }

    pub fn cut(&mut self, from: NodeIndex, to: NodeIndex) {
        self.link(from, to).cuts += 1;
    }

    pub fn mend(&mut self, from: NodeIndex, to: NodeIndex) {
        let link = self.link(from, to);
        link.cuts = link.cuts.saturating_sub(1);
    }

    /// Lets nothing new through a link until what somebody else sent has left.
    pub fn flood(&mut self, now: u64, from: NodeIndex, to: NodeIndex, lasts: u64) {
        let link = self.link(from, to);
        link.busy_until = link.busy_until.max(now + lasts);
    }

    /// Ends every cut and all bad weather.
    pub fn calm(&mut self) {
        self.links.iter_mut().for_each(|link| link.cuts = 0);
        self.weather = Weather::default();
    }

    fn strikes(&mut self, permille: u64) -> bool {
        self.dice.pick(0..1000) < permille
    }

    /// When a message would have left and arrived, if nothing happened to it.
    fn pass(&mut self, now: u64, from: NodeIndex, to: NodeIndex, size: usize) -> (u64, u64) {
        let wobble = self.dice.pick(0..1000);
        let link = self.link(from, to);
        let left = link.busy_until.max(now) + size as u64 * SECOND / link.bytes_per_second;
        (left, left + link.delay + link.delay * wobble / 4000)
    }

    /// Sends a message by itself: when it arrives, none, one or two times.
    pub fn send(
        &mut self,
        now: u64,
        from: NodeIndex,
        to: NodeIndex,
        size: usize,
        coverage: &mut Coverage,
    ) -> Vec<u64> {
        if self.is_cut(from, to) {
            return Vec::new();
        }
        let Weather { lost, doubled, late } = self.weather;
        if self.strikes(lost) {
            coverage.note(Fault::Lost);
            return Vec::new();
        }
        let (left, mut arrives) = self.pass(now, from, to, size);
        if left > now + QUEUE_MAX {
            coverage.note(Fault::Congested);
            return Vec::new();
        }
        if self.strikes(late) {
            arrives += self.dice.pick(0..SECOND) << self.dice.pick(0..8);
        }
        let link = self.link(from, to);
        link.busy_until = left;
        if arrives < link.latest {
            coverage.note(Fault::Overtaken);
        }
        link.latest = link.latest.max(arrives);
        let mut times = vec![arrives];
        if self.strikes(doubled) {
            coverage.note(Fault::Doubled);
            times.push(arrives + (self.dice.pick(1..SECOND) << self.dice.pick(0..8)));
        }
        times
    }

    /// Sends the next message of a stream, opening it if need be.
    ///
    /// - `lives`: how often the sender and the receiver have started, `None` for one that is down.
    /// - result: when it arrives, or `None` when the stream is broken by now.
    pub fn stream(
        &mut self,
        now: u64,
        (from, to, number): (NodeIndex, NodeIndex, u64),
        size: usize,
        lives: [Option<u32>; 2],
        coverage: &mut Coverage,
    ) -> Option<u64> {
        let (key, way) = key_of(from, to, number);
        let mut opened = lives.map(Option::unwrap_or_default);
        if way == 0 {
            opened.reverse();
        }
        let stream = Stream { lives: opened, arrives: [0; 2], listens: [true; 2], broken: false };
        let stream = self.streams.entry(key).or_insert(stream);
        if stream.broken || !stream.listens[1 - way] {
            return None;
        }
        let broken = stream.lives != opened || lives[1].is_none();
        let after = stream.arrives[way];
        if broken || self.is_cut(from, to) {
            return None;
        }
        let (left, mut arrives) = self.pass(now, from, to, size);
        self.link(from, to).busy_until = left;
        while self.strikes(self.weather.lost) {
            coverage.note(Fault::Lost);
            arrives += 300 * MS;
        }
        let arrives = arrives.max(after + 1);
        self.streams.get_mut(&key).expect("it was opened above").arrives[way] = arrives;
        Some(arrives)
    }

    /// Whether a message that arrives on a stream now is let through.
    pub fn is_open(
        &mut self,
        (from, to, number): (NodeIndex, NodeIndex, u64),
        lives: [Option<u32>; 2],
    ) -> bool {
        let (key, way) = key_of(from, to, number);
        let Some(stream) = self.streams.get(&key) else { return false };
        let mut lives = lives;
        if way == 0 {
            lives.reverse();
        }
        let alive = stream.lives.map(Some) == lives;
        alive && !stream.broken && stream.listens[way] && !self.is_cut(from, to)
    }

    /// Breaks a stream; whether it was there and whole until now. Its ends learn it after [`IDLE`].
    pub fn break_stream(&mut self, a: NodeIndex, b: NodeIndex, number: u64) -> bool {
        let (key, _) = key_of(a, b, number);
        match self.streams.get_mut(&key) {
            // Of one that was closed, the other end learns anyway.
            Some(stream) if stream.listens == [true; 2] => {
                !std::mem::replace(&mut stream.broken, true)
            }
            _ => false,
        }
    }

    /// The streams of a node that are whole.
    pub fn streams_of(&self, node: NodeIndex) -> Vec<StreamKey> {
        let of_node = self
            .streams
            .iter()
            .filter(|((a, b, _), stream)| (*a == node || *b == node) && !stream.broken);
        of_node.map(|(key, _)| *key).collect()
    }

    /// One end stops: when the other learns of it, unless it did already.
    pub fn close(&mut self, now: u64, from: NodeIndex, to: NodeIndex, number: u64) -> Option<u64> {
        let (key, way) = key_of(from, to, number);
        let delay = self.link(from, to).delay;
        let stream = self.streams.get_mut(&key)?;
        stream.listens[1 - way] = false;
        (!stream.broken).then(|| (now + delay).max(stream.arrives[way] + 1))
    }

    /// Takes a stream out: whether `end` was still listening.
    pub fn forget(&mut self, end: NodeIndex, peer: NodeIndex, number: u64) -> bool {
        let (key, way) = key_of(peer, end, number);
        let Some(stream) = self.streams.get_mut(&key) else { return false };
        let listened = std::mem::replace(&mut stream.listens[way], false);
        if stream.listens == [false; 2] {
            self.streams.remove(&key);
        }
        listened
    }
}

/// The name of a stream, and which of its ends `to` is.
fn key_of(from: NodeIndex, to: NodeIndex, number: u64) -> (StreamKey, usize) {
    match from < to {
        true => ((from, to, number), 1),
        false => ((to, from, number), 0),
    }
}
