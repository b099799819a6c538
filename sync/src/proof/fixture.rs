//! Logs that the tests of proofs share; the same on every run.

use catalog::log::{leaf_hash, root_of};
use catalog::{Digest, Head, PublisherId, SecretKey, Sha256Digest};

/// The leaf hashes of a log with this many statements.
pub(super) fn leaves(count: usize) -> Vec<Sha256Digest> {
    (0..count as u64).map(|seq| leaf_hash(&seq.to_be_bytes())).collect()
}

/// What an opened head over these leaves says.
pub(super) fn head(leaves: &[Sha256Digest]) -> Head {
    Head {
        publisher: PublisherId::from_digest(Digest::of(b"acme")),
        key: SecretKey::from_bytes(&[1; 32]).public(),
        size: leaves.len() as u64,
        root: root_of(leaves.iter().copied()),
    }
}

/// The leaves that Certificate Transparency tests its trees with.
pub(super) fn published() -> Vec<Sha256Digest> {
    let bodies = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    bodies.iter().map(|body| leaf_hash(&hex::decode(body).unwrap())).collect()
}

pub(super) fn hashes(hex: &[&str]) -> Vec<Sha256Digest> {
    hex.iter().map(|hash| hash.parse().unwrap()).collect()
}
