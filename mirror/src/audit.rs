//! Finds out whether those who say that they hold something do.
//!
//! A [`Picker`] asks for a chunk of 16 KiB at a random place of all that a mirror says it holds.
//! Whoever asks needs only what the publisher signed: the proof that comes with a chunk is checked
//! against the hash of its blob. A [`Record`] keeps what came of it, and how often the mirror was
//! there at all.
//!
//! Guarantees: every byte is as likely to be asked for as every other, so that a mirror that lacks a
//! part `p` passes `n` audits with chance `(1 - p)^n`: 5 % missing are found within 60 at 95 %.
//! What an audit shows is that the bytes can be had from this node, now. It does not show that three
//! mirrors are three disks, nor that a mirror serves others as it serves auditors: they have to look
//! like others (`node`). Not here: dice, the question and the answer.
//!
//! # Source
//! Storj's reputation of storage nodes (λ = 0.95, out below 0.6), after Jøsang and Ismail, *The Beta
//! Reputation System*, 2002.

use std::time::Duration;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::{ByteSize, Digest, Timestamp};

use crate::defence::{self, Defence};

/// What an audit asks for: BLAKE3 proves any such chunk on its own.
pub const CHUNK_BYTES: u64 = 16 * 1024;

/// The most bytes of [`Record::encode`].
pub const RECORD_BYTES_MAX: usize = 128;

/// How long an answer may take beside the round trip.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What was, in 65,536 parts of one.
const ONE: u32 = 1 << 16;

/// Of every judgement an audit takes one part in so many.
const MEMORY: u32 = 20;

/// How long it takes until half of what is known of a node's presence is from after it.
const PRESENCE_HALF_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How much time one look at a node says something about.
const LOOK_MAX: Duration = Duration::from_secs(60 * 60);

/// Who is away a lot is still worth this part of what it is worth when it is there.
const PRESENCE_MIN: f64 = 0.2;

/// Below this a node does not hold what it says.
const OUT_BELOW: f64 = 0.6;

/// Before so many audits nobody is judged.
const AUDITS_MIN: u32 = 10;

/// The version of the layout.
const VERSION: u64 = 1;

/// Picks what to ask a mirror for.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    blobs: Vec<(Digest, ByteSize)>,
    /// For each blob how many chunks it and those before it have.
    ends: Vec<u64>,
}

/// A chunk to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Of which blob.
    pub blob: Digest,
    /// Where in it the chunk begins; a multiple of [`CHUNK_BYTES`].
    pub start: u64,
    /// How long it is: shorter at the end of a blob only.
    pub bytes: u64,
}

impl Picker {
    /// Picks from what a mirror says it holds; a blob of no bytes is never asked for.
    pub fn new(blobs: impl IntoIterator<Item = (Digest, ByteSize)>) -> Self {
        let mut picker = Self::default();
        for (blob, size) in blobs {
            picker.ends.push(picker.chunks() + size.as_u64().div_ceil(CHUNK_BYTES));
            picker.blobs.push((blob, size));
        }
        picker
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// The chunk that this number stands for; `None` when there is nothing to ask for.
    ///
    /// - `dice`: a random number that the mirror cannot foresee.
    pub fn pick(&self, dice: u64) -> Option<Challenge> {
        let dice = if defence::on(Defence::RandomAudits) { dice } else { 0 };
        let chunk = ((u128::from(dice) * u128::from(self.chunks())) >> 64) as u64;
        let at = self.ends.partition_point(|end| *end <= chunk);
        let (blob, size) = *self.blobs.get(at)?;
        let before = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let start = (chunk - before) * CHUNK_BYTES;
        Some(Challenge { blob, start, bytes: CHUNK_BYTES.min(size.as_u64() - start) })
    }
}

impl Challenge {
    /// How long an answer may take on a path with this delay, there and back.
    pub const fn within(rtt: Duration) -> Duration {
        ANSWER_WITHIN.saturating_add(rtt)
    }
}

/// What came of an audit, or of an ordinary request to the same end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The right bytes.
    Kept,
    /// Other bytes, or it did not have what it says it has.
    Lost,
    /// No answer in time. That is no proof of anything but absence.
    Away,
}

/// What is known of a node's reliability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Audits that went well and that did not, the last one counted as one, each before it a
    /// twentieth less; in parts of [`ONE`]. One of each at first: nothing is known.
    kept: u32,
    lost: u32,
    audits: u32,
    presence: u32,
    seen: Timestamp,
}

impl Default for Record {
    fn default() -> Self {
        Self { kept: ONE, lost: ONE, audits: 0, presence: ONE, seen: Timestamp::default() }
    }
}

