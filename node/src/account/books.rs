//! What this node signs for, and what is signed for it: the state behind the conversations.
//!
//! In: bytes that came from or went to a peer, receipts, and the time. Out: the next receipt to
//! sign, whether a peer is to be served now, and what of all this is to be kept.
//!
//! Guarantees: one receipt for each number; a receipt is taken in only when its client signed it, on
//! this connection, for no more than it was sent. Clients without end take no memory: those that owe
//! nothing are forgotten first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::register::Hlc;
use catalog::signature::SecretKey;
use catalog::{ByteSize, Digest, Timestamp};
use catalog_mirror::audit::{Outcome, Record};
use catalog_mirror::fraud::Fraud;
use catalog_mirror::ledger::{Ledger, Taken};
use catalog_mirror::pace::{Giver, Signing, Taker, Turn};
use catalog_mirror::receipt::{Receipt, SealedReceipt};
use catalog_mirror::share::Network;
use tokio::sync::Notify;

use super::file::{End, Kept};
use super::wire::{Place, Why};

/// Peers of which is remembered what they were sent.
const TABS_MAX: usize = 4096;
/// Nodes of which is remembered how reliable they are.
const RECORDS_MAX: usize = 4096;
/// A server that cannot be talked to is tried again after so long, then after twice as long.
const RETRY: Duration =
    if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(10) };
/// After so many times only when there is something new to sign for.
const RETRIES_MAX: u32 = 12;
/// What bytes were of is nobody's business: what is shown of a receipt is shown to everybody.
const NO_HINT: Digest = Digest::from_bytes([0; 32]);

/// All accounts of a node.
pub(crate) struct Books {
    us: NodeId,
    pub(crate) ledger: Ledger,
    /// Numbers countings that begin now.
    epoch: u32,
    /// What clients were sent before this process is not known exactly.
    is_guessing: bool,
    /// What we sign, by server.
    purses: BTreeMap<NodeId, Purse>,
    /// What we were promised, by client.
    tabs: BTreeMap<NodeId, Tab>,
    /// What audits told, by whom they asked.
    records: BTreeMap<NodeId, Record>,
    /// There is something to keep.
    pub(crate) is_changed: bool,
}

/// How a conversation about receipts ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parted {
    /// All was said.
    Well,
    /// It broke off, or did not come about: the server is gone, or knows of no receipts.
    Failed,
}

/// What we got from one server and sign for.
struct Purse {
    giver: Giver,
    /// Nothing more comes for now: what is left is signed for.
    is_settling: bool,
    is_talking: bool,
    /// It is not talked to before.
    not_before: Duration,
    /// Conversations in a row that failed.
    failed: u32,
    /// The last receipt, and the one that was answered last.
    signed: Option<Place>,
    answered: Option<Place>,
    stamp: Hlc,
    news: Arc<Notify>,
}

/// What one client got from us.
struct Tab {
    taker: Taker,
    /// Conversations about receipts that are open.
    talks: usize,
    /// Whether there was any, ever.
    has_spoken: bool,
    /// What it was sent and did not sign for; more than this it cannot sign for.
    unclaimed: u64,
    /// It may have been sent more, before this process.
    is_guess: bool,
    network: Network,
    /// When it was last sent something.
    last: Duration,
}

impl Tab {
    fn is_idle(&self) -> bool {
        self.talks == 0 && self.unclaimed == 0
    }
}

impl Books {
    /// Accounts that go on after what was kept.
    pub(crate) fn new(kept: Kept) -> Self {
        let Kept { epoch, ledger, unclaimed, records, end } = kept;
        let us = ledger.viewer();
        let (purses, tabs) = (BTreeMap::new(), BTreeMap::new());
        let is_guessing = end == End::Sudden;
        let records = records.into_iter().take(RECORDS_MAX).collect();
        let is_changed = false;
        let mut books = Self { us, ledger, epoch, is_guessing, purses, tabs, records, is_changed };
        for (client, bytes) in unclaimed.into_iter().take(TABS_MAX) {
            let tab = books.tab(Duration::ZERO, client);
            tab.taker.sent(Duration::ZERO, ByteSize::bytes(bytes));
            (tab.unclaimed, tab.has_spoken) = (bytes, true);
        }
        books
    }

