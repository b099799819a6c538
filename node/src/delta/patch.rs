//! Writes down what a new file has that an old one has not, and puts the two together again.
//!
//! A patch is one zstd frame; the decoder has to know the old file as its prefix.

use std::io::{self, Write};

use bytes::Bytes;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::DCtx;

use super::patch_bytes_max;

/// How hard zstd tries. Measured on programs of 10 to 30 MB (`docs/benchmarks-delta.md`): more takes
/// several times as long and saves little.
const LEVEL: i32 = 12;
/// Smallest window of zstd.
const WINDOW_LOG_MIN: u32 = 10;

/// Makes the patch that turns `old` into the file whose pieces come.
///
/// - `size`: the size of the new file.
/// - `next`: its next piece; `None` when there are no more.
/// - result: `None` when no patch is better than the file itself.
///
/// Takes memory for the old file, a window of the new file's size, some 64 MiB of tables and
/// the patch.
///
/// # Errors
/// What `next` answers; [`io::ErrorKind::UnexpectedEof`] when the pieces are not `size` bytes.
pub(super) fn make(
    old: &[u8],
    size: u64,
    mut next: impl FnMut() -> Option<Bytes>,
) -> io::Result<Option<Vec<u8>>> {
    let patch = Bounded { bytes: Vec::new(), bytes_max: patch_bytes_max(size) };
    let mut encoder = Encoder::with_ref_prefix(patch, LEVEL, old)?;
    encoder.set_pledged_src_size(Some(size))?;
    // Every byte of the old file stays in reach until the last of the new one.
    encoder.window_log(size.max(1).next_power_of_two().ilog2().max(WINDOW_LOG_MIN))?;
    encoder.long_distance_matching(true)?;
    encoder.include_checksum(false)?;
    let mut left = size;
    while let Some(piece) = next() {
        left = left.checked_sub(piece.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Err(error) = encoder.write_all(&piece) {
            return Bounded::outcome(error);
        }
    }
    if left > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match encoder.finish() {
        Ok(patch) => Ok(Some(patch.bytes)),
        Err(error) => Bounded::outcome(error),
    }
}

/// Makes the new file of `size` bytes; `None` when the patch makes anything else.
///
/// No more than `size` bytes are ever written, whatever the patch says, and nothing is promised
/// about what they are: the caller knows their hash.
pub(super) fn apply(old: &[u8], patch: &[u8], size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?;
    let mut decoder = DCtx::create();
    decoder.ref_prefix(old).ok()?;
    let mut new = Vec::with_capacity(size);
    decoder.decompress(&mut new, patch).ok()?;
    (new.len() == size).then_some(new)
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl Bounded {
    /// A patch that has no room is not worth having; everything else is an error.
    fn outcome(error: io::Error) -> io::Result<Option<Vec<u8>>> {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Ok(None),
            _ => Err(error),
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::noise;

    /// Files that share most of their bytes, though not at the same places.
    fn versions() -> (Vec<u8>, Vec<u8>) {
        let old = noise(3_000_000, 1);
        let mut new = noise(70_001, 2);
        new.extend_from_slice(&old[..1_500_000]);
        new.extend_from_slice(&noise(5_000, 3));
        new.extend_from_slice(&old[1_600_000..]);
        (old, new)
    }

    fn made(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
        let mut pieces = new.chunks(300_000);
        make(old, new.len() as u64, || pieces.next().map(Bytes::copy_from_slice)).unwrap()
    }

    #[test]
    fn a_patch_has_what_is_new_and_makes_the_new_file() {
        let (old, new) = versions();
        let patch = made(&old, &new).unwrap();
        assert!(patch.len() < 80_000, "{} bytes", patch.len());
        assert_eq!(apply(&old, &patch, new.len() as u64).as_ref(), Some(&new));
        // The whole of an old file is in reach, however much smaller the new one is.
        let end = old[old.len() - 100_000..].to_vec();
        assert!(made(&old, &end).unwrap().len() < 1000);
        assert_eq!(apply(&old, &made(&old, &end).unwrap(), 100_000), Some(end));
    }

    #[test]
    fn files_that_share_nothing_have_no_patch() {
        assert_eq!(made(&noise(500_000, 1), &noise(500_000, 2)), None);
    }

    #[test]
    fn a_file_that_is_not_as_long_as_was_said_is_an_error() {
        for (size, pieces) in [(100_000, 1), (100_000, 3)] {
            let mut left = pieces;
            let piece = Bytes::from(noise(50_000, 4));
            let next = || (left > 0).then(|| (left -= 1, piece.clone()).1);
            let error = make(&noise(100_000, 5), size, next).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    /// Threat row 14: a patch of a few bytes that unpacks to far more than the file it is for.
    #[test]
    fn a_patch_never_makes_more_than_the_size_that_was_signed() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(bomb.len() < 10_000);
        assert_eq!(apply(&[], &bomb, 100_000), None);
        assert_eq!(apply(&[], &bomb, (64 << 20) + 1), None);
        // The control: it is a good patch of a file that is as large as that.
        assert!(apply(&[], &bomb, 64 << 20).is_some());
        let repeated = bomb.repeat(3);
        assert_eq!(apply(&[], &repeated, 64 << 20), None);
    }

    #[test]
    fn damaged_patches_make_other_bytes_or_none_and_never_panic() {
        let (old, new) = versions();
        let patch = made(&old, &new).unwrap();
        let mut same = 0;
        for round in 0..2000 {
            let mut damaged = patch.clone();
            let at = round * 7919 % damaged.len();
            damaged[at] ^= 1 << (round % 8);
            same += usize::from(apply(&old, &damaged, new.len() as u64).as_ref() == Some(&new));
        }
        assert!(same < 20, "{same}");
        for length in [0, 1, 5, patch.len() / 2, patch.len() - 1] {
            assert_eq!(apply(&old, &patch[..length], new.len() as u64), None);
        }
    }
}
