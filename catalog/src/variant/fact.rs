//! The words that facts are written in: keys, names and dotted version numbers.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Longest key or name, in bytes: leaves room for dozens of them in one statement.
const WORD_BYTES_MAX: usize = 64;

/// Most numbers in one version; kernels and drivers use up to four.
const VERSION_PARTS_MAX: usize = 6;

/// The name of a fact, such as `os` or `cpu.level`: words of `a-z`, `0-9` and `-`, joined by dots.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct FactKey(Box<str>);

/// One thing a fact can be, such as `linux`, `x86-64-v3` or `vulkan`: `a-z`, `0-9`, `.`, `_` and
/// `-`, starting with a letter or a digit.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct FactName(Box<str>);

/// Numbers joined by dots, such as `2.31`, kept as they were written (`22.04`).
///
/// Compared number by number; a missing number counts as zero, so `8` and `8.0` are the same age
/// though not the same text. That is why there is no `Ord`: see [`DottedVersion::age`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DottedVersion(Box<str>);

/// Why a text is not a key, a name or a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// Nothing was written.
    #[error("a fact needs a name")]
    Empty,
    /// Too long to be carried.
    #[error("{bytes} bytes are too long for the name of a fact, at most {WORD_BYTES_MAX}")]
    Length {
        /// How long it was.
        bytes: usize,
    },
    /// A character that keys and names do not have.
    #[error(
        "{found:?} cannot stand in {text:?}: facts are written with a-z, 0-9, '.', '_' and '-'"
    )]
    Character {
        /// The first character that is not allowed where it stands.
        found: char,
        /// The text it was found in.
        text: Box<str>,
    },
    /// Not numbers joined by dots.
    #[error("{text:?} is not a version number such as 2.31")]
    Version {
        /// What was written instead.
        text: Box<str>,
    },
}

impl FromStr for FactKey {
    type Err = FactError;

    fn from_str(text: &str) -> Result<Self, FactError> {
        check_length(text)?;
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if let Some(found) = text.chars().find(|&c| !allowed(c)) {
            return Err(FactError::Character { found, text: text.into() });
        }
        if text.split('.').any(str::is_empty) {
            return Err(FactError::Character { found: '.', text: text.into() });
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for FactName {
    type Err = FactError;

    fn from_str(text: &str) -> Result<Self, FactError> {
        check_length(text)?;
        let allowed = |at: usize, c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || (at > 0 && matches!(c, '.' | '_' | '-'))
        };
        match text.char_indices().find(|&(at, c)| !allowed(at, c)) {
            Some((_, found)) => Err(FactError::Character { found, text: text.into() }),
            None => Ok(Self(text.into())),
        }
    }
}

impl FromStr for DottedVersion {
    type Err = FactError;

    fn from_str(text: &str) -> Result<Self, FactError> {
        let number =
            |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        // Counted before the parts are looked at, so that a long text is not walked to its end.
        let few = text.split('.').take(VERSION_PARTS_MAX + 1).count() <= VERSION_PARTS_MAX;
        if few && text.split('.').all(number) {
            Ok(Self(text.into()))
        } else {
            Err(FactError::Version { text: text.chars().take(WORD_BYTES_MAX).collect() })
        }
    }
}

impl DottedVersion {
    /// Reads the version that `text` starts with (`6.18.44-generic` gives `6.18.44`).
    pub fn leading(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].trim_end_matches('.').parse().ok()
    }

    /// Keeps the first `count` numbers.
    pub fn truncated(&self, count: usize) -> Self {
        Self(self.0.split('.').take(count).collect::<Vec<_>>().join(".").into())
    }

    /// Orders by number, from the left; missing numbers are zero.
    pub fn age(&self, other: &Self) -> Ordering {
        let (mut ours, mut theirs) = (self.parts(), other.parts());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return Ordering::Equal,
                (a, b) => match a.unwrap_or(0).cmp(&b.unwrap_or(0)) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
    }

    /// Whether this starts with every number of `prefix`: `12.8` starts with `12`.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        let mut ours = self.parts();
        prefix.parts().all(|part| ours.next().unwrap_or(0) == part)
    }

    fn parts(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.split('.').map(|part| part.parse().expect("checked to be at most nine digits"))
    }
}

fn check_length(text: &str) -> Result<(), FactError> {
    match text.len() {
        0 => Err(FactError::Empty),
        bytes if bytes > WORD_BYTES_MAX => Err(FactError::Length { bytes }),
        _ => Ok(()),
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = FactError;

            fn try_from(text: String) -> Result<Self, FactError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }
    };
}

impl Borrow<str> for FactKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

text_newtype!(FactKey);
text_newtype!(FactName);
text_newtype!(DottedVersion);

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> DottedVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        assert_eq!(version("2.9").age(&version("2.31")), Ordering::Less);
        assert_eq!(version("22.04").age(&version("22.4")), Ordering::Equal);
        assert_eq!(version("8").age(&version("8.0.0")), Ordering::Equal);
        assert_eq!(version("8").age(&version("8.0.1")), Ordering::Less);
        assert!(version("12.8").starts_with(&version("12")));
        assert!(!version("12.8").starts_with(&version("12.1")));
        assert!(version("12").starts_with(&version("12.0")));
    }

    #[test]
    fn a_version_is_read_from_the_front_of_a_kernel_release() {
        assert_eq!(DottedVersion::leading("6.18.44-fc-v595"), Some(version("6.18.44")));
        assert_eq!(DottedVersion::leading("12"), Some(version("12")));
        assert_eq!(DottedVersion::leading("6.1."), Some(version("6.1")));
        assert_eq!(DottedVersion::leading("testing/sid"), None);
        assert_eq!(version("6.18.44").truncated(2), version("6.18"));
    }

    #[test]
    fn what_is_not_a_word_or_a_number_is_refused() {
        for key in ["", ".", "os.", "OS", "cpu level", "a..b", "cpu_level", &"k".repeat(65)] {
            assert!(key.parse::<FactKey>().is_err(), "{key}");
        }
        for name in ["", "-v3", "GLIBC", "a|b", "a b", "é", &"n".repeat(65)] {
            assert!(name.parse::<FactName>().is_err(), "{name}");
        }
        for text in ["", "1.", ".1", "1..2", "v1", "1.2.3.4.5.6.7", "9999999999", "+1"] {
            assert!(text.parse::<DottedVersion>().is_err(), "{text}");
        }
    }
}
