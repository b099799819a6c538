//! Publishes: a statement of our own becomes the next leaf of our log.

use super::batch::{Batch, Pinned, Placed, record};
use super::grants::Said;
use super::rows::{ChannelRow, Trust, YankRow, decode_ids};
use super::tables::{LogId, Tables, get, package_item_key, put};
use super::{Store, StoreError, derived, grants, publishers};
use crate::defence::{self, Defence};
use crate::head::{Head, SealedHead};
use crate::identity::Identity;
use crate::permission::{NodeId, Scope, Word};
use crate::release::{PackageId, Release, ReleaseId};
use crate::statement::{Attestation, BodyError, Grant, SealedStatement, Statement, StatementId};
use crate::time::Timestamp;

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The statement, or the one that says the same already.
    pub id: StatementId,
    /// Its position in our log.
    pub seq: u64,
    /// Whether the log said so already, in which case nothing was written.
    pub already: bool,
}

/// Why a statement was not appended. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A version is never replaced: those who have it would be left with other bytes.
    #[error("{package}@{version} is published already, with other content")]
    VersionTaken {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
        /// The release that has it.
        existing: StatementId,
    },
    /// A channel or a yank names a version that was never published.
    #[error("{package}@{version} is not published")]
    UnknownVersion {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
    },
    /// A revocation names a node that may read nothing that not everybody may.
    #[error("nothing is granted to node {}", node.short())]
    NotGranted {
        /// The node.
        node: NodeId,
    },
    /// An attestation names a release that is not here, or one of our own, or one that not everybody
    /// may read.
    #[error("release {} is not one to attest: {why}", release.short())]
    NotAttestable {
        /// The release.
        release: ReleaseId,
        /// What is in the way.
        why: &'static str,
    },
    /// This identity published elsewhere too, and not all of it is here: whatever we sign now
    /// would contradict it.
    #[error("the log of this identity has {known} statements, only {have} are here")]
    Behind {
        /// How many we hold without a gap.
        have: u64,
        /// How many there are at least.
        known: u64,
    },
    /// The statement breaks a limit.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the transaction ends without a commit.
enum Halt {
    Already(Appended),
    Failed(Box<AppendError>),
}

impl<E: Into<AppendError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Store {
    /// Writes the inception of an identity of ours as the first leaf of its log; once is enough.
    ///
    /// # Errors
    /// [`AppendError::Store`] when it cannot be written.
    pub fn adopt(&self, identity: &Identity, now: Timestamp) -> Result<(), AppendError> {
        let log = log_of(identity);
        let known = self.log(&log)?.is_some_and(|state| state.size > 0);
        if known && self.publisher(&log.publisher)?.is_some_and(|row| row.trust == Trust::Own) {
            return Ok(());
        }
        self.write(|tables| {
            let mut batch = Batch::new(tables)?;
            begin(&mut batch, identity, now)?;
            sign_head(&mut batch, identity)?;
            Ok(batch.finish()?)
        })
    }

    /// Signs and writes the next statement of our log, with everything that follows from it.
    ///
    /// - `build`: makes the statement, given its position; it names the identity as publisher. The
    ///   blobs that it refers to are durable before this is called.
    ///
    /// One transaction holds the record, its leaf, the signed head, the change, the outbox, the
    /// index of content roots and the holds on them. A statement that says what the log says
    /// already, apart from position and time, writes nothing.
    ///
    /// # Errors
    /// [`AppendError`]; whatever it is, nothing was written.
    pub fn append(
        &self,
        identity: &Identity,
        now: Timestamp,
        build: impl FnOnce(u64) -> Statement,
    ) -> Result<Appended, AppendError> {
        let outcome = self.write(|tables| {
            let mut batch = Batch::new(tables)?;
            let log = begin(&mut batch, identity, now)?;
            let seq = batch.log(&log)?.contiguous;
            let statement = build(seq);
            check_header(&statement, &log, seq);
            check_against_log(batch.tables, &statement)?;
            let sealed = SealedStatement::seal(&statement, identity.key())?;
            let (placed, change) = batch.place_statement(&log, seq, &sealed, &statement)?;
            assert_eq!(placed, Placed::New, "the position after the last leaf is free");
            let id = sealed.id();
            derived::apply(batch.tables, &id, &statement, now)?;
            if let Statement::Release(release) = &statement {
                derived::hold_published(batch.tables, release, now)?;
                batch.tell_awaited(release)?;
            }
            if let Some(change) = change {
                put(&mut batch.tables.outbox, &change.to_be_bytes(), id.as_bytes())?;
            }
            sign_head(&mut batch, identity)?;
            batch.finish()?;
            Ok(Appended { id, seq, already: false })
        });
        match outcome {
            Ok(appended) | Err(Halt::Already(appended)) => Ok(appended),
            Err(Halt::Failed(error)) => Err(*error),
        }
    }
}

