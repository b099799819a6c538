//! What statements say about a version: its releases, whether it is withdrawn, and which channels
//! point to it.

use super::{RIVALS_MAX, Reader, statement_id, version_of};
use crate::statement::StatementId;
use crate::store::StoreError;

/// Whether the publisher contradicts itself about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Sound,
    Contested,
}

/// The releases of a version: how it stands, then the current one first.
pub fn encode_ids(ids: &[StatementId], standing: Standing) -> Vec<u8> {
    let mut row = vec![u8::from(standing == Standing::Contested)];
    row.extend(ids.iter().flat_map(StatementId::as_bytes));
    row
}

pub fn decode_ids(row: &[u8]) -> Result<(Vec<StatementId>, Standing), StoreError> {
    let damaged = || StoreError::damaged("a version");
    let (&standing, ids) = row.split_first().ok_or_else(damaged)?;
    let (ids, rest) = ids.as_chunks::<32>();
    if ids.is_empty() || ids.len() > RIVALS_MAX || !rest.is_empty() {
        return Err(damaged());
    }
    let standing = match standing {
        0 => Standing::Sound,
        1 => Standing::Contested,
        _ => return Err(damaged()),
    };
    Ok((ids.iter().map(statement_id).collect(), standing))
}

/// Whether a version is withdrawn, and which statement says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YankRow {
    pub seq: u64,
    pub yanked: bool,
    pub statement: StatementId,
}

impl YankRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.seq.to_be_bytes().to_vec();
        row.push(self.yanked.into());
        row.extend_from_slice(self.statement.as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let read = Self {
            seq: row.number()?,
            yanked: row.byte()? != 0,
            statement: statement_id(row.array()?),
        };
        row.end()?;
        Ok(read)
    }
}

/// Where a channel points, and which statement says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    pub seq: u64,
    pub statement: StatementId,
    pub version: semver::Version,
}

impl ChannelRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.seq.to_be_bytes().to_vec();
        row.extend_from_slice(self.statement.as_bytes());
        row.extend_from_slice(self.version.to_string().as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let (seq, statement) = (row.number()?, statement_id(row.array()?));
        Ok(Self { seq, statement, version: version_of(row.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> StatementId {
        statement_id(&[byte; 32])
    }

    #[test]
    fn the_releases_of_a_version_have_these_bytes() {
        let row = encode_ids(&[id(0x11), id(0x22)], Standing::Contested);
        assert_eq!(hex::encode(&row), ["01", &"11".repeat(32), &"22".repeat(32)].concat());
        assert_eq!(decode_ids(&row).unwrap(), (vec![id(0x11), id(0x22)], Standing::Contested));
        assert_eq!(encode_ids(&[id(1)], Standing::Sound)[0], 0);
        for broken in [&row[..0], &row[..1], &row[..40], &[[2].as_slice(), &row[1..]].concat()] {
            decode_ids(broken).unwrap_err();
        }
    }

    #[test]
    fn yanks_and_channels_have_these_bytes() {
        let yank = YankRow { seq: 5, yanked: true, statement: id(0x22) };
        let expected = ["0000000000000005", "01", &"22".repeat(32)].concat();
        assert_eq!(hex::encode(yank.encode()), expected);
        assert_eq!(YankRow::decode(&yank.encode()).unwrap(), yank);
        let version = "1.2.0".parse().unwrap();
        let channel = ChannelRow { seq: 5, statement: id(0x22), version };
        let expected = ["0000000000000005", &"22".repeat(32), "312e322e30"].concat();
        assert_eq!(hex::encode(channel.encode()), expected);
        assert_eq!(ChannelRow::decode(&channel.encode()).unwrap(), channel);
    }
}
