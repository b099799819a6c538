//! A proof in a file that anybody may have made: what is read has one spelling, and what verifies
//! is of the publisher that it names.

#![no_main]

use catalog_sync::proof::Proof;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = Proof::decode(bytes) else { return };
    assert_eq!(proof.encode(), bytes);
    let Ok(proven) = proof.verify() else { return };
    let header = proven.statement.header();
    assert_eq!(header.publisher, proven.head.publisher);
    assert!(header.seq < proven.head.size);
});
