//! The bytes of one record between nodes: what kind it is, then the record.
//!
//! ```text
//! 1 | a sealed statement
//! 2 | publisher 32, key of the log 32, position 8 (big-endian), leaf hash 32
//! 3 | a sealed head
//! 4 | a sealed register
//! ```
//!
//! Guarantees: what is read has the form of a record, no more; the store verifies it.

use catalog::digest::{Digest, Sha256Digest};
use catalog::signature::PublicKey;
use catalog::store::{ChangeItem, Incoming, LogId};
use catalog::{PublisherId, SealedHead, SealedRegister, SealedStatement};

use crate::message::Record;

const STATEMENT: u8 = 1;
const LEAF: u8 = 2;
const HEAD: u8 = 3;
const REGISTER: u8 = 4;

/// Writes a record.
pub fn encode(item: &ChangeItem) -> Record {
    let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
    match item {
        ChangeItem::Statement(sealed) => tagged(STATEMENT, &sealed.encode()),
        ChangeItem::Head(sealed) => tagged(HEAD, sealed.encode()),
        ChangeItem::Leaf { log: LogId { publisher, key }, seq, hash } => {
            let mut record = vec![LEAF];
            record.extend_from_slice(publisher.as_bytes());
            record.extend_from_slice(key.as_bytes());
            record.extend_from_slice(&seq.to_be_bytes());
            record.extend_from_slice(hash.as_bytes());
            record
        }
    }
}

/// Writes a register.
pub fn encode_register(sealed: &SealedRegister) -> Record {
    [&[REGISTER], sealed.encode().as_slice()].concat()
}

/// Reads a register; `None` when these bytes are none.
pub fn decode_register(record: &[u8]) -> Option<SealedRegister> {
    match record.split_first()? {
        (&REGISTER, bytes) => SealedRegister::decode(bytes).ok(),
        _ => None,
    }
}

/// Reads a record that is no register; `None` when these bytes are none.
pub fn decode(record: &[u8]) -> Option<Incoming> {
    let (&tag, bytes) = record.split_first()?;
    Some(match tag {
        STATEMENT => Incoming::Statement(SealedStatement::decode(bytes).ok()?),
        HEAD => Incoming::Head(SealedHead::decode(bytes).ok()?),
        LEAF => {
            let (publisher, rest) = bytes.split_first_chunk::<32>()?;
            let (key, rest) = rest.split_first_chunk::<32>()?;
            let (seq, rest) = rest.split_first_chunk::<8>()?;
            Incoming::Leaf {
                publisher: PublisherId::from_digest(Digest::from_bytes(*publisher)),
                key: PublicKey::from_bytes(*key).ok()?,
                seq: u64::from_be_bytes(*seq),
                hash: Sha256Digest::from_bytes(rest.try_into().ok()?),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use catalog::register::Hlc;
    use catalog::{NodeId, Register, SecretKey, Timestamp};

    use super::*;

    #[test]
    fn a_bare_leaf_has_these_bytes() {
        let key = SecretKey::from_bytes(&[1; 32]).public();
        let publisher = PublisherId::from_digest(Digest::from_bytes([0xaa; 32]));
        let log = LogId { publisher, key };
        let hash = Sha256Digest::from_bytes([0xbb; 32]);
        let record = encode(&ChangeItem::Leaf { log, seq: 0x0102, hash });
        let expected = format!("02{}{}0000000000000102{}", "aa".repeat(32), key, "bb".repeat(32));
        assert_eq!(hex::encode(&record), expected);
        let Some(Incoming::Leaf { seq: 0x0102, hash: read, .. }) = decode(&record) else {
            panic!("a leaf");
        };
        assert_eq!(read, hash);
    }

    #[test]
    fn a_register_is_marked_as_one() {
        let secret = [1; 32];
        let node = NodeId::from_bytes(*SecretKey::from_bytes(&secret).public().as_bytes());
        let (name, value) = ("announcement".parse().unwrap(), b"here".to_vec());
        let (hlc, expires) = (Hlc::from_bits(5), Timestamp::from_millis(7));
        let register = Register { node, name, value, hlc, expires };
        let sealed = SealedRegister::seal(&register, &secret).unwrap();
        let record = encode_register(&sealed);
        assert_eq!(record, [&[4], sealed.encode().as_slice()].concat());
        assert_eq!(decode_register(&record), Some(sealed));
        assert!(decode(&record).is_none());
        for bytes in [&[][..], &[4], &record[1..], &record[..record.len() - 1], &[3, 4, 5]] {
            assert!(decode_register(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn anything_else_is_no_record() {
        for bytes in [&[][..], &[0], &[1], &[2; 104], &[2; 106], &[3, 4, 5], &[4; 40]] {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
    }
}
