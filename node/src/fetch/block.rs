//! Gathers the verified bytes of a large file on their way into the blob store.
//!
//! The store does fixed work for each write, so neighbouring chunks become one block, which goes in
//! behind the proofs that it needs. The store answers for a block only when its import ends, so
//! each block is an import of its own.
//!
//! Guarantees: what was reported as stored survives the death of this process, and no more than
//! [`UNWRITTEN_BYTES_MAX`] of a transfer are verified but not written.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use bao_tree::io::{BaoContentItem, Leaf};
use bytes::BytesMut;
use catalog::digest::Digest;
use iroh_blobs::api::blobs::ImportBaoHandle;
use tokio::sync::OnceCell;

use super::provider::Meter;
use super::transfer::LANES;
use crate::blobs::{Blobs, BlobsError, hash};

/// What all lanes together may hold back: a kill loses it, and it has to be fetched again.
const UNWRITTEN_BYTES_MAX: usize = 1 << 20;
/// No block is smaller, however many lanes there are: the unit that a proof is about.
const BLOCK_BYTES_MIN: usize = 16 << 10;
/// A pair of hashes in a proof.
pub(super) const PARENT_BYTES: u64 = 64;
/// Items between us and the store; a block and its proofs fit.
const ITEMS_AHEAD: usize = 64;

/// Large files that the store's database knows of. What it does not know of, a killed process
/// has lost, however much of it was written.
#[derive(Default)]
pub(crate) struct Begun(Mutex<HashMap<Digest, Arc<OnceCell<()>>>>);

impl Begun {
    /// Called after something of `digest` was written: the first time, the database is committed,
    /// and whoever else has written something of it waits for that.
    async fn ensure(&self, digest: Digest, blobs: &Blobs) -> Result<(), BlobsError> {
        self.cell(digest).get_or_try_init(|| blobs.commit()).await.copied()
    }

    fn cell(&self, digest: Digest) -> Arc<OnceCell<()>> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.entry(digest).or_default().clone()
    }
}

/// A large file that stays open: the store puts a file that nobody works on to disk at once, which
/// takes long and would happen whenever all lanes are between two blocks.
pub(crate) struct Open {
    digest: Digest,
    size: NonZeroU64,
    _idle: ImportBaoHandle,
}

impl Open {
    pub(crate) async fn new(
        blobs: &Blobs,
        digest: Digest,
        size: NonZeroU64,
    ) -> Result<Self, BlobsError> {
        Ok(Self { digest, size, _idle: import(blobs, digest, size).await? })
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.get()
    }
}

/// The block being gathered.
pub(crate) struct Block<'a> {
    file: &'a mut Open,
    blobs: &'a Blobs,
    begun: &'a Begun,
    meter: &'a dyn Meter,
    proofs: Vec<BaoContentItem>,
    at: u64,
    bytes: BytesMut,
}

impl<'a> Block<'a> {
    pub(crate) fn new(
        file: &'a mut Open,
        blobs: &'a Blobs,
        begun: &'a Begun,
        meter: &'a dyn Meter,
    ) -> Self {
        let (proofs, bytes) = (Vec::new(), BytesMut::new());
        Self { file, blobs, begun, meter, proofs, at: 0, bytes }
    }

    /// The file that it is a part of.
    pub(crate) fn file(&self) -> &Open {
        self.file
    }

    /// Takes one verified item.
    ///
    /// - `providers`: how many are at work on this transfer, each with [`LANES`].
    pub(crate) async fn push(
        &mut self,
        item: BaoContentItem,
        providers: usize,
    ) -> Result<(), BlobsError> {
        let leaf = match item {
            BaoContentItem::Parent(_) => {
                self.meter.moved(PARENT_BYTES);
                self.proofs.push(item);
                return Ok(());
            }
            BaoContentItem::Leaf(leaf) => leaf,
        };
        self.meter.moved(leaf.data.len() as u64);
        if self.at + self.bytes.len() as u64 != leaf.offset {
            self.write().await?;
        }
        if self.bytes.is_empty() {
            self.at = leaf.offset;
        }
        self.bytes.extend_from_slice(&leaf.data);
        let full = UNWRITTEN_BYTES_MAX / (LANES * providers.max(1));
        if self.bytes.len() >= full.max(BLOCK_BYTES_MIN) {
            self.write().await?;
        }
        Ok(())
    }

