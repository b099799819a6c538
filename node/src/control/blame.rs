//! Gives every error of the node its code, its causes and a next step.
//!
//! One function per error enum. What no case names goes by the code of its kind.

use std::io;

use catalog::identity::IdentityError;
use catalog::import::{ImportError, UnpackError};
use catalog::install::InstallError as WriteError;
use catalog::release::PackageId;
use catalog::resolve::Resolution;
use catalog::store::{AppendError, Candidate, LookupError, PinError, StoreError};

use super::code::Code;
use super::failure::Failure;
use super::serve::ServeError;
use crate::blobs::BlobsError;
use crate::changes::ChangesError;
use crate::conflicts::ResolveError;
use crate::endpoint::{DialError, OnlineError};
use crate::gc::GcError;
use crate::grants::AttestError;
use crate::lookup::ChooseError;
use crate::mirror::{BookError, MirrorError};
use crate::parcels::HandOverError;
use crate::protocol::message::TalkError;
use crate::prove::{ProofError, ProveError};
use crate::talk::LinkError;
use crate::verify::VerifyError;
use crate::{
    ChangeError, ConnectError, FetchError, InitError, InstallError, PublishError, SearchError,
    SpawnError, StateError, TicketError,
};

/// An error that can be shown.
pub(super) trait Blame {
    /// The error as a failure.
    fn blame(&self) -> Failure;
}

const START_OVER: &str = "nothing was written; mend it and run the same command again";

/// The code of an error of the operating system.
fn code_of(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Code::FILE_DENIED,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Code::DISK_FULL
        }
        _ => Code::IO,
    }
}

fn disk_full(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(Code::DISK_FULL, error).hint("catalog gc --dry-run shows what could go")
}

impl Blame for StoreError {
    fn blame(&self) -> Failure {
        match self {
            Self::Held { holder } => {
                let failure = Failure::of(Code::STORE_HELD, self);
                match holder {
                    Some(holder) => failure.hint(format_args!(
                        "wait for process {0} to end; ps -p {0} shows what it is",
                        holder.pid
                    )),
                    None => failure.hint("try again in a moment"),
                }
            }
            Self::TakenOver { .. } => Failure::of(Code::STORE_HELD, self)
                .hint("the store's folder may lie on a network disk that cannot lock"),
            Self::DiskFull { .. } => disk_full(self),
            Self::Newer { .. } => {
                Failure::of(Code::STORE_BROKEN, self).hint("update catalog; nothing was changed")
            }
            Self::Damaged { .. } => {
                Failure::of(Code::STORE_BROKEN, self).hint("catalog verify says what else is wrong")
            }
            Self::Io { source, .. } => Failure::of(code_of(source), self),
            _ => Failure::of(Code::STORE_BROKEN, self),
        }
    }
}

impl Blame for IdentityError {
    fn blame(&self) -> Failure {
        match self {
            Self::Exposed { path, .. } => Failure::of(Code::KEY_EXPOSED, self)
                .hint(format_args!("chmod 600 {}", path.display())),
            Self::Missing { .. } => no_identity(self),
            Self::Io { source, .. } => Failure::of(code_of(source), self),
            _ => Failure::of(Code::NO_IDENTITY, self),
        }
    }
}

fn no_identity(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(Code::NO_IDENTITY, error).hint("catalog init --alias NAME makes one")
}

impl Blame for SpawnError {
    fn blame(&self) -> Failure {
        match self {
            Self::Store(error) => error.blame(),
            Self::Identity(error) => error.blame(),
            Self::NodeKey { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Failure::of(Code::KEY_EXPOSED, self)
                    .hint(format_args!("chmod 600 {}", path.display()))
            }
            Self::NodeKey { source, .. } | Self::Io { source, .. } => {
                Failure::of(code_of(source), self)
            }
        }
    }
}

