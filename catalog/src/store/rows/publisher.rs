//! What is known about a publisher besides what it signed.

use super::Reader;
use crate::name::Petname;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How we came to know a publisher; later ones include the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Its records came from a peer.
    Seen,
    /// A person named it: by a ticket, or with `key pin`.
    Pinned,
    /// We hold its secret key.
    Own,
}

/// What we know about a publisher; its inception is the record with its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherRow {
    pub since: Timestamp,
    pub trust: Trust,
    pub petname: Option<Petname>,
}

impl PublisherRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.since.as_millis().to_be_bytes().to_vec();
        row.push(match self.trust {
            Trust::Seen => 0,
            Trust::Pinned => 1,
            Trust::Own => 2,
        });
        row.extend_from_slice(self.petname.as_ref().map_or("", Petname::as_str).as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged("a publisher");
        let mut row = Reader(row);
        let since = Timestamp::from_millis(row.number()?);
        let trust = match row.byte()? {
            0 => Trust::Seen,
            1 => Trust::Pinned,
            2 => Trust::Own,
            _ => return Err(damaged()),
        };
        let petname = match std::str::from_utf8(row.0).map_err(|_| damaged())? {
            "" => None,
            name => Some(name.parse().map_err(|_| damaged())?),
        };
        Ok(Self { since, trust, petname })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_has_these_bytes() {
        let row = PublisherRow {
            since: Timestamp::from_millis(1),
            trust: Trust::Own,
            petname: Some("acme".parse().unwrap()),
        };
        assert_eq!(hex::encode(row.encode()), "00000000000000010261636d65");
        assert_eq!(PublisherRow::decode(&row.encode()).unwrap(), row);
        let bare = PublisherRow { trust: Trust::Seen, petname: None, ..row };
        assert_eq!(hex::encode(bare.encode()), "000000000000000100");
        assert_eq!(PublisherRow::decode(&bare.encode()).unwrap(), bare);
    }
}
