//! Finds out what two sets lack of each other, and moves it: one conversation, without I/O.
//!
//! In: frames of the peer, records that the caller loaded, what became of those it was given.
//! Out: [`Output`]s, to be carried out in order. The *opener* dialled, the *answerer* was dialled;
//! they take turns. What is tried, cheapest first, each ending in a comparison of roots:
//!
//! - equal roots: nothing is said, or one short question is asked;
//! - a cursor into the peer's change log, or next to nothing here: records stream at once;
//! - a sketch: the opener sends cells, as many as the difference needs, the answerer reads the
//!   difference off them, asks for what it lacks and sends what it has;
//! - a walk down the trie, where most is different, or the sketch was poisoned, or what it told
//!   does not give the peer's root. It finds everything.
//!
//! Only the opener sends cells and only the answerer decodes: who asks pays, so that nobody can
//! make another talk for free.
//!
//! Guarantees: the cost follows the difference, not the sets; memory, turns and bytes are bounded
//! whatever the peer sends, and a broken rule is a [`Violation`] that ends the exchange. A side
//! ends with [`Ending::Complete`] only if what it learned of the peer's set gives the root that
//! the peer named in the beginning.
//! Not here: what a record is and whether it is true, and reading the change log (the caller).

use std::collections::{BTreeSet, VecDeque};

use catalog::ItemId;

use crate::items::{ID_BITS, Items, Prefix};
use crate::message::{Answer, Ask, FETCHED_MAX, Frame, Message, Record, State};
use crate::sketch::Decoder;
use crate::summary::Summary;
use crate::view::View;

mod answerer;
mod closing;
mod fingerprint;
mod ledger;
mod opener;
mod ours;
mod setup;
mod size;
#[cfg(test)]
mod tests;
mod turn;
mod violation;
mod walk;

pub use ledger::TURNS_MAX;
pub use setup::{
    Announced, Appetite, Budget, Cost, Ending, Kept, Known, Outcome, Output, Page, Setup,
};
pub use size::CELLS_FIRST;
pub use violation::{Fault, Violation};

use ledger::Ledger;
use ours::{Ours, Told};
use turn::{Piece, Turn};
use walk::Walk;

/// Walks in one exchange: a second one has another nonce, so chance does not fail it twice.
const WALKS_MAX: u8 = 2;

/// The most ids that are remembered of what came; 8 MiB of them.
const GOT_MAX: usize = 1 << 18;

/// One conversation about one view, as one side sees it.
pub struct Exchange<I> {
    side: Side,
    view: View,
    ours: Ours<I>,
    epoch: [u8; 16],
    takes: bool,
    seed: [u8; 32],
    ledger: Ledger,
    waits: Waits,
    /// What the peer told about itself.
    peer: Option<State>,
    told: Option<Told>,
    /// Cells that have passed from opener to answerer.
    cells: usize,
    /// The opener has introduced itself.
    introduced: bool,
    /// Everything was streamed, in either direction; once is enough.
    streamed: bool,
    decoder: Option<Decoder>,
    learned: Learned,
    walk: Option<Walk>,
    walks: u8,
    /// Records that may still come of those that were asked for by name.
    fetched_max: usize,
    /// We have nothing more to say unless the peer has.
    said_over: bool,
    turn: Turn,
    /// Records that the caller is loading.
    loading: Vec<ItemId>,
    heard: Heard,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Opener,
    Answerer,
}

/// What has to come next, from the peer or from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Our turn is not said to its end; afterwards this is waited for.
    Turn(Next),
    /// A turn of the peer.
    Peer(Next),
    /// A fresh summary, after a stream.
    Refresh,
    /// Nothing: it is over.
    Over,
}

/// What the peer's turn may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Anything that opens an exchange.
    First,
    /// [`Message::Hello`], after we asked for it or streamed.
    Hello,
    /// Whether we are equal; else an answer.
    Verdict,
    /// More cells.
    Cells,
    /// What to do after more cells.
    Ask,
    /// The beginning of a walk that we asked for.
    Walk,
    /// A stream of everything.
    Everything,
    /// A step of a walk.
    Step,
    /// The last records, and whether the roots fit.
    Last,
    /// Records that were asked for by name.
    Fetched,
    /// Nothing.
    End(Ending),
}

