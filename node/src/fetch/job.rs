//! Cuts what is missing of a variant into jobs, one request each.
//!
//! Small files travel in runs; large ones in pieces that several providers share. A job can be
//! taken over where another provider left it.

use std::ops::Range;

use catalog::digest::Digest;

use crate::transfer::UNIT_BYTES;

/// A run ends when it is this large, so that several providers share many small files.
const RUN_BYTES: u64 = 2 << 20;
/// The most files in one run.
const RUN_FILES: usize = 512;

/// A file of a variant of which something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its place among the children of the hash sequence.
    pub child: u64,
    /// What it must hash to.
    pub digest: Digest,
    /// How large the tree says it is; never zero.
    pub size: u64,
    /// The byte ranges that are missing, ascending, aligned to chunk groups; all of it when it
    /// is not larger than a piece.
    pub missing: Vec<Range<u64>>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Whole small files, in tree order.
    Run(Vec<SmallFile>),
    /// Ranges within one piece of a large file.
    Piece {
        /// Its place among the children of the hash sequence.
        child: u64,
        /// What the whole file must hash to.
        digest: Digest,
        /// The size of the whole file.
        size: u64,
        /// The bytes wanted.
        ranges: Vec<Range<u64>>,
    },
}

impl Job {
    /// The bytes wanted.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Run(files) => files.iter().map(|file| file.size).sum(),
            Self::Piece { ranges, .. } => ranges.iter().map(|range| range.end - range.start).sum(),
        }
    }

    /// The job without its first `done` bytes; a file of a run of which a part is left stays.
    pub(crate) fn rest(&self, done: u64) -> Self {
        let mut left = done;
        match self {
            Self::Run(files) => {
                let is_left = |file: &&SmallFile| {
                    let is_done = file.size <= left;
                    left = if is_done { left - file.size } else { 0 };
                    !is_done
                };
                Self::Run(files.iter().filter(is_left).copied().collect())
            }
            Self::Piece { child, digest, size, ranges } => {
                let rest = ranges.iter().map(|range| {
                    let skipped = left.min(range.end - range.start);
                    left -= skipped;
                    range.start + skipped..range.end
                });
                Self::Piece {
                    child: *child,
                    digest: *digest,
                    size: *size,
                    ranges: rest.filter(|range| !range.is_empty()).collect(),
                }
            }
        }
    }

    /// The large file that it is a part of.
    pub(crate) fn large_file(&self) -> Option<Digest> {
        match self {
            Self::Run(_) => None,
            Self::Piece { digest, .. } => Some(*digest),
        }
    }
}

/// A small file in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SmallFile {
    pub child: u64,
    pub digest: Digest,
    pub size: u64,
}

/// Cuts what is wanted into jobs.
pub(crate) fn cut(wanted: &[Wanted]) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut run = Vec::new();
    let mut run_bytes = 0;
    for file in wanted {
        if file.size > UNIT_BYTES {
            jobs.extend(pieces(file));
            continue;
        }
        if run.len() == RUN_FILES || run_bytes + file.size > RUN_BYTES {
            jobs.push(Job::Run(std::mem::take(&mut run)));
            run_bytes = 0;
        }
        run.push(SmallFile { child: file.child, digest: file.digest, size: file.size });
        run_bytes += file.size;
    }
    if !run.is_empty() {
        jobs.push(Job::Run(run));
    }
    jobs
}

fn pieces(file: &Wanted) -> Vec<Job> {
    let mut pieces: Vec<(u64, Vec<Range<u64>>)> = Vec::new();
    for missing in &file.missing {
        let mut start = missing.start;
        while start < missing.end {
            let piece = start / UNIT_BYTES;
            let end = missing.end.min((piece + 1) * UNIT_BYTES);
            match pieces.last_mut() {
                Some((last, ranges)) if *last == piece => ranges.push(start..end),
                _ => pieces.push((piece, one(start..end))),
            }
            start = end;
        }
    }
    let Wanted { child, digest, size, .. } = *file;
    pieces.into_iter().map(|(_, ranges)| Job::Piece { child, digest, size, ranges }).collect()
}

fn one(range: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    fn wanted(child: u64, size: u64) -> Wanted {
        Wanted { child, digest: Digest::of(&child.to_le_bytes()), size, missing: one(0..size) }
    }

    fn small(child: u64) -> SmallFile {
        SmallFile { child, digest: Digest::of(&child.to_le_bytes()), size: 1 }
    }

    fn covered(jobs: &[Job]) -> u64 {
        jobs.iter().map(Job::bytes).sum()
    }

    #[test]
    fn every_wanted_byte_is_in_exactly_one_job() {
        let files: Vec<Wanted> = [1, 100 * KIB, UNIT_BYTES, UNIT_BYTES + 1, 7 * UNIT_BYTES + 9]
            .iter()
            .enumerate()
            .map(|(at, size)| wanted(at as u64 + 1, *size))
            .collect();
        let jobs = cut(&files);
        assert_eq!(covered(&jobs), files.iter().map(|file| file.size).sum::<u64>());
        let pieces = jobs.iter().filter(|job| matches!(job, Job::Piece { .. })).count();
        assert_eq!(pieces, 2 + 8);
    }

    #[test]
    fn runs_are_bounded_in_bytes_and_files() {
        let jobs = cut(&(1..=3000).map(|child| wanted(child, KIB)).collect::<Vec<_>>());
        assert_eq!(jobs.len(), 6);
        let jobs = cut(&(1..=10).map(|child| wanted(child, 900 * KIB)).collect::<Vec<_>>());
        assert!(jobs.iter().all(|job| job.bytes() <= RUN_BYTES));
        assert_eq!(covered(&jobs), 9000 * KIB);
    }

    #[test]
    fn only_what_is_missing_of_a_large_file_is_asked_for() {
        let file = Wanted {
            missing: vec![16 * KIB..32 * KIB, 64 * KIB..UNIT_BYTES + 16 * KIB],
            ..wanted(1, 3 * UNIT_BYTES)
        };
        let jobs = cut(std::slice::from_ref(&file));
        let ranges: Vec<_> = jobs
            .iter()
            .map(|job| match job {
                Job::Piece { ranges, .. } => ranges.clone(),
                Job::Run(_) => vec![],
            })
            .collect();
        let first = vec![16 * KIB..32 * KIB, 64 * KIB..UNIT_BYTES];
        assert_eq!(ranges, [first, one(UNIT_BYTES..UNIT_BYTES + 16 * KIB)]);
    }

    #[test]
    fn who_takes_a_job_over_gets_the_rest_of_it() {
        let run = Job::Run([1, 2, 3].map(|child| SmallFile { size: 10, ..small(child) }).to_vec());
        assert_eq!(run.rest(0), run);
        assert_eq!(
            run.rest(10),
            Job::Run([2, 3].map(|child| SmallFile { size: 10, ..small(child) }).to_vec())
        );
        // Whole files only: what is half there is asked for again.
        assert_eq!(run.rest(15), run.rest(10));
        assert_eq!(run.rest(30).bytes(), 0);

        let ranges = vec![0..16 * KIB, 64 * KIB..128 * KIB];
        let Wanted { child, digest, size, .. } = wanted(1, 3 * UNIT_BYTES);
        let piece = |ranges| Job::Piece { child, digest, size, ranges };
        assert_eq!(piece(ranges.clone()).rest(32 * KIB), piece(one(80 * KIB..128 * KIB)));
        assert_eq!(piece(ranges.clone()).rest(16 * KIB), piece(one(64 * KIB..128 * KIB)));
        assert_eq!(piece(ranges).rest(80 * KIB), piece(vec![]));
    }
}
