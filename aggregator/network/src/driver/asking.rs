//! The driver's side of what this process asks.

use std::{collections::VecDeque, sync::Arc};

use libp2p::{
    PeerId,
    request_response::{OutboundFailure, OutboundRequestId},
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};
use tracing::debug;

use super::Driver;
use crate::{
    address::Address,
    codec::{Content, Request},
    dialer::{Dialer, Way},
    peer::PeerKey,
    pulse::{Diagnosis, Pulse},
    request::{self, RequestError},
    wire::{Answer, Ask},
};

/// Something that this process asks.
pub(crate) struct Outbound {
    pub(crate) address: Address,
    pub(crate) ask: Ask,
    pub(crate) answer: oneshot::Sender<Result<Answer, RequestError>>,
    /// Its place among what is asked at a time, kept until libp2p is done with it.
    pub(crate) place: OwnedSemaphorePermit,
}

/// Something that libp2p is busy with.
pub(crate) struct Pending {
    peer: PeerKey,
    address: Option<Address>,
    /// `None` for the driver's own question whether the peer is there.
    outbound: Option<(oneshot::Sender<Result<Answer, RequestError>>, OwnedSemaphorePermit)>,
    /// Present if the answer takes no thought, so that its time is a round trip.
    sent_at: Option<Instant>,
}

/// A peer that was asked something.
pub(crate) struct Target {
    pub(crate) dialer: Dialer,
    pub(crate) pulse: Pulse,
    /// What waits for a connection.
    waiting: VecDeque<Outbound>,
    /// Why the last attempt to connect failed.
    dial_error: Option<Arc<DialError>>,
    was_connected: bool,
    /// The connection that this process opened.
    own: Option<ConnectionId>,
}

impl Pending {
    pub(super) const fn peer(&self) -> PeerKey {
        self.peer
    }
}

impl Driver {
    /// Learns a way to a peer.
    pub(super) fn learn(&mut self, way: Way) {
        if let Way::Relayed { relay, .. } = way {
            self.relays.insert(relay.peer());
        }
        self.target(way.peer()).dialer.learn(way);
    }

    pub(super) fn target(&mut self, peer: PeerKey) -> &mut Target {
        self.targets.entry(peer).or_insert_with(|| Target {
            dialer: Dialer::default(),
            pulse: Pulse::new(Instant::now()),
            waiting: VecDeque::new(),
            dial_error: None,
            was_connected: false,
            own: None,
        })
    }

    /// Asks a peer, over a new connection if there is none.
    pub(super) fn ask(&mut self, outbound: Outbound) {
        let peer = outbound.address.peer();
        let address = outbound.address;
        self.target(peer).dialer.learn(Way::Direct(address));
        if self.swarm.is_connected(&peer.to_peer_id()) {
            self.send(outbound);
            return;
        }
        let target = self.target(peer);
        // Whoever asked may have given up meanwhile.
        target.waiting.retain(|outbound| !outbound.answer.is_closed());
        target.waiting.push_back(outbound);
        target.dialer.want(Instant::now());
        self.dial_due();
    }

    fn send(&mut self, outbound: Outbound) {
        let Outbound { address, ask, answer, place } = outbound;
        let now = Instant::now();
        // Who answers these two does not have to think.
        let sent_at = matches!(ask, Ask::Offer(_)).then_some(now);
        self.target(address.peer()).pulse.owes(now);
        let id = self.send_ask(address.peer(), ask);
        let (peer, outbound) = (address.peer(), Some((answer, place)));
        self.pending.insert(id, Pending { peer, address: Some(address), outbound, sent_at });
    }

    fn send_ask(&mut self, peer: PeerKey, ask: Ask) -> OutboundRequestId {
        let request = Request { content: Content::Ask(ask), place: None };
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        exchange.send_request(&peer.to_peer_id(), request)
    }

    /// When the next address is to be tried.
    pub(super) fn next_dial(&self) -> Option<Instant> {
        self.targets.values().filter_map(|target| target.dialer.next_at()).min()
    }

