//! What an exchange reads from a peer: frames, records, and a whole conversation with a peer that
//! says whatever it likes.

#![no_main]

use catalog::store::{ChangeItem, Incoming, LogId};
use catalog_fuzz::conversation;
use catalog_sync::message::Frame;
use catalog_sync::record;
use libfuzzer_sys::fuzz_target;

// The first byte says what the rest is.
fuzz_target!(|bytes: &[u8]| match bytes.split_first() {
    Some((0, bytes)) => frame(bytes),
    Some((1, bytes)) => a_record(bytes),
    Some((_, bytes)) => conversation::play(bytes),
    None => {}
});

/// A frame that was read is written back with the same meaning, in no more bytes.
fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes) else { return };
    let written = frame.encode();
    assert!(written.len() <= bytes.len());
    assert_eq!(Frame::decode(&written).as_ref(), Ok(&frame));
    let _ = frame.opens().map(|view| view.id());
}

/// A record that was read is written back identically, and is of one kind only.
fn a_record(bytes: &[u8]) {
    let register = record::decode_register(bytes);
    if let Some(register) = &register {
        assert_eq!(record::encode_register(register), bytes);
    }
    let Some(incoming) = record::decode(bytes) else { return };
    assert_eq!(register, None);
    let item = match incoming {
        Incoming::Statement(sealed) => ChangeItem::Statement(sealed),
        Incoming::Head(sealed) => ChangeItem::Head(sealed),
        Incoming::Leaf { publisher, key, seq, hash } => {
            ChangeItem::Leaf { log: LogId { publisher, key }, seq, hash }
        }
    };
    assert_eq!(record::encode(&item), bytes);
}