    /// What is to be kept.
    pub(crate) fn kept(&self, end: End) -> Kept {
        // Who never said that it signs leaves no trace: it may want to leave none.
        let tabs = self.tabs.iter().filter(|(_, tab)| tab.unclaimed > 0 && tab.has_spoken);
        let unclaimed = tabs.map(|(client, tab)| (*client, tab.unclaimed)).collect();
        let records = self.records.iter().map(|(node, record)| (*node, *record)).collect();
        Kept { epoch: self.epoch, ledger: self.ledger.clone(), unclaimed, records, end }
    }

    /// Notes what came of an audit.
    pub(crate) fn audited(&mut self, node: NodeId, outcome: Outcome, now: Timestamp) {
        if self.records.len() >= RECORDS_MAX && !self.records.contains_key(&node) {
            return;
        }
        self.records.entry(node).or_default().note(outcome, now);
        self.is_changed = true;
    }

    /// What audits told of a node.
    pub(crate) fn record(&self, node: &NodeId) -> Option<&Record> {
        self.records.get(node)
    }

    // What we sign.

    fn purse(&mut self, server: NodeId) -> &mut Purse {
        let (us, epoch) = (self.us, self.epoch);
        let last = self.ledger.row(&server, &us).and_then(|row| row.newest());
        let last = last.map(|sealed| *sealed.receipt()).filter(|last| last.epoch >= epoch);
        self.purses.entry(server).or_insert_with(|| Purse {
            giver: match &last {
                Some(last) => Giver::after(last),
                None => Giver::new(server, us, epoch),
            },
            is_settling: false,
            is_talking: false,
            not_before: Duration::ZERO,
            failed: 0,
            signed: last.as_ref().map(place),
            answered: last.as_ref().map(place),
            stamp: last.map(|last| last.hlc).unwrap_or_default(),
            news: Arc::default(),
        })
    }

    /// So many bytes that we asked for came from a server and were verified. Answers whether
    /// somebody should look after it.
    pub(crate) fn verified(&mut self, now: Duration, server: NodeId, bytes: ByteSize) -> bool {
        let purse = self.purse(server);
        let is_first = purse.giver.wake_at().is_none();
        purse.giver.verified(now, bytes, NO_HINT);
        purse.is_settling = false;
        if purse.is_talking && (is_first || purse.giver.is_due(now)) {
            purse.news.notify_one();
        }
        // Who looks after those that are silent has to learn when to wake, or that it is time.
        !purse.is_talking && (is_first || purse.giver.is_due(now))
    }

    /// Nothing more comes for now: whatever is not signed for is due.
    pub(crate) fn settle(&mut self) {
        for purse in self.purses.values_mut().filter(|purse| purse.giver.wake_at().is_some()) {
            purse.is_settling = true;
            purse.news.notify_one();
        }
    }

    /// Whether all that came is signed for and was answered, as far as that is possible now.
    pub(crate) fn is_settled(&self, now: Duration) -> bool {
        self.purses.values().all(|purse| {
            let is_answered = purse.giver.wake_at().is_none() && purse.signed == purse.answered;
            is_answered || (!purse.is_talking && now < purse.not_before)
        })
    }

    /// The servers with which a conversation is to begin now, and when to look again.
    pub(crate) fn whom_to_talk_to(&mut self, now: Duration) -> (Vec<NodeId>, Option<Duration>) {
        let (mut ready, mut wake): (Vec<NodeId>, Option<Duration>) = (Vec::new(), None);
        for (server, purse) in self.purses.iter_mut().filter(|(_, purse)| !purse.is_talking) {
            let at = match purse.giver.wake_at() {
                Some(_) if purse.is_settling || purse.giver.is_due(now) => purse.not_before,
                Some(due) => due.max(purse.not_before),
                // What was signed may not have come there.
                None if purse.signed != purse.answered => purse.not_before,
                None => continue,
            };
            if at <= now {
                purse.is_talking = true;
                ready.push(*server);
            } else {
                wake = Some(wake.map_or(at, |wake| wake.min(at)));
            }
        }
        (ready, wake)
    }

