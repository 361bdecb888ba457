//! The task that owns the swarm.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    PeerId, Swarm, TransportError,
    core::transport::ListenerId,
    request_response::{Event, Message, OutboundFailure, OutboundRequestId, ResponseChannel},
    swarm::{
        DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tracing::{debug, warn};

use crate::{
    address::{self, Address, ListenAddress},
    codec::{Request, Response},
    config::Limits,
    counters::Tally,
    inbox::{Inbound, Reply, ReplySender},
    link::LinkError,
    peer::PeerKey,
    request::{self, RequestError},
    swarm::{LinkBehaviour, LinkBehaviourEvent},
};

/// How long a link that ends waits for its connections to close orderly.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What the handles of a link ask of its driver.
pub(crate) enum Command {
    Request(Outbound),
    Stop(oneshot::Sender<()>),
}

/// A request of this process.
pub(crate) struct Outbound {
    pub(crate) address: Address,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Result<Vec<u8>, RequestError>>,
    /// Its place among the outbound requests, kept until libp2p is done with it.
    pub(crate) place: OwnedSemaphorePermit,
}

/// A request that libp2p is busy with.
struct Pending {
    address: Address,
    answer: oneshot::Sender<Result<Vec<u8>, RequestError>>,
    /// Why the last attempt to connect failed.
    dial_error: Option<Arc<DialError>>,
    place: OwnedSemaphorePermit,
}

/// The owner of the swarm, driven by its events and by commands.
pub(crate) struct Driver {
    swarm: Swarm<LinkBehaviour>,
    peer: PeerKey,
    limits: Limits,
    tally: Arc<Tally>,
    /// Listeners that have not reported an address yet.
    silent: Vec<(ListenerId, ListenAddress)>,
    addresses: watch::Sender<Vec<Address>>,
    pending: BTreeMap<OutboundRequestId, Pending>,
    requests: mpsc::Sender<Inbound>,
    replies: mpsc::Sender<Reply>,
    replies_in: mpsc::Receiver<Reply>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<LinkBehaviour>,
        peer: PeerKey,
        limits: &Limits,
        tally: Arc<Tally>,
        requests: mpsc::Sender<Inbound>,
        addresses: watch::Sender<Vec<Address>>,
    ) -> Self {
        // Room for an answer to every request in work.
        let (replies, replies_in) = mpsc::channel(limits.inbound_requests_max.into());
        Self {
            swarm,
            peer,
            limits: limits.clone(),
            tally,
            silent: Vec::new(),
            addresses,
            pending: BTreeMap::new(),
            requests,
            replies,
            replies_in,
        }
    }

    /// Begins to listen.
    pub(crate) fn listen(&mut self, address: ListenAddress) -> Result<(), LinkError> {
        match self.swarm.listen_on(address.to_multiaddr()) {
            Ok(listener) => {
                self.silent.push((listener, address));
                Ok(())
            }
            Err(TransportError::Other(source)) => Err(LinkError::Listen { address, source }),
            Err(error @ TransportError::MultiaddrNotSupported(_)) => {
                Err(LinkError::Listen { address, source: io::Error::other(error) })
            }
        }
    }

    /// Waits until each listener has an address.
    pub(crate) async fn until_listening(&mut self) -> Result<(), LinkError> {
        while !self.silent.is_empty() {
            match self.swarm.select_next_some().await {
                SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                    let silent = self.silent.iter().find(|(id, _)| *id == listener_id);
                    let Some(&(_, address)) = silent else { continue };
                    let closed = io::Error::other("listener closed");
                    let source = reason.err().unwrap_or(closed);
                    return Err(LinkError::Listen { address, source });
                }
                event => self.on_swarm(event),
            }
        }
        Ok(())
    }

    /// Runs until a handle says stop or none is left.
    pub(crate) async fn run(mut self: Box<Self>, mut commands: mpsc::Receiver<Command>) {
        let done = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(Reply { channel, response }) = self.replies_in.recv() => {
                    self.reply(channel, response);
                }
                command = commands.recv() => match command {
                    Some(Command::Request(outbound)) => self.request(outbound),
                    Some(Command::Stop(done)) => break Some(done),
                    None => break None,
                },
            }
        };
        drop(commands);
        self.close().await;
        drop(self);
        if let Some(done) = done {
            // Nobody may wait for it any more.
            let _told = done.send(()).is_ok();
        }
    }

    fn request(&mut self, outbound: Outbound) {
        let Outbound { address, body, answer, place } = outbound;
        let peer = address.peer().to_peer_id();
        let dial_error = self.connect(peer, address);
        let request = Request { body, slot: None };
        let id = self.swarm.behaviour_mut().exchange.send_request(&peer, request);
        self.pending.insert(id, Pending { address, answer, dial_error, place });
    }

    /// Dials a peer unless it is connected or being dialled.
    ///
    /// From a fresh port: the port of the listener, libp2p's default, would make a reconnection
    /// collide with what the kernel remembers of the connection before.
    fn connect(&mut self, peer: PeerId, address: Address) -> Option<Arc<DialError>> {
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(vec![address.to_multiaddr()])
            .allocate_new_port()
            .build();
        match self.swarm.dial(dial) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => None,
            Err(error) => Some(Arc::new(error)),
        }
    }

    fn reply(&mut self, channel: ResponseChannel<Response>, response: Response) {
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        if exchange.send_response(channel, response).is_err() {
            debug!("a peer no longer waits for its answer");
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<LinkBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(LinkBehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_dial_error(peer, error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.tally.connections_refused.add_one();
                debug!(%error, "a connection was refused");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.silent.retain(|(id, _)| *id != listener_id);
                if let Some((listen, _)) = address::split(&address) {
                    let address = listen.with_peer(self.peer);
                    self.addresses.send_modify(|addresses| addresses.push(address));
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if let Some((listen, _)) = address::split(&address) {
                    self.addresses.send_modify(|all| all.retain(|a| a.listen() != listen));
                }
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                warn!(?addresses, ?reason, "the link stopped listening on {addresses:?}");
            }
            _ => {}
        }
    }

    fn on_dial_error(&mut self, peer: PeerId, error: DialError) {
        let error = Arc::new(error);
        for pending in self.pending.values_mut() {
            if pending.address.peer().to_peer_id() == peer {
                pending.dial_error = Some(Arc::clone(&error));
            }
        }
    }

    fn on_exchange(&mut self, event: Event<Request, Response>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.on_request(peer, request, channel);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                self.answer(request_id, |_| Ok(response.body));
            }
            Event::OutboundFailure { request_id, connection_id, error, .. } => {
                if matches!(error, OutboundFailure::Timeout) {
                    // The peer may be gone without a word; the next request connects afresh.
                    self.swarm.close_connection(connection_id);
                }
                let limit = self.limits.request_timeout;
                self.answer(request_id, |pending| {
                    let dial_error = pending.dial_error.as_ref();
                    Err(request::request_error(error, pending.address, dial_error, limit))
                });
            }
            Event::InboundFailure { peer, error, .. } => {
                debug!(%peer, %error, "a request of a peer was not answered");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let (Ok(peer), Some(slot)) = (PeerKey::from_peer_id(peer), request.slot) else {
            self.tally.dropped.add_one();
            return;
        };
        let replies = self.replies.clone();
        let reply = ReplySender::new(channel, slot, replies, self.limits.response_bytes_max);
        // Never full, there are as many places as slots: refused only if the inbox was dropped.
        match self.requests.try_send(Inbound { peer, body: request.body, reply }) {
            Ok(()) => self.tally.requests_in.add_one(),
            Err(_) => self.tally.dropped.add_one(),
        }
    }

    fn answer(
        &mut self,
        id: OutboundRequestId,
        outcome: impl FnOnce(&Pending) -> Result<Vec<u8>, RequestError>,
    ) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let outcome = outcome(&pending);
        drop(pending.place);
        // Whoever asked may have given up.
        let _heard = pending.answer.send(outcome).is_ok();
    }

    /// Tells the peers, so that they need not find out by silence.
    async fn close(&mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // An error is a peer that has just left.
            let _connected = self.swarm.disconnect_peer_id(peer).is_ok();
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if tokio::time::timeout(CLOSE_WAIT, closing).await.is_err() {
            debug!("some connections did not close orderly");
        }
    }
}
