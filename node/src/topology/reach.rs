//! Tells whether this node is cut off from most of those it is usually in touch with.

use std::time::Duration;

use catalog::time::Timestamp;

/// Who was not heard of for so long is not one of the usual peers any more.
const USUAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many of the usual peers can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub usual: usize,
    pub reached: usize,
}

impl Reach {
    /// Counts peers: whether each is connected now, and when it was last heard of.
    pub(crate) fn of(
        peers: impl Iterator<Item = (bool, Option<Timestamp>)>,
        now: Timestamp,
    ) -> Self {
        peers.fold(Self::default(), |reach, (is_connected, last)| {
            let is_recent = last.is_some_and(|last| now.since(last) <= USUAL);
            Self {
                usual: reach.usual + usize::from(is_connected || is_recent),
                reached: reach.reached + usize::from(is_connected),
            }
        })
    }

    /// Whether less than half of them are in reach. One peer that is switched off is nothing to
    /// speak of.
    pub(crate) fn is_partitioned(self) -> bool {
        self.usual > 1 && 2 * self.reached < self.usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_last_heard_of_long_ago_is_not_missed() {
        let day = |day: u64| Timestamp::from_millis(day * 24 * 3600 * 1000);
        let partitioned = |peers: &[(bool, Option<Timestamp>)]| {
            Reach::of(peers.iter().copied(), day(100)).is_partitioned()
        };
        let (here, gone, old) = ((true, None), (false, Some(day(99))), (false, Some(day(50))));
        assert!(!partitioned(&[]));
        assert!(!partitioned(&[gone]), "one that is switched off");
        assert!(partitioned(&[gone, gone]));
        assert!(!partitioned(&[here, gone]), "half of them");
        assert!(partitioned(&[here, gone, gone]));
        assert!(!partitioned(&[here, gone, old, old, (false, None)]));
    }
}
