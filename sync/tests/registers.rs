//! Registers travel between real stores, whatever their clocks, their room and their company.

#![allow(clippy::unwrap_used)]

use catalog::register::{Hlc, Register};
use catalog::store::disk::Disk;
use catalog::store::{PeerRow, RegisterFate};
use catalog::{NodeId, Reader, SealedRegister, SecretKey, Store, Timestamp};
use catalog_sync::conversation::{Conversation, ConversationError, Next, Report, Terms};
use catalog_sync::exchange::{Appetite, Budget, Ending, Known, Outcome};
use catalog_sync::message::{Answer, Ask, Frame, Message, Record, State, Telling};
use catalog_sync::{Keeper, View, record};

const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis().strict_add_signed(millis))
}

fn secret(number: u16) -> [u8; 32] {
    let mut secret = [7; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    secret
}

fn id(number: u16) -> NodeId {
    NodeId::from_bytes(*SecretKey::from_bytes(&secret(number)).public().as_bytes())
}

/// What node `number` says `millis` from now, for an hour.
fn said(number: u16, name: &str, value: &str, millis: i64) -> SealedRegister {
    let register = Register {
        node: id(number),
        name: name.parse().unwrap(),
        value: value.into(),
        hlc: Hlc::after(Hlc::default(), at(millis)),
        expires: at(millis + HOUR),
    };
    SealedRegister::seal(&register, &secret(number)).unwrap()
}

struct Node {
    keeper: Keeper,
    now: Timestamp,
}

impl Node {
    fn new(number: u8) -> Self {
        let store = Store::on_disk(&Disk::holding(Vec::new()), [number; 16]).unwrap();
        Self { keeper: Keeper::new(store), now: NOW }
    }

    fn store(&self) -> &Store {
        self.keeper.store()
    }

    fn hears(&self, registers: impl IntoIterator<Item = SealedRegister>) {
        let fates = self.store().accept_registers(registers.into_iter().collect(), self.now);
        assert!(fates.unwrap().iter().all(|fate| *fate == RegisterFate::New));
    }

    fn befriends(&self, number: u16) {
        let (node, added) = (id(number), NOW);
        let (addrs, alias, last_seen, cursor) = (Vec::new(), None, None, None);
        self.store().add_peer(&PeerRow { node, addrs, alias, added, last_seen, cursor }).unwrap();
    }

    fn root(&self) -> [u8; 32] {
        self.keeper.current().unwrap().of(&View::Registers, self.now).unwrap().0.root()
    }

    fn value(&self, name: &str, number: u16) -> Option<String> {
        let held = self.store().registers(&name.parse().unwrap(), self.now).unwrap();
        let held = held.into_iter().find(|register| register.node == id(number));
        held.map(|register| String::from_utf8(register.value).unwrap())
    }

    fn terms(&self) -> Terms {
        Terms {
            reader: Reader::Node(id(0)),
            appetite: Appetite::Takes,
            seed: [5; 32],
            budget: Budget::of_registers(),
            now: self.now,
        }
    }
}

struct Talked {
    outcome: Outcome,
    opener: Report,
    answerer: Report,
}

fn talk(opener: &Node, answerer: &Node) -> Talked {
    let known = Known::default();
    let mut ours =
        Conversation::open(&opener.keeper, View::Registers, known, opener.terms()).unwrap();
    let mut theirs: Option<Conversation> = None;
    let outcome = loop {
        match ours.next(opener.now).unwrap() {
            Next::Send(frame) => match &mut theirs {
                Some(theirs) => theirs.hear(&frame).unwrap(),
                None => {
                    let talk = Conversation::answer(&answerer.keeper, &frame, answerer.terms());
                    theirs = Some(talk.unwrap());
                }
            },
            Next::Over(outcome) => break outcome,
            Next::Listen => {
                let theirs = theirs.as_mut().unwrap();
                while let Next::Send(frame) = theirs.next(answerer.now).unwrap() {
                    ours.hear(&frame).unwrap();
                }
            }
        }
    };
    let mut theirs = theirs.unwrap();
    // What came last has to be kept, too.
    assert!(!matches!(theirs.next(answerer.now).unwrap(), Next::Send(_)));
    let (opener, answerer) = (ours.report().clone(), theirs.report().clone());
    assert_eq!((opener.faults, answerer.faults), (0, 0));
    Talked { outcome, opener, answerer }
}

#[test]
fn two_nodes_end_with_the_latest_of_both() {
    for [left, right] in [[0, 0], [0, 40], [40, 0], [40, 40], [3, 300], [300, 3], [200, 200]] {
        let (one, other) = (Node::new(1), Node::new(2));
        for (node, numbers) in [(&one, 1000..1000 + left), (&other, 2000..2000 + right)] {
            node.hears(numbers.map(|number| said(number, "announcement", "x", 0)));
        }
        one.hears([said(1, "announcement", "new", 0), said(2, "announcement", "old", -5000)]);
        other.hears([said(1, "announcement", "old", -5000), said(2, "announcement", "new", 0)]);
        let Talked { outcome, opener, answerer } = talk(&one, &other);
        assert_eq!(outcome.ending, Ending::Complete, "{left} {right}");
        assert_eq!([opener.new, answerer.new], [u64::from(right) + 1, u64::from(left) + 1]);
        for node in [&one, &other] {
            assert_eq!(node.value("announcement", 1).as_deref(), Some("new"));
            assert_eq!(node.value("announcement", 2).as_deref(), Some("new"));
            assert!(node.store().verify().unwrap().is_empty());
        }
        assert_eq!(one.root(), other.root());
        assert_eq!(talk(&other, &one).outcome.ending, Ending::Same);
    }
}

#[test]
fn registers_come_to_an_empty_node_at_once_and_by_way_of_others() {
    let [one, two, three] = [1, 2, 3].map(Node::new);
    one.hears((0..500).map(|number| said(number, "announcement", "here", 0)));
    one.hears([said(3, "usage", "much", 0), said(3, "demand/eu", "little", 0)]);
    assert_eq!(talk(&two, &one).opener.new, 502);
    assert_eq!(talk(&two, &three).answerer.new, 502);
    assert_eq!(three.value("usage", 3).as_deref(), Some("much"));
    assert_eq!((one.root(), two.root()), (two.root(), three.root()));
}

/// A peer that was cut off, or lies, shows again what was true once.
#[test]
fn a_replayed_older_register_never_wins() {
    let (honest, liar) = (Node::new(1), Node::new(2));
    let old = said(1, "usage", "old", -10_000);
    honest.hears([old.clone()]);
    honest.hears([said(1, "usage", "new", 0)]);
    liar.hears([old]);
    for round in 0..3 {
        let (dialler, dialled) = if round % 2 == 0 { (&honest, &liar) } else { (&liar, &honest) };
        talk(dialler, dialled);
        assert_eq!(honest.value("usage", 1).as_deref(), Some("new"));
        assert_eq!(liar.value("usage", 1).as_deref(), Some("new"), "it learns better itself");
    }
}

/// Threat row 35: clocks differ, nothing that expired comes back, and nothing breaks.
#[test]
fn what_has_expired_is_neither_sent_nor_taken() {
    let (one, mut other) = (Node::new(1), Node::new(2));
    one.hears([said(1, "usage", "short", -HOUR + 60_000), said(2, "usage", "long", 0)]);
    other.hears([said(3, "usage", "theirs", 0)]);
    other.now = at(120_000);
    let Talked { outcome, opener, answerer } = talk(&one, &other);
    assert_eq!(outcome.ending, Ending::Complete);
    assert_eq!((opener.new, answerer.new), (1, 1));
    assert_eq!((other.value("usage", 1), answerer.rejected), (None, Vec::new()));
    let (late, fresh) = (Node { now: other.now, ..one }, Node::new(3));
    assert_eq!(late.root(), other.root(), "without being swept");
    talk(&fresh, &late);
    let snapshot = fresh.store().snapshot().unwrap();
    assert_eq!(snapshot.held_registers(NOW).unwrap().items.len(), 2);
}

/// Threat row 35: a clock ahead cannot make its words the last ones.
#[test]
fn a_register_dated_ahead_of_our_clock_waits() {
    let (mut ahead, ours) = (Node::new(1), Node::new(2));
    ahead.now = at(15 * 60_000);
    ahead.hears([said(1, "usage", "future", 14 * 60_000), said(2, "usage", "now", 0)]);
    let report = talk(&ours, &ahead).opener;
    assert_eq!((report.new, ours.value("usage", 1)), (1, None));
    assert_eq!(report.rejected[0], "the register is stamped too far in the future");
    let later = Node { now: at(5 * 60_000), ..ours };
    assert_eq!(talk(&later, &ahead).outcome.ending, Ending::Complete);
    assert_eq!(later.value("usage", 1).as_deref(), Some("future"));
}

/// Threat row 34: keys cost nothing.
#[test]
fn a_peer_with_a_thousand_keys_pushes_nobody_out_and_costs_little() {
    let (flooded, flooder) = (Node::new(1), Node::new(2));
    let wide = "x".repeat(3000);
    flooder.hears((0..1600).map(|number| said(number, "usage", &wide, 60_000)));
    flooder
        .hears([8000; 32].iter().zip(0..).map(|(node, at)| said(*node, &format!("n{at}"), "", 0)));
    flooded.befriends(9000);
    flooded.hears([said(9000, "usage", "friend", -60_000)]);
    flooded
        .hears([8000; 32].iter().zip(33..).map(|(node, at)| said(*node, &format!("n{at}"), "", 0)));
    let before = flooded.root();
    let Talked { outcome, opener, .. } = talk(&flooded, &flooder);
    assert_eq!(outcome.ending, Ending::Partial, "more than one exchange may bring");
    assert!(outcome.cost.records_in < 5 << 20 && opener.new > 1000, "{outcome:?}");
    assert!(flooded.root() != before);
    for _ in 0..3 {
        talk(&flooded, &flooder);
    }
    let held = flooded.store().snapshot().unwrap().held_registers(NOW).unwrap().items.len();
    assert_eq!(held, 1600 + 1 + 32, "a node has room for 32 registers of a stranger");
    assert_eq!(flooded.value("usage", 9000).as_deref(), Some("friend"));
    // The stranger's other 32, for which there is no room, come again in vain.
    let again = talk(&flooded, &flooder);
    assert!(again.outcome.cost.records_in < 32 * 192, "{again:?}", again = again.outcome);
    assert_eq!(again.opener.new + again.answerer.new, 0);
}

/// Whoever passes on what it has not checked is not listened to for long.
#[test]
fn a_peer_that_passes_on_forged_registers_is_cut_off() {
    let victim = Node::new(1);
    let forged: Vec<Record> = (0..40)
        .map(|number| {
            let mut bytes = record::encode_register(&said(number, "usage", "honest", 0));
            let at = bytes.windows(6).position(|word| word == b"honest").unwrap();
            bytes[at] = b'H';
            bytes
        })
        .collect();
    let (view, known) = (View::Registers, Known::default());
    let mut talk = Conversation::open(&victim.keeper, view, known, victim.terms()).unwrap();
    assert!(matches!(talk.next(NOW).unwrap(), Next::Send(_)));
    assert!(matches!(talk.next(NOW).unwrap(), Next::Listen));
    let state = State { root: [1; 32], count: 40, position: 40, takes: false };
    let answer = Answer { state, odd: Telling::Nothing, ask: Ask::Nothing };
    for message in [Message::Answer(answer), Message::Records(forged)] {
        talk.hear(&Frame { more: true, message }.encode()).unwrap();
    }
    let cut_off = talk.next(NOW);
    assert!(matches!(cut_off, Err(ConversationError::Faults { faults: 40 })), "{cut_off:?}");
    assert!(victim.store().snapshot().unwrap().held_registers(NOW).unwrap().items.is_empty());
}
