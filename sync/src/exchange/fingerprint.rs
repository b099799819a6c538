//! Shortens hashes and ids to 4 bytes for one walk.
//!
//! Whoever does not know the nonce of the walk finds two values that look alike only by chance,
//! one pair in 2^32. That is caught by the comparison of roots at the end, and another walk has
//! another nonce.
//!
//! # Source
//! Strongly universal multilinear hashing: Thorup, "High Speed Hashing for Integers and Strings".

use catalog::Digest;

use crate::message::Root;

/// What the keys of a walk are derived under.
const KEY_CONTEXT: &str = "catalog 2026-11 sync walk v1";

/// 32 bytes, shortened.
pub type Fingerprint = [u8; 4];

/// The key of one walk.
pub struct WalkKey {
    factors: [u64; 8],
    offset: u64,
}

impl WalkKey {
    /// The key of the walk that the side with `nonce` began, between sets with these roots.
    pub fn new(nonce: &[u8; 16], opener: &Root, answerer: &Root) -> Self {
        let mut secret = [0; 81];
        secret[..16].copy_from_slice(nonce);
        secret[16..48].copy_from_slice(opener);
        secret[48..80].copy_from_slice(answerer);
        let mut numbers = (0..3u8).flat_map(|block| {
            secret[80] = block;
            let bytes = *Digest::derived(KEY_CONTEXT, &secret).as_bytes();
            let (numbers, _) = bytes.as_chunks::<8>();
            numbers.iter().map(|number| u64::from_le_bytes(*number)).collect::<Vec<_>>()
        });
        let mut next = || numbers.next().expect("three blocks of four");
        Self { factors: std::array::from_fn(|_| next()), offset: next() }
    }

    /// The fingerprint of a root or an id.
    pub fn of(&self, value: &[u8; 32]) -> Fingerprint {
        let (words, _) = value.as_chunks::<4>();
        let sum = words.iter().zip(&self.factors).fold(self.offset, |sum, (word, factor)| {
            sum.wrapping_add(factor.wrapping_mul(u32::from_le_bytes(*word).into()))
        });
        ((sum >> 32) as u32).to_le_bytes()
    }
}
