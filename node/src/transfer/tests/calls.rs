//! Who is called when, and how a source is left.

use std::time::Duration;

use super::super::source::After;
use super::super::{Duty, End, Event, Parting, SourceId, Standing, TICK};
use super::rules::{Play, UNIT};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Sources of these rounds, connected, and `units` that are wanted.
fn called(tiers: &[u8], at_work_min: usize, units: usize) -> Play {
    let mut play = Play::dialling(tiers.len());
    let duty = |tier: &u8| Duty { tier: *tier, share: 1.0 };
    play.transfer.call(tiers.iter().map(duty), at_work_min);
    play.transfer.want(&vec![UNIT; units], play.now);
    (0..tiers.len()).for_each(|at| play.connect(at));
    play
}

/// Lets everything that a source was asked for arrive.
fn deliver(play: &mut Play, source: usize) {
    let open: Vec<_> = play.of(source).iter().map(|asked| asked.request).collect();
    open.into_iter().for_each(|request| play.end(request, UNIT, End::Done));
}

#[test]
fn later_rounds_are_not_asked_while_the_first_is_enough() {
    let mut play = called(&[0, 1], 1, 4);
    while play.transfer.standing(play.now) == Standing::Going {
        deliver(&mut play, 0);
        play.pass(TICK);
    }
    assert!(play.of(1).is_empty());
}

#[test]
fn who_takes_long_gets_help() {
    let mut play = called(&[0, 1], 1, 100);
    for _ in 0..5 {
        play.moved(play.of(0)[0].request, 1000);
        play.pass(TICK);
        assert!(play.of(1).is_empty(), "it may still show what it can");
    }
    play.pass(2 * TICK);
    assert!(!play.of(1).is_empty());
}

#[test]
fn the_next_round_steps_in_for_one_that_falls_silent_or_never_comes() {
    let mut play = called(&[0, 1], 1, 20);
    deliver(&mut play, 0);
    play.pass(8 * TICK);
    assert!(!play.of(1).is_empty(), "before the other is given up");
    assert!(play.hung_up.is_empty());

    let mut play = Play::dialling(2);
    let duties = [0, 1].map(|tier| Duty { tier, share: 1.0 });
    play.transfer.call(duties.into_iter(), 1);
    play.transfer.want(&[UNIT], play.now);
    play.connect(1);
    play.pass(7 * TICK);
    assert!(!play.of(1).is_empty(), "the first is still being dialled");
}

#[test]
fn two_are_at_work_where_two_are_asked_for() {
    let mut play = called(&[0, 1, 2], 2, 10);
    play.pass(TICK);
    assert!(!play.of(0).is_empty() && !play.of(1).is_empty() && play.of(2).is_empty());
    play.end(play.of(1)[0].request, 0, End::Lost);
    play.pass(TICK);
    assert!(!play.of(2).is_empty());
}

#[test]
fn a_source_that_leaves_is_asked_until_another_delivers_and_not_after() {
    let mut play = called(&[0, 1], 1, 40);
    let (source, until, after) = (SourceId(0), MS(5000), After::Gone);
    play.tell(Event::Leaving { source, until, after });
    play.pass(TICK);
    assert!(!play.of(1).is_empty(), "the next round is called at once");
    deliver(&mut play, 0);
    let before = play.of(0).len();
    assert!(before > 2, "nobody else delivered yet");
    play.moved(play.of(1)[0].request, 100_000);
    play.pass(TICK);
    deliver(&mut play, 0);
    assert_eq!(play.of(0).len(), before, "somebody else delivers");
    play.pass(TICK);
    assert_eq!(play.released, [SourceId(0)]);
    assert!(play.cancelled.is_empty() && play.hung_up.is_empty());
}

#[test]
fn what_a_leaving_source_would_not_bring_in_time_is_brought_by_others() {
    let mut play = called(&[0, 0], 1, 40);
    let slow = play.of(0)[0];
    let event = Event::Leaving { source: SourceId(0), until: MS(1000), after: After::Gone };
    play.tell(event);
    for at in 1..=25 {
        play.moved(slow.request, at * 1000);
        play.moved(play.of(1)[0].request, at * 10_000);
        play.pass(TICK);
        if play.now < MS(750) {
            assert!(play.cancelled.is_empty(), "{:?}", play.now);
        }
        let of_it: Vec<_> = play.of(0).iter().map(|asked| asked.request).collect();
        for request in
            of_it.into_iter().filter(|one| play.cancelled.contains(one)).collect::<Vec<_>>()
        {
            play.end(request, at * 1000, End::Cancelled);
        }
    }
    assert!(play.cancelled.contains(&slow.request));
    assert_eq!(play.hung_up, [(SourceId(0), Parting::Left)]);
    (0..4).for_each(|_| deliver(&mut play, 1));
    let taken = play.of(1).iter().find(|asked| asked.unit == slow.unit).copied().unwrap();
    assert!(taken.from >= 15_000, "it goes on where the other was: {taken:?}");
}

/// Whoever says that it leaves stays good for as long as it is there: it is no failure.
#[test]
fn a_source_that_is_left_is_the_backup_if_the_others_fail() {
    let mut play = called(&[0, 0], 1, 40);
    play.moved(play.of(1)[0].request, 100_000);
    play.pass(TICK);
    let event = Event::Leaving { source: SourceId(0), until: MS(10_000), after: After::Back };
    play.tell(event);
    deliver(&mut play, 0);
    let before = play.of(0).len();
    play.end(play.of(1)[0].request, 100_000, End::Lost);
    play.pass(TICK);
    assert!(play.of(0).len() > before);
}

#[test]
fn a_source_that_was_relieved_for_a_while_comes_back() {
    let mut play = called(&[0, 0], 1, 400);
    let keep = |play: &mut Play| {
        let next = play.of(1).iter().rev().nth(1).copied().unwrap();
        play.end(next.request, UNIT, End::Done);
        play.pass(TICK);
    };
    keep(&mut play);
    let event =
        Event::Leaving { source: SourceId(0), until: play.now + MS(400), after: After::Back };
    play.tell(event);
    deliver(&mut play, 0);
    let before = play.of(0).len();
    (0..5).for_each(|_| keep(&mut play));
    assert_eq!(play.of(0).len(), before);
    (0..6).for_each(|_| keep(&mut play));
    assert!(play.of(0).len() > before);
    let event = Event::Leaving { source: SourceId(0), until: MS(60_000), after: After::Back };
    play.tell(event);
    play.tell(Event::Staying { source: SourceId(0) });
    deliver(&mut play, 0);
    keep(&mut play);
    assert_eq!(play.released, [SourceId(0)], "once: it takes part again");
}

/// A forecast takes work from a source while somebody better is there, and never the last of it.
#[test]
fn a_forecast_changes_shares_and_nothing_else() {
    let mut play = Play::dialling(2);
    play.transfer.want(&[UNIT; 60], play.now);
    play.tell(Event::Foreseen { source: SourceId(0), trust: 0.0 });
    play.connect(1);
    play.connect(0);
    assert_eq!((play.of(0).len(), play.of(1).len()), (1, 2));
    deliver(&mut play, 0);
    assert_eq!(play.of(0).len(), 2, "it is still asked");
    assert!(play.hung_up.is_empty() && play.cancelled.is_empty());

    let mut alone = Play::dialling(1);
    alone.transfer.want(&[UNIT; 60], alone.now);
    alone.tell(Event::Foreseen { source: SourceId(0), trust: 0.0 });
    alone.connect(0);
    assert_eq!(alone.of(0).len(), 2, "there is nobody better");
}
