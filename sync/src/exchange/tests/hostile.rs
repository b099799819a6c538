//! Peers that lie, babble, or only want to keep us busy.

use super::{Dice, parties};
use crate::defence::{Defence, without};
use crate::exchange::{
    Appetite, Budget, Ending, Exchange, Fault, Known, Output, TURNS_MAX, Violation,
};
use crate::fixture::ids;
use crate::loopback::{Party, SharedIds, talk, talk_over};
use crate::message::{Answer, Ask, Cursor, FRAME_BYTES_MAX, Frame, Hello, Message, State, Telling};
use crate::view::View;

/// An honest side that the test talks to frame by frame.
struct Honest {
    party: Party,
    exchange: Exchange<SharedIds>,
    /// What it said last.
    said: Vec<Frame>,
}

impl Honest {
    fn answerer(party: Party) -> Self {
        let exchange = Exchange::answer(party.setup(View::All, 1));
        Self { party, exchange, said: Vec::new() }
    }

    fn opener(mut party: Party, known: Known) -> Self {
        let (mut exchange, outputs) = Exchange::open(party.setup(View::All, 1), known).unwrap();
        let mut wire = Default::default();
        party.carry_out(&mut exchange, outputs, &mut wire).unwrap();
        let said = wire.iter().map(|bytes| Frame::decode(bytes).unwrap()).collect();
        Self { party, exchange, said }
    }

    /// Tells it something as the last of a turn.
    fn tell(&mut self, message: Message) -> Result<&[Frame], Violation> {
        self.tell_frame(Frame { more: false, message })
    }

    fn tell_frame(&mut self, frame: Frame) -> Result<&[Frame], Violation> {
        let mut wire = Default::default();
        let outputs = self.exchange.handle(&frame.encode())?;
        self.party.carry_out(&mut self.exchange, outputs, &mut wire)?;
        self.said = wire.iter().map(|bytes| Frame::decode(bytes).unwrap()).collect();
        Ok(&self.said)
    }

    /// Bytes of answers for each byte of questions.
    fn factor(&self) -> f64 {
        let cost = self.exchange.cost();
        cost.overhead_out as f64 / cost.overhead_in as f64
    }
}

fn stranger(count: u64) -> State {
    State { root: [9; 32], count, position: 1, takes: true }
}

fn hello(count: u64, cells: usize) -> Message {
    let cells = vec![[7; 12]; cells];
    Message::Hello(Box::new(Hello {
        view: View::All,
        state: stranger(count),
        odd: [0; 112],
        cells,
    }))
}

fn answer(ask: Ask) -> Message {
    Message::Answer(Answer { state: stranger(1000), odd: Telling::Odd([0; 112]), ask })
}

/// A first group of random fingerprints: everything differs.
fn walk(width: u8) -> Message {
    let mut dice = Dice(width.into());
    let mut groups = vec![width];
    groups.extend((0..4usize << width).map(|_| dice.below(256) as u8));
    Message::Walk { nonce: [5; 16], groups }
}

/// Threat row 33: a small question has no large answer, whatever is asked.
#[test]
fn answers_have_at_most_four_times_the_bytes_of_questions() {
    let serve = |questions: &[Message]| -> Honest {
        let mut honest = Honest::answerer(Party::new(ids(0..20_000)));
        honest.party.appetite = Appetite::Serves;
        for question in questions {
            if honest.tell(question.clone()).is_err() {
                break;
            }
            assert!(honest.factor() <= 4.0, "{question:?}: {}", honest.factor());
        }
        honest
    };
    let probe = Message::Probe { view: View::All, root: [1; 32] };
    let cursor = Cursor { epoch: [3; 16], seq: 5 };
    let after = crate::message::After { cursor, odd: [0; 112] };
    serve(&[Message::Since { view: View::All, root: [1; 32], after: Some(after) }]);
    serve(std::slice::from_ref(&probe));
    serve(&[hello(20_000, 0)]);
    serve(&[hello(20_000, 1)]);
    for width in [1, 4, 8, 10, 13] {
        let asked = serve(&[probe.clone(), hello(20_000, 0), walk(width)]);
        assert!(asked.exchange.cost().overhead_out > 0);
    }
}

/// Threat row 33, the control: the same walk against a side that does not count.
#[test]
fn a_large_answer_is_noticed_without_the_defence() {
    let factor = || {
        let mut honest = Honest::answerer(Party::new(ids(0..20_000)));
        honest.tell(hello(20_000, 0)).unwrap();
        honest.tell(walk(10)).unwrap();
        honest.factor()
    };
    assert!(factor() <= 4.0);
    assert!(without(Defence::AnswerFactor, factor) > 10.0);
}

