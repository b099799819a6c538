//! Updates a large file from the version that is here: a holder of both sends what is new in it.
//!
//! In: a file of a variant that is wanted, and the file in its place in the same variant of the
//! release that is installed. Out: the new file in the blob store, or nothing, and then it is fetched
//! as any other. A patch is the new file compressed by zstd with the old one as its prefix.
//!
//! Guarantees: what a patch made counts only when its BLAKE3 hash is the signed one, and who sent
//! another is banned as any liar is; a patch never makes more bytes than the signed size says. Both
//! contents of a pair must be readable for whoever asks, and be here: everything else gets the
//! answer that `access` gives. Making patches is bounded in time, memory and room.

mod ask;
mod layout;
mod make;
mod pairs;
mod patch;
mod plan;
mod serve;
mod shelf;

pub(crate) use ask::{Destination, fetch};
pub(crate) use layout::ALPN;
pub(crate) use make::Patches;
pub(crate) use pairs::{Base, Twin};
pub(crate) use plan::plan;
pub(crate) use serve::serve;

use catalog::digest::Digest;

/// Files below this size come whole: asking costs as much.
pub(crate) const FILE_BYTES_MIN: u64 = 16 << 10;
/// Files beyond this size come whole: making a patch takes memory for both versions.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Whether so small a patch is better than the file: it saves a quarter at least.
pub(crate) fn is_worth_it(patch: u64, file: u64) -> bool {
    patch <= patch_bytes_max(file)
}

/// The largest patch that is better than a file of this size.
fn patch_bytes_max(file: u64) -> u64 {
    file / 4 * 3
}

/// Whether a patch may be made of files of these sizes.
fn are_sizes_fit(old: u64, new: u64) -> bool {
    let fits = |size| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&size);
    fits(old) && fits(new)
}

/// Two contents, one of which is made from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair {
    pub old: Digest,
    pub new: Digest,
}

/// For the fuzz targets: reads `bytes` as a question, and as a patch behind the size of what it
/// should make.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(question) = bytes.try_into()
        && let Some(read) = layout::Question::decode(question)
    {
        assert_eq!(read.encode(), *bytes);
    }
    let Some((size, patch)) = bytes.split_first_chunk::<2>() else { return };
    let size = u16::from_be_bytes(*size).into();
    let old: Vec<u8> = (0..4096_u16).map(|at| (at / 7) as u8).collect();
    let new = patch::apply(&old, patch, size);
    assert!(new.is_none_or(|new| new.len() as u64 == size));
}
