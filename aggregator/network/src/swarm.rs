//! The libp2p swarm of a link: transports, limits, the one protocol.

use std::{convert::Infallible, sync::Arc, time::Duration};

use libp2p::{
    PeerId, Swarm, SwarmBuilder, connection_limits, identify,
    identity::PublicKey,
    noise, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};

use crate::{
    budget::Budgets,
    config::{Limits, LinkConfig},
    counters::Tally,
    exchange::ExchangeBehaviour,
    peer,
    punching::Punching,
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
    /// Reaches peers, and is reached, by others' relays.
    relayed: relay::client::Behaviour,
    /// Is a relay, where that is allowed.
    relay: Toggle<relay::Behaviour>,
    /// Tells each peer where it is seen from, and hears the same from it.
    identify: identify::Behaviour,
    /// Replaces circuits by direct connections.
    pub(crate) punching: Punching,
}

/// A reservation is renewed well before it ends, and gone an hour after its holder at the latest.
const RESERVATION: Duration = Duration::from_secs(60 * 60);
/// A circuit ends after so long, or so many bytes each way, and is opened again by whoever needs it:
/// two messages of 128 MiB at 64 KiB/s would take an hour, so that a slow one is cut twice or thrice.
const CIRCUIT: Duration = Duration::from_secs(20 * 60);
const CIRCUIT_BYTES_MAX: u64 = 256 << 20;
/// Name of protocol and program in libp2p's identify; versions are told elsewhere (`version.rs`).
const IDENTITY: &str = "sahakar";
/// Once a connection is enough: where it is seen from does not change while it lives.
const IDENTITY_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Circuits of one peer at a time.
const CIRCUITS_PER_PEER_MAX: usize = 4;

/// Builds the swarm of a link; it neither listens nor dials yet.
pub(crate) fn build(
    config: &LinkConfig,
    budgets: Arc<Budgets>,
    tally: Arc<Tally>,
) -> Result<Swarm<LinkBehaviour>, noise::Error> {
    let limits = &config.limits;
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
        .with_relay_client(noise::Config::new, yamux)?
        .with_behaviour(|key, relayed| behaviour(limits, key.public(), relayed, budgets, tally))
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

/// Places for connections that this process opens itself: the parties of a federation, with room to spare.
const OUTBOUND_CONNECTIONS: u32 = 64;

fn behaviour(
    limits: &Limits,
    key: PublicKey,
    relayed: relay::client::Behaviour,
    budgets: Arc<Budgets>,
    tally: Arc<Tally>,
) -> LinkBehaviour {
    let peer = key.to_peer_id();
    let connection_limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections_max))
        .with_max_pending_outgoing(Some(limits.connections_max))
        .with_max_established_incoming(Some(limits.connections_max))
        // Strangers who take every place must not keep this process from calling others.
        .with_max_established(Some(limits.connections_max.saturating_add(OUTBOUND_CONNECTIONS)))
        .with_max_established_per_peer(Some(limits.connections_per_peer_max));
    LinkBehaviour {
        limits: connection_limits::Behaviour::new(connection_limits),
        exchange: ExchangeBehaviour::new(limits, streams_max(limits), budgets, tally),
        relayed,
        relay: relay(limits, peer).into(),
        identify: identify::Behaviour::new(identity(key)),
        punching: Punching::new(peer),
    }
}

/// What a peer is told: where it is seen from, and no address of this process. What it says of its own
/// is not kept.
fn identity(key: PublicKey) -> identify::Config {
    identify::Config::new(IDENTITY.to_owned(), key)
        .with_agent_version(IDENTITY.to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
        .with_interval(IDENTITY_INTERVAL)
}

/// A relay with limits; its rates per peer and address are libp2p's own.
fn relay(limits: &Limits, peer: PeerId) -> Option<relay::Behaviour> {
    let circuits_max = usize::from(limits.relayed_circuits_max);
    let config = relay::Config {
        max_reservations: circuits_max,
        max_reservations_per_peer: 1,
        reservation_duration: RESERVATION,
        max_circuits: circuits_max,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: CIRCUIT,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        ..relay::Config::default()
    };
    (circuits_max > 0).then(|| relay::Behaviour::new(peer, config))
}
