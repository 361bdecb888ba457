//! What a peer is told that is not served, so that it knows what to do about it.

use std::{fmt, time::Duration};

/// Why a peer did not serve a request, in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeclineReason {
    /// Too much is in work at once: all places are taken, or no memory is left for a transfer.
    Busy,
    /// This peer sends too many requests a second.
    RequestRate,
    /// This peer moves too many bytes a second.
    ByteRate,
    /// The message is over the limit of the peer that was asked.
    TooLarge,
    /// No such transfer: it expired, made room for others, or the process was restarted.
    TransferUnknown,
    /// A chunk does not have the digest of its description.
    ChunkCorrupt,
    /// The transfer has no such chunk, or the chunk has another length.
    ChunkMisplaced,
    /// The request could not be read.
    Malformed,
    /// The process is about to end.
    ShuttingDown,
    /// The request was acted on, but there is no room to hold its answer until it is fetched.
    AnswerUnheld,
}

impl DeclineReason {
    /// All reasons, in the order of their codes on the wire, which start with 1.
    pub const ALL: [Self; 10] = [
        Self::Busy,
        Self::RequestRate,
        Self::ByteRate,
        Self::TooLarge,
        Self::TransferUnknown,
        Self::ChunkCorrupt,
        Self::ChunkMisplaced,
        Self::Malformed,
        Self::ShuttingDown,
        Self::AnswerUnheld,
    ];

    /// Returns its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::RequestRate => "request_rate",
            Self::ByteRate => "byte_rate",
            Self::TooLarge => "too_large",
            Self::TransferUnknown => "transfer_unknown",
            Self::ChunkCorrupt => "chunk_corrupt",
            Self::ChunkMisplaced => "chunk_misplaced",
            Self::Malformed => "malformed",
            Self::ShuttingDown => "shutting_down",
            Self::AnswerUnheld => "answer_unheld",
        }
    }

    /// Its place in [`DeclineReason::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether the same request may be served later, without any change.
    pub(crate) const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::RequestRate | Self::ByteRate)
    }
}

impl fmt::Display for DeclineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "it has too much in work",
            Self::RequestRate => "it was sent too many requests a second",
            Self::ByteRate => "too many bytes a second were moved",
            Self::TooLarge => "the message is over its limit",
            Self::TransferUnknown => "it does not know the transfer",
            Self::ChunkCorrupt => "a chunk has another digest than described",
            Self::ChunkMisplaced => "a chunk is not one of its transfer's",
            Self::Malformed => "it could not read the request",
            Self::ShuttingDown => "it is about to end",
            Self::AnswerUnheld => "it has no room for its answer",
        })
    }
}

/// A refusal as it travels: `reason u8 ‖ retry_ms u32 ‖ limit u32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) reason: DeclineReason,
    /// When to come back, in milliseconds; 0 where coming back does not help.
    pub(crate) retry_ms: u32,
    /// The limit that was exceeded, in bytes; 0 where there is none.
    pub(crate) limit: u32,
}

/// Bytes of a [`Decline`].
pub(crate) const DECLINE_BYTES: usize = 9;

impl Decline {
    pub(crate) const fn new(reason: DeclineReason) -> Self {
        Self { reason, retry_ms: 0, limit: 0 }
    }

    /// A refusal with a time to come back.
    pub(crate) fn until(reason: DeclineReason, retry: Duration) -> Self {
        let retry_ms = u32::try_from(retry.as_millis()).unwrap_or(u32::MAX).max(1);
        Self { reason, retry_ms, limit: 0 }
    }

    pub(crate) const fn too_large(limit: u32) -> Self {
        Self { reason: DeclineReason::TooLarge, retry_ms: 0, limit }
    }

    pub(crate) fn to_bytes(self) -> [u8; DECLINE_BYTES] {
        let mut bytes = [0; DECLINE_BYTES];
        // Ten reasons.
        bytes[0] = u8::try_from(self.reason.index() + 1).unwrap_or(u8::MAX);
        bytes[1..5].copy_from_slice(&self.retry_ms.to_be_bytes());
        bytes[5..].copy_from_slice(&self.limit.to_be_bytes());
        bytes
    }

    /// Reads it; `None` for other lengths and unknown reasons.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first()?;
        let reason = *DeclineReason::ALL.get(usize::from(*code).checked_sub(1)?)?;
        let (retry_ms, rest) = rest.split_first_chunk()?;
        let limit = <[u8; 4]>::try_from(rest).ok()?;
        let (retry_ms, limit) = (u32::from_be_bytes(*retry_ms), u32::from_be_bytes(limit));
        Some(Self { reason, retry_ms, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_survive_the_wire_and_their_bytes_are_pinned() {
        for (index, reason) in DeclineReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            let decline = Decline { reason, retry_ms: 258, limit: 7 };
            assert_eq!(Decline::parse(&decline.to_bytes()), Some(decline));
        }
        let busy = Decline::until(DeclineReason::Busy, Duration::from_millis(300));
        assert_eq!(busy.to_bytes(), [1, 0, 0, 1, 44, 0, 0, 0, 0]);
    }

    #[test]
    fn other_bytes_are_no_refusal() {
        for bytes in [&[][..], &[0; 9], &[11, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 8], &[1; 10]] {
            assert_eq!(Decline::parse(bytes), None);
        }
    }
}
