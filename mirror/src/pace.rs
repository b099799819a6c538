//! Decides when a client signs, and how much a server sends ahead of that.
//!
//! A [`Giver`] counts what came from one server, and says when a receipt is due: after 4 MiB, after
//! two seconds, and at the end. A [`Taker`] counts what went to one client, and says how it is to be
//! served: as what it is, not at all until it signs, or as somebody without standing.
//!
//! Trust grows with what was signed. The first receipt of a conversation is due after 256 KiB, the
//! next ones when the sum has doubled; a server sends ahead at most 1 MiB at first, then twice what
//! was signed, at most 8 MiB. An honest client thus never waits for more than a round trip. Who
//! signs nothing costs a server 1 MiB of what others wanted, and then gets what strangers get: an
//! old program that knows no receipts still installs, and everybody may have what nobody wants.
//!
//! Guarantees: for one number there is one total, as long as what [`Giver::receipt`] gives is kept
//! before it is sent. Not here: signing, sockets and clocks. Times are monotonic, counted from
//! whenever the caller likes.

use std::time::Duration;

use catalog::permission::NodeId;
use catalog::register::Hlc;
use catalog::{ByteSize, Digest};

use crate::defence::{self, Defence};
use crate::receipt::{Receipt, SealedReceipt};

/// After so much a receipt is due.
pub const WINDOW: ByteSize = ByteSize::mib(4);

/// After so much the first receipt of a conversation is due.
pub const WINDOW_FIRST: ByteSize = ByteSize::kib(256);

/// After so long a receipt is due for whatever came.
pub const SIGN_AFTER: Duration = Duration::from_secs(2);

/// So much a server sends to a client that has signed nothing yet.
pub const AHEAD_FIRST: ByteSize = ByteSize::mib(1);

/// So much a server sends at most without a receipt: two windows.
pub const AHEAD_MAX: ByteSize = ByteSize::mib(8);

/// Of what a client signed for, one part in so many is forgiven it where bytes were lost on the way.
const FORGIVEN_PART: u64 = 8;

/// So long a server waits for the receipt of a client that owes one. Then it serves it like a
/// stranger: bytes may have been lost on the way, for which nobody can sign.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Counts what a client got from one server.
///
/// There is one for a pair, whatever the number of connections: two would sign one number twice.
#[derive(Clone, Debug)]
pub struct Giver {
    server: NodeId,
    client: NodeId,
    epoch: u32,
    seq: u64,
    /// Everything that was signed for, in this epoch.
    signed: u64,
    /// What was signed for in this conversation.
    here: u64,
    /// What came and is not signed for.
    unsigned: u64,
    /// Since when.
    since: Option<Duration>,
    hint: Digest,
}

impl Giver {
    /// A new counting.
    ///
    /// - `epoch`: larger than any that this client used for this server; seconds since 1970 are.
    pub fn new(server: NodeId, client: NodeId, epoch: u32) -> Self {
        let hint = Digest::from_bytes([0; 32]);
        Self { server, client, epoch, seq: 0, signed: 0, here: 0, unsigned: 0, since: None, hint }
    }

    /// The counting that goes on after `last`, the last receipt that was signed.
    pub fn after(last: &Receipt) -> Self {
        let mut giver = Self::new(last.server, last.client, last.epoch);
        giver.recall(last);
        giver
    }

    /// Goes on after a receipt of its own that is later than what it remembers: the server shows it,
    /// and a disk may have lost what was written last. What is not signed for yet stays.
    pub fn recall(&mut self, last: &Receipt) {
        let of_pair = (last.server, last.client) == (self.server, self.client);
        if of_pair && last.place() > (self.epoch, self.seq) {
            (self.epoch, self.seq) = last.place();
            self.signed = last.bytes.as_u64();
        }
    }

    /// A new conversation begins: trust has to grow again, and what is not signed for is due.
    pub fn reconnected(&mut self) {
        self.here = 0;
        self.since = self.since.map(|_| Duration::ZERO);
    }

    /// Counts bytes that it asked for, and whose hashes were right.
    ///
    /// - `hint`: what they were of; see [`receipt::hint`](crate::receipt::hint).
    pub fn verified(&mut self, now: Duration, bytes: ByteSize, hint: Digest) {
        self.unsigned = self.unsigned.saturating_add(bytes.as_u64());
        self.hint = hint;
        if self.unsigned > 0 {
            self.since.get_or_insert(now);
        }
    }

    /// Whether a receipt is to be signed now. At the end of a conversation one always is.
    pub fn is_due(&self, now: Duration) -> bool {
        let window = self.here.clamp(WINDOW_FIRST.as_u64(), WINDOW.as_u64());
        self.unsigned >= window || self.wake_at().is_some_and(|at| at <= now)
    }

    /// When a receipt is due even if nothing more comes; `None` while there is nothing to sign for.
    pub fn wake_at(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(SIGN_AFTER))
    }

    /// The next receipt, for everything that came; `None` while there is nothing to sign for. It has
    /// to be kept before it is sent.
    ///
    /// - `stamp`: the time; later than that of the receipt before.
    pub fn receipt(&mut self, stamp: Hlc) -> Option<Receipt> {
        let bytes = std::mem::take(&mut self.unsigned);
        self.since = None;
        if bytes == 0 {
            return None;
        }
        self.seq += 1;
        self.signed = self.signed.saturating_add(bytes);
        self.here = self.here.saturating_add(bytes);
        Some(Receipt {
            server: self.server,
            client: self.client,
            epoch: self.epoch,
            seq: self.seq,
            bytes: ByteSize::bytes(self.signed),
            hlc: stamp,
            hint: self.hint,
        })
    }
}

