//! Where a link listens, and where and who a peer is.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::peer::{PeerKey, PeerKeyError};

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP with noise and yamux.
    Tcp,
    /// QUIC version 1 with TLS 1.3.
    Quic,
}

/// Where a link listens: `/ip4/127.0.0.1/tcp/0` or `/ip4/127.0.0.1/udp/0/quic-v1`.
///
/// Port 0 lets the operating system choose. Names are not resolved: IPv4 or IPv6 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddress {
    socket: SocketAddr,
    transport: Transport,
}

/// Where a peer listens and who it has to be: a listen address with `/p2p/…` at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    listen: ListenAddress,
    peer: PeerKey,
}

/// Why a text is not an address of a link.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a multiaddress at all.
    #[error("{text:?} is not a multiaddress like /ip4/127.0.0.1/tcp/4001")]
    NotMultiaddress {
        /// What was given.
        text: String,
    },
    /// A multiaddress of protocols that a link does not speak.
    #[error("{text:?} is neither /ip/tcp nor /ip/udp/quic-v1")]
    Unsupported {
        /// What was given.
        text: String,
    },
    /// An address of a peer has to say who the peer is.
    #[error("{text:?} does not end in /p2p/ and the id of the peer")]
    PeerMissing {
        /// What was given.
        text: String,
    },
    /// An address to listen on does not name a peer.
    #[error("{text:?} names a peer, an address to listen on does not")]
    PeerUnexpected {
        /// What was given.
        text: String,
    },
    /// The named peer has another kind of key.
    #[error("{text:?} names a peer without an ed25519 key")]
    Peer {
        /// What was given.
        text: String,
        /// Why.
        #[source]
        source: PeerKeyError,
    },
}

impl ListenAddress {
    /// Makes an address from its parts.
    #[must_use]
    pub const fn new(socket: SocketAddr, transport: Transport) -> Self {
        Self { socket, transport }
    }

    /// Makes an address on 127.0.0.1.
    ///
    /// * `port` — 0 for any free one.
    #[must_use]
    pub const fn loopback(transport: Transport, port: u16) -> Self {
        Self::new(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), transport)
    }

    /// Returns IP address and port.
    #[must_use]
    pub const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Returns how bytes travel.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Says who listens there.
    #[must_use]
    pub const fn with_peer(self, peer: PeerKey) -> Address {
        Address { listen: self, peer }
    }

    pub(crate) fn to_multiaddr(self) -> Multiaddr {
        let address = Multiaddr::from(self.socket.ip());
        match self.transport {
            Transport::Tcp => address.with(Protocol::Tcp(self.socket.port())),
            Transport::Quic => {
                address.with(Protocol::Udp(self.socket.port())).with(Protocol::QuicV1)
            }
        }
    }
}

impl Address {
    /// Returns who listens there.
    #[must_use]
    pub const fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Returns the address without the peer.
    #[must_use]
    pub const fn listen(&self) -> ListenAddress {
        self.listen
    }

    /// Returns how bytes travel.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.listen.transport
    }

    pub(crate) fn to_multiaddr(self) -> Multiaddr {
        self.listen.to_multiaddr().with(Protocol::P2p(self.peer.to_peer_id()))
    }
}

/// The multiaddress of a place at a relay, or of the peer that has it.
pub(crate) fn relayed(relay: Address, peer: Option<PeerKey>) -> Multiaddr {
    let place = relay.to_multiaddr().with(Protocol::P2pCircuit);
    match peer {
        Some(peer) => place.with(Protocol::P2p(peer.to_peer_id())),
        None => place,
    }
}

/// Splits a multiaddress into where and who.
pub(crate) fn split(multiaddr: &Multiaddr) -> Option<(ListenAddress, Option<PeerId>)> {
    let mut parts = multiaddr.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let (port, transport) = match parts.next()? {
        Protocol::Tcp(port) => (port, Transport::Tcp),
        Protocol::Udp(port) if parts.next()? == Protocol::QuicV1 => (port, Transport::Quic),
        _ => return None,
    };
    let peer = match parts.next() {
        None => None,
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    let listen = ListenAddress::new(SocketAddr::new(ip, port), transport);
    parts.next().is_none().then_some((listen, peer))
}

fn parse(text: &str) -> Result<(ListenAddress, Option<PeerId>), AddressError> {
    let Ok(multiaddr) = text.parse::<Multiaddr>() else {
        return Err(AddressError::NotMultiaddress { text: text.to_owned() });
    };
    split(&multiaddr).ok_or_else(|| AddressError::Unsupported { text: text.to_owned() })
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match parse(text)? {
            (listen, None) => Ok(listen),
            (_, Some(_)) => Err(AddressError::PeerUnexpected { text: text.to_owned() }),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (listen, peer) = parse(text)?;
        let peer = peer.ok_or_else(|| AddressError::PeerMissing { text: text.to_owned() })?;
        let peer = PeerKey::from_peer_id(peer)
            .map_err(|source| AddressError::Peer { text: text.to_owned(), source })?;
        Ok(listen.with_peer(peer))
    }
}

impl fmt::Display for ListenAddress {
    /// Writes the multiaddress.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_multiaddr().fmt(f)
    }
}

impl fmt::Display for Address {
    /// Writes the multiaddress, the peer's id at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_multiaddr().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round_trip(listen: &str) {
        let parsed: ListenAddress = listen.parse().unwrap();
        assert_eq!(parsed.to_string(), listen);
        let address = parsed.with_peer(PeerKey::from_secret(&[1; 32]));
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!(address.listen(), parsed);
    }

    #[test]
    fn addresses_survive_their_text() {
        check_round_trip("/ip4/127.0.0.1/tcp/4001");
        check_round_trip("/ip4/0.0.0.0/udp/4001/quic-v1");
        check_round_trip("/ip6/::1/tcp/0");
        check_round_trip("/ip6/::1/udp/65535/quic-v1");
    }

    #[test]
    fn peer_is_spelt_as_libp2p_spells_it() {
        let address = ListenAddress::loopback(Transport::Tcp, 1).with_peer(PeerKey::from([0; 32]));
        assert_eq!(
            address.to_string(),
            "/ip4/127.0.0.1/tcp/1/p2p/12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        let refuse = |text: &str| text.parse::<ListenAddress>().unwrap_err();
        for text in ["127.0.0.1:80", "/ip4/300.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/70000"] {
            assert!(matches!(refuse(text), AddressError::NotMultiaddress { .. }), "{text}");
        }
        for text in ["", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/1", "/dns4/example.org/tcp/1"] {
            assert!(matches!(refuse(text), AddressError::Unsupported { .. }), "{text}");
        }
        assert!(matches!(refuse("/ip4/127.0.0.1/tcp/1/ws"), AddressError::Unsupported { .. }));
    }

    #[test]
    fn address_of_a_peer_names_it_and_a_listen_address_does_not() {
        let without = "/ip4/127.0.0.1/tcp/1";
        assert!(matches!(without.parse::<Address>(), Err(AddressError::PeerMissing { .. })));
        let with = ListenAddress::loopback(Transport::Tcp, 1).with_peer(PeerKey::from([9; 32]));
        let refused = with.to_string().parse::<ListenAddress>();
        assert!(matches!(refused, Err(AddressError::PeerUnexpected { .. })));
    }
}
