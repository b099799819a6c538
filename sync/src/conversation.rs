//! Carries out an exchange on a store: loads what is to be sent, verifies and stores what comes.
//!
//! Frames go in ([`Conversation::hear`]) and come out ([`Conversation::next`]) one at a time, so
//! that nothing holds more of a catalog than a frame. Calls read and write the store and may take
//! milliseconds.
//!
//! Guarantees: what is shown depends on who the peer is; what is stored was verified, and is of
//! the view that was asked for. Not here: streams, clocks, and when to talk with whom (`node`).

use std::collections::VecDeque;

use catalog::store::{
    AcceptedItem, ChangeItem, Class, Fate, Incoming, Snapshot, Store, StoreError,
};
use catalog::time::Timestamp;
use catalog::{ItemId, Reader, Statement};

use crate::exchange::{
    Appetite, Budget, Cost, Exchange, Kept, Known, Outcome, Output, Page, Setup, Violation,
};
use crate::keeper::{Current, Keeper, ViewItems};
use crate::message::{FETCHED_MAX, Frame, FrameError, Record};
use crate::record;
use crate::view::View;

mod registers;

/// Changes in one page of a stream.
const PAGE: usize = 512;
/// Bytes of records in one page of a stream: a quarter of a frame.
const PAGE_BYTES: usize = 256 << 10;
/// Refusals that a report lists; a peer can cause any number.
const REFUSALS_LISTED_MAX: usize = 20;
/// After so many faults a peer is not listened to any further.
const FAULTS_MAX: usize = 16;

