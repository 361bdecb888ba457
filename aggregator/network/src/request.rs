//! How asking a peer can fail.

use std::{error::Error, io, sync::Arc, time::Duration};

use libp2p::{request_response::OutboundFailure, swarm::DialError};

use crate::{
    address::Address,
    decline::{Decline, DeclineReason},
    frame::FrameError,
    peer::PeerKey,
    version,
};

/// Why a request has no answer.
///
/// Except for [`RequestTooLarge`](Self::RequestTooLarge), [`Unreachable`](Self::Unreachable),
/// [`WrongPeer`](Self::WrongPeer), [`Deferred`](Self::Deferred) and
/// [`VersionUnsupported`](Self::VersionUnsupported) the peer may have acted on the request although
/// its answer was lost: what is sent has to bear being sent twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody could be connected to at the address.
    #[error("no connection to {address}")]
    Unreachable {
        /// Who was to be asked, and where.
        address: Address,
        /// What the transport said.
        #[source]
        cause: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// Somebody else answers at the address.
    #[error("peer is {got}, expected {expected}")]
    WrongPeer {
        /// The peer of the address.
        expected: PeerKey,
        /// The peer found there.
        got: PeerKey,
    },
    /// The answer did not come in time.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// `request_timeout` of the limits.
        limit: Duration,
    },
    /// The peer ended the exchange without an answer: it would not, was too busy, or found the
    /// request too long.
    #[error("peer ended the exchange without an answer")]
    Refused {
        /// What the stream said, if it did not end orderly.
        #[source]
        cause: Option<io::Error>,
    },
    /// The connection was lost meanwhile.
    #[error("connection was lost before the answer")]
    Disconnected,
    /// The request is over the limit of this link, and was not sent, or of the peer's.
    #[error("request of {length} bytes is over the limit of {limit}")]
    RequestTooLarge {
        /// Bytes of the request.
        length: u64,
        /// `request_bytes_max` of the limits.
        limit: u32,
    },
    /// The peer did not take the request, and said when to come back. That was done until
    /// `request_timeout` was over.
    #[error("peer asks to come back in {retry_after:?}: {reason}")]
    Deferred {
        /// What it said.
        reason: DeclineReason,
        /// From now.
        retry_after: Duration,
    },
    /// The peer refuses, and coming back does not help.
    #[error("peer refuses the request: {reason}")]
    Declined {
        /// What it said.
        reason: DeclineReason,
    },
    /// The peer does not have its answer any more, as it was restarted or needed the room. The same
    /// request brings it again; chunks that have come need not come twice.
    #[error("peer no longer has its answer")]
    AnswerGone,
    /// The peer sent a chunk again and again that is not what it described.
    #[error("{peer} sent chunk {index} of its answer corrupted, {attempts} times")]
    ChunkCorrupt {
        /// Who.
        peer: PeerKey,
        /// Which.
        index: u32,
        /// How often it was asked for.
        attempts: u32,
    },
    /// The peer answered something else than was asked.
    #[error("{peer} does not keep to the protocol")]
    Misbehaved {
        /// Who.
        peer: PeerKey,
    },
    /// The answer is over this link's limit and was not read.
    #[error("answer of {length} bytes is over the limit of {limit}")]
    ResponseTooLarge {
        /// Bytes of the answer, as announced.
        length: u64,
        /// `response_bytes_max` of the limits.
        limit: u32,
    },
    /// The answer ended early.
    #[error("answer ended after {got} of {expected} bytes")]
    ResponseTruncated {
        /// Bytes announced.
        expected: u64,
        /// Bytes received.
        got: u64,
    },
    /// The peer does not speak this protocol, nor tells which versions of it it does speak.
    #[error(
        "peer does not speak version {} of the protocol of this link: it is another program, or one \
         from before versions were told",
        version::VERSION
    )]
    UnsupportedProtocol,
    /// The peer speaks other versions of the protocol, and said which.
    #[error("{}", version::advice(*ours, theirs))]
    VersionUnsupported {
        /// What this program speaks.
        ours: u16,
        /// What the peer speaks.
        theirs: Vec<u16>,
    },
    /// The link was shut down.
    #[error("link was shut down")]
    Stopped,
}

/// Says why the peer at `address` could not be connected to.
pub(crate) fn unreachable(address: Address, error: Option<&Arc<DialError>>) -> RequestError {
    if let Some(DialError::WrongPeerId { obtained, .. }) = error.map(AsRef::as_ref)
        && let Ok(got) = PeerKey::from_peer_id(*obtained)
    {
        return RequestError::WrongPeer { expected: address.peer(), got };
    }
    let cause =
        error.map(|error| -> Arc<dyn Error + Send + Sync> { Arc::<DialError>::clone(error) });
    RequestError::Unreachable { address, cause }
}

impl RequestError {
    /// Whether asking the same peer again, even much later, cannot help.
    ///
    /// [`WrongPeer`](Self::WrongPeer) is not among them: where a process was reached before, somebody
    /// else at its address may be passing.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::RequestTooLarge { .. }
                | Self::ResponseTooLarge { .. }
                | Self::UnsupportedProtocol
                | Self::VersionUnsupported { .. }
                | Self::Declined { .. }
                | Self::Stopped
        )
    }

    /// Whether a transfer goes on by itself after this.
    pub(crate) const fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Refused { .. }
                | Self::Disconnected
                | Self::ResponseTruncated { .. }
        )
    }
}

/// Says what a peer's refusal means for a request of so many bytes.
pub(crate) const fn declined(decline: Decline, length: u64) -> RequestError {
    let Decline { reason, retry_ms, limit } = decline;
    match reason {
        DeclineReason::TooLarge => RequestError::RequestTooLarge { length, limit },
        DeclineReason::AnswerUnheld => RequestError::AnswerGone,
        _ if reason.passes() || matches!(reason, DeclineReason::ShuttingDown) => {
            let retry_after = Duration::from_millis(retry_ms as u64);
            RequestError::Deferred { reason, retry_after }
        }
        _ => RequestError::Declined { reason },
    }
}

/// Says why an exchange failed.
pub(crate) fn request_error(
    failure: OutboundFailure,
    address: Address,
    limit: Duration,
) -> RequestError {
    match failure {
        OutboundFailure::DialFailure => unreachable(address, None),
        OutboundFailure::Timeout => RequestError::Timeout { limit },
        OutboundFailure::ConnectionClosed => RequestError::Disconnected,
        OutboundFailure::UnsupportedProtocols => RequestError::UnsupportedProtocol,
        OutboundFailure::Io(error) => stream_error(error, address.peer()),
    }
}

fn stream_error(error: io::Error, peer: PeerKey) -> RequestError {
    match FrameError::within(&error) {
        Some(&FrameError::Oversized { length, limit }) => {
            RequestError::ResponseTooLarge { length, limit }
        }
        Some(&FrameError::Truncated { expected, got }) => {
            RequestError::ResponseTruncated { expected, got }
        }
        Some(FrameError::Version { theirs }) => {
            RequestError::VersionUnsupported { ours: version::VERSION, theirs: theirs.clone() }
        }
        Some(FrameError::Malformed { .. }) => RequestError::Misbehaved { peer },
        Some(FrameError::Absent) => RequestError::Refused { cause: None },
        Some(FrameError::Untold) | None => RequestError::Refused { cause: Some(error) },
    }
}
