//! One honest side of an exchange, and a peer that says whatever it likes.
//!
//! An input is a byte that says how the two stand to each other ([`Scene`]), then frames of the
//! peer, each after its length (2 bytes, little-endian). What the honest side says back is checked,
//! and that it ends within its limits.

use catalog::{Digest, ItemId};
use catalog_sync::exchange::{
    Appetite, Budget, Cost, Ending, Exchange, Fault, Known, Outcome, TURNS_MAX, Violation,
};
use catalog_sync::loopback::{Party, SharedIds};
use catalog_sync::message::{Cursor, FRAME_BYTES_MAX, Frame, Message, Root};
use catalog_sync::view::View;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::LazyLock;

/// Records of the peer; all of them fit an input.
const PEER_IDS: Range<u64> = 0..400;

/// What the honest side holds: nothing, nearly the same, mostly something else, far more.
const HONEST_IDS: [Range<u64>; 4] = [0..0, 8..408, 250..650, 0..3000];

/// Limits that an input can reach.
const TIGHT: Budget = Budget { records_out: 4 << 10, records_in: 8 << 10, waste: 1 << 10 };

/// Records are cut off where the next page or load would begin; a page has 256 of them.
const RECORDS_OVER: u64 = 16 << 10;

/// What an opener of such a set spends on its own questions at most: a hello, cells, two walks.
const QUESTIONS_MAX: u64 = 32 << 10;

static PEER: LazyLock<Party> = LazyLock::new(|| party(PEER_IDS));
static HONEST: LazyLock<[Party; 4]> = LazyLock::new(|| HONEST_IDS.map(party));

fn party(numbers: Range<u64>) -> Party {
    let id = |number: u64| ItemId::from_bytes(*Digest::of(&number.to_be_bytes()).as_bytes());
    Party::new(numbers.map(id).collect())
}

/// How the honest side stands to its peer.
///
/// Bits from the lowest: it dialled; what it holds (2); what whoever dialled knows of the other (2);
/// it takes nothing; its limits are tight; it fetches by name, if it dialled.
#[derive(Clone, Copy, Debug)]
pub struct Scene(pub u8);

impl Scene {
    /// Whether the honest side dialled.
    pub fn opens(self) -> bool {
        self.0 & 1 != 0
    }

    fn fetches(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// The side that keeps the rules.
    pub fn honest(self) -> Party {
        let mut party = HONEST[usize::from(self.0 >> 1 & 3)].clone();
        if self.0 & 0x20 != 0 {
            party.appetite = Appetite::Serves;
        }
        if self.0 & 0x40 != 0 {
            party.budget = TIGHT;
        }
        party
    }

    /// The peer, were it honest too.
    pub fn peer(self) -> Party {
        PEER.clone()
    }

    /// What whoever dials knows of the other.
    pub fn known(self) -> Known {
        let other = if self.opens() { self.peer() } else { self.honest() };
        let seq = other.position().saturating_sub(20);
        match self.0 >> 3 & 3 {
            0 => Known::default(),
            1 => Known { likely_equal: true, ..Known::default() },
            2 => Known { announced: Some(other.announced()), ..Known::default() },
            _ => Known { cursor: Some(Cursor { epoch: other.epoch, seq }), ..Known::default() },
        }
    }
}

/// Plays one conversation and checks everything that the honest side does in it.
pub fn play(input: &[u8]) {
    let Some((&scene, mut frames)) = input.split_first() else { return };
    let mut honest = Honest::new(Scene(scene));
    while let Some(frame) = next_frame(&mut frames) {
        if honest.hear(frame).is_err() {
            break;
        }
    }
    honest.check_end();
}

fn next_frame<'i>(input: &mut &'i [u8]) -> Option<&'i [u8]> {
    let (length, rest) = input.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (frame, rest) = rest.split_at(length);
    *input = rest;
    Some(frame)
}

struct Honest {
    opens: bool,
    party: Party,
    exchange: Exchange<SharedIds>,
    outcome: Option<Outcome>,
    /// The root that the peer named last.
    named: Option<Root>,
}

