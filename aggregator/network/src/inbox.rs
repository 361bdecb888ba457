//! What peers ask of this process.

use std::fmt;

use libp2p::request_response::ResponseChannel;
use tokio::sync::mpsc;

use crate::{
    codec::{Response, Slot},
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
    channel: ResponseChannel<Response>,
    slot: Slot,
    replies: mpsc::Sender<Reply>,
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

/// An answer on its way to the driver.
pub(crate) struct Reply {
    pub(crate) channel: ResponseChannel<Response>,
    pub(crate) response: Response,
}

impl ReplySender {
    pub(crate) fn new(
        channel: ResponseChannel<Response>,
        slot: Slot,
        replies: mpsc::Sender<Reply>,
        response_bytes_max: u32,
    ) -> Self {
        Self { channel, slot, replies, response_bytes_max }
    }

    /// Hands the answer to the link, which sends it; whether it arrives is not known here.
    ///
    /// # Errors
    /// [`ReplyError::TooLarge`] if it is over `response_bytes_max`, [`ReplyError::Gone`] if nobody
    /// waits for it.
    pub fn send(self, body: Vec<u8>) -> Result<(), ReplyError> {
        let length = body.len() as u64;
        if length > self.response_bytes_max.into() {
            return Err(ReplyError::TooLarge { length, limit: self.response_bytes_max });
        }
        if !self.channel.is_open() {
            return Err(ReplyError::Gone);
        }
        let response = Response { body, slot: Some(self.slot) };
        // Never full: it has room for every slot. So an error is a link that has ended.
        match self.replies.try_send(Reply { channel: self.channel, response }) {
            Ok(()) => Ok(()),
            Err(_) => Err(ReplyError::Gone),
        }
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
