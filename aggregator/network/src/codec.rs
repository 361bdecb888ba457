//! How an ask and its answer are read from and written to one stream.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use libp2p::{StreamProtocol, request_response};
use tokio::time::{Instant, timeout};

use crate::{
    budget::{Budgets, NotAdmitted, Place},
    config::Limits,
    counters::Tally,
    decline::{Decline, DeclineReason},
    frame::{self, FrameError, PREFIX_BYTES},
    peer::PeerKey,
    version::{self, VERSIONS_BYTES_MAX, VERSIONS_PROTOCOL},
    wire::{self, Answer, Ask, FRAME_BYTES_MAX, KIND_BYTES},
};

/// Time for a frame besides what its bytes take: a round trip and a lost packet or two.
const FRAME_WAIT: Duration = Duration::from_secs(5);
/// The slowest peer whose frames are waited for, in bytes a second: half of what the slowest line
/// leaves to each of two frames. A peer that sends a byte now and then has its place for 21 s at most.
const FRAME_BYTES_PER_SECOND_MIN: u64 = 16 << 10;

/// An ask on its way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) content: Content,
    /// Present on the receiving side of an ask that was admitted.
    pub(crate) place: Option<Place>,
}

/// What a stream carries to the responder.
#[derive(Debug)]
pub(crate) enum Content {
    Ask(Ask),
    /// An ask that is not served, and was not kept.
    Declined(Decline),
    /// The peer speaks other versions.
    Versions(Vec<u16>),
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) answer: Answer,
    /// Present on the sending side, freed once the answer is written.
    pub(crate) place: Option<Place>,
}

/// Whose streams a codec serves.
enum Owner {
    /// Nobody's: its clones are those of the peer in the cell. libp2p clones the codec of a behaviour
    /// once for each connection, and that one for each stream.
    Template(Arc<Mutex<Option<PeerKey>>>),
    /// A peer's; `None` has a key of another kind and is not served.
    Peer(Option<PeerKey>),
}

/// Reads and writes frames within the limits and counts them. Cloned for each stream.
pub(crate) struct ExchangeCodec {
    owner: Owner,
    request_bytes_max: u32,
    response_bytes_max: u32,
    /// Longest time for any frame.
    frame_timeout: Duration,
    budgets: Arc<Budgets>,
    tally: Arc<Tally>,
}

