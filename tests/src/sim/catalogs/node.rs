//! A node: a store, what its people ask for, and its conversations with other nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::store::AppendError;
use catalog::store::disk::{Disk, Failure, Random};
use catalog::{Identity, Reader, StatementId, Store, StoreError};
use catalog_sync::conversation::{ConversationError, Terms};
use catalog_sync::exchange::{Announced, Appetite, Budget, Ending, Fault, Known, Outcome};
use catalog_sync::keeper::Current;
use catalog_sync::message::Cursor;
use catalog_sync::{Keeper, Summary, View};

use super::Flaw;
use super::answers::Seen;
use super::people::{self, Wish};
use super::talk::{Step, Talk, Wants};
use super::wire::{Set, Wire};
use crate::dice::Dice;
use crate::sim::{Died, Event, Machine, NodeIndex, Now, Order};

/// How often a node talks to another one when nothing happens; give or take a tenth.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(300);

/// How long a conversation may take in which the other side says nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Conversations at a time that others opened.
const ANSWERED_MAX: usize = 16;

/// Conversations at a time in all: one more with each other node, of which there are few.
pub(super) const TALKS_MAX: usize = ANSWERED_MAX + 16;

/// Both sets, what comes first first.
const SETS: [Set; 2] = [Set::Urgent, Set::Log];

/// What a node tells its people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is said, and safe.
    Said(StatementId),
    /// It cannot be said.
    Refused(String),
    /// A conversation came to its end.
    Talked(NodeIndex, View, Ending),
    /// Another node broke the rules of a conversation, which ended there.
    Ended(NodeIndex, String),
}

/// What is left of a node without power.
#[derive(Clone, Debug, Default)]
pub struct Remains {
    image: Vec<u8>,
    /// An older image, from some earlier start.
    backup: Vec<u8>,
    /// How often the backup was brought back.
    restored: u64,
}

/// What a node remembers of another one, until it is switched off.
#[derive(Debug, Default)]
struct Peer {
    /// What it said about itself last, and which store it spoke of.
    announced: [Option<([u8; 16], Announced)>; 2],
    /// How far we have come in its change log, by view.
    cursors: [Option<Cursor>; 2],
    /// Our last change when we were equal, by view.
    equal_at: [Option<u64>; 2],
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
    keeper: Keeper,
    disk: Disk,
    backup: Vec<u8>,
    restored: u64,
    dice: Dice,
    /// When it talks to somebody next.
    next_sync: Duration,
    /// How far after us the node stands with which it talked last.
    turn: usize,
    talks: BTreeMap<(NodeIndex, u64), Talk>,
    peers: BTreeMap<NodeIndex, Peer>,
    /// Followed for the rules, which look at it after every step.
    seen: Seen,
}

type Orders = Vec<Order<SyncNode>>;

impl SyncNode {
    pub(super) fn start(
        me: NodeIndex,
        nodes: usize,
        flaw: Flaw,
        remains: Remains,
        now: Now,
        seed: u64,
    ) -> Result<Self, StoreError> {
        let mut dice = Dice::new(seed);
        let Remains { image, mut backup, restored } = remains;
        if dice.pick(0..4) == 0 {
            backup.clone_from(&image);
        }
        let disk = Disk::holding(image);
        let mut epoch = [me.0 as u8; 16];
        epoch[8..].copy_from_slice(&seed.to_be_bytes());
        let store = Store::on_disk(&disk, epoch)?;
        let mut seen = Seen::default();
        seen.follow(&store)?;
        Ok(Self {
            me,
            nodes,
            flaw,
            life: seed,
            identity: people::publisher_at(me),
            keeper: Keeper::new(store.clone()),
            store,
            disk,
            backup,
            restored,
            next_sync: now.steady + SYNC_INTERVAL.mul_f64(dice.pick(1..100) as f64 / 100.0),
            turn: dice.pick(1..nodes as u64) as usize,
            dice,
            talks: BTreeMap::new(),
            peers: BTreeMap::new(),
            seen,
        })
    }

