//! Carries out one request at one provider and writes what arrives, verified, to the blob store.
//!
//! Guarantees: a byte reaches the store only after the hash tree proved it; a size other than the
//! signed tree's ends the request before any content is taken.

use std::io;
use std::num::NonZeroU64;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bao_tree::io::BaoContentItem;
use bytes::Bytes;
use catalog::digest::Digest;
use catalog::permission::NodeId;
use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::get::fsm::{
    self, AtBlobContent, AtBlobHeader, AtBlobHeaderNextError, AtEndBlob, BlobContentNext,
    ConnectedNext, DecodeError, EndBlobNext,
};
use iroh_blobs::protocol::{ChunkRanges, ChunkRangesExt, GetRequest};

use super::block::{Begun, Block, Open, PARENT_BYTES};
use super::board::{Job, SmallFile};
use crate::blobs::{Blobs, BlobsError, Writer, hash};

/// Small files are written in blocks of this size: few writes, and little to lose in a crash.
const BLOCK_BYTES: usize = 256 << 10;
/// The most small files written at once.
const BLOCK_FILES: usize = 64;
/// The size that precedes each blob.
const HEADER_BYTES: u64 = 8;

/// Why a provider did not bring what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProviderError {
    /// Nothing came for too long.
    #[error("it stalled")]
    Stalled,
    /// It does not have it, or does not give it to us; it does not say which.
    #[error("it does not offer this")]
    Refused,
    /// The bytes do not match their hash, or a size is not what the publisher signed.
    #[error("it sent wrong bytes")]
    Wrong,
    /// The connection broke.
    #[error("the connection was lost")]
    Lost {
        /// What the transport said.
        source: io::Error,
    },
    /// Our own store failed; no other provider would help.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
}

/// Silence for this long, while somebody else could go on, counts as a stall.
const STALL: Duration = Duration::from_secs(1);
/// The same when there is nobody else.
const STALL_ALONE: Duration = Duration::from_secs(10);

/// Somebody who may hold a variant.
#[derive(Clone)]
pub(crate) struct Provider {
    pub node: NodeId,
    pub connection: Connection,
    /// How many providers are at work on the same transfer.
    pub company: Arc<AtomicUsize>,
}

/// Where a lane puts what arrives.
pub(crate) struct Sink<'a> {
    pub blobs: &'a Blobs,
    pub writer: &'a Writer,
    pub begun: &'a Begun,
    /// The large file that the lane is at.
    pub open: &'a mut Option<Open>,
}

/// Told what arrives.
pub(crate) trait Meter: Send + Sync {
    /// So many bytes of content were verified and written.
    fn stored(&self, content: u64);
    /// So many bytes came over the wire: content and proofs.
    fn moved(&self, bytes: u64);
}

impl Provider {
    /// Fetches the hash sequence and the tree of a variant: `(sequence, tree)`.
    ///
    /// `sequence_bytes` is what the signed file count makes it; `tree_bytes_max` bounds the tree.
    pub(crate) async fn head(
        &self,
        root: Digest,
        tree: Digest,
        sequence_bytes: u64,
        tree_bytes_max: u64,
        meter: &dyn Meter,
    ) -> Result<(Bytes, Bytes), ProviderError> {
        let request = GetRequest::builder()
            .root(ChunkRanges::all())
            .child(0, ChunkRanges::all())
            .build(hash(&root));
        let ConnectedNext::StartRoot(start) = self.ask(request).await? else {
            return Err(ProviderError::Wrong);
        };
        let exactly = sequence_bytes..=sequence_bytes;
        let (end, sequence) = self.whole(start.next(), exactly, meter).await?;
        let EndBlobNext::MoreChildren(child) = end.next() else {
            return Err(ProviderError::Wrong);
        };
        let (_, tree) = self.whole(child.next(hash(&tree)), 1..=tree_bytes_max, meter).await?;
        Ok((sequence.into(), tree.into()))
    }

    /// Does one job. What arrived before an error stays in the store, as far as it was verified.
    pub(crate) async fn carry_out(
        &self,
        root: Digest,
        job: &Job,
        sink: Sink<'_>,
        meter: &dyn Meter,
    ) -> Result<(), ProviderError> {
        match job {
            // It has come meanwhile.
            Job::Piece { ranges, .. } if ranges.is_empty() => Ok(()),
            Job::Run(files) => self.run(root, files, sink.writer, meter).await,
            Job::Piece { child, digest, size, ranges } => {
                sink.writer.wrote(*digest, *size);
                if sink.open.as_ref().is_none_or(|open| open.digest() != *digest) {
                    let size = NonZeroU64::new(*size).ok_or(ProviderError::Wrong)?;
                    // The file before is closed first: only so many may be open.
                    *sink.open = None;
                    *sink.open = Some(Open::new(sink.blobs, *digest, size).await?);
                }
                let Some(file) = sink.open else { return Err(ProviderError::Wrong) };
                let block = Block::new(file, sink.blobs, sink.begun, meter);
                self.piece(root, *child, ranges, block, meter).await
            }
        }
    }

