//! Circuits by relays, and the direct connections that replace them.

use libp2p::{PeerId, dcutr, identify, swarm::ConnectionId};
use tracing::{debug, info};

use super::Driver;
use crate::peer::PeerKey;

/// The circuit by which a peer is asked.
pub(crate) struct Circuit {
    connection: ConnectionId,
    /// The connection that replaces it, as soon as nothing is owed over the circuit.
    direct: Option<ConnectionId>,
}

impl Driver {
    /// A connection to a peer that this process asks.
    pub(super) fn on_way(&mut self, peer: PeerKey, connection: ConnectionId, is_relayed: bool) {
        if is_relayed {
            self.circuits.entry(peer).or_insert(Circuit { connection, direct: None });
        } else if let Some(circuit) = self.circuits.get_mut(&peer) {
            circuit.direct.get_or_insert(connection);
        }
    }

    /// Whether the peer is asked by a circuit, and by nothing better.
    pub(super) fn is_by_circuit(&self, peer: PeerKey) -> bool {
        self.circuits.get(&peer).is_some_and(|circuit| circuit.direct.is_none())
    }

    pub(super) fn on_way_closed(&mut self, peer: PeerKey, connection: ConnectionId) {
        let Some(circuit) = self.circuits.get_mut(&peer) else { return };
        if circuit.connection == connection {
            self.circuits.remove(&peer);
        } else if circuit.direct == Some(connection) {
            circuit.direct = None;
        }
    }

    /// Closes the circuits that are replaced, once their peers owe nothing: an answer on its way would
    /// be lost with the circuit.
    pub(super) fn close_circuits(&mut self) {
        let replaced = self.circuits.iter().filter(|(peer, circuit)| {
            circuit.direct.is_some() && !self.pending.values().any(|asked| asked.peer() == **peer)
        });
        for (peer, connection) in
            replaced.map(|(peer, circuit)| (*peer, circuit.connection)).collect::<Vec<_>>()
        {
            self.circuits.remove(&peer);
            self.tally.circuits_replaced.add_one();
            info!(%peer, "reached directly: the relay is not needed any more");
            self.swarm.close_connection(connection);
        }
    }

    /// A peer says where it sees this process; relays are believed.
    pub(super) fn on_identity(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        if PeerKey::from_peer_id(peer_id).is_ok_and(|peer| self.relays.contains(&peer)) {
            debug!(address = %info.observed_addr, "where a relay sees this process");
            self.swarm.behaviour_mut().punching.seen_at(&info.observed_addr);
        }
    }

    pub(super) fn on_punch(&mut self, event: dcutr::Event) {
        let peer: PeerId = event.remote_peer_id;
        if let Err(error) = event.result {
            self.tally.punches_failed.add_one();
            debug!(%peer, %error, "no direct connection came about: {error}");
        }
    }
}