/// Threat row 33: what is useful earns more than four times.
#[test]
fn useful_records_earn_a_larger_answer() {
    let mut honest = Honest::answerer(Party::new(ids(0..20_000)));
    honest.tell(hello(20_000, 0)).unwrap();
    let Message::Walk { nonce, groups } = walk(10) else { unreachable!() };
    let new = ids(1 << 40..(1 << 40) + 1000);
    let records = new.iter().map(|id| honest.party.record(id)).collect();
    honest.tell_frame(Frame { more: true, message: Message::Records(records) }).unwrap();
    honest.tell(Message::Walk { nonce, groups }).unwrap();
    let cost = honest.exchange.cost();
    assert_eq!(cost.useful, 32_000);
    assert!(honest.factor() > 4.0);
    assert!(cost.overhead_out <= 4 * cost.overhead_in + cost.useful);
}

/// Threat row 33: whoever dials us and is asked for cells without end sends a bounded number.
#[test]
fn a_peer_that_always_asks_for_more_cells_gets_a_bounded_number() {
    let cells_sent = || {
        let mut honest = Honest::opener(Party::new(ids(0..1000)), Known::default());
        // Equal odd sketches: hardly anything differs.
        let odd = honest.party.announced().odd.folded().to_bytes();
        let state = stranger(1000);
        let mut ask = Message::Answer(Answer { state, odd: Telling::Odd(odd), ask: Ask::Cells });
        let mut sent = 48;
        loop {
            match honest.tell(ask) {
                Ok([Frame { message: Message::Cells(cells), .. }]) => sent += cells.len(),
                Ok(_) => return sent,
                Err(violation) => panic!("{violation:?}"),
            }
            ask = Message::Ask(Ask::Cells);
        }
    };
    assert_eq!(cells_sent(), 66, "2.5 for the one difference, and 64");
    assert_eq!(without(Defence::CellLimit, cells_sent), 16_384);
}

/// The turns that are answered to an opener who sends its sketch cell by cell, so that it is asked
/// for one more again and again; and what ended it, if that was a broken rule.
fn answers_to_cells_one_by_one() -> (u32, Option<Violation>) {
    let mut honest = Honest::answerer(Party::new(ids(0..20_000)));
    let (mut message, mut answers) = (hello(20_000, 1), 0);
    loop {
        match honest.tell(message) {
            Ok([Frame { message: Message::Ask(Ask::Walk), .. }]) => return (answers, None),
            Ok(_) => answers += 1,
            Err(violation) => return (answers, Some(violation)),
        }
        message = Message::Cells(vec![[7; 12]]);
    }
}

/// Threat row 33: who never comes to an end has so many turns and no more.
#[test]
fn a_peer_that_never_ends_an_exchange_is_cut_off() {
    let (answers, violation) = answers_to_cells_one_by_one();
    assert_eq!(answers, TURNS_MAX);
    assert!(matches!(violation, Some(Violation::Rounds { turns: TURNS_MAX })), "{violation:?}");
}

/// Threat row 33, the control: the same peer against a side that counts no turns is listened to
/// for as long as a sketch has cells.
#[test]
fn a_peer_that_never_ends_an_exchange_is_noticed_without_the_defence() {
    let (answers, violation) = without(Defence::TurnLimit, answers_to_cells_one_by_one);
    assert!(violation.is_none(), "{violation:?}");
    assert_eq!(answers, 16_383);
}

/// Threat row 34: records that are no records, or that we have, or that nobody wants, are not
/// listened to for ever.
#[test]
fn a_peer_that_sends_nothing_of_use_is_cut_off() {
    let heard = |record: fn(&Party) -> Vec<u8>| {
        let mut honest = Honest::opener(Party::new(ids(0..1000)), Known::default());
        honest.tell_frame(Frame { more: true, message: answer(Ask::Items(Vec::new())) }).unwrap();
        let records = vec![record(&honest.party); 8000 / record(&honest.party).len().max(8)];
        for frames in 1..5000 {
            let message = Message::Records(records.clone());
            match honest.tell_frame(Frame { more: true, message }) {
                Ok(_) => {}
                Err(Violation::Useless { wasted }) => return (frames, wasted),
                Err(violation) => panic!("{violation:?}"),
            }
        }
        (5000, u64::MAX)
    };
    let known = |party: &Party| party.record(&party.ids()[3]);
    let empty = |_: &Party| Vec::new();
    for record in [known, empty, |_: &Party| vec![1; 31]] {
        let (frames, wasted) = heard(record);
        assert!(frames < 5000, "{frames}");
        assert!(wasted <= Budget::default().waste + (16 << 10), "{wasted}");
    }
    assert_eq!(without(Defence::UsefulShare, || heard(known)).0, 5000);
}

