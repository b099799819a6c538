//! Twenty peers in one process: what they hold, how fast they are, and how they lie.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Timestamp;
use catalog::identity::Identity;
use catalog::permission::NodeId;
use catalog::release::{PackageId, Release, ReleaseId};
use catalog::signature::SecretKey;
use catalog::statement::{SealedStatement, Statement};
use catalog_discovery::federation::{
    Answer, Budgets, Collections, Counts, Coverage, Event, Heard, Inquiry, Judge, Opened, Order,
    Question, Ranked, Reach, Target, gather, heads, merge,
};
use catalog_discovery::{Cursor, Doc, Evidence, Index, Query, Sort, Weigher};
use catalog_tests::dice::Dice;
use catalog_tests::releases;
use tempfile::TempDir;

const WORDS: [&str; 48] = [
    "graph", "notes", "index", "search", "image", "sound", "speech", "model", "server", "client",
    "store", "query", "parser", "editor", "mail", "chat", "video", "stream", "cache", "proxy",
    "shell", "script", "python", "rust", "kernel", "driver", "sensor", "camera", "robot", "planet",
    "weather", "market", "ledger", "wallet", "health", "garden", "recipe", "travel", "ticket",
    "museum", "poetry", "physics", "algebra", "genome", "protein", "crystal", "compiler", "linker",
];

/// So many words; some are common and some are rare, since two numbers are multiplied.
fn words(dice: &mut Dice, count: usize) -> String {
    let most = WORDS.len() as u64;
    let word = |dice: &mut Dice| WORDS[(dice.pick(0..most) * dice.pick(0..most) / most) as usize];
    (0..count).map(|_| word(dice)).collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Never answers.
    Dead,
    /// Answers after the deadline, or just before it.
    Slow,
    /// Sends releases that it forged in the name of others.
    Forges,
    /// Sends genuine releases that have nothing to do with the question, and counts of its fancy.
    Invents,
}

pub struct Peer {
    pub id: NodeId,
    pub manner: Manner,
    index: Index,
    _dir: TempDir,
    root: [u8; 32],
}

pub struct World {
    releases: BTreeMap<ReleaseId, SealedStatement>,
    publishers: Vec<Identity>,
    pub peers: Vec<Peer>,
    pub central: Index,
    own: Index,
    _dirs: [TempDir; 2],
    dice: Dice,
}

/// What a search came to.
pub struct Outcome {
    pub ranked: Vec<Ranked>,
    pub coverage: Coverage,
    /// Questions that were sent.
    pub sent: usize,
    /// Who was heard.
    pub heard: Vec<NodeId>,
    /// What they told.
    pub told: (Vec<Heard>, Counts),
}

fn indexed<'r>(releases: impl Iterator<Item = (&'r ReleaseId, &'r Release)>) -> (Index, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    for (id, release) in releases {
        index.put(&Doc::from_release(*id, release).unwrap()).unwrap();
    }
    index.commit(Cursor { store: [1; 16], change: 1 }).unwrap();
    (index, dir)
}

impl World {
    /// `manners` says how many peers there are, and what each is like.
    pub fn new(seed: u64, packages: usize, manners: &[Manner]) -> Self {
        let mut dice = Dice::new(seed);
        let key = |byte| SecretKey::from_bytes(&[byte; 32]);
        let time = Timestamp::from_millis(1_800_000_000_000);
        let publishers: Vec<Identity> =
            (1..8).map(|n| Identity::of_keys(key(n), key(n + 100), None, time)).collect();
        let mut all: BTreeMap<ReleaseId, Release> = BTreeMap::new();
        let mut sealed = BTreeMap::new();
        for number in 0..packages {
            let by = &publishers[number % publishers.len()];
            let name = words(&mut dice, 2).replace(' ', "-");
            let release = Release {
                description: Some(words(&mut dice, 14)),
                ..release(by, &format!("{name}-{number}"), &words(&mut dice, 6))
            };
            let seal = SealedStatement::seal(&Statement::Release(release.clone()), by.key());
            let seal = seal.unwrap();
            let id = ReleaseId::of(seal.body());
            sealed.insert(id, seal);
            all.insert(id, release);
        }
        let count = manners.len() as u64;
        let mut holds: Vec<Vec<ReleaseId>> = vec![Vec::new(); manners.len()];
        for id in all.keys() {
            // 1.7 replicas on average, at different peers.
            let first = dice.pick(0..count);
            holds[first as usize].push(*id);
            if dice.pick(0..10) < 7 {
                holds[((first + 1 + dice.pick(0..count - 1)) % count) as usize].push(*id);
            }
        }
        let peers = manners.iter().zip(holds).enumerate().map(|(number, (manner, holds))| {
            let (index, dir) = indexed(holds.iter().map(|id| (id, &all[id])));
            let root = [number as u8 + 1; 32];
            Peer { id: NodeId::from_bytes(root), manner: *manner, index, _dir: dir, root }
        });
        let peers = peers.collect();
        let (central, central_dir) = indexed(all.iter());
        let (own, own_dir) = indexed(std::iter::empty());
        let _dirs = [central_dir, own_dir];
        Self { releases: sealed, publishers, peers, central, own, _dirs, dice }
    }

    /// Some words that a package was made of.
    pub fn words(&mut self) -> String {
        let count = self.dice.pick(1..4) as usize;
        words(&mut self.dice, count)
    }

