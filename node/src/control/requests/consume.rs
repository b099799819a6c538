//! Finding packages, installing them, and looking into them.

use std::path::PathBuf;

use axum::body::Body;
use catalog::path::TreePath;
use catalog::profile::Profile;
use catalog::release::PackageKind;
use futures_lite::stream;
use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::super::stream::Reporter;
use super::{Answer, AnswerAtLength, Choice, LongRequest, Request, publisher, read, reference};
use crate::Node;
use crate::fetch::{Fetched, TransferProgress};
use crate::info::{self, Explained};
use crate::install::{Installed, ListRow, Removed, RolledBack};
use crate::search::{self, Found, Reach, Sort};
use crate::shaping::Class;
use crate::sources;
use crate::topology::Strategy;
use crate::update::Updated;

/// Finds packages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Search {
    /// Words; none finds everything.
    pub text: String,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only what fits.
    pub fits: Option<Fits>,
    /// Only this publisher: a petname or an id.
    pub publisher: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Passes over the first so many.
    pub offset: usize,
    /// `relevance`, `popular`, `recent` or `small`.
    #[serde(default)]
    pub sort: Option<String>,
    /// The last word also stands for what begins so.
    #[serde(default)]
    pub prefix: bool,
    /// Says of each package why it stands where it does.
    #[serde(default)]
    pub explain: bool,
    /// Finds what is like this package instead of words.
    #[serde(default)]
    pub like: Option<String>,
    /// Counts so many values of each facet.
    #[serde(default)]
    pub facets: usize,
    /// Whom to ask for what is not here: `none`, `connected`, `all` or a number of peers.
    #[serde(default)]
    pub peers: Option<String>,
}

/// What something is to fit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fits {
    /// The machine that the node runs on.
    Here,
    /// Such a machine.
    On(Box<Profile>),
}

impl Request for Search {
    const NAME: &'static str = "search";
    type Reply = Found;
}

impl Search {
    /// What is like a package, when that is asked for.
    async fn alike(&self, node: &Node) -> Option<Result<Found, Failure>> {
        let like = self.like.as_deref()?;
        let fits = self.fits.as_ref().map(|fits| match fits {
            Fits::Here => node.profile().clone(),
            Fits::On(profile) => profile.as_ref().clone(),
        });
        let reference = match reference(like) {
            Ok(reference) => reference,
            Err(failure) => return Some(Err(failure)),
        };
        let found = node.like(&reference, fits, self.limit).await;
        Some(found.map_err(|error| error.blame()))
    }

    fn of(self, node: &Node) -> Result<search::Search, Failure> {
        let mut search = node.search(self.text).limit(self.limit).offset(self.offset);
        if let Some(kind) = &self.kind {
            search = search.kind(kind_of(kind)?);
        }
        if let Some(name) = &self.publisher {
            search = search.publisher(publisher(node, name)?);
        }
        if let Some(sort) = &self.sort {
            search = search.sort(sort_of(sort)?);
        }
        if self.prefix {
            search = search.prefix();
        }
        if let Some(peers) = &self.peers {
            search = search.peers(reach_of(peers)?);
        }
        if self.explain {
            search = search.explain();
        }
        let search = search.facets(self.facets);
        Ok(match self.fits {
            None => search,
            Some(Fits::Here) => search.fits(),
            Some(Fits::On(profile)) => search.fits_profile(*profile),
        })
    }
}

impl Answer for Search {
    async fn answer(self, node: &Node) -> Result<Found, Failure> {
        if let Some(alike) = self.alike(node).await {
            return alike;
        }
        self.of(node)?.await.map_err(|error| error.blame())
    }
}

/// Finds packages, and tells what is found so far while peers are waited for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchLive(pub Search);

impl Request for SearchLive {
    const NAME: &'static str = "search-live";
    type Reply = Found;
}

impl LongRequest for SearchLive {
    type Progress = Found;
}

impl AnswerAtLength for SearchLive {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Found, Failure> {
        if let Some(alike) = self.0.alike(&node).await {
            return alike;
        }
        let search = self.0.of(&node)?.progress(move |found| reporter.report(found));
        search.await.map_err(|error| error.blame())
    }
}

