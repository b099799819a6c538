//! Lets answers leave at whole steps of time, so that how long it took to find them tells nothing.

use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::blocking::blocking;

/// The last part of the wait, which a thread sleeps by itself.
const LAST: Duration = Duration::from_millis(3);

/// Waits until the next whole `step` since `came`.
pub(crate) async fn until_step(came: Instant, step: Duration) {
    let leaves = came + next_step(came.elapsed(), step);
    sleep_until(leaves - LAST).await;
    // The runtime's timers go by whole milliseconds from when it had nothing else to do: that
    // moment says how long what was done before took. A thread's go by the clock.
    blocking(move || {
        let late = came.elapsed();
        thread::sleep(next_step(late, step) - late);
    })
    .await;
}

/// The first multiple of `step` after `took`.
fn next_step(took: Duration, step: Duration) -> Duration {
    let steps = took.as_nanos() / step.as_nanos() + 1;
    step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_does_not_tell_how_long_it_was_looked_for() {
        for (took_us, after_ms) in [(0, 20), (1, 20), (19_999, 20), (20_000, 40), (45_000, 60)] {
            let after = next_step(Duration::from_micros(took_us), Duration::from_millis(20));
            assert_eq!(after, Duration::from_millis(after_ms), "{took_us} us");
        }
    }
}
