//! Brings records over from a peer: which exchanges, in which order, and what is remembered.
//!
//! What must not wait goes first, to its end; the rest follows. What the peer announced decides
//! how each exchange begins, and whether there is anything to talk about at all.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::permission::{NodeId, Reader};
use catalog::store::{PeerCursor, PeerRow, StoreError, Trust};
use catalog_sync::conversation::{Conversation, ConversationError, Terms};
use catalog_sync::exchange::{Appetite, Budget, Ending, Known, Outcome, Violation};
use catalog_sync::message::{Cursor, Frame, Root};
use catalog_sync::view::{Selection, View};
use iroh::endpoint::{RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::endpoint::remote;
use crate::links::Link;
use crate::meter::Count;
use crate::node::{Inner, Node, now};
use crate::protocol::exchange;
use crate::protocol::frame::{self, FrameError};
use crate::protocol::message::{Request, StoreState, TalkError};
use crate::talk::{self, LinkError};

mod report;

use report::Sum;
pub use report::SyncReport;

/// With more changes than this to catch up with, what must not wait goes ahead in an exchange of
/// its own; below, all of it is there in the same round trip.
const AHEAD_MIN: u64 = 2048;
/// Exchanges about one view, as long as each brings something: one has its limits.
const EXCHANGES_MAX: usize = 64;

/// A peer that answers is noted as seen so often, also when it has nothing new.
const SEEN_AGAIN: Duration = Duration::from_secs(6 * 3600);

/// How records are brought over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Whatever costs least: by cursor where there is one, else by difference.
    #[default]
    Auto,
    /// Everything that the peer has, from its first record on, whatever is here.
    Full,
    /// What the peer got since we last asked it.
    Incremental,
    /// Some releases only, and what must not wait.
    Selective,
    /// What must not wait, then the publishers that are pinned here, then the rest.
    Priority,
    /// By comparing what both hold, whatever was asked before.
    Differential,
}

/// Text that is not a strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a strategy is auto, full, incremental, selective, priority or differential, found {found:?}"
)]
pub struct StrategyError {
    found: Box<str>,
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        Ok(match text {
            "auto" => Self::Auto,
            "full" => Self::Full,
            "incremental" => Self::Incremental,
            "selective" => Self::Selective,
            "priority" => Self::Priority,
            "differential" => Self::Differential,
            _ => return Err(StrategyError { found: text.chars().take(80).collect() }),
        })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Selective => "selective",
            Self::Priority => "priority",
            Self::Differential => "differential",
        })
    }
}

/// What is brought over, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncWish {
    /// How.
    pub strategy: Strategy,
    /// For [`Strategy::Selective`]: which releases.
    pub selection: Selection,
}

/// Why a peer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It said that it has something new, or it is time to look: what it announced is believed.
    Heard,
    /// Somebody wants to know what it has now.
    Asked,
}

/// An exchange to hold, and what is known beforehand.
#[derive(Clone, Debug)]
struct Step {
    view: View,
    known: Known,
}

impl Step {
    /// Does not believe what was announced if that would end the exchange before it begins.
    fn ask_again(&mut self, ours: &StoreState) {
        let root = |state: &StoreState| state.announced(&self.view).map(|set| set.root);
        let announced = self.known.announced.map(|set| set.root);
        if announced.is_some() && announced == root(ours) {
            self.known = Known { likely_equal: true, ..Known::default() };
        }
    }
}

/// Which exchanges bring over what is wished, in their order.
///
/// - `theirs`: what the peer announced.
/// - `cursor`: how far we have come in its change log.
fn plan(
    wish: &SyncWish,
    theirs: &StoreState,
    cursor: Option<PeerCursor>,
    pinned: BTreeSet<catalog::PublisherId>,
) -> Vec<Step> {
    let cursor = cursor.filter(|cursor| cursor.epoch == theirs.store && cursor.seq > 0);
    let cursor = cursor.map(|PeerCursor { epoch, seq }| Cursor { epoch, seq });
    let compare = |view: View| {
        let known = Known { announced: theirs.announced(&view), ..Known::default() };
        Step { view, known }
    };
    let after = |view: View, cursor: Cursor| Step {
        known: Known {
            cursor: Some(cursor),
            announced: theirs.announced(&view),
            ..Known::default()
        },
        view,
    };
    let releases = |selection: Selection| compare(View::Releases(selection));
    match wish.strategy {
        Strategy::Auto => match cursor {
            Some(cursor) if theirs.last.saturating_sub(cursor.seq) <= AHEAD_MIN => {
                // The change log tells of both sets. The short one costs nothing when it is equal.
                vec![after(View::All, cursor), compare(View::Urgent)]
            }
            Some(cursor) => vec![after(View::Urgent, cursor), after(View::All, cursor)],
            None => vec![compare(View::Urgent), compare(View::All)],
        },
        Strategy::Incremental => {
            let start = Cursor { epoch: theirs.store, seq: 0 };
            vec![after(View::All, cursor.unwrap_or(start))]
        }
        Strategy::Full => {
            let start = Cursor { epoch: theirs.store, seq: 0 };
            let stream =
                |view| Step { known: Known { cursor: Some(start), ..Known::default() }, view };
            vec![stream(View::Urgent), stream(View::All)]
        }
        Strategy::Differential => vec![compare(View::Urgent), compare(View::All)],
        Strategy::Selective => vec![compare(View::Urgent), releases(wish.selection.clone())],
        Strategy::Priority => {
            let mut steps = vec![compare(View::Urgent)];
            if !pinned.is_empty() {
                steps.push(releases(Selection { publishers: pinned, ..Selection::default() }));
            }
            steps.push(compare(View::All));
            steps
        }
    }
}

