//! Adds up what this node gives and takes, and how well it does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use catalog::digest::Digest;
use catalog::permission::NodeId;
use catalog::release::PackageId;
use catalog::size::ByteSize;
use catalog::store::{HoldReason, StoreError};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::meter::{Count, Meter};
use crate::node::{Inner, Node};

/// With less free space than this things begin to fail.
const FREE_MIN: ByteSize = ByteSize::gib(1);

/// What a node gives and takes, and how well it does. Counts of what happened begin with the
/// process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The node.
    pub node: NodeId,
    /// How long it runs.
    pub uptime_ms: u64,
    /// What is here completely, for whoever may read it.
    pub shared: Held,
    /// What of that is kept for others only.
    pub mirrored: Held,
    /// Bytes of contents that peers were sent.
    pub sent: ByteSize,
    /// Bytes of contents that came from peers and were verified.
    pub received: ByteSize,
    /// Requests for contents: answered, of all.
    pub requests: Share,
    /// Peers that are known.
    pub peers: u64,
    /// Peers that are connected right now.
    pub connected: u64,
    /// Syncs: those that came to their end, of all.
    pub syncs: Share,
    /// Bytes that were wanted here: those that did not have to come, of all.
    pub cache: Share,
    /// Searches among nodes: those that memory answered, of all.
    pub searches: Share,
    /// How well the node does.
    pub health: HealthScore,
}

/// Contents of packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Packages of which there is any.
    pub packages: u64,
    /// Variants.
    pub variants: u64,
    /// The size of their files. A file of several variants counts for each.
    pub bytes: ByteSize,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// So many.
    pub good: u64,
    /// Of so many.
    pub of: u64,
}

/// How well a node does: the product of its terms, each from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthScore {
    /// The product.
    pub score: f64,
    /// What it is made of.
    pub terms: Vec<HealthTerm>,
}

/// One thing that a node can do better or worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthTerm {
    /// What.
    pub name: String,
    /// How well, from 0 to 1.
    pub value: f64,
    /// From what that follows.
    pub words: String,
}

impl Share {
    pub(crate) fn of_counts(meter: &Meter, good: Count, bad: Count) -> Self {
        let good = meter.of(good);
        Self { good, of: good + meter.of(bad) }
    }

    /// The share, from 0 to 1; `None` of nothing.
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.good as f64 / self.of as f64)
    }
}

impl HealthScore {
    fn of(terms: Vec<HealthTerm>) -> Self {
        Self { score: terms.iter().map(|term| term.value).product(), terms }
    }
}

impl HealthTerm {
    fn new(name: &str, value: f64, words: String) -> Self {
        Self { name: name.to_owned(), value: value.clamp(0.0, 1.0), words }
    }

    /// Nothing happened that could have gone wrong: that is no fault.
    fn share(name: &str, share: Share, what: &str) -> Self {
        let words = match share.of {
            0 => format!("no {what} yet"),
            of => format!("{} of {of} {what}", share.good),
        };
        Self::new(name, share.value().unwrap_or(1.0), words)
    }
}

impl Node {
    /// What the node gives and takes, and how well it does.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        let inner = &self.0;
        let meter = &inner.meter;
        let peers = self.peers().await?;
        let connected = peers.iter().filter(|peer| peer.connected).count() as u64;
        let syncs = Share::of_counts(meter, Count::SyncsDone, Count::SyncsFailed);
        let (shared, mirrored) = inner.held()?;
        Ok(Stats {
            node: inner.id,
            uptime_ms: inner.started.elapsed().as_millis() as u64,
            shared,
            mirrored,
            sent: ByteSize::bytes(meter.of(Count::ContentsSent)),
            received: ByteSize::bytes(meter.of(Count::ContentsReceived)),
            requests: Share::of_counts(meter, Count::RequestsGranted, Count::RequestsRefused),
            peers: peers.len() as u64,
            connected,
            syncs,
            cache: Share {
                good: meter.of(Count::WantedBytesHere),
                of: meter.of(Count::WantedBytes),
            },
            searches: Share::of_counts(meter, Count::SearchesRemembered, Count::SearchesAsked),
            health: inner.well_being(syncs)?,
        })
    }
}

