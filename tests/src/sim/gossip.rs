//! The smallest machine worth simulating: every node ends with every number that was added.
//!
//! It is here to test the simulator. A number is "signed" with a seal that hostile nodes cannot
//! make; it is acknowledged when it is synced; two nodes compare sums and exchange all they have on
//! a stream when these differ. Each [`Flaw`] leaves out one thing that an honest node has to do.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Died, Event, Machine, Message, NodeIndex, Nodes, Now, Order, Role, Rule, Scenario};
use crate::dice::Dice;

/// What a broken node does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does everything.
    None,
    /// It acknowledges before it syncs.
    AcknowledgesTooSoon,
    /// It takes in numbers whose seal is wrong.
    TrustsAnySeal,
    /// It listens to nobody but the node after it, which may be gone for good.
    ListensToOne,
    /// It forgets the largest number when it has too many.
    Forgets,
    /// It tells one number again each time it starts.
    RepeatsItself,
}

/// A number that only honest nodes can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sealed {
    number: u64,
    seal: u64,
}

impl Sealed {
    fn new(number: u64) -> Self {
        Self { number, seal: seal_of(number) }
    }

    fn is_genuine(self) -> bool {
        self.seal == seal_of(self.number)
    }
}

fn seal_of(number: u64) -> u64 {
    Dice::new(number ^ 0x5ea1).roll()
}

/// What gossiping nodes send.
#[derive(Clone, Debug, Hash)]
pub enum Gossip {
    /// A number that follows from everything that the sender has.
    Sum(u64),
    /// Everything that the sender has.
    All(Vec<Sealed>),
}

impl Message for Gossip {
    fn size(&self) -> usize {
        match self {
            Self::Sum(_) => 8,
            Self::All(numbers) => 16 * numbers.len(),
        }
    }

    fn spoil(&mut self, dice: &mut Dice) {
        match self {
            Self::Sum(sum) => *sum ^= dice.roll(),
            Self::All(numbers) => numbers.iter_mut().for_each(|sealed| sealed.number ^= 1),
        }
    }

    fn invent(dice: &mut Dice) -> Self {
        Self::All(vec![Sealed { number: dice.roll(), seal: dice.roll() }])
    }
}

/// What is left without power.
#[derive(Clone, Debug, Default)]
pub struct GossipDisk {
    synced: BTreeSet<Sealed>,
    written: Vec<Sealed>,
}

/// A node that gossips.
#[derive(Debug)]
pub struct Gossiper {
    me: NodeIndex,
    nodes: usize,
    flaw: Flaw,
    dice: Dice,
    disk: GossipDisk,
    /// Writes left until one fails.
    fails_after: Option<u64>,
    wake: Duration,
    told_at_start: Option<u64>,
    /// Streams whose answer is still to come.
    opened: BTreeSet<u64>,
}

const ROUND: Duration = Duration::from_secs(60);

impl Gossiper {
    fn sum(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.disk.synced.hash(&mut hasher);
        hasher.finish()
    }