    /// Whether a publisher really signed this.
    pub fn is_genuine(&self, id: &ReleaseId) -> bool {
        self.releases.contains_key(id)
    }

    fn answer(&mut self, peer: usize, question: &Question) -> Answer {
        let all: Vec<ReleaseId> = self.releases.keys().copied().collect();
        let mut answer = Answer {
            inceptions: self.publishers.iter().map(|one| one.inception().clone()).collect(),
            ..Answer::default()
        };
        let response = self.peers[peer].index.answer(question, |_| true).unwrap();
        answer.counts = response.counts;
        let genuine = |id: &ReleaseId| self.releases[id].clone();
        match self.peers[peer].manner {
            Manner::Invents => {
                let wrong = (0..20).map(|_| all[self.dice.pick(0..all.len() as u64) as usize]);
                let wrong: std::collections::BTreeSet<ReleaseId> = wrong.collect();
                answer.releases = wrong.iter().map(genuine).collect();
                let lie = |counts: Counts| Counts {
                    documents: self.dice.roll(),
                    tokens: [self.dice.roll(); 4],
                    readings: counts.readings.iter().map(|_| [self.dice.roll(); 4]).collect(),
                };
                answer.counts = answer.counts.map(lie);
            }
            Manner::Forges => {
                let (honest, thief) = (&self.publishers[0], &self.publishers[1]);
                let text = question.parts().text.clone();
                let name = text.replace(' ', "-");
                let forged =
                    Release { description: Some(text.clone()), ..release(honest, &name, &text) };
                let forged = SealedStatement::seal(&Statement::Release(forged), thief.key());
                answer.releases.push(forged.unwrap());
                answer.releases.extend(response.releases.iter().take(19).map(genuine));
            }
            _ => answer.releases = response.releases.iter().map(genuine).collect(),
        }
        answer
    }

    /// A text as peers are asked it, and one hash over what they hold.
    pub fn question(&self, text: &str) -> (Question, [u8; 32]) {
        (self.own.question(&Query::new(text)).unwrap().0, heads(&self.targets()))
    }

    fn targets(&self) -> Vec<Target> {
        self.peers.iter().map(|peer| Target { node: peer.id, root: Some(peer.root) }).collect()
    }

    /// Searches as a node that holds nothing itself.
    pub fn search(
        &mut self,
        text: &str,
        within: Duration,
        (budgets, collections): (&mut Budgets, &mut Collections),
        (start, reach): (Duration, Reach),
    ) -> Outcome {
        let (question, ours) = self.own.question(&Query::new(text)).unwrap();
        let mut targets = self.targets();
        targets.retain(|target| !budgets.is_shunned(start, &target.node));
        let groups = collections.groups(&question, &targets, reach);
        let mut inquiry = Inquiry::new(start, groups, start + within, budgets);
        let mut coming: BTreeMap<(Duration, usize), Event> = BTreeMap::new();
        let (mut now, mut sent) = (start, 0);
        loop {
            while let Some(Order::Ask(node)) = inquiry.next_order() {
                sent += 1;
                let peer = self.peers.iter().position(|peer| peer.id == node).unwrap();
                let wait = match self.peers[peer].manner {
                    Manner::Dead => continue,
                    Manner::Slow => self.dice.pick(400..2000),
                    _ => self.dice.pick(5..200),
                };
                let event = match self.answer(peer, &question).open(&question) {
                    Ok(opened) => Event::Answered { node, opened },
                    Err(_) => Event::Lied { node },
                };
                coming.insert((now + Duration::from_millis(wait), sent), event);
            }
            let Some(wake) = inquiry.next_wake(now) else { break };
            let first = coming.keys().next().copied().filter(|(at, _)| *at <= wake);
            let event = match first.and_then(|first| coming.remove_entry(&first)) {
                Some(((at, _), event)) => {
                    now = at;
                    event
                }
                None => {
                    now = wake;
                    Event::Tick
                }
            };
            inquiry.handle(now, event, budgets);
        }
        assert!(now <= start + within, "it ends at its deadline");
        let coverage = inquiry.coverage(now);
        let answers: Vec<(NodeId, Opened)> = inquiry.into_answers();
        let told = answers.iter().filter_map(|(_, opened)| opened.counts());
        let counts = Counts::sum(&ours, told);
        for (node, opened) in &answers {
            opened.counts().inspect(|counts| collections.learn(*node, &question, counts));
        }
        let judge = Ours(self.own.weigher(&question, &[]).unwrap());
        let told = gather(&answers);
        let ranked = merge(Vec::new(), &told, &counts, Sort::Relevance, &judge);
        let heard = answers.iter().map(|(node, _)| *node).collect();
        Outcome { ranked, coverage, sent, heard, told: (told, counts) }
    }
}

struct Ours(Weigher);

impl Judge for Ours {
    fn weigh(&self, releases: &[&Release], counts: &Counts) -> Vec<Option<Evidence>> {
        self.0.weigh(releases, counts)
    }

    fn admits(&self, _: &ReleaseId, _: &Release) -> bool {
        true
    }

    fn knows(&self, _: &catalog::identity::PublisherId) -> bool {
        true
    }

    fn warmth(&self, _: &PackageId) -> f32 {
        0.0
    }
}

fn release(by: &Identity, name: &str, summary: &str) -> Release {
    Release { summary: summary.to_owned(), ..releases::release(by.publisher(), name) }
}