impl Clone for ExchangeCodec {
    fn clone(&self) -> Self {
        let owner = match &self.owner {
            Owner::Template(next) => {
                Owner::Peer(*next.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Owner::Peer(peer) => Owner::Peer(*peer),
        };
        let (budgets, tally) = (Arc::clone(&self.budgets), Arc::clone(&self.tally));
        Self { owner, budgets, tally, ..*self }
    }
}

impl ExchangeCodec {
    /// * `next` — whose codec the next clone is.
    pub(crate) fn new(
        limits: &Limits,
        next: Arc<Mutex<Option<PeerKey>>>,
        budgets: Arc<Budgets>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            owner: Owner::Template(next),
            request_bytes_max: limits.request_bytes_max,
            response_bytes_max: limits.response_bytes_max,
            frame_timeout: limits.request_timeout,
            budgets,
            tally,
        }
    }

    async fn receive_request<R>(&self, io: &mut R) -> io::Result<(Request, u64)>
    where
        R: AsyncRead + Unpin + Send,
    {
        let (length, kind) = self.in_time(0, read_head(io)).await?;
        let body_bytes = length - KIND_BYTES;
        match self.admit(kind, body_bytes) {
            Ok(place) => {
                let body = self.in_time(body_bytes, frame::read_body(io, body_bytes)).await?;
                let ask = Ask::parse(kind, body).ok_or(FrameError::Malformed { kind })?;
                let content = Content::Ask(ask);
                Ok((Request { content, place: Some(place) }, length.into()))
            }
            Err(NotAdmitted::Told(decline)) => {
                // Read, so that the peer has written all and listens to why.
                self.in_time(body_bytes, frame::drain(io, body_bytes)).await?;
                let content = Content::Declined(decline);
                Ok((Request { content, place: None }, length.into()))
            }
            Err(NotAdmitted::Untold) => Err(FrameError::Untold.into()),
        }
    }

    /// Gives an ask its place before its body is read, so that memory is bounded whatever is sent.
    fn admit(&self, kind: u8, body_bytes: u32) -> Result<Place, NotAdmitted> {
        let Owner::Peer(Some(peer)) = self.owner else { return Err(NotAdmitted::Untold) };
        let now = Instant::now();
        let refuse = |decline| Err(self.budgets.decline(peer, decline, now));
        match wire::ask_bytes_max(kind, self.request_bytes_max) {
            None => refuse(Decline::new(DeclineReason::Malformed)),
            Some(limit) if body_bytes > limit => refuse(Decline::too_large(self.request_bytes_max)),
            Some(_) => {
                let moved = u64::from(body_bytes) + wire::answer_bytes_expected(kind);
                self.budgets.admit(peer, moved, now)
            }
        }
    }

    async fn receive_response<R>(&self, io: &mut R) -> io::Result<(Response, u64)>
    where
        R: AsyncRead + Unpin + Send,
    {
        // How long an answer may be thought about is `request_timeout`'s concern.
        let (length, kind) = read_head(io).await?;
        let body_bytes = length - KIND_BYTES;
        let limit = wire::answer_bytes_max(kind, self.response_bytes_max);
        let limit = limit.ok_or(FrameError::Malformed { kind })?;
        if body_bytes > limit {
            return Err(FrameError::Oversized { length: body_bytes.into(), limit }.into());
        }
        let body = self.in_time(body_bytes, frame::read_body(io, body_bytes)).await?;
        let answer = Answer::parse(kind, body).ok_or(FrameError::Malformed { kind })?;
        Ok((Response { answer, place: None }, length.into()))
    }

    /// Ends what takes longer than a frame of so many bytes may.
    async fn in_time<T>(
        &self,
        bytes: u32,
        work: impl Future<Output = io::Result<T>> + Send,
    ) -> io::Result<T> {
        let limit = FRAME_WAIT + Duration::from_secs(u64::from(bytes) / FRAME_BYTES_PER_SECOND_MIN);
        let outcome = timeout(limit.min(self.frame_timeout), work).await;
        outcome.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }

    fn count_refusal(&self, error: &io::Error) {
        match FrameError::within(error) {
            Some(FrameError::Oversized { .. }) => self.tally.oversized.add_one(),
            Some(FrameError::Untold) => self.tally.dropped.add_one(),
            // An answer that does not come is the peer's right, see `Inbound`.
            Some(FrameError::Absent | FrameError::Version { .. }) => {}
            // Any other failure left part of a frame behind.
            Some(FrameError::Truncated { .. } | FrameError::Malformed { .. }) | None => {
                self.tally.truncated.add_one();
            }
        }
    }

    fn count_request(&self, content: &Content) {
        if let Content::Declined(decline) = content {
            self.tally.declined(decline.reason);
            match decline.reason {
                DeclineReason::TooLarge => self.tally.oversized.add_one(),
                DeclineReason::Malformed => self.tally.truncated.add_one(),
                _ => self.tally.dropped.add_one(),
            }
        }
    }
}

/// Reads a frame's length, at least one, and its kind.
async fn read_head<R: AsyncRead + Unpin>(io: &mut R) -> io::Result<(u32, u8)> {
    let length = frame::read_length(io, FRAME_BYTES_MAX).await?;
    let mut kind = [0];
    let got = if length < KIND_BYTES { 0 } else { io.read(&mut kind).await? };
    match got {
        0 => Err(FrameError::Truncated { expected: length.max(KIND_BYTES).into(), got: 0 }.into()),
        _ => Ok((length, kind[0])),
    }
}

async fn read_versions<R: AsyncRead + Unpin>(io: &mut R) -> io::Result<Vec<u16>> {
    let length = frame::read_length(io, VERSIONS_BYTES_MAX).await?;
    let body = frame::read_body(io, length).await?;
    version::parse_versions(&body).ok_or_else(|| FrameError::Malformed { kind: 0 }.into())
}

#[async_trait]
impl request_response::Codec for ExchangeCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        if *protocol == VERSIONS_PROTOCOL {
            let content = Content::Versions(read_versions(io).await?);
            return Ok(Request { content, place: None });
        }
        let request = self.receive_request(io).await;
        let (request, length) = request.inspect_err(|error| self.count_refusal(error))?;
        self.count_request(&request.content);
        self.tally.bytes_in.add(PREFIX_BYTES + length);
        Ok(request)
    }

    async fn read_response<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        if *protocol == VERSIONS_PROTOCOL {
            let theirs = read_versions(io).await?;
            return Err(FrameError::Version { theirs }.into());
        }
        let response = self.receive_response(io).await;
        let (response, length) = response.inspect_err(|error| self.count_refusal(error))?;
        self.tally.bytes_in.add(PREFIX_BYTES + length);
        if response.answer.is_answer() {
            self.tally.responses_in.add_one();
        }
        Ok(response)
    }

    async fn write_request<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let Content::Ask(ask) = &request.content else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if *protocol == VERSIONS_PROTOCOL {
            frame::write_frame(io, (version::own_versions(), &[])).await?;
            return Ok(());
        }
        let written = frame::write_frame(io, ask.parts()).await?;
        self.tally.bytes_out.add(written);
        if ask.is_request() {
            self.tally.requests_out.add_one();
        }
        Ok(())
    }

    async fn write_response<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        if *protocol == VERSIONS_PROTOCOL {
            frame::write_frame(io, (version::own_versions(), &[])).await?;
            return Ok(());
        }
        let written = frame::write_frame(io, response.answer.parts()).await?;
        self.tally.bytes_out.add(written);
        if response.answer.is_answer() {
            self.tally.responses_out.add_one();
        }
        drop(response.place);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
