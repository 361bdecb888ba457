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
/// Bodies of requests and answers in memory are at most
/// `inbound_requests_max * (request_bytes_max + response_bytes_max)`, as a request has its place from
/// before its body is read until its answer is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request, sent or received, in bytes. Default 32 MiB.
    pub request_bytes_max: u32,
    /// Longest answer, sent or received, in bytes. Default 32 MiB.
    pub response_bytes_max: u32,
    /// Requests being received, waiting or being answered at a time; more are dropped. Default 64.
    pub inbound_requests_max: u16,
    /// Connections at a time, in both directions. Default 256.
    pub connections_max: u32,
    /// Connections at a time with one peer. Default 4: two dials at once, and what they replace.
    pub connections_per_peer_max: u32,
    /// From asking, dialling included, to the end of the answer. Default 30 s.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 32 << 20,
            response_bytes_max: 32 << 20,
            inbound_requests_max: 64,
            connections_max: 256,
            connections_per_peer_max: 4,
            request_timeout: Duration::from_secs(30),
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
