//! One rule at a time.

use std::time::Duration;

use super::super::health::{Circuit, Health};
use super::super::source::{STALL, STALL_ALONE};
use super::super::{
    End, Event, Mark, Order, Parting, RequestId, SEATS_MAX, SourceId, Standing, TICK, Transfer,
    UNIT_BYTES, UnitId,
};

/// Something that was asked for: by which request, whom, what and from where on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Asked {
    pub request: RequestId,
    pub source: SourceId,
    pub unit: UnitId,
    pub from: u64,
}

/// A transfer, its time, and what it ordered.
pub(super) struct Play {
    pub transfer: Transfer,
    pub now: Duration,
    asked: Vec<Asked>,
    pub cancelled: Vec<RequestId>,
    pub released: Vec<SourceId>,
    pub hung_up: Vec<(SourceId, Parting)>,
    dialled: Vec<SourceId>,
}

impl Play {
    /// `sources` that are connected, and `units` that are wanted.
    fn new(sources: usize, units: &[u64]) -> Self {
        let mut play = Self::dialling(sources);
        play.transfer.want(units, play.now);
        (0..sources).for_each(|at| play.connect(at));
        play
    }

    pub(super) fn dialling(sources: usize) -> Self {
        let mut play = Self {
            transfer: Transfer::new(vec![Health::default(); sources], Duration::ZERO, 1),
            now: Duration::ZERO,
            asked: Vec::new(),
            cancelled: Vec::new(),
            released: Vec::new(),
            hung_up: Vec::new(),
            dialled: Vec::new(),
        };
        play.obey();
        play
    }

    pub(super) fn connect(&mut self, at: usize) {
        let rtt = Duration::from_millis(10);
        self.tell(Event::Connected { source: SourceId(at), rtt });
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.transfer.handle(self.now, event);
        self.obey();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            self.transfer.tick(self.now);
            self.obey();
        }
    }

    fn obey(&mut self) {
        while let Some(order) = self.transfer.next_order() {
            match order {
                Order::Dial(source) => self.dialled.push(source),
                Order::Ask { request, source, unit, from } => {
                    self.asked.push(Asked { request, source, unit, from });
                }
                Order::Cancel(request) => self.cancelled.push(request),
                Order::Release(source) => self.released.push(source),
                Order::HangUp { source, why } => self.hung_up.push((source, why)),
            }
        }
    }

    pub(super) fn moved(&mut self, request: RequestId, received: u64) {
        let at = Mark { received, stored: received, is_writing: false };
        self.tell(Event::Moved { request, at });
    }

    pub(super) fn end(&mut self, request: RequestId, received: u64, end: End) {
        let at = Mark { received, stored: received, is_writing: false };
        self.tell(Event::Ended { request, at, end });
    }

    pub(super) fn of(&self, source: usize) -> Vec<Asked> {
        self.asked.iter().filter(|asked| asked.source.0 == source).copied().collect()
    }

    fn last(&self) -> Asked {
        *self.asked.last().unwrap()
    }
}

pub(super) const UNIT: u64 = UNIT_BYTES;

#[test]
fn everybody_gets_something_at_once_and_more_when_it_is_done() {
    let mut play = Play::new(2, &[UNIT; 10]);
    assert_eq!((play.of(0).len(), play.of(1).len()), (2, 2));
    for _ in 0..6 {
        let next = play.of(0)[play.of(0).len() - 2];
        play.end(next.request, UNIT, End::Done);
    }
    assert_eq!((play.of(0).len(), play.of(1).len()), (8, 2), "who is fast carries more");
    let mut units: Vec<UnitId> = play.asked.iter().map(|asked| asked.unit).collect();
    units.sort();
    assert_eq!(units, (0..10).map(UnitId).collect::<Vec<_>>(), "nothing is asked for twice");
}

#[test]
fn a_silent_source_loses_its_units_after_a_second_and_others_go_on_where_it_was() {
    let mut play = Play::new(2, &[UNIT; 3]);
    let [first, second] = play.of(0)[..] else { panic!() };
    let busy = play.of(1)[0];
    play.moved(first.request, 300_000);
    for at in 1..20 {
        play.pass(TICK);
        play.moved(busy.request, at * 1000);
        assert!(play.hung_up.is_empty(), "{:?}", play.now);
    }
    play.pass(TICK);
    assert_eq!(play.now, STALL);
    assert_eq!(play.hung_up, [(SourceId(0), Parting::Stalled)]);
    assert_eq!(play.cancelled, [first.request, second.request]);
    play.end(first.request, 300_000, End::Cancelled);
    play.end(second.request, 0, End::Lost);
    play.end(busy.request, UNIT, End::Done);
    play.end(play.of(1)[1].request, UNIT, End::Done);
    let taken = play.of(1)[1..].iter().map(|asked| (asked.unit, asked.from)).collect::<Vec<_>>();
    assert_eq!(taken, [(second.unit, 0), (first.unit, 300_000)]);
}

