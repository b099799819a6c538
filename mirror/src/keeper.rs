//! Carries a plan out on one mirror, without haste and without loss.
//!
//! In: leases, probes and holdings of others, what we hold ourselves, and the [`Planner`]'s plan.
//! Out: [`Order`]s to fetch, to evict and to probe; `node` does it and says what came of it.
//!
//! Copies come when the plan asks this mirror for them, the rarest first; what is asked of us beyond
//! the least copies of everything comes only while there are too few, here or in all: whom a plan
//! asks changes more often than how much. They go late: a copy that is not asked of us any more
//! stays for a day and until there are two too many for an hour, or until its room is needed; for
//! more copies of something else, an hour later. So a mirror that comes and goes, and demand
//! that does, make others copy once and not each time. A node counts
//! as gone when its lease is over and it did not answer twice ([`Presence`]); what it held is made
//! again at one unit in ten seconds and a fifth of the bandwidth.
//!
//! Guarantees: the budget holds at every moment, in flight included; no copy is evicted that is
//! believed to be the last, and of several mirrors that hold too much, those at the end of the
//! unit's order give way, so that they do not all do so at once.
//! Not here: whom to fetch from fastest (`node::topology`), and whether a copy is what it claims to
//! be: that is hashed on arrival and audited later.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::{ByteSize, Digest, Timestamp};

use crate::holdings::Directory;
use crate::lease::Mirror;
use crate::placement::{Class, Duty, Planner, Why};

mod pace;
mod presence;

pub use presence::{PROBES_FAILED_MAX, Presence};

use pace::Pace;

/// Copies that are fetched at once.
pub const FETCHES_MAX: usize = 4;
/// How long there have to be too many copies before one goes that takes nobody's room.
pub const SURPLUS_FOR: Duration = Duration::from_secs(60 * 60);
/// How long a copy that was asked of us stays when its room is needed for more copies of something
/// else, and when it is not needed: as long as demand is remembered.
const UNASKED_FOR: (Duration, Duration) =
    (Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60));
/// How many more copies than wanted are no reason to drop one.
const SURPLUS: usize = 1;
/// As many copies stay when room is needed, if so many are wanted.
const KEPT_MIN: usize = 2;
/// Expectations that are remembered.
const EXPECTED_MAX: usize = 64;
/// After a copy could not be fetched, the first pause, doubled each time up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// What one mirror may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much it holds at most.
    pub budget: ByteSize,
    /// What its line carries in a second; repairs take a fifth.
    pub bandwidth: ByteSize,
    /// How long after a probe the next one follows.
    pub probe_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: ByteSize::gib(10),
            bandwidth: ByteSize::mib(5),
            probe_every: Duration::from_secs(30),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A node's lease was heard of, our own included.
    Leased {
        /// Whose.
        node: NodeId,
        /// What it offers.
        mirror: Arc<Mirror>,
        /// When the lease ends.
        until: Timestamp,
    },
    /// A probe ended.
    Probed {
        /// Whom it asked.
        node: NodeId,
        /// Whether there was an answer.
        answered: bool,
    },
    /// A copy is here, completely.
    Held {
        /// Of what.
        root: Digest,
        /// How large it is.
        bytes: ByteSize,
    },
    /// A copy is not here any more: it was evicted, or found to be damaged.
    Lost {
        /// Of what.
        root: Digest,
    },
    /// A copy could not be fetched.
    Failed {
        /// Of what.
        root: Digest,
    },
    /// The owner of this mirror wants a copy, whatever the plan says.
    Pinned {
        /// Of what.
        root: Digest,
        /// How large it is.
        bytes: ByteSize,
    },
    /// Somebody here will probably ask for it soon.
    Expected {
        /// For what.
        root: Digest,
        /// How large it is.
        bytes: ByteSize,
    },
    /// The owner leaves it to the plan again.
    Unpinned {
        /// Of what.
        root: Digest,
    },
}

