//! What each policy answers, and that the answer depends on the set alone.

use std::collections::BTreeMap;

use catalog::{Digest, NodeId, PublicKey, SecretKey, StatementId, Timestamp};
use proptest::prelude::*;
use semver::Version;

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn id(word: impl std::fmt::Debug) -> StatementId {
    StatementId::from_digest(Digest::of(format!("{word:?}").as_bytes()))
}

fn key(n: u8) -> PublicKey {
    // Made once for each test thread: a key costs a multiplication on the curve.
    thread_local! {
        static KEYS: Vec<PublicKey> =
            (0..8).map(|n| SecretKey::from_bytes(&[n + 1; 32]).public()).collect();
    }
    KEYS.with(|keys| keys[usize::from(n)])
}

fn at(text: &str) -> Version {
    text.parse().unwrap()
}

fn trust() -> LocalTrust {
    LocalTrust { now: Timestamp::from_millis(NOW), ..LocalTrust::default() }
}

/// A move by key `log`, whose writer had seen the other logs `after`.
fn to(version: &str, log: u8, seq: u64, after: &[(u8, u64)]) -> Move {
    Move {
        id: id((version, log, seq, after)),
        log: key(log),
        seq,
        time: Timestamp::from_millis(NOW),
        version: at(version),
        after: after.iter().map(|(log, seq)| (key(*log), *seq)).collect(),
    }
}

fn channel(moves: &[Move]) -> Channel {
    let logs: BTreeSet<_> = moves.iter().map(|moved| moved.log).collect();
    Channel { moves: moves.to_vec(), logs: logs.len(), unsound: BTreeSet::new() }
}

/// Where the channel points, and why; open ones say `None`.
fn points(policy: Policy, channel: &Channel) -> Option<(String, Why)> {
    let PointerAnswer { at, why, .. } = pointer(policy, channel, &trust());
    at.map(|target| (target.version.to_string(), why))
}

fn claim(content: &str, n: u8) -> Claim {
    Claim { id: id((content, n)), content: Digest::of(content.as_bytes()) }
}

#[test]
fn one_content_is_sound_however_often_it_was_signed() {
    let claims = [claim("a", 1), claim("a", 2), claim("a", 1)];
    let lowest = claims.iter().map(|claim| claim.id).min().unwrap();
    for policy in Policy::ALL {
        assert_eq!(version(policy, &claims, &trust()), VersionAnswer::Sound(lowest));
        assert_eq!(version(policy, &[], &trust()), VersionAnswer::Unknown);
    }
}

/// Threat row 17: no policy lets a second content of a version take its place.
#[test]
fn a_second_content_never_replaces_a_version() {
    let claims = [claim("a", 1), claim("b", 1)];
    let mut rivals = claims.map(|claim| claim.id).to_vec();
    rivals.sort();
    for (policy, standing) in [
        (Policy::NewestWins, Standing::Blocked),
        (Policy::ConsensusWins, Standing::Blocked),
        (Policy::Merge, Standing::Blocked),
        (Policy::KeepBoth, Standing::Each),
        (Policy::Manual, Standing::Blocked),
    ] {
        let contested = VersionAnswer::Contested { rivals: rivals.clone(), standing };
        assert_eq!(version(policy, &claims, &trust()), contested, "{policy}");
    }
}

#[test]
fn enough_configured_auditors_choose_a_content_and_nobody_else() {
    let claims = [claim("a", 1), claim("a", 2), claim("b", 1)];
    let holds = |held: &[Claim]| held.iter().map(|claim| claim.id).collect::<BTreeSet<_>>();
    let auditors = |each: &[&[Claim]]| -> BTreeMap<_, _> {
        let each = each.iter().enumerate();
        each.map(|(n, held)| (NodeId::from_bytes([n as u8; 32]), holds(held))).collect()
    };
    let standing = |auditors, quorum_auditors| {
        let trust = LocalTrust { auditors, quorum_auditors, ..trust() };
        match version(Policy::ConsensusWins, &claims, &trust) {
            VersionAnswer::Contested { standing, .. } => standing,
            other => panic!("{other:?}"),
        }
    };
    let release = claims[0].id.min(claims[1].id);
    let [a, a2, b] = claims;
    // Two of three hold the content, under either id.
    let found = standing(auditors(&[&[a], &[a2], &[b]]), None);
    assert_eq!(found, Standing::Agreed { release, auditors: 2 });
    assert_eq!(standing(auditors(&[&[a], &[b]]), None), Standing::Blocked);
    assert_eq!(standing(auditors(&[&[a], &[], &[]]), None), Standing::Blocked);
    assert_eq!(standing(auditors(&[&[a], &[a2], &[b]]), Some(3)), Standing::Blocked);
    // Who holds both says nothing about either.
    assert_eq!(standing(auditors(&[&[a, b], &[a, b]]), None), Standing::Blocked);
    let found = standing(auditors(&[&[a]]), Some(1));
    assert_eq!(found, Standing::Agreed { release, auditors: 1 });
    assert_eq!(standing(auditors(&[]), Some(0)), Standing::Blocked);
}

