//! Names what catalogs are compared by: one id for each position of a log and each signed head.
//!
//! An id follows from what it names and from nothing else, so that two nodes find out what they
//! lack of each other by comparing ids alone. A statement and the bare hash of the same statement
//! have one id: who may read it and who may not still hold equal sets.
//!
//! Guarantees: ids are BLAKE3 hashes, hence spread evenly, and a head never passes for a leaf.
//! Not here: which ids a store holds ([`store`](crate::store)) and how sets are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Sha256Digest};
use crate::store::LogId;

/// What the ids of log positions are derived under.
const LEAF_CONTEXT: &str = "catalog 2026-11 sync leaf v1";

/// What the ids of signed heads are derived under.
const HEAD_CONTEXT: &str = "catalog 2026-11 sync head v1";

/// The id of one thing that nodes keep equal: a position of a log, or a signed head.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId([u8; 32]);

impl ItemId {
    /// The id of what stands at position `seq` of `log`: the statement whose leaf hash is `leaf`.
    pub fn of_leaf(log: &LogId, seq: u64, leaf: &Sha256Digest) -> Self {
        Self::derived(LEAF_CONTEXT, log, seq, leaf)
    }

    /// The id of the head that signs the first `size` statements of `log` under `root`.
    ///
    /// Who else signed the head does not matter.
    pub fn of_head(log: &LogId, size: u64, root: &Sha256Digest) -> Self {
        Self::derived(HEAD_CONTEXT, log, size, root)
    }

    fn derived(context: &str, log: &LogId, number: u64, hash: &Sha256Digest) -> Self {
        let LogId { publisher, key } = log;
        let mut bytes = [0; 104];
        bytes[..32].copy_from_slice(publisher.as_bytes());
        bytes[32..64].copy_from_slice(key.as_bytes());
        bytes[64..72].copy_from_slice(&number.to_be_bytes());
        bytes[72..].copy_from_slice(hash.as_bytes());
        Self(*Digest::derived(context, &bytes).as_bytes())
    }

    /// Wraps an id that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({})", hex::encode(&self.0[..5]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PublisherId;
    use crate::signature::SecretKey;

    fn log() -> LogId {
        let publisher = PublisherId::from_digest(Digest::from_bytes([0xaa; 32]));
        LogId { publisher, key: SecretKey::from_bytes(&[1; 32]).public() }
    }

    /// Every node derives these alone: another id for the same thing would never stop differing.
    #[test]
    fn the_ids_of_a_leaf_and_of_a_head_are_golden() {
        let hash = Sha256Digest::from_bytes([0xbb; 32]);
        let leaf = ItemId::of_leaf(&log(), 0x0102, &hash);
        let head = ItemId::of_head(&log(), 0x0102, &hash);
        assert_eq!(
            hex::encode(leaf.as_bytes()),
            "c051f794d14eb7ac2846b233a2c092070ea4081c5ae19a8109a670e6cae2996a"
        );
        assert_eq!(
            hex::encode(head.as_bytes()),
            "acba525cbb82d32a3009ccd609b948f48c42c719e79b8681a571a5d76c040ef0"
        );
        assert_eq!(format!("{leaf:?}").len(), "ItemId(0123456789)".len());
    }

    #[test]
    fn every_part_of_what_is_named_changes_the_id() {
        let (a, b) = (Sha256Digest::from_bytes([1; 32]), Sha256Digest::from_bytes([2; 32]));
        let other_key = LogId { key: SecretKey::from_bytes(&[2; 32]).public(), ..log() };
        let publisher = PublisherId::from_digest(Digest::from_bytes([0xab; 32]));
        let other_publisher = LogId { publisher, ..log() };
        let ids = [
            ItemId::of_leaf(&log(), 1, &a),
            ItemId::of_leaf(&log(), 2, &a),
            ItemId::of_leaf(&log(), 1, &b),
            ItemId::of_leaf(&other_key, 1, &a),
            ItemId::of_leaf(&other_publisher, 1, &a),
            ItemId::of_head(&log(), 1, &a),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{at}");
        }
    }
}
