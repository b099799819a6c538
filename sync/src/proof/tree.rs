//! The nodes of a log's tree, and our hashes in the shape that rs_merkle takes them.

use std::ops::Range;

use catalog::Sha256Digest;
use catalog::log::{leaf_hash, node_hash, root_of};

/// The hashes of `catalog::log`, so that a leaf is never taken for an inner node.
#[derive(Clone)]
pub(super) struct LogHasher;

impl rs_merkle::Hasher for LogHasher {
    type Hash = [u8; 32];

    fn hash(body: &[u8]) -> Self::Hash {
        *leaf_hash(body).as_bytes()
    }

    /// A node without a sibling moves up as it is, which gives the split of RFC 6962.
    fn concat_and_hash(left: &Self::Hash, right: Option<&Self::Hash>) -> Self::Hash {
        let Some(right) = right else { return *left };
        let [left, right] = [left, right].map(|hash| Sha256Digest::from_bytes(*hash));
        *node_hash(&left, &right).as_bytes()
    }
}

/// The root over some leaves that stand side by side; takes as many hashes, and no memory.
pub(super) fn subtree(leaves: &[Sha256Digest], range: Range<usize>) -> Sha256Digest {
    root_of(leaves[range].iter().copied())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::leaves;
    use super::*;
    use proptest::prelude::*;
    use rs_merkle::MerkleTree;

    fn theirs(leaves: &[Sha256Digest]) -> Option<Sha256Digest> {
        let leaves: Vec<_> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
        MerkleTree::<LogHasher>::from_leaves(&leaves).root().map(Sha256Digest::from_bytes)
    }

    #[test]
    fn rs_merkle_gives_the_root_of_our_logs() {
        let all = leaves(300);
        for size in 1..=300 {
            assert_eq!(theirs(&all[..size]), Some(root_of(all[..size].iter().copied())), "{size}");
        }
        // A log without statements has a root with us and none with them.
        assert_eq!(theirs(&[]), None);
    }

    proptest! {
        #[test]
        fn rs_merkle_gives_the_root_of_any_log(
            leaves in proptest::collection::vec(any::<[u8; 32]>(), 1..900),
        ) {
            let leaves: Vec<_> = leaves.into_iter().map(Sha256Digest::from_bytes).collect();
            prop_assert_eq!(theirs(&leaves), Some(root_of(leaves.iter().copied())));
        }
    }
}