    /// Hands what was gathered to the store and waits until it is written.
    pub(crate) async fn write(&mut self) -> Result<(), BlobsError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let capacity = self.bytes.len();
        let data = std::mem::replace(&mut self.bytes, BytesMut::with_capacity(capacity)).freeze();
        let content = data.len() as u64;
        let leaf = BaoContentItem::Leaf(Leaf { offset: self.at, data });
        let Open { digest, size, .. } = *self.file;
        let store = import(self.blobs, digest, size).await?;
        let mut sent = Ok(());
        for item in self.proofs.drain(..).chain([leaf]) {
            sent = store.tx.send(item).await;
            if sent.is_err() {
                // The store stopped taking items; its answer says why.
                break;
            }
        }
        drop(store.tx);
        match store.rx.await {
            Ok(Ok(())) => sent.map_err(write_failed)?,
            Ok(Err(iroh_blobs::api::Error::Io(source))) => {
                return Err(BlobsError::failed("write", source));
            }
            Err(error) => return Err(write_failed(error)),
        }
        self.begun.ensure(digest, self.blobs).await?;
        self.meter.stored(content);
        Ok(())
    }
}

async fn import(
    blobs: &Blobs,
    digest: Digest,
    size: NonZeroU64,
) -> Result<ImportBaoHandle, BlobsError> {
    let opened = blobs.api().blobs().import_bao(hash(&digest), size, ITEMS_AHEAD).await;
    opened.map_err(write_failed)
}

fn write_failed(error: impl std::error::Error + Send + Sync + 'static) -> BlobsError {
    BlobsError::failed("write", io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroh_blobs::api::blobs::EncodedItem;
    use iroh_blobs::protocol::ChunkRanges;
    use n0_future::StreamExt as _;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Default)]
    struct Counts {
        stored: AtomicU64,
        received: AtomicU64,
    }

    impl Meter for Counts {
        fn stored(&self, content: u64) {
            self.stored.fetch_add(content, Ordering::Relaxed);
        }

        fn moved(&self, bytes: u64) {
            // A proof is no content.
            let content = if bytes == PARENT_BYTES { 0 } else { bytes };
            self.received.fetch_add(content, Ordering::Relaxed);
        }
    }

    /// What is counted as stored is in the store, and what is not stays below the ceiling.
    #[tokio::test]
    async fn little_is_held_back_however_many_providers_there_are() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (from, _) = Blobs::open(dirs[0].path()).await.unwrap();
        let (to, _) = Blobs::open(dirs[1].path()).await.unwrap();
        let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
        let (digest, size) = (Digest::of(&content), content.len() as u64);
        let writer = from.writer().await;
        writer.import_many(vec![content.into()]).await.unwrap();

        let (begun, counts) = (Begun::default(), Counts::default());
        let mut open = Open::new(&to, digest, NonZeroU64::new(size).unwrap()).await.unwrap();
        let mut block = Block::new(&mut open, &to, &begun, &counts);
        let exported = from.api().blobs().export_bao(hash(&digest), ChunkRanges::all());
        let mut items = std::pin::pin!(exported.stream());
        while let Some(item) = items.next().await {
            let item = match item {
                EncodedItem::Leaf(leaf) => BaoContentItem::Leaf(leaf),
                EncodedItem::Parent(parent) => BaoContentItem::Parent(parent),
                _ => continue,
            };
            let providers = if counts.stored.load(Ordering::Relaxed) < size / 2 { 1 } else { 8 };
            block.push(item, providers).await.unwrap();
            let stored = counts.stored.load(Ordering::Relaxed);
            let held = counts.received.load(Ordering::Relaxed) - stored;
            assert!(held <= (UNWRITTEN_BYTES_MAX / (LANES * providers)) as u64);
            let missing = to.missing(&digest, size).await.unwrap();
            assert_eq!(
                missing.iter().map(|range| range.end - range.start).sum::<u64>(),
                size - stored
            );
        }
        block.write().await.unwrap();
        assert_eq!(counts.stored.load(Ordering::Relaxed), size);
        assert!(to.is_sound(&digest, size).await);
    }
}
