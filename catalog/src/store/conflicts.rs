//! What publishers signed that cannot all be true, and what a person here decided about it.
//!
//! A fork (heads of one log that exclude each other, or two statements at one position) freezes its
//! publisher here: no reference means anything of theirs any more but a release named by its own
//! id, until a person says which head to go on with, or to go on all the same. A contested version (two releases of one version)
//! is picked by no range until a person says which release is meant.
//!
//! Guarantees: nothing that was signed is ever removed, a decision can be taken back, and one about
//! a fork holds only for the proof that was shown: new proof freezes again.
//! Not here: policies that decide without a person (`catalog-sync`).

use super::accept::logs_of;
use super::batch::{Batch, record};
use super::items::item_of_head;
use super::moves::of_channel_key;
use super::rows::{
    Entered, LogRow, RIVALS_MAX, Reader, Standing, Told, decode_ids, statement_id, version_of,
};
use super::tables::{
    DECISIONS, LOGS, LogId, RECORDS, Tables, VERSIONS, all, get, of_package_key, package_item_key,
    put, remove, with_prefix,
};
use super::{Store, StoreError, View};
use crate::digest::{Digest, Sha256Digest};
use crate::head::SealedHead;
use crate::identity::{KeyState, PublisherId};
use crate::name::ChannelName;
use crate::release::{PackageId, ReleaseId};
use crate::statement::StatementId;
use crate::time::Timestamp;

/// What is at odds with itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A log that its publisher forked.
    Log(LogId),
    /// A version that was released twice, or whose place in the log was given away twice.
    Version {
        /// The package.
        package: PackageId,
        /// The version.
        version: semver::Version,
    },
    /// A channel that was moved to several versions, neither knowing of the other.
    Channel {
        /// The package.
        package: PackageId,
        /// The channel.
        channel: ChannelName,
    },
}

/// What proves it to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What the publisher signed about one log.
    Fork {
        /// Two heads of one size, or one that its statements contradict, after the largest that they
        /// bear out; or none, where only statements are the proof.
        heads: Vec<SealedHead>,
        /// Two statements at the first position that has several; or none.
        statements: Vec<StatementId>,
    },
    /// Two releases of the version; the one that came first is first.
    Releases(Vec<ReleaseId>),
    /// Two statements at one position of a log, one of which is the release.
    Statements(Vec<StatementId>),
    /// Every move of the channel. Which of them are at odds is for the policies to say.
    Moves(Vec<StatementId>),
}

/// A contradiction, and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What it is about.
    pub subject: Subject,
    /// The proof.
    pub evidence: Evidence,
    /// What a person decided, and when; `None` while it is open.
    pub decided: Option<(Decision, Timestamp)>,
}

/// What a person decides about a contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Of a forked log, go on with the branch that this head signs.
    KeepHead {
        /// The size that the head signs.
        size: u64,
        /// The root that the head signs.
        root: Sha256Digest,
    },
    /// Of a forked log, go on with whatever comes.
    Lift,
    /// Of a contested version, this release is meant.
    KeepRelease(ReleaseId),
    /// Of a disputed channel, this move is meant until one comes that knew of it.
    KeepMove(StatementId),
}