#[test]
fn what_a_person_decided_holds_under_every_policy() {
    let claims = [claim("a", 1), claim("b", 1)];
    let moves = [to("1.0.0", 0, 5, &[]), to("2.0.0", 0, 5, &[])];
    for policy in Policy::ALL {
        for chosen in 0..2 {
            let decided = [claims[chosen].id, moves[chosen].id].into();
            let trust = LocalTrust { decided, ..trust() };
            let VersionAnswer::Contested { standing, .. } = version(policy, &claims, &trust) else {
                panic!("{policy}")
            };
            assert_eq!(standing, Standing::Decided(claims[chosen].id));
            let answer = pointer(policy, &channel(&moves), &trust);
            assert_eq!(answer.why, Why::Decided);
            assert_eq!(answer.at.unwrap().by, moves[chosen].id);
        }
        // Two decisions are none.
        let decided = claims.map(|claim| claim.id).into();
        let trust = LocalTrust { decided, ..trust() };
        let VersionAnswer::Contested { standing, .. } = version(policy, &claims, &trust) else {
            panic!("{policy}")
        };
        assert_ne!(standing, Standing::Decided(claims[0].id));
    }
}

/// Whoever knew of a move and moved on is not in conflict with it, under any policy.
#[test]
fn a_move_that_knew_of_the_others_always_wins() {
    let one_log = [to("2.0.0", 0, 3, &[]), to("1.0.0", 0, 9, &[])];
    let merge =
        [to("1.0.0", 0, 900, &[]), to("2.0.0", 1, 40, &[]), to("1.5.0", 1, 41, &[(0, 900)])];
    // A rival at one position is covered by the next one.
    let healed = [to("1.0.0", 0, 3, &[]), to("2.0.0", 0, 3, &[]), to("1.5.0", 0, 4, &[])];
    for policy in Policy::ALL {
        for (moves, version) in [(&one_log[..], "1.0.0"), (&merge, "1.5.0"), (&healed, "1.5.0")] {
            let found = points(policy, &channel(moves));
            assert_eq!(found, Some((version.to_owned(), Why::Undisputed)), "{policy}");
        }
    }
}

#[test]
fn a_fork_of_a_channel_is_answered_as_each_policy_says() {
    // Both came after 1.0.0, neither knew of the other.
    let base = to("1.0.0", 0, 1, &[]);
    let moves = [base.clone(), to("1.1.0", 0, 7, &[]), to("1.2.0", 1, 5, &[(0, 1)])];
    let fork = channel(&moves);
    let by = |policy| Why::Policy(policy);
    let newest = Some(("1.1.0".to_owned(), by(Policy::NewestWins)));
    assert_eq!(points(Policy::NewestWins, &fork), newest);
    assert_eq!(points(Policy::ConsensusWins, &fork), None);
    let highest = Some(("1.2.0".to_owned(), by(Policy::Merge)));
    assert_eq!(points(Policy::Merge, &fork), highest);
    let target = |moved: &Move| Target { version: moved.version.clone(), by: moved.id };
    let targets = vec![target(&moves[1]), target(&moves[2])];
    let open = PointerAnswer { targets: targets.clone(), at: None, why: Why::Open };
    assert_eq!(pointer(Policy::KeepBoth, &fork, &trust()), open);
    let stays = PointerAnswer { targets, at: Some(target(&base)), why: Why::Earlier };
    assert_eq!(pointer(Policy::Manual, &fork, &trust()), stays);
    let unset = PointerAnswer { targets: vec![], at: None, why: Why::Unset };
    assert_eq!(pointer(Policy::Manual, &channel(&[]), &trust()), unset);
    assert!(open.is_disputed() && stays.is_disputed() && !unset.is_disputed());
}

#[test]
fn more_than_half_of_the_keys_agree_or_nobody_does() {
    let moves = [to("2.0.0", 0, 3, &[]), to("2.0.0", 1, 1, &[]), to("1.0.0", 2, 9, &[])];
    let agreed = Some(("2.0.0".to_owned(), Why::Policy(Policy::ConsensusWins)));
    assert_eq!(points(Policy::ConsensusWins, &channel(&moves)), agreed);
    // Keys that say nothing count as well: two of four are not enough.
    let four = Channel { logs: 4, ..channel(&moves) };
    assert_eq!(points(Policy::ConsensusWins, &four), None);
    // Who contradicts itself has no vote.
    let forked = [&moves[..], &[to("1.0.0", 1, 1, &[])]].concat();
    assert_eq!(points(Policy::ConsensusWins, &channel(&forked)), None);
}

