//! The scheduler: what happens next, to whom, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Clock;
use super::coverage::{Coverage, Fault};
use super::hostile::Hostile;
use super::machine::{Event, Machine, Message, NodeIndex, Order, Role, Scenario};
use super::nemesis::{Misfortune, down_for};
use super::network::{IDLE, Network};
use super::outcome::{Broken, Outcome};
use super::rule::{Nodes, Rule};
use super::trace::Trace;
use crate::dice::Dice;

/// More steps than this in an hour of a node mean that somebody talks without end.
const STEPS_PER_HOUR_MAX: u64 = 20_000;

/// How often it is looked whether all agree, once the faults have stopped.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How large and how rough a world is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes that keep to the protocol.
    pub honest: usize,
    /// Nodes that do not, until the storm is over; then they are gone.
    pub hostile: usize,
    /// How long things go wrong.
    pub storm: Duration,
    /// How long the honest nodes may take to agree afterwards.
    pub settle_within: Duration,
    /// The mean time between two things that people ask for, anywhere.
    pub command_every: Duration,
    /// The mean time between two misfortunes, anywhere.
    pub misfortune_every: Duration,
}

/// Runs `scenario` in the world that follows from `seed`.
pub fn run<S: Scenario>(scenario: S, plan: &Plan, seed: u64) -> Outcome {
    let mut world = World::new(scenario, plan, seed);
    let broken = world.storm().and_then(|()| world.settle()).err();
    world.outcome(seed, broken)
}

/// What is going to happen.
enum Pending<M: Machine> {
    Boot(NodeIndex),
    /// Counts only when the node was not rescheduled since.
    Wake(NodeIndex, u64),
    Message {
        from: NodeIndex,
        to: NodeIndex,
        message: M::Message,
    },
    Stream {
        from: NodeIndex,
        to: NodeIndex,
        stream: u64,
        message: M::Message,
    },
    Closed {
        end: NodeIndex,
        peer: NodeIndex,
        stream: u64,
    },
    Command,
    Misfortune,
    Mend(Vec<(NodeIndex, NodeIndex)>),
    ClockGoes(NodeIndex),
    Quick(NodeIndex),
}

struct Slot<M: Machine> {
    role: Role,
    machine: Option<M>,
    /// What the last power cut left, while the node is down.
    disk: Option<M::Disk>,
    hostile: Hostile<M>,
    clock: Clock,
    /// How often it started.
    life: u32,
    /// How often its next wake was set.
    wakes: u64,
    /// How long each event takes, and until when the last one does.
    each: u64,
    busy_until: u64,
}

struct World<S: Scenario> {
    scenario: S,
    plan: Plan,
    now: u64,
    /// By time, then by the order in which they were decided on.
    queue: BTreeMap<(u64, u64), Pending<S::Machine>>,
    decided: u64,
    slots: Vec<Slot<S::Machine>>,
    network: Network,
    rules: Vec<Box<dyn Rule<S::Machine>>>,
    dice: Dice,
    is_calm: bool,
    coverage: Coverage,
    trace: Trace,
    steps: u64,
    steps_max: u64,
    messages: u64,
    settled_after: Option<Duration>,
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

impl<S: Scenario> World<S> {
    fn new(scenario: S, plan: &Plan, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let nodes = plan.honest + plan.hostile;
        let network = Network::new(nodes, Dice::new(dice.roll()));
        let slot = |node| Slot {
            role: if node < plan.honest { Role::Honest } else { Role::Hostile },
            machine: None,
            disk: None,
            hostile: Hostile::new(),
            clock: Clock::new(dice.pick(0..400) as i64 - 200, dice.pick(0..60_000) as i64 - 30_000),
            life: 0,
            wakes: 0,
            each: 0,
            busy_until: 0,
        };
        let slots = (0..nodes).map(slot).collect();
        let rules = scenario.rules();
        let node_time = (plan.storm + plan.settle_within) * nodes as u32;
        let mut world = Self {
            scenario,
            plan: plan.clone(),
            now: 0,
            queue: BTreeMap::new(),
            decided: 0,
            slots,
            network,
            rules,
            dice,
            is_calm: false,
            coverage: Coverage::default(),
            trace: Trace::default(),
            steps: 0,
            steps_max: node_time.as_secs() * STEPS_PER_HOUR_MAX / 3600,
            messages: 0,
            settled_after: None,
        };
        for node in 0..nodes {
            let after = world.dice.pick(0..5_000_000);
            world.plan_in(after, Pending::Boot(NodeIndex(node)));
        }
        world.plan_about(world.plan.command_every, Pending::Command);
        world.plan_about(world.plan.misfortune_every, Pending::Misfortune);
        world
    }

