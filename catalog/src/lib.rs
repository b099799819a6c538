//! Formats, choices and the store of a decentralised, content-addressed package catalog.
//!
//! A publisher signs statements into an append-only log; a release is one of them and names every
//! hardware variant by the BLAKE3 root of its files. Resolving chooses the variant that a profile
//! can run and says why the others were refused. The store keeps what was signed, durably, and the
//! installer writes a variant to disk safely.
//!
//! Nothing here opens a socket, starts a task or reads a clock: callers hand in bytes and times.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod announcement;
pub mod cbor;
mod defence;
pub mod digest;
pub mod draft;
pub mod facet;
pub mod head;
pub mod identity;
pub mod import;
pub mod install;
pub mod item;
pub mod log;
pub mod lookalike;
pub mod manifest;
pub mod name;
pub mod path;
pub mod permission;
pub mod plan;
pub mod profile;
pub mod reference;
pub mod register;
pub mod release;
pub mod resolve;
pub mod sealed;
pub mod signature;
pub mod size;
pub mod statement;
pub mod store;
pub mod time;
pub mod tree;
pub mod variant;

pub use announcement::Announcement;
pub use digest::{Digest, Sha256Digest};
pub use draft::{Draft, SourceEntry, VariantDraft};
pub use facet::Facet;
pub use head::{Head, SealedHead};
pub use identity::{Identity, Inception, KeyState, PublisherId};
pub use install::{BlobFiles, BlobHandle, InstalledAt, Installer, Place};
pub use item::ItemId;
pub use manifest::{Finding, Manifest};
pub use name::{ChannelName, NodeName, PackageName, Petname, Region, VariantId};
pub use path::TreePath;
pub use permission::{NodeId, Permission, Reader, Scope, may_read};
pub use profile::Profile;
pub use reference::Reference;
pub use register::{Register, SealedRegister};
pub use release::{Dependency, PackageId, PackageKind, Release, ReleaseId};
pub use resolve::{Preference, Resolution, resolve};
pub use signature::{PublicKey, SecretKey, Signature};
pub use size::ByteSize;
pub use statement::{SealedStatement, Statement, StatementId, StatementKind};
pub use store::{Store, StoreError};
pub use time::Timestamp;
pub use tree::{Tree, TreeEntry};
pub use variant::{Constraint, FactKey, Resources, Variant};
