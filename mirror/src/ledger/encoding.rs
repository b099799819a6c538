//! The bytes in which a node keeps its ledger.
//!
//! A file of entries, each with its length before it (four bytes, little endian): first whose ledger
//! it is, then one for each row and each proof. It is read an entry at a time, so that a large one
//! takes no more memory than what is in it. It is our own file: signatures were checked when they
//! came and are not checked again.

use std::collections::BTreeMap;

use catalog::ByteSize;
use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::permission::NodeId;
use catalog::register::Hlc;

use super::Ledger;
use super::row::{At, EPOCHS_MAX, MARKS_MAX, Mark, Row};
use crate::fraud::{Fraud, FraudError};
use crate::receipt::{ReceiptError, SealedReceipt};

/// The version of the layout.
const VERSION: u64 = 1;

/// The most bytes of an entry: a row that is full.
const ENTRY_BYTES_MAX: usize = 2_048;

/// Why bytes are not a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// An entry is not laid out as one.
    #[error("not a ledger")]
    Codec(#[from] CodecError),
    /// A receipt in it is none.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A proof in it is none.
    #[error(transparent)]
    Fraud(#[from] FraudError),
    /// It ends inside an entry.
    #[error("the ledger ends inside an entry")]
    Truncated,
    /// It is the ledger of another node.
    #[error("the ledger is of node {found}")]
    OtherViewer {
        /// Whose it is.
        found: NodeId,
    },
}

impl Ledger {
    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut header = Map::new();
        header.insert("v", VERSION);
        header.insert("viewer", self.viewer().as_bytes().as_slice());
        push(&mut bytes, header);
        for (.., row) in self.rows() {
            if let Some(newest) = row.newest() {
                push(&mut bytes, row_entry(row, newest));
            }
        }
        for (_, fraud) in self.frauds() {
            let mut map = Map::new();
            map.insert("fraud", fraud.encode());
            push(&mut bytes, map);
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote for the same viewer.
    ///
    /// # Errors
    /// [`LedgerError`] says what is wrong with it.
    pub fn decode(viewer: NodeId, mut bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut header = entry(&mut bytes)?;
        let found = NodeId::from_bytes(header.bytes_32("viewer")?);
        if header.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known").into());
        }
        header.finish()?;
        if found != viewer {
            return Err(LedgerError::OtherViewer { found });
        }
        let mut ledger = Self::new(viewer);
        while !bytes.is_empty() {
            let mut fields = entry(&mut bytes)?;
            if let Some(fraud) = fields.bytes_opt("fraud")? {
                ledger.frauds.insert(Fraud::stored(&fraud)?.signer(), Fraud::stored(&fraud)?);
            } else {
                let newest = SealedReceipt::stored(&fields.bytes("newest")?)?;
                let (client, server) = (newest.receipt().client, newest.receipt().server);
                let bonus = ByteSize::bytes(fields.uint("bonus")?);
                let marks = marks(fields.array("marks")?)?;
                let row = Row { marks, newest: Some(newest), bonus };
                ledger.rows.entry(client).or_default().insert(server, row);
            }
            fields.finish()?;
        }
        Ok(ledger)
    }
}

fn push(bytes: &mut Vec<u8>, entry: Map) {
    let entry = cbor::encode(&Value::Map(entry));
    bytes.extend((entry.len() as u32).to_le_bytes());
    bytes.extend(entry);
}

fn entry(bytes: &mut &[u8]) -> Result<Fields, LedgerError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(LedgerError::Truncated)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (entry, rest) = rest.split_at_checked(length).ok_or(LedgerError::Truncated)?;
    *bytes = rest;
    Ok(Fields::of(cbor::decode(entry, ENTRY_BYTES_MAX)?)?)
}

fn row_entry(row: &Row, newest: &SealedReceipt) -> Map {
    let mark = |(at, mark): (&At, &Mark)| {
        let numbers =
            [u64::from(at.0), u64::from(at.1), mark.seq, mark.bytes.as_u64(), mark.hlc.to_bits()];
        Value::Array(numbers.map(Value::Uint).to_vec())
    };
    let mut map = Map::new();
    map.insert("bonus", row.bonus.as_u64());
    map.insert("marks", row.marks.iter().map(mark).collect::<Vec<_>>());
    map.insert("newest", newest.as_bytes());
    map
}

fn marks(items: Vec<Value>) -> Result<BTreeMap<At, Mark>, CodecError> {
    let wrong = || CodecError::WrongType { field: "marks", expected: "lists of five numbers" };
    if items.len() > MARKS_MAX + EPOCHS_MAX {
        return Err(CodecError::invalid("marks", "more than a row has"));
    }
    let mark = |item: Value| {
        let Value::Array(numbers) = item else { return Err(wrong()) };
        let Ok([Value::Uint(epoch), Value::Uint(day), Value::Uint(seq), Value::Uint(bytes), hlc]) =
            <[Value; 5]>::try_from(numbers)
        else {
            return Err(wrong());
        };
        let (Ok(epoch), Ok(day), Value::Uint(hlc)) = (epoch.try_into(), day.try_into(), hlc) else {
            return Err(wrong());
        };
        let hlc = Hlc::from_bits(hlc);
        Ok(((epoch, day), Mark { seq, bytes: ByteSize::bytes(bytes), hlc }))
    };
    items.into_iter().map(mark).collect()
}