#[test]
fn the_only_source_is_waited_for_longer() {
    let mut play = Play::new(1, &[UNIT]);
    play.pass(STALL_ALONE - TICK);
    assert!(play.hung_up.is_empty());
    play.pass(TICK);
    assert_eq!(play.hung_up, [(SourceId(0), Parting::Stalled)]);
    play.end(RequestId(0), 0, End::Cancelled);
    assert_eq!(play.transfer.standing(play.now), Standing::Stuck, "it never brought anything");
}

/// A process that was stopped, or a machine that was asleep, must not blame its sources.
#[test]
fn our_own_lateness_is_not_taken_for_silence() {
    let mut play = Play::new(2, &[UNIT; 4]);
    play.pass(STALL / 2);
    play.now += 20 * STALL;
    play.transfer.tick(play.now);
    play.obey();
    assert!(play.hung_up.is_empty());
    play.pass(STALL);
    assert_eq!(play.hung_up.len(), 1, "and then it counts again");
}

#[test]
fn a_source_that_waits_for_our_disk_is_not_silent() {
    let mut play = Play::new(2, &[UNIT; 4]);
    for _ in 0..60 {
        play.pass(TICK);
        for asked in play.asked.clone() {
            let at = Mark { is_writing: true, ..Mark::default() };
            play.tell(Event::Moved { request: asked.request, at });
        }
    }
    assert!(play.hung_up.is_empty());
}

/// Threat row 1: who sends wrong bytes is out at the first, loses all it had been asked for, and is
/// remembered.
#[test]
fn who_lies_is_out_at_once() {
    let mut play = Play::new(2, &[UNIT; 4]);
    let [first, second] = play.of(0)[..] else { panic!() };
    play.end(first.request, 16 << 10, End::Wrong);
    assert_eq!(play.hung_up, [(SourceId(0), Parting::Lied)]);
    assert_eq!(play.cancelled, [second.request]);
    play.end(second.request, 0, End::Lost);
    assert_eq!(play.transfer.health(SourceId(0)).circuit(play.now), Circuit::Banned);
    play.of(1).iter().for_each(|asked| play.end(asked.request, UNIT, End::Done));
    let rest = play.of(1)[2..].to_vec();
    rest.iter().for_each(|asked| play.end(asked.request, UNIT, End::Done));
    assert_eq!(play.transfer.standing(play.now), Standing::Finished);
    assert_eq!(rest[1].from, 16 << 10, "what it sent before was verified, and counts");
}

#[test]
fn what_a_source_does_not_have_comes_from_another_and_who_has_nothing_is_out() {
    let mut play = Play::new(2, &[UNIT; 8]);
    let refused = play.of(0)[0];
    play.end(refused.request, 0, End::Refused);
    assert!(play.of(0)[1..].iter().all(|asked| asked.unit != refused.unit));
    play.end(play.of(1)[0].request, UNIT, End::Done);
    assert_eq!(play.last().unit, refused.unit);
    assert_eq!(play.last().source, SourceId(1));
    play.end(play.of(0)[1].request, 0, End::Refused);
    play.end(play.of(0)[2].request, 0, End::Refused);
    assert_eq!(play.hung_up, [(SourceId(0), Parting::Refused)]);
    assert_eq!(play.transfer.health(SourceId(0)).circuit(play.now), Circuit::Closed);
}

#[test]
fn a_source_that_refuses_the_last_unit_does_not_keep_the_transfer_alive() {
    let mut play = Play::new(1, &[UNIT]);
    play.end(play.last().request, 0, End::Refused);
    play.pass(TICK);
    assert_eq!(play.transfer.standing(play.now), Standing::Stuck);
}

/// The last unit is with a slow source while a fast one is idle.
fn slow_at_the_end(units: usize) -> (Play, Asked) {
    let mut play = Play::new(2, &vec![UNIT; units]);
    let slow = play.of(1)[0];
    for at in 1.. {
        let fast = play.of(0).iter().map(|asked| asked.request).collect::<Vec<_>>();
        fast.iter().for_each(|request| play.end(*request, UNIT, End::Done));
        play.moved(slow.request, at * 5000);
        if play.of(1).len() > 1 {
            play.end(play.of(1)[1].request, UNIT, End::Done);
        }
        play.pass(TICK);
        let taken = play.of(0).iter().any(|asked| asked.unit == slow.unit);
        if taken || play.cancelled.contains(&slow.request) {
            return (play, slow);
        }
        assert!(play.now < Duration::from_secs(5));
    }
    unreachable!()
}

