//! What a mirror knows, and what it makes of that.
//!
//! In: the store, with its releases, its holds and what other nodes said; what a person decided. Out:
//! the orders of a [`Keeper`], and everything that people are shown. A copy of it can be asked what
//! would be done without anything being done.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::NodeId;
use catalog::register::{Hlc, Register, RegisterName};
use catalog::size::ByteSize;
use catalog::store::{HoldReason, StoreError};
use catalog::time::Timestamp;
use catalog_mirror::filter::{self, Filter};
use catalog_mirror::heat::{Demand, Heat, Prefix};
use catalog_mirror::holdings::{Directory, Page, PageNumber};
use catalog_mirror::keeper::{self, Event, Keeper, Order};
use catalog_mirror::lease::{Accepts, Lease, Mirror};
use catalog_mirror::placement::{self, Planner};
use catalog_mirror::strategy::{Measured, WHOLE};
use catalog_mirror::unit::Unit;

use super::book::{Decided, Mode};
use super::demand::demand_name;
use super::holders::lease_name;
use super::say::Statement;
use super::units::Units;
use super::{MirrorError, Terms};
use crate::node::{Inner, now};

/// The most mirrors, and the most nodes that say what they served, that are looked at; anybody can
/// make any number of nodes.
const NODES_MAX: usize = 512;
/// What a node that no person added counts as, where it says what it served.
const STRANGER_WEIGHT: u16 = WHOLE / 8;
/// How often a mirror whose lease is over is asked whether it is there.
const PROBES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A content that is held for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub bytes: ByteSize,
    pub since: Timestamp,
    pub whole: bool,
}

/// What is known, and the machines that decide from it.
#[derive(Clone)]
pub(super) struct Mind {
    me: NodeId,
    terms: Terms,
    pub decided: Decided,
    pub held: BTreeMap<Digest, Kept>,
    units: Units,
    planner: Planner,
    keeper: Keeper,
    directory: Directory,
    heat: Heat,
    /// When each node last said what it served.
    heard: BTreeMap<NodeId, Hlc>,
    /// What the keeper was told to hold whatever the plan says.
    pins: BTreeSet<Digest>,
}

impl Mind {
    pub(super) fn new(me: NodeId, terms: &Terms) -> Self {
        let settings = placement::Settings {
            factor_min: terms.factor,
            strategy: terms.strategy,
            ..placement::Settings::default()
        };
        Self {
            me,
            terms: terms.clone(),
            decided: Decided::default(),
            held: BTreeMap::new(),
            units: Units::default(),
            planner: Planner::new(settings),
            keeper: Keeper::new(me, keeper::Settings::default()),
            directory: Directory::new(),
            heat: Heat::new(),
            heard: BTreeMap::new(),
            pins: BTreeSet::new(),
        }
    }

    /// Takes in everything that is new.
    pub(super) fn learn(&mut self, inner: &Inner) -> Result<(), MirrorError> {
        let now = now();
        self.decided = inner.mirror.book.decided()?;
        let (low, high) = PROBES;
        self.keeper.set(keeper::Settings {
            budget: self.budget(),
            probe_every: (self.terms.lease / 60).clamp(low, high),
            ..keeper::Settings::default()
        });
        for root in self.units.follow(&inner.store)? {
            match self.units.get(&root) {
                Some(unit) => self.planner.set_unit(unit),
                None => self.planner.remove_unit(&root),
            }
        }
        self.learn_holds(inner, now)?;
        self.learn_mirrors(inner, now)?;
        self.learn_demand(inner, now)?;
        Ok(())
    }

    fn learn_holds(&mut self, inner: &Inner, now: Timestamp) -> Result<(), StoreError> {
        let holds = inner.store.holds()?;
        let is = |reason| move |hold: &&catalog::store::Hold| hold.reason == reason;
        let partial: BTreeSet<Digest> =
            holds.iter().filter(is(HoldReason::Partial)).map(|hold| hold.root).collect();
        let mut held = BTreeMap::new();
        for hold in holds.iter().filter(is(HoldReason::Mirrored)) {
            let root = hold.root;
            let bytes = match (self.held.get(&root), self.units.get(&root)) {
                (Some(kept), _) => kept.bytes,
                (None, Some(unit)) => unit.bytes,
                (None, None) => inner.bytes_of(&root)?,
            };
            held.insert(root, Kept { bytes, since: hold.since, whole: !partial.contains(&root) });
        }
        for (root, kept) in held.iter().filter(|(_, kept)| kept.whole) {
            if !self.keeper.holds(root) {
                self.keeper.handle(now, Event::Held { root: *root, bytes: kept.bytes });
            }
        }
        let is_gone = |root: &&Digest| held.get(*root).is_none_or(|kept| !kept.whole);
        let gone: Vec<Digest> =
            self.keeper.held().map(|(root, _)| root).filter(is_gone).copied().collect();
        for root in gone {
            self.keeper.handle(now, Event::Lost { root });
        }
        self.held = held;
        Ok(())
    }

