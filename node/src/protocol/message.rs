//! The messages of `catalog/1`. Their order and fields are a promise; a test pins their bytes.

use serde::{Deserialize, Serialize};

use super::frame::FrameError;

/// The versions of the conversation that this node can hold.
const VERSION_MIN: u16 = 1;
const VERSION_MAX: u16 = 1;
/// A peer's description of itself is cut to this length.
const AGENT_BYTES_MAX: usize = 64;

/// What a stream can be opened with.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// First on every connection; answered by [`Welcome`].
    Hello(Hello),
    /// Answered by [`RecordsFrame`]s.
    Records(RecordsRequest),
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
    /// Names its store; changes when the store is made anew, and cursors with it.
    pub store: [u8; 16],
    /// Its newest change.
    pub last: u64,
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

/// Asks for what changed in the other's store.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordsRequest {
    /// The store that `since` counts in; another one starts from the beginning.
    pub store: [u8; 16],
    /// The last change that is known already.
    pub since: u64,
    /// Which records.
    pub want: Want,
}

/// Which records are asked for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Want {
    /// All that we may see.
    All,
}

/// The answer to [`RecordsRequest`]: one `Begin`, any number of `Some`, one `End`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RecordsFrame {
    /// Where it starts.
    Begin {
        /// The store that answers.
        store: [u8; 16],
        /// What it counts from.
        since: u64,
    },
    /// Records in the order in which they can be checked.
    Some {
        /// The changes up to here have been sent with this frame.
        up_to: u64,
        /// The records.
        items: Vec<Item>,
    },
    /// That was all.
    End {
        /// Ask from here next time.
        up_to: u64,
    },
}

/// One record.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// A sealed statement.
    Statement(Vec<u8>),
    /// The place in a log of a statement that the asker may not read.
    Leaf {
        /// Whose log.
        publisher: [u8; 32],
        /// Which of its logs.
        key: [u8; 32],
        /// Which place.
        seq: u64,
        /// The hash that stands there.
        hash: [u8; 32],
    },
    /// A sealed head.
    Head(Vec<u8>),
}

/// What is said without being asked, on a stream of its own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// There is something new to ask for.
    Changed {
        /// Whose store.
        store: [u8; 16],
        /// Its newest change.
        last: u64,
    },
}

impl Hello {
    /// This program's hello.
    pub(crate) fn ours(store: [u8; 16], last: u64) -> Self {
        let agent = concat!("catalog/", env!("CARGO_PKG_VERSION")).to_owned();
        Self { version_min: VERSION_MIN, version_max: VERSION_MAX, agent, store, last }
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
}

#[cfg(test)]
mod tests {
    use super::super::frame::{decode, encode};
    use super::*;

    fn hello() -> Hello {
        Hello { version_min: 1, version_max: 2, agent: "x/1".to_owned(), store: [7; 16], last: 300 }
    }

    /// Nodes that are already running read these bytes.
    #[test]
    fn the_messages_have_these_bytes() {
        let store = "07".repeat(16);
        let hello_hex = format!("010203782f31{store}ac02");
        let thirty_two = |byte: &str| byte.repeat(32);
        let cases: Vec<(Vec<u8>, String)> = vec![
            (encode(&Request::Hello(hello())).unwrap(), format!("00{hello_hex}")),
            (
                encode(&Request::Records(RecordsRequest {
                    store: [7; 16],
                    since: 5,
                    want: Want::All,
                }))
                .unwrap(),
                format!("01{store}0500"),
            ),
            (
                encode(&Welcome::Agreed { version: 1, hello: hello() }).unwrap(),
                format!("0001{hello_hex}"),
            ),
            (
                encode(&Welcome::NoCommonVersion { version_min: 3, version_max: 4 }).unwrap(),
                "010304".to_owned(),
            ),
            (
                encode(&RecordsFrame::Begin { store: [7; 16], since: 5 }).unwrap(),
                format!("00{store}05"),
            ),
            (
                encode(&RecordsFrame::Some {
                    up_to: 9,
                    items: vec![
                        Item::Statement(vec![0xaa, 0xbb]),
                        Item::Leaf { publisher: [1; 32], key: [2; 32], seq: 4, hash: [3; 32] },
                        Item::Head(vec![0xcc]),
                    ],
                })
                .unwrap(),
                format!(
                    "0109030002aabb01{}{}04{}0201cc",
                    thirty_two("01"),
                    thirty_two("02"),
                    thirty_two("03")
                ),
            ),
            (encode(&RecordsFrame::End { up_to: 9 }).unwrap(), "0209".to_owned()),
            (encode(&Notice::Changed { store: [7; 16], last: 9 }).unwrap(), format!("00{store}09")),
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
        let message = RecordsFrame::Some { up_to: 1, items: vec![Item::Head(vec![1; 100])] };
        let frame = encode(&message).unwrap();
        assert_eq!(decode::<RecordsFrame>(&frame[4..]).unwrap(), message);
    }
}
