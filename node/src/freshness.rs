//! Tells a peer that is kept in the past from one that has nothing new.
//!
//! A head looks the same forever. A publisher's own node stamps its head with the time whenever it
//! is asked, and whoever holds the head passes the newest stamp on: its age is how long ago
//! somebody on the way last spoke with the publisher.

use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::head::SealedHead;
use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::signature::PublicKey;
use catalog::store::{Incoming, LogId, StoreError, Trust};
use catalog::time::Timestamp;
use iroh::endpoint::SendStream;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::{Inner, Node, now};
use crate::protocol::frame::{self, FrameError};
use crate::protocol::message::{Heads, LogName, Request, TalkError};
use crate::talk::{self, LinkError};

/// Logs of one question.
const LOGS_MAX: usize = 256;
/// A stamp is good for so long before the publisher's own node makes another.
const STAMP_AGE: Duration = Duration::from_secs(30);

/// How fresh a log is at a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Whose log.
    pub publisher: PublisherId,
    /// What that publisher is called here.
    pub petname: Option<Petname>,
    /// Statements that the peer's head vouches for; `None` when it showed no head.
    pub size: Option<u64>,
    /// Statements that our own head vouches for.
    pub size_here: u64,
    /// When its publisher last said that this head is the newest one.
    pub stamped: Option<Timestamp>,
}

impl Freshness {
    /// Whether the peer is behind what is known here, or the publisher's word is older than `age`.
    pub fn is_stale(&self, age: Duration, now: Timestamp) -> bool {
        let oldest = now.as_millis().saturating_sub(age.as_millis() as u64);
        self.size.is_none_or(|size| size < self.size_here)
            || self.stamped.is_none_or(|stamped| stamped.as_millis() < oldest)
    }
}

impl Node {
    /// How fresh `peer` is about the publishers that a person pinned here. What it shows is kept.
    ///
    /// # Errors
    /// [`LinkError`] when the peer cannot be asked.
    pub async fn freshness(&self, peer: &NodeId) -> Result<Vec<Freshness>, LinkError> {
        let inner = &self.0;
        let followed = inner.followed_logs()?;
        let candidate = inner.candidate(peer)?;
        let link = talk::link(inner, *peer, &candidate.addrs).await?;
        let opened = link.connection.open_bi().await;
        let (mut send, mut receive) =
            opened.map_err(|error| TalkError::from(FrameError::Lost { source: error.into() }))?;
        let names = followed
            .iter()
            .map(|log| LogName { publisher: *log.publisher.as_bytes(), key: *log.key.as_bytes() });
        let request = Request::Heads(names.collect());
        frame::send(&mut send, &request).await.map_err(TalkError::from)?;
        send.finish().ok();
        let (Heads { heads }, _) = frame::expect(&mut receive).await.map_err(TalkError::from)?;
        let heads: Vec<_> = heads.iter().filter_map(|head| SealedHead::decode(head).ok()).collect();
        let incoming: Vec<_> = heads.iter().cloned().map(Incoming::Head).collect();
        let store = inner.store.clone();
        let accepted = blocking(move || store.accept(incoming, now())).await?;
        // Only what its publisher signed counts, whether it was new here or not.
        let genuine = |place: usize| accepted.items.iter().any(|item| item.place == place);
        let mut found = Vec::with_capacity(followed.len());
        for log in followed {
            let shown = heads.iter().enumerate().find(|(place, head)| {
                let said = head.peek();
                said.publisher == log.publisher && said.key == log.key && genuine(*place)
            });
            let head = shown.map(|(_, head)| head);
            found.push(Freshness {
                publisher: log.publisher,
                petname: inner.store.petname(&log.publisher)?,
                size: head.map(|head| head.peek().size),
                size_here: inner.store.log(&log)?.map_or(0, |log| log.size),
                stamped: head.and_then(SealedHead::stamped),
            });
        }
        Ok(found)
    }
}

impl Inner {
    /// The logs of the publishers that a person pinned here.
    fn followed_logs(&self) -> Result<Vec<LogId>, StoreError> {
        let publishers = self.store.publishers()?;
        let pinned = |id: &PublisherId| {
            publishers.iter().any(|row| row.id == *id && row.trust == Trust::Pinned)
        };
        let logs = self.store.logs()?.into_iter().map(|state| state.log);
        Ok(logs.filter(|log| pinned(&log.publisher)).take(LOGS_MAX).collect())
    }
}

/// Answers with the freshest heads that are known here; our own are stamped now.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    logs: Vec<LogName>,
    send: &mut SendStream,
) -> Result<(), LinkError> {
    let (store, identity) = (inner.store.clone(), inner.identity());
    let load = move || {
        let mut heads = Vec::new();
        for LogName { publisher, key } in logs.into_iter().take(LOGS_MAX) {
            let Ok(key) = PublicKey::from_bytes(key) else { continue };
            let publisher = PublisherId::from_digest(Digest::from_bytes(publisher));
            let Some(state) = store.log(&LogId { publisher, key })? else { continue };
            let Some(head) = state.head else { continue };
            let own = identity.as_ref().filter(|own| own.key().public() == key);
            let fresh = head.stamped().is_some_and(|at| {
                now().as_millis().saturating_sub(at.as_millis()) < STAMP_AGE.as_millis() as u64
            });
            let stamped = own.filter(|_| !fresh).and_then(|own| head.stamp(own.key(), now()));
            heads.push(stamped.unwrap_or(head).encode().to_vec());
        }
        Ok::<_, StoreError>(heads)
    };
    let heads = blocking(load).await?;
    frame::send(send, &Heads { heads }).await.map_err(TalkError::from)?;
    send.finish().ok();
    Ok(())
}