/// Why a decision was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// Nothing is at odds there.
    #[error("there is nothing to decide")]
    NoConflict,
    /// The decision names a head or a release that is no part of the proof.
    #[error("the decision names nothing of what is at odds")]
    NotInvolved,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Everything that is at odds: forked logs, then contested versions, each in key order.
    ///
    /// Reads every log and every version.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, StoreError> {
        let view = self.read()?;
        let mut conflicts = Vec::new();
        for row in all(&view.rows(LOGS)?)? {
            let (key, row) = row?;
            let log = LogId::of_row_key(key.value())?;
            conflicts.extend(view.fork(log, &LogRow::decode(row.value())?)?);
        }
        for row in all(&view.rows(VERSIONS)?)? {
            let (key, row) = row?;
            if decode_ids(row.value())?.1 == Standing::Contested {
                let (package, version) = of_package_key(key.value())?;
                let version = version_of(version)?;
                conflicts.push(view.contest(package, version, row.value())?);
            }
        }
        Ok(conflicts)
    }

    /// What is at odds about one log or version; `None` when nothing is.
    pub fn conflict(&self, subject: &Subject) -> Result<Option<Conflict>, StoreError> {
        self.read()?.conflict(subject)
    }

    /// Whether nothing of a publisher is resolved until a person decides about a fork of its log.
    pub fn is_frozen(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        self.read()?.is_frozen(publisher)
    }

    /// Writes what a person decided, in place of what was decided before.
    ///
    /// # Errors
    /// [`DecideError`] when there is no such contradiction, or the decision is not about it.
    pub fn decide(
        &self,
        subject: &Subject,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<(), DecideError> {
        let conflict = self.conflict(subject)?.ok_or(DecideError::NoConflict)?;
        let of_head = |size: u64, root: &Sha256Digest, head: &SealedHead| {
            (head.peek().size, &head.peek().root) == (size, root)
        };
        let involved = match (&conflict.evidence, decision) {
            (Evidence::Fork { heads, .. }, Decision::KeepHead { size, root }) => {
                heads.iter().any(|head| of_head(*size, root, head))
            }
            (Evidence::Fork { .. }, Decision::Lift) => true,
            (Evidence::Releases(ids) | Evidence::Statements(ids), Decision::KeepRelease(id)) => {
                ids.contains(id) && self.is_release_of(subject, id)?
            }
            (Evidence::Moves(ids), Decision::KeepMove(id)) => ids.contains(id),
            _ => false,
        };
        if !involved {
            return Err(DecideError::NotInvolved);
        }
        let proof = conflict.evidence.proof();
        Ok(self.write(|tables| {
            let row = decision.encode(&proof, now);
            put(&mut tables.decisions, &subject.key(), &row)?;
            tell(tables, &conflict)
        })?)
    }

    /// Takes a decision back.
    ///
    /// - result: whether there was one.
    pub fn undecide(&self, subject: &Subject) -> Result<bool, StoreError> {
        let conflict = self.conflict(subject)?;
        self.write(|tables| {
            let there = remove(&mut tables.decisions, &subject.key())?;
            match conflict {
                Some(conflict) if there => tell(tables, &conflict).map(|()| true),
                _ => Ok(there),
            }
        })
    }

    fn is_release_of(&self, subject: &Subject, id: &ReleaseId) -> Result<bool, StoreError> {
        let Subject::Version { package, version } = subject else { return Ok(false) };
        let release = self.release(id)?;
        Ok(release.is_some_and(|one| one.package() == *package && one.version == *version))
    }
}

/// Tells followers again of what a person decided about: the search index shows what is meant. Of
/// a fork that only heads prove, the publisher's inception stands for the log.
fn tell(tables: &mut Tables<'_>, conflict: &Conflict) -> Result<(), StoreError> {
    let mut batch = Batch::new(tables)?;
    let inception = [inception_of(conflict.subject.publisher())];
    let ids = match &conflict.evidence {
        Evidence::Fork { statements, .. } if statements.is_empty() => &inception[..],
        // There may be very many, and one names the channel.
        Evidence::Moves(ids) => &ids[..ids.len().min(1)],
        Evidence::Fork { statements: ids, .. }
        | Evidence::Releases(ids)
        | Evidence::Statements(ids) => ids,
    };
    for id in ids {
        let sealed = record(&batch.tables.records, id)?;
        let sealed = sealed.ok_or(StoreError::damaged("a missing record"))?;
        let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
        let inception = record(&batch.tables.records, &inception_of(&header.publisher))?;
        let inception = inception.and_then(|sealed| sealed.open_inception().ok());
        let state = KeyState::of(&inception.ok_or(StoreError::damaged("a missing publisher"))?);
        for log in logs_of(&sealed, sealed.kind(), &state) {
            batch.tell(Entered::default(), Told::Decided { id: *id, log, seq: header.seq })?;
        }
    }
    batch.finish()
}

fn inception_of(publisher: &PublisherId) -> StatementId {
    StatementId::from_digest(*publisher.digest())
}

