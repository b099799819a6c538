//! Why a variant could not be written to disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::Digest;

/// Why a variant could not be installed. Nothing of it is left, and nothing before it is touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The blob store hands out other bytes than the publisher signed.
    #[error("{path} does not have the bytes that were signed")]
    WrongBytes {
        /// The file, as the tree names it.
        path: String,
        /// The hash that was signed.
        expected: Digest,
    },
    /// The blob store cannot hand out a file.
    #[error("cannot read the stored bytes of {path}")]
    Source {
        /// The file, as the tree names it.
        path: String,
        /// Its hash.
        digest: Digest,
        /// What the blob store said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("the disk is full: {needed} bytes are needed, {free} are free")]
    DiskFull {
        /// What the install writes at most.
        needed: u64,
        /// What was free when it failed.
        free: u64,
    },
    /// The system refuses to write.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl InstallError {
    /// Makes the error of doing `action` to `path`, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether the system said that there is no room left.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_full(source),
            Self::DiskFull { .. } => true,
            _ => false,
        }
    }
}

/// Whether `error` says that the disk or the quota is full.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
