//! Finds the release that a reference means and the variant that a machine should have.

use catalog::name::VariantId;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::{PackageId, Release, ReleaseId};
use catalog::resolve::{Preference, Resolution, resolve};
use catalog::store::{Found, LookupError, StoreError};
use catalog::variant::Variant;

use crate::alike;
use crate::node::{Inner, Node};
use crate::shown;

/// Why there is no variant to work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// The reference means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The release exists, but not for this machine. Waiting does not help.
    #[error("no variant of {reference} fits {}", resolution.profile)]
    NothingFits {
        /// The release.
        reference: String,
        /// The verdict on each variant.
        resolution: Box<Resolution>,
    },
    /// The reference names a variant that the release does not have.
    #[error("{reference} has no variant {variant}")]
    UnknownVariant {
        /// The release.
        reference: String,
        /// What was asked for.
        variant: VariantId,
        /// What there is.
        available: Vec<VariantId>,
    },
}

impl From<StoreError> for ChooseError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

/// A release and the variant of it to work with.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// `acme/graphdb@1.4.0`
    pub reference: String,
    pub package: PackageId,
    pub id: ReleaseId,
    pub release: Release,
    pub variant: Variant,
    /// Why this variant.
    pub reason: String,
    /// What a person should know before using it.
    pub warnings: Vec<String>,
}

impl Node {
    /// What `reference` means here. When it means nothing yet, all known peers are asked for news,
    /// and then for that package, before giving up.
    pub(crate) async fn find(&self, reference: &Reference) -> Result<Found, LookupError> {
        match self.look_up(reference) {
            Err(
                LookupError::UnknownPackage { .. }
                | LookupError::UnknownVersion { .. }
                | LookupError::UnknownRelease { .. },
            ) if !self.0.candidates()?.is_empty() => {
                // A peer that cannot be reached is no news.
                self.sync(None).await?;
                match self.look_up(reference) {
                    Err(error @ LookupError::UnknownPackage { .. }) => {
                        // A node that holds only some releases may still want this one.
                        if self.0.seek(reference).await? {
                            self.look_up(reference)
                        } else {
                            Err(error)
                        }
                    }
                    found => found,
                }
            }
            found => found,
        }
    }

    /// The variant that `reference` names, or that suits `profile` best.
    pub(crate) async fn choose(
        &self,
        reference: &Reference,
        profile: Option<&Profile>,
        preference: Preference,
    ) -> Result<Chosen, ChooseError> {
        let found = self.find(reference).await?;
        let release = self.0.release(&found.row.id)?;
        if release.sealed.is_some()
            && self.0.content_key(&release)?.is_none()
            && !self.0.candidates()?.is_empty()
        {
            // Its key may have been handed over since. A peer that cannot be reached is no news.
            self.sync(None).await?;
        }
        let shown = shown::release(&self.0.store, &found.package, &found.row.version)?;
        let mut warnings = alike::warnings(&self.0.store, &found.package)?;
        if let Some(reason) = &found.row.yanked {
            let reason = if reason.is_empty() { "no reason given" } else { reason };
            warnings.push(format!("{shown} was withdrawn by its publisher: {reason}"));
        }
        if found.row.contested {
            warnings.push(format!("the publisher of {shown} signed two different releases of it"));
        }
        let (variant, reason) = match &reference.variant {
            Some(wanted) => {
                let variant = release.variant(wanted).cloned();
                let variant = variant.ok_or_else(|| ChooseError::UnknownVariant {
                    reference: shown.clone(),
                    variant: wanted.clone(),
                    available: release.variants.iter().map(|variant| variant.id.clone()).collect(),
                })?;
                (variant, "asked for by name".to_owned())
            }
            None => {
                let resolution =
                    resolve(&release, profile.unwrap_or_else(|| self.profile()), preference);
                let chosen = resolution.chosen.as_ref().and_then(|id| release.variant(id)).cloned();
                match chosen {
                    Some(variant) => (variant, resolution.reason),
                    None => {
                        let resolution = Box::new(resolution);
                        return Err(ChooseError::NothingFits { reference: shown, resolution });
                    }
                }
            }
        };
        Ok(Chosen {
            reference: shown,
            package: found.package,
            id: found.row.id,
            release,
            variant,
            reason,
            warnings,
        })
    }
}

impl Inner {
    /// A release that the store has just named.
    pub(crate) fn release(&self, id: &ReleaseId) -> Result<Release, StoreError> {
        self.store.release(id)?.ok_or(StoreError::Damaged { what: "a release" })
    }
}
