//! What a node signs for the bytes that another one sent it.
//!
//! A receipt is cumulative: it says how much came from a server to a client since their counting
//! began, so that the newest one of a pair stands for all before it, and losing one costs nothing.
//! The client signs it, and it counts only bytes that it asked for and whose hashes were right.
//!
//! Guarantees: a [`SealedReceipt`] in hand was signed by the client that it names, for something,
//! to somebody else; its signature is good for nothing else, and that of nothing else for it.
//! Not here: when to sign ([`pace`](crate::pace)), and which of several counts
//! ([`ledger`](crate::ledger)). A receipt says who got how much from whom. What it was is said in a
//! form that only the two can read ([`hint`]).

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::permission::NodeId;
use catalog::register::{Hlc, RegisterName};
use catalog::signature::{PublicKey, SecretKey, Signature};
use catalog::{ByteSize, Digest};

use crate::defence::{self, Defence};

/// The most bytes of a sealed receipt.
pub const SEALED_BYTES_MAX: usize = 256;

/// What is signed for: no statement and no register is of this kind.
const KIND: &str = "receipt";

/// The version of the envelope.
const VERSION: u64 = 1;

/// How much a client got from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who sent.
    pub server: NodeId,
    /// Who received, and signs.
    pub client: NodeId,
    /// Which counting of this client this is; a later one after it lost the state of the former.
    pub epoch: u32,
    /// Counts the receipts of an epoch, from 1.
    pub seq: u64,
    /// Everything that came in this epoch.
    pub bytes: ByteSize,
    /// When it was signed, by the client's clock.
    pub hlc: Hlc,
    /// What the last bytes were of; see [`hint`].
    pub hint: Digest,
}

/// A receipt as it travels and is kept: signed by its client, and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedReceipt {
    bytes: Box<[u8]>,
    receipt: Receipt,
}

/// Why a receipt cannot be made, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The bytes are not laid out as a receipt.
    #[error("not a receipt")]
    Codec(#[from] CodecError),
    /// A node that vouches for itself.
    #[error("node {node} signs for what it sent itself")]
    SelfSigned {
        /// The node.
        node: NodeId,
    },
    /// For no bytes, or the receipt before the first.
    #[error("a receipt of node {client} for nothing")]
    Empty {
        /// Whose it would be.
        client: NodeId,
    },
    /// The signature was not made by the client that it names.
    #[error("the signature of node {client} is forged")]
    Forged {
        /// Whom it names.
        client: NodeId,
    },
    /// It names another client than the one whose key signs.
    #[error("the receipt of node {client} is not signed by it")]
    OtherClient {
        /// Whom it names.
        client: NodeId,
    },
}

impl Receipt {
    /// What orders the receipts of a pair: the later one counts.
    pub const fn place(&self) -> (u32, u64) {
        (self.epoch, self.seq)
    }

    /// Whether both are about the same server and client.
    pub fn is_of_pair_of(&self, other: &Self) -> bool {
        (self.server, self.client) == (other.server, other.client)
    }

    fn check(&self) -> Result<(), ReceiptError> {
        if !defence::on(Defence::ReceiptRules) {
            return Ok(());
        }
        if self.server == self.client {
            return Err(ReceiptError::SelfSigned { node: self.client });
        }
        if self.bytes == ByteSize::bytes(0) || self.seq == 0 {
            return Err(ReceiptError::Empty { client: self.client });
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("bytes", self.bytes.as_u64());
        map.insert("client", self.client.as_bytes().as_slice());
        map.insert("epoch", u64::from(self.epoch));
        map.insert("hint", self.hint);
        map.insert("hlc", self.hlc.to_bits());
        map.insert("seq", self.seq);
        map.insert("server", self.server.as_bytes().as_slice());
        cbor::encode(&Value::Map(map))
    }

    fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(body, SEALED_BYTES_MAX)?)?;
        let epoch = fields.uint("epoch")?.try_into();
        let receipt = Self {
            server: NodeId::from_bytes(fields.bytes_32("server")?),
            client: NodeId::from_bytes(fields.bytes_32("client")?),
            epoch: epoch.map_err(|_| CodecError::invalid("epoch", "beyond 32 bits"))?,
            seq: fields.uint("seq")?,
            bytes: ByteSize::bytes(fields.uint("bytes")?),
            hlc: Hlc::from_bits(fields.uint("hlc")?),
            hint: fields.digest("hint")?,
        };
        fields.finish()?;
        Ok(receipt)
    }
}

impl SealedReceipt {
    /// Signs a receipt with the key of the client that it names.
    ///
    /// # Errors
    /// [`ReceiptError`], when the key is not the client's, or what it says is no receipt.
    pub fn seal(receipt: &Receipt, key: &SecretKey) -> Result<Self, ReceiptError> {
        receipt.check()?;
        if key.public().as_bytes() != receipt.client.as_bytes() {
            return Err(ReceiptError::OtherClient { client: receipt.client });
        }
        let body = receipt.encode();
        let signature = key.sign(KIND, &body);
        Ok(Self { bytes: envelope(&body, &signature).into(), receipt: *receipt })
    }

