//! Reads and makes statements: the signed facts in a publisher's append-only log.
//!
//! What arrives is a [`SealedStatement`]: a body, its kind and signatures. Only
//! [`open`](SealedStatement::open) turns it into a [`Statement`], and only against the
//! [`KeyState`](crate::identity::KeyState) of its publisher: the signatures are checked over the exact bytes received before
//! those are parsed, and the bytes are kept and forwarded, never written anew.
//!
//! A statement's id is the BLAKE3 hash of its body; its leaf in the log is the RFC 6962 hash of the
//! same bytes. Signatures are part of neither, so a signer cannot give one body two names.
//!
//! Not here: which publishers we know, and what two statements at odds mean to a reader (`store`).

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};
use crate::identity::Inception;
use crate::release::Release;

mod attestation;
pub(crate) mod body;
mod channel;
mod envelope;
mod equivocation;
#[cfg(test)]
pub(crate) mod fixture;
mod grant;
mod parcel;
#[cfg(test)]
mod tests;
mod yank;

pub use attestation::Attestation;
pub use body::BodyError;
pub use channel::ChannelMove;
pub use envelope::{EnvelopeError, OpenError, SealedStatement, StatementHeader};
pub use equivocation::{Equivocation, Placed};
pub use grant::{GRANT_NODES_MAX, Grant};
pub use parcel::{Content, PARCEL_NODES_MAX, Parcel};
pub use yank::Yank;

/// The most bytes of a statement's body: a release with every variant takes a tenth of it.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of a sealed statement: a body, and the signatures of every possible key.
pub const SEALED_BYTES_MAX: usize = STATEMENT_BYTES_MAX + 8 * 1024;
/// The most signatures on a statement.
pub const SIGNATURES_MAX: usize = 64;

/// The name of a statement: the BLAKE3 hash of its body.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct StatementId(Digest);

impl StatementId {
    /// Names the statement with this body.
    pub fn of(body: &[u8]) -> Self {
        Self(Digest::of(body))
    }

    /// Wraps a hash that was computed elsewhere.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The hash of the body.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The 32 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first ten hex digits, for people; never accepted as a name.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for StatementId {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

/// What a statement is about. Its name is part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementKind {
    /// A publisher begins.
    Inception,
    /// A version of a package is published.
    Release,
    /// A channel points to another version.
    Channel,
    /// A version is withdrawn, or restored.
    Yank,
    /// Nodes may read what not everybody may, or may not any more.
    Grant,
    /// Somebody vouches for a release, or does not any more.
    Attestation,
    /// Sealed contents are handed to nodes, to read or to carry them.
    Parcel,
}

impl StatementKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Inception,
        Self::Release,
        Self::Channel,
        Self::Yank,
        Self::Grant,
        Self::Attestation,
        Self::Parcel,
    ];

    /// The word that stands in envelopes and in what is signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inception => "inception",
            Self::Release => "release",
            Self::Channel => "channel",
            Self::Yank => "yank",
            Self::Grant => "grant",
            Self::Attestation => "attestation",
            Self::Parcel => "parcel",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A statement that was read: of a kind, and in order. Who signed it is another question, which
/// [`SealedStatement::open`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most are releases, and they do not lie in lists")]
pub enum Statement {
    /// A publisher begins.
    Inception(Inception),
    /// A version of a package is published.
    Release(Release),
    /// A channel points to another version.
    Channel(ChannelMove),
    /// A version is withdrawn, or restored.
    Yank(Yank),
    /// Nodes may read what not everybody may, or may not any more.
    Grant(Grant),
    /// Somebody vouches for a release, or does not any more.
    Attestation(Attestation),
    /// Sealed contents are handed to nodes, to read or to carry them.
    Parcel(Parcel),
}

impl Statement {
    /// What it is about.
    pub fn kind(&self) -> StatementKind {
        match self {
            Self::Inception(_) => StatementKind::Inception,
            Self::Release(_) => StatementKind::Release,
            Self::Channel(_) => StatementKind::Channel,
            Self::Yank(_) => StatementKind::Yank,
            Self::Grant(_) => StatementKind::Grant,
            Self::Attestation(_) => StatementKind::Attestation,
            Self::Parcel(_) => StatementKind::Parcel,
        }
    }

    /// Whose it is, where it stands in its log, and when it was made.
    pub fn header(&self) -> StatementHeader {
        let (publisher, seq, time) = match self {
            Self::Inception(inception) => (inception.id(), 0, inception.created()),
            Self::Release(release) => (release.publisher, release.seq, release.time),
            Self::Channel(moved) => (moved.publisher, moved.seq, moved.time),
            Self::Yank(yank) => (yank.publisher, yank.seq, yank.time),
            Self::Grant(grant) => (grant.publisher, grant.seq, grant.time),
            Self::Attestation(made) => (made.publisher, made.seq, made.time),
            Self::Parcel(parcel) => (parcel.publisher, parcel.seq, parcel.time),
        };
        StatementHeader { publisher, seq, time }
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when it breaks a limit, which only a person's input can cause.
    pub fn body(&self) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Inception(inception) => Ok(inception.body().to_vec()),
            Self::Release(release) => release.encode(),
            Self::Channel(moved) => moved.encode(),
            Self::Yank(yank) => yank.encode(),
            Self::Grant(grant) => grant.encode(),
            Self::Attestation(made) => made.encode(),
            Self::Parcel(parcel) => parcel.encode(),
        }
    }

    /// Reads the body of a statement of `kind`. Who signed it is not looked at.
    ///
    /// # Errors
    /// [`BodyError`] when the bytes are not one; a peer can cause this.
    pub fn decode(kind: StatementKind, body: &[u8]) -> Result<Self, BodyError> {
        Ok(match kind {
            StatementKind::Inception => Self::Inception(Inception::decode(body)?),
            StatementKind::Release => Self::Release(Release::decode(body)?),
            StatementKind::Channel => Self::Channel(ChannelMove::decode(body)?),
            StatementKind::Yank => Self::Yank(Yank::decode(body)?),
            StatementKind::Grant => Self::Grant(Grant::decode(body)?),
            StatementKind::Attestation => Self::Attestation(Attestation::decode(body)?),
            StatementKind::Parcel => Self::Parcel(Parcel::decode(body)?),
        })
    }
}
