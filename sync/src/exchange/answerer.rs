//! What the side that was dialled says.

use std::collections::VecDeque;

use catalog::ItemId;

use super::violation::Violation;
use super::{Ending, Exchange, Next, Waits};
use crate::exchange::ours::Told;
use crate::exchange::size::Way;
use crate::exchange::turn::Piece;
use crate::items::{ID_BITS, Items, Prefix};
use crate::message::{After, Answer, Ask, CellBytes, FETCHED_MAX, Hello, Message, Root, Telling};
use crate::odd::Odd;
use crate::sketch::{Cell, Decoder, Decoding};
use crate::view::View;

/// A stream may bring so many changes for each one that is needed, and so many more.
const STREAM_FACTOR: u64 = 3;
const STREAM_FREE: u64 = 64;

impl<I: Items> Exchange<I> {
    pub(super) fn reply_as_answerer(
        &mut self,
        next: Next,
        lead: Option<Message>,
        close: Option<Message>,
    ) -> Result<(), Violation> {
        match (next, lead, close) {
            (Next::First, Some(Message::Probe { view, root }), None) => {
                if !self.is_same(&view, &root)? {
                    self.ask_again();
                }
                Ok(())
            }
            (Next::First, Some(Message::Since { view, root, after }), None) => {
                if !self.is_same(&view, &root)? {
                    match self.place_of(after) {
                        Some(since) => self.stream(since),
                        None => self.ask_again(),
                    }
                }
                Ok(())
            }
            (Next::First, Some(Message::Fetch { view, ids }), None) => self.reveal(&view, &ids),
            (Next::First | Next::Hello, Some(Message::Hello(hello)), None) => self.greeted(*hello),
            (Next::Hello, None, Some(Message::Over { agreed })) => self.closed(agreed),
            (Next::Cells, Some(Message::Cells(cells)), None) => match self.feed(&cells)? {
                Decoding::Done => self.name_difference(false),
                Decoding::More if self.cells < self.cells_max() => {
                    self.turn.say(Message::Ask(Ask::Cells));
                    self.then(Next::Cells);
                    Ok(())
                }
                _ => {
                    self.turn.say(Message::Ask(Ask::Walk));
                    self.then(Next::Walk);
                    Ok(())
                }
            },
            (Next::Walk | Next::Cells, None, Some(Message::Walk { nonce, groups })) => {
                self.enter_walk(&nonce, &groups)
            }
            (Next::Everything, None, Some(Message::End { position })) => {
                self.learned.streamed = Some(position);
                self.waits = Waits::Refresh;
                Ok(())
            }
            (next, lead, close) => self.reply_alike(next, lead, close),
        }
    }

    /// Sends those of the records that we hold. What may be shown, the caller decides.
    fn reveal(&mut self, view: &View, ids: &[[u8; 32]]) -> Result<(), Violation> {
        if *view != self.view {
            return Err(Violation::View);
        }
        if ids.len() > FETCHED_MAX {
            return Err(Violation::TooManyIds);
        }
        let mut held = VecDeque::new();
        for id in ids {
            let id = ItemId::from_bytes(*id);
            held.extend(self.ours.items.scan(&Prefix::of(&id, ID_BITS), 1)?);
        }
        self.turn.push(Piece::Reveal(held));
        self.turn.say(Message::Over { agreed: false });
        self.then(Next::End(Ending::Unproven));
        Ok(())
    }

    /// Whether the opener's set is ours, in which case that is said.
    fn is_same(&mut self, view: &View, root: &Root) -> Result<bool, Violation> {
        if *view != self.view {
            return Err(Violation::View);
        }
        let same = *root == self.ours.root();
        if same {
            self.turn.say(Message::Same { position: self.ours.position });
            self.same();
        }
        Ok(same)
    }

    /// The place in our change log that a stream is to begin at, if that is a good idea.
    fn place_of(&self, after: Option<After>) -> Option<u64> {
        let Some(After { cursor, odd }) = after else { return Some(0) };
        let passed = self.ours.position.checked_sub(cursor.seq)?;
        // It may have got most of it from others, or have more of its own than we have news.
        let needed =
            self.ours.gap(self.ours.count(), &Told::Odd(Odd::from_bytes(&odd).into())).estimate;
        let fair = needed.saturating_mul(STREAM_FACTOR).saturating_add(STREAM_FREE);
        (cursor.epoch == self.epoch && passed <= fair).then_some(cursor.seq)
    }

