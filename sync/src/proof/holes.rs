//! What rs_merkle's verifier lets through, and that ours does not. The first half of each test is
//! the control: it shows that the hole is there, so that the guard is not for nothing.

use catalog::Sha256Digest;
use catalog::log::node_hash;
use rs_merkle::{MerkleProof, MerkleTree};

use super::fixture::{head, leaves};
use super::inclusion::{Inclusion, InclusionError};
use super::tree::LogHasher;

const FAKE: Sha256Digest = Sha256Digest::from_bytes([0xee; 32]);

/// rs_merkle's verdict on the same question, without any guard.
fn bare(
    proof: &Inclusion,
    root: &Sha256Digest,
    size: usize,
    leaves: &[(u64, Sha256Digest)],
) -> bool {
    let hashes = proof.hashes().iter().map(|hash| *hash.as_bytes()).collect();
    let (positions, leaves): (Vec<usize>, Vec<[u8; 32]>) =
        leaves.iter().map(|(at, leaf)| (*at as usize, *leaf.as_bytes())).unzip();
    MerkleProof::<LogHasher>::new(hashes).verify(*root.as_bytes(), &positions, &leaves, size)
}

#[test]
fn a_repeated_position_cannot_smuggle_a_leaf_in() {
    let all = leaves(100);
    let head = head(&all);
    let proof = Inclusion::prove(&all, &[0, 1]).unwrap();
    let forged = [(0, all[0]), (1, all[1]), (1, FAKE)];
    assert!(bare(&proof, &head.root, 100, &forged), "the control");
    assert_eq!(proof.verify(&head, &forged), Err(InclusionError::Order { position: 1 }));
}

#[test]
fn the_number_of_leaves_comes_from_the_head() {
    let all = leaves(100);
    let mut head = head(&all);
    let proof = Inclusion::prove(&all, &[7]).unwrap();
    assert!(bare(&proof, &head.root, 128, &[(7, all[7])]), "the control");
    assert_eq!(proof.verify(&head, &[(7, all[7])]), Ok(()));
    // Position 99 has a shorter path, so that a wrong size is noticed by the length alone.
    head.size = 128;
    let proof = Inclusion::prove(&all, &[99]).unwrap();
    assert!(matches!(proof.verify(&head, &[(99, all[99])]), Err(InclusionError::Length { .. })));
    // Whatever size a head claims, its signature covers it: see `file`.
}

#[test]
fn hashes_that_nobody_needs_are_refused() {
    let all = leaves(100);
    let head = head(&all);
    let proof = Inclusion::prove(&all, &[7]).unwrap();
    let longer = Inclusion::from_hashes([proof.hashes(), &[FAKE]].concat());
    assert!(bare(&longer, &head.root, 100, &[(7, all[7])]), "the control");
    let length = InclusionError::Length { expected: 7, found: 8 };
    assert_eq!(longer.verify(&head, &[(7, all[7])]), Err(length));
    let shorter = Inclusion::from_hashes(proof.hashes()[..6].to_vec());
    let length = InclusionError::Length { expected: 7, found: 6 };
    assert_eq!(shorter.verify(&head, &[(7, all[7])]), Err(length));
}

#[test]
fn positions_out_of_order_are_refused() {
    let all = leaves(100);
    let head = head(&all);
    let proof = Inclusion::prove(&all, &[3, 9]).unwrap();
    let unsorted = [(9, all[9]), (3, all[3])];
    assert!(bare(&proof, &head.root, 100, &unsorted), "the control");
    assert_eq!(proof.verify(&head, &unsorted), Err(InclusionError::Order { position: 3 }));
    assert_eq!(Inclusion::prove(&all, &[9, 3]), Err(InclusionError::Order { position: 3 }));
}

#[test]
fn a_proof_of_nothing_or_of_what_lies_beyond_is_refused() {
    let all = leaves(100);
    let head = head(&all);
    let root_itself = Inclusion::from_hashes(vec![head.root]);
    assert_eq!(root_itself.verify(&head, &[]), Err(InclusionError::Empty));
    assert_eq!(Inclusion::prove(&all, &[]), Err(InclusionError::Empty));
    let beyond = InclusionError::Beyond { position: 100, size: 100 };
    assert_eq!(root_itself.verify(&head, &[(100, FAKE)]), Err(beyond.clone()));
    assert_eq!(Inclusion::prove(&all, &[100]), Err(beyond));
    let empty = super::fixture::head(&[]);
    assert!(Inclusion::from_hashes(Vec::new()).verify(&empty, &[(0, FAKE)]).is_err());
}

/// With one hash for both, four inner nodes pass for a log of four statements. With ours they do
/// not: nobody finds a statement whose leaf hash is an inner node.
#[test]
fn an_inner_node_is_not_a_leaf() {
    use rs_merkle::algorithms::Sha256;
    let bodies: Vec<[u8; 64]> = (0..4).map(|n| [n; 64]).collect();
    // The bodies as a default tree sees them: each is a pair of hashes.
    let pairs: Vec<[u8; 32]> = bodies
        .iter()
        .flat_map(|body| *body.as_chunks::<32>().0.first_chunk::<2>().unwrap())
        .collect();
    let hashed: Vec<[u8; 32]> =
        bodies.iter().map(|body| <Sha256 as rs_merkle::Hasher>::hash(body)).collect();
    let root = |leaves: &[[u8; 32]]| MerkleTree::<Sha256>::from_leaves(leaves).root();
    assert_eq!(root(&pairs), root(&hashed), "the control");

    let ours: Vec<_> = bodies.iter().map(|body| catalog::log::leaf_hash(body)).collect();
    let pairs: Vec<_> = pairs.into_iter().map(Sha256Digest::from_bytes).collect();
    assert_ne!(head(&ours).root, head(&pairs).root);
}

/// A node without a sibling moves up, so a root alone does not say how many leaves it has: the
/// signed size does.
#[test]
fn a_root_binds_the_leaves_only_together_with_the_size() {
    let three = leaves(3);
    let two = [node_hash(&three[0], &three[1]), three[2]];
    assert_eq!(head(&three).root, head(&two).root, "the control");
    let proof = Inclusion::prove(&two, &[0]).unwrap();
    assert!(bare(&proof, &head(&three).root, 2, &[(0, two[0])]), "the control");
    let length = InclusionError::Length { expected: 2, found: 1 };
    assert_eq!(proof.verify(&head(&three), &[(0, two[0])]), Err(length));
}
