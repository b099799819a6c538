use std::collections::BTreeSet;

use proptest::prelude::*;

use super::row::{EPOCHS_MAX, MARKS_MAX};
use super::*;
use crate::defence::{Defence, without};
use crate::fraud::tests::contradiction;
use crate::receipt::tests::{key, node, receipt, sealed};
use catalog::Digest;
use catalog::register::Hlc;

const HOUR: u64 = 60 * 60 * 1000;
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn later(hours: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + hours * HOUR)
}

fn at(hours: u64) -> Hlc {
    Hlc::after(Hlc::default(), later(hours))
}

/// What node 2 signed for node 1, `hours` from now.
fn signed(epoch: u32, seq: u64, mib: u64, hours: u64) -> SealedReceipt {
    sealed(Receipt { epoch, seq, bytes: ByteSize::mib(mib), hlc: at(hours), ..receipt() })
}

fn total(ledger: &Ledger) -> ByteSize {
    ledger.total(&node(1), &node(2))
}

fn with(receipts: &[SealedReceipt]) -> Ledger {
    let mut ledger = Ledger::new(node(1));
    for receipt in receipts {
        let _ = ledger.take(receipt, later(24 * 365));
    }
    ledger
}

#[test]
fn a_receipt_counts_for_what_it_adds() {
    let mut ledger = Ledger::new(node(1));
    assert_eq!(ledger.take(&signed(1, 1, 4, 0), NOW), Taken::New { growth: ByteSize::mib(4) });
    assert_eq!(ledger.take(&signed(1, 5, 20, 0), NOW), Taken::New { growth: ByteSize::mib(16) });
    assert_eq!(ledger.take(&signed(2, 1, 1, 0), NOW), Taken::New { growth: ByteSize::mib(1) });
    assert_eq!(total(&ledger), ByteSize::mib(21), "the total of an older counting stays");
    let row = ledger.row(&node(1), &node(2)).unwrap();
    assert_eq!(row.newest(), Some(&signed(2, 1, 1, 0)));
}

/// Threat row 38: replayed, late and reordered receipts, and those of an earlier counting.
#[test]
fn what_is_shown_again_changes_nothing() {
    let receipts =
        [signed(1, 1, 4, 0), signed(1, 2, 8, 0), signed(1, 3, 12, 30), signed(2, 1, 4, 60)];
    let honest = with(&receipts);
    assert_eq!(total(&honest), ByteSize::mib(16));
    let mut ledger = honest.clone();
    for again in receipts.iter().chain(receipts.iter().rev()) {
        assert_eq!(ledger.take(again, later(99)), Taken::Known);
        assert_eq!(ledger, honest);
    }
}

#[test]
fn an_old_receipt_is_noticed_without_the_defence() {
    let mut ledger = with(&[signed(1, 1, 4, 0), signed(1, 2, 8, 0)]);
    let _ = without(Defence::LaterWins, || ledger.take(&signed(1, 1, 4, 0), NOW));
    assert_eq!(total(&ledger), ByteSize::mib(4), "whoever shows it takes credit away");
}

/// Threat row 35: a stamp of the future would never fade.
#[test]
fn a_receipt_of_the_future_waits() {
    let mut ledger = Ledger::new(node(1));
    assert_eq!(ledger.take(&signed(1, 1, 4, 1), NOW), Taken::Ahead);
    assert_eq!(total(&ledger), ByteSize::default());
    assert!(matches!(ledger.take(&signed(1, 1, 4, 1), later(1)), Taken::New { .. }));
}

#[test]
fn what_was_sent_is_worth_half_after_three_days() {
    let ledger = with(&[signed(1, 1, 64, 0), signed(1, 2, 96, 72)]);
    let row = ledger.row(&node(1), &node(2)).unwrap();
    let mib = |hours| row.faded(later(hours)) / f64::from(1 << 20);
    assert!((mib(72) - 64.0).abs() < 0.01, "{}", mib(72));
    assert!((mib(144) - 32.0).abs() < 0.01, "{}", mib(144));
    assert_eq!(total(&ledger), ByteSize::mib(96), "a total does not fade");
}

