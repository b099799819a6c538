//! What the nodes promise, whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use catalog::store::{LogId, LogState};
use catalog::{Statement, StatementId, StatementKind};

use catalog_sync::message::FRAME_BYTES_MAX;

use super::answers::Answers;
use super::node::{Effect, SyncNode, TALKS_MAX};
use super::people;
use super::wire::Wire;
use crate::sim::{NodeIndex, Nodes, Rule};

pub(super) fn all() -> Vec<Box<dyn Rule<SyncNode>>> {
    vec![
        Box::new(Kept::default()),
        Box::new(Whole::default()),
        Box::new(HeadsGrow::default()),
        Box::new(SameInSameOut::default()),
        Box::new(Bounded),
        Box::new(Once::default()),
        Box::new(MembersOnly),
    ]
}

fn unreadable(error: impl std::fmt::Debug) -> String {
    format!("it cannot be read: {error:?}")
}

/// Which nodes changed since a rule looked last.
#[derive(Debug, Default)]
struct Watch(BTreeMap<NodeIndex, (u64, u64)>);

/// What happened to a node since a rule looked last.
enum News {
    /// It started; everything is to be looked at.
    Started,
    /// Its store got something.
    More,
}

impl Watch {
    fn news(&mut self, node: NodeIndex, machine: &SyncNode) -> Option<News> {
        let last = machine.store().last_change().expect("the store is readable");
        match self.0.insert(node, (machine.life(), last)) {
            Some((life, before)) if life == machine.life() => {
                (before != last).then_some(News::More)
            }
            _ => Some(News::Started),
        }
    }
}

/// I1: what a node acknowledged can be read there, also after it lost its power.
#[derive(Debug, Default)]
struct Kept {
    watch: Watch,
    said: BTreeMap<NodeIndex, BTreeSet<StatementId>>,
    new: Vec<StatementId>,
}

impl Rule<SyncNode> for Kept {
    fn name(&self) -> &'static str {
        "what was acknowledged can be read"
    }

    fn told(&mut self, node: NodeIndex, effect: &Effect) {
        if let Effect::Said(id) = effect {
            self.said.entry(node).or_default().insert(*id);
            self.new.push(*id);
        }
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let new = std::mem::take(&mut self.new);
        let all = self.said.entry(node).or_default();
        let to_read: Vec<_> = match self.watch.news(node, machine) {
            Some(News::Started) => all.iter().copied().collect(),
            _ => new,
        };
        for id in to_read {
            let statement = machine.store().statement(&id).map_err(unreadable)?;
            if statement.is_none() {
                return Err(format!("{id} is lost"));
            }
        }
        Ok(())
    }
}

/// I2: nothing is visible that is torn, unsigned or incomplete.
#[derive(Debug, Default)]
struct Whole(Watch);

impl Rule<SyncNode> for Whole {
    fn name(&self) -> &'static str {
        "everything visible is whole"
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let store = machine.store();
        match self.0.news(node, machine) {
            Some(News::Started) => {
                let faults = store.verify().map_err(unreadable)?;
                return match faults.is_empty() {
                    true => Ok(()),
                    false => Err(format!("{faults:?}")),
                };
            }
            Some(News::More) => {}
            None => return Ok(()),
        }
        for sealed in machine.seen().fresh() {
            let header = sealed.peek().map_err(unreadable)?;
            let Some(inception) = store.inception(&header.publisher).map_err(unreadable)? else {
                return Err(format!("{} has no inception", header.publisher));
            };
            let opened = sealed.open(&catalog::KeyState::of(&inception));
            let Statement::Release(release) = opened.map_err(unreadable)? else {
                continue;
            };
            let versions = store.versions(&release.package()).map_err(unreadable)?;
            if !versions.iter().any(|row| row.version == release.version) {
                return Err(format!("{} {} is not listed", release.name, release.version));
            }
        }
        Ok(())
    }
}

/// I3: a head that was pinned never shrinks, and never loses its leaves.
#[derive(Debug, Default)]
struct HeadsGrow {
    watch: Watch,
    /// By node, the backup that it lives on, and the log.
    sizes: BTreeMap<(NodeIndex, u64, LogId), u64>,
}

impl Rule<SyncNode> for HeadsGrow {
    fn name(&self) -> &'static str {
        "pinned heads only grow"
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        if self.watch.news(node, machine).is_none() {
            return Ok(());
        }
        let (mut known, restored) = (0, machine.restored());
        for log in machine.seen().logs().iter() {
            let before = self.sizes.insert((node, restored, log.log), log.size).unwrap_or_default();
            if log.size < before || log.leaves < log.size {
                return Err(format!("from {before} to {} of {} leaves", log.size, log.leaves));
            }
            known += 1;
        }
        let ours = self.sizes.keys().filter(|(of, at, _)| (*of, *at) == (node, restored)).count();
        match ours == known {
            true => Ok(()),
            false => Err(format!("{known} logs are left of {ours}")),
        }
    }
}

