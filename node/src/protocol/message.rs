//! The messages of `catalog/1`. Their order and fields are a promise; a test pins their bytes.

use serde::{Deserialize, Serialize};

use catalog_sync::conversation::ConversationError;
use catalog_sync::exchange::Announced;
use catalog_sync::keeper::Current;
use catalog_sync::{FineOdd, Summary, View};

use super::frame::FrameError;
use super::question::Asked;

/// The versions of the conversation that this node can hold.
pub(crate) const VERSION_MIN: u16 = 1;
pub(crate) const VERSION_MAX: u16 = 2;
/// From this version on, a node answers searches.
pub(crate) const VERSION_SEARCH: u16 = 2;
/// What this program calls itself.
pub(crate) const AGENT: &str = concat!("catalog/", env!("CARGO_PKG_VERSION"));
/// A peer's description of itself is cut to this length.
const AGENT_BYTES_MAX: usize = 64;

/// What a stream can be opened with.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// First on every connection; answered by [`Welcome`].
    Hello(Hello),
    /// Begins an exchange of records; its frames follow on the same stream, in both directions.
    Exchange,
    /// Asks how fresh the heads of these logs are. Answered by [`Heads`].
    Heads(Vec<LogName>),
    /// Asks for packages; from [`VERSION_SEARCH`] on. Answered by
    /// [`Reply`](super::question::Reply).
    Search(Box<Asked>),
}

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Oldest version it can speak.
    pub version_min: u16,
    /// Newest version it can speak.
    pub version_max: u16,
    /// Program and version, for people.
    pub agent: String,
    /// What it holds.
    pub state: StoreState,
}

/// What a store holds, so that nothing has to be asked when it is the same as here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreState {
    /// Names the store; changes when the store is made anew, and cursors with it.
    pub store: [u8; 16],
    /// Its newest change.
    pub last: u64,
    /// What must not wait.
    pub urgent: SetState,
    /// Every position of every log.
    pub log: SetState,
}

/// One set of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetState {
    /// Equal roots are equal sets.
    pub root: [u8; 32],
    /// How many items there are.
    pub count: u64,
    /// An odd sketch: tells how large a difference is.
    pub odd: Vec<u8>,
}

/// A log: whose, and by which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogName {
    /// The publisher.
    pub publisher: [u8; 32],
    /// The key that signs the log.
    pub key: [u8; 32],
}

/// The answer to [`Request::Heads`]: sealed heads, the freshest that are known.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heads {
    /// At most one for each log that was asked for.
    pub heads: Vec<Vec<u8>>,
}

/// The answer to a [`Hello`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Welcome {
    /// Both speak this version from now on.
    Agreed {
        /// The newest version that both can speak.
        version: u16,
        /// Who answers.
        hello: Hello,
    },
    /// There is no such version.
    NoCommonVersion {
        /// Oldest version the answering side can speak.
        version_min: u16,
        /// Newest version the answering side can speak.
        version_max: u16,
    },
}

/// What is said without being asked, on a stream of its own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// There is something new to ask for.
    Changed(StoreState),
}

impl StoreState {
    /// What our own store holds.
    pub(crate) fn of(current: &Current) -> Self {
        Self {
            store: current.snapshot.epoch(),
            last: current.snapshot.last_change(),
            urgent: SetState::of(current.urgent()),
            log: SetState::of(current.log()),
        }
    }

    /// A view of the store, as far as it is announced.
    pub(crate) fn announced(&self, view: &View) -> Option<Announced> {
        let set = match view {
            View::Urgent => &self.urgent,
            View::All => &self.log,
            _ => return None,
        };
        // A sketch of another size is of no use, and no harm.
        let odd = FineOdd::from_bytes(set.odd.as_slice().try_into().ok()?);
        Some(Announced { root: set.root, count: set.count, odd })
    }
}

impl SetState {
    fn of(summary: &Summary) -> Self {
        let odd = summary.odd().to_bytes().to_vec();
        Self { root: summary.root(), count: summary.len(), odd }
    }
}

impl Hello {
    /// This program's hello.
    pub(crate) fn ours(state: StoreState) -> Self {
        let agent = AGENT.to_owned();
        Self { version_min: VERSION_MIN, version_max: VERSION_MAX, agent, state }
    }

    /// Answers the hello of a dialler.
    pub(crate) fn answer(self, theirs: &Self) -> Welcome {
        let version = self.version_max.min(theirs.version_max);
        if version < self.version_min.max(theirs.version_min) {
            let Self { version_min, version_max, .. } = self;
            return Welcome::NoCommonVersion { version_min, version_max };
        }
        Welcome::Agreed { version, hello: self }
    }