    fn plan_at(&mut self, at: u64, pending: Pending<S::Machine>) {
        self.decided += 1;
        self.queue.insert((at.max(self.now), self.decided), pending);
    }

    fn plan_in(&mut self, after: u64, pending: Pending<S::Machine>) {
        self.plan_at(self.now + after, pending);
    }

    /// After some time, `mean` on average.
    fn plan_about(&mut self, mean: Duration, pending: Pending<S::Machine>) {
        let after = self.dice.pick(0..2 * micros(mean).max(1));
        self.plan_in(after, pending);
    }

    fn note(&mut self, text: String) {
        self.trace.note(self.now, (), text);
    }

    /// Lets everything happen that is due before `end`.
    fn run_until(&mut self, end: u64) -> Result<(), Broken> {
        while let Some(entry) = self.queue.first_entry() {
            let (at, order) = *entry.key();
            if at >= end {
                break;
            }
            let pending = entry.remove();
            self.now = at;
            if let Some(free) = self.busy_until(&pending) {
                // It keeps its place among what waits for the same node.
                self.queue.insert((free, order), pending);
                continue;
            }
            self.happen(pending)?;
        }
        self.now = end;
        Ok(())
    }

    fn storm(&mut self) -> Result<(), Broken> {
        self.run_until(micros(self.plan.storm))
    }

    /// Ends all faults and waits until the honest nodes agree.
    fn settle(&mut self) -> Result<(), Broken> {
        self.note("calm".to_owned());
        self.is_calm = true;
        self.network.calm();
        for node in (0..self.slots.len()).map(NodeIndex) {
            let now = self.now;
            let slot = &mut self.slots[node.0];
            slot.each = 0;
            slot.clock.go(now);
            match (slot.role, &mut slot.machine) {
                (Role::Hostile, _) => {
                    self.power_cut(node);
                }
                (Role::Honest, Some(machine)) => machine.fail_write(None),
                (Role::Honest, None) => self.plan_in(0, Pending::Boot(node)),
            }
        }
        let begun = self.now;
        loop {
            self.run_until(self.now + micros(LOOK_EVERY))?;
            let honest =
                self.slots.iter().enumerate().filter(|(_, slot)| slot.role == Role::Honest);
            let machines: Option<Vec<_>> = honest
                .map(|(at, slot)| slot.machine.as_ref().map(|machine| (NodeIndex(at), machine)))
                .collect();
            let unsettled = match machines {
                Some(machines) => self.scenario.unsettled(&machines),
                None => Some("an honest node is down".to_owned()),
            };
            let took = Duration::from_micros(self.now - begun);
            match unsettled {
                None => {
                    self.settled_after = Some(took);
                    return Ok(());
                }
                Some(why) if took >= self.plan.settle_within => {
                    return Err(self.broken("all agree once the faults have stopped", why));
                }
                Some(_) => {}
            }
        }
    }

    fn broken(&self, rule: &str, why: String) -> Broken {
        Broken { rule: rule.to_owned(), why, at: Duration::from_micros(self.now) }
    }

    fn outcome(self, seed: u64, broken: Option<Broken>) -> Outcome {
        Outcome {
            seed,
            node_time: Duration::from_micros(self.now) * self.slots.len() as u32,
            steps: self.steps,
            messages: self.messages,
            coverage: self.coverage,
            digest: self.trace.digest(),
            last: self.trace.last(),
            broken,
            settled_after: self.settled_after,
        }
    }

