use super::*;
use crate::defence::without;
use crate::receipt::tests::{key, node};
use catalog::Timestamp;

const CHUNK: ByteSize = ByteSize::kib(16);
const HINT: Digest = Digest::from_bytes([7; 32]);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stamp(of: u64) -> Hlc {
    Hlc::after(Hlc::default(), Timestamp::from_millis(of))
}

fn giver() -> Giver {
    Giver::new(node(1), node(2), 5)
}

fn taker(signing: Signing) -> Taker {
    Taker::new(node(1), node(2), signing, None)
}

fn sealed(receipt: &Receipt) -> SealedReceipt {
    SealedReceipt::seal(receipt, &key(2)).unwrap()
}

#[test]
fn a_receipt_is_due_after_four_mebibytes_two_seconds_and_at_the_end() {
    let mut giver = giver();
    assert!(!giver.is_due(secs(9)) && giver.receipt(stamp(1)).is_none(), "nothing came");
    giver.verified(secs(9), ByteSize::kib(1), HINT);
    assert_eq!(giver.wake_at(), Some(secs(11)));
    assert!(!giver.is_due(secs(10)) && giver.is_due(secs(11)));
    let first = giver.receipt(stamp(1)).unwrap();
    assert_eq!((first.epoch, first.seq, first.bytes), (5, 1, ByteSize::kib(1)));
    let mut sizes = Vec::new();
    let mut unsigned = 0;
    for chunk in 0..2048 {
        giver.verified(secs(20), CHUNK, HINT);
        unsigned += 16;
        if giver.is_due(secs(20)) {
            giver.receipt(stamp(chunk)).unwrap();
            sizes.push(std::mem::take(&mut unsigned));
        }
    }
    assert_eq!(sizes[..5], [256, 272, 544, 1088, 2176], "trust grows by doubling");
    assert!(sizes[5..].iter().all(|size| *size == 4096), "{sizes:?}");
    let last = giver.receipt(stamp(9999)).unwrap();
    assert_eq!(last.bytes, ByteSize::kib(1 + 2048 * 16), "to the byte");
    assert_eq!(last.hint, HINT);
}

#[test]
fn an_honest_client_never_waits_for_more_than_its_receipt() {
    let (mut giver, mut taker) = (giver(), taker(Signing::Receipts));
    let mut receipts = 0;
    for chunk in 0..8192 {
        assert_eq!(taker.turn(secs(1)), Turn::Due, "chunk {chunk}");
        taker.sent(secs(1), CHUNK);
        giver.verified(secs(1), CHUNK, HINT);
        if giver.is_due(secs(1)) {
            let receipt = sealed(&giver.receipt(stamp(chunk)).unwrap());
            taker.receipt(secs(1), &receipt).unwrap();
            receipts += receipt.as_bytes().len();
        }
    }
    // 128 MiB.
    assert!(receipts as f64 / (8192.0 * 16.0 * 1024.0) < 0.0001, "{receipts} bytes of receipts");
}

#[test]
fn a_giver_goes_on_where_it_was() {
    let mut first = giver();
    first.verified(secs(0), WINDOW, HINT);
    let last = first.receipt(stamp(1)).unwrap();
    let mut again = Giver::after(&last);
    again.verified(secs(0), CHUNK, HINT);
    // The server shows a later one, which the disk of the client lost, and one of another pair.
    let shown = Receipt { seq: 9, bytes: ByteSize::mib(64), ..last };
    again.recall(&Receipt { client: node(3), seq: 99, ..last });
    again.recall(&shown);
    again.recall(&last);
    let next = again.receipt(stamp(2)).unwrap();
    let total = ByteSize::bytes((64 << 20) + CHUNK.as_u64());
    assert_eq!((next.epoch, next.seq, next.bytes), (5, 10, total));
}

/// How many bytes a client got as what it is that never signs, and how often it waited.
fn withheld(signing: Signing, seconds: u64, reconnect: bool) -> (u64, u64) {
    let mut taker = taker(signing);
    let (mut taken, mut waited) = (0, 0);
    for now in 0..seconds {
        if reconnect {
            taker.reconnected(secs(now), signing);
        }
        for _ in 0..1000 {
            match taker.turn(secs(now)) {
                Turn::Due => {
                    taken += CHUNK.as_u64();
                    taker.sent(secs(now), CHUNK);
                }
                Turn::Wait => waited += 1,
                Turn::AsStranger => taker.sent(secs(now), CHUNK),
            }
        }
    }
    (taken, waited)
}

/// Threat row 40: who takes and never signs gets 1 MiB of what others wanted, then what strangers
/// get, however often it comes back.
#[test]
fn who_never_signs_is_sent_a_mebibyte_and_then_served_like_a_stranger() {
    for reconnect in [false, true] {
        let (taken, waited) = withheld(Signing::Receipts, 60, reconnect);
        assert_eq!(taken, AHEAD_FIRST.as_u64());
        assert_eq!(waited, 10_000 - 64, "ten seconds");
        let (taken, waited) = withheld(Signing::Nothing, 60, reconnect);
        assert_eq!((taken, waited), (AHEAD_FIRST.as_u64(), 0), "an old program never waits");
    }
}

#[test]
fn taking_without_signing_is_noticed_without_the_defence() {
    let (taken, _) = without(Defence::Windows, || withheld(Signing::Receipts, 60, false));
    assert_eq!(taken, 60 * 1000 * CHUNK.as_u64());
}