impl View {
    fn conflict(&self, subject: &Subject) -> Result<Option<Conflict>, StoreError> {
        match subject {
            Subject::Log(log) => match get(&self.rows(LOGS)?, &log.row_key())? {
                Some(row) => self.fork(*log, &LogRow::decode(&row)?),
                None => Ok(None),
            },
            Subject::Version { package, version } => {
                let key = package_item_key(package, &version.to_string());
                match get(&self.rows(VERSIONS)?, &key)? {
                    Some(row) if decode_ids(&row)?.1 == Standing::Contested => {
                        self.contest(package.clone(), version.clone(), &row).map(Some)
                    }
                    _ => Ok(None),
                }
            }
            Subject::Channel { package, channel } => self.dispute(package, channel),
        }
    }

    /// The moves of a channel that could be at odds; `None` where one log says it all.
    fn dispute(
        &self,
        package: &PackageId,
        channel: &ChannelName,
    ) -> Result<Option<Conflict>, StoreError> {
        if self.disputable_logs(&package.publisher)?.is_none() {
            return Ok(None);
        }
        let moves = self.channel_moves(package, channel)?;
        let versions = moves.windows(2).any(|two| two[0].moved.version != two[1].moved.version);
        let evidence = Evidence::Moves(moves.iter().map(|one| one.id).collect());
        let subject = Subject::Channel { package: package.clone(), channel: channel.clone() };
        let decided = self.decision(&subject, &evidence)?;
        Ok(versions.then_some(Conflict { subject, evidence, decided }))
    }

