//! Shows what publishers signed that cannot all be true, and writes down what a person decides.
//!
//! In: what the store found at odds, and the policies that a person configured. Out: [`Dispute`]s,
//! each with its sides and with what is done meanwhile. A channel is answered here as well, since
//! its policy may say something else than "the newest".
//!
//! Guarantees: nothing that was signed is removed, and every decision can be taken back. Not here:
//! what each policy means ([`catalog_sync::conflict`]).

use std::collections::BTreeSet;

use catalog::head::SealedHead;
use catalog::identity::PublisherId;
use catalog::name::ChannelName;
use catalog::reference::{PublisherReference, Reference, ReleaseReference, VersionReference};
use catalog::release::PackageId;
use catalog::size::ByteSize;
use catalog::statement::{Statement, StatementId};
use catalog::store::{
    Candidate, Conflict, DecideError, Decision, Evidence, Found, LookupError, Store, StoreError,
    Subject,
};
use catalog::time::Timestamp;
use catalog_sync::conflict::{Channel, LocalTrust, Move, PointerAnswer, Target, pointer};
use semver::Version;

pub use catalog_sync::conflict::{Policy, Rules, RulesError};
use serde::{Deserialize, Serialize};

use crate::node::{Node, now};
use crate::shown;

/// The fewest characters by which a side of a conflict is named.
const CHOICE_CHARS_MIN: usize = 4;

/// What ids of publishers begin with.
const ID_PREFIX: &str = "cat1";

/// Something that is at odds, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// What `resolve` takes: `acme`, `acme/graphdb@1.2.0` or `acme/graphdb@stable`.
    pub subject: String,
    /// What it is.
    pub about: About,
    /// Whose it is.
    pub publisher: PublisherId,
    /// The policy for it; a forked log has none, a person decides.
    pub policy: Option<Policy>,
    /// What was signed, each of which excludes the others.
    pub sides: Vec<Side>,
    /// Whether nothing of it is picked until a person decides.
    pub blocked: bool,
    /// When a person decided.
    pub decided: Option<Timestamp>,
}

/// What is at odds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A log has two histories.
    Log,
    /// A version has two contents.
    Version,
    /// A channel has two targets.
    Channel,
}