impl Blame for InitError {
    fn blame(&self) -> Failure {
        match self {
            Self::Identity(error) => error.blame(),
            Self::Record(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }
}

impl Blame for AppendError {
    fn blame(&self) -> Failure {
        match self {
            Self::VersionTaken { version, existing, .. } => {
                version_taken(self, version, &existing.to_string())
            }
            Self::UnknownVersion { package, .. } => Failure::of(Code::NO_VERSION, self)
                .hint(format_args!("catalog info {} lists the versions", package.name)),
            Self::NotGranted { .. } => {
                Failure::of(Code::NOT_GRANTED, self).hint("catalog grants lists who may read what")
            }
            Self::NotAttestable { .. } => Failure::of(Code::NOT_ATTESTABLE, self),
            Self::Behind { .. } => Failure::of(Code::NO_IDENTITY, self)
                .hint("add the node that has the rest as a peer, then try again"),
            Self::Store(error) => error.blame(),
            error => Failure::of(Code::RELEASE_TOO_LARGE, error),
        }
    }
}

fn version_taken(
    error: &(dyn std::error::Error + 'static),
    version: &semver::Version,
    existing: &str,
) -> Failure {
    let next = semver::Version::new(version.major, version.minor, version.patch + 1);
    Failure::of(Code::VERSION_TAKEN, error)
        .cause(format_args!("release {existing} has this version, and versions never change"))
        .hint(format_args!("raise version in catalog.toml, to {next} for instance"))
}

impl Blame for LookupError {
    fn blame(&self) -> Failure {
        match self {
            Self::UnknownPackage { suggestions, .. } => {
                suggest(Failure::of(Code::NO_PACKAGE, self), suggestions.iter().map(candidate))
            }
            Self::UnknownPublisher { suggestions, .. } => suggest(
                Failure::of(Code::NO_PEER, self),
                suggestions.iter().map(ToString::to_string),
            ),
            Self::Ambiguous { candidates, .. } => candidates
                .iter()
                .map(candidate)
                .fold(Failure::of(Code::AMBIGUOUS, self), |failure, name| failure.cause(name))
                .hint("write the publisher in front"),
            Self::UnknownVersion { available, .. } => {
                let known: Vec<_> = available.iter().map(version).collect();
                let failure = Failure::of(Code::NO_VERSION, self);
                match known.is_empty() {
                    true => failure,
                    false => failure.hint(format_args!("there is {}", known.join(", "))),
                }
            }
            Self::UnknownChannel { available, .. } => {
                let known: Vec<_> = available.iter().map(ToString::to_string).collect();
                let failure = Failure::of(Code::NO_VERSION, self);
                match known.is_empty() {
                    true => failure.hint("it has no channels at all"),
                    false => failure.hint(format_args!("there is {}", known.join(", "))),
                }
            }
            Self::Frozen { .. } => Failure::of(Code::FROZEN, self)
                .hint("catalog conflicts shows both; catalog resolve decides"),
            Self::Disputed { candidate, channel, versions } => {
                let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
                Failure::of(Code::DISPUTED, self).cause(versions.join(" or ")).hint(format_args!(
                    "name the version, or decide: catalog resolve {candidate}@{channel} {}",
                    versions.join("|")
                ))
            }
            Self::Withdrawn { version, .. } => Failure::of(Code::NO_VERSION, self)
                .hint(format_args!("@{version} asks for exactly this version all the same")),
            Self::Store(error) => error.blame(),
            error => Failure::of(Code::NO_PACKAGE, error),
        }
    }
}

fn candidate(candidate: &Candidate) -> String {
    shown(&candidate.package, candidate.petname.as_ref())
}

fn shown(package: &PackageId, petname: Option<&catalog::name::Petname>) -> String {
    match petname {
        Some(petname) => format!("{petname}/{}", package.name),
        None => package.to_string(),
    }
}

fn version(row: &catalog::store::VersionRow) -> String {
    match (&row.yanked, row.contested) {
        (Some(_), _) => format!("{} (withdrawn)", row.version),
        (None, true) => format!("{} (contested)", row.version),
        (None, false) => row.version.to_string(),
    }
}

fn suggest(failure: Failure, suggestions: impl Iterator<Item = String>) -> Failure {
    let names: Vec<_> = suggestions.take(3).collect();
    match names.as_slice() {
        [] => failure.hint("catalog search finds packages; catalog peer add brings more"),
        names => failure.hint(format_args!("did you mean {}?", names.join(" or "))),
    }
}

impl Blame for SearchError {
    fn blame(&self) -> Failure {
        match self {
            Self::Store(error) => error.blame(),
            Self::Lookup(error) => error.blame(),
            error => Failure::of(Code::STORE_BROKEN, error)
                .hint("delete the folder cache/index: it is built anew from the store"),
        }
    }
}

impl Blame for StateError {
    fn blame(&self) -> Failure {
        match self {
            Self::NoIdentity => no_identity(self),
            Self::UnknownVersion { package, .. } => Failure::of(Code::NO_VERSION, self)
                .hint(format_args!("catalog info {} lists the versions", package.name)),
            Self::Append(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }
}

impl Blame for AttestError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::State(error) => error.blame(),
        }
    }
}

impl Blame for ResolveError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::Vague { .. } => Failure::of(Code::REFERENCE, self).hint(
                "name a publisher, publisher/package@1.2.0 or publisher/package@channel: \
                 catalog conflicts lists them",
            ),
            Self::NoConflict { .. } => {
                Failure::of(Code::NO_CONFLICT, self).hint("catalog conflicts lists what is at odds")
            }
            Self::NotASide { sides, .. } => {
                let failure = Failure::of(Code::NOT_A_SIDE, self);
                match sides.is_empty() {
                    true => failure.hint("catalog conflicts shows what can be decided"),
                    false => failure.hint(format_args!("there is {}", sides.join(", "))),
                }
            }
            Self::Ambiguous { sides, .. } => Failure::of(Code::NOT_A_SIDE, self)
                .hint(format_args!("write more of it: there is {}", sides.join(", "))),
            Self::ShortId { .. } => Failure::of(Code::REFERENCE, self)
                .hint("write more of the id; catalog key show lists them in full"),
        }
    }
}

