//! Adds up what several exchanges with one peer cost and brought.

use std::time::Duration;

use catalog::permission::NodeId;
use catalog_sync::conversation::{Conversation, Report};
use catalog_sync::exchange::{Cost, Outcome};
use serde::{Deserialize, Serialize};

use crate::peers::causes;
use crate::talk::LinkError;

/// What came of asking one peer for records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// Whom.
    pub peer: NodeId,
    /// Records that are new here.
    pub records_new: u64,
    /// Records that were known.
    pub records_known: u64,
    /// Registers of nodes that are new here, or later than what was.
    pub registers_new: u64,
    /// What was refused, in words; the first few.
    pub rejected: Vec<String>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes of all these that were not records: what finding the difference cost.
    pub bytes_overhead: u64,
    /// Round trips in all exchanges.
    pub round_trips: u32,
    /// Whether both are known to hold the same of what was asked for.
    pub in_step: bool,
    /// How long it took.
    pub took_ms: u64,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

impl SyncReport {
    pub(super) fn of(peer: NodeId, sum: &Sum, took: Duration) -> Self {
        let Cost { overhead_in, overhead_out, records_in, records_out, .. } = sum.cost;
        Self {
            peer,
            records_new: sum.report.new,
            records_known: sum.report.known,
            registers_new: sum.registers_new,
            rejected: sum.report.rejected.clone(),
            bytes_in: overhead_in + records_in,
            bytes_out: overhead_out + records_out,
            bytes_overhead: overhead_in + overhead_out,
            round_trips: sum.cost.turns,
            in_step: sum.in_step,
            took_ms: took.as_millis() as u64,
            error: None,
        }
    }

    pub(super) fn failed(peer: NodeId, error: &LinkError, took: Duration) -> Self {
        let nothing = Self::of(peer, &Sum::default(), took);
        Self { in_step: false, error: Some(causes(error)), ..nothing }
    }
}

/// What several exchanges came to.
pub(super) struct Sum {
    pub cost: Cost,
    pub report: Report,
    pub in_step: bool,
    /// Everything that the peer had up to this place of its change log is here.
    pub position: Option<u64>,
    pub registers_new: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            report: Report::default(),
            in_step: true,
            position: Some(u64::MAX),
            registers_new: 0,
        }
    }
}

impl Sum {
    /// Adds what a conversation cost and brought, however it ended.
    pub(super) fn add(&mut self, talk: &Conversation) {
        self.pay(talk);
        let report = talk.report();
        self.report.new += report.new;
        self.report.known += report.known;
        self.report.faults += report.faults;
        self.report.start_over |= report.start_over;
        self.report.rejected.extend(report.rejected.iter().cloned());
    }

    /// Adds what a conversation about registers cost and brought.
    pub(super) fn add_registers(&mut self, talk: &Conversation) {
        self.pay(talk);
        self.registers_new += talk.report().new;
        self.report.rejected.extend(talk.report().rejected.iter().cloned());
    }

    fn pay(&mut self, talk: &Conversation) {
        let cost = talk.cost();
        self.cost.overhead_in += cost.overhead_in;
        self.cost.overhead_out += cost.overhead_out;
        self.cost.records_in += cost.records_in;
        self.cost.records_out += cost.records_out;
        self.cost.turns += cost.turns;
    }

    /// Adds how far an exchange came. One in which nothing was said came as far as `announced`.
    pub(super) fn conclude(&mut self, talk: &Conversation, outcome: &Outcome, announced: u64) {
        let silent = talk.cost().overhead_out == 0;
        let reached = outcome.position.or(silent.then_some(announced));
        self.position = self.position.zip(reached).map(|(one, other)| one.min(other));
    }
}
