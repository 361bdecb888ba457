//! In which order the addresses of a peer are tried, and when.
//!
//! ```text
//!   idle ─ wanted ─► first address ─ HEAD_START or failure ─► next address … ─► connected | all failed
//!    ▲                                                                              │         │
//!    └──────────────────────────────────────────────────────────────────────────────┴─ pause ─┘
//! ```
//!
//! The address that worked last goes first, else QUIC before TCP: it is up to two round trips sooner
//! there, and one lost packet does not hold back the other streams. A network that drops UDP costs a
//! head start, once.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use libp2p::Multiaddr;

use crate::{
    address::{Address, Transport, relayed},
    backoff::Backoff,
    peer::PeerKey,
};

/// One way to reach a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At its own address.
    Direct(Address),
    /// By a relay at which it has a place.
    Relayed { relay: Address, peer: PeerKey },
}

impl Way {
    pub(crate) const fn peer(&self) -> PeerKey {
        match self {
            Self::Direct(address) => address.peer(),
            Self::Relayed { peer, .. } => *peer,
        }
    }

    pub(crate) fn to_multiaddr(self) -> Multiaddr {
        match self {
            Self::Direct(address) => address.to_multiaddr(),
            Self::Relayed { relay, peer } => relayed(relay, Some(peer)),
        }
    }

    /// Which is tried first: the lowest.
    const fn rank(&self) -> u8 {
        match self {
            Self::Direct(address) => match address.transport() {
                Transport::Quic => 0,
                Transport::Tcp => 1,
            },
            // Its bytes are another's cost. By QUIC there is a way out of it (`punching.rs`).
            Self::Relayed { relay, .. } => match relay.transport() {
                Transport::Quic => 2,
                Transport::Tcp => 3,
            },
        }
    }
}

/// How long an address is tried alone. Source: RFC 8305, section 5, "Connection Attempt Delay".
pub(crate) const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses that are remembered of a peer.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// The ways to one peer.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    addresses: Vec<Way>,
    worked: Option<Way>,
    queue: VecDeque<Way>,
    /// Attempts whose end is not known.
    under_way: usize,
    /// When the next address is tried, while there is one.
    next_at: Option<Instant>,
    /// Not before this, after all addresses failed.
    not_before: Option<Instant>,
    backoff: Backoff,
}

impl Dialer {
    /// Learns where the peer is; beyond [`ADDRESSES_MAX`] the oldest is forgotten.
    pub(crate) fn learn(&mut self, address: Way) {
        if self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() == ADDRESSES_MAX {
            self.addresses.remove(0);
        }
        self.addresses.push(address);
    }

    /// Begins to try, unless it has begun.
    pub(crate) fn want(&mut self, now: Instant) {
        if self.under_way > 0 || !self.queue.is_empty() {
            return;
        }
        let mut order = self.addresses.clone();
        order.sort_by_key(|address| (self.worked != Some(*address), address.rank()));
        self.queue = order.into();
        self.next_at = Some(self.not_before.map_or(now, |earliest| earliest.max(now)));
    }