    /// Reads and checks a receipt that somebody sent.
    ///
    /// # Errors
    /// [`ReceiptError`]; a peer can cause any of them.
    pub fn open(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let (sealed, body, signature) = Self::read(bytes)?;
        let client = sealed.receipt.client;
        let forged = |_| ReceiptError::Forged { client };
        if defence::on(Defence::ReceiptRules) {
            let key = PublicKey::from_bytes(*client.as_bytes());
            let key = key.map_err(|_| ReceiptError::Forged { client })?;
            key.verify(KIND, &body, &signature).map_err(forged)?;
        }
        sealed.receipt.check()?;
        Ok(sealed)
    }

    /// Reads a receipt that was checked before it was stored.
    pub(crate) fn stored(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Self::read(bytes).map(|(sealed, ..)| sealed)
    }

    fn read(bytes: &[u8]) -> Result<(Self, Vec<u8>, Signature), ReceiptError> {
        let mut fields = Fields::of(cbor::decode(bytes, SEALED_BYTES_MAX)?)?;
        let (body, signature) = (fields.bytes("b")?, fields.bytes("s")?);
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known").into());
        }
        fields.finish()?;
        let signature = signature.try_into();
        let signature = signature.map_err(|_| CodecError::invalid("s", "not 64 bytes"))?;
        let signature = Signature::from_bytes(signature);
        // No signature covers the envelope, so there is nobody who could add a field to it.
        if envelope(&body, &signature) != bytes {
            return Err(CodecError::NotCanonical { at: 0, rule: "unknown fields" }.into());
        }
        let receipt = Receipt::decode(&body)?;
        Ok((Self { bytes: bytes.into(), receipt }, body, signature))
    }

    /// What it says.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The bytes to send and to keep.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What orders receipts so that all nodes choose alike: the later one counts, and of two of one
    /// place the one that says more.
    pub(crate) fn rank(&self) -> (u32, u64, ByteSize, Hlc, &[u8]) {
        let (epoch, seq) = self.receipt.place();
        (epoch, seq, self.receipt.bytes, self.receipt.hlc, &self.bytes)
    }
}

fn envelope(body: &[u8], signature: &Signature) -> Vec<u8> {
    let mut map = Map::new();
    map.insert("b", body);
    map.insert("s", signature.as_bytes().as_slice());
    map.insert("v", VERSION);
    cbor::encode(&Value::Map(map))
}

/// Says what the last bytes were of, readable for those who know `secret` alone: who reads receipts
/// learns that two nodes exchanged bytes, and not which.
///
/// - `secret`: a random number of one connection, told to nobody else.
pub fn hint(secret: &[u8; 32], root: &Digest) -> Digest {
    Digest::keyed(secret, root.as_bytes())
}

/// The register in which a client shows what it got from `server`.
pub fn register_name(server: &NodeId) -> RegisterName {
    named("receipt", server)
}