/// What we found out about the peer's set.
#[derive(Default)]
struct Learned {
    /// Ids of ours that the peer lacks.
    gone: BTreeSet<ItemId>,
    /// Ids that came from the peer.
    got: BTreeSet<ItemId>,
    /// Ids of records that we sent.
    sent: BTreeSet<ItemId>,
    /// Records came whose ids are not known.
    refused: bool,
    /// Something was left out, by whichever side.
    cut: bool,
    /// All of the peer's change log came, up to here.
    streamed: Option<u64>,
    /// After a stream: our root is the peer's.
    equal: bool,
    /// There is nothing to compare the peer's root with.
    unproven: bool,
}

/// The peer's turn, as far as it was heard.
#[derive(Default)]
struct Heard {
    lead: Option<Message>,
    close: Option<Message>,
    records: bool,
    whole: bool,
    /// Lengths of the records that the caller has not told about yet, frame by frame.
    keeping: VecDeque<Vec<usize>>,
    /// The records are those of a change log.
    streams: bool,
    /// The records are those that were asked for by name.
    fetched: bool,
}

type Outputs = Result<Vec<Output>, Violation>;

impl<I: Items> Exchange<I> {
    /// Begins a conversation with a peer that we dialled.
    ///
    /// - result: the exchange and what to do first; [`Output::Done`] at once if nothing needs to
    ///   be said.
    ///
    /// # Errors
    /// Only when our own items cannot be read.
    pub fn open(setup: Setup<I>, known: Known) -> Result<(Self, Vec<Output>), Violation> {
        let mut exchange = Self::new(Side::Opener, setup);
        exchange.greet(known)?;
        let outputs = exchange.speak(Vec::new());
        Ok((exchange, outputs))
    }

    /// Asks a peer that we dialled for what stands at some places of which we hold only the hash.
    ///
    /// - `ids`: the first [`FETCHED_MAX`] of them are asked for.
    /// - result: as of [`open`](Self::open). It ends as [`Ending::Unproven`]: nothing is compared.
    pub fn fetch(setup: Setup<I>, ids: &[ItemId]) -> (Self, Vec<Output>) {
        let mut exchange = Self::new(Side::Opener, setup);
        let ids: Vec<_> = ids.iter().take(FETCHED_MAX).map(|id| *id.as_bytes()).collect();
        exchange.fetched_max = ids.len();
        exchange.turn.say(Message::Fetch { view: exchange.view.clone(), ids });
        exchange.then(Next::Fetched);
        let outputs = exchange.speak(Vec::new());
        (exchange, outputs)
    }

    /// Waits for a peer that dialled us to begin; [`Frame::opens`] tells with what.
    pub fn answer(setup: Setup<I>) -> Self {
        Self::new(Side::Answerer, setup)
    }

