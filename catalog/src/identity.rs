//! Says who a publisher is: an id that proves itself, and the keys that may speak for it.
//!
//! A publisher's id is the hash of its [`Inception`], the first statement it signed: it names the
//! root keys, how many of them must sign, and the hash of the keys that may take over later. So
//! an id outlives its keys, and nobody has to be asked for one.
//!
//! Guarantees: an inception that was read has 1 to 64 distinct strong keys and a threshold that
//! they can reach. Not here: the secret side ([`Identity`]) and names for people, which are
//! petnames of each reader's own ([`store`](crate::store)).

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};

use crate::cbor::{self, CodecError, Map, Value};
use crate::digest::Digest;
use crate::name::Petname;
use crate::signature::PublicKey;
use crate::statement::StatementKind;
use crate::statement::body::{self, BodyError};
use crate::time::Timestamp;

mod keyfile;

pub use keyfile::{Identity, IdentityError};

/// The most root keys of one publisher, and so the most signatures on a statement.
pub const KEYS_MAX: usize = 64;

const HRP: Hrp = Hrp::parse_unchecked("cat");
/// Characters of the id that a fingerprint shows: 20 × 5 = 100 bits, beyond what can be ground.
const FINGERPRINT_CHARS: usize = 20;

/// A publisher: the BLAKE3 hash of its inception. Shown as `cat1…` (bech32m).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherId(Digest);

/// Text that is not a publisher's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a publisher id is `cat1` and 58 more characters, found {found:?}")]
pub struct PublisherIdError {
    found: Box<str>,
}

impl PublisherId {
    /// The publisher that an inception with this body starts.
    pub fn of_inception(body: &[u8]) -> Self {
        Self(Digest::of(body))
    }

    /// Wraps the hash of an inception's body.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The hash of the inception's body.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The 32 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first twelve characters, for tables. Others can be ground to look the same, so this
    /// never stands as a proof; [`fingerprint`](Self::fingerprint) does.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// The first 100 bits in groups of four characters, to be compared by eye or read aloud.
    pub fn fingerprint(&self) -> String {
        let text = self.to_string();
        let shown: Vec<char> = text.chars().skip("cat1".len()).take(FINGERPRINT_CHARS).collect();
        shown.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for PublisherId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_to_fmt::<Bech32m, _>(f, HRP, self.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for PublisherId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherId({})", self.short())
    }
}

impl FromStr for PublisherId {
    type Err = PublisherIdError;

    fn from_str(text: &str) -> Result<Self, PublisherIdError> {
        let error = || PublisherIdError { found: text.chars().take(80).collect() };
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| error())?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let id = Self(Digest::from_bytes(bytes.try_into().map_err(|_| error())?));
        // One spelling only: bech32 also allows upper case and other padding bits.
        if id.to_string() == text { Ok(id) } else { Err(error()) }
    }
}

impl serde::Serialize for PublisherId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublisherId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The statement that starts a publisher: leaf 0 of its logs, and the bytes that its id hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inception {
    /// As signed: later versions may say more than we know, and the id covers all of it.
    body: Box<[u8]>,
    keys: Vec<PublicKey>,
    threshold: u64,
    next: Digest,
    created: Timestamp,
    alias: Option<Petname>,
}

/// The keys that speak for a publisher, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The publisher.
    pub publisher: PublisherId,
    /// Its root keys, ascending, each once.
    pub keys: Vec<PublicKey>,
    /// How many distinct keys must sign a statement.
    pub threshold: u64,
}

