//! Threat row 15: what a decoder allocates is paid for by the input, whatever the input claims.

#![allow(unsafe_code, reason = "an allocator that counts can only be written so")]
#![allow(clippy::unwrap_used)]

use catalog::cbor::{self, Value};
use catalog::statement::{SealedStatement, Statement, StatementKind};
use catalog::tree::{TREE_BYTES_MAX, Tree};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the bytes that each thread holds, and the most that it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator as it is; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + layout.size();
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` holds at any moment, besides what was there before.
fn memory_of<R>(work: impl FnOnce() -> R) -> usize {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    let most = MOST.get() - before;
    drop(result);
    most
}

/// A header of CBOR with an argument of eight or fewer bytes.
fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, kept) = match argument {
        0..24 => return vec![major << 5 | argument as u8],
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info], &bytes[8 - kept..]].concat()
}

const STATEMENT: usize = 64 << 10;

#[test]
fn a_claimed_length_takes_no_memory() {
    for major in 2..=5 {
        for claimed in [1_000u64, 10_000_000, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
            for nested in [0, 5, 15] {
                let bytes = [vec![0x81; nested], head(major, claimed), vec![0x61; 500]].concat();
                let memory = memory_of(|| assert!(cbor::decode(&bytes, STATEMENT).is_err()));
                assert!(memory <= 2 * bytes.len() + 1024, "{memory} for {}", bytes.len());

                let memory = memory_of(|| {
                    assert!(SealedStatement::decode(&bytes).is_err());
                    for kind in StatementKind::ALL {
                        assert!(Statement::decode(kind, &bytes).is_err());
                    }
                });
                assert!(memory <= 2 * bytes.len() + 1024, "{memory} for {}", bytes.len());

                let tree = [vec![0x82, 0x01], bytes].concat();
                let memory = memory_of(|| assert!(Tree::decode(&tree).is_err()));
                assert!(memory <= 2 * tree.len() + 1024, "{memory} for {}", tree.len());
            }
        }
    }
}

#[test]
fn a_million_levels_take_no_memory() {
    for level in [&[0x81][..], &[0xa1, 0x61, 0x61], &[0x82, 0x00]] {
        let bytes = level.repeat(1_000_000);
        let memory = memory_of(|| assert!(cbor::decode(&bytes, usize::MAX).is_err()));
        assert!(memory <= 8 << 10, "{memory}");
    }
}

#[test]
fn ten_million_entries_are_refused_by_their_count() {
    let entry = [0x82, 0x02, 0x61, 0x61];
    let few = entry.repeat(TREE_BYTES_MAX / 4 - 4);
    let bytes = [vec![0x82, 0x01], head(4, few.len() as u64 / 4), few].concat();
    assert!(bytes.len() <= TREE_BYTES_MAX);
    let memory = memory_of(|| assert!(Tree::decode(&bytes).is_err()));
    assert!(memory <= 1024, "{memory}");

    let whole = [vec![0x82, 0x01], head(4, 10_000_000), entry.repeat(10_000_000)].concat();
    let memory = memory_of(|| assert!(Tree::decode(&whole).is_err()));
    assert!(memory <= 1024, "{memory}");
}

#[test]
fn duplicate_keys_are_refused_when_they_appear() {
    let bytes = [head(5, 10_000), [0x61, 0x61, 0x00].repeat(10_000)].concat();
    let memory = memory_of(|| assert!(cbor::decode(&bytes, STATEMENT).is_err()));
    assert!(memory <= 4 << 10, "{memory}");
}

/// The shapes that take most memory for each byte; a statement of them is still small.
#[test]
fn the_densest_value_takes_a_small_multiple_of_its_bytes() {
    let smallest_items = vec![0u8; STATEMENT - 10];
    let array = [head(4, smallest_items.len() as u64), smallest_items].concat();
    let arrays = [head(4, STATEMENT as u64 - 10), vec![0x80; STATEMENT - 10]].concat();
    let keys: Vec<u8> = (0..=9_999u32).flat_map(|n| format!("d{n:04}\0").into_bytes()).collect();
    let map = [head(5, 10_000), keys].concat();
    for bytes in [array, arrays, map] {
        let memory = memory_of(|| cbor::decode(&bytes, STATEMENT).unwrap());
        assert!(memory <= 64 * bytes.len(), "{memory} for {}", bytes.len());
    }
}

#[test]
fn the_densest_tree_takes_a_few_times_its_limit() {
    let entries: Vec<u8> = (0..100_000u32)
        .flat_map(|n| [&[0x82, 0x02, 0x65][..], format!("{n:05}").as_bytes()].concat())
        .collect();
    let bytes = [vec![0x82, 0x01], head(4, 100_000), entries].concat();
    let memory = memory_of(|| Tree::decode(&bytes).unwrap());
    assert!(memory <= 4 * TREE_BYTES_MAX, "{memory}");

    // Deep paths: what is compared does not grow with their depth.
    let path = |n: u32| ["a/".repeat(500), format!("{n:08}")].concat();
    let entries: Vec<u8> = (0..8_000)
        .flat_map(|n| [&[0x82, 0x02][..], &head(3, 1008), path(n).as_bytes()].concat())
        .collect();
    let bytes = [vec![0x82, 0x01], head(4, 8_000), entries].concat();
    let memory = memory_of(|| Tree::decode(&bytes).unwrap());
    assert!(memory <= 4 * bytes.len(), "{memory} for {}", bytes.len());
}

#[test]
fn values_are_counted_by_this_test_at_all() {
    assert!(memory_of(|| vec![0u8; 1 << 20]) >= 1 << 20);
    assert!(memory_of(|| cbor::encode(&Value::Bytes(vec![0; 1000]))) >= 2000);
}