    /// Whether a log of the publisher is forked and nobody decided about it.
    pub(super) fn is_frozen(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        for row in with_prefix(&self.rows(LOGS)?, publisher.as_bytes())? {
            let (key, row) = row?;
            let log = LogId::of_row_key(key.value())?;
            let fork = self.fork(log, &LogRow::decode(row.value())?)?;
            if fork.is_some_and(|fork| fork.decided.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fork(&self, log: LogId, row: &LogRow) -> Result<Option<Conflict>, StoreError> {
        if !row.is_forked() {
            return Ok(None);
        }
        let proof = row.proof()?;
        let mut heads: Vec<SealedHead> = Vec::new();
        if !proof.is_empty() {
            let is_other = |head: &SealedHead| !proof.iter().any(|there| there.same_as(head));
            heads.extend(row.sure_head()?.filter(is_other));
        }
        heads.extend(proof);
        let statements = match row.contested.checked_sub(1) {
            Some(seq) => self.statements(&log, seq)?,
            None => Vec::new(),
        };
        let evidence = Evidence::Fork { heads, statements };
        let subject = Subject::Log(log);
        let decided = self.decision(&subject, &evidence)?;
        Ok(Some(Conflict { subject, evidence, decided }))
    }

    /// - `row`: the row of a version that is contested.
    fn contest(
        &self,
        package: PackageId,
        version: semver::Version,
        row: &[u8],
    ) -> Result<Conflict, StoreError> {
        let ids = decode_ids(row)?.0;
        let evidence = match ids.as_slice() {
            [id] => Evidence::Statements(self.at_the_place_of(id)?),
            _ => Evidence::Releases(ids),
        };
        let subject = Subject::Version { package, version };
        let decided = self.decision(&subject, &evidence)?;
        Ok(Conflict { subject, evidence, decided })
    }

    /// The statements at the position of a release.
    fn at_the_place_of(&self, id: &ReleaseId) -> Result<Vec<StatementId>, StoreError> {
        let sealed = record(&self.rows(RECORDS)?, id)?;
        let sealed = sealed.ok_or(StoreError::damaged("a missing record"))?;
        let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
        let state = self.key_state(&header.publisher)?;
        let state = state.ok_or(StoreError::damaged("a missing publisher"))?;
        let log = LogId { publisher: header.publisher, key: sealed.log_key(&state) };
        let mut statements = self.statements(&log, header.seq)?;
        if !statements.contains(id) {
            statements.push(*id);
        }
        Ok(statements)
    }

    /// Two of the statements at a position: the same two for all who have the same.
    fn statements(&self, log: &LogId, seq: u64) -> Result<Vec<StatementId>, StoreError> {
        let mut leaves = self.leaves_at(log, seq, RIVALS_MAX)?;
        leaves.sort_by_key(|leaf| leaf.hash);
        Ok(leaves.into_iter().filter_map(|leaf| leaf.statement).take(RIVALS_MAX).collect())
    }

    fn decision(
        &self,
        subject: &Subject,
        evidence: &Evidence,
    ) -> Result<Option<(Decision, Timestamp)>, StoreError> {
        let key = subject.key();
        let Some(row) = get(&self.rows(DECISIONS)?, &key)? else { return Ok(None) };
        let (_, decision, proof, at) = decision_of_row(&key, &row)?;
        Ok((proof == evidence.proof()).then_some((decision, at)))
    }

    /// The release that a person chose for a contested version.
    pub(super) fn chosen(
        &self,
        package: &PackageId,
        version: &semver::Version,
    ) -> Result<Option<ReleaseId>, StoreError> {
        let subject = Subject::Version { package: package.clone(), version: version.clone() };
        let conflict = self.conflict(&subject)?;
        match conflict.and_then(|conflict| conflict.decided) {
            Some((Decision::KeepRelease(id), _)) => Ok(Some(id)),
            _ => Ok(None),
        }
    }
}

impl Evidence {
    /// What a decision about it is bound to: a fork is decided for the statements or heads that
    /// prove it, whatever comes on top of the log; a version whatever else is signed for it.
    fn proof(&self) -> [u8; 32] {
        match self {
            Self::Fork { heads, statements } if statements.is_empty() => {
                heads.last().map_or([0; 32], |head| *item_of_head(head).as_bytes())
            }
            Self::Fork { statements, .. } => {
                let ids: Vec<u8> = statements.iter().flat_map(|id| *id.as_bytes()).collect();
                *Digest::of(&ids).as_bytes()
            }
            Self::Releases(_) | Self::Statements(_) | Self::Moves(_) => [0; 32],
        }
    }
}

impl Subject {
    fn publisher(&self) -> &PublisherId {
        match self {
            Self::Log(log) => &log.publisher,
            Self::Version { package, .. } | Self::Channel { package, .. } => &package.publisher,
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::Log(log) => [&[1], log.row_key().as_slice()].concat(),
            Self::Version { package, version } => {
                [&[2], package_item_key(package, &version.to_string()).as_slice()].concat()
            }
            Self::Channel { package, channel } => {
                [&[3], package_item_key(package, channel.as_str()).as_slice()].concat()
            }
        }
    }

    fn of_key(key: &[u8]) -> Result<Self, StoreError> {
        match key.split_first() {
            Some((1, log)) => LogId::of_row_key(log).map(Self::Log),
            Some((2, version)) => {
                let (package, version) = of_package_key(version)?;
                Ok(Self::Version { package, version: version_of(version)? })
            }
            Some((3, channel)) => {
                let (package, channel) = of_channel_key(channel)?;
                Ok(Self::Channel { package, channel })
            }
            _ => Err(StoreError::damaged("a decision")),
        }
    }
}

impl Decision {
    fn encode(&self, proof: &[u8; 32], now: Timestamp) -> Vec<u8> {
        let kind: u8 = match self {
            Self::KeepHead { .. } => 1,
            Self::Lift => 2,
            Self::KeepRelease(_) => 3,
            Self::KeepMove(_) => 4,
        };
        let mut row = vec![kind];
        row.extend_from_slice(&now.as_millis().to_be_bytes());
        row.extend_from_slice(proof);
        match self {
            Self::KeepHead { size, root } => {
                row.extend_from_slice(&size.to_be_bytes());
                row.extend_from_slice(root.as_bytes());
            }
            Self::Lift => {}
            Self::KeepRelease(id) | Self::KeepMove(id) => row.extend_from_slice(id.as_bytes()),
        }
        row
    }
}

pub(super) type DecisionRow = (Subject, Decision, [u8; 32], Timestamp);

pub(super) fn decision_of_row(key: &[u8], row: &[u8]) -> Result<DecisionRow, StoreError> {
    let subject = Subject::of_key(key)?;
    let mut row = Reader(row);
    let (kind, now, proof) = (row.byte()?, row.number()?, *row.array()?);
    let decision = match kind {
        1 => Decision::KeepHead {
            size: row.number()?,
            root: Sha256Digest::from_bytes(*row.array()?),
        },
        2 => Decision::Lift,
        3 => Decision::KeepRelease(statement_id(row.array()?)),
        4 => Decision::KeepMove(statement_id(row.array()?)),
        _ => return Err(StoreError::damaged("a decision")),
    };
    row.end()?;
    Ok((subject, decision, proof, Timestamp::from_millis(now)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, publisher, release, store};
    use super::super::{ChangeItem, Incoming, LookupError};
    use super::*;
    use crate::head::Head;
    use crate::identity::Identity;
    use crate::permission::Reader;
    use crate::reference::Reference;
    use crate::statement::{SealedStatement, Statement};

    fn sealed(acme: &Identity, seq: u64, version: &str, content: &str) -> SealedStatement {
        let release = release(acme, seq, "graphdb", version, content);
        SealedStatement::seal(&Statement::Release(release), acme.key()).unwrap()
    }

    fn head(acme: &Identity, statements: &[&SealedStatement]) -> SealedHead {
        let leaves = [acme.inception()].into_iter().chain(statements.iter().copied());
        let root = crate::log::root_of(leaves.map(SealedStatement::leaf));
        let (publisher, key) = (acme.publisher(), acme.key().public());
        let head = Head { publisher, key, size: statements.len() as u64 + 1, root };
        SealedHead::seal(&head, acme.key())
    }

    /// A store that was shown one history, then the head of another.
    fn forked(acme: &Identity) -> (Store, [SealedHead; 2]) {
        let (store, theirs) = (store(), store());
        let [ours, other] = ["1.0.0", "6.6.6"].map(|version| sealed(acme, 1, version, ""));
        let heads = [&ours, &other].map(|one| head(acme, &[one]));
        let sent = [acme.inception().clone(), ours].map(Incoming::Statement);
        store.accept(sent.into(), NOW).unwrap();
        for head in &heads {
            store.accept(vec![Incoming::Head(head.clone())], NOW).unwrap();
        }
        // What spreads is enough for the next one to see it.
        theirs.accept(store.sent_to(Reader::Local, 0), NOW).unwrap();
        assert!(theirs.is_frozen(&acme.publisher()).unwrap());
        assert_eq!(theirs.conflicts().unwrap().len(), 1);
        (store, heads)
    }

    fn find(store: &Store, reference: &str) -> Result<super::super::Found, LookupError> {
        store.resolve_reference(&reference.parse::<Reference>().unwrap())
    }

    /// Threat row 18: who shows two histories gets nothing installed until a person decides.
    #[test]
    fn a_forked_publisher_is_frozen_until_a_person_decides() {
        let acme = publisher("acme");
        let (store, heads) = forked(&acme);
        let conflicts = store.conflicts().unwrap();
        assert_eq!(conflicts.len(), 1);
        let Evidence::Fork { heads: shown, .. } = &conflicts[0].evidence else { panic!("a fork") };
        assert!(shown.len() == 2 && heads.iter().all(|head| shown.contains(head)));
        let subject = &conflicts[0].subject;
        for reference in ["graphdb", "graphdb@1.0.0", "graphdb@^1"] {
            assert!(matches!(find(&store, reference), Err(LookupError::Frozen { .. })));
        }
        let id = sealed(&acme, 1, "1.0.0", "").id();
        assert!(find(&store, &format!("cat:{id}")).is_ok(), "a person named these very bytes");

        let keep = |head: &SealedHead| Decision::KeepHead {
            size: head.peek().size,
            root: head.peek().root,
        };
        store.decide(subject, &keep(&heads[0]), NOW).unwrap();
        assert_eq!(find(&store, "graphdb").unwrap().row.version.to_string(), "1.0.0");
        let decided = store.conflicts().unwrap().remove(0).decided;
        assert_eq!(decided, Some((keep(&heads[0]), NOW)));
        store.decide(subject, &Decision::Lift, NOW).unwrap();
        assert!(!store.is_frozen(&acme.publisher()).unwrap());
        assert!(store.undecide(subject).unwrap() && !store.undecide(subject).unwrap());
        assert!(matches!(find(&store, "graphdb"), Err(LookupError::Frozen { .. })));

        let other = head(&acme, &[]);
        for wrong in [keep(&other), Decision::KeepRelease(id)] {
            let decided = store.decide(subject, &wrong, NOW);
            assert!(matches!(decided, Err(DecideError::NotInvolved)), "{decided:?}");
        }
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn a_decision_about_a_fork_holds_only_for_the_proof_that_was_shown() {
        let acme = publisher("acme");
        let (store, _) = forked(&acme);
        let subject = store.conflicts().unwrap().remove(0).subject;
        store.decide(&subject, &Decision::Lift, NOW).unwrap();
        // More of the log changes nothing; two statements at one position are new proof.
        let next = sealed(&acme, 2, "1.1.0", "");
        store.accept(vec![Incoming::Statement(next)], NOW).unwrap();
        assert!(!store.is_frozen(&acme.publisher()).unwrap());
        let other = sealed(&acme, 1, "6.6.6", "");
        store.accept(vec![Incoming::Statement(other)], NOW).unwrap();
        assert!(store.is_frozen(&acme.publisher()).unwrap());
        assert_eq!(store.verify().unwrap(), []);
    }

    /// Threat row 17: of two releases of one version a person picks one, or none is picked.
    #[test]
    fn a_person_says_which_release_of_a_contested_version_is_meant() {
        let (store, acme) = (store(), publisher("acme"));
        let [first, second] =
            [(1, ""), (2, "other")].map(|(seq, content)| sealed(&acme, seq, "1.0.0", content));
        let ids = [first.id(), second.id()];
        let sent = [acme.inception().clone(), first, second].map(Incoming::Statement);
        store.accept(sent.into(), NOW).unwrap();
        let conflict = store.conflicts().unwrap().remove(0);
        assert_eq!(conflict.evidence, Evidence::Releases(ids.to_vec()));
        assert!(find(&store, "graphdb").is_err() && !store.is_frozen(&acme.publisher()).unwrap());
        for id in ids {
            store.decide(&conflict.subject, &Decision::KeepRelease(id), NOW).unwrap();
            let found = find(&store, "graphdb").unwrap();
            assert_eq!((found.row.id, found.row.contested), (id, false));
        }
        assert!(find(&store, &format!("cat:{}", ids[0])).unwrap().row.contested);
        assert!(!find(&store, &format!("cat:{}", ids[1])).unwrap().row.contested);
        let other = sealed(&acme, 3, "2.0.0", "").id();
        let wrong = store.decide(&conflict.subject, &Decision::KeepRelease(other), NOW);
        assert!(matches!(wrong, Err(DecideError::NotInvolved)));
        store.undecide(&conflict.subject).unwrap();
        assert!(find(&store, "graphdb").is_err());
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn two_releases_at_one_position_are_shown_as_statements() {
        let (store, acme) = (store(), publisher("acme"));
        let rivals = ["1.0.0", "2.0.0"].map(|version| sealed(&acme, 1, version, ""));
        let ids = rivals.each_ref().map(SealedStatement::id);
        let sent = [acme.inception().clone()].into_iter().chain(rivals).map(Incoming::Statement);
        store.accept(sent.collect(), NOW).unwrap();
        let mut conflicts = store.conflicts().unwrap();
        assert_eq!(conflicts.len(), 3, "the log, and both versions");
        let fork = conflicts.remove(0);
        let Evidence::Fork { statements, .. } = &fork.evidence else { panic!("{fork:?}") };
        assert!(statements.len() == 2 && ids.iter().all(|id| statements.contains(id)));
        for (conflict, id) in conflicts.iter().zip(ids) {
            let Evidence::Statements(shown) = &conflict.evidence else { panic!("{conflict:?}") };
            assert!(shown.len() == 2 && ids.iter().all(|id| shown.contains(id)));
            store.decide(&conflict.subject, &Decision::KeepRelease(id), NOW).unwrap();
        }
        assert!(matches!(find(&store, "graphdb"), Err(LookupError::Frozen { .. })));
        store.decide(&fork.subject, &Decision::Lift, NOW).unwrap();
        assert_eq!(find(&store, "graphdb").unwrap().row.id, ids[1]);
        let wrong = store.decide(&conflicts[0].subject, &Decision::KeepRelease(ids[1]), NOW);
        assert!(matches!(wrong, Err(DecideError::NotInvolved)), "it is of another version");
        assert_eq!(store.verify().unwrap(), []);
    }

    /// The search index follows the changes, and shows what a person chose.
    #[test]
    fn a_decision_and_its_end_are_told_to_our_own_followers_and_to_nobody_else() {
        let (store, acme) = (store(), publisher("acme"));
        let [first, second] =
            [(1, ""), (2, "other")].map(|(seq, content)| sealed(&acme, seq, "1.0.0", content));
        let ids = [first.id(), second.id()];
        let rival = sealed(&acme, 1, "2.0.0", "");
        let sent = [acme.inception().clone(), first, second, rival].map(Incoming::Statement);
        store.accept(sent.into(), NOW).unwrap();
        let conflicts = store.conflicts().unwrap();
        assert_eq!(conflicts.len(), 3);
        let stranger = Reader::Node(crate::permission::NodeId::from_bytes([2; 32]));
        for conflict in &conflicts {
            let decision = match &conflict.evidence {
                Evidence::Fork { heads, statements } => {
                    assert!(heads.is_empty() && statements.len() == 2, "no head proves anything");
                    Decision::Lift
                }
                Evidence::Releases(both) => Decision::KeepRelease(both[0]),
                _ => continue,
            };
            for decided in [true, false] {
                let before = store.last_change().unwrap();
                match decided {
                    true => store.decide(&conflict.subject, &decision, NOW).unwrap(),
                    false => assert!(store.undecide(&conflict.subject).unwrap()),
                }
                let told = store.changes(before, 10).unwrap();
                assert_eq!(told.len(), 2, "{told:?}");
                if matches!(conflict.subject, Subject::Version { .. }) {
                    let told = told.iter().map(|change| format!("{:?}", change.item));
                    let expected = ids.map(|id| store.statement(&id).unwrap().unwrap());
                    let expected = expected.map(|one| format!("{:?}", ChangeItem::Statement(one)));
                    assert_eq!(told.collect::<Vec<_>>(), expected);
                }
                assert_eq!(store.changes_for(stranger, before, 10).unwrap(), []);
                assert_eq!(store.snapshot().unwrap().item_changes(before, 10).unwrap(), []);
                assert_eq!(store.verify().unwrap(), []);
            }
        }
    }

    #[test]
    fn decisions_have_these_bytes() {
        let acme = publisher("acme");
        let log = LogId { publisher: acme.publisher(), key: acme.key().public() };
        let package = PackageId { publisher: acme.publisher(), name: "db".parse().unwrap() };
        let key = hex::encode(log.publisher.as_bytes());
        let channel = "stable".parse().unwrap();
        let channel = Subject::Channel { package: package.clone(), channel };
        let version = Subject::Version { package, version: "1.0.0".parse().unwrap() };
        let proof = [0x33; 32];
        let root = Sha256Digest::from_bytes([0x44; 32]);
        let id = statement_id(&[0x55; 32]);
        let (threes, now) = ("33".repeat(32), "0000000000000009");
        for (subject, decision, expected_key, expected) in [
            (
                Subject::Log(log),
                Decision::KeepHead { size: 7, root },
                format!("01{key}{}", log.key),
                ["01", now, &threes, "0000000000000007", &"44".repeat(32)].concat(),
            ),
            (
                Subject::Log(log),
                Decision::Lift,
                format!("01{key}{}", log.key),
                ["02", now, &threes].concat(),
            ),
            (
                version,
                Decision::KeepRelease(id),
                format!("02{key}026462312e302e30"),
                ["03", now, &threes, &"55".repeat(32)].concat(),
            ),
            (
                channel,
                Decision::KeepMove(id),
                format!("03{key}026462737461626c65"),
                ["04", now, &threes, &"55".repeat(32)].concat(),
            ),
        ] {
            let row = decision.encode(&proof, Timestamp::from_millis(9));
            assert_eq!((hex::encode(subject.key()), hex::encode(&row)), (expected_key, expected));
            let read = decision_of_row(&subject.key(), &row).unwrap();
            assert_eq!(read, (subject.clone(), decision, proof, Timestamp::from_millis(9)));
            decision_of_row(&subject.key(), &row[1..]).unwrap_err();
        }
    }
}