    fn write(&mut self, sealed: Sealed) -> Result<(), Died> {
        match &mut self.fails_after {
            Some(0) => return Err(Died("the disk failed".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        self.disk.written.push(sealed);
        Ok(())
    }

    fn sync(&mut self) {
        self.disk.synced.extend(self.disk.written.drain(..));
        if self.flaw == Flaw::Forgets && self.disk.synced.len() > 20 {
            self.disk.synced.pop_last();
        }
    }

    fn take(&mut self, numbers: Vec<Sealed>) -> Result<(), Died> {
        for sealed in numbers {
            if sealed.is_genuine() || self.flaw == Flaw::TrustsAnySeal {
                self.write(sealed)?;
            }
        }
        self.sync();
        Ok(())
    }

    fn all(&self) -> Gossip {
        Gossip::All(self.disk.synced.iter().copied().collect())
    }
}

impl Machine for Gossiper {
    type Message = Gossip;
    type Command = u64;
    type Effect = u64;
    type Disk = GossipDisk;

    fn handle(&mut self, now: Now, event: Event<Self>) -> Result<Vec<Order<Self>>, Died> {
        let mut orders: Vec<Order<Self>> =
            self.told_at_start.take().map(Order::Tell).into_iter().collect();
        match event {
            Event::Wake => {
                self.wake = now.steady + ROUND;
                let other = (self.me.0 + 1 + self.dice.pick(0..self.nodes as u64 - 1) as usize)
                    % self.nodes;
                orders.push(Order::Send { to: NodeIndex(other), message: Gossip::Sum(self.sum()) });
            }
            Event::Command(number) => {
                self.write(Sealed::new(number))?;
                if self.flaw != Flaw::AcknowledgesTooSoon {
                    self.sync();
                }
                orders.push(Order::Tell(number));
            }
            Event::Message { from, message: Gossip::Sum(sum) } if sum != self.sum() => {
                let stream = self.dice.roll();
                self.opened.insert(stream);
                orders.push(Order::Stream { to: from, stream, message: self.all() });
            }
            Event::Stream { from, stream, message: Gossip::All(numbers) } => {
                let theirs = numbers.len();
                let is_next = from.0 == (self.me.0 + 1) % self.nodes;
                if is_next || self.flaw != Flaw::ListensToOne {
                    self.take(numbers)?;
                }
                let is_answer = self.opened.remove(&stream);
                orders.push(match !is_answer && self.disk.synced.len() > theirs {
                    true => Order::Stream { to: from, stream, message: self.all() },
                    false => Order::Close { peer: from, stream },
                });
            }
            Event::Closed { stream, .. } => {
                self.opened.remove(&stream);
            }
            Event::Message { .. } | Event::Stream { .. } => {}
        }
        Ok(orders)
    }

    fn next_wake(&self) -> Option<Duration> {
        Some(self.wake)
    }

    fn power_cut(mut self, dice: &mut Dice) -> GossipDisk {
        let kept = dice.pick(0..self.disk.written.len() as u64 + 1) as usize;
        self.disk.written.truncate(kept);
        self.sync();
        self.disk
    }

    fn fail_write(&mut self, count: Option<u64>) {
        self.fails_after = count;
    }
}

/// Nodes that all add numbers.
#[derive(Clone, Debug)]
pub struct Gossips {
    nodes: usize,
    flaw: Flaw,
    added: u64,
}

impl Gossips {
    /// - `nodes`: how many there are, hostile ones too.
    pub fn new(nodes: usize, flaw: Flaw) -> Self {
        Self { nodes, flaw, added: 0 }
    }
}

impl Scenario for Gossips {
    type Machine = Gossiper;

    fn boot(
        &self,
        me: NodeIndex,
        _role: Role,
        disk: Option<GossipDisk>,
        now: Now,
        seed: u64,
    ) -> Result<Gossiper, String> {
        let mut dice = Dice::new(seed);
        let wake = now.steady + Duration::from_millis(dice.pick(0..60_000));
        let disk = disk.unwrap_or_default();
        let first = disk.synced.first().map(|sealed| sealed.number);
        Ok(Gossiper {
            me,
            nodes: self.nodes,
            flaw: self.flaw,
            dice,
            disk,
            fails_after: None,
            wake,
            told_at_start: first.filter(|_| self.flaw == Flaw::RepeatsItself),
            opened: BTreeSet::new(),
        })
    }

    fn command(&mut self, _node: NodeIndex, _dice: &mut Dice) -> Option<u64> {
        self.added += 1;
        Some(self.added)
    }

    fn rules(&self) -> Vec<Box<dyn Rule<Gossiper>>> {
        vec![
            Box::new(Kept::default()),
            Box::new(NothingInvented),
            Box::new(NeverShrinks::default()),
            Box::new(ToldOnce::default()),
        ]
    }

    fn unsettled(&self, honest: &[(NodeIndex, &Gossiper)]) -> Option<String> {
        let (first, others) = honest.split_first()?;
        let differs = others.iter().find(|(_, other)| other.sum() != first.1.sum());
        differs.map(|(node, _)| format!("{} and {node} differ", first.0))
    }
}

/// What a node acknowledged, it has, whenever the power went.
#[derive(Debug, Default)]
struct Kept(BTreeSet<(NodeIndex, u64)>);

impl Rule<Gossiper> for Kept {
    fn name(&self) -> &'static str {
        "what was acknowledged is there"
    }

    fn told(&mut self, node: NodeIndex, &number: &u64) {
        self.0.insert((node, number));
    }

    fn check(&mut self, nodes: &Nodes<'_, Gossiper>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let mut of_node = self.0.range((node, 0)..=(node, u64::MAX));
        let written = |number| machine.disk.written.contains(&Sealed::new(number));
        match of_node.find(|(_, n)| !machine.disk.synced.contains(&Sealed::new(*n)) && !written(*n))
        {
            Some((_, number)) => Err(format!("{number} is lost")),
            None => Ok(()),
        }
    }
}

/// Nobody has what no honest node added.
#[derive(Debug)]
struct NothingInvented;

impl Rule<Gossiper> for NothingInvented {
    fn name(&self) -> &'static str {
        "nothing is invented"
    }

    fn check(&mut self, nodes: &Nodes<'_, Gossiper>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        match machine.disk.synced.iter().find(|sealed| !sealed.is_genuine()) {
            Some(sealed) => Err(format!("{sealed:?}")),
            None => Ok(()),
        }
    }
}

/// What a node has, it keeps.
#[derive(Debug, Default)]
struct NeverShrinks(std::collections::BTreeMap<NodeIndex, usize>);

impl Rule<Gossiper> for NeverShrinks {
    fn name(&self) -> &'static str {
        "no set shrinks"
    }

    fn check(&mut self, nodes: &Nodes<'_, Gossiper>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let before = self.0.insert(node, machine.disk.synced.len()).unwrap_or_default();
        match machine.disk.synced.len() < before {
            true => Err(format!("from {before} to {}", machine.disk.synced.len())),
            false => Ok(()),
        }
    }
}

/// No number is acknowledged twice.
#[derive(Debug, Default)]
struct ToldOnce {
    told: BTreeSet<u64>,
    twice: Option<u64>,
}

impl Rule<Gossiper> for ToldOnce {
    fn name(&self) -> &'static str {
        "no effect happens twice"
    }

    fn told(&mut self, _node: NodeIndex, &number: &u64) {
        if !self.told.insert(number) {
            self.twice = Some(number);
        }
    }

    fn check(&mut self, _nodes: &Nodes<'_, Gossiper>, _node: NodeIndex) -> Result<(), String> {
        self.twice.map_or(Ok(()), |number| Err(number.to_string()))
    }
}
