//! What a provider and those it serves say to each other, behind the length of a frame.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| catalog_node::fuzzing::session(bytes));