fn log_of(identity: &Identity) -> LogId {
    LogId { publisher: identity.publisher(), key: identity.key().public() }
}

/// Sees to it that our log is complete and begins with the inception.
fn begin(
    batch: &mut Batch<'_, '_>,
    identity: &Identity,
    now: Timestamp,
) -> Result<LogId, AppendError> {
    let log = log_of(identity);
    if batch.log(&log)?.contiguous == 0 {
        let sealed = identity.inception();
        let inception = Statement::decode(sealed.kind(), sealed.body())?;
        if let (_, Some(change)) = batch.place_statement(&log, 0, sealed, &inception)? {
            let id = sealed.id();
            put(&mut batch.tables.outbox, &change.to_be_bytes(), id.as_bytes())?;
        }
    }
    publishers::meet(batch.tables, &log.publisher, identity.alias(), Trust::Own, now)?;
    let (end, row) = (batch.end(&log)?, batch.log(&log)?);
    let (have, known) = (row.contiguous, end.max(row.promised()?));
    if have != known || row.unvouched > 0 {
        return Err(AppendError::Behind { have: have.saturating_sub(row.unvouched), known });
    }
    Ok(log)
}

/// Signs and pins the head over everything that our log has now.
fn sign_head(batch: &mut Batch<'_, '_>, identity: &Identity) -> Result<(), StoreError> {
    let log = log_of(identity);
    let (size, root) = batch.root(&log)?;
    let head = Head { publisher: log.publisher, key: log.key, size, root };
    let sealed = SealedHead::seal(&head, identity.key());
    match batch.pin(&log, &sealed)? {
        Pinned::New | Pinned::Known => Ok(()),
        _ => Err(StoreError::damaged("our own log")),
    }
}

/// What the caller promised; broken, our log would be.
fn check_header(statement: &Statement, log: &LogId, seq: u64) {
    let header = statement.header();
    assert!(
        header.publisher == log.publisher && header.seq == seq,
        "the statement was built for this publisher and this position"
    );
}

fn check_against_log(tables: &Tables<'_>, statement: &Statement) -> Result<(), Halt> {
    match statement {
        Statement::Inception(_) | Statement::Parcel(_) => Ok(()),
        Statement::Release(release) => check_release(tables, release),
        Statement::Yank(yank) => {
            let package = PackageId { publisher: yank.publisher, name: yank.name.clone() };
            check_published(tables, &package, &yank.version)?;
            let key = package_item_key(&package, &yank.version.to_string());
            let row = get(&tables.yanks, &key)?.map(|row| YankRow::decode(&row)).transpose()?;
            match row {
                Some(row)
                    if row.yanked == yank.yanked && same_reason(tables, &row, &yank.reason)? =>
                {
                    Err(already(row.statement, row.seq))
                }
                _ => Ok(()),
            }
        }
        Statement::Channel(moved) => {
            let package = PackageId { publisher: moved.publisher, name: moved.name.clone() };
            check_published(tables, &package, &moved.version)?;
            let key = package_item_key(&package, moved.channel.as_str());
            let row =
                get(&tables.channels, &key)?.map(|row| ChannelRow::decode(&row)).transpose()?;
            match row {
                Some(row) if row.version == moved.version => Err(already(row.statement, row.seq)),
                _ => Ok(()),
            }
        }
        Statement::Grant(grant) => check_grant(tables, grant),
        Statement::Attestation(made) => check_attestation(tables, made),
    }
}

/// A version is taken for good by the first release that has it.
fn check_release(tables: &Tables<'_>, release: &Release) -> Result<(), Halt> {
    let key = package_item_key(&release.package(), &release.version.to_string());
    let Some(row) = get(&tables.versions, &key)? else { return Ok(()) };
    let existing = decode_ids(&row)?.0[0];
    let published = derived::release(&tables.records, &existing)?;
    if published.same_content(release) {
        return Err(already(existing, published.seq));
    }
    if defence::on(Defence::ImmutableVersions) {
        let (package, version) = (release.package(), release.version.clone());
        return Err(AppendError::VersionTaken { package, version, existing }.into());
    }
    Ok(())
}

