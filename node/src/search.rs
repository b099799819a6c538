//! Searches the local index.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Instant;

use catalog::identity::PublisherId;
use catalog::profile::Profile;
use catalog::release::{PackageId, PackageKind, ReleaseId};
use catalog::resolve::Fit;
use catalog::store::StoreError;
pub use catalog_discovery::Sort;
use catalog_discovery::{FollowError, IndexError, Marks, Query, Typing};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::Node;
use crate::reindex::Rebuilt;
use crate::shown as named;

mod shown;

pub use shown::{Count, Facets, Matched};

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The index cannot be used, nor built anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index cannot follow the store.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was found, best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The packages.
    pub hits: Vec<Hit>,
    /// Whether there are more than asked for.
    pub more: bool,
    /// The words that were searched for instead, when the catalog does not know those of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meant: Option<String>,
    /// How many there are of each kind, when that was asked; of what is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facets: Option<Facets>,
    /// That the search index was built anew on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Rebuilt>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// A package that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// How to name it here: `acme/graphdb`.
    pub reference: String,
    /// The package.
    pub package: PackageId,
    /// Its newest version.
    pub version: Version,
    /// The release of that version.
    pub id: ReleaseId,
    /// What it is.
    pub kind: PackageKind,
    /// What it is, in one line.
    pub summary: String,
    /// How well its best variant fits, when that was asked.
    pub fit: Option<Fit>,
    /// How well it answers; comparable only inside one answer.
    pub score: f32,
    /// What adds up to the score, when that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Clue>,
    /// Where the words of the query stand.
    #[serde(default)]
    pub matched: Matched,
}

/// One thing that speaks for a package, or against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clue {
    /// What it is.
    pub name: String,
    /// What it adds to the score.
    pub adds: f32,
}

/// A search that begins when it is awaited.
#[must_use = "a search begins when it is awaited"]
pub struct Search {
    node: Node,
    text: String,
    kind: Option<PackageKind>,
    publisher: Option<PublisherId>,
    fits: Fits,
    sort: Sort,
    typing: Typing,
    explain: bool,
    facets: usize,
    offset: usize,
    limit: usize,
}

enum Fits {
    Any,
    Here,
    On(Box<Profile>),
}

impl Node {
    /// Searches for packages; an empty text finds all.
    pub fn search(&self, text: impl Into<String>) -> Search {
        Search {
            node: self.clone(),
            text: text.into(),
            kind: None,
            publisher: None,
            fits: Fits::Any,
            sort: Sort::default(),
            typing: Typing::Done,
            explain: false,
            facets: 0,
            offset: 0,
            limit: 20,
        }
    }
}

impl Search {
    /// Only packages of this kind.
    pub fn kind(mut self, kind: PackageKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only packages of this publisher.
    pub fn publisher(mut self, publisher: PublisherId) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// Only packages with a variant for this machine.
    pub fn fits(mut self) -> Self {
        self.fits = Fits::Here;
        self
    }

    /// Only packages with a variant for such a machine.
    pub fn fits_profile(mut self, profile: Profile) -> Self {
        self.fits = Fits::On(Box::new(profile));
        self
    }

    /// In this order; the best answer first unless said.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort = sort;
        self
    }

    /// The last word is still being typed: it also stands for what begins so.
    pub fn prefix(mut self) -> Self {
        self.typing = Typing::Going;
        self
    }

    /// Says of each package why it stands where it does.
    pub fn explain(mut self) -> Self {
        self.explain = true;
        self
    }

    /// Counts what there is of each kind, tag, licence, publisher and class of hardware, and tells
    /// so many values of each.
    pub fn facets(mut self, values: usize) -> Self {
        self.facets = values;
        self
    }

    /// At most so many; 20 unless said.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Passes over the first so many.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    async fn run(self) -> Result<Found, SearchError> {
        let began = Instant::now();
        let index = self.node.0.index().await?.clone();
        blocking(move || {
            let store = &self.node.0.store;
            let profile = match &self.fits {
                Fits::Any => None,
                Fits::Here => Some(self.node.profile()),
                Fits::On(profile) => Some(profile.as_ref()),
            };
            let publishers = store.publishers()?.into_iter();
            let petnames = publishers.filter_map(|row| Some((row.petname?, row.id)));
            let mut query = Query::new(self.text);
            query.kind = self.kind;
            query.publisher = self.publisher;
            query.fits = profile;
            query.petnames = petnames.collect();
            query.sort = self.sort;
            query.typing = self.typing;
            query.facets = self.facets;
            query.offset = self.offset;
            query.limit = self.limit;
            let found = index.find(store, &query)?;
            let mut marks = Marks::of(&query);
            let hits = found.hits.into_iter().map(|hit| {
                let (name, summary) = (hit.release.name.as_str(), &hit.release.summary);
                let marked = marks.find(name, summary, hit.evidence.as_ref());
                let matched = Matched::of(&marked, name, summary);
                let evidence = hit.evidence.filter(|_| self.explain);
                let parts = evidence.iter().flat_map(|evidence| evidence.parts());
                let why = parts.map(|(clue, adds)| Clue { name: clue.name().to_owned(), adds });
                Ok(Hit {
                    why: why.collect(),
                    matched,
                    reference: named::package(store, &hit.package())?,
                    package: hit.package(),
                    version: hit.release.version,
                    id: hit.id,
                    kind: hit.release.kind,
                    summary: hit.release.summary,
                    fit: hit.fit,
                    score: hit.score,
                })
            });
            let hits = hits.collect::<Result<_, StoreError>>()?;
            let facets = found.facets.map(|facets| Facets::named(facets, store)).transpose()?;
            let took_us = began.elapsed().as_micros() as u64;
            Ok(Found {
                hits,
                more: found.more,
                meant: found.meant,
                facets,
                rebuilt: found.rebuilt.map(Rebuilt::from),
                took_us,
            })
        })
        .await
    }
}

impl IntoFuture for Search {
    type Output = Result<Found, SearchError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Search({:?})", self.text)
    }
}
