//! Puts contents that go to a peer on its account.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use catalog::permission::NodeId;
use iroh::endpoint::VarInt;
use iroh_blobs::util::SendStream;

use super::Account;

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
        self.account.turn(self.peer).await;
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
