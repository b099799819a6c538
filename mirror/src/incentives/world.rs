//! The world of [`incentives`](super): who is in it, and what happens in a round.

use std::collections::BTreeMap;
use std::ops::Range;

use catalog::permission::NodeId;
use catalog::register::Hlc;
use catalog::{ByteSize, Digest, Timestamp};
use catalog_tests::dice::Dice;

use crate::ledger::Ledger;
use crate::pace::Turn;
use crate::receipt::Receipt;
use crate::score::{COMMONS, Flows, RELIABILITY_UNKNOWN, Scores};
use crate::share::{Fair, Network, Share, Waiting, Weights};

const HONEST: usize = 60;
const RIDERS: usize = 20;
const ROUNDS: u64 = 100;
/// Before this, nobody has a history.
const SETTLED: u64 = ROUNDS / 2;
/// From how many others each wants a part in each round.
const FAN: usize = 4;
/// The commons are 20 units.
const UNIT: u64 = COMMONS.as_u64() / 20;
/// What is sent at once. Who comes after a silence has one chunk for free, so it should be little.
const CHUNK: u64 = UNIT / 16;
/// What each can send in a round.
const CAPACITY: u64 = 10 * UNIT;
/// What each wants of one other in a round.
const WANTED: u64 = 16 * UNIT / FAN as u64;
/// What liars say that they got from each other in a round.
const FAKE: u64 = 1_000_000 * UNIT;
/// Ten rounds are three days.
const ROUND_MILLIS: u64 = 3 * 24 * 60 * 60 * 1000 / 10;
/// The first round begins then.
const BEGIN_MILLIS: u64 = 1_790_000_000_000;

/// Who is there beside honest nodes and free-riders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// Nobody.
    Plain,
    /// The free-riders take a new name in each round.
    Whitewash,
    /// More free-riders.
    Idle { sybils: usize },
    /// Some that sign for each other and give nothing.
    Ring { sybils: usize },
    /// One that gives like an honest node.
    Lone,
    /// The same, with a ring behind it that it signs for, too.
    Master { sybils: usize },
    /// Four that give like an honest node, from the middle on.
    Late,
}

/// What each got, in the end.
pub(super) struct World {
    scenario: Scenario,
    /// What each got since things have settled.
    got: BTreeMap<usize, u64>,
    /// For each round since then what each of the others got, of what an honest node got.
    newcomer: Vec<f64>,
}

/// What is going on.
struct Running {
    scenario: Scenario,
    dice: Dice,
    ledger: Ledger,
    turns: BTreeMap<usize, Fair>,
    /// What each pair of names said so far, server first: how often, and how much.
    said: BTreeMap<(usize, usize), (u64, u64)>,
}

impl World {
    /// Lets a world run; everything in it follows from the seed.
    pub fn run(scenario: Scenario, seed: u64) -> Self {
        let mut running = Running {
            scenario,
            dice: Dice::new(seed),
            ledger: Ledger::new(node(usize::MAX)),
            turns: BTreeMap::new(),
            said: BTreeMap::new(),
        };
        let mut world = Self { scenario, got: BTreeMap::new(), newcomer: Vec::new() };
        for round in 0..ROUNDS {
            let got = running.round(round);
            if round >= SETTLED {
                let honest: u64 = world.honest().filter_map(|who| got.get(&who)).sum();
                let others: u64 = world.others().filter_map(|who| got.get(&who)).sum();
                let of_one = others as f64 / world.others().len() as f64;
                world.newcomer.push(of_one * HONEST as f64 / honest as f64);
                for (who, bytes) in got {
                    *world.got.entry(who).or_default() += bytes;
                }
            }
        }
        world
    }

    pub fn honest(&self) -> Range<usize> {
        0..HONEST
    }

    pub fn riders(&self) -> Range<usize> {
        HONEST..HONEST + RIDERS
    }

    /// The sybils, and their master.
    pub fn attackers(&self) -> Range<usize> {
        let sybils = self.scenario.sybils();
        match self.scenario {
            Scenario::Master { .. } => sybils.start - 1..sybils.end,
            _ => sybils,
        }
    }

    /// The one that is alone, or those that come late.
    pub fn others(&self) -> Range<usize> {
        self.scenario.others(ROUNDS)
    }

    /// What some got together in a round, in units.
    pub fn sum(&self, of: Range<usize>) -> f64 {
        let bytes: u64 = self.got.range(of).map(|(_, bytes)| bytes).sum();
        bytes as f64 / UNIT as f64 / (ROUNDS - SETTLED) as f64
    }

    /// What one of them got in a round, in units.
    pub fn rate(&self, of: Range<usize>) -> f64 {
        let some = of.len() as f64;
        self.sum(of) / some
    }

    /// What a newcomer got in these rounds after it came, of what an honest node got.
    pub fn newcomer(&self, rounds: Range<usize>) -> f64 {
        let some = &self.newcomer[rounds];
        some.iter().sum::<f64>() / some.len() as f64
    }
}