    /// The version that we and who said this speak with each other.
    pub(crate) fn common_version(&self) -> u16 {
        self.version_max.min(VERSION_MAX)
    }

    /// What a peer calls itself, safe to show: short, printable, one line.
    pub(crate) fn agent_text(&self) -> String {
        self.agent.chars().filter(|c| !c.is_control()).take(AGENT_BYTES_MAX).collect()
    }
}

impl Welcome {
    /// The peer's hello, when we agreed on a version that we offered.
    pub(crate) fn agreed(self, ours: &Hello) -> Result<Hello, Disagreement> {
        match self {
            Self::Agreed { version, hello }
                if (ours.version_min..=ours.version_max).contains(&version) =>
            {
                Ok(hello)
            }
            Self::Agreed { version, .. } => {
                Err(Disagreement { theirs: (version, version), ours: ours.versions() })
            }
            Self::NoCommonVersion { version_min, version_max } => {
                Err(Disagreement { theirs: (version_min, version_max), ours: ours.versions() })
            }
        }
    }
}

impl Hello {
    fn versions(&self) -> (u16, u16) {
        (self.version_min, self.version_max)
    }
}

/// There is no version that both can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer speaks protocol versions {}-{}, we speak {}-{}", theirs.0, theirs.1, ours.0, ours.1)]
pub struct Disagreement {
    /// Oldest and newest version of the peer.
    pub theirs: (u16, u16),
    /// Oldest and newest version of this node.
    pub ours: (u16, u16),
}

/// Why there was no conversation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TalkError {
    /// The frames broke off or made no sense.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No version in common.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// A rule of the exchange was broken, or our store failed in it.
    #[error(transparent)]
    Exchange(#[from] ConversationError),
}

#[cfg(test)]
mod tests {
    use super::super::frame::{decode, encode};
    use super::*;

    fn state() -> StoreState {
        let set = |byte| SetState { root: [byte; 32], count: 300, odd: vec![byte + 1; 3] };
        StoreState { store: [7; 16], last: 300, urgent: set(1), log: set(3) }
    }

    fn hello() -> Hello {
        Hello { version_min: 1, version_max: 2, agent: "x/1".to_owned(), state: state() }
    }

    /// Nodes that are already running read these bytes.
    #[test]
    fn the_messages_have_these_bytes() {
        let times = |byte: &str, count: usize| byte.repeat(count);
        let set = |root, odd| format!("{}ac0203{}", times(root, 32), times(odd, 3));
        let state_hex = format!("{}ac02{}{}", times("07", 16), set("01", "02"), set("03", "04"));
        let hello_hex = format!("010203782f31{state_hex}");
        let log = LogName { publisher: [1; 32], key: [2; 32] };
        let cases: Vec<(Vec<u8>, String)> = vec![
            (encode(&Request::Hello(hello())).unwrap(), format!("00{hello_hex}")),
            (encode(&Request::Exchange).unwrap(), "01".to_owned()),
            (
                encode(&Request::Heads(vec![log])).unwrap(),
                format!("0201{}{}", times("01", 32), times("02", 32)),
            ),
            (
                encode(&Welcome::Agreed { version: 1, hello: hello() }).unwrap(),
                format!("0001{hello_hex}"),
            ),
            (
                encode(&Welcome::NoCommonVersion { version_min: 3, version_max: 4 }).unwrap(),
                "010304".to_owned(),
            ),
            (encode(&Heads { heads: vec![vec![0xcc]] }).unwrap(), "0101cc".to_owned()),
            (encode(&Notice::Changed(state())).unwrap(), format!("00{state_hex}")),
        ];
        for (frame, expected) in cases {
            assert_eq!(hex::encode(&frame[4..]), expected);
        }
    }

    #[test]
    fn the_newest_common_version_is_agreed_on() {
        let new = Hello { version_min: 1, version_max: 3, ..hello() };
        let welcome = hello().answer(&new);
        assert_eq!(welcome, Welcome::Agreed { version: 2, hello: hello() });
        assert_eq!(welcome.agreed(&new), Ok(hello()));
    }

    #[test]
    fn without_a_common_version_both_sides_learn_why() {
        let newer = Hello { version_min: 3, version_max: 4, ..hello() };
        let welcome = newer.answer(&hello());
        let expected = Disagreement { theirs: (3, 4), ours: (1, 2) };
        assert_eq!(welcome.agreed(&hello()), Err(expected));
    }

    #[test]
    fn a_version_that_was_never_offered_is_refused() {
        let lie = Welcome::Agreed { version: 9, hello: hello() };
        assert!(lie.agreed(&hello()).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Notice::Changed(state());
        let frame = encode(&message).unwrap();
        assert_eq!(decode::<Notice>(&frame[4..]).unwrap(), message);
    }
}
