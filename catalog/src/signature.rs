//! Signs bytes and checks signatures: ed25519, so strictly that all nodes always agree.
//!
//! What is signed is the DSSE pre-authentication encoding of a payload type and a body, so a
//! signature made for one kind of statement can never pass for another. Log heads are the one
//! exception: a C2SP signed note signs its own text, which always starts with `catalog/` and so
//! never looks like a pre-authentication encoding.
//!
//! Guarantees: a key in hand is a canonically encoded point of large order; a signature that was
//! accepted is the only encoding of itself; a secret never shows in `Debug` or an error, and its
//! memory is wiped. Not here: whose key it is ([`identity`](crate::identity)).
//!
//! # Source
//! RFC 8032; the checks of Chalkias, Garillot and Nikolaenko, *Taming the many EdDSAs*, SSR 2020;
//! DSSE 1.0 protocol (`PAE`).

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use zeroize::Zeroizing;

use crate::defence::{self, Defence};

/// A key that signs. It is wiped from memory when dropped and never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// A key that checks: a canonically encoded point that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The 64 bytes of a signature. Never an id: a signer can make many for the same body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// Why bytes or text are not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not 64 lower-case hex digits.
    #[error("a public key is 64 hex digits, found {found:?}")]
    Text {
        /// The beginning of what was found.
        found: Box<str>,
    },
    /// No point of the curve has this encoding.
    #[error("the public key is not a point of the curve")]
    NotAPoint,
    /// The point has another, shorter encoding; two names for one key would be two keys.
    #[error("the public key is not encoded canonically")]
    NotCanonical,
    /// A point of small order accepts signatures that nobody made.
    #[error("the public key is weak")]
    Weak,
}

/// The signature was not made by this key over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

impl SecretKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: no key made without it is safe.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system gives random bytes");
        Self::from_bytes(&seed)
    }

    /// Takes up a key that was made before.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 bytes to keep; wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key with which others check what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `body` as a statement of `kind`; see [`pae`].
    pub fn sign(&self, kind: &str, body: &[u8]) -> Signature {
        Signature(self.0.sign(&signed_bytes(kind, body)).to_bytes())
    }

    /// Signs the text of a C2SP note as it stands.
    pub fn sign_note(&self, text: &str) -> Signature {
        Signature(self.0.sign(text.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

impl PublicKey {
    /// Accepts the 32 bytes of a point that is canonically encoded and not of small order.
    ///
    /// # Errors
    /// [`KeyError`] says which of these does not hold.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        point(&bytes)?;
        Ok(Self(bytes))
    }

    /// The 32 bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that this key signed `body` as a statement of `kind`.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason: a forger learns nothing from it.
    pub fn verify(
        &self,
        kind: &str,
        body: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_bytes(&signed_bytes(kind, body), signature)
    }

    /// Checks that this key signed the text of a C2SP note.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    pub fn verify_note(&self, text: &str, signature: &Signature) -> Result<(), BadSignature> {
        self.verify_bytes(text.as_bytes(), signature)
    }

    fn verify_bytes(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = point(&self.0).map_err(|_| BadSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        if defence::on(Defence::StrictKeys) {
            key.verify_strict(message, &signature).map_err(|_| BadSignature)
        } else {
            key.verify(message, &signature).map_err(|_| BadSignature)
        }
    }
}

thread_local! {
    /// The key that this thread checked last. Records come in runs of one publisher, and checking
    /// a key costs as much as half a signature.
    static LAST: Cell<Option<VerifyingKey>> = const { Cell::new(None) };
}

/// The point that a key encodes, if it is a key that we accept.
fn point(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let strict = defence::on(Defence::StrictKeys);
    if let Some(key) = LAST.get().filter(|key| strict && key.as_bytes() == bytes) {
        return Ok(key);
    }
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
    if strict {
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        LAST.set(Some(key));
    }
    Ok(key)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(&self.0[..5]))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        let canonical = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if canonical => Self::from_bytes(bytes),
            _ => Err(KeyError::Text { found: text.chars().take(80).collect() }),
        }
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Signature {
    /// Takes 64 bytes as they are; only checking says whether they are a signature.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode(&self.0[..5]))
    }
}

/// Returns the DSSE pre-authentication encoding: the type and the body, each with its length.
///
/// `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`, lengths in decimal.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    let mut bytes = Vec::with_capacity(head.len() + body.len());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn signed_bytes(kind: &str, body: &[u8]) -> Vec<u8> {
    if defence::on(Defence::DomainSeparation) {
        pae(&format!("application/vnd.catalog.{kind}.v1+cbor"), body)
    } else {
        body.to_vec()
    }
}

#[cfg(test)]
mod tests;