fn check_grant(tables: &Tables<'_>, grant: &Grant) -> Result<(), Halt> {
    if let Scope::Release { name, version } = &grant.scope {
        let package = PackageId { publisher: grant.publisher, name: name.clone() };
        check_published(tables, &package, version)?;
    }
    let mut same = Vec::new();
    for node in &grant.nodes {
        let said = Said::about(&tables.grants, &grant.publisher, node)?;
        if !grant.granted && said.is_nothing() {
            return Err(AppendError::NotGranted { node: *node }.into());
        }
        let last = said.last(&grant.scope);
        let says = |word: &Word| (word.granted, word.until) == (grant.granted, grant.until);
        // That something else was said since about more, or about less, may be why it is said again.
        let newest = said.words.iter().map(|(_, word)| word.seq).max();
        let last = last.filter(|(_, word)| says(word) && Some(word.seq) == newest);
        same.extend(last.map(|(id, word)| (*id, word.seq)));
    }
    match same.first() {
        Some((id, seq)) if same.len() == grant.nodes.len() => Err(already(*id, *seq)),
        _ => Ok(()),
    }
}

fn check_attestation(tables: &Tables<'_>, made: &Attestation) -> Result<(), Halt> {
    let release = made.release;
    let refuse = |why| Err(AppendError::NotAttestable { release, why }.into());
    if record(&tables.records, &release)?.is_none() {
        return refuse("it is not known here");
    }
    let known = derived::release(&tables.records, &release)?;
    if known.publisher == made.publisher {
        return refuse("a publisher's word for its own releases says nothing more");
    }
    if !known.permission.is_open() {
        return refuse("not everybody may know of it");
    }
    match grants::attestation(tables, &release, &made.publisher)? {
        Some(row) if row.attested == made.attested => Err(already(row.statement, row.seq)),
        None if !made.attested => refuse("it was never attested"),
        _ => Ok(()),
    }
}

fn check_published(
    tables: &Tables<'_>,
    package: &PackageId,
    version: &semver::Version,
) -> Result<(), AppendError> {
    let key = package_item_key(package, &version.to_string());
    if get(&tables.versions, &key)?.is_some() {
        return Ok(());
    }
    Err(AppendError::UnknownVersion { package: package.clone(), version: version.clone() })
}

fn same_reason(tables: &Tables<'_>, row: &YankRow, reason: &str) -> Result<bool, StoreError> {
    match derived::statement(&tables.records, &row.statement)? {
        Statement::Yank(yank) => Ok(yank.reason == reason),
        _ => Err(StoreError::damaged("a yank")),
    }
}