#[test]
fn merging_takes_the_highest_sound_version_of_a_channel_that_only_rose() {
    let moves = [to("1.0.0", 0, 1, &[]), to("1.1.0", 0, 7, &[]), to("1.2.0", 1, 5, &[(0, 1)])];
    let withdrawn = Channel { unsound: [at("1.2.0")].into(), ..channel(&moves) };
    let merged = |version: &str| Some((version.to_owned(), Why::Policy(Policy::Merge)));
    assert_eq!(points(Policy::Merge, &withdrawn), merged("1.1.0"));
    let both = Channel { unsound: [at("1.1.0"), at("1.2.0")].into(), ..channel(&moves) };
    assert_eq!(points(Policy::Merge, &both), None);
    // A channel that was taken back once is not pushed up again.
    let lowered = [&moves[..], &[to("0.9.0", 0, 8, &[])]].concat();
    assert_eq!(points(Policy::Merge, &channel(&lowered)), None);
}

/// Threat row 35: a date far ahead buys nothing until it is true.
#[test]
fn a_move_dated_ahead_of_our_clock_waits() {
    let mut early = to("2.0.0", 0, 9, &[]);
    early.time = Timestamp::from_millis(NOW + AHEAD_MAX.as_millis() as u64 + 1);
    let moves = channel(&[to("1.0.0", 0, 1, &[]), early]);
    for policy in Policy::ALL {
        let now = |millis| LocalTrust { now: Timestamp::from_millis(millis), ..trust() };
        let at = |trust| pointer(policy, &moves, &trust).at.unwrap().version.to_string();
        assert_eq!(at(now(NOW)), "1.0.0");
        assert_eq!(at(now(NOW + 1)), "2.0.0");
    }
}

#[test]
fn logs_that_claim_to_have_seen_each_other_do_not_empty_a_channel() {
    let moves = [to("1.0.0", 0, 1, &[(1, 9)]), to("2.0.0", 1, 1, &[(0, 9)])];
    let answer = pointer(Policy::Manual, &channel(&moves), &trust());
    assert_eq!((answer.targets.len(), answer.why), (2, Why::Open));
    assert_eq!(
        points(Policy::NewestWins, &channel(&moves)).unwrap().1,
        Why::Policy(Policy::NewestWins)
    );
}

#[test]
fn manual_goes_back_to_what_nobody_disputed() {
    // Forked twice, one after the other.
    let moves = [
        to("1.0.0", 0, 1, &[]),
        to("1.1.0", 0, 2, &[]),
        to("1.2.0", 0, 2, &[]),
        to("1.3.0", 0, 3, &[]),
        to("1.4.0", 0, 3, &[]),
    ];
    let answer = pointer(Policy::Manual, &channel(&moves), &trust());
    assert_eq!((answer.targets.len(), answer.why), (2, Why::Earlier));
    assert_eq!(answer.at.unwrap().version, at("1.0.0"));
    // A fork from the first move on leaves nothing to stay at.
    let answer = pointer(Policy::Manual, &channel(&moves[1..3]), &trust());
    assert_eq!((answer.at, answer.why), (None, Why::Open));
}

#[test]
fn the_yank_of_a_contested_version_covers_every_content() {
    let verdict = |log, seq, yanked| Verdict { log: key(log), seq, yanked, id: id((log, seq)) };
    // A yank names the version, never a release: there is nothing to tell rivals apart by.
    assert_eq!(withdrawn(&[verdict(0, 3, true)]), Some(id((0u8, 3u64))));
    assert_eq!(withdrawn(&[verdict(0, 3, true), verdict(0, 4, false)]), None);
    assert_eq!(withdrawn(&[verdict(0, 3, true), verdict(1, 400, false)]), Some(id((0u8, 3u64))));
    assert_eq!(withdrawn(&[verdict(0, 3, true), verdict(0, 3, false)]), Some(id((0u8, 3u64))));
    assert_eq!(withdrawn(&[]), None);
}

fn arb_move() -> impl Strategy<Value = Move> {
    let after = proptest::collection::btree_map(0u8..4, 0u64..6, 0..3);
    (0u8..4, 1u64..6, 0u64..3, 0u64..4, after).prop_map(|(log, seq, time, minor, after)| {
        let after: Vec<_> = after.into_iter().filter(|(other, _)| *other != log).collect();
        let moved = to(&format!("1.{minor}.0"), log, seq, &after);
        // Now, a little ahead, and too far ahead.
        let time = Timestamp::from_millis(NOW + time * 200_000);
        Move { id: id((&moved.version, log, seq, time, &after)), time, ..moved }
    })
}

