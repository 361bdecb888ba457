//! The task that owns the swarm.

mod asking;
mod circuits;
mod relaying;
mod serving;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use libp2p::{
    Swarm, TransportError,
    core::transport::ListenerId,
    request_response::{InboundRequestId, OutboundRequestId},
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::{debug, warn};

pub(crate) use asking::Outbound;
use asking::{Pending, Target};
use circuits::Circuit;
use relaying::RelayPlace;
pub(crate) use serving::{Exchange, Work};

use crate::{
    address::{self, Address, ListenAddress},
    budget::Budgets,
    config::Limits,
    counters::Tally,
    dialer::Way,
    held::{Downloads, HeldAnswers},
    inbox::Inbound,
    link::LinkError,
    peer::PeerKey,
    swarm::{LinkBehaviour, LinkBehaviourEvent},
    uploads::Uploads,
};

/// How long a link that ends waits for its connections to close orderly.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// How often silence, expiry and the end of a shutdown are looked for, at most.
const TICK: Duration = Duration::from_millis(250);
/// A link that ends waits for transfers that moved within this time.
const DRAIN_IDLE: Duration = Duration::from_secs(3);

/// What the handles of a link ask of its driver.
pub(crate) enum Command {
    Ask(Outbound),
    Learn(Way),
    /// Take a place at a relay; told once there is one.
    ListenBy(Address, oneshot::Sender<()>),
    /// Finish what is under way until the instant, then end.
    Stop(Instant, oneshot::Sender<()>),
}

/// What handles and driver share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) tally: Arc<Tally>,
    pub(crate) downloads: Mutex<Downloads>,
    /// Requests of this process, from being asked to being answered.
    pub(crate) active: AtomicUsize,
    /// Nothing new is asked or served.
    pub(crate) ending: AtomicBool,
}

/// How long nothing may have happened before a link ends gracefully: what was written last has left
/// by then, and nothing is on its way that would make the kernel reset the connection.
const LINGER: Duration = Duration::from_millis(200);

/// The end of a link.
struct Ending {
    deadline: Instant,
    /// Since when nothing is to be finished.
    idle_since: Option<Instant>,
    done: Vec<oneshot::Sender<()>>,
}

