//! Registers: the small state of a node that others should know, of which only the newest counts.
//!
//! A register is a name and a value, signed by the node's own key: where it can be reached, what it
//! has received, what it offers. It is no statement: it stands in no log, is replaced by the next
//! one of its name, and is dropped when it expires. What spreads is decided by nobody's clock but
//! bounded by everybody's: of two registers the one with the later [`Hlc`] holds, and one that is
//! stamped further than [`AHEAD_MAX`] in the future is not taken in.
//!
//! Guarantees: a register that was opened is signed by the node that it names, and its signature is
//! good for nothing else, nor is that of a statement good for a register.
//! Not here: what the values mean, and which are kept ([`store`](crate::store)).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::defence::{self, Defence};
use crate::digest::Digest;
use crate::item::ItemId;
use crate::permission::NodeId;
use crate::signature::{PublicKey, SecretKey, Signature};
use crate::time::Timestamp;

/// The most bytes of a value.
pub const VALUE_BYTES_MAX: usize = 4096;

/// The most bytes of a name.
pub const NAME_BYTES_MAX: usize = 64;

/// The most bytes of a sealed register.
pub const SEALED_BYTES_MAX: usize = VALUE_BYTES_MAX + 512;

/// How far a stamp may be ahead of the clock of whoever takes it in.
pub const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a register holds at most after it was stamped.
pub const LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What is signed for: no statement is of this kind.
const KIND: &str = "register";

/// What the ids of registers are derived under.
const ITEM_CONTEXT: &str = "catalog 2026-11 sync register v1";

/// The version of the envelope.
const VERSION: u64 = 1;

/// What a register is called: 1 to 64 bytes of `a-z`, `0-9`, `-`, `.` and `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterName(Box<str>);

/// Text that is not the name of a register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not the name of a register: 1 to 64 of a-z, 0-9, -, . and /")]
pub struct RegisterNameError {
    found: Box<str>,
}

impl RegisterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegisterName {
    type Err = RegisterNameError;

    fn from_str(text: &str) -> Result<Self, RegisterNameError> {
        let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/');
        match (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(text.into())),
            false => Err(RegisterNameError { found: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A hybrid logical clock: 48 bits of milliseconds since 1970, 16 bits that count within one.
///
/// # Source
/// Kulkarni et al., *Logical Physical Clocks*, OPODIS 2014.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(u64);

impl Hlc {
    /// Wraps the 64 bits of a stamp.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits of the stamp; later ones are larger.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The stamp that follows `last`: the time, or one more than `last` when the clock did not
    /// move, or moved back.
    pub const fn after(last: Self, now: Timestamp) -> Self {
        let now = (now.as_millis() & (u64::MAX >> 16)) << 16;
        Self(if now > last.0 { now } else { last.0.saturating_add(1) })
    }

    /// The time of the stamp.
    pub const fn time(self) -> Timestamp {
        Timestamp::from_millis(self.0 >> 16)
    }
}

/// The state of a node under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// Whose it is.
    pub node: NodeId,
    /// What it is about.
    pub name: RegisterName,
    /// What the node says.
    pub value: Vec<u8>,
    /// When it was stamped; of two the later one holds.
    pub hlc: Hlc,
    /// Until when it holds.
    pub expires: Timestamp,
}

/// A register as it travels and is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRegister {
    body: Vec<u8>,
    signature: Signature,
    register: Register,
}

/// Why a register cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The bytes are not laid out as a register.
    #[error("not a register")]
    Codec(#[from] CodecError),
    /// A value beyond [`VALUE_BYTES_MAX`].
    #[error("a value of {bytes} bytes, more than {VALUE_BYTES_MAX}")]
    TooLarge {
        /// The length found.
        bytes: usize,
    },
    /// It names another node than the one whose key signs.
    #[error("the register of node {node} is not signed by it")]
    OtherNode {
        /// Whom it names.
        node: NodeId,
    },
    /// The signature was not made by the node that it names.
    #[error("the signature of node {node} is forged")]
    Forged {
        /// Whom it names.
        node: NodeId,
    },
}

impl SealedRegister {
    /// Signs a register with the secret key of the node that it names.
    ///
    /// - `secret`: the 32 bytes of the key by which the node proves on connections who it is.
    ///
    /// # Errors
    /// [`RegisterError::TooLarge`], and [`RegisterError::OtherNode`] when the key is not the node's.
    pub fn seal(register: &Register, secret: &[u8; 32]) -> Result<Self, RegisterError> {
        let key = SecretKey::from_bytes(secret);
        if key.public().as_bytes() != register.node.as_bytes() {
            return Err(RegisterError::OtherNode { node: register.node });
        }
        check_size(&register.value)?;
        let mut map = Map::new();
        map.insert("exp", register.expires.as_millis());
        map.insert("hlc", register.hlc.to_bits());
        map.insert("name", register.name.as_str());
        map.insert("node", register.node.as_bytes().as_slice());
        map.insert("val", register.value.as_slice());
        let body = cbor::encode(&Value::Map(map));
        let signature = key.sign(KIND, &body);
        Ok(Self { body, signature, register: register.clone() })
    }

    /// The bytes to store and to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("b", self.body.as_slice());
        map.insert("s", self.signature.as_bytes().as_slice());
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads what [`encode`](Self::encode) wrote. Nothing is verified yet.
    ///
    /// # Errors
    /// [`RegisterError`]; a peer can cause any of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, RegisterError> {
        let mut fields = Fields::of(cbor::decode(bytes, SEALED_BYTES_MAX)?)?;
        let (body, signature) = (fields.bytes("b")?, fields.bytes("s")?);
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known").into());
        }
        fields.finish()?;
        let signature = signature.try_into();
        let signature = signature.map_err(|_| CodecError::invalid("s", "not 64 bytes"))?;
        let register = read(&body)?;
        let sealed = Self { body, signature: Signature::from_bytes(signature), register };
        // No signature covers the envelope, so there is nobody who could add a field to it.
        if sealed.encode() != bytes && defence::on(Defence::CanonicalBytes) {
            return Err(CodecError::NotCanonical { at: 0, rule: "unknown fields" }.into());
        }
        Ok(sealed)
    }