    fn learn_mirrors(&mut self, inner: &Inner, now: Timestamp) -> Result<(), StoreError> {
        let mut leases = said(inner, &lease_name(), now)?;
        // Peers first, where there are more than are looked at.
        leases.sort_by_cached_key(|said| (!inner.is_peer(&said.node), said.node));
        leases.truncate(NODES_MAX);
        let name = filter::NAME.parse().expect("the name has the form of one");
        for lease in leases {
            let Ok(read) = Lease::decode(&lease.value) else { continue };
            let filter = match read.filter {
                Some(_) => inner.store.register(&name, &lease.node)?.map(|said| said.value),
                None => None,
            };
            let mirror = Arc::new(Mirror::new(read, filter.as_deref()));
            let (node, until) = (lease.node, lease.expires);
            self.keeper.handle(now, Event::Leased { node, mirror, until });
        }
        for number in PageNumber::all() {
            for page in said(inner, &number.register(), now)? {
                if self.keeper.presence().mirror(&page.node).is_some()
                    && let Ok(read) = Page::decode(&page.value)
                {
                    self.directory.set(page.node, number, read);
                }
            }
        }
        let until = Timestamp::from_millis(now.as_millis() + HOUR_MS);
        let mirror = Arc::new(self.ourselves(inner));
        self.keeper.handle(now, Event::Leased { node: self.me, mirror, until });
        let counted: BTreeMap<NodeId, Mirror> = self
            .keeper
            .presence()
            .counted(now)
            .map(|(node, mirror)| (*node, mirror.clone()))
            .collect();
        let gone = self.planner.mirrors().map(|(node, _)| *node);
        let gone: Vec<NodeId> = gone.filter(|node| !counted.contains_key(node)).collect();
        gone.iter().for_each(|node| self.planner.remove_mirror(node));
        counted.iter().for_each(|(node, mirror)| self.planner.set_mirror(*node, mirror));
        Ok(())
    }

    /// This node, as others know it.
    fn ourselves(&self, inner: &Inner) -> Mirror {
        let Statement { capacity, used, filter, measured, .. } = self.statement(inner);
        let lease = Lease {
            region: inner.config.region().cloned(),
            capacity,
            used,
            backbone: self.terms.backbone,
            generation: 0,
            filter: filter.digest().ok().flatten(),
            measured,
        };
        Mirror { lease, accepts: Accepts::Only(filter) }
    }

    fn learn_demand(&mut self, inner: &Inner, now: Timestamp) -> Result<(), StoreError> {
        let mut claims = inner.store.registers(&demand_name(), now)?;
        let is_known = |node: &NodeId| *node == inner.id || inner.is_peer(node);
        claims.sort_by_cached_key(|said| (!is_known(&said.node), said.node));
        claims.truncate(NODES_MAX);
        let said: BTreeSet<NodeId> = claims.iter().map(|claim| claim.node).collect();
        let mut changed: BTreeSet<Prefix> = BTreeSet::new();
        let silent: Vec<NodeId> =
            self.heard.keys().filter(|node| !said.contains(node)).copied().collect();
        for node in silent {
            self.heard.remove(&node);
            changed.extend(self.heat.forget(&node));
        }
        for claim in claims {
            if self.heard.insert(claim.node, claim.hlc) == Some(claim.hlc) {
                continue;
            }
            let demand = Demand::decode(&claim.value).unwrap_or_default();
            let weight = if is_known(&claim.node) { WHOLE } else { STRANGER_WEIGHT };
            changed.extend(self.heat.merge(claim.node, &demand, weight));
        }
        let hour = (now.as_millis() / HOUR_MS % 24) as u8;
        self.planner.warm(&self.heat, hour, &changed);
        Ok(())
    }

    /// Decides what is to be done next.
    pub(super) fn decide(&mut self) {
        let now = now();
        self.planner.refresh();
        let wanted = self.pinned();
        let before = std::mem::take(&mut self.pins);
        for root in before.difference(&wanted) {
            self.keeper.handle(now, Event::Unpinned { root: *root });
        }
        for root in wanted.difference(&before) {
            let kept = self.held.get(root).map(|kept| kept.bytes);
            if let Some(bytes) = kept.or_else(|| Some(self.units.get(root)?.bytes)) {
                self.keeper.handle(now, Event::Pinned { root: *root, bytes });
            }
        }
        self.pins = wanted;
        self.keeper.decide(now, &self.planner, &self.directory);
    }