/// The owner of the swarm, driven by its events and by commands.
pub(crate) struct Driver {
    swarm: Swarm<LinkBehaviour>,
    peer: PeerKey,
    limits: Limits,
    tally: Arc<Tally>,
    shared: Arc<Shared>,
    budgets: Arc<Budgets>,
    listeners: Vec<ListenerId>,
    /// Listeners that have not reported an address yet.
    silent: Vec<(ListenerId, ListenAddress)>,
    addresses: watch::Sender<Vec<Address>>,
    targets: BTreeMap<PeerKey, Target>,
    dials: BTreeMap<ConnectionId, Way>,
    /// Relays at which this process wants a place.
    places: BTreeMap<PeerKey, RelayPlace>,
    /// Relays that this process was told of.
    relays: BTreeSet<PeerKey>,
    /// Peers that are asked by a relay.
    circuits: BTreeMap<PeerKey, Circuit>,
    pending: BTreeMap<OutboundRequestId, Pending>,
    uploads: Uploads,
    held: HeldAnswers,
    requests: mpsc::Sender<Inbound>,
    work: mpsc::Sender<Work>,
    work_in: mpsc::Receiver<Work>,
    /// Exchanges of peers whose answer is not on its way.
    responding: BTreeSet<InboundRequestId>,
    ending: Option<Ending>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<LinkBehaviour>,
        limits: &Limits,
        shared: Arc<Shared>,
        budgets: Arc<Budgets>,
        requests: mpsc::Sender<Inbound>,
        addresses: watch::Sender<Vec<Address>>,
    ) -> Self {
        // Each request in work has one piece of it at a time.
        let (work, work_in) = mpsc::channel(limits.inbound_requests_max.into());
        let peer = PeerKey::from_peer_id(*swarm.local_peer_id());
        Self {
            peer: peer.expect("the swarm was made with an Ed25519 key"),
            swarm,
            limits: limits.clone(),
            tally: Arc::clone(&shared.tally),
            shared,
            budgets,
            listeners: Vec::new(),
            silent: Vec::new(),
            addresses,
            targets: BTreeMap::new(),
            dials: BTreeMap::new(),
            places: BTreeMap::new(),
            relays: BTreeSet::new(),
            circuits: BTreeMap::new(),
            pending: BTreeMap::new(),
            uploads: Uploads::new(limits),
            held: HeldAnswers::new(limits),
            requests,
            work,
            work_in,
            responding: BTreeSet::new(),
            ending: None,
        }
    }

    /// Begins to listen.
    pub(crate) fn listen(&mut self, address: ListenAddress) -> Result<(), LinkError> {
        match self.swarm.listen_on(address.to_multiaddr()) {
            Ok(listener) => {
                self.listeners.push(listener);
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
        let mut tick = self.tick();
        while !self.is_over(Instant::now()) {
            let next_dial = self.next_dial();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(work) = self.work_in.recv() => self.on_work(work),
                command = commands.recv() => match command {
                    Some(Command::Ask(outbound)) => self.ask(outbound),
                    Some(Command::Learn(way)) => self.learn(way),
                    Some(Command::ListenBy(relay, done)) => self.listen_by(relay, done),
                    Some(Command::Stop(deadline, done)) => self.stop(deadline, done),
                    None => break,
                },
                () = sleep_until(next_dial.unwrap_or_else(Instant::now)), if next_dial.is_some() => {
                    self.dial_due();
                }
                _ = tick.tick() => self.on_tick(),
            }
        }
        drop(commands);
        let ending = self.ending.take();
        self.close().await;
        drop(self);
        for done in ending.into_iter().flat_map(|ending| ending.done) {
            // Nobody may wait for it any more.
            let _told = done.send(()).is_ok();
        }
    }

    fn tick(&self) -> Interval {
        let shortest = self.limits.keep_alive.min(self.limits.silence_max) / 4;
        let mut tick = interval(TICK.min(shortest).max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick
    }

    /// Stops accepting, and goes on with what is under way.
    fn stop(&mut self, deadline: Instant, done: oneshot::Sender<()>) {
        self.shared.ending.store(true, Ordering::SeqCst);
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        let ending =
            self.ending.get_or_insert(Ending { deadline, idle_since: None, done: Vec::new() });
        ending.deadline = ending.deadline.min(deadline);
        ending.done.push(done);
    }

    /// Whether nothing is left to be finished, or no time for it.
    fn is_over(&mut self, now: Instant) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        let is_idle = self.budgets.in_work(&self.limits) == 0
            && self.responding.is_empty()
            && self.shared.active.load(Ordering::SeqCst) == 0
            && !self.uploads.is_active(DRAIN_IDLE, now)
            && !self.held.is_active(DRAIN_IDLE, now);
        ending.idle_since = is_idle.then(|| ending.idle_since.unwrap_or(now));
        let idle = ending.idle_since.map(|since| now.saturating_duration_since(since));
        idle >= Some(LINGER) || now >= ending.deadline
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.uploads.expire(now);
        self.held.expire(now);
        let downloads = {
            let mut downloads = lock(&self.shared.downloads);
            downloads.expire(self.limits.transfer_expiry, now);
            downloads.bytes()
        };
        self.tally.transfers_evicted.set(self.uploads.evicted());
        self.tally.transfer_bytes_held.set(self.uploads.bytes() + self.held.bytes() + downloads);
        self.check_pulses(now);
        self.check_places(now);
        self.close_circuits();
    }

    fn on_swarm(&mut self, event: SwarmEvent<LinkBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(LinkBehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::Behaviour(LinkBehaviourEvent::Identify(event)) => self.on_identity(event),
            SwarmEvent::Behaviour(LinkBehaviourEvent::Punching(event)) => self.on_punch(event),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_error(connection_id, error);
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                num_established,
                endpoint,
                ..
            } => {
                self.tally.connections_opened.add_one();
                self.tally.connections.add_one();
                let count = num_established.get();
                self.on_connected(peer_id, connection_id, endpoint.is_relayed(), count);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.on_closed(peer_id, connection_id);
                self.tally.connections.set(self.tally.connections.get().saturating_sub(1));
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.tally.connections_refused.add_one();
                debug!(%error, "a connection was refused");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.silent.retain(|(id, _)| *id != listener_id);
                self.on_place(listener_id);
                if let Some((listen, _)) = address::split(&address) {
                    if self.limits.relayed_circuits_max > 0 {
                        // What a relay tells those who take a place.
                        self.swarm.add_external_address(address);
                    }
                    let address = listen.with_peer(self.peer);
                    self.addresses.send_modify(|addresses| addresses.push(address));
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if let Some((listen, _)) = address::split(&address) {
                    self.addresses.send_modify(|all| all.retain(|a| a.listen() != listen));
                }
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason }
                if self.ending.is_none() && !self.on_place_lost(listener_id) =>
            {
                warn!(?addresses, ?reason, "the link stopped listening on {addresses:?}");
            }
            _ => {}
        }
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

/// Locks what is whole after any panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
