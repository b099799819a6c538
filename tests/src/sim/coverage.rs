//! Counts what went wrong, so that a test whose faults never happen fails.

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A message got lost.
    Lost,
    /// A message came twice.
    Doubled,
    /// A message overtook an earlier one.
    Overtaken,
    /// A message was dropped because too many waited for the link.
    Congested,
    /// The nodes were cut into two groups.
    Partition,
    /// A link was cut in one direction.
    OneWayCut,
    /// A stream broke.
    BrokenStream,
    /// A node lost its power between two events.
    PowerCut,
    /// A node lost its power, or its disk failed, in the middle of a write.
    FailedWrite,
    /// A node that was down started again.
    Restart,
    /// A wall clock was set to another time, up to ten years away.
    ClockJump,
    /// A wall clock stood still.
    ClockStop,
    /// A node took long for everything.
    SlowNode,
    /// A hostile node changed a message.
    Spoilt,
    /// A hostile node sent a message again, perhaps to another node.
    Replayed,
    /// A hostile node sent something of its own.
    Invented,
}

impl Fault {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [Self; 16] = [
        Self::Lost,
        Self::Doubled,
        Self::Overtaken,
        Self::Congested,
        Self::Partition,
        Self::OneWayCut,
        Self::BrokenStream,
        Self::PowerCut,
        Self::FailedWrite,
        Self::Restart,
        Self::ClockJump,
        Self::ClockStop,
        Self::SlowNode,
        Self::Spoilt,
        Self::Replayed,
        Self::Invented,
    ];
}

/// How often each kind of fault happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage([u64; Fault::ALL.len()]);

impl Coverage {
    /// How often `fault` happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// The kinds that never happened.
    pub fn missing(&self) -> Vec<Fault> {
        Fault::ALL.into_iter().filter(|&fault| self.of(fault) == 0).collect()
    }

    pub(super) fn note(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place_in_the_list() {
        for (at, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, at);
        }
        let mut coverage = Coverage::default();
        assert_eq!(coverage.missing(), Fault::ALL);
        coverage.note(Fault::SlowNode);
        assert_eq!((coverage.of(Fault::SlowNode), coverage.missing().len()), (1, 15));
    }
}
