//! Remembers what peers answered, so that a question that many ask is asked of peers once.
//!
//! Only what came from peers is kept; what is here is searched anew each time, in less time than a
//! look-up in a large cache takes. An answer that is old, incomplete, or from peers that hold
//! something else by now is still given at once and asked for again behind it: flushing at every
//! change would leave next to nothing (a third of the hits at 500 questions between changes).
//!
//! Guarantees: at most [`CACHE_ENTRIES_MAX`] answers, [`CACHE_BYTES_MAX`] bytes and
//! [`AGE_MAX`] of age; what is used least goes first. Releases are shared between answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use catalog::Digest;
use catalog::permission::NodeId;
use catalog::release::ReleaseId;

use crate::federation::answer::Verified;
use crate::federation::collections::{Reach, Target};
use crate::federation::counts::Counts;
use crate::federation::inquiry::Coverage;
use crate::federation::merge::Heard;
use crate::federation::question::Question;
use crate::query::Sort;
use crate::typed::What;

/// Answers that are kept.
pub const CACHE_ENTRIES_MAX: usize = 32_768;
/// What all of them may take in memory, by a careful estimate.
pub const CACHE_BYTES_MAX: usize = 32 << 20;
/// Answers older than this are asked for again.
const FRESH: Duration = Duration::from_secs(60);
/// Answers older than this are not given any more.
const AGE_MAX: Duration = Duration::from_secs(900);
/// What an entry takes beside its hits: keys, its place in the order of use, counts.
const ENTRY_BYTES: usize = 256;
/// What a hit takes in an entry.
const HIT_BYTES: usize = 64;

/// Names a question, however its words were corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(Digest);

/// Answers of peers, by question.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<CacheKey, Entry>,
    /// The keys in the order of their last use.
    uses: BTreeMap<u64, CacheKey>,
    releases: HashMap<ReleaseId, (Arc<Verified>, usize)>,
    bytes: usize,
    used: u64,
}

#[derive(Debug)]
struct Entry {
    hits: Vec<(ReleaseId, Vec<NodeId>)>,
    counts: Counts,
    coverage: Coverage,
    heads: [u8; 32],
    at: Duration,
    used: u64,
}

/// An answer that was remembered.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// What came from peers.
    pub heard: Vec<Heard>,
    /// How often the words occurred, here and there.
    pub counts: Counts,
    /// How complete it was.
    pub coverage: Coverage,
    /// How old it is.
    pub age: Duration,
    /// Whether it should be asked for again.
    pub stale: bool,
}

impl CacheKey {
    /// The key of a question to as many as `reach` says, under a version of the protocol.
    pub fn of(question: &Question, reach: Reach, version: u16) -> Self {
        let parts = question.parts();
        let words: Vec<&str> = parts.text.split_whitespace().collect();
        let sort = match parts.sort {
            Sort::Relevance => 0,
            Sort::Recent => 1,
            Sort::Small => 2,
            Sort::Popular => 3,
        };
        let mut conditions: Vec<String> = parts
            .conditions
            .iter()
            .map(|condition| {
                let (kind, value) = match &condition.what {
                    What::Phrase(text) => ("phrase", text.clone()),
                    What::Kind(text) => ("kind", text.clone()),
                    What::Tag(text) => ("tag", text.clone()),
                    What::License(text) => ("license", text.clone()),
                    What::Publisher(text) => ("publisher", text.clone()),
                    What::Size { least, most } => ("size", format!("{least} {most}")),
                };
                format!("{kind}\0{value}\0{}", condition.not)
            })
            .collect();
        conditions.sort();
        let most = reach.collections_max();
        let key = format!("{version}\0{most}\0{sort}\0{}\0{}", parts.limit, words.join(" "));
        Self(Digest::of([key, conditions.join("\0")].join("\0\0").as_bytes()))
    }
}

