//! Names that people type: of packages, variants, channels, publishers they know, nodes and regions.
//!
//! All share one alphabet, so that a name is a safe folder name on every system and never needs
//! quoting in a shell or a reference (`acme/graphdb@^1.4#low-x86`).

use std::fmt;
use std::str::FromStr;

/// The longest name.
pub const NAME_BYTES_MAX: usize = 64;

/// The first characters of every shown publisher id; no petname may start like one.
const PUBLISHER_ID_PREFIX: &str = "cat1";

/// Text that is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Empty or too long.
    #[error("a name has 1 to {NAME_BYTES_MAX} characters, this one has {bytes} bytes")]
    Length {
        /// The length found.
        bytes: usize,
    },
    /// A character that names do not use, or not in this place.
    #[error(
        "{found:?} cannot stand at position {position} of a name (a-z, 0-9, and inside also . _ -)"
    )]
    Character {
        /// The character.
        found: char,
        /// Its place, counted from 1.
        position: usize,
    },
    /// Windows keeps this name for a device.
    #[error("{name:?} is the name of a device on Windows")]
    Device {
        /// The name.
        name: Box<str>,
    },
    /// A channel that could be read as a version.
    #[error("channel {name:?} could be taken for a version")]
    LikeVersion {
        /// The name.
        name: Box<str>,
    },
    /// A petname that could be read as a publisher id.
    #[error("{name:?} could be taken for a publisher id")]
    LikePublisher {
        /// The name.
        name: Box<str>,
    },
}

/// The rule of all names: `[a-z0-9][a-z0-9._-]{0,63}`, no dot at the end, no device name.
fn check(text: &str) -> Result<(), NameError> {
    if !(1..=NAME_BYTES_MAX).contains(&text.len()) {
        return Err(NameError::Length { bytes: text.len() });
    }
    let last = text.len() - 1;
    for (at, found) in text.char_indices() {
        let fits = match found {
            'a'..='z' | '0'..='9' => true,
            '_' | '-' => at > 0,
            '.' => at > 0 && at < last,
            _ => false,
        };
        if !fits {
            return Err(NameError::Character { found, position: at + 1 });
        }
    }
    if is_windows_device(text) {
        return Err(NameError::Device { name: text.into() });
    }
    Ok(())
}

/// Whether Windows opens a device instead of a file of this name, whatever stands behind a dot.
pub(crate) fn is_windows_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_end_matches(' ');
    let named = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    if named.iter().any(|device| device.eq_ignore_ascii_case(stem)) {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else { return false };
    let mut number = number.chars();
    // Windows reads the superscripts as digits, too.
    (port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt"))
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

macro_rules! name_newtype {
    ($(#[$doc:meta])* $name:ident, $also:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text)?;
                let also: fn(&str) -> Result<(), NameError> = $also;
                also(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_newtype!(
    /// What a publisher calls a package: `graphdb`.
    PackageName,
    |_| Ok(())
);

name_newtype!(
    /// What a release calls one of its variants: `low-x86`.
    VariantId,
    |_| Ok(())
);

name_newtype!(
    /// A pointer to a version that the publisher moves: `stable`. Never readable as a version.
    ChannelName,
    |text| match text.parse::<semver::VersionReq>() {
        Ok(_) => Err(NameError::LikeVersion { name: text.into() }),
        Err(_) => Ok(()),
    }
);

name_newtype!(
    /// What the user of this machine calls a publisher: `acme`. Never readable as a publisher id.
    Petname,
    |text| match text.starts_with(PUBLISHER_ID_PREFIX) {
        true => Err(NameError::LikePublisher { name: text.into() }),
        false => Ok(()),
    }
);

name_newtype!(
    /// What the owner of a node calls it: `attic`.
    NodeName,
    |_| Ok(())
);

name_newtype!(
    /// Where the owner of a node says that it is: `eu-west`.
    Region,
    |_| Ok(())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["a", "graphdb", "low-x86", "linux.x64_musl", "7zip", "x-", &"a".repeat(64)] {
            assert_eq!(name.parse::<PackageName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        let long = "a".repeat(65);
        for name in ["", &long, "Graph", "-a", ".a", "_a", "a.", "a/b", "a b", "ä", "a@1", "a#b"] {
            assert!(name.parse::<PackageName>().is_err(), "{name}");
            assert!(name.parse::<VariantId>().is_err(), "{name}");
        }
    }

    #[test]
    fn device_names_are_refused_whatever_follows_a_dot() {
        for name in ["con", "nul.txt", "com1", "lpt9.tar.gz", "aux.b"] {
            let device = NameError::Device { name: name.into() };
            assert_eq!(name.parse::<PackageName>(), Err(device));
        }
        for name in ["console", "com10", "nul-b", "com", "lpt"] {
            assert!(name.parse::<PackageName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn a_channel_is_never_read_as_a_version() {
        for name in ["1", "1.2", "1.2.3-rc.1", "x"] {
            let refused = NameError::LikeVersion { name: name.into() };
            assert_eq!(name.parse::<ChannelName>(), Err(refused));
        }
        for name in ["stable", "v1", "next-2", "2026-q1"] {
            assert!(name.parse::<ChannelName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn a_petname_is_never_read_as_a_publisher_id() {
        assert!("acme".parse::<Petname>().is_ok());
        assert!("cat".parse::<Petname>().is_ok());
        assert!("cat1xyz".parse::<Petname>().is_err());
    }

    #[test]
    fn a_refused_character_is_named_with_its_place() {
        let error = "graph db".parse::<PackageName>().unwrap_err();
        assert_eq!(error, NameError::Character { found: ' ', position: 6 });
    }
}
