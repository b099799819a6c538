//! Describes a release that is not published yet: what an author wrote, and where its files lie.
//!
//! A manifest or an import makes a [`Draft`]; publishing hashes the files it names and turns it
//! into a signed [`Release`](crate::release::Release).
//!
//! Not here: reading manifests ([`manifest`](crate::manifest)), reading the files (`node`), and
//! the limits, which the release checks when it is encoded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::name::{PackageName, VariantId};
use crate::path::{EntryKind, TreePath};
use crate::permission::Permission;
use crate::release::{Dependency, MirrorHints, PackageKind, Provenance};
use crate::variant::{Constraint, FactKey, Resources};

/// A release before its files are hashed and its publisher signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The package's name under its publisher.
    pub name: PackageName,
    /// The version that this will be, for good.
    pub version: semver::Version,
    /// What sort of package it is.
    pub kind: PackageKind,
    /// One line for lists and search.
    pub summary: String,
    /// An SPDX expression.
    pub license: String,
    /// Words to be found by.
    pub keywords: Vec<String>,
    /// Topics it belongs to.
    pub tags: Vec<String>,
    /// The interfaces it offers, such as `iface:graph-query@1`.
    pub provides: Vec<String>,
    /// The packages it needs.
    pub dependencies: Vec<Dependency>,
    /// What it asks to be allowed when it runs.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// Who may read it.
    pub permission: Permission,
    /// Hints for mirrors.
    pub mirror: MirrorHints,
    /// The README text.
    pub description: Option<String>,
    /// What it was imported from.
    pub provenance: Option<Provenance>,
    /// The author's own `x-…` keys, as text.
    pub extensions: BTreeMap<String, String>,
    /// One build for each kind of hardware.
    pub variants: Vec<VariantDraft>,
}

/// A variant whose files are not hashed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantDraft {
    /// Its name inside the release.
    pub id: VariantId,
    /// What a machine must have.
    pub requires: BTreeMap<FactKey, Constraint>,
    /// What makes it better on a machine that has it.
    pub prefers: BTreeMap<FactKey, Constraint>,
    /// What it needs of memory, disk, video memory and cores.
    pub resources: Resources,
    /// Whether it stands in only where nothing native fits.
    pub fallback: bool,
    /// The author's rank, 0 to 100.
    pub quality: u8,
    /// Its files, in any order.
    pub entries: Vec<SourceEntry>,
}

/// One entry of a variant, and where its bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEntry {
    /// A regular file.
    File {
        /// Where it goes.
        path: TreePath,
        /// Where it is now.
        source: PathBuf,
        /// Whether it may be run.
        executable: bool,
    },
    /// A folder; needed only for empty ones.
    Dir {
        /// Where it goes.
        path: TreePath,
    },
    /// A relative link that stays in the tree.
    Symlink {
        /// Where it goes.
        path: TreePath,
        /// What it points to, relative to the folder it is in.
        target: String,
    },
}

impl SourceEntry {
    /// Where it goes.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::File { path, .. } | Self::Dir { path } | Self::Symlink { path, .. } => path,
        }
    }

    /// What it will be there.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::File { .. } => EntryKind::File,
            Self::Dir { .. } => EntryKind::Dir,
            Self::Symlink { .. } => EntryKind::Symlink,
        }
    }
}
