//! Mirrors as nodes run them: planners, keepers, demand and leases, on a simulated network.
//!
//! Nodes that know the same share one planner here; each would come to the same plan by itself.
//! What a node says reaches everybody on its side of a cut half a minute later. Nodes say what
//! changed, and plan, every ten minutes; one with work to do looks again after a minute, and one
//! that sees something become popular says so then.

use std::time::Duration;

use catalog::Timestamp;

use super::Watch;
use super::accounts::Accounts;
use super::demand::Request;
use super::liars::Liars;
use super::member::Member;
use super::names::Names;
use super::number::{NodeNo, UnitNo};
use super::settings::Settings;
use super::stage::{Carrier, Change, LinePart, Stage, later};
use super::view::{View, Word};
use crate::keeper::{Cause, Event, FETCHES_MAX, Order};
use crate::lease;
use crate::strategy::Measured;

/// How often what changed is said, and plans are made.
pub(super) const DECIDED_EVERY: Duration = Duration::from_secs(600);
/// How soon a mirror with work to do looks again.
pub(super) const BUSY_EVERY: Duration = Duration::from_secs(60);
/// How long what is said takes to reach everybody.
pub(super) const SPREADS_IN: Duration = Duration::from_secs(30);
/// How long an unanswered probe takes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const DAY_MILLIS: u64 = 24 * 3_600_000;
/// What a probe and its answer cost, with their packets.
const PROBE_BYTES: u64 = 200;
/// The same for an audit: a chunk of 16 KiB and its proof.
const AUDIT_BYTES: u64 = 18_000;

/// What mirrors are reminded of.
#[derive(Debug)]
pub(super) enum Alarm {
    /// Everybody plans.
    Plan,
    /// A node says what is new.
    Say(NodeNo),
    /// The same, and every ten minutes from then on.
    Renew(NodeNo),
    /// What a node said has spread.
    Heard(NodeNo, Word),
    /// A node looks at its plan again.
    Look(NodeNo),
    /// A probe was answered, or was not.
    Probed { by: NodeNo, of: NodeNo },
    /// A copy could not even be asked for.
    Unfetched(NodeNo, UnitNo),
}

/// All mirrors.
pub(super) struct Fleet<'w, W> {
    watch: &'w W,
    names: Names,
    /// What the nodes on each side of a cut know; one while there is none.
    views: Vec<View>,
    members: Vec<Member>,
    /// People of each region, and what they met with.
    met: Vec<Met>,
    day: u64,
    liars: Liars,
    /// Kept where somebody lies: elsewhere all words count alike.
    accounts: Option<Accounts>,
    /// When the last liar was found out.
    found_at: Option<Timestamp>,
    cost: Cost,
}

/// What the people of a region met with since the day began.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    requests: u64,
    local: u64,
    /// How many of a thousand were served near by, the day before.
    hits: Option<u16>,
}

/// How long deciding took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// One planner.
    pub(super) plans: Duration,
    /// The keepers of all nodes.
    pub(super) keepers: Duration,
}

