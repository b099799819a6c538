//! Nodes that publish and sync: the real store on a disk that can lose the power, and the real
//! conversation of two stores, over the simulated network.
//!
//! The first few nodes have a publisher each. Its people release versions, withdraw them, move
//! channels, and share some releases with members only. Every node talks to another one each
//! [`SYNC_INTERVAL`], each in its turn, and when it hears that somebody has something new.

mod answers;
mod node;
mod people;
mod rules;
mod talk;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::Reader;
use catalog::store::ItemSet;

use super::{NodeIndex, Now, Outcome, Plan, Role, Rule, Scenario, Sweep, run};
use crate::dice::Dice;
use answers::Answers;
pub use node::{Effect, Remains, SYNC_INTERVAL, SyncNode};
use people::Wish;
pub use wire::Wire;

/// What a broken node does, or fails to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is as it should be.
    None,
    /// Its disk is empty after a power cut.
    LosesItsDisk,
    /// It shows everybody what only members may read.
    TellsEverybody,
    /// It ends every conversation before it took in anything.
    NeverListens,
}

/// What the hostile publisher does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Nothing.
    None,
    /// It signs another branch of its log each time its node starts.
    Forked,
}

/// The world of `seed`: nodes that publish and sync, one that is hostile, and rough weather.
///
/// - `flaw`: of every honest node.
pub fn world(flaw: Flaw, story: Story, seed: u64) -> Outcome {
    let plan = Plan {
        honest: 5,
        hostile: 1,
        storm: Duration::from_secs(90 * 60),
        settle_within: 6 * SYNC_INTERVAL,
        command_every: Duration::from_secs(300),
        misfortune_every: Duration::from_secs(120),
    };
    run(Catalogs::new(plan.honest + plan.hostile, flaw, story), &plan, seed)
}

/// What every commit is judged by: 2,000 node-hours.
pub fn check() -> Sweep {
    sweep("catalogs_survive_every_fault_and_agree", Story::None, 2_000, 0)
}

/// The same with a publisher that forks.
pub fn check_forks() -> Sweep {
    sweep("forks_leave_no_two_nodes_unequal", Story::Forked, 500, 0)
}

/// What a release is judged by: 100,000 node-hours, from seed `first` on.
pub fn campaign(first: u64) -> Sweep {
    sweep("catalogs_survive_every_fault_and_agree", Story::None, 100_000, first)
}

fn sweep(test: &'static str, story: Story, node_hours: u64, first: u64) -> Sweep {
    let enough = Duration::from_secs(3600 * node_hours);
    Sweep::run(test, first, enough, |seed| world(Flaw::None, story, seed))
}

/// Nodes that publish, and nodes that only follow.
#[derive(Clone, Debug)]
pub struct Catalogs {
    nodes: usize,
    flaw: Flaw,
    story: Story,
    /// What the people at each node asked for last, and how often they asked for anything.
    wishes: BTreeMap<NodeIndex, (Wish, u64)>,
}

impl Catalogs {
    /// - `nodes`: how many there are, hostile ones too.
    pub fn new(nodes: usize, flaw: Flaw, story: Story) -> Self {
        Self { nodes, flaw, story, wishes: BTreeMap::new() }
    }
}

impl Scenario for Catalogs {
    type Machine = SyncNode;

    fn boot(
        &self,
        me: NodeIndex,
        role: Role,
        remains: Option<Remains>,
        now: Now,
        seed: u64,
    ) -> Result<SyncNode, String> {
        // A hostile node forgets, and tells another story each time.
        let remains = remains.filter(|_| role == Role::Honest).unwrap_or_default();
        let node = SyncNode::start(me, self.nodes, self.flaw, remains, now, seed);
        let mut node = node.map_err(|error| format!("{error:?}"))?;
        if (role, self.story) == (Role::Hostile, Story::Forked) {
            node.fork()?;
        }
        Ok(node)
    }

    fn command(&mut self, node: NodeIndex, dice: &mut Dice) -> Option<Wish> {
        people::publisher_at(node)?;
        let last = self.wishes.get(&node);
        let wish = match last {
            // Somebody who saw no answer, or does not care, asks for the same again.
            Some((last, _)) if dice.pick(0..5) == 0 => last.clone(),
            _ => Wish::any(last.map_or(0, |(_, count)| *count), dice),
        };
        let count = last.map_or(0, |(_, count)| *count) + 1;
        self.wishes.insert(node, (wish.clone(), count));
        Some(wish)
    }

    fn rules(&self) -> Vec<Box<dyn Rule<SyncNode>>> {
        rules::all()
    }

    fn unsettled(&self, honest: &[(NodeIndex, &SyncNode)]) -> Option<String> {
        let (first, others) = honest.split_first()?;
        if let Some(why) = differing_roots(honest).or_else(|| differing_secrets(honest)) {
            return Some(why);
        }
        let answers = |machine: &SyncNode| {
            Answers::of(machine.store(), machine.seen()).expect("the store is readable")
        };
        let ours = answers(first.1);
        let others = others.iter().map(|(node, other)| (node, answers(other)));
        let difference = others.filter(|(_, theirs)| *theirs != ours).map(|(node, theirs)| {
            format!("{} and {node} answer differently: {}", first.0, ours.difference(&theirs))
        });
        let busy = honest.iter().find(|(_, machine)| machine.talks() > 0);
        let busy = busy.map(|(node, _)| format!("{node} is still talking"));
        { difference }.next().or(busy)
    }
}

/// The honest nodes whose sets differ.
fn differing_roots(honest: &[(NodeIndex, &SyncNode)]) -> Option<String> {
    let root = |machine: &SyncNode| {
        let current = machine.keeper().current().expect("the store is readable");
        current.root()
    };
    let ((first, ours), others) = honest.split_first()?;
    let differs = others.iter().find(|(_, theirs)| root(theirs) != root(ours));
    let (node, theirs) = differs?;
    let ids = |machine: &SyncNode, set| {
        let snapshot = machine.store().snapshot().expect("the store is readable");
        let ids = snapshot.ids(set, &[0; 32], 0, usize::MAX).expect("the store is readable");
        ids.into_iter().collect::<BTreeSet<_>>()
    };
    let missing = |ours: &SyncNode, theirs: &SyncNode| {
        [ItemSet::Urgent, ItemSet::Log].map(|set| {
            let snapshot = ours.store().snapshot().expect("the store is readable");
            let missing: Vec<_> = ids(ours, set).difference(&ids(theirs, set)).copied().collect();
            let what = missing.iter().take(3).map(|id| snapshot.payload(Reader::Local, id));
            what.collect::<Result<Vec<_>, _>>().expect("the store is readable")
        })
    };
    let (here, there) = (missing(ours, theirs), missing(theirs, ours));
    Some(format!("only {first} has {here:?}, only {node} has {there:?}"))
}

/// The members that do not have what other members have.
fn differing_secrets(honest: &[(NodeIndex, &SyncNode)]) -> Option<String> {
    let mut members = honest.iter().filter(|(node, _)| people::is_member(*node));
    let (first, ours) = members.next()?;
    let differs =
        members.find(|(_, theirs)| theirs.seen().restricted() != ours.seen().restricted());
    differs.map(|(node, _)| format!("members {first} and {node} can read different releases"))
}
