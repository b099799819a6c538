//! What those who can talk with each other know: who is there, who holds what, what is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::permission::NodeId;
use catalog::release::{PackageId, PackageKind, ReleaseId};
use catalog::{PublisherId, Timestamp};

use super::names::Names;
use super::number::UnitNo;
use super::settings::Settings;
use super::shelf::Shelf;
use super::stage::later;
use crate::heat::{self, Demand, Heat, Prefix};
use crate::holdings::{Directory, Page, PageNumber};
use crate::keeper::Presence;
use crate::lease::{self, Mirror};
use crate::placement::{self, Planner};
use crate::strategy::WHOLE;
use crate::unit::{Offer, Priority, Subject, Unit, Wish};

/// What a register costs beside its value: envelope, signature, and its part of a frame.
const ENVELOPE_BYTES: u64 = 200;

/// Something that a node says to all: the value of a register.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Lease(Arc<Mirror>),
    Page(PageNumber, Page),
    Demand(Demand),
}

impl Word {
    /// What it takes to send.
    pub(super) fn bytes(&self) -> u64 {
        let value = match self {
            Self::Lease(mirror) => mirror.lease.encode().len(),
            Self::Page(_, page) => page.encode().len(),
            Self::Demand(demand) => demand.encode().len(),
        };
        value as u64 + ENVELOPE_BYTES
    }

    /// Of two words of a node with the same name the later one counts.
    fn name(&self) -> Option<PageNumber> {
        match self {
            Self::Page(number, _) => Some(*number),
            Self::Lease(_) | Self::Demand(_) => None,
        }
    }
}

/// What is known, and the plan that follows from it.
#[derive(Clone, Debug)]
pub(super) struct View {
    planner: Planner,
    directory: Directory,
    heat: Heat,
    leases: BTreeMap<NodeId, (Arc<Mirror>, Timestamp)>,
    /// Until when what a node says of demand counts, whether it is there or not.
    told: BTreeMap<NodeId, Timestamp>,
    /// What is asked for otherwise than when it was planned last.
    changed: BTreeSet<Prefix>,
    hour: u64,
    disbelieved: BTreeSet<NodeId>,
    /// How much the word of a node counts, in thousandths; all of it where nothing is said.
    voices: BTreeMap<NodeId, u16>,
    /// What each register takes that somebody new has to hear.
    sizes: BTreeMap<(NodeId, u8, Option<PageNumber>), u64>,
}

impl View {
    pub(super) fn new(settings: &Settings) -> Self {
        let planner = Planner::new(placement::Settings {
            factor_min: settings.factor_min,
            factor_max: settings.factor_max,
            strategy: settings.strategy,
        });
        Self {
            planner,
            directory: Directory::new(),
            heat: Heat::new(),
            leases: BTreeMap::new(),
            told: BTreeMap::new(),
            changed: BTreeSet::new(),
            hour: 0,
            disbelieved: BTreeSet::new(),
            voices: BTreeMap::new(),
            sizes: BTreeMap::new(),
        }
    }

    /// Learns of all packages.
    pub(super) fn learn(&mut self, names: &Names, shelf: &Shelf) {
        let subject = Arc::new(Subject {
            package: PackageId {
                publisher: PublisherId::of_inception(b"simulated"),
                name: "package".parse().expect("letters"),
            },
            version: semver::Version::new(1, 0, 0),
            kind: PackageKind::Asset,
            tags: Vec::new(),
            variants: Vec::new(),
        });
        for unit in UnitNo::all(shelf.units()) {
            let root = names.root(unit);
            self.planner.set_unit(Unit {
                root,
                bytes: shelf.size(unit),
                offers: vec![Offer {
                    release: ReleaseId::of(root.as_bytes()),
                    variant: "any".parse().expect("letters"),
                    subject: subject.clone(),
                }],
                priority: Priority::default(),
                wish: Wish::default(),
                published: Timestamp::default(),
            });
        }
    }

    pub(super) fn planner(&self) -> &Planner {
        &self.planner
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (&NodeId, &(Arc<Mirror>, Timestamp))> {
        self.leases.iter()
    }

    /// What somebody who missed everything has to take.
    pub(super) fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Takes in what a node says.
    pub(super) fn hear(&mut self, now: Timestamp, node: NodeId, word: Word) {
        let kind = match &word {
            Word::Lease(_) => 0,
            Word::Page(..) => 1,
            Word::Demand(_) => 2,
        };
        self.sizes.insert((node, kind, word.name()), word.bytes());
        match word {
            Word::Lease(mirror) => {
                self.leases.insert(node, (mirror, later(now, lease::LIFE)));
            }
            Word::Page(number, page) => self.directory.set(node, number, page),
            Word::Demand(demand) => {
                self.told.insert(node, later(now, heat::LIFE));
                let voice = self.voices.get(&node).copied().unwrap_or(WHOLE);
                self.changed.extend(self.heat.merge(node, &demand, voice));
            }
        }
    }

    /// Forgets a mirror that was found to lie; nobody listens to it any more.
    pub(super) fn disbelieve(&mut self, id: &NodeId) {
        self.changed.extend(self.heat.forget(id));
        self.directory.forget(id);
        self.leases.remove(id);
        self.disbelieved.insert(*id);
    }

    /// From now on, words count so much.
    pub(super) fn weigh(&mut self, voices: impl Iterator<Item = (NodeId, u16)>) {
        self.voices = voices.collect();
    }

    /// Makes the plan anew, with the mirrors that count.
    pub(super) fn plan(&mut self, now: Timestamp, presence: &Presence) {
        let over: Vec<_> = self.told.iter().filter(|(_, until)| **until <= now).collect();
        let over: Vec<NodeId> = over.into_iter().map(|(id, _)| *id).collect();
        for id in over {
            self.told.remove(&id);
            self.changed.extend(self.heat.forget(&id));
        }
        let believed = presence.counted(now).filter(|(id, _)| !self.disbelieved.contains(*id));
        self.planner.set_mirrors(believed);
        let hour = now.as_millis() / 3_600_000;
        if hour != self.hour {
            self.hour = hour;
            self.changed.extend(self.heat.mentioned().copied());
        }
        let changed = std::mem::take(&mut self.changed);
        self.planner.warm(&self.heat, (hour % 24) as u8, &changed);
        self.planner.refresh();
    }
}
