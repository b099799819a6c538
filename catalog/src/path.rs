//! Paths inside a tree that mean the same file on every system.
//!
//! Guarantees of a [`TreePath`]: joined to a folder it names something below that folder, on Linux,
//! macOS and Windows alike; and it has one spelling. Guarantees of [`collisions`]: no two entries
//! of a tree are the same file on a system that ignores case, normalisation or invisible
//! characters. Links are a matter of [`TreePath::resolve_link`].

mod collide;
mod link;

pub use collide::{CollisionError, EntryKind, collisions};
pub use link::LinkError;

use crate::defence::{self, Defence};
use crate::name::is_windows_device;
use std::fmt;
use std::str::FromStr;

/// The longest path.
pub const PATH_BYTES_MAX: usize = 1024;

/// The longest part between two slashes: what Linux, macOS and Windows can store.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// A relative path with `/` between its components, in NFC.
///
/// It is never empty or absolute, and no component is empty, `.`, `..`, longer than
/// [`COMPONENT_BYTES_MAX`], the name of a Windows device, made of invisible characters only, or ends
/// in a dot or a space. It holds no backslash, colon or control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Box<str>);

/// Text that is not a path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {rule}")]
pub struct PathError {
    /// The path, cut to a length that can be shown.
    path: Box<str>,
    rule: PathRule,
}

/// The rule of paths that one breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRule {
    /// It names nothing.
    #[error("is empty")]
    Empty,
    /// It starts with a slash.
    #[error("is absolute")]
    Absolute,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// Two slashes in a row, or one at the end.
    #[error("has an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("has a component that is `.` or `..`")]
    Traversal,
    /// A component longer than [`COMPONENT_BYTES_MAX`].
    #[error("has a component longer than {COMPONENT_BYTES_MAX} bytes")]
    ComponentTooLong,
    /// A character that some system reads as something else.
    #[error("contains {0:?}, which some systems do not allow")]
    Character(char),
    /// Windows cuts such an ending off.
    #[error("has a component that ends in a dot or a space")]
    Ending,
    /// Windows opens a device instead of a file.
    #[error("has a component that is the name of a device on Windows")]
    Device,
    /// Some systems do not see a single character of it.
    #[error("has a component without visible characters")]
    Invisible,
    /// The same text has another spelling that is the normal one.
    #[error("is not in Unicode normal form C")]
    NotNormal,
}

impl PathError {
    /// The rule that is broken.
    pub fn rule(&self) -> PathRule {
        self.rule
    }
}

impl TreePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes; there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The folder that this is in; `None` at the top.
    pub fn parent(&self) -> Option<TreePath> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }
}

impl FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match broken_rule(text) {
            Some(rule) if defence::on(Defence::PathRules) => {
                Err(PathError { path: text.chars().take(120).collect(), rule })
            }
            _ => Ok(Self(text.into())),
        }
    }
}

fn broken_rule(text: &str) -> Option<PathRule> {
    if text.is_empty() {
        return Some(PathRule::Empty);
    }
    if text.starts_with('/') {
        return Some(PathRule::Absolute);
    }
    if text.len() > PATH_BYTES_MAX {
        return Some(PathRule::TooLong);
    }
    // A colon stands for a drive or an alternate stream on Windows.
    let unsafe_character = |c: &char| matches!(c, '\\' | ':') || c.is_control();
    if let Some(found) = text.chars().find(unsafe_character) {
        return Some(PathRule::Character(found));
    }
    if !text.is_ascii() && !unicode_normalization::is_nfc(text) {
        return Some(PathRule::NotNormal);
    }
    text.split('/').find_map(broken_component_rule)
}

fn broken_component_rule(component: &str) -> Option<PathRule> {
    match component {
        "" => Some(PathRule::EmptyComponent),
        "." | ".." => Some(PathRule::Traversal),
        _ if component.len() > COMPONENT_BYTES_MAX => Some(PathRule::ComponentTooLong),
        _ if component.ends_with(['.', ' ']) => Some(PathRule::Ending),
        _ if is_windows_device(component) => Some(PathRule::Device),
        _ if component.chars().all(collide::is_ignorable) => Some(PathRule::Invisible),
        _ => None,
    }
}

/// Quoted and escaped, as a path is shown in a message.
impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for TreePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for TreePath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for TreePath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) use tests::hostile_paths;

#[cfg(test)]
mod tests;