    /// A conversation has begun, in which the server showed the last receipt of ours that it knows.
    /// Answers with ours, if it does not know it.
    pub(crate) fn began(
        &mut self,
        time: Timestamp,
        server: NodeId,
        last: Option<&SealedReceipt>,
    ) -> (Arc<Notify>, Option<SealedReceipt>) {
        let place = |sealed: &SealedReceipt| sealed.receipt().place();
        let ours = self.ledger.row(&server, &self.us).and_then(|row| row.newest()).cloned();
        let purse = self.purse(server);
        if let Some(last) = last {
            purse.giver.recall(last.receipt());
            purse.stamp = purse.stamp.max(last.receipt().hlc);
        }
        purse.giver.reconnected();
        let unknown = ours.clone().filter(|ours| last.is_none_or(|last| place(last) < place(ours)));
        if unknown.is_none() {
            purse.answered = purse.signed;
        }
        let news = purse.news.clone();
        // What a crash made us forget.
        if let Some(last) = last.filter(|last| ours.is_none_or(|ours| place(&ours) < place(last)))
            && let Taken::New { .. } = self.ledger.take(last, time)
        {
            self.is_changed = true;
        }
        (news, unknown)
    }

    /// A conversation is over.
    pub(crate) fn ended(&mut self, now: Duration, server: NodeId, parted: Parted) {
        let purse = self.purse(server);
        purse.is_talking = false;
        let pause = match parted {
            Parted::Well => {
                purse.failed = 0;
                Duration::ZERO
            }
            Parted::Failed => {
                purse.failed += 1;
                RETRY * (1 << purse.failed.min(6))
            }
        };
        if purse.failed > RETRIES_MAX {
            purse.answered = purse.signed;
        }
        purse.not_before = now + pause;
    }

    /// The next receipt for a server if one is due, and when one will be.
    pub(crate) fn sign(
        &mut self,
        now: Duration,
        time: Timestamp,
        server: NodeId,
        key: &SecretKey,
    ) -> (Option<SealedReceipt>, Option<Duration>) {
        let purse = self.purse(server);
        if !(purse.is_settling || purse.giver.is_due(now)) {
            return (None, purse.giver.wake_at());
        }
        purse.is_settling = false;
        purse.stamp = Hlc::after(purse.stamp, time);
        let receipt = purse.giver.receipt(purse.stamp);
        let sealed = receipt.and_then(|receipt| SealedReceipt::seal(&receipt, key).ok());
        if let Some(sealed) = &sealed {
            purse.signed = Some(place(sealed.receipt()));
            // What we got counts against us in our own view, too.
            if let Taken::New { .. } = self.ledger.take(sealed, time) {
                self.is_changed = true;
            }
        }
        (sealed, None)
    }

    /// A server answered a receipt, or all of them.
    pub(crate) fn answered(&mut self, server: NodeId, to: Option<Place>) {
        let purse = self.purse(server);
        purse.answered = to.or(purse.signed);
    }

    /// A server says that we sign for more than it sent: what is in dispute is let go, and counting
    /// begins anew.
    pub(crate) fn disputed(&mut self, server: NodeId, epoch: u32) {
        let us = self.us;
        let purse = self.purse(server);
        let last = purse.signed.map_or(0, |place| place.epoch);
        purse.giver = Giver::new(server, us, epoch.max(last.saturating_add(1)));
        purse.answered = purse.signed;
    }

    // What is signed for us.

    fn tab(&mut self, now: Duration, client: NodeId) -> &mut Tab {
        if self.tabs.len() >= TABS_MAX && !self.tabs.contains_key(&client) {
            self.tabs.retain(|_, tab| !tab.is_idle());
            if self.tabs.len() >= TABS_MAX
                && let Some(oldest) = self.tabs.iter().min_by_key(|(_, tab)| (tab.talks, tab.last))
            {
                let oldest = *oldest.0;
                self.tabs.remove(&oldest);
            }
        }
        let (us, is_guess) = (self.us, self.is_guessing);
        let last = self.ledger.row(&us, &client).and_then(|row| row.newest());
        let last = last.map(|sealed| *sealed.receipt());
        self.tabs.entry(client).or_insert_with(|| Tab {
            taker: Taker::new(us, client, Signing::Nothing, last.as_ref()),
            talks: 0,
            has_spoken: last.is_some(),
            unclaimed: 0,
            is_guess,
            network: Network::UNKNOWN,
            last: now,
        })
    }

    /// So many bytes went to a client.
    pub(crate) fn sent(&mut self, now: Duration, client: NodeId, bytes: ByteSize) {
        let tab = self.tab(now, client);
        tab.taker.sent(now, bytes);
        tab.unclaimed = tab.unclaimed.saturating_add(bytes.as_u64());
        tab.last = now;
    }

