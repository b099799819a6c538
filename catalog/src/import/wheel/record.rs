//! Checks the files of a wheel against the hashes in its `RECORD`.
//!
//! # Source
//! Python packaging: recording installed projects, and PEP 427 (which files need a hash).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::draft::SourceEntry;
use crate::import::read_entry;

/// Longest `RECORD`: 100,000 lines of usual length.
const RECORD_BYTES_MAX: u64 = 32 << 20;

/// Checks that every file is listed with the right hash and that every listed file is there.
///
/// - `info`: the `.dist-info` folder.
///
/// The error is what is wrong, in words.
pub(super) fn verify(entries: &[SourceEntry], info: &str) -> Result<(), String> {
    let record = format!("{info}/RECORD");
    let text = read_entry(entries, &record, RECORD_BYTES_MAX)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or("it has no readable RECORD")?;
    let mut listed = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let fields = fields(line);
        let [path, hash, ..] = &fields[..] else {
            return Err("its RECORD is not a list of path, hash and size".into());
        };
        listed.insert(path.clone(), hash.clone());
    }
    for entry in entries {
        let SourceEntry::File { path, source, .. } = entry else { continue };
        let path = path.as_str();
        let hash = listed.remove(path);
        if path == record || [".jws", ".p7s"].iter().any(|end| *path == format!("{record}{end}")) {
            continue;
        }
        match hash {
            None => return Err(format!("{path} is not listed in its RECORD")),
            Some(expected) => check(path, source, &expected)?,
        }
    }
    match listed.into_keys().next() {
        Some(path) => Err(format!("its RECORD lists {path:?}, which is not in the archive")),
        None => Ok(()),
    }
}

fn check(path: &str, source: &Path, expected: &str) -> Result<(), String> {
    let (algorithm, expected) = expected.split_once('=').unwrap_or((expected, ""));
    let found = match algorithm {
        "sha256" => hash::<Sha256>(source),
        "sha384" => hash::<Sha384>(source),
        "sha512" => hash::<Sha512>(source),
        other => return Err(format!("its RECORD gives {path} a {other:?} hash, not SHA-2")),
    };
    match found.map_err(|error| format!("{path} cannot be read back: {error}"))? {
        found if found == expected.trim_end_matches('=') => Ok(()),
        _ => Err(format!("{path} does not have the hash that its RECORD gives")),
    }
}

fn hash<H: Digest + io::Write>(source: &Path) -> io::Result<String> {
    let mut hasher = H::new();
    io::copy(&mut File::open(source)?, &mut hasher)?;
    Ok(base64_url(&hasher.finalize()))
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
pub(in crate::import) fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=group.len() {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(char::from(DIGITS[value as usize]));
        }
    }
    text
}

/// Splits one line of comma-separated fields; a field in quotes may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("starts with one field");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64_url(bytes.as_bytes()), text);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn quoted_fields_may_hold_commas() {
        assert_eq!(fields("a/b.py,sha256=x,12"), ["a/b.py", "sha256=x", "12"]);
        assert_eq!(fields("\"a,\"\"b\",,"), ["a,\"b", "", ""]);
    }
}
