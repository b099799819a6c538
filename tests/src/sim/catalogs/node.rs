//! A node: a store, what its people ask for, and its conversations with other nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use catalog::store::AppendError;
use catalog::store::disk::{Disk, Failure, Random};
use catalog::{Identity, Reader, StatementId, Store, StoreError};

use super::Flaw;
use super::answers::Known;
use super::people::{self, Wish};
use super::talk::{self, Fault};
use crate::dice::Dice;
use crate::sim::{Died, Event, Machine, Message, NodeIndex, Now, Order};

/// How often a node talks to another one when nothing happens; give or take a tenth.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(300);

/// How long a conversation may take in which the other side says nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Conversations at a time that others opened.
const ANSWERED_MAX: usize = 16;

/// Bytes from one node to another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Frame(pub Vec<u8>);

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.0[..self.0.len().min(8)];
        write!(f, "Frame({} bytes, {first:02x?})", self.0.len())
    }
}

impl Message for Frame {
    fn size(&self) -> usize {
        self.0.len() + 60
    }

    fn spoil(&mut self, dice: &mut Dice) {
        let bytes = &mut self.0;
        if bytes.is_empty() {
            return;
        }
        let at = dice.pick(0..bytes.len() as u64) as usize;
        match dice.pick(0..4) {
            0 => bytes.truncate(at),
            1 => bytes[at] = dice.roll() as u8,
            2 => bytes[at] ^= 1 << dice.pick(0..8),
            _ => bytes.extend(dice.bytes(8)),
        }
    }

    fn invent(dice: &mut Dice) -> Self {
        let count = dice.pick(1..200) as usize;
        Self(dice.bytes(count))
    }
}

/// What a node tells its people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is said, and safe.
    Said(StatementId),
    /// It cannot be said.
    Refused(String),
    /// Another node broke the rules of a conversation, which ended there.
    Ended(NodeIndex, &'static str),
}

/// One running node.
#[derive(Debug)]
pub struct SyncNode {
    me: NodeIndex,
    nodes: usize,
    flaw: Flaw,
    life: u64,
    identity: Option<&'static Identity>,
    store: Store,
    disk: Disk,
    dice: Dice,
    /// When it talks to somebody next.
    next_sync: Duration,
    talks: BTreeMap<(NodeIndex, u64), Talk>,
    cursors: BTreeMap<NodeIndex, u64>,
    /// Followed for the rules, which look at it after every step.
    known: Known,
}

#[derive(Debug)]
struct Talk {
    is_ours: bool,
    heard: Duration,
}