/// One hash over whom would be asked and what they hold.
pub fn heads(targets: &[Target]) -> [u8; 32] {
    let mut rows: Vec<[u8; 64]> = targets
        .iter()
        .map(|target| {
            let mut row = [0; 64];
            row[..32].copy_from_slice(target.node.as_bytes());
            row[32..].copy_from_slice(&target.root.unwrap_or_default());
            row
        })
        .collect();
    rows.sort_unstable();
    *Digest::of(&rows.concat()).as_bytes()
}

impl Cache {
    /// What is remembered for `key`.
    ///
    /// - `heads`: from [`heads`], over those who would be asked now.
    pub fn get(&mut self, now: Duration, key: CacheKey, heads: [u8; 32]) -> Option<Remembered> {
        let entry = self.entries.get_mut(&key)?;
        let age = now.saturating_sub(entry.at);
        if age > AGE_MAX {
            self.remove(key);
            return None;
        }
        self.used += 1;
        self.uses.remove(&entry.used);
        self.uses.insert(self.used, key);
        entry.used = self.used;
        let whole = entry.coverage.answered == entry.coverage.asked;
        let heard = entry.hits.iter().filter_map(|(id, from)| {
            let (hit, _) = self.releases.get(id)?;
            Some(Heard { hit: hit.clone(), from: from.clone() })
        });
        Some(Remembered {
            heard: heard.collect(),
            counts: entry.counts.clone(),
            coverage: entry.coverage,
            age,
            stale: age > FRESH || entry.heads != heads || !whole,
        })
    }

    /// Remembers an answer. One that nobody gave is not worth remembering.
    pub fn put(
        &mut self,
        now: Duration,
        key: CacheKey,
        heads: [u8; 32],
        heard: &[Heard],
        (counts, coverage): (Counts, Coverage),
    ) {
        if coverage.answered == 0 {
            return;
        }
        self.remove(key);
        for Heard { hit, .. } in heard {
            let (_, users) = self.releases.entry(hit.id()).or_insert_with(|| {
                self.bytes += hit.bytes();
                (hit.clone(), 0)
            });
            *users += 1;
        }
        self.used += 1;
        let hits = heard.iter().map(|heard| (heard.hit.id(), heard.from.clone())).collect();
        let entry = Entry { hits, counts, coverage, heads, at: now, used: self.used };
        self.bytes += entry.bytes();
        self.uses.insert(self.used, key);
        self.entries.insert(key, entry);
        while self.entries.len() > CACHE_ENTRIES_MAX || self.bytes > CACHE_BYTES_MAX {
            let Some((_, &oldest)) = self.uses.first_key_value() else { break };
            self.remove(oldest);
        }
    }

