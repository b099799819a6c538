//! Contents that only some may read, as they are stored and carried by those who may not.
//!
//! What is not for everybody is encrypted before it is addressed. Each release has a [`ContentKey`]
//! of its own, drawn by chance; every file, and the file list, has a key derived from it. What is
//! encrypted makes an ordinary [`Tree`] of numbered files, so that storing, fetching and checking it
//! needs no key: number 0 is the file list, number `n` the `n`-th of its files.
//!
//! Guarantees: no key ever seals two texts; a sealed file tells its length to within 12 % and
//! nothing else; what was changed, cut off, or put elsewhere in its file does not open. Not here:
//! who is given a key ([`Parcel`](crate::statement::Parcel)), and hashing what came out
//! ([`install`](crate::install) does).

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::cbor::CodecError;
use crate::digest::{Digest, Sha256Digest};
use crate::name::VariantId;
use crate::path::TreePath;
use crate::tree::{TREE_BYTES_MAX, Tree, TreeEntry, TreeError};

mod reader_key;
mod stream;
#[cfg(test)]
mod tests;

pub use reader_key::{ReaderKey, ReaderKeyError, ReaderSecret, WrappedKey};
pub use stream::{CHUNK_BYTES, Opener, Sealer, TEXT_BYTES, chunks, sealed_bytes};

/// What ids of keys are derived under.
const ID_CONTEXT: &str = "catalog 2026-11 sealed key id v1";
/// What keys of file lists are derived under.
const LIST_CONTEXT: &str = "catalog 2026-11 sealed list key v1";
/// What keys of files are derived under.
const FILE_CONTEXT: &str = "catalog 2026-11 sealed file key v1";
/// The bytes that say how long a file list is.
const LENGTH_BYTES: usize = 8;

/// The name of a content key; it tells nothing of the key. A key that was handed over counts only
/// if it has the name that the release signs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct KeyId(Digest);

/// What opens all contents of one release. It is wiped from memory when dropped and never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

/// What opens one file, or one file list.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BlobKey([u8; 32]);

/// Why sealed contents do not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The bytes were not sealed with this key, or changed since.
    #[error("chunk {chunk} does not open with this key")]
    Chunk {
        /// Which, from 0.
        chunk: u64,
    },
    /// The file list is not as long as it says.
    #[error("a sealed file list of {bytes} bytes")]
    Length {
        /// The bytes found.
        bytes: usize,
    },
    /// What was sealed as a file list is none.
    #[error("not a file list")]
    Tree(#[from] TreeError),
    /// The numbered files are not those of the list.
    #[error("the sealed files are not those of the file list")]
    Mismatch,
}

impl KeyId {
    /// Wraps a name that was computed elsewhere.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The 32 bytes of the name.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ContentKey {
    /// Draws a new key.
    pub fn generate() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system gives random bytes");
        Self(key)
    }

    /// Takes up a key that was kept.
    pub const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::derived(ID_CONTEXT, &self.0))
    }

    /// What the file list of a variant is sealed with. A release has one list for each variant.
    pub fn list(&self, variant: &VariantId) -> BlobKey {
        self.derived(LIST_CONTEXT, variant.as_str().as_bytes())
    }

    /// What a file is sealed with. A file that several variants have is sealed once.
    ///
    /// - `text`: the hash of the file as its readers see it.
    pub fn file(&self, text: &Digest) -> BlobKey {
        self.derived(FILE_CONTEXT, text.as_bytes())
    }

    fn derived(&self, context: &str, what: &[u8]) -> BlobKey {
        let mut input = [self.0.as_slice(), what].concat();
        let key = BlobKey(*Digest::derived(context, &input).as_bytes());
        input.zeroize();
        key
    }

    fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey(of {:?})", self.id())
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKey")
    }
}

