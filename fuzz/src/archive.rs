//! Archives whose checksums are right although their content was mutated, so that mutations reach
//! the code behind the checksums.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::{Compression, Crc, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::io::Write;

const BLOCK: usize = 512;

/// Packs a tar archive as a `.tgz`, after mending the checksum of every header in it.
pub fn tgz(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        let used = header.iter().any(|byte| *byte != 0);
        if used {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let size = std::str::from_utf8(&header[124..136]).unwrap_or_default();
        let size = u64::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        let Ok(size) = usize::try_from(size) else { break };
        let blocks = if used { size.div_ceil(BLOCK) } else { 0 };
        at = at.saturating_add(blocks.saturating_add(1).saturating_mul(BLOCK));
        if at > tar.len() {
            break;
        }
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&tar).and_then(|()| gzip.finish()).expect("writing to memory")
}

/// Reads a list of entries and packs them as a `.whl` without compression.
///
/// One entry is the length of its name, the name, the mode (2 bytes, little-endian), the length of
/// its content (2 bytes, little-endian) and the content; the list ends with the input. A `RECORD`
/// with the right hashes is added for the first folder that ends in `.dist-info`.
pub fn whl(mut list: &[u8]) -> Vec<u8> {
    let mut entries = Vec::new();
    while let Some(entry) = entry(&mut list) {
        entries.push(entry);
    }
    let info = entries.iter().find_map(|(name, ..)| {
        let folder = name.split(|byte| *byte == b'/').next()?;
        folder.ends_with(b".dist-info").then(|| folder.to_vec())
    });
    if let Some(info) = info {
        let name = [&info[..], b"/RECORD"].concat();
        let mut record = Vec::new();
        for (name, mode, content) in &entries {
            let kind = mode & 0o170_000;
            if (kind == 0 || kind == 0o100_000) && !name.ends_with(b"/") {
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
                record.extend_from_slice(name);
                record.extend(format!(",sha256={hash},{}\n", content.len()).into_bytes());
            }
        }
        record.extend([&name[..], b",,\n"].concat());
        entries.push((name, 0o100_644, record));
    }
    zip(&entries)
}

type Entry = (Vec<u8>, u16, Vec<u8>);

fn entry(list: &mut &[u8]) -> Option<Entry> {
    let (&length, rest) = list.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let (mode, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (content, rest) = rest.split_at(length);
    *list = rest;
    Some((name.to_vec(), u16::from_le_bytes(*mode), content.to_vec()))
}

/// # Source
/// APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, mode, content) in entries {
        let mut crc = Crc::new();
        crc.update(content);
        let size = (content.len() as u32).to_le_bytes();
        let name_size = (name.len() as u16).to_le_bytes();
        // Version needed, flags, method and time; then checksum, both sizes and the name's.
        let common = [
            &[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0x21][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &name_size,
            &[0, 0],
        ]
        .concat();
        let offset = (archive.len() as u32).to_le_bytes();
        archive.extend([b"PK\x03\x04", &common[..], name, content].concat());
        // Made on Unix; no comment, first disk, the mode in the upper half of the attributes.
        let mode = (u32::from(*mode) << 16).to_le_bytes();
        let after = [&[0; 6][..], &mode, &offset].concat();
        directory.extend([b"PK\x01\x02\x14\x03", &common[..], &after, name].concat());
    }
    let (count, start) = (entries.len() as u16, archive.len() as u32);
    let end = [
        &b"PK\x05\x06\0\0\0\0"[..],
        &count.to_le_bytes(),
        &count.to_le_bytes(),
        &(directory.len() as u32).to_le_bytes(),
        &start.to_le_bytes(),
        &[0, 0],
    ];
    [archive, directory, end.concat()].concat()
}
