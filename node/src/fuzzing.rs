//! What the fuzz targets reach of the protocol; compiled for them only.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::frame;
use crate::protocol::message::{Heads, Hello, Notice, Request, Welcome};
use crate::protocol::question::{Asked, Reply};

/// Reads the body of a frame as each message that a peer can send, and checks that what is read
/// is written back with the same meaning, in no more bytes.
pub fn frame(body: &[u8]) {
    let ours = Hello::ours([1; 16], 2);
    if let Some(Request::Hello(theirs)) = message(body) {
        let _ = theirs.agent_text();
        let _ = ours.clone().answer(&theirs).agreed(&theirs);
    }
    if let Some(Request::Search(asked)) = message(body)
        && let Ok(question) = asked.clone().question()
    {
        assert_eq!(Asked::of(&question), *asked);
    }
    if let Some(reply) = message::<Reply>(body)
        && let Some(answer) = reply.clone().answer()
    {
        assert_eq!(Reply::of(&answer), reply);
    }
    if let Some(welcome) = message::<Welcome>(body) {
        let _ = welcome.agreed(&ours);
    }
    let _ = message::<Heads>(body);
    let _ = message::<Notice>(body);
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &[u8]) -> Option<T> {
    let message: T = frame::decode(body).ok()?;
    let written = frame::encode(&message).expect("it is no longer than what was read");
    assert!(written.len() <= body.len() + 4);
    assert_eq!(frame::decode(&written[4..]).ok().as_ref(), Some(&message));
    Some(message)
}