impl BlobKey {
    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(self.0))
    }

    fn seal_chunk(&self, chunk: u64, is_last: bool, text: &[u8]) -> Vec<u8> {
        let sealed = self.cipher().encrypt(&nonce(chunk, is_last), text);
        sealed.expect("a chunk is far shorter than what the cipher can take")
    }

    /// Opens one chunk.
    fn open_chunk(&self, chunk: u64, is_last: bool, sealed: &[u8]) -> Result<Vec<u8>, SealedError> {
        let opened = self.cipher().decrypt(&nonce(chunk, is_last), sealed);
        opened.map_err(|_| SealedError::Chunk { chunk })
    }

    /// Seals a file list: its length, then its bytes.
    pub fn seal_list(&self, list: &Tree) -> Vec<u8> {
        let list = list.encode();
        let text = [&(list.len() as u64).to_le_bytes(), list.as_slice()].concat();
        let mut sealed = Vec::new();
        let size = text.len() as u64;
        let copied =
            std::io::copy(&mut Sealer::new(self.clone(), text.as_slice(), size), &mut sealed);
        copied.expect("memory can be read and written");
        sealed
    }

    /// Opens what [`seal_list`](Self::seal_list) made.
    ///
    /// # Errors
    /// [`SealedError`]; a publisher, or whoever carries it, can cause each of them.
    pub fn open_list(&self, sealed: &[u8]) -> Result<Tree, SealedError> {
        let count = (sealed.len() as u64).div_ceil(CHUNK_BYTES as u64);
        let mut text = Vec::with_capacity(sealed.len());
        for (at, chunk) in (0..).zip(sealed.chunks(CHUNK_BYTES)) {
            text.extend(self.open_chunk(at, at + 1 == count, chunk)?);
        }
        let wrong = SealedError::Length { bytes: text.len() };
        let Some((length, list)) = text.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(wrong);
        };
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let list = list.get(..length).filter(|list| list.len() <= TREE_BYTES_MAX).ok_or(wrong)?;
        Ok(Tree::decode(list)?)
    }
}

/// Where a chunk stands, and whether it is the last: no two chunks of a file have the same.
fn nonce(chunk: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&chunk.to_be_bytes());
    nonce[11] = is_last.into();
    Nonce::from(nonce)
}

/// How the `number`-th sealed file is called; the file list is number 0.
pub fn numbered(number: u64) -> TreePath {
    format!("{number:06}").parse().expect("six digits are a path")
}

/// A sealed file, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// Its bytes.
    pub size: u64,
    /// What it is fetched by.
    pub blake3: Digest,
    /// The same bytes as other ecosystems name them.
    pub sha256: Sha256Digest,
}

/// The tree of numbered files that a sealed variant is stored as.
///
/// - `files`: the file list, then its files in their order.
///
/// # Errors
/// [`TreeError`] when they are too many.
pub fn carried(files: impl IntoIterator<Item = SealedFile>) -> Result<Tree, TreeError> {
    let entries = (0..).zip(files).map(|(number, SealedFile { size, blake3, sha256 })| {
        TreeEntry::File { path: numbered(number), executable: false, size, blake3, sha256 }
    });
    Tree::new(entries.collect())
}

/// Pairs the files of a list with those that they are sealed in: `(child, sealed)` in the order of
/// the list, `child` counting in the hash sequence of what is carried.
///
/// # Errors
/// [`SealedError::Mismatch`] when they are not as many, or not of the right sizes.
pub fn paired(list: &Tree, carried: &Tree) -> Result<Vec<(u64, SealedFile)>, SealedError> {
    let mut sealed = carried.files().skip(1);
    let mut pairs = Vec::new();
    for file in list.files() {
        let sealed = sealed.next().ok_or(SealedError::Mismatch)?;
        if *sealed.path != numbered(file.child) || sealed.size != sealed_bytes(file.size) {
            return Err(SealedError::Mismatch);
        }
        let crate::tree::TreeFile { child, size, blake3, sha256, .. } = sealed;
        pairs.push((child, SealedFile { size, blake3, sha256 }));
    }
    match sealed.next() {
        None => Ok(pairs),
        Some(_) => Err(SealedError::Mismatch),
    }
}

impl From<KeyId> for crate::cbor::Value {
    fn from(id: KeyId) -> Self {
        id.as_bytes().as_slice().into()
    }
}

/// Reads the name of a key, if it is there.
pub(crate) fn key_id_opt(
    fields: &mut crate::cbor::Fields,
    field: &'static str,
) -> Result<Option<KeyId>, CodecError> {
    let Some(bytes) = fields.bytes_opt(field)? else { return Ok(None) };
    let bytes = <[u8; 32]>::try_from(bytes);
    let bytes = bytes.map_err(|_| CodecError::WrongType { field, expected: "32 bytes" })?;
    Ok(Some(KeyId(Digest::from_bytes(bytes))))
}
