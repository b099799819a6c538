//! Publishes a draft: hashes its files, keeps them, signs the release and tells the peers.
//!
//! The order is what makes a crash harmless: blobs are on disk before the record that names them is
//! written, the record is on disk before anybody is told, and the search index follows by itself.

mod sources;

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use catalog::digest::Digest;
use catalog::draft::{Draft, SourceEntry, VariantDraft};
use catalog::identity::Identity;
use catalog::name::VariantId;
use catalog::release::{PackageId, Release, ReleaseError, ReleaseId};
use catalog::sealed::{ContentKey, KeyId};
use catalog::size::ByteSize;
use catalog::statement::Statement;
use catalog::store::{AppendError, StoreError};
use catalog::tree::{Tree, TreeEntry, TreeError};
use catalog::variant::Variant;
use serde::{Deserialize, Serialize};

use crate::blobs::{BlobsError, Imported, Writer};
use crate::blocking::blocking;
use crate::disk;
use crate::node::{Inner, Node, now};
use crate::{parcels, sealed, shown};

pub(crate) use sources::Sources;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is nobody to publish as.
    #[error("this node has no publisher identity")]
    NoIdentity,
    /// A version is never replaced.
    #[error("{package}@{version} is already published, with other content")]
    VersionTaken {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
        /// The release that has it.
        existing: ReleaseId,
    },
    /// A file of the draft cannot be read.
    #[error("cannot read {}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody wrote to a file while it was read.
    #[error("{} changed while it was being published", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The files of a variant do not make a tree.
    #[error("variant {variant} cannot be published")]
    Tree {
        /// The variant.
        variant: VariantId,
        /// The rule that is broken.
        source: TreeError,
    },
    /// The release breaks a limit.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// There is no room for a copy of the files.
    #[error("the disk is full: {needed} are needed, {free} are free")]
    DiskFull {
        /// What the files need.
        needed: ByteSize,
        /// What is free.
        free: ByteSize,
    },
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The release could not be recorded.
    #[error(transparent)]
    Append(Box<AppendError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::VersionTaken { package, version, existing } => {
                Self::VersionTaken { package, version, existing }
            }
            AppendError::Body(error) => Self::Release(error),
            AppendError::Store(error) => Self::Store(error),
            other => Self::Append(Box::new(other)),
        }
    }
}

/// How far a publish is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
#[non_exhaustive]
pub enum PublishProgress {
    /// Files are being read, hashed and kept.
    Hashing {
        /// Files that are done.
        files_done: u64,
        /// All files.
        files_total: u64,
        /// Bytes that are done.
        bytes_done: u64,
        /// All bytes.
        bytes_total: u64,
    },
    /// Everything is being put on the disk.
    Syncing,
    /// The release is signed and recorded.
    Recorded,
}

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// How to name it here: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// The release; `None` for a dry run.
    pub id: Option<ReleaseId>,
    /// The package.
    pub package: PackageId,
    /// The version.
    pub version: semver::Version,
    /// Its place in the publisher's log; `None` for a dry run.
    pub seq: Option<u64>,
    /// One for each variant, in the draft's order.
    pub variants: Vec<PublishedVariant>,
    /// All variants together.
    pub bytes: ByteSize,
    /// Whether exactly this was published before, so that nothing changed.
    pub already: bool,
    /// Whether nothing was written because nobody asked to.
    pub dry_run: bool,
}

/// A variant that was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVariant {
    /// Its name.
    pub id: VariantId,
    /// Its content root.
    pub root: Digest,
    /// The sum of its files.
    pub size: ByteSize,
    /// How many files.
    pub files: u64,
}

type OnProgress = Arc<dyn Fn(PublishProgress) + Send + Sync>;

/// A publish that begins when it is awaited.
#[must_use = "a publish begins when it is awaited"]
pub struct Publish {
    node: Arc<Inner>,
    draft: Draft,
    dry_run: bool,
    progress: OnProgress,
}

impl Node {
    /// Publishes `draft` as this node's publisher.
    pub fn publish(&self, draft: Draft) -> Publish {
        Publish { node: self.0.clone(), draft, dry_run: false, progress: Arc::new(|_| ()) }
    }
}