/// Whether a client said that it signs receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// It did.
    Receipts,
    /// It did not: an old program, or one that does not want to.
    Nothing,
}

/// How a client is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// With the weight that it has.
    Due,
    /// Not before it signs.
    Wait,
    /// With the weight of a stranger, whatever it has.
    AsStranger,
}

/// A receipt that does not belong on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a receipt of node {client} for node {server}, shown by somebody else or to somebody else")]
pub struct OtherPair {
    server: NodeId,
    client: NodeId,
}

/// Counts what a server sent to one client.
///
/// It outlives a connection while anything is [`owed`](Self::owed), so that coming again pays
/// nothing off.
#[derive(Clone, Debug)]
pub struct Taker {
    server: NodeId,
    client: NodeId,
    signing: Signing,
    /// The place and the total of the last receipt that is known.
    last: Option<((u32, u64), u64)>,
    /// What was signed for in this conversation.
    here: u64,
    owed: u64,
    /// What was signed for since this began, and what was forgiven.
    paid: u64,
    forgiven: u64,
    /// Since when it owes too much.
    since: Option<Duration>,
}

impl Taker {
    /// Nothing was sent yet.
    ///
    /// - `last`: the last receipt of this client that is known.
    pub fn new(server: NodeId, client: NodeId, signing: Signing, last: Option<&Receipt>) -> Self {
        let last = last.map(|last| (last.place(), last.bytes.as_u64()));
        Self { server, client, signing, last, here: 0, owed: 0, paid: 0, forgiven: 0, since: None }
    }

    /// A new conversation begins: trust has to grow again, and what is owed stays owed.
    pub fn reconnected(&mut self, now: Duration, signing: Signing) {
        self.signing = signing;
        self.here = 0;
        self.look(now);
    }

    /// Counts bytes that were sent.
    pub fn sent(&mut self, now: Duration, bytes: ByteSize) {
        self.owed = self.owed.saturating_add(bytes.as_u64());
        self.look(now);
    }

    /// Forgives bytes that were sent and that the client may never have got: it cancelled what it had
    /// asked for, or the connection broke. No more than an eighth of what it signed for is forgiven,
    /// or cancelling would be a way not to sign.
    pub fn lost(&mut self, now: Duration, bytes: ByteSize) {
        let room = (self.paid / FORGIVEN_PART).saturating_sub(self.forgiven);
        let forgiven = bytes.as_u64().min(room).min(self.owed);
        self.forgiven += forgiven;
        self.owed -= forgiven;
        self.look(now);
    }

    /// Takes in a receipt that this client sent; answers what it signs for that was not signed for
    /// before. A repeated or late one signs for nothing.
    ///
    /// # Errors
    /// [`OtherPair`] when it is about two others.
    pub fn receipt(
        &mut self,
        now: Duration,
        sealed: &SealedReceipt,
    ) -> Result<ByteSize, OtherPair> {
        let Receipt { server, client, bytes, .. } = *sealed.receipt();
        let (place, bytes) = (sealed.receipt().place(), bytes.as_u64());
        if (server, client) != (self.server, self.client) && defence::on(Defence::PairCheck) {
            return Err(OtherPair { server, client });
        }
        let before = match self.last {
            Some((last, _)) if place <= last && defence::on(Defence::LaterWins) => {
                return Ok(ByteSize::default());
            }
            Some((last, before)) if last.0 == place.0 => before,
            _ => 0,
        };
        self.last = Some((place, bytes));
        let growth = bytes.saturating_sub(before);
        // Signing for more than was sent buys no trust.
        let paid = growth.min(self.owed);
        self.owed -= paid;
        self.here = self.here.saturating_add(paid);
        self.paid = self.paid.saturating_add(paid);
        self.look(now);
        Ok(ByteSize::bytes(growth))
    }

    /// How the client is to be served.
    pub fn turn(&self, now: Duration) -> Turn {
        match self.since {
            _ if !defence::on(Defence::Windows) => Turn::Due,
            None => Turn::Due,
            Some(since) if now < since.saturating_add(PATIENCE) => match self.signing {
                Signing::Receipts => Turn::Wait,
                Signing::Nothing => Turn::AsStranger,
            },
            Some(_) => Turn::AsStranger,
        }
    }

    /// When [`turn`](Self::turn) changes if nothing happens.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let ends = self.since?.saturating_add(PATIENCE);
        (self.turn(now) == Turn::Wait).then_some(ends)
    }

    /// What was sent and not signed for.
    pub fn owed(&self) -> ByteSize {
        ByteSize::bytes(self.owed)
    }

    /// Notes since when more is owed than is sent ahead.
    fn look(&mut self, now: Duration) {
        let doubled = self.here.saturating_mul(2);
        if self.owed < doubled.clamp(AHEAD_FIRST.as_u64(), AHEAD_MAX.as_u64()) {
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests;