    /// Until when the node that this is for does something else.
    fn busy_until(&self, pending: &Pending<S::Machine>) -> Option<u64> {
        let node = match pending {
            Pending::Wake(node, _) => node,
            Pending::Message { to, .. } | Pending::Stream { to, .. } => to,
            Pending::Closed { end, .. } => end,
            _ => return None,
        };
        let until = self.slots[node.0].busy_until;
        (until > self.now).then_some(until)
    }

    fn happen(&mut self, pending: Pending<S::Machine>) -> Result<(), Broken> {
        match pending {
            Pending::Boot(node) => return self.boot(node),
            Pending::Wake(node, count) => {
                if self.slots[node.0].wakes == count {
                    return self.step(node, Event::Wake);
                }
            }
            Pending::Message { from, to, message } => {
                if !self.network.is_cut(from, to) {
                    return self.deliver(
                        to,
                        &message,
                        Event::Message { from, message: message.clone() },
                    );
                }
            }
            Pending::Stream { from, to, stream, message } => {
                if self.network.is_open((from, to, stream), self.lives(from, to)) {
                    let event = Event::Stream { from, stream, message: message.clone() };
                    return self.deliver(to, &message, event);
                }
                self.break_stream(from, to, stream);
            }
            Pending::Closed { end, peer, stream } => {
                if self.network.forget(end, peer, stream) {
                    return self.step(end, Event::Closed { peer, stream });
                }
            }
            Pending::Command => self.command()?,
            Pending::Misfortune => {
                if !self.is_calm {
                    let misfortune = Misfortune::any(self.slots.len(), &mut self.dice);
                    self.strike(misfortune);
                    self.plan_about(self.plan.misfortune_every, Pending::Misfortune);
                }
            }
            Pending::Mend(links) => links.into_iter().for_each(|(a, b)| self.network.mend(a, b)),
            Pending::ClockGoes(node) => self.slots[node.0].clock.go(self.now),
            Pending::Quick(node) => self.slots[node.0].each = 0,
        }
        Ok(())
    }

    fn boot(&mut self, node: NodeIndex) -> Result<(), Broken> {
        let slot = &mut self.slots[node.0];
        if slot.machine.is_some() || (self.is_calm && slot.role == Role::Hostile) {
            return Ok(());
        }
        if slot.life > 0 {
            self.coverage.note(Fault::Restart);
        }
        slot.life += 1;
        slot.clock.boot(self.now);
        let (disk, now) = (slot.disk.take(), slot.clock.now(self.now));
        let seed = self.dice.roll();
        self.note(format!("{node} starts"));
        match self.scenario.boot(node, self.slots[node.0].role, disk, now, seed) {
            Ok(machine) => self.slots[node.0].machine = Some(machine),
            Err(why) => return Err(self.broken("a node starts again", format!("{node}: {why}"))),
        }
        self.set_wake(node);
        self.check(node)
    }

    fn command(&mut self) -> Result<(), Broken> {
        if self.is_calm {
            return Ok(());
        }
        self.plan_about(self.plan.command_every, Pending::Command);
        let node = NodeIndex(self.dice.pick(0..self.plan.honest as u64) as usize);
        if self.slots[node.0].machine.is_none() {
            return Ok(());
        }
        match self.scenario.command(node, &mut self.dice) {
            Some(command) => self.step(node, Event::Command(command)),
            None => Ok(()),
        }
    }

    fn deliver(
        &mut self,
        to: NodeIndex,
        message: &<S::Machine as Machine>::Message,
        event: Event<S::Machine>,
    ) -> Result<(), Broken> {
        self.messages += 1;
        if self.slots[to.0].role == Role::Hostile {
            self.slots[to.0].hostile.hear(message);
        }
        self.step(to, event)
    }

