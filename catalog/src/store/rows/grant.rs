//! What follows from grants and attestations: the words about a node, and who vouches for what.

use super::{Reader, statement_id};
use crate::permission::Word;
use crate::statement::StatementId;
use crate::store::StoreError;
use crate::time::Timestamp;

/// A word about a node: position, whether it grants, until when or zero bytes, scope.
pub fn encode_word(word: &Word) -> Vec<u8> {
    let mut row = word.seq.to_be_bytes().to_vec();
    row.push(word.granted.into());
    row.push(word.until.is_some().into());
    row.extend_from_slice(&word.until.map_or(0, Timestamp::as_millis).to_be_bytes());
    row.extend_from_slice(word.scope.to_string().as_bytes());
    row
}

/// - result: `None` for the empty row of a release that lists the node.
pub fn decode_word(row: &[u8]) -> Result<Option<Word>, StoreError> {
    if row.is_empty() {
        return Ok(None);
    }
    let mut row = Reader(row);
    let (seq, granted, ends) = (row.number()?, row.byte()? != 0, row.byte()? != 0);
    let until = Timestamp::from_millis(row.number()?);
    let scope = std::str::from_utf8(row.0).ok().and_then(|scope| scope.parse().ok());
    let scope = scope.ok_or(StoreError::damaged("a grant"))?;
    Ok(Some(Word { seq, granted, scope, until: ends.then_some(until) }))
}

/// Whether a publisher vouches for a release, and which statement says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestationRow {
    pub seq: u64,
    pub attested: bool,
    pub statement: StatementId,
}

impl AttestationRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.seq.to_be_bytes().to_vec();
        row.push(self.attested.into());
        row.extend_from_slice(self.statement.as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let read = Self {
            seq: row.number()?,
            attested: row.byte()? != 0,
            statement: statement_id(row.array()?),
        };
        row.end()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_an_attestation_have_these_bytes() {
        let word = Word {
            seq: 0x0102,
            granted: true,
            scope: "db-*".parse().unwrap(),
            until: Some(Timestamp::from_millis(0x0304)),
        };
        let row = encode_word(&word);
        assert_eq!(hex::encode(&row), "00000000000001020101000000000000030464622d2a");
        assert_eq!(decode_word(&row).unwrap(), Some(word.clone()));
        let revoked = Word { granted: false, until: None, ..word };
        assert_eq!(decode_word(&encode_word(&revoked)).unwrap(), Some(revoked));
        assert_eq!(decode_word(&[]).unwrap(), None);
        decode_word(&row[..18]).unwrap_err();

        let row = AttestationRow { seq: 0x0102, attested: true, statement: statement_id(&[7; 32]) };
        assert_eq!(hex::encode(row.encode()), format!("000000000000010201{}", "07".repeat(32)));
        assert_eq!(AttestationRow::decode(&row.encode()).unwrap(), row);
    }
}
