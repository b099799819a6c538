//! Deletes blobs, through the only door that iroh-blobs has for it: its garbage collector.
//!
//! Left alone, that collector runs by the clock, finds what is live by walking hash sequences and
//! sweeps on when such a walk fails. Here it parks in its protect callback until it is asked, and
//! is told the complete live set.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Duration;

use iroh_blobs::Hash;
use iroh_blobs::store::{ProtectCb, ProtectOutcome};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::BlobsError;

/// How long the collector sleeps before it parks again.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

enum Order {
    Sweep {
        live: HashSet<Hash>,
        done: oneshot::Sender<()>,
    },
    /// The store is closed: run once more, fail on it and so end the collector's task.
    End,
}

/// Gives the orders.
pub(super) struct Sweeper(mpsc::UnboundedSender<Order>);

impl Sweeper {
    /// A sweeper, and the callback with which the store has to be opened.
    pub(super) fn new() -> (Self, ProtectCb) {
        // One order at a time: whoever gives it waits for the answer and excludes all others.
        let (give, orders) = mpsc::unbounded_channel();
        let orders = Arc::new(Mutex::new(orders));
        let running: Arc<SyncMutex<Option<oneshot::Sender<()>>>> = Arc::default();
        let protect: ProtectCb = Arc::new(move |live| {
            let (orders, running) = (orders.clone(), running.clone());
            Box::pin(async move {
                // Being called again means that the last run is over.
                if let Some(done) = running.lock().ok().and_then(|mut slot| slot.take()) {
                    done.send(()).ok();
                }
                match orders.lock().await.recv().await {
                    Some(Order::Sweep { live: keep, done }) => {
                        if let Ok(mut slot) = running.lock() {
                            *slot = Some(done);
                        }
                        *live = keep;
                        ProtectOutcome::Continue
                    }
                    Some(Order::End) => ProtectOutcome::Continue,
                    // The node was dropped without being shut down, so the store is still open:
                    // to go on would delete everything. There is nobody left to give orders.
                    None => std::future::pending().await,
                }
            })
        });
        (Self(give), protect)
    }

    /// Deletes what is not in `live`; returns when it is done.
    pub(super) async fn run(&self, live: HashSet<Hash>) -> Result<(), BlobsError> {
        let ended = || BlobsError::failed("sweep", io::Error::other("the sweep did not end"));
        let (done, finished) = oneshot::channel();
        self.0.send(Order::Sweep { live, done }).map_err(|_| ended())?;
        // A run that failed ends the collector, which drops its end of the channel.
        finished.await.map_err(|_| ended())
    }

    pub(super) fn close(&self) {
        self.0.send(Order::End).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// Asks the callback, as the collector does, and says whether it goes on to delete.
    fn goes_on(protect: &ProtectCb, live: &mut HashSet<Hash>) -> bool {
        let mut run = protect(live);
        run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn nothing_is_deleted_until_somebody_orders_it() {
        let (sweeper, protect) = Sweeper::new();
        assert!(!goes_on(&protect, &mut HashSet::new()));
        let keep = Hash::new(b"kept");
        let (done, _finished) = oneshot::channel();
        sweeper.0.send(Order::Sweep { live: HashSet::from([keep]), done }).unwrap();
        let mut live = HashSet::new();
        assert!(goes_on(&protect, &mut live));
        assert_eq!(live, HashSet::from([keep]));
    }

    /// Nobody says what is live any more, which does not mean that nothing is.
    #[test]
    fn a_node_that_is_dropped_without_a_shutdown_keeps_its_contents() {
        let (sweeper, protect) = Sweeper::new();
        drop(sweeper);
        assert!(!goes_on(&protect, &mut HashSet::new()));
    }
}
