//! Cuts a stream into frames: four bytes of length, big-endian, then that many bytes of postcard.

use std::io;
use std::time::Duration;

use iroh::endpoint::{ReadExactError, RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame. Checked before memory is taken.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;
/// A peer that needs longer for one frame is taken for gone.
const FRAME_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream ended, was reset or timed out.
    #[error("the connection ended")]
    Lost {
        /// What the transport said.
        source: io::Error,
    },
    /// The peer announced more than a frame may have.
    #[error("the peer sent a frame of {bytes} bytes, {FRAME_BYTES_MAX} are allowed")]
    TooLarge {
        /// The announced length.
        bytes: usize,
    },
    /// The peer sent what we cannot read.
    #[error("the peer sent a frame that cannot be read")]
    Malformed,
    /// The peer sent a frame that has no place here.
    #[error("the peer sent an unexpected frame")]
    OutOfTurn,
}

impl FrameError {
    fn lost(source: impl Into<io::Error>) -> Self {
        Self::Lost { source: source.into() }
    }

    /// The stream ended where something was still to come.
    pub(crate) fn ended() -> Self {
        Self::lost(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

/// Encodes a message as one frame.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let frame = postcard::to_extend(message, vec![0; 4]).map_err(|_| FrameError::Malformed)?;
    let bytes = frame.len() - 4;
    if bytes > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes });
    }
    let mut frame = frame;
    frame[..4].copy_from_slice(&(bytes as u32).to_be_bytes());
    Ok(frame)
}

/// Reads what [`encode`] wrote, without its length.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Malformed),
    }
}

/// Sends one frame and returns how many bytes went out.
pub(crate) async fn send(to: &mut SendStream, message: &impl Serialize) -> Result<u64, FrameError> {
    let frame = encode(message)?;
    let sent = tokio::time::timeout(FRAME_TIMEOUT, to.write_all(&frame)).await;
    sent.map_err(FrameError::lost)?.map_err(FrameError::lost)?;
    Ok(frame.len() as u64)
}

/// Sends bytes that are laid out already as one frame.
pub(crate) async fn send_bytes(to: &mut SendStream, body: &[u8]) -> Result<(), FrameError> {
    let bytes = body.len();
    if bytes > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes });
    }
    let frame = [&(bytes as u32).to_be_bytes(), body].concat();
    let sent = tokio::time::timeout(FRAME_TIMEOUT, to.write_all(&frame)).await;
    sent.map_err(FrameError::lost)?.map_err(FrameError::lost)
}

/// Receives the bytes of one frame. `None` when the stream ended before it.
pub(crate) async fn receive_bytes(from: &mut RecvStream) -> Result<Option<Vec<u8>>, FrameError> {
    let received = tokio::time::timeout(FRAME_TIMEOUT, receive_body(from)).await;
    received.map_err(FrameError::lost)?
}

/// Receives one frame; also says how many bytes came in. `None` when the stream ended before it.
pub(crate) async fn receive<T: DeserializeOwned>(
    from: &mut RecvStream,
) -> Result<Option<(T, u64)>, FrameError> {
    let Some(body) = receive_bytes(from).await? else { return Ok(None) };
    Ok(Some((decode(&body)?, body.len() as u64 + 4)))
}

/// Receives one frame where the stream must not end.
pub(crate) async fn expect<T: DeserializeOwned>(
    from: &mut RecvStream,
) -> Result<(T, u64), FrameError> {
    receive(from).await?.ok_or_else(FrameError::ended)
}

async fn receive_body(from: &mut RecvStream) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(FrameError::lost(exact(error))),
    }
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes });
    }
    // The announced length is bounded, but memory is still only taken for what arrives.
    let mut body = Vec::with_capacity(bytes.min(64 * 1024));
    let mut piece = vec![0; bytes.min(64 * 1024)];
    while body.len() < bytes {
        let want = piece.len().min(bytes - body.len());
        from.read_exact(&mut piece[..want])
            .await
            .map_err(|error| FrameError::lost(exact(error)))?;
        body.extend_from_slice(&piece[..want]);
    }
    Ok(Some(body))
}

fn exact(error: ReadExactError) -> io::Error {
    match error {
        ReadExactError::FinishedEarly(_) => io::ErrorKind::UnexpectedEof.into(),
        ReadExactError::ReadError(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_length_and_postcard() {
        assert_eq!(encode(&(1u8, "ab")).unwrap(), [0, 0, 0, 4, 1, 2, b'a', b'b']);
        assert_eq!(decode::<(u8, String)>(&[1, 2, b'a', b'b']).unwrap(), (1, "ab".to_owned()));
    }

    #[test]
    fn trailing_bytes_and_half_frames_are_malformed() {
        for body in [&[1, 2, b'a'][..], &[1, 2, b'a', b'b', 0]] {
            assert!(matches!(decode::<(u8, String)>(body), Err(FrameError::Malformed)));
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_not_written() {
        let message = vec![0u8; FRAME_BYTES_MAX];
        assert!(matches!(encode(&message), Err(FrameError::TooLarge { .. })));
    }
}
