//! The checkpoint text of a head.

#![no_main]

use catalog::head::SealedHead;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sealed) = SealedHead::decode(bytes) else { return };
    assert_eq!(sealed.encode(), bytes);
    assert_eq!(SealedHead::decode(sealed.encode()).as_ref(), Ok(&sealed));
    let _ = sealed.peek().origin();
});
