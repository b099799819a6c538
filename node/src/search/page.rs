//! Makes the page that is shown: of what is here, or of that and what peers sent.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use catalog::identity::PublisherId;
use catalog::profile::Profile;
use catalog::release::{PackageId, Release, ReleaseId};
use catalog::resolve::{Fit, Preference, resolve};
use catalog::store::{Store, StoreError, VersionRow};
use catalog_discovery::federation::{Counts, Judge, Question, Ranked, merge};
use catalog_discovery::{Evidence, Index, Marks, Weigher};

use tokio::sync::watch;

use super::{Asked, Clue, Facets, Found, Hit, Matched, OnProgress, People, Search, SearchError};
use crate::blocking::blocking;
use crate::federation::Told;
use crate::reindex::Rebuilt;
use crate::shown;

/// What was found here.
pub(super) struct Here {
    pub search: Search,
    pub people: People,
    pub found: catalog_discovery::Found,
}

/// The pages of a search that asks peers: one when it ends, others on the way.
pub(super) struct Pages {
    pub here: Here,
    pub index: Arc<Index>,
    pub question: Question,
}

impl Pages {
    /// The page of what is here and what peers told.
    pub async fn of(self: Arc<Self>, told: Told) -> Result<Found, SearchError> {
        blocking(move || self.here.among_peers(&self.index, &self.question, &told)).await
    }

    /// Shows a page each time that peers told more, until the search ends without it. Of news that
    /// come faster than pages are made, only the latest counts.
    pub async fn show(
        self: &Arc<Self>,
        mut latest: watch::Receiver<Option<Told>>,
        to: Option<&OnProgress>,
    ) -> Infallible {
        let Some(show) = to else {
            // News that nobody looks at need not be put together.
            drop(latest);
            return std::future::pending().await;
        };
        while latest.changed().await.is_ok() {
            let told = latest.borrow_and_update().clone();
            let Some(told) = told else { continue };
            // What goes wrong here goes wrong once more, where it is told.
            if let Ok(page) = self.clone().of(told).await {
                show(page);
            }
        }
        std::future::pending().await
    }
}

impl Here {
    /// The page when nobody else was asked: what the index gave is the page.
    pub fn alone(self) -> Result<Found, StoreError> {
        let Self { search, people, found } = self;
        let mut marks = Marks::of(&search.query(&people, true));
        let hits = found.hits.into_iter().map(|hit| {
            let (score, evidence) = (hit.score, hit.evidence);
            search.show(&mut marks, hit.id, &hit.release, hit.fit, (score, evidence))
        });
        let hits = hits.collect::<Result<_, _>>()?;
        let store = &search.node.0.store;
        Ok(Found {
            hits,
            more: found.more,
            meant: found.meant,
            facets: found.facets.map(|facets| Facets::named(facets, store)).transpose()?,
            rebuilt: found.rebuilt.map(Rebuilt::from),
            peers: None,
            took_us: 0,
        })
    }