    fn new(side: Side, setup: Setup<I>) -> Self {
        let Setup { view, summary, items, epoch, position, appetite, seed, budget } = setup;
        Self {
            side,
            view,
            ours: Ours { summary, items, position },
            epoch,
            takes: appetite == Appetite::Takes,
            seed,
            ledger: Ledger::new(budget, side == Side::Answerer),
            waits: Waits::Peer(Next::First),
            peer: None,
            told: None,
            cells: 0,
            introduced: false,
            streamed: false,
            decoder: None,
            learned: Learned::default(),
            walk: None,
            walks: 0,
            fetched_max: 0,
            said_over: false,
            turn: Turn::default(),
            loading: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        self.ledger.cost()
    }

    /// Whether it is over, in order or by a violation.
    pub fn is_over(&self) -> bool {
        self.waits == Waits::Over
    }

    /// Takes a frame of the peer.
    ///
    /// # Errors
    /// [`Violation`] ends the exchange.
    pub fn handle(&mut self, bytes: &[u8]) -> Outputs {
        let result = self.hear(bytes);
        self.ended(result)
    }

    /// Takes the ids of [`Output::Order`], in order.
    pub fn ordered(&mut self, ids: Vec<ItemId>) -> Vec<Output> {
        match self.turn.front() {
            Some(piece @ Piece::Unordered(_)) => *piece = Piece::Items(ids.into()),
            _ => return Vec::new(),
        }
        self.speak(Vec::new())
    }

    /// Takes the records that [`Output::Load`] asked for, those that could be loaded.
    pub fn loaded(&mut self, records: Vec<Record>) -> Vec<Output> {
        let mut outputs = Vec::new();
        let (done, whole) = match self.turn.front() {
            Some(Piece::Items(ids)) => (ids.is_empty(), true),
            Some(Piece::Reveal(ids)) => (ids.is_empty(), false),
            _ => return outputs,
        };
        if done {
            self.turn.pop();
        }
        let asked = std::mem::take(&mut self.loading).len();
        let last = done && self.turn.is_empty();
        if whole && records.len() < asked {
            self.say_records(records, false, &mut outputs);
            self.leave_out(!last, &mut outputs);
        } else {
            self.say_records(records, last, &mut outputs);
        }
        self.speak(outputs)
    }

    /// Takes a page of the change log that [`Output::Stream`] asked for.
    pub fn streamed(&mut self, page: Page) -> Vec<Output> {
        let mut outputs = Vec::new();
        let Some(Piece::Stream { since }) = self.turn.front() else { return outputs };
        *since = page.reached;
        self.say_records(page.records, false, &mut outputs);
        let cut = !page.last && !self.ledger.may_send_records();
        if cut {
            self.leave_out(true, &mut outputs);
        }
        if cut || page.last {
            self.turn.pop();
            let more = !self.turn.is_empty();
            self.say(Message::End { position: page.reached }, more, &mut outputs);
        }
        self.speak(outputs)
    }

    /// Takes what became of the records of the oldest open [`Output::Keep`], in their order.
    ///
    /// # Errors
    /// [`Violation`] ends the exchange.
    pub fn kept(&mut self, fates: &[Kept]) -> Outputs {
        let result = self.take_up(fates);
        self.ended(result)
    }

    /// Takes a summary of the set with everything that was stored since the exchange began.
    ///
    /// # Errors
    /// [`Violation`] ends the exchange.
    pub fn refreshed(&mut self, summary: Summary, items: I, position: u64) -> Outputs {
        if self.waits != Waits::Refresh {
            return Ok(Vec::new());
        }
        self.ours = Ours { summary, items, position };
        self.learned.got.clear();
        let result = self.compare_after_stream().map(|()| self.speak(Vec::new()));
        self.ended(result)
    }

    fn ended(&mut self, result: Outputs) -> Outputs {
        if result.is_err() {
            self.waits = Waits::Over;
            self.turn = Turn::default();
        }
        result
    }

    fn hear(&mut self, bytes: &[u8]) -> Outputs {
        let Waits::Peer(next) = self.waits else { return Err(Violation::OutOfTurn) };
        if self.heard.whole {
            return Err(Violation::OutOfTurn);
        }
        let frame = Frame::decode(bytes)?;
        self.ledger.heard(&frame, bytes.len())?;
        let mut outputs = Vec::new();
        self.heard.whole = !frame.more;
        match frame.message {
            Message::Records(_) if !self.takes || next == Next::First => {
                return Err(Violation::Unwanted);
            }
            Message::Records(records) if !records.is_empty() => {
                if next == Next::Fetched {
                    let left = self.fetched_max.checked_sub(records.len());
                    self.fetched_max = left.ok_or(Violation::Unwanted)?;
                    self.heard.fetched = true;
                }
                self.heard.records = true;
                self.heard.streams |= next == Next::Everything;
                self.heard.keeping.push_back(records.iter().map(Vec::len).collect());
                outputs.push(Output::Keep(records));
            }
            Message::Records(_) => {}
            Message::Cut => self.learned.cut = true,
            close @ (Message::Over { .. } | Message::Walk { .. } | Message::End { .. }) => {
                if self.heard.close.replace(close).is_some() {
                    return Err(Violation::OutOfTurn);
                }
            }
            lead => {
                if let Message::Answer(Answer { ask: Ask::Nothing, .. }) = lead {
                    self.heard.streams = true;
                }
                let late = self.heard.records || self.heard.close.is_some();
                if late || self.heard.lead.replace(lead).is_some() {
                    return Err(Violation::OutOfTurn);
                }
            }
        }
        self.respond(outputs)
    }

    fn take_up(&mut self, fates: &[Kept]) -> Outputs {
        let Some(lengths) = self.heard.keeping.pop_front() else { return Ok(Vec::new()) };
        let mut useful = 0;
        for (at, length) in lengths.into_iter().enumerate() {
            let (id, wanted) = match fates.get(at) {
                Some(Kept::Good(id)) => (id, true),
                Some(Kept::Unwanted(id)) => (id, false),
                Some(Kept::Bad) | None => {
                    self.learned.refused = true;
                    continue;
                }
            };
            // What is fetched is in the set already, without its content.
            let new =
                || self.ours.items.scan(&Prefix::of(id, ID_BITS), 1).map(|ids| ids.is_empty());
            if self.heard.fetched || new()? {
                useful += if wanted { length as u64 } else { 0 };
                self.learned.got(*id, self.heard.streams);
            }
        }
        self.ledger.useful(useful)?;
        self.respond(Vec::new())
    }

    /// Answers the peer's turn, once it is whole and everything in it is kept.
    fn respond(&mut self, mut outputs: Vec<Output>) -> Outputs {
        let Waits::Peer(next) = self.waits else { return Ok(outputs) };
        if !self.heard.whole || !self.heard.keeping.is_empty() {
            return Ok(outputs);
        }
        let Heard { lead, close, .. } = std::mem::take(&mut self.heard);
        match self.side {
            Side::Opener => self.reply_as_opener(next, lead, close)?,
            Side::Answerer => self.reply_as_answerer(next, lead, close)?,
        }
        if self.waits == Waits::Refresh {
            outputs.push(Output::Refresh);
        }
        Ok(self.speak(outputs))
    }

    /// Says what can be said of our turn without the caller.
    fn speak(&mut self, mut outputs: Vec<Output>) -> Vec<Output> {
        while let Waits::Turn(next) = self.waits {
            let may_send_records = self.ledger.may_send_records();
            match self.turn.front() {
                Some(Piece::Unordered(ids)) => {
                    outputs.push(Output::Order(std::mem::take(ids)));
                    break;
                }
                Some(Piece::Items(ids)) if may_send_records => {
                    self.loading = turn::next_ids(ids);
                    outputs.push(Output::Load(self.loading.clone()));
                    break;
                }
                Some(Piece::Reveal(ids)) if may_send_records && !ids.is_empty() => {
                    outputs.push(Output::Reveal(turn::next_ids(ids)));
                    break;
                }
                Some(Piece::Stream { since }) => {
                    outputs.push(Output::Stream { since: *since });
                    break;
                }
                Some(_) => match self.turn.pop() {
                    Some(Piece::Say(message)) => {
                        let more = !self.turn.is_empty();
                        self.say(*message, more, &mut outputs);
                    }
                    Some(Piece::Reveal(ids)) if ids.is_empty() => {}
                    _ => self.leave_out(!self.turn.is_empty(), &mut outputs),
                },
                None => match next {
                    Next::End(ending) => {
                        self.waits = Waits::Over;
                        outputs.push(Output::Done(self.outcome(ending)));
                    }
                    next => self.waits = Waits::Peer(next),
                },
            }
        }
        outputs
    }

    fn say(&mut self, message: Message, more: bool, outputs: &mut Vec<Output>) {
        let frame = Frame { more, message };
        let bytes = frame.encode();
        self.ledger.sent(&frame, bytes.len());
        outputs.push(Output::Send(bytes));
    }

    /// Says that we leave something out.
    fn leave_out(&mut self, more: bool, outputs: &mut Vec<Output>) {
        self.learned.cut = true;
        self.say(Message::Cut, more, outputs);
    }

    /// Says records, in as many frames as they need; with `last`, nothing follows in this turn.
    fn say_records(&mut self, records: Vec<Record>, last: bool, outputs: &mut Vec<Output>) {
        let mut messages = turn::messages(records);
        if messages.is_empty() && last {
            messages.push(Message::Records(Vec::new()));
        }
        let count = messages.len();
        for (at, message) in messages.into_iter().enumerate() {
            let more = !last || at + 1 < count;
            self.say(message, more, outputs);
        }
    }

    /// What we tell of ourselves.
    fn state(&self) -> State {
        let Ours { position, .. } = self.ours;
        State { root: self.ours.root(), count: self.ours.count(), position, takes: self.takes }
    }

    /// Ends our turn here; the peer's has to be `next`.
    fn then(&mut self, next: Next) {
        self.waits = Waits::Turn(next);
    }
}

impl Learned {
    fn got(&mut self, id: ItemId, streams: bool) {
        // A stream may be everything; after it, the caller's new summary tells.
        if streams {
            return;
        }
        match self.got.len() < GOT_MAX {
            true => _ = self.got.insert(id),
            false => self.cut = true,
        }
    }
}
