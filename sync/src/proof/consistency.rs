//! Consistency: one head's log is the beginning of another's, so nothing was taken back.
//!
//! rs_merkle has no such proofs, so this is the algorithm of the RFCs over the same hashes.

use std::ops::Range;

use catalog::log::{node_hash, root_of};
use catalog::{Head, Sha256Digest};

use super::tree::subtree;

/// The hashes from which both roots follow, as RFC 6962 section 2.1.2 orders them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    hashes: Vec<Sha256Digest>,
}

/// Why a consistency cannot be proved, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// The heads are of different logs.
    #[error("the heads are of different logs")]
    OtherLog,
    /// The head that is said to be newer is shorter.
    #[error("a log of {old} statements cannot shrink to {new}")]
    Shrunk {
        /// The size of the older head.
        old: u64,
        /// The size of the one that should follow it.
        new: u64,
    },
    /// More or fewer hashes than the sizes need.
    #[error("the proof has too many or too few hashes")]
    Length,
    /// The hashes do not give the root of the older head.
    #[error("it does not lead to the root of the older head")]
    OldRoot,
    /// The hashes do not give the root of the newer head: the log was forked.
    #[error("it does not lead to the root of the newer head")]
    NewRoot,
}

impl Consistency {
    /// Proves that a log grew from its first `old` statements to what it is.
    ///
    /// - `leaves`: the leaf hashes of everything that the newer head vouches for, in log order.
    /// - cost: at most one hash for each leaf of the log.
    ///
    /// # Errors
    /// [`ConsistencyError::Shrunk`] when there are fewer than `old` leaves.
    pub fn prove(leaves: &[Sha256Digest], old: u64) -> Result<Self, ConsistencyError> {
        let shrunk = ConsistencyError::Shrunk { old, new: leaves.len() as u64 };
        let old = usize::try_from(old).ok().filter(|&old| old <= leaves.len()).ok_or(shrunk)?;
        let mut ranges = Vec::new();
        if old > 0 {
            needed(old, 0..leaves.len(), true, &mut ranges);
        }
        Ok(Self { hashes: ranges.into_iter().map(|range| subtree(leaves, range)).collect() })
    }

    /// Takes hashes as they came; only [`verify`](Self::verify) says whether they prove something.
    pub fn from_hashes(hashes: Vec<Sha256Digest>) -> Self {
        Self { hashes }
    }

    /// The hashes, in order.
    pub fn hashes(&self) -> &[Sha256Digest] {
        &self.hashes
    }

    /// Checks that the log of `old` is the beginning of the log of `new`.
    ///
    /// - `old`, `new`: as they were opened, so that their sizes and roots are signed.
    ///
    /// # Errors
    /// [`ConsistencyError`] says what is wrong. That a proof fails is no proof of a fork: whoever
    /// made it may have made it badly.
    pub fn verify(&self, old: &Head, new: &Head) -> Result<(), ConsistencyError> {
        if (old.publisher, old.key) != (new.publisher, new.key) {
            return Err(ConsistencyError::OtherLog);
        }
        if old.size > new.size {
            return Err(ConsistencyError::Shrunk { old: old.size, new: new.size });
        }
        let (first, second) = match old.size {
            0 => (root_of([]), new.root),
            size if size == new.size => (new.root, new.root),
            _ => self.roots(old, new)?,
        };
        if !self.hashes.is_empty() && (old.size == 0 || old.size == new.size) {
            return Err(ConsistencyError::Length);
        }
        if first != old.root {
            return Err(ConsistencyError::OldRoot);
        }
        if second != new.root {
            return Err(ConsistencyError::NewRoot);
        }
        Ok(())
    }

    /// Both roots as they follow from the hashes, for 0 < `old.size` < `new.size`.
    fn roots(
        &self,
        old: &Head,
        new: &Head,
    ) -> Result<(Sha256Digest, Sha256Digest), ConsistencyError> {
        // A complete subtree is its own starting point, and left out.
        let start = old.size.is_power_of_two().then_some(old.root);
        let mut hashes = start.into_iter().chain(self.hashes.iter().copied());
        let Some(start) = hashes.next() else { return Err(ConsistencyError::Length) };
        let (mut first, mut second) = (start, start);
        // The last leaf of each tree, on the way up.
        let (mut left, mut right) = (old.size - 1, new.size - 1);
        let shift = left.trailing_ones();
        (left, right) = (left >> shift, right >> shift);
        for hash in hashes {
            if right == 0 {
                return Err(ConsistencyError::Length);
            }
            if left & 1 == 1 || left == right {
                first = node_hash(&hash, &first);
                second = node_hash(&hash, &second);
                if left & 1 == 0 {
                    // To the next level where this node has a left sibling; none is left at zero.
                    let shift = if left == 0 { u64::BITS - 1 } else { left.trailing_zeros() };
                    (left, right) = (left >> shift, right >> shift);
                }
            } else {
                second = node_hash(&second, &hash);
            }
            (left, right) = (left >> 1, right >> 1);
        }
        if right == 0 { Ok((first, second)) } else { Err(ConsistencyError::Length) }
    }
}