/// How we meet a peer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Who the peer is: what it may see.
    pub reader: Reader,
    /// Whether we listen to it.
    pub appetite: Appetite,
    /// Random bytes, new for each conversation.
    pub seed: [u8; 32],
    /// How much it may cost.
    pub budget: Budget,
    /// When it begins.
    pub now: Timestamp,
}

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// A rule of the exchange was broken.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// Too much of what came was forged or malformed.
    #[error("the peer sent {faults} records that are not what they claim to be")]
    Faults {
        /// How many.
        faults: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FrameError> for ConversationError {
    fn from(error: FrameError) -> Self {
        Self::Violation(error.into())
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Send this frame.
    Send(Vec<u8>),
    /// Wait for a frame of the peer.
    Listen,
    /// It is over.
    Over(Outcome),
}

/// What became of the records that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many were written.
    pub new: u64,
    /// How many were here already.
    pub known: u64,
    /// The first refusals, in words.
    pub rejected: Vec<String>,
    /// Records that an honest peer would not have sent.
    pub faults: usize,
    /// What came contradicts what came before it: the cursor on this peer starts over.
    pub start_over: bool,
}

/// One conversation about one view of a store.
pub struct Conversation {
    exchange: Exchange<ViewItems>,
    store: Store,
    keeper: Keeper,
    view: View,
    reader: Reader,
    snapshot: Snapshot,
    items: ViewItems,
    /// The items of a selection in the order of the change log; made when it is streamed.
    order: Option<Vec<(u64, ItemId)>>,
    outputs: VecDeque<Output>,
    report: Report,
}

impl Conversation {
    /// Begins to talk about `view` with a peer that we dialled.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(
        keeper: &Keeper,
        view: View,
        known: Known,
        terms: Terms,
    ) -> Result<Self, ConversationError> {
        let (current, setup) = setup(keeper, &view, terms)?;
        let items = setup.items.clone();
        let (exchange, outputs) = Exchange::open(setup, known)?;
        Ok(Self::new(exchange, keeper, view, terms, current, items, outputs))
    }

    /// Asks a peer that we dialled for the statements of which we hold only the hash: it may be
    /// allowed to show what others were not.
    ///
    /// - `after`: those that we were told of after this change; at most [`FETCHED_MAX`] at once.
    /// - result: the conversation, and the change to go on after next time; `None` when there is
    ///   nothing to ask for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn fetch(
        keeper: &Keeper,
        after: u64,
        terms: Terms,
    ) -> Result<Option<(Self, u64)>, ConversationError> {
        let (current, setup) = setup(keeper, &View::All, terms)?;
        let bare = current.snapshot.bare_leaves(after, FETCHED_MAX)?;
        let Some(&(reached, _)) = bare.last() else { return Ok(None) };
        let items = setup.items.clone();
        let ids: Vec<ItemId> = bare.into_iter().map(|(_, id)| id).collect();
        let (exchange, outputs) = Exchange::fetch(setup, &ids);
        let talk = Self::new(exchange, keeper, View::All, terms, current, items, outputs);
        Ok(Some((talk, reached)))
    }

    /// Answers the first frame of a peer that dialled us.
    ///
    /// # Errors
    /// [`ConversationError`].
    pub fn answer(keeper: &Keeper, frame: &[u8], terms: Terms) -> Result<Self, ConversationError> {
        let view = Frame::decode(frame)?.opens().cloned().ok_or(Violation::OutOfTurn)?;
        let (current, setup) = setup(keeper, &view, terms)?;
        let items = setup.items.clone();
        let exchange = Exchange::answer(setup);
        let mut talk = Self::new(exchange, keeper, view, terms, current, items, Vec::new());
        talk.hear(frame)?;
        Ok(talk)
    }

    fn new(
        exchange: Exchange<ViewItems>,
        keeper: &Keeper,
        view: View,
        terms: Terms,
        current: Current,
        items: ViewItems,
        outputs: Vec<Output>,
    ) -> Self {
        Self {
            exchange,
            store: keeper.store().clone(),
            keeper: keeper.clone(),
            view,
            reader: terms.reader,
            snapshot: current.snapshot.at(terms.now),
            items,
            order: None,
            outputs: outputs.into(),
            report: Report::default(),
        }
    }

    /// How it ended, if nothing has to be said.
    pub fn settled(&self) -> Option<Outcome> {
        match self.outputs.front() {
            Some(Output::Done(outcome)) => Some(*outcome),
            _ => None,
        }
    }

    /// What it is about.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        self.exchange.cost()
    }

    /// What became of the records that came so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes a frame of the peer.
    ///
    /// # Errors
    /// [`ConversationError`] ends the conversation.
    pub fn hear(&mut self, frame: &[u8]) -> Result<(), ConversationError> {
        self.outputs.extend(self.exchange.handle(frame)?);
        Ok(())
    }

    /// Does what is to be done until something has to be sent or heard.
    ///
    /// # Errors
    /// [`ConversationError`] ends the conversation.
    pub fn next(&mut self, now: Timestamp) -> Result<Next, ConversationError> {
        while let Some(output) = self.outputs.pop_front() {
            let more = match output {
                Output::Send(frame) => return Ok(Next::Send(frame)),
                Output::Done(outcome) => return Ok(Next::Over(outcome)),
                Output::Order(ids) => self.exchange.ordered(self.ordered(ids)?),
                Output::Load(ids) => {
                    let records = self.load(&ids)?;
                    self.exchange.loaded(records)
                }
                Output::Reveal(ids) => {
                    let records = self.reveal(&ids)?;
                    self.exchange.loaded(records)
                }
                Output::Stream { since } => {
                    let page = self.page(since)?;
                    self.exchange.streamed(page)
                }
                Output::Keep(records) => {
                    let fates = self.keep(&records, now)?;
                    self.exchange.kept(&fates)?
                }
                Output::Refresh => {
                    let current = self.keeper.current()?;
                    let (summary, items) = current.of(&self.view, now)?;
                    let position = current.snapshot.last_change();
                    (self.snapshot, self.items, self.order) =
                        (current.snapshot, items.clone(), None);
                    self.exchange.refreshed(summary, items, position)?
                }
            };
            self.outputs.extend(more);
        }
        Ok(Next::Listen)
    }

    /// The items in the order in which they came here, which is one in which they can be checked;
    /// registers the newest first, if there is not room for all.
    fn ordered(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>, StoreError> {
        if self.view == View::Registers {
            return self.newest_first(ids);
        }
        let mut placed = Vec::with_capacity(ids.len());
        for id in ids {
            placed.extend(self.snapshot.told_at(&id)?.map(|seq| (seq, id)));
        }
        placed.sort_unstable();
        Ok(placed.into_iter().map(|(_, id)| id).collect())
    }

    fn load(&self, ids: &[ItemId]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.extend(self.record(id)?);
        }
        Ok(records)
    }

    /// What the peer gets for an item.
    fn record(&self, id: &ItemId) -> Result<Option<Record>, StoreError> {
        Ok(match self.view {
            View::Registers => self.snapshot.register(id)?.as_ref().map(record::encode_register),
            _ => self.snapshot.payload(self.reader, id)?.as_ref().map(record::encode),
        })
    }

    /// What the peer may see of these items beyond their hashes.
    fn reveal(&self, ids: &[ItemId]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for id in ids {
            let item = self.snapshot.payload(self.reader, id)?;
            let shown = item.filter(|item| !matches!(item, ChangeItem::Leaf { .. }));
            records.extend(shown.as_ref().map(record::encode));
        }
        Ok(records)
    }

    /// What this view's change log tells after `since`.
    fn page(&mut self, since: u64) -> Result<Page, StoreError> {
        let class = match &self.view {
            View::All => Class::All,
            View::Urgent => Class::Urgent,
            View::Registers | View::Releases(_) => return self.selected_page(since),
        };
        let mut page = Page { reached: since, ..Page::default() };
        let changes = self.snapshot.changes_for(self.reader, since, PAGE, class)?;
        let (mut bytes, count) = (0, changes.len());
        for (at, change) in changes.iter().enumerate() {
            // What one change tells stays together.
            if bytes >= PAGE_BYTES && change.seq > page.reached {
                return Ok(page);
            }
            let record = record::encode(&change.item);
            bytes += record.len();
            page.records.push(record);
            page.reached = change.seq;
            page.last = at + 1 == count && self.is_last(change.seq, class)?;
        }
        if count == 0 {
            page.last = true;
        }
        if page.last {
            page.reached = self.snapshot.last_change().max(page.reached);
        }
        Ok(page)
    }

    fn is_last(&self, seq: u64, class: Class) -> Result<bool, StoreError> {
        Ok(self.snapshot.changes_for(self.reader, seq, 1, class)?.is_empty())
    }

    fn selected_page(&mut self, since: u64) -> Result<Page, StoreError> {
        if self.order.is_none() {
            let ViewItems::Some(ids) = &self.items else { return Ok(Page::default()) };
            let order = match self.view {
                // No change told of them: their place in the stream is their number.
                View::Registers => (1..).zip(self.newest_first(ids.as_slice().to_vec())?).collect(),
                _ => {
                    let mut order = Vec::with_capacity(ids.as_slice().len());
                    for id in ids.as_slice() {
                        order.extend(self.snapshot.told_at(id)?.map(|seq| (seq, *id)));
                    }
                    order.sort_unstable();
                    order
                }
            };
            self.order = Some(order);
        }
        let order = self.order.as_deref().unwrap_or_default();
        let rest = &order[order.partition_point(|(seq, _)| *seq <= since)..];
        let mut page = Page { reached: since, ..Page::default() };
        let mut bytes = 0;
        for (seq, id) in rest {
            if bytes >= PAGE_BYTES {
                return Ok(page);
            }
            if let Some(record) = self.record(id)? {
                bytes += record.len();
                page.records.push(record);
            }
            page.reached = *seq;
        }
        Ok(Page { reached: self.snapshot.last_change().max(page.reached), last: true, ..page })
    }

    /// Verifies and stores records; what became of each.
    fn keep(&mut self, records: &[Record], now: Timestamp) -> Result<Vec<Kept>, ConversationError> {
        let mut fates = vec![Kept::Bad; records.len()];
        match self.view {
            View::Registers => {
                let sent = self.readable(records, record::decode_register);
                self.keep_registers(sent, &mut fates, now)?;
            }
            _ => {
                let sent = self.readable(records, record::decode);
                self.keep_statements(sent, &mut fates, now)?;
            }
        }
        match self.report.faults {
            faults if faults > FAULTS_MAX => Err(ConversationError::Faults { faults }),
            _ => Ok(fates),
        }
    }

    /// Those of the records that can be read, each with its place; the others are faults.
    fn readable<T>(
        &mut self,
        records: &[Record],
        decode: fn(&[u8]) -> Option<T>,
    ) -> Vec<(usize, T)> {
        let mut readable = Vec::with_capacity(records.len());
        for (place, bytes) in records.iter().enumerate() {
            match decode(bytes) {
                Some(item) => readable.push((place, item)),
                None => self.blame("a record is malformed"),
            }
        }
        readable
    }

    /// - `sent`: with the places in `fates` where what became of them is noted.
    fn keep_statements(
        &mut self,
        mut sent: Vec<(usize, Incoming)>,
        fates: &mut [Kept],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sent.retain(|(_, item)| {
            let wanted = self.is_wanted(item);
            if !wanted {
                self.refuse("a record is not of the part that was asked for");
            }
            wanted
        });
        let (places, incoming): (Vec<_>, _) = sent.into_iter().unzip();
        let accepted = self.store.accept(incoming, now)?;
        for AcceptedItem { place, id, fate } in accepted.items {
            let kept = &mut fates[places[place]];
            // An inception of several keys stands for several items: the first one counts.
            if *kept == Kept::Bad {
                *kept = match fate {
                    Fate::Refused => Kept::Unwanted(id),
                    Fate::New | Fate::Known => Kept::Good(id),
                };
            }
        }
        for rejected in accepted.rejected {
            match rejected.reason.is_fault() {
                true => self.blame(&rejected.reason.to_string()),
                false => self.refuse(&rejected.reason.to_string()),
            }
        }
        self.report.start_over |= !accepted.refuted.is_empty();
        self.report.new += accepted.new as u64;
        self.report.known += accepted.known as u64;
        Ok(())
    }

    /// Whether a record is of the part of the catalog that we asked for. The signature is checked
    /// later; until then its content is only what it says of itself.
    fn is_wanted(&self, item: &Incoming) -> bool {
        let View::Releases(selection) = &self.view else { return true };
        let Incoming::Statement(sealed) = item else { return false };
        match Statement::decode(sealed.kind(), sealed.body()) {
            Ok(Statement::Release(release)) => selection.admits(&release),
            _ => false,
        }
    }

    /// Refuses a record that an honest peer would not have sent.
    fn blame(&mut self, why: &str) {
        self.report.faults += 1;
        self.refuse(why);
    }

    fn refuse(&mut self, why: &str) {
        if self.report.rejected.len() < REFUSALS_LISTED_MAX {
            self.report.rejected.push(why.to_owned());
        }
    }
}

fn setup(
    keeper: &Keeper,
    view: &View,
    terms: Terms,
) -> Result<(Current, Setup<ViewItems>), StoreError> {
    let current = keeper.current()?;
    let (summary, items) = current.of(view, terms.now)?;
    let setup = Setup {
        view: view.clone(),
        summary,
        items,
        epoch: current.snapshot.epoch(),
        position: current.snapshot.last_change(),
        appetite: terms.appetite,
        seed: terms.seed,
        budget: terms.budget,
    };
    Ok((current, setup))
}
