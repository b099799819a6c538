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

use super::gauge::Gauge;
use super::provider::Sink;
use crate::blobs::{Blobs, BlobsError, hash};

/// What all requests together may hold back: a kill loses it, and it has to be fetched again.
const UNWRITTEN_BYTES_MAX: usize = 1 << 20;
/// No block is smaller, however many requests there are: the unit that a proof is about.
const BLOCK_BYTES_MIN: usize = 16 << 10;
/// A pair of hashes in a proof.
pub(super) const PARENT_BYTES: u64 = 64;
/// Items between us and the store; a block and its proofs fit.
const ITEMS_AHEAD: usize = 64;

/// How much a request may gather before it writes, when there are so many at once.
pub(super) fn block_bytes(requests: usize) -> usize {
    (UNWRITTEN_BYTES_MAX / requests.max(1)).max(BLOCK_BYTES_MIN)
}

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
/// takes long and would happen whenever all requests are between two blocks.
pub(crate) struct Open {
    digest: Digest,
    size: NonZeroU64,
    /// Nobody locks it: a mutex is what lets several requests share it.
    _idle: Mutex<ImportBaoHandle>,
}

impl Open {
    pub(crate) async fn new(
        blobs: &Blobs,
        digest: Digest,
        size: NonZeroU64,
    ) -> Result<Self, BlobsError> {
        Ok(Self { digest, size, _idle: Mutex::new(import(blobs, digest, size).await?) })
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
    file: &'a Open,
    blobs: &'a Blobs,
    begun: &'a Begun,
    full: usize,
    gauge: &'a Gauge,
    proofs: Vec<BaoContentItem>,
    at: u64,
    bytes: BytesMut,
}

impl<'a> Block<'a> {
    pub(crate) fn new(file: &'a Open, sink: &Sink<'a>, gauge: &'a Gauge) -> Self {
        Self {
            file,
            blobs: sink.blobs,
            begun: sink.begun,
            full: sink.block_bytes,
            gauge,
            proofs: Vec::new(),
            at: 0,
            bytes: BytesMut::new(),
        }
    }

    /// The file that it is a part of.
    pub(crate) fn file(&self) -> &Open {
        self.file
    }

    /// Takes one verified item.
    pub(crate) async fn push(&mut self, item: BaoContentItem) -> Result<(), BlobsError> {
        let leaf = match item {
            BaoContentItem::Parent(_) => {
                self.gauge.proved(PARENT_BYTES);
                self.proofs.push(item);
                return Ok(());
            }
            BaoContentItem::Leaf(leaf) => leaf,
        };
        self.gauge.received(leaf.data.len());
        if self.at + self.bytes.len() as u64 != leaf.offset {
            self.write().await?;
        }
        if self.bytes.is_empty() {
            self.at = leaf.offset;
        }
        self.bytes.extend_from_slice(&leaf.data);
        if self.bytes.len() >= self.full {
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
        let items = std::mem::take(&mut self.proofs).into_iter().chain([leaf]);
        self.gauge.writing(self.put(items)).await?;
        self.gauge.stored(content);
        Ok(())
    }

    async fn put(&self, items: impl Iterator<Item = BaoContentItem>) -> Result<(), BlobsError> {
        let Open { digest, size, .. } = *self.file;
        let store = import(self.blobs, digest, size).await?;
        let mut sent = Ok(());
        for item in items {
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
        self.begun.ensure(digest, self.blobs).await
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
    use super::super::tally::Tally;
    use super::*;
    use iroh_blobs::api::blobs::EncodedItem;
    use iroh_blobs::protocol::ChunkRanges;
    use n0_future::StreamExt as _;

    /// What is counted as stored is in the store, and what is not stays below the ceiling.
    #[tokio::test]
    async fn little_is_held_back_however_many_requests_there_are() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (from, _) = Blobs::open(dirs[0].path()).await.unwrap();
        let (to, _) = Blobs::open(dirs[1].path()).await.unwrap();
        let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
        let (digest, size) = (Digest::of(&content), content.len() as u64);
        let writer = from.writer().await;
        writer.import_many(vec![content.into()]).await.unwrap();

        let nobody = catalog::permission::NodeId::from_bytes([1; 32]);
        let gauge = Gauge::new(Tally::new(Arc::new(|_| ())), nobody);
        let open = Open::new(&to, digest, NonZeroU64::new(size).unwrap()).await.unwrap();
        let (writer, begun) = (to.writer().await, Begun::default());
        let requests = 8;
        let sink = Sink {
            blobs: &to,
            writer: &writer,
            begun: &begun,
            open: Some(&open),
            block_bytes: block_bytes(requests),
        };
        let mut block = Block::new(&open, &sink, &gauge);
        let exported = from.api().blobs().export_bao(hash(&digest), ChunkRanges::all());
        let mut items = std::pin::pin!(exported.stream());
        while let Some(item) = items.next().await {
            let item = match item {
                EncodedItem::Leaf(leaf) => BaoContentItem::Leaf(leaf),
                EncodedItem::Parent(parent) => BaoContentItem::Parent(parent),
                _ => continue,
            };
            block.push(item).await.unwrap();
            let mark = gauge.mark();
            assert!(mark.received - mark.stored <= (UNWRITTEN_BYTES_MAX / requests) as u64);
            let missing = to.missing(&digest, size).await.unwrap();
            assert_eq!(
                missing.iter().map(|range| range.end - range.start).sum::<u64>(),
                size - mark.stored
            );
        }
        block.write().await.unwrap();
        assert_eq!(gauge.mark().stored, size);
        assert!(to.is_sound(&digest, size).await);
        assert_eq!(block_bytes(1000), BLOCK_BYTES_MIN);
    }
}