    /// Says what contradicts what it said in another life.
    pub(super) fn fork(&mut self) -> Result<(), String> {
        let (identity, variant) = (people::forker(), self.dice.pick(0..2));
        for number in 0..self.dice.pick(1..6) {
            let wish = people::forked(number, variant);
            let build = |seq| wish.statement(identity, seq, people::FORKED_AT);
            let appended = self.store.append(identity, people::FORKED_AT, build);
            appended.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Another number each time it starts.
    pub(super) fn life(&self) -> u64 {
        self.life
    }

    /// How often its people brought back a backup.
    pub(super) fn restored(&self) -> u64 {
        self.restored
    }

    /// How large its store is.
    pub(super) fn store_bytes(&self) -> u64 {
        self.disk.bytes()
    }

    /// Conversations that it holds now.
    pub(super) fn talks(&self) -> usize {
        self.talks.len()
    }

    /// What came in so far, as of the last event.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    fn say(&mut self, now: Now, wish: &Wish) -> Result<Orders, Died> {
        let Some(identity) = self.identity else { return Ok(Vec::new()) };
        let build = |seq| wish.statement(identity, seq, now.wall);
        let effect = match self.store.append(identity, now.wall, build) {
            Ok(appended) => Effect::Said(appended.id),
            Err(AppendError::Store(error)) => return Err(died(error)),
            Err(error) => Effect::Refused(error.to_string()),
        };
        let mut orders = vec![Order::Tell(effect)];
        for to in (0..self.nodes).map(NodeIndex).filter(|&to| to != self.me) {
            orders.extend(self.announce(to)?);
        }
        Ok(orders)
    }

    fn announce(&self, to: NodeIndex) -> Result<[Order<Self>; 2], Died> {
        let (epoch, current) = (self.store.epoch(), self.keeper.current().map_err(died)?);
        Ok(SETS.map(|set| {
            let summary = summary(&current, set);
            let (root, count, odd) = (summary.root(), summary.len(), summary.odd());
            let announced = Box::new(Announced { root, count, odd });
            Order::Send { to, message: Wire::Announce(epoch, set, announced) }
        }))
    }

    /// Takes in what another node says about itself, and asks it if that is news.
    fn hear_of(
        &mut self,
        now: Now,
        from: NodeIndex,
        epoch: [u8; 16],
        set: Set,
        announced: Announced,
    ) -> Result<Orders, Died> {
        self.peers.entry(from).or_default().announced[set as usize] = Some((epoch, announced));
        let current = self.keeper.current().map_err(died)?;
        Ok(match summary(&current, set).root() == announced.root {
            true => Vec::new(),
            false if set == Set::Urgent => self.dial(now, from, Wants::Urgent),
            false => self.dial(now, from, Wants::All),
        })
    }

    fn terms(&mut self, now: Now, peer: NodeIndex, dialled: bool) -> Terms {
        let reader = match self.flaw {
            Flaw::TellsEverybody => Reader::Local,
            _ => Reader::Node(people::node_id(peer)),
        };
        // Some of those who dial us are strangers: they are served, not listened to.
        let is_stranger = !dialled && (self.me.0 + 2 * peer.0).is_multiple_of(4);
        let appetite = if is_stranger { Appetite::Serves } else { Appetite::Takes };
        let mut seed = [0; 32];
        seed.copy_from_slice(&self.dice.bytes(32));
        let mut budget = Budget::default();
        if self.dice.pick(0..8) == 0 {
            budget.records_out = 4096;
        }
        Terms { reader, appetite, seed, budget, now: now.wall }
    }

    fn dial(&mut self, now: Now, to: NodeIndex, wants: Wants) -> Orders {
        if self.talks.iter().any(|((peer, _), talk)| *peer == to && talk.wants.is_some()) {
            return Vec::new();
        }
        let (stream, terms) = (self.dice.roll(), self.terms(now, to, true));
        self.talks.insert((to, stream), Talk::new(Some(wants), now.steady, terms));
        vec![Order::Stream { to, stream, message: Wire::Greeting(self.store.epoch()) }]
    }

    fn hear(
        &mut self,
        now: Now,
        from: NodeIndex,
        stream: u64,
        message: Wire,
    ) -> Result<Orders, Died> {
        let key = (from, stream);
        if self.flaw == Flaw::NeverListens {
            return Ok(self.close(from, stream));
        }
        let mut orders = Vec::new();
        let mut talk = match self.talks.remove(&key) {
            Some(talk) => talk,
            None => {
                let answered = self.talks.values().filter(|talk| talk.wants.is_none()).count();
                if answered >= ANSWERED_MAX {
                    return Ok(self.close(from, stream));
                }
                let message = Wire::Greeting(self.store.epoch());
                orders.push(Order::Stream { to: from, stream, message });
                Talk::new(None, now.steady, self.terms(now, from, false))
            }
        };
        talk.heard = now.steady;
        let heard = match message {
            Wire::Greeting(epoch) if talk.epoch.is_none() => {
                talk.epoch = Some(epoch);
                let known = self.known(from, epoch, talk.wants)?;
                talk.open(&self.keeper, known)
            }
            Wire::Frame(frame) if talk.epoch.is_some() => talk.hear(&self.keeper, &frame),
            _ => return Ok(self.end(key, "it speaks out of turn".to_owned(), orders)),
        };
        let send = |message| orders.push(Order::Stream { to: from, stream, message });
        match heard.and_then(|()| talk.speak(now.wall, send)) {
            Ok(Step::Listen) => {
                self.talks.insert(key, talk);
                Ok(orders)
            }
            Ok(Step::Over(outcome)) => {
                orders.push(Order::Close { peer: from, stream });
                orders.extend(self.conclude(now, from, &talk, outcome)?);
                Ok(orders)
            }
            Err(ConversationError::Store(error)) => Err(died(error)),
            Err(ConversationError::Violation(violation)) if violation.fault() == Fault::Own => {
                Err(Died(violation.to_string()))
            }
            Err(error) => {
                self.peers.remove(&from);
                Ok(self.end(key, error.to_string(), orders))
            }
        }
    }

    /// What we know of a peer before we dial it.
    fn known(&self, peer: NodeIndex, epoch: [u8; 16], wants: Option<Wants>) -> Result<Known, Died> {
        let Some(peer) = self.peers.get(&peer) else { return Ok(Known::default()) };
        let set = usize::from(wants != Some(Wants::Urgent));
        let announced = peer.announced[set].filter(|(of, _)| *of == epoch).map(|(_, said)| said);
        let likely_equal = peer.equal_at[set] == Some(self.store.last_change().map_err(died)?);
        let cursor = peer.cursors[set].filter(|cursor| cursor.epoch == epoch);
        Ok(Known { announced, cursor, likely_equal })
    }

    /// Remembers how a conversation ended, and goes on to what comes after it.
    fn conclude(
        &mut self,
        now: Now,
        peer: NodeIndex,
        talk: &Talk,
        outcome: Outcome,
    ) -> Result<Orders, Died> {
        let (Some(view), Some(epoch)) = (talk.view().cloned(), talk.epoch) else {
            return Ok(Vec::new());
        };
        let mut orders = vec![Order::Tell(Effect::Talked(peer, view.clone(), outcome.ending))];
        if talk.wants == Some(Wants::Bare) {
            return Ok(orders);
        }
        let last = self.store.last_change().map_err(died)?;
        let known = self.peers.entry(peer).or_default();
        let set = usize::from(view != View::Urgent);
        if talk.starts_over() {
            known.cursors = [None; 2];
        } else if let Some(seq) = outcome.position {
            known.cursors[set] = Some(Cursor { epoch, seq });
        }
        known.equal_at[set] =
            matches!(outcome.ending, Ending::Same | Ending::Complete).then_some(last);
        known.announced[set] = None;
        let next = match (talk.wants, outcome.ending) {
            (Some(Wants::Urgent), _) | (Some(Wants::All), Ending::Partial) => Wants::All,
            (Some(Wants::All), _) if self.holds_bare()? => Wants::Bare,
            _ => return Ok(orders),
        };
        orders.extend(self.dial(now, peer, next));
        Ok(orders)
    }

    /// Whether there are statements of which only the hash is here.
    fn holds_bare(&self) -> Result<bool, Died> {
        let bare = self.store.snapshot().and_then(|snapshot| snapshot.bare_leaves(0, 1));
        Ok(!bare.map_err(died)?.is_empty())
    }

    fn end(&mut self, (peer, stream): (NodeIndex, u64), why: String, mut orders: Orders) -> Orders {
        orders.extend(self.close(peer, stream));
        orders.push(Order::Tell(Effect::Ended(peer, why)));
        orders
    }

    fn close(&mut self, peer: NodeIndex, stream: u64) -> Orders {
        self.talks.remove(&(peer, stream));
        vec![Order::Close { peer, stream }]
    }

    fn wake(&mut self, now: Now) -> Result<Orders, Died> {
        let silent = self.talks.iter().filter(|(_, talk)| talk.heard + SILENCE_MAX <= now.steady);
        let silent: Vec<_> = silent.map(|(key, _)| *key).collect();
        let mut orders: Orders =
            silent.into_iter().flat_map(|(peer, stream)| self.close(peer, stream)).collect();
        if self.next_sync <= now.steady {
            let hundredths = self.dice.pick(90..110) as f64 / 100.0;
            self.next_sync = now.steady + SYNC_INTERVAL.mul_f64(hundredths);
            self.turn = self.turn % (self.nodes - 1) + 1;
            let other = NodeIndex((self.me.0 + self.turn) % self.nodes);
            orders.extend(self.dial(now, other, Wants::Urgent));
            if self.dice.pick(0..4) == 0 {
                self.keeper.save().map_err(died)?;
            }
        }
        Ok(orders)
    }
}

fn summary(current: &Current, set: Set) -> Summary {
    if set == Set::Urgent { current.urgent().clone() } else { current.log().clone() }
}

fn died(error: StoreError) -> Died {
    Died(format!("{error:?}"))
}

impl Machine for SyncNode {
    type Message = Wire;
    type Command = Wish;
    type Effect = Effect;
    type Disk = Remains;

