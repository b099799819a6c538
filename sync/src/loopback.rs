//! Two sets in memory that talk to each other: for tests, benches and the simulator.
//!
//! A record is its id and padding, so the cost of a conversation is told apart from what it moves.
//! Everything is repeatable: the same sets and seeds give the same bytes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use catalog::ItemId;

use crate::exchange::{
    Announced, Appetite, Budget, Exchange, Kept, Known, Outcome, Output, Page, Setup, Violation,
};
use crate::items::{Items, ItemsError, Prefix, SortedIds};
use crate::message::Record;
use crate::summary::Summary;
use crate::view::View;

/// Changes in a page of the log.
const PAGE: usize = 256;

/// Sorted ids that many can hold.
#[derive(Clone, Debug)]
pub struct SharedIds(Arc<SortedIds>);

impl Items for SharedIds {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        self.0.scan(prefix, limit)
    }
}

/// A set with all that an exchange needs, and its change log.
#[derive(Clone, Debug)]
pub struct Party {
    ids: SharedIds,
    summary: Summary,
    /// The ids in the order in which they came; the first has number 1.
    log: Vec<ItemId>,
    /// What came and is not in the set yet.
    arrived: BTreeSet<ItemId>,
    /// Bytes of records that came and were new.
    news: u64,
    /// Names the change log.
    pub epoch: [u8; 16],
    /// Whether it listens.
    pub appetite: Appetite,
    /// What an exchange may cost.
    pub budget: Budget,
    /// The size of its records, at least 32.
    pub record_bytes: usize,
}

/// What a conversation cost, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// Bytes in both directions, with the lengths of frames, but for one copy of each record that
    /// was needed.
    pub bytes: u64,
    /// Turns in all.
    pub flights: u32,
    /// The turn that brought the opener the last record it lacked; 0 if it lacked none.
    pub opener_flight: u32,
    /// The turn that brought the answerer the last record it lacked; 0 if it lacked none.
    pub answerer_flight: u32,
    /// How it ended for the opener; none if the answerer fell silent.
    pub opener: Option<Outcome>,
    /// How it ended for the answerer; none if the opener fell silent.
    pub answerer: Option<Outcome>,
}

/// A conversation that was broken off.
#[derive(Debug)]
pub struct Broken {
    /// Whether the opener noticed.
    pub by_opener: bool,
    /// What it noticed.
    pub violation: Violation,
    /// Bytes that it had sent by then, besides frames of records.
    pub overhead_out: u64,
}

impl Party {
    /// A party that holds `ids`, which came in this order.
    pub fn new(ids: Vec<ItemId>) -> Self {
        let sorted: SortedIds = ids.iter().copied().collect();
        Self {
            summary: Summary::build(&sorted),
            ids: SharedIds(Arc::new(sorted)),
            log: ids,
            arrived: BTreeSet::new(),
            news: 0,
            epoch: [1; 16],
            appetite: Appetite::Takes,
            budget: Budget::default(),
            record_bytes: 32,
        }
    }

    /// Its ids, ascending.
    pub fn ids(&self) -> &[ItemId] {
        self.ids.0.as_slice()
    }

    /// The summary of its ids.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The number of its last change.
    pub fn position(&self) -> u64 {
        self.log.len() as u64
    }

    /// Adds ids; those that are there already do not count.
    pub fn add(&mut self, ids: impl IntoIterator<Item = ItemId>) {
        self.arrived.extend(ids);
        self.settle();
    }

    /// Lets it claim to hold other ids than it does.
    #[cfg(test)]
    pub(crate) fn pretend(&mut self, ids: Vec<ItemId>) {
        self.summary = Summary::build(&ids.into());
    }

    /// What it would announce.
    pub fn announced(&self) -> Announced {
        Announced { root: self.summary.root(), count: self.summary.len(), odd: self.summary.odd() }
    }

    /// What an exchange about `view` is given.
    pub fn setup(&self, view: View, seed: u8) -> Setup<SharedIds> {
        Setup {
            view,
            summary: self.summary.clone(),
            items: self.ids.clone(),
            epoch: self.epoch,
            position: self.position(),
            appetite: self.appetite,
            seed: [seed; 32],
            budget: self.budget,
        }
    }

    /// The record of an id.
    pub fn record(&self, id: &ItemId) -> Record {
        let mut record = id.as_bytes().to_vec();
        record.resize(self.record_bytes.max(32), 0);
        record
    }

    /// Puts what arrived into the set.
    pub(crate) fn settle(&mut self) {
        let arrived = std::mem::take(&mut self.arrived);
        let held = self.ids.0.as_slice();
        let new: Vec<ItemId> =
            arrived.into_iter().filter(|id| held.binary_search(id).is_err()).collect();
        if new.is_empty() {
            return;
        }
        self.ids = SharedIds(Arc::new(held.iter().chain(&new).copied().collect()));
        self.summary.apply(&new, &[], &self.ids).expect("ids in memory can be read");
        self.log.extend(new);
    }