    /// The page of what is here and what peers sent.
    fn among_peers(
        &self,
        index: &Index,
        question: &Question,
        told: &Told,
    ) -> Result<Found, SearchError> {
        let Self { search, people, found } = self;
        let store = &search.node.0.store;
        let judge = OurJudge {
            store,
            weigher: index.weigher(question, &people.petnames)?,
            profile: search.profile(),
            known: people.known.iter().copied().collect(),
            warm: search.node.0.counts.warmth().into_iter().collect(),
        };
        let mut here = Vec::with_capacity(found.hits.len());
        for hit in &found.hits {
            // The index keeps no long texts, which are weighed as well.
            here.extend(store.release(&hit.id)?.map(|release| (hit.id, release)));
        }
        let sort = question.parts().sort;
        let ranked = merge(here, &told.heard, &told.counts, sort, &judge);
        let end = search.offset.saturating_add(search.limit);
        let more = found.more || ranked.len() > end;
        let mut marks = Marks::of(&search.query(people, true));
        let page = ranked.into_iter().skip(search.offset).take(search.limit);
        let hits = page.map(|one| {
            let fit = search.profile().and_then(|profile| fit(&one.release, profile));
            let Ranked { id, release, heard, evidence } = one;
            let mut hit =
                search.show(&mut marks, id, &release, fit, (evidence.score(), Some(evidence)))?;
            // What is here may have been too far down to be among our own best.
            if let Some(heard) = heard
                && store.release(&id)?.is_none()
            {
                hit.from = heard.from;
            }
            Ok(hit)
        });
        let peers = Asked {
            asked: told.coverage.asked,
            answered: told.coverage.answered,
            lied: told.coverage.lied,
            took_ms: told.coverage.took.as_millis() as u64,
            age_ms: told.age.map(|age| age.as_millis() as u64),
        };
        Ok(Found {
            hits: hits.collect::<Result<_, StoreError>>()?,
            more,
            meant: found.meant.clone(),
            facets: found.facets.clone().map(|facets| Facets::named(facets, store)).transpose()?,
            rebuilt: found.rebuilt.clone().map(Rebuilt::from),
            peers: Some(peers),
            took_us: 0,
        })
    }
}

impl Search {
    fn show(
        &self,
        marks: &mut Marks,
        id: ReleaseId,
        release: &Release,
        fit: Option<Fit>,
        (score, evidence): (f32, Option<Evidence>),
    ) -> Result<Hit, StoreError> {
        let (name, summary) = (release.name.as_str(), &release.summary);
        let matched = Matched::of(&marks.find(name, summary, evidence.as_ref()), name, summary);
        let evidence = evidence.filter(|_| self.explain);
        let parts = evidence.iter().flat_map(Evidence::parts);
        let why = parts.map(|(clue, adds)| Clue { name: clue.name().to_owned(), adds });
        let package = release.package();
        Ok(Hit {
            reference: shown::package(&self.node.0.store, &package)?,
            package,
            version: release.version.clone(),
            id,
            kind: release.kind,
            summary: release.summary.clone(),
            fit,
            score,
            why: why.collect(),
            matched,
            from: Vec::new(),
        })
    }
}

/// Weighs by our own index, and knows what our own store says.
struct OurJudge<'a> {
    store: &'a Store,
    weigher: Weigher,
    profile: Option<&'a Profile>,
    known: BTreeSet<PublisherId>,
    warm: BTreeMap<PackageId, f32>,
}

impl Judge for OurJudge<'_> {
    fn weigh(&self, releases: &[&Release], counts: &Counts) -> Vec<Option<Evidence>> {
        self.weigher.weigh(releases, counts)
    }

    fn admits(&self, id: &ReleaseId, release: &Release) -> bool {
        let package: PackageId = release.package();
        // What cannot be found out is a no.
        let frozen = self.store.is_frozen(&release.publisher).unwrap_or(true);
        let Ok(versions) = self.store.versions(&package) else { return false };
        let known = versions.iter().find(|row| row.version == release.version);
        let stands =
            known.is_none_or(|row| row.id == *id && row.yanked.is_none() && !row.contested);
        let newer = |row: &VersionRow| {
            row.version > release.version
                && row.version.pre.is_empty()
                && row.yanked.is_none()
                && !row.contested
        };
        let newest = !versions.iter().any(newer);
        newest
            && stands
            && !frozen
            && self.profile.is_none_or(|profile| fit(release, profile).is_some())
    }

    fn knows(&self, publisher: &PublisherId) -> bool {
        self.known.contains(publisher)
    }

    fn warmth(&self, package: &PackageId) -> f32 {
        self.warm.get(package).copied().unwrap_or_default()
    }
}

/// How the variant that would be chosen suits `profile`; `None` when none would.
fn fit(release: &Release, profile: &Profile) -> Option<Fit> {
    let resolution = resolve(release, profile, Preference::HighPerformance);
    resolution.chosen_verdict().map(|verdict| verdict.fit)
}
