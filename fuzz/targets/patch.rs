//! What is said about patches, and patches for a file that is here: what they make has the size that
//! was signed, or there is nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| catalog_node::fuzzing::patch(bytes));
