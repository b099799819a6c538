//! A decision as the store has it. Each layout is pinned by a test on its exact bytes.

use super::{Decision, Subject};
use crate::digest::Sha256Digest;
use crate::identity::PublisherId;
use crate::store::StoreError;
use crate::store::moves::of_channel_key;
use crate::store::rows::{Reader, statement_id, version_of};
use crate::store::tables::{LogId, of_package_key, package_item_key};
use crate::time::Timestamp;

impl Subject {
    pub(super) fn publisher(&self) -> &PublisherId {
        match self {
            Self::Log(log) => &log.publisher,
            Self::Version { package, .. } | Self::Channel { package, .. } => &package.publisher,
        }
    }

    pub(super) fn key(&self) -> Vec<u8> {
        match self {
            Self::Log(log) => [&[1], log.row_key().as_slice()].concat(),
            Self::Version { package, version } => {
                [&[2], package_item_key(package, &version.to_string()).as_slice()].concat()
            }
            Self::Channel { package, channel } => {
                [&[3], package_item_key(package, channel.as_str()).as_slice()].concat()
            }
        }
    }

    fn of_key(key: &[u8]) -> Result<Self, StoreError> {
        match key.split_first() {
            Some((1, log)) => LogId::of_row_key(log).map(Self::Log),
            Some((2, version)) => {
                let (package, version) = of_package_key(version)?;
                Ok(Self::Version { package, version: version_of(version)? })
            }
            Some((3, channel)) => {
                let (package, channel) = of_channel_key(channel)?;
                Ok(Self::Channel { package, channel })
            }
            _ => Err(StoreError::damaged("a decision")),
        }
    }
}

impl Decision {
    pub(super) fn encode(&self, proof: &[u8; 32], now: Timestamp) -> Vec<u8> {
        let kind: u8 = match self {
            Self::KeepHead { .. } => 1,
            Self::Lift => 2,
            Self::KeepRelease(_) => 3,
            Self::KeepMove(_) => 4,
        };
        let mut row = vec![kind];
        row.extend_from_slice(&now.as_millis().to_be_bytes());
        row.extend_from_slice(proof);
        match self {
            Self::KeepHead { size, root } => {
                row.extend_from_slice(&size.to_be_bytes());
                row.extend_from_slice(root.as_bytes());
            }
            Self::Lift => {}
            Self::KeepRelease(id) | Self::KeepMove(id) => row.extend_from_slice(id.as_bytes()),
        }
        row
    }
}

pub(in crate::store) type DecisionRow = (Subject, Decision, [u8; 32], Timestamp);

pub(in crate::store) fn decision_of_row(key: &[u8], row: &[u8]) -> Result<DecisionRow, StoreError> {
    let subject = Subject::of_key(key)?;
    let mut row = Reader(row);
    let (kind, now, proof) = (row.byte()?, row.number()?, *row.array()?);
    let decision = match kind {
        1 => Decision::KeepHead {
            size: row.number()?,
            root: Sha256Digest::from_bytes(*row.array()?),
        },
        2 => Decision::Lift,
        3 => Decision::KeepRelease(statement_id(row.array()?)),
        4 => Decision::KeepMove(statement_id(row.array()?)),
        _ => return Err(StoreError::damaged("a decision")),
    };
    row.end()?;
    Ok((subject, decision, proof, Timestamp::from_millis(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::PackageId;
    use crate::store::testing::publisher;

    #[test]
    fn decisions_have_these_bytes() {
        let acme = publisher("acme");
        let log = LogId { publisher: acme.publisher(), key: acme.key().public() };
        let package = PackageId { publisher: acme.publisher(), name: "db".parse().unwrap() };
        let key = hex::encode(log.publisher.as_bytes());
        let channel = "stable".parse().unwrap();
        let channel = Subject::Channel { package: package.clone(), channel };
        let version = Subject::Version { package, version: "1.0.0".parse().unwrap() };
        let proof = [0x33; 32];
        let root = Sha256Digest::from_bytes([0x44; 32]);
        let id = statement_id(&[0x55; 32]);
        let (threes, now) = ("33".repeat(32), "0000000000000009");
        for (subject, decision, expected_key, expected) in [
            (
                Subject::Log(log),
                Decision::KeepHead { size: 7, root },
                format!("01{key}{}", log.key),
                ["01", now, &threes, "0000000000000007", &"44".repeat(32)].concat(),
            ),
            (
                Subject::Log(log),
                Decision::Lift,
                format!("01{key}{}", log.key),
                ["02", now, &threes].concat(),
            ),
            (
                version,
                Decision::KeepRelease(id),
                format!("02{key}026462312e302e30"),
                ["03", now, &threes, &"55".repeat(32)].concat(),
            ),
            (
                channel,
                Decision::KeepMove(id),
                format!("03{key}026462737461626c65"),
                ["04", now, &threes, &"55".repeat(32)].concat(),
            ),
        ] {
            let row = decision.encode(&proof, Timestamp::from_millis(9));
            assert_eq!((hex::encode(subject.key()), hex::encode(&row)), (expected_key, expected));
            let read = decision_of_row(&subject.key(), &row).unwrap();
            assert_eq!(read, (subject.clone(), decision, proof, Timestamp::from_millis(9)));
            decision_of_row(&subject.key(), &row[1..]).unwrap_err();
        }
    }
}