    fn stream(&mut self, since: u64) {
        self.streamed = true;
        let answer = Answer { state: self.state(), odd: Telling::Nothing, ask: Ask::Nothing };
        self.turn.say(Message::Answer(answer));
        self.turn.push(Piece::Stream { since });
        self.then(Next::Hello);
    }

    /// Tells about ourselves, and asks for a hello that is made for us.
    pub(super) fn ask_again(&mut self) {
        self.answer_with(Ask::Hello);
        self.then(Next::Hello);
    }

    /// Tells about ourselves, and what we would like.
    fn answer_with(&mut self, ask: Ask) {
        let fine = self.told.is_some() && self.gap().is_worth_fine();
        let odd = match fine {
            true => Telling::Fine(Box::new(self.ours.summary.odd().to_bytes())),
            false => Telling::Odd(self.ours.odd()),
        };
        self.turn.say(Message::Answer(Answer { state: self.state(), odd, ask }));
    }

    fn greeted(&mut self, hello: Hello) -> Result<(), Violation> {
        let Hello { view, state, odd, cells } = hello;
        self.meet(state, Some(Told::Odd(Odd::from_bytes(&odd).into())));
        (self.cells, self.decoder) = (0, None);
        if self.is_same(&view, &state.root)? {
            return Ok(());
        }
        let (cells_all, gap) = (self.ours.summary.sketch().len(), self.gap());
        if !cells.is_empty() && self.feed(&cells)? == Decoding::Done {
            return self.name_difference(true);
        }
        let (ask, next) = match gap.way(cells_all) {
            Way::Stream if gap.theirs < gap.ours && state.takes && !self.streamed => {
                self.stream(0);
                return Ok(());
            }
            Way::Stream if gap.ours < gap.theirs && self.takes && !self.streamed => {
                self.streamed = true;
                (Ask::Everything, Next::Everything)
            }
            // The opener, which is told more closely, may still decide to walk.
            _ if self.cells < self.cells_max() => (Ask::Cells, Next::Cells),
            _ => (Ask::Walk, Next::Walk),
        };
        self.answer_with(ask);
        self.then(next);
        Ok(())
    }

    /// The most cells that we look at.
    fn cells_max(&self) -> usize {
        self.gap().cells_max().min(self.ours.summary.sketch().len())
    }

    /// Reads cells until they decode.
    fn feed(&mut self, theirs: &[CellBytes]) -> Result<Decoding, Violation> {
        let (sketch, limit) = (self.ours.summary.sketch(), self.cells_max());
        let decoder = self.decoder.get_or_insert_with(|| Decoder::new(sketch.salt(), limit));
        if theirs.is_empty() {
            return Err(Violation::OutOfTurn);
        }
        let ours = sketch.cells(self.cells..self.cells + theirs.len());
        for (ours, theirs) in ours.zip(theirs) {
            self.cells += 1;
            if decoder.push(ours ^ Cell::from_bytes(*theirs)) != Decoding::More {
                break;
            }
        }
        Ok(decoder.state())
    }

    /// Sends what the opener lacks, and asks for what we lack.
    fn name_difference(&mut self, first: bool) -> Result<(), Violation> {
        let sids: Vec<_> = match &self.decoder {
            Some(decoder) => decoder.found().map(|sid| sid.to_bytes()).collect(),
            None => Vec::new(),
        };
        let mut lacking = Vec::new();
        for sid in sids {
            let ours = self.ours.named(&sid)?;
            if ours.is_empty() {
                lacking.push(sid);
            }
            self.learned.gone.extend(ours);
        }
        let ask = Ask::Items(lacking);
        self.turn.say(match first {
            true => Message::Answer(Answer { state: self.state(), odd: Telling::Nothing, ask }),
            false => Message::Ask(ask),
        });
        self.give();
        self.then(Next::Last);
        Ok(())
    }
}