fn reach_of(text: &str) -> Result<Reach, Failure> {
    read("whom to ask", text, Code::USAGE)
        .map_err(|failure| failure.hint("none, connected, all or a number of peers"))
}

fn sort_of(text: &str) -> Result<Sort, Failure> {
    read("an order", text, Code::USAGE)
        .map_err(|failure| failure.hint("relevance, popular, recent or small"))
}

pub(super) fn kind_of(text: &str) -> Result<PackageKind, Failure> {
    read("a kind of package", text, Code::USAGE).map_err(|failure| {
        failure.hint("app-fragment, service, client, asset, model, profile or node-set")
    })
}

/// Tells what is known about a package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// The package.
    pub reference: String,
    /// Whether a person looks at it, who may want to know what goes with it.
    #[serde(default)]
    pub looked_at: bool,
}

impl Request for Info {
    const NAME: &'static str = "info";
    type Reply = info::Info;
}

impl Answer for Info {
    async fn answer(self, node: &Node) -> Result<info::Info, Failure> {
        let info = node.info(&reference(&self.reference)?).await;
        let mut info = info.map_err(|error| error.blame())?;
        if self.looked_at {
            info.goes_with = node.goes_with(&info.release).await;
        }
        Ok(info)
    }
}

/// Tells which variant a machine gets, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explain {
    /// The package.
    pub reference: String,
    /// The machine.
    #[serde(flatten)]
    pub choice: Choice,
}

impl Request for Explain {
    const NAME: &'static str = "explain";
    type Reply = Explained;
}

impl Answer for Explain {
    async fn answer(self, node: &Node) -> Result<Explained, Failure> {
        let (reference, choice) = (reference(&self.reference)?, self.choice);
        node.explain(&reference, choice.profile.as_ref(), choice.preference)
            .await
            .map_err(|error| error.blame())
    }
}

/// Tells who would be asked for a package, in which order, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sources {
    /// The package.
    pub reference: String,
    /// By what sources are chosen; by what the node is set to when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
}

impl Request for Sources {
    const NAME: &'static str = "sources";
    type Reply = sources::Sources;
}

impl Answer for Sources {
    async fn answer(self, node: &Node) -> Result<sources::Sources, Failure> {
        let reference = reference(&self.reference)?;
        node.sources(&reference, self.strategy).await.map_err(|error| error.blame())
    }
}

/// Installs a package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Install {
    /// The package.
    pub reference: String,
    /// Only its file list.
    pub lazy: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Yield to everything else on the line.
    #[serde(default)]
    pub background: bool,
    /// By what sources are chosen; by what the node is set to when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The machine.
    #[serde(flatten)]
    pub choice: Choice,
}

impl Request for Install {
    const NAME: &'static str = "install";
    type Reply = Installed;
}

impl LongRequest for Install {
    type Progress = TransferProgress;
}

impl AnswerAtLength for Install {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Installed, Failure> {
        let mut install = node
            .install(&reference(&self.reference)?)
            .preference(self.choice.preference)
            .class(class(self.background))
            .progress(move |event| reporter.report(event));
        if let Some(profile) = self.choice.profile {
            install = install.profile(profile);
        }
        if let Some(strategy) = self.strategy {
            install = install.strategy(strategy);
        }
        if self.lazy {
            install = install.lazy();
        }
        if self.dry_run {
            install = install.dry_run();
        }
        install.await.map_err(|error| error.blame())
    }
}

/// Installs newer versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Update {
    /// Only this package.
    pub reference: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Yield to everything else on the line.
    #[serde(default)]
    pub background: bool,
}

impl Request for Update {
    const NAME: &'static str = "update";
    type Reply = Vec<Updated>;
}

impl LongRequest for Update {
    type Progress = TransferProgress;
}

impl AnswerAtLength for Update {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Vec<Updated>, Failure> {
        let only = self.reference.as_deref().map(reference).transpose()?;
        let mut update = node.update(only.as_ref()).class(class(self.background));
        update = update.progress(move |event| reporter.report(event));
        if self.dry_run {
            update = update.dry_run();
        }
        update.await.map_err(|error| error.blame())
    }
}

