//! Reads a zip archive entry by entry, as its directory lists them.
//!
//! The zip library keeps one entry for each name, so the directory's own count is read first: it
//! shows duplicates, and refuses a directory that would not fit in memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::unpack::{UnpackError, Unpacker, shown};

/// Longest target of a symbolic link, as for any path.
const TARGET_BYTES_MAX: u64 = 1024;

/// The type bits of a Unix mode.
const TYPE_BITS: u32 = 0o170_000;

/// Unpacks a `.zip` or `.whl`.
pub(super) fn unpack(
    mut archive: File,
    into: &mut Unpacker,
    entries_max: u64,
) -> Result<(), UnpackError> {
    let listed = entry_count(&mut archive).map_err(damaged)?;
    let Some(listed) = listed else {
        return Err(damage("it is not a zip file, or is cut short"));
    };
    if listed > entries_max {
        return Err(UnpackError::TooMany { max: entries_max });
    }
    let mut zip =
        ZipArchive::new(BufReader::new(archive)).map_err(|error| damage(&error.to_string()))?;
    if zip.len() as u64 != listed {
        return Err(damage("its directory lists a name twice, or is inconsistent"));
    }
    for index in 0..zip.len() {
        into.count()?;
        let mut entry = zip.by_index(index).map_err(|error| damage(&error.to_string()))?;
        let name = std::str::from_utf8(entry.name_raw())
            .map_err(|_| damage("a name is not UTF-8"))?
            .to_owned();
        let (size, mode) = (entry.size(), entry.unix_mode().unwrap_or(0));
        match mode & TYPE_BITS {
            _ if entry.is_dir() => into.folder(&name)?,
            0 | 0o100_000 => into.file(&name, mode & 0o111 != 0, size, &mut entry)?,
            0o120_000 => into.symlink(&name, &target(&mut entry)?)?,
            other => {
                let what = format!("special file (mode {other:o})");
                return Err(UnpackError::Special { name: shown(&name), what });
            }
        }
    }
    Ok(())
}

fn target(entry: &mut impl Read) -> Result<String, UnpackError> {
    let mut target = String::new();
    entry.take(TARGET_BYTES_MAX + 1).read_to_string(&mut target).map_err(damaged)?;
    match target.len() as u64 > TARGET_BYTES_MAX {
        true => Err(damage("the target of a symbolic link is longer than 1 KiB")),
        false => Ok(target),
    }
}

/// The number of entries according to the record at the very end; `None` when there is no such
/// record.
///
/// # Source
/// APPNOTE.TXT 6.3.10, sections 4.3.14 to 4.3.16.
fn entry_count(archive: &mut File) -> io::Result<Option<u64>> {
    const RECORD: usize = 22;
    const COMMENT_MAX: u64 = 65_535;
    let length = archive.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(RECORD as u64 + COMMENT_MAX);
    archive.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    archive.take(RECORD as u64 + COMMENT_MAX).read_to_end(&mut tail)?;
    let ends_here = |at: &usize| {
        let record = &tail[*at..];
        record.starts_with(b"PK\x05\x06")
            && RECORD + usize::from(u16_at(record, 20)) == record.len()
    };
    let Some(at) = (0..=tail.len().saturating_sub(RECORD))
        .rev()
        .filter(|at| tail.len() - at >= RECORD)
        .find(ends_here)
    else {
        return Ok(None);
    };
    let count = u64::from(u16_at(&tail[at..], 10));
    let locator = at.checked_sub(20).map(|at| &tail[at..]).filter(|l| l.starts_with(b"PK\x06\x07"));
    let Some(locator) = locator else { return Ok(Some(count)) };
    archive.seek(SeekFrom::Start(u64_at(locator, 8)))?;
    let mut record = [0; 40];
    archive.read_exact(&mut record)?;
    Ok(record.starts_with(b"PK\x06\x06").then(|| u64_at(&record, 32)))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

fn damaged(error: io::Error) -> UnpackError {
    damage(&error.to_string())
}

fn damage(reason: &str) -> UnpackError {
    UnpackError::Damaged { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn count(bytes: &[u8]) -> Option<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        entry_count(&mut file).unwrap()
    }

    fn archive(entries: usize, comment: &str) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for number in 0..entries {
            zip.start_file(number.to_string(), SimpleFileOptions::default()).unwrap();
        }
        zip.set_comment(comment).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn the_directory_is_counted_in_either_format() {
        assert_eq!(count(&archive(0, "")), Some(0));
        assert_eq!(count(&archive(3, "PK\u{5}\u{6} is not the end")), Some(3));
        assert_eq!(count(&archive(70_000, "")), Some(70_000));
    }

    #[test]
    fn what_does_not_end_like_a_zip_is_none() {
        let whole = archive(3, "");
        assert_eq!(count(&whole[..whole.len() - 1]), None);
        assert_eq!(count(&[whole, vec![0]].concat()), None);
        assert_eq!(count(b""), None);
    }
}
