//! What a link has done so far, for metrics and for the report.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{decline::DeclineReason, metrics::LinkMetrics};

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
    /// Answers received; of one in chunks, its description.
    pub responses_in: u64,
    /// Answers sent; of one in chunks, its description.
    pub responses_out: u64,
    /// Messages refused because their length was over the limit.
    pub oversized: u64,
    /// Frames that ended early or cannot be read.
    pub truncated: u64,
    /// Requests turned away because too many were in work or came at once, or nobody was there to
    /// answer.
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

    /// For what goes up and down.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts behind [`Counters`] and [`LinkMetrics`].
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
    pub(crate) connections: Count,
    pub(crate) connections_opened: Count,
    pub(crate) connections_silent: Count,
    pub(crate) dials_failed: Count,
    pub(crate) reconnects: Count,
    pub(crate) versions_differing: Count,
    pub(crate) circuits_replaced: Count,
    pub(crate) punches_failed: Count,
    pub(crate) chunks_in: Count,
    pub(crate) chunks_out: Count,
    pub(crate) chunks_resumed: Count,
    pub(crate) chunks_corrupt: Count,
    pub(crate) transfers_interrupted: Count,
    pub(crate) transfers_evicted: Count,
    pub(crate) transfer_bytes_held: Count,
    declined: [Count; DeclineReason::ALL.len()],
    /// In microseconds, smoothed; 0 before the first.
    round_trip_us: Count,
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

    /// Counts a refusal of this process.
    pub(crate) fn declined(&self, reason: DeclineReason) {
        self.declined[reason.index()].add_one();
    }

    /// Takes a measured round trip. The driver's alone, so that no sample is lost.
    ///
    /// Source: RFC 6298, section 2: smoothed by an eighth.
    pub(crate) fn round_trip(&self, sample: Duration) {
        let sample = u64::try_from(sample.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = self.round_trip_us.get();
        let smoothed = if before == 0 { sample } else { before - before / 8 + sample / 8 };
        self.round_trip_us.set(smoothed);
    }

    pub(crate) fn metrics(&self) -> LinkMetrics {
        let round_trip_us = self.round_trip_us.get();
        LinkMetrics {
            counters: self.snapshot(),
            connections: self.connections.get(),
            connections_opened: self.connections_opened.get(),
            connections_silent: self.connections_silent.get(),
            dials_failed: self.dials_failed.get(),
            reconnects: self.reconnects.get(),
            versions_differing: self.versions_differing.get(),
            circuits_replaced: self.circuits_replaced.get(),
            punches_failed: self.punches_failed.get(),
            chunks_in: self.chunks_in.get(),
            chunks_out: self.chunks_out.get(),
            chunks_resumed: self.chunks_resumed.get(),
            chunks_corrupt: self.chunks_corrupt.get(),
            transfers_interrupted: self.transfers_interrupted.get(),
            transfers_evicted: self.transfers_evicted.get(),
            transfer_bytes_held: self.transfer_bytes_held.get(),
            declined: DeclineReason::ALL.map(|reason| self.declined[reason.index()].get()),
            round_trip: (round_trip_us > 0).then(|| Duration::from_micros(round_trip_us)),
        }
    }
}