impl Node {
    /// Asks `peer`, or everybody known, for what is new. A peer that fails says so in its report.
    ///
    /// # Errors
    /// [`StoreError`] when the peers cannot be listed.
    pub async fn sync(&self, peer: Option<&NodeId>) -> Result<Vec<SyncReport>, StoreError> {
        self.sync_as(peer, &self.0.usual_wish()).await
    }

    /// As [`sync`](Self::sync), in another way than the usual one.
    ///
    /// # Errors
    /// [`StoreError`] when the peers cannot be listed.
    pub async fn sync_as(
        &self,
        peer: Option<&NodeId>,
        wish: &SyncWish,
    ) -> Result<Vec<SyncReport>, StoreError> {
        let candidates = match peer {
            Some(node) => vec![*node],
            None => self.0.candidates()?.into_iter().map(|candidate| candidate.node).collect(),
        };
        let asked = candidates.into_iter().map(|node| async move {
            let began = Instant::now();
            let pulled = self.0.pull_as(node, wish, Occasion::Asked).await;
            pulled.unwrap_or_else(|error| SyncReport::failed(node, &error, began.elapsed()))
        });
        Ok(n0_future::join_all(asked).await)
    }
}

impl Inner {
    /// What this node wants of its peers when nobody says anything else.
    pub(crate) fn usual_wish(&self) -> SyncWish {
        match self.config.selection() {
            Some(selection) => {
                SyncWish { strategy: Strategy::Selective, selection: selection.clone() }
            }
            None => SyncWish::default(),
        }
    }

    /// Asks a peer for what is new and keeps it, in the usual way.
    pub(crate) async fn pull(
        self: &Arc<Self>,
        node: NodeId,
        occasion: Occasion,
    ) -> Result<SyncReport, LinkError> {
        self.pull_as(node, &self.usual_wish(), occasion).await
    }

    /// Asks a peer for what is wished and keeps it. One at a time for each peer.
    pub(crate) async fn pull_as(
        self: &Arc<Self>,
        node: NodeId,
        wish: &SyncWish,
        occasion: Occasion,
    ) -> Result<SyncReport, LinkError> {
        let _turn = self.pulling.take(node).await;
        let began = Instant::now();
        let candidate = self.candidate(&node)?;
        let link = talk::link(self, node, &candidate.addrs).await?;
        let pulled = self.pull_over(&link, node, wish, occasion).await;
        // Who is out of reach is no failure of a sync: none began.
        self.meter.add(if pulled.is_ok() { Count::SyncsDone } else { Count::SyncsFailed }, 1);
        Ok(SyncReport::of(node, &pulled?, began.elapsed()))
    }

    async fn pull_over(
        self: &Arc<Self>,
        link: &Link,
        node: NodeId,
        wish: &SyncWish,
        occasion: Occasion,
    ) -> Result<Sum, LinkError> {
        let theirs = link.state();
        let cursor = self.cursor_on(&node)?;
        let pinned = self.pinned_publishers()?;
        let mut steps = plan(wish, &theirs, cursor, pinned);
        if occasion == Occasion::Asked {
            // What was announced may be a moment old, and somebody waits for what is new.
            let ours = self.state().await?;
            steps.iter_mut().for_each(|step| step.ask_again(&ours));
        }
        let compared = cursor.is_none_or(|cursor| cursor.epoch != theirs.store);
        let mut sum = Sum::default();
        let mut done = Ok(());
        for step in steps {
            done = self.exchange(link, step, &theirs, &mut sum).await;
            if done.is_err() {
                break;
            }
        }
        // Whoever is let in may be shown what was kept from it before.
        let mentions = self.mentions().await?;
        let named = link.showed_after() < mentions;
        if done.is_ok() && (compared || named) && wish.strategy != Strategy::Selective {
            done = self.ask_to_show(link, &mut sum).await;
            link.shows(mentions);
        }
        if sum.report.new > 0 {
            self.changed();
        }
        done?;
        if wish.strategy != Strategy::Selective {
            self.remember(&node, &theirs, cursor, &sum)?;
        }
        let due = |since| since >= self.config.interval() / 2;
        if occasion == Occasion::Asked || link.since_registers().is_none_or(due) {
            self.exchange_registers(link, &mut sum).await?;
        }
        Ok(sum)
    }

