//! One message on a stream: a length of four bytes, big-endian, and so many bytes.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes before the body.
pub(crate) const PREFIX_BYTES: u64 = 4;

/// Why a frame was refused. Travels inside [`io::Error`], as libp2p's codec trait wants.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    #[error("frame of {length} bytes is over the limit of {limit}")]
    Oversized { length: u64, limit: u32 },
    #[error("frame ended after {got} of {expected} bytes")]
    Truncated { expected: u64, got: u64 },
    #[error("stream ended without a frame")]
    Absent,
    #[error("frame of kind {kind} cannot be read")]
    Malformed { kind: u8 },
    #[error("peer was told often enough to come back later")]
    Untold,
    #[error("peer speaks versions {theirs:?}")]
    Version { theirs: Vec<u16> },
}

impl FrameError {
    /// Finds the refusal inside what the codec returned.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads the length of a frame and refuses one over `limit`, before anything is allocated for it.
pub(crate) async fn read_length<R: AsyncRead + Unpin>(io: &mut R, limit: u32) -> io::Result<u32> {
    let mut prefix = [0; 4];
    match fill(io, &mut prefix).await? {
        0 => Err(FrameError::Absent.into()),
        4 => {
            let length = u32::from_be_bytes(prefix);
            if length > limit {
                return Err(FrameError::Oversized { length: length.into(), limit }.into());
            }
            Ok(length)
        }
        got => Err(FrameError::Truncated { expected: PREFIX_BYTES, got: got as u64 }.into()),
    }
}

/// Reads exactly `length` bytes; what follows them is left in the stream.
pub(crate) async fn read_body<R: AsyncRead + Unpin>(
    io: &mut R,
    length: u32,
) -> io::Result<Vec<u8>> {
    // Zeroed pages cost nothing until the peer has really sent them.
    let mut body = vec![0; length as usize];
    let got = fill(io, &mut body).await?;
    if got < body.len() {
        return Err(FrameError::Truncated { expected: length.into(), got: got as u64 }.into());
    }
    Ok(body)
}

/// Reads `length` bytes and throws them away, in constant memory.
pub(crate) async fn drain<R: AsyncRead + Unpin>(io: &mut R, length: u32) -> io::Result<()> {
    let mut rest = length as usize;
    let mut buffer = [0; 4096];
    while rest > 0 {
        let size = rest.min(buffer.len());
        match fill(io, &mut buffer[..size]).await? {
            0 => break,
            read => rest -= read,
        }
    }
    Ok(())
}

/// Writes a frame of two parts.
pub(crate) async fn write_frame<W: AsyncWrite + Unpin>(
    io: &mut W,
    (head, payload): (Vec<u8>, &[u8]),
) -> io::Result<u64> {
    let length = head.len() + payload.len();
    let Ok(prefix) = u32::try_from(length) else {
        return Err(FrameError::Oversized { length: length as u64, limit: u32::MAX }.into());
    };
    // One write for what is short: a frame of a few bytes should be one packet.
    let mut first = prefix.to_be_bytes().to_vec();
    first.extend(head);
    io.write_all(&first).await?;
    io.write_all(payload).await?;
    Ok(PREFIX_BYTES + length as u64)
}

/// Reads until `buffer` is full or the stream ends; returns how many bytes came.
async fn fill<R: AsyncRead + Unpin>(io: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match io.read(&mut buffer[got..]).await? {
            0 => break,
            read => got += read,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], limit: u32) -> io::Result<Vec<u8>> {
        block_on(async {
            let mut io = Cursor::new(bytes);
            let length = read_length(&mut io, limit).await?;
            read_body(&mut io, length).await
        })
    }

    fn check_refused(bytes: &[u8], limit: u32, expected: &FrameError) {
        let error = read(bytes, limit).unwrap_err();
        assert_eq!(FrameError::within(&error), Some(expected));
    }

    fn written(head: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut io = Cursor::new(Vec::new());
        block_on(write_frame(&mut io, (head.to_vec(), payload))).unwrap();
        io.into_inner()
    }

    #[test]
    fn wire_bytes_are_pinned() {
        assert_eq!(written(b"a", b"bc"), [0, 0, 0, 3, b'a', b'b', b'c']);
    }

    #[test]
    fn draining_reads_the_length_and_no_more() {
        let mut io = Cursor::new(vec![1; 10_000]);
        block_on(drain(&mut io, 9_000)).unwrap();
        assert_eq!(io.position(), 9_000);
        block_on(drain(&mut io, 9_000)).unwrap();
    }

    #[test]
    fn frame_at_the_limit_is_read_and_one_byte_more_is_refused() {
        assert_eq!(read(&[0, 0, 0, 2, 8, 9], 2).unwrap(), [8, 9]);
        check_refused(&[0, 0, 0, 3, 7, 8, 9], 2, &FrameError::Oversized { length: 3, limit: 2 });
    }

    #[test]
    fn length_alone_allocates_nothing() {
        let length = u64::from(u32::MAX);
        check_refused(&[255; 4], 1 << 20, &FrameError::Oversized { length, limit: 1 << 20 });
    }

    #[test]
    fn short_frames_are_refused_with_both_lengths() {
        check_refused(&[], 9, &FrameError::Absent);
        check_refused(&[0, 0], 9, &FrameError::Truncated { expected: 4, got: 2 });
        check_refused(&[0, 0, 0, 5, 1, 2], 9, &FrameError::Truncated { expected: 5, got: 2 });
    }

    proptest! {
        #[test]
        fn frames_round_trip(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(read(&written(&[], &body), 300).unwrap(), body);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(body) = read(&bytes, 1024) {
                prop_assert_eq!(&body, &bytes[4..4 + body.len()]);
            }
        }
    }
}
