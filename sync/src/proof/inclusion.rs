//! Inclusion: these statements stand at these positions of the log that a head vouches for.
//!
//! rs_merkle does the arithmetic of checking. Its verifier alone accepts a forged leaf at a
//! repeated index, a wrong number of leaves, hashes that nobody asked for and positions in any
//! order; [`Inclusion::verify`] refuses all of that before it asks.
//!
//! The hashes of a proof come from `catalog::log` instead of from a tree of rs_merkle, which would
//! take 192 bytes for each leaf of the log and gives the same ones.

use catalog::{Head, Sha256Digest};
use rs_merkle::MerkleProof;

use super::tree::{LogHasher, subtree};

/// The hashes that lead from some leaves to the root: level by level from the leaves up, each
/// level from left to right. For a single leaf this is the audit path of RFC 6962.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    hashes: Vec<Sha256Digest>,
}

/// Why an inclusion cannot be proved, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InclusionError {
    /// It is about no position.
    #[error("it proves nothing: no position is named")]
    Empty,
    /// The positions are not ascending, or one is there twice.
    #[error("position {position} is out of order, or there twice")]
    Order {
        /// The first that is.
        position: u64,
    },
    /// A position lies behind the end of the log.
    #[error("position {position} is beyond the {size} statements of the head")]
    Beyond {
        /// The position.
        position: u64,
        /// How many statements the head vouches for.
        size: u64,
    },
    /// More or fewer hashes than the positions need.
    #[error("{found} hashes where {expected} are needed")]
    Length {
        /// How many a proof of these positions has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// More leaves than this machine can count.
    #[error("a log of {size} statements is too long for this machine")]
    TooLong {
        /// How many there are.
        size: u64,
    },
    /// The leaves and the hashes do not give the root of the head.
    #[error("it does not lead to the root of the head")]
    Root,
}

impl Inclusion {
    /// Proves what stands at `positions`.
    ///
    /// - `leaves`: the leaf hashes of everything that the head vouches for, in log order.
    /// - `positions`: ascending, each once; at least one.
    /// - cost: at most one hash for each leaf of the log, whatever the number of positions.
    ///
    /// # Errors
    /// [`InclusionError`] when the positions are not as they have to be.
    pub fn prove(leaves: &[Sha256Digest], positions: &[u64]) -> Result<Self, InclusionError> {
        check_positions(positions, leaves.len() as u64)?;
        let node = |(level, index): (u32, u64)| {
            // Both ends are positions of `leaves` or its length, so they fit.
            let end = leaves.len().min(((index + 1) << level) as usize);
            subtree(leaves, (index << level) as usize..end)
        };
        let hashes = neighbours(positions, leaves.len() as u64).into_iter().map(node).collect();
        Ok(Self { hashes })
    }

    /// Takes hashes as they came; only [`verify`](Self::verify) says whether they prove something.
    pub fn from_hashes(hashes: Vec<Sha256Digest>) -> Self {
        Self { hashes }
    }

    /// The hashes, in order.
    pub fn hashes(&self) -> &[Sha256Digest] {
        &self.hashes
    }

    /// Checks that each of `leaves` stands at its position in the log of `head`.
    ///
    /// - `head`: as it was opened, so that its size and root are signed.
    /// - `leaves`: positions ascending, each once, with the leaf hashes there; at least one.
    ///
    /// # Errors
    /// [`InclusionError`] says what is wrong; whoever made the proof can cause any of them.
    pub fn verify(
        &self,
        head: &Head,
        leaves: &[(u64, Sha256Digest)],
    ) -> Result<(), InclusionError> {
        let (positions, hashes): (Vec<u64>, Vec<[u8; 32]>) =
            leaves.iter().map(|(position, leaf)| (*position, *leaf.as_bytes())).unzip();
        check_positions(&positions, head.size)?;
        let expected = neighbours(&positions, head.size).len();
        if self.hashes.len() != expected {
            return Err(InclusionError::Length { expected, found: self.hashes.len() });
        }
        let size =
            usize::try_from(head.size).map_err(|_| InclusionError::TooLong { size: head.size })?;
        // Smaller than the size, so they fit as well.
        let positions: Vec<usize> = positions.into_iter().map(|at| at as usize).collect();
        let path = self.hashes.iter().map(|hash| *hash.as_bytes()).collect();
        let proof = MerkleProof::<LogHasher>::new(path);
        match proof.verify(*head.root.as_bytes(), &positions, &hashes, size) {
            true => Ok(()),
            false => Err(InclusionError::Root),
        }
    }
}

fn check_positions(positions: &[u64], size: u64) -> Result<(), InclusionError> {
    let Some(&last) = positions.last() else { return Err(InclusionError::Empty) };
    if let Some(pair) = positions.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(InclusionError::Order { position: pair[1] });
    }
    if last >= size {
        return Err(InclusionError::Beyond { position: last, size });
    }
    Ok(())
}