#[test]
fn an_idle_source_duplicates_what_a_slow_one_holds_and_the_first_to_end_wins() {
    let (mut play, slow) = slow_at_the_end(100);
    let double = *play.of(0).iter().find(|asked| asked.unit == slow.unit).unwrap();
    assert!(double.from > 0, "it goes on where the other is");
    assert!(!play.cancelled.contains(&slow.request));
    play.end(double.request, UNIT - double.from, End::Done);
    assert!(play.cancelled.contains(&slow.request));
    play.end(slow.request, 100_000, End::Cancelled);
    assert!(play.transfer.wasted() <= 100_000);
}

#[test]
fn beyond_the_budget_the_slow_one_lets_go_instead() {
    let (mut play, slow) = slow_at_the_end(4);
    assert!(play.cancelled.contains(&slow.request));
    play.end(slow.request, 200_000, End::Cancelled);
    let heir = play.last();
    assert_eq!((heir.source, heir.unit, heir.from), (SourceId(0), slow.unit, 200_000));
    play.end(heir.request, UNIT - 200_000, End::Done);
    assert_eq!(play.transfer.standing(play.now), Standing::Finished);
    assert_eq!(play.transfer.wasted(), 0);
}

#[test]
fn without_any_source_a_transfer_is_stuck_at_once() {
    let mut play = Play::dialling(0);
    play.transfer.want(&[UNIT], play.now);
    assert_eq!(play.transfer.standing(play.now), Standing::Stuck);
    let mut play = Play::dialling(2);
    play.transfer.want(&[UNIT], play.now);
    assert_eq!(play.dialled, [SourceId(0), SourceId(1)]);
    play.tell(Event::Unreachable { source: SourceId(0) });
    assert_eq!(play.transfer.standing(play.now), Standing::Going);
    play.tell(Event::Unreachable { source: SourceId(1) });
    assert_eq!(play.transfer.standing(play.now), Standing::Stuck);
}

#[test]
fn a_source_that_delivered_and_went_away_is_dialled_again_for_half_a_minute() {
    let mut play = Play::new(1, &[UNIT; 2]);
    let asked = play.asked.clone();
    play.end(asked[0].request, UNIT, End::Done);
    play.end(asked[1].request, 0, End::Lost);
    for _ in 0..25 {
        play.pass(Duration::from_secs(1));
        assert_eq!(play.transfer.standing(play.now), Standing::Going);
        play.tell(Event::Unreachable { source: SourceId(0) });
    }
    assert!(play.dialled.len() > 20, "{}", play.dialled.len());
    play.pass(Duration::from_secs(6));
    play.tell(Event::Unreachable { source: SourceId(0) });
    assert_eq!(play.transfer.standing(play.now), Standing::Stuck);
}

#[test]
fn one_that_failed_often_gets_one_request_to_show_itself() {
    let mut health = Health::default();
    (0..3).for_each(|_| health.failed(Duration::ZERO, 0.0));
    let mut play = Play::dialling(0);
    play.transfer = Transfer::new(vec![Health::default(), health], Duration::ZERO, 1);
    play.transfer.want(&[UNIT; 20], play.now);
    play.obey();
    assert_eq!(play.dialled, [SourceId(0)], "its circuit is open");
    play.connect(0);
    play.pass(Duration::from_millis(900));
    play.dialled.clear();
    play.pass(Duration::from_millis(400));
    assert!(play.dialled.contains(&SourceId(1)), "it is half open");
    play.connect(1);
    assert_eq!(play.of(1).len(), 1);
    play.end(play.of(1)[0].request, UNIT, End::Done);
    assert_eq!(play.of(1).len(), 3);
}

#[test]
fn who_brings_next_to_nothing_makes_room_for_those_who_wait() {
    let count = SEATS_MAX + 2;
    let mut play = Play::new(count, &vec![UNIT; 100]);
    assert!(play.of(SEATS_MAX).is_empty() && play.of(SEATS_MAX + 1).is_empty());
    for at in 1..60 {
        for source in 0..SEATS_MAX {
            let request = play.of(source)[0].request;
            // All but the first drip.
            play.moved(request, if source == 0 { at * 15_000 } else { at * 100 });
        }
        play.pass(TICK);
    }
    assert!(!play.of(SEATS_MAX).is_empty() && !play.of(SEATS_MAX + 1).is_empty());
    let taken: Vec<_> = play.cancelled.iter().map(|request| request.0).collect();
    assert!(taken.iter().all(|request| *request != play.of(0)[0].request.0));
    assert!(play.hung_up.is_empty());
}