/// I4: nodes that know the same answer the same, in whatever order they learned it.
#[derive(Debug, Default)]
struct SameInSameOut {
    watch: Watch,
    last: BTreeMap<NodeIndex, Answers>,
}

impl Rule<SyncNode> for SameInSameOut {
    fn name(&self) -> &'static str {
        "equal records give equal answers"
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        if self.watch.news(node, machine).is_none() {
            return Ok(());
        }
        let answers = Answers::of(machine.store(), machine.seen()).map_err(unreadable)?;
        for (other, theirs) in &self.last {
            if theirs.has_same_cause(&answers) && *theirs != answers {
                let difference = answers.difference(theirs);
                return Err(format!("{other} answers differently: {difference}"));
            }
        }
        self.last.insert(node, answers);
        Ok(())
    }
}

/// The largest store that these few records need, with what the database keeps free.
const STORE_BYTES_MAX: u64 = 8 << 20;

/// I5: no peer makes a node hold more than it means to.
#[derive(Debug)]
struct Bounded;

impl Rule<SyncNode> for Bounded {
    fn name(&self) -> &'static str {
        "what a node holds is bounded"
    }

    fn sent(&mut self, _: NodeIndex, _: NodeIndex, message: &Wire) -> Result<(), String> {
        match message {
            Wire::Frame(bytes) if bytes.len() > FRAME_BYTES_MAX => {
                Err(format!("a frame of {} bytes", bytes.len()))
            }
            _ => Ok(()),
        }
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let (talks, bytes) = (machine.talks(), machine.store_bytes());
        match talks > TALKS_MAX || bytes > STORE_BYTES_MAX {
            true => Err(format!("{talks} conversations, {bytes} bytes")),
            false => Ok(()),
        }
    }
}

/// I6: nothing happens twice. Each statement enters a set of items once, and no honest publisher
/// ever contradicts itself, however often its people ask again.
#[derive(Debug, Default)]
struct Once {
    watch: Watch,
    told: BTreeMap<NodeIndex, BTreeMap<StatementId, usize>>,
}

impl Rule<SyncNode> for Once {
    fn name(&self) -> &'static str {
        "no effect happens twice"
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        let told = self.told.entry(node).or_default();
        match self.watch.news(node, machine) {
            Some(News::Started) => told.clear(),
            Some(News::More) => {}
            None => return Ok(()),
        }
        for sealed in machine.seen().fresh() {
            let times = told.entry(sealed.id()).or_default();
            *times += 1;
            // What speaks of a version is told again when everybody may know of that version.
            let is_release = sealed.kind() == StatementKind::Release;
            if *times > if is_release { 1 } else { 2 } {
                return Err(format!("{} is told {times} times", sealed.id()));
            }
        }
        let is_forked =
            |log: &&LogState| log.is_forked() && log.log.publisher != people::forker().publisher();
        match machine.seen().logs().iter().find(is_forked) {
            Some(log) => Err(format!("the log of {} is forked", log.log.publisher)),
            None => Ok(()),
        }
    }
}

/// I8: no honest node sends a byte of what is restricted to a node that is no member.
#[derive(Debug)]
struct MembersOnly;

impl Rule<SyncNode> for MembersOnly {
    fn name(&self) -> &'static str {
        "restricted bytes go to members only"
    }

    fn sent(&mut self, _: NodeIndex, to: NodeIndex, message: &Wire) -> Result<(), String> {
        let Wire::Frame(bytes) = message else { return Ok(()) };
        match !people::is_member(to) && people::names_secret(bytes) {
            true => Err(format!("a restricted name went to {to}")),
            false => Ok(()),
        }
    }

    fn check(&mut self, nodes: &Nodes<'_, SyncNode>, node: NodeIndex) -> Result<(), String> {
        let Some(machine) = nodes.honest(node) else { return Ok(()) };
        if people::is_member(node) || people::publisher_at(node).is_some() {
            return Ok(());
        }
        let packages = machine.store().packages().map_err(unreadable)?;
        match packages.iter().find(|package| people::names_secret(package.name.as_str().as_bytes()))
        {
            Some(package) => Err(format!("{package} is here")),
            None => Ok(()),
        }
    }
}