impl Record {
    /// Counts what came of an audit at the time `now`.
    pub fn note(&mut self, outcome: Outcome, now: Timestamp) {
        self.look(outcome != Outcome::Away, now);
        if outcome == Outcome::Away {
            return;
        }
        self.audits = self.audits.saturating_add(1);
        for (count, is_this) in
            [(&mut self.kept, outcome == Outcome::Kept), (&mut self.lost, outcome == Outcome::Lost)]
        {
            *count -= *count / MEMORY;
            *count += if is_this { ONE } else { 0 };
        }
    }

    /// Counts a look at whether the node is there. Time in which nobody looked counts as nothing.
    pub fn look(&mut self, there: bool, now: Timestamp) {
        let elapsed = now.since(self.seen).min(LOOK_MAX);
        if self.seen != Timestamp::default() {
            let halves = elapsed.as_secs_f64() / PRESENCE_HALF_LIFE.as_secs_f64();
            let (kept, found) = ((-halves).exp2(), if there { f64::from(ONE) } else { 0.0 });
            let presence = f64::from(self.presence) * kept + found * (1.0 - kept);
            self.presence = (presence.round() as u32).min(ONE);
        }
        self.seen = self.seen.max(now);
    }

    /// The part of audits that went well, the last ones counted most; one half where there was none.
    pub fn kept(&self) -> f64 {
        f64::from(self.kept) / (f64::from(self.kept) + f64::from(self.lost))
    }

    /// The part of the time that it was there, the last month counted most.
    pub fn presence(&self) -> f64 {
        f64::from(self.presence) / f64::from(ONE)
    }

    /// What it is worth for it, in `0..=1`; [`RELIABILITY_UNKNOWN`](crate::score::RELIABILITY_UNKNOWN)
    /// where nothing is known.
    pub fn reliability(&self) -> f64 {
        self.kept() * self.presence().max(PRESENCE_MIN)
    }

    /// How many audits were answered.
    pub fn audits(&self) -> u32 {
        self.audits
    }