impl SyncNode {
    pub(super) fn start(
        me: NodeIndex,
        nodes: usize,
        flaw: Flaw,
        disk: Disk,
        now: Now,
        seed: u64,
    ) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let mut epoch = [me.0 as u8; 16];
        epoch[8..].copy_from_slice(&seed.to_be_bytes());
        let store = Store::on_disk(&disk, epoch).map_err(|error| format!("{error:?}"))?;
        let mut known = Known::default();
        known.follow(&store).map_err(|error| format!("{error:?}"))?;
        let next_sync = now.steady + SYNC_INTERVAL.mul_f64(dice.pick(1..100) as f64 / 100.0);
        Ok(Self {
            me,
            nodes,
            flaw,
            life: seed,
            identity: people::publisher_at(me),
            store,
            disk,
            dice,
            next_sync,
            talks: BTreeMap::new(),
            cursors: BTreeMap::new(),
            known,
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Another number each time it starts.
    pub(super) fn life(&self) -> u64 {
        self.life
    }

    /// What it knows, as of the last event.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.talks.is_empty()
    }

    fn say(&mut self, now: Now, wish: &Wish) -> Result<Vec<Order<Self>>, Died> {
        let Some(identity) = self.identity else { return Ok(Vec::new()) };
        let build = |seq| wish.statement(identity, seq, now.wall);
        let effect = match self.store.append(identity, now.wall, build) {
            Ok(appended) => Effect::Said(appended.id),
            Err(AppendError::Store(error)) => return Err(died(error)),
            Err(error) => Effect::Refused(error.to_string()),
        };
        let mut orders = vec![Order::Tell(effect)];
        for to in (0..self.nodes).map(NodeIndex).filter(|&to| to != self.me) {
            orders.push(Order::Send { to, message: Frame(Vec::new()) });
        }
        Ok(orders)
    }

    fn open(&mut self, now: Now, to: NodeIndex) -> Vec<Order<Self>> {
        if self.talks.iter().any(|((peer, _), talk)| *peer == to && talk.is_ours) {
            return Vec::new();
        }
        let stream = self.dice.roll();
        self.talks.insert((to, stream), Talk { is_ours: true, heard: now.steady });
        let since = self.cursors.get(&to).copied().unwrap_or(0);
        vec![Order::Stream { to, stream, message: Frame(talk::ask(since)) }]
    }

    fn hear(
        &mut self,
        now: Now,
        from: NodeIndex,
        stream: u64,
        frame: &Frame,
    ) -> Result<Vec<Order<Self>>, Died> {
        let key = (from, stream);
        if !self.talks.contains_key(&key) {
            let answered = self.talks.values().filter(|talk| !talk.is_ours).count();
            if answered >= ANSWERED_MAX {
                return Ok(vec![Order::Close { peer: from, stream }]);
            }
            self.talks.insert(key, Talk { is_ours: false, heard: now.steady });
        }
        if self.flaw == Flaw::NeverListens {
            return Ok(self.close(from, stream));
        }
        let talk = self.talks.get_mut(&key).expect("it is there since a line ago");
        talk.heard = now.steady;
        let reply = match talk.is_ours {
            true => talk::take(&self.store, now.wall, &frame.0).map(|last| {
                last.map(|last| {
                    self.cursors.insert(from, last);
                    talk::ask(last)
                })
            }),
            false => {
                let reader = match self.flaw {
                    Flaw::TellsEverybody => Reader::Local,
                    _ => Reader::Node(people::node_id(from)),
                };
                talk::answer(&self.store, reader, &frame.0).map(Some)
            }
        };
        match reply {
            Ok(Some(bytes)) => Ok(vec![Order::Stream { to: from, stream, message: Frame(bytes) }]),
            Ok(None) => Ok(self.close(from, stream)),
            Err(Fault::Store(error)) => Err(died(error)),
            Err(Fault::Violation(why)) => {
                self.cursors.remove(&from);
                let mut orders = self.close(from, stream);
                orders.push(Order::Tell(Effect::Ended(from, why)));
                Ok(orders)
            }
        }
    }

    fn close(&mut self, peer: NodeIndex, stream: u64) -> Vec<Order<Self>> {
        self.talks.remove(&(peer, stream));
        vec![Order::Close { peer, stream }]
    }

    fn wake(&mut self, now: Now) -> Vec<Order<Self>> {
        let silent = self.talks.iter().filter(|(_, talk)| talk.heard + SILENCE_MAX <= now.steady);
        let silent: Vec<_> = silent.map(|(key, _)| *key).collect();
        let mut orders: Vec<_> =
            silent.into_iter().flat_map(|(peer, stream)| self.close(peer, stream)).collect();
        if self.next_sync <= now.steady {
            let tenths = self.dice.pick(90..110) as f64 / 100.0;
            self.next_sync = now.steady + SYNC_INTERVAL.mul_f64(tenths);
            let other = self.dice.pick(1..self.nodes as u64) as usize;
            orders.extend(self.open(now, NodeIndex((self.me.0 + other) % self.nodes)));
        }
        orders
    }
}

fn died(error: StoreError) -> Died {
    Died(format!("{error:?}"))
}

impl Machine for SyncNode {
    type Message = Frame;
    type Command = Wish;
    type Effect = Effect;
    type Disk = Disk;

    fn handle(&mut self, now: Now, event: Event<Self>) -> Result<Vec<Order<Self>>, Died> {
        let orders = match event {
            Event::Wake => self.wake(now),
            Event::Command(wish) => self.say(now, &wish)?,
            Event::Message { from, .. } => self.open(now, from),
            Event::Stream { from, stream, message } => self.hear(now, from, stream, &message)?,
            Event::Closed { peer, stream } => {
                self.talks.remove(&(peer, stream));
                Vec::new()
            }
        };
        self.known.follow(&self.store).map_err(died)?;
        Ok(orders)
    }

    fn next_wake(&self) -> Option<Duration> {
        let silent = self.talks.values().map(|talk| talk.heard + SILENCE_MAX);
        Some(silent.fold(self.next_sync, Duration::min))
    }

    fn power_cut(self, dice: &mut Dice) -> Disk {
        // Closing the database could still write: whatever it does then is lost, too.
        self.disk.fail_after(0, Failure::PowerCut);
        let left = self.disk.after_power_cut(&mut Random(dice.roll()));
        Disk::holding(if self.flaw == Flaw::LosesItsDisk { Vec::new() } else { left })
    }

    fn fail_write(&mut self, count: Option<u64>) {
        match count {
            Some(count) => self.disk.fail_after(count, Failure::PowerCut),
            None => self.disk.work_again(),
        }
    }
}
