//! What a change tells of, and which sets of items an item entered by it.

use super::{Reader, statement_id};
use crate::statement::StatementId;
use crate::store::StoreError;
use crate::store::tables::{LogId, leaf_key, of_leaf_key};

/// What changed, and which sets of items an item entered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    pub entered: Entered,
    pub told: Told,
}

/// What a change tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A statement came in, at this position.
    Statement { id: StatementId, log: LogId, seq: u64 },
    /// A bare hash is vouched for.
    Leaf { log: LogId, seq: u64 },
    /// There is a newer head, or one that contradicts another.
    Head(LogId),
    /// A head vouches for a statement that not everybody may read.
    Vouched { log: LogId, seq: u64 },
    /// A person decided something about a statement that was told of before.
    Decided { id: StatementId, log: LogId, seq: u64 },
}

/// The sets of items that an item entered by a change; what entered none was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    pub log: bool,
    pub urgent: bool,
}

impl Entered {
    pub const URGENT: Self = Self { log: false, urgent: true };
    pub const LOG: Self = Self { log: true, urgent: false };
}

impl ChangeRow {
    pub fn encode(&self) -> Vec<u8> {
        let entered = u8::from(self.entered.log) | u8::from(self.entered.urgent) << 1;
        match &self.told {
            Told::Statement { id, log, seq } => {
                [&[1, entered], id.as_bytes().as_slice(), &leaf_key(log, *seq)].concat()
            }
            Told::Leaf { log, seq } => [&[2, entered], leaf_key(log, *seq).as_slice()].concat(),
            Told::Head(log) => [&[3, entered], log.row_key().as_slice()].concat(),
            Told::Vouched { log, seq } => [&[4, entered], leaf_key(log, *seq).as_slice()].concat(),
            Told::Decided { id, log, seq } => {
                [&[5, entered], id.as_bytes().as_slice(), &leaf_key(log, *seq)].concat()
            }
        }
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let (kind, entered) = (row.byte()?, Self::entered(row.byte()?)?);
        let told = match kind {
            1 | 5 => {
                let id = statement_id(row.array()?);
                let (log, seq) = of_leaf_key(row.0)?;
                match kind {
                    1 => Told::Statement { id, log, seq },
                    _ => Told::Decided { id, log, seq },
                }
            }
            2 => of_leaf_key(row.0).map(|(log, seq)| Told::Leaf { log, seq })?,
            3 => LogId::of_row_key(row.0).map(Told::Head)?,
            4 => of_leaf_key(row.0).map(|(log, seq)| Told::Vouched { log, seq })?,
            _ => return Err(StoreError::damaged("a change")),
        };
        Ok(Self { entered, told })
    }

    /// Which sets of items an item entered, without reading the rest of the row.
    pub fn peek(row: &[u8]) -> Result<Entered, StoreError> {
        let entered = row.get(1).ok_or(StoreError::damaged("a change"))?;
        Self::entered(*entered)
    }

    fn entered(byte: u8) -> Result<Entered, StoreError> {
        match byte {
            0..4 => Ok(Entered { log: byte & 1 != 0, urgent: byte & 2 != 0 }),
            _ => Err(StoreError::damaged("a change")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PublisherId;
    use crate::signature::SecretKey;

    fn log() -> LogId {
        let publisher = PublisherId::from_digest(crate::Digest::from_bytes([0xaa; 32]));
        LogId { publisher, key: SecretKey::from_bytes(&[1; 32]).public() }
    }

    /// The public key of the secret key of 32 ones.
    const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    #[test]
    fn changes_have_these_bytes() {
        let (log, seq) = (log(), 3);
        let position = ["aa".repeat(32).as_str(), KEY].concat();
        for (told, entered, expected) in [
            (
                Told::Statement { id: statement_id(&[0x22; 32]), log, seq },
                Entered { log: true, urgent: true },
                ["0103", &"22".repeat(32), &position, "0000000000000003"].concat(),
            ),
            (
                Told::Leaf { log, seq },
                Entered::LOG,
                ["0201", &position, "0000000000000003"].concat(),
            ),
            (Told::Head(log), Entered::URGENT, ["0302", &position].concat()),
            (Told::Head(log), Entered::default(), ["0300", &position].concat()),
            (
                Told::Vouched { log, seq },
                Entered::LOG,
                ["0401", &position, "0000000000000003"].concat(),
            ),
            (
                Told::Decided { id: statement_id(&[0x22; 32]), log, seq },
                Entered::default(),
                ["0500", &"22".repeat(32), &position, "0000000000000003"].concat(),
            ),
        ] {
            let row = ChangeRow { entered, told };
            assert_eq!(hex::encode(row.encode()), expected);
            assert_eq!(ChangeRow::decode(&row.encode()).unwrap(), row);
            assert_eq!(ChangeRow::peek(&row.encode()).unwrap(), entered);
        }
        ChangeRow::decode(&[]).unwrap_err();
        ChangeRow::decode(&[9; 66]).unwrap_err();
        ChangeRow::peek(&[1]).unwrap_err();
        ChangeRow::peek(&[1, 4]).unwrap_err();
    }
}