/// `<what>/<the first 16 hex digits of a node>`.
pub(crate) fn named(what: &str, node: &NodeId) -> RegisterName {
    let id = node.to_string();
    format!("{what}/{}", &id[..16]).parse().expect("hex digits are allowed in a name")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::defence::without;
    use catalog::Timestamp;
    use catalog::register::{Register, SealedRegister};

    pub(crate) fn key(of: u8) -> SecretKey {
        SecretKey::from_bytes(&[of; 32])
    }

    pub(crate) fn node(of: u8) -> NodeId {
        NodeId::from_bytes(*key(of).public().as_bytes())
    }

    /// A receipt of node 2 for what node 1 sent.
    pub(crate) fn receipt() -> Receipt {
        Receipt {
            server: node(1),
            client: node(2),
            epoch: 3,
            seq: 7,
            bytes: ByteSize::mib(4),
            hlc: Hlc::after(Hlc::default(), Timestamp::from_millis(1_790_000_000_000)),
            hint: Digest::from_bytes([0xab; 32]),
        }
    }

    pub(crate) fn sealed(receipt: Receipt) -> SealedReceipt {
        SealedReceipt::seal(&receipt, &key(2)).unwrap()
    }

    /// The envelope of what `by` signed as something of `kind`.
    fn signed(receipt: &Receipt, by: u8, kind: &str) -> Vec<u8> {
        let body = receipt.encode();
        envelope(&body, &key(by).sign(kind, &body))
    }

    #[test]
    fn a_receipt_has_these_bytes() {
        let sealed = sealed(receipt());
        let body = [
            "a7",
            "63686c63",
            "1b01a0c4506c000000",
            "63736571",
            "07",
            "6468696e74",
            &format!("5820{}", "ab".repeat(32)),
            "656279746573",
            "1a00400000",
            "6565706f6368",
            "03",
            "66636c69656e74",
            &format!("5820{}", node(2)),
            "66736572766572",
            &format!("5820{}", node(1)),
        ]
        .concat();
        let signature = key(2).sign("receipt", &hex::decode(&body).unwrap());
        let envelope = [
            "a3",
            "6162",
            "589e",
            &body,
            "6173",
            "5840",
            &hex::encode(signature.as_bytes()),
            "617601",
        ];
        assert_eq!(hex::encode(sealed.as_bytes()), envelope.concat());
        assert_eq!(SealedReceipt::open(sealed.as_bytes()), Ok(sealed));
    }

    #[test]
    fn the_largest_receipt_fits_and_comes_back() {
        let most = Receipt {
            epoch: u32::MAX,
            seq: u64::MAX,
            bytes: ByteSize::bytes(u64::MAX),
            hlc: Hlc::from_bits(u64::MAX),
            ..receipt()
        };
        let sealed = sealed(most);
        assert!(sealed.as_bytes().len() <= SEALED_BYTES_MAX, "{}", sealed.as_bytes().len());
        assert_eq!(*SealedReceipt::open(sealed.as_bytes()).unwrap().receipt(), most);
    }

    /// Threat row 37: a receipt that its client did not sign is none, whatever was changed.
    #[test]
    fn forged_receipts_are_refused() {
        let honest = sealed(receipt());
        for at in 0..honest.as_bytes().len() {
            let mut forged = honest.as_bytes().to_vec();
            forged[at] ^= 1;
            assert!(SealedReceipt::open(&forged).is_err(), "byte {at}");
        }
        // The server signs for its client, or there is no signature at all.
        let by_server = SealedReceipt::open(&signed(&receipt(), 1, KIND));
        assert_eq!(by_server, Err(ReceiptError::Forged { client: node(2) }));
        let mut map = Map::new();
        map.insert("b", receipt().encode());
        map.insert("s", [].as_slice());
        map.insert("v", VERSION);
        let unsigned = SealedReceipt::open(&cbor::encode(&Value::Map(map)));
        assert!(matches!(unsigned, Err(ReceiptError::Codec(_))));
    }

    #[test]
    fn a_forged_receipt_is_noticed_without_the_defence() {
        let forged = signed(&receipt(), 1, KIND);
        assert!(without(Defence::ReceiptRules, || SealedReceipt::open(&forged)).is_ok());
    }

    /// Threat row 37: nobody vouches for itself, and nothing is no service.
    #[test]
    fn receipts_for_oneself_or_for_nothing_are_refused() {
        let own = Receipt { server: node(2), ..receipt() };
        let itself = ReceiptError::SelfSigned { node: node(2) };
        assert_eq!(SealedReceipt::seal(&own, &key(2)), Err(itself.clone()));
        assert_eq!(SealedReceipt::open(&signed(&own, 2, KIND)), Err(itself));
        let nothing = Receipt { bytes: ByteSize::bytes(0), ..receipt() };
        for empty in [nothing, Receipt { seq: 0, ..receipt() }] {
            let refused = Err(ReceiptError::Empty { client: node(2) });
            assert_eq!(SealedReceipt::seal(&empty, &key(2)), refused);
            assert_eq!(SealedReceipt::open(&signed(&empty, 2, KIND)), refused);
        }
        let of_another = SealedReceipt::seal(&receipt(), &key(1));
        assert_eq!(of_another, Err(ReceiptError::OtherClient { client: node(2) }));
    }

    #[test]
    fn a_receipt_for_oneself_is_noticed_without_the_defence() {
        let own = Receipt { server: node(2), ..receipt() };
        let opened = || SealedReceipt::open(&signed(&own, 2, KIND));
        assert!(without(Defence::ReceiptRules, opened).is_ok());
    }

    /// Threat row 37: what was signed as something else is no receipt, and the other way round.
    #[test]
    fn a_signature_for_something_else_is_no_receipt() {
        for kind in ["register", "release", "head"] {
            let opened = SealedReceipt::open(&signed(&receipt(), 2, kind));
            assert_eq!(opened, Err(ReceiptError::Forged { client: node(2) }));
        }
        let register = Register {
            node: node(2),
            name: register_name(&node(1)),
            value: sealed(receipt()).as_bytes().to_vec(),
            hlc: receipt().hlc,
            expires: receipt().hlc.time(),
        };
        let register = SealedRegister::seal(&register, &[2; 32]).unwrap();
        assert!(SealedReceipt::open(&register.encode()).is_err());
        assert!(SealedRegister::decode(sealed(receipt()).as_bytes()).is_err());
    }

    #[test]
    fn another_spelling_of_a_receipt_is_refused() {
        let honest = sealed(receipt());
        let Value::Map(mut map) = cbor::decode(honest.as_bytes(), 256).unwrap() else {
            panic!("an envelope is a map");
        };
        map.insert("x", 1);
        let padded = SealedReceipt::open(&cbor::encode(&Value::Map(map)));
        assert!(matches!(padded, Err(ReceiptError::Codec(CodecError::NotCanonical { .. }))));
    }

    #[test]
    fn a_hint_says_nothing_to_those_who_do_not_know_the_number() {
        let root = Digest::of(b"contents");
        assert_eq!(hint(&[1; 32], &root), hint(&[1; 32], &root));
        assert_ne!(hint(&[1; 32], &root), hint(&[2; 32], &root));
    }

    #[test]
    fn registers_are_named_after_the_server() {
        let name = register_name(&node(1));
        assert_eq!(name.as_str(), format!("receipt/{}", &node(1).to_string()[..16]));
    }
}
