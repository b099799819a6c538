//! Hands a variant's files to the installer, which works on threads of its own.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use catalog::digest::Digest;
use catalog::install::{BlobFiles, BlobHandle};
use catalog::tree::Tree;
use tokio::runtime::Handle;

use super::{Blobs, BlobsError, INLINE_BYTES_MAX};

/// The files of one variant, all of them here.
pub(crate) struct VariantFiles {
    blobs: Blobs,
    sizes: HashMap<Digest, u64>,
    runtime: Handle,
}

impl VariantFiles {
    pub(crate) fn new(blobs: Blobs, tree: &Tree) -> Self {
        let sizes = tree.files().map(|file| (file.blake3, file.size)).collect();
        Self { blobs, sizes, runtime: Handle::current() }
    }
}

impl BlobFiles for VariantFiles {
    fn open(&self, digest: &Digest) -> io::Result<BlobHandle> {
        match self.sizes.get(digest) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(0) => Ok(BlobHandle::Bytes(Bytes::new())),
            // A store that an earlier version wrote has larger ones in its database, too.
            Some(&size) if size <= INLINE_BYTES_MAX || !self.blobs.path(digest).exists() => {
                let read = self.runtime.block_on(self.blobs.bytes(digest, size));
                read.map(BlobHandle::Bytes).map_err(|error| match error {
                    BlobsError::Missing { .. } => io::ErrorKind::NotFound.into(),
                    other => io::Error::other(other),
                })
            }
            Some(&size) => Ok(BlobHandle::File { path: self.blobs.path(digest), size }),
        }
    }
}