impl Honest {
    fn new(scene: Scene) -> Self {
        let (mut party, mut said) = (scene.honest(), VecDeque::new());
        // The seeds of `talk_over`, so that conversations that were recorded go on as they did.
        let setup = party.setup(View::All, if scene.opens() { 1 } else { 2 });
        let (mut exchange, outputs) = match (scene.opens(), scene.fetches()) {
            (true, true) => Exchange::fetch(setup, &PEER.ids()[..16]),
            (true, false) => Exchange::open(setup, scene.known()).expect("its own ids are there"),
            (false, _) => (Exchange::answer(setup), Vec::new()),
        };
        let outcome = party.carry_out(&mut exchange, outputs, &mut said);
        let outcome = outcome.expect("nothing of the peer was heard yet");
        let honest = Self { opens: scene.opens(), party, exchange, outcome, named: None };
        honest.check_said(&said, !scene.opens() || honest.outcome.is_some());
        honest
    }

    /// Hears a frame; whatever it does and says in return is checked.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let frame = Frame::decode(bytes).ok();
        let mut said = VecDeque::new();
        let outputs = self.exchange.handle(bytes);
        let party = &mut self.party;
        let heard =
            outputs.and_then(|outputs| party.carry_out(&mut self.exchange, outputs, &mut said));
        let outcome = match heard {
            Ok(outcome) => outcome,
            Err(violation) => {
                assert_eq!(violation.fault(), Fault::Peer, "{violation:?}");
                assert!(self.exchange.is_over(), "{violation:?}");
                return Err(());
            }
        };
        let frame = frame.expect("only frames are heard");
        assert!(self.outcome.is_none(), "it listens after the end");
        assert_eq!(outcome.is_some(), self.exchange.is_over());
        self.outcome = outcome;
        match &frame.message {
            Message::Hello(hello) => self.named = Some(hello.state.root),
            Message::Answer(answer) => self.named = Some(answer.state.root),
            _ => {}
        }
        // In the middle of the peer's turn there is nothing to say, after it there always is.
        self.check_said(&said, frame.more || self.outcome.is_some());
        self.check_cost();
        Ok(())
    }

    /// - `silent_is_fine`: it does not have to say anything.
    fn check_said(&self, said: &VecDeque<Vec<u8>>, silent_is_fine: bool) {
        assert!(silent_is_fine || !said.is_empty(), "it owes the peer a turn");
        for (at, bytes) in said.iter().enumerate() {
            assert!(bytes.len() <= FRAME_BYTES_MAX, "{} bytes", bytes.len());
            let frame = Frame::decode(bytes).expect("what it says can be read");
            assert_eq!(frame.encode(), *bytes);
            assert_eq!(frame.more, at + 1 < said.len(), "a turn has one end: {frame:?}");
        }
    }

    fn check_cost(&self) {
        let cost @ Cost { overhead_in, overhead_out, records_out, useful, .. } =
            self.exchange.cost();
        assert!(cost.turns <= TURNS_MAX, "{cost:?}");
        let questions = if self.opens { QUESTIONS_MAX } else { 0 };
        assert!(overhead_out <= questions + 4 * overhead_in + useful, "{cost:?}");
        let Budget { records_out: most, records_in, waste } = self.party.budget;
        assert!(records_out <= most.saturating_add(RECORDS_OVER), "{cost:?}");
        assert!(cost.records_in <= records_in, "{cost:?}");
        assert!(overhead_in + cost.records_in <= 2 * useful + waste, "{cost:?}");
    }

    /// After the end nothing is heard, and what it is sure of is so.
    fn check_end(mut self) {
        if self.exchange.is_over() {
            let more = Frame { more: false, message: Message::Cut }.encode();
            assert!(matches!(self.exchange.handle(&more), Err(Violation::OutOfTurn)));
        }
        let complete = self.outcome.is_some_and(|outcome| outcome.ending == Ending::Complete);
        if complete && self.named == Some(PEER.summary().root()) {
            self.party.add([]);
            let held = self.party.ids();
            assert!(PEER.ids().iter().all(|id| held.binary_search(id).is_ok()));
        }
    }
}
