//! Receipts for what was sent: frames about them, receipts and proofs of fraud as they travel, the
//! ledger in which they are kept, and what comes of receipts that are genuine.
//!
//! The first byte says which of these the rest is.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use catalog::cbor::{self, Map, Value};
use catalog::register::Hlc;
use catalog::signature::SecretKey;
use catalog::{ByteSize, Digest, NodeId, Timestamp};
use catalog_mirror::ledger::Taken;
use catalog_mirror::score::Flows;
use catalog_mirror::{Fraud, Ledger, Receipt, Scores, SealedReceipt};
use libfuzzer_sys::fuzz_target;

/// Two clients; no mutation could forge what they sign.
static KEYS: LazyLock<[SecretKey; 2]> =
    LazyLock::new(|| [7, 8].map(|byte| SecretKey::from_bytes(&[byte; 32])));
/// Whose ledger it is.
const VIEWER: NodeId = NodeId::from_bytes([9; 32]);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A receipt in a history: client and server, epoch, day, number, and the bits of the total.
const SIGNED_BYTES: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    let Some((what, bytes)) = bytes.split_first() else { return };
    match what {
        0 => catalog_node::fuzzing::receipt_frame(bytes),
        1 => sealed(bytes),
        2 => body(bytes),
        3 => proof(bytes),
        4 => ledger(bytes),
        _ => history(bytes),
    }
});

fn sealed(bytes: &[u8]) {
    let Ok(sealed) = SealedReceipt::open(bytes) else { return };
    assert_eq!(sealed.as_bytes(), bytes);
}

/// A body that somebody signed, whatever it says.
fn body(body: &[u8]) {
    for key in KEYS.iter() {
        let mut map = Map::new();
        map.insert("b", body);
        map.insert("s", key.sign("receipt", body).as_bytes().as_slice());
        map.insert("v", 1_u64);
        let Ok(sealed) = SealedReceipt::open(&cbor::encode(&Value::Map(map))) else { continue };
        assert_eq!(sealed.receipt().client.as_bytes(), key.public().as_bytes());
        let again = SealedReceipt::seal(sealed.receipt(), key).expect("it was one before");
        assert_eq!(again.receipt(), sealed.receipt());
    }
}

fn proof(bytes: &[u8]) {
    let Ok(fraud) = Fraud::open(bytes) else { return };
    assert_eq!(Fraud::open(&fraud.encode()), Ok(fraud));
}

/// A file of our own that something befell.
fn ledger(bytes: &[u8]) {
    let Ok(ledger) = Ledger::decode(VIEWER, bytes) else { return };
    assert_eq!(Ledger::decode(VIEWER, &ledger.encode()).as_ref(), Ok(&ledger));
    let flows = Flows::of(&ledger, Timestamp::from_millis(1));
    for node in Scores::new(&flows, VIEWER).known() {
        assert!(Scores::new(&flows, VIEWER).score(&node).is_finite());
    }
}

/// Receipts that clients signed, in two orders: every row is the same, and is kept.
fn history(bytes: &[u8]) {
    let receipts: Vec<SealedReceipt> =
        bytes.chunks_exact(SIGNED_BYTES).filter_map(signed).collect();
    let now = Timestamp::from_millis(400 * DAY.as_millis() as u64);
    let (mut there, mut back) = (Ledger::new(VIEWER), Ledger::new(VIEWER));
    for receipt in &receipts {
        if let Taken::Contradiction(fraud) = there.take(receipt, now) {
            assert_eq!(Fraud::open(&fraud.encode()).as_ref(), Ok(&*fraud));
            assert!(there.is_fraud(&fraud.signer()));
        }
    }
    for receipt in receipts.iter().rev() {
        let _ = back.take(receipt, now);
    }
    assert!(there.rows().eq(back.rows()));
    assert_eq!(Ledger::decode(VIEWER, &there.encode()).as_ref(), Ok(&there));
    let mut both = there.clone();
    both.join(&back);
    assert!(both.rows().eq(there.rows()));
    let flows = Flows::of(&there, now);
    let scores = Scores::new(&flows, VIEWER);
    for node in scores.known() {
        assert!((0.0..=2.0).contains(&scores.score(&node)) && scores.ratio(&node).is_finite());
    }
}

fn signed(bytes: &[u8]) -> Option<SealedReceipt> {
    let &[pair, epoch, day, seq, high, low] = bytes else { return None };
    let key = &KEYS[usize::from(pair & 1)];
    let servers = [*KEYS[0].public().as_bytes(), *KEYS[1].public().as_bytes(), *VIEWER.as_bytes()];
    let server = NodeId::from_bytes(servers[usize::from(pair >> 1) % 3]);
    let time = Timestamp::from_millis(u64::from(day) * DAY.as_millis() as u64);
    let receipt = Receipt {
        server,
        client: NodeId::from_bytes(*key.public().as_bytes()),
        epoch: u32::from(epoch % 16),
        seq: seq.into(),
        // Up to the largest number there is.
        bytes: ByteSize::bytes((u64::from(low) + 1) << (high % 56)),
        hlc: Hlc::after(Hlc::default(), time),
        hint: Digest::of(&[high]),
    };
    SealedReceipt::seal(&receipt, key).ok()
}