impl<'w, W: Watch> Fleet<'w, W> {
    pub(super) fn new(
        settings: &Settings,
        watch: &'w W,
        nodes: usize,
        units: usize,
        liars: &[NodeNo],
    ) -> Self {
        let names = Names::new(settings, nodes, units);
        let honest = NodeNo::all(nodes).find(|node| !liars.contains(node));
        let viewer = names.node(honest.unwrap_or(NodeNo(0)));
        Self {
            accounts: (!liars.is_empty()).then(|| Accounts::new(viewer, liars)),
            watch,
            views: vec![View::new(settings)],
            members: NodeNo::all(nodes).map(|node| Member::new(&names, node)).collect(),
            met: vec![Met::default(); usize::from(settings.regions)],
            names,
            day: u64::MAX,
            liars: Liars::new(settings.seed, nodes, liars),
            found_at: None,
            cost: Cost::default(),
        }
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    /// When the last liar was found out; `None` when one is still believed.
    pub(super) fn found_at(&self) -> Option<Timestamp> {
        let nodes = NodeNo::all(self.members.len());
        let mut believed = nodes.filter(|node| self.liars.is_believed(*node));
        self.found_at.filter(|_| !believed.any(|node| self.liars.lies(node)))
    }

    fn side(&self, stage: &Stage<Alarm>, node: NodeNo) -> usize {
        stage.map.side(stage.map.site(node).region).min(self.views.len() - 1)
    }

    /// A mirror begins, or is back: it says everything, and hears everything.
    fn enter(&mut self, stage: &mut Stage<Alarm>, node: NodeNo) {
        self.members[node.at()].unsay();
        self.hear_all(stage, node);
        stage.remind(Duration::ZERO, Alarm::Say(node));
    }

    /// A node hears of the leases that it missed.
    fn hear_all(&mut self, stage: &mut Stage<Alarm>, node: NodeNo) {
        let view = &self.views[self.side(stage, node)];
        let keeper = &mut self.members[node.at()].keeper;
        for (id, (mirror, until)) in view.leases() {
            let mirror = mirror.clone();
            keeper.handle(stage.now, Event::Leased { node: *id, mirror, until: *until });
        }
        // It fetches what everybody else has of this: as much as they all said.
        stage.said(view.bytes());
    }

    fn say(&mut self, stage: &mut Stage<Alarm>, node: NodeNo) {
        if !stage.map.is_up(node) {
            return;
        }
        let (site, used) = (stage.map.site(node), stage.shelf.used(node));
        let hits = self.met[site.region.at()].hits;
        let churn = self.members[node.at()].keeper.presence().churn(stage.now);
        let measured = Measured { hits, churn, latency_ms: None };
        let member = &mut self.members[node.at()];
        let mut words = member.words(stage.now, site, used, measured, &self.names);
        if self.liars.lies(node) {
            words.retain(|word| !matches!(word, Word::Demand(_)));
            let units = stage.shelf.units();
            words.push(Word::Demand(self.liars.demand(&self.names, &stage.map, node, units)));
        }
        for word in words {
            // Each other node takes it once, and somebody sends it to each of them.
            let hearers = NodeNo::all(stage.map.nodes()).filter(|one| stage.map.is_up(*one));
            let bytes = 2 * word.bytes() * (hearers.count() as u64).saturating_sub(1);
            stage.said(bytes);
            stage.remind(SPREADS_IN, Alarm::Heard(node, word));
        }
    }

    fn hear(&mut self, stage: &mut Stage<Alarm>, from: NodeNo, word: Word) {
        if !self.liars.is_believed(from) {
            return;
        }
        let side = self.side(stage, from);
        let id = self.names.node(from);
        if let Word::Lease(mirror) = &word {
            let until = later(stage.now, lease::LIFE);
            for node in NodeNo::all(stage.map.nodes()) {
                if stage.map.is_up(node) && self.side(stage, node) == side {
                    let event = Event::Leased { node: id, mirror: mirror.clone(), until };
                    self.members[node.at()].keeper.handle(stage.now, event);
                }
            }
        }
        self.views[side].hear(stage.now, id, word);
    }

    /// All make their plans anew, and look at them.
    fn plan(&mut self, stage: &mut Stage<Alarm>) {
        self.measure(stage);
        self.audit(stage);
        if let Some(accounts) = &mut self.accounts {
            accounts.sign(stage.now, &self.names);
            let voices = accounts.voices(stage.now, self.names.nodes());
            for view in &mut self.views {
                view.weigh(self.names.nodes().iter().copied().zip(voices.iter().copied()));
            }
        }
        let all = || NodeNo::all(stage.map.nodes());
        let began = self.watch.clock();
        for side in 0..self.views.len() {
            // Those who know the same count on the same nodes: one of them stands for all.
            let on_side = |node: &NodeNo| stage.map.is_up(*node) && self.side(stage, *node) == side;
            let steady = all().filter(on_side).min_by_key(|node| stage.map.came(*node));
            let Some(one) = steady else { continue };
            self.views[side].plan(stage.now, self.members[one.at()].keeper.presence());
        }
        self.cost.plans += (self.watch.clock() - began) / self.views.len() as u32;
        for node in NodeNo::all(stage.map.nodes()) {
            self.look(stage, node);
        }
        stage.remind(DECIDED_EVERY, Alarm::Plan);
    }

    /// Mirrors look whether what others say is there.
    fn audit(&mut self, stage: &mut Stage<Alarm>) {
        let up = NodeNo::all(stage.map.nodes()).filter(|node| stage.map.is_up(*node)).count();
        stage.said(AUDIT_BYTES * 2 * up as u64);
        for node in self.liars.audit(stage.now, &stage.map, &stage.shelf) {
            self.found_at = Some(stage.now);
            let id = self.names.node(node);
            self.views.iter_mut().for_each(|view| view.disbelieve(&id));
        }
    }

    /// A node compares what it holds with the plan.
    fn look(&mut self, stage: &mut Stage<Alarm>, node: NodeNo) {
        if !stage.map.is_up(node) || self.liars.lies(node) {
            return;
        }
        let side = self.side(stage, node);
        let (view, member) = (&self.views[side], &mut self.members[node.at()]);
        let began = self.watch.clock();
        member.keeper.decide(stage.now, view.planner(), view.directory());
        self.cost.keepers += self.watch.clock() - began;
        let mut is_busy = self.members[node.at()].is_fetching();
        while let Some(order) = self.members[node.at()].keeper.next_order() {
            is_busy = true;
            self.carry_out(stage, node, order);
        }
        let member = &mut self.members[node.at()];
        if is_busy && member.looks_at <= stage.now {
            member.looks_at = later(stage.now, BUSY_EVERY);
            stage.remind(BUSY_EVERY, Alarm::Look(node));
        }
    }

    fn carry_out(&mut self, stage: &mut Stage<Alarm>, node: NodeNo, order: Order) {
        match order {
            Order::Fetch { root, from, cause, .. } => {
                let unit = self.names.unit(&root);
                let region = stage.map.site(node).region;
                let asked = from.iter().map(|id| self.names.number(id));
                let publisher = stage.shelf.publisher(unit);
                let gives = |one: &NodeNo| {
                    *one != node && stage.map.reaches(region, *one) && stage.shelf.holds(*one, unit)
                };
                // The one with the shortest queue: a node would take from several at once.
                let sources = asked.chain([publisher]).filter(gives);
                match sources.min_by_key(|one| stage.queue(*one)) {
                    Some(source) => {
                        self.members[node.at()].fetching += 1;
                        let part = match cause {
                            Cause::Repair(_) => LinePart::Repair,
                            Cause::Duty(_) | Cause::Pin | Cause::Prefetch => LinePart::Plan,
                        };
                        stage.fetch(node, unit, source, part);
                    }
                    None => stage.remind(PROBE_TIMEOUT, Alarm::Unfetched(node, unit)),
                }
            }
            Order::Evict { root, .. } => {
                let unit = self.names.unit(&root);
                let member = &mut self.members[node.at()];
                if stage.shelf.remove(node, unit) {
                    member.holdings.remove(&root);
                }
                member.keeper.handle(stage.now, Event::Lost { root });
            }
            Order::Probe { node: id } => {
                let of = self.names.number(&id);
                let answers = stage.map.reaches(stage.map.site(node).region, of);
                let after = if answers { stage.map.round_trip(node, of) } else { PROBE_TIMEOUT };
                stage.said(PROBE_BYTES * 2);
                stage.remind(after, Alarm::Probed { by: node, of });
            }
        }
    }

    /// Sums up what mirrors measured, when a day has passed.
    fn measure(&mut self, stage: &Stage<Alarm>) {
        let day = stage.now.as_millis() / DAY_MILLIS;
        if std::mem::replace(&mut self.day, day) == day {
            return;
        }
        for met in &mut self.met {
            let hits = (met.local * 1000).checked_div(met.requests).map(|hits| hits as u16);
            *met = Met { hits, ..Met::default() };
        }
    }
}

impl<W: Watch> Carrier for Fleet<'_, W> {
    type Alarm = Alarm;