    /// How many answers are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn remove(&mut self, key: CacheKey) {
        let Some(entry) = self.entries.remove(&key) else { return };
        self.uses.remove(&entry.used);
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        for (id, _) in &entry.hits {
            let Some((hit, users)) = self.releases.get_mut(id) else { continue };
            *users -= 1;
            if *users == 0 {
                self.bytes = self.bytes.saturating_sub(hit.bytes());
                self.releases.remove(id);
            }
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let from = |(_, from): &(ReleaseId, Vec<NodeId>)| HIT_BYTES + 32 * from.len();
        let counts = 32 * self.counts.readings.len();
        ENTRY_BYTES + counts + self.hits.iter().map(from).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixture::{Signer, node};
    use crate::federation::merge::gather;
    use crate::federation::question::tests::about;
    use crate::typed::Condition;

    const NOW: Duration = Duration::from_secs(1000);
    const HEADS: [u8; 32] = [1; 32];

    fn question(word: &str) -> Question {
        Question::new(about(word)).unwrap()
    }

    fn of(question: &Question) -> CacheKey {
        CacheKey::of(question, Reach::All, 2)
    }

    fn key(word: &str) -> CacheKey {
        of(&question(word))
    }

    fn coverage(answered: usize) -> Coverage {
        Coverage { asked: 2, answered, ..Coverage::default() }
    }

    fn heard(names: &[&str]) -> Vec<Heard> {
        let opened = Signer::new(1).answer(names).open(&question("graph")).unwrap();
        gather(&[(node(1), opened)])
    }

    fn put(cache: &mut Cache, now: Duration, word: &str, heard: &[Heard]) {
        cache.put(now, key(word), HEADS, heard, (Counts::default(), coverage(2)));
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        let mut cache = Cache::default();
        put(&mut cache, NOW, "graph", &heard(&["graphdb"]));
        let fresh = cache.get(NOW + FRESH, key("graph"), HEADS).unwrap();
        assert_eq!((fresh.stale, fresh.age, fresh.heard.len()), (false, FRESH, 1));
        assert!(cache.get(NOW, key("graph"), [2; 32]).unwrap().stale, "peers hold something else");
        assert!(cache.get(NOW + FRESH * 2, key("graph"), HEADS).unwrap().stale);
        assert!(cache.get(NOW + AGE_MAX * 2, key("graph"), HEADS).is_none());
        assert!(cache.is_empty() && cache.releases.is_empty());
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn what_is_incomplete_is_asked_for_again_and_nothing_is_not_kept() {
        let mut cache = Cache::default();
        let counts = Counts::default;
        cache.put(NOW, key("a"), HEADS, &[], (counts(), coverage(0)));
        assert!(cache.is_empty());
        cache.put(NOW, key("a"), HEADS, &[], (counts(), coverage(1)));
        assert!(cache.get(NOW, key("a"), HEADS).unwrap().stale);
    }

    #[test]
    fn one_question_has_one_key_however_it_was_typed_or_corrected() {
        let spaced = with(|parts| parts.text = " graph   db ".to_owned());
        let tight = with(|parts| parts.text = "graph db".to_owned());
        assert_eq!(of(&spaced), of(&tight));
        let corrected = with(|parts| {
            parts.text = "graph db".to_owned();
            parts.words[0].readings[0].percent = 50;
        });
        assert_eq!(of(&corrected), of(&tight));
        let kind = |not| Condition { what: What::Kind("model".to_owned()), not };
        let others = [
            with(|parts| parts.conditions.push(kind(false))),
            with(|parts| parts.conditions.push(kind(true))),
            with(|parts| parts.limit = 5),
            with(|parts| parts.sort = Sort::Small),
            with(|_| {}),
        ];
        let mut keys: Vec<CacheKey> = others.iter().map(of).collect();
        keys.push(CacheKey::of(&others[4], Reach::All, 3));
        keys.push(CacheKey::of(&others[4], Reach::First(3), 2));
        let distinct: std::collections::HashSet<CacheKey> = keys.iter().copied().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    fn with(change: impl FnOnce(&mut crate::federation::Parts)) -> Question {
        let mut parts = about("graph");
        change(&mut parts);
        Question::new(parts).unwrap()
    }

    #[test]
    fn sixteen_thousand_small_answers_have_room() {
        let names: Vec<String> = (0..2000).map(|n| format!("graph{n}")).collect();
        let all: Vec<Heard> = names
            .chunks(20)
            .flat_map(|names| heard(&names.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        let mut cache = Cache::default();
        for number in 0..16_384_usize {
            let start = number * 7 % (all.len() - 10);
            put(&mut cache, NOW, &format!("word{number}"), &all[start..start + 10]);
        }
        assert_eq!(cache.len(), 16_384);
        assert!(cache.bytes <= CACHE_BYTES_MAX, "{}", cache.bytes);
        assert!(cache.get(NOW, key("word0"), HEADS).is_some());
    }

    #[test]
    fn what_is_used_least_goes_first_and_the_bounds_hold() {
        let mut cache = Cache::default();
        let few = heard(&["graphdb"]);
        for number in 0..CACHE_ENTRIES_MAX + 100 {
            put(&mut cache, NOW, &format!("word{number}"), &few);
            if number % 50 == 0 {
                assert!(cache.get(NOW, key("word0"), HEADS).is_some());
            }
        }
        assert_eq!(cache.len(), CACHE_ENTRIES_MAX);
        assert!(cache.get(NOW, key("word1"), HEADS).is_none());
        assert_eq!(cache.uses.len(), cache.entries.len());
        assert_eq!(cache.releases.len(), 1);
    }
}
