//! Decides and carries out, again and again while the node serves: fetches, drops, asks, says.
//!
//! The deciding is [`catalog_mirror`]'s: this feeds it what was said, and does what it orders.
//! Guarantees: what is fetched for others waits for everything that a person wants; what was added
//! by hand is never dropped here; the room that copies take stays within the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::digest::Digest;
use catalog::permission::NodeId;
use catalog::size::ByteSize;
use catalog::store::{HoldReason, StoreError};
use catalog::time::Timestamp;
use catalog_mirror::keeper::{Cause, Farewell, Order};
use catalog_mirror::unit::Unit;
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, info, warn};

use super::say::Voice;
use super::{MirrorError, Mode};
use crate::blocking::blocking;
use crate::fetch::{FetchError, OnProgress, Part, Want, bring};
use crate::follow::jittered;
use crate::node::{Inner, now};
use crate::peers::causes;
use crate::shaping::Class;
use crate::{protocol, shown};

/// The most failures that are remembered for people.
const TROUBLES_MAX: usize = 16;
/// A mirror that does not answer within this has not answered.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the loop did, for people.
#[derive(Clone, Debug, Default)]
pub(super) struct Works {
    /// When it was last decided.
    pub decided: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    pub decisions: u64,
    /// What came over the wire for others.
    pub bytes_fetched: u64,
    pub repairs: u64,
    pub evictions: u64,
    /// What could not be fetched, and why.
    pub troubles: BTreeMap<Digest, String>,
}

/// What became of an order.
enum Ended {
    Fetched { root: Digest, bytes: ByteSize, cause: Cause, moved: Result<u64, FetchError> },
    Probed { node: NodeId, answered: bool },
}

/// The loop: what is known, and what is under way.
struct Work {
    inner: Arc<Inner>,
    voice: Voice,
    /// Whether others were told that this node is a mirror.
    was_mirror: bool,
    under_way: JoinSet<Ended>,
}

/// Mirrors until the node ends.
pub(crate) async fn keep(inner: Arc<Inner>) {
    let (stop, interval) = (inner.stop.clone(), inner.config.mirror().interval);
    let mut work = Work {
        inner: inner.clone(),
        voice: Voice::default(),
        was_mirror: false,
        under_way: JoinSet::new(),
    };
    while !stop.is_cancelled() {
        let decided = inner.mirror.decided.notified();
        let again = tokio::time::sleep(jittered(interval));
        tokio::pin!(decided, again);
        let look = async {
            if let Err(error) = work.look().await {
                warn!("mirroring is late: {}", causes(&error));
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = look => {}
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut decided => break,
                () = &mut again => break,
                Some(ended) = work.under_way.join_next() => {
                    work.ended(ended);
                    // What has come should be known, and what waits for it should begin.
                    if let Err(error) = work.look().await {
                        warn!("mirroring is late: {}", causes(&error));
                    }
                }
            }
        }
    }
    work.under_way.shutdown().await;
}

impl Work {
    /// Looks at everything, says what is so, decides, and begins what follows.
    async fn look(&mut self) -> Result<(), MirrorError> {
        if self.inner.config.is_announced() {
            self.inner.say_demand().await?;
        }
        let inner = self.inner.clone();
        let holds_any = blocking(move || inner.holds_for_others()).await?;
        if !holds_any && !self.was_mirror {
            return Ok(());
        }
        let inner = self.inner.clone();
        let (orders, statement) = blocking(move || -> Result<_, MirrorError> {
            let began = Instant::now();
            let mut mind = inner.mirror.mind();
            mind.learn(&inner)?;
            mind.decide();
            let mut orders = Vec::new();
            while let Some(order) = mind.next_order() {
                let unit = match &order {
                    Order::Fetch { root, .. } => mind.unit(root),
                    _ => None,
                };
                orders.push((order, unit));
            }
            let statement = mind.statement(&inner);
            drop(mind);
            let mut works = inner.mirror.works();
            (works.decided, works.took) = (Some(now()), began.elapsed());
            works.decisions += 1;
            Ok((orders, statement))
        })
        .await?;
        if self.inner.config.is_announced() {
            self.was_mirror = statement.is_mirror;
            self.voice.say(&self.inner, statement).await?;
        }
        let mut evicted = Vec::new();
        for (order, unit) in orders {
            match order {
                Order::Fetch { root, bytes, cause, .. } => self.fetch(root, bytes, cause, unit),
                Order::Probe { node } => self.probe(node),
                Order::Evict { root, why } => {
                    let why = match why {
                        Farewell::Surplus => "there are enough without it",
                        Farewell::Room => "its room is needed",
                    };
                    info!("content {root} is not held any more: {why}");
                    evicted.push(root);
                }
            }
        }
        if !evicted.is_empty() {
            self.inner.evict(evicted).await?;
            if let Err(error) = self.inner.gc(false).await {
                warn!("what was dropped still takes room: {}", causes(&error));
            }
            self.inner.mirror.decided.notify_waiters();
        }
        Ok(())
    }