    fn begin(&mut self, stage: &mut Stage<Alarm>) {
        self.views[0].learn(&self.names, &stage.shelf);
        let nodes = stage.map.nodes();
        for node in NodeNo::all(nodes) {
            let member = &mut self.members[node.at()];
            member.begin(stage.now, &self.names, stage.map.site(node), &stage.shelf, node);
            if self.liars.lies(node) {
                let all = UnitNo::all(stage.shelf.units()).map(|unit| self.names.root(unit));
                all.for_each(|root| member.holdings.add(root));
            }
            if stage.map.is_up(node) {
                stage.remind(Duration::ZERO, Alarm::Say(node));
            }
            // After the first time each speaks at a moment of its own.
            let phase = DECIDED_EVERY * node.0.into() / nodes as u32;
            stage.remind(DECIDED_EVERY + phase, Alarm::Renew(node));
        }
        stage.remind(SPREADS_IN * 2, Alarm::Plan);
    }

    fn asked(&mut self, stage: &mut Stage<Alarm>, request: &Request, by: Option<NodeNo>) {
        let met = &mut self.met[request.region.at()];
        met.requests += 1;
        let Some(server) = by else { return };
        met.local += u64::from(stage.map.site(server).region == request.region);
        if let Some(accounts) = &mut self.accounts {
            let client = (request.region, request.client);
            accounts.served(&stage.map, server, client, stage.shelf.size(request.unit));
        }
        let (root, region) = (self.names.root(request.unit), self.names.region(request.region));
        let client = self.names.client(request.region, request.client);
        let served = &mut self.members[server.at()].served;
        if served.note(stage.now, &root, Some(region), &client) {
            stage.remind(BUSY_EVERY, Alarm::Say(server));
        }
    }