#[test]
fn a_row_keeps_a_fortnight_and_the_totals_of_countings() {
    let days: Vec<_> = (0..100).map(|day| signed(1, day + 1, 10 * (day + 1), 24 * day)).collect();
    let ledger = with(&days);
    let row = ledger.row(&node(1), &node(2)).unwrap();
    assert_eq!((row.marks.len(), row.total()), (MARKS_MAX, ByteSize::mib(1000)));
    let all: f64 =
        (0..100).map(|day| faded(ByteSize::mib(10), Duration::from_secs(day * 86_400))).sum();
    let kept = row.faded(later(24 * 99));
    assert!(kept < all && kept > 0.95 * all, "{kept} of {all}");
    let lost: Vec<_> = (1..=100).map(|epoch| signed(epoch, 1, 10, 24 * u64::from(epoch))).collect();
    let row = with(&lost).row(&node(1), &node(2)).unwrap().clone();
    assert_eq!(row.marks.len(), MARKS_MAX, "who loses its state each day is forgotten in the end");
    let mut mixed = lost[..20].to_vec();
    mixed.extend((0..40).map(|day| signed(50, day + 1, 1000, 24 * (day + 20))));
    let row = with(&mixed).row(&node(1), &node(2)).unwrap().clone();
    assert_eq!(row.marks.len(), MARKS_MAX + EPOCHS_MAX - 1);
    assert_eq!(row.total(), ByteSize::mib(1000 + 10 * (EPOCHS_MAX as u64 - 1)));
}

/// Receipts of three clients for two servers, some of them contradictions.
fn any_receipts() -> impl Strategy<Value = Vec<Receipt>> {
    let one = (1..=2_u8, 3..=5_u8, 1..=12_u32, 1..=6_u64, 1..=9_u64, 0..40_u64);
    let one = one.prop_map(|(server, client, epoch, seq, mib, days)| Receipt {
        server: node(server),
        client: node(client),
        epoch,
        seq,
        bytes: ByteSize::mib(mib),
        hlc: at(24 * days),
        hint: Digest::from_bytes([0; 32]),
    });
    prop::collection::vec(one, 0..60)
}

fn supposed(receipts: &[Receipt]) -> Ledger {
    let mut ledger = Ledger::new(node(1));
    receipts.iter().for_each(|receipt| ledger.suppose(receipt));
    ledger
}

fn joined(a: &Ledger, b: &Ledger) -> Ledger {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

proptest! {
    /// Threat row 38: whatever came, in whatever order and however often, gives the same ledger.
    #[test]
    fn a_ledger_is_a_join(
        (receipts, shuffled) in any_receipts().prop_flat_map(|receipts| {
            let mut twice = receipts.clone();
            twice.extend(receipts.iter().rev().take(9).copied());
            (Just(receipts), Just(twice).prop_shuffle())
        }),
        cut in 0..60_usize,
    ) {
        let all = supposed(&receipts);
        prop_assert_eq!(&supposed(&shuffled), &all);
        let (left, right) = receipts.split_at(cut.min(receipts.len()));
        let (middle, right) = right.split_at(right.len() / 2);
        let [a, b, c] = [left, middle, right].map(supposed);
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), all.clone());
        prop_assert_eq!(joined(&a, &joined(&b, &c)), all.clone());
        prop_assert_eq!(joined(&all, &a), all);
    }
}

/// Threat row 39: whoever sees both receipts has the proof, in whatever order they came; the proof
/// is shown to others, and they believe it without having seen either.
#[test]
fn a_contradiction_is_proved_and_the_proof_spreads() {
    let (one, other) = contradiction();
    for (first, second) in [(&one, &other), (&other, &one)] {
        let mut ledger = Ledger::new(node(1));
        let _ = ledger.take(first, NOW);
        let Taken::Contradiction(fraud) = ledger.take(second, NOW) else { panic!("not noticed") };
        assert!(ledger.is_fraud(&node(2)) && !ledger.is_fraud(&node(1)));
        let mut elsewhere = Ledger::new(node(9));
        assert!(elsewhere.accuse(Fraud::open(&fraud.encode()).unwrap()), "it is news there");
        assert!(!elsewhere.accuse(*fraud), "and only once");
        assert!(elsewhere.is_fraud(&node(2)));
    }
    // Two that saw one each have it as soon as they exchange what they hold.
    let both = joined(&with(&[one]), &with(&[other]));
    assert!(both.is_fraud(&node(2)));
}

#[test]
fn a_contradiction_is_noticed_without_the_defence() {
    let (one, other) = contradiction();
    let believed = without(Defence::Contradictions, || with(&[one, other]));
    assert!(!believed.is_fraud(&node(2)));
}

#[test]
fn of_several_proofs_all_nodes_keep_the_same() {
    let totals: Vec<_> = (1..=4).map(|mib| signed(1, 1, mib, 0)).collect();
    let frauds: Vec<_> =
        totals[1..].iter().map(|other| Fraud::of(&totals[0], other).unwrap()).collect();
    let accused = |order: &[usize]| {
        let mut ledger = Ledger::new(node(1));
        order.iter().for_each(|of| {
            ledger.accuse(frauds[*of].clone());
        });
        ledger
    };
    assert_eq!(accused(&[0, 1, 2]), accused(&[2, 1, 0, 1]));
}

fn stranger(of: u64) -> NodeId {
    NodeId::from_bytes(*Digest::of(&of.to_le_bytes()).as_bytes())
}

