//! What stands at one position of a log.

use super::{RIVALS_MAX, statement_id};
use crate::digest::Sha256Digest;
use crate::statement::StatementId;
use crate::store::StoreError;

/// What stands at one position of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub hash: Sha256Digest,
    /// `None` for a statement that we may not read: only its hash is known.
    pub statement: Option<StatementId>,
}

const LEAF_BYTES: usize = 64;

impl Leaf {
    pub fn encode_all(leaves: &[Self]) -> Vec<u8> {
        let mut row = Vec::with_capacity(leaves.len() * LEAF_BYTES);
        for leaf in leaves {
            row.extend_from_slice(leaf.hash.as_bytes());
            row.extend_from_slice(
                leaf.statement.as_ref().map_or(&[0; 32], StatementId::as_bytes).as_slice(),
            );
        }
        row
    }

    pub fn decode_all(row: &[u8]) -> Result<Vec<Self>, StoreError> {
        let damaged = || StoreError::damaged("a leaf");
        let (leaves, rest) = row.as_chunks::<LEAF_BYTES>();
        if leaves.is_empty() || leaves.len() > RIVALS_MAX || !rest.is_empty() {
            return Err(damaged());
        }
        let leaf = |bytes: &[u8; LEAF_BYTES]| {
            let (hash, id) = (bytes.first_chunk()?, bytes.last_chunk::<32>()?);
            let statement = (*id != [0; 32]).then(|| statement_id(id));
            Some(Self { hash: Sha256Digest::from_bytes(*hash), statement })
        };
        leaves.iter().map(leaf).collect::<Option<_>>().ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_have_these_bytes() {
        let known = Leaf {
            hash: Sha256Digest::from_bytes([0x11; 32]),
            statement: Some(statement_id(&[0x22; 32])),
        };
        let bare = Leaf { hash: Sha256Digest::from_bytes([0x33; 32]), statement: None };
        let row = Leaf::encode_all(&[known, bare]);
        let expected = ["11", "22", "33", "00"].map(|byte| byte.repeat(32)).concat();
        assert_eq!(hex::encode(&row), expected);
        assert_eq!(Leaf::decode_all(&row).unwrap(), [known, bare]);
        for broken in [&row[..0], &row[..63], &[row.as_slice(), &row].concat()] {
            Leaf::decode_all(broken).unwrap_err();
        }
    }
}
