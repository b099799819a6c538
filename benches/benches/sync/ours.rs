//! Our exchange, with the time that it takes told apart from what its caller does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use catalog::ItemId;
use catalog_benches::measure::timed;
use catalog_sync::exchange::{
    Announced, Appetite, Budget, Ending, Kept, Known, Outcome, Output, Setup,
};
use catalog_sync::{Exchange, Items, ItemsError, Prefix, SortedIds, Summary, View};

use crate::Cost;
use crate::sets::Case;

/// Sorted ids, and those that came since: taking some in costs nothing that grows with the rest.
#[derive(Clone)]
struct Layered(Arc<SortedIds>, Arc<BTreeSet<ItemId>>);

impl Items for Layered {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        let mut ids = self.0.scan(prefix, limit)?;
        if !self.1.is_empty() {
            ids.extend(self.1.scan(prefix, limit)?);
            ids.sort_unstable();
            ids.truncate(limit);
        }
        Ok(ids)
    }
}

#[derive(Clone)]
struct Side {
    items: Layered,
    summary: Summary,
    arrived: Vec<ItemId>,
    /// How many ids came that were not here.
    news: u64,
    outcome: Option<Outcome>,
}

/// What it costs when nothing is known beforehand, and when the other side announced what it has.
pub fn both(case: &Case) -> [Cost; 2] {
    let sides = [Side::holding(case.first()), Side::holding(case.second())];
    let announced = Announced {
        root: sides[1].summary.root(),
        count: sides[1].summary.len(),
        odd: sides[1].summary.odd(),
    };
    let announced = Known { announced: Some(announced), ..Known::default() };
    [Known::default(), announced].map(|known| best(case, &sides, &known))
}

/// What it costs when a sketch shows nothing, so that both walk down their tries.
pub fn walk(case: &Case) -> Cost {
    let case = case.of_twins();
    let sides = [Side::holding(case.first()), Side::holding(case.second())];
    best(&case, &sides, &Known::default())
}

/// The quickest of several runs; all have the same bytes.
fn best(case: &Case, sides: &[Side; 2], known: &Known) -> Cost {
    let runs = (2000 / (case.difference() + 1)).clamp(5, 50);
    let costs = (0..runs).map(|_| {
        let mut sides = sides.clone();
        let cost = talk(&mut sides, known.clone());
        let news = [case.theirs.len() as u64, case.ours.len() as u64];
        assert_eq!(sides.each_ref().map(|side| side.news), news);
        cost
    });
    costs.min_by_key(|cost| cost.time).unwrap()
}

/// Talks until both sides are equal. A conversation that reached its budget is followed by another,
/// as in a node.
fn talk(sides: &mut [Side; 2], known: Known) -> Cost {
    let mut cost = converse(sides, known);
    while sides[0].ended() == Ending::Partial {
        let before = sides[0].news + sides[1].news;
        let more = converse(sides, Known::default());
        assert!(sides[0].news + sides[1].news > before, "a conversation without progress");
        cost.bytes += more.bytes;
        cost.flights += more.flights;
        cost.time += more.time;
    }
    let news = sides[0].news + sides[1].news;
    assert_eq!(sides[0].ended(), if news == 0 { Ending::Same } else { Ending::Complete });
    cost.bytes -= 32 * news;
    cost
}

/// One conversation. Its bytes are with one copy of each record.
fn converse(sides: &mut [Side; 2], known: Known) -> Cost {
    let (mut bytes, mut flights, mut whole, mut time) = (0, 0, 0, Duration::ZERO);
    let mut frames = VecDeque::new();
    let setup = sides[0].setup(1);
    let (ours, outputs) = timed(&mut time, || Exchange::open(setup, known).unwrap());
    let mut exchanges = [ours, Exchange::answer(sides[1].setup(2))];
    sides[0].carry_out(&mut exchanges[0], outputs, &mut frames, &mut time);
    while !frames.is_empty() {
        flights += 1;
        let to = flights as usize % 2;
        let before = sides[to].news;
        for frame in std::mem::take(&mut frames) {
            bytes += frame.len() as u64 + 4;
            let outputs = timed(&mut time, || exchanges[to].handle(&frame).unwrap());
            sides[to].carry_out(&mut exchanges[to], outputs, &mut frames, &mut time);
        }
        if sides[to].news > before {
            whole = flights;
        }
    }
    // One that was cut short ends without asking for it.
    sides.iter_mut().for_each(Side::take_in);
    Cost { bytes, flights: if whole > 0 { whole } else { flights }, time }
}

impl Side {
    fn holding(ids: Vec<ItemId>) -> Self {
        let ids = SortedIds::from(ids);
        Self {
            summary: Summary::build(&ids),
            items: Layered(Arc::new(ids), Arc::default()),
            arrived: Vec::new(),
            news: 0,
            outcome: None,
        }
    }

    fn ended(&self) -> Ending {
        self.outcome.unwrap().ending
    }

    fn setup(&self, seed: u8) -> Setup<Layered> {
        Setup {
            view: View::All,
            summary: self.summary.clone(),
            items: self.items.clone(),
            epoch: [1; 16],
            position: 1,
            appetite: Appetite::Takes,
            seed: [seed; 32],
            budget: Budget::default(),
        }
    }

    /// What any record costs when it enters a store, whoever brings it.
    fn take_in(&mut self) {
        let arrived = std::mem::take(&mut self.arrived);
        Arc::make_mut(&mut self.items.1).extend(&arrived);
        self.summary.apply(&arrived, &[], &self.items).unwrap();
    }

    /// Does what the exchange asks for; only the exchange itself is timed.
    fn carry_out(
        &mut self,
        exchange: &mut Exchange<Layered>,
        outputs: Vec<Output>,
        frames: &mut VecDeque<Vec<u8>>,
        time: &mut Duration,
    ) {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            let next = match output {
                Output::Send(frame) => {
                    frames.push_back(frame);
                    continue;
                }
                Output::Done(outcome) => {
                    self.outcome = Some(outcome);
                    continue;
                }
                Output::Order(ids) => timed(time, || exchange.ordered(ids)),
                Output::Load(ids) | Output::Reveal(ids) => {
                    let records = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
                    timed(time, || exchange.loaded(records))
                }
                Output::Stream { .. } => panic!("nobody has a cursor"),
                Output::Keep(records) => {
                    let ids = records
                        .iter()
                        .map(|record| ItemId::from_bytes(record.as_slice().try_into().unwrap()));
                    let ids: Vec<ItemId> = ids.collect();
                    let fates: Vec<Kept> = ids.iter().copied().map(Kept::Good).collect();
                    self.news += ids.len() as u64;
                    self.arrived.extend(ids);
                    timed(time, || exchange.kept(&fates).unwrap())
                }
                Output::Refresh => {
                    self.take_in();
                    let (summary, items) = (self.summary.clone(), self.items.clone());
                    timed(time, || exchange.refreshed(summary, items, 2).unwrap())
                }
            };
            outputs.extend(next);
        }
    }
}