/// Threat row 34: more good records than one exchange may bring end it, too.
#[test]
fn a_peer_that_sends_too_much_is_cut_off() {
    let mut party = Party::new(ids(0..10));
    party.budget.records_in = 100_000;
    let mut honest = Honest::opener(party, Known::default());
    honest.tell_frame(Frame { more: true, message: answer(Ask::Items(Vec::new())) }).unwrap();
    for page in 1.. {
        let new = ids(page << 20..(page << 20) + 500);
        let records = new.iter().map(|id| honest.party.record(id)).collect();
        let told = honest.tell_frame(Frame { more: true, message: Message::Records(records) });
        if let Err(violation) = told {
            assert!(matches!(violation, Violation::TooMuch { .. }), "{violation:?}");
            assert!(page < 8);
            return;
        }
    }
}

/// A root that nothing gives ends the exchange after two walks, by the peer's fault.
#[test]
fn a_root_that_never_matches_ends_the_exchange() {
    for d in [0, 20] {
        let [mut a, mut b] = parties(1000, d);
        let phantom = ids(5 << 40..(5 << 40) + 1);
        b.pretend([b.ids(), &phantom].concat());
        let broken = talk(&mut a, &mut b, &View::All, Known::default()).unwrap_err();
        assert!(broken.by_opener);
        assert!(matches!(broken.violation, Violation::Root), "{broken:?}");
        assert_eq!(broken.violation.fault(), Fault::Peer);
        assert!(broken.overhead_out < 10_000);
    }
}

/// A liar that says so is believed until somebody else says otherwise: it costs nothing.
#[test]
fn a_false_same_ends_the_exchange_without_a_claim_to_have_compared() {
    let mut honest = Honest::opener(Party::new(ids(0..100)), Known::default());
    assert!(honest.tell(Message::Same { position: 77 }).unwrap().is_empty());
    assert!(honest.exchange.is_over());
}

#[test]
fn another_view_than_agreed_is_refused() {
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    let probe = Message::Probe { view: View::Urgent, root: [1; 32] };
    assert!(matches!(honest.tell(probe), Err(Violation::View)));
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    let Message::Hello(mut hello) = hello(3, 1) else { unreachable!() };
    hello.view = View::Registers;
    assert!(matches!(honest.tell(Message::Hello(hello)), Err(Violation::View)));
}

/// A hello may be said again: it is answered alike, and changes nothing.
#[test]
fn a_replayed_hello_is_answered_alike() {
    let [mut a, mut b] = parties(1000, 10);
    let mut first = Vec::new();
    talk_over(&mut a, &mut b, &View::All, Known::default(), |opener, bytes| {
        if opener && first.is_empty() {
            first = bytes.clone();
        }
        bytes
    })
    .unwrap();
    let replay = || {
        let mut honest = Honest::answerer(b.clone());
        honest.tell_frame(Frame::decode(&first).unwrap()).unwrap().to_vec()
    };
    assert_eq!(replay(), replay());
}

#[test]
fn records_that_nobody_asked_for_are_refused() {
    let mut serves = Party::new(ids(0..100));
    serves.appetite = Appetite::Serves;
    let records = || Message::Records(vec![vec![1; 32]]);
    let mut honest = Honest::answerer(serves);
    honest.tell(hello(100, 1)).unwrap();
    assert!(matches!(honest.tell(records()), Err(Violation::Unwanted)));
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    assert!(matches!(honest.tell(records()), Err(Violation::Unwanted)));
}

#[test]
fn after_the_end_nothing_is_listened_to() {
    let mut honest = Honest::opener(Party::new(ids(0..100)), Known::default());
    honest.tell(Message::Same { position: 1 }).unwrap();
    assert!(matches!(honest.tell(Message::Cut), Err(Violation::OutOfTurn)));
    assert!(matches!(honest.exchange.handle(&[0xff]), Err(Violation::OutOfTurn)));
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    assert!(matches!(honest.exchange.handle(&[9]), Err(Violation::Frame(_))));
    assert!(honest.exchange.is_over());
    assert!(matches!(honest.tell(hello(1, 1)), Err(Violation::OutOfTurn)));
}