    /// How often publishers name this node as somebody who may read something.
    async fn mentions(&self) -> Result<u64, StoreError> {
        let (store, id) = (self.store.clone(), self.id);
        blocking(move || store.mentions(&id)).await
    }

    fn cursor_on(&self, node: &NodeId) -> Result<Option<PeerCursor>, StoreError> {
        Ok(match self.store.peer(node)? {
            Some(row) => row.cursor,
            None => self.lan.cursor(node),
        })
    }

    fn pinned_publishers(&self) -> Result<BTreeSet<catalog::PublisherId>, StoreError> {
        let publishers = self.store.publishers()?.into_iter();
        Ok(publishers.filter(|row| row.trust >= Trust::Pinned).map(|row| row.id).collect())
    }

    /// Remembers how far we came, if it is further than before.
    fn remember(
        &self,
        node: &NodeId,
        theirs: &StoreState,
        before: Option<PeerCursor>,
        sum: &Sum,
    ) -> Result<(), StoreError> {
        let reached = sum.position.filter(|&seq| seq != u64::MAX);
        let cursor = match reached {
            _ if sum.report.start_over => None,
            Some(seq) => Some(PeerCursor { epoch: theirs.store, seq }),
            None => before,
        };
        if cursor != before {
            self.lan.set_cursor(node, cursor);
        }
        if let Some(row) = self.store.peer(node)? {
            let is_recent = row.last_seen.is_some_and(|last| now().since(last) < SEEN_AGAIN);
            if cursor == before && is_recent {
                return Ok(());
            }
            self.store.add_peer(&PeerRow { cursor, last_seen: Some(now()), ..row })?;
        }
        Ok(())
    }

    /// Holds exchanges about one view until there is nothing more to bring over.
    async fn exchange(
        self: &Arc<Self>,
        link: &Link,
        step: Step,
        theirs: &StoreState,
        sum: &mut Sum,
    ) -> Result<(), LinkError> {
        let mut known = step.known;
        for _ in 0..EXCHANGES_MAX {
            let terms = terms(remote(&link.connection), &step.view, Appetite::Takes);
            let (keeper, view, knows) = (self.keeper.clone(), step.view.clone(), known.clone());
            let opened = blocking(move || Conversation::open(&keeper, view, knows, terms)).await;
            let talk = opened.map_err(TalkError::from)?;
            let (talk, outcome) = self.speak(link, talk).await;
            sum.add(&talk);
            let outcome = outcome?;
            sum.conclude(&talk, &outcome, theirs.last);
            let new = talk.report().new;
            if outcome.ending == Ending::Unproven && known.cursor.is_some() {
                // It takes nothing from us, so our roots differ whether or not we lack something.
                let shown = theirs.announced(&step.view).map(|set| set.root);
                if new > 0 || !link.is_covered(shown) {
                    self.cover(link, step.view.clone(), shown, sum).await?;
                }
                return Ok(());
            }
            if outcome.ending != Ending::Partial || new == 0 {
                sum.in_step &= matches!(outcome.ending, Ending::Same | Ending::Complete);
                return Ok(());
            }
            // What was announced is known, and the cursor is further on.
            let place = outcome.position.zip(known.cursor);
            let cursor = place.map(|(seq, cursor)| Cursor { seq, ..cursor });
            known = Known { cursor, ..Known::default() };
        }
        sum.in_step = false;
        Ok(())
    }

    /// Exchanges what nodes say about themselves: what does not fit today comes next time.
    async fn exchange_registers(&self, link: &Link, sum: &mut Sum) -> Result<(), LinkError> {
        link.exchanged_registers();
        let terms = terms(remote(&link.connection), &View::Registers, Appetite::Takes);
        let (keeper, view) = (self.keeper.clone(), View::Registers);
        // Mostly nothing has changed, and nobody waits.
        let known = Known { likely_equal: true, ..Known::default() };
        let opened = blocking(move || Conversation::open(&keeper, view, known, terms)).await;
        let (talk, outcome) = self.speak(link, opened.map_err(TalkError::from)?).await;
        sum.add_registers(&talk);
        outcome.map(drop)
    }

