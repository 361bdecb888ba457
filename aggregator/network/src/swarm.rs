//! The libp2p swarm of a link: transports, limits, the one protocol.

use std::{convert::Infallible, time::Duration};

use libp2p::{
    Swarm, SwarmBuilder, connection_limits, noise,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
    tcp, yamux,
};

use crate::{
    codec::{ExchangeCodec, PROTOCOL},
    config::{Limits, LinkConfig},
    peer,
};

/// A connection over which nothing is asked is closed after so long.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// QUIC has no kernel that reports a killed peer: its silence is noticed after this, three missed
/// keep-alives. A restarted peer is reached again no later.
const QUIC_SILENCE_MS_MAX: u32 = 6_000;
const QUIC_KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Requests of this process on the way at a time.
pub(crate) const OUTBOUND_REQUESTS_MAX: usize = 64;

/// What the swarm does. Limits come first: the derived code asks the fields in this order, and
/// `exchange` hands its waiting requests to a connection as soon as it is asked.
#[derive(NetworkBehaviour)]
pub(crate) struct LinkBehaviour {
    limits: connection_limits::Behaviour,
    pub(crate) exchange: request_response::Behaviour<ExchangeCodec>,
}

/// Builds the swarm of a link; it neither listens nor dials yet.
pub(crate) fn build(
    config: &LinkConfig,
    codec: ExchangeCodec,
) -> Result<Swarm<LinkBehaviour>, noise::Error> {
    let behaviour = behaviour(&config.limits, codec);
    let swarm = SwarmBuilder::with_existing_identity(peer::keypair_from_secret(&config.secret))
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_quic_config(|mut quic| {
            quic.max_idle_timeout = QUIC_SILENCE_MS_MAX;
            quic.keep_alive_interval = QUIC_KEEP_ALIVE_INTERVAL;
            quic
        })
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never: Infallible| match never {})
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT))
        .with_connection_timeout(config.limits.request_timeout)
        .build();
    Ok(swarm)
}

fn behaviour(limits: &Limits, codec: ExchangeCodec) -> LinkBehaviour {
    let connection_limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections_max))
        .with_max_pending_outgoing(Some(limits.connections_max))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(limits.connections_per_peer_max));
    let streams_max = usize::from(limits.inbound_requests_max) + OUTBOUND_REQUESTS_MAX;
    let config = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(streams_max);
    LinkBehaviour {
        limits: connection_limits::Behaviour::new(connection_limits),
        exchange: request_response::Behaviour::with_codec(
            codec,
            [(PROTOCOL, ProtocolSupport::Full)],
            config,
        ),
    }
}