    fn fetch(&mut self, root: Digest, bytes: ByteSize, cause: Cause, unit: Option<Unit>) {
        let inner = self.inner.clone();
        self.under_way.spawn(async move {
            let moved = match unit {
                Some(unit) => inner.fetch_for_others(&unit).await,
                None => Ok(0),
            };
            Ended::Fetched { root, bytes, cause, moved }
        });
    }

    fn probe(&mut self, node: NodeId) {
        let inner = self.inner.clone();
        self.under_way.spawn(async move {
            let answered = tokio::time::timeout(PROBE_TIMEOUT, inner.is_there(node)).await;
            Ended::Probed { node, answered: answered.unwrap_or(false) }
        });
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let mut mind = self.inner.mirror.mind();
        match ended {
            Ended::Probed { node, answered } => {
                debug!("mirror {} answered: {answered}", node.short());
                mind.probed(node, answered);
            }
            Ended::Fetched { root, bytes, cause, moved } => {
                let mut works = self.inner.mirror.works();
                match moved {
                    Ok(moved) => {
                        mind.fetched(root, Some(bytes));
                        works.bytes_fetched += moved;
                        works.repairs += u64::from(matches!(cause, Cause::Repair(_)));
                        works.troubles.remove(&root);
                    }
                    Err(error) => {
                        mind.fetched(root, None);
                        info!("content {root} could not be fetched for others: {}", causes(&error));
                        if works.troubles.len() < TROUBLES_MAX {
                            works.troubles.insert(root, causes(&error));
                        }
                    }
                }
            }
        }
    }
}

impl Inner {
    /// Whether anything is held for others, or is to be.
    fn holds_for_others(&self) -> Result<bool, MirrorError> {
        let decided = self.mirror.book.decided()?;
        if decided.mode != Mode::Off || !decided.pins.is_empty() {
            return Ok(true);
        }
        Ok(self.store.holds()?.iter().any(|hold| hold.reason == HoldReason::Mirrored))
    }

    /// Gives up contents that nobody here needs for others any more.
    async fn evict(&self, roots: Vec<Digest>) -> Result<(), StoreError> {
        self.mirror.works().evictions += roots.len() as u64;
        let store = self.store.clone();
        blocking(move || {
            for root in roots {
                store.release_hold(&root, HoldReason::Mirrored)?;
            }
            Ok(())
        })
        .await
    }

    /// Fetches a unit, verified, after everything that a person waits for; answers what came over
    /// the wire.
    async fn fetch_for_others(self: &Arc<Self>, unit: &Unit) -> Result<u64, FetchError> {
        let Some(offer) = unit.offers.first() else { return Ok(0) };
        let release = self.release(&offer.release)?;
        let reference = shown::release(&self.store, &offer.subject.package, &release.version)?;
        let variant = release.variant(&offer.variant);
        let variant = variant.ok_or(StoreError::Damaged { what: "a release" })?;
        let want = Want::new(&reference, variant, Part::Whole);
        let quiet: OnProgress = Arc::new(|_| ());
        let brought = bring(self, &want.at(Class::Low).kept(HoldReason::Mirrored), &quiet).await?;
        self.hold_for_others(unit.root).await?;
        Ok(brought.moved)
    }

    /// Whether a mirror answers: it is connected, or can be.
    async fn is_there(self: &Arc<Self>, node: NodeId) -> bool {
        if self.links.get(&node).is_some() {
            return true;
        }
        let known = self.candidate(&node).map(|known| known.addrs).unwrap_or_default();
        let said = self.addresses_of(&node).unwrap_or_default();
        let addrs: Vec<_> =
            known.into_iter().chain(said).collect::<BTreeSet<_>>().into_iter().collect();
        let Ok(net) = self.net().await else { return false };
        match net.dial(node, &addrs, protocol::ALPN).await {
            Ok(connection) => {
                connection.close(0u32.into(), b"");
                true
            }
            Err(_) => false,
        }
    }
}
