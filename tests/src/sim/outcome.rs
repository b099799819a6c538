//! What became of a run, and how to see it again.

use std::fmt;
use std::time::Duration;

use super::coverage::Coverage;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub rule: String,
    /// How.
    pub why: String,
    /// When, since the world began.
    pub at: Duration,
}

/// What became of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What everything followed from.
    pub seed: u64,
    /// The time that was simulated, for all nodes together.
    pub node_time: Duration,
    /// How many events were handled.
    pub steps: u64,
    /// How many messages reached a node.
    pub messages: u64,
    /// Which faults happened, and how often.
    pub coverage: Coverage,
    /// A number that follows from every event; equal runs have equal numbers.
    pub digest: u64,
    /// The last events, oldest first.
    pub last: Vec<String>,
    /// What did not hold.
    pub broken: Option<Broken>,
    /// How long it took until all agreed once the faults had stopped.
    pub settled_after: Option<Duration>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.last {
            writeln!(f, "{event}")?;
        }
        match &self.broken {
            Some(Broken { rule, why, at }) => {
                write!(f, "seed {}: {rule} broken after {at:?}: {why}", self.seed)
            }
            None => write!(f, "seed {}: every rule held", self.seed),
        }
    }
}
