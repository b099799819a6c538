//! The frames of `catalog/session/1`. Their bytes are a promise; a test pins them.
//!
//! Two bytes of length, then one byte that says which frame it is, then its fields side by side.
//! Numbers are big-endian. A frame has at most [`FRAME_BYTES_MAX`] bytes, checked before memory is
//! taken, and nothing behind its fields.

use catalog::permission::NodeId;

/// The largest frame, without its length: a drain that names as many nodes as it may.
pub(crate) const FRAME_BYTES_MAX: usize = 512;
/// Nodes that a drain may name.
pub(crate) const SUGGESTED_MAX: usize = 8;
/// Stands for "whoever you like" where a node is named.
pub(crate) const ANYBODY: NodeId = NodeId::from_bytes([0; 32]);
/// Stands for "not known" where a share is told.
const UNKNOWN: u16 = u16::MAX;

/// Numbers one session of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub [u8; 16]);

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Client: a session begins, at this version of its map.
    Hello { session: SessionId, map: u64 },
    /// Provider: how it is.
    Load(Load),
    /// Provider: it will leave.
    Drain(Drain),
    /// Provider: what it was to bring is to come from others.
    Handoff(Handoff),
    /// Client: the version of its map is now this.
    Map(u64),
    /// Client: nothing more is wanted.
    Bye,
}

/// How a provider is. Shares are in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// What it is offered, served or not, of what it can serve: more than 1000 is too much.
    pub offered: Option<u16>,
    /// Memory in use.
    pub memory: Option<u16>,
    /// Requests that it is answering, of everybody.
    pub requests: u16,
    /// Packets with contents for this client since the report before, and those of them lost.
    pub sent: u32,
    pub lost: u32,
}

/// A provider will leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    pub reason: Reason,
    /// It answers for so long, from when this was sent.
    pub deadline_ms: u32,
    /// Who may take over, as far as it knows.
    pub suggest: Vec<NodeId>,
}

/// A provider wants to be relieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// The version of the map that this makes.
    pub map: u64,
    /// Whose work it is about: the one who says it.
    pub from: NodeId,
    /// Who is to take over; [`ANYBODY`] when it does not matter.
    pub to: NodeId,
    pub reason: Reason,
    pub phase: Phase,
    /// For so long `from` can be asked all the same, when nobody else delivers.
    pub backup_ms: u32,
}

/// Why a provider wants to be left. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Reason {
    Load = 1,
    Latency = 2,
    Loss = 3,
    Memory = 4,
    Shutdown = 5,
    Update = 6,
    Rebalance = 7,
    Affinity = 8,
    Operator = 9,
}

/// How far a handoff is. 2 and 4 are kept for work that has a state to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It may come: `to` should be ready.
    Prepare = 1,
    /// It holds from now on.
    Commit = 3,
    /// It does not come, or is over.
    Abort = 5,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of a session cannot be read")]
pub(crate) struct Malformed;

impl Reason {
    const ALL: [Self; 9] = [
        Self::Load,
        Self::Latency,
        Self::Loss,
        Self::Memory,
        Self::Shutdown,
        Self::Update,
        Self::Rebalance,
        Self::Affinity,
        Self::Operator,
    ];
}

impl Frame {
    /// The bytes of the frame, its length in front.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 2];
        match self {
            Self::Hello { session, map } => {
                bytes.push(1);
                bytes.extend(session.0);
                bytes.extend(map.to_be_bytes());
            }
            Self::Load(Load { offered, memory, requests, sent, lost }) => {
                bytes.push(2);
                for share in [*offered, *memory] {
                    let share = share.map_or(UNKNOWN, |share| share.min(UNKNOWN - 1));
                    bytes.extend(share.to_be_bytes());
                }
                bytes.extend(requests.to_be_bytes());
                bytes.extend(sent.to_be_bytes());
                bytes.extend(lost.to_be_bytes());
            }
            Self::Drain(Drain { reason, deadline_ms, suggest }) => {
                bytes.extend([3, *reason as u8]);
                bytes.extend(deadline_ms.to_be_bytes());
                let suggest = &suggest[..suggest.len().min(SUGGESTED_MAX)];
                bytes.push(suggest.len() as u8);
                suggest.iter().for_each(|node| bytes.extend(node.as_bytes()));
            }
            Self::Handoff(Handoff { map, from, to, reason, phase, backup_ms }) => {
                bytes.push(4);
                bytes.extend(map.to_be_bytes());
                bytes.extend(from.as_bytes());
                bytes.extend(to.as_bytes());
                bytes.extend([*reason as u8, *phase as u8]);
                bytes.extend(backup_ms.to_be_bytes());
            }
            Self::Map(map) => {
                bytes.push(5);
                bytes.extend(map.to_be_bytes());
            }
            Self::Bye => bytes.push(6),
        }
        let length = (bytes.len() - 2) as u16;
        bytes[..2].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads a frame, without its length.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the bytes that [`encode`](Self::encode) gives.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        if body.len() > FRAME_BYTES_MAX {
            return Err(Malformed);
        }
        let mut rest = Rest(body);
        let frame = match rest.u8()? {
            1 => Self::Hello { session: SessionId(rest.take()?), map: rest.u64()? },
            2 => Self::Load(Load {
                offered: rest.share()?,
                memory: rest.share()?,
                requests: rest.u16()?,
                sent: rest.u32()?,
                lost: rest.u32()?,
            }),
            3 => {
                let (reason, deadline_ms, count) = (rest.reason()?, rest.u32()?, rest.u8()?);
                if usize::from(count) > SUGGESTED_MAX {
                    return Err(Malformed);
                }
                let suggest = (0..count).map(|_| rest.node()).collect::<Result<_, _>>()?;
                Self::Drain(Drain { reason, deadline_ms, suggest })
            }
            4 => Self::Handoff(Handoff {
                map: rest.u64()?,
                from: rest.node()?,
                to: rest.node()?,
                reason: rest.reason()?,
                phase: rest.phase()?,
                backup_ms: rest.u32()?,
            }),
            5 => Self::Map(rest.u64()?),
            6 => Self::Bye,
            _ => return Err(Malformed),
        };
        if rest.0.is_empty() { Ok(frame) } else { Err(Malformed) }
    }
}