/// The subtrees of `within` that prove its first `old` leaves: `SUBPROOF` of RFC 6962.
///
/// - `known`: whether the root of those leaves is the older head's, which the reader has.
fn needed(old: usize, within: Range<usize>, known: bool, found: &mut Vec<Range<usize>>) {
    if old == within.len() {
        if !known {
            found.push(within);
        }
        return;
    }
    let middle = within.start + within.len().next_power_of_two() / 2;
    let (left, right) = (within.start..middle, middle..within.end);
    if old <= left.len() {
        needed(old, left, known, found);
        found.push(right);
    } else {
        needed(old - left.len(), right, false, found);
        found.push(left);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{hashes, head, leaves, published};
    use super::*;

    #[test]
    fn proofs_are_those_of_certificate_transparency() {
        let all = published();
        let proofs: [(u64, usize, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (old, new, path) in proofs {
            let proof = Consistency::prove(&all[..new], old).unwrap();
            assert_eq!(proof.hashes(), hashes(path), "{old} to {new}");
            proof.verify(&head(&all[..old as usize]), &head(&all[..new])).unwrap();
        }
    }

    #[test]
    fn every_log_is_the_beginning_of_every_longer_one() {
        let all = leaves(70);
        for new in 0..=all.len() {
            for old in 0..=new {
                let proof = Consistency::prove(&all[..new], old as u64).unwrap();
                let heads = [head(&all[..old]), head(&all[..new])];
                assert_eq!(proof.verify(&heads[0], &heads[1]), Ok(()), "{old} to {new}");
            }
        }
    }

    /// A fork is another log: nothing that can be said makes it a continuation.
    #[test]
    fn a_forked_log_is_never_consistent() {
        let all = leaves(40);
        for new in 2..=all.len() {
            for old in 1..new {
                let mut forked = all[..new].to_vec();
                forked[old - 1] = all[39];
                if old == 40 {
                    continue;
                }
                let (old, new) = (head(&all[..old]), head(&forked));
                for made_over in [&forked[..], &all[..forked.len()]] {
                    let proof = Consistency::prove(made_over, old.size).unwrap();
                    proof.verify(&old, &new).unwrap_err();
                }
            }
        }
    }

    #[test]
    fn a_proof_has_exactly_the_hashes_that_it_needs() {
        let all = leaves(33);
        for new in 1..=all.len() {
            for old in 0..=new {
                let proof = Consistency::prove(&all[..new], old as u64).unwrap();
                let heads = [head(&all[..old]), head(&all[..new])];
                let check = |hashes: &[Sha256Digest]| {
                    Consistency::from_hashes(hashes.to_vec()).verify(&heads[0], &heads[1])
                };
                for cut in 0..proof.hashes().len() {
                    check(&proof.hashes()[..cut]).unwrap_err();
                }
                let longer = [proof.hashes(), &[all[0]]].concat();
                assert_eq!(check(&longer), Err(ConsistencyError::Length), "{old} to {new}");
            }
        }
    }

    #[test]
    fn no_changed_hash_passes() {
        let all = leaves(29);
        for old in 1..29 {
            let proof = Consistency::prove(&all, old).unwrap();
            let heads = [head(&all[..old as usize]), head(&all)];
            for at in 0..proof.hashes().len() {
                let mut hashes = proof.hashes().to_vec();
                hashes[at] = head(&all[..7]).root;
                if hashes[at] != proof.hashes()[at] {
                    Consistency::from_hashes(hashes).verify(&heads[0], &heads[1]).unwrap_err();
                }
            }
        }
    }

    #[test]
    fn a_shorter_head_or_one_of_another_log_does_not_follow() {
        let all = leaves(9);
        let (old, new) = (head(&all[..4]), head(&all));
        let proof = Consistency::prove(&all, 4).unwrap();
        assert_eq!(proof.verify(&new, &old), Err(ConsistencyError::Shrunk { old: 9, new: 4 }));
        let key = catalog::SecretKey::from_bytes(&[2; 32]).public();
        let other = Head { key, ..new.clone() };
        assert_eq!(proof.verify(&old, &other), Err(ConsistencyError::OtherLog));
        let forked = Head { root: all[0], ..old.clone() };
        let nothing = Consistency::prove(&all[..4], 4).unwrap();
        assert_eq!(nothing.verify(&forked, &old), Err(ConsistencyError::OldRoot));
        assert!(Consistency::prove(&all, 10).is_err());
    }
}
