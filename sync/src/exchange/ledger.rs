//! Counts the bytes of an exchange and says how many more are fair.
//!
//! Two rules. What we answer, besides records, has at most four times the bytes of what we were
//! sent, until the peer has given us something useful: so nobody makes us talk for free. And what
//! a peer sends has to be of use now and then: so nobody talks to us for ever.

use super::setup::{Budget, Cost};
use super::violation::Violation;
use crate::defence::{self, Defence};
use crate::message::{Frame, Message};

/// The turns that a peer has; the longest honest conversation takes half of them.
pub const TURNS_MAX: u32 = 30;

/// Our bytes for each byte of the peer's, until it has earned more.
const ANSWER_FACTOR: u64 = 4;

/// What a frame's length takes.
const LENGTH_BYTES: u64 = 4;

/// The bytes of one exchange.
pub struct Ledger {
    /// Whether we answer: whoever opens pays for the questions.
    answers: bool,
    budget: Budget,
    cost: Cost,
    /// Bytes that we sent as an answer to something, besides records.
    answered: u64,
}

impl Ledger {
    pub fn new(budget: Budget, answers: bool) -> Self {
        Self { answers, budget, cost: Cost::default(), answered: 0 }
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Counts a frame that we send, which has `bytes` bytes.
    pub fn sent(&mut self, frame: &Frame, bytes: usize) {
        let (overhead, records) = split(&frame.message, bytes);
        self.cost.overhead_out += overhead;
        self.cost.records_out += records;
        if self.answers || matches!(frame.message, Message::Step(_)) {
            self.answered += overhead;
        }
    }

    /// Counts a frame that came.
    pub fn heard(&mut self, frame: &Frame, bytes: usize) -> Result<(), Violation> {
        let (overhead, records) = split(&frame.message, bytes);
        self.cost.overhead_in += overhead;
        self.cost.records_in += records;
        self.cost.turns += u32::from(!frame.more);
        if self.cost.turns > TURNS_MAX && defence::on(Defence::TurnLimit) {
            return Err(Violation::Rounds { turns: TURNS_MAX });
        }
        self.fair()
    }

    /// Counts `bytes` of records that we did not have.
    pub fn useful(&mut self, bytes: u64) -> Result<(), Violation> {
        self.cost.useful += bytes;
        self.fair()
    }

    fn fair(&self) -> Result<(), Violation> {
        let Cost { overhead_in, records_in, useful, .. } = self.cost;
        if records_in > self.budget.records_in {
            return Err(Violation::TooMuch { bytes: records_in });
        }
        let wasted = (overhead_in + records_in).saturating_sub(useful);
        // Records that are being verified right now are not wasted yet, hence one page more.
        let fair = self.budget.waste.saturating_add(useful);
        match wasted > fair && defence::on(Defence::UsefulShare) {
            true => Err(Violation::Useless { wasted }),
            false => Ok(()),
        }
    }

    /// How many bytes our answers may still have.
    pub fn allowance(&self) -> u64 {
        if !defence::on(Defence::AnswerFactor) {
            return u64::MAX;
        }
        let earned = self.cost.overhead_in.saturating_mul(ANSWER_FACTOR);
        earned.saturating_add(self.cost.useful).saturating_sub(self.answered)
    }

    /// Whether more records may be sent.
    pub fn may_send_records(&self) -> bool {
        self.cost.records_out < self.budget.records_out
    }
}

/// The bytes of a frame that carries none of the records, and of one that does.
fn split(message: &Message, bytes: usize) -> (u64, u64) {
    let bytes = bytes as u64 + LENGTH_BYTES;
    match message {
        Message::Records(_) => (0, bytes),
        _ => (bytes, 0),
    }
}