impl Blame for ProveError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::Unvouched { .. } => Failure::of(Code::UNVOUCHED, self)
                .hint("catalog peer ping asks peers for the rest of its log"),
            Self::Untrue { .. } => Failure::of(Code::FALSE_PROOF, self)
                .hint("its publisher contradicts itself, or catalog verify finds what is wrong"),
        }
    }
}

impl Blame for ProofError {
    fn blame(&self) -> Failure {
        match self.is_false() {
            true => Failure::new(Code::FALSE_PROOF, "the proof is false")
                .caused_by(Some(self))
                .hint("do not rely on it; ask for a new one where it came from"),
            false => {
                Failure::of(Code::NOT_A_PROOF, self).hint("catalog prove REF -o FILE writes one")
            }
        }
    }
}

impl Blame for PinError {
    fn blame(&self) -> Failure {
        match self {
            Self::Taken { petname, .. } => Failure::of(Code::PETNAME_TAKEN, self).hint(
                format_args!("choose another name, or free it: catalog key untrust {petname}"),
            ),
            Self::Store(error) => error.blame(),
            error => Failure::of(Code::INTERNAL, error),
        }
    }
}

impl Blame for PublishError {
    fn blame(&self) -> Failure {
        match self {
            Self::NoIdentity => no_identity(self),
            Self::VersionTaken { version, existing, .. } => {
                version_taken(self, version, &existing.to_string())
            }
            Self::Source { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Failure::of(Code::FILE_DENIED, self)
            }
            Self::Source { .. } | Self::Changed { .. } => {
                Failure::of(Code::SOURCE_FILE, self).hint(START_OVER)
            }
            Self::DiskFull { .. } => disk_full(self),
            Self::Tree { .. } | Self::Release(_) => Failure::of(Code::RELEASE_TOO_LARGE, self),
            Self::Blobs(error) => error.blame(),
            Self::Append(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }
}

impl Blame for BlobsError {
    fn blame(&self) -> Failure {
        match self {
            Self::Full { .. } => disk_full(self),
            Self::Source { source } => Failure::of(code_of(source), self),
            Self::Open { source, .. } | Self::Failed { source, .. } => {
                Failure::of(code_of(source), self)
            }
            error => Failure::of(Code::CORRUPT, error).hint("catalog verify --repair"),
        }
    }
}

impl Blame for MirrorError {
    fn blame(&self) -> Failure {
        match self {
            Self::Choose(error) => error.blame(),
            Self::NotPublic { .. } => Failure::of(Code::NOT_PUBLIC, self),
            Self::Budget { .. } => Failure::of(Code::BUDGET, self).hint(
                "catalog config set mirror.budget 20GiB allows more; catalog mirror drop makes room",
            ),
            Self::NotHeld { .. } => {
                Failure::of(Code::NOT_HELD, self).hint("catalog mirror list shows what is")
            }
            Self::Fetch(error) => error.blame(),
            Self::Filter(_) => Failure::of(Code::USAGE, self).hint("say less in one filter"),
            Self::Book(BookError::Io { source, .. }) => Failure::of(code_of(source), self),
            Self::Book(BookError::Damaged { .. }) => Failure::of(Code::STORE_BROKEN, self)
                .hint("move the file away: what is held stays, and can be added again"),
            Self::Book(BookError::Full) => Failure::of(Code::BUDGET, self)
                .hint("a filter holds more than a list: catalog mirror start"),
            Self::Blobs(error) => error.blame(),
            Self::Store(error) => error.blame(),
            Self::Say(_) => Failure::of(Code::INTERNAL, self),
        }
    }
}

impl Blame for OnlineError {
    fn blame(&self) -> Failure {
        match self {
            Self::Bind { .. } => Failure::of(Code::OFFLINE, self)
                .hint("catalog config set node.listen 0.0.0.0:0 takes any free port"),
            error => Failure::of(Code::OFFLINE, error),
        }
    }
}

impl Blame for DialError {
    fn blame(&self) -> Failure {
        match self {
            Self::Handshake { .. } => Failure::of(Code::IMPOSTOR, self)
                .hint("get a new ticket from the other node: catalog peer ticket"),
            error => Failure::of(Code::UNREACHABLE, error).hint(IS_IT_RUNNING),
        }
    }
}

const IS_IT_RUNNING: &str =
    "is it running there (catalog daemon status)? catalog peer ticket prints its newest address";

impl Blame for ConnectError {
    fn blame(&self) -> Failure {
        match self {
            Self::Own => Failure::of(Code::TICKET, self).hint("use the ticket of the other node"),
            Self::Online(error) => error.blame(),
            Self::Unreachable { source: DialError::Handshake { .. }, .. } => {
                Failure::of(Code::IMPOSTOR, self)
                    .hint("get a new ticket from the other node: catalog peer ticket")
            }
            Self::Unreachable { .. } => Failure::of(Code::UNREACHABLE, self).hint(IS_IT_RUNNING),
            Self::Protocol(_) => Failure::of(Code::PROTOCOL, self).hint("update the older one"),
            Self::Store(error) => error.blame(),
            error => Failure::of(Code::BROKEN_OFF, error),
        }
    }
}

impl Blame for LinkError {
    fn blame(&self) -> Failure {
        match self {
            Self::Online(error) => error.blame(),
            Self::Dial(error) => error.blame(),
            Self::Store(error) => error.blame(),
            Self::Talk(TalkError::Disagreement(_)) => {
                Failure::of(Code::PROTOCOL, self).hint("update the older one")
            }
            error => Failure::of(Code::BROKEN_OFF, error),
        }
    }
}

impl Blame for ChangesError {
    fn blame(&self) -> Failure {
        match self {
            Self::UnknownRoot { .. } => Failure::of(Code::NO_ROOT, self)
                .hint("catalog changes --since 0 lists everything, with numbers to go on from"),
            Self::Store(error) => error.blame(),
        }
    }
}

impl Blame for TicketError {
    fn blame(&self) -> Failure {
        Failure::of(Code::TICKET, self)
            .hint("copy all of what catalog peer ticket prints on the other node")
    }
}

impl Blame for ChooseError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::NothingFits { reference, resolution } => {
                nothing_fits(self, reference, resolution)
            }
            Self::UnknownVariant { available, .. } => {
                let known: Vec<_> = available.iter().map(ToString::to_string).collect();
                Failure::of(Code::NO_VARIANT, self)
                    .hint(format_args!("there is {}", known.join(", ")))
            }
        }
    }
}

