//! Remembers what peers hold, and says which of them are worth asking.
//!
//! Up to [`PEERS_ASKED_DEFAULT`] peers are all asked. Of more, those are that promise most, by the
//! word counts of their earlier answers: CORI (Callan, Lu and Croft, *Searching distributed
//! collections with inference networks*, SIGIR 1995). Peers that hold the same are one collection:
//! one of them is asked, the others stand in when it does not answer.

use std::collections::BTreeMap;
use std::str::FromStr;

use catalog::permission::NodeId;

use crate::federation::counts::Counts;
use crate::federation::question::Question;

/// Collections that are asked unless somebody says otherwise.
pub const PEERS_ASKED_DEFAULT: usize = 20;
/// Collections that are asked whatever anybody says: their answers have to fit in memory.
pub const PEERS_ASKED_MAX: usize = 64;

/// Peers whose words are remembered.
const PEERS_MAX: usize = 256;
/// Words that are remembered of one peer.
const WORDS_MAX: usize = 512;

/// What is believed of a collection that lacks a word.
const BELIEF_MIN: f64 = 0.4;

/// How many peers are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nobody: only what is here is searched.
    Nobody,
    /// Those that there is a connection to.
    #[default]
    Connected,
    /// The most promising so many of all that are known.
    First(usize),
    /// All that are known.
    All,
}

/// Text that does not say whom to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} says nothing about peers: none, connected, all or a number")]
pub struct ReachError {
    /// What stands there.
    pub found: Box<str>,
}

impl FromStr for Reach {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        match text {
            "none" => Ok(Self::Nobody),
            "connected" => Ok(Self::Connected),
            "all" => Ok(Self::All),
            _ => match text.parse() {
                Ok(0) => Ok(Self::Nobody),
                Ok(count) => Ok(Self::First(count)),
                Err(_) => Err(ReachError { found: text.chars().take(40).collect() }),
            },
        }
    }
}

impl Reach {
    /// The most collections that are asked.
    pub fn collections_max(self) -> usize {
        match self {
            Self::Nobody => 0,
            Self::Connected => PEERS_ASKED_DEFAULT,
            Self::First(count) => count.min(PEERS_ASKED_MAX),
            Self::All => PEERS_ASKED_MAX,
        }
    }
}

/// A peer that could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who it is.
    pub node: NodeId,
    /// What it says that it holds; peers with equal roots hold the same. `None` when nobody knows.
    pub root: Option<[u8; 32]>,
}

/// The words of peers, as their answers told.
#[derive(Clone, Debug, Default)]
pub struct Collections {
    peers: BTreeMap<NodeId, Collection>,
    answers: u64,
}

#[derive(Clone, Debug, Default)]
struct Collection {
    documents: u64,
    /// The documents that have a word, and the answer that told so.
    words: BTreeMap<String, (u64, u64)>,
    /// The last answer.
    heard: u64,
}