    /// What is to be held whatever the plan says: what was added by hand, and where everything that
    /// the filter lets through is to be held, as much of that as fits: the rarest first, of equally
    /// rare ones the newest.
    fn pinned(&self) -> BTreeSet<Digest> {
        let is_there = |root: &&Digest| self.held.contains_key(root) || self.units.has(root);
        let mut pinned: BTreeSet<Digest> =
            self.decided.pins.keys().filter(is_there).copied().collect();
        if self.decided.mode != Mode::All {
            return pinned;
        }
        let size = |root: &Digest| match (self.held.get(root), self.units.get(root)) {
            (Some(kept), _) => kept.bytes,
            (None, unit) => unit.map(|unit| unit.bytes).unwrap_or_default(),
        };
        let mut used: ByteSize = pinned.iter().map(size).sum();
        let filter = self.filter();
        let let_through = self.units.all().filter(|unit| filter.accepts(unit));
        let mut wanted: Vec<_> = let_through
            .map(|unit| {
                (self.others(&unit.root).len(), Reverse(unit.published), unit.root, unit.bytes)
            })
            .collect();
        wanted.sort_unstable();
        // What is held already is not given up for what is as rare.
        let held = |root: &Digest| self.held.contains_key(root);
        wanted.sort_by_key(|(others, _, root, _)| (*others, !held(root)));
        for (_, _, root, bytes) in wanted {
            let after: ByteSize = [used, bytes].into_iter().sum();
            if after <= self.budget() && pinned.insert(root) {
                used = after;
            }
        }
        pinned
    }

    /// The next order, in the order in which they are to be carried out.
    pub(super) fn next_order(&mut self) -> Option<Order> {
        self.keeper.next_order()
    }

    /// A fetch for others ended.
    ///
    /// - `bytes`: how much is here; `None` when it failed.
    pub(super) fn fetched(&mut self, root: Digest, bytes: Option<ByteSize>) {
        let event = match bytes {
            Some(bytes) => Event::Held { root, bytes },
            None => Event::Failed { root },
        };
        self.keeper.handle(now(), event);
    }

    /// A mirror was asked whether it is there.
    pub(super) fn probed(&mut self, node: NodeId, answered: bool) {
        self.keeper.handle(now(), Event::Probed { node, answered });
    }

    pub(super) fn unit(&self, root: &Digest) -> Option<Unit> {
        self.units.get(root)
    }

    pub(super) fn planner(&self) -> &Planner {
        &self.planner
    }

    /// The other mirrors that say that they hold a content, as far as they count.
    pub(super) fn others(&self, root: &Digest) -> Vec<NodeId> {
        self.keeper.copies(now(), root, &self.directory)
    }

    /// The other mirrors that count.
    pub(super) fn mirrors(&self) -> Vec<(NodeId, Mirror)> {
        let counted = self.keeper.presence().counted(now());
        let others = counted.filter(|(node, _)| **node != self.me);
        others.map(|(node, mirror)| (*node, mirror.clone())).collect()
    }

    /// What should be held and is not.
    pub(super) fn missing(&self) -> Vec<Unit> {
        let duties = self.planner.wanted_by(&self.me).into_iter().map(|duty| duty.root);
        let all: BTreeSet<Digest> = self.pins.iter().copied().chain(duties).collect();
        let missing = all.into_iter().filter(|root| !self.has(root));
        missing.filter_map(|root| self.units.get(&root)).collect()
    }

    /// Whether a content should be held.
    pub(super) fn wants(&self, root: &Digest) -> bool {
        self.pins.contains(root) || self.planner.is_holder(root, &self.me)
    }

    /// Whether all of a content is held for others.
    pub(super) fn has(&self, root: &Digest) -> bool {
        self.held.get(root).is_some_and(|kept| kept.whole)
    }

    pub(super) fn budget(&self) -> ByteSize {
        self.decided.budget.unwrap_or(self.terms.budget)
    }

    pub(super) fn filter(&self) -> &Filter {
        self.decided.filter.as_ref().unwrap_or(&self.terms.filter)
    }

    /// How much room copies take.
    pub(super) fn used(&self) -> ByteSize {
        self.held.values().map(|kept| kept.bytes).sum()
    }

    /// What others are to know of this mirror.
    pub(super) fn statement(&self, inner: &Inner) -> Statement {
        let churn = self.keeper.presence().churn(now());
        let is_on = self.decided.mode != Mode::Off;
        Statement {
            is_mirror: is_on || !self.decided.pins.is_empty() || !self.held.is_empty(),
            // Who holds only what was added by hand is asked for nothing.
            capacity: if is_on { self.budget() } else { ByteSize::default() },
            used: self.used(),
            filter: self.filter().clone(),
            measured: Measured {
                churn: churn.filter(|_| inner.open_net().is_some()),
                ..Measured::default()
            },
        }
    }
}

/// What other nodes say under a name.
fn said(inner: &Inner, name: &RegisterName, now: Timestamp) -> Result<Vec<Register>, StoreError> {
    let mut said = inner.store.registers(name, now)?;
    said.retain(|said| said.node != inner.id);
    Ok(said)
}
