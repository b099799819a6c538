//! Names bytes by their hash: BLAKE3 for everything we fetch, SHA-256 for logs and interop.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::Digest as _;

/// Read at once while hashing: large enough for BLAKE3 to use every lane.
const BLOCK_BYTES: usize = 1 << 20;

/// A BLAKE3 hash: the name of a blob, a tree or a statement. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A SHA-256 hash: log leaves and roots, and the alias of a file for other ecosystems.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

/// Text that is not a hash of 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hex digits, found {found:?}")]
pub struct DigestError {
    found: Box<str>,
}

impl Digest {
    /// Hashes `bytes` with BLAKE3.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Hashes `bytes` with BLAKE3 under `key`: equal bytes under two keys have unrelated hashes.
    pub fn keyed(key: &[u8; 32], bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(key, bytes).as_bytes())
    }

    /// Derives a hash of `bytes` for the one purpose that `context` names (BLAKE3 `derive_key`).
    ///
    /// A context is a constant of the program and used nowhere else.
    pub fn derived(context: &str, bytes: &[u8]) -> Self {
        Self(blake3::derive_key(context, bytes))
    }

    /// Hashes everything `from` gives with BLAKE3, in constant memory; also says how much it was.
    ///
    /// # Errors
    /// What `from` answers when it cannot be read.
    pub fn of_reader(mut from: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = blake3::Hasher::new();
        let mut block = vec![0; BLOCK_BYTES];
        let mut bytes = 0;
        loop {
            match from.read(&mut block) {
                Ok(0) => return Ok((Self(*hasher.finalize().as_bytes()), bytes)),
                Ok(read) => {
                    hasher.update(&block[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Hashes a file's bytes with BLAKE3 and SHA-256 as they pass by.
#[derive(Default)]
pub struct FileHasher {
    blake3: blake3::Hasher,
    sha256: sha2::Sha256,
}

impl FileHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; long pieces are faster than short ones.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    /// Both hashes of everything seen.
    pub fn finish(self) -> (Digest, Sha256Digest) {
        (Digest(*self.blake3.finalize().as_bytes()), Sha256Digest(self.sha256.finalize().into()))
    }
}

macro_rules! hash_newtype {
    ($name:ident) => {
        impl $name {
            /// Wraps a hash that was computed elsewhere.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the hash.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first ten hex digits, for people; never accepted as a name.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..5])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                let mut bytes = [0; 32];
                let canonical = !text.bytes().any(|b| b.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if canonical => Ok(Self(bytes)),
                    _ => Err(DigestError { found: text.chars().take(80).collect() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hash_newtype!(Digest);
hash_newtype!(Sha256Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_in_pieces_equals_hashing_at_once() {
        let bytes = vec![7; 3 * BLOCK_BYTES + 5];
        let mut hasher = FileHasher::new();
        bytes.chunks(1000).for_each(|piece| hasher.update(piece));
        let (digest, sha256) = hasher.finish();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(sha256.as_bytes()[..], sha2::Sha256::digest(&bytes)[..]);
        assert_eq!(Digest::of_reader(&bytes[..]).unwrap(), (digest, bytes.len() as u64));
    }
}
