//! Carries the frames of an exchange over a stream.
//!
//! The exchange itself, and what it does with the store, is `catalog_sync`'s: here frames are moved
//! and time is told. Work on the store happens where it holds up nobody else.

use catalog_sync::conversation::{Conversation, ConversationError, Next};
use catalog_sync::exchange::Outcome;
use iroh::endpoint::{RecvStream, SendStream};

use super::frame::{self, FrameError};
use super::message::TalkError;
use crate::blocking::blocking;
use crate::node::now;

/// Leads a conversation to its end.
///
/// - result: the conversation with its report, and how it ended. A conversation that broke off
///   comes back as well: what came before is kept.
pub(crate) async fn carry_out(
    mut talk: Conversation,
    send: &mut SendStream,
    receive: &mut RecvStream,
) -> (Conversation, Result<Outcome, TalkError>) {
    let mut heard: Option<Vec<u8>> = None;
    loop {
        let work = move || {
            let next = match heard {
                Some(frame) => talk.hear(&frame).and_then(|()| talk.next(now())),
                None => talk.next(now()),
            };
            (talk, next)
        };
        let next: Result<Next, ConversationError>;
        (talk, next) = blocking(work).await;
        heard = None;
        let moved = match next {
            Ok(Next::Send(frame)) => frame::send_bytes(send, &frame).await,
            Ok(Next::Listen) => match frame::receive_bytes(receive).await {
                Ok(Some(frame)) => {
                    heard = Some(frame);
                    Ok(())
                }
                Ok(None) => Err(FrameError::ended()),
                Err(error) => Err(error),
            },
            Ok(Next::Over(outcome)) => {
                send.finish().ok();
                return (talk, Ok(outcome));
            }
            Err(error) => return (talk, Err(error.into())),
        };
        if let Err(error) = moved {
            return (talk, Err(error.into()));
        }
    }
}
