//! Takes in what clients sign for.
//!
//! A client that opens a conversation has said that it signs; from then on it is sent a little ahead
//! of its receipts and no more. One that never opens any is served as a stranger is.

use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog_mirror::receipt::SealedReceipt;
use iroh::endpoint::Connection;
use tokio::time::timeout;
use tracing::debug;

use super::Account;
use super::wire::{Frame, Place, Why};
use crate::endpoint::remote;
use crate::meter::Count;
use crate::node::{Inner, now};

/// Who does not say hello in time has nothing to say.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Who is not listening is not answered.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// After so many receipts that do not count a conversation ends.
const REFUSED_MAX: u32 = 16;
/// The code with which a conversation ends whose peer broke the rules.
const MISBEHAVED: u32 = 1;

/// A conversation while it is open.
struct Open<'a> {
    account: &'a Account,
    client: NodeId,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.account.books().closed(self.account.now(), self.client);
        self.account.taken.notify_waiters();
    }
}

/// Serves one conversation until it ends.
pub(crate) async fn serve(node: Arc<Inner>, connection: Connection) {
    tokio::select! {
        () = node.stop.cancelled() => {}
        () = listen(&node.account, &connection) => {}
    }
}

async fn listen(account: &Account, connection: &Connection) {
    let client = remote(connection);
    let greeted = timeout(HELLO_TIMEOUT, async {
        let (send, mut receive) = connection.accept_bi().await.ok()?;
        let hello = Frame::read(&mut receive).await.ok()??;
        (hello == Frame::Hello).then_some((send, receive))
    });
    let Ok(Some((mut send, mut receive))) = greeted.await else {
        connection.close(MISBEHAVED.into(), b"no hello");
        return;
    };
    let last = account.books().opened(account.now(), client);
    let _open = Open { account, client };
    let mut answer = Frame::Last(last.map(|last| last.as_bytes().to_vec()).unwrap_or_default());
    let mut refused = 0;
    loop {
        if !matches!(timeout(FRAME_TIMEOUT, answer.write(&mut send)).await, Ok(Ok(()))) {
            return;
        }
        let Ok(Some(Frame::Receipt(bytes))) = Frame::read(&mut receive).await else { return };
        answer = match account.take(client, &bytes) {
            Ok(place) => Frame::Taken(place),
            Err(why) => {
                refused += 1;
                if refused > REFUSED_MAX {
                    connection.close(MISBEHAVED.into(), b"receipts that do not count");
                    return;
                }
                Frame::Refused(why)
            }
        };
    }
}

impl Account {
    /// Takes in a receipt that a client sent on its own connection.
    pub(super) fn take(&self, client: NodeId, bytes: &[u8]) -> Result<Place, Why> {
        let taken = match SealedReceipt::open(bytes) {
            Ok(sealed) => self.books().take(self.now(), now(), client, &sealed),
            Err(error) => {
                debug!("{} sent what is no receipt: {error}", client.short());
                Err((Why::NoReceipt, None))
            }
        };
        let count = if taken.is_ok() { Count::ReceiptsTaken } else { Count::ReceiptsRefused };
        self.meter.add(count, 1);
        self.taken.notify_waiters();
        self.changed.notify_one();
        taken.map_err(|(why, fraud)| {
            if fraud.is_some() {
                self.meter.add(Count::Frauds, 1);
            }
            why
        })
    }
}