    /// Whether it was audited enough to say that it does not hold what it says.
    pub fn is_out(&self) -> bool {
        self.audits >= AUDITS_MIN && self.kept() < OUT_BELOW
    }

    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("audits", u64::from(self.audits));
        map.insert("kept", u64::from(self.kept));
        map.insert("lost", u64::from(self.lost));
        map.insert("presence", u64::from(self.presence));
        map.insert("seen", self.seen.as_millis());
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(bytes, RECORD_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let mut upto = |field, max: u32| {
            let number = u32::try_from(fields.uint(field)?).ok().filter(|number| *number <= max);
            number.ok_or(CodecError::invalid(field, "more than it can be"))
        };
        let record = Self {
            kept: upto("kept", ONE * (MEMORY + 1))?,
            lost: upto("lost", ONE * (MEMORY + 1))?,
            audits: upto("audits", u32::MAX)?,
            presence: upto("presence", ONE)?,
            seen: Timestamp::from_millis(fields.uint("seen")?),
        };
        if record.kept == 0 && record.lost == 0 {
            return Err(CodecError::invalid("kept", "nothing of either"));
        }
        fields.finish()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;
    use catalog_tests::dice::Dice;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn blob(of: u64) -> Digest {
        Digest::of(&of.to_le_bytes())
    }

    /// A mirror with a few large blobs and many small ones: 26,000 chunks.
    fn held() -> Vec<(Digest, ByteSize)> {
        let size = |of: u64| ByteSize::bytes(400_000_000 / (of + 1) % 90_000_001 + of);
        (0..300).map(|of| (blob(of), size(of))).collect()
    }

    #[test]
    fn every_byte_is_as_likely_as_every_other() {
        let picker = Picker::new([
            (blob(0), ByteSize::kib(160)),
            (blob(1), ByteSize::bytes(0)),
            (blob(2), ByteSize::kib(20)),
        ]);
        assert_eq!(picker.chunks(), 12);
        let mut counts = std::collections::BTreeMap::new();
        let mut dice = Dice::new(7);
        for _ in 0..12_000 {
            let picked = picker.pick(dice.roll()).unwrap();
            *counts.entry((picked.blob, picked.start, picked.bytes)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 12);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!(counts.contains_key(&(blob(2), 16 << 10, 4 << 10)), "the end of a blob");
        let last = picker.pick(u64::MAX).unwrap();
        assert_eq!((last.blob, last.start), (blob(2), 16 << 10));
        assert_eq!(Picker::default().pick(1), None);
        assert_eq!(Picker::new([(blob(1), ByteSize::bytes(0))]).pick(1), None);
    }

    /// Of `trials` mirrors that lost 5 % of their bytes, the part that is found in 60 audits.
    fn found(seed: u64, trials: u32, whole_blobs: bool) -> f64 {
        let (held, mut dice) = (held(), Dice::new(seed));
        let picker = Picker::new(held.iter().copied());
        let all: u64 = held.iter().map(|(_, size)| size.as_u64()).sum();
        let mut found = 0;
        for _ in 0..trials {
            // Either a stretch of its disk, or whole blobs, the ones first that a disk may lose.
            let from = dice.pick(0..held.len() as u64) as usize;
            let mut left = all.div_ceil(20);
            let mut gone = std::collections::BTreeMap::new();
            for (blob, size) in held.iter().cycle().skip(from).take(held.len()) {
                let lost = if whole_blobs { size.as_u64() } else { size.as_u64().min(left) };
                gone.insert(*blob, lost);
                left = left.saturating_sub(lost);
                if left == 0 {
                    break;
                }
            }
            let is_gone =
                |asked: Challenge| gone.get(&asked.blob).is_some_and(|lost| asked.start < *lost);
            found += u32::from((0..60).any(|_| picker.pick(dice.roll()).is_some_and(is_gone)));
        }
        f64::from(found) / f64::from(trials)
    }

    /// Threat row 42: 5 % of what a mirror holds is gone; within 60 audits 95 % of such mirrors are
    /// found.
    #[test]
    fn five_percent_that_are_gone_are_found_within_sixty_audits() {
        for whole_blobs in [false, true] {
            let part = found(11, 4_000, whole_blobs);
            println!("seed 11: {part:.4} found, whole blobs: {whole_blobs}");
            assert!(part >= 0.95, "{part}");
        }
    }

    #[test]
    fn audits_that_can_be_foreseen_find_nothing() {
        // It keeps what it is asked for.
        let picker = Picker::new(held());
        let mut dice = Dice::new(3);
        let asked: std::collections::BTreeSet<_> = without(Defence::RandomAudits, || {
            (0..60).map(|_| picker.pick(dice.roll()).unwrap().start).collect()
        });
        assert_eq!(asked.len(), 1);
    }

    #[test]
    fn ten_losses_in_a_row_put_a_perfect_node_out() {
        let (mut record, now) = (Record::default(), Timestamp::from_millis(DAY));
        assert!((record.reliability() - 0.5).abs() < 1e-9 && !record.is_out());
        for _ in 0..200 {
            record.note(Outcome::Kept, now);
        }
        assert!(record.reliability() > 0.99, "{}", record.reliability());
        let mut losses = 0;
        while !record.is_out() {
            record.note(Outcome::Lost, now);
            losses += 1;
        }
        assert_eq!(losses, 10);
        let mut liar = Record::default();
        (0..9).for_each(|_| liar.note(Outcome::Lost, now));
        assert!(!liar.is_out(), "nobody is judged so early");
        liar.note(Outcome::Lost, now);
        assert!(liar.is_out());
    }

    #[test]
    fn absence_costs_presence_and_nothing_else() {
        let mut record = Record::default();
        for hour in 1..=30 * 24 {
            record.note(Outcome::Away, Timestamp::from_millis(hour * 3_600_000));
        }
        assert!((record.presence() - 0.5).abs() < 0.01, "{}", record.presence());
        assert_eq!((record.kept(), record.audits()), (0.5, 0));
        for hour in 30 * 24..365 * 24 {
            record.note(Outcome::Away, Timestamp::from_millis(hour * 3_600_000));
        }
        assert!((record.reliability() - 0.1).abs() < 1e-9, "there is a floor");
        let mut unseen = Record::default();
        unseen.look(true, Timestamp::from_millis(DAY));
        unseen.look(false, Timestamp::from_millis(300 * DAY));
        assert!(unseen.presence() > 0.99, "one look says nothing about a year");
    }

    #[test]
    fn a_record_has_these_bytes() {
        let mut record = Record::default();
        record.note(Outcome::Kept, Timestamp::from_millis(DAY));
        let bytes = [
            "a6",
            "617601",
            "646b657074",
            "1a0001f334",
            "646c6f7374",
            "19f334",
            "647365656e",
            "1a05265c00",
            "66617564697473",
            "01",
            "6870726573656e6365",
            "1a00010000",
        ];
        assert_eq!(hex::encode(record.encode()), bytes.concat());
        assert_eq!(Record::decode(&record.encode()), Ok(record));
        assert!(Record::decode(&[0xa0]).is_err());
        let none = Record { kept: 0, lost: 0, ..record };
        assert!(Record::decode(&none.encode()).is_err());
        let most = Record { kept: ONE * (MEMORY + 2), ..record };
        assert!(Record::decode(&most.encode()).is_err());
    }
}