/// Walks that make no sense: places out of a list, too many bits, lists without their ids.
#[test]
fn groups_that_do_not_fit_are_refused() {
    let enter = |groups: Vec<u8>| {
        let mut honest = Honest::answerer(Party::new(ids(0..2000)));
        honest.tell(hello(2000, 0)).unwrap();
        honest.tell(Message::Walk { nonce: [1; 16], groups }).map(<[Frame]>::to_vec)
    };
    let bad: [&[u8]; 9] = [
        &[],
        &[19],
        &[0x80 | 19],
        &[1, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 2, 1, 1, 1, 1],
        // 4097 in a list, and a count without end.
        &[0, 0x81, 0x20],
        &[0, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x80 | 1, 0],
    ];
    for groups in bad {
        assert!(matches!(enter(groups.to_vec()), Err(Violation::Groups)), "{groups:?}");
    }
    // A group of ours is a list: the place of an id that is not in it.
    let step = |body: Vec<u8>| {
        let mut honest = Honest::answerer(Party::new(ids(0..20)));
        honest.tell(hello(20, 0)).unwrap();
        let mut groups = vec![1];
        groups.extend([1; 8]);
        honest.tell(Message::Walk { nonce: [1; 16], groups }).unwrap();
        honest.tell(Message::Step(body)).map(<[Frame]>::to_vec)
    };
    assert!(step(vec![0, 0]).is_ok());
    for body in [vec![], vec![0], vec![1, 60, 0], vec![2, 0, 60, 0], vec![0, 0, 0], vec![0xff; 9]] {
        assert!(matches!(step(body.clone()), Err(Violation::Groups)), "{body:?}");
    }
}

/// Threat row 33: a bitmap of all ones, again and again, comes to an end.
#[test]
fn a_peer_for_which_everything_differs_comes_to_an_end() {
    let mut honest = Honest::answerer(Party::new(ids(0..20_000)));
    honest.tell(hello(20_000, 0)).unwrap();
    let mut message = walk(8);
    for turn in 0..2 * TURNS_MAX {
        let answer = match honest.tell(message) {
            Ok([Frame { message: Message::Step(body), .. }, ..]) => body.len(),
            Ok(_) => return,
            Err(violation) => {
                assert_eq!(violation.fault(), Fault::Peer, "{violation:?}");
                return;
            }
        };
        assert!(answer <= FRAME_BYTES_MAX && turn < 2 * TURNS_MAX);
        // All of the children of all of our groups differ, and each is an empty list here.
        let mut body = vec![0xff; 64];
        body.extend(vec![0; 2048]);
        message = Message::Step(body);
    }
    panic!("it goes on");
}

/// Whatever a peer says, the other side says something back, ends, or names a broken rule.
#[test]
fn random_messages_never_panic_and_come_to_an_end() {
    let mut dice = Dice(11);
    for round in 0..400 {
        let mut honest = match round % 2 {
            0 => Honest::answerer(Party::new(ids(0..200))),
            _ => Honest::opener(Party::new(ids(0..200)), Known::default()),
        };
        for _ in 0..3 * TURNS_MAX {
            let message = random(&mut dice);
            let frame = Frame { more: dice.below(6) == 0, message };
            if honest.tell_frame(frame).is_err() {
                break;
            }
            assert!(honest.exchange.cost().turns <= TURNS_MAX);
        }
        assert!(honest.exchange.is_over() || honest.exchange.cost().turns <= TURNS_MAX);
    }
}

fn random(dice: &mut Dice) -> Message {
    let count = [dice.below(400), u64::MAX][usize::from(dice.below(8) == 0)];
    let state = State { takes: dice.below(2) == 0, ..stranger(count) };
    let bytes = |dice: &mut Dice, end: u64| -> Vec<u8> {
        (0..dice.below(end)).map(|_| dice.below(12) as u8).collect()
    };
    let ask = match dice.below(6) {
        0 => Ask::Nothing,
        1 => Ask::Hello,
        2 => Ask::Cells,
        3 => Ask::Walk,
        4 => Ask::Everything,
        _ => Ask::Items(vec![[dice.below(3) as u8; 8]; dice.below(3) as usize]),
    };
    match dice.below(14) {
        13 => Message::Fetch { view: View::All, ids: vec![[1; 32]; dice.below(4) as usize] },
        0 => Message::Probe { view: View::All, root: [4; 32] },
        1 => Message::Since { view: View::All, root: [4; 32], after: None },
        2 | 3 => hello(state.count, dice.below(60) as usize),
        4 => Message::Same { position: 4 },
        5 | 6 => Message::Answer(Answer { state, odd: Telling::Odd([1; 112]), ask }),
        7 => Message::Ask(ask),
        8 => Message::Cells(vec![[dice.below(256) as u8; 12]; dice.below(200) as usize]),
        9 => Message::Walk { nonce: [1; 16], groups: bytes(dice, 60) },
        10 => Message::Step(bytes(dice, 60)),
        11 => Message::Records(vec![bytes(dice, 40); dice.below(4) as usize]),
        _ => match dice.below(3) {
            0 => Message::End { position: 4 },
            1 => Message::Cut,
            _ => Message::Over { agreed: dice.below(2) == 0 },
        },
    }
}

