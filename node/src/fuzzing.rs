//! What the fuzz targets reach of what peers say; compiled for them only.

use std::fmt::Debug;
use std::time::Duration;

use catalog::permission::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::account::wire::Frame as ReceiptFrame;
use crate::protocol::frame;
use crate::protocol::message::{Heads, Hello, Notice, Request, SetState, StoreState, Welcome};
use crate::protocol::question::{Asked, Reply};
use crate::session::client::{Client, Told};
use crate::session::host::Host;
use crate::session::wire::{Frame, SessionId};

/// Reads the body of a frame as each message that a peer can send, and checks that what is read
/// is written back with the same meaning, in no more bytes.
pub fn frame(body: &[u8]) {
    let set = || SetState { root: [1; 32], count: 2, odd: Vec::new() };
    let ours = Hello::ours(StoreState { store: [1; 16], last: 2, urgent: set(), log: set() });
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

/// Reads the body of a frame of a session, and lets both sides of one hear it. What is read is
/// written back as the same bytes; only what a provider may say changes the map, and only forward.
pub fn session(body: &[u8]) {
    let Ok(frame) = Frame::decode(body) else { return };
    assert_eq!(&frame.encode()[2..], body);
    let (node, now) = (NodeId::from_bytes([9; 32]), Duration::from_secs(9));
    let mut client = Client::new(SessionId([7; 16]));
    let before = client.map();
    let heard = client.hear(now, node, &mut Told::default(), frame.clone());
    assert_eq!(client.map() > before, heard.is_ok() && !matches!(frame, Frame::Load(_)));
    let mut host = Host::new(node);
    host.open(now, 1, node, 1);
    let _ = host.hear(1, frame);
}

/// Reads the body of a frame about receipts; what is read is written back as the same bytes.
pub fn receipt_frame(body: &[u8]) {
    let Ok(frame) = ReceiptFrame::decode(body) else { return };
    assert_eq!(&frame.encode()[2..], body);
}

/// Reads a question about a patch, and applies a patch.
pub fn patch(bytes: &[u8]) {
    crate::delta::fuzz(bytes);
}

/// Reads what a mirror says of its addresses.
pub fn addresses(value: &[u8]) {
    crate::mirror::fuzz(value);
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &[u8]) -> Option<T> {
    let message: T = frame::decode(body).ok()?;
    let written = frame::encode(&message).expect("it is no longer than what was read");
    assert!(written.len() <= body.len() + 4);
    assert_eq!(frame::decode(&written[4..]).ok().as_ref(), Some(&message));
    Some(message)
}