/// Names for each variant the first thing that is missing, and by how much.
fn nothing_fits(
    error: &(dyn std::error::Error + 'static),
    reference: &str,
    resolution: &Resolution,
) -> Failure {
    let refused = resolution.verdicts.iter().filter_map(|verdict| {
        let check = verdict.rejection()?;
        let missing = check.missing.as_ref().map(|missing| format!(" ({missing})"));
        Some(format!("{}: {}{}", verdict.variant, check.says, missing.unwrap_or_default()))
    });
    let failure =
        refused.fold(Failure::of(Code::NOTHING_FITS, error), |failure, line| failure.cause(line));
    match resolution.advice.first() {
        Some(advice) => failure.hint(advice),
        None => failure.hint(format_args!("catalog explain {reference} shows every check")),
    }
}

impl Blame for WriteError {
    fn blame(&self) -> Failure {
        match self {
            Self::DiskFull { .. } => disk_full(self),
            Self::WrongBytes { .. } => {
                Failure::of(Code::CORRUPT, self).hint("catalog verify --repair")
            }
            Self::Source { source, .. } | Self::Io { source, .. } => {
                Failure::of(code_of(source), self)
            }
            error => Failure::of(Code::IO, error),
        }
    }
}

impl Blame for ImportError {
    fn blame(&self) -> Failure {
        let code = match self {
            Self::Read { source, .. } => code_of(source),
            Self::Unpack { source, .. } => unpack_code(source),
            _ => Code::IMPORT,
        };
        let failure = Failure::of(code, self);
        match self.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Damage and unread features are ordinary; the rest is what only a hostile archive has.
fn unpack_code(error: &UnpackError) -> Code {
    match error {
        UnpackError::Damaged { .. } | UnpackError::Feature { .. } => Code::IMPORT,
        UnpackError::Write { source, .. } => code_of(source),
        _ => Code::UNSAFE_IMPORT,
    }
}

impl Blame for FetchError {
    fn blame(&self) -> Failure {
        match self {
            Self::Choose(error) => error.blame(),
            Self::Unavailable { tried, .. } if tried.is_empty() => {
                Failure::of(Code::UNAVAILABLE, self).hint("catalog peer add TICKET adds a peer")
            }
            Self::Unavailable { tried, .. } => tried
                .iter()
                .map(|tried| format!("peer {}: {}", tried.node.short(), tried.reason))
                .fold(Failure::of(Code::UNAVAILABLE, self), |failure, line| failure.cause(line))
                .hint("try again later: what was fetched so far is kept"),
            Self::NoSuchPath { near, .. } => {
                let failure = Failure::of(Code::NO_PATH, self);
                match near.first() {
                    Some(near) => failure.hint(format_args!("did you mean {near}?")),
                    None => failure,
                }
            }
            Self::NoKey { .. } => Failure::of(Code::SEALED, self)
                .hint("catalog sync asks for it; its publisher hands it over with catalog grant"),
            Self::Inconsistent { .. } => Failure::of(Code::CORRUPT, self),
            Self::Quota { .. } => Failure::of(Code::QUOTA, self)
                .hint("catalog gc makes room; catalog config set node.quota raises it"),
            Self::DiskFull { .. } => disk_full(self),
            Self::Online(error) => error.blame(),
            Self::Blobs(error) => error.blame(),
            Self::Store(error) => error.blame(),
            error => Failure::of(Code::BROKEN_OFF, error),
        }
    }
}

impl Blame for HandOverError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::State(error) => error.blame(),
            error => Failure::of(Code::NOT_TO_CARRY, error),
        }
    }
}

