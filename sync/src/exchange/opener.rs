//! What the side that dialled says.

use super::violation::Violation;
use super::{Ending, Exchange, Known, Next, Waits};
use crate::defence::{self, Defence};
use crate::exchange::ours::Told;
use crate::exchange::size::{Way, cells_first};
use crate::exchange::turn::Piece;
use crate::items::Items;
use crate::message::{After, Answer, Ask, Hello, Message, SidBytes, State, Telling};
use crate::odd::{FineOdd, Odd};

impl<I: Items> Exchange<I> {
    /// Chooses how to begin.
    pub(super) fn greet(&mut self, known: Known) -> Result<(), Violation> {
        let Known { announced, cursor, likely_equal } = known;
        let (root, empty) = (self.ours.root(), self.ours.count() == 0);
        if announced.is_some_and(|announced| announced.root == root) {
            self.same();
            return Ok(());
        }
        if empty && !self.takes {
            // Nothing to give, and nothing wanted.
            self.then(Next::End(Ending::Unproven));
            return Ok(());
        }
        if self.takes && (empty || cursor.is_some()) {
            let odd = self.ours.odd();
            let after = cursor.filter(|_| !empty).map(|cursor| After { cursor, odd });
            self.turn.say(Message::Since { view: self.view.clone(), root, after });
            self.then(Next::Verdict);
        } else if let Some(announced) = announced {
            let gap = self.ours.gap(announced.count, &Told::Fine(announced.odd.into()));
            self.introduce_over(gap.way(self.ours.summary.sketch().len()));
        } else if likely_equal {
            self.turn.say(Message::Probe { view: self.view.clone(), root });
            self.then(Next::Verdict);
        } else {
            self.introduce(cells_first());
        }
        Ok(())
    }

    fn introduce_over(&mut self, way: Way) {
        match way {
            Way::Sketch(cells) => self.introduce(cells),
            Way::Walk | Way::Stream => self.introduce(0),
        }
    }

    /// Says who we are, and the first cells of our sketch.
    pub(super) fn introduce(&mut self, cells: usize) {
        self.introduced = true;
        let cells = self.ours.cells(0, cells);
        self.cells = cells.len();
        let (view, state, odd) = (self.view.clone(), self.state(), self.ours.odd());
        self.turn.say(Message::Hello(Box::new(Hello { view, state, odd, cells })));
        self.then(Next::Verdict);
    }

    pub(super) fn reply_as_opener(
        &mut self,
        next: Next,
        lead: Option<Message>,
        close: Option<Message>,
    ) -> Result<(), Violation> {
        match (next, lead, close) {
            (Next::Verdict, Some(Message::Same { position }), None) => {
                self.meet(State { position, ..self.state() }, None);
                self.same();
                Ok(())
            }
            (Next::Verdict, Some(Message::Answer(Answer { state, odd, ask })), close) => {
                // Its set is a snapshot, as ours is.
                if self.peer.is_some_and(|before| before != state) {
                    return Err(Violation::OutOfTurn);
                }
                let told = match odd {
                    Telling::Nothing => None,
                    Telling::Odd(odd) => Some(Told::Odd(Odd::from_bytes(&odd).into())),
                    Telling::Fine(odd) => Some(Told::Fine(FineOdd::from_bytes(&odd).into())),
                };
                self.meet(state, told);
                self.heed(ask, close)
            }
            (Next::Verdict, None, Some(Message::Over { agreed })) if self.streamed => {
                self.closed(agreed)
            }
            (Next::Fetched, None, Some(Message::Over { .. })) => {
                self.then(Next::End(Ending::Unproven));
                Ok(())
            }
            (Next::Ask, Some(Message::Ask(ask)), None) => self.heed(ask, None),
            (next, lead, close) => self.reply_alike(next, lead, close),
        }
    }

    /// Does what the answerer asks for.
    fn heed(&mut self, ask: Ask, close: Option<Message>) -> Result<(), Violation> {
        match (ask, close) {
            (Ask::Nothing, Some(Message::End { position })) if self.takes => {
                self.learned.streamed = Some(position);
                self.waits = Waits::Refresh;
                Ok(())
            }
            (Ask::Nothing, None) => {
                self.learned.unproven = true;
                self.close()
            }
            (Ask::Hello, None) if !self.introduced && self.told.is_some() => {
                self.introduce_over(self.gap().way(self.ours.summary.sketch().len()));
                Ok(())
            }
            (Ask::Cells, None) if self.told.is_some() => self.send_cells(),
            (Ask::Walk, None) => self.begin_walk(),
            (Ask::Everything, None) if !self.streamed && self.gives() => {
                self.streamed = true;
                self.turn.push(Piece::Stream { since: 0 });
                // What it told about itself will not be true any more.
                (self.peer, self.told, self.introduced) = (None, None, false);
                self.then(Next::Verdict);
                Ok(())
            }
            (Ask::Items(sids), None) => self.solved(&sids),
            _ => Err(Violation::OutOfTurn),
        }
    }

    /// Sends as many cells as the difference should need, then as many as it may; then walks, as
    /// it does at once where so many would not pay. Whatever is asked for, it ends there.
    fn send_cells(&mut self) -> Result<(), Violation> {
        let (gap, all) = (self.gap(), self.ours.summary.sketch().len());
        let limit = match defence::on(Defence::CellLimit) {
            true => gap.cells_max().min(all),
            false => all,
        };
        let to = if self.cells < gap.cells() { gap.cells().min(limit) } else { limit };
        if to <= self.cells || !matches!(gap.way(all), Way::Sketch(_)) {
            return self.begin_walk();
        }
        self.turn.say(Message::Cells(self.ours.cells(self.cells, to)));
        self.cells = to;
        self.then(Next::Ask);
        Ok(())
    }

    /// The answerer knows the difference. What it asks for and we do not have shows in the root.
    fn solved(&mut self, sids: &[SidBytes]) -> Result<(), Violation> {
        for sid in sids {
            self.learned.gone.extend(self.ours.named(sid)?);
        }
        self.close()
    }
}