    /// One machine takes in one event.
    fn step(&mut self, node: NodeIndex, event: Event<S::Machine>) -> Result<(), Broken> {
        let slot = &mut self.slots[node.0];
        let Some(machine) = &mut slot.machine else { return Ok(()) };
        self.steps += 1;
        self.trace.note(self.now, describe(&event), format!("{node} {event:?}"));
        slot.busy_until = self.now + slot.each;
        let orders = machine.handle(slot.clock.now(self.now), event);
        if self.steps > self.steps_max {
            return Err(self.broken("the work is bounded", format!("{} steps", self.steps)));
        }
        match orders {
            Ok(orders) => {
                self.set_wake(node);
                self.carry_out(node, orders)?;
                self.check(node)
            }
            Err(died) => {
                self.coverage.note(Fault::FailedWrite);
                self.note(format!("{node} ends: {}", died.0));
                self.power_cut(node);
                let after = down_for(&mut self.dice);
                self.plan_in(after, Pending::Boot(node));
                Ok(())
            }
        }
    }

    fn set_wake(&mut self, node: NodeIndex) {
        let slot = &mut self.slots[node.0];
        slot.wakes += 1;
        let wake = slot.machine.as_ref().and_then(Machine::next_wake);
        if let Some(wake) = wake {
            let (at, count) = (slot.clock.when(wake), slot.wakes);
            self.plan_at(at, Pending::Wake(node, count));
        }
    }

    fn carry_out(&mut self, node: NodeIndex, orders: Vec<Order<S::Machine>>) -> Result<(), Broken> {
        for order in orders {
            if self.slots[node.0].role == Role::Honest {
                self.carry_out_one(node, order)?;
                continue;
            }
            let nodes = self.slots.len();
            let (hostile, coverage) = (&mut self.slots[node.0].hostile, &mut self.coverage);
            for order in hostile.twist(order, node, nodes, &mut self.dice, coverage) {
                self.carry_out_one(node, order)?;
            }
        }
        Ok(())
    }