    /// Until when a client is not served if it signs nothing before; `None` when it is served now.
    pub(crate) fn waits_until(&self, now: Duration, client: &NodeId) -> Option<Duration> {
        let tab = self.tabs.get(client)?;
        match tab.taker.turn(now) {
            Turn::Wait => tab.taker.wake_at(now),
            Turn::Due | Turn::AsStranger => None,
        }
    }

    /// Those who were sent something since then: how each is to be served, and from where it came.
    pub(crate) fn served_since(
        &self,
        since: Duration,
        now: Duration,
    ) -> impl Iterator<Item = (NodeId, Turn, Network)> {
        let served = self.tabs.iter().filter(move |(_, tab)| tab.last >= since || tab.talks > 0);
        served.map(move |(client, tab)| {
            // Who does not sign has no standing, whatever it did for others.
            let turn = if tab.talks > 0 { tab.taker.turn(now) } else { Turn::AsStranger };
            (*client, turn, tab.network)
        })
    }

    /// From where a client comes.
    pub(crate) fn comes_from(&mut self, now: Duration, client: NodeId, network: Network) {
        self.tab(now, client).network = network;
    }

    /// A client says that it signs receipts: the last one that is known of it.
    pub(crate) fn opened(&mut self, now: Duration, client: NodeId) -> Option<SealedReceipt> {
        let tab = self.tab(now, client);
        tab.talks += 1;
        tab.has_spoken = true;
        if tab.talks == 1 {
            tab.taker.reconnected(now, Signing::Receipts);
        }
        self.ledger.row(&self.us, &client).and_then(|row| row.newest()).cloned()
    }

    /// A conversation with a client is over.
    pub(crate) fn closed(&mut self, now: Duration, client: NodeId) {
        let tab = self.tab(now, client);
        tab.talks = tab.talks.saturating_sub(1);
        if tab.talks == 0 {
            tab.taker.reconnected(now, Signing::Nothing);
        }
    }

    /// Takes in a receipt that a client sent on its own connection.
    ///
    /// # Errors
    /// Why it does not count, and the proof if it contradicts another one.
    pub(crate) fn take(
        &mut self,
        now: Duration,
        time: Timestamp,
        client: NodeId,
        sealed: &SealedReceipt,
    ) -> Result<Place, (Why, Option<Box<Fraud>>)> {
        let receipt = sealed.receipt();
        if (receipt.server, receipt.client) != (self.us, client) {
            return Err((Why::OtherPair, None));
        }
        let known = self.ledger.row(&self.us, &client).and_then(|row| row.newest());
        let known = known.map(|known| *known.receipt());
        let before = known.filter(|known| known.epoch == receipt.epoch).map(|known| known.bytes);
        let growth = receipt.bytes.saturating_sub(before.unwrap_or_default()).as_u64();
        let is_later = known.is_none_or(|known| receipt.place() > known.place());
        let (tab, is_growing) = (self.tab(now, client), before.is_none_or(|b| receipt.bytes >= b));
        if is_later && is_growing && growth > tab.unclaimed && !tab.is_guess {
            return Err((Why::Amount, None));
        }
        match self.ledger.take(sealed, time) {
            Taken::Contradiction(fraud) => {
                self.is_changed = true;
                Err((Why::Equivocation, Some(fraud)))
            }
            Taken::Ahead => Err((Why::Ahead, None)),
            _ if !is_later => Err((Why::Stale, None)),
            Taken::New { .. } | Taken::Known => {
                let tab = self.tab(now, client);
                tab.unclaimed = tab.unclaimed.saturating_sub(growth);
                tab.is_guess = false;
                // The pair was compared above.
                let _ = tab.taker.receipt(now, sealed);
                // What it gave up never reached it, and it cannot sign for that. What is on its way
                // is forgiven with it, within the same bound.
                let owed = tab.taker.owed();
                tab.taker.lost(now, owed);
                self.is_changed = true;
                Ok(place(receipt))
            }
        }
    }
}

pub(crate) fn place(receipt: &Receipt) -> Place {
    let (epoch, seq) = receipt.place();
    Place { epoch, seq }
}

#[cfg(test)]
mod tests;
