//! Moves what is missing of one variant from several providers at once.
//!
//! Each provider gets a few lanes; a lane takes a job from the [`Board`], carries it out and takes
//! the next. A provider that stalls, lies or goes away gives its jobs back and is out; the others
//! go on.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use catalog::digest::Digest;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::block::Begun;
use super::board::{Board, Job, JobId, ProviderId, SLOW};
use super::provider::{Meter, Provider, ProviderError, Sink};
use crate::blobs::{Blobs, BlobsError, Writer};

/// Requests in flight at one provider. More would hide no more latency and hold more memory.
pub(super) const LANES: usize = 4;
/// A provider that failed so many jobs while others succeed does not hold the variant.
const FAILURES_MAX: usize = 3;

/// What is shared by all lanes of a transfer.
pub(crate) struct Transfer {
    root: Digest,
    blobs: Blobs,
    writer: Arc<Writer>,
    meter: Arc<dyn Meter>,
    board: Mutex<Board>,
    changed: Notify,
    began: Instant,
    /// How many providers are at work.
    company: Arc<AtomicUsize>,
    begun: Begun,
}

impl Transfer {
    pub(crate) fn new(
        root: Digest,
        jobs: Vec<Job>,
        blobs: Blobs,
        writer: Arc<Writer>,
        meter: Arc<dyn Meter>,
        company: Arc<AtomicUsize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            root,
            blobs,
            writer,
            meter,
            board: Mutex::new(Board::new(jobs)),
            changed: Notify::new(),
            began: Instant::now(),
            company,
            begun: Begun::default(),
        })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.board().is_finished()
    }

    /// Lets `provider` work until everything is here or it can do no more.
    ///
    /// # Errors
    /// Why it is out. Whatever it was busy with has been given back.
    pub(crate) async fn work(
        self: Arc<Self>,
        id: ProviderId,
        provider: Provider,
    ) -> Result<(), ProviderError> {
        self.company.fetch_add(1, Ordering::Relaxed);
        let _leaving = Leaving { transfer: &self, id };
        let failures = Arc::new(AtomicUsize::new(0));
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            lanes.spawn(self.clone().lane(id, provider.clone(), failures.clone()));
        }
        let mut outcome = Ok(());
        while let Some(ended) = lanes.join_next().await {
            let ended = match ended {
                Ok(ended) => ended,
                Err(error) if error.is_cancelled() => continue,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            };
            if let Err(error) = ended
                && outcome.is_ok()
            {
                // One lane speaks for the provider. The others find its connection closed, keep
                // what they have received, and end as well.
                outcome = Err(error);
                provider.connection.close(0u32.into(), b"");
            }
        }
        outcome
    }

    async fn lane(
        self: Arc<Self>,
        id: ProviderId,
        provider: Provider,
        failures: Arc<AtomicUsize>,
    ) -> Result<(), ProviderError> {
        let mut open = None;
        while let Some(job_id) = self.next_job(id).await? {
            let job = self.rest_of(job_id).await?;
            let sink = Sink {
                blobs: &self.blobs,
                writer: &self.writer,
                begun: &self.begun,
                open: &mut open,
            };
            let carried = provider.carry_out(self.root, &job, sink, self.meter.as_ref());
            let outcome = tokio::select! {
                outcome = carried => outcome,
                () = self.done_by_another(job_id) => {
                    self.board().release(job_id, id);
                    continue;
                }
            };
            match outcome {
                Ok(()) => {
                    self.board().finish(job_id, id);
                    self.changed.notify_waiters();
                }
                Err(ProviderError::Refused) => {
                    self.board().fail(job_id, id);
                    self.changed.notify_waiters();
                    if failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
                        return Err(ProviderError::Refused);
                    }
                }
                Err(error) => {
                    self.board().release(job_id, id);
                    self.changed.notify_waiters();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The job without what is here already, because it was tried before or is a duplicate.
    async fn rest_of(&self, id: JobId) -> Result<Job, BlobsError> {
        let (job, was_tried) = {
            let board = self.board();
            (board.job(id).clone(), board.was_tried(id))
        };
        match job {
            Job::Piece { child, digest, size, ranges } if was_tried => {
                let missing = self.blobs.missing(&digest, size).await?;
                Ok(Job::Piece { child, digest, size, ranges: common(&ranges, &missing) })
            }
            job => Ok(job),
        }
    }

    /// Waits for a job; `None` when everything is done.
    async fn next_job(&self, id: ProviderId) -> Result<Option<JobId>, ProviderError> {
        loop {
            let changed = self.changed.notified();
            {
                let mut board = self.board();
                if board.is_finished() {
                    return Ok(None);
                }
                if let Some(job) = board.take(id, self.began.elapsed()) {
                    return Ok(Some(job));
                }
                if !board.can_help(id) {
                    return Err(ProviderError::Refused);
                }
            }
            // What another provider is slow with can be duplicated a little later.
            tokio::time::timeout(SLOW, changed).await.ok();
        }
    }

    async fn done_by_another(&self, job: JobId) {
        loop {
            let changed = self.changed.notified();
            if self.board().is_done(job) {
                return;
            }
            changed.await;
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What lies in both of two ascending lists of ranges.
fn common(ours: &[Range<u64>], theirs: &[Range<u64>]) -> Vec<Range<u64>> {
    let overlaps = ours.iter().flat_map(|our| {
        theirs.iter().map(|their| our.start.max(their.start)..our.end.min(their.end))
    });
    overlaps.filter(|range| !range.is_empty()).collect()
}

/// Gives a provider's jobs back however its work ends.
struct Leaving<'a> {
    transfer: &'a Transfer,
    id: ProviderId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.transfer.company.fetch_sub(1, Ordering::Relaxed);
        self.transfer.board().leave(self.id);
        self.transfer.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_to_two_lists_of_ranges_lies_in_both() {
        let ours = [0..10, 20..30];
        assert_eq!(common(&ours, &[5..25, 28..40]), [5..10, 20..25, 28..30]);
        assert_eq!(common(&ours, &[10..20, 30..31]), []);
        assert_eq!(common(&[], &ours), []);
    }
}