    async fn run(
        &self,
        root: Digest,
        files: &[SmallFile],
        writer: &Writer,
        meter: &dyn Meter,
    ) -> Result<(), ProviderError> {
        let request = files.iter().fold(GetRequest::builder(), |request, file| {
            request.child(file.child, ChunkRanges::all())
        });
        let ConnectedNext::StartChild(first) = self.ask(request.build(hash(&root))).await? else {
            return Err(ProviderError::Wrong);
        };
        let mut next = EndBlobNext::MoreChildren(first);
        let mut block = Vec::new();
        let mut block_bytes = 0;
        for file in files {
            let EndBlobNext::MoreChildren(child) = next else { return Err(ProviderError::Wrong) };
            let header = child.next(hash(&file.digest));
            let (end, bytes) = self.whole(header, file.size..=file.size, meter).await?;
            block_bytes += bytes.len();
            block.push(Bytes::from(bytes));
            if block_bytes >= BLOCK_BYTES || block.len() >= BLOCK_FILES {
                writer.import_many(std::mem::take(&mut block)).await?;
                meter.stored(std::mem::take(&mut block_bytes) as u64);
            }
            next = end.next();
        }
        writer.import_many(block).await?;
        meter.stored(block_bytes as u64);
        Ok(())
    }

    async fn piece(
        &self,
        root: Digest,
        child: u64,
        ranges: &[Range<u64>],
        mut block: Block<'_>,
        meter: &dyn Meter,
    ) -> Result<(), ProviderError> {
        let wanted = ranges
            .iter()
            .fold(ChunkRanges::empty(), |all, range| all | ChunkRanges::bytes(range.clone()));
        let request = GetRequest::builder().child(child, wanted).build(hash(&root));
        let ConnectedNext::StartChild(start) = self.ask(request).await? else {
            return Err(ProviderError::Wrong);
        };
        let opened = self.within(start.next(hash(&block.file().digest())).next()).await?;
        let (content, size) = opened.map_err(header)?;
        meter.moved(HEADER_BYTES);
        if size != block.file().size() {
            return Err(ProviderError::Wrong);
        }
        let received = self.receive(content, &mut block).await;
        block.write().await?;
        received
    }

    async fn receive(
        &self,
        mut content: AtBlobContent,
        block: &mut Block<'_>,
    ) -> Result<(), ProviderError> {
        while let BlobContentNext::More((rest, item)) = self.within(content.next()).await? {
            content = rest;
            block.push(item.map_err(decode)?, self.company.load(Ordering::Relaxed)).await?;
        }
        Ok(())
    }

    /// Opens a stream and sends the request.
    async fn ask(&self, request: GetRequest) -> Result<ConnectedNext, ProviderError> {
        let start = fsm::start(self.connection.clone(), request, Default::default());
        let opened = self.within(start.next()).await?.map_err(lost)?;
        self.within(opened.next()).await?.map_err(lost)
    }

    /// Receives a whole blob whose size lies in `sizes` into memory.
    async fn whole(
        &self,
        blob: AtBlobHeader,
        sizes: RangeInclusive<u64>,
        meter: &dyn Meter,
    ) -> Result<(AtEndBlob, Vec<u8>), ProviderError> {
        let (mut content, size) = self.within(blob.next()).await?.map_err(header)?;
        meter.moved(HEADER_BYTES);
        if !sizes.contains(&size) {
            return Err(ProviderError::Wrong);
        }
        // Bounded by what the publisher signed and by the limits of trees.
        let mut bytes = Vec::with_capacity(size as usize);
        loop {
            match self.within(content.next()).await? {
                BlobContentNext::More((rest, item)) => {
                    content = rest;
                    match item.map_err(decode)? {
                        BaoContentItem::Leaf(leaf) => {
                            meter.moved(leaf.data.len() as u64);
                            bytes.extend_from_slice(&leaf.data);
                        }
                        BaoContentItem::Parent(_) => meter.moved(PARENT_BYTES),
                    }
                }
                BlobContentNext::Done(end) if bytes.len() as u64 == size => {
                    return Ok((end, bytes));
                }
                BlobContentNext::Done(_) => return Err(ProviderError::Wrong),
            }
        }
    }

    async fn within<T>(&self, step: impl Future<Output = T>) -> Result<T, ProviderError> {
        let alone = self.company.load(Ordering::Relaxed) <= 1;
        let patience = if alone { STALL_ALONE } else { STALL };
        tokio::time::timeout(patience, step).await.map_err(|_| ProviderError::Stalled)
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
    ProviderError::Lost { source: io::Error::other(error) }
}

fn header(error: AtBlobHeaderNextError) -> ProviderError {
    match error {
        AtBlobHeaderNextError::NotFound { .. } => ProviderError::Refused,
        AtBlobHeaderNextError::Read { source, .. } => read(source),
    }
}

fn decode(error: DecodeError) -> ProviderError {
    match error {
        DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => {
            ProviderError::Wrong
        }
        DecodeError::Read { source, .. } => read(source),
        DecodeError::Write { source, .. } => BlobsError::failed("write", source).into(),
        // The stream ended although more was asked for: part of it is not there.
        _ => ProviderError::Refused,
    }
}

/// A stream that was reset is an answer; a connection that broke is not.
fn read(source: io::Error) -> ProviderError {
    let cause = source.get_ref().and_then(|error| error.downcast_ref::<ReadError>());
    match cause {
        Some(ReadError::Reset(_)) => ProviderError::Refused,
        _ => ProviderError::Lost { source },
    }
}
