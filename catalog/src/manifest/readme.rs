//! Finds the README and makes its text safe to sign and to show.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::finding::{Code, Finding};
use super::is_unsafe_to_show;
use super::keys::Spanned;
use super::pack::metadata_without_links;
use crate::path::TreePath;
use crate::release::DESCRIPTION_BYTES_MAX;

/// The README that is taken when the manifest names none.
const README: &str = "README.md";

/// Reads the README: the file that the manifest names, or `README.md` if there is one.
pub(super) fn readme(
    base: &Path,
    named: Option<&Spanned<String>>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let path = named.map_or(README, |named| named.value.as_str());
    let span = named.and_then(|named| named.span.clone());
    let mut report = |finding: Finding| findings.push(finding.at(span.clone()));
    if path.parse::<TreePath>().is_err() {
        let message = format!("the readme {path:?} is not a path below catalog.toml");
        report(Finding::error(Code::Readme, message));
        return None;
    }
    let bytes = match metadata_without_links(base, path) {
        Ok(None) if named.is_none() => return None,
        Ok(Some(metadata)) if metadata.is_file() => read_up_to(&base.join(path)),
        Ok(None) => Err(io::Error::from(io::ErrorKind::NotFound)),
        Ok(Some(_)) => Err(io::Error::other("it is not a regular file")),
        Err(finding) => {
            report(finding);
            return None;
        }
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read the readme {path}: {error}");
            report(Finding::error(Code::Readme, message));
            return None;
        }
    };
    let text = readme_text(&bytes);
    if bytes.len() > DESCRIPTION_BYTES_MAX {
        let message = format!("{path} is longer than 16 KiB; the release carries its beginning");
        report(Finding::warning(Code::Readme, message));
    }
    text
}

fn read_up_to(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(DESCRIPTION_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a README as a release carries it: NFC, at most 16 KiB, with no control characters
/// but line ends and tabs; `None` when nothing is left.
pub(crate) fn readme_text(bytes: &[u8]) -> Option<String> {
    let whole = bytes.len() <= DESCRIPTION_BYTES_MAX;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(DESCRIPTION_BYTES_MAX)]);
    // A cut in the middle of a character shows as a replacement character.
    let text = if whole { &text } else { text.trim_end_matches('\u{fffd}') };
    let kept = text.chars().filter(|&c| matches!(c, '\n' | '\t') || !is_unsafe_to_show(c));
    let mut text: String = kept.nfc().collect();
    text.truncate(text.floor_char_boundary(DESCRIPTION_BYTES_MAX));
    (!text.trim().is_empty()).then_some(text)
}
