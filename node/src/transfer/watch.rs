//! What only the time tells: speeds, silence, whose seat is better given to another, and who may
//! be dialled again.

use std::time::Duration;

use super::source::{RETRY, Source, Stage};
use super::speed::SERVICE;
use super::{Order, Parting, Request, SEATS_MAX, SourceId, Transfer, Unit};

/// A source that delivers less, while others wait for its seat, makes room for them.
const SEAT_RATE_MIN: f64 = 128.0 * 1024.0;
/// How long it may show what it can.
const SEAT_TRIAL: Duration = Duration::from_secs(2);
/// Sources that are connected or being dialled: those at work, and a few that are warm.
const CONNECTED_MAX: usize = SEATS_MAX + 8;
/// A request that is silent for so many times the patience, while its source delivers others, is
/// given to somebody else.
const REQUEST_PATIENCE: u32 = 3;

impl Transfer {
    /// Takes the speed of every source from which something should have come meanwhile.
    pub(super) fn measure(&mut self, now: Duration, span: Duration) {
        for request in self.requests.values() {
            let source = &mut self.sources[request.source.0];
            source.owes |= now >= request.asked + source.rtt + SERVICE + span;
        }
        for source in &mut self.sources {
            if std::mem::take(&mut source.owes) || source.speed.has_fresh() {
                source.speed.sample(span);
                source.health.rate = source.speed.rate().or(source.health.rate);
            }
        }
    }

    pub(super) fn part_with_silent(&mut self, now: Duration) {
        for id in (0..self.sources.len()).map(SourceId) {
            // Of those who fall silent at once, the last is waited for.
            let is_alone = self.working() <= 1;
            let source = &self.sources[id.0];
            if source.is_up() && source.live > 0 && now >= source.heard + source.patience(is_alone)
            {
                self.part(now, id, Parting::Stalled);
            }
        }
        let is_alone = self.working() <= 1;
        let silent = |request: &Request| {
            let patience = self.sources[request.source.0].patience(is_alone);
            !request.is_cancelled
                && now >= request.heard.max(request.asked) + patience * REQUEST_PATIENCE
        };
        let stuck: Vec<_> = self.requests.iter().filter(|(_, request)| silent(request)).collect();
        let stuck: Vec<_> = stuck.iter().map(|(id, r)| (**id, r.source, r.unit)).collect();
        for (request, source, unit) in stuck {
            self.cancel(request, None);
            self.refused(now, source, unit);
        }
    }

    /// Parts with sources that have nothing of what is left.
    pub(super) fn part_with_useless(&mut self, now: Duration) {
        for id in (0..self.sources.len()).map(SourceId) {
            let source = &self.sources[id.0];
            let may_help = |unit: &Unit| !unit.is_done && !unit.refused.contains(&id);
            if source.is_up()
                && source.refusals > 0
                && source.live == 0
                && !self.units.iter().any(may_help)
            {
                self.part(now, id, Parting::Refused);
            }
        }
    }

    /// Gives the seats of those who bring next to nothing to those who wait.
    pub(super) fn seat_others(&mut self, now: Duration) {
        let open = self.open;
        let waiting = |source: &Source| match source.stage {
            Stage::Spare { since } if source.duty.tier <= open => Some(since),
            _ => None,
        };
        loop {
            let spares = self.sources.iter().enumerate();
            let next = spares.filter_map(|(at, source)| Some((waiting(source)?, at))).min();
            let Some((_, next)) = next else { return };
            if self.working() >= SEATS_MAX {
                let slow = self.sources.iter().position(|source| {
                    source.is_up()
                        && now >= source.seated + SEAT_TRIAL
                        && source.speed.rate().unwrap_or(0.0) < SEAT_RATE_MIN
                });
                let Some(slow) = slow else { return };
                self.sources[slow].stage = Stage::Spare { since: now };
                let of_source = self.requests.iter().filter(|(_, r)| r.source.0 == slow);
                for request in of_source.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.cancel(request, None);
                }
            }
            self.sources[next].stage = Stage::Up;
            self.sources[next].seated = now;
            self.sources[next].heard = now;
        }
    }

    pub(super) fn dial(&mut self, now: Duration) {
        let is_on = |source: &&Source| {
            matches!(source.stage, Stage::Dialling | Stage::Up | Stage::Spare { .. })
        };
        let mut on = self.sources.iter().filter(is_on).count();
        if self.working() > 0 {
            self.lonely = now;
        }
        let hoped_for =
            |source: &Source| source.stage == Stage::Dialling || source.is_due(now, false);
        let needed = self.working() == 0
            && (now >= self.lonely + RETRY || !self.sources.iter().any(hoped_for));
        for (at, source) in self.sources.iter_mut().enumerate() {
            if on < CONNECTED_MAX && source.is_due(now, needed) {
                source.stage = Stage::Dialling;
                self.orders.push_back(Order::Dial(SourceId(at)));
                on += 1;
            }
        }
    }
}
