//! What is like a package, and what goes with it: from what publishers say of their packages, and
//! what is installed here. Nobody is asked and nobody is told.

use std::collections::HashSet;
use std::time::Instant;

use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::release::{PackageId, Release};
use catalog::resolve::{Preference, resolve};
use catalog::store::StoreError;
use catalog_discovery::{NEIGHBOURS_MAX, Neighbour, Use, Voter, recommend};
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::{Inner, Node};
use crate::search::{Found, Hit, Matched, SearchError};
use crate::shown;

/// The most packages that are shown as going with one.
const SHOWN_MAX: usize = 5;
/// Those that are looked at for them: some may be withdrawn, or not here.
const LOOKED_AT: usize = 20;

/// A package that goes with another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoesWith {
    /// How to name it here: `acme/graphdb`.
    pub reference: String,
    /// The package.
    pub package: PackageId,
    /// Packages like the other one that need it.
    pub votes: usize,
    /// Whether it is itself much like the other one.
    pub alike: bool,
}

impl Node {
    /// The packages that are most like the one that `reference` names.
    ///
    /// - `fits`: only those with a variant for such a machine.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn like(
        &self,
        reference: &Reference,
        fits: Option<Profile>,
        limit: usize,
    ) -> Result<Found, SearchError> {
        let began = Instant::now();
        let found = self.find(reference).await?;
        let release = self.0.release(&found.row.id)?;
        let index = self.0.index().await?.clone();
        let inner = self.0.clone();
        blocking(move || {
            let rebuilt = index.keep_up(&inner.store)?;
            // What does not fit is left out afterwards.
            let most = if fits.is_some() { 4 * limit } else { limit }.saturating_add(1);
            let alike = index.neighbours(&release, &[], most)?.by_text;
            let mut hits = Vec::new();
            for neighbour in alike {
                let Some(release) = inner.store.release(&neighbour.release)? else { continue };
                let fit = match &fits {
                    None => None,
                    Some(profile) => {
                        let choice = resolve(&release, profile, Preference::HighPerformance);
                        let Some(verdict) = choice.chosen_verdict() else { continue };
                        Some(verdict.fit)
                    }
                };
                hits.push(Hit {
                    reference: shown::package(&inner.store, &neighbour.package)?,
                    package: neighbour.package,
                    version: release.version,
                    id: neighbour.release,
                    kind: release.kind,
                    summary: release.summary,
                    fit,
                    score: neighbour.likeness,
                    why: Vec::new(),
                    matched: Matched::default(),
                    from: Vec::new(),
                });
            }
            let more = hits.len() > limit;
            hits.truncate(limit);
            let took_us = began.elapsed().as_micros() as u64;
            let rebuilt = rebuilt.map(Into::into);
            Ok(Found { hits, more, meant: None, facets: None, rebuilt, peers: None, took_us })
        })
        .await
    }

    /// What goes with a release that somebody looks at; nothing when the index cannot tell.
    pub async fn goes_with(&self, release: &Release) -> Vec<GoesWith> {
        self.0.used(release, Use::Looked);
        let (inner, release) = (self.0.clone(), release.clone());
        let Ok(index) = inner.index().await.cloned() else { return Vec::new() };
        blocking(move || {
            let found = || -> Result<Vec<GoesWith>, SearchError> {
                index.keep_up(&inner.store)?;
                let here: Vec<PackageId> =
                    inner.store.installs()?.into_iter().map(|row| row.package).collect();
                let near = index.neighbours(&release, &here, NEIGHBOURS_MAX)?;
                let by_text = inner.voters(near.by_text)?;
                let by_needs = inner.voters(near.by_needs)?;
                let here: HashSet<PackageId> = here.into_iter().collect();
                let best = recommend(&release, &by_text, &by_needs, &here, LOOKED_AT);
                let mut shown = Vec::new();
                for one in best {
                    if shown.len() < SHOWN_MAX && inner.is_offered(&one.package)? {
                        shown.push(GoesWith {
                            reference: shown::package(&inner.store, &one.package)?,
                            package: one.package,
                            votes: one.votes,
                            alike: one.alike,
                        });
                    }
                }
                Ok(shown)
            };
            found().unwrap_or_else(|error| {
                tracing::debug!("nothing can be recommended: {error}");
                Vec::new()
            })
        })
        .await
    }
}

impl Inner {
    /// The neighbours with what they say of themselves.
    fn voters(&self, neighbours: Vec<Neighbour>) -> Result<Vec<Voter>, StoreError> {
        let mut voters = Vec::with_capacity(neighbours.len());
        for Neighbour { release, likeness, .. } in neighbours {
            let release = self.store.release(&release)?;
            voters.extend(release.map(|release| Voter { likeness, release }));
        }
        Ok(voters)
    }

    /// Whether a version of the package can be installed.
    fn is_offered(&self, package: &PackageId) -> Result<bool, StoreError> {
        let versions = self.store.versions(package)?;
        Ok(versions.iter().any(|row| row.yanked.is_none() && !row.contested))
    }
}
