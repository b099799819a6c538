//! One mirror: the machines that a node runs, and what it says of itself.

use std::sync::Arc;

use catalog::{ByteSize, Digest, Timestamp};

use super::map::Site;
use super::names::Names;
use super::number::NodeNo;
use super::shelf::Shelf;
use super::view::Word;
use crate::heat::{self, Served};
use crate::holdings::{Holdings, PageNumber};
use crate::keeper::{Event, Keeper, Settings};
use crate::lease::{Lease, Mirror};
use crate::strategy::Measured;

/// Each mirror begins its lease once in a simulation, and keeps what it holds while it is away.
const GENERATION: u64 = 1;

/// A mirror.
pub(super) struct Member {
    pub(super) keeper: Keeper,
    pub(super) holdings: Holdings,
    pub(super) served: Served,
    /// Copies on their way here.
    pub(super) fetching: usize,
    /// When it looks at its plan again, if it is reminded.
    pub(super) looks_at: Timestamp,
    /// What it said of demand last.
    told: Vec<u8>,
    /// When that was.
    told_at: Timestamp,
}

impl Member {
    pub(super) fn new(names: &Names, node: NodeNo) -> Self {
        let id = names.node(node);
        Self {
            keeper: Keeper::new(id, Settings::default()),
            holdings: Holdings::new(GENERATION, []),
            served: Served::new(*Digest::of(id.as_bytes()).as_bytes()),
            fetching: 0,
            looks_at: Timestamp::default(),
            told: Vec::new(),
            told_at: Timestamp::default(),
        }
    }

    /// What it published is there already, stays, and takes none of the room that it offers.
    pub(super) fn begin(
        &mut self,
        now: Timestamp,
        names: &Names,
        site: &Site,
        shelf: &Shelf,
        node: NodeNo,
    ) {
        let mut own = ByteSize::default();
        for unit in shelf.held(node) {
            let (root, bytes) = (names.root(unit), shelf.size(unit));
            own = [own, bytes].into_iter().sum();
            self.keeper.handle(now, Event::Pinned { root, bytes });
            self.keeper.handle(now, Event::Held { root, bytes });
            self.holdings.add(root);
        }
        self.keeper.set(Settings {
            budget: [site.room, own].into_iter().sum(),
            bandwidth: ByteSize::bytes(site.line),
            ..Settings::default()
        });
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.fetching > 0
    }

    /// Forgets what it has said: all of it is said again.
    pub(super) fn unsay(&mut self) {
        PageNumber::all().for_each(|number| self.holdings.unsay(number));
        self.told.clear();
    }

    /// What it has to say: its lease, and what is not as it said last.
    pub(super) fn words(
        &mut self,
        now: Timestamp,
        site: &Site,
        used: ByteSize,
        measured: Measured,
        names: &Names,
    ) -> Vec<Word> {
        let lease = Lease {
            region: Some(names.region(site.region).clone()),
            capacity: site.room,
            used,
            backbone: false,
            generation: GENERATION,
            filter: None,
            measured,
        };
        let mut words = vec![Word::Lease(Arc::new(Mirror::new(lease, None)))];
        let pages = self.holdings.take_unsaid().into_iter();
        words.extend(pages.map(|(number, page)| Word::Page(number, page)));
        let demand = self.served.demand(now);
        let told = demand.encode();
        if told != self.told || now.since(self.told_at) > heat::LIFE / 3 {
            (self.told, self.told_at) = (told, now);
            words.push(Word::Demand(demand));
        }
        words
    }
}
