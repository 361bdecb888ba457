//! How asking a peer can fail.

use std::{error::Error, io, sync::Arc, time::Duration};

use libp2p::{request_response::OutboundFailure, swarm::DialError};

use crate::{address::Address, frame::FrameError, peer::PeerKey};

/// Why a request has no answer.
///
/// Except for [`RequestTooLarge`](Self::RequestTooLarge), [`Unreachable`](Self::Unreachable) and
/// [`WrongPeer`](Self::WrongPeer) the peer may have acted on the request although its answer was
/// lost: what is sent has to bear being sent twice.
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
    /// The request is over this link's limit and was not sent.
    #[error("request of {length} bytes is over the limit of {limit}")]
    RequestTooLarge {
        /// Bytes of the request.
        length: u64,
        /// `request_bytes_max` of the limits.
        limit: u32,
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
    /// The peer does not speak this protocol.
    #[error("peer does not speak the protocol of this link")]
    UnsupportedProtocol,
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

/// Says why an exchange failed.
///
/// * `dial_error` — why the last attempt to connect failed, if it did.
pub(crate) fn request_error(
    failure: OutboundFailure,
    address: Address,
    dial_error: Option<&Arc<DialError>>,
    limit: Duration,
) -> RequestError {
    match failure {
        OutboundFailure::DialFailure => unreachable(address, dial_error),
        OutboundFailure::Timeout => RequestError::Timeout { limit },
        OutboundFailure::ConnectionClosed => RequestError::Disconnected,
        OutboundFailure::UnsupportedProtocols => RequestError::UnsupportedProtocol,
        OutboundFailure::Io(error) => stream_error(error),
    }
}

fn stream_error(error: io::Error) -> RequestError {
    match FrameError::within(&error) {
        Some(&FrameError::Oversized { length, limit }) => {
            RequestError::ResponseTooLarge { length, limit }
        }
        Some(&FrameError::Truncated { expected, got }) => {
            RequestError::ResponseTruncated { expected, got }
        }
        Some(FrameError::Absent) => RequestError::Refused { cause: None },
        Some(FrameError::Crowded) | None => RequestError::Refused { cause: Some(error) },
    }
}