/// To which package a content belongs, and the size of its files. Neither ever changes, and looking
/// it up costs a signature.
#[derive(Debug, Default)]
pub(crate) struct Sizes(Mutex<HashMap<Digest, (PackageId, ByteSize)>>);

/// Adds contents up.
#[derive(Default)]
struct Sum<'a> {
    packages: BTreeSet<&'a PackageId>,
    variants: u64,
    bytes: ByteSize,
}

impl<'a> Sum<'a> {
    fn add(&mut self, (package, bytes): &'a (PackageId, ByteSize)) {
        self.packages.insert(package);
        self.variants += 1;
        self.bytes = [self.bytes, *bytes].into_iter().sum();
    }

    fn held(self) -> Held {
        Held { packages: self.packages.len() as u64, variants: self.variants, bytes: self.bytes }
    }
}

/// Whether somebody on this machine wants it.
fn is_for_us(reason: HoldReason) -> bool {
    use HoldReason::{Fetched, Installed, Published};
    matches!(reason, Published | Installed | Fetched)
}

impl Inner {
    /// What is here completely, and what of that is kept for others only.
    fn held(&self) -> Result<(Held, Held), StoreError> {
        let mut reasons: BTreeMap<Digest, Vec<HoldReason>> = BTreeMap::new();
        for hold in self.store.holds()? {
            reasons.entry(hold.root).or_default().push(hold.reason);
        }
        reasons.retain(|_, reasons| !reasons.contains(&HoldReason::Partial));
        let mut sizes = self.sizes.0.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.retain(|root, _| reasons.contains_key(root));
        for root in reasons.keys() {
            if !sizes.contains_key(root)
                && let Some(size) = self.size_of(root)?
            {
                sizes.insert(*root, size);
            }
        }
        let (mut shared, mut mirrored) = (Sum::default(), Sum::default());
        for (root, reasons) in &reasons {
            let Some(size) = sizes.get(root) else { continue };
            shared.add(size);
            if !reasons.iter().any(|reason| is_for_us(*reason)) {
                mirrored.add(size);
            }
        }
        Ok((shared.held(), mirrored.held()))
    }

    fn size_of(&self, root: &Digest) -> Result<Option<(PackageId, ByteSize)>, StoreError> {
        for (id, _) in self.store.release_of_root(root)? {
            if let Some(release) = self.store.release(&id)?
                && let Some(variant) = release.variants.iter().find(|one| one.root == *root)
            {
                return Ok(Some((release.package(), variant.size)));
            }
        }
        Ok(None)
    }

    fn well_being(&self, syncs: Share) -> Result<HealthScore, StoreError> {
        let mut terms = vec![HealthTerm::share("sync", syncs, "syncs came to their end")];
        if self.open_net().is_some() {
            let reach = self.reach()?;
            let share = Share { good: reach.reached as u64, of: reach.usual as u64 };
            terms.push(HealthTerm::share("reach", share, "usual peers can be reached"));
        }
        let torn = self.torn().len();
        let words = match torn {
            0 => "nothing was lost in a crash".to_owned(),
            _ => format!("{torn} files were lost in a crash"),
        };
        terms.push(HealthTerm::new("contents", if torn == 0 { 1.0 } else { 0.5 }, words));
        let (value, words) = match disk::free(&self.config.home().data) {
            Some(free) if free < FREE_MIN => (0.5, format!("only {free} free")),
            Some(free) => (1.0, format!("{free} free")),
            None => (1.0, "free space is unknown".to_owned()),
        };
        terms.push(HealthTerm::new("disk", value, words));
        Ok(HealthScore::of(terms))
    }
}
