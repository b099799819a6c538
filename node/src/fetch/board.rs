//! Decides who fetches what next: pure bookkeeping, no I/O.
//!
//! In: the files that are wanted, with what is missing of them, and what became of each job. Out:
//! the next job for a provider that asks. Small files travel in runs, one request each; large ones
//! in pieces that several providers share. Whoever is idle at the end duplicates what another
//! provider has been busy with for long, so that one slow provider does not hold up the rest.
//!
//! Guarantees: a provider never gets a job again that it failed; a job is done once.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use catalog::digest::Digest;

/// Large files are cut at multiples of this; BLAKE3 verifies any such range on its own.
pub(crate) const PIECE_BYTES: u64 = 1 << 20;
/// A run ends when it is this large, so that several providers share many small files.
const RUN_BYTES: u64 = 2 << 20;
/// A job that takes longer than this is duplicated by providers that have nothing else to do.
pub(crate) const SLOW: Duration = Duration::from_millis(400);
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
        if file.size > PIECE_BYTES {
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
            let piece = start / PIECE_BYTES;
            let end = missing.end.min((piece + 1) * PIECE_BYTES);
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

/// Numbers a job on a [`Board`].
pub(crate) type JobId = usize;
/// Numbers a provider of one transfer.
pub(crate) type ProviderId = usize;

/// The state of all jobs of one transfer.
#[derive(Debug)]
pub(crate) struct Board {
    jobs: Vec<Job>,
    states: Vec<State>,
    todo: VecDeque<JobId>,
    left: usize,
}

#[derive(Clone, Debug, Default)]
struct State {
    done: bool,
    /// How often it was given out.
    tries: usize,
    /// Who is at it, and since when.
    busy: Vec<(ProviderId, Duration)>,
    failed: Vec<ProviderId>,
}

impl Board {
    pub(crate) fn new(jobs: Vec<Job>) -> Self {
        let count = jobs.len();
        let states = vec![State::default(); count];
        Self { jobs, states, todo: (0..count).collect(), left: count }
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        &self.jobs[id]
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.left == 0
    }

    /// Whether somebody had the job before: part of it may be here.
    pub(crate) fn was_tried(&self, id: JobId) -> bool {
        self.states[id].tries > 1
    }

    pub(crate) fn is_done(&self, id: JobId) -> bool {
        self.states[id].done
    }

    /// The next job for `provider`, if there is one that it may still be able to do.
    ///
    /// - `now`: since the transfer began.
    pub(crate) fn take(&mut self, provider: ProviderId, now: Duration) -> Option<JobId> {
        let states = &self.states;
        let next = self.todo.iter().position(|id| !states[*id].failed.contains(&provider));
        let id = match next {
            Some(at) => self.todo.remove(at)?,
            None if self.todo.is_empty() => self.duplicate(provider, now)?,
            None => return None,
        };
        self.states[id].busy.push((provider, now));
        self.states[id].tries += 1;
        Some(id)
    }

    /// A job that exactly one other provider has been busy with for long.
    fn duplicate(&self, provider: ProviderId, now: Duration) -> Option<JobId> {
        self.states.iter().position(|state| {
            let slow = match state.busy[..] {
                [(other, since)] => other != provider && now.saturating_sub(since) >= SLOW,
                _ => false,
            };
            slow && !state.done && !state.failed.contains(&provider)
        })
    }

    /// Notes that `provider` brought all of the job. Answers whether it was the first to.
    pub(crate) fn finish(&mut self, id: JobId, provider: ProviderId) -> bool {
        let state = &mut self.states[id];
        state.busy.retain(|(busy, _)| *busy != provider);
        let first = !std::mem::replace(&mut state.done, true);
        self.left -= usize::from(first);
        first
    }

    /// Gives the job back because `provider` could not do it; it does not get it again.
    pub(crate) fn fail(&mut self, id: JobId, provider: ProviderId) {
        self.states[id].failed.push(provider);
        self.release(id, provider);
    }

    /// Whether there is, or may come, anything that `provider` has not failed yet.
    pub(crate) fn can_help(&self, provider: ProviderId) -> bool {
        self.states.iter().any(|state| !state.done && !state.failed.contains(&provider))
    }

    /// Gives back everything that `provider` is busy with.
    pub(crate) fn leave(&mut self, provider: ProviderId) {
        for id in 0..self.states.len() {
            if self.states[id].busy.iter().any(|(busy, _)| *busy == provider) {
                self.release(id, provider);
            }
        }
    }

    /// Gives the job back; it may be tried again by anybody.
    pub(crate) fn release(&mut self, id: JobId, provider: ProviderId) {
        let state = &mut self.states[id];
        state.busy.retain(|(busy, _)| *busy != provider);
        if !state.done && state.busy.is_empty() && !self.todo.contains(&id) {
            self.todo.push_front(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;
    const START: Duration = Duration::ZERO;

    fn wanted(child: u64, size: u64) -> Wanted {
        Wanted { child, digest: Digest::of(&child.to_le_bytes()), size, missing: one(0..size) }
    }

    fn board(jobs: usize) -> Board {
        Board::new((0..jobs).map(|job| Job::Run(vec![small(job as u64)])).collect())
    }

    fn small(child: u64) -> SmallFile {
        SmallFile { child, digest: Digest::of(&child.to_le_bytes()), size: 1 }
    }

    fn bytes(job: &Job) -> u64 {
        match job {
            Job::Run(files) => files.iter().map(|file| file.size).sum(),
            Job::Piece { ranges, .. } => ranges.iter().map(|range| range.end - range.start).sum(),
        }
    }

    fn covered(jobs: &[Job]) -> u64 {
        jobs.iter().map(bytes).sum()
    }

    #[test]
    fn every_wanted_byte_is_in_exactly_one_job() {
        let files: Vec<Wanted> = [1, 100 * KIB, PIECE_BYTES, PIECE_BYTES + 1, 7 * PIECE_BYTES + 9]
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
        assert!(jobs.iter().all(|job| bytes(job) <= RUN_BYTES));
        assert_eq!(covered(&jobs), 9000 * KIB);
    }

    #[test]
    fn only_what_is_missing_of_a_large_file_is_asked_for() {
        let file = Wanted {
            missing: vec![16 * KIB..32 * KIB, 64 * KIB..PIECE_BYTES + 16 * KIB],
            ..wanted(1, 3 * PIECE_BYTES)
        };
        let jobs = cut(std::slice::from_ref(&file));
        let ranges: Vec<_> = jobs
            .iter()
            .map(|job| match job {
                Job::Piece { ranges, .. } => ranges.clone(),
                Job::Run(_) => vec![],
            })
            .collect();
        let first = vec![16 * KIB..32 * KIB, 64 * KIB..PIECE_BYTES];
        assert_eq!(ranges, [first, one(PIECE_BYTES..PIECE_BYTES + 16 * KIB)]);
    }

    #[test]
    fn a_job_that_a_provider_failed_goes_to_another() {
        let mut board = board(1);
        let job = board.take(0, START).unwrap();
        board.fail(job, 0);
        assert_eq!(board.take(0, START), None);
        assert!(!board.was_tried(job));
        assert_eq!(board.take(1, START), Some(job));
        assert!(board.was_tried(job));
        assert!(board.finish(job, 1));
        assert!(board.is_finished());
    }

    #[test]
    fn what_a_provider_was_busy_with_is_free_when_it_leaves() {
        let mut board = board(3);
        let taken = [board.take(0, START).unwrap(), board.take(0, START).unwrap()];
        assert!(board.can_help(1));
        board.leave(0);
        let mut again = [
            board.take(1, START).unwrap(),
            board.take(1, START).unwrap(),
            board.take(1, START).unwrap(),
        ];
        again.sort();
        assert!(taken.iter().all(|job| again.contains(job)));
        again.iter().for_each(|job| board.fail(*job, 1));
        assert!(!board.can_help(1));
        assert!(board.can_help(0));
    }

    #[test]
    fn an_idle_provider_duplicates_what_a_slow_one_holds() {
        let mut board = board(2);
        let slow = board.take(0, START).unwrap();
        let quick = board.take(1, START).unwrap();
        assert!(board.finish(quick, 1));
        assert_eq!(board.take(1, SLOW / 2), None, "it may come any moment");
        assert_eq!(board.take(1, SLOW), Some(slow));
        assert_eq!(board.take(2, 2 * SLOW), None, "two are enough");
        assert!(board.finish(slow, 1));
        assert!(!board.finish(slow, 0), "the second to finish is late");
        assert!(board.is_finished());
    }

    #[test]
    fn a_job_given_back_while_another_still_works_on_it_is_not_queued_twice() {
        let mut board = board(1);
        let job = board.take(0, START).unwrap();
        assert_eq!(board.take(1, SLOW), Some(job));
        board.release(job, 0);
        board.release(job, 1);
        assert_eq!(board.take(2, SLOW), Some(job));
        assert_eq!(board.take(3, SLOW), None);
    }
}
