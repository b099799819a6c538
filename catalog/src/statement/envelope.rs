//! Carries a statement: its body as signed, its kind, and the signatures.
//!
//! Layout, canonical CBOR: `{"b": body, "k": kind, "s": [[key, signature], …], "v": 1}` with the
//! keys of `s` ascending, each once.

use std::collections::BTreeSet;

use super::body::{self, BodyError};
use super::{
    SEALED_BYTES_MAX, SIGNATURES_MAX, STATEMENT_BYTES_MAX, Statement, StatementId, StatementKind,
};
use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::defence::{self, Defence};
use crate::digest::Sha256Digest;
use crate::identity::{Inception, KeyState, PublisherId};
use crate::log;
use crate::signature::{KeyError, PublicKey, SecretKey, Signature};
use crate::time::Timestamp;

const VERSION: u64 = 1;

/// A statement as it travels and is stored. Nothing it says is believed before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedStatement {
    kind: StatementKind,
    body: Vec<u8>,
    /// Ascending by key.
    signatures: Vec<(PublicKey, Signature)>,
}

/// Whose a statement is, where it stands in its log, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementHeader {
    /// The publisher.
    pub publisher: PublisherId,
    /// The position in the signing key's log; 0 is the inception.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
}

/// Why bytes are not a sealed statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not canonical CBOR, too large, of another version, or a field is missing.
    #[error(transparent)]
    Malformed(#[from] CodecError),
    /// A kind that this version does not know.
    #[error("statements of kind {found:?} are not known to this version")]
    Kind {
        /// The beginning of the kind.
        found: Box<str>,
    },
    /// A signer's key is not one.
    #[error("a signer's key is refused")]
    Key(#[from] KeyError),
    /// None, more than [`SIGNATURES_MAX`], not in order, or one key twice.
    #[error("a statement has 1 to {SIGNATURES_MAX} signatures in the order of their keys")]
    Signatures,
}

/// Why a sealed statement is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A signature was not made by its key over these bytes.
    #[error("the signature of key {key} is forged")]
    Forged {
        /// The key that is named.
        key: PublicKey,
    },
    /// A key signed that does not speak for the publisher.
    #[error("key {key} does not belong to publisher {publisher}")]
    Stranger {
        /// The key that signed.
        key: PublicKey,
        /// The publisher.
        publisher: PublisherId,
    },
    /// Fewer distinct keys signed than the publisher demands.
    #[error("{have} of {need} needed keys signed")]
    TooFew {
        /// How many signed.
        have: u64,
        /// How many must.
        need: u64,
    },
    /// One key is enough, so one signature is all there may be: it says in whose log this stands.
    #[error("{have} keys signed where one is enough")]
    TooMany {
        /// How many signed.
        have: u64,
    },
    /// The keys are right, but the body speaks for another publisher.
    #[error("the statement is of publisher {found}, not of {expected}")]
    OtherPublisher {
        /// Whose keys were checked.
        expected: PublisherId,
        /// Whose it says it is.
        found: PublisherId,
    },
    /// An inception is wanted, and this is none.
    #[error("a statement of kind {found} is not an inception")]
    NotInception {
        /// What it is.
        found: StatementKind,
    },
    /// The signatures are right, but the body breaks the rules.
    #[error("the statement is malformed")]
    Malformed(#[source] BodyError),
}

impl SealedStatement {
    /// Signs a statement with one key.
    ///
    /// # Errors
    /// [`BodyError`] when the statement breaks a limit.
    pub fn seal(statement: &Statement, key: &SecretKey) -> Result<Self, BodyError> {
        let kind = statement.kind();
        let body = statement.body()?;
        let signature = key.sign(kind.as_str(), &body);
        Ok(Self { kind, body, signatures: vec![(key.public(), signature)] })
    }

    /// The bytes to store and to send.
    pub fn encode(&self) -> Vec<u8> {
        let signatures: Value = self
            .signatures
            .iter()
            .map(|(key, signature)| {
                let pair = [key.as_bytes().as_slice(), signature.as_bytes().as_slice()];
                pair.into_iter().map(Value::from).collect()
            })
            .collect();
        let mut map = Map::new();
        map.insert("b", self.body.as_slice());
        map.insert("k", self.kind.as_str());
        map.insert("s", signatures);
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads an envelope. Nothing is verified, and the body is not looked into.
    ///
    /// # Errors
    /// [`EnvelopeError`]; a peer can cause any of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut fields = Fields::of(cbor::decode(bytes, SEALED_BYTES_MAX)?)?;
        match fields.uint("v")? {
            VERSION => {}
            found => return Err(CodecError::Version { found }.into()),
        }
        let name = fields.text("k")?;
        let kind = StatementKind::named(&name)
            .ok_or_else(|| EnvelopeError::Kind { found: name.chars().take(40).collect() })?;
        let body = fields.bytes("b")?;
        if body.len() > STATEMENT_BYTES_MAX && defence::on(Defence::SizeLimits) {
            let limit = STATEMENT_BYTES_MAX;
            return Err(CodecError::TooLarge { bytes: body.len(), limit }.into());
        }
        let signatures = read_signatures(fields.array("s")?)?;
        let sealed = Self { kind, body, signatures };
        // No signature covers the envelope, so there is nobody who could add a field to it.
        if sealed.encode() != bytes && defence::on(Defence::CanonicalBytes) {
            return Err(CodecError::NotCanonical { at: 0, rule: "unknown fields" }.into());
        }
        Ok(sealed)
    }

    /// The name of the statement.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.body)
    }

    /// The hash of the statement as a leaf of its log.
    pub fn leaf(&self) -> Sha256Digest {
        log::leaf_hash(&self.body)
    }

    /// What it is about.
    pub fn kind(&self) -> StatementKind {
        self.kind
    }

    /// The exact bytes that were signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The keys that are said to have signed, ascending.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = PublicKey> {
        self.signatures.iter().map(|(key, _)| *key)
    }

    /// Checks the signatures over the exact bytes received against the publisher's keys, then
    /// reads the body.
    ///
    /// # Errors
    /// [`OpenError`]: every signature must be right and of a key of the publisher, distinct keys
    /// must reach the threshold, and the body must speak for the same publisher.
    pub fn open(&self, state: &KeyState) -> Result<Statement, OpenError> {
        self.check_signatures(state)?;
        if state.threshold == 1 && self.signatures.len() > 1 {
            return Err(OpenError::TooMany { have: self.signatures.len() as u64 });
        }
        let statement = Statement::decode(self.kind, &self.body).map_err(OpenError::Malformed)?;
        let found = statement.header().publisher;
        if found != state.publisher {
            return Err(OpenError::OtherPublisher { expected: state.publisher, found });
        }
        Ok(statement)
    }

    /// Reads an inception and checks that its own keys signed it.
    ///
    /// It names the keys to check it with, so it is the one statement that is read before it is
    /// verified.
    ///
    /// # Errors
    /// [`OpenError`], as [`open`](Self::open).
    pub fn open_inception(&self) -> Result<Inception, OpenError> {
        if self.kind != StatementKind::Inception {
            return Err(OpenError::NotInception { found: self.kind });
        }
        let inception = Inception::decode(&self.body).map_err(OpenError::Malformed)?;
        self.check_signatures(&KeyState::of(&inception))?;
        Ok(inception)
    }

    /// Reads whose it is and where it stands, without believing it: good for routing only.
    ///
    /// # Errors
    /// [`BodyError`] when the body does not say.
    pub fn peek(&self) -> Result<StatementHeader, BodyError> {
        let mut fields = body::open(self.kind, &self.body)?;
        match self.kind {
            StatementKind::Inception => Ok(StatementHeader {
                publisher: PublisherId::of_inception(&self.body),
                seq: 0,
                time: Timestamp::from_millis(fields.uint("created")?),
            }),
            _ => Ok(body::header(&mut fields)?),
        }
    }

    /// The key whose log this stands in: the signer's, or, where several must sign, the lowest of
    /// the publisher's keys. Both are the same on every node, whichever signatures it was sent.
    pub fn log_key(&self, state: &KeyState) -> PublicKey {
        match state.threshold {
            1 => self.signatures[0].0,
            _ => state.keys[0],
        }
    }

    fn check_signatures(&self, state: &KeyState) -> Result<(), OpenError> {
        let mut counted = BTreeSet::new();
        let mut have = 0;
        for (key, signature) in &self.signatures {
            if !state.keys.contains(key) {
                return Err(OpenError::Stranger { key: *key, publisher: state.publisher });
            }
            key.verify(self.kind.as_str(), &self.body, signature)
                .map_err(|_| OpenError::Forged { key: *key })?;
            if counted.insert(key) || !defence::on(Defence::DistinctSigners) {
                have += 1;
            }
        }
        if have < state.threshold {
            return Err(OpenError::TooFew { have, need: state.threshold });
        }
        Ok(())
    }
}

fn read_signatures(items: Vec<Value>) -> Result<Vec<(PublicKey, Signature)>, EnvelopeError> {
    if items.is_empty() || items.len() > SIGNATURES_MAX {
        return Err(EnvelopeError::Signatures);
    }
    let signatures = items.into_iter().map(read_signature).collect::<Result<Vec<_>, _>>()?;
    if !signatures.is_sorted_by(|a, b| a.0 < b.0) && defence::on(Defence::DistinctSigners) {
        return Err(EnvelopeError::Signatures);
    }
    Ok(signatures)
}

fn read_signature(item: Value) -> Result<(PublicKey, Signature), EnvelopeError> {
    let wrong = CodecError::WrongType { field: "s", expected: "a list of keys with signatures" };
    let Value::Array(pair) = item else { return Err(wrong.into()) };
    let Ok([Value::Bytes(key), Value::Bytes(signature)]) = <[Value; 2]>::try_from(pair) else {
        return Err(wrong.into());
    };
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else {
        return Err(wrong.into());
    };
    Ok((PublicKey::from_bytes(key)?, Signature::from_bytes(signature)))
}
