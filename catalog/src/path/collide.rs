//! Finds entries of one tree that are the same file on some system.

use super::TreePath;
use crate::defence::{self, Defence};
use caseless::Caseless;
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Bytes.
    File,
    /// A folder; the only kind that may have entries below it.
    Dir,
    /// A relative link to another place in the tree.
    Symlink,
}

/// Two entries that cannot live side by side on every system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollisionError {
    /// The same path twice.
    #[error("path {path:?} appears twice")]
    Duplicate {
        /// The path.
        path: TreePath,
    },
    /// Spelled differently, yet the same file or folder where case, normalisation or invisible
    /// characters do not count.
    #[error("paths {first:?} and {second:?} are the same on some systems")]
    SameOnSomeSystems {
        /// The one that sorts first.
        first: TreePath,
        /// The other.
        second: TreePath,
    },
    /// Something stands below a file or a link.
    #[error("path {below:?} stands below {above:?}, which is not a folder")]
    BelowNonFolder {
        /// The file or link.
        above: TreePath,
        /// What stands below it.
        below: TreePath,
    },
}

/// Checks that all entries can live side by side on every system.
///
/// Folders above an entry count as well, listed or not: `Lib/a` and `lib/b` are refused. The order
/// of the entries does not matter. Time O(n log n); memory some 40 bytes an entry and one folded
/// copy of the paths, however deep they are.
///
/// # Errors
/// One [`CollisionError`], the same for any order of the entries.
pub fn collisions<'a>(
    entries: impl IntoIterator<Item = (&'a TreePath, EntryKind)>,
) -> Result<(), CollisionError> {
    if !defence::on(Defence::PathCollisions) {
        return Ok(());
    }
    // All folded paths in one buffer, because a tree may have 100,000 of them.
    let mut folded = Vec::new();
    let mut places: Vec<Place<'a>> = Vec::new();
    for (path, kind) in entries {
        let start = folded.len();
        fold_into(&mut folded, path.as_str());
        places.push(Place { folded: start..folded.len(), path, kind });
    }
    // With a NUL between the components, sorting puts everything below a folder right behind it.
    // So two entries that share a folded ancestor in different spellings have a neighbouring pair
    // between them that does, too.
    places.sort_by(|a, b| {
        let key = |place: &Place| &folded[place.folded.clone()];
        key(a).cmp(key(b)).then_with(|| a.path.cmp(b.path))
    });
    places.windows(2).try_for_each(|pair| neighbours(&pair[0], &pair[1]))
}

struct Place<'a> {
    folded: Range<usize>,
    path: &'a TreePath,
    kind: EntryKind,
}

/// Compares two entries where they part: at the first component that is spelled differently.
fn neighbours(first: &Place<'_>, second: &Place<'_>) -> Result<(), CollisionError> {
    let (upper, lower) = (first.path.as_str(), second.path.as_str());
    if upper == lower {
        return Err(CollisionError::Duplicate { path: first.path.clone() });
    }
    // `first` sorts first, so if one is an ancestor of the other, it is this one.
    if lower.strip_prefix(upper).is_some_and(|below| below.starts_with('/')) {
        return match first.kind {
            EntryKind::Dir => Ok(()),
            _ => Err(CollisionError::BelowNonFolder {
                above: first.path.clone(),
                below: second.path.clone(),
            }),
        };
    }
    let shared = upper.bytes().zip(lower.bytes()).take_while(|(a, b)| a == b).count();
    let slash = upper.as_bytes()[..shared].iter().rposition(|byte| *byte == b'/');
    let start = slash.map_or(0, |slash| slash + 1);
    let component = |path| str::split(path, '/').next().unwrap_or_default();
    if fold_equal(component(&upper[start..]), component(&lower[start..])) {
        let (first, second) = (first.path.clone(), second.path.clone());
        return Err(CollisionError::SameOnSomeSystems { first, second });
    }
    Ok(())
}

fn fold_equal(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    fold_into(&mut left, one);
    fold_into(&mut right, other);
    left == right
}

/// Appends the form in which two paths compare equal if some system takes them for the same:
/// canonical caseless matching (Unicode, section 3.13, D145) without ignorable characters. A NUL
/// stands for each slash.
fn fold_into(folded: &mut Vec<u8>, path: &str) {
    let separated = |byte: u8| if byte == b'/' { 0 } else { byte };
    if path.is_ascii() {
        folded.extend(path.bytes().map(|byte| separated(byte.to_ascii_lowercase())));
        return;
    }
    let visible = path.nfd().filter(|c| !is_ignorable(*c));
    let mut bytes = [0; 4];
    for character in visible.default_case_fold().nfd() {
        folded.extend(character.encode_utf8(&mut bytes).bytes().map(separated));
    }
}

/// Whether some file systems leave this character out when they compare names: the code points
/// with the property `Default_Ignorable_Code_Point`.
pub(super) fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}