/// Everything that a node could be asked, in bytes.
fn answers(
    claims: &[Claim],
    channel: &Channel,
    verdicts: &[Verdict],
    trust: &LocalTrust,
) -> Vec<u8> {
    let all =
        Policy::ALL.map(|policy| (version(policy, claims, trust), pointer(policy, channel, trust)));
    postcard::to_stdvec(&(all.as_slice(), withdrawn(verdicts))).unwrap()
}

prop_compose! {
    fn arb_trust(claims: Vec<Claim>, moves: Vec<Move>)(
        held in proptest::collection::vec(
            proptest::collection::vec(any::<proptest::sample::Index>(), 0..4), 0..4),
        decided in proptest::option::of(any::<proptest::sample::Index>()),
        quorum in proptest::option::of(0usize..4),
    ) -> LocalTrust {
        let ids: Vec<_> =
            claims.iter().map(|c| c.id).chain(moves.iter().map(|m| m.id)).collect();
        let pick = |at: &proptest::sample::Index| (!ids.is_empty()).then(|| *at.get(&ids));
        let auditors = held.iter().enumerate().map(|(n, held)| {
            (NodeId::from_bytes([n as u8; 32]), held.iter().filter_map(pick).collect())
        });
        LocalTrust {
            auditors: auditors.collect(),
            quorum_auditors: quorum,
            quorum_keys: quorum,
            decided: decided.iter().filter_map(pick).collect(),
            ..trust()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Permutation, duplication, partition and healing: the answer is that of the set.
    #[test]
    fn equal_sets_give_equal_bytes_under_every_policy(
        (claims, moves, trust) in (
            proptest::collection::vec((0u8..4, 0u8..3), 0..8),
            proptest::collection::vec(arb_move(), 0..12),
        ).prop_flat_map(|(claims, moves)| {
            let claims: Vec<_> =
                claims.into_iter().map(|(content, n)| claim(&content.to_string(), n)).collect();
            let trust = arb_trust(claims.clone(), moves.clone());
            (Just(claims), Just(moves), trust)
        }),
        order in any::<u64>(),
        sides in any::<u64>(),
    ) {
        let verdicts: Vec<_> = moves
            .iter()
            .map(|m| Verdict { log: m.log, seq: m.seq, yanked: m.version.minor % 2 == 0, id: m.id })
            .collect();
        let expected = answers(&claims, &channel(&moves), &verdicts, &trust);

        // Two sides that saw different parts, some of it both; then each hears the other's.
        let side = |n: usize| (sides >> (2 * (n % 32))) & 3;
        fn part<T: Clone>(all: &[T], wanted: impl Fn(usize) -> bool) -> Vec<T> {
            let kept = all.iter().enumerate().filter(|(n, _)| wanted(*n));
            kept.map(|(_, item)| item.clone()).collect()
        }
        fn heal<T: Clone>(ours: Vec<T>, theirs: Vec<T>, order: u64) -> Vec<T> {
            let mut all = [ours.clone(), theirs, ours].concat();
            let length = all.len().max(1);
            all.rotate_left(order as usize % length);
            if order.is_multiple_of(2) { all.reverse() }
            all
        }
        let left = |n| side(n) != 1;
        let right = |n| side(n) != 2;
        for order in [order, order.wrapping_add(1)] {
            let claims = heal(part(&claims, left), part(&claims, right), order);
            let healed = heal(part(&moves, left), part(&moves, right), order);
            let verdicts = heal(part(&verdicts, left), part(&verdicts, right), order);
            let channel = Channel { moves: healed, ..channel(&moves) };
            prop_assert_eq!(&answers(&claims, &channel, &verdicts, &trust), &expected);
        }
    }

    /// Whatever else is signed, a version that was sound for a reader is never another content.
    #[test]
    fn more_claims_contest_a_version_and_never_change_it(
        first in 0u8..4,
        more in proptest::collection::vec((0u8..4, 0u8..3), 0..8),
    ) {
        let first = claim(&first.to_string(), 0);
        let more = more.into_iter().map(|(content, n)| claim(&content.to_string(), n));
        let claims: Vec<_> = std::iter::once(first).chain(more).collect();
        for policy in Policy::ALL {
            match version(policy, &claims, &trust()) {
                VersionAnswer::Sound(id) => {
                    let sound = claims.iter().find(|claim| claim.id == id).unwrap();
                    prop_assert_eq!(sound.content, first.content);
                }
                VersionAnswer::Contested { rivals, .. } => prop_assert!(rivals.len() > 1),
                VersionAnswer::Unknown => prop_assert!(false, "it was released"),
            }
        }
    }
}
