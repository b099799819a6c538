//! Reads a gzip-compressed tar archive entry by entry.
//!
//! Tar is many formats, and programs that read it disagree: a file size may stand in the header and
//! in an extended header before it. Extended headers are therefore read here, under a cap, and
//! whatever could be read in two ways is refused.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::unpack::{UnpackError, Unpacker, shown};

/// Longest extended header; it holds a path or two and some attributes.
const EXTENDED_BYTES_MAX: u64 = 64 << 10;

/// Most bytes after the end mark; writers pad to their block size of 10 KiB, some to 1 MiB.
const PADDING_BYTES_MAX: u64 = 2 << 20;

/// Unpacks a `.tgz`.
///
/// - `rename`: gives the path in the package for a name in the archive; `None` for the archive's
///   own top folder and for what does not lie in it.
pub(super) fn unpack(
    archive: File,
    into: &mut Unpacker,
    rename: impl Fn(&str) -> Option<&str>,
) -> Result<(), UnpackError> {
    let mut tar = Archive::new(MultiGzDecoder::new(BufReader::new(archive)));
    let mut extended = Extended::default();
    for entry in tar.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        into.count()?;
        if extended.take_in(&mut entry)? {
            continue;
        }
        keep(&mut entry, std::mem::take(&mut extended), into, &rename)?;
    }
    if extended != Extended::default() {
        return Err(damage("it ends in the middle of an entry"));
    }
    // Reading to the end also checks the checksum of the compressed stream.
    let rest = tar.into_inner().take(PADDING_BYTES_MAX);
    match io::copy(&mut { rest }, &mut io::sink()).map_err(damaged)? {
        PADDING_BYTES_MAX => Err(damage("more data follows after its end")),
        _ => Ok(()),
    }
}

fn keep<R: Read>(
    entry: &mut Entry<'_, R>,
    extended: Extended,
    into: &mut Unpacker,
    rename: impl Fn(&str) -> Option<&str>,
) -> Result<(), UnpackError> {
    let header = entry.header();
    let name = match extended.name {
        Some(name) => name,
        None => text(header.path_bytes().into_owned())?,
    };
    let size = header.entry_size().map_err(damaged)?;
    if let Some(other) = extended.size.filter(|&other| other != size) {
        return Err(UnpackError::TwoSizes { name: shown(&name), header: size, extended: other });
    }
    let kind = header.entry_type();
    let executable = header.mode().map_err(damaged)? & 0o111 != 0;
    let target = match (extended.target, header.link_name_bytes()) {
        (Some(target), _) => target,
        (None, Some(target)) => text(target.into_owned())?,
        (None, None) => String::new(),
    };
    // Before 1988 a folder was a file whose name ends in a slash.
    let folder = kind.is_dir() || (kind.is_file() && name.ends_with('/'));
    let path = match rename(&name) {
        Some(path) => path,
        None if folder => return Ok(()),
        None => return Err(damage("an entry lies outside of its top folder")),
    };
    if (folder || kind.is_symlink()) && size > 0 {
        return Err(UnpackError::TwoSizes { name: shown(&name), header: size, extended: 0 });
    }
    match kind {
        _ if folder => into.folder(path),
        EntryType::Regular => into.file(path, executable, size, entry),
        EntryType::Symlink => into.symlink(path, &target),
        EntryType::GNUSparse => {
            Err(UnpackError::Feature { name: shown(&name), what: "sparse files".into() })
        }
        other => Err(UnpackError::Special { name: shown(&name), what: word(other) }),
    }
}

/// What extended headers say about the entry that follows them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extended {
    name: Option<String>,
    target: Option<String>,
    size: Option<u64>,
}

impl Extended {
    /// Reads `entry` if it is an extended header; says whether it was.
    fn take_in<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, UnpackError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => set(&mut self.name, long_text(entry)?)?,
            EntryType::GNULongLink => set(&mut self.target, long_text(entry)?)?,
            EntryType::XHeader => self.pax(&extended_bytes(entry)?)?,
            EntryType::XGlobalHeader => {
                let mut global = Self::default();
                global.pax(&extended_bytes(entry)?)?;
                if global != Self::default() {
                    return Err(damage("one header names all entries at once"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pax(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        for pair in PaxExtensions::new(bytes) {
            let pair = pair.map_err(damaged)?;
            let value = || text(pair.value_bytes().to_vec());
            match pair.key_bytes() {
                b"path" => set(&mut self.name, value()?)?,
                b"linkpath" => set(&mut self.target, value()?)?,
                b"size" => {
                    let size = value()?.parse().map_err(|_| damage("a size is not a number"))?;
                    set(&mut self.size, size)?;
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(damage("it holds a sparse file, which catalog does not read"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), UnpackError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(damage("two extended headers describe one entry")),
    }
}

fn long_text<R: Read>(entry: &mut Entry<'_, R>) -> Result<String, UnpackError> {
    let mut bytes = extended_bytes(entry)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    text(bytes)
}

fn extended_bytes<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    let size = entry.header().entry_size().map_err(damaged)?;
    if size > EXTENDED_BYTES_MAX {
        return Err(damage("an extended header is longer than 64 KiB"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(damaged)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(damage("it is cut short")),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, UnpackError> {
    String::from_utf8(bytes).map_err(|_| damage("a name is not UTF-8"))
}

fn word(kind: EntryType) -> String {
    match kind {
        EntryType::Link => "hard link".into(),
        EntryType::Char => "character device".into(),
        EntryType::Block => "block device".into(),
        EntryType::Fifo => "pipe".into(),
        other => format!("thing of type {:?}", char::from(other.as_byte())),
    }
}

fn damaged(error: io::Error) -> UnpackError {
    UnpackError::Damaged { reason: error.to_string() }
}

fn damage(reason: &str) -> UnpackError {
    UnpackError::Damaged { reason: reason.into() }
}
