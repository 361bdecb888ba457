//! What can be seen of a link from outside, as numbers and as a text for Prometheus.

use std::{fmt, time::Duration};

use crate::{counters::Counters, decline::DeclineReason};

/// A snapshot of a link: its [`Counters`], and what is behind them.
///
/// [`Display`](fmt::Display) writes it in Prometheus' text format 0.0.4. No peer is named in it: who
/// contributes is nobody's business who may read metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkMetrics {
    /// What was sent, received and refused.
    pub counters: Counters,
    /// Connections now.
    pub connections: u64,
    /// Connections opened since the start, by either side.
    pub connections_opened: u64,
    /// Connections given up because the peer owed an answer and was silent.
    pub connections_silent: u64,
    /// Attempts to connect that failed, one for each address.
    pub dials_failed: u64,
    /// Connections opened to a peer that was connected before.
    pub reconnects: u64,
    /// Circuits by a relay that a direct connection replaced.
    pub circuits_replaced: u64,
    /// Peers to which no direct connection came about, so that they are reached by the relay.
    pub punches_failed: u64,
    /// Exchanges that ended with each side telling the other which versions it speaks.
    pub versions_differing: u64,
    /// Chunks received and verified.
    pub chunks_in: u64,
    /// Chunks sent.
    pub chunks_out: u64,
    /// Chunks that were there when a transfer went on, and were not sent again.
    pub chunks_resumed: u64,
    /// Chunks received that are not what was described.
    pub chunks_corrupt: u64,
    /// Times that a transfer of this process lost its connection and went on.
    pub transfers_interrupted: u64,
    /// Transfers of peers that expired or made room before they were whole.
    pub transfers_evicted: u64,
    /// Bytes kept now of unfinished transfers, in both directions.
    pub transfer_bytes_held: u64,
    /// Refusals of this process, in the order of [`DeclineReason::ALL`].
    pub declined: [u64; DeclineReason::ALL.len()],
    /// Time from a question that no one has to think about to its answer, smoothed over eight;
    /// `None` before the first one.
    pub round_trip: Option<Duration>,
}

impl LinkMetrics {
    /// Returns how often this process refused for a reason.
    #[must_use]
    pub fn declined(&self, reason: DeclineReason) -> u64 {
        self.declined[reason.index()]
    }

    fn totals(&self) -> [(&'static str, &'static str, u64); 23] {
        let counters = &self.counters;
        [
            ("received_bytes", "Bytes of frames received.", counters.bytes_in),
            ("sent_bytes", "Bytes of frames sent.", counters.bytes_out),
            ("requests_received", "Requests handed to the inbox.", counters.requests_in),
            ("requests_sent", "Requests sent.", counters.requests_out),
            ("responses_received", "Answers received.", counters.responses_in),
            ("responses_sent", "Answers sent.", counters.responses_out),
            ("requests_dropped", "Requests turned away.", counters.dropped),
            ("messages_oversized", "Messages over the limit.", counters.oversized),
            ("frames_truncated", "Frames that ended early.", counters.truncated),
            ("connections_refused", "Inbound connections refused.", counters.connections_refused),
            ("connections_opened", "Connections opened.", self.connections_opened),
            ("connections_silent", "Connections given up as silent.", self.connections_silent),
            ("dials_failed", "Addresses that could not be reached.", self.dials_failed),
            ("reconnects", "Connections to a peer known before.", self.reconnects),
            (
                "circuits_replaced",
                "Circuits replaced by direct connections.",
                self.circuits_replaced,
            ),
            ("punches_failed", "Peers that stay behind a relay.", self.punches_failed),
            ("versions_differing", "Exchanges of two versions.", self.versions_differing),
            ("chunks_received", "Chunks received and verified.", self.chunks_in),
            ("chunks_sent", "Chunks sent.", self.chunks_out),
            ("chunks_resumed", "Chunks not sent again.", self.chunks_resumed),
            ("chunks_corrupt", "Chunks that were not as described.", self.chunks_corrupt),
            ("transfers_interrupted", "Transfers that went on.", self.transfers_interrupted),
            ("transfers_evicted", "Transfers given up unfinished.", self.transfers_evicted),
        ]
    }
}

impl fmt::Display for LinkMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, help, value) in self.totals() {
            writeln!(f, "# HELP sahakar_link_{name}_total {help}")?;
            writeln!(f, "# TYPE sahakar_link_{name}_total counter")?;
            writeln!(f, "sahakar_link_{name}_total {value}")?;
        }
        writeln!(f, "# HELP sahakar_link_declined_total Requests refused, by reason.")?;
        writeln!(f, "# TYPE sahakar_link_declined_total counter")?;
        for reason in DeclineReason::ALL {
            let (name, value) = (reason.name(), self.declined(reason));
            writeln!(f, "sahakar_link_declined_total{{reason=\"{name}\"}} {value}")?;
        }
        let gauges = [
            ("connections", "Connections now.", self.connections),
            ("transfer_held_bytes", "Bytes kept of transfers.", self.transfer_bytes_held),
        ];
        for (name, help, value) in gauges {
            writeln!(f, "# HELP sahakar_link_{name} {help}")?;
            writeln!(f, "# TYPE sahakar_link_{name} gauge")?;
            writeln!(f, "sahakar_link_{name} {value}")?;
        }
        let Some(round_trip) = self.round_trip else { return Ok(()) };
        writeln!(f, "# HELP sahakar_link_round_trip_seconds Smoothed round trip.")?;
        writeln!(f, "# TYPE sahakar_link_round_trip_seconds gauge")?;
        writeln!(f, "sahakar_link_round_trip_seconds {:.6}", round_trip.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Tally;

    #[test]
    fn text_is_prometheus_and_names_no_peer() {
        let tally = Tally::default();
        tally.chunks_resumed.add(7);
        tally.declined(DeclineReason::RequestRate);
        tally.round_trip(Duration::from_micros(1_500));
        let text = tally.metrics().to_string();
        for line in [
            "# TYPE sahakar_link_chunks_resumed_total counter",
            "sahakar_link_chunks_resumed_total 7",
            "sahakar_link_declined_total{reason=\"request_rate\"} 1",
            "sahakar_link_declined_total{reason=\"busy\"} 0",
            "sahakar_link_round_trip_seconds 0.001500",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("sahakar_link_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn round_trips_are_smoothed() {
        let tally = Tally::default();
        assert_eq!(tally.metrics().round_trip, None);
        for _ in 0..40 {
            tally.round_trip(Duration::from_millis(8));
        }
        tally.round_trip(Duration::from_millis(80));
        let smoothed = tally.metrics().round_trip.unwrap();
        assert!((16..18).contains(&smoothed.as_millis()), "{smoothed:?}");
    }
}
