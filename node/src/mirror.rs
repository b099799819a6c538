//! Holds copies for others: what a person added by hand, and what a mirror is there for.
//!
//! A mirror holds single variants of releases, each completely, beside the whole signed release:
//! whoever has only that variant can verify it, and pass it on. What it holds is decided by
//! [`catalog_mirror`], without I/O, and carried out here: fetched by the usual way, verified, at
//! the lowest urgency; held under a reason of its own; said to others in registers.
//!
//! Guarantees: only what everybody may read is held for others; what was added by hand stays until
//! it is dropped by hand.
//! Not here: which copies there should be (`catalog_mirror`), and who is asked first
//! ([`sources`](crate::sources)).

mod address;
mod book;
mod demand;
mod held;
mod holders;
mod keep;
mod mind;
mod plan;
mod say;
mod units;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::digest::Digest;
use catalog::name::VariantId;
use catalog::permission::NodeId;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::Release;
use catalog::resolve::{Preference, resolve};
use catalog::size::ByteSize;
use catalog::store::{Hold, HoldReason, LookupError, StoreError};
use catalog::variant::Variant;
use catalog_mirror::filter::{Filter, FilterError};
use catalog_mirror::strategy::Strategy;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use book::{BookError, Mode};
pub use catalog_mirror::explain::Term;
pub use held::{Dropped, Held};
pub(crate) use keep::keep;
pub use plan::{Deed, Order, OtherMirror, Overview, Plan, Reasons};

use crate::NodeConfig;
use crate::blobs::BlobsError;
use crate::blocking::blocking;
use crate::fetch::{FetchError, OnProgress, Part, TransferProgress, Want, bring};
use crate::lookup::ChooseError;
use crate::node::{Inner, Node, now};
use crate::registers::SayError;
use crate::shown;

/// On which terms a node mirrors, once it is told to.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// How much room copies may take.
    pub budget: ByteSize,
    /// How many copies of everything there should be at least.
    pub factor: u8,
    /// By what it is decided which copies there should be.
    pub strategy: Strategy,
    /// What may be held at all.
    pub filter: Filter,
    /// How often it is decided.
    pub interval: Duration,
    /// How long others believe that this node is there.
    pub lease: Duration,
    /// Whether the node serves everybody, and is asked when nobody else is enough.
    pub backbone: bool,
}

/// How much room copies may take when nobody says anything.
pub const BUDGET: ByteSize = ByteSize::gib(10);
/// How many copies there should be at least when nobody says anything.
pub const FACTOR: u8 = 3;
/// How often it is decided when nobody says anything.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// How long others believe that a mirror is there when nobody says anything.
pub const LEASE: Duration = Duration::from_secs(30 * 60);

impl Default for Terms {
    fn default() -> Self {
        Self {
            budget: BUDGET,
            factor: FACTOR,
            strategy: Strategy::default(),
            filter: Filter::default(),
            interval: INTERVAL,
            lease: LEASE,
            backbone: false,
        }
    }
}

/// Why a mirror did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The reference means nothing, nothing certain, or has no such variant.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// Not everybody may read it.
    #[error("{reference} is not for everybody, so it is not mirrored")]
    NotPublic {
        /// The release.
        reference: String,
    },
    /// It does not fit beside what is held already.
    #[error("{reference} needs {needed}, and {free} of {budget} are free")]
    Budget {
        /// The release.
        reference: String,
        /// What is to be held.
        needed: ByteSize,
        /// What of the budget is free.
        free: ByteSize,
        /// The budget.
        budget: ByteSize,
    },
    /// It is not held here.
    #[error("{reference} is not held for others")]
    NotHeld {
        /// What was to be dropped.
        reference: String,
    },
    /// Its contents did not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What may be held cannot be said to others.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// What was decided cannot be read or written.
    #[error(transparent)]
    Book(#[from] BookError),
    /// It could not be said to others.
    #[error(transparent)]
    Say(#[from] SayError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LookupError> for MirrorError {
    fn from(error: LookupError) -> Self {
        Self::Choose(error.into())
    }
}

/// What was added by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// The release: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The variants that are held from now on.
    pub variants: Vec<VariantId>,
    /// How many variants the release has.
    pub variants_total: u64,
    /// The size of what is held.
    pub bytes: ByteSize,
    /// The size of all variants.
    pub bytes_total: ByteSize,
    /// What came over the wire for it.
    pub bytes_moved: u64,
}

/// What this node knows about mirroring.
pub(crate) struct Mirror {
    book: book::Book,
    counts: demand::Counts,
    mind: Mutex<mind::Mind>,
    works: Mutex<keep::Works>,
    /// Something was decided that the loop should not wait for.
    decided: Notify,
}

impl Mirror {
    pub(crate) fn open(me: NodeId, config: &NodeConfig) -> Self {
        Self {
            book: book::Book::at(config.mirror_path()),
            counts: demand::Counts::at(config.demand_path()),
            mind: Mutex::new(mind::Mind::new(me, config.mirror())),
            works: Mutex::default(),
            decided: Notify::new(),
        }
    }

    fn mind(&self) -> MutexGuard<'_, mind::Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works(&self) -> MutexGuard<'_, keep::Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Mirrors in this way from now on, also after a restart.
    ///
    /// - `filter`, `budget`: what the node's terms say when absent.
    ///
    /// # Errors
    /// [`MirrorError::Book`] when that cannot be written down.
    pub async fn mirror_as(
        &self,
        mode: Mode,
        filter: Option<Filter>,
        budget: Option<ByteSize>,
    ) -> Result<(), MirrorError> {
        if let Some(filter) = &filter {
            filter.encode()?;
        }
        let inner = self.0.clone();
        blocking(move || {
            inner.mirror.book.decide(|decided| {
                decided.mode = mode;
                decided.filter = filter;
                decided.budget = budget;
            })
        })
        .await?;
        self.0.mirror.decided.notify_waiters();
        Ok(())
    }