impl Blame for InstallError {
    fn blame(&self) -> Failure {
        match self {
            Self::Choose(error) => error.blame(),
            Self::Unattested { others, .. } => Failure::of(Code::UNATTESTED, self)
                .cause(format_args!("{others} publishers that are not trusted here attest it"))
                .hint(
                    "catalog key trust pins a publisher; install.attestations says how many count",
                ),
            Self::Fetch(error) => error.blame(),
            Self::Write(error) => error.blame(),
            Self::Blobs(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }
}

impl Blame for ChangeError {
    fn blame(&self) -> Failure {
        match self {
            Self::Lookup(error) => error.blame(),
            Self::NotInstalled { .. } => {
                Failure::of(Code::NOT_INSTALLED, self).hint("catalog list shows what is installed")
            }
            Self::NothingBefore { .. } => Failure::of(Code::NO_ROLLBACK, self),
            Self::Lazy { reference } => Failure::of(Code::NOT_INSTALLED, self)
                .hint(format_args!("catalog install {reference} brings all of its files")),
            Self::Install(error) => error.blame(),
            Self::Write(error) => error.blame(),
        }
    }
}

impl Blame for VerifyError {
    fn blame(&self) -> Failure {
        match self {
            Self::Store(error) => error.blame(),
            Self::Blobs(error) => error.blame(),
            Self::Installs(error) => error.blame(),
        }
    }
}

impl Blame for GcError {
    fn blame(&self) -> Failure {
        match self {
            Self::Doubt { .. } => {
                Failure::of(Code::CORRUPT, self).hint("catalog verify --repair, then try again")
            }
            Self::Store(error) => error.blame(),
            Self::Blobs(error) => error.blame(),
        }
    }
}

impl Blame for ServeError {
    fn blame(&self) -> Failure {
        match self {
            Self::Store(error) => error.blame(),
            Self::Socket { source, .. } => Failure::of(code_of(source), self),
            Self::NotLoopback { .. } => {
                Failure::of(Code::CONFIG_VALUE, self).hint("use 127.0.0.1 or [::1]")
            }
            Self::Http { .. } => Failure::of(Code::OFFLINE, self)
                .hint("port 0 takes any free one: catalog config set daemon.http 127.0.0.1:0"),
        }
    }
}

/// For callers outside, who start a node themselves.
macro_rules! from {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                error.blame()
            }
        })+
    };
}

from!(SpawnError, OnlineError, ServeError, ProofError);
