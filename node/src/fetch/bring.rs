//! Decides what is missing of a variant, has it fetched and makes it last.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use catalog::digest::Digest;
use catalog::path::TreePath;
use catalog::release::Release;
use catalog::sealed::ContentKey;
use catalog::size::ByteSize;
use catalog::store::{Hold, HoldReason};
use catalog::tree::{TREE_BYTES_MAX, TREE_ENTRIES_MAX, Tree, TreeEntry};
use catalog::variant::Variant;
use catalog_mirror::pace::Signing;

use super::claims::Claim;
use super::job::{self, Wanted};
use super::session::Session;
use super::tally::Tally;
use super::{FetchError, OnProgress};
use crate::access;
use crate::blobs::{Blobs, Holding, Writer};
use crate::blocking::blocking;
use crate::delta::{self, Base, Twin};
use crate::disk;
use crate::lookup::Chosen;
use crate::meter::Count;
use crate::node::{Inner, now};
use crate::sealed::{LIST_BYTES_MAX, Unsealed};
use crate::shaping::Class;
use crate::topology::Strategy;
use crate::transfer::UNIT_BYTES;

/// From this many files on, listing all blobs is cheaper than asking for each.
const LIST_FILES_MIN: usize = 64;
/// How many paths an error suggests.
const NEAR_MAX: usize = 5;

/// Which part of a variant is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// Only the file list.
    Tree,
    /// These files and folders.
    Paths(&'a [TreePath]),
    /// Everything.
    Whole,
}

/// What is wanted.
pub(crate) struct Want<'a> {
    pub reference: &'a str,
    pub variant: &'a Variant,
    pub part: Part<'a>,
    /// The content root of the same variant of another release that is here, if any.
    pub base: Option<Digest>,
    /// How urgent it is.
    pub class: Class,
    /// By what sources are chosen; by what the node is set to when absent.
    pub strategy: Option<Strategy>,
    /// Why it is kept once all of it is here.
    pub kept: HoldReason,
    /// The release whose variant it is, if it is to be opened where it is sealed.
    pub release: Option<&'a Release>,
}

impl<'a> Want<'a> {
    pub(crate) fn of(chosen: &'a Chosen, part: Part<'a>) -> Self {
        Self::new(&chosen.reference, &chosen.variant, part).of_release(&chosen.release)
    }

    /// The same, opened for us if it is sealed.
    pub(crate) fn of_release(self, release: &'a Release) -> Self {
        Self { release: Some(release), ..self }
    }

    fn is_sealed(&self) -> bool {
        self.release.is_some_and(|release| release.sealed.is_some())
    }

    pub(crate) fn new(reference: &'a str, variant: &'a Variant, part: Part<'a>) -> Self {
        let (base, class) = (None, Class::High);
        Self {
            reference,
            variant,
            part,
            base,
            class,
            strategy: None,
            release: None,
            kept: HoldReason::Fetched,
        }
    }