/// The first who is neither honest from the beginning nor a free-rider: alone, late, or master of
/// others.
const ONE: usize = HONEST + RIDERS;

impl Scenario {
    fn sybils(self) -> Range<usize> {
        match self {
            Self::Idle { sybils } | Self::Ring { sybils } | Self::Master { sybils } => {
                ONE + 1..ONE + 1 + sybils
            }
            _ => 0..0,
        }
    }

    /// Those beside honest nodes and free-riders that give like an honest node.
    fn others(self, round: u64) -> Range<usize> {
        match self {
            Self::Lone | Self::Master { .. } => ONE..ONE + 1,
            Self::Late if round >= SETTLED => ONE..ONE + 4,
            _ => ONE..ONE,
        }
    }

    /// Under which name somebody goes in a round.
    fn name(self, who: usize, round: u64) -> usize {
        match self {
            Self::Whitewash if (HONEST..ONE).contains(&who) => {
                1000 + RIDERS * round as usize + who - HONEST
            }
            _ => who,
        }
    }
}

impl Running {
    /// A round: who got how much.
    fn round(&mut self, round: u64) -> BTreeMap<usize, u64> {
        let now = BEGIN_MILLIS + round * ROUND_MILLIS;
        self.lie(round, now);
        let flows = Flows::of(&self.ledger, Timestamp::from_millis(now));
        let mut got = BTreeMap::new();
        for (server, clients) in self.wishes(round) {
            for (who, bytes) in self.serve(&flows, server, &clients, round) {
                *got.entry(who).or_default() += bytes;
                self.say(server, self.scenario.name(who, round), bytes, now);
            }
        }
        got
    }

    /// The receipts of those who sign for each other.
    fn lie(&mut self, round: u64, now: u64) {
        let mut liars: Vec<usize> = self.scenario.sybils().collect();
        match self.scenario {
            Scenario::Master { .. } => liars.push(ONE),
            Scenario::Idle { .. } => return,
            _ => {}
        }
        // More often says no more: what they say fades by a tenth until the next time.
        if round.is_multiple_of(2) {
            for server in &liars {
                for client in liars.iter().filter(|client| *client != server) {
                    self.say(*server, *client, FAKE, now);
                }
            }
        }
    }

    /// A receipt for `bytes` more.
    fn say(&mut self, server: usize, client: usize, bytes: u64, now: u64) {
        let (seq, total) = self.said.entry((server, client)).or_default();
        *seq += 1;
        *total += bytes;
        self.ledger.suppose(&Receipt {
            server: node(server),
            client: node(client),
            epoch: 1,
            seq: *seq,
            bytes: ByteSize::bytes(*total),
            hlc: Hlc::after(Hlc::default(), Timestamp::from_millis(now)),
            hint: Digest::from_bytes([0; 32]),
        });
    }

    /// Who wants something of whom: for each server its clients.
    fn wishes(&mut self, round: u64) -> BTreeMap<usize, Vec<usize>> {
        let others = self.scenario.others(round);
        let mut servers: Vec<usize> = (0..HONEST).chain(others.clone()).collect();
        let all = (0..ONE).chain(self.scenario.sybils()).chain(others);
        let mut wishes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for who in all {
            for nth in 0..FAN {
                let other = self.dice.pick(nth as u64..servers.len() as u64) as usize;
                servers.swap(nth, other);
                if servers[nth] != who {
                    wishes.entry(servers[nth]).or_default().push(who);
                }
            }
        }
        wishes
    }

    /// Serves these clients in turns until nobody wants more or the round is over.
    fn serve(
        &mut self,
        flows: &Flows,
        server: usize,
        clients: &[usize],
        round: u64,
    ) -> BTreeMap<usize, u64> {
        let name = |who: usize| self.scenario.name(who, round);
        let names: Vec<NodeId> = clients.iter().map(|who| node(name(*who))).collect();
        let scores = Scores::new(flows, node(server));
        let weights = Weights::earned(&scores, &names, |_| RELIABILITY_UNKNOWN);
        // Each key comes from a network of its own: the worst case for the pool.
        let network = |name: usize| Network::of([10, (name >> 8) as u8, name as u8, 1].into());
        let share = |who: usize| -> Share {
            weights.share(&node(name(who)), network(name(who)), Turn::Due)
        };
        let mut waiting: Vec<(usize, Waiting)> = clients
            .iter()
            .map(|&who| (who, Waiting { peer: node(name(who)), share: share(who), bytes: CHUNK }))
            .collect();
        let turns = self.turns.entry(server).or_default();
        let mut sent = BTreeMap::new();
        for _ in 0..CAPACITY / CHUNK {
            let Some(at) = turns.next(waiting.iter().map(|(_, one)| *one)) else { break };
            let (who, one) = waiting.remove(at);
            turns.sent(&one);
            let bytes: &mut u64 = sent.entry(who).or_default();
            *bytes += CHUNK;
            if *bytes < WANTED {
                waiting.push((who, one));
            }
        }
        sent
    }
}

fn node(of: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(of as u64).to_be_bytes());
    NodeId::from_bytes(bytes)
}