    /// When [`due`](Self::due) has an address.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at.filter(|_| !self.queue.is_empty())
    }

    /// The address to try now, if there is one. Its end has to be told.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Way> {
        if self.next_at()? > now {
            return None;
        }
        let address = self.queue.pop_front()?;
        self.under_way += 1;
        self.next_at = Some(now + HEAD_START);
        Some(address)
    }

    /// An attempt failed: the next address is tried at once. Returns whether all have failed.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        self.next_at = Some(now);
        if self.under_way > 0 || !self.queue.is_empty() {
            return false;
        }
        self.not_before = Some(now + self.backoff.pause());
        true
    }

    /// An attempt ended while another had connected the peer.
    pub(crate) const fn superseded(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The peer is connected, by an attempt of ours or by its own.
    pub(crate) fn connected(&mut self, by: Option<Way>) {
        if let Some(address) = by {
            self.under_way = self.under_way.saturating_sub(1);
            self.worked = Some(address);
        }
        self.queue.clear();
        self.not_before = None;
        self.backoff.reset();
    }

    /// Nobody wants the peer any more.
    pub(crate) fn give_up(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ListenAddress;

    fn address(transport: Transport, port: u16) -> Way {
        let peer = PeerKey::from_bytes([1; 32]);
        Way::Direct(ListenAddress::loopback(transport, port).with_peer(peer))
    }

    fn dialer(addresses: &[Way]) -> Dialer {
        let mut dialer = Dialer::default();
        addresses.iter().for_each(|address| dialer.learn(*address));
        dialer
    }

    #[test]
    fn quic_goes_first_and_tcp_after_a_head_start() {
        let (tcp, quic) = (address(Transport::Tcp, 1), address(Transport::Quic, 1));
        let (mut dialer, now) = (dialer(&[tcp, quic, tcp]), Instant::now());
        assert_eq!(dialer.next_at(), None);
        dialer.want(now);
        assert_eq!(dialer.due(now), Some(quic));
        dialer.want(now);
        assert_eq!(dialer.due(now), None);
        assert_eq!(dialer.next_at(), Some(now + HEAD_START));
        assert_eq!(dialer.due(now + HEAD_START), Some(tcp));
        assert_eq!(dialer.next_at(), None);
    }

    #[test]
    fn relay_goes_last() {
        let (tcp, now) = (address(Transport::Tcp, 1), Instant::now());
        let Way::Direct(relay) = address(Transport::Quic, 2) else { return };
        let relayed = Way::Relayed { relay, peer: tcp.peer() };
        let mut dialer = dialer(&[relayed, tcp]);
        dialer.want(now);
        assert_eq!((dialer.due(now), dialer.due(now + HEAD_START)), (Some(tcp), Some(relayed)));
    }

    #[test]
    fn failure_is_followed_by_the_next_address_at_once() {
        let (tcp, quic) = (address(Transport::Tcp, 1), address(Transport::Quic, 1));
        let (mut dialer, now) = (dialer(&[tcp, quic]), Instant::now());
        dialer.want(now);
        assert_eq!(dialer.due(now), Some(quic));
        assert!(!dialer.failed(now));
        assert_eq!(dialer.due(now), Some(tcp));
        assert!(dialer.failed(now));
    }

    #[test]
    fn what_worked_goes_first_next_time() {
        let (tcp, quic) = (address(Transport::Tcp, 1), address(Transport::Quic, 1));
        let (mut dialer, now) = (dialer(&[quic, tcp]), Instant::now());
        dialer.want(now);
        assert_eq!((dialer.due(now), dialer.due(now + HEAD_START)), (Some(quic), Some(tcp)));
        dialer.connected(Some(tcp));
        dialer.superseded();
        dialer.want(now);
        assert_eq!(dialer.due(now), Some(tcp));
    }

    #[test]
    fn attempts_are_no_busy_loop() {
        let (mut dialer, mut now) = (dialer(&[address(Transport::Tcp, 1)]), Instant::now());
        let begun = now;
        for _ in 0..100 {
            dialer.want(now);
            now = now.max(dialer.next_at().unwrap());
            assert!(dialer.due(now).is_some());
            assert!(dialer.failed(now));
        }
        // 6.4 s of doubling, then at least 2.5 s each.
        assert!(now - begun > Duration::from_secs(200), "{:?}", now - begun);
        dialer.connected(None);
        dialer.want(now);
        assert_eq!(dialer.next_at(), Some(now));
    }

    #[test]
    fn addresses_are_bounded() {
        let mut dialer = dialer(&[]);
        (1..100).for_each(|port| dialer.learn(address(Transport::Tcp, port)));
        assert_eq!(dialer.addresses.len(), ADDRESSES_MAX);
        assert!(dialer.addresses.contains(&address(Transport::Tcp, 99)));
    }
}
