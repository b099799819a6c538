//! The append-only Merkle tree over one signing key's statements, as RFC 6962 section 2.1 has it.
//!
//! A [`LogTree`] keeps only the roots of the complete subtrees (at most 64 hashes), which is all
//! that appending and signing a head need. The leaves stay in the store.
//!
//! Guarantees: equal statements in equal order give equal roots, and a leaf is never mistaken for
//! an inner node. Not here: signing a root ([`head`](crate::head)).

use crate::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};

/// The first byte of the stored form.
const FORMAT: u8 = 1;

/// The most leaves a log may have; far from where counting would overflow.
pub(crate) const LEAVES_MAX: u64 = 1 << 48;

/// The hash of a statement as a leaf: SHA-256 of a zero byte and the statement's body.
pub fn leaf_hash(body: &[u8]) -> Sha256Digest {
    finish(Sha256::new().chain_update([0]).chain_update(body))
}

/// The hash of two neighbours as one node: SHA-256 of a one byte and both.
pub fn node_hash(left: &Sha256Digest, right: &Sha256Digest) -> Sha256Digest {
    let inner = Sha256::new().chain_update([1]);
    finish(inner.chain_update(left.as_bytes()).chain_update(right.as_bytes()))
}

fn finish(hash: Sha256) -> Sha256Digest {
    Sha256Digest::from_bytes(hash.finalize().into())
}

/// Returns the root over `leaves`, which are [`leaf_hash`]es in log order.
pub fn root_of(leaves: impl IntoIterator<Item = Sha256Digest>) -> Sha256Digest {
    let mut tree = LogTree::new();
    leaves.into_iter().for_each(|leaf| tree.append(leaf));
    tree.root()
}

/// The right edge of a log's Merkle tree: enough to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTree {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each bit that is set in `size`.
    peaks: Vec<Sha256Digest>,
}

/// Stored bytes that are not the right edge of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogTreeError {
    /// A format that is newer than this program, or no format at all.
    #[error("log tree format {found:?} is not known to this version")]
    Format {
        /// The first byte, if there is one.
        found: Option<u8>,
    },
    /// Not as many bytes as a tree of this size has.
    #[error("a log tree with {bytes} bytes does not match its size")]
    Length {
        /// The length found.
        bytes: usize,
    },
}

impl LogTree {
    /// A log without statements.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf, which is a [`leaf_hash`]. Takes one hash on average, 64 at most.
    pub fn append(&mut self, leaf: Sha256Digest) {
        let mut subtree = leaf;
        // Every one at the end of `size` is a complete subtree as large as what we carry.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each bit of the size");
            subtree = node_hash(&left, &subtree);
        }
        self.peaks.push(subtree);
        self.size += 1;
    }

    /// The root; without leaves it is the hash of nothing.
    pub fn root(&self) -> Sha256Digest {
        let right_to_left = self.peaks.iter().rev().copied();
        let root = right_to_left.reduce(|right, left| node_hash(&left, &right));
        root.unwrap_or_else(|| finish(Sha256::new()))
    }

    /// Returns the form to store: the format (1 byte), the size (8 bytes, big-endian), then 32
    /// bytes for each complete subtree, largest first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9 + 32 * self.peaks.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak.as_bytes()));
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`LogTreeError`] when the bytes cannot be the edge of any tree.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogTreeError> {
        let Some((&FORMAT, rest)) = bytes.split_first() else {
            return Err(LogTreeError::Format { found: bytes.first().copied() });
        };
        let length = LogTreeError::Length { bytes: bytes.len() };
        let Some((size, peaks)) = rest.split_first_chunk() else { return Err(length) };
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = peaks.as_chunks();
        if size > LEAVES_MAX || !rest.is_empty() || peaks.len() != size.count_ones() as usize {
            return Err(length);
        }
        Ok(Self { size, peaks: peaks.iter().map(|peak| Sha256Digest::from_bytes(*peak)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The leaves that Certificate Transparency tests its trees with.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];

    /// The root over the first leaf, the first two leaves, and so on.
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn leaves(count: usize) -> impl Iterator<Item = Sha256Digest> {
        LEAVES[..count].iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()))
    }

    /// RFC 6962 section 2.1 as it is written there, without any cleverness.
    fn by_definition(leaves: &[Sha256Digest]) -> Sha256Digest {
        match leaves {
            [] => finish(Sha256::new()),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let mut tree = LogTree::new();
        assert_eq!(tree.root().to_string(), EMPTY);
        for (leaf, root) in leaves(8).zip(ROOTS) {
            tree.append(leaf);
            assert_eq!(tree.root().to_string(), root, "{} leaves", tree.size());
            assert_eq!(root_of(leaves(tree.size() as usize)), tree.root());
        }
    }

    #[test]
    fn a_stored_tree_has_these_bytes() {
        let mut tree = LogTree::new();
        leaves(3).for_each(|leaf| tree.append(leaf));
        let bytes = [
            "01",
            "0000000000000003",
            ROOTS[1],
            "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        ];
        assert_eq!(hex::encode(tree.encode()), bytes.concat());
    }

    #[test]
    fn stored_bytes_that_fit_no_tree_are_refused() {
        let mut tree = LogTree::new();
        leaves(3).for_each(|leaf| tree.append(leaf));
        let bytes = tree.encode();
        for length in 0..bytes.len() {
            assert!(LogTree::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(LogTree::decode(&[&bytes[..], &[0]].concat()).is_err());
        let format = |byte: u8| LogTree::decode(&[&[byte], &bytes[1..]].concat());
        assert_eq!(format(2), Err(LogTreeError::Format { found: Some(2) }));
        let mut huge = bytes.clone();
        huge[1] = 0xff;
        assert!(LogTree::decode(&huge).is_err());
    }

    proptest! {
        #[test]
        fn appending_gives_the_root_of_the_definition(
            leaves in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
            stored_at in 0usize..70,
        ) {
            let leaves: Vec<_> = leaves.into_iter().map(Sha256Digest::from_bytes).collect();
            let mut tree = LogTree::new();
            for (at, leaf) in leaves.iter().enumerate() {
                if at == stored_at {
                    tree = LogTree::decode(&tree.encode()).unwrap();
                }
                tree.append(*leaf);
            }
            prop_assert_eq!(tree.root(), by_definition(&leaves));
            prop_assert_eq!(tree.size(), leaves.len() as u64);
        }
    }
}