/// What is left of a frame.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_be_bytes)
    }

    fn share(&mut self) -> Result<Option<u16>, Malformed> {
        Ok(Some(self.u16()?).filter(|share| *share != UNKNOWN))
    }

    fn node(&mut self) -> Result<NodeId, Malformed> {
        self.take().map(NodeId::from_bytes)
    }

    fn reason(&mut self) -> Result<Reason, Malformed> {
        let number = self.u8()?;
        Reason::ALL.into_iter().find(|reason| *reason as u8 == number).ok_or(Malformed)
    }

    fn phase(&mut self) -> Result<Phase, Malformed> {
        let number = self.u8()?;
        let all = [Phase::Prepare, Phase::Commit, Phase::Abort];
        all.into_iter().find(|phase| *phase as u8 == number).ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    fn frames() -> Vec<(Frame, String)> {
        let times = |byte: &str, count: usize| byte.repeat(count);
        let load = Load { offered: Some(1150), memory: None, requests: 3, sent: 700, lost: 7 };
        let drain = Drain {
            reason: Reason::Shutdown,
            deadline_ms: 5000,
            suggest: vec![node(0xaa), node(0xbb)],
        };
        let handoff = Handoff {
            map: 258,
            from: node(0xaa),
            to: ANYBODY,
            reason: Reason::Load,
            phase: Phase::Commit,
            backup_ms: 10_000,
        };
        vec![
            (
                Frame::Hello { session: SessionId([7; 16]), map: 1 },
                format!("001901{}0000000000000001", times("07", 16)),
            ),
            (Frame::Load(load), "000f02047effff0003000002bc00000007".to_owned()),
            (
                Frame::Drain(drain),
                format!("004703050000138802{}{}", times("aa", 32), times("bb", 32)),
            ),
            (
                Frame::Handoff(handoff),
                format!("004f040000000000000102{}{}010300002710", times("aa", 32), times("00", 32)),
            ),
            (Frame::Map(258), "0009050000000000000102".to_owned()),
            (Frame::Bye, "000106".to_owned()),
        ]
    }

    /// Nodes that are already running read these bytes.
    #[test]
    fn the_frames_have_these_bytes() {
        for (frame, expected) in frames() {
            let bytes = frame.encode();
            assert_eq!(hex::encode(&bytes), expected, "{frame:?}");
            assert_eq!(Frame::decode(&bytes[2..]), Ok(frame));
        }
    }

    /// Threat row 15: lengths and counts are checked before memory is taken.
    #[test]
    fn what_is_cut_short_too_long_or_unknown_is_no_frame() {
        for (frame, _) in frames() {
            let bytes = &frame.encode()[2..];
            for length in 0..bytes.len() {
                assert_eq!(Frame::decode(&bytes[..length]), Err(Malformed), "{frame:?}");
            }
            assert_eq!(Frame::decode(&[bytes, &[0]].concat()), Err(Malformed), "{frame:?}");
        }
        let many = [&[3, 5, 0, 0, 0, 1, 9][..], &[1; 9 * 32]].concat();
        for wrong in [&[][..], &[0], &[7], &[3, 10, 0, 0, 0, 1, 0], &many, &[6; 600]] {
            assert_eq!(Frame::decode(wrong), Err(Malformed), "{wrong:?}");
        }
        let mut all = Drain { reason: Reason::Update, deadline_ms: 1, suggest: vec![node(1); 20] };
        let bytes = Frame::Drain(all.clone()).encode();
        assert!(bytes.len() <= FRAME_BYTES_MAX);
        all.suggest.truncate(SUGGESTED_MAX);
        assert_eq!(Frame::decode(&bytes[2..]), Ok(Frame::Drain(all)));
    }
}
