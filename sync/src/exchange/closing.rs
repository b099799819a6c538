//! How both sides walk, and how they come to an end.

use catalog::Digest;

use super::ours::Told;
use super::size::{Gap, cells_first};
use super::turn::Piece;
use super::violation::Violation;
use super::walk::Walk;
use super::{Ending, Exchange, Next, Outcome, Side, WALKS_MAX, Waits};
use crate::defence::{self, Defence};
use crate::items::Items;
use crate::message::{Message, State};

/// What the nonces of walks are derived under.
const NONCE_CONTEXT: &str = "catalog 2026-11 sync nonce v1";

impl<I: Items> Exchange<I> {
    /// Goes on after a turn that either side may take: steps of a walk, and the end.
    pub(super) fn reply_alike(
        &mut self,
        next: Next,
        lead: Option<Message>,
        close: Option<Message>,
    ) -> Result<(), Violation> {
        match (next, lead, close) {
            (Next::Step, Some(Message::Step(body)), None) => self.step(&body),
            (Next::Step | Next::Last, None, Some(Message::Over { agreed })) => self.closed(agreed),
            (Next::Step | Next::Last, None, Some(Message::Walk { nonce, groups })) => {
                self.enter_walk(&nonce, &groups)
            }
            _ => Err(Violation::OutOfTurn),
        }
    }

    /// Ends the exchange, or starts to walk: the peer asked nothing more, and it is our turn.
    pub(super) fn close(&mut self) -> Result<(), Violation> {
        let verdict = self.verdict()?;
        self.give();
        if verdict == Some(false) {
            return match self.walks < WALKS_MAX {
                true => self.begin_walk(),
                false => Err(Violation::Root),
            };
        }
        let agreed = verdict == Some(true);
        self.said_over = true;
        self.turn.say(Message::Over { agreed });
        self.then(if agreed { Next::End(self.ending(verdict)) } else { Next::Last });
        Ok(())
    }

    /// The peer has nothing more to say.
    pub(super) fn closed(&mut self, agreed: bool) -> Result<(), Violation> {
        let verdict = self.verdict()?;
        if !agreed && !self.said_over {
            if verdict == Some(false) && self.walks < WALKS_MAX {
                return self.begin_walk();
            }
            self.turn.say(Message::Over { agreed: verdict == Some(true) });
        }
        self.then(Next::End(self.ending(verdict)));
        Ok(())
    }

    /// Whether what we learned of the peer's set gives the root that the peer named; `None` where
    /// that cannot be told.
    fn verdict(&self) -> Result<Option<bool>, Violation> {
        let learned = &self.learned;
        if learned.equal || !defence::on(Defence::RootCheck) {
            return Ok(Some(true));
        }
        let untold = learned.unproven || learned.refused || learned.cut || !self.takes;
        match self.peer.filter(|_| !untold) {
            Some(State { root, .. }) => {
                Ok(Some(self.ours.root_with(&learned.got, &learned.gone)? == root))
            }
            None => Ok(None),
        }
    }

    fn ending(&self, verdict: Option<bool>) -> Ending {
        match verdict {
            _ if self.learned.cut => Ending::Partial,
            Some(true) => Ending::Complete,
            _ => Ending::Unproven,
        }
    }

    pub(super) fn outcome(&self, ending: Ending) -> Outcome {
        // A record may have been left out after the ending was decided.
        let ending = if self.learned.cut { Ending::Partial } else { ending };
        let whole = self.takes && matches!(ending, Ending::Same | Ending::Complete);
        let position = self.peer.filter(|_| whole).map(|state| state.position);
        Outcome { ending, position: self.learned.streamed.or(position), cost: self.cost() }
    }

    /// Whether the peer takes what we have.
    pub(super) fn gives(&self) -> bool {
        self.peer.is_some_and(|state| state.takes)
    }

    /// Sends the peer what it lacks, as far as we know and did not do so before.
    pub(super) fn give(&mut self) {
        if self.gives() {
            let learned = &mut self.learned;
            let ids = learned.gone.iter().filter(|id| learned.sent.insert(**id)).copied();
            let ids: Vec<_> = ids.collect();
            if !ids.is_empty() {
                self.turn.push(Piece::Unordered(ids));
            }
        }
    }

