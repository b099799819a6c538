//! The end of a transfer: nothing is left to give out, and the slowest holds up all.
//!
//! Who is idle takes the unit that would come last, if that ends it clearly sooner. Within the
//! budget both try, and the first to finish wins; beyond it the other lets go.

use std::time::Duration;

use super::call::DOUBT;
use super::{Purpose, Request, RequestId, SourceId, Transfer, UnitId};

/// At most this part of all bytes may come twice.
const DUPLICATES_PART: u64 = 50;
/// So much may, of however few.
const DUPLICATES_MIN: u64 = 256 << 10;
/// Less than this is not worth a request.
const GAIN_MIN: Duration = Duration::from_millis(30);

impl Transfer {
    /// Lets every idle source take over, or duplicate, what others are slow with.
    pub(super) fn shorten_the_end(&mut self, now: Duration) {
        let is_idle = |id: &SourceId| {
            let source = &self.sources[id.0];
            source.is_up() && source.leave.is_none() && source.live + source.promised == 0
        };
        let mut idle: Vec<SourceId> =
            (0..self.sources.len()).map(SourceId).filter(is_idle).collect();
        // The fastest first, and those last who have shown nothing yet.
        let rate = |id: &SourceId| self.sources[id.0].speed.rate().unwrap_or(0.0);
        idle.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
        for id in idle {
            let Some((request, unit)) = self.worth_taking(id, now) else { continue };
            let left = self.units[unit.0].bytes - self.units[unit.0].have;
            if self.at_stake() + left <= self.duplicates_max() {
                self.ask(now, id, unit, Purpose::Duplicate);
            } else {
                self.cancel(request, Some(id));
            }
        }
    }

    /// The request of another that ends last, if this source would end it clearly sooner.
    fn worth_taking(&self, id: SourceId, now: Duration) -> Option<(RequestId, UnitId)> {
        let open = self.requests.iter().filter(|(_, request)| {
            let unit = &self.units[request.unit.0];
            request.source != id
                && !request.is_cancelled
                && unit.holders.len() == 1
                // What was just asked for has not had its chance.
                && now >= request.asked + DOUBT + self.sources[request.source.0].rtt * 2
                && !unit.refused.contains(&id)
        });
        let timed = open.map(|(number, request)| (self.ends_in(request, now), *number, request));
        let (theirs, number, request) = timed.max_by_key(|(time, number, _)| (*time, *number))?;
        let unit = &self.units[request.unit.0];
        let source = &self.sources[id.0];
        let ours = match source.speed.time(unit.bytes - unit.have) {
            Some(time) => time + source.rtt,
            // It has shown nothing yet; it may try what another seems to have forgotten.
            None if theirs == Duration::MAX => Duration::ZERO,
            None => return None,
        };
        let is_sooner = theirs == Duration::MAX || ours.mul_f64(1.5) + GAIN_MIN < theirs;
        is_sooner.then_some((number, request.unit))
    }

    /// When a request will end; [`Duration::MAX`] when its source seems to be dead.
    fn ends_in(&self, request: &Request, now: Duration) -> Duration {
        let source = &self.sources[request.source.0];
        if source.is_doubtful(now) {
            return Duration::MAX;
        }
        let all = self.requests.values().filter(|other| other.source == request.source);
        let (count, sum) = all.fold((0, 0), |(n, sum), other| (n + 1, sum + self.left_in(other)));
        // Its requests share its speed evenly.
        let before = sum.min(self.left_in(request) * count);
        source.speed.time(before).map_or(Duration::ZERO, |time| time + source.rtt)
    }

    /// Bytes that came twice, or may.
    fn at_stake(&self) -> u64 {
        let duplicates = self.requests.values().filter(|request| request.is_duplicate);
        let open = duplicates.map(|request| self.units[request.unit.0].bytes - request.from);
        self.wasted + open.sum::<u64>()
    }

    fn duplicates_max(&self) -> u64 {
        (self.bytes / DUPLICATES_PART).max(DUPLICATES_MIN)
    }
}
