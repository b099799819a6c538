//! Which units are asked for soon after one another, so that the next one can be there already.
//!
//! Known on this mirror alone and never written down or said: pairs would tell who installs what.
//! Clients are told apart by short hashes under a key that is made anew at every start.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::{Digest, Timestamp};

/// What is asked for so soon after something else belongs to it.
const SOON: Duration = Duration::from_secs(10 * 60);
/// Requests that are remembered for that long, at most.
const RECENT_MAX: usize = 1024;
/// Units that have companions, at most; the one with the fewest requests makes room.
const UNITS_MAX: usize = 1024;
/// Companions of a unit, at most.
const COMPANIONS_MAX: usize = 8;
/// So many requests make a companion, of more than one client.
const REQUESTS_MIN: u16 = 3;

/// What is asked for together.
#[derive(Clone, Debug)]
pub struct Companions {
    salt: [u8; 32],
    recent: VecDeque<(Timestamp, u64, Digest)>,
    units: BTreeMap<Digest, Vec<Companion>>,
}

#[derive(Clone, Debug)]
struct Companion {
    root: Digest,
    requests: u16,
    first: u64,
    several: bool,
}

impl Companions {
    /// Nothing was asked for.
    ///
    /// - `salt`: drawn at each start.
    pub fn new(salt: [u8; 32]) -> Self {
        Self { salt, recent: VecDeque::new(), units: BTreeMap::new() }
    }

    /// Notes that `client` asked for `root`.
    pub fn note(&mut self, now: Timestamp, root: &Digest, client: &NodeId) {
        let hash = Digest::keyed(&self.salt, client.as_bytes());
        let (eight, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        let client = u64::from_be_bytes(*eight);
        while self.recent.front().is_some_and(|(at, ..)| now.since(*at) > SOON) {
            self.recent.pop_front();
        }
        let own = self.recent.iter().rev().filter(|(_, who, _)| *who == client);
        let earlier: Vec<Digest> = own.map(|(_, _, before)| *before).collect();
        if earlier.contains(root) {
            return;
        }
        for before in earlier.into_iter().take(COMPANIONS_MAX) {
            self.pair(before, *root, client);
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((now, client, *root));
    }

    fn pair(&mut self, before: Digest, root: Digest, client: u64) {
        if !self.units.contains_key(&before) && self.units.len() >= UNITS_MAX {
            let requests =
                |all: &Vec<Companion>| all.iter().map(|one| u32::from(one.requests)).sum();
            let least = self.units.iter().min_by_key(|(_, all)| -> u32 { requests(all) });
            if let Some(least) = least.map(|(root, _)| *root) {
                self.units.remove(&least);
            }
        }
        let all = self.units.entry(before).or_default();
        match all.iter_mut().find(|one| one.root == root) {
            Some(one) => {
                one.requests += 1;
                one.several |= one.first != client;
            }
            None => {
                if all.len() >= COMPANIONS_MAX {
                    // The last: they are kept in order below.
                    all.pop();
                }
                all.push(Companion { root, requests: 1, first: client, several: false });
            }
        }
        if all.iter().any(|one| one.requests == u16::MAX) {
            all.iter_mut().for_each(|one| one.requests /= 2);
        }
        all.sort_by_key(|one| (Reverse(one.requests), one.root));
    }

    /// What is usually asked for after `root`, the most usual first.
    pub fn after(&self, root: &Digest) -> impl Iterator<Item = Digest> {
        let all = self.units.get(root).into_iter().flatten();
        all.filter(|one| one.several && one.requests >= REQUESTS_MIN).map(|one| one.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_millis(minutes * 60 * 1000)
    }

    fn root(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn client(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn what_several_clients_ask_for_in_turn_belongs_together() {
        let mut companions = Companions::new([1; 32]);
        for n in 0..4 {
            companions.note(at(u64::from(n) * 100), &root(1), &client(n));
            companions.note(at(u64::from(n) * 100 + 5), &root(2), &client(n));
            companions.note(at(u64::from(n) * 100 + 30), &root(3), &client(n));
            // The same client, over and over.
            companions.note(at(u64::from(n) * 100 + 50), &root(8), &client(99));
            companions.note(at(u64::from(n) * 100 + 51), &root(9), &client(99));
        }
        assert_eq!(companions.after(&root(1)).collect::<Vec<_>>(), [root(2)]);
        for none in [2, 3, 8, 9] {
            assert_eq!(companions.after(&root(none)).count(), 0, "{none}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut companions = Companions::new([1; 32]);
        for n in 0..3000 {
            companions.note(at(n / 1000), &root(n as u32), &client((n % 7) as u8));
        }
        assert!(companions.recent.len() <= RECENT_MAX && companions.units.len() <= UNITS_MAX);
        assert!(companions.units.values().all(|all| all.len() <= COMPANIONS_MAX));
    }
}