    /// The same, so urgent.
    pub(crate) fn at(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// The same, to take the place of what is here.
    pub(crate) fn instead_of(self, base: Option<Digest>) -> Self {
        // Every release is sealed with a key of its own, so that two have nothing in common.
        let base = base.filter(|root| *root != self.variant.root && !self.is_sealed());
        Self { base, ..self }
    }

    /// The same, to be kept for this reason.
    pub(crate) fn kept(self, kept: HoldReason) -> Self {
        Self { kept, ..self }
    }

    /// Chooses sources by this.
    pub(crate) fn by(self, strategy: Option<Strategy>) -> Self {
        Self { strategy, ..self }
    }
}

/// What is here now.
pub(crate) struct Brought {
    /// The files, as a reader sees them.
    pub tree: Tree,
    /// What opens them, if they are sealed.
    pub unsealed: Option<Unsealed>,
    /// How many files were wanted, and their size.
    pub files: u64,
    pub bytes: ByteSize,
    /// What came over the wire.
    pub moved: u64,
}

/// Sees to it that the wanted part of a variant is here, whole and on disk.
pub(crate) async fn bring(
    node: &Arc<Inner>,
    want: &Want<'_>,
    progress: &OnProgress,
) -> Result<Brought, FetchError> {
    let (variant, key) = (want.variant, key(node, want)?);
    let _turn = node.fetching.take(variant.root).await;
    let blobs = node.blobs().await?;
    let writer = Arc::new(blobs.writer().await);
    let was_whole = access::is_whole(node, &variant.root)?;
    if !was_whole {
        hold(node, variant.root, HoldReason::Partial).await?;
    }
    // Who is not to be known signs for nothing. What cannot be found out is not signed for either.
    let signing = match access::is_anonymous(node, &variant.root) {
        Ok(false) => Signing::Receipts,
        Ok(true) | Err(_) => Signing::Nothing,
    };
    let tally = Tally::of_node(progress.clone(), node.clone(), want.class, signing);
    let mut session = None;

    let Head { tree, news } = head(node, want, blobs, &tally, &mut session).await?;
    writer.import_many(news).await?;
    let to = Bringing { node, want, blobs, writer: &writer, tally: &tally };
    let unsealed = match key {
        Some(key) => {
            let list = [sealed_list(want, &tree)?];
            to.complete(&tree, &list, &mut session).await?;
            let opened = Unsealed::open(blobs, key, &variant.id, &tree).await?;
            Some(opened.map_err(|what| inconsistent(want, what))?)
        }
        None => None,
    };
    let selected = match &unsealed {
        Some(unsealed) => sealed_in(unsealed, select(want, &unsealed.list)?),
        None => select(want, &tree)?,
    };
    let total = to.complete(&tree, &selected, &mut session).await?;
    writer.sync().await?;
    tally.report();
    if matches!(want.part, Part::Whole) && !was_whole {
        hold(node, variant.root, want.kept).await?;
        let (store, root) = (node.store.clone(), variant.root);
        blocking(move || store.release_hold(&root, HoldReason::Partial)).await?;
    }
    let (files, bytes, moved) = (selected.len() as u64, total, tally.bytes_moved());
    let tree = unsealed.as_ref().map_or(tree, |unsealed| unsealed.list.clone());
    Ok(Brought { files, bytes, moved, tree, unsealed })
}

/// The key of what is sealed and wanted in plain.
fn key(node: &Inner, want: &Want<'_>) -> Result<Option<ContentKey>, FetchError> {
    let Some(release) = want.release.filter(|release| release.sealed.is_some()) else {
        return Ok(None);
    };
    match node.content_key(release)? {
        Some(key) => Ok(Some(key)),
        None => Err(FetchError::NoKey { reference: want.reference.to_owned() }),
    }
}

/// The sealed file list among the numbered files.
fn sealed_list(want: &Want<'_>, tree: &Tree) -> Result<Selected, FetchError> {
    match tree.files().next() {
        Some(file) if file.size <= LIST_BYTES_MAX => {
            Ok(Selected { child: file.child, digest: file.blake3, size: file.size })
        }
        _ => Err(inconsistent(want, "it has no sealed file list".to_owned())),
    }
}

/// What files are sealed in.
fn sealed_in(unsealed: &Unsealed, files: Vec<Selected>) -> Vec<Selected> {
    let sealed = files.iter().filter_map(|file| unsealed.of(&file.digest));
    sealed
        .map(|(child, file, _)| Selected { child, digest: file.blake3, size: file.size })
        .collect()
}

/// A variant on its way.
struct Bringing<'a> {
    node: &'a Arc<Inner>,
    want: &'a Want<'a>,
    blobs: &'a Blobs,
    writer: &'a Arc<Writer>,
    tally: &'a Arc<Tally>,
}