/// One of the things that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// What to give to `resolve`.
    pub name: String,
    /// What it says, for people.
    pub says: String,
    /// Whether this one counts at the moment.
    pub chosen: bool,
}

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This side is meant.
    Keep(String),
    /// Go on with a forked publisher, whatever it signed.
    Lift,
    /// What was decided before does not hold any more.
    Undo,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The subject means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It names neither a publisher, nor a version, nor a channel.
    #[error("{subject} names no version and no channel")]
    Vague {
        /// What was asked for.
        subject: String,
    },
    /// Nobody contradicts anybody there.
    #[error("nothing is at odds about {subject}")]
    NoConflict {
        /// What was asked for.
        subject: String,
    },
    /// It is none of those that are at odds.
    #[error("{choice} is none of the sides of {subject}")]
    NotASide {
        /// What is at odds.
        subject: String,
        /// What was chosen.
        choice: String,
        /// What there is to choose.
        sides: Vec<String>,
    },
    /// Several publishers begin like that.
    #[error("{subject} is the beginning of several publishers")]
    ShortId {
        /// What was asked for.
        subject: String,
    },
    /// Several sides begin like that.
    #[error("{choice} is the beginning of {} sides of {subject}", sides.len())]
    Ambiguous {
        /// What is at odds.
        subject: String,
        /// What was chosen.
        choice: String,
        /// Those that begin like that.
        sides: Vec<String>,
    },
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl Node {
    /// Everything that is at odds here: forked logs, contested versions, disputed channels.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conflicts(&self) -> Result<Vec<Dispute>, StoreError> {
        let (store, rules) = (&self.0.store, self.config().policies());
        let mut disputes = Vec::new();
        for conflict in store.conflicts()? {
            disputes.push(dispute(store, rules, &conflict)?);
        }
        for (package, channel) in store.disputable_channels()? {
            let subject = Subject::Channel { package, channel };
            if let Some(conflict) = store.conflict(&subject)? {
                let dispute = dispute(store, rules, &conflict)?;
                disputes.extend((dispute.sides.len() > 1).then_some(dispute));
            }
        }
        Ok(disputes)
    }

    /// Writes down what a person decided, or takes it back, and says how it stands then.
    ///
    /// - `subject`: a publisher, or a reference with a version or a channel.
    ///
    /// # Errors
    /// [`ResolveError`]; nothing was written then.
    pub fn resolve(&self, subject: &str, verdict: &Verdict) -> Result<Dispute, ResolveError> {
        let (store, rules) = (&self.0.store, self.config().policies());
        let conflicts = self.at_odds(subject)?;
        if let Verdict::Keep(choice) = verdict {
            check_meant_once(store, rules, &conflicts, subject, choice)?;
        }
        let (mut decided, mut sides) = (None, Vec::new());
        // A publisher may have forked several logs: a side names one of them, the rest is for all.
        for conflict in &conflicts {
            let is_written = match verdict {
                Verdict::Undo => store.undecide(&conflict.subject).map(|_| true)?,
                Verdict::Lift => decide(store, conflict, &Decision::Lift)?,
                Verdict::Keep(name) => match named(store, rules, conflict, name)? {
                    Some(decision) => decide(store, conflict, &decision)?,
                    None => false,
                },
            };
            if is_written {
                decided = store.conflict(&conflict.subject)?;
            } else {
                sides.extend(dispute(store, rules, conflict)?.sides);
            }
        }
        match decided {
            Some(conflict) => Ok(dispute(store, rules, &conflict)?),
            None => Err(ResolveError::NotASide {
                subject: subject.to_owned(),
                choice: match verdict {
                    Verdict::Keep(name) => name.clone(),
                    Verdict::Lift | Verdict::Undo => "--lift".to_owned(),
                },
                sides: sides.into_iter().map(|side| side.name).collect(),
            }),
        }
    }

    /// What is at odds about a subject; at least one.
    fn at_odds(&self, subject: &str) -> Result<Vec<Conflict>, ResolveError> {
        let store = &self.0.store;
        let found: Vec<Conflict> = match publisher(store, subject)? {
            Some(publisher) => {
                let of = |conflict: &Conflict| match &conflict.subject {
                    Subject::Log(log) => log.publisher == publisher,
                    _ => false,
                };
                store.conflicts()?.into_iter().filter(of).collect()
            }
            None => {
                let vague = || ResolveError::Vague { subject: subject.to_owned() };
                let reference: Reference = subject.parse().map_err(|_| vague())?;
                let package = store.resolve_package(&reference)?;
                let wanted = match reference.release {
                    ReleaseReference::Named { version, .. } => version,
                    ReleaseReference::Exact(_) => return Err(vague()),
                };
                let subject = match wanted {
                    VersionReference::Exact(version) => Subject::Version { package, version },
                    VersionReference::Channel(channel) => Subject::Channel { package, channel },
                    VersionReference::Latest | VersionReference::Range(_) => return Err(vague()),
                };
                store.conflict(&subject)?.into_iter().collect()
            }
        };
        if found.is_empty() {
            return Err(ResolveError::NoConflict { subject: subject.to_owned() });
        }
        Ok(found)
    }

    /// What a reference means; a channel as its policy says.
    pub(crate) fn look_up(&self, reference: &Reference) -> Result<Found, LookupError> {
        let store = &self.0.store;
        let ReleaseReference::Named {
            publisher,
            name,
            version: VersionReference::Channel(channel),
        } = &reference.release
        else {
            return store.resolve_reference(reference);
        };
        let newest = store.resolve_reference(reference);
        if !matches!(newest, Ok(_) | Err(LookupError::Withdrawn { .. })) {
            return newest;
        }
        let package = store.resolve_package(reference)?;
        let Some((_, answer)) = answer(store, self.config().policies(), &package, channel)? else {
            return newest;
        };
        let Some(Target { version, .. }) = answer.at else {
            let petname = store.petname(&package.publisher)?;
            let versions: BTreeSet<_> = answer.targets.into_iter().map(|one| one.version).collect();
            return Err(LookupError::Disputed {
                candidate: Candidate { package, petname },
                channel: channel.clone(),
                versions: versions.into_iter().collect(),
            });
        };
        let release = ReleaseReference::Named {
            publisher: publisher.clone(),
            name: name.clone(),
            version: VersionReference::Exact(version),
        };
        let exact = Reference { release, variant: reference.variant.clone() };
        let found = store.resolve_reference(&exact)?;
        if found.row.yanked.is_some() || found.row.contested {
            let (channel, version) = (channel.clone(), found.row.version);
            return Err(LookupError::Withdrawn { package: found.package, channel, version });
        }
        Ok(found)
    }
}

