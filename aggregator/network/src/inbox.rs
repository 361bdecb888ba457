//! What peers ask of this process.

use std::fmt;

use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    description::{CHUNK_BYTES, Description},
    driver::{Exchange, Work},
    peer::PeerKey,
};

/// The receiving end of a link: requests of peers, in the order in which they arrived.
///
/// Dropping it leaves the link running; requests are then dropped, and counted.
#[derive(Debug)]
pub struct Inbox {
    requests: mpsc::Receiver<Inbound>,
}

impl Inbox {
    pub(crate) fn new(requests: mpsc::Receiver<Inbound>) -> Self {
        Self { requests }
    }

    /// Waits for the next request; `None` once the link has ended.
    ///
    /// The future may be dropped: no request is lost.
    pub async fn next_request(&mut self) -> Option<Inbound> {
        self.requests.recv().await
    }
}

/// One request of a peer.
pub struct Inbound {
    /// Who asks: the key that the connection's handshake proved.
    pub peer: PeerKey,
    /// What was asked, at most `request_bytes_max` bytes.
    pub body: Vec<u8>,
    /// Answers it; dropped, the peer is refused at once.
    pub reply: ReplySender,
}

/// Answers one request.
pub struct ReplySender {
    exchange: Exchange,
    work: mpsc::Sender<Work>,
    runtime: Handle,
    response_bytes_max: u32,
}

/// Why an answer was not sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// The answer is over this link's limit; the peer is refused.
    #[error("answer of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes of the answer.
        length: u64,
        /// `response_bytes_max` of the limits.
        limit: u32,
    },
    /// The peer gave up, its connection was lost, or the link was shut down.
    #[error("nobody waits for the answer any more")]
    Gone,
}

impl ReplySender {
    /// Inside the runtime in which large answers are described.
    pub(crate) fn new(
        exchange: Exchange,
        work: mpsc::Sender<Work>,
        response_bytes_max: u32,
    ) -> Self {
        Self { exchange, work, runtime: Handle::current(), response_bytes_max }
    }

    /// Hands the answer to the link, which sends it; whether it arrives is not known here.
    ///
    /// One over 256 KiB is kept until the peer has fetched it, at most `transfer_expiry`.
    ///
    /// # Errors
    /// [`ReplyError::TooLarge`] if it is over `response_bytes_max`, [`ReplyError::Gone`] if nobody
    /// waits for it.
    pub fn send(self, body: Vec<u8>) -> Result<(), ReplyError> {
        let Self { exchange, work, runtime, response_bytes_max: limit } = self;
        let length = body.len() as u64;
        if length > limit.into() {
            return Err(ReplyError::TooLarge { length, limit });
        }
        if !exchange.channel.is_open() || work.is_closed() {
            return Err(ReplyError::Gone);
        }
        // Never full: it has room for every place. So an error is a link that has ended.
        if length <= CHUNK_BYTES.into() {
            return work.try_send(Work::Reply(exchange, body)).or(Err(ReplyError::Gone));
        }
        // Not joined: it ends by itself, and the place of its request counts for it.
        drop(runtime.spawn_blocking(move || {
            if let Some(description) = Description::of(&body) {
                let _taken = work.try_send(Work::Described(exchange, body, description)).is_ok();
            }
        }));
        Ok(())
    }
}

impl fmt::Debug for Inbound {
    /// Leaves out the body, which is nobody's business but the two peers'.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut inbound = f.debug_struct("Inbound");
        inbound.field("peer", &self.peer).field("body_bytes", &self.body.len());
        inbound.finish_non_exhaustive()
    }
}

impl fmt::Debug for ReplySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplySender").finish_non_exhaustive()
    }
}
