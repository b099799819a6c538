//! Lists what came into the catalog since some moment, in the order in which it came.

use catalog::digest::Digest;
use catalog::store::{ChangeItem, StoreError};
use catalog::time::Timestamp;
use catalog::{PublisherId, SealedStatement, Statement};
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::Node;
use crate::shown;

/// Our name among the followers of a store: its rows are the roots that people were shown.
const ROOTS: &str = "roots";
/// Roots that are remembered; older ones are forgotten first.
const ROOTS_MAX: usize = 1024;
/// Changes of one answer.
const CHANGES_MAX: usize = 4096;

/// A moment in the life of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// After the change with this number; 0 is the beginning.
    Change(u64),
    /// When the catalog had this root.
    Root(Digest),
}

/// Why changes cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// Nobody was shown this root, or too long ago.
    #[error("the root {} is not one that this node remembers", root.short())]
    UnknownRoot {
        /// The root.
        root: Digest,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came since some moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// After this change.
    pub since: u64,
    /// Up to this one; ask from here for the rest.
    pub up_to: u64,
    /// Whether there is more.
    pub more: bool,
    /// The root of the catalog now, to ask from next time.
    pub root: Digest,
    /// What came, oldest first.
    pub changes: Vec<ChangeInfo>,
}

/// One thing that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeInfo {
    /// Its number.
    pub change: u64,
    /// What it is.
    pub kind: ChangeKind,
    /// Whose it is.
    pub publisher: PublisherId,
    /// `acme/graphdb@1.4.0`, where it speaks of a release.
    pub subject: Option<String>,
    /// When its publisher says that it was signed.
    pub signed: Option<Timestamp>,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A publisher.
    Inception,
    /// A release.
    Release,
    /// A channel moved.
    Channel,
    /// A release was withdrawn, or is good again.
    Yank,
    /// Nodes may read something, or may not any more.
    Grant,
    /// Somebody vouches for a release, or does not any more.
    Attestation,
    /// Sealed contents are handed to nodes.
    Parcel,
    /// A log grew.
    Head,
    /// A statement that this node may not read.
    Hidden,
}

impl Node {
    /// What came into the catalog since some moment.
    ///
    /// # Errors
    /// [`ChangesError`].
    pub async fn changes(&self, since: Since) -> Result<Changes, ChangesError> {
        let (store, keeper) = (self.0.store.clone(), self.0.keeper.clone());
        let list = move || {
            let since = match since {
                Since::Change(number) => number,
                Since::Root(root) => {
                    let read = |rows: &mut dyn Iterator<Item = _>| rows.next();
                    let (row, _) = store.follower_rows(ROOTS, root.as_bytes(), read)?;
                    let row: Option<(Vec<u8>, Vec<u8>)> = row.transpose()?;
                    let seq =
                        row.and_then(|(_, seq)| Some(u64::from_be_bytes(seq.try_into().ok()?)));
                    seq.ok_or(ChangesError::UnknownRoot { root })?
                }
            };
            let current = keeper.current()?;
            let changes = store.changes(since, CHANGES_MAX)?;
            let last = changes.last().map_or(since, |change| change.seq);
            let more = !store.changes(last, 1)?.is_empty();
            let up_to = if more { last } else { current.snapshot.last_change().max(last) };
            let changes = changes.into_iter().map(|change| {
                let seq = change.seq;
                info(&store, change.item).map(|info| ChangeInfo { change: seq, ..info })
            });
            let changes = changes.collect::<Result<_, StoreError>>()?;
            Ok::<_, ChangesError>(Changes { since, up_to, more, root: current.root(), changes })
        };
        let changes = blocking(list).await?;
        self.remember_root(changes.root).await?;
        Ok(changes)
    }

    /// Remembers what the catalog came to when somebody was shown its root.
    pub(crate) async fn remember_root(&self, root: Digest) -> Result<(), StoreError> {
        let (store, keeper) = (self.0.store.clone(), self.0.keeper.clone());
        blocking(move || {
            let current = keeper.current()?;
            if current.root() != root {
                return Ok(());
            }
            let read = |rows: &mut dyn Iterator<Item = _>| rows.collect::<Result<Vec<_>, _>>();
            let (rows, _) = store.follower_rows(ROOTS, &[], read)?;
            let mut rows: Vec<(Vec<u8>, Vec<u8>)> = rows?;
            if rows.iter().any(|(known, _)| known == root.as_bytes()) {
                return Ok(());
            }
            rows.sort_by(|(_, one), (_, other)| other.cmp(one));
            let old = rows.into_iter().skip(ROOTS_MAX - 1).map(|(root, _)| root);
            let seq = current.snapshot.last_change();
            let row = (root.as_bytes().to_vec(), seq.to_be_bytes().to_vec());
            store.follow(ROOTS, seq, [row], old)
        })
        .await
    }
}

fn info(store: &catalog::Store, item: ChangeItem) -> Result<ChangeInfo, StoreError> {
    let bare =
        |kind, publisher| ChangeInfo { change: 0, kind, publisher, subject: None, signed: None };
    Ok(match item {
        ChangeItem::Statement(sealed) => statement(store, &sealed)?,
        ChangeItem::Leaf { log, .. } => bare(ChangeKind::Hidden, log.publisher),
        ChangeItem::Head(head) => bare(ChangeKind::Head, head.peek().publisher),
    })
}

fn statement(store: &catalog::Store, sealed: &SealedStatement) -> Result<ChangeInfo, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "a record" };
    let statement = Statement::decode(sealed.kind(), sealed.body()).map_err(damaged)?;
    let header = statement.header();
    let (publisher, signed) = (header.publisher, header.time);
    let named = |name: &catalog::PackageName, what: String| -> Result<String, StoreError> {
        let by = store.petname(&publisher)?;
        let by = by.map_or_else(|| publisher.short(), |petname| petname.to_string());
        Ok(format!("{by}/{name}@{what}"))
    };
    let (kind, subject) = match &statement {
        Statement::Inception(_) => (ChangeKind::Inception, None),
        Statement::Release(release) => {
            (ChangeKind::Release, Some(named(&release.name, release.version.to_string())?))
        }
        Statement::Channel(moved) => (
            ChangeKind::Channel,
            Some(named(&moved.name, format!("{} -> {}", moved.channel, moved.version))?),
        ),
        Statement::Yank(yank) => {
            (ChangeKind::Yank, Some(named(&yank.name, yank.version.to_string())?))
        }
        Statement::Parcel(_) => (ChangeKind::Parcel, None),
        Statement::Grant(grant) => (ChangeKind::Grant, Some(grant.scope.to_string())),
        Statement::Attestation(made) => {
            let release = store.release(&made.release)?;
            let subject =
                release.map(|release| shown::release(store, &release.package(), &release.version));
            (ChangeKind::Attestation, subject.transpose()?)
        }
    };
    Ok(ChangeInfo { change: 0, kind, publisher, subject, signed: Some(signed) })
}