    fn carry_out_one(&mut self, node: NodeIndex, order: Order<S::Machine>) -> Result<(), Broken> {
        let is_honest = self.slots[node.0].role == Role::Honest;
        if let (true, Order::Send { to, message } | Order::Stream { to, message, .. }) =
            (is_honest, &order)
        {
            let faults = self.rules.iter_mut().map(|rule| (rule.sent(node, *to, message), rule));
            let fault = faults.filter_map(|(sent, rule)| sent.err().map(|why| (rule.name(), why)));
            if let Some((rule, why)) = { fault }.next() {
                return Err(self.broken(rule, format!("{node}: {why}")));
            }
        }
        match order {
            Order::Send { to, message } => {
                let (size, coverage) = (message.size(), &mut self.coverage);
                for at in self.network.send(self.now, node, to, size, coverage) {
                    let message = message.clone();
                    self.plan_at(at, Pending::Message { from: node, to, message });
                }
            }
            Order::Stream { to, stream, message } => {
                let lives = self.lives(node, to);
                let (size, coverage) = (message.size(), &mut self.coverage);
                match self.network.stream(self.now, (node, to, stream), size, lives, coverage) {
                    Some(at) => {
                        self.plan_at(at, Pending::Stream { from: node, to, stream, message });
                    }
                    None => self.break_stream(node, to, stream),
                }
            }
            Order::Close { peer, stream } => {
                if let Some(at) = self.network.close(self.now, node, peer, stream) {
                    self.plan_at(at, Pending::Closed { end: peer, peer: node, stream });
                }
            }
            Order::Tell(effect) => {
                self.note(format!("{node} tells {effect:?}"));
                if is_honest {
                    self.rules.iter_mut().for_each(|rule| rule.told(node, &effect));
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, node: NodeIndex) -> Result<(), Broken> {
        let machines = self.slots.iter().map(|slot| (slot.role, slot.machine.as_ref()));
        let nodes = Nodes { machines: machines.collect() };
        if nodes.honest(node).is_none() {
            return Ok(());
        }
        let mut fault = None;
        for rule in &mut self.rules {
            if let Err(why) = rule.check(&nodes, node) {
                fault.get_or_insert((rule.name(), why));
            }
        }
        match fault {
            Some((rule, why)) => Err(self.broken(rule, format!("{node}: {why}"))),
            None => Ok(()),
        }
    }

    /// Which life each of two nodes is in, if it runs.
    fn lives(&self, a: NodeIndex, b: NodeIndex) -> [Option<u32>; 2] {
        [a, b].map(|node| {
            let slot = &self.slots[node.0];
            slot.machine.as_ref().map(|_| slot.life)
        })
    }

    fn break_stream(&mut self, a: NodeIndex, b: NodeIndex, stream: u64) {
        if self.network.break_stream(a, b, stream) {
            self.coverage.note(Fault::BrokenStream);
            for (end, peer) in [(a, b), (b, a)] {
                self.plan_in(IDLE, Pending::Closed { end, peer, stream });
            }
        }
    }

    /// Takes a node's power away; whether it ran.
    fn power_cut(&mut self, node: NodeIndex) -> bool {
        let slot = &mut self.slots[node.0];
        let Some(machine) = slot.machine.take() else { return false };
        slot.disk = Some(machine.power_cut(&mut self.dice));
        slot.busy_until = 0;
        for (a, b, stream) in self.network.streams_of(node) {
            self.break_stream(a, b, stream);
        }
        true
    }

    fn strike(&mut self, misfortune: Misfortune) {
        self.note(format!("{misfortune:?}"));
        match misfortune {
            Misfortune::Weather(weather) => self.network.weather = weather,
            Misfortune::Partition { group, lasts } => {
                let others: Vec<NodeIndex> =
                    (0..self.slots.len()).map(NodeIndex).filter(|n| !group.contains(n)).collect();
                let pairs = group.iter().flat_map(|&a| others.iter().map(move |&b| (a, b)));
                let links: Vec<_> = pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect();
                if !links.is_empty() {
                    self.coverage.note(Fault::Partition);
                    self.cut(links, lasts);
                }
            }
            Misfortune::OneWayCut { from, to, lasts } => {
                self.coverage.note(Fault::OneWayCut);
                self.cut(vec![(from, to)], lasts);
            }
            Misfortune::Flood { from, to, lasts } => self.network.flood(self.now, from, to, lasts),
            Misfortune::PowerCut { node, lasts } => {
                if self.power_cut(node) {
                    self.coverage.note(Fault::PowerCut);
                    self.plan_in(lasts, Pending::Boot(node));
                }
            }
            Misfortune::FailedWrite { node, after } => {
                if let Some(machine) = &mut self.slots[node.0].machine {
                    machine.fail_write(Some(after));
                }
            }
            Misfortune::ClockJump { node, by_ms } => {
                self.coverage.note(Fault::ClockJump);
                self.slots[node.0].clock.jump(by_ms);
            }
            Misfortune::ClockStop { node, lasts } => {
                self.coverage.note(Fault::ClockStop);
                self.slots[node.0].clock.stop(self.now);
                self.plan_in(lasts, Pending::ClockGoes(node));
            }
            Misfortune::SlowNode { node, each, lasts } => {
                self.coverage.note(Fault::SlowNode);
                self.slots[node.0].each = each;
                self.plan_in(lasts, Pending::Quick(node));
            }
        }
    }

    fn cut(&mut self, links: Vec<(NodeIndex, NodeIndex)>, lasts: u64) {
        links.iter().for_each(|&(from, to)| self.network.cut(from, to));
        self.plan_in(lasts, Pending::Mend(links));
    }
}

/// What tells two events apart that look the same.
fn describe<M: Machine>(event: &Event<M>) -> Option<M::Message> {
    match event {
        Event::Message { message, .. } | Event::Stream { message, .. } => Some(message.clone()),
        Event::Wake | Event::Command(_) | Event::Closed { .. } => None,
    }
}