/// Something to do. Each is answered by an [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fetch a copy; answered by [`Event::Held`] or [`Event::Failed`].
    Fetch {
        /// Of what.
        root: Digest,
        /// How large it is said to be.
        bytes: ByteSize,
        /// Who says that it holds it: those in our region first, backbones last. When nobody does,
        /// its publisher may.
        from: Vec<NodeId>,
        /// What for.
        cause: Cause,
    },
    /// Give up a copy; answered by [`Event::Lost`].
    Evict {
        /// Of what.
        root: Digest,
        /// Why it may go.
        why: Farewell,
    },
    /// Ask a node whether it is there; answered by [`Event::Probed`].
    Probe {
        /// Whom.
        node: NodeId,
    },
}

/// Why a copy is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The plan asks for it.
    Duty(Why),
    /// The plan asks for it because a mirror that held it is gone.
    Repair(Why),
    /// Its owner asks for it.
    Pin,
    /// It will probably be asked for soon, and there is room.
    Prefetch,
}

/// Why a copy may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// There were two too many for an hour.
    Surplus,
    /// Its room is needed for what the plan asks for.
    Room,
}

/// One mirror's copies, and what it knows of those of others.
#[derive(Clone, Debug)]
pub struct Keeper {
    me: NodeId,
    settings: Settings,
    presence: Presence,
    pace: Pace,
    held: BTreeMap<Digest, ByteSize>,
    pins: BTreeMap<Digest, ByteSize>,
    fetching: BTreeMap<Digest, ByteSize>,
    evicting: BTreeSet<Digest>,
    /// What the plan asked of us when we decided last.
    asked: BTreeSet<Digest>,
    /// Since when a copy is not asked of us any more.
    unasked: BTreeMap<Digest, Timestamp>,
    /// Since when there are too many copies.
    surplus: BTreeMap<Digest, Timestamp>,
    failed: BTreeMap<Digest, Failures>,
    /// What is fetched if nothing else is to do, the latest last.
    expected: VecDeque<(Digest, ByteSize)>,
    orders: VecDeque<Order>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    again_at: Timestamp,
}

/// How soon room is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// At once.
    Now,
    /// Not from what was asked of us until just now.
    Later,
}

/// The copies of one unit as far as they are known.
struct Live {
    /// The other mirrors that hold it, by id.
    others: Vec<NodeId>,
    /// How many are to hold it.
    wanted: usize,
}

impl Keeper {
    /// A mirror that holds nothing yet and knows nobody.
    pub fn new(me: NodeId, settings: Settings) -> Self {
        Self {
            me,
            presence: Presence::new(me, settings.probe_every),
            pace: Pace::new(settings.bandwidth),
            settings,
            held: BTreeMap::new(),
            pins: BTreeMap::new(),
            fetching: BTreeMap::new(),
            evicting: BTreeSet::new(),
            asked: BTreeSet::new(),
            unasked: BTreeMap::new(),
            surplus: BTreeMap::new(),
            failed: BTreeMap::new(),
            expected: VecDeque::new(),
            orders: VecDeque::new(),
        }
    }

