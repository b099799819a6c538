//! The file of those who were caught lying.
//!
//! Layout: `catalog-bans`, the version (1), then for each node its id (32 bytes) and the end of its
//! ban (milliseconds since 1970, 8 bytes, little endian), by id.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use catalog::permission::NodeId;
use catalog::time::Timestamp;

const HEAD: &[u8] = b"catalog-bans\x01";
const ROW_BYTES: usize = 40;

/// The bans in `file`, at most so many; none when it is not there or not of this layout.
pub(super) fn read(file: &Path, rows_max: usize) -> Vec<(NodeId, Timestamp)> {
    let mut bytes = Vec::new();
    let bytes_max = (HEAD.len() + rows_max * ROW_BYTES) as u64;
    let opened = fs::File::open(file);
    if opened.and_then(|file| file.take(bytes_max).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    decode(&bytes)
}

fn decode(bytes: &[u8]) -> Vec<(NodeId, Timestamp)> {
    let Some(rows) = bytes.strip_prefix(HEAD) else { return Vec::new() };
    let (rows, _) = rows.as_chunks::<ROW_BYTES>();
    let row = |row: &[u8; ROW_BYTES]| {
        let node = row.first_chunk::<32>()?;
        let until = row.last_chunk::<8>()?;
        let until = Timestamp::from_millis(u64::from_le_bytes(*until));
        Some((NodeId::from_bytes(*node), until))
    };
    rows.iter().filter_map(row).collect()
}

/// Writes the bans, in place of those that were there.
pub(super) fn write(file: &Path, bans: Vec<(NodeId, Timestamp)>) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = file.with_extension("new");
    fs::write(&fresh, encode(bans))?;
    fs::rename(fresh, file)
}

fn encode(mut bans: Vec<(NodeId, Timestamp)>) -> Vec<u8> {
    bans.sort();
    let mut bytes = HEAD.to_vec();
    for (node, until) in bans {
        bytes.extend_from_slice(node.as_bytes());
        bytes.extend_from_slice(&until.as_millis().to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bans() -> Vec<(NodeId, Timestamp)> {
        let ban = |byte, millis| (NodeId::from_bytes([byte; 32]), Timestamp::from_millis(millis));
        vec![ban(9, 0x0102_0304), ban(3, 5)]
    }

    #[test]
    fn bans_are_these_bytes() {
        let mut golden = b"catalog-bans\x01".to_vec();
        golden.extend([3; 32]);
        golden.extend([5, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend([9; 32]);
        golden.extend([4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(encode(bans()), golden);
        assert_eq!(decode(&golden).len(), 2);
        assert_eq!(decode(&golden[..golden.len() - 1]).len(), 1, "half a row is none");
        assert!(decode(b"something else").is_empty());
    }

    #[test]
    fn of_a_file_of_any_size_only_so_much_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bans");
        assert!(read(&file, 10).is_empty());
        write(&file, bans()).unwrap();
        assert_eq!(read(&file, 10).len(), 2);
        assert_eq!(read(&file, 1).len(), 1);
    }
}
