//! The libp2p swarm of a link: transports, limits, the one protocol.

use std::{convert::Infallible, sync::Arc, time::Duration};

use libp2p::{Swarm, SwarmBuilder, connection_limits, noise, swarm::NetworkBehaviour, tcp, yamux};

use crate::{
    budget::Budgets,
    config::{Limits, LinkConfig},
    counters::Tally,
    exchange::ExchangeBehaviour,
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
    pub(crate) exchange: ExchangeBehaviour,
}

/// Builds the swarm of a link; it neither listens nor dials yet.
pub(crate) fn build(
    config: &LinkConfig,
    budgets: Arc<Budgets>,
    tally: Arc<Tally>,
) -> Result<Swarm<LinkBehaviour>, noise::Error> {
    let behaviour = behaviour(&config.limits, budgets, tally);
    let streams_max = streams_max(&config.limits);
    let yamux = move || {
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(streams_max);
        yamux
    };
    let swarm = SwarmBuilder::with_existing_identity(peer::keypair_from_secret(&config.secret))
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux)?
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

/// Streams of one connection at a time, both ways: a peer's requests, as many refusals in words, and
/// all requests of this process.
fn streams_max(limits: &Limits) -> usize {
    2 * usize::from(limits.inbound_requests_per_peer_max) + OUTBOUND_REQUESTS_MAX
}

fn behaviour(limits: &Limits, budgets: Arc<Budgets>, tally: Arc<Tally>) -> LinkBehaviour {
    let connection_limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections_max))
        .with_max_pending_outgoing(Some(limits.connections_max))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(limits.connections_per_peer_max));
    LinkBehaviour {
        limits: connection_limits::Behaviour::new(connection_limits),
        exchange: ExchangeBehaviour::new(limits, streams_max(limits), budgets, tally),
    }
}