/// Fetches files without installing them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fetch {
    /// The package.
    pub reference: String,
    /// Files and folders; none stands for everything.
    pub paths: Vec<String>,
    /// Yield to everything else on the line.
    #[serde(default)]
    pub background: bool,
    /// By what sources are chosen; by what the node is set to when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The machine.
    #[serde(flatten)]
    pub choice: Choice,
}

impl Request for Fetch {
    const NAME: &'static str = "fetch";
    type Reply = Fetched;
}

impl LongRequest for Fetch {
    type Progress = TransferProgress;
}

impl AnswerAtLength for Fetch {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Fetched, Failure> {
        let paths = self.paths.iter().map(|path| tree_path(path)).collect::<Result<_, _>>()?;
        let mut fetch = node
            .fetch(&reference(&self.reference)?, paths)
            .preference(self.choice.preference)
            .class(class(self.background))
            .progress(move |event| reporter.report(event));
        if let Some(profile) = self.choice.profile {
            fetch = fetch.profile(profile);
        }
        if let Some(strategy) = self.strategy {
            fetch = fetch.strategy(strategy);
        }
        fetch.await.map_err(|error| error.blame())
    }
}

fn class(background: bool) -> Class {
    if background { Class::Low } else { Class::High }
}

/// Reads a path as people type it: a folder may end with `/`.
fn tree_path(text: &str) -> Result<TreePath, Failure> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    read("a path inside a package", bare, Code::NO_PATH)
        .map_err(|failure| failure.hint("paths are relative, with /, as in bin/graphdb"))
}

/// Hands out one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cat {
    /// The package.
    pub reference: String,
    /// The file.
    pub path: String,
    /// The machine.
    #[serde(flatten)]
    pub choice: Choice,
}

impl Request for Cat {
    const NAME: &'static str = "cat";
    /// The answer is the bytes themselves.
    type Reply = ();
}

impl Cat {
    /// The bytes of the file; the beginning is verified when this returns.
    pub(in super::super) async fn open(self, node: &Node) -> Result<Body, Failure> {
        let (reference, path) = (reference(&self.reference)?, tree_path(&self.path)?);
        let profile = self.choice.profile.as_ref();
        let file = node
            .cat(&reference, &path, profile, self.choice.preference)
            .await
            .map_err(|error| error.blame())?;
        let pieces = stream::try_unfold(file, |mut file| async move {
            let piece = file.read().await?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, file)))
        });
        Ok(Body::from_stream(pieces))
    }
}

/// Lists what is installed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct List {}

impl Request for List {
    const NAME: &'static str = "list";
    type Reply = Vec<ListRow>;
}

impl Answer for List {
    async fn answer(self, node: &Node) -> Result<Vec<ListRow>, Failure> {
        node.list().await.map_err(|error| error.blame())
    }
}

/// Says where a package is installed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Path {
    /// The package.
    pub reference: String,
}

impl Request for Path {
    const NAME: &'static str = "path";
    type Reply = PathBuf;
}

impl Answer for Path {
    async fn answer(self, node: &Node) -> Result<PathBuf, Failure> {
        node.path(&reference(&self.reference)?).await.map_err(|error| error.blame())
    }
}

/// Removes an installed package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remove {
    /// The package.
    pub reference: String,
}

impl Request for Remove {
    const NAME: &'static str = "remove";
    type Reply = Removed;
}

impl Answer for Remove {
    async fn answer(self, node: &Node) -> Result<Removed, Failure> {
        node.remove(&reference(&self.reference)?).await.map_err(|error| error.blame())
    }
}

/// Goes back to what was installed before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rollback {
    /// The package.
    pub reference: String,
}

impl Request for Rollback {
    const NAME: &'static str = "rollback";
    type Reply = RolledBack;
}

impl Answer for Rollback {
    async fn answer(self, node: &Node) -> Result<RolledBack, Failure> {
        node.rollback(&reference(&self.reference)?).await.map_err(|error| error.blame())
    }
}
