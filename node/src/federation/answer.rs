//! Answers the questions of others from what is here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::identity::PublisherId;
use catalog::permission::{NodeId, Reader};
use catalog::statement::{SealedStatement, StatementId};
use catalog::store::Store;
use catalog_discovery::federation::{Answer, Question};
use catalog_discovery::{FollowError, Index};
use iroh::endpoint::SendStream;
use tokio::time::Instant;
use tracing::debug;

use crate::blocking::blocking;
use crate::level;
use crate::node::{Inner, now};
use crate::protocol::frame::{self, FrameError};
use crate::protocol::message::TalkError;
use crate::protocol::question::{ANSWER_BYTES_MAX, Asked, Reply};
use crate::talk::LinkError;

/// Answers leave at whole steps of this after their question came.
const ANSWER_STEP: Duration = Duration::from_millis(5);

/// Answers one question of `asker` with what it may read.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    asker: NodeId,
    asked: Asked,
    send: &mut SendStream,
) -> Result<(), LinkError> {
    let came = Instant::now();
    let question = asked.question().map_err(|_| TalkError::from(FrameError::Malformed))?;
    let reply = match inner.federation.memory().answering.take(inner.uptime(), asker) {
        true => None,
        false => Some(Reply::Busy),
    };
    let reply = match reply {
        Some(busy) => busy,
        None => inner.reply(asker, question).await,
    };
    // How long it took to leave out what the asker may not read would tell that it is here.
    level::until_step(came, ANSWER_STEP).await;
    frame::send(send, &reply).await.map_err(TalkError::from)?;
    send.finish().ok();
    Ok(())
}

impl Inner {
    async fn reply(self: &Arc<Self>, asker: NodeId, question: Question) -> Reply {
        let index = match self.index().await {
            Ok(index) => index.clone(),
            Err(error) => {
                debug!("a question could not be answered: {error}");
                return Reply::Busy;
            }
        };
        let store = self.store.clone();
        match blocking(move || found(&store, &index, asker, &question)).await {
            Ok(answer) => Reply::of(&answer),
            Err(error) => {
                debug!("a question could not be answered: {error}");
                Reply::Busy
            }
        }
    }
}

fn found(
    store: &Store,
    index: &Index,
    asker: NodeId,
    question: &Question,
) -> Result<Answer, FollowError> {
    index.follow(store)?;
    let reader = Reader::Node(asker);
    let (mut failed, time) = (None, now());
    let response = index.answer(question, |release| {
        store.may_read(reader, release, time).unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let mut answer = Answer { counts: response.counts, ..Answer::default() };
    let mut inceptions: BTreeMap<PublisherId, SealedStatement> = BTreeMap::new();
    let mut bytes = 0;
    for id in response.releases {
        let Some(sealed) = store.statement(&id)? else { continue };
        let Ok(header) = sealed.peek() else { continue };
        let known = inceptions.contains_key(&header.publisher);
        let inception = match known {
            true => None,
            // A publisher's id is the id of its first statement.
            false => store.statement(&StatementId::from_digest(*header.publisher.digest()))?,
        };
        if !known && inception.is_none() {
            continue;
        }
        let both = [Some(&sealed), inception.as_ref()].into_iter().flatten();
        bytes += both.map(|sealed| sealed.encode().len()).sum::<usize>();
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
        inceptions.extend(inception.map(|inception| (header.publisher, inception)));
        answer.releases.push(sealed);
    }
    answer.inceptions = inceptions.into_values().collect();
    Ok(answer)
}