/// The publisher that a subject without a package names, or whose id it begins.
fn publisher(store: &Store, subject: &str) -> Result<Option<PublisherId>, ResolveError> {
    match subject.parse() {
        Ok(PublisherReference::Id(id)) => Ok(Some(id)),
        _ if subject.starts_with(ID_PREFIX) && !subject.contains(['/', '@']) => {
            let known = store.publishers()?.into_iter().map(|row| row.id);
            let mut meant = known.filter(|id| id.to_string().starts_with(subject));
            match (meant.next(), meant.next()) {
                (Some(_), Some(_)) => Err(ResolveError::ShortId { subject: subject.to_owned() }),
                (meant, _) => Ok(meant),
            }
        }
        // A bare name with a version or a channel is no petname: those have no `@`.
        Ok(PublisherReference::Petname(petname)) => Ok(store.publisher_by_petname(&petname)?),
        Err(_) => Ok(None),
    }
}

/// What a channel means by its policy; `None` where it cannot be disputed.
fn answer(
    store: &Store,
    rules: &Rules,
    package: &PackageId,
    channel: &ChannelName,
) -> Result<Option<(Policy, PointerAnswer)>, StoreError> {
    let Some(logs) = store.disputable_logs(&package.publisher)? else { return Ok(None) };
    let petname = store.petname(&package.publisher)?;
    let policy = rules.for_channel(package, petname.as_ref(), logs.len());
    let moves = store.channel_moves(package, channel)?;
    let moves = moves.iter().map(|one| Move::of(one.id, one.log, &one.moved)).collect();
    let unsound = store.versions(package)?.into_iter();
    let unsound = unsound.filter(|row| row.yanked.is_some() || row.contested);
    let unsound = unsound.map(|row| row.version).collect();
    let subject = Subject::Channel { package: package.clone(), channel: channel.clone() };
    let decided = match store.conflict(&subject)?.and_then(|conflict| conflict.decided) {
        Some((Decision::KeepMove(id), _)) => [id].into(),
        _ => BTreeSet::new(),
    };
    let trust = LocalTrust { now: now(), decided, ..LocalTrust::default() };
    let answer = pointer(policy, &Channel { moves, logs: logs.len(), unsound }, &trust);
    Ok(Some((policy, answer)))
}

