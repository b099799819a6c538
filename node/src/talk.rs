//! Holds the conversations of `catalog/1` on both sides: hello, records, notices.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::NodeId;
use catalog::store::StoreError;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tracing::debug;

use crate::blocking::blocking;
use crate::endpoint::{DialError, OnlineError, remote};
use crate::links::Link;
use crate::node::Inner;
use crate::protocol;
use crate::protocol::frame::{self, FrameError};
use crate::protocol::message::{Hello, Notice, Request, StoreState, TalkError, Welcome};
use crate::{federation, freshness, serve, sync};

/// Questions of one connection that are answered at once.
const STREAMS_AT_ONCE: usize = 4;
/// Who does not say hello in time is not one of us.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// A notice that takes longer is not worth the wait.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(2);
/// The code with which a connection is closed whose peer broke the rules.
const MISBEHAVED: u32 = 1;

/// Why there is no conversation with a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The node has no network.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// The peer was not reached, or is somebody else.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The peer was reached but the conversation failed.
    #[error(transparent)]
    Talk(#[from] TalkError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The open conversation with `node`; dials and says hello when there is none.
pub(crate) async fn link(
    inner: &Arc<Inner>,
    node: NodeId,
    addrs: &[SocketAddr],
) -> Result<Link, LinkError> {
    if let Some(link) = inner.links.get(&node) {
        return Ok(link);
    }
    let connection = inner.net().await?.dial(node, addrs, protocol::ALPN).await?;
    let ours = Hello::ours(inner.state().await?);
    let greeted = tokio::time::timeout(HELLO_TIMEOUT, greet(&connection, ours));
    let hello = greeted.await.map_err(|_| lost(io::ErrorKind::TimedOut))??;
    let link = Link::new(connection, hello);
    inner.links.insert(node, link.clone());
    // The other side may ask us as well, over the same connection.
    let (inner_of, connection) = (inner.clone(), link.connection.clone());
    inner.tasks.spawn(async move { converse(inner_of, connection).await });
    Ok(link)
}

async fn greet(connection: &Connection, ours: Hello) -> Result<Hello, TalkError> {
    let opened = connection.open_bi().await;
    let (mut send, mut receive) = opened.map_err(|error| lost(io::Error::other(error)))?;
    frame::send(&mut send, &Request::Hello(ours.clone())).await?;
    send.finish().ok();
    let (welcome, _): (Welcome, u64) = frame::expect(&mut receive).await?;
    Ok(welcome.agreed(&ours)?)
}

fn lost(source: impl Into<io::Error>) -> TalkError {
    FrameError::Lost { source: source.into() }.into()
}

/// Talks with somebody who dialled us: a hello first, then whatever is asked.
pub(crate) async fn answer(inner: Arc<Inner>, connection: Connection) {
    let welcomed = tokio::time::timeout(HELLO_TIMEOUT, welcome(&inner, &connection)).await;
    let Ok(Ok(Some(hello))) = welcomed else {
        connection.close(MISBEHAVED.into(), b"no hello");
        return;
    };
    let node = remote(&connection);
    inner.links.insert(node, Link::new(connection.clone(), hello));
    if inner.is_peer(&node) {
        inner.pull_soon(node);
    }
    converse(inner, connection).await;
}

/// `None` when we have no version in common, which the dialler has been told.
async fn welcome(inner: &Inner, connection: &Connection) -> Result<Option<Hello>, LinkError> {
    let accepted = connection.accept_bi().await;
    let (mut send, mut receive) = accepted.map_err(|error| lost(io::Error::other(error)))?;
    let (request, _) = frame::expect(&mut receive).await.map_err(TalkError::from)?;
    let Request::Hello(theirs) = request else {
        return Err(TalkError::from(FrameError::OutOfTurn).into());
    };
    let ours = Hello::ours(inner.state().await?);
    let answer = ours.answer(&theirs);
    frame::send(&mut send, &answer).await.map_err(TalkError::from)?;
    send.finish().ok();
    match answer {
        Welcome::Agreed { .. } => Ok(Some(theirs)),
        Welcome::NoCommonVersion { .. } => {
            // The answer must arrive before the connection goes.
            send.stopped().await.ok();
            Ok(None)
        }
    }
}

/// Answers questions and takes notices until the connection ends.
async fn converse(inner: Arc<Inner>, connection: Connection) {
    let each = |send, receive| {
        let (inner, connection) = (inner.clone(), connection.clone());
        async move {
            if let Err(error) = question(&inner, &connection, send, receive).await {
                debug!("a conversation ended early: {error}");
            }
        }
    };
    tokio::select! {
        () = serve::streams(&inner, &connection, STREAMS_AT_ONCE, each) => {}
        () = notices(&inner, &connection) => {}
    }
}

async fn question(
    inner: &Arc<Inner>,
    connection: &Connection,
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), LinkError> {
    let answered = match frame::expect(&mut receive).await {
        Ok((Request::Exchange, _)) => {
            sync::answer(inner, remote(connection), &mut send, &mut receive).await
        }
        Ok((Request::Heads(logs), _)) => freshness::answer(inner, logs, &mut send).await,
        Ok((Request::Search(asked), _)) => {
            federation::answer(inner, remote(connection), *asked, &mut send).await
        }
        Ok((Request::Hello(_), _)) => Err(TalkError::from(FrameError::OutOfTurn).into()),
        Err(error) => Err(TalkError::from(error).into()),
    };
    if answered.as_ref().is_err_and(sync::is_misbehaviour) {
        connection.close(MISBEHAVED.into(), b"a rule was broken");
    }
    answered
}

async fn notices(inner: &Arc<Inner>, connection: &Connection) {
    let node = remote(connection);
    loop {
        let accepted = tokio::select! {
            () = inner.stop.cancelled() => return,
            accepted = connection.accept_uni() => accepted,
        };
        let Ok(mut receive) = accepted else { return };
        match frame::expect(&mut receive).await {
            Ok((Notice::Changed(state), _)) => {
                if let Some(link) = inner.links.get(&node) {
                    link.heard(state);
                }
                if inner.is_peer(&node) {
                    inner.pull_soon(node);
                }
            }
            Err(error) => {
                debug!("a notice could not be read: {error}");
                connection.close(MISBEHAVED.into(), b"malformed notice");
                return;
            }
        }
    }
}

/// Tells everybody who is connected that there is something new.
pub(crate) async fn announce(inner: &Arc<Inner>) -> Result<(), StoreError> {
    let state = inner.state().await?;
    let last = state.last;
    let notice = &Notice::Changed(state);
    let told = inner.links.all().into_iter().map(|(_, link)| async move {
        let mut stream = link.connection.open_uni().await.ok()?;
        frame::send(&mut stream, notice).await.ok()?;
        stream.finish().ok()
    });
    let all = n0_future::join_all(told);
    tokio::time::timeout(NOTICE_TIMEOUT, all).await.ok();
    // Whoever was not reached asks by cursor when it comes back.
    inner.store.set_announced(last)
}

impl Inner {
    /// What our own store holds, as others are told.
    pub(crate) async fn state(&self) -> Result<StoreState, StoreError> {
        let keeper = self.keeper.clone();
        Ok(StoreState::of(&blocking(move || keeper.current()).await?))
    }

    /// One hash over all records.
    pub(crate) async fn catalog_root(&self) -> Result<Digest, StoreError> {
        let keeper = self.keeper.clone();
        Ok(blocking(move || keeper.current()).await?.root())
    }
}
