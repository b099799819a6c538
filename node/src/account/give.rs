//! Signs for what servers sent us, and tells them.
//!
//! One conversation with a server serves all transfers from it, and ends when nothing came for a
//! while. A server that knows of no receipts is left alone; whatever cannot be said now is said with
//! the next receipt, because each stands for all before it.

use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog_mirror::receipt::{Receipt, SealedReceipt};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::debug;

use super::books::Parted;
use super::wire::{Frame, Why};
use super::{ALPN, Account};
use crate::endpoint::DialError;
use crate::meter::Count;
use crate::node::{Inner, now};

/// A server that takes longer to answer is not worth the wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A conversation in which nothing is said for so long ends.
const IDLE: Duration = Duration::from_secs(30);

/// Begins conversations whenever there is something to sign for, until the node ends.
pub(super) async fn run(node: &Arc<Inner>) {
    loop {
        let account = &node.account;
        let due = account.due.notified();
        let (ready, wake) = account.books().whom_to_talk_to(account.now());
        for server in ready {
            let node = node.clone();
            node.tasks.clone().spawn(async move {
                let parted = tokio::select! {
                    () = node.stop.cancelled() => Parted::Failed,
                    parted = converse(&node, server) => parted,
                };
                let account = &node.account;
                account.books().ended(account.now(), server, parted);
                account.settled.notify_waiters();
                account.due.notify_one();
            });
        }
        let sleep = async {
            match wake {
                Some(at) => tokio::time::sleep(at.saturating_sub(account.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = due => {}
            () = sleep => {}
        }
    }
}

async fn converse(node: &Arc<Inner>, server: NodeId) -> Parted {
    // What is signed from here on may not be signed again after a crash.
    node.account.open().await;
    let connection = match dial(node, server).await {
        Ok(connection) => connection,
        Err(error) => {
            debug!("no receipts for {}: {error}", server.short());
            return Parted::Failed;
        }
    };
    match timeout(ANSWER_TIMEOUT, greet(&connection)).await {
        Ok(Some((send, receive, last))) => {
            let talk = Talk { account: &node.account, server };
            let parted = talk.carry_on(send, receive, last).await;
            connection.close(0u32.into(), b"");
            parted
        }
        _ => Parted::Failed,
    }
}

/// The socket is open and the address known: contents came from there.
async fn dial(node: &Inner, server: NodeId) -> Result<Connection, DialError> {
    let net = node.open_net().ok_or(DialError::NoAddress { node: server })?;
    net.dial(server, &[], ALPN).await
}

/// Says hello: the stream, and the last receipt that the server knows.
async fn greet(connection: &Connection) -> Option<(SendStream, RecvStream, Vec<u8>)> {
    let (mut send, mut receive) = connection.open_bi().await.ok()?;
    Frame::Hello.write(&mut send).await.ok()?;
    match Frame::read(&mut receive).await {
        Ok(Some(Frame::Last(last))) => Some((send, receive, last)),
        _ => None,
    }
}

struct Talk<'a> {
    account: &'a Account,
    server: NodeId,
}

impl Talk<'_> {
    async fn carry_on(
        &self,
        mut send: SendStream,
        mut receive: RecvStream,
        last: Vec<u8>,
    ) -> Parted {
        let last = self.ours(&last);
        let (news, unknown) = self.account.books().began(now(), self.server, last.as_ref());
        tokio::select! {
            ended = self.speak(&mut send, &news, unknown) => ended,
            () = self.listen(&mut receive) => Parted::Failed,
        }
    }

    /// The receipt that a server shows us, if it is ours.
    fn ours(&self, bytes: &[u8]) -> Option<SealedReceipt> {
        let shown = SealedReceipt::open(bytes).ok()?;
        let Receipt { server, client, .. } = *shown.receipt();
        (server == self.server && client == self.account.us).then_some(shown)
    }

    async fn speak(
        &self,
        send: &mut SendStream,
        news: &Notify,
        mut unknown: Option<SealedReceipt>,
    ) -> Parted {
        loop {
            let hears = news.notified();
            let account = self.account;
            let signed = account.books().sign(account.now(), now(), self.server, &account.key);
            let (next, wake) = signed;
            // What is signed now stands for what it does not know, too.
            let next = next.or(unknown.take());
            if let Some(sealed) = next {
                let frame = Frame::Receipt(sealed.as_bytes().to_vec());
                account.meter.add(Count::ReceiptsSigned, 1);
                account.meter.add(Count::ReceiptBytes, frame.encode().len() as u64);
                if frame.write(send).await.is_err() {
                    return Parted::Failed;
                }
                continue;
            }
            let until = wake.map_or(IDLE, |wake| wake.saturating_sub(account.now()));
            tokio::select! {
                () = hears => {}
                () = tokio::time::sleep(until) => {
                    if wake.is_none() {
                        send.finish().ok();
                        return Parted::Well;
                    }
                }
            }
        }
    }

    async fn listen(&self, receive: &mut RecvStream) {
        while let Ok(Some(frame)) = Frame::read(receive).await {
            let account = self.account;
            account.meter.add(Count::ReceiptBytes, frame.encode().len() as u64);
            match frame {
                Frame::Taken(to) => account.books().answered(self.server, Some(to)),
                Frame::Refused(why) => {
                    debug!("{} refused a receipt: {why:?}", self.server.short());
                    match why {
                        Why::Amount => account.books().disputed(self.server, account.seconds()),
                        _ => account.books().answered(self.server, None),
                    }
                }
                _ => return,
            }
            account.settled.notify_waiters();
        }
    }
}
