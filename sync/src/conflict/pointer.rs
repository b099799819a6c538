//! Channels: a name that its owner moves from version to version.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::statement::ChannelMove;
use catalog::{PublicKey, StatementId, Timestamp};
use semver::Version;

use super::history::History;
use super::{LocalTrust, Policy, only, quorum};

/// How far ahead of our clock a move may be dated; one that is dated later waits until then.
pub const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// How far back a disputed channel is followed to find what was not disputed.
const STEPS_BACK_MAX: usize = 64;

/// One move of a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// The statement.
    pub id: StatementId,
    /// The key whose log it stands in.
    pub log: PublicKey,
    /// The position there.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// What the channel means from then on.
    pub version: Version,
    /// How far its writer had seen the publisher's other logs.
    pub after: BTreeMap<PublicKey, u64>,
}

impl Move {
    /// The move that a statement in the log of the key `log` makes.
    pub fn of(id: StatementId, log: PublicKey, moved: &ChannelMove) -> Self {
        Self {
            id,
            log,
            seq: moved.seq,
            time: moved.time,
            version: moved.version.clone(),
            after: moved.after.clone(),
        }
    }

    fn rank(&self) -> (u64, Timestamp, StatementId) {
        (self.seq, self.time, self.id)
    }

    fn target(&self) -> Target {
        Target { version: self.version.clone(), by: self.id }
    }
}

/// Everything that is known about one channel of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Every move, in any order, with or without repetitions.
    pub moves: Vec<Move>,
    /// How many keys of the publisher keep a log.
    pub logs: usize,
    /// The versions that were withdrawn or are contested.
    pub unsound: BTreeSet<Version>,
}

/// Where a channel points, and which statement says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Target {
    /// The version.
    pub version: Version,
    /// The statement.
    pub by: StatementId,
}

/// What a channel means here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PointerAnswer {
    /// What it was last moved to, by writers who did not know of each other; ascending. Empty for
    /// a channel that nobody moved yet.
    pub targets: Vec<Target>,
    /// Where it points; `None` when nobody may guess.
    pub at: Option<Target>,
    /// Why it points there, or nowhere.
    pub why: Why,
}

impl PointerAnswer {
    /// Whether it was moved to several versions at once, whatever was made of that.
    pub fn is_disputed(&self) -> bool {
        !matches!(self.why, Why::Unset | Why::Undisputed)
    }
}

/// Why a channel points where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nobody moved it yet.
    Unset,
    /// Nobody says otherwise.
    Undisputed,
    /// The policy chose among several.
    Policy(Policy),
    /// A person did.
    Decided,
    /// It stays where it was before it was disputed.
    Earlier,
    /// It is disputed, and points nowhere.
    Open,
}

/// Says where a channel points, given every move of it.
pub fn pointer(policy: Policy, channel: &Channel, trust: &LocalTrust) -> PointerAnswer {
    // Held back, not refused: it counts as soon as our clock agrees.
    let due = |moved: &&Move| moved.time.since(trust.now) <= AHEAD_MAX;
    let history: History<'_> = channel.moves.iter().filter(due).collect();
    let heads = history.heads();
    let (at, why) = choose(policy, &history, &heads, channel, trust);
    let mut targets: Vec<_> = heads.into_iter().map(Move::target).collect();
    targets.sort();
    PointerAnswer { targets, at: at.map(Move::target), why }
}

fn choose<'m>(
    policy: Policy,
    history: &History<'m>,
    heads: &[&'m Move],
    channel: &Channel,
    trust: &LocalTrust,
) -> (Option<&'m Move>, Why) {
    let Some(newest) = newest(heads) else { return (None, Why::Unset) };
    if agreed(heads) {
        return (Some(newest), Why::Undisputed);
    }
    if let Some(&head) = only(heads.iter().filter(|head| trust.decided.contains(&head.id))) {
        return (Some(head), Why::Decided);
    }
    let chosen = match policy {
        Policy::NewestWins => Some(newest),
        Policy::ConsensusWins => consensus(history, quorum(trust.quorum_keys, channel.logs)),
        Policy::Merge => highest(history, heads, &channel.unsound),
        Policy::KeepBoth => None,
        Policy::Manual => match undisputed(history, heads) {
            Some(earlier) => return (Some(earlier), Why::Earlier),
            None => None,
        },
    };
    let why = if chosen.is_some() { Why::Policy(policy) } else { Why::Open };
    (chosen, why)
}

/// The highest position, then the latest time, then the highest id.
fn newest<'m>(moves: &[&'m Move]) -> Option<&'m Move> {
    moves.iter().copied().max_by_key(|moved| moved.rank())
}

fn agreed(moves: &[&Move]) -> bool {
    moves.windows(2).all(|pair| pair[0].version == pair[1].version)
}

/// What at least `needed` logs say last, if that is one version. A log that contradicts itself at
/// its last position has no vote.
fn consensus<'m>(history: &History<'m>, needed: usize) -> Option<&'m Move> {
    let logs = by_log(history.ends());
    let mut votes: BTreeMap<&Version, Vec<&Move>> = BTreeMap::new();
    for vote in logs.values().filter(|ends| agreed(ends)).filter_map(|ends| newest(ends)) {
        votes.entry(&vote.version).or_default().push(vote);
    }
    newest(&only(votes.into_values().filter(|votes| votes.len() >= needed))?)
}

/// The highest sound version among `heads`, if no log ever moved the channel down.
fn highest<'m>(
    history: &History<'m>,
    heads: &[&'m Move],
    unsound: &BTreeSet<Version>,
) -> Option<&'m Move> {
    let rises = |moves: &mut Vec<&Move>| {
        moves.sort_by_key(|moved| (moved.seq, &moved.version));
        moves.is_sorted_by_key(|moved| &moved.version)
    };
    if !by_log(history.moves()).values_mut().all(rises) {
        return None;
    }
    let sound = heads.iter().copied().filter(|head| !unsound.contains(&head.version));
    sound.max_by_key(|head| (&head.version, head.rank()))
}

fn by_log<'m>(moves: impl Iterator<Item = &'m Move>) -> BTreeMap<PublicKey, Vec<&'m Move>> {
    let mut logs: BTreeMap<PublicKey, Vec<_>> = BTreeMap::new();
    moves.for_each(|moved| logs.entry(moved.log).or_default().push(moved));
    logs
}

/// Where the channel pointed before it was disputed.
fn undisputed<'m>(history: &History<'m>, heads: &[&'m Move]) -> Option<&'m Move> {
    let mut earlier = history.before(heads);
    for _ in 0..STEPS_BACK_MAX {
        let heads = earlier.heads();
        if agreed(&heads) {
            return newest(&heads);
        }
        earlier = earlier.before(&heads);
    }
    None
}
