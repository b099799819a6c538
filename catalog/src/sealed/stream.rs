//! Seals and opens files as they are read, a chunk at a time.
//!
//! A file is filled up with zeros to a length that many others have, and cut into chunks, each
//! sealed on its own, so that any part can be opened without the rest. A sealed chunk has 16 KiB:
//! what the hash tree of contents proves at once.
//!
//! # Source
//! STREAM: Hoang, Reyhanitabar, Rogaway and Vizár, *Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance*, CRYPTO 2015, as age v1 uses it. Lengths: Nikitin et al.,
//! *Reducing Metadata Leakage from Encrypted Files and Communication with PURBs*, PETS 2019 (Padmé).

use std::io::{self, Read};

use super::{BlobKey, SealedError};

/// The bytes of a sealed chunk, but for the last, which may have less.
pub const CHUNK_BYTES: usize = 16 * 1024;
/// What the cipher adds to a chunk.
const TAG_BYTES: usize = 16;
/// The bytes of a chunk as its readers see it.
pub const TEXT_BYTES: usize = CHUNK_BYTES - TAG_BYTES;
/// Shorter files are filled up to this.
const PADDED_BYTES_MIN: u64 = 256;

/// A length that tells of `bytes` only their magnitude: at most 12 % more.
fn padded(bytes: u64) -> u64 {
    let bytes = bytes.max(PADDED_BYTES_MIN);
    let magnitude = bytes.ilog2();
    let kept = magnitude.ilog2() + 1;
    let mask = (1u64 << (magnitude - kept)) - 1;
    bytes.checked_add(mask).map_or(u64::MAX, |bytes| bytes & !mask)
}

/// How many chunks a file of so many bytes is sealed in.
pub fn chunks(bytes: u64) -> u64 {
    padded(bytes).div_ceil(TEXT_BYTES as u64)
}

/// How many bytes a file of so many bytes has when it is sealed.
pub fn sealed_bytes(bytes: u64) -> u64 {
    padded(bytes).saturating_add(chunks(bytes).saturating_mul(TAG_BYTES as u64))
}

/// Reads a file and gives it sealed.
#[derive(Debug)]
pub struct Sealer<R> {
    key: BlobKey,
    from: R,
    /// Bytes of the file that were not read yet, and with what it is filled up.
    text_left: u64,
    left: u64,
    chunk: u64,
    ready: Ready,
}

/// Bytes that were made and not yet taken.
#[derive(Debug, Default)]
struct Ready {
    bytes: Vec<u8>,
    taken: usize,
}

impl Ready {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    fn give(&mut self, into: &mut [u8]) -> usize {
        let rest = &self.bytes[self.taken..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        count
    }
}

impl<R: Read> Sealer<R> {
    /// Seals the `bytes` bytes that `from` gives.
    pub fn new(key: BlobKey, from: R, bytes: u64) -> Self {
        let left = padded(bytes);
        Self { key, from, text_left: bytes, left, chunk: 0, ready: Ready::default() }
    }
}

impl<R: Read> Read for Sealer<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && self.left > 0 {
            let length = self.left.min(TEXT_BYTES as u64);
            let text_length = self.text_left.min(length);
            let mut text = vec![0; length as usize];
            self.from.read_exact(&mut text[..text_length as usize])?;
            self.left -= length;
            self.text_left -= text_length;
            let bytes = self.key.seal_chunk(self.chunk, self.left == 0, &text);
            self.chunk += 1;
            self.ready = Ready { bytes, taken: 0 };
        }
        Ok(self.ready.give(into))
    }
}

/// Reads a sealed file and gives it as its readers see it, from some chunk on.
#[derive(Debug)]
pub struct Opener<R> {
    key: BlobKey,
    from: R,
    bytes: u64,
    chunk: u64,
    ready: Ready,
}

impl<R: Read> Opener<R> {
    /// Opens a file that has `bytes` bytes.
    ///
    /// - `from`: gives the sealed file from the beginning of `chunk` on.
    pub fn new(key: BlobKey, from: R, bytes: u64, chunk: u64) -> Self {
        Self { key, from, bytes, chunk, ready: Ready::default() }
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let begin = self.chunk.saturating_mul(TEXT_BYTES as u64);
        if self.ready.is_empty() && begin < self.bytes {
            let length = (padded(self.bytes) - begin).min(TEXT_BYTES as u64) as usize;
            let mut sealed = vec![0; length + TAG_BYTES];
            self.from.read_exact(&mut sealed)?;
            let is_last = self.chunk + 1 == chunks(self.bytes);
            let opened = self.key.open_chunk(self.chunk, is_last, &sealed);
            let mut bytes = opened
                .map_err(|error: SealedError| io::Error::new(io::ErrorKind::InvalidData, error))?;
            bytes.truncate(usize::try_from(self.bytes - begin).unwrap_or(usize::MAX));
            self.chunk += 1;
            self.ready = Ready { bytes, taken: 0 };
        }
        Ok(self.ready.give(into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_to_within_twelve_percent() {
        assert_eq!(
            [0, 1, 256, 257, 1000, 16_368, 100_000].map(padded),
            [256, 256, 256, 272, 1024, 16_384, 100_352]
        );
        for bytes in (256..200_000).step_by(37) {
            let padded = padded(bytes);
            assert!(padded >= bytes && padded - bytes <= bytes * 12 / 100, "{bytes}");
            assert_eq!(super::padded(padded), padded);
        }
        assert_eq!(sealed_bytes(u64::MAX), u64::MAX);
    }
}