/// Threat row 41: whoever signs with a million keys pushes out nothing that matters here.
#[test]
fn a_flood_of_receipts_pushes_out_none_that_matters() {
    let mut ledger = Ledger::new(node(1));
    let own = Receipt { hlc: at(0), ..receipt() };
    ledger.suppose(&own);
    let vouched = Receipt { server: node(3), client: node(4), hlc: at(0), ..receipt() };
    ledger.suppose(&vouched);
    ledger.suppose(&Receipt { server: node(4), client: node(1), hlc: at(0), ..receipt() });
    for fake in 0..ROWS_MAX as u64 + 1000 {
        let (server, client) = (stranger(fake), stranger(fake + 1));
        ledger.suppose(&Receipt { server, client, hlc: at(1), ..receipt() });
    }
    assert!(ledger.rows().count() <= ROWS_MAX);
    assert!(ledger.row(&node(1), &node(2)).is_some(), "a row of its own");
    assert!(ledger.row(&node(3), &node(4)).is_some(), "what somebody vouches for that served it");
    assert!(ledger.row(&stranger(ROWS_MAX as u64), &stranger(ROWS_MAX as u64 + 1)).is_some());
}

/// Threat row 39: keys that nobody knows can accuse themselves without end.
#[test]
fn a_flood_of_proofs_pushes_out_none_that_matters() {
    let of = |seed: u64, mib| {
        let key = catalog::SecretKey::from_bytes(Digest::of(&seed.to_le_bytes()).as_bytes());
        let client = NodeId::from_bytes(*key.public().as_bytes());
        let receipt = Receipt { client, bytes: ByteSize::mib(mib), ..receipt() };
        SealedReceipt::seal(&receipt, &key).unwrap()
    };
    let (one, other) = contradiction();
    let mut ledger = Ledger::new(node(1));
    let _ = ledger.take(&one, NOW);
    let flood: Vec<Fraud> = (0..FRAUDS_MAX as u64 + 3)
        .map(|seed| Fraud::of(&of(seed, 1), &of(seed, 2)).unwrap())
        .collect();
    for fraud in &flood {
        ledger.accuse(fraud.clone());
    }
    assert_eq!(ledger.frauds().len(), FRAUDS_MAX);
    assert!(matches!(ledger.take(&other, NOW), Taken::Contradiction(_)));
    assert!(ledger.is_fraud(&node(2)), "of whom there is a row has room");
    let signers: BTreeSet<_> = ledger.frauds().map(|(signer, _)| *signer).collect();
    assert_eq!(signers.len(), FRAUDS_MAX);
}

#[test]
fn a_bonus_is_kept_and_never_told() {
    let mut ledger = with(&[signed(1, 1, 4, 0)]);
    ledger.reward(&node(2), ByteSize::mib(1));
    ledger.reward(&node(3), ByteSize::mib(1));
    let row = ledger.row(&node(1), &node(2)).unwrap();
    assert_eq!((row.bonus(), row.total()), (ByteSize::mib(1), ByteSize::mib(4)));
}

#[test]
fn a_ledger_has_these_bytes() {
    let mut ledger = with(&[signed(1, 1, 4, 0)]);
    ledger.reward(&node(2), ByteSize::bytes(9));
    let newest = hex::encode(signed(1, 1, 4, 0).as_bytes());
    let bytes = [
        "2d000000",
        &format!("a2617601667669657765725820{}", node(1)),
        "16010000",
        "a3",
        "65626f6e757309",
        "656d61726b73",
        "8185011950ed011a004000001b01a0c4506c000000",
        "666e6577657374",
        &format!("58ea{newest}"),
    ];
    assert_eq!(hex::encode(ledger.encode()), bytes.concat());
}

#[test]
fn a_ledger_comes_back_as_it_was_kept() {
    let days = (0..40).map(|day| signed(1 + day as u32 / 9, day + 1, 10 * (day + 1), 24 * day));
    let mut ledger = with(&days.collect::<Vec<_>>());
    let by_another = Receipt { server: node(2), client: node(1), ..receipt() };
    let _ = ledger.take(&SealedReceipt::seal(&by_another, &key(1)).unwrap(), NOW);
    let (one, other) = contradiction();
    ledger.accuse(Fraud::of(&one, &other).unwrap());
    let bytes = ledger.encode();
    assert_eq!(Ledger::decode(node(1), &bytes), Ok(ledger));
    let found = node(1);
    assert_eq!(Ledger::decode(node(2), &bytes), Err(LedgerError::OtherViewer { found }));
    for end in 0..bytes.len() {
        let cut = Ledger::decode(node(1), &bytes[..end]);
        assert!(cut.map_or(true, |cut| cut.rows().count() < 2 || cut.frauds().len() == 0));
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let _ = Ledger::decode(node(1), &damaged);
    }
}
