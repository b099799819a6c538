//! Keeps time at the end of a search for what is left to do when nobody is asked any more.
//!
//! What is promised is an answer within the deadline, not the end of asking. To weigh, merge and
//! show what peers sent takes longer the more of them there are and the busier the machine is, so
//! asking ends earlier, by what that took lately. Time is what the caller says.
//!
//! Guarantees: at most [`KEPT_MAX`] of the deadline is kept, whatever happened before; peers have
//! [`ASKING_MIN`] of it even when what came before asking took all of it.

use std::collections::VecDeque;
use std::time::Duration;

/// Ends of searches that count. The next is longer than the longest of them one time in so many.
const LATELY: usize = 24;
/// Fewer of them say little; until then [`KEPT_AT_FIRST`] is kept at least.
const FEW: usize = 8;
/// What is kept of the deadline while little is known: one part in so many.
const KEPT_AT_FIRST: u32 = 5;
/// What is kept of the deadline at most: one part in so many.
const KEPT_MAX: u32 = 2;
/// What peers have of the deadline at least: one part in so many.
const ASKING_MIN: u32 = 4;

/// How long the ends of searches took lately.
#[derive(Clone, Debug, Default)]
pub struct Finishing {
    took: VecDeque<Duration>,
}

impl Finishing {
    /// Takes in how long it took from the end of asking to the answer.
    pub fn learn(&mut self, took: Duration) {
        if self.took.len() == LATELY {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    /// When to ask no more, so that the answer is there in time.
    ///
    /// - `began`: when somebody began to wait; `within`: how long that may take.
    /// - `now`: when asking begins, after what is here was searched.
    pub fn asking_ends(&self, began: Duration, within: Duration, now: Duration) -> Duration {
        let longest = self.took.iter().max().copied().unwrap_or_default();
        let mut kept = longest + longest / 4;
        if self.took.len() < FEW {
            kept = kept.max(within / KEPT_AT_FIRST);
        }
        let ends = began + within - kept.min(within / KEPT_MAX);
        ends.max(now + within / ASKING_MIN)
    }
}

#[cfg(test)]
mod tests {
    use catalog_tests::dice::Dice;

    use super::*;
    use crate::federation::fixture::node;
    use crate::federation::inquiry::DEADLINE;
    use crate::federation::{Budgets, Event, Inquiry};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many of 200 searches with a dead peer are answered too late.
    ///
    /// - `keep`: whether time is kept for their ends.
    fn late(seed: u64, busy: impl Fn(u64) -> u64, keep: bool) -> usize {
        let (mut dice, mut finishing) = (Dice::new(seed), Finishing::default());
        let mut late = 0;
        for number in 0..200 {
            let began = Duration::from_secs(number);
            // What is here is searched first.
            let now = began + ms(dice.pick(1..10));
            let until = match keep {
                true => finishing.asking_ends(began, DEADLINE, now),
                false => now + DEADLINE,
            };
            let mut budgets = Budgets::default();
            let mut inquiry = Inquiry::new(now, vec![vec![node(1)]], until, &mut budgets);
            let mut now = now;
            while let Some(wake) = inquiry.next_wake(now) {
                now = wake;
                inquiry.handle(now, Event::Tick, &mut budgets);
            }
            let took = ms(dice.pick(10..70) * busy(number));
            finishing.learn(took);
            late += usize::from(now + took > began + DEADLINE);
        }
        late
    }

    #[test]
    fn searches_with_a_dead_peer_are_answered_within_the_deadline() {
        for seed in 0..5 {
            assert!(late(seed, |_| 1, true) <= 4, "seed {seed}");
            // The machine gets busier, and idle again.
            let busy = |number| if (60..120).contains(&number) { 3 } else { 1 };
            assert!(late(seed, busy, true) <= 10, "seed {seed}");
        }
    }

    #[test]
    fn searches_are_late_when_no_time_is_kept() {
        assert_eq!(late(0, |_| 1, false), 200);
    }

    #[test]
    fn what_is_kept_follows_what_was_lately() {
        let mut finishing = Finishing::default();
        let ends = |finishing: &Finishing| finishing.asking_ends(ms(1000), DEADLINE, ms(1005));
        assert_eq!(ends(&finishing), ms(1400), "nothing is known yet");
        for _ in 0..LATELY {
            finishing.learn(ms(4));
        }
        assert_eq!(ends(&finishing), ms(1495));
        finishing.learn(Duration::from_secs(60));
        assert_eq!(ends(&finishing), ms(1250), "half of the deadline at most");
        for _ in 0..LATELY {
            finishing.learn(ms(4));
        }
        assert_eq!(ends(&finishing), ms(1495), "one bad moment is forgotten");
    }

    #[test]
    fn peers_have_some_time_however_long_it_took_to_get_there() {
        let finishing = Finishing::default();
        assert_eq!(finishing.asking_ends(ms(0), DEADLINE, ms(9000)), ms(9125));
    }
}
