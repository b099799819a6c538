//! Hands sealed contents over: the key to those who read, the numbered files to those who carry.
//!
//! Whoever may read a release when it is published, or is let in later, is given its key in a
//! [`Parcel`]. Who is not let in any more is given no key of later releases; each has another. Those
//! who carry are named one release at a time, and give what they carry to whoever knows its root:
//! that is told to those only who may read, and it is of no use to anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::digest::Digest;
use catalog::identity::{Identity, PublisherId};
use catalog::permission::{NodeId, Permission, Reader, Scope};
use catalog::reference::Reference;
use catalog::release::Release;
use catalog::sealed::{ContentKey, ReaderKey};
use catalog::size::ByteSize;
use catalog::statement::{Content, PARCEL_NODES_MAX, Parcel, Statement};
use catalog::store::{AppendError, CarriedRow, LookupError, StoreError};
use catalog::variant::Variant;
use serde::{Deserialize, Serialize};

use crate::access;
use crate::blocking::blocking;
use crate::fetch::{FetchError, OnProgress, Part, TransferProgress, Want, bring};
use crate::node::{Inner, Node, now};
use crate::shown;
use crate::state::{StateError, Stated};

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandOverError {
    /// The reference means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Everybody may read it, or it was published before contents were sealed.
    #[error("{reference} is not sealed: whoever may read it can carry it")]
    NotSealed {
        /// The release.
        reference: String,
    },
    /// Only its publisher can hand it over.
    #[error("{reference} is not ours to hand over")]
    NotOurs {
        /// The release.
        reference: String,
    },
    /// It could not be stated.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What was handed over to be carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The statement.
    pub stated: Stated,
    /// The release.
    pub reference: String,
    /// Who is to carry it.
    pub nodes: BTreeSet<NodeId>,
    /// What there is to carry: one for each variant.
    pub contents: Vec<Content>,
}

/// Contents that this node carries for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Whose they are.
    pub publisher: PublisherId,
    /// What they are called here.
    pub shown: String,
    /// The content root.
    pub root: Digest,
    /// Their size.
    pub size: ByteSize,
    /// What came over the wire for them just now.
    pub bytes_moved: u64,
    /// Why they are not here, if they are not.
    pub error: Option<String>,
}

impl Node {
    /// Lets nodes carry a sealed release of ours: they are given its contents, and no key.
    ///
    /// # Errors
    /// [`HandOverError`].
    pub async fn hand_over(
        &self,
        reference: &Reference,
        nodes: BTreeSet<NodeId>,
    ) -> Result<HandedOver, HandOverError> {
        let found = self.find(reference).await?;
        let store = &self.0.store;
        let release = self.0.release(&found.row.id).map_err(LookupError::from)?;
        let reference =
            shown::release(store, &found.package, &found.row.version).map_err(LookupError::from)?;
        if self.publisher() != Some(release.publisher) {
            return Err(HandOverError::NotOurs { reference });
        }
        let Some(key) = release.sealed else { return Err(HandOverError::NotSealed { reference }) };
        let contents: Vec<Content> = release.variants.iter().map(Content::of).collect();
        let (carriers, carried) = (nodes.clone(), contents.clone());
        let stated = self.state(move |publisher, seq| {
            let (time, readers) = (now(), BTreeMap::new());
            let (carriers, contents) = (carriers, carried);
            Statement::Parcel(Parcel { publisher, seq, time, key, readers, carriers, contents })
        });
        Ok(HandedOver { stated: stated.await?, reference, nodes, contents })
    }

    /// Brings everything here that this node was handed to carry.
    ///
    /// # Errors
    /// [`StoreError`]; what did not come says so in its row.
    pub async fn carry(&self) -> Result<Vec<Carried>, StoreError> {
        if !self.0.candidates()?.is_empty() {
            // A peer that cannot be reached hands nothing over; what is known already still counts.
            self.sync(None).await?;
        }
        let quiet: OnProgress = Arc::new(|_: TransferProgress| ());
        let mut carried = Vec::new();
        for row in self.0.store.carried(&self.id())? {
            let Content { root, size, .. } = row.content;
            let (shown, variant) = self.0.shown_carried(&row)?;
            let want = Want::new(&shown, &variant, Part::Whole);
            let brought = match access::is_whole(&self.0, &root)? {
                true => Ok(0),
                false => bring(&self.0, &want, &quiet).await.map(|brought| brought.moved),
            };
            let error = match &brought {
                Err(FetchError::Store(_)) | Ok(_) => None,
                Err(error) => Some(crate::peers::causes(error)),
            };
            if let Err(FetchError::Store(error)) = brought {
                return Err(error);
            }
            let (publisher, bytes_moved) = (row.publisher, brought.unwrap_or_default());
            carried.push(Carried { publisher, shown, root, size, bytes_moved, error });
        }
        Ok(carried)
    }
}

