//! Twenty nodes with overlapping parts of one catalog, and one index of all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use catalog::release::{Release, ReleaseId};
use catalog::signature::SecretKey;
use catalog::statement::{SealedStatement, Statement};
use catalog::store::{Incoming, Store};
use catalog::{Digest, Identity, PublisherId, Timestamp};
use catalog_benches::debian::{self, Package};
use catalog_discovery::{Cursor, Doc, Index, Query};
use catalog_node::{Node, NodeConfig, Ticket};
use catalog_sync::view::Selection;
use catalog_tests::dice::Dice;

use crate::relay::Decoys;

/// Nodes, with the one that asks.
pub const NODES: usize = 20;
/// Of ten packages, how many have a second node.
const SECOND_OF_TEN: u64 = 7;
const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// Records that a store takes in at once.
const BATCH_ITEMS: usize = 1000;
/// Packages that liars distract with.
const DECOYS: usize = 500;

/// How packages are spread over nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Evenly, by chance.
    Random,
    /// Every section at few nodes, as where people mirror what they use.
    Topic,
}

/// A catalog, and who has which part of it.
pub struct World {
    sealed: Vec<SealedStatement>,
    inceptions: HashMap<PublisherId, SealedStatement>,
    publishers: Vec<PublisherId>,
    pub ids: HashSet<ReleaseId>,
    /// The packages of each node, by number.
    holds: Vec<Vec<usize>>,
    pub central: Index,
}

impl World {
    pub fn new(packages: &[Package], split: Split, seed: u64, dir: &Path) -> Self {
        let (releases, identities) = signed(packages);
        let mut sealed = Vec::with_capacity(releases.len());
        let mut ids = HashSet::new();
        let central = Index::open(&dir.join("central")).unwrap();
        for (release, identity) in &releases {
            let identity: &Identity = &identities[identity];
            let statement = Statement::Release(release.clone());
            let seal = SealedStatement::seal(&statement, identity.key()).unwrap();
            let id = ReleaseId::of(seal.body());
            central.put(&Doc::from_release(id, release).unwrap()).unwrap();
            ids.insert(id);
            sealed.push(seal);
        }
        central.commit(Cursor { store: [1; 16], change: 1 }).unwrap();
        let inceptions = identities.values();
        let inceptions = inceptions.map(|one| (one.publisher(), one.inception().clone()));
        Self {
            sealed,
            inceptions: inceptions.collect(),
            publishers: releases.iter().map(|(release, _)| release.publisher).collect(),
            ids,
            holds: holds(packages, split, seed),
            central,
        }
    }

    /// The ten best of one index of everything.
    pub fn central(&self, text: &str) -> Vec<String> {
        let found = self.central.search(&Query { limit: 10, ..Query::new(text) }).unwrap();
        found.hits.into_iter().map(|hit| hit.release.name.to_string()).collect()
    }

    /// How many copies of a package there are.
    pub fn replicas(&self) -> f64 {
        self.holds.iter().map(Vec::len).sum::<usize>() as f64 / self.sealed.len() as f64
    }

    /// Fills a store in `dir` with the part of `number`.
    ///
    /// - `trusting`: whether a person there named every publisher.
    pub fn fill(&self, number: usize, dir: &Path, trusting: bool) {
        let store = Store::open(&config(dir).store_dir()).unwrap();
        let mut known = BTreeSet::new();
        let mut records = Vec::new();
        for &package in &self.holds[number] {
            let publisher = self.publishers[package];
            if known.insert(publisher) {
                records.push(self.inceptions[&publisher].clone());
            }
            records.push(self.sealed[package].clone());
        }
        for batch in records.chunks(BATCH_ITEMS) {
            let batch = batch.iter().cloned().map(Incoming::Statement).collect();
            assert_eq!(store.accept(batch, NOW).unwrap().rejected, []);
        }
        if trusting {
            for publisher in self.inceptions.keys() {
                store.trust(publisher, None, NOW).unwrap();
            }
        }
    }

    /// Genuine releases of everywhere, beside what proves them.
    pub fn decoys(&self, dice: &mut Dice) -> Decoys {
        let decoy = |_| {
            let at = dice.pick(0..self.sealed.len() as u64) as usize;
            [self.sealed[at].encode(), self.inceptions[&self.publishers[at]].encode()]
        };
        std::sync::Arc::new((0..DECOYS).map(decoy).collect())
    }
}

/// Opens the node in `dir`, which takes nothing from others.
pub async fn open(dir: &Path) -> Node {
    let node = Node::builder(config(dir)).spawn().await.unwrap();
    // Its index follows, and its socket is opened.
    node.search("").limit(1).await.unwrap();
    node
}

fn config(dir: &Path) -> NodeConfig {
    let nothing = Selection {
        tags: BTreeSet::from(["held-by-nobody".parse().unwrap()]),
        ..Selection::default()
    };
    NodeConfig::at(dir).listen(([127, 0, 0, 1], 0).into()).select(nothing)
}

/// Connects `asker` with all of `tickets`.
pub async fn connect(asker: &Node, tickets: &[Ticket]) {
    for ticket in tickets {
        let connected = asker.connect(ticket).await.unwrap();
        assert_eq!(connected.sync.error, None);
    }
}

/// The releases of `packages` in the names of publishers with keys.
fn signed(packages: &[Package]) -> (Vec<(Release, PublisherId)>, HashMap<PublisherId, Identity>) {
    let mut identities: HashMap<PublisherId, Identity> = HashMap::new();
    let mut positions: BTreeMap<PublisherId, u64> = BTreeMap::new();
    let plain = debian::releases(packages);
    for release in &plain {
        identities.entry(release.publisher).or_insert_with(|| {
            let seed = release.publisher.to_string();
            let key = |use_of: &str| {
                let seed = Digest::of(format!("{use_of} {seed}").as_bytes());
                SecretKey::from_bytes(seed.as_bytes())
            };
            Identity::of_keys(key("now"), key("next"), None, NOW)
        });
    }
    let releases = plain.into_iter().map(|mut release| {
        let old = release.publisher;
        let position = positions.entry(old).or_default();
        *position += 1;
        release.seq = *position;
        release.publisher = identities[&old].publisher();
        for needed in &mut release.dependencies {
            needed.publisher = identities[&needed.publisher].publisher();
        }
        (release, old)
    });
    (releases.collect(), identities)
}

fn holds(packages: &[Package], split: Split, seed: u64) -> Vec<Vec<usize>> {
    let mut dice = Dice::new(seed);
    let mut holds = vec![Vec::new(); NODES];
    let mut homes: HashMap<&str, [usize; 3]> = HashMap::new();
    let any = |dice: &mut Dice| dice.pick(0..NODES as u64) as usize;
    for (at, package) in packages.iter().enumerate() {
        let home = homes
            .entry(&package.section)
            .or_insert_with(|| [any(&mut dice), any(&mut dice), any(&mut dice)]);
        let first = match split {
            Split::Random => any(&mut dice),
            // Some of everything is anywhere.
            Split::Topic if dice.pick(0..10) < 2 => any(&mut dice),
            Split::Topic => home[dice.pick(0..3) as usize],
        };
        holds[first].push(at);
        if dice.pick(0..10) < SECOND_OF_TEN {
            let second = (first + 1 + dice.pick(0..NODES as u64 - 1) as usize) % NODES;
            holds[second].push(at);
        }
    }
    holds
}
