//! What a link is started with.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::address::ListenAddress;

/// Everything that a link is started with.
pub struct LinkConfig {
    /// The Ed25519 seed of the identity that this process proves to its peers; erased when dropped.
    pub secret: Zeroizing<[u8; 32]>,
    /// Where to listen; empty for a link that only asks.
    pub listen: Vec<ListenAddress>,
    /// What it may cost.
    pub limits: Limits,
}

/// What a link may cost this process, whoever is at the other end.
///
/// Messages over 256 KiB travel in chunks of that size. So what peers can make this process keep is
/// at most `inbound_requests_max` chunks, `transfer_bytes_max` of requests that are coming in, as much
/// of answers that are fetched, as much of answers that this process fetches, and the requests that
/// wait in the inbox, at most `inbound_requests_max * request_bytes_max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request, sent or received, in bytes. Default 32 MiB.
    pub request_bytes_max: u32,
    /// Longest answer, sent or received, in bytes. Default 32 MiB.
    pub response_bytes_max: u32,
    /// Requests being received, waiting or being answered at a time; more are told to come back.
    /// Default 64.
    pub inbound_requests_max: u16,
    /// The same for one peer. Default 16: four chunks of a transfer, and three times as much for
    /// requests of tasks beside it.
    pub inbound_requests_per_peer_max: u16,
    /// Requests a second that one peer may send, chunks included, with a burst of two seconds.
    /// Default 512: the 256 chunks of `bytes_per_second_max`, and a poll every 50 ms ten times over.
    pub requests_per_second_max: u32,
    /// Bytes a second that one peer may move, both ways, with a burst of two seconds. Default 64 MiB:
    /// half of a line of a gigabit.
    pub bytes_per_second_max: u64,
    /// Connections at a time, in both directions. Default 256.
    pub connections_max: u32,
    /// Connections at a time with one peer. Default 4: two dials at once, and what they replace.
    pub connections_per_peer_max: u32,
    /// From asking, dialling included, to the end of the answer, if both are small; for large ones
    /// from one chunk to the next. Default 30 s.
    pub request_timeout: Duration,
    /// Bytes kept of unfinished transfers, for each direction. Default 512 MiB.
    pub transfer_bytes_max: u64,
    /// Requests in chunks of one peer at a time; the oldest makes room. Default 2.
    pub transfers_per_peer_max: u16,
    /// How long a transfer can be interrupted and go on where it was. Default 10 min.
    pub transfer_expiry: Duration,
    /// A peer that owes an answer and was silent for so long is asked whether it is there. Default
    /// 5 s.
    pub keep_alive: Duration,
    /// A peer that does not answer that is disconnected after so long. Default 20 s: what four chunks
    /// of 256 KiB take on a line of 64 KiB/s, and a quarter more.
    pub silence_max: Duration,
    /// Circuits between others that this process relays at a time, and peers that may be reached by
    /// it. Default 0: it is no relay.
    pub relayed_circuits_max: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 32 << 20,
            response_bytes_max: 32 << 20,
            inbound_requests_max: 64,
            inbound_requests_per_peer_max: 16,
            requests_per_second_max: 512,
            bytes_per_second_max: 64 << 20,
            connections_max: 256,
            connections_per_peer_max: 4,
            request_timeout: Duration::from_secs(30),
            transfer_bytes_max: 512 << 20,
            transfers_per_peer_max: 2,
            transfer_expiry: Duration::from_secs(600),
            keep_alive: Duration::from_secs(5),
            silence_max: Duration::from_secs(20),
            relayed_circuits_max: 0,
        }
    }
}

/// A limit with which nothing could be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("limit {name} is zero")]
pub struct LimitError {
    /// The field of [`Limits`].
    pub name: &'static str,
}

impl Limits {
    /// Refuses limits under which no exchange is possible.
    pub(crate) fn check(&self) -> Result<(), LimitError> {
        let zeroes = [
            ("request_bytes_max", self.request_bytes_max == 0),
            ("response_bytes_max", self.response_bytes_max == 0),
            ("inbound_requests_max", self.inbound_requests_max == 0),
            ("inbound_requests_per_peer_max", self.inbound_requests_per_peer_max == 0),
            ("requests_per_second_max", self.requests_per_second_max == 0),
            ("bytes_per_second_max", self.bytes_per_second_max == 0),
            ("transfer_bytes_max", self.transfer_bytes_max == 0),
            ("transfers_per_peer_max", self.transfers_per_peer_max == 0),
            ("transfer_expiry", self.transfer_expiry.is_zero()),
            ("keep_alive", self.keep_alive.is_zero()),
            ("silence_max", self.silence_max.is_zero()),
            ("connections_max", self.connections_max == 0),
            ("connections_per_peer_max", self.connections_per_peer_max == 0),
            ("request_timeout", self.request_timeout.is_zero()),
        ];
        match zeroes.into_iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(LimitError { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_zero_are_refused_by_name() {
        assert_eq!(Limits::default().check(), Ok(()));
        let limits = Limits { connections_max: 0, ..Limits::default() };
        assert_eq!(limits.check(), Err(LimitError { name: "connections_max" }));
    }
}
