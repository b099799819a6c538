//! Watches how a contestant comes along.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What has come, and when.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Seen>>);

struct Seen {
    wanted: u64,
    bytes: u64,
    last: Option<Instant>,
    gap: Duration,
}

/// How a contestant did.
pub struct Watched {
    /// How long it took; `None` when it did not end in time.
    pub seconds: Option<f64>,
    /// The share that had come by then.
    pub share: f64,
    /// The longest time in which nothing came, in seconds.
    pub gap: f64,
    /// Bytes over the wire, where it says so.
    pub moved: Option<u64>,
}

impl Watch {
    pub fn new(wanted: u64) -> Self {
        Self(Arc::new(Mutex::new(Seen { wanted, bytes: 0, last: None, gap: Duration::ZERO })))
    }

    /// So much is there now.
    pub fn at(&self, bytes: u64) {
        let mut seen = self.0.lock().unwrap();
        if bytes > seen.bytes {
            let now = Instant::now();
            let last = seen.last.replace(now).unwrap_or(now);
            seen.gap = seen.gap.max(now - last);
            seen.bytes = bytes;
        }
    }

    /// Runs a contestant, which answers what it moved or 0, and what befalls its sources.
    pub async fn contest(
        &self,
        contestant: impl Future<Output = u64>,
        fate: impl Future<Output = ()>,
        patience: Duration,
    ) -> Watched {
        let began = Instant::now();
        let both = async {
            let mut contestant = std::pin::pin!(contestant);
            tokio::select! {
                moved = &mut contestant => return moved,
                () = fate => {}
            }
            contestant.await
        };
        let moved = tokio::time::timeout(patience, both).await.ok();
        let seconds = moved.is_some().then(|| began.elapsed().as_secs_f64());
        let seen = self.0.lock().unwrap();
        let since = seen.last.map_or(began.elapsed(), |last| last.elapsed());
        // What is silent in the end has been silent, too.
        let gap = if seconds.is_none() { seen.gap.max(since) } else { seen.gap };
        Watched {
            seconds,
            share: seen.bytes as f64 / seen.wanted as f64,
            gap: gap.as_secs_f64(),
            moved: moved.filter(|moved| *moved > 0),
        }
    }
}
