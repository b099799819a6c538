//! Carries out one request at one provider and writes what arrives, verified, to the blob store.
//!
//! Guarantees: a byte reaches the store only after the hash tree proved it; a size other than the
//! signed tree's ends the request before any content is taken. Whether to wait is not decided
//! here: a request goes on until it is cancelled.

use std::io;
use std::ops::{Range, RangeInclusive};

use bao_tree::io::BaoContentItem;
use bytes::Bytes;
use catalog::digest::Digest;
use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::get::fsm::{
    self, AtBlobContent, AtBlobHeader, AtBlobHeaderNextError, AtEndBlob, BlobContentNext,
    ConnectedNext, DecodeError, EndBlobNext,
};
use iroh_blobs::protocol::{ChunkRanges, ChunkRangesExt, GetRequest};
use tokio_util::sync::CancellationToken;

use super::block::{Begun, Block, Open, PARENT_BYTES};
use super::gauge::Gauge;
use super::job::{Job, SmallFile};
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
    /// Nobody wants it any more.
    #[error("it was cancelled")]
    Cancelled,
    /// It does not have it, or does not give it to us; it does not say which.
    #[error("it does not offer this")]
    Refused,
    /// The bytes do not match their hash.
    #[error("it sent wrong bytes")]
    Wrong,
    /// What it offers under this name has another size than the publisher signed. Either may be
    /// at fault.
    #[error("it offers something of another size")]
    Unlike,
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

/// Somebody who may hold a variant.
#[derive(Clone)]
pub(crate) struct Provider(pub Connection);

/// Where a request puts what arrives.
pub(crate) struct Sink<'a> {
    pub blobs: &'a Blobs,
    pub writer: &'a Writer,
    pub begun: &'a Begun,
    /// The large file that the request is about.
    pub open: Option<&'a Open>,
    /// The most bytes that are gathered before they are written.
    pub block_bytes: usize,
}

/// A request that is under way, and how to end it.
pub(crate) struct Work {
    pub gauge: Gauge,
    pub cancelled: CancellationToken,
}

impl Work {
    async fn unless_cancelled<T>(&self, step: impl Future<Output = T>) -> Result<T, ProviderError> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(ProviderError::Cancelled),
            done = step => Ok(done),
        }
    }
}

impl Provider {
    /// Fetches the hash sequence and the tree of a variant: `(sequence, tree)`.
    ///
    /// `sequence_bytes` is what the signed file count makes it; `tree_bytes_max` bounds the tree,
    /// which is empty when the sequence does not begin with it.
    pub(crate) async fn head(
        &self,
        root: Digest,
        tree: Digest,
        sequence_bytes: u64,
        tree_bytes_max: u64,
        work: &Work,
    ) -> Result<(Bytes, Bytes), ProviderError> {
        let request = GetRequest::builder()
            .root(ChunkRanges::all())
            .child(0, ChunkRanges::all())
            .build(hash(&root));
        let ConnectedNext::StartRoot(start) = self.ask(request, work).await? else {
            return Err(ProviderError::Unlike);
        };
        let exactly = sequence_bytes..=sequence_bytes;
        let (end, sequence) = self.whole(start.next(), exactly, work).await?;
        if sequence.get(..32) != Some(tree.as_bytes().as_slice()) {
            // The publisher contradicts itself. Whoever serves it is not to blame.
            return Ok((sequence.into(), Bytes::new()));
        }
        let EndBlobNext::MoreChildren(child) = end.next() else {
            return Err(ProviderError::Unlike);
        };
        let (_, tree) = self.whole(child.next(hash(&tree)), 1..=tree_bytes_max, work).await?;
        Ok((sequence.into(), tree.into()))
    }

    /// Does one job. What arrived before an error, or before it was cancelled, stays in the store,
    /// as far as it was verified.
    pub(crate) async fn carry_out(
        &self,
        root: Digest,
        job: &Job,
        sink: Sink<'_>,
        work: &Work,
    ) -> Result<(), ProviderError> {
        let _in_use = work.gauge.uses(&self.0);
        match (job, sink.open) {
            (Job::Run(files), _) => self.run(root, files, sink.writer, work).await,
            (Job::Piece { child, digest, size, ranges }, Some(open)) => {
                sink.writer.wrote(*digest, *size);
                self.piece(root, *child, ranges, Block::new(open, &sink, &work.gauge), work).await
            }
            (Job::Piece { .. }, None) => Err(ProviderError::Unlike),
        }
    }

    async fn run(
        &self,
        root: Digest,
        files: &[SmallFile],
        writer: &Writer,
        work: &Work,
    ) -> Result<(), ProviderError> {
        let mut block = Vec::new();
        let came = self.files_of_run(root, files, &mut block, writer, work).await;
        write(block, writer, work).await?;
        came
    }

    async fn files_of_run(
        &self,
        root: Digest,
        files: &[SmallFile],
        block: &mut Vec<Bytes>,
        writer: &Writer,
        work: &Work,
    ) -> Result<(), ProviderError> {
        let request = files.iter().fold(GetRequest::builder(), |request, file| {
            request.child(file.child, ChunkRanges::all())
        });
        let asked = self.ask(request.build(hash(&root)), work).await?;
        let ConnectedNext::StartChild(first) = asked else { return Err(ProviderError::Unlike) };
        let mut next = EndBlobNext::MoreChildren(first);
        let mut block_bytes = 0;
        for file in files {
            let EndBlobNext::MoreChildren(child) = next else { return Err(ProviderError::Unlike) };
            let header = child.next(hash(&file.digest));
            let (end, bytes) = self.whole(header, file.size..=file.size, work).await?;
            block_bytes += bytes.len();
            block.push(Bytes::from(bytes));
            if block_bytes >= BLOCK_BYTES || block.len() >= BLOCK_FILES {
                write(std::mem::take(block), writer, work).await?;
                block_bytes = 0;
            }
            next = end.next();
        }
        Ok(())
    }

