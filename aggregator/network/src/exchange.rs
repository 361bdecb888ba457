//! libp2p's request-response behaviour, with a codec that knows whose streams it serves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    request_response::{self, OutboundRequestId, ProtocolSupport, ResponseChannel},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};

use crate::{
    budget::Budgets,
    codec::{ExchangeCodec, Request, Response},
    config::Limits,
    counters::Tally,
    peer::PeerKey,
    version::{PROTOCOL, VERSIONS_PROTOCOL},
};

type Inner = request_response::Behaviour<ExchangeCodec>;

/// What an exchange reports.
pub(crate) type ExchangeEvent = request_response::Event<Request, Response>;

/// Exchanges of asks and answers, one stream each.
pub(crate) struct ExchangeBehaviour {
    inner: Inner,
    /// Whose connection is being set up: read by the codec when it is cloned for it.
    next: Arc<Mutex<Option<PeerKey>>>,
}

impl ExchangeBehaviour {
    /// * `streams_max` — for each connection.
    pub(crate) fn new(
        limits: &Limits,
        streams_max: usize,
        budgets: Arc<Budgets>,
        tally: Arc<Tally>,
    ) -> Self {
        let next = Arc::default();
        let codec = ExchangeCodec::new(limits, Arc::clone(&next), budgets, tally);
        let config = request_response::Config::default()
            .with_request_timeout(limits.request_timeout)
            .with_max_concurrent_streams(streams_max);
        let protocols =
            [(PROTOCOL, ProtocolSupport::Full), (VERSIONS_PROTOCOL, ProtocolSupport::Full)];
        Self { inner: Inner::with_codec(codec, protocols, config), next }
    }

    pub(crate) fn send_request(&mut self, peer: &PeerId, request: Request) -> OutboundRequestId {
        self.inner.send_request(peer, request)
    }

    pub(crate) fn send_response(
        &mut self,
        channel: ResponseChannel<Response>,
        response: Response,
    ) -> Result<(), Response> {
        self.inner.send_response(channel, response)
    }

    fn set_next(&self, peer: PeerId) {
        let key = PeerKey::from_peer_id(peer).ok();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl NetworkBehaviour for ExchangeBehaviour {
    type ConnectionHandler = THandler<Inner>;
    type ToSwarm = ExchangeEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.set_next(peer);
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.set_next(peer);
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
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
    ) -> Poll<ToSwarm<ExchangeEvent, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}