    fn handle(&mut self, now: Now, event: Event<Self>) -> Result<Orders, Died> {
        let orders = match event {
            Event::Wake => self.wake(now)?,
            Event::Command(wish) => self.say(now, &wish)?,
            Event::Message { from, message: Wire::Announce(epoch, set, announced) } => {
                self.hear_of(now, from, epoch, set, *announced)?
            }
            Event::Message { .. } => Vec::new(),
            Event::Stream { from, stream, message } => self.hear(now, from, stream, message)?,
            Event::Closed { peer, stream } => {
                self.talks.remove(&(peer, stream));
                Vec::new()
            }
        };
        self.seen.follow(&self.store).map_err(died)?;
        Ok(orders)
    }

    fn next_wake(&self) -> Option<Duration> {
        let silent = self.talks.values().map(|talk| talk.heard + SILENCE_MAX);
        Some(silent.fold(self.next_sync, Duration::min))
    }

    fn power_cut(self, dice: &mut Dice) -> Remains {
        // Closing the database could still write: whatever it does then is lost, too.
        self.disk.fail_after(0, Failure::PowerCut);
        let Self { backup, mut restored, .. } = self;
        let mut image = self.disk.after_power_cut(&mut Random(dice.roll()));
        // A publisher that does this contradicts itself: the hostile one does.
        if self.identity.is_none() && dice.pick(0..6) == 0 {
            image.clone_from(&backup);
            restored += 1;
        }
        if self.flaw == Flaw::LosesItsDisk {
            image.clear();
        }
        Remains { image, backup, restored }
    }

    fn fail_write(&mut self, count: Option<u64>) {
        match count {
            Some(count) => self.disk.fail_after(count, Failure::PowerCut),
            None => self.disk.work_again(),
        }
    }
}
