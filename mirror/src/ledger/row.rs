//! What one client signed for one server.
//!
//! Of each day the latest receipt is kept, so that growth can fade with its age, and of each
//! counting the last one, so that its total stays. How many are kept depends on the newest of them
//! alone, whatever came first: a row is a join, too.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::register::Hlc;
use catalog::{ByteSize, Timestamp};

use super::faded;
use crate::defence::{self, Defence};
use crate::fraud::Fraud;
use crate::receipt::{Receipt, SealedReceipt};

/// After this time, what was sent is worth half.
pub const HALF_LIFE: Duration = Duration::from_secs(3 * DAY.as_secs());

/// Days that are kept apart: what is older has faded to a thirtieth, and counts as nothing.
pub(super) const MARKS_MAX: usize = 16;

/// Countings whose totals stay when their days are gone.
pub(super) const EPOCHS_MAX: usize = 8;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An epoch, and a day in it.
pub(super) type At = (u32, u32);

/// What a client signed for a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub(super) marks: BTreeMap<At, Mark>,
    /// The latest receipt, as proof; none where nothing was signed.
    pub(super) newest: Option<SealedReceipt>,
    pub(super) bonus: ByteSize,
}

/// The latest receipt of a day; the larger of two is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub seq: u64,
    pub bytes: ByteSize,
    pub hlc: Hlc,
}

impl Row {
    /// Takes in a receipt; answers with the proof if it contradicts the newest.
    pub(super) fn take(
        &mut self,
        receipt: &Receipt,
        sealed: Option<&SealedReceipt>,
    ) -> Option<Fraud> {
        let Receipt { epoch, seq, bytes, hlc, .. } = *receipt;
        self.note((epoch, day(hlc)), Mark { seq, bytes, hlc });
        self.trim();
        self.keep_newest(sealed?)
    }

    /// Takes in what another row of the same pair holds.
    pub(super) fn join(&mut self, other: &Self) -> Option<Fraud> {
        for (at, mark) in &other.marks {
            self.note(*at, *mark);
        }
        self.trim();
        self.bonus = self.bonus.max(other.bonus);
        self.keep_newest(other.newest.as_ref()?)
    }

    fn note(&mut self, at: At, mark: Mark) {
        let known = self.marks.entry(at).or_insert(mark);
        if mark > *known || !defence::on(Defence::LaterWins) {
            *known = mark;
        }
    }

    fn keep_newest(&mut self, sealed: &SealedReceipt) -> Option<Fraud> {
        let Some(known) = &mut self.newest else {
            self.newest = Some(sealed.clone());
            return None;
        };
        let fraud = Fraud::of(known, sealed);
        if sealed.rank() > known.rank() {
            *known = sealed.clone();
        }
        fraud
    }

    /// Drops all but the newest marks, and the last one of each epoch.
    fn trim(&mut self) {
        if self.marks.len() <= MARKS_MAX {
            return;
        }
        let (mut epochs, mut last, mut gone) = (0, None, Vec::new());
        for (nth, at) in self.marks.keys().rev().enumerate() {
            let is_last = last.replace(at.0) != Some(at.0);
            epochs += usize::from(is_last);
            if nth >= MARKS_MAX && !(is_last && epochs <= EPOCHS_MAX) {
                gone.push(*at);
            }
        }
        for at in gone {
            self.marks.remove(&at);
        }
    }

    /// Everything that came, in all countings that are known.
    pub fn total(&self) -> ByteSize {
        let growths = self.growths().map(|(growth, _)| growth.as_u64());
        ByteSize::bytes(growths.fold(0, u64::saturating_add))
    }

    /// What has not faded of it, in bytes.
    pub fn faded(&self, now: Timestamp) -> f64 {
        // Of a full row nobody knows how much of the oldest day's total came on that day.
        let old = (self.marks.len() + 1).saturating_sub(MARKS_MAX);
        let recent = self.growths().skip(old);
        recent.map(|(growth, hlc)| faded(growth, now.since(hlc.time()))).sum()
    }

    /// What came on each day that is kept, the earliest first, and when on that day it was signed.
    fn growths(&self) -> impl Iterator<Item = (ByteSize, Hlc)> {
        let mut before = None;
        self.marks.iter().map(move |((epoch, _), mark)| {
            let base = match before {
                Some((of, bytes)) if of == *epoch => bytes,
                _ => ByteSize::default(),
            };
            before = Some((*epoch, base.max(mark.bytes)));
            (mark.bytes.saturating_sub(base), mark.hlc)
        })
    }

    /// When the latest receipt was signed.
    pub fn last(&self) -> Timestamp {
        self.marks.values().map(|mark| mark.hlc.time()).max().unwrap_or_default()
    }

    /// The latest receipt; it can be shown to others.
    pub fn newest(&self) -> Option<&SealedReceipt> {
        self.newest.as_ref()
    }

    /// What was added to it for bytes of which there were few copies.
    pub fn bonus(&self) -> ByteSize {
        self.bonus
    }

    pub(super) fn reward(&mut self, bonus: ByteSize) {
        self.bonus = ByteSize::bytes(self.bonus.as_u64().saturating_add(bonus.as_u64()));
    }
}

fn day(hlc: Hlc) -> u32 {
    // 48 bits of milliseconds are 3.3 million days.
    (hlc.time().as_millis() / DAY.as_millis() as u64) as u32
}
