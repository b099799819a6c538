//! Whatever the codec accepts is exactly what it would have written.

#![no_main]

use catalog::cbor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = cbor::decode(bytes, 64 << 10) {
        assert_eq!(cbor::encode(&value), bytes);
    }
});