/// Writes a decision, unless it is not about this conflict.
///
/// - result: whether it was written.
fn decide(store: &Store, conflict: &Conflict, decision: &Decision) -> Result<bool, StoreError> {
    match store.decide(&conflict.subject, decision, now()) {
        Ok(()) => Ok(true),
        Err(DecideError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Refuses the beginning of a name that several sides have.
fn check_meant_once(
    store: &Store,
    rules: &Rules,
    conflicts: &[Conflict],
    subject: &str,
    choice: &str,
) -> Result<(), ResolveError> {
    let mut meant = BTreeSet::new();
    // A version is named in full: `1.0.0` also begins `1.0.0-rc.1`.
    let by_id = conflicts.iter().filter(|one| !matches!(one.subject, Subject::Channel { .. }));
    for conflict in by_id {
        let sides = dispute(store, rules, conflict)?.sides.into_iter();
        meant.extend(sides.map(|side| side.name).filter(|name| is_meant(choice, name)));
    }
    match meant.len() {
        0 | 1 => Ok(()),
        _ => Err(ResolveError::Ambiguous {
            subject: subject.to_owned(),
            choice: choice.to_owned(),
            sides: meant.into_iter().collect(),
        }),
    }
}

/// Whether `choice` is the id `name`, or begins it: in hex, whether or not marked as a release.
fn is_meant(choice: &str, name: &str) -> bool {
    let [choice, name] = [choice, name].map(|text| text.strip_prefix("cat:").unwrap_or(text));
    choice.len() >= CHOICE_CHARS_MIN && name.starts_with(&choice.to_ascii_lowercase())
}

/// The decision for the side of this name.
fn named(
    store: &Store,
    rules: &Rules,
    conflict: &Conflict,
    name: &str,
) -> Result<Option<Decision>, StoreError> {
    Ok(match (&conflict.subject, &conflict.evidence) {
        (_, Evidence::Fork { heads, .. }) => {
            let mut heads = heads.iter().map(SealedHead::peek);
            let head = heads.find(|head| is_meant(name, &head.root.to_string()));
            head.map(|head| Decision::KeepHead { size: head.size, root: head.root })
        }
        (Subject::Channel { package, channel }, _) => {
            let version: Option<Version> = name.parse().ok();
            let targets = answer(store, rules, package, channel)?.map(|(_, answer)| answer.targets);
            let mut targets = targets.into_iter().flatten();
            let target = targets.find(|target| Some(&target.version) == version.as_ref());
            target.map(|target| Decision::KeepMove(target.by))
        }
        (_, Evidence::Releases(ids) | Evidence::Statements(ids)) => {
            let id = ids.iter().find(|id| is_meant(name, &id.to_string()));
            id.copied().map(Decision::KeepRelease)
        }
        _ => None,
    })
}

fn dispute(store: &Store, rules: &Rules, conflict: &Conflict) -> Result<Dispute, StoreError> {
    let decided = conflict.decided.as_ref().map(|(_, at)| *at);
    let kept = conflict.decided.as_ref().map(|(decision, _)| decision);
    match &conflict.subject {
        Subject::Log(log) => {
            let petname = store.petname(&log.publisher)?;
            Ok(Dispute {
                subject: petname.map_or_else(|| log.publisher.to_string(), |name| name.to_string()),
                about: About::Log,
                publisher: log.publisher,
                policy: None,
                sides: histories(&conflict.evidence, kept),
                blocked: decided.is_none(),
                decided,
            })
        }
        Subject::Version { package, version } => {
            let petname = store.petname(&package.publisher)?;
            Ok(Dispute {
                subject: shown::release(store, package, version)?,
                about: About::Version,
                publisher: package.publisher,
                policy: Some(rules.for_version(package, petname.as_ref())),
                sides: releases(store, &conflict.evidence, kept)?,
                blocked: decided.is_none(),
                decided,
            })
        }
        Subject::Channel { package, channel } => {
            let (policy, answer) = match answer(store, rules, package, channel)? {
                Some((policy, answer)) => (Some(policy), Some(answer)),
                None => (None, None),
            };
            Ok(Dispute {
                subject: format!("{}@{channel}", shown::package(store, package)?),
                about: About::Channel,
                publisher: package.publisher,
                policy,
                blocked: answer.as_ref().is_some_and(|answer| answer.at.is_none()),
                sides: answer.map(targets).unwrap_or_default(),
                decided,
            })
        }
    }
}

fn histories(evidence: &Evidence, kept: Option<&Decision>) -> Vec<Side> {
    let Evidence::Fork { heads, .. } = evidence else { return Vec::new() };
    let side = |head: &SealedHead| {
        let (size, root) = (head.peek().size, head.peek().root);
        let chosen = kept == Some(&Decision::KeepHead { size, root });
        Side { name: root.to_string(), says: format!("{size} statements"), chosen }
    };
    heads.iter().map(side).collect()
}

fn releases(
    store: &Store,
    evidence: &Evidence,
    kept: Option<&Decision>,
) -> Result<Vec<Side>, StoreError> {
    let (Evidence::Releases(ids) | Evidence::Statements(ids)) = evidence else {
        return Ok(Vec::new());
    };
    let side = |id: &StatementId| {
        let sealed =
            store.statement(id)?.ok_or(StoreError::Damaged { what: "a missing record" })?;
        let statement = Statement::decode(sealed.kind(), sealed.body());
        let says = match statement.map_err(|_| StoreError::Damaged { what: "a record" })? {
            Statement::Release(release) => {
                let bytes = release.variants.iter().map(|variant| variant.size.as_u64()).sum();
                let size = ByteSize::bytes(bytes);
                format!("{} {}, {size} in all variants", release.name, release.version)
            }
            other => format!("a statement of kind {}", other.kind()),
        };
        let chosen = kept == Some(&Decision::KeepRelease(*id));
        Ok(Side { name: format!("cat:{id}"), says, chosen })
    };
    ids.iter().map(side).collect()
}

/// One side for each version; of several moves to it, the one that a decision would name.
fn targets(answer: PointerAnswer) -> Vec<Side> {
    let mut sides: Vec<Side> = Vec::new();
    for Target { version, by } in answer.targets {
        let chosen = answer.at.as_ref().is_some_and(|at| at.version == version);
        let name = version.to_string();
        if sides.last().is_none_or(|last| last.name != name) {
            sides.push(Side { name, says: format!("cat:{by}"), chosen });
        }
    }
    sides
}