impl Bringing<'_> {
    /// Sees to it that these files are here.
    ///
    /// - result: their size.
    async fn complete(
        &self,
        tree: &Tree,
        selected: &[Selected],
        session: &mut Option<Session>,
    ) -> Result<ByteSize, FetchError> {
        let Self { node, want, blobs, writer, tally } = *self;
        let variant = want.variant;
        let total: ByteSize = selected.iter().map(|file| ByteSize::bytes(file.size)).sum();
        let mut missing = missing(blobs, want, selected).await?;
        let missing_bytes = bytes(&missing);
        let here_bytes = total.as_u64().saturating_sub(missing_bytes);
        tally.expect(total.as_u64(), here_bytes);
        node.meter.add(Count::WantedBytes, total.as_u64());
        node.meter.add(Count::WantedBytesHere, here_bytes);

        if !missing.is_empty() {
            check_room(node, blobs, ByteSize::bytes(missing_bytes))?;
        }
        let mut twins = twins(node, blobs, want, tree, &missing).await;
        while !missing.is_empty() {
            let claim = node.arriving.take(missing.iter().map(|file| file.digest));
            let (ours, mut others) = split(missing, &claim);
            twins.retain(|twin| claim.contains(&twin.digest));
            let is_twin = |file: &Wanted| twins.iter().any(|twin| twin.digest == file.digest);
            let (updated, ours): (Vec<Wanted>, Vec<Wanted>) = ours.into_iter().partition(is_twin);
            let to = delta::Destination { blobs, writer, tally };
            let updating = delta::fetch(node, variant.root, &twins, to);
            let transferring = async {
                if ours.is_empty() {
                    return Ok(());
                }
                let session = match session.as_mut() {
                    Some(session) => session,
                    None => session.insert(open(node, want, tally).await?),
                };
                session.transfer(job::cut(&ours), blobs, writer).await
            };
            let ((), transferred) = tokio::join!(updating, transferring);
            transferred?;
            drop(claim);
            // What somebody else was fetching already is here soon, or is ours to fetch. So is what did
            // not come as a patch, which is not tried twice.
            others.extend(updated);
            twins.clear();
            let digests: Vec<Digest> = others.iter().map(|file| file.digest).collect();
            tokio::select! {
                () = node.stop.cancelled() => return Err(FetchError::Shutdown),
                () = node.arriving.released(&digests) => {}
            }
            let again: Vec<Selected> = others.iter().map(Selected::from).collect();
            missing = self::missing(blobs, want, &again).await?;
            tally.stored(bytes(&others).saturating_sub(bytes(&missing)));
            others.iter().for_each(|file| writer.wrote(file.digest, file.size));
        }
        Ok(total)
    }
}

/// What of the wanted part is not here, and what of that may come as patches. Nothing is written.
pub(crate) async fn missing_of(
    node: &Arc<Inner>,
    want: &Want<'_>,
) -> Result<(Vec<Wanted>, Vec<Twin>), FetchError> {
    let blobs = node.blobs().await?;
    let tally = Tally::new(Arc::new(|_| ()));
    let Head { tree, .. } = head(node, want, blobs, &tally, &mut None).await?;
    let selected = select(want, &tree)?;
    let missing = missing(blobs, want, &selected).await?;
    let twins = twins(node, blobs, want, &tree, &missing).await;
    Ok((missing, twins))
}

/// The file list of a variant.
struct Head {
    tree: Tree,
    /// The blobs that came for it.
    news: Vec<Bytes>,
}

/// Reads the file list, or asks for it; the session that was opened for that goes to `session`.
async fn head(
    node: &Arc<Inner>,
    want: &Want<'_>,
    blobs: &Blobs,
    tally: &Arc<Tally>,
    session: &mut Option<Session>,
) -> Result<Head, FetchError> {
    let variant = want.variant;
    if let Some((sequence, tree)) = local_head(blobs, variant).await {
        return Ok(Head { tree: checked(want, &sequence, &tree)?, news: Vec::new() });
    }
    let sequence_bytes = sequence_bytes(want)?;
    let session = session.insert(open(node, want, tally).await?);
    let head = session.head(variant.tree, sequence_bytes, TREE_BYTES_MAX as u64).await?;
    let tree = checked(want, &head.0, &head.1)?;
    Ok(Head { tree, news: vec![head.0, head.1] })
}

