//! Mirrors that say they hold something, asked for a piece of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::{ByteSize, Digest};
use catalog_mirror::audit::Outcome;
use catalog_mirror::holdings::{Page, PageNumber};
use catalog_mirror::lease::{self, Lease};
use catalog_tests::dice::Dice;

use super::fixture::{Machine, draft, noise, reference};
use super::odd::{Manner, Odd};
use crate::audit::{AuditError, Audited, Claim};
use crate::meter::Count;

/// What somebody says who says that it holds this.
fn claim(auditor: &Machine, mirror: NodeId, root: Digest) -> Claim {
    auditor.node.0.claim(mirror, &root).unwrap().unwrap()
}

async fn audit(auditor: &Machine, claim: &Claim, dice: &mut Dice) -> Option<Outcome> {
    auditor.node.0.audit(claim, dice.roll()).await.unwrap()
}

/// Threat row 42: 5 % of what a mirror holds is deleted behind its back, and it says on that it
/// holds everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_lost_a_twentieth_is_found_within_sixty_audits() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let files: Vec<(String, Vec<u8>)> =
        (0..40).map(|at| (format!("data/{at}"), noise(40_000, at + 1))).collect();
    let listed: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let published = a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", &listed)])).await;
    b.meet(&a).await;
    b.node.fetch(&reference("acme/graphdb"), vec![]).await.unwrap();
    // Nothing of it stays open.
    let b = b.restart().await;
    b.node.serve().await.unwrap();
    c.meet(&b).await;
    let claim = claim(&c, b.node.id(), published.variants[0].root);
    let mut dice = Dice::new(42);
    for _ in 0..5 {
        assert_eq!(audit(&c, &claim, &mut dice).await, Some(Outcome::Kept));
    }
    let trusted = c.node.0.reliability(&b.node.id());
    assert!(trusted > 0.5, "{trusted}");
    // The mirror cannot tell who asks from anybody else.
    assert_eq!(b.node.0.account.books().record(&c.node.id()), None);

    for (_, bytes) in &files[..2] {
        let name = format!("{}.data", Digest::of(bytes));
        std::fs::remove_file(b.dir.path().join("data/blobs/data").join(name)).unwrap();
    }
    let (mut audits, mut trusted) = (0, trusted);
    loop {
        audits += 1;
        assert!(audits <= 60, "5 % are gone and nobody noticed");
        trusted = c.node.0.reliability(&b.node.id()).max(trusted);
        match audit(&c, &claim, &mut dice).await {
            Some(Outcome::Lost) => break,
            other => assert_eq!(other, Some(Outcome::Kept)),
        }
    }
    assert!(c.node.0.reliability(&b.node.id()) < trusted);
    assert_eq!(c.node.0.meter.of(Count::AuditsLost), 1);
    // It is remembered over a restart.
    let doubtful = c.node.0.reliability(&b.node.id());
    let c = c.restart().await;
    assert_eq!(c.node.0.reliability(&b.node.id()), doubtful);
}

/// Wrong bytes are no accident, silence is; and who gave something up has time to say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_not_taken_for_one_that_is_away() {
    let (a, liar, c) =
        (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(400_000, 3)), ("README", noise(900, 4))];
    let published = a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    let root = published.variants[0].root;
    liar.meet(&a).await;
    liar.node.fetch(&reference("acme/graphdb"), vec![]).await.unwrap();
    c.meet(&a).await;
    // The list is here, so that only the piece is asked for.
    let readme = vec!["README".parse().unwrap()];
    c.node.fetch(&reference("acme/graphdb"), readme).await.unwrap();
    let mut dice = Dice::new(7);

    let lying = Odd::serve(&liar, Manner::Flips).await;
    lying.show(&c);
    lying.at.store(2_000, Ordering::Relaxed);
    let lie = audit(&c, &claim(&c, lying.id, root), &mut dice).await;
    assert_eq!(lie, Some(Outcome::Lost));
    lying.close().await;

    // a says that it holds what it never had.
    let files: &[(&str, Vec<u8>)] = &[("notes", noise(300_000, 5))];
    let other = a.publish(draft(a.dir.path(), "notes", "1.0.0", &[("any", files)])).await;
    c.node.sync(None).await.unwrap();
    let gone = claim(&c, a.node.id(), other.variants[0].root);
    a.node.0.store.release_hold(&gone.variant.root, catalog::store::HoldReason::Published).unwrap();
    assert_eq!(audit(&c, &gone, &mut dice).await, None, "perhaps it gave it up just now");

    let held = claim(&c, a.node.id(), root);
    a.node.shutdown().await.unwrap();
    assert_eq!(audit(&c, &held, &mut dice).await, Some(Outcome::Away));
    let record = *c.node.0.account.books().record(&a.node.id()).unwrap();
    assert_eq!((record.kept(), record.audits()), (0.5, 0), "that is no proof of anything");
}

/// Audits have a part of what moves and no more; nobody is asked for what no release names.
#[tokio::test(flavor = "multi_thread")]
async fn audits_keep_to_their_part() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(400_000, 3))];
    let published = a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    b.meet(&a).await;
    let root = published.variants[0].root;
    let nothing = b.node.audit(a.node.id(), &Digest::of(b"nothing")).await;
    assert!(matches!(nothing, Err(AuditError::Unknown { .. })), "{nothing:?}");
    let early = b.node.audit(a.node.id(), &root).await;
    assert!(matches!(early, Err(AuditError::Spent)), "{early:?}");
    // As if this had been sent to others.
    b.node.0.meter.add(Count::ContentsSent, 30 << 20);
    assert_eq!(b.node.audit(a.node.id(), &root).await.unwrap(), Audited::Kept);
    let again = b.node.audit(a.node.id(), &root).await;
    assert!(matches!(again, Err(AuditError::Spent)), "{again:?}");
}

/// Only who promised to hold something is asked for it: a mirror whose lease holds.
#[tokio::test(flavor = "multi_thread")]
async fn claims_are_what_mirrors_say_while_their_lease_holds() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(40_000, 3))];
    let published = a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    let root = published.variants[0].root;
    b.meet(&a).await;
    b.node.fetch(&reference("acme/graphdb"), vec![]).await.unwrap();
    let lease = Lease {
        region: None,
        capacity: ByteSize::gib(1),
        used: ByteSize::default(),
        backbone: false,
        generation: 3,
        filter: None,
        measured: Default::default(),
    };
    let hour = Duration::from_secs(3600);
    let page = |generation| Page::of(generation, [root].iter()).encode();
    let number = PageNumber::of(&root);
    a.node.say(&number.register(), page(3), hour).await.unwrap();
    b.node.sync(None).await.unwrap();
    assert_eq!(b.node.0.claims().unwrap(), [], "it promised nothing");
    a.node.say(&lease::NAME.parse().unwrap(), lease.encode(), hour).await.unwrap();
    b.node.sync(None).await.unwrap();
    assert_eq!(b.node.0.claims().unwrap(), [(a.node.id(), root)]);
    a.node.say(&number.register(), page(2), hour).await.unwrap();
    b.node.sync(None).await.unwrap();
    assert_eq!(b.node.0.claims().unwrap(), [], "of a lease that is over");
}