/// A bit flipped in any frame of a whole conversation: it ends well, or the fault is named; nobody
/// panics, and nobody is sure of what is not so.
#[test]
fn a_flipped_bit_in_any_frame_is_noticed_or_harmless() {
    let mut dice = Dice(21);
    for round in 0..1200 {
        let [mut a, mut b] = parties(200, [2, 30, 260][round % 3]);
        let (target, mut at) = (dice.below(5), 0);
        let ended = talk_over(&mut a, &mut b, &View::All, Known::default(), |_, mut bytes| {
            if at == target {
                let spot = dice.below(bytes.len() as u64) as usize;
                bytes[spot] ^= 1 << dice.below(8);
            }
            at += 1;
            bytes
        });
        let both = |talk: &crate::loopback::Talk| {
            [talk.opener, talk.answerer]
                .iter()
                .all(|end| end.is_some_and(|end| end.ending == Ending::Complete))
        };
        match ended {
            // A record that was changed on the way is another record here, which a signature
            // would have told; so the sets may have more, and never less.
            Ok(talk) if both(&talk) => {
                let held = |of: &Party, by: &Party| {
                    of.ids().iter().filter(|id| by.ids().binary_search(id).is_err()).count()
                };
                assert!(held(&a, &b) + held(&b, &a) <= 2, "{round}: {talk:?}");
            }
            Ok(_) => {}
            Err(broken) => assert_eq!(broken.violation.fault(), Fault::Peer),
        }
    }
}

/// Who fetches by name gets what was asked for and no more, and asks for a bounded number.
#[test]
fn what_is_fetched_by_name_is_bounded_on_both_sides() {
    let wanted = ids(0..3);
    let ask = |count: usize| Message::Fetch {
        view: View::All,
        ids: wanted.iter().map(|id| *id.as_bytes()).cycle().take(count).collect(),
    };
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    let said = honest.tell(ask(3)).unwrap();
    let [Frame { more: true, message: Message::Records(records) }, last] = said else {
        panic!("{said:?}");
    };
    assert_eq!((records.len(), &last.message), (3, &Message::Over { agreed: false }));
    assert!(honest.exchange.is_over());
    let mut honest = Honest::answerer(Party::new(ids(0..100)));
    assert!(matches!(honest.tell(ask(4097)), Err(Violation::TooManyIds)));

    let party = Party::new(ids(0..100));
    let (exchange, outputs) = Exchange::fetch(party.setup(View::All, 1), &wanted);
    assert!(matches!(outputs[..], [Output::Send(_)]));
    let mut honest = Honest { party, exchange, said: Vec::new() };
    let records = |honest: &Honest, count: usize| {
        Message::Records(vec![honest.party.record(&wanted[0]); count])
    };
    let first = Frame { more: true, message: records(&honest, 3) };
    honest.tell_frame(first).unwrap();
    assert_eq!(honest.exchange.cost().useful, 96, "we held no more than their hashes");
    let one_more = records(&honest, 1);
    assert!(matches!(honest.tell(one_more), Err(Violation::Unwanted)));
}

/// The machine asks for nothing after a violation.
#[test]
fn a_violation_is_the_last_that_is_heard_of_an_exchange() {
    let mut honest = Honest::opener(Party::new(ids(0..100)), Known::default());
    assert!(honest.tell(Message::Cells(Vec::new())).is_err());
    assert!(honest.exchange.is_over());
    assert_eq!(honest.exchange.loaded(Vec::new()), Vec::<Output>::new());
    assert!(honest.exchange.kept(&[]).unwrap().is_empty());
    assert_eq!(honest.said.len(), 1);
}
