//! What a link has done so far, for metrics and for the report.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of what a link has done since it was started.
///
/// Bytes are those of frames, four bytes of length included; those of encryption and transport are
/// not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of complete frames received.
    pub bytes_in: u64,
    /// Bytes of complete frames sent.
    pub bytes_out: u64,
    /// Requests received whole and handed to the inbox.
    pub requests_in: u64,
    /// Requests sent whole.
    pub requests_out: u64,
    /// Answers received whole.
    pub responses_in: u64,
    /// Answers sent whole.
    pub responses_out: u64,
    /// Frames refused because their length was over the limit.
    pub oversized: u64,
    /// Frames that ended early.
    pub truncated: u64,
    /// Requests dropped because too many were in work, or nobody was there to answer.
    pub dropped: u64,
    /// Connections that peers tried to open and that did not come about: strangers' bytes, failed
    /// handshakes, limits.
    pub connections_refused: u64,
}

/// One count, shared between the driver and the codecs of all streams.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        // Relaxed: each count stands alone, nothing is ordered by it.
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts behind [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) requests_in: Count,
    pub(crate) requests_out: Count,
    pub(crate) responses_in: Count,
    pub(crate) responses_out: Count,
    pub(crate) oversized: Count,
    pub(crate) truncated: Count,
    pub(crate) dropped: Count,
    pub(crate) connections_refused: Count,
}

impl Tally {
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            requests_in: self.requests_in.get(),
            requests_out: self.requests_out.get(),
            responses_in: self.responses_in.get(),
            responses_out: self.responses_out.get(),
            oversized: self.oversized.get(),
            truncated: self.truncated.get(),
            dropped: self.dropped.get(),
            connections_refused: self.connections_refused.get(),
        }
    }
}