/// The nodes that have to be known beside the leaves at `positions`, as level and index.
fn neighbours(positions: &[u64], size: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let (mut nodes, mut width, mut level) = (positions.to_vec(), size, 0);
    while width > 1 {
        for (at, &node) in nodes.iter().enumerate() {
            let sibling = node ^ 1;
            let before = at.checked_sub(1).map(|before| nodes[before]);
            let known = [before, nodes.get(at + 1).copied()].contains(&Some(sibling));
            if sibling < width && !known {
                found.push((level, sibling));
            }
        }
        nodes.iter_mut().for_each(|node| *node /= 2);
        nodes.dedup();
        (width, level) = (width.div_ceil(2), level + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{hashes, head, leaves, published};
    use super::*;
    use proptest::prelude::*;
    use rs_merkle::MerkleTree;

    fn tree(leaves: &[Sha256Digest]) -> MerkleTree<LogHasher> {
        let leaves: Vec<_> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
        MerkleTree::from_leaves(&leaves)
    }

    /// What rs_merkle itself would prove.
    fn theirs(tree: &MerkleTree<LogHasher>, positions: &[u64]) -> Vec<Sha256Digest> {
        let positions: Vec<_> = positions.iter().map(|&at| at as usize).collect();
        let proof = tree.proof(&positions);
        proof.proof_hashes().iter().map(|hash| Sha256Digest::from_bytes(*hash)).collect()
    }

    #[test]
    fn audit_paths_are_those_of_certificate_transparency() {
        let all = published();
        let paths: [(u64, usize, &[&str]); 5] = [
            (0, 1, &[]),
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (position, size, path) in paths {
            let proof = Inclusion::prove(&all[..size], &[position]).unwrap();
            assert_eq!(proof.hashes(), hashes(path), "{position} of {size}");
            proof.verify(&head(&all[..size]), &[(position, all[position as usize])]).unwrap();
        }
    }

    #[test]
    fn every_position_of_every_small_log_is_proved_as_rs_merkle_would() {
        let all = leaves(40);
        for size in 1..=all.len() {
            let (leaves, head, tree) = (&all[..size], head(&all[..size]), tree(&all[..size]));
            for position in 0..size as u64 {
                let proof = Inclusion::prove(leaves, &[position]).unwrap();
                assert_eq!(proof.hashes(), theirs(&tree, &[position]), "{position} of {size}");
                proof.verify(&head, &[(position, leaves[position as usize])]).unwrap();
            }
        }
    }

    #[test]
    fn the_ends_and_the_middle_of_every_log_up_to_300_are_proved() {
        let all = leaves(300);
        for size in 1..=all.len() {
            let (leaves, head, tree) = (&all[..size], head(&all[..size]), tree(&all[..size]));
            for position in [0, size as u64 / 2, size as u64 - 1] {
                let proof = Inclusion::prove(leaves, &[position]).unwrap();
                assert_eq!(proof.hashes(), theirs(&tree, &[position]), "{position} of {size}");
                proof.verify(&head, &[(position, leaves[position as usize])]).unwrap();
                let false_leaf = [(position, all[299 - position as usize])];
                let honest = position == 299 - position;
                assert_eq!(proof.verify(&head, &false_leaf).is_ok(), honest && size == 300);
            }
        }
    }

    #[test]
    fn a_proof_against_the_head_before_does_not_hold() {
        let all = leaves(20);
        for size in 2..=all.len() {
            let proof = Inclusion::prove(&all[..size], &[1]).unwrap();
            let old = head(&all[..size - 1]);
            let found = proof.verify(&old, &[(1, all[1])]);
            // A single leaf has nothing to be proved with.
            assert!(found.is_err(), "{size}");
        }
    }

    #[test]
    fn no_other_position_and_no_changed_hash_passes() {
        let all = leaves(13);
        let head = head(&all);
        for position in 0..13 {
            let leaf = all[position as usize];
            let proof = Inclusion::prove(&all, &[position]).unwrap();
            for other in (0..20).filter(|&other| other != position) {
                proof.verify(&head, &[(other, leaf)]).unwrap_err();
            }
            for at in 0..proof.hashes().len() {
                let mut hashes = proof.hashes().to_vec();
                hashes[at] = leaf;
                let forged = Inclusion::from_hashes(hashes).verify(&head, &[(position, leaf)]);
                assert_eq!(forged, Err(InclusionError::Root));
            }
        }
    }

    proptest! {
        #[test]
        fn any_positions_are_proved_as_rs_merkle_would(
            size in 1usize..400,
            picks in proptest::collection::btree_set(any::<u16>(), 1..20),
        ) {
            let leaves = leaves(size);
            let picks: std::collections::BTreeSet<_> =
                picks.into_iter().map(|pick| u64::from(pick) % size as u64).collect();
            let positions: Vec<_> = picks.into_iter().collect();
            let proof = Inclusion::prove(&leaves, &positions).unwrap();
            prop_assert_eq!(proof.hashes(), theirs(&tree(&leaves), &positions));
            let proved: Vec<_> =
                positions.iter().map(|&at| (at, leaves[at as usize])).collect();
            prop_assert_eq!(proof.verify(&head(&leaves), &proved), Ok(()));
        }
    }

    /// Numbers for the record: `cargo test --release -p catalog-sync --lib million -- --ignored`.
    #[test]
    #[ignore = "measures, takes a while without optimisation"]
    fn a_log_of_a_million_leaves_is_proved_in_the_memory_of_its_leaves() {
        let all = leaves(1_000_000);
        let started = std::time::Instant::now();
        let proof = Inclusion::prove(&all, &[123_456]).unwrap();
        let made = started.elapsed();
        let head = head(&all);
        let started = std::time::Instant::now();
        proof.verify(&head, &[(123_456, all[123_456])]).unwrap();
        let verified = started.elapsed();
        let bytes = proof.hashes().len() * 32;
        eprintln!("made in {made:?}, verified in {verified:?}, {bytes} bytes");
    }
}
