//! What nodes say to each other about records: hello, exchanges, searches, "I have something new".
//!
//! One protocol, `catalog/1`. The dialler opens a stream with [`Hello`](message::Hello) and gets
//! one back; then either side opens a stream for each question. Notices travel on streams of
//! their own and are never answered. Contents do not travel here (`access`, `fetch`).
//!
//! Guarantees: a frame has at most [`FRAME_BYTES_MAX`](frame::FRAME_BYTES_MAX) bytes; a peer that
//! breaks a rule loses its connection, never our process.

pub(crate) mod exchange;
pub(crate) mod frame;
pub(crate) mod message;
pub(crate) mod question;
pub(crate) mod short;

/// The name under which a connection speaks this protocol; its number is the layout of frames.
pub(crate) const ALPN: &[u8] = b"catalog/1";