    /// What it says, without believing it.
    pub fn peek(&self) -> &Register {
        &self.register
    }

    /// Checks that the node that it names signed it.
    ///
    /// # Errors
    /// [`RegisterError::Forged`] when it did not.
    pub fn open(&self) -> Result<&Register, RegisterError> {
        let node = self.register.node;
        let forged = || RegisterError::Forged { node };
        let key = PublicKey::from_bytes(*node.as_bytes()).map_err(|_| forged())?;
        key.verify(KIND, &self.body, &self.signature).map_err(|_| forged())?;
        Ok(&self.register)
    }

    /// The hash of what was signed. Signatures are no part of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.body)
    }

    /// The id under which nodes compare registers: another value has another one.
    pub fn item(&self) -> ItemId {
        ItemId::from_bytes(*Digest::derived(ITEM_CONTEXT, &self.body).as_bytes())
    }

    /// Whether it holds and not `other`, of one node and name: the later one does, then the one
    /// with the larger hash, so that all nodes choose alike.
    pub fn supersedes(&self, other: &Self) -> bool {
        let rank = |one: &Self| (one.register.hlc, one.digest());
        rank(self) > rank(other)
    }
}

fn read(body: &[u8]) -> Result<Register, RegisterError> {
    let mut fields = Fields::of(cbor::decode(body, SEALED_BYTES_MAX)?)?;
    let register = Register {
        node: NodeId::from_bytes(fields.bytes_32("node")?),
        name: fields.parsed("name")?,
        value: fields.bytes("val")?,
        hlc: Hlc::from_bits(fields.uint("hlc")?),
        expires: Timestamp::from_millis(fields.uint("exp")?),
    };
    fields.finish()?;
    check_size(&register.value)?;
    Ok(register)
}