    /// Tries the addresses whose time has come.
    ///
    /// From a fresh port: the port of the listener, libp2p's default, would make a reconnection
    /// collide with what the kernel remembers of the connection before.
    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        loop {
            let due = self.targets.values_mut().find_map(|target| {
                target.waiting.retain(|outbound| !outbound.answer.is_closed());
                if target.waiting.is_empty() {
                    target.dialer.give_up();
                }
                target.dialer.due(now)
            });
            let Some(address) = due else { break };
            let dial = DialOpts::peer_id(address.peer().to_peer_id())
                .condition(PeerCondition::Disconnected)
                .addresses(vec![address.to_multiaddr()])
                .allocate_new_port()
                .build();
            let connection = dial.connection_id();
            self.dials.insert(connection, address);
            if let Err(error) = self.swarm.dial(dial) {
                self.on_dial_error(connection, error);
            }
        }
    }

    pub(super) fn on_dial_error(&mut self, connection: ConnectionId, error: DialError) {
        // What is not among them libp2p dialled by itself, without an address: nothing to be told.
        let Some(address) = self.dials.remove(&connection) else { return };
        let peer = address.peer();
        let is_connected = self.swarm.is_connected(&peer.to_peer_id());
        let Some(target) = self.targets.get_mut(&peer) else { return };
        if is_connected || matches!(error, DialError::DialPeerConditionFalse(_)) {
            target.dialer.superseded();
            return;
        }
        self.tally.dials_failed.add_one();
        debug!(%error, "an address was not reached: {error}");
        let knows_who = matches!(target.dial_error.as_deref(), Some(DialError::WrongPeerId { .. }));
        if !knows_who {
            target.dial_error = Some(Arc::new(error));
        }
        if !target.dialer.failed(Instant::now()) {
            self.dial_due();
            return;
        }
        let error = target.dial_error.take();
        for Outbound { address, answer, .. } in target.waiting.drain(..) {
            // Whoever asked may have given up.
            let _heard = answer.send(Err(request::unreachable(address, error.as_ref()))).is_ok();
        }
    }

    pub(super) fn on_connected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        is_relayed: bool,
        count: u32,
    ) {
        let dialled = self.dials.remove(&connection);
        let Ok(peer_key) = PeerKey::from_peer_id(peer) else { return };
        let is_better = !is_relayed && self.is_by_circuit(peer_key);
        let Some(target) = self.targets.get_mut(&peer_key) else { return };
        if dialled.is_some() && target.own.is_some() && !is_better {
            // Two addresses answered: the first one is in use already. One that the peer opened is
            // no reason, as it may think the same of ours.
            target.dialer.superseded();
            self.swarm.close_connection(connection);
            return;
        }
        if count == 1 {
            if target.was_connected {
                self.tally.reconnects.add_one();
            }
            target.pulse.reset(Instant::now());
        }
        if is_better || target.own.is_none() && dialled.is_some() {
            target.own = Some(connection);
        }
        target.was_connected = true;
        target.dial_error = None;
        target.dialer.connected(dialled);
        let waiting = std::mem::take(&mut target.waiting);
        self.on_way(peer_key, connection, is_relayed);
        for outbound in waiting {
            self.send(outbound);
        }
    }

    pub(super) fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Ok(peer) = PeerKey::from_peer_id(peer) else { return };
        self.on_way_closed(peer, connection);
        if let Some(target) = self.targets.get_mut(&peer)
            && target.own == Some(connection)
        {
            target.own = None;
        }
    }

    /// Asks the silent whether they are there, and disconnects those that do not answer.
    pub(super) fn check_pulses(&mut self, now: Instant) {
        let (keep_alive, silence_max) = (self.limits.keep_alive, self.limits.silence_max);
        let diagnosed = self
            .targets
            .iter()
            .map(|(peer, target)| (*peer, target.pulse.diagnosis(now, keep_alive, silence_max)));
        for (peer, diagnosis) in diagnosed.collect::<Vec<_>>() {
            match diagnosis {
                Diagnosis::Alive => {}
                Diagnosis::Silent => {
                    self.target(peer).pulse.asked(now);
                    let id = self.send_ask(peer, Ask::Ping);
                    let sent_at = Some(now);
                    let ping = Pending { peer, address: None, outbound: None, sent_at };
                    self.pending.insert(id, ping);
                }
                Diagnosis::Dead => {
                    self.tally.connections_silent.add_one();
                    self.target(peer).pulse.reset(now);
                    // An error is a peer that has just left.
                    let _known = self.swarm.disconnect_peer_id(peer.to_peer_id()).is_ok();
                }
            }
        }
    }

    /// A peer answered something.
    pub(super) fn on_answer(&mut self, id: OutboundRequestId, answer: Answer) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let now = Instant::now();
        if let Some(sent_at) = pending.sent_at {
            self.tally.round_trip(now.saturating_duration_since(sent_at));
        }
        self.settle(&pending);
        if let Some((asker, place)) = pending.outbound {
            drop(place);
            // Whoever asked may have given up.
            let _heard = asker.send(Ok(answer)).is_ok();
        }
    }

    /// An exchange ended without an answer.
    pub(super) fn on_failure(
        &mut self,
        id: OutboundRequestId,
        connection: ConnectionId,
        failure: OutboundFailure,
    ) {
        if matches!(failure, OutboundFailure::Timeout) {
            // The peer may be gone without a word; the next request connects afresh.
            self.swarm.close_connection(connection);
        }
        let Some(pending) = self.pending.remove(&id) else { return };
        if matches!(failure, OutboundFailure::Io(_) | OutboundFailure::UnsupportedProtocols)
            && let Some(target) = self.targets.get_mut(&pending.peer)
        {
            // It said no, so it is there.
            target.pulse.heard(Instant::now());
        }
        self.settle(&pending);
        let (Some((asker, place)), Some(address)) = (pending.outbound, pending.address) else {
            return;
        };
        drop(place);
        let error = request::request_error(failure, address, self.limits.request_timeout);
        if matches!(error, RequestError::VersionUnsupported { .. }) {
            self.tally.versions_differing.add_one();
        }
        // Whoever asked may have given up.
        let _heard = asker.send(Err(error)).is_ok();
    }

    fn settle(&mut self, pending: &Pending) {
        if pending.outbound.is_some()
            && let Some(target) = self.targets.get_mut(&pending.peer)
        {
            target.pulse.settled();
        }
    }
}