/// Threat row 40: whoever signed much and stops is sent two windows ahead.
#[test]
fn who_stops_signing_is_sent_two_windows_and_goes_on_when_it_signs() {
    let (mut giver, mut taker) = (giver(), taker(Signing::Receipts));
    for _ in 0..16 {
        taker.sent(secs(1), WINDOW);
        giver.verified(secs(1), WINDOW, HINT);
        let receipt = sealed(&giver.receipt(stamp(1)).unwrap());
        assert_eq!(taker.receipt(secs(1), &receipt), Ok(WINDOW));
    }
    let mut ahead = 0;
    while taker.turn(secs(2)) == Turn::Due {
        taker.sent(secs(2), CHUNK);
        giver.verified(secs(2), CHUNK, HINT);
        ahead += CHUNK.as_u64();
    }
    assert_eq!((ahead, taker.owed()), (AHEAD_MAX.as_u64(), AHEAD_MAX));
    assert_eq!((taker.turn(secs(2)), taker.wake_at(secs(2))), (Turn::Wait, Some(secs(12))));
    assert_eq!(taker.turn(secs(12)), Turn::AsStranger);
    let receipt = sealed(&giver.receipt(stamp(2)).unwrap());
    assert_eq!(taker.receipt(secs(13), &receipt), Ok(AHEAD_MAX));
    assert_eq!((taker.turn(secs(13)), taker.owed()), (Turn::Due, ByteSize::default()));
}

/// Threat row 40: an honest client that cancels a little pays nothing for it, and one that cancels
/// everything gains no more than an eighth.
#[test]
fn what_was_lost_on_the_way_is_forgiven_up_to_an_eighth() {
    let (mut giver, mut taker) = (giver(), taker(Signing::Receipts));
    taker.sent(secs(1), ByteSize::mib(1));
    taker.lost(secs(1), ByteSize::mib(1));
    assert_eq!(taker.owed(), ByteSize::mib(1), "it signed nothing yet");
    for _ in 0..16 {
        taker.sent(secs(1), WINDOW);
        giver.verified(secs(1), WINDOW, HINT);
        let _ = taker.receipt(secs(1), &sealed(&giver.receipt(stamp(1)).unwrap())).unwrap();
    }
    taker.lost(secs(1), ByteSize::mib(1));
    assert_eq!(taker.owed(), ByteSize::default());
    taker.sent(secs(1), ByteSize::mib(64));
    (0..64).for_each(|_| taker.lost(secs(1), ByteSize::mib(1)));
    assert_eq!(taker.owed(), ByteSize::mib(64 - 64 / 8 + 1));
}

/// Threat rows 37 and 38: a receipt of another pair, and one that was shown before, pay nothing.
fn pays(receipt: &Receipt, by: u8) -> Result<ByteSize, OtherPair> {
    let mut taker = taker(Signing::Receipts);
    let (mut giver, now) = (giver(), secs(1));
    for _ in 0..2 {
        taker.sent(now, WINDOW);
        giver.verified(now, WINDOW, HINT);
        taker.receipt(now, &sealed(&giver.receipt(stamp(1)).unwrap())).unwrap();
    }
    taker.sent(now, WINDOW);
    let owed = taker.owed();
    let signs = taker.receipt(now, &SealedReceipt::seal(receipt, &key(by)).unwrap());
    assert_eq!(owed == taker.owed(), signs.is_err() || signs == Ok(ByteSize::default()));
    signs
}

fn other_pair() -> Receipt {
    Receipt { client: node(3), seq: 9, bytes: ByteSize::mib(64), ..old() }
}

/// The first receipt of the two that [`pays`] showed.
fn old() -> Receipt {
    let mut giver = giver();
    giver.verified(secs(1), WINDOW, HINT);
    giver.receipt(stamp(1)).unwrap()
}

#[test]
fn receipts_of_another_pair_pay_nothing() {
    let refused = Err(OtherPair { server: node(1), client: node(3) });
    assert_eq!(pays(&other_pair(), 3), refused);
    let elsewhere = Receipt { server: node(4), client: node(2), ..other_pair() };
    assert!(pays(&elsewhere, 2).is_err());
}

#[test]
fn a_receipt_of_another_pair_is_noticed_without_the_defence() {
    assert!(without(Defence::PairCheck, || pays(&other_pair(), 3)).is_ok());
}

#[test]
fn a_receipt_that_is_shown_again_pays_nothing() {
    assert_eq!(pays(&old(), 2), Ok(ByteSize::default()));
    let earlier_epoch = Receipt { epoch: 4, seq: 99, bytes: ByteSize::gib(1), ..old() };
    assert_eq!(pays(&earlier_epoch, 2), Ok(ByteSize::default()));
    // A new counting starts from nothing; it pays what it says, and no more than is owed.
    let new_epoch = Receipt { epoch: 6, bytes: ByteSize::gib(1), ..old() };
    assert_eq!(pays(&new_epoch, 2), Ok(ByteSize::gib(1)));
}

#[test]
fn a_receipt_with_a_smaller_number_is_noticed_without_the_defence() {
    let large = Receipt { seq: 1, epoch: 4, bytes: ByteSize::gib(1), ..old() };
    assert!(without(Defence::LaterWins, || pays(&large, 2)).unwrap() > ByteSize::default());
}

#[test]
fn signing_for_more_than_was_sent_buys_no_trust() {
    let mut taker = taker(Signing::Receipts);
    taker.sent(secs(1), ByteSize::bytes(1));
    let boast = Receipt { bytes: ByteSize::gib(1), ..old() };
    taker.receipt(secs(1), &sealed(&boast)).unwrap();
    let mut ahead = 0;
    while taker.turn(secs(1)) == Turn::Due {
        taker.sent(secs(1), CHUNK);
        ahead += CHUNK.as_u64();
    }
    assert_eq!(ahead, AHEAD_FIRST.as_u64());
}
