//! What is held for others, and how a person gives it up.

use catalog::digest::Digest;
use catalog::name::VariantId;
use catalog::reference::{Reference, ReleaseReference, VersionReference};
use catalog::release::{PackageId, ReleaseId};
use catalog::size::ByteSize;
use catalog::store::{HoldReason, StoreError};
use catalog::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MirrorError, Mode};
use crate::blocking::blocking;
use crate::node::{Inner, Node};
use crate::shown;

/// A content that is held for others, under the name of one release that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The release: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The variant of it.
    pub variant: VariantId,
    /// The content root.
    pub root: Digest,
    /// Its size.
    pub bytes: ByteSize,
    /// Whether a person added it.
    pub pinned: bool,
    /// Whether all of it is here; what a crash or a bad disk damaged is not, until it is mended.
    pub whole: bool,
    /// Since when it is held.
    pub since: Timestamp,
    /// How many other mirrors say that they hold it.
    pub others: u64,
}

/// What a person gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// What was held.
    pub held: Vec<Held>,
    /// What of that nobody else is known to hold.
    pub last: Vec<Digest>,
    /// Whether it comes back, because what is mirrored here lets it through.
    pub comes_back: bool,
}

/// The release that a content is shown under.
struct Named {
    package: PackageId,
    version: semver::Version,
    release: ReleaseId,
    variant: VariantId,
}

impl Node {
    /// What is held for others, by name.
    ///
    /// # Errors
    /// [`MirrorError`] when the store cannot be read.
    pub async fn mirror_list(&self) -> Result<Vec<Held>, MirrorError> {
        let inner = self.0.clone();
        blocking(move || inner.held_list(|_| true)).await
    }

    /// Holds a release no longer: every version unless one is named, and every variant.
    ///
    /// # Errors
    /// [`MirrorError::NotHeld`] when nothing of it is.
    pub async fn mirror_drop(&self, reference: &Reference) -> Result<Dropped, MirrorError> {
        let (inner, reference) = (self.0.clone(), reference.clone());
        let dropped = blocking(move || inner.drop_held(&reference)).await?;
        self.0.mirror.decided.notify_waiters();
        Ok(dropped)
    }
}

impl Inner {
    /// The size of a content, as the release that names it says; nothing when none does any more.
    pub(super) fn bytes_of(&self, root: &Digest) -> Result<ByteSize, StoreError> {
        for (id, variant) in self.store.release_of_root(root)? {
            if let Some(release) = self.store.release(&id)?
                && let Some(variant) = release.variant(&variant)
            {
                return Ok(variant.size);
            }
        }
        Ok(ByteSize::default())
    }

    /// The releases that have a content, by name.
    fn names_of(&self, root: &Digest) -> Result<Vec<Named>, StoreError> {
        let mut names = Vec::new();
        for (id, variant) in self.store.release_of_root(root)? {
            let Some(release) = self.store.release(&id)? else { continue };
            let (package, version) = (release.package(), release.version);
            names.push(Named { package, version, release: id, variant });
        }
        names.sort_by(|one, other| {
            let by_name = one.package.name.cmp(&other.package.name);
            by_name.then(other.version.cmp(&one.version)).then(one.variant.cmp(&other.variant))
        });
        Ok(names)
    }

    /// What is held and meant.
    fn held_list(&self, meant: impl Fn(&Named) -> bool) -> Result<Vec<Held>, MirrorError> {
        let mind = self.mirror_mind()?;
        let mut list = Vec::new();
        for (root, kept) in &mind.held {
            let (root, names) = (*root, self.names_of(root)?);
            let Some(named) = names.iter().find(|named| meant(named)) else { continue };
            list.push(Held {
                reference: shown::release(&self.store, &named.package, &named.version)?,
                variant: named.variant.clone(),
                root,
                bytes: kept.bytes,
                pinned: mind.decided.pins.contains_key(&root),
                whole: kept.whole,
                since: kept.since,
                others: mind.others(&root).len() as u64,
            });
        }
        list.sort_by(|one, other| {
            (&one.reference, &one.variant).cmp(&(&other.reference, &other.variant))
        });
        Ok(list)
    }

    fn drop_held(&self, reference: &Reference) -> Result<Dropped, MirrorError> {
        let held = match &reference.release {
            ReleaseReference::Exact(id) => self
                .held_list(|named| named.release == *id && is_variant(reference, &named.variant))?,
            ReleaseReference::Named { version, .. } => {
                let package = self.store.resolve_package(reference)?;
                // A channel or a range means one version; no version means all of them.
                let only = match version {
                    VersionReference::Latest => None,
                    VersionReference::Exact(version) => Some(version.clone()),
                    VersionReference::Range(_) | VersionReference::Channel(_) => {
                        Some(self.store.resolve_reference(reference)?.row.version)
                    }
                };
                self.held_list(|named| {
                    named.package == package
                        && only.as_ref().is_none_or(|only| *only == named.version)
                        && is_variant(reference, &named.variant)
                })?
            }
        };
        if held.is_empty() {
            return Err(MirrorError::NotHeld { reference: reference.to_string() });
        }
        let decided = self.mirror.book.decide(|decided| {
            for held in &held {
                decided.pins.remove(&held.root);
            }
        })?;
        for held in &held {
            self.store.release_hold(&held.root, HoldReason::Mirrored)?;
        }
        let last = held.iter().filter(|held| held.others == 0).map(|held| held.root).collect();
        let comes_back = decided.mode != Mode::Off && {
            let mut mind = self.mirror_mind()?;
            mind.decide();
            held.iter().any(|held| mind.wants(&held.root))
        };
        Ok(Dropped { held, last, comes_back })
    }
}

fn is_variant(reference: &Reference, variant: &VariantId) -> bool {
    reference.variant.as_ref().is_none_or(|only| only == variant)
}
