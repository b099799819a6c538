//! Cuts a stream into frames of few bytes: two bytes of length, big-endian, then that many bytes.

use std::io;

use iroh::endpoint::{ReadExactError, RecvStream};

/// The body of the next frame, in `buffer`, which is as large as the largest; `None` when the stream
/// ended before it.
///
/// # Errors
/// When the stream breaks, or the frame is larger; a peer can cause both.
pub(crate) async fn body<'b>(
    receive: &mut RecvStream,
    buffer: &'b mut [u8],
) -> io::Result<Option<&'b [u8]>> {
    let mut length = [0; 2];
    match receive.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    }
    let body = buffer.get_mut(..usize::from(u16::from_be_bytes(length)));
    let body = body.ok_or(io::ErrorKind::InvalidData)?;
    receive.read_exact(body).await.map_err(io::Error::other)?;
    Ok(Some(body))
}