    fn fetched(&mut self, stage: &mut Stage<Alarm>, node: NodeNo, unit: UnitNo, here: bool) {
        let (root, bytes) = (self.names.root(unit), stage.shelf.size(unit));
        let member = &mut self.members[node.at()];
        member.fetching -= 1;
        let event = match here {
            true => {
                member.holdings.add(root);
                Event::Held { root, bytes }
            }
            false => Event::Failed { root },
        };
        member.keeper.handle(stage.now, event);
    }

    fn alarm(&mut self, stage: &mut Stage<Alarm>, alarm: Alarm) {
        match alarm {
            Alarm::Plan => self.plan(stage),
            Alarm::Say(node) => self.say(stage, node),
            Alarm::Renew(node) => {
                self.say(stage, node);
                stage.remind(lease::RENEWED_EVERY, Alarm::Renew(node));
            }
            Alarm::Heard(from, word) => self.hear(stage, from, word),
            // With all hands full there is nothing to decide.
            Alarm::Look(node) if self.members[node.at()].fetching >= FETCHES_MAX => {
                self.members[node.at()].looks_at = later(stage.now, BUSY_EVERY);
                stage.remind(BUSY_EVERY, Alarm::Look(node));
            }
            Alarm::Look(node) => self.look(stage, node),
            Alarm::Probed { by, of } => {
                let answered = stage.map.reaches(stage.map.site(by).region, of);
                let event = Event::Probed { node: self.names.node(of), answered };
                self.members[by.at()].keeper.handle(stage.now, event);
            }
            Alarm::Unfetched(node, unit) => {
                let root = self.names.root(unit);
                self.members[node.at()].keeper.handle(stage.now, Event::Failed { root });
            }
        }
    }

    fn claims(&self, node: NodeNo, _: UnitNo) -> bool {
        self.liars.lies(node) && self.liars.is_believed(node)
    }

    fn changed(&mut self, stage: &mut Stage<Alarm>, change: Change) {
        match change {
            // Nobody is told; its lease ends.
            Change::Went(_) => {}
            Change::Came(node) | Change::Joined(node) => self.enter(stage, node),
            Change::Cut => self.views.push(self.views[0].clone()),
            Change::Healed => {
                self.views.truncate(1);
                for node in NodeNo::all(stage.map.nodes()) {
                    if stage.map.is_up(node) {
                        self.enter(stage, node);
                    }
                }
            }
        }
    }
}
