//! Direct connections through two routers (`DCUtR`), for peers that met at a relay.
//!
//! ```text
//!   asker ── circuit ── relay ── circuit ── hidden        the relay told each where it sees it from
//!     └────── connect: here am I seen ◄──────┘            over the circuit
//!     └────── QUIC, from both sides at once ─┘            each router lets in what it saw going out
//! ```
//!
//! Source: libp2p's specification `relay/DCUtR.md`. Only QUIC is tried: its datagrams leave by the one
//! socket that the relay has seen, while TCP would have to share its port, which links never do.
//!
//! Threats, and what is done:
//! - A peer lies about where it sees us from: only relays that this process was told of are believed,
//!   and what they say is only told to peers who reach us by a circuit, and bounded by libp2p (20).
//! - A peer names a victim for us to send datagrams to: [`ADDRESSES_MAX`] addresses of an attempt,
//!   three attempts a circuit, and nothing that is of our own machine or network.
//! - Who has the direct connection is proven as on any other, by the key in its handshake.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    dcutr,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

use crate::address::{Transport, split};

/// Addresses that are tried of what a peer says of itself: a router or two, with IPv4 and IPv6.
const ADDRESSES_MAX: usize = 4;

/// An attempt that is not made.
#[derive(Debug, thiserror::Error)]
#[error(
    "{named} addresses of which {usable} are of the internet by QUIC, expected 1 to {ADDRESSES_MAX} that all are"
)]
struct Unusable {
    named: usize,
    usable: usize,
}

/// libp2p's direct connection upgrade, which believes relays alone and dials the internet alone.
pub(crate) struct Punching {
    inner: dcutr::Behaviour,
    /// Its dials, until the swarm asks whether they may be made.
    dials: BTreeSet<ConnectionId>,
}

impl Punching {
    pub(crate) fn new(peer: PeerId) -> Self {
        Self { inner: dcutr::Behaviour::new(peer), dials: BTreeSet::new() }
    }

    /// Takes what a relay says of where it sees this process.
    pub(crate) fn seen_at(&mut self, address: &Multiaddr) {
        if is_usable(address) {
            let addr = NewExternalAddrCandidate { addr: address };
            self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(addr));
        }
    }
}

/// Whether the address is of a machine in the internet, reached by QUIC.
fn is_usable(address: &Multiaddr) -> bool {
    let Some((listen, _)) = split(address) else { return false };
    let is_open = match listen.socket().ip() {
        IpAddr::V4(ip) => is_open_v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| is_open_v6(ip), is_open_v4),
    };
    listen.transport() == Transport::Quic && listen.socket().port() != 0 && is_open
}

fn is_open_v4(ip: Ipv4Addr) -> bool {
    let is_own = ip.is_private() || ip.is_loopback() || ip.is_link_local();
    !is_own && !ip.is_multicast() && !ip.is_broadcast() && ip.octets()[0] != 0
}

fn is_open_v6(ip: Ipv6Addr) -> bool {
    let is_own = ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local();
    !is_own && !ip.is_multicast() && !ip.is_unspecified()
}

impl NetworkBehaviour for Punching {
    type ConnectionHandler = THandler<dcutr::Behaviour>;
    type ToSwarm = dcutr::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.remove(&connection) {
            let usable = addresses.iter().filter(|address| is_usable(address)).count();
            let named = addresses.len();
            if usable != named || !(1..=ADDRESSES_MAX).contains(&named) {
                return Err(ConnectionDenied::new(Unusable { named, usable }));
            }
        }
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        // What any peer says of where it sees us; see `seen_at`.
        if !matches!(event, FromSwarm::NewExternalAddrCandidate(_)) {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<dcutr::Event, THandlerInEvent<Self>>> {
        let polled = self.inner.poll(context);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.dials.insert(opts.connection_id());
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quic_in_the_internet_is_dialled() {
        let usable = |text: &str| is_usable(&text.parse().unwrap());
        assert!(usable("/ip4/203.0.113.7/udp/4000/quic-v1"));
        assert!(usable("/ip6/2001:db8::7/udp/4000/quic-v1"));
        for text in [
            "/ip4/203.0.113.7/tcp/4000",
            "/ip4/203.0.113.7/udp/0/quic-v1",
            "/ip4/127.0.0.1/udp/4000/quic-v1",
            "/ip4/0.0.0.0/udp/4000/quic-v1",
            "/ip4/10.1.2.3/udp/4000/quic-v1",
            "/ip4/192.168.1.1/udp/53/quic-v1",
            "/ip4/169.254.169.254/udp/80/quic-v1",
            "/ip4/224.0.0.251/udp/5353/quic-v1",
            "/ip4/255.255.255.255/udp/4000/quic-v1",
            "/ip6/::1/udp/4000/quic-v1",
            "/ip6/::ffff:127.0.0.1/udp/4000/quic-v1",
            "/ip6/fe80::1/udp/4000/quic-v1",
            "/ip6/fd00::1/udp/4000/quic-v1",
            "/ip6/ff02::1/udp/4000/quic-v1",
            "/dns4/example.org/udp/4000/quic-v1",
        ] {
            assert!(!usable(text), "{text}");
        }
    }

    fn asked(named: &[&str]) -> bool {
        let mut punching = Punching::new(PeerId::random());
        let connection = ConnectionId::new_unchecked(7);
        punching.dials.insert(connection);
        let addresses: Vec<Multiaddr> = named.iter().map(|text| text.parse().unwrap()).collect();
        let peer = Some(PeerId::random());
        let asked = punching.handle_pending_outbound_connection(
            connection,
            peer,
            &addresses,
            Endpoint::Dialer,
        );
        asked.is_ok()
    }

    #[test]
    fn attempt_with_a_victim_or_too_many_addresses_is_not_made() {
        let open = "/ip4/203.0.113.7/udp/4000/quic-v1";
        assert!(asked(&[open; ADDRESSES_MAX]));
        assert!(!asked(&[]));
        assert!(!asked(&[open; ADDRESSES_MAX + 1]));
        assert!(!asked(&[open, "/ip4/192.168.1.1/udp/53/quic-v1"]));
    }
}
