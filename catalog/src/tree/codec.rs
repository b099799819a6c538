//! The bytes of a tree.
//!
//! CBOR, read and written without values in between, because a tree may have 100,000 entries:
//!
//! ```text
//! tree  = [1, [entry, ...]]                                   ; 1 is the version
//! entry = [0, path, size, blake3, sha256]                     ; a file
//!       / [1, path, size, blake3, sha256]                     ; a file that can be run
//!       / [2, path]                                           ; a folder
//!       / [3, path, target]                                   ; a link
//! ```

use super::{TREE_BYTES_MAX, TreeEntry, TreeError, check_count};
use crate::cbor::{CodecError, Reader, Writer};
use crate::defence::{self, Defence};
use crate::digest::{Digest, Sha256Digest};

const VERSION: u64 = 1;

const FILE: u64 = 0;
const EXECUTABLE: u64 = 1;
const DIR: u64 = 2;
const SYMLINK: u64 = 3;

/// Bytes of a file entry besides its path: a little more than the least.
const FILE_BYTES: usize = 80;

pub(super) fn encode(entries: &[TreeEntry]) -> Vec<u8> {
    let bytes: usize = entries.iter().map(|entry| FILE_BYTES + entry.path().as_str().len()).sum();
    let mut writer = Writer::with_capacity(bytes);
    writer.array(2);
    writer.uint(VERSION);
    writer.array(entries.len());
    entries.iter().for_each(|entry| write(&mut writer, entry));
    writer.finish()
}

fn write(writer: &mut Writer, entry: &TreeEntry) {
    match entry {
        TreeEntry::File { path, executable, size, blake3, sha256 } => {
            writer.array(5);
            writer.uint(if *executable { EXECUTABLE } else { FILE });
            writer.text(path.as_str());
            writer.uint(*size);
            writer.bytes(blake3.as_bytes());
            writer.bytes(sha256.as_bytes());
        }
        TreeEntry::Dir { path } => {
            writer.array(2);
            writer.uint(DIR);
            writer.text(path.as_str());
        }
        TreeEntry::Symlink { path, target } => {
            writer.array(3);
            writer.uint(SYMLINK);
            writer.text(path.as_str());
            writer.text(target);
        }
    }
}

/// Reads the entries in the order in which they stand there.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<TreeEntry>, TreeError> {
    if bytes.len() > TREE_BYTES_MAX && defence::on(Defence::SizeLimits) {
        return Err(TreeError::TooLarge { bytes: bytes.len() });
    }
    let mut reader = Reader::new(bytes);
    expect_items(&mut reader, 2)?;
    let version = reader.uint()?;
    if version != VERSION {
        return Err(CodecError::Version { found: version }.into());
    }
    let count = reader.array()?;
    check_count(count)?;
    // No more than the input itself; a list of short entries grows as it is read.
    let mut entries = Vec::with_capacity(count.min(bytes.len() / size_of::<TreeEntry>()));
    for _ in 0..count {
        entries.push(read(&mut reader)?);
    }
    reader.finish()?;
    Ok(entries)
}

fn read(reader: &mut Reader<'_>) -> Result<TreeEntry, TreeError> {
    let start = reader.position();
    let items = reader.array()?;
    let kind = reader.uint()?;
    let path = reader.text()?.parse()?;
    match (kind, items) {
        (FILE | EXECUTABLE, 5) => Ok(TreeEntry::File {
            path,
            executable: kind == EXECUTABLE,
            size: reader.uint()?,
            blake3: Digest::from_bytes(reader.bytes_32()?),
            sha256: Sha256Digest::from_bytes(reader.bytes_32()?),
        }),
        (DIR, 2) => Ok(TreeEntry::Dir { path }),
        (SYMLINK, 3) => Ok(TreeEntry::Symlink { path, target: reader.text()?.to_owned() }),
        _ => Err(CodecError::Expected { at: start, expected: "a file, folder or link" }.into()),
    }
}

fn expect_items(reader: &mut Reader<'_>, items: usize) -> Result<(), CodecError> {
    let at = reader.position();
    match reader.array()? {
        found if found == items => Ok(()),
        _ => Err(CodecError::Expected { at, expected: "a pair of version and entries" }),
    }
}
