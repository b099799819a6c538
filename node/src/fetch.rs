//! Brings contents here: a whole variant, some of its files, or only its file list.
//!
//! Guarantees: what the publisher signed bounds what is taken: the hash sequence has the length
//! that the file count gives it, the tree names every file's size, and both must agree with the
//! release before the first file is asked for. Every byte is verified on arrival and survives the
//! death of this process; fetching again asks only for what is missing.

mod block;
mod bring;
mod cat;
pub(crate) mod claims;
mod features;
pub(crate) mod gauge;
pub(crate) mod job;
pub(crate) mod provider;
mod session;
mod talks;
pub(crate) mod tally;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use catalog::digest::Digest;
use catalog::name::VariantId;
use catalog::path::TreePath;
use catalog::permission::NodeId;
use catalog::profile::Profile;
use catalog::reference::Reference;
use catalog::resolve::Preference;
use catalog::size::ByteSize;
use catalog::store::StoreError;
use catalog_discovery::Use;
use serde::{Deserialize, Serialize};

use crate::blobs::BlobsError;
use crate::endpoint::OnlineError;
use crate::lookup::ChooseError;
use crate::node::Node;
use crate::shaping::Class;
use crate::topology::Strategy;

pub use cat::Cat;

pub(crate) use bring::{Brought, Part, Want, bring, local_tree, missing_of};

/// Why contents did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no variant to fetch.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// No peer that we can reach gives it to us. Waiting, or more peers, may help.
    #[error("no reachable peer offers {reference}")]
    Unavailable {
        /// What was wanted.
        reference: String,
        /// Who was asked, and what became of it.
        tried: Vec<Tried>,
    },
    /// It is sealed, and its publisher handed us no key.
    #[error("{reference} is sealed, and no key of it was handed to this node")]
    NoKey {
        /// The release.
        reference: String,
    },
    /// The variant has no such file or folder.
    #[error("{reference} has no {path}")]
    NoSuchPath {
        /// The release.
        reference: String,
        /// What was asked for.
        path: TreePath,
        /// Paths that are alike.
        near: Vec<String>,
    },
    /// What the publisher signed contradicts itself. Nobody can serve it.
    #[error("{reference} is not consistent: {what}")]
    Inconsistent {
        /// The release.
        reference: String,
        /// Which of its claims is wrong.
        what: String,
    },
    /// It would grow the blob store beyond its quota.
    #[error("{needed} do not fit the quota of {quota}")]
    Quota {
        /// What there would be.
        needed: ByteSize,
        /// What is allowed.
        quota: ByteSize,
    },
    /// It does not fit the disk.
    #[error("the disk is full: {needed} are needed, {free} are free")]
    DiskFull {
        /// What is needed.
        needed: ByteSize,
        /// What is free.
        free: ByteSize,
    },
    /// The node has no network.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node is shutting down; what has arrived stays.
    #[error("the node is shutting down")]
    Shutdown,
}

/// A peer that was asked for contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Whom.
    pub node: NodeId,
    /// What became of it.
    pub reason: String,
}

/// How far a fetch or an install is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
#[non_exhaustive]
pub enum TransferProgress {
    /// It is clear what is wanted.
    Resolved {
        /// The release.
        reference: String,
        /// The variant.
        variant: VariantId,
        /// Its size.
        bytes: ByteSize,
        /// Its files.
        files: u64,
    },
    /// Peers are being looked for.
    Connecting {
        /// How many are dialled.
        peers: u64,
    },
    /// Contents arrive.
    Moving {
        /// Bytes that are here, with those that were here before.
        bytes_done: u64,
        /// Bytes that are wanted.
        bytes_total: u64,
        /// Bytes that came over the wire, proofs and duplicates included.
        bytes_moved: u64,
        /// How many peers send.
        providers: u64,
    },
    /// A peer is not used any more.
    ProviderLost {
        /// Which.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// Files are being written to their place.
    Installing {
        /// Bytes that are in place.
        bytes_done: u64,
        /// Bytes to put in place.
        bytes_total: u64,
    },
}

pub(crate) type OnProgress = Arc<dyn Fn(TransferProgress) + Send + Sync>;

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The release: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The variant.
    pub variant: VariantId,
    /// Its content root.
    pub root: Digest,
    /// How many files were asked for.
    pub files: u64,
    /// Their size.
    pub bytes: ByteSize,
    /// What came over the wire for it.
    pub bytes_moved: u64,
}

/// A fetch that begins when it is awaited.
#[must_use = "a fetch begins when it is awaited"]
pub struct Fetch {
    node: Node,
    reference: Reference,
    paths: Vec<TreePath>,
    profile: Option<Profile>,
    preference: Preference,
    class: Class,
    strategy: Option<Strategy>,
    progress: OnProgress,
}

impl Node {
    /// Fetches files and folders of a variant into the blob store; all of it when no path is given.
    pub fn fetch(&self, reference: &Reference, paths: Vec<TreePath>) -> Fetch {
        Fetch {
            node: self.clone(),
            reference: reference.clone(),
            paths,
            profile: None,
            preference: Preference::default(),
            class: Class::High,
            strategy: None,
            progress: Arc::new(|_| ()),
        }
    }
}

impl Fetch {
    /// Chooses the variant for such a machine instead of this one.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Chooses the variant by this.
    pub fn preference(mut self, preference: Preference) -> Self {
        self.preference = preference;
        self
    }

    /// Takes contents from peers with this urgency.
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Chooses whom to ask by this, instead of by what the node is set to.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Is told how far it is; called often, must not block.
    pub fn progress(mut self, on: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(on);
        self
    }

    async fn run(self) -> Result<Fetched, FetchError> {
        let Self { node, reference, paths, profile, preference, strategy, class, progress } = self;
        let chosen = node.choose(&reference, profile.as_ref(), preference).await?;
        let part = if paths.is_empty() { Part::Whole } else { Part::Paths(&paths) };
        let want = Want::of(&chosen, part).at(class).by(strategy);
        let brought = bring(&node.0, &want, &progress).await?;
        node.0.used(&chosen.release, Use::Fetched);
        Ok(Fetched {
            reference: chosen.reference,
            variant: chosen.variant.id,
            root: chosen.variant.root,
            files: brought.files,
            bytes: brought.bytes,
            bytes_moved: brought.moved,
        })
    }
}

impl IntoFuture for Fetch {
    type Output = Result<Fetched, FetchError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetch({:?})", self.reference)
    }
}