/// Begins to dial those who may have it.
async fn open(
    node: &Arc<Inner>,
    want: &Want<'_>,
    tally: &Arc<Tally>,
) -> Result<Session, FetchError> {
    let strategy = want.strategy.unwrap_or(node.config.strategy());
    Session::new(node.clone(), want.reference, want.variant.root, strategy, tally.clone()).await
}

/// The files that may come as patches.
async fn twins(
    node: &Inner,
    blobs: &Blobs,
    want: &Want<'_>,
    tree: &Tree,
    missing: &[Wanted],
) -> Vec<Twin> {
    // A patch is asked for under the node's own name. What cannot be found out is a no.
    let unnamed = access::is_anonymous(node, &want.variant.root).unwrap_or(true);
    let named = node.config.has_patches() && !unnamed;
    let Some(root) = want.base.filter(|_| named && !missing.is_empty()) else {
        return Vec::new();
    };
    match Base::open(blobs, root).await {
        Some(base) => base.twins(blobs, tree, missing).await,
        None => Vec::new(),
    }
}

fn bytes(files: &[Wanted]) -> u64 {
    files.iter().flat_map(|file| &file.missing).map(|range| range.end - range.start).sum()
}

/// What we have claimed, and what somebody else is fetching.
fn split(missing: Vec<Wanted>, claim: &Claim) -> (Vec<Wanted>, Vec<Wanted>) {
    missing.into_iter().partition(|file| claim.contains(&file.digest))
}

async fn hold(node: &Inner, root: Digest, reason: HoldReason) -> Result<(), FetchError> {
    let store = node.store.clone();
    Ok(blocking(move || store.hold(&Hold { root, reason, since: now() })).await?)
}

/// The hash sequence and the tree, when both are here.
async fn local_head(blobs: &Blobs, variant: &Variant) -> Option<(Bytes, Bytes)> {
    let sequence = blobs.bytes(&variant.root, crate::recovery::SEQUENCE_BYTES_MAX).await.ok()?;
    let tree = blobs.bytes(&variant.tree, TREE_BYTES_MAX as u64).await.ok()?;
    Some((sequence, tree))
}

/// The tree of a variant that is here, if it is one.
pub(crate) async fn local_tree(blobs: &Blobs, variant: &Variant) -> Option<Tree> {
    let (sequence, tree) = local_head(blobs, variant).await?;
    checked(&Want::new("", variant, Part::Tree), &sequence, &tree).ok()
}

/// How long the hash sequence of a release with so many files is.
fn sequence_bytes(want: &Want<'_>) -> Result<u64, FetchError> {
    if want.variant.files > TREE_ENTRIES_MAX as u64 {
        return Err(inconsistent(want, format!("it claims {} files", want.variant.files)));
    }
    Ok(32 * (want.variant.files + 1))
}

/// Reads the tree and holds it against everything the publisher signed about it.
fn checked(want: &Want<'_>, sequence: &[u8], tree: &[u8]) -> Result<Tree, FetchError> {
    let Variant { tree: digest, size, files, .. } = want.variant;
    let wrong = |what: String| inconsistent(want, what);
    let tree = Tree::decode(tree).map_err(|error| wrong(format!("its file list: {error}")))?;
    tree.check_sequence(*digest, sequence).map_err(|error| wrong(error.to_string()))?;
    if tree.size() != *size {
        return Err(wrong(format!("its files have {}, it claims {size}", tree.size())));
    }
    let count = tree.files().count() as u64;
    if count != *files {
        return Err(wrong(format!("it has {count} files, it claims {files}")));
    }
    Ok(tree)
}

