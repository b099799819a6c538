//! Makes the text of a README safe to sign and to show.

use unicode_normalization::UnicodeNormalization;

use super::is_unsafe_to_show;
use crate::release::DESCRIPTION_BYTES_MAX;

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