    /// Compares the roots after all of the peer's changes came.
    pub(super) fn compare_after_stream(&mut self) -> Result<(), Violation> {
        let root = self.peer.map(|state| state.root);
        self.learned.equal = root == Some(self.ours.root());
        if self.learned.equal || self.learned.cut {
            return self.close();
        }
        match (self.side, self.peer) {
            // It has what we have not, or we have what it would take.
            (Side::Opener, Some(State { takes: true, .. })) => {
                self.introduce(cells_first());
                return Ok(());
            }
            // We have what it has not.
            (Side::Answerer, Some(_)) => {
                self.ask_again();
                return Ok(());
            }
            _ => self.learned.unproven = true,
        }
        self.close()
    }

    /// Begins to walk.
    pub(super) fn begin_walk(&mut self) -> Result<(), Violation> {
        let seed = [&self.seed[..], &[self.walks, self.side as u8]].concat();
        let nonce = Digest::derived(NONCE_CONTEXT, &seed);
        let nonce: [u8; 16] = nonce.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
        let mut walk = self.new_walk(&nonce)?;
        let mut beginning = self.gap().beginning();
        if self.side == Side::Answerer {
            beginning = beginning.within(self.ledger.allowance());
        }
        let groups = walk.begin(beginning, &self.ours)?;
        self.walk = Some(walk);
        self.turn.say(Message::Walk { nonce, groups });
        self.then(Next::Step);
        Ok(())
    }

    /// Walks along with the peer, which began.
    pub(super) fn enter_walk(&mut self, nonce: &[u8; 16], groups: &[u8]) -> Result<(), Violation> {
        if self.walks >= WALKS_MAX {
            return Err(Violation::OutOfTurn);
        }
        let mut walk = self.new_walk(nonce)?;
        let reply = walk.enter(groups, self.ledger.allowance(), &self.ours)?;
        self.go_on(walk, reply)
    }

    fn step(&mut self, body: &[u8]) -> Result<(), Violation> {
        let mut walk = self.walk.take().ok_or(Violation::OutOfTurn)?;
        let reply = walk.step(body, self.ledger.allowance(), &self.ours)?;
        self.go_on(walk, reply)
    }

    fn go_on(&mut self, mut walk: Walk, reply: Option<Vec<u8>>) -> Result<(), Violation> {
        self.learned.gone.extend(walk.gone.drain(..));
        self.learned.cut |= walk.cut;
        self.walk = Some(walk);
        let Some(body) = reply else { return self.close() };
        self.turn.say(Message::Step(body));
        self.give();
        self.then(Next::Step);
        Ok(())
    }

    /// A walk finds everything, so what was believed before is forgotten.
    fn new_walk(&mut self, nonce: &[u8; 16]) -> Result<Walk, Violation> {
        let theirs = self.peer.ok_or(Violation::OutOfTurn)?.root;
        self.walks += 1;
        self.learned.gone.clear();
        let ours = self.ours.root();
        Ok(match self.side {
            Side::Opener => Walk::new(nonce, &ours, &theirs),
            Side::Answerer => Walk::new(nonce, &theirs, &ours),
        })
    }

    /// The difference as far as we know.
    pub(super) fn gap(&self) -> Gap {
        let count = self.peer.map_or(0, |state| state.count);
        let found = (self.learned.gone.len() + self.learned.got.len()) as u64;
        self.ours.gap(count, self.told.as_ref().unwrap_or(&Told::Items(found)))
    }

    /// Notes what the peer told about itself.
    pub(super) fn meet(&mut self, state: State, told: Option<Told>) {
        self.peer = Some(state);
        if told.is_some() {
            self.told = told;
        }
    }

    /// Ends at once: the sets are equal.
    pub(super) fn same(&mut self) {
        self.waits = Waits::Turn(Next::End(Ending::Same));
    }
}