fn inconsistent(want: &Want<'_>, what: String) -> FetchError {
    FetchError::Inconsistent { reference: want.reference.to_owned(), what }
}

/// A file that is wanted.
#[derive(Clone, Copy)]
struct Selected {
    child: u64,
    digest: Digest,
    size: u64,
}

impl From<&Wanted> for Selected {
    fn from(file: &Wanted) -> Self {
        Self { child: file.child, digest: file.digest, size: file.size }
    }
}

/// The files in the wanted part, in tree order.
fn select(want: &Want<'_>, tree: &Tree) -> Result<Vec<Selected>, FetchError> {
    let paths = match want.part {
        Part::Tree => return Ok(Vec::new()),
        Part::Paths(paths) => Some(paths),
        Part::Whole => None,
    };
    if let Some(unknown) = paths.unwrap_or_default().iter().find(|path| !stands_in(tree, path)) {
        return Err(FetchError::NoSuchPath {
            reference: want.reference.to_owned(),
            path: unknown.clone(),
            near: near(tree, unknown),
        });
    }
    let files = tree.files().filter(|file| {
        paths.is_none_or(|paths| paths.iter().any(|path| is_at_or_below(file.path, path)))
    });
    Ok(files
        .map(|file| Selected { child: file.child, digest: file.blake3, size: file.size })
        .collect())
}

fn stands_in(tree: &Tree, path: &TreePath) -> bool {
    tree.entries().iter().any(|entry| is_at_or_below(entry.path(), path))
}