    async fn piece(
        &self,
        root: Digest,
        child: u64,
        ranges: &[Range<u64>],
        mut block: Block<'_>,
        work: &Work,
    ) -> Result<(), ProviderError> {
        let wanted = ranges
            .iter()
            .fold(ChunkRanges::empty(), |all, range| all | ChunkRanges::bytes(range.clone()));
        let request = GetRequest::builder().child(child, wanted).build(hash(&root));
        let ConnectedNext::StartChild(start) = self.ask(request, work).await? else {
            return Err(ProviderError::Unlike);
        };
        let opened = work.unless_cancelled(start.next(hash(&block.file().digest())).next()).await?;
        let (content, size) = opened.map_err(header)?;
        work.gauge.proved(HEADER_BYTES);
        if size != block.file().size() {
            return Err(ProviderError::Unlike);
        }
        let received = self.receive(content, &mut block, work).await;
        block.write().await?;
        received
    }

    /// Asks for a range of one file and throws it away: how many bytes of it came and were proven.
    ///
    /// - `file`: its place in the variant, its hash and its size.
    pub(crate) async fn probe(
        &self,
        root: Digest,
        file: &SmallFile,
        range: Range<u64>,
        work: &Work,
    ) -> Result<u64, ProviderError> {
        let wanted = ChunkRanges::bytes(range.clone());
        let request = GetRequest::builder().child(file.child, wanted).build(hash(&root));
        let ConnectedNext::StartChild(start) = self.ask(request, work).await? else {
            return Err(ProviderError::Unlike);
        };
        let opened = work.unless_cancelled(start.next(hash(&file.digest)).next()).await?;
        let (mut content, size) = opened.map_err(header)?;
        work.gauge.proved(HEADER_BYTES);
        if size != file.size {
            return Err(ProviderError::Unlike);
        }
        let mut came = 0;
        while let BlobContentNext::More((rest, item)) =
            work.unless_cancelled(content.next()).await?
        {
            content = rest;
            match item.map_err(decode)? {
                BaoContentItem::Leaf(leaf) => {
                    work.gauge.received(leaf.data.len());
                    let ends = leaf.offset + leaf.data.len() as u64;
                    came += ends.min(range.end).saturating_sub(leaf.offset.max(range.start));
                }
                BaoContentItem::Parent(_) => work.gauge.proved(PARENT_BYTES),
            }
        }
        Ok(came)
    }

    async fn receive(
        &self,
        mut content: AtBlobContent,
        block: &mut Block<'_>,
        work: &Work,
    ) -> Result<(), ProviderError> {
        while let BlobContentNext::More((rest, item)) =
            work.unless_cancelled(content.next()).await?
        {
            content = rest;
            let item = item.map_err(decode)?;
            if let BaoContentItem::Leaf(leaf) = &item {
                Self::pass(leaf.data.len(), work).await?;
            }
            block.push(item).await?;
        }
        Ok(())
    }

    /// Waits until so many bytes may come. What is not read is not sent for long: the transport
    /// lets a sender run ahead by its window only.
    async fn pass(bytes: usize, work: &Work) -> Result<(), ProviderError> {
        work.unless_cancelled(work.gauge.pass(bytes)).await
    }

    /// Opens a stream and sends the request.
    async fn ask(&self, request: GetRequest, work: &Work) -> Result<ConnectedNext, ProviderError> {
        let start = fsm::start(self.0.clone(), request, Default::default());
        let opened = work.unless_cancelled(start.next()).await?.map_err(lost)?;
        work.unless_cancelled(opened.next()).await?.map_err(lost)
    }

    /// Receives a whole blob whose size lies in `sizes` into memory.
    async fn whole(
        &self,
        blob: AtBlobHeader,
        sizes: RangeInclusive<u64>,
        work: &Work,
    ) -> Result<(AtEndBlob, Vec<u8>), ProviderError> {
        let (mut content, size) = work.unless_cancelled(blob.next()).await?.map_err(header)?;
        work.gauge.proved(HEADER_BYTES);
        if !sizes.contains(&size) {
            return Err(ProviderError::Unlike);
        }
        // Bounded by what the publisher signed and by the limits of trees.
        let mut bytes = Vec::with_capacity(size as usize);
        loop {
            match work.unless_cancelled(content.next()).await? {
                BlobContentNext::More((rest, item)) => {
                    content = rest;
                    match item.map_err(decode)? {
                        BaoContentItem::Leaf(leaf) => {
                            Self::pass(leaf.data.len(), work).await?;
                            work.gauge.received(leaf.data.len());
                            bytes.extend_from_slice(&leaf.data);
                        }
                        BaoContentItem::Parent(_) => work.gauge.proved(PARENT_BYTES),
                    }
                }
                BlobContentNext::Done(end) if bytes.len() as u64 == size => {
                    return Ok((end, bytes));
                }
                BlobContentNext::Done(_) => return Err(ProviderError::Unlike),
            }
        }
    }
}

/// Puts small files into the store.
async fn write(files: Vec<Bytes>, writer: &Writer, work: &Work) -> Result<(), BlobsError> {
    let bytes = files.iter().map(Bytes::len).sum::<usize>();
    if !files.is_empty() {
        work.gauge.writing(writer.import_many(files)).await?;
        work.gauge.stored(bytes as u64);
    }
    Ok(())
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
