//! Proof that a node signed two receipts that cannot both be true.
//!
//! Receipts of one counting only grow: for one number there is one total, and a later number never
//! has a smaller one. Two that break this were signed by somebody who tells one peer this and
//! another one that. The two receipts are the proof: whoever reads them can check it, and need not
//! trust who passed them on.
//!
//! Guarantees: a [`Fraud`] in hand is such a pair, each signed by the same client.
//! Not here: what follows from it ([`ledger`](crate::ledger)).

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::permission::NodeId;
use catalog::register::RegisterName;

use crate::defence::{self, Defence};
use crate::receipt::{self, ReceiptError, SealedReceipt};

/// The most bytes of a proof.
pub const FRAUD_BYTES_MAX: usize = 2 * receipt::SEALED_BYTES_MAX + 32;

/// The version of the layout.
const VERSION: u64 = 1;

/// Two receipts of one client that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fraud {
    first: SealedReceipt,
    second: SealedReceipt,
}

/// Why bytes prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FraudError {
    /// The bytes are not laid out as two receipts.
    #[error("not two receipts")]
    Codec(#[from] CodecError),
    /// One of the two is none.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// Both can be true.
    #[error("two receipts that do not contradict each other")]
    Consistent,
}

impl Fraud {
    /// The proof, if these two contradict each other, in whatever order.
    pub fn of(one: &SealedReceipt, other: &SealedReceipt) -> Option<Self> {
        let (first, second) = if one.rank() < other.rank() { (one, other) } else { (other, one) };
        let (early, late) = (first.receipt(), second.receipt());
        let comparable = early.is_of_pair_of(late) && early.epoch == late.epoch;
        let contradicts = match early.seq == late.seq {
            true => early.bytes != late.bytes,
            false => early.bytes > late.bytes,
        };
        let is_fraud = comparable && contradicts && defence::on(Defence::Contradictions);
        is_fraud.then(|| Self { first: first.clone(), second: second.clone() })
    }

    /// Who signed both.
    pub fn signer(&self) -> NodeId {
        self.first.receipt().client
    }

    /// The two receipts, the earlier one first.
    pub fn receipts(&self) -> [&SealedReceipt; 2] {
        [&self.first, &self.second]
    }

    /// The bytes to send and to keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("a", self.first.as_bytes());
        map.insert("b", self.second.as_bytes());
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads a proof that somebody sent, and checks it.
    ///
    /// # Errors
    /// [`FraudError`]; a peer can cause any of them.
    pub fn open(bytes: &[u8]) -> Result<Self, FraudError> {
        Self::read(bytes, SealedReceipt::open)
    }

    /// Reads a proof that was checked before it was stored.
    pub(crate) fn stored(bytes: &[u8]) -> Result<Self, FraudError> {
        Self::read(bytes, SealedReceipt::stored)
    }

    fn read(
        bytes: &[u8],
        receipt: impl Fn(&[u8]) -> Result<SealedReceipt, ReceiptError>,
    ) -> Result<Self, FraudError> {
        let mut fields = Fields::of(cbor::decode(bytes, FRAUD_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known").into());
        }
        let (one, other) = (fields.bytes("a")?, fields.bytes("b")?);
        fields.finish()?;
        Self::of(&receipt(&one)?, &receipt(&other)?).ok_or(FraudError::Consistent)
    }

    /// Of several proofs about one node all nodes keep the same.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        self.encode() < other.encode()
    }
}

/// The register in which a node shows proof against `signer`.
pub fn register_name(signer: &NodeId) -> RegisterName {
    receipt::named("fraud", signer)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::receipt::Receipt;
    use crate::receipt::tests::{node, receipt, sealed};
    use catalog::ByteSize;

    /// What node 2 says twice: once as it is, once as it is not.
    pub(crate) fn contradiction() -> (SealedReceipt, SealedReceipt) {
        let more = Receipt { bytes: ByteSize::mib(400), ..receipt() };
        (sealed(receipt()), sealed(more))
    }

    #[test]
    fn a_proof_has_these_bytes() {
        let (one, other) = contradiction();
        let fraud = Fraud::of(&other, &one).unwrap();
        let [one, other] = [one, other].map(|sealed| hex::encode(sealed.as_bytes()));
        let bytes = ["a3", "6161", "58ea", &one, "6162", "58ea", &other, "617601"].concat();
        assert_eq!(hex::encode(fraud.encode()), bytes);
    }

    /// Threat row 39: two totals for one number are proof, wherever it is shown.
    #[test]
    fn two_totals_for_one_number_prove_fraud() {
        let (one, other) = contradiction();
        let fraud = Fraud::of(&one, &other).unwrap();
        assert_eq!(Fraud::of(&other, &one), Some(fraud.clone()));
        assert_eq!(fraud.signer(), node(2));
        assert!(fraud.encode().len() <= FRAUD_BYTES_MAX);
        assert_eq!(Fraud::open(&fraud.encode()), Ok(fraud));
        let shrunk = Receipt { seq: 8, bytes: ByteSize::mib(3), ..receipt() };
        assert!(Fraud::of(&one, &sealed(shrunk)).is_some(), "a total never shrinks");
    }

    /// Threat row 39: nobody is accused of what an honest node does.
    #[test]
    fn what_an_honest_node_signs_proves_nothing() {
        let of = |other| Fraud::of(&sealed(receipt()), &sealed(other));
        assert_eq!(of(receipt()), None, "the same");
        let again = Receipt { hlc: catalog::register::Hlc::from_bits(9), ..receipt() };
        assert_eq!(of(again), None, "the same total, signed once more");
        assert_eq!(of(Receipt { seq: 8, ..receipt() }), None, "no more came");
        let epoch = Receipt { epoch: 4, bytes: ByteSize::bytes(1), ..receipt() };
        assert_eq!(of(epoch), None, "a new counting");
        let elsewhere = Receipt { server: node(3), bytes: ByteSize::bytes(1), ..receipt() };
        assert_eq!(of(elsewhere), None, "another server");
    }

    /// Threat row 39: an accusation that proves nothing is refused.
    #[test]
    fn a_made_up_accusation_is_refused() {
        let (one, _) = contradiction();
        let mut map = Map::new();
        map.insert("a", one.as_bytes());
        map.insert("b", one.as_bytes());
        map.insert("v", VERSION);
        let consistent = Fraud::open(&cbor::encode(&Value::Map(map.clone())));
        assert_eq!(consistent, Err(FraudError::Consistent));
        let mut forged = one.as_bytes().to_vec();
        *forged.last_mut().unwrap() ^= 2;
        forged[100] ^= 1;
        map.insert("b", forged);
        assert!(Fraud::open(&cbor::encode(&Value::Map(map))).is_err());
        assert!(Fraud::open(&[0xa0]).is_err());
    }
}
