//! Who is called to work, and who is let go: later rounds when the first are not enough, and
//! sources that want to be left.
//!
//! A source that leaves is replaced before it is let go: it is asked on until another delivers, and
//! again if all others fail while it is still there.

use std::time::Duration;

use super::source::{After, Duty, Leave, Source, Stage};
use super::{Order, Parting, SourceId, Transfer};

/// Sources of a round have so long to show what they can before the next round is called.
const TRIAL: Duration = Duration::from_millis(300);
/// What takes longer than this with those who are at work is worth calling others.
const LONG: Duration = Duration::from_secs(1);
/// A source that is silent for longer than this, and twice its delay, may be dead.
pub(super) const DOUBT: Duration = Duration::from_millis(300);
/// What a source that leaves has not brought by then, before it goes, is asked of others.
const LEAVE_MARGIN: Duration = Duration::from_millis(250);

impl Transfer {
    /// Says for what each source is there, before anything is wanted.
    ///
    /// - `at_work_min`: how many are to be at work at least, while there are so many.
    pub(crate) fn call(&mut self, duties: impl Iterator<Item = Duty>, at_work_min: usize) {
        self.sources.iter_mut().zip(duties).for_each(|(source, duty)| source.duty = duty);
        self.at_work_min = at_work_min;
    }

    /// Calls the next rounds while those at work are too few, too slow, or silent.
    pub(super) fn call_others(&mut self, now: Duration) {
        loop {
            let waits = |source: &&Source| {
                matches!(source.stage, Stage::Spare { .. } | Stage::Dialling)
                    && source.duty.tier > self.open
            };
            let next = self.sources.iter().filter(waits).map(|source| source.duty.tier).min();
            let Some(next) = next.filter(|_| self.needs_others(now)) else { return };
            self.open = next;
            self.opened = now;
        }
    }

    fn needs_others(&self, now: Duration) -> bool {
        let called = || self.sources.iter().filter(|source| source.duty.tier <= self.open);
        let works = |source: &&Source| {
            // Who was just called is at work in a moment.
            matches!(source.stage, Stage::Up | Stage::Spare { .. })
                && source.leave.is_none()
                && !source.is_doubtful(now)
        };
        let has_tried = now >= self.opened + TRIAL;
        if called().filter(works).count() < self.at_work_min {
            let comes = |source: &Source| source.stage == Stage::Dialling;
            return has_tried || !called().any(comes);
        }
        let rate: f64 = called().filter(works).filter_map(|source| source.speed.rate()).sum();
        let left: u64 = self.units.iter().filter(|unit| !unit.is_done).map(super::Unit::left).sum();
        has_tried && left as f64 > rate * LONG.as_secs_f64()
    }

    /// Takes note that a source wants to be left.
    pub(super) fn leave(&mut self, id: SourceId, until: Duration, after: After) {
        let source = &mut self.sources[id.0];
        source.leave = Some(Leave { until, after, is_released: false });
    }

    /// Whether somebody else delivers, so that this source is not needed.
    pub(super) fn is_replaced(&self, id: SourceId, now: Duration) -> bool {
        self.sources.iter().enumerate().any(|(at, source)| {
            at != id.0
                && source.is_up()
                && source.leave.is_none()
                && source.speed.rate().is_some()
                && (source.live == 0 || now < source.heard + DOUBT)
        })
    }

    /// What a forecast leaves of the share of a source. While there is nobody better to turn to, a
    /// forecast is no reason to ask less.
    pub(super) fn trust(&self, id: SourceId) -> f64 {
        let source = &self.sources[id.0];
        let is_better =
            |other: &Source| other.is_up() && other.leave.is_none() && other.trust > source.trust;
        if self.sources.iter().any(is_better) { source.trust } else { 1.0 }
    }

    /// Lets those go who want to and are not needed any more.
    pub(super) fn see_off(&mut self, now: Duration) {
        for id in (0..self.sources.len()).map(SourceId) {
            let Some(leave) = self.sources[id.0].leave else { continue };
            if leave.after == After::Back && now >= leave.until {
                self.sources[id.0].leave = None;
                continue;
            }
            if !self.is_replaced(id, now) {
                continue;
            }
            if leave.after == After::Gone && now + LEAVE_MARGIN >= leave.until {
                let of_source = self.requests.iter().filter(|(_, request)| request.source == id);
                for request in of_source.map(|(request, _)| *request).collect::<Vec<_>>() {
                    self.cancel(request, None);
                }
            }
            let source = &mut self.sources[id.0];
            if source.is_up() && source.live + source.promised == 0 && !leave.is_released {
                source.leave = Some(Leave { is_released: true, ..leave });
                self.orders.push_back(Order::Release(id));
            }
            if leave.after == After::Gone && now >= leave.until {
                self.part(now, id, Parting::Left);
            }
        }
    }
}