impl Publish {
    /// Hashes and checks everything, and writes nothing.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Is told how far it is; called often, must not block.
    pub fn progress(mut self, on: impl Fn(PublishProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(on);
        self
    }

    async fn run(self) -> Result<Published, PublishError> {
        let Self { node, draft, dry_run, progress } = self;
        let identity = node.identity().ok_or(PublishError::NoIdentity)?;
        // What breaks a limit is refused before any file is read: hashes have a fixed length.
        release(&draft, &identity, u64::from(u32::MAX), placeholders(&draft)).encode()?;
        let sources = blocking({
            let draft = draft.clone();
            move || Sources::of(&draft)
        })
        .await?;

        let (contents, writer) = if dry_run {
            let files = sources.hash(progress.clone()).await?;
            (Contents::open(variants(&draft, &files, None).await?), None)
        } else {
            let blobs = node.blobs().await?;
            disk::check_room(blobs.dir(), sources.bytes())
                .map_err(|disk::Full { needed, free }| PublishError::DiskFull { needed, free })?;
            let writer = Arc::new(blobs.writer().await);
            let contents = if draft.permission.is_open() {
                let files = sources.import(&writer, progress.clone()).await?;
                Contents::open(variants(&draft, &files, Some(&writer)).await?)
            } else {
                let files = sources.hash(progress.clone()).await?;
                seal_all(&node, &identity, &draft, &files, &writer).await?
            };
            progress(PublishProgress::Syncing);
            writer.sync().await?;
            (contents, Some(writer))
        };
        let Contents { variants, sealed, fresh } = contents;

        let package = PackageId { publisher: identity.publisher(), name: draft.name.clone() };
        let mut published = Published {
            reference: shown::release(&node.store, &package, &draft.version)?,
            id: None,
            package,
            version: draft.version.clone(),
            seq: None,
            variants: variants.iter().map(PublishedVariant::of).collect(),
            bytes: variants.iter().map(|variant| variant.size).sum(),
            already: false,
            dry_run,
        };
        if dry_run {
            return Ok(published);
        }
        let appended = blocking({
            let node = node.clone();
            move || {
                let build =
                    |seq, variants| Release { sealed, ..release(&draft, &identity, seq, variants) };
                if let Some(key) = fresh {
                    // The key goes first: what is sealed with a key that is lost nobody can read.
                    let release = build(u64::MAX, Vec::new());
                    parcels::hand_to_readers(&node, &identity, &release, &key)
                        .map_err(|error| PublishError::from(*error))?;
                }
                let build = |seq| Statement::Release(build(seq, variants));
                node.store.append(&identity, now(), build).map_err(PublishError::from)
            }
        })
        .await?;
        // Now that the record holds the blobs, a sweep may run again.
        drop(writer);
        progress(PublishProgress::Recorded);
        node.changed();
        published.id = Some(appended.id);
        published.seq = Some(appended.seq);
        published.already = appended.already;
        Ok(published)
    }
}

impl IntoFuture for Publish {
    type Output = Result<Published, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publish({}@{})", self.draft.name, self.draft.version)
    }
}

impl PublishedVariant {
    fn of(variant: &Variant) -> Self {
        let Variant { id, root, size, files, .. } = variant;
        Self { id: id.clone(), root: *root, size: *size, files: *files }
    }
}

/// What the files of a draft are published as.
struct Contents {
    variants: Vec<Variant>,
    /// What they are sealed with.
    sealed: Option<KeyId>,
    /// The key, if it is a new one.
    fresh: Option<ContentKey>,
}

impl Contents {
    fn open(variants: Vec<Variant>) -> Self {
        Self { variants, sealed: None, fresh: None }
    }
}

/// Seals each variant with a new key, and keeps it; what is published already stays as it is.
async fn seal_all(
    node: &Inner,
    identity: &Identity,
    draft: &Draft,
    files: &HashMap<PathBuf, Imported>,
    writer: &Arc<Writer>,
) -> Result<Contents, PublishError> {
    let list = |from: &VariantDraft| {
        tree(from, files).map_err(|source| PublishError::Tree { variant: from.id.clone(), source })
    };
    let lists: Vec<Tree> = draft.variants.iter().map(list).collect::<Result<_, _>>()?;
    if let Some(contents) = published_before(node, identity, draft, &lists).await? {
        return Ok(contents);
    }
    let key = ContentKey::generate();
    let stored = sealed::seal(&key, files, writer).await?;
    let mut variants = Vec::with_capacity(lists.len());
    for (from, list) in draft.variants.iter().zip(&lists) {
        let sealed_list = key.list(&from.id).seal_list(list);
        let numbered = std::iter::once(sealed::stored(&sealed_list))
            .chain(list.files().filter_map(|file| stored.get(&file.blake3).copied()));
        let carried = catalog::sealed::carried(numbered)
            .map_err(|source| PublishError::Tree { variant: from.id.clone(), source })?;
        writer.import_many(vec![sealed_list.into()]).await?;
        variants.push(kept(from, &carried, Some(writer)).await?);
    }
    Ok(Contents { variants, sealed: Some(key.id()), fresh: Some(key) })
}