fn already(id: StatementId, seq: u64) -> Halt {
    Halt::Already(Appended { id, seq, already: true })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, channel, publisher, release, store, yank};
    use super::*;
    use crate::defence::without;
    use crate::log::root_of;
    use crate::permission::Reader;

    #[test]
    fn a_published_release_is_there_with_all_that_follows_from_it() {
        let (store, acme) = (store(), publisher("acme"));
        let appended = store.publish(&acme, "graphdb", "1.0.0");
        assert_eq!((appended.seq, appended.already), (1, false));
        let found = store.release(&appended.id).unwrap().unwrap();
        assert_eq!(found, release(&acme, 1, "graphdb", "1.0.0", ""));
        let root = found.variants[0].root;
        let variant = found.variants[0].id.clone();
        assert_eq!(store.release_of_root(&root).unwrap(), [(appended.id, variant)]);
        assert!(store.is_held(&root).unwrap());
        assert_eq!(store.packages().unwrap(), [found.package()]);
        assert_eq!(store.versions(&found.package()).unwrap()[0].id, appended.id);

        let log = store.log(&log_of(&acme)).unwrap().unwrap();
        let head = log.head.unwrap().open(acme.state()).unwrap();
        let leaves =
            [acme.inception().leaf(), store.statement(&appended.id).unwrap().unwrap().leaf()];
        assert_eq!((head.size, head.root), (2, root_of(leaves)));
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn publishing_the_same_again_writes_nothing() {
        let (store, acme) = (store(), publisher("acme"));
        let first = store.publish(&acme, "graphdb", "1.0.0");
        let last = store.last_change().unwrap();
        let again = store.append(&acme, Timestamp::from_millis(1), |seq| {
            let release = release(&acme, seq, "graphdb", "1.0.0", "");
            Statement::Release(Release { time: Timestamp::from_millis(1), ..release })
        });
        assert_eq!(again.unwrap(), Appended { already: true, ..first });
        let moved =
            store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0"));
        let again =
            store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0"));
        assert_eq!(again.unwrap(), Appended { already: true, ..moved.unwrap() });
        let yanked = store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true));
        let again = store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.0.0", true));
        assert_eq!(again.unwrap(), Appended { already: true, ..yanked.unwrap() });
        assert_eq!(store.log(&log_of(&acme)).unwrap().unwrap().size, 4);
        assert!(store.last_change().unwrap() > last);
    }

    /// Threat row 17: a version that is out is never replaced by other bytes.
    #[test]
    fn a_version_is_not_published_twice_with_other_bytes() {
        let (store, acme) = (store(), publisher("acme"));
        let first = store.publish(&acme, "graphdb", "1.0.0");
        let other = |seq| Statement::Release(release(&acme, seq, "graphdb", "1.0.0", "evil"));
        match store.append(&acme, NOW, other) {
            Err(AppendError::VersionTaken { existing, .. }) => assert_eq!(existing, first.id),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.log(&log_of(&acme)).unwrap().unwrap().size, 2);
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn a_replaced_version_is_noticed_without_the_defence() {
        let (store, acme) = (store(), publisher("acme"));
        let first = store.publish(&acme, "graphdb", "1.0.0");
        let other = |seq| Statement::Release(release(&acme, seq, "graphdb", "1.0.0", "evil"));
        let second =
            without(Defence::ImmutableVersions, || store.append(&acme, NOW, other)).unwrap();
        let package = store.packages().unwrap().remove(0);
        let id = store.versions(&package).unwrap()[0].id;
        assert!(id == second.id && id != first.id, "the version silently became another");
    }

    #[test]
    fn a_channel_or_a_yank_needs_a_version_that_is_out() {
        let (store, acme) = (store(), publisher("acme"));
        store.publish(&acme, "graphdb", "1.0.0");
        let moved =
            store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "2.0.0"));
        assert!(matches!(moved, Err(AppendError::UnknownVersion { .. })), "{moved:?}");
        let yanked = store.append(&acme, NOW, |seq| yank(&acme, seq, "graph", "1.0.0", true));
        assert!(matches!(yanked, Err(AppendError::UnknownVersion { .. })), "{yanked:?}");
    }

    #[test]
    fn adopting_an_identity_writes_its_inception_once() {
        let (store, acme) = (store(), publisher("acme"));
        store.adopt(&acme, NOW).unwrap();
        let last = store.last_change().unwrap();
        store.adopt(&acme, NOW).unwrap();
        assert_eq!(store.last_change().unwrap(), last);
        let row = store.publisher(&acme.publisher()).unwrap().unwrap();
        assert_eq!((row.trust, row.petname), (Trust::Own, acme.alias().cloned()));
        assert_eq!(store.publish(&acme, "graphdb", "1.0.0").seq, 1);
        assert_eq!(store.verify().unwrap(), []);
    }

    /// Two machines with one identity would sign two statements for one position.
    #[test]
    fn an_identity_that_published_elsewhere_has_to_catch_up_first() {
        let (here, there, acme) = (store(), store(), publisher("acme"));
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            there.publish(&acme, "graphdb", version);
        }
        let sent = there.sent_to(Reader::Local, 0);
        // The last release alone: there is a gap before it.
        here.adopt(&acme, NOW).unwrap();
        here.accept(vec![sent[3].clone()], NOW).unwrap();
        let build = |seq| Statement::Release(release(&acme, seq, "graphdb", "2.0.0", ""));
        match here.append(&acme, NOW, build) {
            Err(AppendError::Behind { have: 1, known: 4 }) => {}
            other => panic!("{other:?}"),
        }
        here.accept(sent, NOW).unwrap();
        assert_eq!(here.append(&acme, NOW, build).unwrap().seq, 4);
        assert_eq!(here.verify().unwrap(), []);
    }

    #[test]
    fn several_threads_publish_into_one_log() {
        let dir = tempfile::tempdir().unwrap();
        let (store, acme) = (Store::open(dir.path()).unwrap(), publisher("acme"));
        std::thread::scope(|scope| {
            for package in ["one", "two", "three", "four"] {
                let (store, acme) = (&store, &acme);
                scope.spawn(move || {
                    for patch in 0..5 {
                        store.publish(acme, package, &format!("1.0.{patch}"));
                    }
                });
            }
        });
        assert_eq!(store.log(&log_of(&acme)).unwrap().unwrap().size, 21);
        assert_eq!(store.packages().unwrap().len(), 4);
        assert_eq!(store.verify().unwrap(), []);
    }
}
