//! Keeps a serving node up to date by itself: peers that come back, news that they announce, the
//! search index, the local network.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::permission::NodeId;
use catalog::store::StoreError;
use n0_future::StreamExt;
use tracing::{debug, warn};

use crate::announce;
use crate::audit;
use crate::endpoint::OnlineError;
use crate::mirror;
use crate::node::{Inner, Node, now};
use crate::sync::Occasion;
use crate::talk;
use crate::topology::Reach;

/// How often peers without a connection are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// The pause after the first failed dial; it doubles up to the last.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The same while most of the usual peers are out of reach: it is our own network that will be
/// mended, and a peer that comes back then is not to be missed for a minute.
const PAUSE_CUT_OFF_MAX: Duration = Duration::from_secs(10);

impl Node {
    /// Goes online and stays connected to all known peers, taking over what they announce, until
    /// the node shuts down. Returns as soon as it has begun.
    ///
    /// # Errors
    /// [`OnlineError`] when the address cannot be used.
    pub async fn serve(&self) -> Result<(), OnlineError> {
        let net = self.0.net().await?.clone();
        if let Some(nodes) = net.lan_nodes().await {
            let inner = self.0.clone();
            self.0.tasks.spawn(async move {
                let mut nodes = std::pin::pin!(nodes);
                loop {
                    let seen = tokio::select! {
                        () = inner.stop.cancelled() => return,
                        seen = nodes.next() => seen,
                    };
                    let Some(seen) = seen else { return };
                    if seen.node != inner.id && inner.lan.note(seen.node, seen.addrs) {
                        inner.pull_soon(seen.node);
                    }
                }
            });
        }
        if let Err(error) = self.0.announce().await {
            warn!("this node could not be announced: {error}");
        }
        self.0.tasks.spawn(announce::keep_announcing(self.0.clone()));
        self.0.tasks.spawn(stay_connected(self.0.clone()));
        self.0.tasks.spawn(mirror::keep(self.0.clone()));
        self.0.tasks.spawn(audit::keep_auditing(self.0.clone()));
        // What was published while the node was not reachable.
        self.0.changed();
        Ok(())
    }
}

/// When a peer is dialled or looked at again.
struct Turn {
    next: Instant,
    /// Whether there was a connection when this was decided.
    linked: bool,
    /// The pause after the last dial that failed.
    pause: Duration,
}

/// Dials peers without a connection, and looks at the others now and then: a notice may be lost.
async fn stay_connected(inner: Arc<Inner>) {
    let interval = inner.config.interval();
    let mut turns: HashMap<NodeId, Turn> = HashMap::new();
    loop {
        let candidates = inner.candidates().unwrap_or_default();
        turns.retain(|node, _| candidates.iter().any(|candidate| candidate.node == *node));
        let is_cut_off = inner.reach().is_ok_and(Reach::is_partitioned);
        let pause_max = if is_cut_off { PAUSE_CUT_OFF_MAX } else { PAUSE_MAX };
        for node in candidates.into_iter().map(|candidate| candidate.node) {
            let (now, linked) = (Instant::now(), inner.links.get(&node).is_some());
            let anew = Turn { next: now, linked, pause: PAUSE_MIN };
            let turn = turns.entry(node).or_insert(anew);
            if turn.linked != linked {
                *turn = Turn { next: now, linked, pause: PAUSE_MIN };
            }
            if turn.next > now {
                continue;
            }
            if linked {
                turn.next = now + jittered(interval);
            } else {
                turn.next = now + jittered(turn.pause.min(pause_max));
                turn.pause = (turn.pause * 2).min(PAUSE_MAX).min(interval);
            }
            inner.pull_soon(node);
        }
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// A time within a tenth of this one, so that nodes that were cut off together do not all come
/// back in the same moment.
pub(crate) fn jittered(time: Duration) -> Duration {
    let mut chance = [0; 2];
    // Without chance all pauses are a little short, no more.
    getrandom::fill(&mut chance).ok();
    time.mul_f64(0.9 + f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX) / 5.0)
}

impl Inner {
    /// How many of the usual peers can be reached.
    pub(crate) fn reach(&self) -> Result<Reach, StoreError> {
        let mut peers: Vec<_> =
            self.store.peers()?.into_iter().map(|row| (row.node, row.last_seen)).collect();
        for (node, _) in self.links.all() {
            if peers.iter().all(|(known, _)| *known != node) && self.is_peer(&node) {
                peers.push((node, None));
            }
        }
        let seen = |(node, last): &(NodeId, _)| (self.links.get(node).is_some(), *last);
        Ok(Reach::of(peers.iter().map(seen), now()))
    }

    /// Asks a peer for news in the background. While one question waits, another adds nothing.
    pub(crate) fn pull_soon(self: &Arc<Self>, node: NodeId) {
        if !self.waiting.insert(node) {
            return;
        }
        let inner = self.clone();
        self.tasks.spawn(async move {
            let asking = async {
                drop(inner.pulling.take(node).await);
                inner.waiting.remove(&node);
                if let Err(error) = inner.pull(node, Occasion::Heard).await {
                    debug!("peer {} could not be asked: {error}", node.short());
                }
            };
            tokio::select! {
                () = inner.stop.cancelled() => {}
                () = asking => {}
            }
        });
    }

    /// There is something new in the store. While the node is online, peers are told and the
    /// index follows; otherwise both happen when they are needed.
    pub(crate) fn changed(self: &Arc<Self>) {
        if self.open_net().is_none() || self.stop.is_cancelled() {
            return;
        }
        let inner = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = talk::announce(&inner).await {
                warn!("news could not be announced: {error}");
            }
            if let Err(error) = inner.follow_index().await {
                warn!("the search index is late: {error}");
            }
        });
    }
}
