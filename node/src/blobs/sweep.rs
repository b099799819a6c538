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
                    Some(Order::End) | None => ProtectOutcome::Continue,
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