fn is_at_or_below(path: &TreePath, above: &TreePath) -> bool {
    let rest = path.as_str().strip_prefix(above.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Paths that somebody who typed `path` may have meant: what lies in it when it is a folder, else
/// what has the same name elsewhere, or a part of it.
pub(crate) fn near(tree: &Tree, path: &TreePath) -> Vec<String> {
    let all = || tree.entries().iter().map(TreeEntry::path);
    let shown = |path: &TreePath| path.as_str().to_owned();
    let inside: Vec<String> =
        all().filter(|entry| is_at_or_below(entry, path)).map(shown).take(NEAR_MAX).collect();
    if !inside.is_empty() {
        return inside;
    }
    let name = path.file_name().to_lowercase();
    let alike = all().filter(|entry| {
        let other = entry.file_name().to_lowercase();
        other.contains(&name) || name.contains(&other)
    });
    alike.map(shown).take(NEAR_MAX).collect()
}

/// What of the selected files is not here, each content once.
async fn missing(
    blobs: &Blobs,
    want: &Want<'_>,
    selected: &[Selected],
) -> Result<Vec<Wanted>, FetchError> {
    let here = if selected.len() >= LIST_FILES_MIN { Some(blobs.list().await?) } else { None };
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    for Selected { child, digest, size } in selected.iter().copied() {
        if size == 0 || !seen.insert(digest) {
            continue;
        }
        let holding = match &here {
            Some(here) if !here.contains(&digest) => Holding::Absent,
            _ => blobs.holding(&digest).await?,
        };
        let missing = match holding {
            Holding::Whole { size: found } if found != size => {
                return Err(inconsistent(
                    want,
                    format!("a file of {found} bytes is listed with {size}"),
                ));
            }
            Holding::Whole { .. } => continue,
            Holding::Partial if size > UNIT_BYTES => blobs.missing(&digest, size).await?,
            Holding::Partial | Holding::Absent => std::iter::once(0..size).collect(),
        };
        wanted.push(Wanted { child, digest, size, missing });
    }
    Ok(wanted)
}

fn check_room(node: &Inner, blobs: &Blobs, needed: ByteSize) -> Result<(), FetchError> {
    disk::check_room(blobs.dir(), needed)
        .map_err(|disk::Full { needed, free }| FetchError::DiskFull { needed, free })?;
    if let Some(quota) = node.config.blob_quota() {
        let used = disk::used(blobs.dir());
        let needed = used.checked_add(needed).unwrap_or(ByteSize::bytes(u64::MAX));
        if needed > quota {
            return Err(FetchError::Quota { needed, quota });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::digest::Sha256Digest;

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    fn tree(paths: &[(&str, u64)]) -> Tree {
        let entries = paths.iter().map(|(at, size)| TreeEntry::File {
            path: path(at),
            executable: false,
            size: *size,
            blake3: Digest::of(at.as_bytes()),
            sha256: Sha256Digest::from_bytes([0; 32]),
        });
        Tree::new(entries.collect()).unwrap()
    }

    fn variant(tree: &Tree) -> Variant {
        let digest = Digest::of(&tree.encode());
        Variant {
            id: "any".parse().unwrap(),
            requires: Default::default(),
            prefers: Default::default(),
            resources: Default::default(),
            fallback: false,
            quality: 0,
            root: Digest::of(&tree.hash_sequence(digest)),
            tree: digest,
            size: tree.size(),
            files: tree.files().count() as u64,
        }
    }

    fn check(tree: &Tree, variant: &Variant, sequence: &[u8]) -> Result<Tree, FetchError> {
        let want = Want::new("acme/x@1.0.0", variant, Part::Whole);
        sequence_bytes(&want)?;
        checked(&want, sequence, &tree.encode())
    }

    /// Threat row 16: a release whose tree, sequence, size and count do not agree is refused when
    /// only tree and sequence are here, before any file is asked for.
    #[test]
    fn a_release_that_contradicts_itself_is_refused_before_its_files_are_fetched() {
        let tree = tree(&[("a", 5), ("b", 7)]);
        let honest = variant(&tree);
        let sequence = tree.hash_sequence(honest.tree);
        assert!(check(&tree, &honest, &sequence).is_ok());

        let lies = [
            Variant { size: ByteSize::bytes(11), ..honest.clone() },
            Variant { size: ByteSize::bytes(u64::MAX), ..honest.clone() },
            Variant { files: 1, ..honest.clone() },
            Variant { files: 3, ..honest.clone() },
            Variant { files: u64::MAX, ..honest.clone() },
            Variant { tree: Digest::of(b"another tree"), ..honest.clone() },
        ];
        for lie in lies {
            let refused = check(&tree, &lie, &sequence);
            assert!(matches!(refused, Err(FetchError::Inconsistent { .. })), "{lie:?}");
        }
        let mut repeated = sequence.clone();
        repeated.extend_from_slice(&sequence[32..64]);
        let swapped = [&sequence[..32], &sequence[64..], &sequence[32..64]].concat();
        for sequence in [&sequence[..64], &repeated, &swapped, &[][..]] {
            let refused = check(&tree, &honest, sequence);
            assert!(matches!(refused, Err(FetchError::Inconsistent { .. })));
        }
    }

    #[test]
    fn a_folder_selects_what_lies_in_it_and_nothing_else() {
        let tree = tree(&[("bin/run", 1), ("bin/tools/x", 2), ("binary", 4), ("doc", 8)]);
        let variant = variant(&tree);
        let sizes = |paths: &[TreePath]| {
            let want = Want::new("x", &variant, Part::Paths(paths));
            select(&want, &tree).map(|files| files.iter().map(|file| file.size).sum::<u64>())
        };
        assert_eq!(sizes(&[path("bin")]).unwrap(), 3);
        assert_eq!(sizes(&[path("bin/run"), path("bin")]).unwrap(), 3);
        assert_eq!(sizes(&[path("binary")]).unwrap(), 4);
        let unknown = sizes(&[path("lib/run")]);
        let Err(FetchError::NoSuchPath { near, .. }) = unknown else { panic!("{unknown:?}") };
        assert_eq!(near, ["bin/run"]);
    }
}