    /// Opens a stream for a conversation that has something to say, and leads it to its end.
    async fn speak(
        &self,
        link: &Link,
        talk: Conversation,
    ) -> (Conversation, Result<Outcome, LinkError>) {
        if let Some(outcome) = talk.settled() {
            return (talk, Ok(outcome));
        }
        let opened = async {
            let opened = link.connection.open_bi().await;
            let (mut send, receive) =
                opened.map_err(|error| FrameError::Lost { source: error.into() })?;
            frame::send(&mut send, &Request::Exchange).await?;
            Ok::<_, FrameError>((send, receive))
        };
        match opened.await {
            Ok((mut send, mut receive)) => {
                let (talk, outcome) = exchange::carry_out(talk, &mut send, &mut receive).await;
                (talk, outcome.map_err(LinkError::from))
            }
            Err(error) => (talk, Err(TalkError::from(error).into())),
        }
    }

    /// Compares with a peer that takes nothing from us and whose changes are all here: its root is
    /// another one because we have more, or because something of it is missing here after all.
    ///
    /// - `shown`: the root that it announced; if nothing is missing, that is remembered.
    async fn cover(
        &self,
        link: &Link,
        view: View,
        shown: Option<Root>,
        sum: &mut Sum,
    ) -> Result<(), LinkError> {
        let terms = terms(remote(&link.connection), &view, Appetite::Takes);
        let (keeper, known) = (self.keeper.clone(), Known::default());
        let opened = blocking(move || Conversation::open(&keeper, view, known, terms)).await;
        let (talk, outcome) = self.speak(link, opened.map_err(TalkError::from)?).await;
        sum.add(&talk);
        let proven = matches!(outcome?.ending, Ending::Same | Ending::Complete);
        sum.in_step &= proven;
        link.covers(shown.filter(|_| proven));
        Ok(())
    }

    /// Asks for what stands at positions of which we know only the hash: this peer may be able to
    /// show what others could not.
    async fn ask_to_show(self: &Arc<Self>, link: &Link, sum: &mut Sum) -> Result<(), LinkError> {
        let mut after = 0;
        for _ in 0..EXCHANGES_MAX {
            let terms = terms(remote(&link.connection), &View::All, Appetite::Takes);
            let keeper = self.keeper.clone();
            let asked = blocking(move || Conversation::fetch(&keeper, after, terms)).await;
            let Some((talk, reached)) = asked.map_err(TalkError::from)? else { break };
            let (talk, outcome) = self.speak(link, talk).await;
            sum.add(&talk);
            outcome?;
            after = reached;
        }
        Ok(())
    }
}

/// Answers an exchange that a peer opened.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    asker: NodeId,
    send: &mut SendStream,
    receive: &mut RecvStream,
) -> Result<(), LinkError> {
    let first = frame::receive_bytes(receive).await.map_err(TalkError::from)?;
    // Nobody has to go on once it has asked.
    let Some(first) = first else { return Ok(()) };
    let opens = Frame::decode(&first).map_err(ConversationError::from).map_err(TalkError::from)?;
    let is_registers = opens.opens() == Some(&View::Registers);
    let wants = is_registers || inner.config.selection().is_none();
    let appetite = match inner.is_peer(&asker) && wants {
        true => Appetite::Takes,
        false => Appetite::Serves,
    };
    let view = opens.opens().unwrap_or(&View::All);
    let (keeper, terms) = (inner.keeper.clone(), terms(asker, view, appetite));
    let talk = blocking(move || Conversation::answer(&keeper, &first, terms)).await;
    let (talk, outcome) = exchange::carry_out(talk.map_err(TalkError::from)?, send, receive).await;
    if talk.report().new > 0 && !is_registers {
        inner.changed();
    }
    outcome?;
    Ok(())
}

/// Whether a conversation failed because the peer broke a rule.
pub(crate) fn is_misbehaviour(error: &LinkError) -> bool {
    use catalog_sync::exchange::Fault;
    match error {
        LinkError::Talk(TalkError::Exchange(ConversationError::Violation(violation))) => {
            violation.fault() == Fault::Peer && !matches!(violation, Violation::Items(_))
        }
        LinkError::Talk(TalkError::Exchange(ConversationError::Faults { .. })) => true,
        LinkError::Talk(TalkError::Frame(
            FrameError::Malformed | FrameError::OutOfTurn | FrameError::TooLarge { .. },
        )) => true,
        _ => false,
    }
}

fn terms(peer: NodeId, view: &View, appetite: Appetite) -> Terms {
    let mut seed = [0; 32];
    // Without chance a walk can be foreseen; its result is checked all the same.
    getrandom::fill(&mut seed).ok();
    let budget = match view {
        View::Registers => Budget::of_registers(),
        _ => Budget::default(),
    };
    Terms { reader: Reader::Node(peer), appetite, seed, budget, now: now() }
}