/// The contents of this version, if it is published already.
///
/// # Errors
/// [`PublishError::VersionTaken`] when those are others. A key never seals two contents, so it is
/// not tried again with the same one.
async fn published_before(
    node: &Inner,
    identity: &Identity,
    draft: &Draft,
    lists: &[Tree],
) -> Result<Option<Contents>, PublishError> {
    let package = PackageId { publisher: identity.publisher(), name: draft.name.clone() };
    let versions = node.store.versions(&package)?;
    let Some(row) = versions.into_iter().find(|row| row.version == draft.version) else {
        return Ok(None);
    };
    let before = node.release(&row.id)?;
    let mut variants = Vec::with_capacity(lists.len());
    for (from, list) in draft.variants.iter().zip(lists) {
        let same = match before.variant(&from.id) {
            Some(same) if sealed::local_list(node, &before, same).await?.as_ref() == Some(list) => {
                same
            }
            _ => {
                let (version, existing) = (row.version, row.id);
                return Err(PublishError::VersionTaken { package, version, existing });
            }
        };
        variants.push(variant(from, same.root, same.tree, same.size, same.files));
    }
    Ok(Some(Contents { variants, sealed: before.sealed, fresh: None }))
}

/// Makes each variant's tree and hash sequence and, given a writer, keeps them.
async fn variants(
    draft: &Draft,
    files: &HashMap<PathBuf, Imported>,
    writer: Option<&Writer>,
) -> Result<Vec<Variant>, PublishError> {
    let mut variants = Vec::with_capacity(draft.variants.len());
    for from in &draft.variants {
        let tree = tree(from, files)
            .map_err(|source| PublishError::Tree { variant: from.id.clone(), source })?;
        variants.push(kept(from, &tree, writer).await?);
    }
    Ok(variants)
}

/// Makes the hash sequence of a tree and, given a writer, keeps both.
async fn kept(
    from: &VariantDraft,
    tree: &Tree,
    writer: Option<&Writer>,
) -> Result<Variant, BlobsError> {
    let encoded = tree.encode();
    let digest = Digest::of(&encoded);
    let sequence = tree.hash_sequence(digest);
    let root = Digest::of(&sequence);
    if let Some(writer) = writer {
        writer.import_many(vec![encoded.into(), sequence.into()]).await?;
    }
    Ok(variant(from, root, digest, tree.size(), tree.files().count() as u64))
}

fn tree(from: &VariantDraft, files: &HashMap<PathBuf, Imported>) -> Result<Tree, TreeError> {
    let entries = from.entries.iter().map(|entry| match entry {
        SourceEntry::File { path, source, executable } => {
            let Imported { digest, sha256, size } = files[source];
            let (path, executable) = (path.clone(), *executable);
            TreeEntry::File { path, executable, size, blake3: digest, sha256 }
        }
        SourceEntry::Dir { path } => TreeEntry::Dir { path: path.clone() },
        SourceEntry::Symlink { path, target } => {
            TreeEntry::Symlink { path: path.clone(), target: target.clone() }
        }
    });
    Tree::new(entries.collect())
}

/// The variants before anything is hashed.
fn placeholders(draft: &Draft) -> Vec<Variant> {
    let nothing = Digest::from_bytes([0; 32]);
    let large = ByteSize::gib(1 << 20);
    let placeholder =
        |from: &VariantDraft| variant(from, nothing, nothing, large, from.entries.len() as u64);
    draft.variants.iter().map(placeholder).collect()
}

fn variant(from: &VariantDraft, root: Digest, tree: Digest, size: ByteSize, files: u64) -> Variant {
    Variant {
        id: from.id.clone(),
        requires: from.requires.clone(),
        prefers: from.prefers.clone(),
        resources: from.resources,
        fallback: from.fallback,
        quality: from.quality,
        root,
        tree,
        size,
        files,
    }
}

fn release(draft: &Draft, identity: &Identity, seq: u64, variants: Vec<Variant>) -> Release {
    let draft = draft.clone();
    Release {
        publisher: identity.publisher(),
        seq,
        time: now(),
        name: draft.name,
        version: draft.version,
        kind: draft.kind,
        summary: draft.summary,
        license: draft.license,
        keywords: draft.keywords,
        tags: draft.tags,
        provides: draft.provides,
        dependencies: draft.dependencies,
        capabilities: draft.capabilities,
        permission: draft.permission,
        sealed: None,
        mirror: draft.mirror,
        description: draft.description,
        provenance: draft.provenance,
        variants,
        extensions: draft.extensions,
    }
}