    fn keep(&mut self, record: &[u8]) -> Kept {
        let Some(id) = record.first_chunk().map(|id| ItemId::from_bytes(*id)) else {
            return Kept::Bad;
        };
        if self.ids().binary_search(&id).is_err() && self.arrived.insert(id) {
            self.news += record.len() as u64;
        }
        Kept::Good(id)
    }

    /// Does what an exchange asks for; frames go to `wire`.
    ///
    /// - result: how the exchange ended, if it did.
    ///
    /// # Errors
    /// When what the peer sent broke a rule.
    pub fn carry_out(
        &mut self,
        exchange: &mut Exchange<SharedIds>,
        outputs: Vec<Output>,
        wire: &mut VecDeque<Vec<u8>>,
    ) -> Result<Option<Outcome>, Violation> {
        let mut outputs = VecDeque::from(outputs);
        let mut outcome = None;
        while let Some(output) = outputs.pop_front() {
            let next = match output {
                Output::Send(bytes) => {
                    wire.push_back(bytes);
                    continue;
                }
                Output::Order(ids) => exchange.ordered(ids),
                Output::Load(ids) | Output::Reveal(ids) => {
                    exchange.loaded(ids.iter().map(|id| self.record(id)).collect())
                }
                Output::Stream { since } => {
                    let rest = self.log.get(since as usize..).unwrap_or_default();
                    let page = &rest[..rest.len().min(PAGE)];
                    exchange.streamed(Page {
                        records: page.iter().map(|id| self.record(id)).collect(),
                        reached: since + page.len() as u64,
                        last: page.len() == rest.len(),
                    })
                }
                Output::Keep(records) => {
                    let fates: Vec<Kept> = records.iter().map(|record| self.keep(record)).collect();
                    exchange.kept(&fates)?
                }
                Output::Refresh => {
                    self.settle();
                    exchange.refreshed(self.summary.clone(), self.ids.clone(), self.position())?
                }
                Output::Done(done) => {
                    outcome = Some(done);
                    continue;
                }
            };
            outputs.extend(next);
        }
        Ok(outcome)
    }
}

/// Lets `opener` talk to `answerer` about `view` until it is over; both keep what they got.
///
/// # Errors
/// When a side noticed a broken rule.
pub fn talk(
    opener: &mut Party,
    answerer: &mut Party,
    view: &View,
    known: Known,
) -> Result<Talk, Broken> {
    talk_over(opener, answerer, view, known, |_, frame| frame)
}

/// As [`talk`]; every frame passes through `wire`, which is told whether the opener sent it.
pub fn talk_over(
    opener: &mut Party,
    answerer: &mut Party,
    view: &View,
    known: Known,
    mut wire: impl FnMut(bool, Vec<u8>) -> Vec<u8>,
) -> Result<Talk, Broken> {
    let mut frames = VecDeque::new();
    let before = opener.news + answerer.news;
    let opened = Exchange::open(opener.setup(view.clone(), 1), known);
    let (mut ours, outputs) = opened.map_err(|violation| Broken::at(true, 0, violation))?;
    let mut theirs = Exchange::answer(answerer.setup(view.clone(), 2));
    let done = opener.carry_out(&mut ours, outputs, &mut frames);
    let mut ends = [done.map_err(|violation| Broken::at(true, 0, violation))?, None];
    let (mut bytes, mut flights, mut whole) = (0, 0, [0; 2]);
    while !frames.is_empty() {
        let to_answerer = flights % 2 == 0;
        flights += 1;
        let (party, exchange) = match to_answerer {
            true => (&mut *answerer, &mut theirs),
            false => (&mut *opener, &mut ours),
        };
        let side = usize::from(to_answerer);
        for frame in std::mem::take(&mut frames) {
            let frame = wire(to_answerer, frame);
            bytes += frame.len() as u64 + 4;
            let news = party.news;
            let done = exchange.handle(&frame);
            let done = done.and_then(|outputs| party.carry_out(exchange, outputs, &mut frames));
            let overhead_out = exchange.cost().overhead_out;
            let done =
                done.map_err(|violation| Broken::at(!to_answerer, overhead_out, violation))?;
            ends[side] = done.or(ends[side]);
            if party.news > news {
                whole[side] = flights;
            }
        }
    }
    opener.settle();
    answerer.settle();
    Ok(Talk {
        bytes: bytes - (opener.news + answerer.news - before),
        flights,
        opener_flight: whole[0],
        answerer_flight: whole[1],
        opener: ends[0],
        answerer: ends[1],
    })
}

impl Broken {
    fn at(by_opener: bool, overhead_out: u64, violation: Violation) -> Self {
        Self { by_opener, violation, overhead_out }
    }
}
