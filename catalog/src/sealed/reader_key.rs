//! Hands a content key to one reader, so that nobody else can take it up.
//!
//! A reader is a node. The key that content keys are sealed to follows from the key by which the
//! node proves who it is, so that whoever can be named can be given a key, also before anybody met
//! it. A publisher's signing key is never used for this.
//!
//! # Source
//! The X25519 recipient of age v1 (C2SP), with BLAKE3 for HKDF: the shared secret of a key pair
//! that is used once and the reader's, hashed with both public keys, seals the content key. That one
//! key pair may sign and be sealed to: Thormarker, *On using the same key pair for Ed25519 and an
//! X25519 based KEM*, ePrint 2021/509.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use ed25519_dalek::{SigningKey, VerifyingKey};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::{ContentKey, KeyId};
use crate::digest::Digest;
use crate::permission::NodeId;

/// What the keys that seal content keys are derived under.
const CONTEXT: &str = "catalog 2026-11 wrapped key v1";

/// What takes up content keys that are sealed to one node. Never shown.
#[derive(Clone)]
pub struct ReaderSecret(StaticSecret);

/// What content keys are sealed to for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderKey([u8; 32]);

/// A content key that one reader can take up: a public key that was used once, then the sealed key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WrappedKey([u8; WrappedKey::BYTES]);

/// A node id to which nothing can be sealed: no point of the curve, or one of small order, so that
/// everybody could open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no node that a key can be sealed to")]
pub struct ReaderKeyError;

impl ReaderSecret {
    /// That of the node with this secret key.
    pub fn of_node(secret: &[u8; 32]) -> Self {
        let scalar = Zeroizing::new(SigningKey::from_bytes(secret).to_scalar_bytes());
        Self(StaticSecret::from(*scalar))
    }

    /// One that is used once.
    fn generate() -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).expect("the operating system gives random bytes");
        Self(StaticSecret::from(*secret))
    }

    /// The half that others know.
    pub fn public(&self) -> ReaderKey {
        ReaderKey(PublicKey::from(&self.0).to_bytes())
    }

    /// Takes up a content key that was sealed to this node.
    ///
    /// - `id`: the name that the key must have.
    /// - result: `None` when it was sealed to somebody else, or is another key.
    pub fn unwrap(&self, wrapped: &WrappedKey, id: &KeyId) -> Option<ContentKey> {
        let (once, sealed) = wrapped.0.split_first_chunk::<32>()?;
        let shared = self.0.diffie_hellman(&PublicKey::from(*once));
        let cipher = cipher(&shared, once, &self.public())?;
        let key = Zeroizing::new(cipher.decrypt(&Nonce::default(), sealed).ok()?);
        let key = ContentKey::from_bytes(key.as_slice().try_into().ok()?);
        (key.id() == *id).then_some(key)
    }
}

impl fmt::Debug for ReaderSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReaderSecret(of {:?})", self.public())
    }
}

impl ReaderKey {
    /// That of the node with this id.
    ///
    /// # Errors
    /// [`ReaderKeyError`] when it is the id of no node.
    pub fn of_node(node: &NodeId) -> Result<Self, ReaderKeyError> {
        let point = VerifyingKey::from_bytes(node.as_bytes()).map_err(|_| ReaderKeyError)?;
        match point.is_weak() {
            true => Err(ReaderKeyError),
            false => Ok(Self(point.to_montgomery().to_bytes())),
        }
    }

    /// Seals a content key to that node alone.
    ///
    /// # Errors
    /// [`ReaderKeyError`] when everybody could open it.
    pub fn wrap(&self, key: &ContentKey) -> Result<WrappedKey, ReaderKeyError> {
        self.wrap_from(key, &ReaderSecret::generate())
    }

    pub(super) fn wrap_from(
        &self,
        key: &ContentKey,
        once: &ReaderSecret,
    ) -> Result<WrappedKey, ReaderKeyError> {
        let shared = once.0.diffie_hellman(&PublicKey::from(self.0));
        let cipher = cipher(&shared, &once.public().0, self).ok_or(ReaderKeyError)?;
        // A key that seals once may always use the same nonce.
        let sealed = cipher.encrypt(&Nonce::default(), key.as_bytes().as_slice());
        let sealed = sealed.expect("32 bytes are not too long for the cipher");
        let mut wrapped = [0; WrappedKey::BYTES];
        wrapped[..32].copy_from_slice(&once.public().0);
        wrapped[32..].copy_from_slice(&sealed);
        Ok(WrappedKey(wrapped))
    }
}

impl WrappedKey {
    /// How many bytes it has.
    pub const BYTES: usize = 80;

    /// Takes the bytes as they are; only taking the key up says whether they are one.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({}…)", hex::encode(&self.0[..5]))
    }
}

/// - result: `None` when the public key has small order: the secret would be no secret.
fn cipher(shared: &SharedSecret, once: &[u8; 32], to: &ReaderKey) -> Option<ChaCha20Poly1305> {
    if !shared.was_contributory() {
        return None;
    }
    let mut input = [once.as_slice(), &to.0, shared.as_bytes()].concat();
    let key = Zeroizing::new(*Digest::derived(CONTEXT, &input).as_bytes());
    input.zeroize();
    Some(ChaCha20Poly1305::new(&Key::from(*key)))
}