    /// Fetches a release and holds it until it is dropped by hand: all its variants, unless the
    /// reference names one, or only those that such machines would choose.
    ///
    /// # Errors
    /// [`MirrorError`]; variants that had come before it failed are held.
    pub async fn mirror_add(
        &self,
        reference: &Reference,
        profiles: Vec<Profile>,
        progress: impl Fn(TransferProgress) + Send + Sync + 'static,
    ) -> Result<Added, MirrorError> {
        let inner = &self.0;
        let found = self.find(reference).await?;
        let release = inner.release(&found.row.id)?;
        let shown = shown::release(&inner.store, &found.package, &found.row.version)?;
        if !release.permission.is_open() {
            return Err(MirrorError::NotPublic { reference: shown });
        }
        let variants = wanted(&release, &shown, reference, &profiles)?;
        inner.check_budget(&shown, &variants)?;
        let mut added = Added {
            reference: shown.clone(),
            variants: Vec::new(),
            variants_total: release.variants.len() as u64,
            bytes: ByteSize::default(),
            bytes_total: release.variants.iter().map(|variant| variant.size).sum(),
            bytes_moved: 0,
        };
        let progress: OnProgress = Arc::new(progress);
        for variant in variants {
            progress(TransferProgress::Resolved {
                reference: shown.clone(),
                variant: variant.id.clone(),
                bytes: variant.size,
                files: variant.files,
            });
            let want = Want::new(&shown, variant, Part::Whole).kept(HoldReason::Mirrored);
            added.bytes_moved += bring(inner, &want, &progress).await?.moved;
            inner.hold_for_others(variant.root).await?;
            inner.pin(variant.root).await?;
            added.variants.push(variant.id.clone());
            added.bytes = [added.bytes, variant.size].into_iter().sum();
        }
        inner.mirror.decided.notify_waiters();
        Ok(added)
    }
}

impl Inner {
    /// Holds a content that is here whole.
    async fn hold_for_others(&self, root: Digest) -> Result<(), StoreError> {
        let store = self.store.clone();
        let hold = Hold { root, reason: HoldReason::Mirrored, since: now() };
        blocking(move || match store.holds_of(&root)?.contains(&HoldReason::Mirrored) {
            true => Ok(()),
            false => store.hold(&hold),
        })
        .await
    }

    async fn pin(self: &Arc<Self>, root: Digest) -> Result<(), BookError> {
        let inner = self.clone();
        blocking(move || {
            inner.mirror.book.decide(|decided| {
                decided.pins.entry(root).or_insert_with(now);
            })
        })
        .await
        .map(drop)
    }

    /// Whether these fit beside what is held already.
    fn check_budget(&self, reference: &str, variants: &[&Variant]) -> Result<(), MirrorError> {
        let mind = self.mirror_mind()?;
        let is_new = |variant: &&&Variant| !mind.held.contains_key(&variant.root);
        let needed: ByteSize = variants.iter().filter(is_new).map(|variant| variant.size).sum();
        let budget = mind.budget();
        let free = budget.saturating_sub(mind.used());
        match needed > free {
            true => {
                Err(MirrorError::Budget { reference: reference.to_owned(), needed, free, budget })
            }
            false => Ok(()),
        }
    }

    /// A copy of all that is known now, for looking at.
    fn mirror_mind(&self) -> Result<mind::Mind, MirrorError> {
        let mut mind = self.mirror.mind().clone();
        mind.learn(self)?;
        Ok(mind)
    }
}

/// The variants of a release that are to be added.
fn wanted<'a>(
    release: &'a Release,
    shown: &str,
    reference: &Reference,
    profiles: &[Profile],
) -> Result<Vec<&'a Variant>, ChooseError> {
    if let Some(id) = &reference.variant {
        let unknown = || ChooseError::UnknownVariant {
            reference: shown.to_owned(),
            variant: id.clone(),
            available: release.variants.iter().map(|variant| variant.id.clone()).collect(),
        };
        return Ok(vec![release.variant(id).ok_or_else(unknown)?]);
    }
    if profiles.is_empty() {
        return Ok(release.variants.iter().collect());
    }
    let mut chosen: Vec<&Variant> = Vec::new();
    for profile in profiles {
        let resolution = resolve(release, profile, Preference::default());
        match resolution.chosen.as_ref().and_then(|id| release.variant(id)) {
            Some(variant) if chosen.iter().any(|other| other.id == variant.id) => {}
            Some(variant) => chosen.push(variant),
            None => {
                let resolution = Box::new(resolution);
                return Err(ChooseError::NothingFits { reference: shown.to_owned(), resolution });
            }
        }
    }
    Ok(chosen)
}

/// For the fuzz targets: reads what a mirror says of its addresses.
#[cfg(fuzzing)]
pub(crate) fn fuzz(value: &[u8]) {
    use address::{Standpoint, decode, encode};
    for from in [Standpoint::Loopback, Standpoint::Network] {
        let Ok(addrs) = decode(value, from) else { continue };
        assert!(addrs.len() <= address::ADDRS_MAX);
        assert_eq!(decode(&encode(&addrs, from), from), Ok(addrs));
    }
}
