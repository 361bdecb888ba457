//! How a request and its answer are read from and written to one stream.

use std::{fmt, io, sync::Arc};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncWrite};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::Limits,
    counters::Tally,
    frame::{self, FrameError, PREFIX_BYTES},
};

/// The one protocol of a link; changed bytes are a new number.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/sahakar/round/1");

/// The place of one inbound request among `inbound_requests_max`.
pub(crate) type Slot = OwnedSemaphorePermit;

/// A request on its way.
pub(crate) struct Request {
    pub(crate) body: Vec<u8>,
    /// Present on the receiving side.
    pub(crate) slot: Option<Slot>,
}

/// An answer on its way.
pub(crate) struct Response {
    pub(crate) body: Vec<u8>,
    /// Present on the sending side, freed once the answer is written.
    pub(crate) slot: Option<Slot>,
}

// libp2p wants `Debug`; bodies are left out of it, so that no log ever shows one.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Reads and writes frames within the limits and counts them. Cloned for each stream.
#[derive(Clone)]
pub(crate) struct ExchangeCodec {
    request_bytes_max: u32,
    response_bytes_max: u32,
    slots: Arc<Semaphore>,
    tally: Arc<Tally>,
}

impl ExchangeCodec {
    pub(crate) fn new(limits: &Limits, tally: Arc<Tally>) -> Self {
        Self {
            request_bytes_max: limits.request_bytes_max,
            response_bytes_max: limits.response_bytes_max,
            slots: Arc::new(Semaphore::new(limits.inbound_requests_max.into())),
            tally,
        }
    }

    async fn receive_request<R>(&self, io: &mut R) -> io::Result<Request>
    where
        R: AsyncRead + Unpin + Send,
    {
        let length = frame::read_length(io, self.request_bytes_max).await?;
        // Taken before the body is read, so that memory is bounded whatever is being sent.
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(FrameError::Crowded.into());
        };
        let body = frame::read_body(io, length).await?;
        Ok(Request { body, slot: Some(slot) })
    }

    async fn receive_response<R>(&self, io: &mut R) -> io::Result<Response>
    where
        R: AsyncRead + Unpin + Send,
    {
        let length = frame::read_length(io, self.response_bytes_max).await?;
        let body = frame::read_body(io, length).await?;
        Ok(Response { body, slot: None })
    }

    fn count_refusal(&self, error: &io::Error) {
        match FrameError::within(error) {
            Some(FrameError::Oversized { .. }) => self.tally.oversized.add_one(),
            Some(FrameError::Crowded) => self.tally.dropped.add_one(),
            // An answer that does not come is the peer's right, see `Inbound`.
            Some(FrameError::Absent) => {}
            // Any other failure left part of a frame behind.
            Some(FrameError::Truncated { .. }) | None => self.tally.truncated.add_one(),
        }
    }
}

/// Bytes of a frame on the wire.
fn frame_bytes(body: &[u8]) -> u64 {
    PREFIX_BYTES + body.len() as u64
}

#[async_trait]
impl request_response::Codec for ExchangeCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let request = self.receive_request(io).await;
        let request = request.inspect_err(|error| self.count_refusal(error))?;
        self.tally.bytes_in.add(frame_bytes(&request.body));
        Ok(request)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let response = self.receive_response(io).await;
        let response = response.inspect_err(|error| self.count_refusal(error))?;
        self.tally.bytes_in.add(frame_bytes(&response.body));
        self.tally.responses_in.add_one();
        Ok(response)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        frame::write_frame(io, &request.body, self.request_bytes_max).await?;
        self.tally.bytes_out.add(frame_bytes(&request.body));
        self.tally.requests_out.add_one();
        Ok(())
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        frame::write_frame(io, &response.body, self.response_bytes_max).await?;
        self.tally.bytes_out.add(frame_bytes(&response.body));
        self.tally.responses_out.add_one();
        drop(response.slot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use libp2p::request_response::Codec as _;

    use super::*;

    fn codec(inbound_requests_max: u16) -> ExchangeCodec {
        let limits = Limits {
            request_bytes_max: 8,
            response_bytes_max: 8,
            inbound_requests_max,
            ..Limits::default()
        };
        ExchangeCodec::new(&limits, Arc::default())
    }

    fn read_request(codec: &mut ExchangeCodec, bytes: &[u8]) -> io::Result<Request> {
        block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(bytes)))
    }

    #[test]
    fn refused_requests_are_counted_by_reason() {
        let mut codec = codec(4);
        assert!(read_request(&mut codec, &[0, 0, 0, 9]).is_err());
        assert!(read_request(&mut codec, &[0, 0, 0, 8, 1]).is_err());
        let counters = codec.tally.snapshot();
        assert_eq!((counters.oversized, counters.truncated, counters.bytes_in), (1, 1, 0));
    }

    #[test]
    fn request_beyond_the_last_slot_is_dropped_until_one_is_free() {
        let mut codec = codec(1);
        let first = read_request(&mut codec, &[0, 0, 0, 1, 7]).unwrap();
        let refused = read_request(&mut codec, &[0, 0, 0, 1, 7]).err().unwrap();
        assert_eq!(FrameError::within(&refused), Some(&FrameError::Crowded));
        assert_eq!(codec.tally.snapshot().dropped, 1);
        drop(first);
        assert!(read_request(&mut codec, &[0, 0, 0, 1, 7]).is_ok());
    }

    #[test]
    fn refused_body_gives_its_slot_back() {
        let mut codec = codec(1);
        assert!(read_request(&mut codec, &[0, 0, 0, 2, 7]).is_err());
        assert!(read_request(&mut codec, &[0, 0, 0, 1, 7]).is_ok());
    }
}