    /// Changes what it may use.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.pace.set(settings.bandwidth);
        self.presence.set(settings.probe_every);
    }

    /// Who is there: the mirrors to plan with.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// What is held, by root.
    pub fn held(&self) -> impl ExactSizeIterator<Item = (&Digest, ByteSize)> {
        self.held.iter().map(|(root, bytes)| (root, *bytes))
    }

    /// Whether a copy is here.
    pub fn holds(&self, root: &Digest) -> bool {
        self.held.contains_key(root)
    }

    /// Whether the owner wants a copy whatever the plan says.
    pub fn is_pinned(&self, root: &Digest) -> bool {
        self.pins.contains_key(root)
    }

    /// How much room is taken, what is being fetched included.
    pub fn used(&self) -> ByteSize {
        self.held.values().chain(self.fetching.values()).copied().sum()
    }

    /// Takes in something that happened.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Leased { node, mirror, until } => self.presence.leased(now, node, mirror, until),
            Event::Probed { node, answered } => self.presence.probed(now, &node, answered),
            Event::Held { root, bytes } => {
                self.fetching.remove(&root);
                self.failed.remove(&root);
                self.held.insert(root, bytes);
            }
            Event::Lost { root } => {
                self.held.remove(&root);
                self.evicting.remove(&root);
                self.surplus.remove(&root);
            }
            Event::Failed { root } => {
                self.fetching.remove(&root);
                let failures = self.failed.entry(root).or_default();
                let pause = PAUSES.0.saturating_mul(1 << failures.count.min(10)).min(PAUSES.1);
                failures.count += 1;
                failures.again_at = later(now, pause);
            }
            Event::Pinned { root, bytes } => {
                self.pins.insert(root, bytes);
            }
            Event::Unpinned { root } => {
                self.pins.remove(&root);
            }
            Event::Expected { root, bytes } => {
                self.expected.retain(|(known, _)| *known != root);
                if self.expected.len() >= EXPECTED_MAX {
                    self.expected.pop_front();
                }
                self.expected.push_back((root, bytes));
            }
        }
    }

    /// The next thing to do.
    pub fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Compares what is held with the plan and orders the next steps. To be called when something
    /// happened, and every now and then.
    ///
    /// - `planner`: refreshed, with the mirrors of [`Presence::counted`].
    pub fn decide(&mut self, now: Timestamp, planner: &Planner, directory: &Directory) {
        for node in self.presence.due(now) {
            self.orders.push_back(Order::Probe { node });
        }
        let duties = planner.wanted_by(&self.me);
        let mine: BTreeSet<Digest> = duties.iter().map(|duty| duty.root).collect();
        self.failed.retain(|root, _| mine.contains(root) || self.pins.contains_key(root));
        self.note_asked(now, &mine);
        self.fetch_pins(now, planner, directory, &mine);
        self.fetch_duties(now, planner, directory, &duties, &mine);
        self.fetch_expected(now, planner, directory);
        self.drop_surplus(now, planner, directory, &mine);
    }

    /// The other mirrors that say that they hold a unit, as far as they count, by id.
    pub fn copies(&self, now: Timestamp, root: &Digest, directory: &Directory) -> Vec<NodeId> {
        let holds = |node: &&NodeId| {
            let mirror = self.presence.counts(now, node).filter(|_| **node != self.me);
            mirror.is_some_and(|mirror| directory.holds(node, mirror.lease.generation, root))
        };
        directory.claimants(root).iter().filter(holds).copied().collect()
    }

    fn fetch_pins(
        &mut self,
        now: Timestamp,
        planner: &Planner,
        directory: &Directory,
        mine: &BTreeSet<Digest>,
    ) {
        let missing: Vec<_> = self.pins.iter().map(|(root, bytes)| (*root, *bytes)).collect();
        for (root, bytes) in missing {
            let may = self.may_fetch(now, &root);
            if may && self.make_room(now, bytes, Haste::Now, planner, directory, mine) {
                let live = self.live(now, &root, planner, directory);
                self.fetch(root, bytes, &live, Cause::Pin);
            }
        }
    }

    fn fetch_duties(
        &mut self,
        now: Timestamp,
        planner: &Planner,
        directory: &Directory,
        duties: &[Duty],
        mine: &BTreeSet<Digest>,
    ) {
        let missing = duties.iter().filter(|duty| self.may_fetch(now, &duty.root));
        let mut missing: Vec<(usize, &Duty, Live)> = missing
            .map(|duty| {
                let live = self.live(now, &duty.root, planner, directory);
                (live.others.len().min(usize::from(planner.base())), duty, live)
            })
            .filter(|(_, duty, live)| !self.are_enough(duty, live, planner))
            .collect();
        // Stable: among equally rare ones the plan's order stays.
        missing.sort_by_key(|(copies, _, _)| *copies);
        for (_, duty, live) in missing {
            if self.fetching.len() >= FETCHES_MAX {
                break;
            }
            let repair = self.was_lost(&duty.root, directory);
            if repair && !self.pace.allows(now) {
                continue;
            }
            let haste = match duty.why.class {
                Class::Base | Class::Region | Class::Backbone => Haste::Now,
                Class::Hot | Class::Wish => Haste::Later,
            };
            if !self.make_room(now, duty.bytes, haste, planner, directory, mine) {
                continue;
            }
            let cause = match repair {
                true => Cause::Repair(duty.why),
                false => Cause::Duty(duty.why),
            };
            if repair {
                self.pace.take(now, duty.bytes);
            }
            self.fetch(duty.root, duty.bytes, &live, cause);
        }
    }

    /// Whether others hold as many copies as are wanted, here and in all, of something that is asked
    /// of us beyond the least copies.
    fn are_enough(&self, duty: &Duty, live: &Live, planner: &Planner) -> bool {
        if matches!(duty.why.class, Class::Base | Class::Backbone)
            || live.others.len() < live.wanted
        {
            return false;
        }
        let region = |node: &NodeId| Some(self.presence.mirror(node)?.lease.region.as_ref());
        let is_here = |node: &NodeId| region(node) == region(&self.me);
        let wanted = planner.placement(&duty.root).map(|placement| placement.holders);
        let wanted = wanted.into_iter().flatten().filter(|(node, _)| is_here(node)).count();
        live.others.iter().filter(|node| is_here(node)).count() >= wanted
    }

    /// Fetches what will be asked for soon into room that nobody needs, when nothing else is fetched.
    /// Such a copy is a surplus: it goes first when room is needed.
    fn fetch_expected(&mut self, now: Timestamp, planner: &Planner, directory: &Directory) {
        if !self.fetching.is_empty() || !self.evicting.is_empty() {
            return;
        }
        while let Some((root, bytes)) = self.expected.pop_back() {
            let room = self.settings.budget.as_u64().saturating_sub(self.used().as_u64());
            if self.may_fetch(now, &root) && bytes.as_u64() <= room {
                let live = self.live(now, &root, planner, directory);
                return self.fetch(root, bytes, &live, Cause::Prefetch);
            }
        }
    }

    fn may_fetch(&self, now: Timestamp, root: &Digest) -> bool {
        let waits = self.failed.get(root).is_some_and(|failures| failures.again_at > now);
        !waits
            && !self.held.contains_key(root)
            && !self.fetching.contains_key(root)
            && self.fetching.len() < FETCHES_MAX
    }

    fn fetch(&mut self, root: Digest, bytes: ByteSize, live: &Live, cause: Cause) {
        let here = self.presence.mirror(&self.me).and_then(|mirror| mirror.lease.region.clone());
        let mut from = live.others.clone();
        from.sort_by_key(|node| {
            let lease = self.presence.mirror(node).map(|mirror| &mirror.lease);
            let backbone = lease.is_some_and(|lease| lease.backbone);
            let far = lease.is_none_or(|lease| here.is_none() || lease.region != here);
            (backbone, far)
        });
        self.fetching.insert(root, bytes);
        self.orders.push_back(Order::Fetch { root, bytes, from, cause });
    }

    /// Whether a mirror held it that is gone.
    fn was_lost(&self, root: &Digest, directory: &Directory) -> bool {
        directory.claimants(root).iter().any(|node| {
            let mirror = self.presence.mirror(node).filter(|_| self.presence.is_gone(node));
            mirror.is_some_and(|mirror| directory.holds(node, mirror.lease.generation, root))
        })
    }

    /// The copies of a unit elsewhere, on mirrors that count.
    fn live(
        &self,
        now: Timestamp,
        root: &Digest,
        planner: &Planner,
        directory: &Directory,
    ) -> Live {
        Live { others: self.copies(now, root, directory), wanted: planner.copies(root) }
    }

    /// Whether there is room for so many bytes; orders what is in the way to go, if there is not.
    fn make_room(
        &mut self,
        now: Timestamp,
        bytes: ByteSize,
        haste: Haste,
        planner: &Planner,
        directory: &Directory,
        mine: &BTreeSet<Digest>,
    ) -> bool {
        let free = self.settings.budget.as_u64().saturating_sub(self.used().as_u64());
        let Some(lacking) = bytes.as_u64().checked_sub(free).filter(|lacking| *lacking > 0) else {
            return true;
        };
        if bytes > self.settings.budget {
            return false;
        }
        // What is on its way out makes room as well; it is waited for.
        let leaving = |root: &Digest| self.held.get(root).copied().unwrap_or_default();
        let mut coming: u64 = self.evicting.iter().map(leaving).sum::<ByteSize>().as_u64();
        if coming >= lacking {
            return false;
        }
        let mut victims = Vec::new();
        let may_go = |root: &Digest| {
            self.is_free(root, mine)
                && (haste == Haste::Now || !self.was_asked(now, root, UNASKED_FOR.0))
        };
        for (&root, &bytes) in self.held.iter().filter(|(root, _)| may_go(root)) {
            let live = self.live(now, &root, planner, directory);
            let kept = live.wanted.clamp(1, KEPT_MIN);
            if self.gives_way(&root, &live, kept, planner) {
                let asked = planner.warmth(&root).map_or(0, |warmth| warmth.total());
                let surplus = (live.others.len() + 1).saturating_sub(live.wanted);
                victims.push((Reverse(surplus), asked, Reverse(bytes), root));
            }
        }
        victims.sort_unstable();
        let possible: u64 = victims.iter().map(|(_, _, bytes, _)| bytes.0.as_u64()).sum();
        if coming + possible < lacking {
            return false;
        }
        for (_, _, bytes, root) in victims {
            if coming >= lacking {
                break;
            }
            coming += bytes.0.as_u64();
            self.evict(root, Farewell::Room);
        }
        false
    }

    /// Gives up copies of which there have been too many for long.
    fn drop_surplus(
        &mut self,
        now: Timestamp,
        planner: &Planner,
        directory: &Directory,
        mine: &BTreeSet<Digest>,
    ) {
        let free: Vec<Digest> =
            self.held.keys().filter(|root| self.is_free(root, mine)).copied().collect();
        let still: BTreeSet<&Digest> = free.iter().collect();
        self.surplus.retain(|root, _| still.contains(root));
        for root in free {
            let live = self.live(now, &root, planner, directory);
            let kept = live.wanted + SURPLUS;
            if live.others.len() < kept {
                self.surplus.remove(&root);
                continue;
            }
            let since = *self.surplus.entry(root).or_insert(now);
            let is_due = now.since(since) >= SURPLUS_FOR;
            let lately = self.was_asked(now, &root, UNASKED_FOR.1);
            if is_due && !lately && self.gives_way(&root, &live, kept, planner) {
                self.evict(root, Farewell::Surplus);
            }
        }
    }

    /// Notes what is not asked of us any more.
    fn note_asked(&mut self, now: Timestamp, mine: &BTreeSet<Digest>) {
        for root in self.asked.difference(mine) {
            self.unasked.insert(*root, now);
        }
        self.unasked
            .retain(|root, since| !mine.contains(root) && now.since(*since) < UNASKED_FOR.1);
        self.asked.clone_from(mine);
    }

    /// Whether a copy was asked of us within the time.
    fn was_asked(&self, now: Timestamp, root: &Digest, within: Duration) -> bool {
        self.unasked.get(root).is_some_and(|since| now.since(*since) < within)
    }

    /// Whether a copy is one that nobody asks of us.
    fn is_free(&self, root: &Digest, mine: &BTreeSet<Digest>) -> bool {
        !mine.contains(root) && !self.pins.contains_key(root) && !self.evicting.contains(root)
    }

    /// Whether we may drop a copy, so that `kept` others remain whatever the others decide.
    ///
    /// Those that the plan asks do not drop theirs. Of the rest, as many as are needed beside them
    /// stay, the first in the unit's order; all who know the same agree on who that is.
    fn gives_way(&self, root: &Digest, live: &Live, kept: usize, planner: &Planner) -> bool {
        let (asked, unasked): (Vec<_>, Vec<_>) =
            live.others.iter().partition(|node| planner.is_holder(root, node));
        let needed = kept.saturating_sub(asked.len());
        if live.others.is_empty() || unasked.len() < needed {
            return false;
        }
        let order: BTreeMap<NodeId, usize> =
            planner.order(root).enumerate().map(|(at, node)| (node, at)).collect();
        let place = |node: &NodeId| (order.get(node).copied().unwrap_or(usize::MAX), *node);
        let ours = place(&self.me);
        unasked.into_iter().filter(|node| place(node) < ours).count() >= needed
    }

    fn evict(&mut self, root: Digest, why: Farewell) {
        self.evicting.insert(root);
        self.orders.push_back(Order::Evict { root, why });
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(by))
}

#[cfg(test)]
mod tests;
