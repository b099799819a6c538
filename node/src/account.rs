//! Keeps account of what peers were given, and of what they gave.
//!
//! What is sent is counted as it goes out, what is received once it is verified: contents alone, not
//! the proofs and sizes that travel with them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use catalog::permission::NodeId;
use iroh::endpoint::VarInt;
use iroh_blobs::util::SendStream;

use crate::meter::{Count, Meter};

/// What peers were given, and gave.
pub(crate) struct Account {
    meter: Arc<Meter>,
}

impl Account {
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        Self { meter }
    }

    /// So many bytes of contents went to a peer.
    pub(crate) fn sent(&self, _peer: NodeId, bytes: u64) {
        self.meter.add(Count::ContentsSent, bytes);
    }

    /// So many bytes that were asked for came from a peer and were verified.
    pub(crate) fn received(&self, _peer: NodeId, bytes: u64) {
        self.meter.add(Count::ContentsReceived, bytes);
    }
}

/// A stream to a peer whose contents are put on its account.
pub(crate) struct Charged<S> {
    pub stream: S,
    pub account: Arc<Account>,
    pub peer: NodeId,
}

impl<S: SendStream> SendStream for Charged<S> {
    // Contents come this way, and nothing else does.
    async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let content = bytes.len() as u64;
        self.stream.send_bytes(bytes).await?;
        self.account.sent(self.peer, content);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.send(bytes).await
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.stream.sync().await
    }

    fn reset(&mut self, code: VarInt) -> io::Result<()> {
        self.stream.reset(code)
    }

    async fn stopped(&mut self) -> io::Result<Option<VarInt>> {
        self.stream.stopped().await
    }

    fn id(&self) -> u64 {
        self.stream.id()
    }
}
