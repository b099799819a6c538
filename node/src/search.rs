//! Searches here, and among peers for what is not here.
//!
//! What is here answers in a millisecond. Peers that hold more are asked for it, within a deadline;
//! what they send is verified, weighed with what is here by our own weights, and marked with who
//! has it. Without such peers, a search never leaves the machine.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::profile::Profile;
use catalog::release::{PackageId, PackageKind, ReleaseId};
use catalog::resolve::Fit;
use catalog::store::{LookupError, Store, StoreError, Trust};
pub use catalog_discovery::Sort;
use catalog_discovery::federation::DEADLINE;
pub use catalog_discovery::federation::Reach;
use catalog_discovery::{FollowError, IndexError, Query, Typing};
use semver::Version;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::blocking::blocking;
use crate::node::Node;
use crate::reindex::Rebuilt;

mod page;
mod shown;

use page::{Here, Pages};
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
    /// The package that others should be like is not known.
    #[error(transparent)]
    Lookup(#[from] LookupError),
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
    /// Who else was asked; `None` when nobody was, because nobody may have more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Asked>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// How much of what peers hold an answer covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Peers that were asked; those that hold the same count once.
    pub asked: usize,
    /// Those of them that answered in time.
    pub answered: usize,
    /// Peers that sent what an honest one does not send; nothing of theirs is shown.
    pub lied: usize,
    /// How long was waited for them, in milliseconds.
    pub took_ms: u64,
    /// How old the answers are, in milliseconds, when they are from an earlier search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
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
    /// Peers that sent it, when it is not here. Its publisher's signature was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<NodeId>,
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
    reach: Reach,
    within: Duration,
    progress: Option<Box<OnProgress>>,
}

/// Is shown what is found so far.
type OnProgress = dyn Fn(Found) + Send + Sync;

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
            reach: Reach::default(),
            within: DEADLINE,
            progress: None,
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

    /// Asks these peers for what is not here; those that are connected unless said.
    pub fn peers(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Takes no longer than this for peers; half a second unless said.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Shows, while peers are waited for, what is found so far: first what is here.
    pub fn progress(mut self, on: impl Fn(Found) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(on));
        self
    }

    async fn run(mut self) -> Result<Found, SearchError> {
        let (inner, progress) = (self.node.0.clone(), self.progress.take());
        let began = inner.uptime();
        let index = inner.index().await?.clone();
        // While somebody types, peers are left alone.
        // What is popular is only known of what is here.
        let here_only = self.typing == Typing::Going || self.sort == Sort::Popular;
        let reach = if here_only { Reach::Nobody } else { self.reach };
        let (targets, within) = (inner.targets(reach).await?, self.within);
        let (alone, own) = (targets.is_empty(), index.clone());
        let (here, asked) = blocking(move || {
            let people = People::of(&self.node.0.store)?;
            // What is here has to be followed before its words are counted.
            let found = own.find(&self.node.0.store, &self.query(&people, alone))?;
            let asked = match alone {
                true => None,
                false => Some(own.question(&self.query(&people, true))?),
            };
            Ok::<_, SearchError>((Here { search: self, people, found }, asked))
        })
        .await?;
        let mut found = match asked {
            None => blocking(move || here.alone()).await?,
            Some((question, ours)) => {
                let (news, latest) = watch::channel(None);
                let until = inner.federation.asking_ends(began, within, inner.uptime());
                let asking = inner.ask_peers(&question, &ours, (&targets, reach), until, &news);
                let pages = Arc::new(Pages { here, index, question: question.clone() });
                let told = tokio::select! {
                    told = asking => told,
                    never = pages.show(latest, progress.as_deref()) => match never {},
                };
                let ended = told.ended;
                let page = pages.of(told).await?;
                if let Some(ended) = ended {
                    inner.federation.finished(inner.uptime().saturating_sub(ended));
                }
                page
            }
        };
        found.took_us = inner.uptime().saturating_sub(began).as_micros() as u64;
        Ok(found)
    }

    /// The query to the index.
    ///
    /// - `page`: for the page that is wanted; otherwise for everything up to its end.
    fn query(&self, people: &People, page: bool) -> Query<'_> {
        let mut query = Query::new(self.text.as_str());
        query.kind = self.kind;
        query.publisher = self.publisher;
        query.fits = self.profile();
        query.petnames = people.petnames.clone();
        query.known = people.known.clone();
        query.warm = self.node.0.counts.warmth();
        query.sort = self.sort;
        query.typing = self.typing;
        query.facets = self.facets;
        (query.offset, query.limit) = match page {
            true => (self.offset, self.limit),
            false => (0, self.offset.saturating_add(self.limit)),
        };
        query
    }

    fn profile(&self) -> Option<&Profile> {
        match &self.fits {
            Fits::Any => None,
            Fits::Here => Some(self.node.profile()),
            Fits::On(profile) => Some(profile),
        }
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

/// The publishers that mean something to the user.
struct People {
    petnames: Vec<(Petname, PublisherId)>,
    /// Those that the user has named, and the user's own.
    known: Vec<PublisherId>,
}

impl People {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let rows = store.publishers()?;
        let known = rows.iter().filter(|row| row.trust > Trust::Seen).map(|row| row.id).collect();
        let petnames = rows.into_iter().filter_map(|row| Some((row.petname?, row.id))).collect();
        Ok(Self { petnames, known })
    }
}