impl Inner {
    /// What this node carries under a root, and how to call it.
    pub(crate) fn carried_variant(
        &self,
        root: &Digest,
    ) -> Result<Option<(String, Variant)>, StoreError> {
        let carried = self.store.carried(&self.id)?;
        let row = carried.into_iter().find(|row| row.content.root == *root);
        row.map(|row| self.shown_carried(&row)).transpose()
    }

    fn shown_carried(&self, row: &CarriedRow) -> Result<(String, Variant), StoreError> {
        let publisher = shown::publisher(&self.store, &row.publisher)?;
        let content = &row.content;
        Ok((format!("{publisher}/{}", content.root.short()), variant(content)))
    }
}

/// Contents as if they were a variant: what is fetched and checked is the same.
fn variant(content: &Content) -> Variant {
    let Content { root, tree, size, files } = *content;
    Variant {
        id: "carried".parse().expect("a word is a variant's name"),
        requires: BTreeMap::new(),
        prefers: BTreeMap::new(),
        resources: Default::default(),
        fallback: false,
        quality: 0,
        root,
        tree,
        size,
        files,
    }
}

/// Hands the key of a release that is about to be published to this node and to everybody who may
/// read it.
///
/// - `release`: at a position behind all that was said so far.
pub(crate) fn hand_to_readers(
    node: &Inner,
    identity: &Identity,
    release: &Release,
    key: &ContentKey,
) -> Result<(), Box<AppendError>> {
    let failed = |error: StoreError| Box::new(AppendError::from(error));
    let granted = node.store.grants(&release.publisher).map_err(failed)?;
    let mut named: BTreeSet<NodeId> = granted.into_iter().map(|row| row.node).collect();
    if let Permission::Restricted(nodes) = &release.permission {
        named.extend(nodes);
    }
    let mut readers = BTreeSet::from([node.id]);
    for reader in named {
        if node.store.may_read(Reader::Node(reader), release, now()).map_err(failed)? {
            readers.insert(reader);
        }
    }
    hand(node, identity, release, key, readers)
}

/// Hands the keys of all our releases that are meant to those who may read them and have none.
pub(crate) async fn hand_what_is_granted(
    node: &Arc<Inner>,
    scope: &Scope,
    nodes: &BTreeSet<NodeId>,
) -> Result<(), StateError> {
    let identity = node.identity().ok_or(StateError::NoIdentity)?;
    let (inner, scope, nodes) = (node.clone(), scope.clone(), nodes.clone());
    let handed = move || {
        for release in inner.closed_releases(&scope)? {
            let Some(id) = release.sealed else { continue };
            let mut readers = BTreeSet::new();
            for &reader in &nodes {
                let has = inner.store.wrapped_key(&release.publisher, &id, &reader)?.is_some();
                if !has && inner.store.may_read(Reader::Node(reader), &release, now())? {
                    readers.insert(reader);
                }
            }
            if !readers.is_empty()
                && let Some(key) = inner.content_key(&release)?
            {
                hand(&inner, &identity, &release, &key, readers)
                    .map_err(|error| StateError::from(*error))?;
            }
        }
        Ok::<_, StateError>(())
    };
    blocking(handed).await?;
    node.changed();
    Ok(())
}

fn hand(
    node: &Inner,
    identity: &Identity,
    release: &Release,
    key: &ContentKey,
    to: BTreeSet<NodeId>,
) -> Result<(), Box<AppendError>> {
    // To what is no node's id nothing can be sealed, and nobody will ask for it.
    let wrapped: Vec<_> = to
        .into_iter()
        .filter_map(|node| Some((node, ReaderKey::of_node(&node).ok()?.wrap(key).ok()?)))
        .collect();
    for some in wrapped.chunks(PARCEL_NODES_MAX) {
        let readers = some.iter().copied().collect();
        let build = |seq| {
            let (publisher, time, key) = (release.publisher, now(), key.id());
            let (carriers, contents) = (BTreeSet::new(), Vec::new());
            Statement::Parcel(Parcel { publisher, seq, time, key, readers, carriers, contents })
        };
        node.store.append(identity, now(), build).map_err(Box::new)?;
    }
    Ok(())
}
