//! Nodes that publish and sync: the real store on a disk that can lose the power, and the real
//! conversation of two stores, over the simulated network.
//!
//! The first few nodes have a publisher each. Its people release versions, withdraw them, move
//! channels, and share some releases with members only. Every node talks to another one each
//! [`SYNC_INTERVAL`], and when it hears that somebody has something new.

mod answers;
mod node;
mod people;
mod rules;
mod talk;

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::store::disk::Disk;

use super::{NodeIndex, Now, Outcome, Plan, Role, Rule, Scenario, Sweep, run};
use crate::dice::Dice;
use answers::Answers;
pub use node::{Frame, SYNC_INTERVAL, SyncNode};
use people::Wish;

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

/// The world of `seed`: nodes that publish and sync, one that is hostile, and rough weather.
///
/// - `flaw`: of every honest node.
pub fn world(flaw: Flaw, seed: u64) -> Outcome {
    let plan = Plan {
        honest: 5,
        hostile: 1,
        storm: Duration::from_secs(90 * 60),
        settle_within: 6 * SYNC_INTERVAL,
        command_every: Duration::from_secs(300),
        misfortune_every: Duration::from_secs(120),
    };
    run(Catalogs::new(plan.honest + plan.hostile, flaw), &plan, seed)
}

/// The test that runs one [`world`] again.
const TEST: &str = "catalogs_survive_every_fault_and_agree";

/// What every commit is judged by: 2,000 node-hours.
pub fn check() -> Sweep {
    sweep(2_000, 0)
}

/// What a release is judged by: 100,000 node-hours, from seed `first` on.
pub fn campaign(first: u64) -> Sweep {
    sweep(100_000, first)
}

fn sweep(node_hours: u64, first: u64) -> Sweep {
    let enough = Duration::from_secs(3600 * node_hours);
    Sweep::run(TEST, first, enough, |seed| world(Flaw::None, seed))
}

/// Nodes that publish, and nodes that only follow.
#[derive(Clone, Debug)]
pub struct Catalogs {
    nodes: usize,
    flaw: Flaw,
    /// What the people at each node asked for last, and how often they asked for anything.
    wishes: BTreeMap<NodeIndex, (Wish, u64)>,
}

impl Catalogs {
    /// - `nodes`: how many there are, hostile ones too.
    pub fn new(nodes: usize, flaw: Flaw) -> Self {
        Self { nodes, flaw, wishes: BTreeMap::new() }
    }
}

impl Scenario for Catalogs {
    type Machine = SyncNode;

    fn boot(
        &self,
        me: NodeIndex,
        _role: Role,
        disk: Option<Disk>,
        now: Now,
        seed: u64,
    ) -> Result<SyncNode, String> {
        let disk = disk.unwrap_or_else(|| Disk::holding(Vec::new()));
        SyncNode::start(me, self.nodes, self.flaw, disk, now, seed)
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
        if let Some((node, _)) = honest.iter().find(|(_, machine)| machine.is_busy()) {
            return Some(format!("{node} is still talking"));
        }
        let answers = |machine: &SyncNode| {
            Answers::of(machine.store(), machine.known()).expect("the store is readable")
        };
        let ours = answers(first.1);
        let others = others.iter().map(|(node, other)| (node, answers(other)));
        let difference = others.filter(|(_, theirs)| *theirs != ours).map(|(node, theirs)| {
            format!("{} and {node} answer differently: {}", first.0, ours.difference(&theirs))
        });
        { difference }.next()
    }
}
