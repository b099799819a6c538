//! The file in which a node keeps its accounts. Its bytes are a promise; a test pins them.
//!
//! It is written whole, beside the old one, and swapped in. A node that signs or sends writes first
//! that its accounts are open, and says when it ends in good order that they are closed: who finds
//! open ones begins to count anew, so that it never signs one number twice. A file that cannot be
//! read is set aside and starts over.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use catalog::Digest;
use catalog::permission::NodeId;
use catalog_mirror::audit::{RECORD_BYTES_MAX, Record};
use catalog_mirror::ledger::Ledger;
use tracing::warn;

/// What a file begins with: its name and its version.
const MAGIC: &[u8; 16] = b"catalog account\x01";
/// No file is larger; the ledger has a ceiling of its own.
const BYTES_MAX: u64 = 64 << 20;

const _: () = assert!(RECORD_BYTES_MAX <= u8::MAX as usize);

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// Numbers countings of ours.
    pub epoch: u32,
    pub ledger: Ledger,
    /// What clients were sent and did not sign for.
    pub unclaimed: Vec<(NodeId, u64)>,
    /// What audits told of nodes.
    pub records: Vec<(NodeId, Record)>,
    /// How the process ended that wrote this.
    pub end: End,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It closed its accounts.
    Orderly,
    /// It did not, or it still runs.
    Sudden,
}

impl Kept {
    /// Nothing was ever kept.
    pub(crate) fn nothing(us: NodeId, epoch: u32, end: End) -> Self {
        Self { epoch, ledger: Ledger::new(us), unclaimed: Vec::new(), records: Vec::new(), end }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(u8::from(self.end == End::Sudden));
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend((self.unclaimed.len() as u32).to_be_bytes());
        for (client, unclaimed) in &self.unclaimed {
            bytes.extend(client.as_bytes());
            bytes.extend(unclaimed.to_be_bytes());
        }
        bytes.extend((self.records.len() as u32).to_be_bytes());
        for (node, record) in &self.records {
            let record = record.encode();
            bytes.extend(node.as_bytes());
            bytes.push(record.len() as u8);
            bytes.extend(record);
        }
        bytes.extend(self.ledger.encode());
        // Told apart from what a crash tore.
        let digest = Digest::of(&bytes);
        bytes.extend(digest.as_bytes());
        bytes
    }

    fn decode(us: NodeId, bytes: &[u8]) -> Option<Self> {
        let (bytes, digest) = bytes.split_last_chunk::<32>()?;
        if Digest::of(bytes).as_bytes() != digest {
            return None;
        }
        let bytes = bytes.strip_prefix(MAGIC)?;
        let (end, bytes) = bytes.split_first()?;
        let end = match end {
            0 => End::Orderly,
            1 => End::Sudden,
            _ => return None,
        };
        let (epoch, bytes) = bytes.split_first_chunk()?;
        let (count, bytes) = bytes.split_first_chunk()?;
        let rows = (u32::from_be_bytes(*count) as usize).checked_mul(40)?;
        let (rows, bytes) = bytes.split_at_checked(rows)?;
        let rows = rows.chunks_exact(40).filter_map(|row| {
            let (client, bytes) = row.split_first_chunk::<32>()?;
            Some((NodeId::from_bytes(*client), u64::from_be_bytes(bytes.try_into().ok()?)))
        });
        let unclaimed = rows.collect();
        let (count, mut bytes) = bytes.split_first_chunk()?;
        let mut records = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (node, rest) = bytes.split_first_chunk()?;
            let (length, rest) = rest.split_first()?;
            let (record, rest) = rest.split_at_checked(usize::from(*length))?;
            records.push((NodeId::from_bytes(*node), Record::decode(record).ok()?));
            bytes = rest;
        }
        let ledger = Ledger::decode(us, bytes).ok()?;
        Some(Self { epoch: u32::from_be_bytes(*epoch), ledger, unclaimed, records, end })
    }
}

/// What is kept in a file, ready to go on with.
///
/// - `epoch`: larger than any that was used before, if what was used is not known; seconds are.
pub(crate) fn read(path: &Path, us: NodeId, epoch: u32) -> Kept {
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Kept::nothing(us, epoch, End::Orderly);
        }
        Ok(meta) if meta.len() > BYTES_MAX => None,
        _ => fs::read(path).ok(),
    };
    match bytes.and_then(|bytes| Kept::decode(us, &bytes)) {
        Some(kept) if kept.end == End::Sudden => {
            Kept { epoch: epoch.max(kept.epoch.saturating_add(1)), ..kept }
        }
        Some(kept) => kept,
        None => {
            warn!("the accounts in {} cannot be read and start over", path.display());
            fs::rename(path, path.with_extension("damaged")).ok();
            Kept::nothing(us, epoch, End::Sudden)
        }
    }
}

/// Puts bytes in the place of the file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: NodeId = NodeId::from_bytes([7; 32]);

    fn kept(end: End) -> Kept {
        let unclaimed = vec![(NodeId::from_bytes([0xaa; 32]), 258)];
        let records = vec![(NodeId::from_bytes([0xbb; 32]), Record::default())];
        Kept { epoch: 9, ledger: Ledger::new(US), unclaimed, records, end }
    }

    /// Nodes that end today read these bytes tomorrow. Those of the ledger and of records
    /// are pinned where they are.
    #[test]
    fn the_file_has_these_bytes() {
        let bytes = kept(End::Sudden).encode();
        let head = [
            "636174616c6f67206163636f756e7401",
            "01",
            "00000009",
            "00000001",
            &"aa".repeat(32),
            "0000000000000102",
            "00000001",
            &"bb".repeat(32),
            &format!("{:02x}", Record::default().encode().len()),
            &hex::encode(Record::default().encode()),
        ];
        let ledger = hex::encode(Ledger::new(US).encode());
        let (body, digest) = bytes.split_at(bytes.len() - 32);
        assert_eq!(hex::encode(body), head.concat() + &ledger);
        assert_eq!(digest, Digest::of(body).as_bytes());
        assert_eq!(Kept::decode(US, &bytes), Some(kept(End::Sudden)));
    }

    #[test]
    fn damage_of_any_kind_is_noticed_and_starts_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("account");
        assert_eq!(read(&path, US, 50), Kept::nothing(US, 50, End::Orderly));
        let bytes = kept(End::Orderly).encode();
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            assert_eq!(Kept::decode(US, &wrong), None, "byte {at}");
            assert_eq!(Kept::decode(US, &bytes[..at]), None, "{at} bytes");
        }
        write(&path, &bytes[1..]).unwrap();
        assert_eq!(read(&path, US, 50), Kept::nothing(US, 50, End::Sudden));
        assert!(!path.exists() && path.with_extension("damaged").exists());
    }

    /// Whoever does not know what it signed last counts under a number of its own.
    #[test]
    fn accounts_that_were_not_closed_begin_a_new_counting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("account");
        write(&path, &kept(End::Orderly).encode()).unwrap();
        assert_eq!(read(&path, US, 50).epoch, 9);
        write(&path, &kept(End::Sudden).encode()).unwrap();
        assert_eq!(read(&path, US, 50).epoch, 50);
        assert_eq!(read(&path, US, 3).epoch, 10, "also when the clock went back");
    }
}