fn check_size(value: &[u8]) -> Result<(), RegisterError> {
    match value.len() {
        0..=VALUE_BYTES_MAX => Ok(()),
        bytes => Err(RegisterError::TooLarge { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;
    use crate::identity::{Identity, KeyState};
    use crate::statement::{SealedStatement, StatementKind};

    const SECRET: [u8; 32] = [1; 32];
    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn register() -> Register {
        Register {
            node: NodeId::from_bytes(*SecretKey::from_bytes(&SECRET).public().as_bytes()),
            name: "peer/info".parse().unwrap(),
            value: b"here".to_vec(),
            hlc: Hlc::after(Hlc::default(), NOW),
            expires: Timestamp::from_millis(NOW.as_millis() + 1000),
        }
    }

    #[test]
    fn a_register_has_these_bytes() {
        let sealed = SealedRegister::seal(&register(), &SECRET).unwrap();
        let body = [
            "a5",
            "63657870",
            "1b000001a0c4506fe8",
            "63686c63",
            "1b01a0c4506c000000",
            "6376616c",
            "4468657265",
            "646e616d65",
            "69706565722f696e666f",
            "646e6f6465",
            "58208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        ];
        assert_eq!(hex::encode(&sealed.body), body.concat());
        let signature = hex::encode(sealed.signature.as_bytes());
        let envelope = ["a3", "6162", "585a", &body.concat(), "6173", "5840", &signature, "617601"];
        assert_eq!(hex::encode(sealed.encode()), envelope.concat());
        assert_eq!(
            hex::encode(sealed.item().as_bytes()),
            "79f7bf27cf7cf805e8afeb027ecba96071cbe511b4d711e2d9a6d279888c5e70"
        );
    }

    #[test]
    fn a_register_comes_back_as_it_was_signed() {
        let sealed = SealedRegister::seal(&register(), &SECRET).unwrap();
        let read = SealedRegister::decode(&sealed.encode()).unwrap();
        assert_eq!(read, sealed);
        assert_eq!(*read.open().unwrap(), register());
        let bytes = sealed.encode();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            let opened = SealedRegister::decode(&forged).map(|sealed| sealed.open().cloned());
            assert!(!matches!(opened, Ok(Ok(_))), "byte {at}");
        }
    }

    /// The envelope of a register with a field that nobody signed.
    fn padded(sealed: &SealedRegister) -> Vec<u8> {
        let Value::Map(mut map) = cbor::decode(&sealed.encode(), 4096).unwrap() else {
            panic!("an envelope is a map");
        };
        map.insert("x", 1);
        cbor::encode(&Value::Map(map))
    }

    /// Threat row 24: nobody makes other bytes of a register that say the same.
    #[test]
    fn another_spelling_of_a_register_is_refused() {
        let sealed = SealedRegister::seal(&register(), &SECRET).unwrap();
        let not_canonical = |bytes: &[u8]| {
            let refused = SealedRegister::decode(bytes);
            matches!(refused, Err(RegisterError::Codec(CodecError::NotCanonical { .. })))
        };
        assert!(not_canonical(&padded(&sealed)));
        // The version in two bytes, then the entries in another order.
        let honest = sealed.encode();
        let (start, version) = honest.split_at(honest.len() - 1);
        assert!(not_canonical(&[start, &[0x18], version].concat()));
        let at = honest.len() - 3;
        assert!(not_canonical(&[&honest[..1], &honest[at..], &honest[1..at]].concat()));
    }

    #[test]
    fn another_spelling_of_a_register_is_noticed_without_the_defence() {
        let sealed = SealedRegister::seal(&register(), &SECRET).unwrap();
        let read = without(Defence::CanonicalBytes, || SealedRegister::decode(&padded(&sealed)));
        assert_eq!(read.unwrap(), sealed);
    }

    #[test]
    fn a_node_signs_for_itself_and_in_bounds() {
        let other = Register { node: NodeId::from_bytes([9; 32]), ..register() };
        let sealed = SealedRegister::seal(&other, &SECRET);
        assert_eq!(sealed, Err(RegisterError::OtherNode { node: other.node }));
        let large = Register { value: vec![0; VALUE_BYTES_MAX + 1], ..register() };
        assert!(matches!(
            SealedRegister::seal(&large, &SECRET),
            Err(RegisterError::TooLarge { bytes: 4097 })
        ));
        let most = Register { value: vec![0; VALUE_BYTES_MAX], ..register() };
        let most = SealedRegister::seal(&most, &SECRET).unwrap().encode();
        assert!(most.len() <= SEALED_BYTES_MAX && SealedRegister::decode(&most).is_ok());
        for name in ["", "Upper", "a b", "ä", &"a".repeat(65)] {
            assert!(name.parse::<RegisterName>().is_err(), "{name}");
        }
    }

    /// Threat row 23: what was signed as a register is no statement, and the other way round.
    fn passes_for_another() -> bool {
        let key = SecretKey::from_bytes(&SECRET);
        let sealed = SealedRegister::seal(&register(), &SECRET).unwrap();
        let public = key.public();
        let as_statement = StatementKind::ALL
            .iter()
            .any(|kind| public.verify(kind.as_str(), &sealed.body, &sealed.signature).is_ok());
        let as_register = StatementKind::ALL.iter().any(|kind| {
            let signature = key.sign(kind.as_str(), &sealed.body);
            SealedRegister { signature, ..sealed.clone() }.open().is_ok()
        });
        as_statement || as_register
    }

    /// Threat row 23.
    #[test]
    fn a_register_never_passes_for_a_statement() {
        assert!(!passes_for_another());
        assert!(StatementKind::ALL.iter().all(|kind| kind.as_str() != KIND));
        let identity = Identity::generate(None, NOW);
        let bytes = SealedRegister::seal(&register(), &SECRET).unwrap().encode();
        assert!(SealedStatement::decode(&bytes).is_err());
        assert!(SealedRegister::decode(&identity.inception().encode()).is_err());
        let _: &KeyState = identity.state();
    }

    #[test]
    fn a_register_that_passes_for_a_statement_is_noticed_without_the_defence() {
        assert!(without(Defence::DomainSeparation, passes_for_another));
    }

    #[test]
    fn stamps_grow_whatever_the_clock_does() {
        let mut last = Hlc::default();
        for millis in [5, 5, 3, 1 << 40, 0, u64::MAX] {
            let next = Hlc::after(last, Timestamp::from_millis(millis));
            assert!(next > last, "{millis}");
            last = next;
        }
        assert_eq!(Hlc::after(Hlc::default(), NOW).time(), NOW);
    }
}