impl Inception {
    /// Starts a publisher.
    ///
    /// - `keys`: 1 to [`KEYS_MAX`] root keys; their order does not matter.
    /// - `threshold`: how many of them must sign a statement, from 1 to all.
    /// - `next`: the hash of the keys that may take over, from [`next_commitment`].
    /// - `alias`: what the publisher would like to be called; a suggestion, never a name.
    ///
    /// # Errors
    /// [`BodyError`] when the keys are too many or repeated, or the threshold is out of reach.
    pub fn new(
        mut keys: Vec<PublicKey>,
        threshold: u64,
        next: Digest,
        created: Timestamp,
        alias: Option<Petname>,
    ) -> Result<Self, BodyError> {
        keys.sort();
        let mut map = keys_map(&keys, threshold);
        map.insert(body::TYPE, StatementKind::Inception.as_str());
        map.insert("next", next);
        map.insert("created", created.as_millis());
        map.insert_some("alias", alias.as_ref().map(Petname::as_str));
        Self::decode(&body::finish(map)?)
    }

    /// Reads a body strictly. That its own keys signed it is for
    /// [`open_inception`](crate::statement::SealedStatement::open_inception) to check.
    ///
    /// # Errors
    /// [`BodyError`] names the field that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = body::open(StatementKind::Inception, bytes)?;
        let inception = Self {
            body: bytes.into(),
            keys: read_keys(fields.array("keys")?)?,
            threshold: fields.uint("threshold")?,
            next: fields.digest("next")?,
            created: Timestamp::from_millis(fields.uint("created")?),
            alias: fields.parsed_opt("alias")?,
        };
        if !(1..=inception.keys.len() as u64).contains(&inception.threshold) {
            return Err(CodecError::invalid("threshold", "the keys cannot reach it").into());
        }
        fields.finish()?;
        Ok(inception)
    }

    /// The publisher that it starts.
    pub fn id(&self) -> PublisherId {
        PublisherId::of_inception(&self.body)
    }

    /// The bytes to sign.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The root keys, ascending, each once.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many distinct root keys must sign a statement.
    pub fn threshold(&self) -> u64 {
        self.threshold
    }

    /// The commitment to the keys that may take over; see [`next_commitment`].
    pub fn next(&self) -> Digest {
        self.next
    }

    /// When it was made, by the publisher's clock.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What the publisher would like to be called: a suggestion for a petname, never a name.
    pub fn alias(&self) -> Option<&Petname> {
        self.alias.as_ref()
    }
}

impl KeyState {
    /// The keys that an inception names.
    pub fn of(inception: &Inception) -> Self {
        Self {
            publisher: inception.id(),
            keys: inception.keys.clone(),
            threshold: inception.threshold,
        }
    }
}

/// Returns the hash by which an inception commits to the root keys that come next.
///
/// BLAKE3 of `catalog/next-keys/v1`, a newline and the canonical CBOR of the keys, ascending, and
/// their threshold. Whoever steals the keys of today cannot put others in their place.
pub fn next_commitment(keys: &[PublicKey], threshold: u64) -> Digest {
    let mut keys = keys.to_vec();
    keys.sort();
    let mut bytes = b"catalog/next-keys/v1\n".to_vec();
    bytes.extend(cbor::encode(&Value::Map(keys_map(&keys, threshold))));
    Digest::of(&bytes)
}

fn keys_map(keys: &[PublicKey], threshold: u64) -> Map {
    let mut map = Map::new();
    map.insert(
        "keys",
        keys.iter().map(|key| Value::from(key.as_bytes().as_slice())).collect::<Value>(),
    );
    map.insert("threshold", threshold);
    map
}

fn read_keys(items: Vec<Value>) -> Result<Vec<PublicKey>, CodecError> {
    const FIELD: &str = "keys";
    body::count(FIELD, items.len(), KEYS_MAX)?;
    let keys = items.into_iter().map(|item| match item {
        Value::Bytes(bytes) => bytes
            .try_into()
            .map_err(|_| CodecError::WrongType {
                field: FIELD,
                expected: "a list of 32 bytes each",
            })
            .and_then(|bytes| {
                PublicKey::from_bytes(bytes).map_err(|error| CodecError::invalid(FIELD, error))
            }),
        _ => Err(CodecError::WrongType { field: FIELD, expected: "a list of 32 bytes each" }),
    });
    let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err(CodecError::invalid(FIELD, "not ascending, or one is listed twice"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
