//! The frames of `catalog/receipt/1`. Their bytes are a promise; a test pins them.
//!
//! Two bytes of length, then one byte that says which frame it is, then its fields side by side.
//! Numbers are big-endian. A frame has at most [`FRAME_BYTES_MAX`] bytes, checked before memory is
//! taken, and nothing behind its fields.

use std::io;

use catalog_mirror::receipt::SEALED_BYTES_MAX;
use iroh::endpoint::{RecvStream, SendStream};

use crate::protocol::short;

/// The largest frame, without its length: a receipt.
pub(crate) const FRAME_BYTES_MAX: usize = 1 + SEALED_BYTES_MAX;

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Client: it will sign for what it gets.
    Hello,
    /// Client: a sealed receipt.
    Receipt(Vec<u8>),
    /// Server: the receipt of this place was taken, or a later one was before.
    Taken(Place),
    /// Server: the receipt does not count. It serves on all the same.
    Refused(Why),
    /// Server, after the hello: the last receipt of this client that it knows, or nothing. Whoever
    /// lost its state does not sign one number twice.
    Last(Vec<u8>),
}

/// What orders the receipts of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub epoch: u32,
    pub seq: u64,
}

/// Why a receipt does not count. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Why {
    /// It is none, for nothing, for oneself, or the signature is forged.
    NoReceipt = 1,
    /// It is not about the two nodes of this connection.
    OtherPair = 2,
    /// It is older than one that was taken.
    Stale = 3,
    /// It is for more than was sent, or for less than one before.
    Amount = 4,
    /// Another one of the same place was signed for something else.
    Equivocation = 5,
    /// It is stamped in the future.
    Ahead = 6,
}

impl Why {
    const ALL: [Self; 6] = [
        Self::NoReceipt,
        Self::OtherPair,
        Self::Stale,
        Self::Amount,
        Self::Equivocation,
        Self::Ahead,
    ];
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame about receipts cannot be read")]
pub(crate) struct Malformed;

impl Frame {
    /// The bytes of the frame, its length in front.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 2];
        match self {
            Self::Hello => bytes.push(1),
            Self::Receipt(sealed) => {
                bytes.push(2);
                bytes.extend(sealed);
            }
            Self::Taken(Place { epoch, seq }) => {
                bytes.push(3);
                bytes.extend(epoch.to_be_bytes());
                bytes.extend(seq.to_be_bytes());
            }
            Self::Refused(why) => bytes.extend([4, *why as u8]),
            Self::Last(sealed) => {
                bytes.push(5);
                bytes.extend(sealed);
            }
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
        let (kind, fields) = body.split_first().ok_or(Malformed)?;
        match (kind, fields) {
            (1, []) => Ok(Self::Hello),
            (2, sealed) if (1..=SEALED_BYTES_MAX).contains(&sealed.len()) => {
                Ok(Self::Receipt(sealed.to_vec()))
            }
            (3, fields) => {
                let (epoch, seq) = fields.split_first_chunk::<4>().ok_or(Malformed)?;
                let epoch = u32::from_be_bytes(*epoch);
                let seq = u64::from_be_bytes(seq.try_into().map_err(|_| Malformed)?);
                Ok(Self::Taken(Place { epoch, seq }))
            }
            (4, [number]) => {
                let why = Why::ALL.into_iter().find(|why| *why as u8 == *number);
                why.map(Self::Refused).ok_or(Malformed)
            }
            (5, sealed) if sealed.len() <= SEALED_BYTES_MAX => Ok(Self::Last(sealed.to_vec())),
            _ => Err(Malformed),
        }
    }

    pub(crate) async fn write(&self, send: &mut SendStream) -> io::Result<()> {
        send.write_all(&self.encode()).await.map_err(io::Error::other)
    }

    /// The next frame; `None` when the stream ended before it.
    pub(crate) async fn read(receive: &mut RecvStream) -> io::Result<Option<Self>> {
        let mut buffer = [0; FRAME_BYTES_MAX];
        let Some(body) = short::body(receive, &mut buffer).await? else { return Ok(None) };
        let frame = Self::decode(body);
        frame.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> [(Frame, &'static str); 6] {
        [
            (Frame::Hello, "000101"),
            (Frame::Receipt(vec![0xaa, 0xbb]), "000302aabb"),
            (Frame::Taken(Place { epoch: 3, seq: 258 }), "000d03000000030000000000000102"),
            (Frame::Refused(Why::Amount), "00020404"),
            (Frame::Last(vec![]), "000105"),
            (Frame::Last(vec![0xcc]), "000205cc"),
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
        assert_eq!(Why::ALL.map(|why| why as u8), [1, 2, 3, 4, 5, 6]);
    }

    /// Threat row 15: lengths and counts are checked before memory is taken.
    #[test]
    fn what_is_cut_short_too_long_or_unknown_is_no_frame() {
        for (frame, _) in frames() {
            let bytes = &frame.encode()[2..];
            let longer = [bytes, &[0]].concat();
            if matches!(frame, Frame::Receipt(_) | Frame::Last(_)) {
                continue;
            }
            for length in 0..bytes.len() {
                assert_eq!(Frame::decode(&bytes[..length]), Err(Malformed), "{frame:?}");
            }
            assert_eq!(Frame::decode(&longer), Err(Malformed), "{frame:?}");
        }
        let long = [&[2][..], &[7; SEALED_BYTES_MAX + 1]].concat();
        for wrong in [&[][..], &[0], &[2], &[4, 0], &[4, 7], &[6], &long] {
            assert_eq!(Frame::decode(wrong), Err(Malformed), "{wrong:?}");
        }
    }
}