impl Collections {
    /// Remembers what `node` said about the words of a question.
    pub fn learn(&mut self, node: NodeId, question: &Question, counts: &Counts) {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&node) {
            let oldest = self.peers.iter().min_by_key(|(_, one)| one.heard).map(|(node, _)| *node);
            oldest.and_then(|oldest| self.peers.remove(&oldest));
        }
        self.answers += 1;
        let collection = self.peers.entry(node).or_default();
        (collection.documents, collection.heard) = (counts.documents, self.answers);
        let readings = question.parts().words.iter().flat_map(|word| &word.readings);
        for (reading, [.., anywhere]) in readings.zip(&counts.readings) {
            let told = ((*anywhere).min(counts.documents), self.answers);
            collection.words.insert(reading.text.clone(), told);
        }
        if collection.words.len() > WORDS_MAX {
            let mut ages: Vec<u64> = collection.words.values().map(|(_, told)| *told).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            collection.words.retain(|_, (_, told)| *told >= middle);
        }
    }

    /// Groups `targets` by what they hold, the most promising group first, and keeps as many as
    /// `reach` allows. Inside a group, the order of `targets` stays.
    pub fn groups(
        &self,
        question: &Question,
        targets: &[Target],
        reach: Reach,
    ) -> Vec<Vec<NodeId>> {
        let mut groups: Vec<(Option<[u8; 32]>, Vec<NodeId>)> = Vec::new();
        for target in targets {
            let same = groups.iter_mut().find(|(root, _)| root.is_some() && *root == target.root);
            match same {
                Some((_, nodes)) if nodes.contains(&target.node) => {}
                Some((_, nodes)) => nodes.push(target.node),
                None => groups.push((target.root, vec![target.node])),
            }
        }
        let most = reach.collections_max();
        if groups.len() > most {
            let nodes: Vec<NodeId> = groups.iter().map(|(_, nodes)| nodes[0]).collect();
            let beliefs = self.beliefs(question, &nodes);
            let mut order: Vec<usize> = (0..groups.len()).collect();
            order.sort_by(|&a, &b| beliefs[b].total_cmp(&beliefs[a]).then(a.cmp(&b)));
            order.truncate(most);
            return order.into_iter().map(|at| groups[at].1.clone()).collect();
        }
        groups.into_iter().map(|(_, nodes)| nodes).collect()
    }

    /// How likely it is that each of `nodes` answers the question.
    fn beliefs(&self, question: &Question, nodes: &[NodeId]) -> Vec<f64> {
        let known: Vec<Option<&Collection>> = nodes.iter().map(|id| self.peers.get(id)).collect();
        let count = known.iter().flatten().count().max(1) as f64;
        let documents = known.iter().flatten().map(|one| one.documents as f64).sum::<f64>();
        let mean = (documents / count).max(1.0);
        let mut beliefs = vec![0.0; nodes.len()];
        for word in &question.parts().words {
            let Some(reading) = word.readings.first() else { continue };
            let had = |one: &Collection| one.words.get(&reading.text).map(|(had, _)| *had as f64);
            let have = known.iter().flatten().filter(|one| had(one) > Some(0.0)).count().max(1);
            let rarity = ((count + 0.5) / have as f64).ln().max(0.0) / (count + 1.0).ln();
            let weights: Vec<Option<f64>> = known
                .iter()
                .map(|one| {
                    let one = (*one)?;
                    let had = had(one)?;
                    Some(had / (had + 50.0 + 150.0 * one.documents as f64 / mean))
                })
                .collect();
            // Who was never asked about a word is worth what the others are on average.
            let told: Vec<f64> = weights.iter().flatten().copied().collect();
            let middle = told.iter().sum::<f64>() / (told.len().max(1)) as f64;
            for (belief, weight) in beliefs.iter_mut().zip(weights) {
                *belief += BELIEF_MIN
                    + (1.0 - BELIEF_MIN) * weight.unwrap_or(middle) * rarity.max(f64::MIN_POSITIVE);
            }
        }
        beliefs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixture::node;
    use crate::federation::question::tests::about;

    fn target(number: u8, root: u8) -> Target {
        Target { node: node(number), root: Some([root; 32]) }
    }

    fn question(word: &str) -> Question {
        Question::new(about(word)).unwrap()
    }

    fn counts(documents: u64, had: u64) -> Counts {
        Counts { documents, tokens: [0; 4], readings: vec![[0, 0, 0, had]] }
    }

    #[test]
    fn up_to_twenty_peers_are_all_asked() {
        let targets: Vec<Target> = (0..20).map(|n| target(n, n)).collect();
        let groups = Collections::default().groups(&question("graph"), &targets, Reach::Connected);
        assert_eq!(groups.concat(), targets.iter().map(|one| one.node).collect::<Vec<_>>());
    }

    #[test]
    fn of_more_the_most_promising_are_asked() {
        let mut collections = Collections::default();
        let question = question("graph");
        let targets: Vec<Target> = (0..40).map(|n| target(n, n)).collect();
        for number in 0..40 {
            let had = if number % 2 == 1 { 300 + u64::from(number) } else { 0 };
            collections.learn(node(number), &question, &counts(1000, had));
        }
        let groups = collections.groups(&question, &targets, Reach::Connected);
        assert_eq!(groups.len(), PEERS_ASKED_DEFAULT);
        assert_eq!(groups[0], [node(39)]);
        assert!(groups.concat().iter().all(|node| node.as_bytes()[0] % 2 == 1));
        assert_eq!(collections.groups(&question, &targets, Reach::First(3)).len(), 3);
        assert_eq!(collections.groups(&question, &targets, Reach::All).len(), 40);
        assert!(collections.groups(&question, &targets, Reach::Nobody).is_empty());
    }

    #[test]
    fn peers_that_hold_the_same_are_one_collection() {
        let unknown = |number| Target { node: node(number), root: None };
        let targets = [target(1, 7), target(2, 7), target(3, 8), unknown(4), unknown(5)];
        let groups = Collections::default().groups(&question("a"), &targets, Reach::All);
        let expected: [&[NodeId]; 4] = [&[node(1), node(2)], &[node(3)], &[node(4)], &[node(5)]];
        assert_eq!(groups, expected);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut collections = Collections::default();
        for number in 0..1000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let id = NodeId::from_bytes(id);
            collections.learn(id, &question("a"), &counts(u64::MAX, u64::MAX));
            collections.learn(node(9), &question(&format!("word{number}")), &counts(1, 9));
        }
        assert_eq!(collections.peers.len(), PEERS_MAX);
        assert!(collections.peers[&node(9)].words.len() <= WORDS_MAX);
        assert_eq!(collections.peers[&node(9)].words["word999"].0, 1);
    }

    #[test]
    fn whom_to_ask_is_said_in_a_word() {
        let read = ["none", "0", "connected", "7", "all"].map(|text| text.parse());
        let expected =
            [Reach::Nobody, Reach::Nobody, Reach::Connected, Reach::First(7), Reach::All];
        assert_eq!(read, expected.map(Ok));
        assert!("some".parse::<Reach>().is_err());
        assert_eq!(Reach::First(9999).collections_max(), PEERS_ASKED_MAX);
    }
}
